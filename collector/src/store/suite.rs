//! What every store has to do. A store's tests are one call of [`suite!`] with how an empty one is made.

use super::{About, Silenced};
use super::{Accepted, Audited, Delivery, Life, Settled, Store, StoreError, Stored, Wanted, WantedIncidents};
use crate::route::Matches;
use crate::{Keep, Principal, Role, Token};
use chrono::{DateTime, TimeDelta, Utc};
use fieldmark_classify::Patience;
use fieldmark_classify::incident::{Acknowledged, Notice, Silence};
use fieldmark_model::Finding;
use fieldmark_model::observation::{
    Batch, Body, Health, MigrationSeen, NoticedBy, Observation, ObservationId, Phase, State, StateChange, Unwell,
    UnwellSource, VERSION,
};
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
            an_incident_and_its_notice_are_there_with_the_change_that_makes_them,
            each_notice_is_told_once_over_each_route_in_order_and_again_until_it_is_taken,
            what_an_agent_holds_to_be_wrong_is_what_is_open,
            what_hangs_over_one_route_hides_nothing_of_another,
            what_no_route_was_meant_for_is_told_when_one_is,
            a_storm_of_changes_is_taken,
            what_somebody_has_taken_up_is_told_to_whoever_knew_and_escalates_no_more,
            what_is_silenced_waits_until_the_silence_is_over,
            an_agent_that_is_silent_is_an_incident,
            a_migration_that_is_over_is_told_once,
            t3_times_of_any_year_and_zone_are_told_in_utc,
            lineage_is_walked_by_values_and_by_rows,
            a_rename_ends_no_edge_and_a_time_before_it_is_as_it_was,
            what_an_origin_says_no_more_has_ended,
            what_nothing_reads_is_unused,
            what_others_say_of_our_tables_is_of_ours,
            what_is_made_of_what_fails_is_of_its_incident_and_told_with_it,
        }
    };
}
pub(crate) use suite;

pub(crate) use super::suite_lineage::{
    a_rename_ends_no_edge_and_a_time_before_it_is_as_it_was, lineage_is_walked_by_values_and_by_rows,
    what_an_origin_says_no_more_has_ended, what_is_made_of_what_fails_is_of_its_incident_and_told_with_it,
    what_nothing_reads_is_unused, what_others_say_of_our_tables_is_of_ours,
};

pub(super) type Any = Arc<dyn Store>;

pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
}

/// How long things are given to heal.
pub(crate) fn patience() -> Patience {
    Patience::new(Duration::from_secs(900))
}

/// A change of state of a rule on a table of its own, that began long after every other: an incident of its own.
pub(crate) fn alone(number: u64, to: State) -> Body {
    let Body::State(change) = changed(&format!("r{number}"), to) else { panic!("{number}") };
    let (table, since) = (TableName::new("public", format!("t{number}")), at(3_600 * number as i64));
    Body::State(StateChange { table: Some(table), since, ..change })
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
pub(crate) fn batch(agent: &str, incarnation: u64, received: DateTime<Utc>, bodies: Vec<(u64, i64, Body)>) -> Accepted {
    let observations = bodies.into_iter().map(|(sequence, seconds, body)| Observation {
        id: ObservationId { agent: agent.into(), incarnation, sequence },
        time: at(seconds),
        body,
    });
    let batch =
        Batch { version: VERSION, agent: agent.into(), incarnation, sent: None, observations: observations.collect() };
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
            migration_name: None,
            description: None,
            runbook: None,
            escalation: None,
            fixes: Vec::new(),
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

pub(super) fn changed(rule: &str, to: State) -> Body {
    Body::State(StateChange {
        source: SourceName::new("shop"),
        table: Some(TableName::new("public", "orders")),
        rule: Some(RuleId::new(rule)),
        from: State::Suspect,
        to,
        reason: "3 of 100 rows fail".into(),
        since: at(0),
        severity: Severity::Page,
        owner: None,
        migration: None,
        migration_name: None,
        description: None,
        runbook: None,
        escalation: None,
        fixes: Vec::new(),
    })
}

pub(crate) async fn an_incident_and_its_notice_are_there_with_the_change_that_makes_them(store: Any) {
    let systemic =
        batch("db-1", 5, at(10), vec![(1, 5, changed("a", State::Systemic)), (2, 6, changed("b", State::Suspect))]);
    store.ingest(systemic.clone()).await.unwrap();
    // told again, it is no other incident and no other notice
    store.ingest(systemic).await.unwrap();
    let of = |open| WantedIncidents { open, source: None, limit: 10 };
    let incidents = store.incidents(of(true)).await.unwrap();
    assert_eq!((incidents.len(), incidents[0].class, incidents[0].agent()), (1, State::Systemic, "db-1"));
    let waiting = store.undispatched(at(1_000_000), 10).await.unwrap();
    assert_eq!(waiting.iter().map(|waiting| waiting.notice).collect::<Vec<_>>(), [Notice::Opened]);
    // a batch that cannot be stored leaves neither
    let clash =
        vec![(3, 20, changed("c", State::Systemic)), (4, 20, changed("a", State::Resolved)), (5, 0, finding("x"))];
    store.ingest(batch("db-1", 5, at(20), vec![(5, 0, finding("y"))])).await.unwrap();
    assert!(store.ingest(batch("db-1", 5, at(20), clash)).await.is_err());
    assert_eq!(
        (store.incidents(of(true)).await.unwrap().len(), store.undispatched(at(1_000_000), 10).await.unwrap().len()),
        (1, 1)
    );
    // another agent has another source of that name, and what began there an hour later is another thing
    let Body::State(change) = changed("a", State::Systemic) else { panic!() };
    let later = Body::State(StateChange { since: at(3_600), ..change });
    store.ingest(batch("db-2", 6, at(30), vec![(1, 30, later)])).await.unwrap();
    store.ingest(batch("db-1", 5, at(40), vec![(6, 40, changed("a", State::Resolved))])).await.unwrap();
    let open = store.incidents(of(true)).await.unwrap();
    assert_eq!(open.iter().map(|incident| incident.agent()).collect::<Vec<_>>(), ["db-2"]);
    let all = store.incidents(of(false)).await.unwrap();
    assert_eq!((all.len(), all[1].resolved), (2, Some(at(40))), "newest first");
    let elsewhere = WantedIncidents { source: Some(SourceName::new("lake")), ..of(false) };
    assert_eq!(store.incidents(elsewhere).await.unwrap(), []);
    let keep = Keep { outcomes: Duration::from_secs(3_600), rollups: Duration::from_secs(86_400) };
    store.retain(at(40 + 90_000), keep).await.unwrap();
    assert_eq!(store.incidents(of(false)).await.unwrap().len(), 1, "what is open stays");
    assert_eq!(store.undispatched(at(1_000_000), 10).await.unwrap().len(), 3, "nor is what nobody was told of removed");
}

pub(crate) async fn each_notice_is_told_once_over_each_route_in_order_and_again_until_it_is_taken(store: Any) {
    let bodies = vec![(1, 1, changed("a", State::Systemic)), (2, 2, changed("a", State::Resolved))];
    store.ingest(batch("db-1", 5, at(10), bodies)).await.unwrap();
    let waiting = store.undispatched(at(1_000_000), 10).await.unwrap();
    assert_eq!(waiting.len(), 2);
    for notified in &waiting {
        // twice, as after a crash
        for _ in 0..2 {
            store.dispatch(notified.id, vec!["pager".into(), "everyone".into()], None, at(11)).await.unwrap();
        }
    }
    assert_eq!(store.undispatched(at(1_000_000), 10).await.unwrap(), []);
    let due = |now| store.due(at(now), 10);
    let told = |due: &[Delivery]| -> Vec<(String, Notice)> {
        due.iter().map(|delivery| (delivery.route.clone(), delivery.notified.notice)).collect()
    };
    assert_eq!(due(10).await.unwrap(), []);
    let first = due(11).await.unwrap();
    assert_eq!(told(&first), [("pager".into(), Notice::Opened), ("everyone".into(), Notice::Opened)], "the end waits");
    store.settle(first[0].id, Settled::Later(at(60), "busy".into()), at(11)).await.unwrap();
    store.settle(first[1].id, Settled::Taken, at(11)).await.unwrap();
    assert_eq!(told(&due(12).await.unwrap()), [("everyone".into(), Notice::Resolved)]);
    let again = due(60).await.unwrap();
    assert_eq!((again.len(), again.iter().map(|delivery| delivery.tries).max()), (2, Some(1)));
    for delivery in again {
        store.settle(delivery.id, Settled::Refused("gone".into()), at(61)).await.unwrap();
    }
    assert_eq!(told(&due(100).await.unwrap()), [("pager".into(), Notice::Resolved)]);
    let rows = store.deliveries(10).await.unwrap();
    let results: Vec<&str> = rows.iter().map(|row| row.result.as_str()).collect();
    assert_eq!(results, ["gone", "waiting", "taken", "gone"]);
    assert_eq!((rows[3].tries, rows[3].settled, rows[1].due), (2, Some(at(61)), Some(at(11))));
}

pub(crate) async fn what_an_agent_holds_to_be_wrong_is_what_is_open(store: Any) {
    let change = |rule, to| if let Body::State(change) = changed(rule, to) { change } else { panic!("{rule}") };
    let unwell = |states: Vec<StateChange>| {
        Body::Unwell(Unwell { sources: vec![UnwellSource { source: SourceName::new("shop"), states }] })
    };
    // a change that was lost on its way
    let told = unwell(vec![change("a", State::Systemic), change("b", State::Suspect)]);
    store.ingest(batch("db-1", 5, at(10), vec![(2, 5, told.clone())])).await.unwrap();
    store.ingest(batch("db-1", 5, at(20), vec![(3, 15, told)])).await.unwrap();
    let of = WantedIncidents { open: true, source: None, limit: 10 };
    let open = store.incidents(of.clone()).await.unwrap();
    assert_eq!((open.len(), open[0].parts.len()), (1, 1), "{open:?}");
    // another agent says nothing of it
    store.ingest(batch("db-2", 6, at(25), vec![(1, 25, Body::Unwell(Unwell::default()))])).await.unwrap();
    assert_eq!(store.incidents(of.clone()).await.unwrap().len(), 1);
    // the source is not the agent's any more
    store.ingest(batch("db-1", 5, at(30), vec![(4, 30, Body::Unwell(Unwell::default()))])).await.unwrap();
    assert_eq!(store.incidents(of).await.unwrap(), []);
    let notices: Vec<Notice> =
        store.undispatched(at(1_000_000), 10).await.unwrap().iter().map(|waiting| waiting.notice).collect();
    assert_eq!(notices, [Notice::Opened, Notice::Resolved]);
}

pub(crate) async fn what_hangs_over_one_route_hides_nothing_of_another(store: Any) {
    let bodies = (1..=40).map(|number| (number, 1, alone(number, State::Systemic))).collect();
    store.ingest(batch("db-1", 5, at(10), bodies)).await.unwrap();
    for (place, notified) in store.undispatched(at(1_000_000), 100).await.unwrap().iter().enumerate() {
        let route = if place < 39 { "slow" } else { "quick" };
        store.dispatch(notified.id, vec![route.to_owned()], None, at(11)).await.unwrap();
    }
    let due = store.due(at(11), 3).await.unwrap();
    let routes: Vec<&str> = due.iter().map(|delivery| delivery.route.as_str()).collect();
    assert_eq!(routes, ["slow", "slow", "slow", "quick"]);
    // what one refuses goes over another, once
    for _ in 0..2 {
        store.reroute(due[0].notified.id, "quick".into(), at(12)).await.unwrap();
    }
    store.settle(due[0].id, Settled::Refused("gone".into()), at(12)).await.unwrap();
    let quick = store.due(at(12), 10).await.unwrap().into_iter().filter(|delivery| delivery.route == "quick").count();
    assert_eq!(quick, 2);
    assert_eq!(
        store.told_over(due[0].notified.about.id().to_owned()).await.unwrap(),
        ["quick"],
        "not by whom it was refused"
    );
    assert_eq!(store.told_over(due[1].notified.about.id().to_owned()).await.unwrap(), ["slow"]);
}

pub(crate) async fn what_no_route_was_meant_for_is_told_when_one_is(store: Any) {
    let bodies = (1..=3).map(|number| (number, 1, alone(number, State::Systemic))).collect();
    store.ingest(batch("db-1", 5, at(10), bodies)).await.unwrap();
    let waiting = store.undispatched(at(1_000_000), 10).await.unwrap();
    let routes = [vec![], vec!["pager".to_owned()], vec![]];
    for (notified, routes) in waiting.iter().zip(routes) {
        store.dispatch(notified.id, routes, None, at(11)).await.unwrap();
    }
    store.ingest(batch("db-1", 5, at(12), vec![(4, 12, alone(3, State::Resolved))])).await.unwrap();
    let over: Vec<i64> =
        store.undispatched(at(1_000_000), 10).await.unwrap().iter().map(|notified| notified.id).collect();
    store.dispatch(over[0], vec![], None, at(12)).await.unwrap();
    store.untold().await.unwrap();
    let ids: Vec<i64> =
        store.undispatched(at(1_000_000), 10).await.unwrap().iter().map(|notified| notified.id).collect();
    assert_eq!(ids, [waiting[0].id], "neither what was told nor what is over");
}

/// Ten thousand rules fail after one migration: one incident, opened once, and over once.
pub(crate) async fn a_storm_of_changes_is_taken(store: Any) {
    const RULES: u64 = 10_000;
    let change = |number: u64, to| {
        let Body::State(change) = changed(&format!("r{number}"), to) else { panic!("{number}") };
        Body::State(StateChange { migration: Some("m".into()), ..change })
    };
    for (first, to) in [(1, State::Systemic), (RULES + 1, State::Resolved)] {
        for piece in 0..RULES / 500 {
            let bodies = (0..500).map(|at| (first + piece * 500 + at, 1, change(piece * 500 + at, to))).collect();
            store.ingest(batch("db-1", 5, at(10), bodies)).await.unwrap();
        }
    }
    let incidents = store.incidents(WantedIncidents { open: false, source: None, limit: 10 }).await.unwrap();
    assert_eq!((incidents.len(), incidents[0].parts.len() as u64), (1, RULES));
    let notices: Vec<Notice> =
        store.undispatched(at(1_000_000), 10).await.unwrap().iter().map(|waiting| waiting.notice).collect();
    assert_eq!(notices, [Notice::Opened, Notice::Resolved]);
}

pub(crate) async fn what_somebody_has_taken_up_is_told_to_whoever_knew_and_escalates_no_more(store: Any) {
    let bodies = vec![(1, 1, alone(1, State::Systemic)), (2, 2, alone(2, State::Systemic))];
    store.ingest(batch("db-1", 5, at(10), bodies)).await.unwrap();
    for notified in store.undispatched(at(11), 10).await.unwrap() {
        store.dispatch(notified.id, vec!["pager".into()], None, at(11)).await.unwrap();
    }
    assert_eq!(store.unanswered().await.unwrap(), [], "nobody knows of it yet");
    assert_eq!(store.waiting().await.unwrap(), (2, Some(at(10))));
    for delivery in store.due(at(11), 10).await.unwrap() {
        store.settle(delivery.id, Settled::Taken, at(12)).await.unwrap();
    }
    assert_eq!(store.waiting().await.unwrap(), (0, None));
    let unanswered = store.unanswered().await.unwrap();
    let told: Vec<(&str, DateTime<Utc>)> = unanswered.iter().map(|own| (own.route.as_str(), own.told)).collect();
    assert_eq!(told, [("pager", at(12)), ("pager", at(12))]);
    let [first, second] = [0, 1].map(|at: usize| unanswered[at].incident.id.clone());
    let by = Acknowledged { by: "ann".into(), at: at(20), note: Some("on it".into()) };
    let taken = store.acknowledge(first.clone(), by.clone()).await.unwrap();
    assert_eq!(taken.acknowledged, Some(by.clone()));
    assert_eq!(store.incident(first.clone()).await.unwrap(), Some(taken));
    let waiting = store.undispatched(at(21), 10).await.unwrap();
    assert_eq!(waiting.iter().map(|own| own.notice).collect::<Vec<_>>(), [Notice::Acknowledged]);
    assert_eq!(store.told_over(first.clone()).await.unwrap(), ["pager"]);
    assert_eq!(store.unanswered().await.unwrap().len(), 1);
    // it escalates once, and what was taken up does not
    assert!(!store.escalate(first.clone(), "boss".into(), at(30)).await.unwrap());
    assert!(store.escalate(second.clone(), "boss".into(), at(30)).await.unwrap());
    assert!(!store.escalate(second.clone(), "boss".into(), at(31)).await.unwrap());
    let due = store.due(at(31), 10).await.unwrap();
    assert_eq!((due.len(), due[0].route.as_str(), due[0].notified.notice), (1, "boss", Notice::Escalated));
    store.settle(due[0].id, Settled::Taken, at(32)).await.unwrap();
    let open = store.told_open().await.unwrap();
    let (_, mut routes) = open.into_iter().find(|(own, _)| own.id == second).unwrap();
    routes.sort();
    assert_eq!(routes, ["boss", "pager"]);
    // what is over, and what there is not
    store.ingest(batch("db-1", 5, at(40), vec![(3, 40, alone(2, State::Resolved))])).await.unwrap();
    assert!(matches!(store.acknowledge(second, by.clone()).await, Err(StoreError::Over { .. })));
    assert!(matches!(store.acknowledge("x".into(), by).await, Err(StoreError::Unknown { .. })));
}

pub(crate) async fn what_is_silenced_waits_until_the_silence_is_over(store: Any) {
    store.ingest(batch("db-1", 5, at(10), vec![(1, 1, alone(1, State::Systemic))])).await.unwrap();
    let silenced = Silenced {
        matches: Matches { source: Some(SourceName::new("shop")), ..Matches::default() },
        from: at(0),
        until: at(100),
        by: "ann".into(),
        why: "a restore".into(),
        ended_by: None,
    };
    let id = store.silence(silenced.clone()).await.unwrap();
    let waiting = store.undispatched(at(11), 10).await.unwrap();
    let About::Incident(incident) = &waiting[0].about else { panic!("{waiting:?}") };
    assert!(silenced.hushes(incident, at(99)) && !silenced.hushes(incident, at(100)));
    store.hold(waiting[0].id, at(100)).await.unwrap();
    assert_eq!(store.undispatched(at(99), 10).await.unwrap(), []);
    assert_eq!(store.undispatched(at(100), 10).await.unwrap().len(), 1);
    // ended before its time, it is told at once
    assert_eq!(store.silences(at(20)).await.unwrap().iter().map(|own| own.id).collect::<Vec<_>>(), [id]);
    store.unsilence(id, "bob".into(), at(20)).await.unwrap();
    assert_eq!(store.undispatched(at(20), 10).await.unwrap().len(), 1);
    let over = store.silences(at(10)).await.unwrap();
    assert_eq!((over[0].silenced.until, over[0].silenced.ended_by.as_deref()), (at(20), Some("bob")));
    assert_eq!(store.silences(at(20)).await.unwrap(), []);
    assert!(matches!(store.unsilence(id, "bob".into(), at(21)).await, Err(StoreError::Unknown { .. })));
}

pub(crate) async fn an_agent_that_is_silent_is_an_incident(store: Any) {
    let silence = |to| Silence { to, since: at(0), reason: "nothing is heard of the agent for 17 min".into() };
    store.silent("db-1".into(), silence(State::Suspect), at(130)).await.unwrap();
    assert_eq!(store.undispatched(at(2_000), 10).await.unwrap(), []);
    // told twice, as after a crash
    for _ in 0..2 {
        store.silent("db-1".into(), silence(State::Systemic), at(1_000)).await.unwrap();
    }
    let open = store.incidents(WantedIncidents { open: true, source: None, limit: 10 }).await.unwrap();
    assert_eq!((open.len(), open[0].agent(), open[0].severity), (1, "db-1", Severity::Page));
    // what the agent says of its sources when it comes back is no word of that
    store.ingest(batch("db-1", 5, at(1_100), vec![(1, 1_100, Body::Unwell(Unwell::default()))])).await.unwrap();
    assert_eq!(store.incidents(WantedIncidents { open: true, source: None, limit: 10 }).await.unwrap().len(), 1);
    store.silent("db-1".into(), silence(State::Resolved), at(1_100)).await.unwrap();
    let notices: Vec<Notice> = store.undispatched(at(2_000), 10).await.unwrap().iter().map(|own| own.notice).collect();
    assert_eq!(notices, [Notice::Opened, Notice::Resolved]);
}

pub(crate) async fn a_migration_that_is_over_is_told_once(store: Any) {
    let seen = |phase| {
        Body::Migration(Box::new(MigrationSeen {
            source: SourceName::new("shop"),
            id: "5f-1".into(),
            name: Some("0042".into()),
            noticed_by: NoticedBy::Opened,
            began: at(0),
            takes_back: None,
            phase,
        }))
    };
    let open = Phase::Open { changes: vec!["public.orders.total dropped".into()] };
    let over = || Phase::Unjudged { why: "no mark".into() };
    let bodies = vec![(1, 1, seen(open)), (2, 60, seen(over())), (3, 61, seen(over()))];
    store.ingest(batch("db-1", 5, at(70), bodies)).await.unwrap();
    let waiting = store.undispatched(at(70), 10).await.unwrap();
    assert_eq!(waiting.iter().map(|own| own.notice).collect::<Vec<_>>(), [Notice::Migrated]);
    let About::Migration(migrated) = &waiting[0].about else { panic!("{waiting:?}") };
    assert_eq!((migrated.name.as_deref(), migrated.ended, &migrated.verdict), (Some("0042"), at(60), &None));
    store.dispatch(waiting[0].id, vec!["pager".into()], None, at(70)).await.unwrap();
    assert_eq!(store.due(at(70), 10).await.unwrap()[0].notified, waiting[0]);
}

pub(crate) async fn t3_times_of_any_year_and_zone_are_told_in_utc(store: Any) {
    // the hour that a summer time leaves out, a leap second, the end of what four digits can say, a year before the first
    let times = [
        "2026-03-29T02:30:00+01:00",
        "2016-12-31T23:59:60Z",
        "9999-12-31T23:59:59.999999Z",
        "0000-02-29T00:00:00-12:00",
    ];
    let loss = r#"{"loss":{"why":"full","class":null,"first":0,"last":0,"records":2}}"#;
    let observations: Vec<String> = (1..)
        .zip(times)
        .map(|(number, time)| {
            format!(r#"{{"agent":"a","incarnation":5,"sequence":{number},"time":"{time}","body":{loss}}}"#)
        })
        .collect();
    let json =
        format!(r#"{{"version":{VERSION},"agent":"a","incarnation":5,"observations":[{}]}}"#, observations.join(","));
    store.ingest(Accepted::read(json.as_bytes(), at(0), 10).unwrap()).await.unwrap();
    let mut told: Vec<(u64, String)> =
        all(&store).await.iter().map(|seen| (seen.id.sequence, seen.time.to_rfc3339())).collect();
    told.sort();
    let expected = [
        "2026-03-29T01:30:00+00:00",
        "2016-12-31T23:59:60+00:00",
        "9999-12-31T23:59:59.999999+00:00",
        "0000-02-29T12:00:00+00:00",
    ];
    assert_eq!(told.into_iter().map(|(_, time)| time).collect::<Vec<_>>(), expected);
}
