//! `docs/faults.md`: each fault has tests, and they are there.

use regex::Regex;
use std::path::Path;

fn sources(folder: &Path, text: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_fault_has_its_tests() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = String::new();
    sources(folder, &mut tests);
    let page = std::fs::read_to_string(folder.join("../docs/faults.md")).unwrap();
    let name = Regex::new("`([a-z_]+)`").unwrap();
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| B"))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    assert_eq!(rows.len(), 20);
    for (number, row) in (1..).zip(&rows) {
        assert!(row[1].starts_with(&format!("B{number}: ")), "{row:?}");
        let named: Vec<&str> = name.captures_iter(row[3]).map(|found| found.get(1).unwrap().as_str()).collect();
        assert!(!named.is_empty(), "{row:?}");
        for test in named {
            assert!(tests.contains(&format!("fn {test}(")), "B{number}: there is no test {test}");
        }
    }
}
