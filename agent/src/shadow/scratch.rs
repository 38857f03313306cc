//! A scratch database on somebody's server.

use super::{ShadowError, plain, simple};
use fieldmark_source::postgres::connect_options;
use rand::RngExt as _;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection, Row as _};
use std::time::Duration;

/// What its databases are called, with when they were made behind it.
const PREFIX: &str = "fieldmark_shadow_";
/// One that is so old is nobody's: whoever made it was killed.
const STALE: i64 = 24 * 3600;
const CONNECT: Duration = Duration::from_secs(5);

pub(super) struct Scratch {
    server: PgConnectOptions,
    name: String,
    address: String,
    pub(super) major: u32,
}

impl Scratch {
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) async fn make(url: &str, cluster: Option<&str>) -> Result<(Self, PgConnection), ShadowError> {
        let wrong = |error: fieldmark_source::Error| ShadowError::Server {
            address: "shadow_url".to_owned(),
            why: error.to_string(),
        };
        let (server, address) = connect_options(url).map_err(wrong)?;
        let failed = |error: sqlx::Error| ShadowError::Server { address: address.clone(), why: plain(&error) };
        let mut connection = connect(&server, &address).await?;
        let own = "SELECT system_identifier::text FROM pg_control_system()".to_owned();
        // some who run servers for others keep it to themselves
        let own = simple(&mut connection, own).await.ok();
        let own: Option<String> = own.and_then(|rows| rows.first()?.try_get_unchecked(0).ok());
        if own.is_some() && own.as_deref() == cluster {
            return Err(ShadowError::IsSource { address });
        }
        if own.is_none() || cluster.is_none() {
            let why = "nobody says whether it is the source's own server: GRANT EXECUTE ON FUNCTION pg_control_system() TO \
                       the roles of `shadow_url` and of the source";
            return Err(ShadowError::Server { address, why: why.to_owned() });
        }
        let version = "SELECT current_setting('server_version_num')".to_owned();
        let version = simple(&mut connection, version).await.map_err(&failed)?;
        let version = version.first().and_then(|row| row.try_get_unchecked::<String, _>(0).ok()?.parse::<u32>().ok());
        let major = version.unwrap_or_default() / 10_000;
        if major < 14 {
            return Err(ShadowError::Server { address, why: "PostgreSQL 14 or later is needed".to_owned() });
        }
        sweep(&mut connection).await.map_err(&failed)?;
        let name = format!("{PREFIX}{}_{:08x}", chrono::Utc::now().timestamp(), rand::rng().random::<u32>());
        let made = simple(&mut connection, format!("CREATE DATABASE {name} TEMPLATE template0")).await;
        if let Err(sqlx::Error::Database(error)) = &made
            && error.code().as_deref() == Some("42501")
        {
            let why = "the role may not make databases: ALTER ROLE … CREATEDB".to_owned();
            return Err(ShadowError::Server { address, why });
        }
        made.map_err(&failed)?;
        connection.close().await.ok();
        let scratch = Self { name: name.clone(), address: address.clone(), server: server.clone(), major };
        match connect(&server.database(&name), &address).await {
            Ok(connection) => Ok((scratch, connection)),
            Err(error) => {
                scratch.remove().await;
                Err(error)
            }
        }
    }

    pub(super) async fn end(self, connection: PgConnection) {
        connection.close().await.ok();
        self.remove().await;
    }

    /// Removes it; one that stays is removed by whoever comes next, a day later.
    async fn remove(self) {
        if let Ok(mut connection) = connect(&self.server, &self.address).await {
            simple(&mut connection, format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name)).await.ok();
            connection.close().await.ok();
        }
    }
}

async fn connect(options: &PgConnectOptions, address: &str) -> Result<PgConnection, ShadowError> {
    let failed = |why: String| ShadowError::Server { address: address.to_owned(), why };
    let connecting = tokio::time::timeout(CONNECT, PgConnection::connect_with(options)).await;
    let connected = connecting.map_err(|_| failed(format!("no answer within {} s", CONNECT.as_secs())))?;
    connected.map_err(|error| failed(plain(&error)))
}

/// Removes what others have left behind who were killed.
async fn sweep(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let like = PREFIX.replace('_', "\\_");
    let asked = format!("SELECT datname::text FROM pg_database WHERE datname LIKE '{like}%'");
    for row in simple(connection, asked).await? {
        let Ok(name) = row.try_get_unchecked::<String, _>(0) else { continue };
        if is_stale(&name, chrono::Utc::now().timestamp()) {
            // whoever has it open, or is somebody else, keeps it
            simple(connection, format!("DROP DATABASE IF EXISTS {name}")).await.ok();
        }
    }
    Ok(())
}

/// Whether a database is one of ours, by its whole name, and nobody can be at it any more.
fn is_stale(name: &str, now: i64) -> bool {
    let parts = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('_'));
    let Some((made, random)) = parts else { return false };
    let of_ours = random.len() == 8 && random.chars().all(|c| c.is_ascii_hexdigit());
    of_ours && made.parse::<i64>().is_ok_and(|made| made + STALE < now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_swept_is_ours_and_old() {
        let now = 1_800_000_000;
        assert!(is_stale("fieldmark_shadow_1700000000_0123abcd", now));
        assert!(!is_stale("fieldmark_shadow_1799990000_0123abcd", now));
        for other in ["shop", "fieldmark_shadow_", "fieldmark_shadow_old", "fieldmark_shadow_1700000000_x\"; DROP"] {
            assert!(!is_stale(other, now), "{other}");
        }
    }
}
