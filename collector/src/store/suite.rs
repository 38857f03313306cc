//! What every store has to do. A store's tests are one call of [`suite!`] with how an empty one is made.

use super::{Accepted, Audited, Life, Store, StoreError, Stored, Wanted};
use crate::{Keep, Principal, Role, Token};
use chrono::{DateTime, TimeDelta, Utc};
use fieldmark_model::Finding;
use fieldmark_model::observation::{Batch, Body, Health, Observation, ObservationId, State, StateChange, VERSION};
use fieldmark_model::{Outcome, RuleId, Severity, SourceName, Status, TableName};
use std::sync::Arc;
use std::time::Duration;

/// Runs every point against a store; `$new` gives an empty one, and what keeps it alive.
macro_rules! suite {
    ($new:expr; $($point:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $point() {
                let (store, _alive) = $new;
                $crate::store::suite::$point(store).await;
            }
        )*
    };
    ($new:expr) => {
        $crate::store::suite::suite! { $new;
            a_batch_is_stored_once_however_often_it_comes,
            another_observation_of_the_same_id_is_refused_and_nothing_of_its_batch_stored,
            one_process_reports_for_an_agent,
            a_token_is_known_until_it_is_revoked,
            a_rule_is_as_it_was_last_seen_however_late_the_rest_comes,
            hours_are_sums_of_outcomes,
            observations_are_found_by_what_they_are_about,
            what_is_old_goes_and_stays_known,
            many_agents_at_once_lose_nothing,
            what_this_version_does_not_know_is_kept,
        }
    };
}
pub(crate) use suite;

type Any = Arc<dyn Store>;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
}

fn outcome(rule: &str, status: Status, failed: u64) -> Body {
    let blank =
        Outcome::blank(SourceName::new("shop"), TableName::new("public", "orders"), RuleId::new(rule), "not_null");
    let fraction = Some(failed as f64 / 100.0);
    Body::Outcome(Box::new(Outcome { status, failed, checked: Some(100), fraction, reason: "told".into(), ..blank }))
}

fn finding(table: &str) -> Body {
    Body::Finding(Finding {
        id: "invalid_encoding".into(),
        source: SourceName::new("shop"),
        table: Some(TableName::new("public", table)),
        column: None,
        what: "what".into(),
        remedy: "remedy".into(),
    })
}

/// A batch of an agent's observations, each with its sequence number and its time.
fn batch(agent: &str, incarnation: u64, received: DateTime<Utc>, bodies: Vec<(u64, i64, Body)>) -> Accepted {
    let observations = bodies.into_iter().map(|(sequence, seconds, body)| Observation {
        id: ObservationId { agent: agent.into(), incarnation, sequence },
        time: at(seconds),
        body,
    });
    let batch = Batch { version: VERSION, agent: agent.into(), incarnation, observations: observations.collect() };
    Accepted::read(&serde_json::to_vec(&batch).unwrap(), received, 10_000).unwrap()
}

async fn all(store: &Any) -> Vec<Observation> {
    store.observations(Wanted { limit: 10_000, ..Wanted::default() }).await.unwrap()
}

pub(crate) async fn a_batch_is_stored_once_however_often_it_comes(store: Any) {
    let three =
        |from: u64| (from..from + 3).map(|sequence| (sequence, sequence as i64, finding("a"))).collect::<Vec<_>>();
    let one = batch("db-1", 5, at(0), three(1));
    assert_eq!(store.ingest(one.clone()).await.unwrap(), Stored { new: 3, repeated: 0 });
    assert_eq!(store.ingest(one).await.unwrap(), Stored { new: 0, repeated: 3 });
    // in part, and out of order
    assert_eq!(store.ingest(batch("db-1", 5, at(1), three(7))).await.unwrap(), Stored { new: 3, repeated: 0 });
    assert_eq!(store.ingest(batch("db-1", 5, at(1), three(3))).await.unwrap(), Stored { new: 2, repeated: 1 });
    let sequences: Vec<u64> = all(&store).await.iter().map(|observation| observation.id.sequence).collect();
    assert_eq!(sequences, [9, 8, 7, 5, 4, 3, 2, 1], "newest first");
    // another agent's numbers are others
    assert_eq!(store.ingest(batch("db-2", 5, at(0), three(1))).await.unwrap(), Stored { new: 3, repeated: 0 });
}

pub(crate) async fn another_observation_of_the_same_id_is_refused_and_nothing_of_its_batch_stored(store: Any) {
    store.ingest(batch("db-1", 5, at(0), vec![(2, 0, finding("a"))])).await.unwrap();
    let clash = batch("db-1", 5, at(0), vec![(1, 0, finding("a")), (2, 0, finding("b")), (3, 0, finding("a"))]);
    let refused = store.ingest(clash).await;
    assert!(matches!(refused, Err(StoreError::AnotherDigest { sequence: 2, .. })), "{refused:?}");
    assert_eq!(all(&store).await.len(), 1);
    // the same at another time is another one
    let later = store.ingest(batch("db-1", 5, at(0), vec![(2, 1, finding("a"))])).await;
    assert!(matches!(later, Err(StoreError::AnotherDigest { .. })));
}

pub(crate) async fn one_process_reports_for_an_agent(store: Any) {
    let life = |incarnation| Life { agent: "db-1".into(), incarnation, version: "0.1.0".into() };
    store.begin_life(life(5), at(0)).await.unwrap();
    store.ingest(batch("db-1", 5, at(0), vec![(1, 0, finding("a"))])).await.unwrap();
    // a restart, or a clone of the machine: whoever came last
    store.begin_life(life(6), at(1)).await.unwrap();
    let refused = store.ingest(batch("db-1", 5, at(2), vec![(2, 0, finding("a"))])).await;
    assert!(matches!(refused, Err(StoreError::Fenced { .. })), "{refused:?}");
    store.ingest(batch("db-1", 6, at(2), vec![(2, 0, finding("a"))])).await.unwrap();
    let health = Health { version: "0.2.0".into(), lost: 4, ..Health::default() };
    store.ingest(batch("db-1", 6, at(3), vec![(3, 0, Body::Heartbeat(health))])).await.unwrap();
    let agents = store.agents().await.unwrap();
    assert_eq!(agents.len(), 1);
    assert_eq!((agents[0].last_seen, agents[0].version.as_deref()), (Some(at(3)), Some("0.2.0")));
    assert_eq!(agents[0].health.as_ref().unwrap()["lost"], 4);
}

pub(crate) async fn a_token_is_known_until_it_is_revoked(store: Any) {
    let (token, other) = (Token::random().unwrap(), Token::random().unwrap());
    let ann = Principal { name: "ann".into(), role: Role::Operator };
    assert_eq!(store.principal(token.hash()).await.unwrap(), None);
    store.enrol(ann.clone(), token.hash(), "root".into(), at(0)).await.unwrap();
    assert_eq!(store.principal(token.hash()).await.unwrap(), Some(ann.clone()));
    let taken = store.enrol(Principal { role: Role::Admin, ..ann.clone() }, other.hash(), "ann".into(), at(1)).await;
    assert!(matches!(taken, Err(StoreError::Taken { .. })));
    assert_eq!(store.principal(other.hash()).await.unwrap(), None);
    store.revoke("ann".into(), "root".into(), at(2)).await.unwrap();
    assert!(matches!(store.revoke("ann".into(), "root".into(), at(2)).await, Err(StoreError::Unknown { .. })));
    assert!(matches!(store.revoke("bob".into(), "root".into(), at(2)).await, Err(StoreError::Unknown { .. })));
    assert_eq!(store.principal(token.hash()).await.unwrap(), None);
    let rows = store.principals().await.unwrap();
    assert_eq!((rows[0].revoked, rows[0].revoked_by.as_deref()), (Some(at(2)), Some("root")));
    store.enrol(Principal { role: Role::Viewer, ..ann }, other.hash(), "root".into(), at(3)).await.unwrap();
    assert_eq!(store.principal(other.hash()).await.unwrap().map(|ann| ann.role), Some(Role::Viewer));
    let denied = Audited { time: at(4), who: "-".into(), what: "token_refused".into(), detail: "GET /".into() };
    store.audit(denied.clone()).await.unwrap();
    let audits = store.audits(10).await.unwrap();
    assert_eq!(audits[0], denied);
    let told: Vec<(&str, &str)> = audits.iter().map(|a| (a.what.as_str(), a.detail.as_str())).collect();
    assert_eq!(told[1..], [("enrol", "ann as viewer"), ("revoke", "ann"), ("enrol", "ann as operator")]);
    assert_eq!(store.audits(2).await.unwrap().len(), 2);
}

pub(crate) async fn a_rule_is_as_it_was_last_seen_however_late_the_rest_comes(store: Any) {
    let change = |to, seconds| {
        Body::State(StateChange {
            source: SourceName::new("shop"),
            table: Some(TableName::new("public", "orders")),
            rule: Some(RuleId::new("b")),
            from: State::Ok,
            to,
            reason: "3 of 100 rows fail".into(),
            since: at(seconds),
            severity: Severity::Page,
            owner: None,
            migration: None,
        })
    };
    let bodies = vec![
        (1, 10, outcome("a", Status::Passed, 0)),
        (2, 20, outcome("b", Status::Failed, 3)),
        (3, 21, change(State::Systemic, 20)),
    ];
    store.ingest(batch("db-1", 5, at(30), bodies)).await.unwrap();
    let late = vec![(1, 5, outcome("b", Status::Passed, 0)), (2, 6, change(State::Suspect, 5))];
    let late = late.into_iter().map(|(sequence, time, body)| (sequence + 3, time, body)).collect();
    store.ingest(batch("db-1", 5, at(40), late)).await.unwrap();
    // another agent has another source of that name
    store.ingest(batch("db-2", 9, at(40), vec![(1, 35, outcome("b", Status::Passed, 0))])).await.unwrap();
    let rules = store.rules(None).await.unwrap();
    assert_eq!(rules.len(), 3);
    assert_eq!((rules[0].outcome.rule.as_str(), rules[0].state, rules[0].time), ("a", None, at(10)));
    let (b, others) = (&rules[1], &rules[2]);
    assert_eq!((b.outcome.status, b.agent.as_str(), b.state), (Status::Failed, "db-1", Some(State::Systemic)));
    assert_eq!((others.outcome.status, others.agent.as_str(), others.state), (Status::Passed, "db-2", None));
    // a clock that was ahead does not keep out what comes when it is right again
    store.ingest(batch("db-2", 9, at(50), vec![(2, 9_000, outcome("b", Status::Failed, 1))])).await.unwrap();
    store.ingest(batch("db-2", 9, at(60), vec![(3, 60, outcome("b", Status::Passed, 0))])).await.unwrap();
    assert_eq!(store.rules(None).await.unwrap()[2].outcome.status, Status::Passed);
    assert_eq!((b.state_since, b.state_reason.as_deref()), (Some(at(20)), Some("3 of 100 rows fail")));
    assert_eq!(store.rules(Some(SourceName::new("other"))).await.unwrap(), []);
}

pub(crate) async fn hours_are_sums_of_outcomes(store: Any) {
    // at(0) is 22:13:20
    let bodies = vec![
        (1, 0, outcome("a", Status::Failed, 2)),
        (2, 60, outcome("a", Status::Failed, 7)),
        (3, 120, outcome("a", Status::Passed, 0)),
        (4, 3_600, outcome("a", Status::Inconclusive, 0)),
        (5, 3_700, outcome("b", Status::NotEvaluated, 0)),
    ];
    store.ingest(batch("db-1", 5, at(4_000), bodies.clone())).await.unwrap();
    store.ingest(batch("db-1", 5, at(4_000), bodies)).await.unwrap();
    let of = |rule: &str, since| {
        let (source, table) = (SourceName::new("shop"), TableName::new("public", "orders"));
        store.hours(source, table, RuleId::new(rule), since)
    };
    let hours = of("a", at(-10_000)).await.unwrap();
    assert_eq!(hours.iter().map(|hour| hour.hour).collect::<Vec<_>>(), [at(-800), at(2_800)]);
    let first = &hours[0];
    assert_eq!((first.checks, first.passed, first.failed), (3, 1, 2));
    assert_eq!((first.checked_rows, first.failed_rows, first.worst), (300, 9, Some(0.07)));
    assert_eq!((hours[1].checks, hours[1].inconclusive), (1, 1));
    assert_eq!(of("a", at(0)).await.unwrap().len(), 1, "since then");
    assert_eq!(of("b", at(0)).await.unwrap()[0].not_evaluated, 1);
    store.ingest(batch("db-2", 6, at(3_700), vec![(1, 3_600, outcome("b", Status::Passed, 0))])).await.unwrap();
    let both = of("b", at(0)).await.unwrap();
    assert_eq!(both.iter().map(|hour| hour.agent.as_str()).collect::<Vec<_>>(), ["db-1", "db-2"]);
}

pub(crate) async fn observations_are_found_by_what_they_are_about(store: Any) {
    let bodies = vec![(1, 0, finding("a")), (2, 10, finding("b")), (3, 20, outcome("r", Status::Passed, 0))];
    store.ingest(batch("db-1", 5, at(0), bodies)).await.unwrap();
    store.ingest(batch("db-2", 6, at(0), vec![(1, 30, finding("a"))])).await.unwrap();
    let blank = Wanted { limit: 100, ..Wanted::default() };
    let table = |name| Some(TableName::new("public", name));
    for (wanted, expected) in [
        (blank.clone(), 4),
        (Wanted { limit: 2, ..blank.clone() }, 2),
        (Wanted { kind: Some("finding".into()), ..blank.clone() }, 3),
        (Wanted { kind: Some("finding' OR true --".into()), ..blank.clone() }, 0),
        (Wanted { agent: Some("db-2".into()), ..blank.clone() }, 1),
        (Wanted { table: table("a"), ..blank.clone() }, 2),
        (Wanted { table: table("a"), since: Some(at(1)), ..blank.clone() }, 1),
        (Wanted { before: Some(at(20)), ..blank.clone() }, 2),
        (Wanted { rule: Some(RuleId::new("r")), source: Some(SourceName::new("shop")), ..blank.clone() }, 1),
        (Wanted { source: Some(SourceName::new("elsewhere")), ..blank }, 0),
    ] {
        assert_eq!(store.observations(wanted.clone()).await.unwrap().len(), expected, "{wanted:?}");
    }
}

pub(crate) async fn what_is_old_goes_and_stays_known(store: Any) {
    let day = 86_400;
    let old =
        vec![(1, 0, outcome("a", Status::Passed, 0)), (2, 0, finding("a")), (3, 0, outcome("a", Status::Failed, 1))];
    store.ingest(batch("db-1", 5, at(0), old.clone())).await.unwrap();
    store.ingest(batch("db-1", 5, at(20 * day), vec![(4, 20 * day, outcome("a", Status::Passed, 0))])).await.unwrap();
    let keep = Keep { outcomes: Duration::from_secs(30 * 86_400), rollups: Duration::from_secs(100 * 86_400) };
    assert_eq!(store.retain(at(29 * day), keep).await.unwrap(), 0);
    assert_eq!(store.retain(at(31 * day), keep).await.unwrap(), 2, "outcomes alone");
    assert_eq!(all(&store).await.len(), 2);
    // what is sent again is not stored again, nor counted
    let again = store.ingest(batch("db-1", 5, at(31 * day), old)).await.unwrap();
    assert_eq!(again, Stored { new: 0, repeated: 3 });
    let (source, table, rule) = (SourceName::new("shop"), TableName::new("public", "orders"), RuleId::new("a"));
    let hours = store.hours(source.clone(), table.clone(), rule.clone(), at(-day)).await.unwrap();
    assert_eq!(hours.iter().map(|hour| hour.checks).sum::<u64>(), 3);
    assert_eq!(store.rules(None).await.unwrap().len(), 1, "a rule is there as it was last seen");
    let later = at(101 * day) + TimeDelta::hours(1);
    assert_eq!(store.retain(later, keep).await.unwrap(), 2);
    assert_eq!(store.hours(source, table, rule, at(-day)).await.unwrap().len(), 1);
    store.audit(Audited { time: later, who: "-".into(), what: "x".into(), detail: String::new() }).await.unwrap();
    store.retain(later + TimeDelta::days(99), keep).await.unwrap();
    assert_eq!(store.audits(10).await.unwrap().len(), 1);
    store.retain(later + TimeDelta::days(101), keep).await.unwrap();
    assert_eq!(store.audits(10).await.unwrap(), []);
    store.check().await.unwrap();
}

pub(crate) async fn many_agents_at_once_lose_nothing(store: Any) {
    let mut tasks = Vec::new();
    for agent in 0..20 {
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            for round in 0..10u64 {
                let bodies = (0..5).map(|n| (1 + round * 5 + n, 0, outcome("a", Status::Passed, 0))).collect();
                let stored = store.ingest(batch(&format!("db-{agent}"), 5, at(0), bodies)).await.unwrap();
                assert_eq!(stored, Stored { new: 5, repeated: 0 });
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(all(&store).await.len(), 1_000);
}

pub(crate) async fn what_this_version_does_not_know_is_kept(store: Any) {
    let json = format!(
        r#"{{"version":{},"agent":"db-1","incarnation":5,"observations":[
            {{"agent":"db-1","incarnation":5,"sequence":1,"time":"2026-01-02T03:04:05Z","body":{{"weather":{{"sunny":true}}}}}}]}}"#,
        VERSION + 1
    );
    let batch = Accepted::read(json.as_bytes(), at(0), 10).unwrap();
    assert_eq!(store.ingest(batch.clone()).await.unwrap(), Stored { new: 1, repeated: 0 });
    assert_eq!(store.ingest(batch).await.unwrap(), Stored { new: 0, repeated: 1 });
    assert_eq!(all(&store).await, [], "kept, and not told");
}
