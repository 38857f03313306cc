//! The address of a database, from its URL.

use super::secret::Secret;
use fieldmark_document::nearest;
use fieldmark_source::files::Pattern;
use std::path::{Path, PathBuf};
use url::Url;

/// Parts of a server's URL's query that may be shown.
const SHOWN: [&str; 18] = [
    "host",
    "hostaddr",
    "port",
    "user",
    "dbname",
    "sslmode",
    "sslrootcert",
    "ssl-root-cert",
    "application_name",
    "connect_timeout",
    "statement-cache-capacity",
    "target_session_attrs",
    "ssl-mode",
    "ssl-ca",
    "socket",
    "charset",
    "collation",
    "timezone",
];

/// Where a source's database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A PostgreSQL server.
    Postgres(ServerAddress),
    /// A MariaDB server.
    MySql(ServerAddress),
    /// An SQLite file, as an absolute path.
    Sqlite(PathBuf),
    /// Tables by their names, each the Parquet or CSV files that a pattern fits.
    Files(Vec<(String, Pattern)>),
}

/// A server's URL, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// The URL as given.
    pub url: Secret,
    /// The URL without password and without whatever else might be secret.
    pub shown: String,
}

impl ServerAddress {
    /// The database that it names.
    pub fn database(&self) -> Option<String> {
        let url = Url::parse(self.url.expose()).ok()?;
        Some(decoded(url.path().trim_start_matches('/'))).filter(|name| !name.is_empty())
    }
}

impl ServerAddress {
    /// Whether both are on one server, as far as their words say it.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        let place = |address: &Self| {
            let url = Url::parse(address.url.expose()).ok()?;
            let said = |name: &str| url.query_pairs().find(|(own, _)| own == name).map(|(_, value)| value.into_owned());
            let host = said("host").or_else(|| url.host_str().map(str::to_lowercase));
            let port = said("port").and_then(|port| port.parse().ok()).or_else(|| url.port());
            Some((host.unwrap_or_else(|| "localhost".to_owned()), port.unwrap_or(5432)))
        };
        place(self).is_some_and(|own| place(other) == Some(own))
    }
}

impl Address {
    /// The address as it may be shown.
    pub fn shown(&self) -> String {
        match self {
            Self::Postgres(address) | Self::MySql(address) => address.shown.clone(),
            Self::Sqlite(path) => format!("sqlite:{}", path.display()),
            Self::Files(tables) => {
                let shown: Vec<String> = tables.iter().map(|(_, pattern)| pattern.to_string()).collect();
                shown.join(", ")
            }
        }
    }

    /// What of it must never be shown.
    pub(super) fn secrets(&self) -> Vec<Secret> {
        match self {
            Self::Postgres(address) | Self::MySql(address) => secret_parts(address.url.expose()),
            Self::Sqlite(_) | Self::Files(_) => Vec::new(),
        }
    }
}

/// Why a URL was not taken. Says nothing of the URL itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) what: String,
    pub(super) allowed: Option<&'static str>,
    pub(super) nearest: Option<String>,
    pub(super) help: Option<&'static str>,
}

const ALLOWED: &str = "`postgres://user@host/database`, `mariadb://…`, `sqlite:path`";

impl Refused {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), allowed: None, nearest: None, help: None }
    }
    fn help(mut self, help: &'static str) -> Self {
        self.help = Some(help);
        self
    }
}

/// Reads a URL. A relative path is taken from `folder`, which has to be absolute.
pub(super) fn read(url: &str, folder: &Path) -> Result<Address, Refused> {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    match scheme {
        "postgres" | "postgresql" => server(url, "PostgreSQL").map(Address::Postgres),
        "mysql" | "mariadb" => server(url, "MariaDB").map(Address::MySql),
        "sqlite" => sqlite(url, folder),
        _ if folder.join(url).is_file() => {
            let mut refused = Refused::new("the address has to begin with the kind of database");
            refused.allowed = Some(ALLOWED);
            refused.nearest = Some(format!("sqlite:{url}"));
            Err(refused)
        }
        _ => {
            let mut refused = Refused::new("the address has to begin with the kind of database");
            refused.allowed = Some(ALLOWED);
            refused.nearest = nearest(scheme, ["postgres", "postgresql", "mysql", "mariadb", "sqlite"])
                .map(|near| format!("{near}:"));
            Err(refused)
        }
    }
}

/// The URL of a server of this kind.
fn server(given: &str, kind: &str) -> Result<ServerAddress, Refused> {
    const ENCODE: &str =
        "in user and password, write `@`, `:`, `/`, `?`, `#` and `%` as %40, %3A, %2F, %3F, %23 and %25";
    let Some((_, rest)) = given.split_once("://") else {
        let mut refused = Refused::new(format!("the address is not a {kind} URL"));
        refused.allowed = Some(ALLOWED);
        return Err(refused);
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
    if after.contains(['@', '#']) || authority.matches('@').count() > 1 {
        return Err(Refused::new("user, password and host cannot be told apart in the address").help(ENCODE));
    }
    if given.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Refused::new("the address has a space or a line break in it").help(ENCODE));
    }
    let url = Url::parse(given).map_err(|error| {
        // the error's words name a part of the URL's grammar, never its text
        Refused::new(format!("the address is not a {kind} URL ({error})")).help(ENCODE)
    })?;
    Ok(ServerAddress { shown: shown(&url), url: Secret::new(given) })
}

fn shown(url: &Url) -> String {
    let scheme = if url.scheme() == "postgresql" { "postgres" } else { url.scheme() };
    let mut shown = format!("{scheme}://");
    shown.push_str(url.username());
    if url.password().is_some() {
        shown.push_str(":***");
    }
    if !url.username().is_empty() || url.password().is_some() {
        shown.push('@');
    }
    shown.push_str(url.host_str().unwrap_or(""));
    if let Some(port) = url.port() {
        shown.push_str(&format!(":{port}"));
    }
    shown.push_str(url.path());
    let query: Vec<String> = url
        .query_pairs()
        .map(|(key, value)| if SHOWN.contains(&key.as_ref()) { format!("{key}={value}") } else { "***".to_owned() })
        .collect();
    if !query.is_empty() {
        shown.push('?');
        shown.push_str(&query.join("&"));
    }
    shown
}

/// Password and unshown query values, as written and decoded.
fn secret_parts(given: &str) -> Vec<Secret> {
    let mut parts = Vec::new();
    let Ok(url) = Url::parse(given) else { return parts };
    if let Some((authority, _)) = given.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@'))
        && let Some((_, password)) = authority.split_once(':')
    {
        parts.push(Secret::new(password));
        parts.push(Secret::new(decoded(password)));
    }
    for (key, value) in url.query_pairs().filter(|(key, _)| !SHOWN.contains(&key.as_ref())) {
        parts.push(Secret::new(value));
        if let Some((_, written)) = given.split_once(&format!("{key}=")) {
            parts.push(Secret::new(written.split('&').next().unwrap_or_default()));
        }
    }
    parts
}

fn sqlite(given: &str, folder: &Path) -> Result<Address, Refused> {
    let rest = given.strip_prefix("sqlite:").unwrap_or(given);
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    if path.is_empty() || path == ":memory:" {
        return Err(Refused::new("the address names no file").help("a database in memory cannot be read from outside"));
    }
    if path.starts_with('~') {
        return Err(Refused::new("the path begins with `~`, which only a shell replaces").help("write the whole path"));
    }
    if !query.split('&').all(|part| matches!(part, "" | "mode=ro" | "mode=rw" | "mode=rwc")) {
        let refused = Refused::new("the address has settings behind `?` that have no meaning here");
        return Err(refused.help("Fieldmark opens the file read only in any case; leave them out"));
    }
    Ok(Address::Sqlite(folder.join(decoded(path))))
}

/// Percent-encoding undone; the text itself where that gives no text.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.filter(|_| *first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_secrets() {
        let folder = Path::new("/etc/fieldmark");
        for (url, expected) in [
            ("postgres://db/shop", "postgres://db/shop"),
            ("postgresql://fm:hunter2@db:5433/shop?sslmode=require", "postgres://fm:***@db:5433/shop?sslmode=require"),
            ("postgres://fm@db/shop?password=hunter2&options=hunter2", "postgres://fm@db/shop?***&***"),
            ("mariadb://fm:hunter2@db/shop?ssl-mode=required", "mariadb://fm:***@db/shop?ssl-mode=required"),
            ("mysql://fm@db/shop?ssl-key=hunter2", "mysql://fm@db/shop?***"),
            ("postgres:///shop?host=/run/postgresql", "postgres:///shop?host=/run/postgresql"),
            ("postgres://fm:hunter%40two@[::1]/shop", "postgres://fm:***@[::1]/shop"),
            ("sqlite:shop.db", "sqlite:/etc/fieldmark/shop.db"),
            ("sqlite://data/a%20b.db?mode=rwc", "sqlite:/etc/fieldmark/data/a b.db"),
            ("sqlite:///var/shop.db", "sqlite:/var/shop.db"),
        ] {
            let address = read(url, folder).unwrap();
            assert_eq!(address.shown(), expected, "{url}");
            assert!(!format!("{address:?}").contains("hunter"), "{url}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_repeated() {
        for (url, expected) in [
            ("hunter2.db", "the address has to begin with the kind of database"),
            ("postgrse://hunter2", "the address has to begin with the kind of database"),
            ("postgres:hunter2", "the address is not a PostgreSQL URL"),
            ("postgres://u:hunter/2@h/db", "user, password and host cannot be told apart in the address"),
            ("postgres://u:12?hunter2@h/db", "user, password and host cannot be told apart in the address"),
            ("postgres://u:hunter#2@h/db", "user, password and host cannot be told apart in the address"),
            ("postgres://u:hunter@2@h/db", "user, password and host cannot be told apart in the address"),
            ("postgres://u:hunter 2@h/db", "the address has a space or a line break in it"),
            ("postgres://u:p@h:hunter2/db", "the address is not a PostgreSQL URL (invalid port number)"),
            ("mariadb:hunter2", "the address is not a MariaDB URL"),
            ("sqlite::memory:", "the address names no file"),
            ("sqlite:~/hunter2.db", "the path begins with `~`, which only a shell replaces"),
            ("sqlite:a.db?key=hunter2", "the address has settings behind `?` that have no meaning here"),
        ] {
            let refused = read(url, Path::new("/")).unwrap_err();
            assert_eq!(refused.what, expected, "{url}");
            assert!(!format!("{refused:?}").contains("hunter"), "{url}");
        }
    }

    #[test]
    fn passwords_are_known_as_written_and_decoded() {
        let address = read("postgres://u:a%40bc@h/db?password=x%20yz", Path::new("/")).unwrap();
        let secrets: Vec<String> = address.secrets().iter().map(|secret| secret.expose().to_owned()).collect();
        assert_eq!(secrets, ["a%40bc", "a@bc", "x yz", "x%20yz"]);
    }
}
