//! Where the database is and how it is connected to.

use super::fault;
use crate::Error;
use crate::label::{Label, Name, SharedLabel};
use crate::options::ConnectOptions;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, MySqlConnection, Row as _};
use std::net::IpAddr;
use std::str::FromStr as _;
use std::time::Duration;
use url::Url;

/// Longest time to make a connection.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The first version that this driver was made for.
const OLDEST: (u32, u32) = (10, 5);

/// A server that can be connected to at any time.
#[derive(Clone)]
pub(super) struct Server {
    options: MySqlConnectOptions,
    /// Without user and password.
    pub(super) address: String,
    pub(super) label: SharedLabel,
}

/// What a fresh connection says of itself.
pub(super) struct Greeting {
    pub(super) version: String,
    /// Why a server of this version is not read.
    refused: Option<String>,
    /// The connection's own number.
    pub(super) connection: u64,
    /// The url's database.
    pub(super) database: Option<String>,
}

impl Server {
    pub(super) fn new(options: &ConnectOptions) -> Result<Self, Error> {
        let address = |reason: &str| Error::Address { reason: reason.to_owned() };
        let url = Url::parse(&options.url).map_err(|_| address("the source's url is no url"))?;
        if !matches!(url.scheme(), "mysql" | "mariadb") {
            return Err(address("the source's url has to begin with mariadb:// or mysql://"));
        }
        let mut parsed = MySqlConnectOptions::from_str(&options.url)
            .map_err(|_| address("the source's url has a part that cannot be read"))?
            .statement_cache_capacity(0)
            // all of these are set by a statement with a name of its own
            .set_names(false)
            .timezone(None)
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .disable_statement_logging();
        let query = |wanted: &[&str]| url.query_pairs().any(|(name, _)| wanted.contains(&&*name));
        if !query(&["ssl-mode", "sslmode"]) {
            // any server may ask for the password
            let local = query(&["socket"]) || url.host_str().is_none_or(is_local);
            parsed = parsed.ssl_mode(if local { MySqlSslMode::Preferred } else { MySqlSslMode::VerifyIdentity });
        }
        let label = SharedLabel::default();
        label.set(Label { agent: options.agent.clone(), rule: None });
        Ok(Self { options: parsed, address: shown(&url), label })
    }

    /// The same one, for a connection that is used beside this one.
    pub(super) fn beside(&self) -> Self {
        Self { label: self.label.apart(), ..self.clone() }
    }

    /// A new connection, not yet asked anything.
    pub(super) async fn connect(&self) -> Result<MySqlConnection, Error> {
        match tokio::time::timeout(CONNECT_TIMEOUT, MySqlConnection::connect_with(&self.options)).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(fault::of_connect(&error, &self.address)),
            Err(_) => Err(self.silent()),
        }
    }

    fn silent(&self) -> Error {
        let reason = format!("no answer within {} s", CONNECT_TIMEOUT.as_secs());
        Error::Unreachable { address: self.address.clone(), reason }
    }

    /// A new connection that is fit to read on, with the settings that hold for all of its statements.
    pub(super) async fn greeted(&self) -> Result<(MySqlConnection, Greeting), Error> {
        let mut connection = self.connect().await?;
        let greeted = tokio::time::timeout(CONNECT_TIMEOUT, self.greet(&mut connection)).await;
        let greeting = greeted.map_err(|_| self.silent())?.map_err(|error| fault::of_connect(&error, &self.address))?;
        if let Some(reason) = greeting.refused {
            hang_up(connection).await;
            return Err(Error::Unreachable { address: self.address.clone(), reason });
        }
        Ok((connection, greeting))
    }

    async fn greet(&self, connection: &mut MySqlConnection) -> Result<Greeting, sqlx::Error> {
        let greeting = self.label.labelled(Name::Greeting, GREETING);
        let row = sqlx::raw_sql(AssertSqlSafe(greeting)).fetch_one(&mut *connection).await?;
        let text = |at: usize| -> Result<Option<String>, sqlx::Error> {
            let bytes = row.try_get_unchecked::<Option<&[u8]>, _>(at)?;
            Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
        };
        let version = text(0)?.unwrap_or_default();
        let refused = refusal(&version);
        if refused.is_none() {
            for settings in SETTINGS {
                let settings = self.label.labelled(Name::Settings, settings);
                sqlx::raw_sql(AssertSqlSafe(settings)).execute(&mut *connection).await?;
            }
        }
        // `10.11.2-MariaDB-log`, and `5.5.5-10.11.2-MariaDB` where one stands between that fears old clients
        let own = version.strip_prefix("5.5.5-").unwrap_or(&version);
        let version = own.split("-MariaDB").next().unwrap_or(own).to_owned();
        let number = text(1)?.and_then(|number| number.parse().ok()).unwrap_or(0);
        Ok(Greeting { version, refused, connection: number, database: text(2)? })
    }
}

const GREETING: &str = "SELECT VERSION(), CONNECTION_ID(), DATABASE()";

/// Settings of the session. The connection is ours alone, and nothing here outlives it: texts and times come in one form, nothing can be
/// written, and a server that waits for us gives up after 5 s, with the locks of what it was about to send.
const SETTINGS: [&str; 2] = [
    "SET NAMES utf8mb4, SESSION time_zone = '+00:00', SESSION net_write_timeout = 5, SESSION idle_transaction_timeout = 1, \
     SESSION sql_select_limit = DEFAULT, SESSION group_concat_max_len = 1048576",
    "SET SESSION TRANSACTION READ ONLY",
];

/// Why a server of this version is not read.
fn refusal(version: &str) -> Option<String> {
    if !version.contains("MariaDB") {
        return Some(format!("MySQL {version} is not read by this version of Fieldmark, MariaDB is"));
    }
    // a server behind a replication protocol of old says `5.5.5-10.11.2-MariaDB`
    let own = version.strip_prefix("5.5.5-").unwrap_or(version);
    let mut numbers = own.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    (found < OLDEST).then(|| format!("MariaDB {}.{} or later is needed", OLDEST.0, OLDEST.1))
}

/// Closes a connection in the way that a server does not log as a fault; at most for a moment.
pub(super) async fn hang_up(connection: MySqlConnection) {
    // whether the server takes note is its own affair: the socket is closed in any case
    tokio::time::timeout(Duration::from_millis(200), connection.close()).await.ok();
}

/// A loopback address: nothing goes over a network.
fn is_local(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.is_empty()
        || bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The address as it may be shown.
fn shown(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or(""), url.path())
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
            ("mariadb://me:secret@db.example/shop", "mariadb://db.example/shop"),
            ("mysql://me:secret@127.0.0.1:3307/shop?ssl-mode=disabled", "mysql://127.0.0.1:3307/shop"),
        ] {
            assert_eq!(server(url).address, expected);
        }
        for url in ["", "shop", "postgres://me:secret@h/d", "mysql://me:secret@h/d?ssl-mode=secret"] {
            let error = Server::new(&ConnectOptions::new(url)).err().unwrap();
            assert!(matches!(error, Error::Address { .. }), "{url}");
            assert!(!format!("{error} {error:?}").contains("secret"));
        }
        assert!(!format!("{:?}", ConnectOptions::new("mysql://me:secret@h/d")).contains("secret"));
    }

    #[test]
    fn a_password_goes_over_the_network_to_a_verified_server_only() {
        let mode = |url: &str| format!("{:?}", server(url).options.get_ssl_mode());
        assert_eq!(mode("mariadb://me:secret@db.example/shop"), "VerifyIdentity");
        assert_eq!(mode("mariadb://me:secret@127.0.0.1/shop"), "Preferred");
        assert_eq!(mode("mariadb://me:secret@[::1]/shop"), "Preferred");
        assert_eq!(mode("mariadb://me:secret@db.example/shop?ssl-mode=DISABLED"), "Disabled");
    }

    #[test]
    fn old_servers_and_others_are_refused() {
        assert_eq!(refusal("10.11.19-MariaDB-0+deb12u1"), None);
        assert_eq!(refusal("5.5.5-10.6.1-MariaDB"), None);
        assert!(refusal("10.4.2-MariaDB").is_some_and(|why| why.contains("10.5 or later")));
        assert!(refusal("8.0.36").is_some_and(|why| why.contains("MySQL 8.0.36 is not read")));
    }
}
