//! The one connection, and transactions on it.
//!
//! A connection leaves the session while a transaction runs and comes back when that has ended; a transaction that failed,
//! or whose future was dropped, takes its connection with it. The next one connects anew. (sqlx would answer the next
//! statement with what was left of the last one.)

use super::connect::{Greeting, Server, hang_up, simple};
use super::copy::Malformed;
use super::courtesy::{self, Call, Purpose, Together};
use super::fault;
use crate::label::{Name, SharedLabel};
use crate::options::Limits;
use crate::{Error, ServerIdentity};
use futures::TryStreamExt as _;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use std::future::Future;
use std::time::Duration;

/// How much longer than a statement's limit its answer may take to arrive.
const NETWORK: Duration = Duration::from_secs(5);
/// How long a cancelled statement may take to end before its connection is closed under it.
const CANCEL_GRACE: Duration = Duration::from_millis(500);

/// The connection between transactions.
pub(super) struct Session {
    server: Server,
    limits: Limits,
    /// `server_encoding`: what the database stores text in.
    encoding: String,
    /// Which server answered last.
    identity: Option<ServerIdentity>,
    connection: Option<PgConnection>,
}

impl Session {
    pub(super) async fn open(server: Server, limits: Limits) -> Result<(Self, Greeting), Error> {
        let (connection, greeting) = server.greeted().await?;
        let (encoding, identity) = (greeting.encoding.clone(), greeting.identity.clone());
        Ok((Self { server, limits, encoding, identity, connection: Some(connection) }, greeting))
    }

    /// How long its statements may run.
    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// Which server answered last, as far as the role may know.
    pub(super) fn identity(&self) -> Option<&ServerIdentity> {
        self.identity.as_ref()
    }

    /// It is this one now.
    pub(super) fn identified(&mut self, identity: Option<ServerIdentity>) {
        self.identity = identity.or(self.identity.take());
    }

    /// The connection, or a new one. Where another server answers than before, whoever reads has to know; the next call goes on there.
    async fn connected(&mut self) -> Result<PgConnection, Error> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        let (connection, greeting) = self.server.greeted().await?;
        let changed = self.identity.as_ref().zip(greeting.identity.as_ref()).is_some_and(|(before, now)| before != now);
        self.identified(greeting.identity);
        if changed {
            self.connection = Some(connection);
            return Err(Error::FailedOver);
        }
        Ok(connection)
    }

    /// Whether text arrives in the server's own encoding when not converted, and that is not UTF-8.
    pub(super) fn foreign_encoding(&self) -> bool {
        !matches!(self.encoding.as_str(), "UTF8" | "SQL_ASCII")
    }

    /// Bytes of a SQL_ASCII database are no particular encoding: asked for UTF-8 the server would refuse a whole statement for one bad
    /// value. `raw` asks for unconverted bytes of any database.
    fn client_encoding(&self, raw: bool) -> &'static str {
        if raw || self.encoding == "SQL_ASCII" { "SQL_ASCII" } else { "UTF8" }
    }

    /// Begins a transaction of one statement in a snapshot that another transaction holds.
    pub(super) async fn begin_in<'s>(
        &'s mut self,
        call: &'s Call,
        snapshot: &str,
        purpose: Purpose,
        raw: bool,
    ) -> Result<Transaction<'s>, Error> {
        let limits = call.limits(purpose, self.limits);
        let begin = courtesy::begin_in(snapshot, purpose, limits, self.client_encoding(raw));
        self.start(call, purpose.statement_timeout(limits), begin).await
    }

    /// Begins a transaction of one statement.
    pub(super) async fn begin<'s>(
        &'s mut self,
        call: &'s Call,
        purpose: Purpose,
        raw: bool,
    ) -> Result<Transaction<'s>, Error> {
        let limits = call.limits(purpose, self.limits);
        let begin = courtesy::begin(purpose, limits, self.client_encoding(raw), "");
        self.start(call, purpose.statement_timeout(limits), begin).await
    }

    /// Begins a transaction of a rule's own query, which may take so long, with a search path.
    pub(super) async fn begin_query<'s>(
        &'s mut self,
        call: &'s Call,
        time: Duration,
        search_path: &str,
    ) -> Result<Transaction<'s>, Error> {
        let limits = Limits { read: time, ..self.limits };
        let begin = courtesy::begin(Purpose::Query, limits, self.client_encoding(false), search_path);
        self.start(call, time, begin).await
    }

    /// Begins a transaction of several statements over one snapshot, of `table` (quoted) where that is to be locked.
    pub(super) async fn begin_snapshot<'s>(
        &'s mut self,
        call: &'s Call,
        table: Option<&str>,
        raw: bool,
    ) -> Result<Transaction<'s>, Error> {
        let limits = call.limits(Purpose::Rows, self.limits);
        let begin = courtesy::begin_snapshot(Purpose::Rows, limits, self.client_encoding(raw), table);
        self.start(call, Purpose::Rows.statement_timeout(limits), begin).await
    }

    /// Runs one small statement by itself, without a transaction and its settings: for questions that touch no table, asked often.
    pub(super) async fn glance(
        &mut self,
        call: &Call,
        name: Name,
        sql: &str,
    ) -> Result<Vec<Vec<Option<String>>>, Error> {
        if call.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let connection = self.connected().await?;
        let mut alone = Transaction {
            label: &self.server.label,
            home: &mut self.connection,
            connection: Some(connection),
            call,
            limit: self.limits.catalogue,
            next_transaction: 0,
        };
        let rows = alone.text(name, sql).await?;
        *alone.home = alone.connection.take();
        Ok(rows)
    }

    async fn start<'s>(
        &'s mut self,
        call: &'s Call,
        limit: Duration,
        begin: Together,
    ) -> Result<Transaction<'s>, Error> {
        if call.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let connection = self.connected().await?;
        let mut transaction = Transaction {
            label: &self.server.label,
            home: &mut self.connection,
            connection: Some(connection),
            call,
            limit,
            next_transaction: 0,
        };
        let rows = transaction.together(begin).await?;
        let mut answers = rows.last().into_iter().flat_map(|row| row.iter().rev());
        let mut number = || answers.next().and_then(|answer| answer.as_deref()?.parse::<u64>().ok());
        let backend = number().and_then(|pid| i32::try_from(pid).ok());
        transaction.next_transaction = number().unwrap_or(0);
        call.served_by(backend);
        Ok(transaction)
    }
}

/// A transaction that has begun.
pub(super) struct Transaction<'s> {
    label: &'s SharedLabel,
    home: &'s mut Option<PgConnection>,
    connection: Option<PgConnection>,
    call: &'s Call,
    limit: Duration,
    next_transaction: u64,
}

impl Transaction<'_> {
    /// The transaction id (in 64 bits) that was to be given out next when this transaction began.
    pub(super) fn next_transaction(&self) -> u64 {
        self.next_transaction
    }

    /// Runs one `COPY .. TO STDOUT` and hands over its bytes as they come. They are all taken off the connection, even
    /// where the first of them are found wanting.
    pub(super) async fn copy(
        &mut self,
        name: Name,
        sql: &str,
        take: &mut (dyn FnMut(&[u8]) -> Result<(), Malformed> + Send),
    ) -> Result<Result<(), Malformed>, Error> {
        let sql = self.label.labelled(name, sql);
        let mut connection = self.take(&sql).await?;
        self.run(async move {
            let work = async {
                let mut taken = Ok(());
                let mut bytes = connection.copy_out_raw(&sql).await?;
                while let Some(piece) = bytes.try_next().await? {
                    if taken.is_ok() {
                        taken = take(&piece);
                    }
                }
                Ok(taken)
            };
            let result = work.await;
            (connection, result)
        })
        .await
    }

    /// Runs a small statement; its rows as text.
    pub(super) async fn text(&mut self, name: Name, sql: &str) -> Result<Vec<Vec<Option<String>>>, Error> {
        self.together(vec![(name, sql.to_owned())]).await
    }

    /// Runs small statements in one round trip; all rows of all of them as text.
    async fn together(&mut self, statements: Together) -> Result<Vec<Vec<Option<String>>>, Error> {
        let labelled: Vec<String> = statements.iter().map(|(name, sql)| self.label.labelled(*name, sql)).collect();
        let sql = labelled.join("; ");
        let mut connection = self.take(&sql).await?;
        self.run(async move {
            let result = simple(&mut connection, &sql).await;
            (connection, result)
        })
        .await
    }

    /// Runs one statement as such, whatever its text: a second one in it is an error of the server's, and none of the transaction's end.
    /// Its rows have a number and a text.
    pub(super) async fn alone(&mut self, name: Name, sql: &str) -> Result<Vec<(i64, Option<String>)>, Error> {
        let sql = self.label.labelled(name, sql);
        let mut connection = self.take(&sql).await?;
        self.run(async move {
            let rows = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_all(&mut connection).await;
            let read =
                |row: &sqlx::postgres::PgRow| Ok((row.try_get::<i64, _>(0)?, row.try_get::<Option<String>, _>(1)?));
            let result = rows.and_then(|rows| rows.iter().map(read).collect());
            (connection, result)
        })
        .await
    }

    /// The one text that a statement gives, which is run as such.
    pub(super) async fn explained(&mut self, name: Name, sql: &str) -> Result<String, Error> {
        let sql = self.label.labelled(name, sql);
        let mut connection = self.take(&sql).await?;
        self.run(async move {
            let row = sqlx::query(AssertSqlSafe(sql)).persistent(false).fetch_one(&mut connection).await;
            // json, which is not among the types that are decoded here: its bytes are its text
            let text = |row: sqlx::postgres::PgRow| {
                let value = row.try_get_raw(0)?;
                value.as_str().map(str::to_owned).map_err(sqlx::Error::Decode)
            };
            let result = row.and_then(text);
            (connection, result)
        })
        .await
    }

    /// Ends the transaction.
    pub(super) async fn commit(self) -> Result<(), Error> {
        self.end(Vec::new()).await.map(|_| ())
    }

    /// Ends the transaction as if it had not been, and gives back what a function in it may have locked for the session.
    pub(super) async fn roll_back(self) -> Result<(), Error> {
        let unlock = (Name::Unlock, "SELECT pg_catalog.pg_advisory_unlock_all()".to_owned());
        self.end_by((Name::RollBack, "ROLLBACK".to_owned()), vec![unlock]).await.map(|_| ())
    }

    /// Runs a last statement and ends the transaction, in one round trip.
    pub(super) async fn finish(self, name: Name, last: &str) -> Result<Vec<Vec<Option<String>>>, Error> {
        self.end(vec![(name, last.to_owned())]).await
    }

    async fn end(self, last: Together) -> Result<Vec<Vec<Option<String>>>, Error> {
        self.end_by((Name::Commit, "COMMIT".to_owned()), last).await
    }

    async fn end_by(mut self, end: (Name, String), mut last: Together) -> Result<Vec<Vec<Option<String>>>, Error> {
        last.push(end);
        let rows = self.together(last).await?;
        if self.call.is_cancelled() {
            // a cancel that was too late for this statement must not meet the next one
            self.close().await;
            return Err(Error::Cancelled);
        }
        self.call.served_by(None);
        if self.call.gave_way() {
            self.close().await;
        }
        *self.home = self.connection.take();
        Ok(rows)
    }

    /// As [`Transaction::finish`], the last statement under a limit of its own.
    pub(super) async fn finish_within(
        mut self,
        name: Name,
        last: &str,
        limit: Duration,
    ) -> Result<Vec<Vec<Option<String>>>, Error> {
        self.limit = limit;
        let set = format!("SET LOCAL statement_timeout = '{}ms'", limit.as_millis());
        self.end(vec![(Name::Limit, set), (name, last.to_owned())]).await
    }

    /// Ends the transaction and the connection.
    pub(super) async fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            hang_up(connection).await;
        }
    }

    async fn take(&mut self, sql: &str) -> Result<PgConnection, Error> {
        if self.call.is_cancelled() {
            self.close().await;
            return Err(Error::Cancelled);
        }
        if sql.contains('\0') {
            // would end the message too early; no name in a catalogue has one
            self.close().await;
            return Err(Error::SchemaChanged { code: "42602".to_owned() });
        }
        self.connection.take().ok_or_else(|| Error::Internal { what: "a statement after its transaction".to_owned() })
    }

    async fn run<T>(
        &mut self,
        work: impl Future<Output = (PgConnection, Result<T, sqlx::Error>)> + Send,
    ) -> Result<T, Error> {
        let cancelled = async {
            self.call.cancelled().await;
            tokio::time::sleep(CANCEL_GRACE).await;
        };
        let result = tokio::select! {
            result = tokio::time::timeout(self.limit + NETWORK, work) => result,
            () = cancelled => return Err(Error::Cancelled),
            // the server takes note within client_connection_check_interval
            () = self.call.unwatched() => return Err(Error::Timeout),
        };
        match result {
            Ok((connection, Ok(value))) => {
                self.connection = Some(connection);
                Ok(value)
            }
            Ok((connection, Err(error))) => {
                let cancelled = self.call.is_cancelled();
                hang_up(connection).await;
                let error = fault::of_statement(&error, cancelled);
                let is_ended = matches!(error, Error::Timeout | Error::ConnectionLost { .. });
                Err(if is_ended && self.call.gave_way() { Error::GaveWay } else { error })
            }
            Err(_) => Err(Error::ConnectionLost { code: "no answer".to_owned() }),
        }
    }
}
