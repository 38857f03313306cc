//! The embedded store: one SQLite file.
//!
//! Everything is written by one thread, over one connection with `synchronous = FULL`. What waits together is committed together, each
//! piece in a savepoint of its own, so that a sync is shared by all who ask for one at the same time. Readers have connections of their
//! own, which the log of writes (WAL) lets read beside the writer.

mod lineage;
mod read;
mod schema;
mod silences;
mod told;
mod write;

use super::{
    Accepted, AgentRow, Audited, Delivery, DeliveryRow, Hour, Life, Notified, PrincipalRow, RuleNow, Settled,
    SilenceRow, Silenced, Store, StoreError, Stored, Unanswered, Wanted, WantedIncidents,
};
use crate::lineage::{Difference, EdgeOf, Job, OriginRow, Place, Unused, Walk, Walked};
use crate::{Keep, Principal, TokenHash};
use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, Utc};
use fieldmark_classify::Patience;
use fieldmark_classify::incident::{Acknowledged, Incident, Silence};
use fieldmark_model::lineage::LineageSeen;
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
    patience: Patience,
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
    /// Opens a file, or makes it (mode 0600). Incidents are grouped by how long things are given to heal.
    ///
    /// # Errors
    /// [`StoreError::Newer`], or SQLite's.
    pub fn open(path: &Path, patience: Patience) -> Result<Self, StoreError> {
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
        Ok(Self { path: path.to_owned(), patience, writer, readers: Arc::default() })
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
        let patience = self.patience;
        self.write(move |connection| write::ingest(connection, &batch, patience)).await
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

    async fn incidents(&self, wanted: WantedIncidents) -> Result<Vec<Incident>, StoreError> {
        self.read(move |connection| told::incidents(connection, &wanted)).await
    }

    async fn incident(&self, id: String) -> Result<Option<Incident>, StoreError> {
        self.read(move |connection| told::incident(connection, &id)).await
    }

    async fn silent(&self, agent: String, silence: Silence, now: DateTime<Utc>) -> Result<(), StoreError> {
        let patience = self.patience;
        self.write(move |connection| told::silent(connection, &agent, &silence, now, patience)).await
    }

    async fn acknowledge(&self, id: String, by: Acknowledged) -> Result<Incident, StoreError> {
        self.write(move |connection| told::acknowledge(connection, &id, by)).await
    }

    async fn silence(&self, silenced: Silenced) -> Result<i64, StoreError> {
        self.write(move |connection| silences::add(connection, &silenced)).await
    }

    async fn silences(&self, until: DateTime<Utc>) -> Result<Vec<SilenceRow>, StoreError> {
        self.read(move |connection| silences::since(connection, until)).await
    }

    async fn unsilence(&self, id: i64, by: String, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(move |connection| silences::end(connection, id, &by, now)).await
    }

    async fn hold(&self, notice: i64, until: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(move |connection| told::hold(connection, notice, until)).await
    }

    async fn unanswered(&self) -> Result<Vec<Unanswered>, StoreError> {
        self.read(told::unanswered).await
    }

    async fn escalate(&self, incident: String, route: String, now: DateTime<Utc>) -> Result<bool, StoreError> {
        self.write(move |connection| told::escalate(connection, &incident, &route, now)).await
    }

    async fn undispatched(&self, now: DateTime<Utc>, limit: usize) -> Result<Vec<Notified>, StoreError> {
        self.read(move |connection| told::undispatched(connection, now, limit)).await
    }

    async fn record_lineage(&self, seen: Vec<LineageSeen>, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(move |connection| seen.iter().try_for_each(|seen| lineage::record(connection, seen, now))).await
    }

    async fn record_job(&self, job: Job, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(move |connection| lineage::record_job(connection, &job, now)).await
    }

    async fn places(&self) -> Result<Vec<Place>, StoreError> {
        self.read(lineage::places).await
    }

    async fn walk(&self, walk: Walk) -> Result<Walked, StoreError> {
        self.read(move |connection| lineage::walk(connection, &walk)).await
    }

    async fn lineage_tables(&self, source: SourceName) -> Result<Vec<String>, StoreError> {
        self.read(move |connection| lineage::tables(connection, &source)).await
    }

    async fn lineage_known(&self, source: SourceName, at: DateTime<Utc>) -> Result<bool, StoreError> {
        self.read(move |connection| lineage::is_known(connection, &source, at)).await
    }

    async fn edges(&self, source: Option<SourceName>, as_of: Option<DateTime<Utc>>) -> Result<Vec<EdgeOf>, StoreError> {
        self.read(move |connection| lineage::edges(connection, source.as_ref(), as_of)).await
    }

    async fn lineage_difference(
        &self,
        source: SourceName,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Difference, StoreError> {
        self.read(move |connection| lineage::difference(connection, &source, from, to)).await
    }

    async fn origins(&self, source: Option<SourceName>) -> Result<Vec<OriginRow>, StoreError> {
        self.read(move |connection| lineage::origins(connection, source.as_ref())).await
    }

    async fn unused(&self, source: Option<SourceName>) -> Result<Vec<Unused>, StoreError> {
        self.read(move |connection| lineage::unused(connection, source.as_ref())).await
    }

    async fn columns(
        &self,
        source: SourceName,
        table: String,
        as_of: Option<DateTime<Utc>>,
    ) -> Result<Vec<(String, String)>, StoreError> {
        self.read(move |connection| lineage::columns(connection, &source, &table, as_of)).await
    }

    async fn untold(&self) -> Result<(), StoreError> {
        self.write(told::untold).await
    }

    async fn dispatch(
        &self,
        notice: i64,
        routes: Vec<String>,
        incident: Option<Incident>,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.write(move |connection| told::dispatch(connection, notice, &routes, incident.as_ref(), now)).await
    }

    async fn tries(&self, delivery: i64) -> Result<(), StoreError> {
        self.write(move |connection| told::tries(connection, delivery)).await
    }

    async fn departs(&self, agent: String, now: DateTime<Utc>) -> Result<(), StoreError> {
        let patience = self.patience;
        self.write(move |connection| told::departs(connection, &agent, now, patience)).await
    }

    async fn told_over(&self, incident: String) -> Result<Vec<String>, StoreError> {
        self.read(move |connection| told::told_over(connection, &incident)).await
    }

    async fn told_open(&self) -> Result<Vec<(Incident, Vec<String>)>, StoreError> {
        self.read(told::told_open).await
    }

    async fn waiting(&self) -> Result<(u64, Option<DateTime<Utc>>), StoreError> {
        self.read(told::waiting).await
    }

    async fn reroute(&self, notice: i64, route: String, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(move |connection| told::reroute(connection, notice, &route, now)).await
    }

    async fn due(&self, now: DateTime<Utc>, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        self.read(move |connection| told::due(connection, now, limit)).await
    }

    async fn settle(&self, delivery: i64, settled: Settled, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(move |connection| told::settle(connection, delivery, &settled, now)).await
    }

    async fn deliveries(&self, limit: usize) -> Result<Vec<DeliveryRow>, StoreError> {
        self.read(move |connection| told::deliveries(connection, limit)).await
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

    async fn size(&self) -> Result<Option<u64>, StoreError> {
        let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        Ok(Some(bytes(&self.path) + bytes(Path::new(&log))))
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.write(|_| Ok(())).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::suite::{patience, suite};

    fn new() -> (Arc<dyn Store>, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (Arc::new(SqliteStore::open(&folder.path().join("collector.db"), patience()).unwrap()), folder)
    }

    suite! { new() }

    #[tokio::test]
    async fn d11_a_store_of_a_newer_version_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("collector.db");
        drop(SqliteStore::open(&path, patience()).unwrap());
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(SqliteStore::open(&path, patience()), Err(StoreError::Newer { version: 99 })));
        let version: i64 =
            Connection::open(&path).unwrap().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
        assert_eq!(version, 99);
    }

    #[tokio::test]
    async fn a_file_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let (store, folder) = new();
        assert!(store.size().await.unwrap() > Some(4_096));
        let mode = std::fs::metadata(folder.path().join("collector.db")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
