//! One private MariaDB for the whole test process.

use super::{Watch, Watched};
use anyhow::{Context as _, ensure};
use regex::Regex;
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// The name of the user who may do anything; the password is [`PASSWORD`].
pub(crate) const USER: &str = "keeper";
/// Password of every user that the tests make.
pub(crate) const PASSWORD: &str = "not-so-secret";

/// The running server.
pub(crate) struct Server {
    watched: Watched,
    /// Its program, the one that makes its folder, and what else it is told.
    words: [OsString; 3],
}

/// A server with a replica of it, for one test.
pub(crate) struct Pair {
    pub(crate) primary: Server,
    pub(crate) replica: Server,
}

impl Pair {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let primary = Server::start("--log-bin=log --server-id=1").await?;
        let replica = Server::start("--server-id=2").await?;
        let port = primary.watched.port;
        let follow = format!(
            "change master to master_host = '127.0.0.1', master_port = {port}, master_user = '{USER}', \
             master_password = '{PASSWORD}', master_use_gtid = slave_pos; start slave"
        );
        replica.run("", &follow).await?;
        Ok(Self { primary, replica })
    }
}

/// What a shell is told of the server. `$1` is its folder, `$2` its port, `$3` its program, `$4` the one that makes its folder, `$5` what else it is told.
const SERVER: &str = r#"
owner=$(id -u mysql >/dev/null 2>&1 && echo mysql || echo nobody)
as() { if [ "$(id -u)" = 0 ]; then runuser -u "$owner" -- "$@"; else "$@"; fi; }
make() {
  as "$4" --no-defaults --datadir="$1/data" --auth-root-authentication-method=normal --skip-test-db --skip-name-resolve \
    >"$1/log" 2>&1 </dev/null
}
begin() {
  rm -f "$1/socket" "$1/pid"
  as "$3" --no-defaults --datadir="$1/data" --socket="$1/socket" --port="$2" --bind-address=127.0.0.1 --pid-file="$1/pid" \
    --init-file="$1/users.sql" --skip-name-resolve --character-set-server=utf8mb4 --max-connections=300 \
    --innodb-buffer-pool-size=64M --innodb-log-file-size=32M --innodb-flush-log-at-trx-commit=0 --innodb-flush-method=nosync \
    --max-allowed-packet=64M --general-log-file="$1/general_log" $5 >>"$1/server.log" 2>&1 </dev/null &
  looks=0
  until [ -S "$1/socket" ]; do
    looks=$((looks + 1))
    [ "$looks" -lt 1200 ] && kill -0 $! 2>/dev/null || return 1
    sleep 0.05
  done
}
stop() {
  server=$(cat "$1/pid") && kill "-$6" "$server" || return 1
  while kill -0 "$server" 2>/dev/null; do sleep 0.05; done
}
"#;

/// The shell's work.
const WATCH: &str = r#"
trap '' INT TERM HUP PIPE
. "$1/server.sh"
if [ "$(id -u)" = 0 ]; then chown "$owner" "$1"; fi
cd "$1" || exit 1
if make "$@" && begin "$@"; then echo ready; else echo failed; fi
cat >/dev/null
[ -s "$1/pid" ] && kill -9 "$(cat "$1/pid")"
wait
cd / && rm -rf "$1"
"#;

/// Where one of the installation's programs is.
fn program(names: &[&str]) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/bin".into()]).collect();
    let found =
        names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|path| path.exists());
    found.with_context(|| format!("no MariaDB server is installed: {} is needed for these tests", names.join(" or ")))
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
        let server = Self::start("").await?;
        Ok(SERVER.get_or_init(|| server))
    }

    /// A server of its own, with more options.
    pub(crate) async fn start(options: &'static str) -> anyhow::Result<Self> {
        let server = program(&["mariadbd", "mysqld"])?;
        let install = program(&["mariadb-install-db", "mysql_install_db"])?;
        // what is done to users is not replicated; the file is run at every start
        let users = format!(
            "set sql_log_bin = 0;\ncreate user if not exists {USER}@'%' identified by '{PASSWORD}';\n\
             grant all on *.* to {USER}@'%' with grant option;\n"
        );
        let words = [server.into_os_string(), install.into_os_string(), options.into()];
        let told = words.clone();
        let begin = move || {
            let more = told.each_ref().map(OsString::as_os_str);
            let files = [("users.sql", users.as_str()), ("server.sh", SERVER)];
            Watch { name: "mariadb", script: WATCH, more: &more, files: &files }.start()
        };
        Ok(Self { watched: tokio::task::spawn_blocking(begin).await??, words })
    }

    /// Stops it, in an orderly way.
    pub(crate) fn stop(&self) -> anyhow::Result<()> {
        self.control("stop", "TERM")
    }

    /// Stops it as a crash does.
    pub(crate) fn crash(&self) -> anyhow::Result<()> {
        self.control("stop", "KILL")
    }

    /// Starts it again.
    pub(crate) fn begin(&self) -> anyhow::Result<()> {
        self.control("begin", "")
    }

    /// Has the shell do one of the things that it is told of the server, with a signal where it takes one.
    fn control(&self, what: &str, signal: &str) -> anyhow::Result<()> {
        let control = format!(". \"$1/server.sh\"; cd \"$1\" && {what} \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &control, "control"]).arg(&self.watched.folder).arg(self.watched.port.to_string());
        command.args(&self.words).arg(signal);
        ensure!(command.status()?.success(), "MariaDB does not {what}");
        Ok(())
    }

    /// A connection of the user who may do anything; the server runs its file of users before it takes connections.
    pub(crate) async fn keeper(&self, database: &str) -> anyhow::Result<MySqlConnection> {
        Ok(MySqlConnection::connect(&self.url(USER, database)).await?)
    }

    /// Runs statements as the user who may do anything.
    pub(crate) async fn run(&self, database: &str, sql: &str) -> anyhow::Result<()> {
        let mut keeper = self.keeper(database).await?;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut keeper).await?;
        Ok(keeper.close().await?)
    }

    /// A fresh database; its name.
    pub(crate) async fn database(&self, options: &str) -> anyhow::Result<String> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("d{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let mut keeper = self.keeper("").await?;
        sqlx::raw_sql(AssertSqlSafe(format!("create database {name} {options}"))).execute(&mut keeper).await?;
        keeper.close().await?;
        Ok(name)
    }

    /// Has the server write down every statement that it gets, or no more.
    pub(crate) async fn log(&self, on: bool) -> anyhow::Result<()> {
        let mut keeper = self.keeper("").await?;
        let sql = format!("set global general_log = {}", u8::from(on));
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut keeper).await?;
        Ok(keeper.close().await?)
    }

    /// What a user has sent while it was written down, in order; of a text that the server was to prepare, the text.
    pub(crate) fn logged(&self, user: &str) -> anyhow::Result<Vec<String>> {
        let entry = Regex::new(r"^(?:\d{6}\s+\d{1,2}:\d\d:\d\d)?\s+(\d+) ([A-Z][A-Za-z ]*)\t(.*)$")?;
        let log = std::fs::read(self.watched.folder.join("general_log"))?;
        let mut sessions: BTreeSet<String> = BTreeSet::new();
        let mut messages: Vec<String> = Vec::new();
        let mut ours = false;
        for line in String::from_utf8_lossy(&log).lines() {
            let Some(found) = entry.captures(line) else {
                // a message of several lines goes on
                if let Some(message) = messages.last_mut().filter(|_| ours) {
                    message.push('\n');
                    message.push_str(line);
                }
                continue;
            };
            let (session, command, text) = (found[1].to_owned(), &found[2], found[3].to_owned());
            if command == "Connect" && text.starts_with(&format!("{user}@")) {
                sessions.insert(session.clone());
            }
            ours = sessions.contains(&session) && matches!(command, "Query" | "Prepare");
            if ours {
                messages.push(text);
            }
        }
        Ok(messages)
    }

    /// The address of a database for a user.
    pub(crate) fn url(&self, user: &str, database: &str) -> String {
        format!("mariadb://{user}:{PASSWORD}@127.0.0.1:{}/{database}", self.watched.port)
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        self.watched.port
    }

    /// Waits until a query gives a number other than 0; for a minute at most.
    pub(crate) async fn until(&self, connection: &mut MySqlConnection, query: &str) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let found: i64 = sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(&mut *connection).await?;
            if found != 0 {
                return Ok(());
            }
            ensure!(begun.elapsed() < Duration::from_secs(60), "it never happened: {query}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The server that stops with the process leaves nothing behind.
#[tokio::test]
async fn the_server_lives_in_a_folder_of_its_own() -> anyhow::Result<()> {
    let server = Server::get().await?;
    ensure!(server.watched.folder.starts_with(std::env::temp_dir()) && server.port() > 0);
    let mut keeper = server.keeper("").await?;
    let version: String = sqlx::query_scalar("select version()").fetch_one(&mut keeper).await?;
    ensure!(version.contains("MariaDB"), "{version}");
    Ok(keeper.close().await?)
}
