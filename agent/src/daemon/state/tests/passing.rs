//! What may pass: a replica that is behind, rules whose statements are ended.

use super::*;
use fieldmark_classify::Migration;
use fieldmark_model::observation::State as S;

/// Lives so many seconds; whatever is asked for is done at once, and gives this at that second.
fn lives(case: &mut Case, seconds: u64, gives_then: impl Fn(&Job, u64) -> Done) -> Vec<Effect> {
    let mut all = Vec::new();
    for _ in 0..seconds {
        let mut effects = case.after(1_000);
        while let [job] = jobs(&effects).as_slice() {
            all.extend(effects.clone());
            effects = case.done(job.clone(), gives_then(job, case.up / 1_000));
        }
        all.extend(effects);
    }
    all
}

/// What is told, of what, and why.
fn reasons(effects: &[Effect]) -> Vec<(S, String)> {
    let state =
        |body: &Body| if let Body::State(change) = body { Some((change.to, change.reason.clone())) } else { None };
    recorded(effects).into_iter().filter_map(state).collect()
}

/// By how much a replica is behind that stands still for so long, and then goes on.
fn stands_still(job: &Job, from: u64, second: u64, until: u64) -> Done {
    let stood = (from..until).contains(&second).then(|| (second - from) as f64);
    match job {
        Job::Look { .. } => {
            let late = Some(stood.unwrap_or(0.0));
            Done::Looked { fingerprint: schema("one"), changes: Vec::new(), tables: None, late }
        }
        Job::Lineage { .. } => Done::Lineage { bodies: Vec::new(), told: Box::default() },
        Job::Mark | Job::Check | Job::Recheck { .. } | Job::Recapture { .. } => gives(job, Some(0)),
    }
}

#[test]
fn a_replica_that_is_behind_for_a_while_is_transient_and_one_that_stays_behind_systemic() {
    let mut case = Case::settled();
    let brief = lives(&mut case, 900, |job, second| stands_still(job, 60, second, 600));
    assert_eq!(told(&brief), [(false, S::Suspect), (false, S::Transient)]);
    assert!(reasons(&brief)[0].1.contains("behind its primary: what is checked is as it was then"), "{brief:?}");
    let begun = case.up / 1_000;
    let long = lives(&mut case, 1_140, |job, second| stands_still(job, begun, second, u64::MAX));
    assert_eq!(told(&long), [(false, S::Suspect), (false, S::Systemic)], "within 20 minutes of standing still");
    let again = lives(&mut case, 60, |job, second| stands_still(job, begun, second, 0));
    assert_eq!(told(&again), [(false, S::Transient)], "and heals after all");
}

#[test]
fn one_that_is_none_any_more_is_behind_nobody() {
    let mut case = Case::settled();
    let begun = case.up / 1_000;
    let behind = lives(&mut case, 300, |job, second| stands_still(job, begun, second, u64::MAX));
    assert_eq!(told(&behind), [(false, S::Suspect)]);
    let promoted = lives(&mut case, 300, |job, _| gives(job, Some(0)));
    assert_eq!(told(&promoted), [(false, S::Transient)]);
}

/// A check of two rules, of one of which the statement was ended.
fn ended(job: &Job, is_ended: bool) -> Done {
    let rule = |name: &str, ended: bool| {
        let blank = Outcome::blank(shop(), TableName::new("public", "orders"), RuleId::new(name), "not_null");
        let (status, why) =
            if ended { (Status::NotEvaluated, Some(NotEvaluated::Timeout)) } else { (Status::Passed, None) };
        let reason = "the database ended the statement to resolve a deadlock (40P01)".to_owned();
        Body::Outcome(Box::new(Outcome { status, not_evaluated: why, reason, severity: Severity::Page, ..blank }))
    };
    let bodies = vec![rule("a", is_ended), rule("b", false)];
    match job {
        Job::Check => {
            let Done::Checked { database, address, tables, rules, unwell, .. } = checked() else { panic!("a check") };
            Done::Checked { bodies, database, address, tables, rules, unwell }
        }
        Job::Recheck { .. } => Done::Rechecked { bodies },
        Job::Lineage { .. } => Done::Lineage { bodies: Vec::new(), told: Box::default() },
        Job::Look { .. } | Job::Mark | Job::Recapture { .. } => gives(job, Some(0)),
    }
}

#[test]
fn a_statement_that_is_ended_now_and_then_is_nobodys_concern_and_one_at_every_check_is() {
    let mut case = Case::settled();
    // one check in four, for a day
    let now_and_then = lives(&mut case, 86_400, |job, second| ended(job, *job == Job::Check && second % 1_200 < 300));
    let states = told(&now_and_then);
    assert!(states.len() > 50 && states.iter().all(|(rule, _)| !rule), "{states:?}");
    assert!(states.iter().all(|(_, state)| matches!(state, S::Suspect | S::Transient | S::Ok)), "{states:?}");
    let always = lives(&mut case, 1_600, |job, _| ended(job, true));
    let seen = told(&always);
    assert_eq!(seen.iter().filter(|(_, state)| *state == S::Systemic).count(), 1, "{seen:?}");
    let (state, reason) = reasons(&always).into_iter().find(|(state, _)| *state == S::Systemic).unwrap();
    assert!(
        reason.contains("1 of 2 rules cannot be checked, such as a: ") && reason.contains("(40P01)"),
        "{state:?}: {reason}"
    );
    let well = lives(&mut case, 900, |job, _| ended(job, false));
    assert_eq!(told(&well).first(), Some(&(false, S::Transient)), "and heals after all");
}

/// A schema that is changed from one second to another, and what a job gives then.
fn changed(job: &Job, second: u64, changed: std::ops::Range<u64>, failed: u64) -> Done {
    let now = if changed.contains(&second) { "two" } else { "one" };
    match job {
        Job::Look { .. } => looked(now),
        Job::Mark => marked("m", Some(now)),
        Job::Lineage { .. } => Done::Lineage { bodies: Vec::new(), told: Box::default() },
        Job::Recapture { .. } => {
            let Done::Judged { judged, bodies, .. } = judged() else { panic!("a verdict") };
            let before = if now == "one" { "two" } else { "one" };
            let tables = (Some(schema(before)), Some(schema(now)));
            Done::Judged { judged, bodies, left: Left { tables, ways_back: Ok(Vec::new()) } }
        }
        Job::Check | Job::Recheck { .. } => gives(job, Some(failed)),
    }
}

/// The migrations that were over, each with the one that it took back.
fn over(effects: &[Effect]) -> Vec<(String, Option<String>)> {
    let over = |body: &Body| {
        let Body::Migration(seen) = body else { return None };
        let is_over = matches!(seen.phase, Phase::Judged { .. } | Phase::Unjudged { .. });
        is_over.then(|| (seen.id.clone(), seen.takes_back.clone()))
    };
    recorded(effects).into_iter().filter_map(over).collect()
}

#[test]
fn what_a_migration_broke_is_given_its_time_anew_when_that_is_taken_back() {
    // the schema is changed for good, or for some minutes; the rows are repaired half an hour later
    let story = |until: u64| {
        let mut case = Case::settled();
        let failed = |second: u64| if (60..1_500).contains(&second) { 7 } else { 0 };
        lives(&mut case, 3_600, |job, second| changed(job, second, 60..until, failed(second)))
    };
    let forward = story(u64::MAX);
    assert_eq!(over(&forward).into_iter().map(|(_, back)| back).collect::<Vec<_>>(), [None]);
    assert!(told(&forward).contains(&(true, S::Systemic)), "{:?}", told(&forward));
    let back = story(800);
    let ids = over(&back);
    assert_eq!((ids.len(), &ids[0].1, ids[1].1.as_ref()), (2, &None, Some(&ids[0].0)));
    assert_eq!(told(&back), [(true, S::Suspect), (true, S::Transient), (true, S::Ok)]);
}

#[test]
fn one_that_changes_no_schema_takes_nothing_back() {
    let mut episodes = Episodes::default();
    let migration = |id: &str| Migration { id: id.into(), name: None, tables: None, at: DateTime::UNIX_EPOCH };
    let mut migrated = |id, before: &str, after: &str| {
        episodes.migrated(migration(id), (Some(schema(before)), Some(schema(after))), Vec::new())
    };
    assert_eq!(migrated("a", "one", "two"), None);
    assert_eq!(migrated("b", "two", "two"), None, "of rows alone");
    assert_eq!(migrated("c", "two", "three"), None);
    assert_eq!(migrated("d", "three", "two"), Some("c".into()));
    assert_eq!(migrated("e", "two", "one"), Some("a".into()));
    assert_eq!(migrated("f", "one", "two"), None, "and done again");
    assert_eq!(migrated("g", "two", "three"), None);
    assert_eq!(migrated("h", "three", "one"), Some("f".into()), "with what came after it");
    assert_eq!(migrated("i", "one", "three"), None);
}
