//! Every kind of route against receivers that take, refuse, hang up, babble, dawdle and ask for time; a real Alertmanager; and what people do
//! about incidents.

use super::{Collector, batch, command, json_of, until};
use crate::server::alertmanager::Alertmanager;
use crate::server::hook::{Behaves, Came, Hook};
use crate::server::smtp::Mail;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;

const SECRET: &str = "a-secret-that-signs-what-is-told";
const KEY: &str = "0123456789abcdef0123456789abcdef";

/// An agent that says what it is told to say.
struct Says<'c> {
    collector: &'c Collector,
    token: String,
    sequence: AtomicU64,
}

impl<'c> Says<'c> {
    fn to(collector: &'c Collector) -> Self {
        Self { collector, token: collector.enrol("db-1", "agent"), sequence: AtomicU64::new(0) }
    }

    async fn body(&self, body: Value) {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed) + 1;
        let now = chrono::Utc::now().to_rfc3339();
        let seen = json!({ "agent": "db-1", "incarnation": 7, "sequence": sequence, "time": now, "body": body });
        let sent = self.collector.post(&self.token, "/v1/ingest", batch("db-1", 7, vec![seen])).send().await.unwrap();
        assert_eq!(sent.status(), StatusCode::OK);
    }

    /// The rule of a table of a source is in this state; each source is an incident of its own.
    async fn state(&self, source: &str, to: &str) {
        let hour = u64::from(source.bytes().fold(0_u8, u8::wrapping_add)) % 24;
        let table = format!("public.{source}_orders");
        self.body(json!({ "state": {
            "source": source, "table": table, "rule": "paid", "from": "suspect", "to": to, "reason": "27 of 2843 rows fail",
            "since": format!("2026-01-01T{hour:02}:00:00Z"), "severity": "page", "owner": "team-payments", "migration": null,
            "runbook": "https://wiki.example/paid", "description": "A paid order has a total." } }))
            .await;
    }
}

fn secrets(folder: &TempDir) {
    std::fs::write(folder.path().join("secret"), SECRET).unwrap();
    std::fs::write(folder.path().join("key"), format!("{KEY}\n")).unwrap();
}

/// A collector with these routes, each on a line of its own.
fn telling(routes: &[String], ready: impl FnOnce(&TempDir)) -> Collector {
    telling_as("{ listen: '127.0.0.1:0', url: 'https://fieldmark.example', allow_exec: true }", routes, ready)
}

fn telling_as(serve: &str, routes: &[String], ready: impl FnOnce(&TempDir)) -> Collector {
    let routes: String = routes.iter().map(|route| format!("\n  - {route}")).collect();
    Collector::telling(serve, &routes, |folder| {
        secrets(folder);
        ready(folder);
    })
}

/// The configuration of a route of each kind that calls an address.
fn calling(kind: &str, url: &str) -> String {
    let own = match kind {
        "pagerduty" => "key_file: key",
        "webhook" => "secret_file: secret",
        _ => "fallback: false",
    };
    format!("{{ name: {kind}, kind: {kind}, url: '{url}', {own}, match: {{ source: {kind} }} }}")
}

const CALLING: [&str; 4] = ["pagerduty", "alertmanager", "slack", "webhook"];

/// What a call says is the case: that it begins, or that it is over.
fn is_over(kind: &str, came: &Came) -> bool {
    let body = came.body();
    match kind {
        "pagerduty" => body["event_action"] == "resolve",
        "alertmanager" => {
            body[0]["endsAt"].as_str() < Some("2026-06-01")
                || body[0]["annotations"]["summary"].as_str().unwrap().starts_with("Over: ")
        }
        "slack" => body["text"].as_str().unwrap().starts_with("Over: "),
        _ => body["status"] == "resolved",
    }
}

async fn results(collector: &Collector, viewer: &str) -> Vec<(String, String, String)> {
    let told = collector.told(viewer, "/v1/deliveries?limit=1000").await;
    let word = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let rows = told.as_array().unwrap().iter().rev();
    rows.map(|row| (word(row, "route"), word(row, "notice"), word(row, "result"))).collect()
}

/// Receivers that do anything but take it, and then do: each is told, once, that it begins and that it is over.
#[tokio::test(flavor = "multi_thread")]
async fn each_kind_is_told_until_it_takes_what_it_is_told() {
    let behaviours = vec![
        Behaves::Answers(500),
        Behaves::HangsUp,
        Behaves::Babbles,
        Behaves::AsksFor(429, 2),
        Behaves::Dawdles(Duration::from_millis(500)),
    ];
    let mut hooks = Vec::new();
    for kind in CALLING {
        hooks.push((kind, Hook::behaving(behaviours.clone()).await));
    }
    let routes: Vec<String> = hooks.iter().map(|(kind, hook)| calling(kind, &hook.url)).collect();
    let collector = telling(&routes, |_| {});
    let (says, viewer) = (Says::to(&collector), collector.enrol("ann", "viewer"));
    for kind in CALLING {
        says.state(kind, "systemic").await;
    }
    let taken = |results: &Vec<(String, String, String)>, notice: &str| {
        results.iter().filter(|(_, own, result)| own == notice && result == "taken").count()
    };
    until("all taken", async || results(&collector, &viewer).await, |results| taken(results, "opened") == 4).await;
    for (kind, hook) in &hooks {
        let came = hook.came();
        // those that hung up and babbled never read what was said
        assert_eq!(came.len(), 3, "{kind}: {came:#?}");
        assert!(
            came.iter().all(|one| one.text == came[0].text || *kind == "alertmanager"),
            "{kind}: the same each time"
        );
        assert!(came.iter().all(|one| !is_over(kind, one)), "{kind}");
        let said = &came[2].text;
        for word in
            ["paid", "27 of 2843 rows fail", "https://wiki.example/paid", "https://fieldmark.example/incidents/"]
        {
            assert!(said.contains(word), "{kind}: {word}: {said}");
        }
    }
    let tries: Vec<u64> = (collector.told(&viewer, "/v1/deliveries").await.as_array().unwrap().iter())
        .map(|row| row["tries"].as_u64().unwrap())
        .collect();
    assert_eq!(tries, [5, 5, 5, 5]);
    for kind in CALLING {
        says.state(kind, "resolved").await;
    }
    until("all over", async || results(&collector, &viewer).await, |results| taken(results, "resolved") == 4).await;
    for (kind, hook) in &hooks {
        let came = hook.came();
        assert!(came.len() == 4 && is_over(kind, &came[3]), "{kind}: {came:#?}");
    }
    let [pagerduty, alertmanager, _, webhook] = [0, 1, 2, 3].map(|at: usize| hooks[at].1.came());
    assert!(pagerduty.iter().all(|came| came.path == "/hook/v2/enqueue"));
    let keys: Vec<Value> = pagerduty.iter().map(|came| came.body()["dedup_key"].clone()).collect();
    assert!(keys.iter().all(|key| key == &keys[0]) && pagerduty[0].body()["routing_key"] == KEY, "{keys:?}");
    assert!(alertmanager.iter().all(|came| came.path == "/hook/api/v2/alerts"));
    assert!(webhook.iter().all(|came| came.is_signed_by(SECRET)));
}

/// What is refused for good is told over the next route that is meant for it, and that it is over to that one alone.
#[tokio::test(flavor = "multi_thread")]
async fn what_each_kind_is_refused_for_good_goes_over_the_fallback() {
    let (mut hooks, fallback) = (Vec::new(), Hook::start(&[]).await);
    for kind in CALLING {
        hooks.push((kind, Hook::behaving(vec![Behaves::Answers(400)]).await));
    }
    let mut routes =
        vec![format!("{{ name: last, kind: webhook, url: '{}', secret_file: secret, fallback: true }}", fallback.url)];
    routes.extend(hooks.iter().map(|(kind, hook)| calling(kind, &hook.url)));
    let collector = telling(&routes, |_| {});
    let (says, viewer) = (Says::to(&collector), collector.enrol("ann", "viewer"));
    for kind in CALLING {
        says.state(kind, "systemic").await;
    }
    until("told over the fallback", async || fallback.came().len(), |came| *came == 4).await;
    let told = until(
        "kept",
        async || results(&collector, &viewer).await,
        |results| results.iter().filter(|(_, _, result)| result == "taken").count() == 4,
    )
    .await;
    for kind in CALLING {
        let refused = told.iter().find(|(route, _, _)| route == kind).map(|(_, _, result)| result.as_str());
        assert_eq!(refused, Some("it answers 400 Bad Request"), "{kind}");
    }
    says.state("slack", "resolved").await;
    until("over", async || fallback.came().len(), |came| *came == 5).await;
    assert!(hooks.iter().all(|(_, hook)| hook.came().len() == 1));
}

/// Mail that is not taken at first, in one thread; and a program that fails at first.
#[tokio::test(flavor = "multi_thread")]
async fn mail_and_programs_are_told_until_they_take_it() {
    let mail = Mail::start(&[451, 421]).await;
    let written = |folder: &TempDir| {
        let program = folder.path().join("told.sh");
        let script = format!(
            "#!/bin/sh\ncd '{}' || exit 1\n[ -e once ] || {{ touch once; exit 3; }}\ncat >>said; echo >>said; env >environment\n",
            folder.path().display()
        );
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        program
    };
    let folder = tempfile::tempdir().unwrap();
    let program = written(&folder);
    let routes = [
        format!(
            "{{ name: mail, kind: email, server: 'smtp+plain://127.0.0.1:{}', from: 'Fieldmark <fieldmark@example.org>', to: [ann@example.org, bob@example.org], match: {{ source: mail }} }}",
            mail.port
        ),
        format!(
            "{{ name: program, kind: exec, command: ['{}', an-argument], match: {{ source: program }} }}",
            program.display()
        ),
    ];
    let collector = telling(&routes, |_| {});
    let says = Says::to(&collector);
    for (source, to) in [("mail", "systemic"), ("program", "systemic"), ("mail", "resolved"), ("program", "resolved")] {
        if to == "resolved" {
            let said = |folder: &Path| std::fs::read_to_string(folder.join("said")).unwrap_or_default();
            until(
                "told",
                async || (mail.took().len(), said(folder.path())),
                |(took, said)| *took >= 1 && said.contains("\"opened\""),
            )
            .await;
        }
        says.state(source, to).await;
    }
    let took = until("mail", async || mail.took(), |took| took.len() == 2).await;
    for (to, text) in &took {
        assert!(to.len() == 2 && to[0].contains("ann@example.org") && to[1].contains("bob@example.org"), "{to:?}");
        assert!(
            text.contains("27 of 2843 rows fail") && text.contains("From: Fieldmark <fieldmark@example.org>"),
            "{text}"
        );
    }
    let thread = |text: &str| text.lines().find(|line| line.starts_with("References: ")).unwrap().to_owned();
    assert_eq!(thread(&took[0].1), thread(&took[1].1));
    assert!(took[0].1.contains("Subject: [page] mail: paid on public.mail_orders: systemic"), "{}", took[0].1);
    assert!(took[1].1.contains("Subject: [page] Over: "), "{}", took[1].1);
    let said = || std::fs::read_to_string(folder.path().join("said")).unwrap_or_default();
    let said = until("said", async || said(), |said| said.contains("\"resolved\"")).await;
    let first: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!((&first["notice"], &first["incident"]["parts"][0]["source"]), (&json!("opened"), &json!("program")));
    let environment = std::fs::read_to_string(folder.path().join("environment")).unwrap();
    let names: Vec<&str> = environment.lines().filter_map(|line| line.split('=').next()).collect();
    assert!(
        names.iter().all(|name| ["PATH", "FIELDMARK_NOTICE", "PWD", "SHLVL", "_", "OLDPWD"].contains(name)),
        "{names:?}"
    );
}

/// A real Alertmanager groups what it is told, forwards it, and knows when it is over.
#[tokio::test(flavor = "multi_thread")]
async fn an_alertmanager_groups_forwards_and_resolves() {
    let hook = Hook::start(&[]).await;
    let alertmanager = Alertmanager::forwarding(&hook.url).await.unwrap();
    let collector = telling(&[format!("{{ name: am, kind: alertmanager, url: '{}' }}", alertmanager.url())], |_| {});
    let says = Says::to(&collector);
    says.state("shop", "systemic").await;
    let came = until("forwarded", async || hook.came(), |came: &Vec<Came>| !came.is_empty()).await;
    let group = came[0].body();
    assert_eq!((&group["status"], group["alerts"].as_array().unwrap().len()), (&json!("firing"), 1));
    let alert = &group["alerts"][0];
    assert_eq!(
        (&alert["labels"]["alertname"], &alert["labels"]["owner"]),
        (&json!("FieldmarkRuleFails"), &json!("team-payments"))
    );
    assert_eq!(alert["annotations"]["description"], "27 of 2843 rows fail");
    let client = Client::new();
    assert_eq!(alertmanager.alerts(&client).await.len(), 1);
    says.state("shop", "resolved").await;
    let over = |came: &Vec<Came>| came.iter().any(|one| one.body()["status"] == "resolved");
    until("over", async || hook.came(), over).await;
    assert_eq!(alertmanager.alerts(&client).await, Vec::<Value>::new());
}

/// An operator takes an incident up and silences a source, a viewer may not; a command beside the collector does the same; a migration is a change.
#[tokio::test(flavor = "multi_thread")]
async fn people_take_incidents_up_and_silence_them() {
    let (pager, chat) = (Hook::start(&[]).await, Hook::start(&[]).await);
    let routes = [
        format!(
            "{{ name: pager, kind: pagerduty, url: '{}', key_file: key, match: {{ severity: page }}, escalate: {{ after: 2s, to: chat }} }}",
            pager.url
        ),
        format!("{{ name: chat, kind: slack, url: '{}', match: {{ owner: nobody }} }}", chat.url),
    ];
    let collector = telling(&routes, |_| {});
    let says = Says::to(&collector);
    let [viewer, operator] = ["viewer", "operator"].map(|role| collector.enrol(role, role));
    says.state("shop", "systemic").await;
    let incidents = collector.told(&viewer, "/v1/incidents?open=true").await;
    let id = incidents[0]["id"].as_str().unwrap().to_owned();
    until("told", async || pager.came().len(), |came| *came == 1).await;
    let acknowledge = format!("/v1/incidents/{id}/acknowledge");
    let denied = collector.post(&viewer, &acknowledge, "{}").send().await.unwrap();
    assert_eq!(denied.status(), StatusCode::FORBIDDEN);
    let wrong = collector.post(&operator, &acknowledge, r#"{"notes":1}"#).send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
    let note = json!({ "note": "rolling 0042 back\n" }).to_string();
    let taken = json_of(collector.post(&operator, &acknowledge, note).send().await.unwrap()).await;
    assert_eq!(
        (&taken["acknowledged"]["by"], &taken["acknowledged"]["note"]),
        (&json!("operator"), &json!("rolling 0042 back"))
    );
    let came = until("told that it is taken up", async || pager.came(), |came: &Vec<Came>| came.len() == 2).await;
    assert_eq!(came[1].body()["event_action"], "acknowledge");

    // one that nobody takes up goes further; the first does not
    says.state("lake", "systemic").await;
    let came = until("escalated", async || chat.came(), |came: &Vec<Came>| !came.is_empty()).await;
    assert_eq!(came[0].body()["text"], "Nobody has taken it up: lake: paid on public.lake_orders: systemic");
    let run = |arguments: &[&str]| {
        let output = command(&collector.folder).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap())
    };
    let (code, listed) = run(&["incidents"]);
    assert_eq!((code, listed.lines().count()), (Some(0), 2), "{listed}");
    assert!(listed.contains("shop: paid on public.shop_orders") && listed.contains("taken up by operator"), "{listed}");
    let lake = listed.lines().find(|line| line.contains("lake")).unwrap().split(' ').next().unwrap().to_owned();
    let (code, said) = run(&["incidents", "acknowledge", &lake, "--note", "on it"]);
    assert_eq!((code, said.contains("taken up")), (Some(0), true), "{said}");
    let (code, shown) = run(&["incidents", "show", &lake]);
    assert!(code == Some(0) && shown.contains("27 of 2843 rows fail") && shown.contains(": on it"), "{shown}");
    assert_eq!(run(&["incidents", "show", "nothing"]).0, Some(2));

    // what is silenced is seen, and told to nobody; when the silence is over it is told
    let silence = json!({ "matches": { "source": "quiet" }, "until": "2099-01-01T00:00:00Z", "why": "a restore" });
    for (wrong, who, status) in [
        (json!({ "matches": {}, "until": "2099-01-01T00:00:00Z", "why": "x" }), &operator, StatusCode::BAD_REQUEST),
        (
            json!({ "matches": { "source": "quiet" }, "until": "2020-01-01T00:00:00Z", "why": "x" }),
            &operator,
            StatusCode::BAD_REQUEST,
        ),
        (
            json!({ "matches": { "sauce": "quiet" }, "until": "2026-12-24T00:00:00Z", "why": "x" }),
            &operator,
            StatusCode::BAD_REQUEST,
        ),
        (silence.clone(), &viewer, StatusCode::FORBIDDEN),
    ] {
        let answer = collector.post(who, "/v1/silences", wrong.to_string()).send().await.unwrap();
        assert_eq!(answer.status(), status, "{wrong}");
    }
    let (code, said) = run(&["silence", "add", "--source", "quiet", "--for", "2h", "--why", "a restore"]);
    assert!(code == Some(0) && said.starts_with("silence 1, until "), "{said}");
    let (_, listed) = run(&["silence", "list"]);
    assert!(listed.contains("source quiet") && listed.contains("a restore"), "{listed}");
    says.state("quiet", "systemic").await;
    says.state("loud", "systemic").await;
    until("told", async || pager.came(), |came: &Vec<Came>| came.iter().any(|one| one.text.contains("loud"))).await;
    assert!(pager.came().iter().all(|one| !one.text.contains("quiet_orders")), "it is silenced");
    let open = collector.told(&viewer, "/v1/incidents?open=true").await;
    for incident in open.as_array().unwrap() {
        let is_quiet = incident["parts"][0]["source"] == "quiet";
        let silenced = &incident["silenced"];
        assert_eq!(silenced["why"].as_str(), is_quiet.then_some("a restore"), "{incident:#}");
        let one = collector.told(&viewer, &format!("/v1/incidents/{}", incident["id"].as_str().unwrap())).await;
        assert_eq!(one["silenced"], *silenced);
        if is_quiet {
            let (_, shown) = run(&["incidents", "show", incident["id"].as_str().unwrap()]);
            assert!(shown.contains("\n  silenced until ") && shown.contains(": a restore"), "{shown}");
        }
    }
    let (_, listed) = run(&["incidents"]);
    assert_eq!(listed.lines().filter(|line| line.contains(", silenced until ")).count(), 1, "{listed}");
    let ended = collector.client.delete(collector.url("/v1/silences/1")).bearer_auth(&operator).send().await.unwrap();
    assert_eq!(ended.status(), StatusCode::NO_CONTENT);
    until("told", async || pager.came(), |came: &Vec<Came>| came.iter().any(|one| one.text.contains("quiet_orders")))
        .await;
    let audits = collector.told(&collector.enrol("root", "admin"), "/v1/audit").await;
    let whats: Vec<&str> = audits.as_array().unwrap().iter().map(|row| row["what"].as_str().unwrap()).collect();
    for what in ["acknowledged", "silenced", "unsilenced", "role_refused"] {
        assert!(whats.contains(&what), "{what}: {whats:?}");
    }
    assert!(!chat.came().iter().any(|one| one.text.contains("shop_orders")), "what was taken up went no further");

    says.body(json!({ "migration": { "source": "shop", "id": "7-1", "name": "0042", "noticed_by": "opened",
        "began": "2026-01-02T03:00:00Z", "phase": { "unjudged": { "why": "no mark" } } } }))
        .await;
    let changed = |came: &Vec<Came>| came.iter().any(|one| one.path == "/hook/v2/change/enqueue");
    let came = until("a change", async || pager.came(), changed).await;
    let change = came.iter().find(|one| one.path.ends_with("/change/enqueue")).unwrap().body();
    assert_eq!(change["payload"]["summary"], "shop: the migration 0042 is over: not judged");
}

/// An agent that is silent is an incident; the collector's own silence is somebody else's, who is called every so often.
#[tokio::test(flavor = "multi_thread")]
async fn a8_who_is_silent_is_missed() {
    let (pager, missed) = (Hook::start(&[]).await, Hook::start(&[]).await);
    let serve = format!(
        "{{ listen: '127.0.0.1:0', heartbeat: {{ url: '{}', every: 1s }} }}\nagent: {{ patience: 2s }}",
        missed.url
    );
    let routes = [format!("{{ name: pager, kind: webhook, url: '{}', secret_file: secret }}", pager.url)];
    let mut collector = telling_as(&serve, &routes, |_| {});
    let says = Says::to(&collector);
    says.state("shop", "suspect").await;
    let came = until("told", async || pager.came(), |came: &Vec<Came>| !came.is_empty()).await;
    let alert = came[0].body();
    assert_eq!(
        (&alert["commonLabels"]["alertname"], &alert["commonLabels"]["agent"]),
        (&json!("FieldmarkAgentIsSilent"), &json!("db-1"))
    );
    says.state("shop", "transient").await;
    let over = |came: &Vec<Came>| came.len() >= 2 && came[1].body()["status"] == "resolved";
    until("heard of again", async || pager.came(), over).await;
    until("called", async || missed.came().len(), |came| *came >= 3).await;
    collector.process.kill().unwrap();
    collector.process.wait().unwrap();
    let calls = missed.came().len();
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert!(missed.came().len() <= calls + 1, "whoever waits for it misses it");
}

/// `route test` tells a test that is marked as one over each route, and says what became of it; what a configuration lacks is said where it is.
#[tokio::test(flavor = "multi_thread")]
async fn routes_are_tried_by_a_command() {
    let (takes, refuses) = (Hook::start(&[]).await, Hook::behaving(vec![Behaves::Answers(403)]).await);
    let routes = [
        format!("{{ name: takes, kind: slack, url: '{}' }}", takes.url),
        format!("{{ name: refuses, kind: webhook, url: '{}', secret_file: secret }}", refuses.url),
    ];
    let collector = telling(&routes, |_| {});
    let run = |arguments: &[&str]| {
        let output = command(&collector.folder).args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = run(&["route", "test"]);
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(
        said,
        "takes (slack), opened: taken\ntakes (slack), resolved: taken\nrefuses (webhook), opened: refused: it answers 403 Forbidden\n"
    );
    assert!(
        takes.came().iter().all(|came| came.body()["text"].as_str().unwrap().starts_with("TEST, nothing is wrong: "))
    );
    assert_eq!(run(&["route", "test", "takes"]).0, Some(0));
    let (code, said) = run(&["route", "test", "nobody"]);
    assert!(code == Some(64) && said.contains("it has: takes, refuses"), "{said}");
    std::fs::remove_file(collector.path("secret")).unwrap();
    let (code, said) = run(&["route", "test"]);
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("fieldmark.yaml:") && said.contains("the route refuses cannot be used"), "{said}");
}
