//! Recent rows: those written since the last check, as far as a column tells. New code breaks new rows first.
//!
//! The column is the one by which rows are drawn, where it grows with new rows; else an indexed time whose name says that it is set
//! when a row is written.

use super::draw::{DrawColumn, Drawing, internal};
use super::segments::{Boundaries, SegmentDrawing};
use super::texts;
use crate::reader::Reader;
use crate::state::SourceState;
use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, Scalar};
use arrow::compute::kernels::cmp::{gt, lt};
use arrow::datatypes::{DataType, Int64Type};
use fieldmark_engine::kind::read_moment;
use fieldmark_model::{Cell, CellText, Chunk, Table};
use fieldmark_source::{Error, Horizon, Read};
use fieldmark_statistics::draw::KeyRange;

/// How far the rows of a table had come when it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct HighWater {
    /// The column that tells.
    pub column: String,
    /// Its greatest value, canonical text; of a time with a zone no later than the oldest transaction that ran.
    pub value: String,
    /// How far transactions had come when the value had been read.
    pub horizon: Horizon,
}

/// Rows above a watermark.
#[derive(Clone, Debug)]
pub(super) struct Recent {
    column: String,
    /// The watermark, a batch of one row and column.
    from: RecordBatch,
}

impl HighWater {
    /// Reads it: by the column of the draw, whose range is known, else by a time column.
    ///
    /// # Errors
    /// As the source.
    pub(super) async fn read(
        reader: &mut Reader,
        table: &Table,
        drawn_by: Option<(&DrawColumn, KeyRange)>,
    ) -> Result<Option<Self>, Error> {
        let (column, value) = match drawn_by {
            Some((column, range)) => (column.name.clone(), range.max.to_string()),
            None => {
                let Some(column) = written_at(table) else { return Ok(None) };
                let extremes = reader.extremes(table, column).await?;
                let at = extremes.batch.schema().index_of("max").unwrap_or(1);
                match (extremes.rows() > 0).then(|| extremes.text(Cell { row: 0, column: at })) {
                    Some(CellText::Text(text)) => (column.to_owned(), text),
                    Some(CellText::Null | CellText::TooLarge(_)) | None => return Ok(None),
                }
            }
        };
        let horizon = reader.horizon().await?;
        let value = no_later_than_open(value, table.column(&column).map(|column| &column.data_type), &horizon);
        Ok(Some(Self { column, value, horizon }))
    }
}

/// A time that is given out when a transaction begins may appear later than a greater one: the oldest that runs is the limit.
fn no_later_than_open(value: String, data_type: Option<&DataType>, horizon: &Horizon) -> String {
    match (data_type, horizon.oldest_began, read_moment(&value)) {
        (Some(DataType::Timestamp(_, Some(_))), Some(began), Some(newest))
            if i128::from(began.timestamp_micros()) * 1_000 < newest.nanoseconds =>
        {
            let text = began.format("%Y-%m-%dT%H:%M:%S%.6f").to_string();
            format!("{}Z", text.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => value,
    }
}

/// The indexed time column that is set when a row is written, by its name: a change rather than the making of a row.
fn written_at(table: &Table) -> Option<&str> {
    let times = || {
        table.columns.iter().filter(|column| {
            let declared = column.declared.to_ascii_lowercase();
            let time = matches!(column.data_type, DataType::Timestamp(_, _))
                || (column.data_type == DataType::Utf8
                    && (declared.starts_with("timestamp") || declared.starts_with("datetime")));
            time && table.indexed(std::slice::from_ref(&column.name))
        })
    };
    let named = |parts: &[&str]| {
        let mut named = times().filter(|column| {
            let name = column.name.to_ascii_lowercase();
            parts.iter().any(|part| name.contains(part))
        });
        named.next().map(|column| column.name.as_str())
    };
    named(&["updat", "modif", "chang"]).or_else(|| named(&["creat", "insert", "added"]))
}

impl Recent {
    /// Rows since the watermark of the last check; `None` where none is known for this column, or nothing is above it.
    pub(super) fn since(state: &SourceState, table: &Table, now: &HighWater) -> Option<Self> {
        let watermark = state.watermarks.get(&table.name).filter(|watermark| watermark.column == now.column)?;
        let from = watermark.from.clone()?;
        let column = [now.column.clone()];
        let both = texts::batch(table, &column, &[vec![from], vec![now.value.clone()]])?;
        let (from, greatest) = (both.num_rows() == 2).then(|| (both.slice(0, 1), both.slice(1, 1)))?;
        let recent = Self { column: now.column.clone(), from };
        let above = recent.mask(&Chunk::whole(greatest));
        (above.len() == 1 && above.value(0)).then_some(recent)
    }

    /// Whether rows of this table can be asked whether they are recent.
    pub(super) fn is_told_by(&self, table: &Table) -> bool {
        table.column(&self.column).is_some()
    }

    /// Which rows of a chunk are recent.
    pub(super) fn mask(&self, chunk: &Chunk) -> BooleanArray {
        let above = chunk.batch.column_by_name(&self.column).and_then(|column| {
            let above = gt(column, &Scalar::new(self.from.column(0))).ok()?;
            Some((0..above.len()).map(|row| Some(above.is_valid(row) && above.value(row))).collect())
        });
        above.unwrap_or_else(|| BooleanArray::from(vec![false; chunk.rows()]))
    }

    /// The body's keys and the recent ones; `None` where one of them is empty.
    pub(super) fn split(&self, range: KeyRange) -> Option<(KeyRange, KeyRange)> {
        let from = self.from.column(0);
        let from = arrow::compute::cast(from, &DataType::Int64).ok()?;
        let from = from.as_primitive::<Int64Type>().value(0);
        (range.min <= from && from < range.max)
            .then(|| (KeyRange { min: range.min, max: from }, KeyRange { min: from + 1, max: range.max }))
    }

    /// All recent rows, or `None` where there are more than the cap.
    ///
    /// # Errors
    /// As the source.
    pub(super) async fn read(&self, reader: &mut Reader, read: &Read<'_>, cap: u64) -> Result<Option<Chunk>, Error> {
        let column = [self.column.clone()];
        let schema = read.table.arrow_schema(read.columns.iter().map(String::as_str));
        let at = schema.index_of(&self.column).ok();
        let (mut chunks, mut rows) = (Vec::<Chunk>::new(), 0u64);
        let mut after = self.from.clone();
        loop {
            let chunk = reader.between(read, &column, (Some(&after), None), A_STATEMENT).await?;
            rows += chunk.rows() as u64;
            if rows > cap {
                return Ok(None);
            }
            let last = chunk.rows().checked_sub(1);
            let whole = chunk.rows() < A_STATEMENT;
            if let (false, Some(last), Some(at)) = (whole, last, at) {
                let next =
                    chunk.batch.project(&[at]).map_err(|error| internal("a place in time", &error))?.slice(last, 1);
                // rows of one instant that a statement does not hold could be passed over
                if next == after || next.column(0).is_null(0) {
                    return Ok(None);
                }
                // the last instant is read again as a whole
                let before = self.instants_before(&chunk, &next)?;
                rows -= (chunk.rows() - before.rows()) as u64;
                if before.rows() == 0 {
                    return Ok(None);
                }
                let previous = before.batch.project(&[at]).map_err(|error| internal("a place in time", &error))?;
                after = previous.slice(before.rows() - 1, 1);
                chunks.push(before);
                continue;
            }
            chunks.push(chunk);
            let chunk = Chunk::concat(&schema, &chunks).map_err(|error| internal("joining chunks", &error))?;
            return if whole { Ok(Some(chunk)) } else { Ok(None) };
        }
    }

    /// The rows of a chunk in order that lie before this value.
    fn instants_before(&self, chunk: &Chunk, value: &RecordBatch) -> Result<Chunk, Error> {
        let before = chunk.batch.column_by_name(&self.column);
        let before = before.and_then(|column| lt(column, &Scalar::new(value.column(0))).ok());
        let rows: Vec<usize> = (0..chunk.rows())
            .filter(|row| before.as_ref().is_some_and(|before| before.is_valid(*row) && before.value(*row)))
            .collect();
        chunk.take(&rows).map_err(|error| internal("rows before an instant", &error))
    }

    /// A drawing of random segments of the column's index above the watermark.
    ///
    /// # Errors
    /// As the source.
    pub(super) async fn segments(
        &self,
        reader: &mut Reader,
        table: &Table,
        seed: u64,
    ) -> Result<Option<Drawing>, Error> {
        let mut boundaries = Boundaries::new(table, vec![self.column.clone()])?;
        boundaries.walk(reader, table, Some(&self.from)).await?;
        let drawing = SegmentDrawing::new(boundaries, Some(self.from.clone()), None, seed);
        Ok(drawing.map(|drawing| Drawing::Segments(Box::new(drawing))))
    }
}

/// Rows read in one statement.
const A_STATEMENT: usize = 2_000;
