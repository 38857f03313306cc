//! What agents report: stored once, whoever sends it how often; each refusal with its status and its line.

use super::{Collector, batch, finding, json_of, sha256};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::io::Write as _;

#[tokio::test(flavor = "multi_thread")]
async fn n13_a_batch_is_stored_once_and_its_receipt_says_which_it_was() {
    let collector = Collector::start();
    let (agent, viewer) = (collector.enrol("db-1", "agent"), collector.enrol("ann", "viewer"));
    let sent = batch("db-1", 7, (1..=3).map(|sequence| finding("db-1", 7, sequence, "one")).collect());
    for repeated in [0, 3] {
        let response = collector.post(&agent, "/v1/ingest", sent.clone()).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let receipt = json!({ "agent": "db-1", "incarnation": 7, "first": 1, "last": 3, "sha256": sha256(&sent), "repeated": repeated });
        assert_eq!(json_of(response).await, receipt);
    }
    // compressed it is the same batch
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(sent.as_bytes()).unwrap();
    let compressed = collector.post(&agent, "/v1/ingest", gzip.finish().unwrap()).header("content-encoding", "gzip");
    let receipt = json_of(compressed.send().await.unwrap()).await;
    assert_eq!((&receipt["sha256"], &receipt["repeated"]), (&json!(sha256(&sent)), &json!(3)));
    // out of order, and with a gap
    for sequence in [9, 5] {
        let one = batch("db-1", 7, vec![finding("db-1", 7, sequence, "one")]);
        assert_eq!(collector.post(&agent, "/v1/ingest", one).send().await.unwrap().status(), StatusCode::OK);
    }
    let findings = collector.told(&viewer, "/v1/findings?source=shop").await;
    assert_eq!(findings.as_array().unwrap().len(), 5);
    let agents = collector.told(&viewer, "/v1/agents").await;
    assert_eq!(agents[0]["name"], "db-1");
    assert!(agents[0]["last_seen"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn n13_n14_n15_what_cannot_be_is_refused_and_audited() {
    let collector = Collector::start();
    let (agent, other) = (collector.enrol("db-1", "agent"), collector.enrol("db-2", "agent"));
    let (viewer, admin) = (collector.enrol("ann", "viewer"), collector.enrol("eve", "admin"));
    let one = |what: &str| batch("db-1", 7, vec![finding("db-1", 7, 1, what)]);
    let before = collector.audits(&admin).await.len();
    assert_eq!(collector.post(&agent, "/v1/ingest", one("a")).send().await.unwrap().status(), StatusCode::OK);
    let life =
        |incarnation: u64| json!({ "agent": "db-1", "incarnation": incarnation, "version": "0.1.0" }).to_string();
    let second = batch("db-1", 8, vec![finding("db-1", 8, 1, "a")]);
    let cases = [
        ("the same id with another digest", &agent, "/v1/ingest", one("b"), 409, "digest_mismatch"),
        ("a second process of the same name", &agent, "/v1/ingest", second.clone(), 409, "identity_conflict"),
        ("another agent's name", &other, "/v1/ingest", one("a"), 403, "identity_forged"),
        ("another agent's life", &other, "/v1/lives", life(9), 403, "identity_forged"),
        ("a person who reports", &viewer, "/v1/ingest", one("a"), 403, "role_refused"),
        ("no JSON", &agent, "/v1/ingest", "{".to_owned(), 400, "batch_refused"),
    ];
    for (case, token, path, body, status, audited) in cases {
        let response = collector.post(token, path, body).send().await.unwrap();
        assert_eq!(response.status(), status, "{case}");
        let problem = json_of(response).await;
        assert_eq!(problem["status"], status, "{case}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{problem}");
        assert_eq!(collector.audits(&admin).await[0].1, audited, "{case}");
    }
    assert_eq!(collector.audits(&admin).await.len(), before + 5, "one line each, and the same refusal once");
    // a life that begins takes over, and the one before is shut out
    let begun = collector.post(&agent, "/v1/lives", life(8)).send().await.unwrap();
    assert_eq!(begun.status(), StatusCode::NO_CONTENT);
    assert_eq!(collector.post(&agent, "/v1/ingest", second).send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(collector.post(&agent, "/v1/ingest", one("a")).send().await.unwrap().status(), StatusCode::CONFLICT);
    // what an earlier life has left is reported by the one that is there
    let left = batch("db-1", 8, vec![finding("db-1", 7, 1, "a"), finding("db-1", 7, 2, "a")]);
    let receipt = json_of(collector.post(&agent, "/v1/ingest", left).send().await.unwrap()).await;
    assert_eq!(receipt["repeated"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_and_their_hours_are_told() {
    let collector = Collector::start();
    let (agent, viewer) = (collector.enrol("db-1", "agent"), collector.enrol("ann", "viewer"));
    let outcome = |status: &str, failed: u64| {
        json!({ "outcome": { "source": "shop", "table": "public.orders", "rule": "paid", "kind": "in_set", "fingerprint": "f",
            "status": status, "not_evaluated": null, "reason": "told", "population": 100, "checked": 100, "failed": failed,
            "unknown": 0, "unknown_by": { "null": 0, "expression_error": 0, "value_too_large": 0, "unrepresentable": 0 },
            "fraction": failed as f64 / 100.0, "interval": null, "level": null, "tolerance": 0.0, "detect": 0.001,
            "severity": "page", "owner": "team-shop", "sampled": false, "moving": false, "value": null, "examples": [],
            "sql": null, "description": null, "runbook": null } })
    };
    let at = |sequence: u64, time: &str, body: Value| json!({ "agent": "db-1", "incarnation": 7, "sequence": sequence, "time": time, "body": body });
    let change = json!({ "state": { "source": "shop", "table": "public.orders", "rule": "paid", "from": "ok", "to": "systemic",
        "reason": "3 of 100 rows fail", "since": "2026-01-02T03:10:00Z", "severity": "page", "owner": "team-shop", "migration": null } });
    let sent = batch(
        "db-1",
        7,
        vec![
            at(1, "2026-01-02T03:04:05Z", outcome("passed", 0)),
            at(2, "2026-01-02T03:10:00Z", outcome("failed", 3)),
            at(3, "2026-01-02T03:10:01Z", change),
        ],
    );
    let response = collector.post(&agent, "/v1/ingest", sent).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{}", response.text().await.unwrap());
    let rules = collector.told(&viewer, "/v1/rules").await;
    assert_eq!(rules.as_array().unwrap().len(), 1);
    assert_eq!((&rules[0]["state"], &rules[0]["outcome"]["failed"]), (&json!("systemic"), &json!(3)));
    let hours = collector.told(&viewer, "/v1/rules/shop/public.orders/paid/hours").await;
    assert_eq!((&hours[0]["checks"], &hours[0]["failed"], &hours[0]["failed_rows"]), (&json!(2), &json!(1), &json!(3)));
    assert_eq!(collector.told(&viewer, "/v1/rules?source=elsewhere").await, json!([]));
    let states = collector.told(&viewer, "/v1/states").await;
    assert_eq!(states[0]["body"]["state"]["to"], "systemic");
    let outcomes = collector.told(&viewer, "/v1/outcomes?rule=paid&limit=1").await;
    assert_eq!(outcomes.as_array().unwrap().len(), 1);
    assert_eq!(outcomes[0]["body"]["outcome"]["status"], "failed", "the newest");
}
