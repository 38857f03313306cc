//! Who may do what; and the description of the API, held against what is answered.

use super::{Collector, batch, command, finding, json_of};
use crate::journeys::python;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn each_role_may_what_it_may_and_no_more() {
    let collector = Collector::start();
    let roles = ["agent", "viewer", "operator", "admin"];
    let tokens: Vec<String> = roles.iter().map(|role| collector.enrol(&format!("{role}-1"), role)).collect();
    for (path, least) in [("/v1/rules", 1), ("/v1/whoami", 1), ("/v1/audit", 3), ("/v1/principals", 3)] {
        for (at, token) in tokens.iter().enumerate() {
            let status = collector.get(token, path).send().await.unwrap().status();
            let expected = if at >= least { StatusCode::OK } else { StatusCode::FORBIDDEN };
            assert_eq!(status, expected, "{path} by {}", roles[at]);
        }
        let nobody = collector.client.get(collector.url(path)).send().await.unwrap();
        assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(nobody.headers()["www-authenticate"], "Bearer");
        for wrong in ["hunter2", "", &tokens[3][..40]] {
            assert_eq!(collector.get(wrong, path).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
        }
    }
    for path in ["/healthz", "/readyz", "/openapi.json"] {
        assert_eq!(collector.client.get(collector.url(path)).send().await.unwrap().status(), StatusCode::OK);
    }
    let admin = &tokens[3];
    let audits = collector.audits(admin).await;
    let refusals = |who: &str| audits.iter().filter(|(by, what)| by == who && what.ends_with("_refused")).count();
    assert_eq!((refusals("-"), refusals("agent-1"), refusals("viewer-1")), (1, 4, 2), "the same one once: {audits:?}");
    // by whom is known: enrolled over the API
    let sent = json!({ "name": "bob", "role": "viewer" }).to_string();
    let enrolled = collector.post(admin, "/v1/principals", sent.clone()).send().await.unwrap();
    assert_eq!(enrolled.status(), StatusCode::CREATED);
    let bob = json_of(enrolled).await["token"].as_str().unwrap().to_owned();
    assert_eq!(collector.told(&bob, "/v1/whoami").await, json!({ "name": "bob", "role": "viewer" }));
    assert_eq!(collector.post(admin, "/v1/principals", sent).send().await.unwrap().status(), StatusCode::CONFLICT);
    for wrong in [json!({ "name": "b b", "role": "viewer" }), json!({ "name": "b", "role": "root" }), json!(7)] {
        let refused = collector.post(admin, "/v1/principals", wrong.to_string()).send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{wrong}");
    }
    let revoke = |token: &str, name: &str| {
        collector.client.request(Method::DELETE, collector.url(&format!("/v1/principals/{name}"))).bearer_auth(token)
    };
    assert_eq!(revoke(&tokens[2], "bob").send().await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(revoke(admin, "bob").send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(revoke(admin, "bob").send().await.unwrap().status(), StatusCode::NOT_FOUND);
    assert_eq!(collector.get(&bob, "/v1/whoami").send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let audits = collector.audits(admin).await;
    assert!(audits.contains(&("admin-1".to_owned(), "enrol".to_owned())), "{audits:?}");
    assert!(audits.contains(&("admin-1".to_owned(), "revoke".to_owned())), "{audits:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_enrols_lists_and_revokes_beside_a_collector_that_runs() {
    let collector = Collector::start();
    let run = |arguments: &[&str]| {
        let output = command(&collector.folder).args(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    assert_eq!(
        run(&["agents", "list"]),
        (0, "nobody is enrolled: `fieldmark agents enrol NAME`\n".to_owned(), String::new())
    );
    let (code, out, _) = run(&["agents", "enrol", "db-1", "--token-file", "db-1.token"]);
    assert_eq!((code, out.as_str()), (0, ""));
    let token = std::fs::read_to_string(collector.path("db-1.token")).unwrap();
    let token = token.trim();
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(std::fs::metadata(collector.path("db-1.token")).unwrap().permissions().mode() & 0o777, 0o600);
    let sent = batch("db-1", 7, vec![finding("db-1", 7, 1, "one")]);
    assert_eq!(collector.post(token, "/v1/ingest", sent.clone()).send().await.unwrap().status(), StatusCode::OK);
    let (code, _, err) = run(&["agents", "enrol", "db-1"]);
    assert!(code == 2 && err.contains("fieldmark agents revoke db-1"), "{err}");
    let (code, _, err) = run(&["agents", "enrol", "db-2", "--token-file", "db-1.token"]);
    assert!(code == 2 && err.contains("db-1.token"), "what is there is left alone: {err}");
    let (code, out, _) = run(&["agents", "list"]);
    assert!(code == 0 && out.contains("db-1  agent, since 20") && out.contains("last heard of 20"), "{out}");
    assert_eq!(run(&["agents", "revoke", "db-1"]).0, 0);
    assert_eq!(run(&["agents", "revoke", "db-1"]).0, 2);
    assert!(run(&["agents", "list"]).1.contains(", revoked 20"));
    assert_eq!(collector.post(token, "/v1/ingest", sent).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(run(&["agents", "enrol", "a b"]).0, 64);
    assert_eq!(run(&["agents", "enrol", "a", "--role", "root"]).0, 64);
    // the token itself is nowhere
    for entry in std::fs::read_dir(collector.path("state")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(token.len()).any(|window| window == token.as_bytes());
            assert!(!found, "the token is in {}", path.display());
        }
    }
}

/// Holds a document against a schema.
const VALID: &str = r"
import json, sys, jsonschema
schema, document = (json.load(open(name)) for name in sys.argv[1:])
jsonschema.Draft202012Validator.check_schema(schema)
for error in jsonschema.Draft202012Validator(schema).iter_errors(document):
    print(list(error.absolute_path), error.message)
";

#[track_caller]
fn validate(schema: &Value, document: &Value) {
    let folder = tempfile::tempdir().unwrap();
    let files = [("schema.json", schema), ("document.json", document)].map(|(name, value)| {
        let path = folder.path().join(name);
        std::fs::write(&path, value.to_string()).unwrap();
        path
    });
    let run = python(VALID, &[files[0].as_path(), files[1].as_path()]);
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (0, "", ""), "{document:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_tells_of_every_place_and_answers_are_as_it_says() {
    let collector = Collector::start();
    let (agent, admin) = (collector.enrol("db-1", "agent"), collector.enrol("eve", "admin"));
    let state = json!({ "agent": "db-1", "incarnation": 7, "sequence": 2, "time": "2026-01-02T03:04:05Z", "body": { "state": {
        "source": "shop", "table": "public.orders", "rule": "paid", "from": "suspect", "to": "systemic",
        "reason": "3 of 100 rows fail", "since": "2026-01-02T03:00:00Z", "severity": "page", "owner": null, "migration": null } } });
    let edge = json!({ "source": { "table": "public.orders", "column": "total" }, "target": { "table": "public.sums", "column": "total" },
        "kind": "aggregation" });
    let lineage = json!({ "agent": "db-1", "incarnation": 7, "sequence": 3, "time": "2026-01-02T03:04:05Z", "body": { "lineage": {
        "source": "shop", "part": { "origin": { "name": "view public.sums", "kind": "view", "certainty": "exact", "edges": [edge],
        "unresolved": [{ "reason": "why", "line": 1, "column": 1, "text": "x" }] } } } } });
    let read = json!({ "source": { "table": "public.orders", "column": "total" }, "kind": "filter",
        "target": { "table": "rule paid on public.orders", "column": "*" } });
    let rule = json!({ "agent": "db-1", "incarnation": 7, "sequence": 4, "time": "2026-01-02T03:04:05Z", "body": { "lineage": {
        "source": "shop", "part": { "origin": { "name": "rule paid on public.orders", "kind": "rule", "certainty": "declared",
        "edges": [read] } } } } });
    let sent = batch("db-1", 7, vec![finding("db-1", 7, 1, "one"), state, lineage, rule]);
    let receipt = json_of(collector.post(&agent, "/v1/ingest", sent).send().await.unwrap()).await;
    let document = json_of(collector.client.get(collector.url("/openapi.json")).send().await.unwrap()).await;
    let mut answers: Vec<(Value, Value)> = Vec::new();
    let incidents = collector.told(&admin, "/v1/incidents").await;
    let id = incidents[0]["id"].as_str().unwrap().to_owned();
    let until = chrono::Utc::now() + chrono::TimeDelta::hours(1);
    let silence = json!({ "matches": { "source": "shop" }, "until": until.to_rfc3339(), "why": "a restore" });
    let silenced = collector.post(&admin, "/v1/silences", silence.to_string()).send().await.unwrap();
    assert_eq!(silenced.status(), StatusCode::CREATED);
    assert_eq!(collector.told(&admin, "/v1/incidents").await[0]["silenced"]["by"], "eve");
    let schema =
        |name: &str| json!({ "$ref": format!("#/components/schemas/{name}"), "components": document["components"] });
    answers.push((schema("Receipt"), receipt));
    let mut asked = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        let Some(get) = operations.get("get") else { continue };
        let path = path
            .replace("{source}", "shop")
            .replace("{table}", "public.orders")
            .replace("{rule}", "paid")
            .replace("{id}", &id);
        let path = match path.as_str() {
            "/v1/lineage/up" | "/v1/lineage/down" | "/v1/lineage/impact" => format!("{path}?table=public.orders"),
            "/v1/lineage/difference" => format!("{path}?source=shop&from=2026-01-01T00:00:00Z"),
            _ => path,
        };
        let content = &get["responses"]["200"]["content"];
        if let Some(text) = content.get("text/plain") {
            let answer = collector.get(&admin, &path).send().await.unwrap();
            assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/plain"), "{path}");
            answers.push((
                json!({ "$ref": text["schema"]["$ref"], "components": document["components"] }),
                answer.text().await.unwrap().into(),
            ));
            asked += 1;
            continue;
        }
        let answer = collector.told(&admin, &path).await;
        let content = &content["application/json"]["schema"]["$ref"];
        answers.push((schema(content.as_str().unwrap().rsplit('/').next().unwrap()), answer));
        asked += 1;
        let sign = if path.contains('?') { '&' } else { '?' };
        let problem = collector.get(&admin, &format!("{path}{sign}no-such-key=1")).send().await.unwrap();
        assert!(matches!(problem.status().as_u16(), 200 | 400), "{path}");
    }
    assert_eq!(asked, 29);
    let below = collector.told(&admin, &format!("/v1/incidents/{id}/downstream")).await;
    let of_it = &below["downstream"][0];
    assert_eq!((&of_it["columns"], &of_it["hit"][0]["table"]), (&json!(["total"]), &json!("public.sums")), "{below}");
    let problem = json_of(collector.client.get(collector.url("/nowhere")).send().await.unwrap()).await;
    answers.push((schema("Problem"), problem));
    for (schema, answer) in answers {
        validate(&schema, &answer);
    }
}
