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
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut tests = String::new();
    for member in ["tests", "agent", "collector", "rules"] {
        sources(&folder.join(member), &mut tests);
    }
    let page = std::fs::read_to_string(folder.join("docs/faults.md")).unwrap();
    let (fault, name) =
        (Regex::new(r"^[ABCDKNT]\d+(?:, [ABCDKNT]\d+)*: ").unwrap(), Regex::new("`([a-z0-9_]+)`").unwrap());
    let mut faults = Vec::new();
    for line in page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Fault ")) {
        let row: Vec<&str> = line.split('|').map(str::trim).collect();
        let id = fault.find(row[1]).unwrap_or_else(|| panic!("a row without a fault: {line}")).as_str();
        faults.push(id.trim_end_matches(": "));
        let named: Vec<&str> = name.captures_iter(row[3]).map(|found| found.get(1).unwrap().as_str()).collect();
        assert!(!named.is_empty(), "{row:?}");
        for test in named {
            assert!(tests.contains(&format!("fn {test}(")), "{id}there is no test {test}");
        }
    }
    let of_databases: Vec<String> = (1..=20).map(|number| format!("B{number}")).collect();
    assert_eq!(faults[..20], of_databases);
    assert!(faults.len() > 42, "{faults:?}");
}
