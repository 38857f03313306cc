//! How a server is connected to, and how long statements may run.

use std::time::Duration;

/// How long statements may run before they are ended with [`Error::Timeout`](crate::Error::Timeout).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A read of rows.
    pub read: Duration,
    /// A read of the catalogue.
    pub catalogue: Duration,
}

impl Default for Limits {
    /// 500 ms and 2 s.
    fn default() -> Self {
        Self { read: Duration::from_millis(500), catalogue: Duration::from_secs(2) }
    }
}

/// How to connect to a server. See [`crate::postgres::connect`], [`crate::mysql::connect`].
#[derive(Clone)]
pub struct ConnectOptions {
    /// The address, with the parameters that sqlx reads. `postgres://user:password@host:port/database` (`sslmode`, `sslrootcert`, `host` for a
    /// socket's folder, `options`; what it leaves out comes from libpq's environment variables and password file), or
    /// `mariadb://user:password@host:port/database` (or `mysql://…`; `ssl-mode`, `ssl-ca`, `socket`).
    pub url: String,
    /// The schemas to look at; `None`: those of the connection's own search path, or the url's database.
    pub schemas: Option<Vec<String>>,
    /// Whose statements these are: each statement's comment has it. On PostgreSQL `pg_stat_activity` shows `fieldmark/<agent>` as the
    /// application's name, unless a pooler stands between.
    pub agent: String,
    /// How long statements may run.
    pub limits: Limits,
}

impl ConnectOptions {
    /// This address with everything else as usual.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), schemas: None, agent: String::new(), limits: Limits::default() }
    }
}

impl std::fmt::Debug for ConnectOptions {
    /// Without the url, which may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("schemas", &self.schemas)
            .field("agent", &self.agent)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
