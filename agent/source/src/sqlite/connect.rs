//! The connection: opened read only, fenced in, and closed when it turned bad.

use super::keys::add_functions;
use super::worker::{Control, Ticket};
use super::{Address, Limits};
use crate::Error;
use crate::label::{Name, SharedLabel};
use crate::sqlite::failure::{failure, opening};
use fieldmark_model::TableName;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};
use std::collections::HashMap;
use std::fs::Metadata;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a read waits for a writer.
const BUSY: Duration = Duration::from_millis(50);

/// The PRAGMAs that may run, without being set: the table-valued ones of the catalogue, and two counters.
const PRAGMAS: [&str; 7] =
    ["table_list", "table_xinfo", "index_list", "index_xinfo", "foreign_key_list", "schema_version", "data_version"];

/// The connection of one source, on the thread that owns it.
pub(super) struct Session {
    address: Address,
    control: Arc<Control>,
    label: SharedLabel,
    open: Option<Open>,
}

struct Open {
    connection: Connection,
    /// Which file it is, as far as the system tells.
    file: Option<(u64, u64)>,
    columns: KnownColumns,
}

/// Columns of tables, name and declared type, at a schema version.
pub(super) type KnownColumns = HashMap<TableName, (i64, Vec<(String, String)>)>;

impl Session {
    pub(super) fn new(address: Address, control: Arc<Control>, label: SharedLabel) -> Self {
        Self { address, control, label, open: None }
    }

    /// Closes the connection; the next call opens another one.
    pub(super) fn close(&mut self) {
        self.open = None;
    }

    /// One call: on an open connection to the file that is there now, under a time limit, stoppable by its ticket.
    pub(super) fn call<T>(
        &mut self,
        ticket: &Arc<Ticket>,
        limit: Duration,
        work: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if ticket.stopped() {
            return Err(Error::Cancelled);
        }
        self.ensure_open()?;
        let deadline = Instant::now() + limit;
        let watch = Arc::clone(ticket);
        self.connection()?
            .progress_handler(Limits::STEPS, Some(move || watch.stopped() || Instant::now() > deadline))
            .map_err(failure)?;
        let result = work(self);
        if ticket.stopped() {
            return Err(Error::Cancelled);
        }
        if matches!(result, Err(Error::ConnectionLost { .. })) {
            self.close();
        }
        result
    }

    /// The connection.
    pub(super) fn connection(&self) -> Result<&Connection, Error> {
        let closed = || Error::Internal { what: "the SQLite connection is not open".to_owned() };
        Ok(&self.open.as_ref().ok_or_else(closed)?.connection)
    }

    /// The connection, what is known of the columns of tables, and the label of statements.
    pub(super) fn parts(&mut self) -> Result<(&Connection, &mut KnownColumns, &SharedLabel), Error> {
        let closed = || Error::Internal { what: "the SQLite connection is not open".to_owned() };
        let open = self.open.as_mut().ok_or_else(closed)?;
        Ok((&open.connection, &mut open.columns, &self.label))
    }

    /// Opens the file, also when another file took its place: a handle would go on reading the old one for ever.
    fn ensure_open(&mut self) -> Result<(), Error> {
        let path = self.address.path();
        let unreachable = |reason: String| Error::Unreachable { address: self.address.shown(), reason };
        let metadata = std::fs::metadata(path).map_err(|error| unreachable(error.to_string()))?;
        if !metadata.is_file() {
            return Err(unreachable("it is not a file".to_owned()));
        }
        let file = identity(&metadata);
        if self.open.as_ref().is_some_and(|open| open.file == file) {
            return Ok(());
        }
        self.open = None;
        let connection = connect(path, &self.label).map_err(|error| opening(error, self.address.shown()))?;
        self.control.connected(connection.get_interrupt_handle());
        self.open = Some(Open { connection, file, columns: HashMap::new() });
        Ok(())
    }
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> Option<(u64, u64)> {
    None
}

/// Opens a file that is there, read only, and fences the connection in.
pub(super) fn connect(path: &Path, label: &SharedLabel) -> rusqlite::Result<Connection> {
    // a relative path that begins with `file:` would be taken for a URI
    let path = if path.is_absolute() { path.to_owned() } else { Path::new(".").join(path) };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // views and generated columns of a file from elsewhere call no function that has effects
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.set_limit(Limit::SQLITE_LIMIT_WORKER_THREADS, 0)?;
    connection.set_limit(Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 1)?;
    connection.execute_batch(&label.labelled(Name::QueryOnly, "PRAGMA query_only = ON"))?;
    add_functions(&connection)?;
    connection.authorizer(Some(authorize))?;
    // reads the header and the whole schema: what is no database, or a damaged one, is told here
    let schema = label.labelled(Name::Schema, "SELECT count(*) FROM main.sqlite_schema");
    connection.query_row(&schema, [], |_| Ok(()))?;
    Ok(connection)
}

/// Reads, and nothing else.
#[expect(clippy::wildcard_enum_match_arm, reason = "whatever is not listed is denied, today's actions and later ones")]
fn authorize(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => Authorization::Allow,
        AuthAction::Function { function_name } if !function_name.eq_ignore_ascii_case("load_extension") => {
            Authorization::Allow
        }
        // the value of a table-valued one is the table that it tells of
        AuthAction::Pragma { pragma_name, pragma_value }
            if PRAGMAS.iter().any(|name| name.eq_ignore_ascii_case(pragma_name))
                && (pragma_value.is_none() || !pragma_name.to_ascii_lowercase().ends_with("_version")) =>
        {
            Authorization::Allow
        }
        _ => Authorization::Deny,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_reads_is_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        Connection::open(&path)
            .unwrap()
            .execute_batch(
                "create table t (id integer primary key); create index i on t (id + 1); insert into t values (1)",
            )
            .unwrap();
        let connection = connect(&path, &SharedLabel::default()).unwrap();
        let allowed = [
            "select * from t",
            "with recursive c(x) as (select 1 union all select x + 1 from c limit 3) select sum(x) from c",
            "select * from pragma_table_xinfo('t')",
            "pragma schema_version",
            "select value from json_each('[1]')",
        ];
        for sql in allowed {
            connection.prepare(sql).and_then(|mut statement| statement.query([])?.next().map(|_| ())).expect(sql);
        }
        let denied = [
            "insert into t values (2)",
            "update t set id = 3",
            "delete from t",
            "create table u (x)",
            "drop table t",
            "create temp table u (x)",
            "attach 'b.db' as b",
            "begin",
            "savepoint s",
            "vacuum",
            "analyze",
            "reindex",
            "pragma query_only = off",
            "pragma schema_version = 7",
            "pragma writable_schema = on",
            "pragma journal_mode",
            "select load_extension('x')",
            "create virtual table f using fts5(a)",
            "detach main",
            "alter table t add y",
        ];
        for sql in denied {
            let result = connection.prepare(sql).and_then(|mut statement| statement.query([])?.next().map(|_| ()));
            let error = result.expect_err(sql);
            assert!(
                matches!(
                    failure(error),
                    Error::PermissionDenied { .. } | Error::Unsupported { .. } | Error::Database { .. }
                ),
                "{sql}"
            );
        }
        assert!(connection.is_autocommit());
    }
}
