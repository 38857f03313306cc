//! Real data that nobody made for these tests, in SQLite and in PostgreSQL: 3201 movies and 200 000 flights, as the package
//! `vega-datasets` has them. What every rule finds on all rows is what hand-written SQL finds, and intervals of samples hold it.
//!
//! The movies have what real tables have: titles that are numbers, one that is missing and 48 that are not the only one, names
//! whose accents came through the wrong encoding, dates of 2046, ratings that are now a whole number and now a decimal, grosses of
//! nothing to divide by. The flights lie in the order of the day's time, so that blocks of them are alike.

mod all_rows;
mod load;
mod rules;
mod samples;

use super::json;
use crate::server::postgres::{Server, USER};
use rules::{RULES, Rule};
use rusqlite::Connection;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use std::path::Path;
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// A database with the data, and a folder to check it from.
struct Loaded {
    folder: TempDir,
    database: Database,
}

enum Database {
    Sqlite(Connection),
    Postgres(PgConnection),
}

/// What hand-written SQL counts of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Truth {
    checked: u64,
    failed: u64,
    unknown: u64,
    /// Of the unknown ones, those of which nobody can tell whether they fail.
    errors: u64,
}

impl Loaded {
    fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let connection = load::sqlite(&folder.path().join("data.db"));
        write_rules(folder.path(), "sqlite:data.db", "");
        Self { folder, database: Database::Sqlite(connection) }
    }

    /// All tests read the same database: it is loaded once.
    async fn postgres() -> Self {
        static URL: OnceCell<String> = OnceCell::const_new();
        let load = async || {
            let server = Server::get().await.unwrap();
            let url = server.url(USER, &server.database("").await.unwrap());
            load::postgres(&mut PgConnection::connect(&url).await.unwrap()).await;
            url
        };
        let url = URL.get_or_init(load).await;
        let folder = tempfile::tempdir().unwrap();
        write_rules(folder.path(), url, load::UNKEYED);
        Self { folder, database: Database::Postgres(PgConnection::connect(url).await.unwrap()) }
    }

    /// The report of a check. The exit code is 1 in any case: there are failing rows.
    async fn check(&self, arguments: &[&str]) -> Value {
        let folder = self.folder.path().to_owned();
        let mut all = vec!["check".to_owned(), "--duty".to_owned(), "100%".to_owned()];
        all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        let run =
            tokio::task::spawn_blocking(move || json(&folder, &all.iter().map(String::as_str).collect::<Vec<_>>(), 1));
        run.await.unwrap()
    }

    /// What SQL says of a rule on a table.
    async fn truth(&mut self, rule: &Rule, table: &str) -> Truth {
        let Rule { kept, fails, unknown, errors, .. } = rule;
        let count = |condition: &str| format!("count(*) FILTER (WHERE ({kept}) AND ({condition}))");
        let counts = [count("TRUE"), count(fails), count(unknown), count(errors)].join(", ");
        let [checked, failed, unknown, errors] = self.numbers(&format!("SELECT {counts} FROM {table}")).await;
        Truth { checked, failed, unknown, errors }
    }

    /// The numbers of a query's only row.
    async fn numbers<const N: usize>(&mut self, sql: &str) -> [u64; N] {
        let numbers: Vec<i64> = match &mut self.database {
            Database::Sqlite(connection) => connection
                .query_row(sql, [], |row| (0..N).map(|at| row.get(at)).collect())
                .unwrap_or_else(|error| panic!("{error}: {sql}")),
            Database::Postgres(connection) => {
                let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(connection).await;
                let row = row.unwrap_or_else(|error| panic!("{error}: {sql}"));
                (0..N).map(|at| row.get(at)).collect()
            }
        };
        let numbers: Vec<u64> = numbers.into_iter().map(|number| u64::try_from(number).unwrap()).collect();
        numbers.try_into().unwrap()
    }
}

/// The configurations, and a rule file for each table; the rules of `flights` hold for its copy, too, where there is one.
fn write_rules(folder: &Path, url: &str, copy: &str) {
    for (name, sample) in [("fieldmark", "{ per_block: 1 }"), ("grouped", "{ per_block: 10 }")] {
        let source = format!("{{ url: \"{url}\", sample: {sample}, full_every: 0s }}");
        let text = format!("version: 1\nstate_dir: state\nsources: {{ real: {source} }}\nrules: [\"rules/*.yaml\"]\n");
        std::fs::write(folder.join(format!("{name}.yaml")), text).unwrap();
    }
    std::fs::create_dir(folder.join("rules")).unwrap();
    for table in ["movies", "flights", copy].into_iter().filter(|table| !table.is_empty()) {
        let mut text = format!("version: 1\ntable: real.{table}\nrules:\n");
        for rule in RULES.iter().filter(|rule| rule.is_of(table)) {
            text += &format!("  - {{ id: {}, {} }}\n", rule.id_in(table), rule.rule);
        }
        std::fs::write(folder.join(format!("rules/{table}.yaml")), text).unwrap();
    }
}
