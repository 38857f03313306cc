//! Incidents, told as what changed when.

use super::*;
use crate::Patience;
use std::time::Duration;

fn patience() -> Patience {
    Patience::new(Duration::from_secs(900))
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn change(rule: Option<&str>, to: State, migration: Option<&str>) -> StateChange {
    StateChange {
        source: SourceName::new("shop"),
        table: rule.map(|_| TableName::new("public", "orders")),
        rule: rule.map(RuleId::new),
        from: State::Ok,
        to,
        reason: format!("{} it is", to.as_str()),
        since: at(5),
        severity: Severity::Page,
        owner: Some("team".into()),
        migration: migration.map(str::to_owned),
        migration_name: None,
        description: None,
        runbook: None,
        escalation: None,
        fixes: Vec::new(),
    }
}

/// All incidents, those that are over first, with the notices that they gave.
fn steps(changes: &[StateChange]) -> (Vec<Incident>, Vec<(String, Notice)>) {
    let all: Vec<(i64, &str, StateChange)> =
        (10..).zip(changes).map(|(second, change)| (second, "db-1", change.clone())).collect();
    told(&all)
}

/// The same of changes that agents tell at times.
fn told(changes: &[(i64, &str, StateChange)]) -> (Vec<Incident>, Vec<(String, Notice)>) {
    let (mut all, mut notices) = (Vec::<Incident>::new(), Vec::new());
    for (second, agent, change) in changes {
        let told = Told { agent, time: at(*second), change: Subject::State(change) };
        let Some(step) = takes(&mut all, told, &format!("i{second}"), at(*second), patience(), &Kin::default()) else {
            continue;
        };
        notices.extend(step.notice.map(|notice| (all[step.at].id.clone(), notice)));
    }
    all.sort_by_key(|incident| incident.resolved.is_none());
    (all, notices)
}

#[test]
fn what_fails_after_one_migration_is_one_incident() {
    let (incidents, notices) = steps(&[
        change(Some("a"), State::Suspect, Some("m")),
        change(Some("a"), State::Systemic, Some("m")),
        change(Some("b"), State::Systemic, Some("m")),
        change(Some("c"), State::Suspect, Some("m")),
        change(Some("a"), State::Resolved, Some("m")),
        // whatever is thought of its cause by then
        change(Some("b"), State::Resolved, None),
    ]);
    assert_eq!(notices, [("i11".to_owned(), Notice::Opened), ("i11".to_owned(), Notice::Resolved)]);
    assert_eq!((incidents.len(), incidents[0].parts.len()), (1, 2));
    assert_eq!((incidents[0].class, incidents[0].resolved), (State::Resolved, Some(at(15))));
}

/// A rule on a table of a source that is systemic since then.
fn begun(source: &str, table: &str, rule: &str, since: i64) -> StateChange {
    let change = change(Some(rule), State::Systemic, None);
    StateChange {
        source: SourceName::new(source),
        table: Some(TableName::new("public", table)),
        since: at(since),
        ..change
    }
}

/// How many incidents are opened by what agents tell.
fn opened(changes: &[(i64, &str, StateChange)]) -> usize {
    told(changes).1.iter().filter(|(_, notice)| *notice == Notice::Opened).count()
}

#[test]
fn what_began_together_on_one_source_is_one_and_what_began_later_another() {
    let restored = [
        (1_000, "db-1", begun("shop", "orders", "a", 100)),
        (1_005, "db-1", begun("shop", "items", "b", 300)),
        (1_010, "db-1", begun("shop", "users", "c", 500)),
    ];
    assert_eq!(opened(&restored), 1);
    let later =
        [(1_000, "db-1", begun("shop", "orders", "a", 100)), (1_900, "db-1", begun("shop", "items", "b", 1_000))];
    assert_eq!(opened(&later), 2);
    // rules of one table that follow each other are one
    let table =
        [(1_000, "db-1", begun("shop", "orders", "a", 100)), (2_500, "db-1", begun("shop", "orders", "b", 1_500))];
    assert_eq!(opened(&table), 1);
    let elsewhere =
        [(1_000, "db-1", begun("shop", "orders", "a", 100)), (1_000, "db-2", begun("lake", "items", "b", 100))];
    assert_eq!(opened(&elsewhere), 2);
}

#[test]
fn one_rule_that_fails_on_several_sources_one_after_the_other_is_one() {
    let fleet = [
        (1_000, "db-1", begun("shop-eu", "orders", "a", 100)),
        (1_900, "db-2", begun("shop-us", "orders", "a", 1_200)),
        (3_900, "db-3", begun("shop-ap", "orders", "a", 2_900)),
    ];
    assert_eq!(opened(&fleet), 1);
    let by_name = |source: &str, migration: &str, name: Option<&str>| StateChange {
        migration: Some(migration.to_owned()),
        migration_name: name.map(str::to_owned),
        ..begun(source, "orders", "a", 100)
    };
    let rolled_out = [
        (1_000, "db-1", by_name("shop-eu", "5f-1", Some("0042"))),
        (90_000, "db-2", by_name("shop-us", "77-9", Some("0042"))),
    ];
    assert_eq!(opened(&rolled_out), 1, "a migration is the same wherever it runs");
    let unnamed = [(1_000, "db-1", by_name("a", "5f-1", None)), (1_000, "db-2", by_name("b", "77-9", None))];
    assert_eq!(opened(&unnamed), 2);
}

#[test]
fn sources_that_cannot_be_checked_since_the_same_moment_are_one() {
    let away = |source: &str, since: i64| StateChange {
        source: SourceName::new(source),
        since: at(since),
        ..change(None, State::Systemic, None)
    };
    assert_eq!(opened(&[(1_000, "db-1", away("shop", 100)), (1_050, "db-2", away("lake", 250))]), 1);
    assert_eq!(opened(&[(1_000, "db-1", away("shop", 100)), (1_500, "db-2", away("lake", 500))]), 2);
    // rows that fail are another thing
    assert_eq!(opened(&[(1_000, "db-1", away("shop", 100)), (1_050, "db-1", begun("shop", "orders", "a", 100))]), 2);
}

#[test]
fn an_agent_that_is_silent_is_an_incident_until_it_is_heard_of() {
    let mut all = Vec::new();
    let mut step = |second, to| {
        let silence = Silence { to, since: at(0), reason: "nothing is heard".into() };
        let told = Told { agent: "db-1", time: at(second), change: Subject::Silence(&silence) };
        takes(&mut all, told, &format!("i{second}"), at(second), patience(), &Kin::default())
            .and_then(|step| step.notice)
    };
    assert_eq!(step(120, State::Suspect), None);
    assert_eq!(step(1_000, State::Systemic), Some(Notice::Opened));
    assert_eq!(step(1_100, State::Resolved), Some(Notice::Resolved));
    assert_eq!((all[0].cause.clone(), all[0].severity, all[0].class), (Cause::Agent, Severity::Page, State::Resolved));
}

#[test]
fn what_was_taken_up_is_told_once_and_not_after_it_was_over() {
    let (mut all, _) = steps(&[change(Some("a"), State::Systemic, None)]);
    let by = |who: &str| Acknowledged { by: who.into(), at: at(20), note: None };
    assert_eq!(acknowledges(&mut all[0], by("ann")), Ok(Some(Notice::Acknowledged)));
    assert_eq!(acknowledges(&mut all[0], by("bob")), Ok(None), "another takes over");
    assert_eq!(all[0].acknowledged.as_ref().map(|by| by.by.as_str()), Some("bob"));
    let over = change(Some("a"), State::Transient, None);
    let told = Told { agent: "db-1", time: at(30), change: Subject::State(&over) };
    let step = takes(&mut all, told, "i30", at(30), patience(), &Kin::default());
    assert_eq!(
        (step.and_then(|step| step.notice), all[0].class),
        (Some(Notice::Resolved), State::Resolved),
        "somebody was at it"
    );
    assert_eq!(acknowledges(&mut all[0], by("eve")), Err(Over));
    assert_eq!(all[0].acknowledged.as_ref().map(|by| by.by.as_str()), Some("bob"));
}

#[test]
fn what_heals_and_what_is_for_metrics_alone_concerns_nobody() {
    let info = StateChange { severity: Severity::Info, ..change(Some("b"), State::Systemic, None) };
    let (incidents, notices) = steps(&[
        change(Some("a"), State::Suspect, None),
        change(Some("a"), State::Transient, None),
        change(None, State::Suspect, None),
        change(None, State::Transient, None),
        info,
    ]);
    assert_eq!((incidents, notices), (vec![], vec![]));
}

#[test]
fn what_matters_more_or_comes_back_is_told_as_well() {
    let ticket = |rule, to| StateChange { severity: Severity::Ticket, ..change(Some(rule), to, Some("m")) };
    let (incidents, notices) = steps(&[
        ticket("a", State::Flapping),
        ticket("a", State::Systemic),
        change(Some("b"), State::Systemic, Some("m")),
        change(Some("c"), State::Systemic, Some("m")),
        change(Some("b"), State::Resolved, Some("m")),
        // others that matter as much fail still
        change(Some("b"), State::Systemic, Some("m")),
        change(Some("b"), State::Resolved, Some("m")),
        change(Some("c"), State::Resolved, Some("m")),
        change(Some("b"), State::Systemic, Some("m")),
    ]);
    let told: Vec<Notice> = notices.iter().map(|(_, notice)| *notice).collect();
    assert_eq!(told, [Notice::Opened, Notice::Risen, Notice::Risen, Notice::Risen], "flapping, systemic, a page, back");
    assert_eq!((incidents.len(), incidents[0].severity), (1, Severity::Page));
}

#[test]
fn what_was_repaired_and_fails_for_another_cause_is_another_incident() {
    let (incidents, notices) = steps(&[
        change(Some("a"), State::Systemic, Some("m")),
        change(Some("b"), State::Systemic, Some("m")),
        change(Some("b"), State::Resolved, Some("m")),
        change(Some("b"), State::Systemic, Some("n")),
    ]);
    assert_eq!(incidents.len(), 2);
    assert_eq!(notices.iter().filter(|(_, notice)| *notice == Notice::Opened).count(), 2);
}

#[test]
fn what_an_agent_holds_to_be_wrong_is_what_is_open() {
    let (open, _) = steps(&[
        change(Some("a"), State::Systemic, Some("m")),
        change(Some("b"), State::Systemic, Some("m")),
        change(None, State::Systemic, None),
    ]);
    let wrong = [change(Some("b"), State::Systemic, Some("m")), change(Some("c"), State::Systemic, None)];
    let changes = reconciled(&open, "db-1", &SourceName::new("shop"), &wrong);
    let told: Vec<(Option<&str>, State)> =
        changes.iter().map(|change| (change.rule.as_ref().map(RuleId::as_str), change.to)).collect();
    assert_eq!(told, [(Some("a"), State::Ok), (None, State::Ok), (Some("c"), State::Systemic)]);
    assert_eq!(reconciled(&open, "db-1", &SourceName::new("shop"), &[]).len(), 3);
    assert_eq!(reconciled(&[], "db-1", &SourceName::new("shop"), &[]), []);
}

#[test]
fn one_that_fails_again_shortly_after_it_was_over_is_reopened_and_later_another() {
    let again = |second| {
        told(&[
            (1_000, "db-1", change(Some("a"), State::Systemic, None)),
            (2_000, "db-1", change(Some("a"), State::Resolved, None)),
            (second, "db-1", StateChange { since: at(second), ..change(Some("a"), State::Systemic, None) }),
        ])
    };
    let (incidents, notices) = again(3_000);
    let notices: Vec<Notice> = notices.into_iter().map(|(_, notice)| notice).collect();
    assert_eq!((incidents.len(), notices.as_slice()), (1, &[Notice::Opened, Notice::Resolved, Notice::Reopened][..]));
    assert!(incidents[0].is_open());
    assert_eq!(again(4_000).0.len(), 2);
}

#[test]
fn what_joins_of_another_source_or_owner_is_told_to_whoever_does_not_know() {
    let of = |source: &str, owner: &str| StateChange {
        source: SourceName::new(source),
        owner: Some(owner.to_owned()),
        migration_name: Some("0042".into()),
        ..change(Some("a"), State::Systemic, Some(source))
    };
    let (incidents, notices) = steps(&[of("staging", "team"), of("shop", "team"), of("shop", "another")]);
    let notices: Vec<Notice> = notices.into_iter().map(|(_, notice)| notice).collect();
    assert_eq!(
        (incidents.len(), notices.as_slice()),
        (1, &[Notice::Opened, Notice::Joined][..]),
        "one rule is one part"
    );
    // days later it is another thing
    let later = StateChange { since: at(200_000), ..of("shop", "team") };
    assert_eq!(steps(&[of("staging", "team"), later]).0.len(), 2);
}

#[test]
fn what_flaps_after_it_was_told_and_was_over_wakes_nobody_again() {
    let (incidents, notices) = steps(&[
        change(Some("a"), State::Systemic, None),
        change(Some("a"), State::Transient, None),
        change(Some("a"), State::Suspect, None),
        change(Some("a"), State::Flapping, None),
    ]);
    let notices: Vec<Notice> = notices.into_iter().map(|(_, notice)| notice).collect();
    assert_eq!((incidents.len(), notices.as_slice()), (1, &[Notice::Opened, Notice::Resolved][..]));
    assert_eq!((incidents[0].is_open(), incidents[0].class), (true, State::Flapping));
}

#[test]
fn what_comes_and_goes_after_it_was_told_is_the_same_incident_and_no_other_page() {
    let (incidents, notices) = steps(&[
        change(Some("a"), State::Systemic, None),
        change(Some("a"), State::Flapping, None),
        change(Some("a"), State::Systemic, None),
        change(Some("a"), State::Flapping, None),
        change(Some("a"), State::Ok, None),
    ]);
    let notices: Vec<Notice> = notices.into_iter().map(|(_, notice)| notice).collect();
    assert_eq!((incidents.len(), notices.as_slice()), (1, &[Notice::Opened, Notice::Risen, Notice::Resolved][..]));
}

/// What fails of two tables, and what is known of the lineage of each when it is told.
fn of_tables(order: [(i64, &str, &Kin); 2]) -> Vec<Incident> {
    let mut all = Vec::new();
    for (second, table, kin) in order {
        let table = Some(TableName::new("public", table));
        let seen = StateChange { table, since: at(second), ..change(Some("a"), State::Systemic, None) };
        let told = Told { agent: "db-1", time: at(second), change: Subject::State(&seen) };
        takes(&mut all, told, &format!("i{second}"), at(second), patience(), kin);
    }
    all
}

#[test]
fn what_is_made_of_what_fails_is_of_one_incident_that_is_named_after_what_is_up() {
    let tables = |names: &[&str]| names.iter().map(|name| TableName::new("public", *name)).collect();
    let report = Kin { up: tables(&["orders"]), down: BTreeSet::new() };
    let orders = Kin { up: BTreeSet::new(), down: tables(&["report"]) };
    let upmost = Cause::Rule(TableName::new("public", "orders"), RuleId::new("a"));
    let (long, none) = (patience().of_breadth().num_seconds() + 60, Kin::default());
    assert!(patience().of_rollout().num_seconds() > long);

    let down_later = of_tables([(0, "orders", &orders), (long, "report", &report)]);
    assert_eq!((down_later.len(), &down_later[0].cause), (1, &upmost));
    let up_later = of_tables([(0, "report", &report), (long, "orders", &orders)]);
    assert_eq!((up_later.len(), &up_later[0].cause), (1, &upmost));
    let unknown = of_tables([(0, "orders", &none), (long, "report", &none)]);
    assert_eq!(unknown.len(), 2, "nothing is known of them");
    let later = patience().of_rollout().num_seconds() + 60;
    assert_eq!(of_tables([(0, "orders", &orders), (later, "report", &report)]).len(), 2, "long after");
}
