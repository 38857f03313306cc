//! Memory of a full check: bounded by what is in hand at a time, whatever the table's size.

use super::served::Served;
use super::shop::{Shop, fill};
use serde_json::Value;
use std::process::{Child, Stdio};
use std::time::Duration;

/// Eight rules of row after row.
const RULES: &str = "rules:
  - not_null: [status]
  - in_set: { column: status, values: [new, paid, shipped, cancelled] }
  - in_range: { column: total, min: 0, max: 100000000 }
  - matches: { column: email, pattern: '^[^@\\s]+@[^@\\s]+$' }
  - length: { column: country, min: 2, max: 2 }
  - type_is: { column: noted, type: date }
  - { expect: total >= part, id: adds_up }
  - { expect: part > 0, where: status <> 'new', id: paid }\n";
/// The same, and every value met is remembered, ten times.
const WITH_UNIQUE: &str = "  - unique: [email]
  - { unique: [id, status], id: u1 }
  - { unique: [id, total], id: u2 }
  - { unique: [id, part], id: u3 }
  - { unique: [id, country], id: u4 }
  - { unique: [id, noted], id: u5 }
  - { unique: [email, status], id: u6 }
  - { unique: [email, total], id: u7 }
  - { unique: [email, part], id: u8 }
  - { unique: [email, country], id: u9 }\n";

const SMALL: u32 = 100_000;
const LARGE: u32 = 1_000_000;

/// Runs over the large table at most; for each there are as many over the small one as it takes to read as many rows.
const RUNS: u32 = 4;

/// What all collections of values may take before they go to disk (`MEMORY_BYTES` of `agent/src/check/gathered.rs`), in KiB.
const COLLECTIONS: u64 = 64 << 10;
/// Vectors grow by doubling.
const GROWTH: u64 = 16 << 10;

/// Largest anonymous resident memory of a process in KiB, looked at until it ends.
fn peak_kib(child: &mut Child) -> u64 {
    let path = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(&path).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let now = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0);
        peak = peak.max(now);
        // often enough for a chunk of some tens of milliseconds, and little beside the work itself
        std::thread::sleep(Duration::from_millis(1));
    }
    peak
}

/// Checks every row of `t` and gives the peak of memory. The report goes to a file, so that no pipe has to be emptied.
fn checked(shop: &Shop, rows: u32) -> u64 {
    let mut command = shop.command(&["check", "--full", "--duty", "100%", "--report", "report.json"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap();
    let peak = peak_kib(&mut child);
    let status = child.wait().unwrap();
    let report: Value = serde_json::from_str(&shop.read("report.json")).unwrap();
    assert_eq!(status.code(), Some(0), "{report:#}");
    for outcome in report["outcomes"].as_array().unwrap() {
        assert_eq!((&outcome["sampled"], &outcome["population"]), (&false.into(), &rows.into()), "{outcome:#}");
    }
    assert!(peak > 1024, "nothing was measured");
    peak
}

/// Holds the peaks of both tables against each other. `large_with_unique` checks the large one with a rule that remembers values.
///
/// Chunks are sized by time, so that the peak of a run is that of its largest chunk: it goes up and down with what else the machine
/// does, more than ten per cent. Runs are therefore repeated until one over the large table was no higher than one over the small
/// table, ten per cent apart. If memory grew with the table, each of them would be.
fn held_against_each_other(small: impl Fn() -> u64, large: impl Fn() -> u64, large_with_unique: impl Fn() -> u64) {
    let (mut of_small, mut of_large, mut highest) = (0, u64::MAX, 0);
    let near = |of_small: u64, of_large: u64| of_large as f64 <= 1.10 * of_small as f64;
    for _ in 0..RUNS {
        let peak = large();
        (of_large, highest) = (of_large.min(peak), highest.max(peak));
        for _ in 0..LARGE / SMALL {
            if !near(of_small, of_large) {
                of_small = of_small.max(small());
            }
        }
        if near(of_small, of_large) {
            break;
        }
    }
    let of_unique = large_with_unique();
    let peaks = format!("{of_small} KiB at {SMALL} rows, {of_large} KiB at {LARGE} rows, {of_unique} KiB with unique");
    println!("{peaks}");
    assert!(near(of_small, of_large), "{peaks}");
    assert!(of_unique <= highest + COLLECTIONS + GROWTH, "{peaks}");
}

#[test]
fn of_a_sqlite_file_is_the_same_for_more_rows() {
    let shop = |rows: u32| {
        let table = "create table t (id integer primary key, status text, total integer, part integer, email text, country text, noted text);";
        let values = "i, iif(i % 2, 'new', 'paid'), i % 1000 + 10, i % 10 + 1, 'user' || i || '@example.org', 'gb', '2024-02-29'";
        Shop::with_rules(&format!("{table}{}", fill("t", rows, values)), RULES)
    };
    let (small, large) = (shop(SMALL), shop(LARGE));
    let with_unique = || {
        large.rules("t", &format!("{RULES}{WITH_UNIQUE}"));
        checked(&large, LARGE)
    };
    held_against_each_other(|| checked(&small, SMALL), || checked(&large, LARGE), with_unique);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_postgres_database_is_the_same_for_more_rows() {
    let (small, mut large) = (Served::new(&table(SMALL)).await, Served::new(&table(LARGE)).await);
    small.rules("t", RULES);
    large.rules("t", RULES);
    let with_unique = || {
        large.rules("t", &format!("{RULES}{WITH_UNIQUE}"));
        checked(&large, LARGE)
    };
    tokio::task::block_in_place(|| {
        held_against_each_other(|| checked(&small, SMALL), || checked(&large, LARGE), with_unique);
    });
    // the server lives on
    large.sql("drop table t").await;
}

/// The table of so many rows on PostgreSQL.
fn table(rows: u32) -> String {
    format!(
        "create unlogged table t (id bigint primary key, status text, total integer, part integer, email text, country text, noted date);
         insert into t select i, case when i % 2 = 1 then 'new' else 'paid' end, i % 1000 + 10, i % 10 + 1, 'user' || i || '@example.org',
             'gb', '2024-02-29' from generate_series(1, {rows}) i;
         analyze t"
    )
}
