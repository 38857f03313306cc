//! A folder with a database, a configuration and rule files, and runs of the program in it.

use super::program;
use rusqlite::Connection;
use serde_json::Value;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};
use tempfile::TempDir;

/// What a run gave.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    pub(super) fn of(output: Output) -> Self {
        Self {
            // a process that a signal has ended has no code
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The exit code is this one.
    #[track_caller]
    pub(super) fn gives(self, code: i32) -> Self {
        assert_eq!(self.code, code, "standard output:\n{}\nstandard error:\n{}", self.out, self.err);
        self
    }

    /// Standard output as one JSON object.
    #[track_caller]
    pub(super) fn json(&self) -> Value {
        match serde_json::from_str(&self.out) {
            Ok(value) => value,
            Err(error) => panic!("{error}: {}\n{}", self.out, self.err),
        }
    }
}

/// A folder with a database `shop.db`, a configuration and rule files.
pub(crate) struct Shop {
    folder: TempDir,
}

impl Shop {
    /// With the tables that the SQL makes, and no rules.
    pub(super) fn new(sql: &str) -> Self {
        let shop = Self::of("sqlite:shop.db");
        shop.sql(sql);
        shop
    }

    /// With the database at that address as its source `shop`, and no rules.
    pub(super) fn of(url: &str) -> Self {
        let shop = Self { folder: tempfile::tempdir().unwrap() };
        for folder in ["rules", "home", "tmp"] {
            std::fs::create_dir(shop.path(folder)).unwrap();
        }
        let sources = format!("sources:\n  shop: {{ url: \"{url}\" }}\n");
        shop.write("fieldmark.yaml", &format!("version: 1\nstate_dir: state\n{sources}rules: [\"rules/*.yaml\"]\n"));
        // the address may hold a password
        std::fs::set_permissions(shop.path("fieldmark.yaml"), Permissions::from_mode(0o600)).unwrap();
        shop
    }

    /// With one rule file for the table `t`; `body` is what follows `table:`.
    pub(super) fn with_rules(sql: &str, body: &str) -> Self {
        let shop = Self::new(sql);
        shop.rules("t", body);
        shop
    }

    /// Writes the rule file of a table.
    pub(crate) fn rules(&self, table: &str, body: &str) {
        self.write(&format!("rules/{table}.yaml"), &format!("version: 1\ntable: shop.{table}\n{body}"));
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub(super) fn database(&self) -> Connection {
        Connection::open(self.path("shop.db")).unwrap()
    }

    /// Changes the database as the application that owns it.
    pub(super) fn sql(&self, sql: &str) {
        self.database().execute_batch(sql).unwrap();
    }

    /// A number from the database.
    pub(super) fn number(&self, sql: &str) -> i64 {
        self.database().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    /// The program, in this folder, with nothing of the user's environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(arguments);
        self.surround(&mut command);
        command
    }

    /// Gives a command this folder's surroundings.
    pub(super) fn surround(&self, command: &mut Command) {
        command.current_dir(self.folder.path()).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.path("home")).env("XDG_STATE_HOME", self.path("home")).env("TMPDIR", self.path("tmp"));
    }

    /// Runs the program.
    pub(super) fn run(&self, arguments: &[&str]) -> Run {
        Run::of(self.command(arguments).output().unwrap())
    }

    /// Runs the program for JSON.
    #[track_caller]
    pub(super) fn json(&self, arguments: &[&str], code: i32) -> Value {
        let mut all = arguments.to_vec();
        let end = all.iter().position(|argument| *argument == "--").unwrap_or(all.len());
        all.splice(end..end, ["--output", "json"]);
        self.run(&all).gives(code).json()
    }
}

/// SQL that fills a table with one row for each `i` from 1 to `rows`; `values` is SQL over `i`.
pub(super) fn fill(table: &str, rows: u32, values: &str) -> String {
    format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) INSERT INTO {table} SELECT {values} FROM n;"
    )
}

/// The outcome of a rule in a report.
#[track_caller]
pub(super) fn outcome<'a>(report: &'a Value, rule: &str) -> &'a Value {
    let outcomes = report["outcomes"].as_array().unwrap();
    let found = outcomes.iter().find(|outcome| outcome["rule"] == rule);
    found.unwrap_or_else(|| panic!("no outcome of {rule}: {report:#}"))
}
