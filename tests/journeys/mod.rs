//! Journeys: the real program, run as a user runs it.

mod bad_input;
mod baseline;
mod check;
mod classify;
mod connections;
mod corpus;
mod declared;
mod deployed;
mod doctor;
mod faults;
mod files;
mod fixtures;
mod formats;
mod granted;
mod guide;
mod init;
mod keys;
mod lineage;
mod lookups;
mod mariadb;
mod memory;
mod migrations;
mod outage;
mod plan;
mod planned;
mod readme;
mod real_data;
mod replicas;
mod samples;
mod sent;
mod served;
mod server_load;
mod shop;
mod statements;
mod status;
mod terminal;
mod uniform;

pub(crate) use formats::python;
pub(crate) use mariadb::Market;
pub(crate) use served::Served;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The program under test: `FIELDMARK_BIN`, else what was built beside this test, else what the workspace's folder has.
pub(crate) fn program() -> PathBuf {
    if let Some(given) = std::env::var_os("FIELDMARK_BIN") {
        let given = PathBuf::from(given);
        assert!(given.is_file(), "FIELDMARK_BIN names {}, which is no file", given.display());
        return given;
    }
    let here = std::env::current_exe().unwrap();
    let beside = here.ancestors().map(|folder| folder.join("debug/fieldmark")).find(|path| path.is_file());
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/debug/fieldmark");
    let found = beside.or_else(|| workspace.is_file().then_some(workspace));
    found.expect("the program is not built: run `cargo build`, or name it in FIELDMARK_BIN")
}

/// Runs the program in a folder, with the folder's own home and state.
fn fieldmark(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.args(arguments).current_dir(folder);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("FIELDMARK_") {
            command.env_remove(name);
        }
    }
    command.env("HOME", folder).env("XDG_STATE_HOME", folder.join("state")).env("NO_COLOR", "1").output().unwrap()
}

/// Exit code (-1: ended by a signal), standard output, standard error.
fn ended(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// Runs the program for JSON, and holds its exit code against the one expected.
#[track_caller]
fn json(folder: &Path, arguments: &[&str], code: i32) -> Value {
    let end = arguments.iter().position(|argument| *argument == "--").unwrap_or(arguments.len());
    let mut all = arguments.to_vec();
    all.splice(end..end, ["--output", "json"]);
    let (given, out, err) = ended(&fieldmark(folder, &all));
    assert_eq!(given, code, "{arguments:?}:\n{out}\n{err}");
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}\n{err}"))
}
