//! Who waits for a metadata lock, or for a table to be closed, that a statement of ours may be in the way of.
//!
//! The server does not tell whom a session waits for. Taken to wait for us is one of the same database whose statement names the table
//! that we read, or began after ours did; one that began before, and is after another table, waits for somebody else.

use super::connect::{Server, hang_up};
use super::fault;
use super::literal::text;
use super::session::value;
use crate::Error;
use crate::label::Name;
use crate::watch::{Eye, Run};
use async_trait::async_trait;
use sqlx::{AssertSqlSafe, MySqlConnection};

/// Looks over a connection of its own.
pub(super) struct ProcessList {
    server: Server,
    connection: Option<MySqlConnection>,
    /// Whether the user sees what others do.
    sees: bool,
}

impl ProcessList {
    pub(super) fn new(server: Server) -> Self {
        Self { server, connection: None, sees: false }
    }

    async fn ask(&mut self, name: Name, sql: &str) -> Result<bool, Error> {
        let mut connection = self.connection.take().ok_or_else(|| Error::ConnectionLost { code: "none".to_owned() })?;
        let sql = self.server.label.labelled(name, sql);
        match sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut connection).await {
            Ok(rows) => {
                self.connection = Some(connection);
                let first = rows.first().and_then(|row| value(row, 0).ok().flatten());
                Ok(first.is_some_and(|answer| answer != b"0"))
            }
            Err(error) => {
                hang_up(connection).await;
                Err(fault::of_statement(&error, false))
            }
        }
    }
}

#[async_trait]
impl Eye for ProcessList {
    async fn open(&mut self) -> Result<bool, Error> {
        if self.connection.is_none() {
            self.connection = Some(self.server.connect().await?);
            let sees = "SELECT COUNT(*) FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE = 'PROCESS'";
            self.sees = self.ask(Name::Privileges, sees).await?;
        }
        Ok(self.sees)
    }

    async fn waited_for(&mut self, run: &Run) -> Result<bool, Error> {
        let ours = match &run.table {
            Some(table) => format!(
                "AND (p.DB = {schema} OR LOCATE({schema}, p.INFO) > 0) AND (p.TIME_MS <= {} OR LOCATE({}, p.INFO) > 0)",
                run.began.elapsed().as_millis() + 1,
                text(&table.name),
                schema = text(&table.schema),
            ),
            None => String::new(),
        };
        let waits = format!(
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST AS p WHERE (p.STATE LIKE 'Waiting for % lock' \
             OR p.STATE = 'Waiting for table flush') {ours}"
        );
        self.ask(Name::Waiting, &waits).await
    }

    async fn end(&mut self, run: &Run, hard: bool) -> Result<(), Error> {
        let (name, what) = if hard { (Name::Terminate, "CONNECTION") } else { (Name::Cancel, "QUERY") };
        self.ask(name, &format!("KILL {what} {}", run.connection)).await.map(|_| ())
    }

    fn close(&mut self) {
        self.connection = None;
    }
}
