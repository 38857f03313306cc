//! One private PostgreSQL for the whole test process.

use super::{Watch, Watched};
use anyhow::{Context as _, ensure};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::Mutex;

/// The superuser's name; the password is [`PASSWORD`].
pub(crate) const USER: &str = "keeper";
/// Password of every role that the tests make.
pub(crate) const PASSWORD: &str = "not-so-secret";

/// What every fresh database has in its schema `kinds`.
const TEMPLATE: &str = "
    create schema kinds;
    create type kinds.mood as enum ('sad', 'ok', 'happy');
    create type kinds.pair as (a integer, b text);
    create domain kinds.name as text check (value <> '');
    create domain kinds.short as varchar(10);
    create domain kinds.code as char(4);
    create domain kinds.cents as integer check (value >= 0);
    create domain kinds.small_cents as kinds.cents check (value < 1000);
    create domain kinds.price as numeric(12,2);
    create domain kinds.amount as numeric;
    create domain kinds.feeling as kinds.mood;
    create domain kinds.ident as uuid;
    create domain kinds.moment as timestamptz;
    create domain kinds.tags as text[];";

/// The running server.
pub(crate) struct Server {
    watched: Watched,
    /// Extensions that the installation has, of those that tests use.
    pub(crate) extensions: Vec<&'static str>,
    version: u32,
}

/// The shell's work. `$3` is the folder of PostgreSQL's programs, `$4` what to preload. Statements are
/// recorded only for roles that a test wants watched: those of all others would push them out of the record.
const WATCH: &str = r#"
trap '' INT TERM HUP PIPE
as() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
if [ "$(id -u)" = 0 ]; then chown postgres "$1"; fi
cd "$1" || exit 1
as "$3/initdb" -D "$1/data" -U keeper -A scram-sha-256 --pwfile="$1/password" -E UTF8 --locale=C --no-sync >"$1/log" 2>&1 &&
as "$3/pg_ctl" -D "$1/data" -l "$1/data/server.log" -w -t 60 -o "-p $2 -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c shared_buffers=64MB -c max_connections=200 -c autovacuum=off -c wal_level=minimal -c max_wal_senders=0 -c shared_preload_libraries='$4' -c pg_stat_statements.track=none -c log_statement=none -c log_line_prefix='%u@%d '" start >>"$1/log" 2>&1 </dev/null
if [ $? = 0 ]; then echo ready; else echo failed; fi
cat >/dev/null
as "$3/pg_ctl" -D "$1/data" -m immediate -w stop >>"$1/log" 2>&1 </dev/null
cd / && rm -rf "$1"
"#;

pub(crate) fn programs() -> anyhow::Result<PathBuf> {
    let told = Command::new("pg_config").arg("--bindir").output().ok();
    let told = told.and_then(|output| String::from_utf8(output.stdout).ok()).map(|path| PathBuf::from(path.trim()));
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    found.sort();
    let mut candidates = found.into_iter().rev().chain(told);
    let complete = |folder: &PathBuf| folder.join("initdb").exists() && folder.join("pg_ctl").exists();
    candidates.find(complete).context("no PostgreSQL server is installed: initdb and pg_ctl are needed for these tests")
}

/// A statement that ends when this holds, to wait for an event in one round trip: the server looks again every few milliseconds, and
/// gives up after a minute. It looks in one transaction: what a session caches by names (`to_regclass`) stays as it was at the first look.
pub(crate) fn until(condition: &str) -> String {
    format!(
        "do $until$ begin
             for look in 1..12000 loop
                 if {condition} then return; end if;
                 perform pg_sleep(0.005), pg_stat_clear_snapshot();
             end loop;
             raise exception 'it never happened';
         end $until$"
    )
}

impl Server {
    /// The server, started if it is not running yet.
    pub(crate) async fn get() -> anyhow::Result<&'static Self> {
        static SERVER: OnceLock<Server> = OnceLock::new();
        static STARTING: Mutex<()> = Mutex::const_new(());
        let _one = STARTING.lock().await;
        if let Some(server) = SERVER.get() {
            return Ok(server);
        }
        let begin = || {
            let programs = programs()?;
            let library = Command::new(programs.join("pg_config")).arg("--pkglibdir").output().ok();
            let library = library.and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
            let record = "pg_stat_statements";
            let preload = if Path::new(library.trim()).join(format!("{record}.so")).exists() { record } else { "" };
            let more = [programs.as_os_str(), preload.as_ref()];
            Watch { name: "postgres", script: WATCH, more: &more, files: &[("password", PASSWORD)] }.start()
        };
        let watched = tokio::task::spawn_blocking(begin).await??;
        let mut server = Self { watched, extensions: Vec::new(), version: 0 };
        server.make_template().await?;
        Ok(SERVER.get_or_init(|| server))
    }

    async fn make_template(&mut self) -> anyhow::Result<()> {
        let mut admin = PgConnection::connect(&self.url(USER, "postgres")).await?;
        sqlx::raw_sql("create database kinds").execute(&mut admin).await?;
        self.version = admin.server_version_num().unwrap_or(0);
        admin.close().await?;
        let mut template = PgConnection::connect(&self.url(USER, "kinds")).await?;
        sqlx::raw_sql(TEMPLATE).execute(&mut template).await?;
        for extension in ["citext", "hstore", "pg_stat_statements"] {
            let sql = format!("create extension {extension} schema kinds");
            if sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut template).await.is_ok() {
                self.extensions.push(extension);
            }
        }
        template.close().await?;
        Ok(())
    }

    /// A fresh database; its name.
    pub(crate) async fn database(&self, options: &str) -> anyhow::Result<String> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        static MAKING: Mutex<()> = Mutex::const_new(());
        let name = format!("d{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let _one = MAKING.lock().await;
        let mut admin = PgConnection::connect(&self.url(USER, "postgres")).await?;
        sqlx::raw_sql(AssertSqlSafe(format!("create database {name} {options}"))).execute(&mut admin).await?;
        admin.close().await?;
        Ok(name)
    }

    /// Makes a role with the tests' password, whose every statement the server records. Fails where the installation cannot do
    /// that: a test that needs the record proves nothing without it.
    pub(crate) async fn watched_role(&self, role: &str) -> anyhow::Result<()> {
        let record = "pg_stat_statements";
        ensure!(self.extensions.contains(&record), "{record} is not installed; it is part of PostgreSQL's contrib");
        let mut admin = PgConnection::connect(&self.url(USER, "postgres")).await?;
        let sql = format!(
            "create role {role} login password '{PASSWORD}'; alter role {role} set pg_stat_statements.track = 'all'"
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await?;
        admin.close().await?;
        Ok(())
    }

    /// Makes a role with the tests' password, whose every statement the server writes to its log as it was sent.
    pub(crate) async fn logged_role(&self, role: &str) -> anyhow::Result<()> {
        let mut admin = PgConnection::connect(&self.url(USER, "postgres")).await?;
        let sql =
            format!("create role {role} login password '{PASSWORD}'; alter role {role} set log_statement = 'all'");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await?;
        admin.close().await?;
        Ok(())
    }

    /// What such a role has sent so far, in order; one message may hold several statements.
    pub(crate) fn logged(&self, role: &str) -> anyhow::Result<Vec<String>> {
        let log = std::fs::read(self.watched.folder.join("data/server.log"))?;
        let start = format!("{role}@");
        let mut messages: Vec<String> = Vec::new();
        let mut ours = false;
        for line in String::from_utf8_lossy(&log).lines() {
            // further lines of a message begin with a tab
            if let Some(further) = line.strip_prefix('\t') {
                if let Some(message) = messages.last_mut().filter(|_| ours) {
                    message.push('\n');
                    message.push_str(further);
                }
                continue;
            }
            let entry = line.strip_prefix(&start).and_then(|entry| entry.split_once(" LOG:  "));
            let sent = entry.and_then(|(_, entry)| entry.split_once(": "));
            let sent = sent.filter(|(what, _)| *what == "statement" || what.starts_with("execute "));
            ours = sent.is_some();
            messages.extend(sent.map(|(_, sql)| sql.to_owned()));
        }
        Ok(messages)
    }

    /// The address of a database for a role.
    pub(crate) fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}:{PASSWORD}@127.0.0.1:{}/{database}", self.watched.port)
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        self.watched.port
    }

    /// `server_version_num`.
    pub(crate) fn version(&self) -> u32 {
        self.version
    }
}

/// The server that stops with the process leaves nothing behind.
#[tokio::test]
async fn the_server_lives_in_a_folder_of_its_own() -> anyhow::Result<()> {
    let server = Server::get().await?;
    ensure!(server.watched.folder.starts_with(std::env::temp_dir()));
    ensure!(server.watched.folder.join("data/postmaster.pid").parent().is_some_and(|data| data.exists()));
    ensure!(server.version() >= 140_000, "PostgreSQL 14 or later is needed");
    Ok(())
}
