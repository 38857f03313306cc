//! Where a page is run: a folder with a shop, and programs to run in it.

use super::super::program;
use super::compare::{missing, normal};
use super::page::{Block, Database, Kind};
use super::text;
use crate::server::postgres::{PASSWORD, Server, USER, programs};
use crate::server::{mariadb, s3};
use regex::Regex;
use rusqlite::types::Value as Cell;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection, PgConnection};
use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Which role reads the shop on the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// One that is there, with all that it needs.
    Given,
    /// `fieldmark`, which the page makes. Roles are the server's, so only one page may.
    OfThePage,
}

/// A folder, and the shop in it or beside it.
pub(super) struct Place {
    folder: TempDir,
    reader: Reader,
    served: Option<Served>,
    /// Where no server is: folders of `work` as buckets.
    store: Option<s3::Store>,
    /// What the last command or query printed.
    printed: String,
}

impl Drop for Place {
    /// Ends what a page has started and, since it failed half-way, not ended: the processes whose numbers it wrote down.
    fn drop(&mut self) {
        let work = self.path("work");
        let files = std::fs::read_dir(&work).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
        for file in files.filter(|file| file.extension().is_some_and(|extension| extension == "pid")) {
            let number = std::fs::read_to_string(file).ok().and_then(|text| text.trim().parse::<i32>().ok());
            let Some(process) = number.and_then(rustix::process::Pid::from_raw) else { continue };
            let its_folder = std::fs::read_link(format!("/proc/{}/cwd", process.as_raw_nonzero()));
            if its_folder.is_ok_and(|folder| folder.starts_with(&work)) {
                rustix::process::kill_process(process, rustix::process::Signal::KILL).ok();
            }
        }
    }
}

/// A database on a server.
struct Served {
    of: Database,
    name: String,
    port: u16,
    owner: String,
    reader: String,
}

impl Served {
    /// A fresh one, with the shop in it.
    async fn new(reader: Reader) -> Self {
        let server = Server::get().await.unwrap();
        let name = server.database("").await.unwrap();
        let owner = server.url(USER, &name);
        let role = format!("reader_{name}");
        let (url, grants) = match reader {
            Reader::OfThePage => {
                (format!("postgres://fieldmark:secret@127.0.0.1:{}/{name}", server.port()), String::new())
            }
            Reader::Given => (
                server.url(&role, &name),
                format!(
                    "CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'; GRANT pg_read_all_stats TO {role}; \
                     GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};"
                ),
            ),
        };
        let served = Self { of: Database::Server, name, port: server.port(), owner, reader: url };
        served.execute(text("shop.postgres.sql") + &grants).await;
        served
    }

    /// A fresh one on MariaDB, with the shop in it; the user who reads it is made by the page.
    async fn on_mariadb() -> Self {
        let server = mariadb::Server::get().await.unwrap();
        let name = server.database("").await.unwrap();
        let reader = format!("mariadb://fieldmark:secret@127.0.0.1:{}/{name}", server.port());
        let owner = server.url(mariadb::USER, &name);
        let served = Self { of: Database::MariaDb, name, port: server.port(), owner, reader };
        served.execute(text("shop.mariadb.sql")).await;
        served
    }

    /// Done by the owner.
    async fn execute(&self, sql: String) {
        if self.of == Database::MariaDb {
            let mut connection = MySqlConnection::connect(&self.owner).await.unwrap();
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
            return connection.close().await.unwrap();
        }
        let mut connection = PgConnection::connect(&self.owner).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

/// Control periods of a second are long enough for a shop where nobody else writes.
const FIELDMARK: &str = "#!/bin/sh
case \"$*\" in *--control*) exec 'PROGRAM' \"$@\" ;; esac
case \"$1\" in before | after | guard) command=$1; shift; set -- \"$command\" --control 1s \"$@\" ;; esac
exec 'PROGRAM' \"$@\"
";

/// Stands in for GitHub's command line, which has no GitHub here: it notes what it is told.
const GH: &str = "#!/bin/sh\nprintf '%s\\n' \"$*\" >> \"$HOME/gh.log\"\n";

impl Place {
    pub(super) async fn new(database: Database, reader: Reader) -> Self {
        let mut place =
            Self { folder: tempfile::tempdir().unwrap(), reader, served: None, store: None, printed: String::new() };
        for folder in ["work", "home", "tmp", "programs", "marks"] {
            std::fs::create_dir(place.path(folder)).unwrap();
        }
        let fieldmark = program().canonicalize().unwrap();
        place.script("programs/fieldmark", &FIELDMARK.replace("PROGRAM", fieldmark.to_str().unwrap()));
        place.script("programs/gh", GH);
        match database {
            Database::File => {
                place.database().execute_batch(&text("shop.sql")).unwrap();
                // beside it what the repository has for others to take
                let dashboards = super::folder().join("../../dashboards").canonicalize().unwrap();
                std::os::unix::fs::symlink(dashboards, place.path("work/dashboards")).unwrap();
                place.store = Some(s3::Store::start(&place.path("work")).unwrap());
            }
            Database::Server => place.served = Some(Served::new(reader).await),
            Database::MariaDb => {
                let served = Served::on_mariadb().await;
                let (user, password) = (mariadb::USER, mariadb::PASSWORD);
                let client =
                    format!("[client]\nhost=127.0.0.1\nport={}\nuser={user}\npassword={password}\n", served.port);
                place.write("owner.cnf", &client);
                place.served = Some(served);
            }
        }
        place
    }

    /// A fresh database in place of the one on the server, of which nothing is remembered.
    pub(super) async fn renew(&mut self) {
        self.served = Some(match self.served.as_ref().map(|served| served.of) {
            Some(Database::MariaDb) => Served::on_mariadb().await,
            _ => Served::new(self.reader).await,
        });
        if self.path("work/.fieldmark").exists() {
            std::fs::remove_dir_all(self.path("work/.fieldmark")).unwrap();
        }
    }

    /// Removes what a page has made on the server for all databases.
    pub(super) async fn end(self) {
        if let (Reader::OfThePage, Some(served)) = (self.reader, &self.served) {
            let sql = match served.of {
                Database::MariaDb => "DROP USER fieldmark@'%'",
                Database::File | Database::Server => "DROP OWNED BY fieldmark; DROP ROLE fieldmark",
            };
            served.execute(sql.to_owned()).await;
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path("work/shop.db")).unwrap()
    }

    /// Addresses by which the shop is read, and by which it is owned; empty where it is a file.
    pub(super) fn addresses(&self) -> (&str, &str) {
        self.served.as_ref().map_or(("", ""), |served| (served.reader.as_str(), served.owner.as_str()))
    }

    /// Writes a file among those that commands see.
    pub(super) fn write(&self, name: &str, text: &str) {
        let path = self.path("work").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        // what an editor would look for has to be there
        if let Some(schema) = text.lines().next().unwrap().strip_prefix("# yaml-language-server: $schema=") {
            assert!(path.parent().unwrap().join(schema).is_file(), "{name}: there is no {schema}");
        }
    }

    /// Writes a file that can be executed. Another process does: while a file is open for writing here, it may be open in
    /// any program that is just being started, and nobody can execute it.
    fn script(&self, name: &str, text: &str) {
        let path = self.path(name);
        let mut write = Command::new("sh");
        write.args(["-c", "cat > \"$1\" && chmod 755 \"$1\"", "write"]).arg(&path).stdin(Stdio::piped());
        let mut writing = write.spawn().unwrap();
        writing.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(writing.wait().unwrap().success(), "{}", path.display());
    }

    /// Runs a command in a folder; its exit code, and all that it printed.
    pub(super) fn run(&self, folder: &Path, command: &[&str], variables: &[(String, String)]) -> (i32, String) {
        let mut path = OsString::from(self.path("programs"));
        for more in programs().ok().map(PathBuf::into_os_string).into_iter().chain(std::env::var_os("PATH")) {
            path.push(":");
            path.push(more);
        }
        let (reader, owner) = self.addresses();
        let (program, arguments) = command.split_first().unwrap();
        let mut process = Command::new(program);
        process.args(arguments).current_dir(folder).stdin(Stdio::null()).env_clear().env("PATH", path);
        process.env("HOME", self.path("home")).env("XDG_STATE_HOME", self.path("home")).env("TMPDIR", self.path("tmp"));
        process.env("SHOP", self.served.as_ref().map_or("", |served| served.name.as_str()));
        process.env("SHOP_URL", reader).env("OWNER_URL", owner).env("MARKS", self.path("marks"));
        process.envs(self.store.iter().flat_map(s3::Store::variables));
        process.envs(variables.iter().map(|(name, value)| (name, value)));
        let output = process.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap_or(-1), text(output.stdout) + &text(output.stderr))
    }

    /// Does what a block says.
    pub(super) async fn take(&mut self, block: &Block) {
        let at = &block.at;
        match &block.kind {
            Kind::Write { path, script: true } => self.script(&format!("work/{path}"), &block.text),
            Kind::Write { path, script: false } | Kind::Pipeline(_, path) => self.write(path, &block.text),
            Kind::Insert(path) => {
                let held = self.read(&format!("work/{path}"));
                assert!(held.contains("\nrules:\n"), "{at}: {held}");
                self.write(path, &held.replacen("\nrules:\n", &format!("\nrules:\n{}", block.text), 1));
            }
            Kind::Show(path) => self.shows(block, &self.read(&format!("work/{path}")), false),
            Kind::Rules(table) => self.rules(block, table),
            Kind::Run { exit, fresh } => {
                if *fresh {
                    self.renew().await;
                }
                let (code, printed) = self.run(&self.path("work"), &["sh", "-e", "-c", &block.text], &[]);
                assert_eq!(code, *exit, "{at}:\n{}\n{printed}", block.text);
                self.printed = printed;
            }
            Kind::Query => self.query(&block.text).await,
            Kind::Output { drawn } => self.shows(block, &self.printed, *drawn),
        }
    }

    /// The block shows that text.
    fn shows(&self, block: &Block, got: &str, drawn: bool) {
        let mut told = got.to_owned();
        if let Some(served) = &self.served {
            told = told.replace(&format!("127.0.0.1:{}", served.port), "db");
            told = Regex::new(&format!(r"\b{}\b", served.name)).unwrap().replace_all(&told, "shop").into_owned();
        }
        let missing = missing(&normal(&block.text, drawn), &normal(&told, drawn));
        assert_eq!(missing, None, "{}: this is not in what came:\n{got}", block.at);
    }

    /// What the application that owns the shop does, or asks.
    async fn query(&mut self, sql: &str) {
        self.printed.clear();
        if let Some(served) = &self.served {
            return served.execute(sql.to_owned()).await;
        }
        let database = self.database();
        if !sql.starts_with("SELECT") {
            return database.execute_batch(sql).unwrap();
        }
        let mut statement = database.prepare(sql).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let cells: Vec<String> = (0..columns).map(|column| shown(row.get(column).unwrap())).collect();
            self.printed.push_str(&cells.join("|"));
            self.printed.push('\n');
        }
    }

    /// Rules that stand for themselves: each of them can be told of the shop's rows.
    fn rules(&self, block: &Block, table: &str) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("rules")).unwrap();
        std::fs::copy(self.path("work/shop.db"), folder.path().join("shop.db")).unwrap();
        let source = "sources: { shop: { url: \"sqlite:shop.db\", sql: allow } }";
        let configuration = format!("version: 1\nstate_dir: state\n{source}\nrules: [\"rules/*.yaml\"]\n");
        std::fs::write(folder.path().join("fieldmark.yaml"), configuration).unwrap();
        let rules = format!("version: 1\ntable: shop.{table}\nrules:\n{}", block.text);
        std::fs::write(folder.path().join("rules/some.yaml"), rules).unwrap();
        let (code, printed) = self.run(folder.path(), &["fieldmark", "check", "--output", "json"], &[]);
        assert!(code <= 1, "{}: {printed}", block.at);
        let report: Value = serde_json::from_str(&printed).unwrap();
        let outcomes = report["outcomes"].as_array().unwrap();
        assert!(!outcomes.is_empty(), "{}", block.at);
        for outcome in outcomes {
            assert!(outcome["status"] == "passed" || outcome["status"] == "failed", "{}: {outcome:#}", block.at);
        }
    }
}

/// A cell as SQLite's own shell prints it.
fn shown(cell: Cell) -> String {
    match cell {
        Cell::Null => String::new(),
        Cell::Integer(value) => value.to_string(),
        Cell::Real(value) => value.to_string(),
        Cell::Text(value) => value,
        Cell::Blob(value) => format!("{} bytes", value.len()),
    }
}
