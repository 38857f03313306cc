//! Checks of tables that are simulated: how often what is well is suspected, and what fails taken to have healed.

use super::*;
use crate::chance::Chance;
use chrono::TimeDelta;

fn at(check: u64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(i64::try_from(check).unwrap())
}

fn look(checked: u64, failed: u64, tolerance: f64) -> Look {
    Look { checked, failed, tolerance, design_effect: 1.0, whole: false, again: None, decided: None }
}

/// How often a table is suspected that fails as it may.
fn suspicions(checks: u64, tolerance: f64, mut failed: impl FnMut() -> (u64, u64)) -> u64 {
    let (mut rows, mut suspected) = (Rows::default(), 0);
    for check in 0..checks {
        let (checked, failed) = failed();
        let known = rows.clone();
        if let Seen::Fails { .. } = rows.sees(&look(checked, failed, tolerance), at(check), false) {
            suspected += 1;
            rows = Rows { suspicion: Default::default(), excursion: Vec::new(), since: None, failing: None, ..known };
        }
    }
    suspected
}

#[test]
fn a_table_that_fails_as_much_as_it_may_is_suspected_once_in_a_hundred_thousand_checks_at_most() {
    const CHECKS: u64 = 1_000_000;
    let mut chance = Chance(7);
    let (checked, tolerance) = (500, 0.01);
    let suspected = suspicions(CHECKS, tolerance, || (checked, chance.binomial(checked, tolerance)));
    // ten are what the bound allows; of a Poisson distribution of that mean twenty are passed once in a thousand
    assert!(suspected <= 20, "{suspected} in {CHECKS} checks");
    println!("independent rows, exactly as many as are tolerated: {suspected} suspicions in {CHECKS} checks");
    // fewer than may, and in clusters
    let suspected = suspicions(CHECKS / 5, tolerance, || (2_000, chance.clustered(2_000, 0.8 * tolerance, 0.001)));
    assert!(suspected <= 6, "{suspected} in {} checks", CHECKS / 5);
    println!("rows in clusters, 0.8 of what is tolerated: {suspected} suspicions in {} checks", CHECKS / 5);
}

#[test]
fn what_is_clearly_worse_is_seen_within_a_few_checks() {
    let mut chance = Chance(11);
    for (times, most) in [(3.0, 6), (10.0, 1)] {
        let mut rows = Rows::default();
        for check in 0..60 {
            rows.sees(&look(2_000, chance.binomial(2_000, 0.001), 0.005), at(check), false);
        }
        let sees = |check: u64| {
            let failed = chance.binomial(2_000, 0.005 * times);
            matches!(rows.sees(&look(2_000, failed, 0.005), at(check), false), Seen::Fails { .. })
        };
        let seen = (60..200).find({
            let mut sees = sees;
            move |check| sees(*check)
        });
        assert!(seen.unwrap() < 60 + most, "{times} times what is tolerated: {seen:?}");
    }
}

#[test]
fn a_row_that_fails_where_none_may_is_a_fact_and_one_that_is_repaired_ends_it() {
    let mut rows = Rows::default();
    assert_eq!(rows.sees(&look(1_000, 0, 0.0), at(0), false), Seen::Well);
    assert_eq!(rows.sees(&look(1_000, 1, 0.0), at(1), false), Seen::Fails { weight: FACT, since: at(1) });
    // a sample that has none of it says little of one in a thousand
    assert!(matches!(rows.sees(&look(1_000, 0, 0.0), at(2), false), Seen::Calm { .. }));
    let again = |failing| Look { again: Some(Again { known: 1, failing }), ..look(1_000, 0, 0.0) };
    assert_eq!(rows.sees(&again(1), at(3), false), Seen::Fails { weight: FACT, since: at(1) });
    assert_eq!(rows.sees(&again(0), at(4), false), Seen::Healed { rows: 1_000 });
    assert!(!rows.fails());
    // of all rows nothing is left to chance
    let whole = |failed| Look { whole: true, ..look(1_000, failed, 0.01) };
    assert_eq!(rows.sees(&whole(10), at(5), false), Seen::Well, "as many as may");
    assert_eq!(rows.sees(&whole(11), at(6), false), Seen::Fails { weight: FACT, since: at(6) });
    assert_eq!(rows.sees(&whole(10), at(7), true), Seen::Healed { rows: 1_000 });
}

#[test]
fn what_goes_on_failing_is_seldom_taken_to_have_healed_and_what_was_told_hardly_ever() {
    let mut chance = Chance(13);
    for (told, most) in [(false, 0.10), (true, 0.005)] {
        let (mut healed, lives) = (0_u32, 2_000);
        for _ in 0..lives {
            let mut rows = Rows::default();
            rows.sees(&look(1_000, 2, 0.0), at(0), told);
            // one row of a thousand fails, for fifteen checks
            let heals = (1..=15).any(|check| {
                let failed = chance.binomial(1_000, 0.001);
                matches!(rows.sees(&look(1_000, failed, 0.0), at(check), told), Seen::Healed { .. })
            });
            healed += u32::from(heals);
        }
        let share = f64::from(healed) / f64::from(lives);
        println!("told: {told}: {healed} of {lives} that go on failing for 15 checks are taken to have healed");
        assert!(share <= most, "told: {told}: {share}");
    }
}

#[test]
fn what_a_check_has_decided_by_itself_counts_as_that() {
    let decided = |decided, failed| Look { decided: Some(decided), ..look(200, failed, 0.01) };
    let mut rows = Rows::default();
    assert!(matches!(rows.sees(&decided(true, 8), at(0), false), Seen::Fails { .. }));
    assert!(matches!(rows.sees(&decided(false, 0), at(1), false), Seen::Healed { .. }));
    let mut told = Rows::default();
    told.sees(&decided(true, 8), at(0), false);
    let clean =
        (1..10).take_while(|check| matches!(told.sees(&decided(false, 0), at(*check), true), Seen::Calm { .. }));
    assert!((1..3).contains(&clean.count()), "a little more is asked of what was told");
}
