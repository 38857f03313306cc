//! Intervals of samples hold the truth.

use super::load::UNKEYED;
use super::{Loaded, RULES, Rule, Truth};
use crate::journeys::shop::outcome;

/// Draws of each rule in each database.
const SEEDS: u64 = 40;

/// Most draws of one rule that may miss. An interval misses with a chance of 5 % at most, so more than 9 of 40 independent draws
/// miss with a chance of 2 in 100 000: for any of the 82 pairs of a rule and a way to draw that is 2 in 1000. The seeds are
/// fixed, so that the answer is the same every time.
const MISSES_OF_A_RULE: u64 = 9;

/// Most of all draws that may miss. Rules of one table share their draws, so that misses come together and no binomial says
/// how far their number strays; but their mean is 5 % at most, and exact intervals of the few failing rows that most rules have
/// miss far less often than that.
const MISSES_OF_ALL: f64 = 0.05;

/// Checks samples of about 600 rows of these tables; no interval may be wider than stands beside the table.
async fn intervals_hold_the_truth(mut loaded: Loaded, tables: &[(&str, f64)], arguments: &[&str]) {
    let mut rules = Vec::new();
    for (table, widest) in tables {
        // a count from blocks is another test's
        let counted_by_blocks = |rule: &Rule| *table == UNKEYED && rule.counts();
        for rule in RULES.iter().filter(|rule| rule.is_of(table) && !counted_by_blocks(rule)) {
            rules.push((rule, rule.id_in(table), *widest, loaded.truth(rule, table).await));
        }
    }
    let mut misses = vec![0; rules.len()];
    let (mut draws, mut wrong) = (0, Vec::new());
    for seed in 1..=SEEDS {
        let seed = seed.to_string();
        let report = loaded.check(&[&["--sample", "600", "--no-enlarge", "--seed", &seed], arguments].concat()).await;
        for ((rule, id, widest, truth), misses) in rules.iter().zip(&mut misses) {
            let outcome = outcome(&report, id);
            let status = outcome["status"].as_str().unwrap();
            if truth.failed == 0 && status == "failed" {
                wrong.push(format!("{id} fails without a failing row, seed {seed}: {outcome:#}"));
            }
            if !rule.is_about_rows() {
                continue;
            }
            let (low, high) = (outcome["interval"][0].as_f64().unwrap(), outcome["interval"][1].as_f64().unwrap());
            let detect = outcome["detect"].as_f64().unwrap();
            if status == "passed" && high > rule.tolerance.max(detect) {
                wrong.push(format!("{id} passes beyond its bound, seed {seed}: {outcome:#}"));
            }
            let [least, most] = fractions(*truth);
            *misses += u64::from(low > least || high < most);
            draws += 1;
            if high - low > *widest {
                wrong.push(format!("{id}: [{low}, {high}] says next to nothing, seed {seed}"));
            }
        }
    }
    let all: u64 = misses.iter().sum();
    for ((_, id, _, truth), misses) in rules.iter().zip(&misses).filter(|(_, misses)| **misses > MISSES_OF_A_RULE) {
        wrong.push(format!("{id}: {misses} of {SEEDS} intervals miss {:?}", fractions(*truth)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(all as f64 <= MISSES_OF_ALL * draws as f64, "{all} of {draws} intervals miss the truth");
}

/// The fraction of failing rows: at least, and at most, where nobody can tell of some.
fn fractions(truth: Truth) -> [f64; 2] {
    [truth.failed, truth.failed + truth.errors].map(|rows| rows as f64 / truth.checked as f64)
}

#[tokio::test(flavor = "multi_thread")]
async fn in_sqlite_intervals_hold_the_truth() {
    intervals_hold_the_truth(Loaded::sqlite(), &[("movies", 0.1), ("flights", 0.2)], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_postgres_intervals_hold_the_truth() {
    let tables = [("movies", 0.1), ("flights", 0.2), ("flights_unkeyed", 0.25)];
    intervals_hold_the_truth(Loaded::postgres().await, &tables, &[]).await;
}

/// Ten rows of each of sixty blocks: flights of one block leave within the same minute or two, so that a block counts for little
/// more than a row, and a `where` that keeps every tenth flight leaves a dozen blocks to tell by.
#[tokio::test(flavor = "multi_thread")]
async fn in_postgres_intervals_of_rows_drawn_by_blocks_hold_the_truth() {
    let narrowed = ["--config", "grouped.yaml", "--table", "flights_unkeyed"];
    intervals_hold_the_truth(Loaded::postgres().await, &[("flights_unkeyed", 0.7)], &narrowed).await;
}

/// Every full block has 185 flights and the last one 15: blocks that are drawn without the last have no variance to say so.
#[tokio::test(flavor = "multi_thread")]
async fn in_postgres_counts_by_blocks_hold_the_truth() {
    let loaded = Loaded::postgres().await;
    for seed in 1..=SEEDS {
        let seed = seed.to_string();
        let narrowed = ["--table", UNKEYED, "--sample", "600", "--no-enlarge", "--seed", &seed];
        let report = loaded.check(&narrowed).await;
        let outcome = outcome(&report, "flights_unkeyed.all_flights");
        assert_ne!(outcome["status"], "failed", "seed {seed}: {outcome:#}");
    }
}
