//! Parquet: the columns that are wanted, row group by row group.

use super::ScanPlace;
use super::convert::{Converted, convert, travels_as};
use super::table::{File, Want, malformed};
use crate::Error;
use arrow::array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow::compute::concat;
use fieldmark_model::{Cell, Chunk, Column, Defect, TableName};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector,
};
use std::path::{Path, PathBuf};

/// A reader between two chunks of a pass.
pub(super) struct Held {
    table: TableName,
    path: PathBuf,
    columns: Vec<String>,
    /// Rows that it has given.
    row: u64,
    reader: ParquetRecordBatchReader,
}

/// Rows, and how to go on.
pub(super) struct Given {
    pub(super) chunk: Chunk,
    pub(super) at: Option<::csv::Position>,
    pub(super) held: Option<Held>,
}

/// Columns and rows of a file.
pub(super) fn look(path: &Path) -> Result<(Vec<Column>, u64), Error> {
    let file = std::fs::File::open(path).map_err(|error| malformed(path, error))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| malformed(path, error))?;
    let columns = builder.schema().fields().iter().map(|field| {
        let (data_type, canonical_text) = travels_as(field.data_type());
        Column {
            name: field.name().clone(),
            identity: None,
            declared: field.data_type().to_string().to_lowercase(),
            data_type,
            canonical_text,
            nullable: field.is_nullable(),
            readable: true,
        }
    });
    let columns = columns.collect();
    let rows = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
    Ok((columns, rows))
}

/// The next rows of a file.
pub(super) fn read(file: &File, want: &Want, place: &ScanPlace, held: Option<Held>) -> Result<Given, Error> {
    let names: Vec<String> = want.columns.iter().map(|column| column.name.clone()).collect();
    let all = file.rows.unwrap_or(0);
    let numbers = |rows: usize| -> Vec<u64> { (1..=rows as u64).map(|row| place.before + place.row + row).collect() };
    if names.is_empty() {
        // rows are counted, or numbered
        let rows = usize::try_from(all.saturating_sub(place.row)).unwrap_or(usize::MAX).min(want.rows);
        return Ok(Given { chunk: want.chunk(Vec::new(), Vec::new(), &numbers(rows))?, at: None, held: None });
    }
    let goes_on = |held: &Held| {
        held.table == want.table && held.path == file.path && held.columns == names && held.row == place.row
    };
    let mut held = match held.filter(goes_on) {
        Some(held) => held,
        None => {
            let skip = usize::try_from(place.row).unwrap_or(usize::MAX);
            let reader = opened(file, want)?.with_batch_size(want.rows).with_offset(skip).build();
            let reader = reader.map_err(|error| malformed(&file.path, error))?;
            Held { table: want.table.clone(), path: file.path.clone(), columns: names, row: place.row, reader }
        }
    };
    let batch = match held.reader.next() {
        None => return Ok(Given { chunk: chunk(&[], want, &file.path, &[])?, at: None, held: None }),
        Some(batch) => batch.map_err(|error| malformed(&file.path, error))?,
    };
    held.row += batch.num_rows() as u64;
    let chunk = chunk(std::slice::from_ref(&batch), want, &file.path, &numbers(batch.num_rows()))?;
    Ok(Given { chunk, at: None, held: (held.row < all).then_some(held) })
}

/// Rows of a file by their numbers, which are in order; `before`: rows of the files before it.
pub(super) fn rows(file: &File, want: &Want, before: u64, numbers: &[u64]) -> Result<Chunk, Error> {
    if want.columns.is_empty() {
        return want.chunk(Vec::new(), Vec::new(), numbers);
    }
    let mut selectors = Vec::new();
    let mut next = before + 1;
    for number in numbers {
        let skipped = usize::try_from(number.saturating_sub(next)).unwrap_or(usize::MAX);
        selectors.push(RowSelector::skip(skipped));
        selectors.push(RowSelector::select(1));
        next = number + 1;
    }
    let builder = opened(file, want)?.with_batch_size(numbers.len()).with_row_selection(RowSelection::from(selectors));
    let reader = builder.build().map_err(|error| malformed(&file.path, error))?;
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(|error| malformed(&file.path, error))?;
    chunk(&batches, want, &file.path, numbers)
}

fn opened(file: &File, want: &Want) -> Result<ParquetRecordBatchReaderBuilder<std::fs::File>, Error> {
    let opened = file.open()?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(opened).map_err(|error| malformed(&file.path, error))?;
    let is_wanted = |name: &String| want.columns.iter().any(|column| column.name == *name);
    let fields = builder.schema().fields().iter().enumerate().filter(|(_, field)| is_wanted(field.name()));
    let roots: Vec<usize> = fields.map(|(at, _)| at).collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
    Ok(builder.with_projection(mask))
}

/// The columns that are wanted, in their order and types.
fn chunk(batches: &[RecordBatch], want: &Want, path: &Path, numbers: &[u64]) -> Result<Chunk, Error> {
    let rows = numbers.len();
    let mut arrays: Vec<ArrayRef> = Vec::new();
    let mut defects: Vec<Defect> = Vec::new();
    for (index, column) in want.columns.iter().enumerate() {
        let parts: Vec<&dyn Array> =
            batches.iter().filter_map(|batch| batch.column_by_name(&column.name)).map(AsRef::as_ref).collect();
        if parts.is_empty() {
            arrays.push(new_null_array(&column.data_type, rows));
            continue;
        }
        let array = concat(&parts).map_err(|error| malformed(path, error))?;
        let Converted { array, flaws } =
            convert(&array, column, want.value_limit).map_err(|error| malformed(path, error))?;
        arrays.push(array);
        defects.extend(flaws.into_iter().map(|flaw| Defect {
            cell: Cell { row: flaw.row, column: index },
            kind: flaw.kind,
            canonical: flaw.canonical,
            bytes: flaw.bytes,
        }));
    }
    want.chunk(arrays, defects, numbers)
}
