//! A PgBouncer before the tests' own PostgreSQL, for one test: it hands out server connections by the transaction.

use super::postgres::{PASSWORD, Server, USER};
use super::{Watch, Watched};

/// The shell's work. What the server's own configuration says of its port comes to its end.
const WATCH: &str = r#"
trap '' INT TERM HUP PIPE
as() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
if [ "$(id -u)" = 0 ]; then chown postgres "$1"; fi
cd "$1" || exit 1
PATH="$PATH:/usr/sbin"
echo "listen_port = $2" >>pgbouncer.ini
as pgbouncer -d pgbouncer.ini >>log 2>&1 </dev/null
i=0
while [ ! -s pid ] && [ $i -lt 500 ]; do sleep 0.02; i=$((i + 1)); done
if [ -s pid ] && kill -0 "$(cat pid)"; then echo ready; else echo failed; fi
cat >/dev/null
kill -INT "$(cat pid)" 2>>log
cd / && rm -rf "$1"
"#;

/// The pooler; it stops when this is dropped.
pub(crate) struct Pool {
    watched: Watched,
    database: String,
}

impl Pool {
    /// Before one database, with so many connections to the server.
    pub(crate) async fn of(server: &Server, database: &str, size: u32) -> anyhow::Result<Self> {
        let port = server.port();
        let configuration = format!(
            "[databases]\n{database} = host=127.0.0.1 port={port} dbname={database} user={USER} password={PASSWORD}\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = {size}\n\
             logfile = pgbouncer.log\npidfile = pid\n"
        );
        let start = move || {
            let files = [("pgbouncer.ini", configuration.as_str())];
            Watch { name: "pgbouncer", script: WATCH, more: &[], files: &files }.start()
        };
        Ok(Self { watched: tokio::task::spawn_blocking(start).await??, database: database.to_owned() })
    }

    /// By which the database is reached through it.
    pub(crate) fn url(&self) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{}", self.watched.port, self.database)
    }
}
