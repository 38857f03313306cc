//! The one connection. Each read is one statement in its own transaction: when its last row has come, nothing is held any more.
//!
//! A connection leaves the session while a statement runs and comes back when that has ended well; one that failed, or whose future was
//! dropped, takes its connection with it. The next one connects anew.

use super::connect::{Greeting, Server, hang_up};
use super::courtesy::{Call, limited};
use super::fault;
use crate::Error;
use crate::label::Name;
use crate::options::Limits;
use futures::TryStreamExt as _;
use sqlx::mysql::MySqlRow;
use sqlx::{AssertSqlSafe, MySqlConnection, Row as _};
use std::time::Duration;

/// How much longer than a statement's limit its answer may take to arrive.
const NETWORK: Duration = Duration::from_secs(5);
/// How long a cancelled statement may take to end before its connection is closed under it.
const CANCEL_GRACE: Duration = Duration::from_millis(500);

/// The connection between statements.
pub(super) struct Session {
    server: Server,
    pub(super) limits: Limits,
    connection: Option<Connected>,
}

struct Connected {
    connection: MySqlConnection,
    /// Its number at the server.
    number: u64,
}

/// One row, each value as the server's text.
pub(super) struct Answer(Vec<Option<Vec<u8>>>);

impl Answer {
    /// A text; one that is no UTF-8 is shown as well as can be.
    pub(super) fn text(&self, at: usize) -> Option<String> {
        self.0.get(at)?.as_deref().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// A whole number.
    pub(super) fn integer(&self, at: usize) -> Option<i64> {
        self.text(at)?.parse().ok()
    }

    fn read(row: &MySqlRow) -> Result<Self, sqlx::Error> {
        let field = |at: usize| Ok(value(row, at)?.map(<[u8]>::to_vec));
        (0..row.len()).map(field).collect::<Result<_, _>>().map(Self)
    }
}

/// The bytes of a value, whatever its type.
pub(super) fn value(row: &MySqlRow, at: usize) -> Result<Option<&[u8]>, sqlx::Error> {
    row.try_get_unchecked::<Option<&[u8]>, _>(at)
}

/// Bytes of rows that are taken off the connection before one of them is looked at: the server holds on to what it reads until it has
/// sent it.
const HELD_BYTES: usize = 8 << 20;

fn size(row: &MySqlRow) -> usize {
    (0..row.len()).filter_map(|at| value(row, at).ok().flatten()).map(<[u8]>::len).sum::<usize>() + 64
}

impl Session {
    pub(super) async fn open(server: Server, limits: Limits) -> Result<(Self, Greeting), Error> {
        let (connection, greeting) = server.greeted().await?;
        let connected = Connected { connection, number: greeting.connection };
        Ok((Self { server, limits, connection: Some(connected) }, greeting))
    }

    /// Runs one statement under its limits and hands each row over. All rows are taken off the connection, also where the
    /// first of them are found wanting.
    pub(super) async fn rows(
        &mut self,
        call: &Call,
        (name, sql): (Name, &str),
        time: Duration,
        each: &mut (dyn FnMut(&MySqlRow) -> Result<(), Error> + Send),
    ) -> Result<(), Error> {
        self.run(call, (name, &limited(sql, time)), time, each).await
    }

    /// Answers about the catalogue, each row whole.
    pub(super) async fn answers(&mut self, call: &Call, name: Name, sql: &str) -> Result<Vec<Answer>, Error> {
        let mut answers = Vec::new();
        let time = self.limits.catalogue;
        self.rows(call, (name, sql), time, &mut |row| {
            answers.push(Answer::read(row).map_err(|error| fault::of_statement(&error, false))?);
            Ok(())
        })
        .await?;
        Ok(answers)
    }

    /// Runs statements as they are: those that a statement with limits of its own cannot hold.
    pub(super) async fn plainly(
        &mut self,
        call: &Call,
        (name, sql): (Name, &str),
        time: Duration,
        each: &mut (dyn FnMut(&MySqlRow) -> Result<(), Error> + Send),
    ) -> Result<(), Error> {
        self.run(call, (name, sql), time, each).await
    }

    async fn run(
        &mut self,
        call: &Call,
        (name, sql): (Name, &str),
        time: Duration,
        each: &mut (dyn FnMut(&MySqlRow) -> Result<(), Error> + Send),
    ) -> Result<(), Error> {
        if call.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let Connected { mut connection, number } = match self.connection.take() {
            Some(connected) => connected,
            None => {
                let (connection, greeting) = self.server.greeted().await?;
                Connected { connection, number: greeting.connection }
            }
        };
        let sql = self.server.label.labelled(name, sql);
        let mut serving = call.served_by(number);
        let work = async {
            let mut wanting = Ok(());
            let mut take = |row: &MySqlRow| {
                if wanting.is_ok() {
                    wanting = each(row);
                }
            };
            let (mut held, mut bytes) = (Vec::new(), 0);
            let mut rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch(&mut connection);
            while let Some(row) = rows.try_next().await? {
                if bytes > HELD_BYTES {
                    held.drain(..).for_each(|row| take(&row));
                    take(&row);
                } else {
                    bytes += size(&row);
                    held.push(row);
                }
            }
            held.iter().for_each(take);
            Ok::<Result<(), Error>, sqlx::Error>(wanting)
        };
        let cancelled = async {
            call.cancelled().await;
            tokio::time::sleep(CANCEL_GRACE).await;
        };
        let result = tokio::select! {
            result = tokio::time::timeout(time + NETWORK, work) => result,
            () = cancelled => return Err(Error::Cancelled),
            () = call.unwatched() => return Err(Error::Timeout),
        };
        let Ok(result) = result else { return Err(Error::ConnectionLost { code: "no answer".to_owned() }) };
        serving.ended();
        match result {
            // a cancel that was too late for this statement must not meet the next one
            Ok(_) | Err(_) if call.is_cancelled() => {
                hang_up(connection).await;
                Err(Error::Cancelled)
            }
            // as with a cancel that was too late
            Ok(wanting) if call.gave_way() => {
                hang_up(connection).await;
                wanting
            }
            Ok(wanting) => {
                self.connection = Some(Connected { connection, number });
                wanting
            }
            Err(error) => {
                hang_up(connection).await;
                let error = fault::of_statement(&error, false);
                let is_ended = matches!(error, Error::Timeout | Error::ConnectionLost { .. });
                Err(if is_ended && call.gave_way() { Error::GaveWay } else { error })
            }
        }
    }
}
