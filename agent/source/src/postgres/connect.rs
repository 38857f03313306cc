//! Where the database is and how it is connected to.

use super::fault;
use super::literal::quote_literal;
use crate::Error;
use crate::ServerIdentity;
use crate::label::{Label, Name, SharedLabel};
use crate::options::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Row as _, ValueRef as _};
use std::net::IpAddr;
use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Longest time to make a connection.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A server that can be connected to at any time.
#[derive(Clone)]
pub(super) struct Server {
    options: PgConnectOptions,
    /// Without user and password.
    pub(super) address: String,
    pub(super) label: SharedLabel,
    /// What sessions are called, where none is handed on.
    name: String,
    /// A connection has turned out to lead to the server itself.
    direct: Arc<AtomicBool>,
}

/// What a fresh connection says of itself.
pub(super) struct Greeting {
    pub(super) version: String,
    /// `server_version_num`.
    pub(super) number: u32,
    /// `server_encoding`.
    pub(super) encoding: String,
    /// Schemas of the search path that exist and that the role may use.
    pub(super) schemas: Vec<String>,
    /// Schemas of the search path that exist.
    pub(super) named: Vec<String>,
    /// Which server it is, where the role may know.
    pub(super) identity: Option<ServerIdentity>,
    /// A pooler stands between, and this session of the server's is not ours alone.
    pub(super) pooled: bool,
}

impl Server {
    pub(super) fn new(options: &ConnectOptions) -> Result<Self, Error> {
        let application_name = match options.agent.as_str() {
            "" => "fieldmark".to_owned(),
            agent => format!("fieldmark/{agent}"),
        };
        let (parsed, address) = connect_options(&options.url)?;
        // a pooler would leave the name to whoever comes next and has none
        let parsed = parsed.application_name("").extra_float_digits(None);
        let label = SharedLabel::default();
        label.set(Label { agent: options.agent.clone(), rule: None });
        Ok(Self { options: parsed, address, label, name: application_name, direct: Arc::default() })
    }

    /// The same one, for a connection that is used beside this one.
    pub(super) fn beside(&self) -> Self {
        Self { label: self.label.apart(), ..self.clone() }
    }

    /// A new connection, which has a name of its own where it is known to lead to the server itself.
    pub(super) async fn connect(&self) -> Result<PgConnection, Error> {
        let connecting = async {
            let mut connection = PgConnection::connect_with(&self.options).await?;
            if self.direct.load(Ordering::Relaxed) {
                self.named(&mut connection).await?;
            }
            Ok(connection)
        };
        match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(connected) => connected.map_err(|error| fault::of_connect(&error, &self.address)),
            Err(_) => Err(Error::Unreachable {
                address: self.address.clone(),
                reason: format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()),
            }),
        }
    }

    /// Gives a session its name.
    async fn named(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let sql = format!("SET application_name = {}", quote_literal(&self.name));
        simple(connection, &self.label.labelled(Name::Naming, &sql)).await.map(|_| ())
    }

    /// A new connection that is fit to read on: recent enough, and not one of those reserved for a superuser in need.
    pub(super) async fn greeted(&self) -> Result<(PgConnection, Greeting), Error> {
        let unreachable =
            |reason: &str| Error::Unreachable { address: self.address.clone(), reason: reason.to_owned() };
        let mut connection = self.connect().await?;
        let greeting = self.label.labelled(Name::Greeting, GREETING);
        let rows = tokio::time::timeout(CONNECT_TIMEOUT, simple(&mut connection, &greeting)).await;
        let rows =
            rows.map_err(|_| unreachable("no answer"))?.map_err(|error| fault::of_connect(&error, &self.address))?;
        let mut fields = rows.into_iter().flatten().map(Option::unwrap_or_default);
        let mut field = || fields.next().unwrap_or_default();
        let (version, number, encoding, schemas, named, reserve, source) =
            (field(), field(), field(), field(), field(), field(), field());
        let pooled = source != "client";
        let number = number.parse::<u32>().unwrap_or(u32::MAX);
        let refusal = if number < 140_000 {
            Some("PostgreSQL 14 or later is needed")
        } else if reserve == "true" {
            Some("too many connections: only those reserved for superusers are left")
        } else {
            None
        };
        if let Some(reason) = refusal {
            hang_up(connection).await;
            return Err(unreachable(reason));
        }
        if pooled {
            self.direct.store(false, Ordering::Relaxed);
        } else if !self.direct.swap(true, Ordering::Relaxed) {
            let naming = tokio::time::timeout(CONNECT_TIMEOUT, self.named(&mut connection)).await;
            let naming = naming.map_err(|_| unreachable("no answer"))?;
            naming.map_err(|error| fault::of_connect(&error, &self.address))?;
        }
        let list = |names: &str| serde_json::from_str(names).unwrap_or_default();
        let identity = self.label.labelled(Name::Identity, IDENTITY);
        let asked = tokio::time::timeout(CONNECT_TIMEOUT, simple(&mut connection, &identity)).await;
        let identity = match asked.map_err(|_| unreachable("no answer"))? {
            Ok(rows) => rows.first().and_then(|row| identity_of(row)),
            // some who run servers for others keep it to themselves
            Err(sqlx::Error::Database(_)) => None,
            Err(error) => return Err(fault::of_connect(&error, &self.address)),
        };
        let (schemas, named) = (list(&schemas), list(&named));
        Ok((connection, Greeting { version, number, encoding, schemas, named, identity, pooled }))
    }
}

/// The search path is read here, as it is before a chunk empties it. The last column tells where a setting came from that every
/// connection of ours begins with: from its client, where that is us; a pooler makes the session's settings itself.
const GREETING: &str = "SELECT \
    pg_catalog.current_setting('server_version'), \
    pg_catalog.current_setting('server_version_num'), \
    pg_catalog.current_setting('server_encoding'), \
    pg_catalog.to_json(pg_catalog.current_schemas(false))::pg_catalog.text, \
    pg_catalog.to_json(ARRAY(SELECT n.nspname FROM pg_catalog.regexp_matches(pg_catalog.current_setting('search_path'), \
     '\"((?:[^\"]|\"\")+)\"|([^[:space:],\"]+)', 'g') WITH ORDINALITY AS s(m, at) JOIN pg_catalog.pg_namespace n ON n.nspname \
     OPERATOR(pg_catalog.=) CASE WHEN COALESCE(s.m[1], s.m[2]) OPERATOR(pg_catalog.=) '$user' THEN CURRENT_USER::pg_catalog.text \
     ELSE COALESCE(pg_catalog.replace(s.m[1], '\"\"', '\"'), pg_catalog.lower(s.m[2])) END::pg_catalog.name \
     GROUP BY n.nspname ORDER BY pg_catalog.min(s.at)))::pg_catalog.text, \
    (pg_catalog.current_setting('is_superuser') OPERATOR(pg_catalog.=) 'on' AND \
     (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity \
      WHERE backend_type OPERATOR(pg_catalog.=) 'client backend') OPERATOR(pg_catalog.>) \
     (pg_catalog.current_setting('max_connections')::pg_catalog.int8 \
     OPERATOR(pg_catalog.-) pg_catalog.current_setting('superuser_reserved_connections')::pg_catalog.int8 \
     OPERATOR(pg_catalog.-) COALESCE(pg_catalog.current_setting('reserved_connections', true), '0')::pg_catalog.int8))::pg_catalog.text, \
    (SELECT s.source FROM pg_catalog.pg_show_all_settings() s WHERE s.name OPERATOR(pg_catalog.=) 'DateStyle')";

/// The cluster, and its timeline: where it writes, in the name of the log's file (in hexadecimal), and on a standby that of the last
/// checkpoint or of what it has replayed since.
pub(super) const IDENTITY: &str = "SELECT s.system_identifier::pg_catalog.text, \
    CASE WHEN NOT pg_catalog.pg_is_in_recovery() THEN \
     pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8) END, \
    (SELECT GREATEST(c.timeline_id, r.min_recovery_end_timeline) \
     FROM pg_catalog.pg_control_checkpoint() c, pg_catalog.pg_control_recovery() r)::pg_catalog.text \
    FROM pg_catalog.pg_control_system() s";

pub(super) fn identity_of(row: &[Option<String>]) -> Option<ServerIdentity> {
    let field = |at: usize| row.get(at).and_then(Option::as_deref);
    let written = field(1).map(|name| u32::from_str_radix(name, 16).ok());
    let timeline = written.unwrap_or_else(|| field(2)?.parse().ok())?;
    Some(ServerIdentity { cluster: field(0)?.to_owned(), timeline })
}

/// Runs statements as they are; all rows of all of them, as text.
pub(super) async fn simple(connection: &mut PgConnection, sql: &str) -> Result<Vec<Vec<Option<String>>>, sqlx::Error> {
    let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(connection).await?;
    let text = |row: &sqlx::postgres::PgRow, at: usize| -> Result<Option<String>, sqlx::Error> {
        let value = row.try_get_raw(at)?;
        if value.is_null() {
            return Ok(None);
        }
        value.as_str().map(|text| Some(text.to_owned())).map_err(sqlx::Error::Decode)
    };
    rows.iter().map(|row| (0..row.len()).map(|at| text(row, at)).collect()).collect()
}

/// How a url is connected to, and its address as it may be shown: over a network to a server alone that has proved who it is, unless the
/// url says otherwise.
///
/// # Errors
/// The url cannot be read.
pub fn connect_options(url: &str) -> Result<(PgConnectOptions, String), Error> {
    let address = |reason: &str| Error::Address { reason: reason.to_owned() };
    let read = url::Url::parse(url).map_err(|_| address("the source's url is no url"))?;
    if !matches!(read.scheme(), "postgres" | "postgresql") {
        return Err(address("the source's url has to begin with postgres:// or postgresql://"));
    }
    let mut parsed = PgConnectOptions::from_str(url)
        .map_err(|_| address("the source's url has a part that cannot be read"))?
        .statement_cache_capacity(0)
        .disable_statement_logging();
    // an IPv6 address in a url stands in brackets, in a socket's address it does not
    if let Some(bare) = parsed.get_host().strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        let bare = bare.to_owned();
        parsed = parsed.host(&bare);
    }
    let says_sslmode = read.query_pairs().any(|(name, _)| matches!(&*name, "sslmode" | "ssl-mode"));
    if !says_sslmode {
        // any server may ask for the password, which may come from a file or the environment too
        let mode = if is_local(&parsed) { PgSslMode::Prefer } else { PgSslMode::VerifyFull };
        parsed = parsed.ssl_mode(mode);
    }
    let address = shown(&parsed);
    Ok((parsed, address))
}

/// Closes a connection in the way that a server does not log as a fault; at most for a moment.
pub(super) async fn hang_up(connection: PgConnection) {
    // whether the server takes note is its own affair: the socket is closed in any case
    tokio::time::timeout(Duration::from_millis(200), connection.close()).await.ok();
}

/// A socket file or a loopback address: nothing goes over a network.
fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    options.get_socket().is_some()
        || host.starts_with('/')
        || host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The address as it may be shown.
fn shown(options: &PgConnectOptions) -> String {
    let host = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None if options.get_host().contains(':') => format!("[{}]", options.get_host()),
        None => options.get_host().to_owned(),
    };
    let port = if options.get_port() == 5432 { String::new() } else { format!(":{}", options.get_port()) };
    let database = options.get_database().unwrap_or(options.get_username());
    format!("postgres://{host}{port}/{database}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> Server {
        Server::new(&ConnectOptions::new(url)).unwrap()
    }

    #[test]
    fn addresses_are_shown_without_secrets() {
        for (url, expected) in [
            ("postgres://me:secret@db.example/shop", "postgres://db.example/shop"),
            ("postgres://me:secret@127.0.0.1:5433/shop?sslmode=disable", "postgres://127.0.0.1:5433/shop"),
            ("postgres://me:secret@[::1]:5433/shop", "postgres://[::1]:5433/shop"),
            ("postgresql:///shop?host=/run/postgresql&user=me", "postgres:///run/postgresql/shop"),
        ] {
            assert_eq!(server(url).address, expected);
        }
    }

    #[test]
    fn a_server_is_known_by_its_cluster_and_its_timeline() {
        let row = |fields: [Option<&str>; 3]| fields.map(|field| field.map(str::to_owned));
        let timeline = |fields| identity_of(&row(fields)).map(|identity| identity.timeline);
        assert_eq!(timeline([Some("7"), Some("0000000A"), Some("9")]), Some(10), "a primary's own, in hexadecimal");
        assert_eq!(timeline([Some("7"), None, Some("12")]), Some(12), "a standby's");
        assert_eq!(timeline([None, None, Some("12")]), None);
        assert_eq!(timeline([Some("7"), Some("nonsense"), Some("12")]), None);
    }

    #[test]
    fn a_password_goes_over_the_network_to_a_verified_server_only() {
        let mode = |url: &str| format!("{:?}", server(url).options.get_ssl_mode());
        assert_eq!(mode("postgres://me:secret@db.example/shop"), "VerifyFull");
        assert_eq!(mode("postgres://me@db.example/shop?password=secret"), "VerifyFull");
        assert_eq!(mode("postgres://me@db.example/shop"), "VerifyFull");
        assert_eq!(mode("postgres://me:secret@db.example/shop?sslmode=disable"), "Disable");
        assert_eq!(mode("postgres://me:secret@127.1.2.3/shop"), "Prefer");
        assert_eq!(mode("postgres://me:secret@[::1]/shop"), "Prefer");
        assert_eq!(mode("postgres://me:secret@localhost/shop"), "Prefer");
        assert_eq!(mode("postgresql:///shop?host=/run/postgresql&password=secret"), "Prefer");
    }

    #[test]
    fn a_bad_url_is_refused_without_showing_it() {
        for url in ["", "shop", "mysql://me:secret@h/d", "postgres://me:secret@h/d?sslmode=secret"] {
            let error = Server::new(&ConnectOptions::new(url)).err().unwrap();
            assert!(matches!(error, Error::Address { .. }));
            assert!(!format!("{error} {error:?}").contains("secret"));
        }
        assert!(!format!("{:?}", ConnectOptions::new("postgres://me:secret@h/d")).contains("secret"));
    }
}
