//! `unique` and `references` on samples of tables that are being written all the time.
//!
//! Writers move values from row to row and children from parent to parent, each time in one transaction, so that no instant
//! has a duplicate or an orphan. Whoever reads row by row and puts together what was true at different times sees
//! both. No run may report one. Of the same tables with duplicates and orphans planted among their rows, every run
//! has to report them, with an interval that holds the truth.

mod identity;
mod passes;
mod postgres;
mod sqlite;
mod types;
mod writers;

use super::shop::Shop;
use serde_json::Value;
use std::collections::BTreeMap;

/// Rows of every table.
const ROWS: u32 = 3_000;
/// Children of one parent; duplicates and orphans are one row in a hundred.
const CHILDREN: u32 = 10;
/// Share of rows that are planted.
const PLANTED: f64 = 0.01;
/// How often a sample of three hundred rows holds at least one of them.
const MET: f64 = 0.95;
/// And their number, of duplicates as of orphans.
const PLANTED_ROWS: i64 = ROWS as i64 / 100;

/// Rules that hold at every instant.
const SOUND: [(&str, &str); 4] = [
    (
        "codes",
        "rules:
  - { unique: [code], id: code, detect: 5% }
  - { unique: [tag], id: tag, detect: 5% }
  - { unique: [seal, tag], id: seal_and_tag, detect: 5% }\n",
    ),
    (
        "children",
        "rules:
  - { references: { column: parent_id, to: parents.id }, id: parent, detect: 5% }
  - { references: { columns: [region, number], to: 'pairs.(region, number)' }, id: pair, detect: 5% }\n",
    ),
    ("slots", "rules:\n  - { unique: [slot], where: live = 1, id: slot, detect: 5% }\n"),
    (
        "named",
        "rules:
  - { unique: [code], id: named_code, detect: 5% }
  - { references: { column: parent_id, to: parents.id }, id: named_parent, detect: 5% }\n",
    ),
];

/// Rules that one row in a hundred breaks, at every instant.
const BROKEN: [(&str, &str); 2] = [
    (
        "planted_codes",
        "rules:
  - { unique: [code], id: planted_code }
  - { unique: [tag], id: planted_tag }\n",
    ),
    (
        "planted_children",
        "rules:
  - { references: { column: parent_id, to: parents.id }, id: planted_parent }
  - { references: { columns: [region, number], to: 'pairs.(region, number)' }, id: planted_pair }\n",
    ),
];

/// Writes the rule files of these tables. A pass over a table without an index may be made as often as it is asked for.
fn write_rules(shop: &Shop, tables: &[(&str, &str)]) {
    for (table, body) in tables {
        shop.rules(table, body);
    }
    let configuration = shop.read("fieldmark.yaml");
    let configuration = configuration.replace("\" }", "\", full_every: 0s }");
    shop.write("fieldmark.yaml", &configuration);
}

/// What many runs gave.
#[derive(Default)]
struct Runs {
    /// Of each rule, how often it ended with which status.
    statuses: BTreeMap<String, BTreeMap<String, u32>>,
    /// Of each rule, how many intervals hold the planted share.
    covered: BTreeMap<String, u32>,
    number: u32,
}

impl Runs {
    fn add(&mut self, report: &Value) {
        self.number += 1;
        for outcome in report["outcomes"].as_array().unwrap() {
            let text = |key: &str| outcome[key].as_str().unwrap().to_owned();
            let rule = text("rule");
            assert_eq!(outcome["sampled"], true, "{rule} was not asked of a sample: {outcome:#}");
            assert!(outcome["checked"].as_u64().unwrap() >= 50, "{outcome:#}");
            let interval: [f64; 2] = serde_json::from_value(outcome["interval"].clone()).unwrap();
            *self.covered.entry(rule.clone()).or_default() += u32::from((interval[0]..=interval[1]).contains(&PLANTED));
            *self.statuses.entry(rule).or_default().entry(text("status")).or_default() += 1;
        }
    }

    /// Rules that hold passed in every run: none failed, none could not be told.
    #[track_caller]
    fn none_is_invented(&self) {
        for rule in rules(&SOUND, &self.statuses) {
            let expected = BTreeMap::from([("passed".to_owned(), self.number)]);
            assert_eq!(self.statuses[&rule], expected, "{rule}");
        }
    }

    /// Rules that do not hold failed in every run, with intervals of 95 % that hold the truth as often as they say.
    #[track_caller]
    fn all_are_found(&self) {
        let (held, met) = (fewest(self.number, 0.95), fewest(self.number, MET));
        for rule in rules(&BROKEN, &self.statuses) {
            // a sample that met none of the planted rows cannot tell, and does not pass
            let statuses = &self.statuses[&rule];
            let count = |status: &str| statuses.get(status).copied().unwrap_or(0);
            assert_eq!(count("failed") + count("inconclusive"), self.number, "{rule}: {statuses:?}");
            assert!(count("failed") >= met, "{rule}: {statuses:?}");
            let covered = self.covered[&rule];
            assert!(covered >= held, "{rule}: {covered} of {} intervals hold the truth", self.number);
        }
    }
}

/// The fewest of so many runs that an event of this probability happens in: fewer come by chance once in a million tests.
fn fewest(runs: u32, probability: f64) -> u32 {
    let odds = probability / (1.0 - probability);
    let mut exactly = (1.0 - probability).powf(f64::from(runs));
    let mut fewer = 0.0;
    for events in 0..runs {
        fewer += exactly;
        if fewer >= 1e-6 {
            return events;
        }
        exactly *= odds * f64::from(runs - events) / f64::from(events + 1);
    }
    runs
}

#[test]
fn chance_is_told_from_a_fault() {
    // as sums of whole binomial coefficients give them
    assert_eq!(fewest(1, 0.95), 0);
    assert_eq!(fewest(30, 0.95), 20);
    assert_eq!(fewest(30, 0.999_999_999_9), 30);
    assert_eq!(fewest(200, 0.5), 67);
}

/// Ids of the rules of these tables, as far as they were asked for.
fn rules(tables: &[(&str, &str)], asked: &BTreeMap<String, BTreeMap<String, u32>>) -> Vec<String> {
    let ids = tables.iter().flat_map(|(_, body)| body.split("id: ").skip(1));
    let ids: Vec<String> = ids.map(|rest| rest.split([',', ' ', '}']).next().unwrap().to_owned()).collect();
    let ids: Vec<String> = ids.into_iter().filter(|id| asked.contains_key(id)).collect();
    assert!(!ids.is_empty());
    ids
}

/// The tables are large enough that rows are drawn, by this method.
#[track_caller]
fn drawn_by(report: &Value, table: &str, method: &str) {
    let samples = report["samples"].as_array().unwrap();
    let sample = samples.iter().find(|sample| sample["table"].as_str().unwrap().ends_with(&format!(".{table}")));
    assert_eq!(sample.unwrap()["method"], method, "{report:#}");
}
