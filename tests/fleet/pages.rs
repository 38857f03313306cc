//! The pages: who gets in, what a form may do, what is shown of names that are none of ours, and how much of many.

use super::tls::Authority;
use super::{Collector, batch};
use reqwest::{Client, RequestBuilder, Response, StatusCode, redirect};
use serde_json::{Value, json};
use std::path::Path;

/// What `tests/run` fetches to drive a browser.
const TOOLS: &str = "browser-playwright-core-1.65.1-axe-core-4.14.1";

/// A browser: it keeps what it is given, and follows nothing unasked.
struct Browser {
    client: Client,
    address: String,
}

impl Browser {
    fn of(collector: &Collector) -> Self {
        let client = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
        Self { client, address: collector.address.clone() }
    }

    fn get(&self, cookie: &str, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.address)).header("cookie", cookie).header("accept", "text/html")
    }

    /// A form of a page of this host.
    fn send(&self, cookie: &str, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        self.from(&self.address, cookie, path, fields)
    }

    fn from(&self, origin: &str, cookie: &str, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        let mut body = reqwest::Url::parse("http://x/").unwrap();
        body.query_pairs_mut().extend_pairs(fields);
        let request = self.client.post(format!("{}{path}", self.address)).header("cookie", cookie);
        let request = request.header("content-type", "application/x-www-form-urlencoded").header("origin", origin);
        request.body(body.query().unwrap_or_default().to_owned())
    }

    /// What a browser holds of somebody who signs in.
    async fn sign_in(&self, token: &str) -> String {
        let answer = self.send("", "/sign-in", &[("token", token), ("to", "/owners")]).send().await.unwrap();
        assert_eq!(
            (answer.status(), &answer.headers()["location"]),
            (StatusCode::SEE_OTHER, &"/owners".parse().unwrap())
        );
        let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
        assert!(cookie.contains("; HttpOnly; SameSite=Strict; Path=/; Max-Age=43200"), "{cookie}");
        assert!(!cookie.contains(token) && !cookie.contains("Secure"), "{cookie}");
        cookie.split(';').next().unwrap().to_owned()
    }

    /// A page as it is shown.
    async fn page(&self, cookie: &str, path: &str) -> String {
        let answer = self.get(cookie, path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        is_kept_to_itself(&answer);
        answer.text().await.unwrap()
    }
}

#[track_caller]
fn is_kept_to_itself(answer: &Response) {
    let header = |name: &str| answer.headers()[name].to_str().unwrap();
    let policy = header("content-security-policy");
    for part in ["default-src 'none'", "script-src 'self'", "form-action 'self'", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    assert_eq!((header("x-content-type-options"), header("referrer-policy")), ("nosniff", "same-origin"));
    assert_eq!(header("cache-control"), "no-store");
}

/// The hidden field of the forms of a page.
fn form_of(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"form\" value=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

const TABLE: &str = "public.\"<script>alert(1)</script>\"";
const AT_TABLE: &str = "/tables/shop/public.%22%3Cscript%3Ealert(1)%3C%2Fscript%3E%22";

fn observation(sequence: u64, body: Value) -> Value {
    let now = chrono::Utc::now().to_rfc3339();
    json!({ "agent": "db-1", "incarnation": 7, "sequence": sequence, "time": now, "body": body })
}

/// What a rule gave.
fn outcome(rule: &str, table: &str, status: &str) -> Value {
    let failed = status == "failed";
    json!({ "outcome": { "source": "shop", "table": table, "rule": rule, "kind": "not_null", "fingerprint": "", "status": status,
        "not_evaluated": null, "reason": "27 of 2843 sampled rows fail & <b>more</b>", "population": 100_000, "checked": 2843,
        "failed": if failed { 27 } else { 0 }, "unknown": 0,
        "unknown_by": { "null": 0, "expression_error": 0, "value_too_large": 0, "unrepresentable": 0 },
        "fraction": if failed { 0.0095 } else { 0.0 }, "interval": if failed { [0.0063, 0.0138] } else { [0.0, 0.0013] },
        "level": 0.95, "tolerance": 0.0, "detect": 0.001, "severity": "page", "owner": null, "sampled": true, "moving": false,
        "value": null, "examples": [], "sql": null, "description": null, "runbook": null } })
}

/// A source, a rule that fails for good, and what is made from its column.
async fn told(collector: &Collector) {
    let agent = collector.enrol("db-1", "agent");
    let source = json!({ "source": { "source": "shop", "database": "PostgreSQL 15.6", "address": null, "fault": null, "tables": 1, "rules": 1 } });
    let state = json!({ "state": { "source": "shop", "table": TABLE, "rule": "paid", "from": "suspect", "to": "systemic",
        "reason": "27 of 2843 rows fail", "since": "2026-01-02T03:00:00Z", "severity": "page", "owner": null, "migration": null,
        "runbook": "javascript:alert(1)" } });
    let edge = json!({ "source": { "table": TABLE, "column": "total" }, "target": { "table": "public.sums", "column": "total" },
        "kind": "aggregation" });
    let lineage = json!({ "lineage": { "source": "shop", "part": { "origin": { "name": "view public.sums", "kind": "view",
        "certainty": "exact", "edges": [edge] } } } });
    let name = format!("rule paid on {TABLE}");
    let reads = json!({ "source": { "table": TABLE, "column": "total" }, "target": { "table": name, "column": "*" }, "kind": "filter" });
    let rule = json!({ "lineage": { "source": "shop", "part": { "origin": { "name": name, "kind": "rule", "certainty": "declared",
        "edges": [reads] } } } });
    let sent = vec![
        observation(1, source),
        observation(2, outcome("paid", TABLE, "failed")),
        observation(3, state),
        observation(4, lineage),
        observation(5, rule),
    ];
    let answer = collector.post(&agent, "/v1/ingest", batch("db-1", 7, sent)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{}", answer.text().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_a_token_of_a_person_gets_in_until_it_is_revoked() {
    let mut collector = Collector::start();
    let (ann, agent, admin) =
        (collector.enrol("ann", "viewer"), collector.enrol("db-1", "agent"), collector.enrol("eve", "admin"));
    let browser = Browser::of(&collector);
    let way_in = browser.get("", "/incidents?state=all").send().await.unwrap();
    assert_eq!(
        (way_in.status(), &way_in.headers()["location"]),
        (StatusCode::SEE_OTHER, &"/sign-in?to=%2Fincidents%3Fstate%3Dall".parse().unwrap())
    );
    // from a link elsewhere, a browser comes without what it holds: it takes a step from here
    let elsewhere = browser.get("", "/fleet").header("sec-fetch-site", "cross-site").send().await.unwrap();
    assert_eq!(elsewhere.status(), StatusCode::OK);
    assert!(elsewhere.text().await.unwrap().contains("http-equiv=\"refresh\" content=\"0; url=/sign-in?to=%2Ffleet\""));
    for (token, status, said) in [
        ("fieldmark_wrong", 401, "not known, or was revoked"),
        ("", 401, "not known"),
        (agent.as_str(), 403, "token of an agent"),
    ] {
        let answer = browser.send("", "/sign-in", &[("token", token)]).send().await.unwrap();
        assert_eq!(answer.status(), status);
        assert!(!answer.headers().contains_key("set-cookie"));
        is_kept_to_itself(&answer);
        assert!(answer.text().await.unwrap().contains(said), "{said}");
    }
    // a form that another site sends signs nobody in
    let other = browser.from("http://evil.example", "", "/sign-in", &[("token", &ann)]).send().await.unwrap();
    assert_eq!((other.status(), other.headers().contains_key("set-cookie")), (StatusCode::FORBIDDEN, false));
    let away = browser.send("", "/sign-in", &[("token", &ann), ("to", "//evil.example")]).send().await.unwrap();
    assert_eq!(away.headers()["location"], "/fleet");
    let audits = collector.audits(&admin).await;
    assert!(audits.contains(&("-".to_owned(), "token_refused".to_owned())), "{audits:?}");

    let cookie = browser.sign_in(&ann).await;
    for path in ["/fleet", "/incidents", "/migrations", "/lineage", "/owners"] {
        let page = browser.page(&cookie, path).await;
        assert!(page.contains("ann") && page.contains("<main id=\"main\"") && page.contains("Sign out"), "{path}");
    }
    assert_eq!(browser.get(&cookie, "/").send().await.unwrap().headers()["location"], "/fleet");
    let again = browser.get(&cookie, "/sign-in?to=%2Fowners").send().await.unwrap();
    assert_eq!(again.headers()["location"], "/owners", "whoever is signed in goes on");
    // what a browser holds is no token, and a token is still what programs come with
    let key = cookie.split_once('=').unwrap().1;
    assert_eq!(collector.get(key, "/v1/whoami").send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(collector.get(&ann, "/v1/whoami").send().await.unwrap().status(), StatusCode::OK);
    // signing out takes a form of one's own
    assert_eq!(browser.send(&cookie, "/sign-out", &[]).send().await.unwrap().status(), StatusCode::FORBIDDEN);
    let form = form_of(&browser.page(&cookie, "/fleet").await);
    let out = browser.send(&cookie, "/sign-out", &[("form", &form)]).send().await.unwrap();
    assert!(out.headers()["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(browser.get(&cookie, "/fleet").send().await.unwrap().status(), StatusCode::SEE_OTHER);

    let cookie = browser.sign_in(&ann).await;
    let revoke = collector.client.delete(collector.url("/v1/principals/ann")).bearer_auth(&admin);
    assert_eq!(revoke.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(browser.get(&cookie, "/fleet").send().await.unwrap().status(), StatusCode::SEE_OTHER);
    // whoever is signed in is so in memory alone
    let cookie = browser.sign_in(&admin).await;
    collector.kill_and_restart();
    assert_eq!(Browser::of(&collector).get(&cookie, "/fleet").send().await.unwrap().status(), StatusCode::SEE_OTHER);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_acts_with_a_form_of_his_own_and_a_viewer_sees_why_not() {
    let collector = Collector::start();
    told(&collector).await;
    let (ann, bob) = (collector.enrol("ann", "viewer"), collector.enrol("bob", "operator"));
    let browser = Browser::of(&collector);
    let (viewer, operator) = (browser.sign_in(&ann).await, browser.sign_in(&bob).await);
    let id = collector.told(&ann, "/v1/incidents").await[0]["id"].as_str().unwrap().to_owned();
    let here = format!("/incidents/{id}");
    let (acknowledge, silence) = (format!("{here}/acknowledge"), format!("{here}/silence"));
    let seen = browser.page(&viewer, &here).await;
    assert!(seen.contains("takes the role operator") && !seen.contains("Acknowledge</button>"), "{seen}");
    // what an author calls a runbook is a link only where it is one
    assert!(seen.contains("javascript:alert(1)") && !seen.contains("href=\"javascript:"), "{seen}");
    assert!(seen.contains("view public.sums (exact)"), "what is made from it");
    let viewers = form_of(&seen);
    let refused = browser.send(&viewer, &acknowledge, &[("form", &viewers)]).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert!(refused.text().await.unwrap().contains("ann is enrolled as viewer, and this is for operator"));

    let form = form_of(&browser.page(&operator, &here).await);
    let another = browser.sign_in(&bob).await;
    for (case, request) in [
        ("no form", browser.send(&operator, &acknowledge, &[])),
        ("somebody else's", browser.send(&operator, &acknowledge, &[("form", &viewers)])),
        ("another session's", browser.send(&another, &acknowledge, &[("form", &form)])),
        ("from elsewhere", browser.from("https://evil.example", &operator, &acknowledge, &[("form", &form)])),
        (
            "from a neighbour",
            browser.send(&operator, &acknowledge, &[("form", &form)]).header("sec-fetch-site", "same-site"),
        ),
        ("from nowhere", browser.from("null", &operator, &acknowledge, &[("form", &form)])),
    ] {
        assert_eq!(request.send().await.unwrap().status(), StatusCode::FORBIDDEN, "{case}");
    }
    let long = "x".repeat(20_000);
    let too_long = browser.send(&operator, &acknowledge, &[("form", &form), ("note", &long)]).send().await.unwrap();
    assert_eq!(too_long.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(
        collector.told(&ann, "/v1/incidents").await[0]["acknowledged"],
        Value::Null,
        "none of those did anything"
    );

    let done = browser.send(&operator, &acknowledge, &[("form", &form), ("note", "on it <b>")]).send().await.unwrap();
    assert_eq!((done.status(), &done.headers()["location"]), (StatusCode::SEE_OTHER, &here.parse().unwrap()));
    let unsaid =
        browser.send(&operator, &silence, &[("form", &form), ("hours", "4"), ("why", " ")]).send().await.unwrap();
    assert_eq!(unsaid.status(), StatusCode::BAD_REQUEST);
    assert!(unsaid.text().await.unwrap().contains("a silence says why"));
    let done =
        browser.send(&operator, &silence, &[("form", &form), ("hours", "4"), ("why", "known")]).send().await.unwrap();
    assert_eq!(done.status(), StatusCode::SEE_OTHER);
    let incident = &collector.told(&ann, "/v1/incidents").await[0];
    assert_eq!(
        (&incident["acknowledged"]["by"], &incident["acknowledged"]["note"]),
        (&json!("bob"), &json!("on it <b>"))
    );
    assert_eq!((&incident["silenced"]["by"], &incident["silenced"]["why"]), (&json!("bob"), &json!("known")));
    let seen = browser.page(&viewer, &here).await;
    assert!(seen.contains("on it &#60;b&#62;") && seen.contains("bob took it up"), "{seen}");
    let admin = collector.enrol("eve", "admin");
    let audits = collector.audits(&admin).await;
    for what in ["acknowledged", "silenced", "form_refused"] {
        assert!(audits.contains(&("bob".to_owned(), what.to_owned())), "{what}: {audits:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_things_are_called_they_are_text_and_what_is_not_known_is_unknown() {
    let collector = Collector::start();
    told(&collector).await;
    let browser = Browser::of(&collector);
    let cookie = browser.sign_in(&collector.enrol("ann", "viewer")).await;
    let rule = format!("{}/paid", AT_TABLE.replace("/tables/", "/rules/"));
    let lineage = format!("/lineage?source=shop&table={}", &AT_TABLE["/tables/shop/".len()..]);
    for path in ["/fleet", "/sources/shop", AT_TABLE, &rule, "/incidents", "/lineage", &lineage, "/owners"] {
        let page = browser.page(&cookie, path).await;
        assert!(!page.contains("<script>alert") && !page.contains("<b>more</b>"), "{path}");
        assert!(!page.contains(" style=\"") && !page.contains(" onclick="), "{path}");
        if path != "/fleet" {
            assert!(page.contains("&#60;script&#62;alert(1)"), "{path}: {page}");
        }
    }
    let table = browser.page(&cookie, AT_TABLE).await;
    assert!(
        table.contains("0.95\u{202f}% (0.63 to 1.4)") && table.contains("27 of 2\u{202f}843 sampled rows"),
        "{table}"
    );
    assert!(table.contains("<span class=\"unknown\">unknown</span>"), "nobody owns it: {table}");
    assert!(browser.page(&cookie, "/owners").await.contains("<span class=\"unknown\">unknown</span>"));
    // what is nowhere is a page that says so, for whoever looks; and what it was, for programs
    for path in [
        "/sources/nope",
        "/tables/shop/public.nope",
        "/tables/shop/a.b.c",
        "/rules/shop/public.nope/x",
        "/migrations/shop/x",
        "/incidents/nope",
        "/lineage?table=nope",
        "/nope",
    ] {
        let answer = browser.get(&cookie, path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        is_kept_to_itself(&answer);
        assert!(answer.text().await.unwrap().contains("<h1>Not Found</h1>"), "{path}");
    }
    let program = collector.client.get(collector.url("/nope")).send().await.unwrap();
    assert_eq!(program.headers()["content-type"], "application/problem+json");
    let when = browser.get(&cookie, "/lineage?table=public.sums&as_of=yesterday").send().await.unwrap();
    assert_eq!(when.status(), StatusCode::BAD_REQUEST);
    // exports of what was reached
    let csv =
        browser.get(&cookie, "/lineage.csv?table=public.sums&column=total").send().await.unwrap().text().await.unwrap();
    assert!(
        csv.contains(
            "up,1,shop,\"public.\"\"<script>alert(1)</script>\"\"\",total,true,aggregation,false,view public.sums,exact"
        ),
        "{csv}"
    );
    // the same page is told to be the same
    let path = "/lineage?source=shop&table=public.sums";
    let tag = browser.get(&cookie, path).send().await.unwrap().headers().get("etag").cloned();
    assert!(tag.is_some_and(|tag| tag.len() == 18));
}

/// In a real browser: what scripts draw, what it says of the pages' policy, and what a judge of accessibility does.
#[tokio::test(flavor = "multi_thread")]
async fn people_see_the_pages_in_a_browser() {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-data").join(TOOLS).join("node_modules");
    assert!(tools.is_dir(), "{} is missing: tests/run fetches it", tools.display());
    let collector = Collector::start();
    told(&collector).await;
    let (viewer, operator) = (collector.enrol("ann", "viewer"), collector.enrol("bob", "operator"));
    let agent = collector.enrol("db-2", "agent");
    let incident = collector.told(&viewer, "/v1/incidents").await[0]["id"].as_str().unwrap().to_owned();
    let (rule, incident) =
        (format!("{}/paid", AT_TABLE.replace("/tables/", "/rules/")), format!("/incidents/{incident}"));
    let lineage = format!("/lineage?source=shop&table={}&column=total", &AT_TABLE["/tables/shop/".len()..]);
    let other = json!({ "agent": "db-2", "incarnation": 1, "sequence": 1, "time": "2026-01-02T03:04:05Z", "body": outcome("sent", TABLE, "passed") });
    let pages = json!([
        "/fleet",
        "/sources/shop",
        AT_TABLE,
        rule,
        "/incidents",
        incident,
        "/migrations",
        "/lineage",
        lineage,
        "/owners"
    ]);
    let what = json!({ "viewer": viewer, "operator": operator, "agent": agent, "pages": pages, "table": AT_TABLE, "incident": incident,
        "lineage": lineage, "batch": batch("db-2", 1, vec![other]) });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("fleet/browser.cjs");
    let mut node = tokio::process::Command::new("node");
    node.arg(script).arg(tools).arg(&collector.address).arg(what.to_string());
    let looked = node.output().await.expect("node is needed");
    let said = String::from_utf8_lossy(&looked.stdout);
    assert_eq!(said.trim(), "looked", "{}", String::from_utf8_lossy(&looked.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls_what_a_browser_holds_is_for_tls_and_this_host_alone() {
    let authority = Authority::new();
    let serve = "{ listen: '127.0.0.1:0', tls: { cert_file: cert.pem, key_file: key.pem } }";
    let client = || authority.client().redirect(redirect::Policy::none());
    let collector = Collector::with(serve, |folder| authority.issue(folder.path(), "127.0.0.1"), client());
    let ann = collector.enrol("ann", "viewer");
    let browser = Browser { client: client().build().unwrap(), address: collector.address.clone() };
    let answer = browser.send("", "/sign-in", &[("token", &ann)]).send().await.unwrap();
    assert_eq!((answer.version(), answer.status()), (reqwest::Version::HTTP_2, StatusCode::SEE_OTHER));
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-fieldmark=") && cookie.ends_with("; Secure"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    assert!(browser.page(&cookie, "/fleet").await.contains("ann"));
    let plain = cookie.replace("__Host-", "");
    assert_eq!(browser.get(&plain, "/fleet").send().await.unwrap().status(), StatusCode::SEE_OTHER);
    let other = browser.from("https://127.0.0.1:1", "", "/sign-in", &[("token", &ann)]).send().await.unwrap();
    assert_eq!(other.status(), StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_kept_for_as_long_as_they_are_what_they_are() {
    let collector = Collector::start();
    let browser = Browser::of(&collector);
    let page = browser.get("", "/sign-in").send().await.unwrap().text().await.unwrap();
    let address = page.split('"').find(|part| part.starts_with("/assets/style.css?v=")).unwrap();
    let file = browser.get("", address).send().await.unwrap();
    let header = |name: &str| file.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(
        (header("content-type"), header("x-content-type-options")),
        ("text/css; charset=utf-8".into(), "nosniff".into())
    );
    let again = browser.get("", address).header("if-none-match", header("etag")).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    let old = browser.get("", "/assets/style.css?v=old").send().await.unwrap();
    assert_eq!(old.headers()["cache-control"], "no-cache");
    assert_eq!(browser.get("", "/assets/nope.js").send().await.unwrap().status(), StatusCode::NOT_FOUND);
    assert_eq!(browser.get("", "/assets/..%2Fmod.rs").send().await.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_rules_are_shown_in_pieces() {
    let collector = Collector::start();
    let agent = collector.enrol("db-1", "agent");
    for part in 0..5_u64 {
        let rules = (part * 2_000..(part + 1) * 2_000).map(|n| {
            let table = format!("public.t{}", n / 10);
            let status = if n % 100 == 0 { "failed" } else { "passed" };
            observation(n + 1, outcome(&format!("r{n}"), &table, status))
        });
        let sent = batch("db-1", 7, rules.collect());
        assert_eq!(collector.post(&agent, "/v1/ingest", sent).send().await.unwrap().status(), StatusCode::OK);
    }
    let browser = Browser::of(&collector);
    let cookie = browser.sign_in(&collector.enrol("ann", "viewer")).await;
    for path in ["/fleet", "/sources/shop", "/tables/shop/public.t7", "/owners"] {
        let page = browser.page(&cookie, path).await;
        assert!(page.len() < 200_000, "{path}: {} bytes", page.len());
    }
    assert!(browser.page(&cookie, "/fleet").await.contains("100 failed, 9\u{202f}900 passed"));
    let source = browser.page(&cookie, "/sources/shop").await;
    assert!(
        source.contains("1 to 100 of 1\u{202f}000") && source.contains("href=\"/sources/shop?page=2\""),
        "{source}"
    );
    let failing = browser.page(&cookie, "/sources/shop?status=failed&q=T99").await;
    assert!(failing.contains("public.t990") && !failing.contains("public.t991"), "{failing}");
}
