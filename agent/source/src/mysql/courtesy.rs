//! What keeps us out of the application's way: limits of every statement, and the handle that kills one.

use super::connect::{Server, hang_up};
use super::watch::ProcessList;
use crate::Cancel;
use crate::label::Name;
use crate::options::Limits;
use crate::watch::{CANCEL_TIMEOUT, Courtesy, UNWATCHED, UNWATCHED_LOOKUP, Watch};
use async_trait::async_trait;
use fieldmark_model::{Table, TableName};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A statement with its limits, which hold for it alone: its time, no waiting for a lock that a schema change holds, and keys that stay a
/// list and are not made a table.
pub(super) fn limited(sql: &str, time: Duration) -> String {
    format!(
        "SET STATEMENT max_statement_time={:.3},lock_wait_timeout=0,in_predicate_conversion_threshold=0 FOR {sql}",
        time.as_secs_f64().max(0.001)
    )
}

/// What runs now, shared with the cancel handle.
#[derive(Default)]
struct Running {
    /// Of the call that runs, if one does.
    call: Option<CancellationToken>,
    /// The connection that works for it.
    connection: Option<u64>,
    /// The table that it reads, where it is one.
    table: Option<TableName>,
}

/// Ends statements by `KILL QUERY` over a second, short connection.
pub(super) struct Interrupt {
    server: Server,
    running: Mutex<Running>,
    watch: Watch,
}

impl Interrupt {
    pub(super) fn new(server: Server) -> Self {
        let watch = Watch::new(ProcessList::new(server.clone()));
        Self { server, running: Mutex::default(), watch }
    }

    /// That of one more connection, before the same watchdog.
    pub(super) fn beside(&self) -> Self {
        Self { server: self.server.beside(), running: Mutex::default(), watch: self.watch.beside() }
    }

    /// What was done so far for others.
    pub(super) fn courtesy(&self) -> Courtesy {
        self.watch.courtesy()
    }

    /// The server, as this connection calls itself there.
    pub(super) fn server(&self) -> &Server {
        &self.server
    }

    /// A call begins. It can be cancelled until the value is dropped.
    pub(super) fn enter(self: &Arc<Self>) -> Call {
        self.begin(None)
    }

    /// A call that reads a table begins.
    pub(super) fn enter_of(self: &Arc<Self>, table: &Table) -> Call {
        self.begin(Some(table.name.clone()))
    }

    fn begin(self: &Arc<Self>, table: Option<TableName>) -> Call {
        let token = CancellationToken::new();
        *self.lock() = Running { call: Some(token.clone()), connection: None, table };
        Call { interrupt: Arc::clone(self), token }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends whatever a connection runs.
    async fn kill(&self, connection: u64) {
        let sql = self.server.label.labelled(Name::Cancel, &format!("KILL QUERY {connection}"));
        let kill = async {
            let mut connection = self.server.connect().await?;
            // that it has ended meanwhile is what was wanted
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.ok();
            hang_up(connection).await;
            Ok::<(), crate::Error>(())
        };
        // without a second connection the statement ends by its own limit
        tokio::time::timeout(CANCEL_TIMEOUT, kill).await.ok();
    }
}

#[async_trait]
impl Cancel for Interrupt {
    async fn cancel(&self) {
        let connection = {
            let running = self.lock();
            let Some(call) = &running.call else { return };
            call.cancel();
            running.connection
        };
        if let Some(connection) = connection {
            self.kill(connection).await;
        }
    }
}

/// One call of the source, while it lasts.
pub(super) struct Call {
    interrupt: Arc<Interrupt>,
    token: CancellationToken,
}

impl Call {
    /// Says which connection works for the call, until the value is dropped: one that is dropped before its statement has ended has it
    /// killed, since a server does not notice that nobody waits any more.
    pub(super) fn served_by(&self, connection: u64) -> Serving {
        let table = {
            let mut running = self.interrupt.lock();
            running.connection = Some(connection);
            running.table.clone()
        };
        self.interrupt.watch.begin(connection, table);
        Serving { interrupt: Arc::clone(&self.interrupt), connection, ended: false }
    }

    /// How long a statement of a pass may take.
    pub(super) fn pass_limit(&self, limits: Limits) -> Duration {
        self.interrupt.watch.limit(limits.read, UNWATCHED)
    }

    /// How long a look-up may take.
    pub(super) fn lookup_limit(&self, limits: Limits) -> Duration {
        self.interrupt.watch.limit(limits.read, UNWATCHED_LOOKUP)
    }

    /// Whether its statement was ended for somebody who waited.
    pub(super) fn gave_way(&self) -> bool {
        self.interrupt.watch.gave_way()
    }

    /// Ends when nobody watches its statement any more.
    pub(super) async fn unwatched(&self) {
        self.interrupt.watch.silent().await;
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.token.is_cancelled()
    }

    pub(super) async fn cancelled(&self) {
        self.token.cancelled().await;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        *self.interrupt.lock() = Running::default();
    }
}

/// A statement that runs.
pub(super) struct Serving {
    interrupt: Arc<Interrupt>,
    connection: u64,
    ended: bool,
}

impl Serving {
    /// The statement has ended.
    pub(super) fn ended(&mut self) {
        self.ended = true;
        self.interrupt.watch.end();
        self.interrupt.lock().connection = None;
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.interrupt.watch.end();
        if !self.ended
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let (interrupt, connection) = (Arc::clone(&self.interrupt), self.connection);
            runtime.spawn(async move { interrupt.kill(connection).await });
        }
    }
}
