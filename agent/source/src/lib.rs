//! Databases in, Arrow out.
//!
//! A [`Source`] is a set of bounded reads and a cancel handle, never a held stream: each call is one short statement in
//! its own read-only transaction (a *chunk*), read whole before it returns, so that nothing of ours can keep a lock that
//! a migration waits for. Only statements made here, from typed requests, are sent to a database; identifiers go through
//! [`fieldmark_model::name::quote_identifier`], values are bound or quoted.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod activity;
mod checks;
pub mod definition;
mod draw;
mod error;
pub mod files;
mod fingerprint;
mod grant;
pub mod label;
pub mod memory;
pub mod mysql;
mod options;
mod pace;
pub mod postgres;
mod preview;
mod privilege;
mod request;
pub mod sqlite;
mod standing;
mod watch;

pub use activity::{Horizon, Sessions};
pub use definition::{Definition, Made, MadeOf, SeenStatement};
pub use error::{Error, Recovery};
pub use fingerprint::Fingerprint;
pub use grant::{Grant, grants, script};
pub use label::{Label, Name};
pub use pace::Pace;
pub use preview::Preview;
pub use privilege::{Privileges, SchemaPrivileges, TablePrivileges};
pub use request::{Answered, BlockDraw, BlockSample, Check, Cursor, Facts, Query, Read, Reference, ScanChunk};
pub use standing::{Position, ServerIdentity, Standing};
pub use watch::Courtesy;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use fieldmark_model::{Catalogue, Chunk, Counters, Table};
use std::collections::BTreeSet;

/// Interrupts the statement that a source is running, from another task or thread.
#[async_trait]
pub trait Cancel: Send + Sync {
    /// Interrupts the running statement, if there is one; the call that waits for it returns [`Error::Cancelled`].
    async fn cancel(&self);
}

/// One database, read in bounded chunks over one connection. What it does not have, it need not answer: the methods with a body say so.
#[async_trait]
pub trait Source: Send {
    /// What kind of database it is and where.
    fn facts(&self) -> &Facts;

    /// A handle that interrupts whatever this source runs, at any time.
    fn canceller(&self) -> std::sync::Arc<dyn Cancel>;

    /// One more connection to the same place, watched by the same watchdog; what it reads is its own affair.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where one is enough; else as connecting.
    async fn beside(&mut self) -> Result<Box<dyn Source>, Error> {
        Err(Error::Unsupported { what: "reading over two connections" })
    }

    /// From now on passes read what is there now, until they are told otherwise. It is given up for whoever waits for it; passes then end
    /// with [`Error::SnapshotEnded`].
    ///
    /// # Errors
    /// [`Error::Unsupported`] where a snapshot would hold more than itself.
    async fn hold_snapshot(&mut self, _: bool) -> Result<(), Error> {
        Err(Error::Unsupported { what: "a pass in one snapshot" })
    }

    /// From now on statements say this of themselves in their comments.
    fn label(&mut self, label: Label);

    /// Every table of the configured schemas, with columns, keys and constraints.
    async fn catalogue(&mut self) -> Result<Catalogue, Error>;

    /// Views, routines, triggers and computed columns of the schemas, with what they are made of.
    async fn definitions(&mut self) -> Result<Vec<Definition>, Error> {
        Ok(Vec::new())
    }

    /// Statements that the database has seen others send, those that were run most often; none where it keeps no log of them.
    async fn statements(&mut self) -> Result<Vec<SeenStatement>, Error> {
        Ok(Vec::new())
    }

    /// The database without its rows, as statements that make it anew elsewhere, in an order in which most of them can be run.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where nothing is analysed elsewhere.
    async fn outline(&mut self) -> Result<Vec<Made>, Error> {
        Err(Error::Unsupported { what: "analysing statements on a shadow database" })
    }

    /// What the schemas are like; `known` is what they were like when they were last looked at.
    async fn fingerprint(&mut self, _: Option<&Fingerprint>) -> Result<Fingerprint, Error> {
        Ok(Fingerprint::of(&self.catalogue().await?))
    }

    /// The next rows of a pass over the whole table, at most about `rows` of them, in physical or key order. With no columns
    /// asked for, rows are counted: the batch has no columns, but its row count.
    async fn scan(&mut self, read: &Read<'_>, from: &Cursor, rows: usize) -> Result<ScanChunk, Error>;

    /// The rows whose `key` columns equal a row of `keys` (same columns in the same order), in any order, through the
    /// key's index, in one statement. Keys that are not there give no row. A key column that is canonical text holds that.
    async fn by_key(&mut self, read: &Read<'_>, key: &[String], keys: &RecordBatch) -> Result<Chunk, Error>;

    /// Least and greatest value of a column: a chunk of one row and two columns named `min` and `max`, of the column's type
    /// (both NULL on an empty table). Meant for indexed columns; without an index it runs under the same limits as all else.
    async fn extremes(&mut self, table: &Table, column: &str) -> Result<Chunk, Error>;

    /// Random blocks of the table, and `per_block` random live rows of each.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the database has no blocks that one could address.
    async fn blocks(&mut self, _: &Read<'_>, _: &BlockDraw) -> Result<BlockSample, Error> {
        Err(Error::Unsupported { what: "drawing random blocks" })
    }

    /// The key `step` rows after the given one in key order (`None`: from the start), as a batch of one row with the key's
    /// columns, or an empty batch past the end. A walk of these collects key boundaries without a sort.
    async fn key_after(
        &mut self,
        table: &Table,
        key: &[String],
        after: Option<&RecordBatch>,
        step: u64,
    ) -> Result<RecordBatch, Error>;

    /// The rows whose key lies after one key and up to another, that one included (each a batch of one row with the key's columns;
    /// `None`: from the start, to the end), in key order, at most so many.
    async fn between(
        &mut self,
        read: &Read<'_>,
        key: &[String],
        bounds: (Option<&RecordBatch>, Option<&RecordBatch>),
        rows: usize,
    ) -> Result<Chunk, Error>;

    /// For each row of `values` (the named columns, none of them NULL), up to `at_most` rows of the table that have those
    /// values; all in one statement, so that rows which come back together existed together.
    async fn sharing(
        &mut self,
        read: &Read<'_>,
        columns: &[String],
        values: &RecordBatch,
        at_most: u32,
    ) -> Result<Chunk, Error>;

    /// For each row of `values` (in the order of `reference.columns`, none NULL) whether the referred table has it.
    async fn has_parent(&mut self, reference: &Reference<'_>, values: &RecordBatch) -> Result<Vec<bool>, Error>;

    /// The rows whose `key` equals a row of `keys`, whose referring columns are all not NULL and which at this instant refer
    /// to nothing: row and look-up in one statement.
    async fn orphans(
        &mut self,
        read: &Read<'_>,
        key: &[String],
        keys: &RecordBatch,
        reference: &Reference<'_>,
    ) -> Result<Chunk, Error>;

    /// The database's own row counters of a table, where it has such.
    async fn counters(&mut self, _: &Table) -> Result<Counters, Error> {
        Ok(Counters::default())
    }

    /// Blocks that all calls so far have touched, cached ones included, as they can be told from what was asked and what came; 0
    /// where the database has no shared blocks.
    fn blocks_touched(&self) -> u64 {
        0
    }

    /// What was done so far for others who waited for what statements of ours held.
    fn courtesy(&self) -> Courtesy {
        Courtesy::default()
    }

    /// How far transactions have come, where the database tells.
    async fn horizon(&mut self) -> Result<Horizon, Error> {
        Ok(Horizon::default())
    }

    /// Which server answers, and how far it has come; nothing where there is none.
    async fn standing(&mut self) -> Result<Standing, Error> {
        Ok(Standing::default())
    }

    /// Ids of the transactions that sessions of any of these kinds have open now, savepoints of theirs included; none where the
    /// database does not tell.
    async fn transactions(&mut self, _: &[Sessions]) -> Result<BTreeSet<u64>, Error> {
        Ok(BTreeSet::new())
    }

    /// The rows of a rule's own query: one statement, read-only, alone under its limits.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where there is no database that could answer.
    async fn query(&mut self, _: &Query<'_>) -> Result<Answered, Error> {
        Err(Error::Unsupported { what: "a query in a database's own SQL" })
    }

    /// What the planner thinks that a query costs, in its own unit; `None` where it does not say.
    async fn expected_cost(&mut self, _: &Query<'_>) -> Result<Option<f64>, Error> {
        Ok(None)
    }

    /// Blocks that were touched in these tables and their indexes so far, by anybody, as the database's own statistics have it; `None`
    /// where it has none.
    async fn blocks_seen(&mut self, _: &[&Table]) -> Result<Option<u64>, Error> {
        Ok(None)
    }

    /// What the role may do; `None` where there are no roles.
    async fn privileges(&mut self) -> Result<Option<Privileges>, Error> {
        Ok(None)
    }

    /// The statements that a call would send, one value or place standing for all; asks at most the catalogue. None where nothing
    /// is sent.
    async fn preview(&mut self, _: &Read<'_>, _: Preview<'_>) -> Result<Vec<(Name, String)>, Error> {
        Ok(Vec::new())
    }

    /// What CHECK constraints are about.
    async fn checks(&mut self) -> Result<Vec<Check>, Error> {
        Ok(Vec::new())
    }
}
