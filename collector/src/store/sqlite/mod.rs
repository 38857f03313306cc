//! The embedded store: one SQLite file.
//!
//! Everything is written by one thread, over one connection with `synchronous = FULL`. What waits together is committed together, each
//! piece in a savepoint of its own, so that a sync is shared by all who ask for one at the same time. Readers have connections of their
//! own, which the log of writes (WAL) lets read beside the writer.

mod read;
mod schema;
mod write;

use super::{Accepted, AgentRow, Audited, Hour, Life, PrincipalRow, RuleNow, Store, StoreError, Stored, Wanted};
use crate::{Keep, Principal, TokenHash};
use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, Utc};
use fieldmark_model::observation::Observation;
use fieldmark_model::{RuleId, SourceName, TableName};
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How long another process that writes is waited for.
const BUSY: Duration = Duration::from_secs(5);
/// Pieces that are committed together at most.
const TOGETHER: usize = 64;
/// Pieces that wait at most.
const WAITING: usize = 1_024;

/// What is told to who asked, when it is known whether it was committed.
type Told = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
/// A piece of work of the writer.
type Piece = Box<dyn FnOnce(&Connection) -> Result<Told, Told> + Send>;

/// A store in a SQLite file.
pub struct SqliteStore {
    path: PathBuf,
    writer: mpsc::Sender<Piece>,
    readers: Arc<Mutex<Vec<Connection>>>,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        // the code alone: messages of constraints may name values
        let what = match error.sqlite_error_code() {
            Some(code) => format!("SQLite: {code:?}"),
            None => "SQLite: a value is not what was stored".to_owned(),
        };
        Self::Failed { what }
    }
}

fn failed(what: &str) -> StoreError {
    StoreError::Failed { what: what.to_owned() }
}

/// A time as it is stored: of one length, so that texts are ordered as times are.
fn stored(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

impl SqliteStore {
    /// Opens a file, or makes it (mode 0600).
    ///
    /// # Errors
    /// [`StoreError::Newer`], or SQLite's.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = Connection::open(path)?;
        own(path)?;
        connection.busy_timeout(BUSY)?;
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON")?;
        schema::bring_up(&connection)?;
        let (writer, pieces) = mpsc::channel(WAITING);
        std::thread::Builder::new()
            .name("fieldmark-store".to_owned())
            .spawn(move || write_all(&connection, pieces))
            .map_err(|_| failed("there is no thread for it"))?;
        Ok(Self { path: path.to_owned(), writer, readers: Arc::default() })
    }

    /// Has the writer do something, durably.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (tell, told) = oneshot::channel();
        let piece: Piece = Box::new(move |connection| match work(connection) {
            Ok(value) => Ok(Box::new(move |committed| drop(tell.send(committed.map(|()| value))))),
            Err(error) => Err(Box::new(move |_| drop(tell.send(Err(error))))),
        });
        self.writer.send(piece).await.map_err(|_| failed("its writer has ended"))?;
        told.await.map_err(|_| failed("no transaction could be begun"))?
    }

    /// Reads over a connection of its own.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (path, readers) = (self.path.clone(), Arc::clone(&self.readers));
        let done = tokio::task::spawn_blocking(move || {
            let idle = readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = match idle {
                Some(connection) => connection,
                None => {
                    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                    let connection = Connection::open_with_flags(path, flags)?;
                    connection.busy_timeout(BUSY)?;
                    connection
                }
            };
            let read = work(&connection);
            readers.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            read
        });
        done.await.map_err(|_| failed("reading broke off"))?
    }
}

/// Takes the right to read from all but the owner.
fn own(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(|error| StoreError::Failed { what: format!("its file: {error}") })
}

/// The writer's thread, until nobody can ask it any more.
fn write_all(connection: &Connection, mut pieces: mpsc::Receiver<Piece>) {
    while let Some(first) = pieces.blocking_recv() {
        let mut together = vec![first];
        while together.len() < TOGETHER
            && let Ok(next) = pieces.try_recv()
        {
            together.push(next);
        }
        if connection.execute_batch("BEGIN IMMEDIATE").is_err() {
            // those who wait are told so when their pieces are dropped
            continue;
        }
        let mut told: Vec<Told> = Vec::new();
        for piece in together {
            if connection.execute_batch("SAVEPOINT piece").is_err() {
                continue;
            }
            match piece(connection) {
                Ok(tell) => {
                    connection.execute_batch("RELEASE piece").ok();
                    told.push(tell);
                }
                Err(tell) => {
                    connection.execute_batch("ROLLBACK TO piece; RELEASE piece").ok();
                    tell(Ok(()));
                }
            }
        }
        let committed = connection.execute_batch("COMMIT").map_err(StoreError::from);
        if committed.is_err() {
            connection.execute_batch("ROLLBACK").ok();
        }
        for tell in told {
            tell(if committed.is_ok() { Ok(()) } else { Err(failed("it was not committed")) });
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn ingest(&self, batch: Accepted) -> Result<Stored, StoreError> {
        self.write(move |connection| write::ingest(connection, &batch)).await
    }

    async fn begin_life(&self, life: Life, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(move |connection| write::begin_life(connection, &life, now)).await
    }

    async fn principal(&self, token: TokenHash) -> Result<Option<Principal>, StoreError> {
        self.read(move |connection| read::principal(connection, token)).await
    }

    async fn enrol(
        &self,
        principal: Principal,
        token: TokenHash,
        by: String,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.write(move |connection| write::enrol(connection, &principal, token, &by, now)).await
    }

    async fn revoke(&self, name: String, by: String, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(move |connection| write::revoke(connection, &name, &by, now)).await
    }

    async fn principals(&self) -> Result<Vec<PrincipalRow>, StoreError> {
        self.read(read::principals).await
    }

    async fn audit(&self, audited: Audited) -> Result<(), StoreError> {
        self.write(move |connection| write::audit(connection, &audited)).await
    }

    async fn audits(&self, limit: usize) -> Result<Vec<Audited>, StoreError> {
        self.read(move |connection| read::audits(connection, limit)).await
    }

    async fn agents(&self) -> Result<Vec<AgentRow>, StoreError> {
        self.read(read::agents).await
    }

    async fn observations(&self, wanted: Wanted) -> Result<Vec<Observation>, StoreError> {
        self.read(move |connection| read::observations(connection, &wanted)).await
    }

    async fn rules(&self, source: Option<SourceName>) -> Result<Vec<RuleNow>, StoreError> {
        self.read(move |connection| read::rules(connection, source.as_ref())).await
    }

    async fn hours(
        &self,
        source: SourceName,
        table: TableName,
        rule: RuleId,
        since: DateTime<Utc>,
    ) -> Result<Vec<Hour>, StoreError> {
        self.read(move |connection| read::hours(connection, &source, &table, &rule, since)).await
    }

    async fn retain(&self, now: DateTime<Utc>, keep: Keep) -> Result<u64, StoreError> {
        // in pieces, so that nobody waits long for the writer
        let mut removed = 0;
        loop {
            let piece = self.write(move |connection| write::retain(connection, now, keep)).await?;
            removed += piece;
            if piece == 0 {
                return Ok(removed);
            }
        }
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.write(|_| Ok(())).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::suite::suite;

    fn new() -> (Arc<dyn Store>, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (Arc::new(SqliteStore::open(&folder.path().join("collector.db")).unwrap()), folder)
    }

    suite! { new() }

    #[tokio::test]
    async fn d11_a_store_of_a_newer_version_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("collector.db");
        drop(SqliteStore::open(&path).unwrap());
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(SqliteStore::open(&path), Err(StoreError::Newer { version: 99 })));
        let version: i64 =
            Connection::open(&path).unwrap().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
        assert_eq!(version, 99);
    }

    #[tokio::test]
    async fn a_file_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_, folder) = new();
        let mode = std::fs::metadata(folder.path().join("collector.db")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
