//! Rows of one read: from COPY bytes to a [`Chunk`].

use super::cells::{Bounds, Cells, Flaw};
use super::copy::{Frames, Malformed, Row};
use super::layout::LayoutColumn;
use crate::Error;
use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema, SchemaRef};
use fieldmark_model::{Cell, Chunk, Defect};
use std::sync::Arc;

/// A place in a table's storage: block and position, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Tid {
    pub(super) block: u32,
    pub(super) position: u16,
}

/// Bytes of values after which a read that can be continued keeps no further row.
pub(super) const SOFT_BYTES: usize = 16 << 20;
/// Bytes of values after which larger values are [`ValueTooLarge`](fieldmark_model::chunk::DefectKind::ValueTooLarge), whatever the read.
const HARD_BYTES: usize = 128 << 20;

/// What a statement's rows carry besides the wanted columns, in this order before them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extras {
    /// `ctid`.
    pub(super) tid: bool,
    /// `xmin`.
    pub(super) stamp: bool,
    /// Key columns as text.
    pub(super) key: usize,
}

/// Fills a chunk.
pub(super) struct Rows {
    frames: Frames,
    columns: Vec<Cells>,
    /// For each element of the guard array the column that it speaks of.
    guarded: Vec<usize>,
    bounds: Bounds,
    extras: Extras,
    /// Whether rows may be left out once there are [`SOFT_BYTES`].
    stops: bool,
    stopped: bool,
    bytes: usize,
    rows: usize,
    defects: Vec<Defect>,
    tids: Vec<Tid>,
    stamps: Vec<u32>,
    /// A transaction id in 64 bits that is near to those of the stamps.
    near: u64,
    last_key: Vec<String>,
}

impl Rows {
    pub(super) fn new(columns: &[&LayoutColumn], bounds: Bounds, extras: Extras, stops: bool) -> Self {
        let guarded = |(at, column): (usize, &&LayoutColumn)| column.family.size("").map(|_| at);
        Self {
            frames: Frames::default(),
            columns: columns.iter().map(|column| Cells::new(column.family)).collect(),
            guarded: columns.iter().enumerate().filter_map(guarded).collect(),
            bounds,
            extras,
            stops,
            stopped: false,
            bytes: 0,
            rows: 0,
            defects: Vec::new(),
            tids: Vec::new(),
            stamps: Vec::new(),
            near: 0,
            last_key: Vec::new(),
        }
    }

    /// Says what ids the transaction that reads these rows sees: the next one to be given out, in 64 bits.
    pub(super) fn near(&mut self, next_transaction: u64) {
        self.near = next_transaction;
    }

    /// The next bytes of the current statement.
    pub(super) fn push(&mut self, piece: &[u8]) -> Result<(), Malformed> {
        let mut frames = std::mem::take(&mut self.frames);
        let result = frames.push(piece, &mut |row| self.row(row));
        self.frames = frames;
        result
    }

    /// The current statement has ended; another one's rows may follow.
    pub(super) fn end_statement(&mut self) -> Result<(), Malformed> {
        std::mem::take(&mut self.frames).finish()
    }

    fn row(&mut self, mut row: Row<'_>) -> Result<(), Malformed> {
        if self.stopped {
            return Ok(());
        }
        let sizes = if self.guarded.is_empty() { None } else { row.field()? };
        if self.extras.tid {
            let [b3, b2, b1, b0, p1, p0] =
                row.field()?.and_then(|tid| tid.try_into().ok()).ok_or(Malformed("a ctid of wrong size"))?;
            let block = u32::from_be_bytes([b3, b2, b1, b0]);
            self.tids.push(Tid { block, position: u16::from_be_bytes([p1, p0]) });
        }
        if self.extras.stamp {
            let stamp = row.field()?.and_then(|stamp| stamp.try_into().ok()).map(u32::from_be_bytes);
            self.stamps.push(stamp.ok_or(Malformed("an xmin of wrong size"))?);
        }
        if self.extras.key > 0 {
            self.last_key.clear();
            for _ in 0..self.extras.key {
                let text = row.field()?.and_then(|text| std::str::from_utf8(text).ok());
                self.last_key.push(text.ok_or(Malformed("a key without text"))?.to_owned());
            }
        }
        if row.count() != self.columns.len() {
            return Err(Malformed("a row has another number of fields than was asked for"));
        }
        let sizes = sizes.map(size_array).transpose()?.unwrap_or_default();
        for (at, column) in self.columns.iter_mut().enumerate() {
            let flaw = match row.field()? {
                Some(bytes) if self.bytes > HARD_BYTES && bytes.len() > 64 => {
                    column.null();
                    Some(Flaw::too_large(bytes.len() as u64))
                }
                Some(bytes) => {
                    self.bytes += bytes.len();
                    column.push(bytes, self.bounds)?
                }
                None => {
                    column.null();
                    let size =
                        self.guarded.binary_search(&at).ok().and_then(|guard| sizes.get(guard)).copied().flatten();
                    size.filter(|size| *size > self.bounds.value_bytes as u64).map(Flaw::too_large)
                }
            };
            if let Some(Flaw { kind, canonical, bytes }) = flaw {
                self.defects.push(Defect { cell: Cell { row: self.rows, column: at }, kind, canonical, bytes });
            }
        }
        self.rows += 1;
        self.stopped = self.stops && self.bytes > SOFT_BYTES;
        Ok(())
    }

    /// Rows so far.
    pub(super) fn count(&self) -> usize {
        self.rows
    }

    /// Bytes of the values so far.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether further rows were left out.
    pub(super) fn stopped(&self) -> bool {
        self.stopped
    }

    /// Places of all rows, where asked for.
    pub(super) fn tids(&self) -> &[Tid] {
        &self.tids
    }

    /// Key of the last row, where asked for.
    pub(super) fn last_key(&self) -> &[String] {
        &self.last_key
    }

    /// Everything as a batch of columns without names: for statements that are no read of a table.
    pub(super) fn snapshot(&self) -> Result<RecordBatch, Error> {
        let arrays: Vec<_> = self.columns.iter().map(Cells::snapshot).collect();
        let fields: Vec<Field> = arrays.iter().map(|array| Field::new("", array.data_type().clone(), true)).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
            .map_err(|error| Error::Internal { what: error.to_string() })
    }

    /// Everything as a chunk.
    pub(super) fn finish(self, schema: SchemaRef) -> Result<Chunk, Error> {
        let stamps = self.stamps.iter().map(|stamp| in_full(*stamp, self.near)).collect();
        let arrays = self.columns.into_iter().map(Cells::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        let batch = RecordBatch::try_new_with_options(schema, arrays, &options)
            .map_err(|error| Error::Internal { what: format!("rows do not fit their schema: {error}") })?;
        Ok(Chunk { batch, defects: self.defects, stamps })
    }
}

/// A transaction id of 32 bits with its epoch: the one of its kind nearest to `near` (transam.h: ids that a server still tells apart
/// lie within 2^31 of each other). The ids below 3, of rows that are older than all, stay as they are.
pub(super) fn in_full(stamp: u32, near: u64) -> u64 {
    if stamp < 3 {
        return u64::from(stamp);
    }
    let distance = stamp.wrapping_sub(near as u32).cast_signed();
    near.checked_add_signed(distance.into()).unwrap_or(u64::from(stamp))
}

/// Elements of a one-dimensional `int8[]` (arrayfuncs.c, `array_send`).
fn size_array(bytes: &[u8]) -> Result<Vec<Option<u64>>, Malformed> {
    let mut words = bytes.chunks_exact(4).map(|word| word.try_into().map_or(0, i32::from_be_bytes));
    let (dimensions, _has_nulls, _type, length, _lower) =
        (words.next(), words.next(), words.next(), words.next(), words.next());
    if dimensions != Some(1) {
        return Err(Malformed("sizes that are no array"));
    }
    let mut sizes = Vec::new();
    for _ in 0..length.unwrap_or(0) {
        sizes.push(match words.next() {
            Some(-1) => None,
            Some(8) => match (words.next(), words.next()) {
                (Some(high), Some(low)) => Some(u64::from(high.cast_unsigned()) << 32 | u64::from(low.cast_unsigned())),
                _ => return Err(Malformed("a size is cut off")),
            },
            _ => return Err(Malformed("a size of wrong length")),
        });
    }
    Ok(sizes)
}

/// A row that is read by hand: answers about the catalogue.
pub(super) struct Answer(Vec<Option<Vec<u8>>>);

impl Answer {
    /// Takes a row's fields.
    pub(super) fn read(mut row: Row<'_>) -> Result<Self, Malformed> {
        let mut fields = Vec::with_capacity(row.count());
        while row.count() > 0 {
            fields.push(row.field()?.map(<[u8]>::to_vec));
        }
        Ok(Self(fields))
    }

    /// A field's bytes; `None` for NULL.
    fn bytes(&self, at: usize) -> Option<&[u8]> {
        self.0.get(at)?.as_deref()
    }

    /// A text field; a name that is no UTF-8 is shown as well as can be.
    pub(super) fn text(&self, at: usize) -> Option<String> {
        self.bytes(at).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// An `int2`, `int4` or `int8` field.
    pub(super) fn integer(&self, at: usize) -> Option<i64> {
        let bytes = self.bytes(at)?;
        bytes
            .try_into()
            .map(i64::from_be_bytes)
            .or_else(|_| bytes.try_into().map(|four| i64::from(i32::from_be_bytes(four))))
            .or_else(|_| bytes.try_into().map(|two| i64::from(i16::from_be_bytes(two))))
            .ok()
    }

    /// A `float8` field.
    pub(super) fn float(&self, at: usize) -> Option<f64> {
        self.bytes(at)?.try_into().map(f64::from_be_bytes).ok()
    }

    /// A `bool` field; NULL is false.
    pub(super) fn truth(&self, at: usize) -> bool {
        self.bytes(at) == Some(&[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::copy::tests::encode;
    use crate::postgres::types::Family;
    use proptest::prelude::*;

    fn column(family: Family) -> LayoutColumn {
        LayoutColumn { family, ..LayoutColumn::default() }
    }

    const BOUNDS: Bounds = Bounds { value_bytes: 8, foreign_bytes: false };

    #[test]
    fn a_stamp_has_the_nearest_epoch() {
        let epoch = 1u64 << 32;
        assert_eq!(in_full(100, 200), 100);
        assert_eq!(in_full(100, 3 * epoch + 200), 3 * epoch + 100);
        assert_eq!(in_full(u32::MAX, 3 * epoch + 5), 3 * epoch - 1);
        assert_eq!(in_full(7, 3 * epoch - 9), 3 * epoch + 7);
        assert_eq!(in_full(u32::MAX, 5), u64::from(u32::MAX), "there is no epoch before the first");
        assert_eq!((in_full(2, 9 * epoch), in_full(1, 9 * epoch)), (2, 1));
    }

    #[test]
    fn a_guarded_value_is_a_defect_with_its_size() {
        let (text, number) = (column(Family::Text), column(Family::Int4));
        let columns = [&number, &text];
        let mut rows = Rows::new(&columns, BOUNDS, Extras { tid: true, ..Extras::default() }, false);
        let mut sizes = Vec::new();
        for word in [1i32, 0, 20, 1, 1, 8, 0, 9_000] {
            sizes.extend(word.to_be_bytes());
        }
        let tid = Some(vec![0, 0, 0, 7, 0, 2]);
        rows.push(&encode(&[
            vec![None, tid.clone(), Some(vec![0, 0, 0, 5]), Some(b"abc".to_vec())],
            vec![Some(sizes), tid.clone(), Some(vec![0, 0, 0, 6]), None],
            vec![None, tid, None, None],
        ]))
        .unwrap();
        rows.end_statement().unwrap();
        assert_eq!(rows.tids(), [Tid { block: 7, position: 2 }; 3]);
        assert_eq!(rows.count(), 3);
        let defects = std::mem::take(&mut rows.defects);
        let cell = Cell { row: 1, column: 1 };
        let kind = fieldmark_model::chunk::DefectKind::ValueTooLarge;
        assert_eq!(defects, [Defect { cell, kind, canonical: None, bytes: Some(9_000) }]);
    }

    proptest! {
        #[test]
        fn any_rows_are_read_or_refused(
            fields in proptest::collection::vec(proptest::collection::vec(
                proptest::option::of(proptest::collection::vec(any::<u8>(), 0..12)), 3..6), 0..6),
        ) {
            let (text, number) = (column(Family::Text), column(Family::Int4));
            let columns = [&number, &text];
            let mut rows = Rows::new(&columns, BOUNDS, Extras { tid: true, stamp: true, key: 1 }, true);
            rows.push(&encode(&fields)).ok();
        }
    }
}
