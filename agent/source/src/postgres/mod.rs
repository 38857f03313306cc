//! PostgreSQL 14 and later, read by binary COPY.
//!
//! Every call is one short read-only transaction (drawing blocks: one for each batch of them), begun with its settings in one
//! round trip, read whole, ended. All settings are local to the transaction. A connection whose transaction did not end as
//! it should is closed, and the next call makes a new one. Statements carry a comment ([`crate::label`]) and the connection its
//! application name. Nothing is prepared, so that a pooler in transaction mode may stand between.
//!
//! # Connecting
//!
//! Where the url says no `sslmode`, a server on the network has to prove who it is (`verify-full`), since it may ask for the
//! password; to a socket or a loopback address the mode is `prefer`. sqlx brings its own TLS provider (ring); none has to be installed for
//! it. Connections that a server reserves for superusers are not used.
//!
//! # How values travel
//!
//! | PostgreSQL | Arrow | Remarks |
//! |---|---|---|
//! | `boolean` | `Boolean` | |
//! | `smallint`, `integer`, `bigint` | `Int16`, `Int32`, `Int64` | |
//! | `oid` | `UInt32` | |
//! | `real`, `double precision` | `Float32`, `Float64` | NaN and infinities are values |
//! | `numeric(p,s)` | `Decimal128(p,s)` to p = 38, `Decimal256(p,s)` to 76 | negative s: `(p-s,0)`; s over p: `(s,s)`; `NaN` is unrepresentable |
//! | other `numeric` | `Utf8`, canonical | |
//! | `text`, `varchar(n)`, `name` | `Utf8` | |
//! | `char(n)` | `Utf8` | without trailing blanks: they are no part of the value to PostgreSQL's own comparison and length |
//! | `bytea` | `Binary` | |
//! | `date` | `Date32` | infinities and years outside -262143 to 262142, in which Arrow's kernels compute, are unrepresentable |
//! | `time` | `Time64(us)` | `24:00:00` is unrepresentable |
//! | `timestamp`, `timestamptz` | `Timestamp(us)`, `Timestamp(us, "UTC")` | as dates |
//! | `uuid` | `Utf8` | lower case with hyphens |
//! | `json`, `jsonb` | `Utf8` | as the server writes it |
//! | enums | `Utf8` | the label |
//! | domains | as their base type | |
//! | anything else (arrays, ranges, composites, intervals, `money`, `inet`, `bit`, `xml`, `citext`, ..) | `Utf8`, canonical | the type's output function under fixed settings |
//!
//! "Canonical" columns are marked [`canonical_text`](fieldmark_model::Column::canonical_text). A value over the limit is
//! `ValueTooLarge` and not read: text and bytes by their size, other types by their stored (perhaps compressed) size, and by
//! that of their text once it has come. Past 128 MiB of values in one call every further one over 64 bytes is too large. Text that is
//! no UTF-8 (in a SQL_ASCII database) is `InvalidEncoding`; where a server cannot convert a value of its own encoding, the
//! statement is read again unconverted, and values of its that are not ASCII are.
//!
//! # What is read how
//!
//! Tables, partitions, heirs and materialized views are read by ranges of blocks (see `scan.rs`), partition by partition; where the role
//! may read a parent but not its partitions, through the parent. A table of which only columns are granted is read in
//! key order, without a key in one statement; so are views and foreign tables: they have to be small enough for the time limit.
//! Each read ends with the question whether the columns read still have the types that they are decoded by, while its own
//! locks keep them so.
//!
//! Keys and look-ups use the type's own equality (`citext` by its operator, `char(n)` without trailing blanks). A value that
//! a column's type cannot hold equals no row.

mod activity;
mod cells;
mod connect;
mod copy;
mod courtesy;
mod declared;
mod definition;
mod extent;
mod fault;
mod fingerprint;
mod grants;
mod inspect;
mod layout;
mod literal;
mod lookup;
mod numeric;
mod outline;
mod preview;
mod privilege;
mod query;
mod rows;
mod sample;
mod scan;
mod session;
mod snapshot;
mod statement;
mod statistics;
mod types;
mod watch;

pub use crate::options::{ConnectOptions, Limits};
pub use connect::connect_options;
pub use declared::{declared_column, declared_types};
pub(crate) use grants::grants;
pub(crate) use scan::ScanPlace;

use crate::definition::{Definition, Made, SeenStatement};
use crate::label::{Label, Name, SharedLabel};
use crate::request::Place;
use crate::{
    Answered, BlockDraw, BlockSample, Cancel, Check, Courtesy, Cursor, Error, Facts, Fingerprint, Horizon, Pace,
    Preview, Privileges, Query, Read, Reference, ScanChunk, Sessions, Source, Standing,
};
use arrow::array::{AsArray as _, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Int64Type, Schema};
use async_trait::async_trait;
use cells::Bounds;
use courtesy::{Call, Interrupt, Purpose};
use fieldmark_model::{Catalogue, Chunk, Counters, Dialect, Table, TableName};
use layout::{Expected, Layout, LayoutColumn};
use rows::{Answer, Extras, Rows};
use session::Session;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// A PostgreSQL database as a [`Source`].
pub struct PostgresSource {
    facts: Facts,
    schemas: Vec<String>,
    session: Session,
    interrupt: Arc<Interrupt>,
    layouts: HashMap<TableName, Arc<Layout>>,
    frame: Option<sample::Frame>,
    touched: u64,
    /// What passes go by, where they go by one.
    snapshot: Option<snapshot::Snapshot>,
    label: SharedLabel,
    /// `server_version_num`.
    version: u32,
}

/// Layouts that are kept at most.
const LAYOUTS: usize = 256;
/// Blocks that finding one row through an index touches: the way down the tree, and the row.
pub const BLOCKS_OF_A_KEY: u64 = 4;
/// Rows found one after the other in an index that share a block of it.
const KEYS_OF_A_BLOCK: u64 = 100;
/// How long the question whether a table goes on may take.
const QUESTION: Duration = Duration::from_millis(100);

/// Connects to a database.
///
/// # Errors
/// [`Error::Address`] for a url that makes no sense, [`Error::LoginRefused`] for a wrong user or password,
/// [`Error::Unreachable`] for all else, within about five seconds.
pub async fn connect(options: &ConnectOptions) -> Result<PostgresSource, Error> {
    let server = connect::Server::new(options)?;
    let address = server.address.clone();
    let interrupt = Arc::new(Interrupt::new(server.clone()));
    let (session, greeting) = Session::open(server, options.limits).await?;
    let facts = Facts {
        dialect: Dialect::Postgres,
        version: greeting.version,
        address,
        // one schema asked for is the default; of several, that of the connection if it is among them
        default_schema: match options.schemas.as_deref() {
            Some([one]) => Some(one.clone()),
            Some(several) => greeting.schemas.iter().find(|schema| several.contains(schema)).cloned(),
            None => greeting.schemas.first().cloned(),
        },
        chunk: Pace::TARGET,
        pooled: greeting.pooled,
    };
    // one that the role may not use is among them: what is missing is then told, and does not look like nothing
    let schemas = options.schemas.clone().unwrap_or(greeting.named);
    Ok(PostgresSource::new(facts, schemas, (session, greeting.number), interrupt))
}

impl PostgresSource {
    /// Over a session that is open, with the number of the server's version.
    fn new(facts: Facts, schemas: Vec<String>, (session, version): (Session, u32), interrupt: Arc<Interrupt>) -> Self {
        Self {
            facts,
            schemas,
            session,
            label: interrupt.server().label.clone(),
            interrupt,
            layouts: HashMap::new(),
            frame: None,
            touched: 0,
            snapshot: None,
            version,
        }
    }
}

/// One statement and how its rows are read.
struct Fetch<'a> {
    name: Name,
    purpose: Purpose,
    sql: String,
    expected: Vec<Expected>,
    columns: Vec<&'a LayoutColumn>,
    value_bytes: usize,
    extras: Extras,
    stops: bool,
    /// Of a pass: in the snapshot that passes go by, where there is one.
    of_pass: bool,
}

impl Fetch<'_> {
    fn rows(name: Name, value_bytes: usize) -> Self {
        Self {
            name,
            purpose: Purpose::Rows,
            sql: String::new(),
            expected: Vec::new(),
            columns: Vec::new(),
            value_bytes,
            extras: Extras::default(),
            stops: false,
            of_pass: false,
        }
    }
}

/// Whether the server could not convert a value to UTF-8.
fn unconvertible(error: &Error) -> bool {
    matches!(error, Error::Database { code } if code == "22021" || code == "22P05")
}

impl PostgresSource {
    /// Statements about the catalogue, each answered whole, in one transaction.
    async fn answers<const N: usize>(
        &mut self,
        call: &Call,
        statements: &[(Name, String); N],
    ) -> Result<[Vec<Answer>; N], Error> {
        let mut transaction = self.session.begin(call, Purpose::Catalogue, false).await?;
        let mut answers = [const { Vec::new() }; N];
        for ((name, sql), answers) in statements.iter().zip(&mut answers) {
            let mut frames = copy::Frames::default();
            let read = transaction
                .copy(*name, sql, &mut |piece| {
                    frames.push(piece, &mut |row| {
                        answers.push(Answer::read(row)?);
                        Ok(())
                    })
                })
                .await?;
            if let Err(error) = read.and_then(|()| frames.finish()) {
                transaction.close().await;
                return Err(internal(&error));
            }
        }
        transaction.commit().await?;
        Ok(answers)
    }

    /// The layout of a table, which still has the named columns as `table` knows them.
    async fn layout(&mut self, call: &Call, table: &Table, wanted: &[&[String]]) -> Result<Arc<Layout>, Error> {
        let fits = |layout: &Layout| wanted.iter().try_for_each(|names| layout.columns(table, names).map(|_| ()));
        if let Some(layout) = self.layouts.get(&table.name)
            && fits(layout).is_ok()
        {
            return Ok(Arc::clone(layout));
        }
        let [answers] = self.answers(call, &[(Name::Layout, layout::statement(&table.name))]).await?;
        let layout = Arc::new(Layout::new(&table.name, &answers));
        fits(&layout)?;
        if self.layouts.len() >= LAYOUTS {
            self.layouts.clear();
        }
        self.layouts.insert(table.name.clone(), Arc::clone(&layout));
        Ok(layout)
    }

    /// Runs a statement in a transaction of its own. `question` is asked of the rows, in the same transaction; the answer is
    /// true where there is none to ask or it could not be answered in time.
    async fn fetch(
        &mut self,
        call: &Call,
        fetch: &Fetch<'_>,
        question: &(dyn Fn(&Rows) -> Option<String> + Sync),
    ) -> Result<(Rows, bool), Error> {
        let result = match self.fetch_once(call, fetch, question, false).await {
            Err(error) if unconvertible(&error) => self.fetch_once(call, fetch, question, true).await,
            result => result,
        };
        if matches!(result, Err(Error::SchemaChanged { .. })) {
            self.layouts.clear();
        }
        result
    }

    fn bounds(&self, value_bytes: usize, raw: bool) -> Bounds {
        Bounds { value_bytes, foreign_bytes: raw && self.session.foreign_encoding() }
    }

    async fn fetch_once(
        &mut self,
        call: &Call,
        fetch: &Fetch<'_>,
        question: &(dyn Fn(&Rows) -> Option<String> + Sync),
        raw: bool,
    ) -> Result<(Rows, bool), Error> {
        let mut rows = Rows::new(&fetch.columns, self.bounds(fetch.value_bytes, raw), fetch.extras, fetch.stops);
        let snapshot = self.snapshot.as_ref().filter(|_| fetch.of_pass);
        let mut transaction = match snapshot {
            Some(snapshot) => match self.session.begin_in(call, snapshot.id()?, fetch.purpose, raw).await {
                // the server does not know it any more
                Err(Error::Database { code }) if matches!(code.as_str(), "22023" | "55000") => {
                    return Err(snapshot.ended());
                }
                begun => begun?,
            },
            None => self.session.begin(call, fetch.purpose, raw).await?,
        };
        rows.near(transaction.next_transaction());
        let read = transaction.copy(fetch.name, &fetch.sql, &mut |piece| rows.push(piece)).await?;
        let read = read.and_then(|()| rows.end_statement());
        let asked = read.as_ref().ok().and_then(|()| question(&rows));
        let Some(asked) = asked else {
            if fetch.expected.is_empty() {
                transaction.commit().await?;
            } else {
                let answer = transaction.finish(Name::Verify, &layout::question(&fetch.expected)).await?;
                layout::verify(&fetch.expected, &answer)?;
            }
            self.verify_later(call, fetch).await?;
            // bytes that make no sense are the schema's fault first
            return read.map(|()| (rows, true)).map_err(|error| internal(&error));
        };
        if !fetch.expected.is_empty() {
            let answer = transaction.text(Name::Verify, &layout::question(&fetch.expected)).await?;
            if let Err(error) = layout::verify(&fetch.expected, &answer) {
                transaction.close().await;
                return Err(error);
            }
        }
        let more = match transaction.finish_within(Name::Further, &format!("SELECT {asked}"), QUESTION).await {
            Ok(answer) => {
                answer.first().and_then(|row| row.first()).is_none_or(|answer| answer.as_deref() != Some("f"))
            }
            Err(Error::Timeout) => true,
            Err(error) => return Err(error),
        };
        self.verify_later(call, fetch).await?;
        Ok((rows, more))
    }

    /// Whether table and columns still are what they were thought to be, after a read in a snapshot. What the read itself asked is what was
    /// true when the snapshot was taken; together they were the same all the time. (A table that was written anew since then would look
    /// empty.)
    async fn verify_later(&mut self, call: &Call, fetch: &Fetch<'_>) -> Result<(), Error> {
        if self.snapshot.is_none() || !fetch.of_pass || fetch.expected.is_empty() {
            return Ok(());
        }
        let transaction = self.session.begin(call, Purpose::Rows, false).await?;
        let answer = transaction.finish(Name::Verify, &layout::question(&fetch.expected)).await?;
        layout::verify(&fetch.expected, &answer)
    }

    /// Runs a statement whose rows are those of a table.
    async fn chunk(
        &mut self,
        call: &Call,
        fetch: &Fetch<'_>,
        table: &Table,
        columns: &[String],
    ) -> Result<Chunk, Error> {
        let (rows, _) = self.fetch(call, fetch, &|_| None).await?;
        rows.finish(table.arrow_schema(columns.iter().map(String::as_str)))
    }

    async fn parts(&mut self, call: &Call, table: &Table) -> Result<Vec<extent::Part>, Error> {
        let [answers] = self.answers(call, &[(Name::Parts, extent::statement(&table.name))]).await?;
        extent::parts(table, &answers).ok_or_else(|| Error::SchemaChanged { code: "42P01".to_owned() })
    }

    async fn scan_step(
        &mut self,
        call: &Call,
        read: &Read<'_>,
        from: &Cursor,
        rows: usize,
    ) -> Result<ScanChunk, Error> {
        let place = match &from.0 {
            Place::Start => ScanPlace::start(read.table.name.clone(), self.parts(call, read.table).await?),
            Place::Postgres(place) if place.table == read.table.name => place.clone(),
            Place::Postgres(_) | Place::Sqlite(_) | Place::MySql(_) | Place::Files(_) | Place::Memory(_) => {
                return Err(Error::Internal { what: "a cursor of another table".to_owned() });
            }
        };
        let schema = read.table.arrow_schema(read.columns.iter().map(String::as_str));
        let Some(part) = place.part().cloned() else {
            return Ok(ScanChunk { chunk: Chunk::whole(RecordBatch::new_empty(schema)), next: None });
        };
        let keys = match &part.by {
            extent::By::Key(key) => key.as_slice(),
            extent::By::Place { .. } | extent::By::Whole { .. } => &[],
        };
        let layout = self.layout(call, read.table, &[read.columns, keys]).await?;
        let columns = layout.columns(read.table, read.columns)?;
        let key = scan::key_of(&part, &layout, read)?;
        let counter = scan::counter();
        let mut step = scan::step(read, layout.stamped, (&columns, &key), &counter, &place, &part, rows);
        // what has no file of its own is read in one statement, or by others' rules
        step.fetch.of_pass = part.storage.is_some();
        let (rows, more) = self.fetch(call, &step.fetch, &|rows| step.question(&place, &part, rows)).await?;
        self.touched += step.blocks(&place, &part, &rows);
        if !step.counts {
            let next = step.follow(place, &rows, None, more);
            let next = next.map(|place| Cursor(Place::Postgres(place)));
            return Ok(ScanChunk { chunk: rows.finish(schema)?, next });
        }
        let counted = count(&rows.snapshot()?)?;
        let next = step.follow(place, &rows, Some(counted), more).map(|place| Cursor(Place::Postgres(place)));
        let options = RecordBatchOptions::new().with_row_count(usize::try_from(counted).ok());
        let batch = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)
            .map_err(|error| Error::Internal { what: error.to_string() })?;
        Ok(ScanChunk { chunk: Chunk::whole(batch), next })
    }
}

/// What `count(*)` gave.
fn count(batch: &RecordBatch) -> Result<u64, Error> {
    let counts = batch.columns().first().and_then(|column| column.as_primitive_opt::<Int64Type>());
    let count = counts.filter(|counts| counts.len() == 1).and_then(|counts| u64::try_from(counts.value(0)).ok());
    count.ok_or_else(|| Error::Internal { what: "a count that is none".to_owned() })
}

fn internal(error: &copy::Malformed) -> Error {
    Error::Internal { what: error.to_string() }
}

#[async_trait]
impl Source for PostgresSource {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn canceller(&self) -> Arc<dyn Cancel> {
        Arc::clone(&self.interrupt) as Arc<dyn Cancel>
    }

    async fn beside(&mut self) -> Result<Box<dyn Source>, Error> {
        let interrupt = Arc::new(self.interrupt.beside());
        let (session, greeting) = Session::open(interrupt.server().clone(), self.session.limits()).await?;
        let other = self.session.identity().zip(session.identity()).is_some_and(|(one, other)| one != other);
        if other {
            return Err(Error::FailedOver);
        }
        let version = greeting.number;
        Ok(Box::new(Self::new(self.facts.clone(), self.schemas.clone(), (session, version), interrupt)))
    }

    async fn hold_snapshot(&mut self, hold: bool) -> Result<(), Error> {
        self.snapshot = None;
        if hold {
            self.snapshot = Some(snapshot::Snapshot::take(&self.interrupt).await?);
        }
        Ok(())
    }

    fn label(&mut self, label: Label) {
        self.label.set(label);
    }

    async fn catalogue(&mut self) -> Result<Catalogue, Error> {
        let call = self.interrupt.enter();
        self.layouts.clear();
        let answers = self.answers(&call, &inspect::statements(&self.schemas)).await?;
        Ok(inspect::catalogue(&answers))
    }

    async fn outline(&mut self) -> Result<Vec<Made>, Error> {
        let call = self.interrupt.enter();
        self.read_outline(&call).await
    }

    async fn definitions(&mut self) -> Result<Vec<Definition>, Error> {
        let call = self.interrupt.enter();
        self.read_definitions(&call).await
    }

    async fn statements(&mut self) -> Result<Vec<SeenStatement>, Error> {
        let call = self.interrupt.enter();
        self.read_statements(&call).await
    }

    async fn fingerprint(&mut self, known: Option<&Fingerprint>) -> Result<Fingerprint, Error> {
        let call = self.interrupt.enter();
        self.read_fingerprint(&call, known).await
    }

    async fn scan(&mut self, read: &Read<'_>, from: &Cursor, rows: usize) -> Result<ScanChunk, Error> {
        let call = self.interrupt.enter();
        self.scan_step(&call, read, from, rows).await
    }

    async fn by_key(&mut self, read: &Read<'_>, key: &[String], keys: &RecordBatch) -> Result<Chunk, Error> {
        let call = self.interrupt.enter();
        self.touched += BLOCKS_OF_A_KEY * keys.num_rows() as u64;
        self.rows_by_key(&call, read, key, keys).await
    }

    async fn extremes(&mut self, table: &Table, column: &str) -> Result<Chunk, Error> {
        let call = self.interrupt.enter();
        self.touched += 2 * BLOCKS_OF_A_KEY;
        self.least_and_greatest(&call, table, column).await
    }

    async fn blocks(&mut self, read: &Read<'_>, draw: &BlockDraw) -> Result<BlockSample, Error> {
        let call = self.interrupt.enter();
        let sample = self.draw_blocks(&call, read, draw).await?;
        // once for the places of its rows, once for the rows
        self.touched += 2 * sample.live.len() as u64;
        Ok(sample)
    }

    async fn key_after(
        &mut self,
        table: &Table,
        key: &[String],
        after: Option<&RecordBatch>,
        step: u64,
    ) -> Result<RecordBatch, Error> {
        let call = self.interrupt.enter();
        self.touched += BLOCKS_OF_A_KEY + step / KEYS_OF_A_BLOCK;
        self.boundary(&call, table, key, after, step).await
    }

    async fn between(
        &mut self,
        read: &Read<'_>,
        key: &[String],
        bounds: (Option<&RecordBatch>, Option<&RecordBatch>),
        rows: usize,
    ) -> Result<Chunk, Error> {
        let call = self.interrupt.enter();
        let chunk = self.rows_between(&call, read, key, bounds, rows).await?;
        self.touched += BLOCKS_OF_A_KEY + chunk.rows() as u64;
        Ok(chunk)
    }

    async fn sharing(
        &mut self,
        read: &Read<'_>,
        columns: &[String],
        values: &RecordBatch,
        at_most: u32,
    ) -> Result<Chunk, Error> {
        let call = self.interrupt.enter();
        let chunk = self.rows_sharing(&call, read, columns, values, at_most).await?;
        self.touched += BLOCKS_OF_A_KEY * values.num_rows() as u64 + chunk.rows() as u64;
        Ok(chunk)
    }

    async fn has_parent(&mut self, reference: &Reference<'_>, values: &RecordBatch) -> Result<Vec<bool>, Error> {
        let call = self.interrupt.enter();
        self.touched += BLOCKS_OF_A_KEY * values.num_rows() as u64;
        self.found_parents(&call, reference, values).await
    }

    async fn orphans(
        &mut self,
        read: &Read<'_>,
        key: &[String],
        keys: &RecordBatch,
        reference: &Reference<'_>,
    ) -> Result<Chunk, Error> {
        let call = self.interrupt.enter();
        self.touched += 2 * BLOCKS_OF_A_KEY * keys.num_rows() as u64;
        self.rows_without_parent(&call, read, key, keys, reference).await
    }

    async fn counters(&mut self, table: &Table) -> Result<Counters, Error> {
        let call = self.interrupt.enter();
        self.row_counters(&call, table).await
    }

    fn blocks_touched(&self) -> u64 {
        self.touched
    }

    fn courtesy(&self) -> Courtesy {
        self.interrupt.courtesy()
    }

    async fn horizon(&mut self) -> Result<Horizon, Error> {
        let call = self.interrupt.enter();
        self.read_horizon(&call).await
    }

    async fn standing(&mut self) -> Result<Standing, Error> {
        let call = self.interrupt.enter();
        self.read_standing(&call).await
    }

    async fn transactions(&mut self, sessions: &[Sessions]) -> Result<BTreeSet<u64>, Error> {
        let call = self.interrupt.enter();
        self.running_transactions(&call, sessions).await
    }

    async fn query(&mut self, query: &Query<'_>) -> Result<Answered, Error> {
        let call = self.interrupt.enter();
        self.answer_query(&call, query).await
    }

    async fn expected_cost(&mut self, query: &Query<'_>) -> Result<Option<f64>, Error> {
        let call = self.interrupt.enter();
        self.explain_query(&call, query).await.map(Some)
    }

    async fn blocks_seen(&mut self, tables: &[&Table]) -> Result<Option<u64>, Error> {
        let call = self.interrupt.enter();
        self.blocks_by_statistics(&call, tables).await
    }

    async fn privileges(&mut self) -> Result<Option<Privileges>, Error> {
        let call = self.interrupt.enter();
        self.granted(&call).await.map(Some)
    }

    async fn preview(&mut self, read: &Read<'_>, ask: Preview<'_>) -> Result<Vec<(Name, String)>, Error> {
        let call = self.interrupt.enter();
        self.previewed(&call, read, ask).await
    }

    async fn checks(&mut self) -> Result<Vec<Check>, Error> {
        let call = self.interrupt.enter();
        let [answers] = self.answers(&call, &[(Name::Checks, inspect::checks(&self.schemas))]).await?;
        Ok(answers.iter().filter_map(inspect::check).collect())
    }
}
