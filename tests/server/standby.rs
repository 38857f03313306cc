//! A PostgreSQL with a standby that replays what it does, for one test. The standby waits a minute for those who read there.

use super::postgres::{programs, until};
use super::{Watch, Watched};
use anyhow::ensure;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::ffi::OsStr;
use std::process::Command;

/// The shell's work. `$3` is the folder of PostgreSQL's programs, `$4` the primary's port; the standby has `$2`.
const WATCH: &str = r#"
trap '' INT TERM HUP PIPE
as() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
if [ "$(id -u)" = 0 ]; then chown postgres "$1"; fi
cd "$1" || exit 1
common="-c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off -c shared_buffers=32MB -c max_connections=30"
run() { as "$programs/pg_ctl" -D "$1" -l "$1.log" -w -t 60 -o "-p $2 $common $3" start >>log 2>&1 </dev/null; }
programs=$3
as "$3/initdb" -D primary -U keeper -A trust -E UTF8 --locale=C --no-sync >log 2>&1 &&
run primary "$4" "-c wal_level=replica -c max_wal_senders=3" &&
as "$3/pg_basebackup" -h 127.0.0.1 -p "$4" -U keeper -D standby -R -X stream --checkpoint=fast --no-sync >>log 2>&1 </dev/null &&
run standby "$2" "-c max_standby_streaming_delay=60s"
if [ $? = 0 ]; then echo ready; else echo failed; fi
cat >/dev/null
for data in standby primary; do as "$3/pg_ctl" -D "$data" -m immediate -w stop >>log 2>&1 </dev/null; done
cd / && rm -rf "$1"
"#;

/// Both servers; they stop when this is dropped.
pub(crate) struct Pair {
    watched: Watched,
    primary: u16,
}

impl Pair {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let primary = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let start = move || {
            let programs = programs()?;
            let port = primary.to_string();
            let more: [&OsStr; 2] = [programs.as_os_str(), port.as_ref()];
            Watch { name: "standby", script: WATCH, more: &more, files: &[] }.start()
        };
        Ok(Self { watched: tokio::task::spawn_blocking(start).await??, primary })
    }

    /// Restarts the primary; `mode` is one of `pg_ctl`'s.
    pub(crate) fn restart(&self, mode: &str) -> anyhow::Result<()> {
        self.control("restart", mode)
    }

    /// Stops the primary; `mode` is one of `pg_ctl`'s.
    pub(crate) fn stop(&self, mode: &str) -> anyhow::Result<()> {
        self.control("stop", mode)
    }

    /// Starts it again.
    pub(crate) fn begin(&self) -> anyhow::Result<()> {
        // of the mode that stops it nothing is taken
        self.control("restart", "immediate")
    }

    /// Has `pg_ctl` do something with the primary.
    fn control(&self, what: &str, mode: &str) -> anyhow::Result<()> {
        let control = r#"
as() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
cd "$1" && as "$2/pg_ctl" -D primary -l primary.log -m "$3" -w -t 60 "$4" >>log 2>&1 </dev/null"#;
        let mut command = Command::new("sh");
        command.args(["-c", control, "control"]).arg(&self.watched.folder).arg(programs()?).args([mode, what]);
        ensure!(command.status()?.success(), "PostgreSQL does not {what}");
        Ok(())
    }

    /// Stops the primary as a crash does; the standby takes its place.
    pub(crate) async fn fail_over(&self) -> anyhow::Result<()> {
        self.stop("immediate")?;
        self.promote().await
    }

    /// The standby takes the place of the primary, which has stopped.
    pub(crate) async fn promote(&self) -> anyhow::Result<()> {
        let mut standby = PgConnection::connect(&self.standby()).await?;
        let promoted: bool = sqlx::query_scalar("select pg_promote()").fetch_one(&mut standby).await?;
        ensure!(promoted, "the standby is not promoted");
        Ok(())
    }

    /// Waits until the standby shows this.
    pub(crate) async fn shows(&self, condition: &str) -> anyhow::Result<()> {
        self.on_standby(&until(condition)).await
    }

    /// From now on the standby gets nothing of what the primary writes.
    pub(crate) async fn cut_off(&self) -> anyhow::Result<()> {
        self.on_standby("alter system set primary_conninfo = ''").await?;
        self.on_standby("select pg_reload_conf()").await?;
        self.shows("not exists (select from pg_stat_wal_receiver)").await
    }

    /// Has the standby run a statement.
    pub(crate) async fn on_standby(&self, sql: &str) -> anyhow::Result<()> {
        let mut standby = PgConnection::connect(&self.standby()).await?;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut standby).await?;
        Ok(standby.close().await?)
    }

    pub(crate) fn ports(&self) -> (u16, u16) {
        (self.primary, self.watched.port)
    }

    pub(crate) fn url(port: u16) -> String {
        format!("postgres://keeper@127.0.0.1:{port}/postgres")
    }

    pub(crate) fn primary(&self) -> String {
        Self::url(self.primary)
    }

    pub(crate) fn standby(&self) -> String {
        Self::url(self.watched.port)
    }
}
