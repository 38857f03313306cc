//! Reports that cannot be written where they were wanted.

use super::{TABLES, Untouched, names, says};
use crate::journeys::shop::Shop;

/// What was found is printed, and the exit code is what was found: what cannot be written adds "could not tell" only.
#[test]
fn what_was_found_is_told_all_the_same() {
    for (body, arguments, code, found) in [
        ("rules:\n  - not_null: [id]\n", &["check"][..], 2, "passed"),
        ("rules:\n  - not_null: [name]\n", &["check"], 1, "failed"),
        ("rules: []\n", &["guard", "--control", "0s", "--", "true"], 2, "CLEAN"),
        ("rules: []\n", &["guard", "--control", "0s", "--", "sh", "-c", "exit 9"], 3, "failed with status 9"),
    ] {
        let shop = Shop::new(TABLES);
        shop.rules("t", body);
        let untouched = Untouched::of(&shop);
        let mut all = vec!["--report", "nowhere/report.html"];
        all.extend(arguments);
        let run = shop.run(&all).gives(code);
        says(&run, &["the report cannot be written to nowhere/report.html", "No such file", "--report", found]);
        assert!(!names(&shop.path("")).contains(&"nowhere".to_owned()));
        untouched.holds(&shop);
    }
}
