//! Random segments of an index, for tables that have neither blocks nor dense integer keys to draw by.
//!
//! A walk along the index notes every so many rows' key as a boundary. What lies between two boundaries is a segment; which rows lie in it
//! changes as the table is written, so its live rows are counted when it is drawn. A segment is the unit drawn at random, as a
//! block is elsewhere. The last one is open: before each draw the walk goes on from the last boundary, so that it does not grow.

use super::draw::{Drawn, DrawnBlocks, internal};
use crate::reader::Reader;
use arrow::array::{RecordBatch, UInt64Array};
use arrow::compute::{concat_batches, take_record_batch};
use fieldmark_model::{Chunk, Table};
use fieldmark_source::{Error, Read};
use fieldmark_statistics::draw::{KeyDraw, KeyRange, generator, rows_of_block};
use fieldmark_statistics::population::LiveRows;
use fieldmark_statistics::{Level, Method, Population};
use rand_chacha::ChaCha12Rng;

/// Rows of a segment when the walk begins.
const FIRST_STEP: u64 = 16;
/// Boundaries that are kept: where there are more, every other one is dropped, and segments are twice as large.
const MOST_BOUNDARIES: usize = 65_536;
/// A segment with more rows than this was not one when it was walked.
const MOST_ROWS: usize = 65_536;

/// Boundaries of an index, in its order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Boundaries {
    /// Columns of the index.
    key: Vec<String>,
    /// Rows between two boundaries when they were walked.
    step: u64,
    /// Keys, one a row.
    keys: RecordBatch,
    /// Keys that have not been put with the others.
    fresh: Vec<RecordBatch>,
}

/// Keys that are put together at a time.
const FRESH: usize = 1_024;

impl Boundaries {
    /// Nothing walked yet.
    ///
    /// # Errors
    /// A column that the table lacks.
    pub(super) fn new(table: &Table, key: Vec<String>) -> Result<Self, Error> {
        let schema = table.arrow_schema(key.iter().map(String::as_str));
        if schema.fields().len() != key.len() {
            return Err(Error::SchemaChanged { code: "a key that is not in the catalogue".to_owned() });
        }
        Ok(Self { key, step: FIRST_STEP, keys: RecordBatch::new_empty(schema), fresh: Vec::new() })
    }

    /// Boundaries as they were kept; `None` where they are not of this key of this table.
    pub(super) fn kept(table: &Table, key: Vec<String>, step: u64, keys: RecordBatch) -> Option<Self> {
        let schema = table.arrow_schema(key.iter().map(String::as_str));
        let same = schema.fields().len() == key.len()
            && schema
                .fields()
                .iter()
                .zip(keys.schema().fields())
                .all(|(one, other)| one.name() == other.name() && one.data_type() == other.data_type());
        (same && step > 0 && keys.num_columns() == key.len()).then(|| Self { key, step, keys, fresh: Vec::new() })
    }

    /// To be kept: rows between two boundaries, and their keys.
    pub(super) fn keep(&self) -> (u64, &RecordBatch) {
        (self.step, &self.keys)
    }

    /// Statements of a walk along an index of so many rows.
    pub(super) fn statements(rows: u64) -> u64 {
        let (mut step, mut kept, mut left, mut statements) = (FIRST_STEP, 0, rows, 1);
        loop {
            let room = MOST_BOUNDARIES as u64 + 1 - kept;
            let boundaries = (left / step).min(room);
            statements += boundaries;
            left -= boundaries * step;
            if boundaries < room {
                return statements;
            }
            (kept, step) = ((kept + boundaries) / 2, step * 2);
        }
    }

    fn count(&self) -> usize {
        self.keys.num_rows() + self.fresh.len()
    }

    fn at(&self, at: usize) -> Option<RecordBatch> {
        (at < self.keys.num_rows()).then(|| self.keys.slice(at, 1))
    }

    /// Walks on from the last boundary (or from `from`, where there is none) to the table's end.
    ///
    /// # Errors
    /// As the source.
    pub(super) async fn walk(
        &mut self,
        reader: &mut Reader,
        table: &Table,
        from: Option<&RecordBatch>,
    ) -> Result<(), Error> {
        let mut last = self.keys.num_rows().checked_sub(1).and_then(|at| self.at(at)).or(from.cloned());
        loop {
            let next = reader.key_after(table, &self.key, last.as_ref(), self.step).await?;
            if next.num_rows() == 0 {
                return self.put_together();
            }
            last = Some(next.clone());
            self.fresh.push(next);
            if self.fresh.len() >= FRESH {
                self.put_together()?;
            }
            if self.count() > MOST_BOUNDARIES {
                self.thin()?;
            }
        }
    }

    fn put_together(&mut self) -> Result<(), Error> {
        let schema = self.keys.schema();
        let all = concat_batches(&schema, std::iter::once(&self.keys).chain(&self.fresh));
        self.keys = all.map_err(|error| internal("boundaries", &error))?;
        self.fresh.clear();
        Ok(())
    }

    /// Every other boundary goes.
    fn thin(&mut self) -> Result<(), Error> {
        self.put_together()?;
        let second: UInt64Array = (0..self.keys.num_rows() as u64).filter(|at| at % 2 == 1).map(Some).collect();
        self.keys = take_record_batch(&self.keys, &second).map_err(|error| internal("boundaries", &error))?;
        self.step *= 2;
        Ok(())
    }
}

/// Random segments and some rows of each.
#[derive(Debug)]
pub(super) struct SegmentDrawing {
    boundaries: Boundaries,
    /// Where the first segment begins; `None`: at the index's start.
    from: Option<RecordBatch>,
    per_segment: u32,
    seed: u64,
    rng: ChaCha12Rng,
    draw: KeyDraw,
    live: LiveRows,
}

impl SegmentDrawing {
    /// A drawing of segments after `from`, each of which is read whole where `per_segment` is `None`.
    pub(super) fn new(
        boundaries: Boundaries,
        from: Option<RecordBatch>,
        per_segment: Option<u32>,
        seed: u64,
    ) -> Option<Self> {
        let last = i64::try_from(boundaries.count()).ok()?;
        let draw = KeyDraw::new(KeyRange { min: 0, max: last }).ok()?;
        let per_segment = per_segment.unwrap_or(u32::MAX);
        Some(Self { boundaries, from, per_segment, seed, rng: generator(seed), draw, live: LiveRows::default() })
    }

    fn segments(&self) -> u64 {
        self.boundaries.count() as u64 + 1
    }

    pub(super) fn method(&self) -> Method {
        Method::Blocks { per_block: (self.per_segment < u32::MAX).then_some(self.per_segment) }
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    pub(super) fn units_drawn(&self) -> u64 {
        self.live.blocks()
    }

    pub(super) fn is_used_up(&self) -> bool {
        self.live.blocks() >= self.segments()
    }

    pub(super) fn population(&self, level: Level) -> Population {
        self.live.population(self.segments(), level)
    }

    /// About so many rows more; none where every segment has been drawn.
    ///
    /// # Errors
    /// As the source; a segment that is none any more.
    pub(super) async fn more(&mut self, reader: &mut Reader, read: &Read<'_>, rows: u64) -> Result<Drawn, Error> {
        let schema = read.table.arrow_schema(read.columns.iter().map(String::as_str));
        let (mut chunks, mut of_row, mut live) = (Vec::new(), Vec::new(), Vec::new());
        let mut kept = 0u64;
        while kept < rows {
            let Some(segment) = self.draw.next_key(&mut self.rng).and_then(|at| usize::try_from(at).ok()) else {
                break;
            };
            let before = segment.checked_sub(1).and_then(|at| self.boundaries.at(at));
            let before = before.as_ref().or(self.from.as_ref());
            let end = self.boundaries.at(segment);
            let chunk = reader.between(read, &self.boundaries.key, (before, end.as_ref()), MOST_ROWS).await?;
            if chunk.rows() >= MOST_ROWS {
                return Err(Error::Unsupported { what: "drawing segments of an index that has changed so much" });
            }
            let rows_live = chunk.rows() as u64;
            self.live.add_block(rows_live);
            let chosen = rows_of_block(&mut self.rng, rows_live, self.per_segment.into());
            let chosen: Vec<usize> = chosen.into_iter().filter_map(|row| usize::try_from(row).ok()).collect();
            let chunk = chunk.take(&chosen).map_err(|error| internal("rows of a segment", &error))?;
            let unit = u32::try_from(live.len()).unwrap_or(u32::MAX);
            of_row.extend(std::iter::repeat_n(unit, chunk.rows()));
            live.push(u32::try_from(rows_live).unwrap_or(u32::MAX));
            kept += chunk.rows() as u64;
            chunks.push(chunk);
        }
        let chunk = Chunk::concat(&schema, &chunks).map_err(|error| internal("joining chunks", &error))?;
        Ok(Drawn { chunk, blocks: Some(DrawnBlocks { of_row, live }) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array};
    use std::sync::Arc;

    fn boundaries(keys: &[i64]) -> Boundaries {
        let column: ArrayRef = Arc::new(Int64Array::from(keys.to_vec()));
        let keys = RecordBatch::try_from_iter([("id", column)]).unwrap();
        Boundaries { key: vec!["id".to_owned()], step: 16, keys, fresh: Vec::new() }
    }

    #[test]
    fn thinned_boundaries_are_twice_as_far_apart() {
        let mut thinned = boundaries(&[16, 32, 48, 64, 80]);
        thinned.thin().unwrap();
        assert_eq!(thinned, Boundaries { step: 32, ..boundaries(&[32, 64]) });
    }

    #[test]
    fn a_walk_takes_fewer_statements_than_it_has_rows() {
        assert_eq!([0, 15, 16, 20_000].map(Boundaries::statements), [1, 1, 2, 1_251]);
        // twice as far apart each time that there are too many
        let all = MOST_BOUNDARIES as u64;
        assert_eq!(Boundaries::statements(16 * (all + 1)), all + 2);
        assert_eq!(Boundaries::statements(16 * (all + 1) + 3200), all + 2 + 100);
    }

    #[test]
    fn segments_are_one_more_than_boundaries() {
        let drawing = SegmentDrawing::new(boundaries(&[16, 32]), None, Some(1), 7).unwrap();
        assert_eq!((drawing.segments(), drawing.method()), (3, Method::Blocks { per_block: Some(1) }));
        let whole = SegmentDrawing::new(boundaries(&[]), None, None, 7).unwrap();
        assert_eq!((whole.segments(), whole.method()), (1, Method::Blocks { per_block: None }));
    }
}
