//! Who waits for a lock that a transaction of ours holds, of any kind: a table's, or that of its snapshot, for which
//! `CREATE INDEX CONCURRENTLY` waits on whatever table it is. On a standby the process that replays a schema change waits for a table
//! alike, but whom it waits for is not told: there it is whoever has a lock on that table.

use super::connect::{Server, hang_up, simple};
use super::fault;
use crate::Error;
use crate::label::Name;
use crate::watch::{Eye, Run};
use async_trait::async_trait;
use sqlx::PgConnection;

/// Looks over a connection of its own, one statement at a time, never in a transaction.
pub(super) struct Locks {
    server: Server,
    connection: Option<PgConnection>,
}

impl Locks {
    pub(super) fn new(server: Server) -> Self {
        Self { server, connection: None }
    }

    async fn ask(&mut self, name: Name, sql: &str) -> Result<bool, Error> {
        let mut connection = self.connection.take().ok_or_else(|| Error::ConnectionLost { code: "none".to_owned() })?;
        let sql = self.server.label.labelled(name, sql);
        match simple(&mut connection, &sql).await {
            Ok(rows) => {
                self.connection = Some(connection);
                Ok(rows.first().and_then(|row| row.first()).is_some_and(|answer| answer.as_deref() == Some("t")))
            }
            Err(error) => {
                hang_up(connection).await;
                Err(fault::of_statement(&error, false))
            }
        }
    }
}

#[async_trait]
impl Eye for Locks {
    async fn open(&mut self) -> Result<bool, Error> {
        if self.connection.is_none() {
            self.connection = Some(self.server.connect().await?);
        }
        Ok(true)
    }

    async fn waited_for(&mut self, run: &Run) -> Result<bool, Error> {
        let waits = format!(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_locks AS l WHERE NOT l.granted \
             AND ({own} OPERATOR(pg_catalog.=) ANY (pg_catalog.pg_blocking_pids(l.pid)) \
             OR pg_catalog.pg_is_in_recovery() AND EXISTS (SELECT FROM pg_catalog.pg_locks AS h \
             WHERE h.pid OPERATOR(pg_catalog.=) {own} AND h.granted AND h.database OPERATOR(pg_catalog.=) l.database \
             AND h.relation OPERATOR(pg_catalog.=) l.relation)))",
            own = run.connection
        );
        self.ask(Name::Waiting, &waits).await
    }

    async fn end(&mut self, run: &Run, hard: bool) -> Result<(), Error> {
        let (name, function) =
            if hard { (Name::Terminate, "pg_terminate_backend") } else { (Name::Cancel, "pg_cancel_backend") };
        self.ask(name, &format!("SELECT pg_catalog.{function}({})", run.connection)).await.map(|_| ())
    }

    fn close(&mut self) {
        self.connection = None;
    }
}
