//! Passes over whole tables.
//!
//! A chunk is a range of blocks, `ctid >= '(a,0)' AND ctid < '(b,0)'` with constant bounds, which PostgreSQL 14 and later read
//! without touching any other block, with a LIMIT of the rows wanted. Rows come in physical order (no other scan is allowed for), so a chunk that
//! the LIMIT or the bytes ended goes on after its last row's own place: nothing is read twice, and no chunk is larger than
//! wanted.
//!
//! Where a table ends only the server knows: `relpages` is what the last vacuum found. Up to there every range is read, empty or
//! not. Beyond it, each chunk asks whether there is any row at or after the next place: a range scan without upper bound
//! ends at the table's real last block or at the first live row, so "no" is the end, whatever empty blocks lie between. The
//! question has a tenth of a second; if it takes longer (a vast empty tail), the pass goes on by ranges, which grow.
//!
//! The files of the parts are noted at the start: where one was replaced since (TRUNCATE, VACUUM FULL, a rewriting ALTER),
//! places mean nothing any more and the pass ends with [`Error::SchemaChanged`]. A row that is updated during the pass
//! moves, and may be met twice or not at all.

use super::extent::{By, Part};
use super::layout::{Expected, Layout, LayoutColumn};
use super::rows::{Extras, Rows, SOFT_BYTES, Tid};
use super::statement::Bound;
use super::types::Family;
use super::{Fetch, statement};
use crate::label::Name;
use crate::{Error, Read};
use std::sync::Arc;

/// Where a pass over a PostgreSQL table stands.
#[derive(Clone, Debug)]
pub(crate) struct ScanPlace {
    pub(super) table: fieldmark_model::TableName,
    parts: Arc<Vec<Part>>,
    part: usize,
    from: Tid,
    after: Option<Vec<String>>,
    density: Option<f64>,
    row_bytes: f64,
}

/// Largest range of one chunk, in blocks (64 MiB).
const MOST_BLOCKS: f64 = 8192.0;
/// Blocks of a range when nothing is known of the table.
const FIRST_BLOCKS: f64 = 256.0;

impl ScanPlace {
    pub(super) fn start(table: fieldmark_model::TableName, parts: Vec<Part>) -> Self {
        let mut place = Self {
            table,
            parts: Arc::new(parts),
            part: 0,
            from: Tid::default(),
            after: None,
            density: None,
            row_bytes: 0.0,
        };
        place.enter(0);
        place
    }

    /// The part that comes next; `None` at the end.
    pub(super) fn part(&self) -> Option<&Part> {
        self.parts.get(self.part)
    }

    fn enter(&mut self, part: usize) {
        self.part = part;
        self.from = Tid::default();
        self.after = None;
        self.density = match self.part().map(|part| &part.by) {
            Some(By::Place { density, .. }) => *density,
            _ => None,
        };
    }

    /// The place after this part's end.
    fn next_part(mut self) -> Option<Self> {
        self.enter(self.part + 1);
        (self.part < self.parts.len()).then_some(self)
    }

    /// Rows to ask for: as many as wanted, fewer where rows are so wide that they would not all be kept.
    fn rows(&self, wanted: usize) -> usize {
        let fit = if self.row_bytes > 0.0 { (SOFT_BYTES as f64 / self.row_bytes) as usize } else { usize::MAX };
        wanted.min(fit).max(1)
    }
}

/// One chunk as it will be read.
pub(super) struct Step<'a> {
    pub(super) fetch: Fetch<'a>,
    /// Rows that were asked for; fewer are the end of the range.
    limit: usize,
    /// End of the range.
    to: Tid,
    pub(super) counts: bool,
}

/// What reads the next chunk of `place`.
pub(super) fn step<'a>(
    read: &Read<'_>,
    stamped: bool,
    (columns, key): (&[&'a LayoutColumn], &[&'a LayoutColumn]),
    counter: &'a LayoutColumn,
    place: &ScanPlace,
    part: &Part,
    wanted: usize,
) -> Step<'a> {
    let counts = columns.is_empty();
    let limit = if counts { wanted.max(1) } else { place.rows(wanted) };
    let mut expected = if counts { Vec::new() } else { vec![Expected::columns(&read.table.name, columns)] };
    let mut extras = Extras { stamp: read.stamps && stamped && !counts, ..Extras::default() };
    let mut to = Tid { block: u32::MAX, position: 0 };
    let list = |extras: Extras, key: &[&LayoutColumn]| {
        if counts {
            "count(*)".to_owned()
        } else {
            statement::select_list(columns, read.value_limit_bytes, extras, key)
        }
    };
    let mut stops = false;
    let query = match &part.by {
        By::Place { only, .. } => {
            let bounded = *only && !counts;
            let slack = if bounded { 2.0 } else { 1.0 };
            let blocks = place.density.map_or(FIRST_BLOCKS, |density| slack * limit as f64 / density.max(1e-9));
            to.block = place.from.block.saturating_add(blocks.ceil().clamp(1.0, MOST_BLOCKS) as u32);
            extras.tid = bounded;
            stops = bounded;
            expected.extend(part.storage.map(|storage| Expected::storage(&part.name, storage)));
            let bound = if bounded { format!(" LIMIT {limit}") } else { String::new() };
            format!(
                "SELECT {} FROM {} WHERE {}{bound}",
                list(extras, &[]),
                statement::from(&part.name, *only),
                statement::within(place.from, to)
            )
        }
        By::Key(_) if !counts => {
            extras.key = key.len();
            stops = true;
            expected.push(Expected::columns(&read.table.name, key));
            expected.extend(part.storage.map(|storage| Expected::storage(&part.name, storage)));
            let list = list(extras, key);
            let bounds: Vec<Bound<'_>> = place.after.as_deref().map(Bound::After).into_iter().collect();
            statement::in_key_order(&part.name, &list, key, &bounds, (0, limit))
        }
        By::Key(_) => format!("SELECT {} FROM {}", list(extras, &[]), statement::from(&part.name, false)),
        By::Whole { only } => format!("SELECT {} FROM {}", list(extras, &[]), statement::from(&part.name, *only)),
    };
    let fetch = Fetch {
        sql: statement::copy(&query),
        expected,
        columns: if counts { vec![counter] } else { columns.to_vec() },
        extras,
        stops,
        ..Fetch::rows(Name::Rows, read.value_limit_bytes)
    };
    Step { fetch, limit, to, counts }
}

/// The column of `count(*)`.
pub(super) fn counter() -> LayoutColumn {
    LayoutColumn { name: "count".to_owned(), family: Family::Int8, ..LayoutColumn::default() }
}

impl Step<'_> {
    /// Where the pass goes on after these rows, if the part has not ended: `Ok` is certain, `Err` only if there is a row.
    fn next(&self, place: &ScanPlace, part: &Part, rows: &Rows) -> Option<Result<ScanPlace, ScanPlace>> {
        let cut = rows.count() >= self.limit || rows.stopped();
        let mut next = place.clone();
        match &part.by {
            By::Whole { .. } => None,
            By::Key(_) => {
                next.after = Some(rows.last_key().to_vec());
                (cut && !self.counts).then_some(Ok(next))
            }
            By::Place { blocks, .. } => {
                let last = rows.tids().last().filter(|_| cut);
                next.from = match last {
                    Some(Tid { block, position: u16::MAX }) => Tid { block: block.saturating_add(1), position: 0 },
                    Some(tid) => Tid { block: tid.block, position: tid.position + 1 },
                    None => self.to,
                };
                if next.from.block == u32::MAX {
                    return None;
                }
                Some(if next.from.block < *blocks { Ok(next) } else { Err(next) })
            }
        }
    }

    /// Blocks that reading these rows has touched, as far as can be told: a range without an end in sight may reach beyond the table's.
    pub(super) fn blocks(&self, place: &ScanPlace, part: &Part, rows: &Rows) -> u64 {
        let cut = rows.count() >= self.limit || rows.stopped();
        let seen = rows.tids().last().map_or(0, |tid| tid.block.saturating_add(1));
        let end = match &part.by {
            By::Place { .. } if cut && !self.counts => seen,
            By::Place { blocks, .. } => seen.max(self.to.block.min(*blocks)),
            By::Key(_) | By::Whole { .. } => return rows.count() as u64,
        };
        u64::from(end.saturating_sub(place.from.block).max(1))
    }

    /// SQL that asks whether the part goes on, where that is not certain.
    pub(super) fn question(&self, place: &ScanPlace, part: &Part, rows: &Rows) -> Option<String> {
        match (self.next(place, part, rows), &part.by) {
            (Some(Err(next)), By::Place { only, .. }) => Some(statement::any_row_from(&part.name, *only, next.from)),
            _ => None,
        }
    }

    /// The place to go on at. `more` answers the question; `counted` are the rows where they were only counted.
    pub(super) fn follow(&self, place: ScanPlace, rows: &Rows, counted: Option<u64>, more: bool) -> Option<ScanPlace> {
        let part = place.part()?.clone();
        let found = counted.map_or(rows.count() as f64, |counted| counted as f64);
        match self.next(&place, &part, rows) {
            Some(Ok(mut next)) => {
                next.learn(place.from, found, rows, self.counts);
                Some(next)
            }
            Some(Err(mut next)) if more => {
                next.learn(place.from, found, rows, self.counts);
                Some(next)
            }
            _ => place.next_part(),
        }
    }
}

impl ScanPlace {
    /// Sizes the next range by what this one gave; after an empty one it is twice as large.
    fn learn(&mut self, from: Tid, found: f64, rows: &Rows, counts: bool) {
        let blocks =
            f64::from(self.from.block - from.block.min(self.from.block)) + f64::from(u8::from(self.from.position > 0));
        let density = found / blocks.max(1.0);
        let known = self.density.unwrap_or(2.0);
        self.density = Some(density.max(known / 2.0));
        if !counts && found > 0.0 {
            self.row_bytes = rows.bytes() as f64 / found;
        }
    }
}

/// The key of a part that is read in key order.
pub(super) fn key_of<'l>(part: &Part, layout: &'l Layout, read: &Read<'_>) -> Result<Vec<&'l LayoutColumn>, Error> {
    match &part.by {
        By::Key(key) => layout.columns(read.table, key),
        By::Place { .. } | By::Whole { .. } => Ok(Vec::new()),
    }
}
