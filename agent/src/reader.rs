//! One source, read politely: every call is timed, rests are taken, passing faults are tried again, a cancelled run stops at once.

use crate::budget::Budget;
use crate::state::Balance;
use arrow::array::RecordBatch;
use chrono::Utc;
use fieldmark_model::{Catalogue, Chunk, Counters, Dialect, Table};
use fieldmark_source::{
    Answered, BlockDraw, BlockSample, Check, Courtesy, Cursor, Definition, Error, Facts, Fingerprint, Horizon, Label,
    Made, Name, Pace, Preview, Privileges, Query, Read, Recovery, Reference, ScanChunk, SeenStatement, Sessions,
    Source, Standing,
};
use rand::Rng as _;
use rand::RngExt as _;
use rand_chacha::ChaCha12Rng;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

/// What reading has cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Rows that came over.
    pub rows: u64,
    /// Calls to the source, tries included.
    pub statements: u64,
    /// Wall time of those calls.
    pub time: Duration,
    /// Blocks of the database that they touched, as far as the source can tell.
    pub blocks: u64,
    /// Those of ours that waited for a lock, and gave up.
    pub lock_timeouts: u64,
}

/// A source with a pace, a cancel token and an account of what was used.
pub struct Reader {
    source: Box<dyn Source>,
    /// What statements call us.
    agent: String,
    pace: Pace,
    cancel: CancellationToken,
    budget: Budget,
    usage: Usage,
    /// That of readers beside it.
    beside: Usage,
    own: Option<Own>,
    jitter: ChaCha12Rng,
    draws: ChaCha12Rng,
}

/// Statements of one rule.
#[derive(Clone, Copy, Debug)]
struct Own {
    /// Time that they may still take; `None`: as long as it takes.
    left: Option<Duration>,
    spent: Duration,
}

/// A call of a source in a trace: what is called and where, in the words of OpenTelemetry's conventions for databases; never SQL.
fn call_of(name: &'static str, facts: &Facts) -> tracing::Span {
    let system = match facts.dialect {
        Dialect::Postgres => "postgresql",
        Dialect::MySql => "mariadb",
        Dialect::Sqlite => "sqlite",
        Dialect::Files => "other_sql",
    };
    tracing::info_span!(
        "call",
        otel.name = name,
        otel.kind = "client",
        db.system.name = system,
        db.operation.name = name,
        db.collection.name = tracing::field::Empty
    )
}

/// Tries of a call that meets a passing fault.
const TRIES: u32 = 3;
/// Tries where the connection was lost: a server that restarts is away for a second or two.
const TRIES_TO_CONNECT: u32 = 6;

/// Times, counts, rests, retries: round any call of a source.
macro_rules! politely {
    ($reader:ident, $name:literal $(of $table:expr)?, $answer:ident => $rows:expr, $call:expr) => {
        politely!($reader, $name $(of $table)?, $answer, _took => $rows, {}, $call)
    };
    ($reader:ident, $name:literal $(of $table:expr)?, $answer:ident, $took:ident => $rows:expr, $then:block, $call:expr) => {{
        let (mut tried, mut lost) = (0, false);
        loop {
            if $reader.cancel.is_cancelled() {
                break Err(Error::Cancelled);
            }
            if !$reader.budget.allows(Instant::now()) {
                break Err(Error::BudgetSpent);
            }
            let own = $reader.own.and_then(|own| own.left);
            if own.is_some_and(|left| left.is_zero()) {
                break Err(Error::RuleTimeout);
            }
            let canceller = $reader.source.canceller();
            let began = Instant::now();
            let span = call_of($name, $reader.source.facts());
            $(span.record("db.collection.name", $table.name.to_string());)?
            let answer = {
                let call = $call.instrument(span);
                tokio::pin!(call);
                tokio::select! {
                    biased;
                    answer = &mut call => answer,
                    () = $reader.cancel.cancelled() => {
                        canceller.cancel().await;
                        // the call ends by itself now; awaiting it leaves the connection clean
                        call.await.and(Err(Error::Cancelled))
                    }
                    () = over(own) => {
                        canceller.cancel().await;
                        // an answer that came meanwhile is one
                        match call.await {
                            Err(Error::Cancelled) => Err(Error::RuleTimeout),
                            answer => answer,
                        }
                    }
                }
            };
            let took = began.elapsed();
            tried += 1;
            $reader.usage.statements += 1;
            $reader.usage.time += took;
            if let Some(own) = &mut $reader.own {
                own.spent += took;
                own.left = own.left.map(|left| left.saturating_sub(took));
            }
            let touched = $reader.source.blocks_touched();
            let blocks = touched.saturating_sub($reader.usage.blocks);
            $reader.usage.blocks = touched;
            let short_of_blocks = $reader.budget.used(took, blocks, Instant::now());
            $reader.usage.lock_timeouts += u64::from(matches!(answer, Err(Error::Locked)));
            match answer {
                Ok($answer) => {
                    let rows: usize = $rows;
                    $reader.usage.rows += rows as u64;
                    let $took = took;
                    $then
                    let rest = $reader.pace.rest(took).max(short_of_blocks);
                    rested(&$reader.cancel, rest).await;
                    break Ok($answer);
                }
                Err(Error::Cancelled) => break Err(Error::Cancelled),
                Err(error) if is_passing(&error, &mut lost) && tried < if lost { TRIES_TO_CONNECT } else { TRIES } => {
                    let most = Duration::from_millis(100 << tried);
                    let wait = most.mul_f64($reader.jitter.random::<f64>());
                    rested(&$reader.cancel, wait).await;
                }
                Err(error) => break Err(error),
            }
        }
    }};
}

/// Whether the same call may go well a little later; once a connection was lost, a server that cannot be reached is one that restarts.
fn is_passing(error: &Error, lost: &mut bool) -> bool {
    *lost |= matches!(error, Error::ConnectionLost { .. });
    error.recovery() == Recovery::Retry || (*lost && matches!(error, Error::Unreachable { .. }))
}

/// Waits until a rule's time is over; for ever where it has no limit.
async fn over(left: Option<Duration>) {
    match left {
        Some(left) => tokio::time::sleep(left).await,
        None => std::future::pending().await,
    }
}

/// Waits so long, or until the run is cancelled.
async fn rested(cancel: &CancellationToken, time: Duration) {
    if time > Duration::ZERO {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = cancel.cancelled() => {}
        }
    }
}

impl Reader {
    /// Reads a source at most for this share of the time (over 0, at most 1) and within its budget, until the token is cancelled.
    pub fn new(mut source: Box<dyn Source>, duty: f64, budget: Budget, cancel: CancellationToken, seed: u64) -> Self {
        let (agent, chunk) = (crate::state::host_name(), source.facts().chunk);
        source.label(Label { agent: agent.clone(), rule: None });
        Self {
            source,
            agent,
            pace: Pace::new(chunk, duty),
            cancel,
            budget,
            usage: Usage::default(),
            beside: Usage::default(),
            own: None,
            jitter: fieldmark_statistics::draw::generator(seed ^ 0x6a69_7474_6572),
            // apart from the jitter, so that a retry does not change what a seed draws
            draws: fieldmark_statistics::draw::generator(seed),
        }
    }

    /// One more reader of the same place, over a connection of its own, within the same budget.
    ///
    /// # Errors
    /// As the source.
    pub async fn beside(&mut self) -> Result<Self, Error> {
        let mut source = politely!(self, "beside", source => 0, self.source.beside())?;
        source.label(Label { agent: self.agent.clone(), rule: None });
        Ok(Self {
            source,
            agent: self.agent.clone(),
            pace: self.pace.clone(),
            cancel: self.cancel.clone(),
            budget: self.budget.clone(),
            usage: Usage::default(),
            beside: Usage::default(),
            own: None,
            jitter: fieldmark_statistics::draw::generator(self.jitter.next_u64()),
            draws: fieldmark_statistics::draw::generator(0),
        })
    }

    /// Takes what another reader beside this one has used as its own.
    pub fn account(&mut self, usage: Usage) {
        self.beside.rows += usage.rows;
        self.beside.statements += usage.statements;
        self.beside.time += usage.time;
        self.beside.blocks += usage.blocks;
        self.beside.lock_timeouts += usage.lock_timeouts;
    }

    /// From now on draws are those of this seed.
    pub fn reseed(&mut self, seed: u64) {
        self.draws = fieldmark_statistics::draw::generator(seed);
    }

    /// See [`Source::hold_snapshot`].
    ///
    /// # Errors
    /// As the source.
    pub async fn hold_snapshot(&mut self, hold: bool) -> Result<(), Error> {
        if !hold {
            // whatever was spent and whoever has cancelled: what is held is let go of
            return self.source.hold_snapshot(false).await;
        }
        politely!(self, "hold_snapshot", held => 0, self.source.hold_snapshot(true))
    }

    /// What kind of database it is and where.
    pub fn facts(&self) -> &Facts {
        self.source.facts()
    }

    /// What reading has cost so far.
    pub fn usage(&self) -> Usage {
        let (own, beside) = (self.usage, self.beside);
        Usage {
            rows: own.rows + beside.rows,
            statements: own.statements + beside.statements,
            time: own.time + beside.time,
            blocks: own.blocks + beside.blocks,
            lock_timeouts: own.lock_timeouts + beside.lock_timeouts,
        }
    }

    /// What was done so far for others who waited for what statements of ours held.
    pub fn courtesy(&self) -> Courtesy {
        self.source.courtesy()
    }

    /// What is left of the source's budget of time, to be kept for the next run.
    pub fn balance(&self) -> Option<Balance> {
        self.budget.left((Utc::now(), Instant::now()))
    }

    /// The statements from now on are one rule's, say so in their comments, and may take so long together.
    pub fn begin_own(&mut self, rule: &str, left: Option<Duration>) {
        self.source.label(Label { agent: self.agent.clone(), rule: Some(rule.to_owned()) });
        self.own = Some(Own { left, spent: Duration::ZERO });
    }

    /// They are no longer: time that they took.
    pub fn end_own(&mut self) -> Duration {
        self.source.label(Label { agent: self.agent.clone(), rule: None });
        self.own.take().map_or(Duration::ZERO, |own| own.spent)
    }

    /// The token that stops this reader.
    pub fn cancel_token(&self) -> &CancellationToken {
        &self.cancel
    }

    /// A seed for one more draw.
    pub fn draw_seed(&mut self) -> u64 {
        self.draws.next_u64()
    }

    /// See [`Source::catalogue`].
    ///
    /// # Errors
    /// As the source.
    pub async fn catalogue(&mut self) -> Result<Catalogue, Error> {
        politely!(self, "catalogue", catalogue => 0, self.source.catalogue())
    }

    /// See [`Source::definitions`].
    ///
    /// # Errors
    /// As the source.
    pub async fn definitions(&mut self) -> Result<Vec<Definition>, Error> {
        politely!(self, "definitions", definitions => 0, self.source.definitions())
    }

    /// See [`Source::outline`].
    ///
    /// # Errors
    /// As the source.
    pub async fn outline(&mut self) -> Result<Vec<Made>, Error> {
        politely!(self, "outline", outline => 0, self.source.outline())
    }

    /// See [`Source::statements`].
    ///
    /// # Errors
    /// As the source.
    pub async fn statements(&mut self) -> Result<Vec<SeenStatement>, Error> {
        politely!(self, "statements", statements => 0, self.source.statements())
    }

    /// See [`Source::fingerprint`].
    ///
    /// # Errors
    /// As the source.
    pub async fn fingerprint(&mut self, known: Option<&Fingerprint>) -> Result<Fingerprint, Error> {
        politely!(self, "fingerprint", fingerprint => 0, self.source.fingerprint(known))
    }

    /// The next chunk of a pass, of the size that the pace allows.
    ///
    /// # Errors
    /// As the source.
    pub async fn scan(&mut self, read: &Read<'_>, from: &Cursor) -> Result<ScanChunk, Error> {
        loop {
            let scanned = politely!(
                self,
                "scan" of read.table, scanned, took => scanned.chunk.rows(),
                { self.pace.took(scanned.chunk.rows(), took) },
                self.source.scan(read, from, self.pace.rows())
            );
            match scanned {
                Err(Error::Timeout) if self.pace.missed() => {}
                scanned => return scanned,
            }
        }
    }

    /// See [`Source::by_key`].
    ///
    /// # Errors
    /// As the source.
    pub async fn by_key(&mut self, read: &Read<'_>, key: &[String], keys: &RecordBatch) -> Result<Chunk, Error> {
        politely!(self, "by_key" of read.table, chunk => chunk.rows(), self.source.by_key(read, key, keys))
    }

    /// See [`Source::extremes`].
    ///
    /// # Errors
    /// As the source.
    pub async fn extremes(&mut self, table: &Table, column: &str) -> Result<Chunk, Error> {
        politely!(self, "extremes" of table, chunk => 0, self.source.extremes(table, column))
    }

    /// See [`Source::blocks`].
    ///
    /// # Errors
    /// As the source.
    pub async fn blocks(&mut self, read: &Read<'_>, draw: &BlockDraw) -> Result<BlockSample, Error> {
        politely!(self, "blocks" of read.table, sample => sample.chunk.rows(), self.source.blocks(read, draw))
    }

    /// See [`Source::sharing`].
    ///
    /// # Errors
    /// As the source.
    pub async fn sharing(
        &mut self,
        read: &Read<'_>,
        columns: &[String],
        values: &RecordBatch,
        at_most: u32,
    ) -> Result<Chunk, Error> {
        politely!(self, "sharing" of read.table, chunk => chunk.rows(), self.source.sharing(read, columns, values, at_most))
    }

    /// See [`Source::has_parent`].
    ///
    /// # Errors
    /// As the source.
    pub async fn has_parent(&mut self, reference: &Reference<'_>, values: &RecordBatch) -> Result<Vec<bool>, Error> {
        politely!(self, "has_parent", found => found.len(), self.source.has_parent(reference, values))
    }

    /// See [`Source::orphans`].
    ///
    /// # Errors
    /// As the source.
    pub async fn orphans(
        &mut self,
        read: &Read<'_>,
        key: &[String],
        keys: &RecordBatch,
        reference: &Reference<'_>,
    ) -> Result<Chunk, Error> {
        politely!(self, "orphans" of read.table, chunk => chunk.rows(), self.source.orphans(read, key, keys, reference))
    }

    /// See [`Source::key_after`].
    ///
    /// # Errors
    /// As the source.
    pub async fn key_after(
        &mut self,
        table: &Table,
        key: &[String],
        after: Option<&RecordBatch>,
        step: u64,
    ) -> Result<RecordBatch, Error> {
        politely!(self, "key_after" of table, batch => batch.num_rows(), self.source.key_after(table, key, after, step))
    }

    /// See [`Source::between`].
    ///
    /// # Errors
    /// As the source.
    pub async fn between(
        &mut self,
        read: &Read<'_>,
        key: &[String],
        bounds: (Option<&RecordBatch>, Option<&RecordBatch>),
        rows: usize,
    ) -> Result<Chunk, Error> {
        politely!(self, "between" of read.table, chunk => chunk.rows(), self.source.between(read, key, bounds, rows))
    }

    /// See [`Source::counters`].
    ///
    /// # Errors
    /// As the source.
    pub async fn counters(&mut self, table: &Table) -> Result<Counters, Error> {
        politely!(self, "counters" of table, counters => 0, self.source.counters(table))
    }

    /// See [`Source::horizon`].
    ///
    /// # Errors
    /// As the source.
    pub async fn horizon(&mut self) -> Result<Horizon, Error> {
        politely!(self, "horizon", horizon => 0, self.source.horizon())
    }

    /// See [`Source::standing`].
    ///
    /// # Errors
    /// As the source.
    pub async fn standing(&mut self) -> Result<Standing, Error> {
        politely!(self, "standing", standing => 0, self.source.standing())
    }

    /// Waits so long, or until the run is cancelled.
    pub async fn pause(&self, time: Duration) {
        rested(&self.cancel, time).await;
    }

    /// See [`Source::transactions`].
    ///
    /// # Errors
    /// As the source.
    pub async fn transactions(&mut self, sessions: &[Sessions]) -> Result<BTreeSet<u64>, Error> {
        politely!(self, "transactions", transactions => 0, self.source.transactions(sessions))
    }

    /// See [`Source::query`].
    ///
    /// # Errors
    /// As the source.
    pub async fn query(&mut self, query: &Query<'_>) -> Result<Answered, Error> {
        politely!(self, "query", answered => answered.shown.len(), self.source.query(query))
    }

    /// See [`Source::expected_cost`].
    ///
    /// # Errors
    /// As the source.
    pub async fn expected_cost(&mut self, query: &Query<'_>) -> Result<Option<f64>, Error> {
        politely!(self, "expected_cost", cost => 0, self.source.expected_cost(query))
    }

    /// See [`Source::blocks_seen`].
    ///
    /// # Errors
    /// As the source.
    pub async fn blocks_seen(&mut self, tables: &[&Table]) -> Result<Option<u64>, Error> {
        politely!(self, "blocks_seen", blocks => 0, self.source.blocks_seen(tables))
    }

    /// See [`Source::privileges`].
    ///
    /// # Errors
    /// As the source.
    pub async fn privileges(&mut self) -> Result<Option<Privileges>, Error> {
        politely!(self, "privileges", privileges => 0, self.source.privileges())
    }

    /// See [`Source::preview`].
    ///
    /// # Errors
    /// As the source.
    pub async fn preview(&mut self, read: &Read<'_>, ask: Preview<'_>) -> Result<Vec<(Name, String)>, Error> {
        politely!(self, "preview" of read.table, statements => 0, self.source.preview(read, ask))
    }

    /// See [`Source::checks`].
    ///
    /// # Errors
    /// As the source.
    pub async fn checks(&mut self) -> Result<Vec<Check>, Error> {
        politely!(self, "checks", checks => checks.len(), self.source.checks())
    }
}
