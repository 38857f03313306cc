//! MariaDB 10.5 and later, read in its text protocol.
//!
//! Every read is one statement in a transaction of its own, with its limits in front of it (`SET STATEMENT … FOR`): the metadata lock of a
//! table that is read ends with the statement. The session is read-only. Statements carry a comment ([`crate::label`]). A connection
//! whose statement did not end as it should is closed, and the next call makes a new one.
//!
//! # Connecting
//!
//! Where the url says no `ssl-mode`, a server on the network has to prove who it is (`verify_identity`), since it may ask for the
//! password; to a socket or a loopback address the mode is `preferred`.
//!
//! # How values travel
//!
//! | MariaDB | Arrow | Remarks |
//! |---|---|---|
//! | `tinyint` (and `boolean`), `smallint`, `year` | `Int16` | |
//! | `mediumint`, `int`, `smallint unsigned`, `mediumint unsigned` | `Int32` | |
//! | `bigint`, `int unsigned` | `Int64` | |
//! | `bigint unsigned`, `bit(n)` | `UInt64` | bits as a number |
//! | `float`, `double` | `Float32`, `Float64` | |
//! | `decimal(p,s)` | `Decimal128(p,s)` to p = 38, `Decimal256(p,s)` above | |
//! | `char`, `varchar`, texts, `enum`, `set`, `json`, `uuid`, `inet4`, `inet6` | `Utf8` | in any character set; bytes that are no text in theirs are `InvalidEncoding` |
//! | `binary`, `varbinary`, blobs | `Binary` | |
//! | `date` | `Date32` | `0000-00-00` and dates without month or day are unrepresentable |
//! | `time` | `Time64(us)` | below zero and from 24 hours on unrepresentable |
//! | `datetime`, `timestamp` | `Timestamp(us)`, `Timestamp(us, "UTC")` | as dates |
//! | geometries | `Utf8`, canonical | as `ST_AsText` writes them |
//! | anything else | `Utf8`, canonical | the server's own text |
//!
//! "Canonical" columns are marked [`canonical_text`](fieldmark_model::Column::canonical_text). A value over the limit is `ValueTooLarge` and
//! not sent. Past 128 MiB of values in one call every further one over 64 bytes is too large.
//!
//! # What is read how
//!
//! Passes follow the primary key, or a unique key without NULLs. A view, or a table without such a key, is read in one statement, up to
//! 100 000 rows, else [`Error::Unsupported`]. There are no blocks to draw; rows are drawn by random integer keys, or by segments of the
//! key's index. Texts are found by their index, under its collation, and then compared byte by byte. References are looked up
//! under the parent's collation, as foreign keys are. The server tells nothing of a table's writes.

mod cells;
mod connect;
mod courtesy;
mod definition;
mod fault;
mod grants;
mod inspect;
mod literal;
mod privilege;
mod query;
mod rows;
mod session;
mod statement;
mod types;
mod watch;

pub use crate::options::{ConnectOptions, Limits};
pub use grants::account;
pub(crate) use grants::grants;
pub use literal::quote;
pub use types::{declared_column, declared_types};

use crate::definition::{Definition, SeenStatement};
use crate::label::{Label, Name, SharedLabel};
use crate::preview::stand_in;
use crate::request::Place;
use crate::{
    Answered, Cancel, Check, Courtesy, Cursor, Error, Facts, Horizon, Position, Preview, Privileges, Query, Read,
    Reference, ScanChunk, Source, Standing,
};
use arrow::array::RecordBatch;
use async_trait::async_trait;
use chrono::{DateTime, NaiveDateTime, Utc};
use connect::Server;
use courtesy::{Call, Interrupt};
use fieldmark_model::{Catalogue, Chunk, Column, Dialect, Table};
use literal::Keys;
use rows::Rows;
use session::Session;
use std::sync::Arc;
use std::time::Duration;

/// About how long a chunk takes: an ALTER TABLE waits until the last row of one is sent.
const CHUNK: Duration = Duration::from_millis(8);

/// Where a pass over a table stands.
#[derive(Clone, Debug)]
pub(crate) struct ScanPlace {
    key: Vec<String>,
    /// The last row's, as texts.
    after: Vec<String>,
}

/// A MariaDB database as a [`Source`].
pub struct MySqlSource {
    facts: Facts,
    schemas: Vec<String>,
    session: Session,
    interrupt: Arc<Interrupt>,
    label: SharedLabel,
}

/// Connects to a database.
///
/// # Errors
/// [`Error::Address`] for a url that makes no sense, [`Error::LoginRefused`] for a wrong user or password,
/// [`Error::Unreachable`] for all else, within about five seconds.
pub async fn connect(options: &ConnectOptions) -> Result<MySqlSource, Error> {
    let server = Server::new(options)?;
    let (address, label) = (server.address.clone(), server.label.clone());
    let interrupt = Arc::new(Interrupt::new(server.clone()));
    let (session, greeting) = Session::open(server, options.limits).await?;
    let schemas = options.schemas.clone().unwrap_or_else(|| greeting.database.iter().cloned().collect());
    if schemas.is_empty() {
        let reason = "the source's url names no database; name one there, or several under `schemas`".to_owned();
        return Err(Error::Address { reason });
    }
    // one schema asked for is the default; of several, the connection's own if it is among them
    let default_schema = match schemas.as_slice() {
        [one] => Some(one.clone()),
        several => greeting.database.filter(|database| several.contains(database)),
    };
    let facts = Facts {
        dialect: Dialect::MySql,
        version: greeting.version,
        address,
        default_schema,
        chunk: CHUNK,
        pooled: false,
    };
    Ok(MySqlSource { facts, schemas, session, interrupt, label })
}

impl MySqlSource {
    /// The rows of a statement, as a chunk of these columns.
    async fn chunk(&mut self, call: &Call, (name, sql): (Name, &str), columns: &[&Column]) -> Result<Chunk, Error> {
        let mut rows = Rows::new(columns, 0)?;
        let time = call.lookup_limit(self.session.limits);
        self.session.rows(call, (name, sql), time, &mut |row| rows.push(row)).await?;
        let fields: Vec<arrow::datatypes::Field> = columns.iter().map(|column| column.arrow_field()).collect();
        rows.finish(Arc::new(arrow::datatypes::Schema::new(fields)))
    }

    /// A chunk without a row.
    fn nothing(columns: &[&Column]) -> Result<Chunk, Error> {
        let fields: Vec<arrow::datatypes::Field> = columns.iter().map(|column| column.arrow_field()).collect();
        Rows::new(columns, 0)?.finish(Arc::new(arrow::datatypes::Schema::new(fields)))
    }
}

/// The only row of a key as texts.
fn texts(table: &Table, key: &[String], batch: Option<&RecordBatch>) -> Result<Option<Vec<String>>, Error> {
    let Some(batch) = batch else { return Ok(None) };
    let lost = Error::Unsupported { what: "a walk over keys that are NULL" };
    Keys::new(table, key, batch)?.rows.into_iter().next().flatten().map(Some).ok_or(lost)
}

#[async_trait]
impl Source for MySqlSource {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn canceller(&self) -> Arc<dyn Cancel> {
        Arc::clone(&self.interrupt) as Arc<dyn Cancel>
    }

    async fn beside(&mut self) -> Result<Box<dyn Source>, Error> {
        let interrupt = Arc::new(self.interrupt.beside());
        let server = interrupt.server().clone();
        let label = server.label.clone();
        let (session, _) = Session::open(server, self.session.limits).await?;
        Ok(Box::new(Self { facts: self.facts.clone(), schemas: self.schemas.clone(), session, interrupt, label }))
    }

    fn label(&mut self, label: Label) {
        self.label.set(label);
    }

    async fn catalogue(&mut self) -> Result<Catalogue, Error> {
        let call = self.interrupt.enter();
        self.read_catalogue(&call).await
    }

    async fn definitions(&mut self) -> Result<Vec<Definition>, Error> {
        let call = self.interrupt.enter();
        self.read_definitions(&call).await
    }

    async fn statements(&mut self) -> Result<Vec<SeenStatement>, Error> {
        let call = self.interrupt.enter();
        self.read_statements(&call).await
    }

    async fn scan(&mut self, read: &Read<'_>, from: &Cursor, rows: usize) -> Result<ScanChunk, Error> {
        let call = self.interrupt.enter_of(read.table);
        let place = match &from.0 {
            Place::Start => ScanPlace { key: statement::order(read.table), after: Vec::new() },
            Place::MySql(place) => place.clone(),
            Place::Sqlite(_) | Place::Postgres(_) | Place::Files(_) | Place::Memory(_) => {
                return Err(Error::Internal { what: "a cursor of another source".to_owned() });
            }
        };
        let rows = rows.max(1);
        let sql = statement::scan(read, &place.key, &place.after, rows)?;
        let columns = literal::columns(read.table, read.columns)?;
        let mut taken = Rows::new(&columns, place.key.len())?;
        let time = call.pass_limit(self.session.limits);
        self.session.rows(&call, (Name::Rows, &sql), time, &mut |row| taken.push(row)).await?;
        if place.key.is_empty() && taken.count() > statement::WHOLE_ROWS {
            return Err(Error::Unsupported {
                what: "a scan of a view, or of a table without a key, of more than 100000 rows",
            });
        }
        let more = !place.key.is_empty() && (taken.stopped() || taken.count() >= rows);
        let next = more.then(|| Cursor(Place::MySql(ScanPlace { key: place.key, after: taken.place().to_vec() })));
        let schema = read.table.arrow_schema(read.columns.iter().map(String::as_str));
        Ok(ScanChunk { chunk: taken.finish(schema)?, next })
    }

    async fn by_key(&mut self, read: &Read<'_>, key: &[String], keys: &RecordBatch) -> Result<Chunk, Error> {
        let call = self.interrupt.enter_of(read.table);
        let sql = statement::by_key(read, key, keys)?;
        self.chunk(&call, (Name::RowsByKey, &sql), &literal::columns(read.table, read.columns)?).await
    }

    async fn extremes(&mut self, table: &Table, column: &str) -> Result<Chunk, Error> {
        let call = self.interrupt.enter_of(table);
        let (sql, columns) = statement::extremes(table, column, Read::VALUE_LIMIT_BYTES)?;
        self.chunk(&call, (Name::Extremes, &sql), &columns.iter().collect::<Vec<_>>()).await
    }

    async fn key_after(
        &mut self,
        table: &Table,
        key: &[String],
        after: Option<&RecordBatch>,
        step: u64,
    ) -> Result<RecordBatch, Error> {
        let call = self.interrupt.enter_of(table);
        let after = texts(table, key, after)?;
        let sql = statement::key_after(table, key, after.as_deref(), (step, Read::VALUE_LIMIT_BYTES))?;
        let chunk = self.chunk(&call, (Name::KeyAfter, &sql), &literal::columns(table, key)?).await?;
        if !chunk.defects.is_empty() {
            return Err(Error::Unsupported { what: "a walk over keys that their columns' types cannot hold" });
        }
        Ok(chunk.batch)
    }

    async fn between(
        &mut self,
        read: &Read<'_>,
        key: &[String],
        bounds: (Option<&RecordBatch>, Option<&RecordBatch>),
        rows: usize,
    ) -> Result<Chunk, Error> {
        let call = self.interrupt.enter_of(read.table);
        let (after, to) = (texts(read.table, key, bounds.0)?, texts(read.table, key, bounds.1)?);
        let sql = statement::between(read, key, (after.as_deref(), to.as_deref()), rows)?;
        self.chunk(&call, (Name::RowsBetween, &sql), &literal::columns(read.table, read.columns)?).await
    }

    async fn sharing(
        &mut self,
        read: &Read<'_>,
        columns: &[String],
        values: &RecordBatch,
        at_most: u32,
    ) -> Result<Chunk, Error> {
        let call = self.interrupt.enter_of(read.table);
        let wanted = literal::columns(read.table, read.columns)?;
        match statement::sharing(read, columns, values, at_most)? {
            Some(sql) => self.chunk(&call, (Name::Sharing, &sql), &wanted).await,
            None => Self::nothing(&wanted),
        }
    }

    async fn has_parent(&mut self, reference: &Reference<'_>, values: &RecordBatch) -> Result<Vec<bool>, Error> {
        let call = self.interrupt.enter_of(reference.to);
        let mut found = vec![false; values.num_rows()];
        let Some(sql) = statement::has_parent(reference, values)? else { return Ok(found) };
        let time = call.lookup_limit(self.session.limits);
        self.session
            .rows(&call, (Name::Parents, &sql), time, &mut |row| {
                let number = session::value(row, 0).ok().flatten().and_then(|text| std::str::from_utf8(text).ok());
                let number = number.and_then(|number| number.parse::<usize>().ok());
                if let Some(found) = number.and_then(|number| found.get_mut(number)) {
                    *found = true;
                }
                Ok(())
            })
            .await?;
        Ok(found)
    }

    async fn orphans(
        &mut self,
        read: &Read<'_>,
        key: &[String],
        keys: &RecordBatch,
        reference: &Reference<'_>,
    ) -> Result<Chunk, Error> {
        let call = self.interrupt.enter_of(read.table);
        let sql = statement::orphans(read, key, keys, reference)?;
        self.chunk(&call, (Name::Orphans, &sql), &literal::columns(read.table, read.columns)?).await
    }

    fn courtesy(&self) -> Courtesy {
        self.interrupt.courtesy()
    }

    async fn horizon(&mut self) -> Result<Horizon, Error> {
        let call = self.interrupt.enter();
        let asked = Utc::now();
        let now = self.session.answers(&call, Name::Horizon, "SELECT UTC_TIMESTAMP(6)").await?;
        let half_way = asked + (Utc::now() - asked) / 2;
        let clock = now.first().and_then(|now| moment(&now.text(0)?));
        // who runs what is for those to see who have PROCESS
        let oldest = "SELECT MIN(t.trx_started) FROM information_schema.INNODB_TRX AS t \
                      WHERE t.trx_mysql_thread_id <> CONNECTION_ID()";
        let oldest = match self.session.answers(&call, Name::Sessions, oldest).await {
            Ok(oldest) => oldest,
            Err(Error::PermissionDenied { .. }) => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(Horizon {
            next_transaction: None,
            oldest_running: None,
            oldest_began: oldest.first().and_then(|oldest| moment(&oldest.text(0)?)),
            clock_ahead: clock.map(|clock| (clock - half_way).as_seconds_f64()),
        })
    }

    async fn standing(&mut self) -> Result<Standing, Error> {
        let call = self.interrupt.enter();
        // the second: what it has applied of others, and what it has written itself where it keeps a log
        let asked = "SELECT @@GLOBAL.gtid_slave_pos, @@GLOBAL.gtid_current_pos";
        let rows = self.session.answers(&call, Name::Standing, asked).await?;
        let position = |at: usize| Position::of_gtids(&rows.first()?.text(at)?);
        Ok(Standing { replica: position(0).is_some(), position: position(1), ..Standing::default() })
    }

    async fn query(&mut self, query: &Query<'_>) -> Result<Answered, Error> {
        let call = self.interrupt.enter();
        self.answer_query(&call, query).await
    }

    async fn expected_cost(&mut self, query: &Query<'_>) -> Result<Option<f64>, Error> {
        let call = self.interrupt.enter();
        self.explain_query(&call, query).await
    }

    async fn privileges(&mut self) -> Result<Option<Privileges>, Error> {
        let call = self.interrupt.enter();
        self.granted(&call).await.map(Some)
    }

    async fn preview(&mut self, read: &Read<'_>, ask: Preview<'_>) -> Result<Vec<(Name, String)>, Error> {
        const FIRST_ROWS: usize = 2_048;
        let stand_in = |names: &[String]| stand_in(read.table, names);
        let missing = || Error::Internal { what: "a value that stands for others".to_owned() };
        let one = |name: Name, sql: String| Ok(vec![(name, courtesy::limited(&sql, self.session.limits.read))]);
        match ask {
            Preview::Pass => one(Name::Rows, statement::scan(read, &statement::order(read.table), &[], FIRST_ROWS)?),
            Preview::Keys(key) => one(Name::RowsByKey, statement::by_key(read, key, &stand_in(key)?)?),
            Preview::Blocks => Ok(Vec::new()),
            Preview::Segments(key) => {
                let bound = texts(read.table, key, Some(&stand_in(key)?))?;
                let bound = bound.as_deref();
                let boundary = statement::key_after(read.table, key, bound, (1, read.value_limit_bytes))?;
                let between = statement::between(read, key, (bound, bound), 1)?;
                Ok([one(Name::KeyAfter, boundary)?, one(Name::RowsBetween, between)?].concat())
            }
            Preview::Sharing(columns) => {
                let sql = statement::sharing(read, columns, &stand_in(columns)?, 2)?;
                one(Name::Sharing, sql.ok_or_else(missing)?)
            }
            Preview::Parents(reference) => {
                let values = crate::preview::stand_in(reference.from, reference.columns)?;
                one(Name::Parents, statement::has_parent(reference, &values)?.ok_or_else(missing)?)
            }
            Preview::Extremes(column) => {
                one(Name::Extremes, statement::extremes(read.table, column, Read::VALUE_LIMIT_BYTES)?.0)
            }
            Preview::Query(query) => Ok(vec![(Name::Query, courtesy::limited(&query::statement(query), query.time))]),
        }
    }

    async fn checks(&mut self) -> Result<Vec<Check>, Error> {
        let call = self.interrupt.enter();
        self.read_checks(&call).await
    }
}

/// A time of the server, whose session is in UTC.
fn moment(text: &str) -> Option<DateTime<Utc>> {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok().map(|moment| moment.and_utc())
}
