//! Lives, told as what was seen when.

use super::*;
use crate::rows::{Again, FACT, Rows};
use fieldmark_model::outcome::{Baseline, KnownFailing, Status};
use fieldmark_model::{Outcome, RuleId, SourceName, TableName};
use proptest::prelude::*;
use std::time::Duration;

fn patience() -> Patience {
    Patience::new(Duration::from_secs(900))
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

fn fails(what: &str, again: Option<Again>, rows: Option<u64>) -> Evidence {
    Evidence::Bad(Failure { what: what.into(), weight: FACT, again, rows, ..Failure::default() })
}

fn bad() -> Evidence {
    fails("27 of 2843 rows fail", None, None)
}

fn same_rows() -> Evidence {
    fails("27 of 2843 rows fail; 17 of 17 re-read rows still fail", Some(Again { known: 17, failing: 17 }), None)
}

fn good() -> Evidence {
    Evidence::good("no row of 2843 fails".into())
}

fn migrated(seconds: i64) -> Around {
    Around {
        ended: Some(Migration { id: "5f-3".into(), name: Some("0042".into()), tables: None, at: at(seconds) }),
        ..Around::default()
    }
}

/// The states that it comes to, each with the second.
fn life(seen: impl IntoIterator<Item = (i64, Evidence)>, around: impl Fn(i64) -> Around) -> Vec<(i64, Change)> {
    let mut episode = Episode::new(at(0));
    let mut changes = Vec::new();
    for (second, evidence) in seen {
        changes.extend(episode.passes(at(second), patience()).map(|change| (second, change)));
        changes.extend(episode.sees(&evidence, &around(second), at(second), patience()).map(|change| (second, change)));
    }
    changes
}

fn states(changes: &[(i64, Change)]) -> Vec<(i64, State)> {
    changes.iter().map(|(second, change)| (*second, change.to)).collect()
}

/// Bad from one second to another, looked at every half minute, and well before and after.
fn fault(from: i64, to: i64, until: i64) -> impl Iterator<Item = (i64, Evidence)> {
    (0..until).step_by(30).map(move |second| (second, if (from..to).contains(&second) { bad() } else { good() }))
}

#[test]
fn what_heals_within_patience_is_transient_and_nothing_more() {
    for length in [30, 60, 600, 900] {
        let changes = life(fault(300, 300 + length, 4_000), |_| Around::default());
        let to: Vec<State> = changes.iter().map(|(_, change)| change.to).collect();
        assert_eq!(to, [State::Suspect, State::Transient, State::Ok], "{length} s: {changes:?}");
    }
    let changes = life(fault(300, 500, 1_000), |_| Around::default());
    assert_eq!(changes[1].1.reason, "no row of 2843 fails; it has healed by itself after 3 min 30 s");
}

#[test]
fn what_stays_is_systemic_after_patience_and_once() {
    let changes = life(fault(300, 9_000, 20_000), |_| Around::default());
    assert_eq!(
        states(&changes),
        [(300, State::Suspect), (1_230, State::Systemic), (9_000, State::Resolved), (12_600, State::Ok)]
    );
    assert_eq!(changes[1].1.reason, "27 of 2843 rows fail; it has failed for 15 min 30 s in 32 checks");
    assert_eq!((changes[1].1.since, changes[1].1.migration.clone()), (at(300), None));
    assert_eq!(changes[2].1.reason, "no row of 2843 fails; it had failed for 2 h 25 min");
}

#[test]
fn after_a_migration_the_same_rows_are_enough_in_three_fifths_of_the_time() {
    let seen = || (100..2_000).step_by(30).map(|second| (second, same_rows()));
    let changes = life(seen(), |_| migrated(72));
    assert_eq!(states(&changes), [(100, State::Suspect), (640, State::Systemic)]);
    let (_, systemic) = &changes[1];
    assert_eq!(
        systemic.reason,
        "27 of 2843 rows fail; 17 of 17 re-read rows still fail; began 28 s after the migration 0042 had ended; it has failed for \
         9 min in 19 checks, in the last 19 of which nothing was repaired"
    );
    assert_eq!(systemic.migration.as_ref().map(|migration| migration.id.as_str()), Some("5f-3"));
    // one that ended long before is no cause, and shortens nothing
    let changes = life(seen(), |_| migrated(-1_000));
    assert_eq!(states(&changes), [(100, State::Suspect), (1_030, State::Systemic)]);
    // where all rows are read, no fewer of them are enough; fewer each time are not
    let counted = |rows: fn(i64) -> u64| {
        let seen = move |second| fails("b", None, Some(rows(second)));
        life((100..2_000).step_by(30).map(move |second| (second, seen(second))), |_| migrated(72))
    };
    assert_eq!(states(&counted(|_| 200)), [(100, State::Suspect), (640, State::Systemic)]);
    assert_eq!(states(&counted(|second| 9_000 - second as u64)), [(100, State::Suspect), (1_030, State::Systemic)]);
    // rows that come and go are not the same ones
    let changes = life((100..2_000).step_by(30).map(|second| (second, bad())), |_| migrated(72));
    assert_eq!(states(&changes), [(100, State::Suspect), (1_030, State::Systemic)]);
}

#[test]
fn a_backfill_is_no_fault_while_its_migration_is_open() {
    let around = |second: i64| Around { open: second < 7_200, ..migrated(second.min(7_200)) };
    let changes = life(fault(300, 7_260, 9_000), around);
    assert_eq!(states(&changes)[..2], [(300, State::Suspect), (7_260, State::Transient)]);
    // and one that it leaves behind is, from its end on
    let seen = (300..12_000).step_by(30).map(|second| (second, same_rows()));
    let changes = life(seen, around);
    assert_eq!(states(&changes), [(300, State::Suspect), (7_740, State::Systemic)]);
    let begun: Vec<bool> =
        changes.iter().map(|(_, change)| change.reason.contains("; began with the migration 0042")).collect();
    assert_eq!(begun, [true, true], "and not after its end: {changes:?}");
}

#[test]
fn what_nothing_heals_is_systemic_when_it_is_seen_again_after_a_minute() {
    let refused = || Evidence::certain("permission denied (42501)".into());
    let changes = life([(10, refused()), (15, refused()), (25, refused()), (75, refused())], |_| Around::default());
    assert_eq!(states(&changes), [(10, State::Suspect), (75, State::Systemic)]);
    assert_eq!(changes[1].1.reason, "permission denied (42501); this does not heal by itself");
    // a table that is swapped for another is away for a moment
    let changes = life([(10, refused()), (15, refused()), (25, good())], |_| Around::default());
    assert_eq!(states(&changes), [(10, State::Suspect), (25, State::Transient)]);
}

#[test]
fn after_a_migration_whoever_deploys_has_some_minutes() {
    let gone = || Evidence::certain("the table lacks a column (42703)".into());
    let seen = (100..400).step_by(30).map(|second| (second, gone()));
    assert_eq!(states(&life(seen, |_| migrated(90))), [(100, State::Suspect), (220, State::Systemic)]);
}

#[test]
fn a_migration_that_is_noticed_a_moment_late_is_the_cause_all_the_same() {
    let around = |second: i64| if second >= 120 { migrated(120) } else { Around::default() };
    let seen = || (100..2_000).step_by(30).map(|second| (second, same_rows()));
    let changes = life(seen(), around);
    assert_eq!(states(&changes), [(100, State::Suspect), (670, State::Systemic)], "nine minutes after its end");
    assert!(changes[1].1.reason.contains("began 20 s before the migration 0042 was seen to end"), "{changes:?}");
    // one that ends minutes after it began is none
    let around = |second: i64| if second >= 300 { migrated(300) } else { Around::default() };
    assert_eq!(states(&life(seen(), around)), [(100, State::Suspect), (1_030, State::Systemic)]);
}

#[test]
fn rows_that_are_repaired_one_by_one_are_given_more_time() {
    let mended = |second: i64| fails("b", Some(Again { known: 20, failing: if second < 600 { 8 } else { 12 } }), None);
    let seen = || (0..4_000).step_by(30).map(|second| (second, mended(second)));
    assert_eq!(states(&life(seen(), |_| Around::default())), [(0, State::Suspect), (1_800, State::Systemic)]);
    // after a migration as much as anything is
    assert_eq!(states(&life(seen(), |_| migrated(-30))), [(0, State::Suspect), (900, State::Systemic)]);
}

#[test]
fn a_rollback_is_given_time_to_mend_what_it_took_back() {
    let around = |second: i64| Around { rolled_back: (second >= 400).then(|| at(400)), ..migrated(72) };
    let seen = (100..3_000).step_by(30).map(|second| (second, same_rows()));
    assert_eq!(states(&life(seen, around)), [(100, State::Suspect), (1_330, State::Systemic)]);
}

#[test]
fn what_fails_by_chance_alone_after_its_time_is_not_held_to_fail_still() {
    let weak = || Evidence::Bad(Failure { what: "b".into(), weight: 1.0, ..Failure::default() });
    let seen = (0..2_000).step_by(100).map(|second| {
        // it has healed after a quarter of an hour, and now and then a check has one row more than is tolerated
        (
            second,
            if second < 900 {
                bad()
            } else if second % 300 == 0 {
                weak()
            } else {
                Evidence::Calm(-1.0)
            },
        )
    });
    assert_eq!(states(&life(seen, |_| Around::default())), [(0, State::Suspect)]);
    let seen = (0..2_000).step_by(100).map(|second| (second, if second < 900 { bad() } else { weak() }));
    assert_eq!(states(&life(seen, |_| Around::default())), [(0, State::Suspect), (1_200, State::Systemic)]);
}

#[test]
fn migrations_of_others_do_not_put_it_off_for_ever() {
    // a partition is made every ten minutes
    let seen = (100..2_000).step_by(30).map(|second| (second, bad()));
    let changes = life(seen, |second| Around {
        ended: Some(Migration {
            id: format!("p{}", second / 600),
            name: None,
            tables: None,
            at: at(second / 600 * 600),
        }),
        ..Around::default()
    });
    assert_eq!(states(&changes), [(100, State::Suspect), (1_030, State::Systemic)]);
}

#[test]
fn what_cannot_be_told_is_not_asked_for_all_the_time() {
    let mut episode = Episode::new(at(0));
    episode.sees(&bad(), &Around::default(), at(0), patience());
    assert_eq!(episode.wants(patience()), Some(TimeDelta::seconds(5)));
    for second in 1..4 {
        episode.sees(&Evidence::Unsure, &Around::default(), at(second), patience());
    }
    assert_eq!(episode.wants(patience()), Some(TimeDelta::seconds(300)));
}

#[test]
fn what_comes_and_goes_is_flapping_once_and_quiet_until_it_stays_well() {
    let hours = 6 * 3_600;
    let comes_and_goes = (0..hours)
        .step_by(30)
        .map(|second| (second, if second < 14_400 && second % 1_800 < 300 { bad() } else { good() }));
    let changes = life(comes_and_goes, |_| Around::default());
    let flapping: Vec<_> = changes.iter().filter(|(_, change)| change.to == State::Flapping).collect();
    assert_eq!(flapping.len(), 1, "{changes:?}");
    assert_eq!(flapping[0].1.reason, "no row of 2843 fails; it has failed and healed by itself 3 times within 1 h");
    let (second, last) = changes.last().unwrap();
    assert_eq!((last.from, last.to), (State::Flapping, State::Ok));
    assert_eq!(*second, 12_870 + 7_200, "two hours after it failed last");
    assert!(!changes.iter().any(|(_, change)| change.to == State::Systemic));
}

#[test]
fn flapping_that_ends_in_failing_for_good_is_systemic() {
    let seen = (0..20_000)
        .step_by(30)
        .map(|second| (second, if second >= 6_000 || second % 1_800 < 300 { bad() } else { good() }));
    let changes = life(seen, |_| Around::default());
    let last: Vec<(i64, State)> = states(&changes).into_iter().rev().take(2).collect();
    assert_eq!(last, [(9_600, State::Systemic), (3_900, State::Flapping)], "an hour after it began to fail for good");
}

#[test]
fn a_suspicion_that_nobody_followed_for_a_while_begins_anew() {
    let mut episode = Episode::new(at(0));
    let around = Around::default();
    for second in [0, 30, 60, 90] {
        episode.sees(&bad(), &around, at(second), patience());
    }
    let mut soon = episode.clone();
    soon.resumes(at(120), patience());
    assert_eq!(soon.sees(&bad(), &around, at(960), patience()).map(|change| change.to), Some(State::Systemic));
    // the agent did not run for a day: whatever healed meanwhile, nobody saw it
    episode.resumes(at(86_400), patience());
    assert_eq!(episode.sees(&bad(), &around, at(86_410), patience()), None);
    assert_eq!(
        episode.sees(&bad(), &around, at(86_400 + 960), patience()).map(|change| change.to),
        Some(State::Systemic)
    );
    // nor is a clock that was ahead, and is right again, a reason to wait for days
    let mut ahead = Episode::new(at(864_000));
    ahead.sees(&bad(), &migrated(864_000), at(864_030), patience());
    ahead.resumes(at(1_000), patience());
    ahead.sees(&bad(), &around, at(1_010), patience());
    assert_eq!(ahead.sees(&bad(), &around, at(1_970), patience()).map(|change| change.to), Some(State::Systemic));
}

#[test]
fn what_could_not_be_checked_moves_nothing() {
    let seen = fault(300, 6_000, 9_000).map(|(second, evidence)| {
        // every other check could not be made
        (second, if second % 60 == 0 { Evidence::Unsure } else { evidence })
    });
    let changes = life(seen, |_| Around::default());
    let to: Vec<State> = changes.iter().map(|(_, change)| change.to).collect();
    assert_eq!(to, [State::Suspect, State::Systemic, State::Resolved]);
    assert_eq!(life((0..90).map(|n| (n * 60, Evidence::Unsure)), |_| Around::default()), []);
}

#[test]
fn what_was_systemic_and_heals_within_an_hour_by_itself_is_transient_in_hindsight() {
    let last = |length: i64, around: fn(i64) -> Around| {
        let changes = life(fault(300, 300 + length, 9_000), around);
        changes.into_iter().map(|(_, change)| change).rfind(|change| change.to != State::Ok).unwrap()
    };
    let healed = last(2_400, |_| Around::default());
    assert_eq!((healed.from, healed.to), (State::Systemic, State::Transient));
    assert_eq!(healed.reason, "no row of 2843 fails; it has healed by itself after 40 min");
    assert_eq!(last(4_800, |_| Around::default()).to, State::Resolved, "somebody has repaired it");
    assert_eq!(last(2_400, |_| migrated(280)).to, State::Resolved, "it had a cause, which somebody has undone");
}

#[test]
fn an_outcome_is_read_as_what_it_says() {
    let blank = Outcome::blank(SourceName::new("s"), TableName::new("a", "b"), RuleId::new("r"), "not_null");
    let of = |outcome: &Outcome| Evidence::of(outcome, &mut Rows::default(), at(7), false);
    let failed = Outcome {
        status: Status::Failed,
        checked: Some(100),
        failed: 3,
        reason: "3 rows fail".into(),
        known_failing: Some(KnownFailing { known: 2, failing: 2, since: None }),
        ..blank.clone()
    };
    let again = Some(Again { known: 2, failing: 2 });
    let Evidence::Bad(failure) = of(&failed) else { panic!("{:?}", of(&failed)) };
    assert_eq!(
        (failure.what.as_str(), failure.again, failure.rows),
        ("3 rows fail; 2 of 2 re-read rows still fail", again, Some(3))
    );
    let repaired =
        Outcome { known_failing: Some(KnownFailing { known: 2, failing: 0, since: None }), ..failed.clone() };
    assert!(matches!(of(&repaired), Evidence::Bad(Failure { again: Some(Again { failing: 0, .. }), .. })));
    assert_eq!(of(&blank), Evidence::Unsure);
    let passed = Outcome { status: Status::Passed, checked: Some(100), sampled: true, ..blank.clone() };
    assert!(matches!(of(&passed), Evidence::Good { .. }));
    // of what is measured there are no rows to count
    let measured = Outcome { status: Status::Failed, ..blank.clone() };
    assert!(matches!(of(&measured), Evidence::Bad(_)));
    assert_eq!(of(&Outcome { status: Status::Inconclusive, ..blank }), Evidence::Unsure);
    // known failures are no alarm
    let known = Outcome { baseline: Some(Baseline { rows: 3, since: at(0), grown: false }), ..failed };
    assert!(matches!(of(&known), Evidence::Good { .. }));
}

fn any_evidence() -> impl Strategy<Value = Evidence> {
    let nature = prop_oneof![4 => Just(Nature::Open), 1 => Just(Nature::Certain), 1 => Just(Nature::Resource)];
    let failure =
        (nature, prop::option::of((1_u64..20, 0_u64..20)), 0.0_f64..12.0).prop_map(|(nature, again, weight)| {
            let again = again.map(|(known, failing)| Again { known, failing: failing.min(known) });
            Evidence::Bad(Failure { what: "b".into(), weight, again, nature, ..Failure::default() })
        });
    prop_oneof![
        4 => failure,
        3 => any::<bool>().prop_map(|brief| Evidence::Good { what: "g".into(), brief }),
        1 => (-3.0_f64..=0.0).prop_map(Evidence::Calm),
        1 => Just(Evidence::Unsure),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever is seen: changes follow each other, nothing is systemic that was not seen to fail several times, and what is kept on a disk
    /// in between goes on as it was.
    #[test]
    fn any_life_is_a_life(seen in prop::collection::vec((1_i64..600, any_evidence(), any::<bool>()), 1..200)) {
        let (mut episode, mut second, mut state, mut bad) = (Episode::new(at(0)), 0, State::Ok, 0);
        for (step, evidence, restarts) in seen {
            second += step;
            if restarts {
                episode = serde_json::from_str(&serde_json::to_string(&episode).unwrap()).unwrap();
            }
            let is_bad = matches!(evidence, Evidence::Bad(_));
            let passed = episode.passes(at(second), patience());
            let change = episode.sees(&evidence, &Around::default(), at(second), patience());
            for change in [passed, change].into_iter().flatten() {
                prop_assert_eq!(change.from, state);
                prop_assert_ne!(change.to, state);
                prop_assert!(!change.reason.is_empty());
                if change.to == State::Suspect {
                    bad = 0;
                }
                if change.to == State::Systemic {
                    prop_assert!(matches!(state, State::Suspect | State::Flapping) && bad >= 1 && is_bad);
                }
                state = change.to;
            }
            bad += u64::from(is_bad);
            prop_assert_eq!(episode.state(), state);
        }
    }
}
