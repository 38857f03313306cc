//! What keeps us out of the application's way: settings of every transaction, and the handle that cancels a statement.

use super::connect::{Server, hang_up, simple};
use super::literal::quote_literal;
use super::watch::Locks;
use crate::Cancel;
use crate::label::Name;
use crate::options::Limits;
use crate::watch::{CANCEL_TIMEOUT, Courtesy, UNWATCHED, UNWATCHED_LOOKUP, Watch};
use async_trait::async_trait;
use sqlx::PgConnection;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What a transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Rows by position, or whatever the planner thinks best.
    Rows,
    /// Rows by values of indexed columns: the index is used even where the planner would rather read the whole table, since
    /// that would cost more on a larger table and the same here.
    Indexed,
    /// The catalogue.
    Catalogue,
    /// A query of a rule's own: nothing is known of it.
    Query,
}

/// Settings of every transaction, all local to it. From `standard_conforming_strings` on they fix how text is read and written.
const SETTINGS: [(&str, &str); 22] = [
    ("idle_in_transaction_session_timeout", "1s"),
    ("client_connection_check_interval", "500ms"),
    ("max_parallel_workers_per_gather", "0"),
    ("jit", "off"),
    ("work_mem", "4MB"),
    // a hidden row is an error and not a silent half table
    ("row_security", "off"),
    // a chunk ends at its last row: rows have to come in physical order, and only those of the range be read
    ("synchronize_seqscans", "off"),
    ("enable_tidscan", "on"),
    ("enable_indexscan", "on"),
    ("enable_nestloop", "on"),
    ("transform_null_equals", "off"),
    ("standard_conforming_strings", "on"),
    ("DateStyle", "ISO, MDY"),
    ("IntervalStyle", "iso_8601"),
    ("TimeZone", "UTC"),
    ("extra_float_digits", "3"),
    ("bytea_output", "hex"),
    ("xmloption", "content"),
    ("xmlbinary", "base64"),
    ("lc_monetary", "C"),
    ("quote_all_identifiers", "off"),
    ("array_nulls", "on"),
];

impl Purpose {
    fn lock_timeout(self) -> &'static str {
        match self {
            Self::Rows | Self::Indexed | Self::Query => "20ms",
            Self::Catalogue => "50ms",
        }
    }

    pub(super) fn statement_timeout(self, limits: Limits) -> Duration {
        match self {
            Self::Rows | Self::Indexed | Self::Query => limits.read,
            Self::Catalogue => limits.catalogue,
        }
    }
}

/// Statements that are sent together, each with its name.
pub(super) type Together = Vec<(Name, String)>;

/// What begins a read of somebody else's snapshot.
pub(super) fn begin_in(snapshot: &str, purpose: Purpose, limits: Limits, encoding: &str) -> Together {
    vec![
        (Name::Begin, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY".to_owned()),
        (Name::Snapshot, format!("SET TRANSACTION SNAPSHOT {}", quote_literal(snapshot))),
        (Name::Settings, settings(purpose, limits, encoding, "")),
    ]
}

/// What begins a read: one round trip. Settings are made by `set_config(.., true)`, which is `SET LOCAL`, and end with the
/// transaction; so they hold for us alone, behind a pooler too. The answer's last columns are the next transaction id and the backend's number.
pub(super) fn begin(purpose: Purpose, limits: Limits, encoding: &str, search_path: &str) -> Together {
    let isolation = match purpose {
        // one statement, and then the question whether it was right, which has to see what is true at its end
        Purpose::Rows | Purpose::Indexed | Purpose::Query => "READ COMMITTED",
        // several statements that have to fit together
        Purpose::Catalogue => "REPEATABLE READ",
    };
    vec![
        (Name::Begin, format!("BEGIN ISOLATION LEVEL {isolation} READ ONLY")),
        (Name::Settings, settings(purpose, limits, encoding, search_path)),
    ]
}

/// What begins a read of several statements over one snapshot. The table is locked before the snapshot is taken: what the
/// catalogue says in that snapshot is then true of the rows. A materialized view cannot be locked so, and changes all at once.
pub(super) fn begin_snapshot(purpose: Purpose, limits: Limits, encoding: &str, table: Option<&str>) -> Together {
    let mut together = vec![
        (Name::Begin, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY".to_owned()),
        (Name::Limit, format!("SET LOCAL lock_timeout = '{}'", purpose.lock_timeout())),
        (Name::Limit, format!("SET LOCAL statement_timeout = '{}ms'", purpose.statement_timeout(limits).as_millis())),
    ];
    together.extend(table.map(|table| (Name::Lock, format!("LOCK TABLE ONLY {table} IN ACCESS SHARE MODE"))));
    together.push((Name::Settings, settings(purpose, limits, encoding, "")));
    together
}

fn settings(purpose: Purpose, limits: Limits, encoding: &str, search_path: &str) -> String {
    let statement_timeout = format!("{}ms", purpose.statement_timeout(limits).as_millis());
    let planner = match purpose {
        Purpose::Rows => ("off", "on"),
        Purpose::Indexed => ("off", "off"),
        Purpose::Catalogue | Purpose::Query => ("on", "on"),
    };
    let given = [
        ("lock_timeout", purpose.lock_timeout()),
        ("statement_timeout", statement_timeout.as_str()),
        ("client_encoding", encoding),
        ("search_path", search_path),
        ("enable_seqscan", planner.0),
        ("enable_hashjoin", planner.1),
        ("enable_mergejoin", planner.1),
    ];
    let calls: Vec<String> = given
        .iter()
        .chain(&SETTINGS)
        .map(|(name, value)| format!("pg_catalog.set_config('{name}', {}, true)", quote_literal(value)))
        .collect();
    format!(
        "SELECT {}, \
         pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::pg_catalog.text, \
         pg_catalog.pg_backend_pid()::pg_catalog.text",
        calls.join(", ")
    )
}

/// What runs now, shared with the cancel handle.
#[derive(Default)]
struct Running {
    /// Of the call that runs, if one does.
    call: Option<CancellationToken>,
    /// The server process that works for it.
    backend: Option<i32>,
}

/// Cancels by `pg_cancel_backend` over a second, short connection.
pub(super) struct Interrupt {
    server: Server,
    running: Mutex<Running>,
    watch: Watch,
}

impl Interrupt {
    pub(super) fn new(server: Server) -> Self {
        let watch = Watch::new(Locks::new(server.clone()));
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

    /// One more seat before the watchdog.
    pub(super) fn seat(&self) -> Watch {
        self.watch.beside()
    }

    /// A call begins. It can be cancelled until the value is dropped.
    pub(super) fn enter(self: &Arc<Self>) -> Call {
        let token = CancellationToken::new();
        *self.lock() = Running { call: Some(token.clone()), backend: None };
        Call { interrupt: Arc::clone(self), token }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Cancel for Interrupt {
    async fn cancel(&self) {
        let backend = {
            let running = self.lock();
            let Some(call) = &running.call else { return };
            call.cancel();
            running.backend
        };
        let Some(backend) = backend else { return };
        let sql = format!("SELECT pg_catalog.pg_cancel_backend({backend})");
        let sql = self.server.label.labelled(Name::Cancel, &sql);
        let cancel = async {
            let mut connection: PgConnection = self.server.connect().await?;
            simple(&mut connection, &sql).await.ok();
            hang_up(connection).await;
            Ok::<(), crate::Error>(())
        };
        // Without a second connection the call still ends: its own connection is closed, and the server notices within
        // client_connection_check_interval.
        tokio::time::timeout(CANCEL_TIMEOUT, cancel).await.ok();
    }
}

/// One call of the source, while it lasts.
pub(super) struct Call {
    interrupt: Arc<Interrupt>,
    token: CancellationToken,
}

impl Call {
    /// Which server process works for the call.
    pub(super) fn served_by(&self, backend: Option<i32>) {
        self.interrupt.lock().backend = backend;
        match backend.and_then(|backend| u64::try_from(backend).ok()) {
            Some(backend) => self.interrupt.watch.begin(backend, None),
            None => self.interrupt.watch.end(),
        }
    }

    /// How long its statements may take.
    pub(super) fn limits(&self, purpose: Purpose, usual: Limits) -> Limits {
        let unwatched = match purpose {
            Purpose::Rows => UNWATCHED,
            Purpose::Indexed => UNWATCHED_LOOKUP,
            Purpose::Catalogue | Purpose::Query => return usual,
        };
        Limits { read: self.interrupt.watch.limit(usual.read, unwatched), ..usual }
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
        self.interrupt.watch.end();
    }
}
