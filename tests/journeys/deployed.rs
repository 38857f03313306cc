//! The units of systemd that are shipped.

use super::{fieldmark, program};
use std::path::{Path, PathBuf};
use std::process::Command;

fn units() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../agent/deploy");
    let mut units: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "service"))
        .collect();
    units.sort();
    units
}

#[test]
fn units_expose_little_and_start_what_there_is() {
    let units = units();
    assert_eq!(units.len(), 2);
    for unit in units {
        let mut analyze = Command::new("systemd-analyze");
        let output = analyze
            .args(["security", "--offline=true", "--no-pager"])
            .arg(&unit)
            .output()
            .expect("systemd-analyze is needed: tests/run installs it");
        let said = String::from_utf8(output.stdout).unwrap();
        let (_, level) = said.split_once("Overall exposure level for").unwrap_or_else(|| panic!("{said}"));
        let level: f64 = level.split_whitespace().nth(1).unwrap().parse().unwrap();
        assert!(level < 2.0, "{}: {level}", unit.display());
        let text = std::fs::read_to_string(&unit).unwrap();
        let command = text.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/fieldmark ")).unwrap();
        // as it stands there; the configuration is not there, and that is said
        let folder = tempfile::tempdir().unwrap();
        let arguments: Vec<&str> = command.split(' ').collect();
        let run = fieldmark(folder.path(), &arguments);
        let err = String::from_utf8(run.stderr).unwrap();
        assert_eq!(run.status.code(), Some(78), "{} {command}: {err}", program().display());
        assert!(err.contains("there is no such configuration file"), "{err}");
    }
}
