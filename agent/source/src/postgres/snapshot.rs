//! One snapshot for all chunks of a pass.
//!
//! A second connection holds a transaction that has read nothing but its own snapshot, and exports that; each chunk is a transaction of its
//! own that takes it. What is held between chunks is the snapshot alone: no lock on any table. Vacuum keeps what it shows, and
//! `CREATE INDEX CONCURRENTLY` and its kind wait for it, on whatever table: so the watchdog looks after it all the time, and
//! ends it for whoever waits. It is asked something every second; a server that is not asked ends it in five, should we freeze.

use super::connect::{Server, hang_up, simple};
use super::courtesy::Interrupt;
use super::fault;
use crate::Error;
use crate::label::Name;
use crate::watch::Watch;
use sqlx::PgConnection;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Time between two questions.
const ALIVE: Duration = Duration::from_secs(1);
/// How long making it may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A snapshot, as long as this value lives.
pub(super) struct Snapshot {
    id: String,
    seat: Arc<Watch>,
    lost: Arc<AtomicBool>,
    _stop: DropGuard,
}

impl Snapshot {
    pub(super) async fn take(interrupt: &Interrupt) -> Result<Self, Error> {
        let server = interrupt.server().clone();
        let mut connection = server.connect().await?;
        let made = tokio::time::timeout(PATIENCE, export(&server, &mut connection)).await;
        let (id, backend) = match made {
            Ok(Ok(made)) => made,
            Ok(Err(error)) => {
                hang_up(connection).await;
                return Err(error);
            }
            Err(_) => return Err(Error::ConnectionLost { code: "no answer".to_owned() }),
        };
        let (seat, lost, stop) = (Arc::new(interrupt.seat()), Arc::<AtomicBool>::default(), CancellationToken::new());
        seat.hold(backend);
        let (stopped, told) = (stop.clone(), Arc::clone(&lost));
        tokio::spawn(async move {
            keep(&server, connection, &stopped).await;
            told.store(true, Ordering::Relaxed);
        });
        Ok(Self { id, seat, lost, _stop: stop.drop_guard() })
    }

    /// Its name, by which another transaction takes it.
    pub(super) fn id(&self) -> Result<&str, Error> {
        // where nobody sees whether somebody waits for it, it is not held
        if self.lost.load(Ordering::Relaxed) || self.seat.gave_way() || self.seat.is_blind() {
            return Err(self.ended());
        }
        Ok(&self.id)
    }

    /// How it ended.
    pub(super) fn ended(&self) -> Error {
        Error::SnapshotEnded { gave_way: self.seat.gave_way() }
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.seat.end();
    }
}

async fn export(server: &Server, connection: &mut PgConnection) -> Result<(String, u64), Error> {
    let statements = [
        (Name::Begin, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
        (Name::Limit, "SET LOCAL idle_in_transaction_session_timeout = '5s'"),
        (Name::Export, "SELECT pg_catalog.pg_export_snapshot(), pg_catalog.pg_backend_pid()::pg_catalog.text"),
    ];
    let labelled: Vec<String> = statements.iter().map(|(name, sql)| server.label.labelled(*name, sql)).collect();
    let rows = simple(connection, &labelled.join("; ")).await.map_err(|error| fault::of_statement(&error, false))?;
    let mut fields = rows.into_iter().flatten().flatten();
    let (id, backend) = (fields.next(), fields.next().and_then(|pid| pid.parse().ok()));
    id.zip(backend).ok_or_else(|| Error::Internal { what: "a snapshot without a name".to_owned() })
}

async fn keep(server: &Server, mut connection: PgConnection, stop: &CancellationToken) {
    let question = server.label.labelled(Name::KeepAlive, "SELECT 1");
    loop {
        match tokio::time::timeout(ALIVE, simple(&mut connection, &question)).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => break,
            // a connection whose question was dropped is not asked again
            Err(_) => return,
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(ALIVE) => {}
        }
    }
    hang_up(connection).await;
}
