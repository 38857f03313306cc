//! Every key of the rule language has an effect, or is refused.
//!
//! A case is two rule files that differ in one key alone, the part of the report in which that shows, and what stands there. Cases
//! are the lines of a table; [`Case`] says what its cells are. Which keys there are is asked of the program itself, so that a
//! new key without a case fails.

mod across;
mod document;
mod kinds;
mod passes;
mod refused;
mod shared;

use super::shop::{Shop, fill};
use serde_json::Value;
use std::collections::BTreeSet;

/// Two rule files that differ in one key, and what of their reports differs.
#[derive(Clone)]
struct Case {
    /// What the key belongs to: a kind of rule, a table, a migration.
    of: &'static str,
    key: &'static str,
    /// What is the same in both; the key goes where it has an `@`.
    around: &'static str,
    one: &'static str,
    other: &'static str,
    /// A JSON pointer into the report, or a key of its first outcome.
    part: &'static str,
    in_one: &'static str,
    in_other: &'static str,
}

impl Case {
    /// The cases of a table: one a line, its cells between `|`, in the order of the fields.
    fn table(lines: &'static str) -> Vec<Self> {
        let one = |line: &'static str| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let [of, key, around, one, other, part, in_one, in_other] = cells[..] else {
                panic!("eight cells are wanted, not {}: {line}", cells.len());
            };
            assert_ne!(in_one, in_other, "nothing differs: {line}");
            Self { of, key, around, one, other, part, in_one, in_other }
        };
        lines.lines().filter(|line| !line.trim().is_empty()).map(one).collect()
    }

    /// Holds both reports against what is expected of them; what is not so, in words.
    fn judge(&self, report: impl Fn(&str) -> Value) -> Vec<String> {
        let mut wrong = Vec::new();
        for (text, expected) in [(self.one, self.in_one), (self.other, self.in_other)] {
            let report = report(text);
            let found = self.found(&report);
            let expected = serde_json::from_str(expected).unwrap_or_else(|_| Value::from(expected));
            if found != expected {
                let (of, key, part) = (self.of, self.key, self.part);
                wrong.push(format!("{of}, {key}: with `{text}` {part} is {found}, and not {expected}"));
            }
        }
        wrong
    }

    fn found(&self, report: &Value) -> Value {
        let found =
            if self.part.starts_with('/') { report.pointer(self.part) } else { report["outcomes"][0].get(self.part) };
        found.cloned().unwrap_or_default()
    }

    fn names(&self) -> (&'static str, &'static str) {
        (self.of, self.key)
    }
}

/// Every case holds; all that do not are told at once.
#[track_caller]
fn all_hold(cases: &[Case], wrong: impl Fn(&Case) -> Vec<String>) {
    let wrong: Vec<String> = cases.iter().flat_map(wrong).collect();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Tables of which one row in ten fails whatever can fail.
const TABLES: &str = "
    CREATE TABLE t (
        id INTEGER PRIMARY KEY, n INTEGER, status TEXT, code TEXT, twin TEXT, mixed TEXT, typed TEXT, maybe INTEGER,
        word TEXT, kin INTEGER, parent INTEGER, odd INTEGER, even INTEGER, touched TEXT, begun TEXT);
    CREATE INDEX t_code ON t (code);
    CREATE INDEX t_twin ON t (twin);
    CREATE TABLE parents (id INTEGER PRIMARY KEY, odd INTEGER);
    CREATE TABLE elders (id INTEGER PRIMARY KEY);
    CREATE TABLE many (id INTEGER PRIMARY KEY, n INTEGER, at TEXT);
    CREATE TABLE lone (n INTEGER);
    CREATE TABLE few (n INTEGER);
    INSERT INTO few VALUES (1), (2), (3);";

/// A row of the table `t`, over `i`.
const ROW: &str = "
    i, i,
    CASE WHEN i % 10 = 0 THEN 'missing' WHEN i % 2 THEN 'new' ELSE 'paid' END,
    'c' || i,
    CASE WHEN i <= 200 THEN 'w' || (i % 100) ELSE 'x' || i END,
    CASE WHEN i % 10 THEN i ELSE 'twelve' END,
    CASE i % 8 WHEN 0 THEN '12' WHEN 1 THEN '1.5' WHEN 2 THEN 'yes' WHEN 3 THEN '2024-02-29'
        WHEN 4 THEN '2024-02-29 12:00' WHEN 5 THEN '00000000-0000-4000-8000-000000000000'
        WHEN 6 THEN '{\"a\": 1}' ELSE 'words' END,
    CASE WHEN i % 10 THEN 12 END,
    CASE WHEN i % 10 THEN 'ab' END,
    1 + i % 100,
    CASE WHEN i % 10 THEN 1 + i % 100 ELSE 9999 END,
    i % 2,
    (1 + i) % 2,
    datetime('now', '-1 hour'),
    '2001-01-01'";

fn shop() -> Shop {
    let parts = [
        TABLES.to_owned(),
        fill("t", 2000, ROW),
        fill("parents", 100, "i, i % 2"),
        fill("elders", 50, "i"),
        fill("many", 60_000, "i, i, datetime('now', '-1 hour')"),
        fill("lone", 60_000, "i"),
    ];
    let shop = Shop::new(&parts.concat());
    shop.write("fieldmark.yaml", &shop.read("fieldmark.yaml").replace(" }", ", sql: allow }"));
    shop
}

/// The report of a check, with no memory of an earlier one.
fn report(shop: &Shop, arguments: &[&str]) -> Value {
    forget(shop);
    let run = shop.run(&[&["check", "--output", "json"], arguments].concat());
    let report = run.json();
    assert_eq!(report["exit_code"], run.code, "the exit code and the report differ");
    report
}

/// Removes what the program remembers of earlier runs.
fn forget(shop: &Shop) {
    let state = shop.path("state");
    if state.exists() {
        std::fs::remove_dir_all(state).unwrap();
    }
}

/// The keys that are allowed where the program meets `nonsense`, as it says itself.
#[track_caller]
fn allowed(shop: &Shop, place: &str) -> BTreeSet<String> {
    let run = shop.run(&["check"]).gives(78);
    let says = format!("unknown key in {place}: `nonsense`; allowed: ");
    let Some((_, keys)) = run.err.split_once(&says) else { panic!("no `{says}` in {}", run.err) };
    let keys = keys.lines().next().unwrap_or_default().split(';').next().unwrap_or_default();
    keys.split(", ").map(str::to_owned).collect()
}

/// What a set lacks, and what it has too much.
#[track_caller]
fn same<T: Ord + std::fmt::Debug>(covered: &BTreeSet<T>, there_is: &BTreeSet<T>) {
    let lacking: Vec<_> = there_is.difference(covered).collect();
    let gone: Vec<_> = covered.difference(there_is).collect();
    assert!(lacking.is_empty() && gone.is_empty(), "keys without a case: {lacking:?}; cases without a key: {gone:?}");
}
