//! Parquet: the columns that are wanted, row group by row group.

use super::ScanPlace;
use super::at::{At, Opened};
use super::convert::{Converted, convert, travels_as};
use super::table::{File, Given, Reader, Want};
use crate::Error;
use arrow::array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow::compute::concat;
use fieldmark_model::{Cell, Chunk, Column, Defect};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReaderBuilder, RowSelection, RowSelector};

/// Columns of a file, and the rows of each of its row groups.
pub(super) fn look(at: &At) -> Result<(Vec<Column>, Vec<u64>), Error> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(at.open(1)?).map_err(|error| at.failed(error))?;
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
    let groups = builder.metadata().row_groups().iter().map(|group| u64::try_from(group.num_rows()).unwrap_or(0));
    Ok((columns, groups.collect()))
}

/// The next rows of a file.
pub(super) fn read(file: &File, want: &Want, place: &ScanPlace, reader: Option<Reader>) -> Result<Given, Error> {
    let all = file.rows.unwrap_or(0);
    let numbers = |rows: usize| -> Vec<u64> { (1..=rows as u64).map(|row| place.before + place.row + row).collect() };
    if want.columns.is_empty() {
        // rows are counted, or numbered
        let rows = usize::try_from(all.saturating_sub(place.row)).unwrap_or(usize::MAX).min(want.rows);
        return Ok(Given { chunk: want.chunk(Vec::new(), Vec::new(), &numbers(rows))?, at: None, reader: None });
    }
    let mut reader = match reader {
        Some(Reader::Parquet(reader)) => reader,
        Some(Reader::Csv(_)) | None => {
            let skip = usize::try_from(place.row).unwrap_or(usize::MAX);
            let reader = opened(file, want)?.with_batch_size(want.rows).with_offset(skip).build();
            reader.map_err(|error| file.at.failed(error))?
        }
    };
    let batch = match reader.next() {
        None => return Ok(Given { chunk: chunk(&[], want, &file.at, &[])?, at: None, reader: None }),
        Some(batch) => batch.map_err(|error| file.at.failed(error))?,
    };
    let chunk = chunk(std::slice::from_ref(&batch), want, &file.at, &numbers(batch.num_rows()))?;
    let goes_on = place.row + (batch.num_rows() as u64) < all;
    Ok(Given { chunk, at: None, reader: goes_on.then_some(Reader::Parquet(reader)) })
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
    let reader = builder.build().map_err(|error| file.at.failed(error))?;
    let batches = reader.collect::<Result<Vec<_>, _>>().map_err(|error| file.at.failed(error))?;
    chunk(&batches, want, &file.at, numbers)
}

fn opened(file: &File, want: &Want) -> Result<ParquetRecordBatchReaderBuilder<Opened>, Error> {
    // each column at its own place, the end, and one for what is read beside
    let opened = file.at.open(want.columns.len() + 2)?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(opened).map_err(|error| file.at.failed(error))?;
    let is_wanted = |name: &String| want.columns.iter().any(|column| column.name == *name);
    let fields = builder.schema().fields().iter().enumerate().filter(|(_, field)| is_wanted(field.name()));
    let roots: Vec<usize> = fields.map(|(at, _)| at).collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
    Ok(builder.with_projection(mask))
}

/// The columns that are wanted, in their order and types.
fn chunk(batches: &[RecordBatch], want: &Want, at: &At, numbers: &[u64]) -> Result<Chunk, Error> {
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
        let array = concat(&parts).map_err(|error| at.failed(error))?;
        let Converted { array, flaws } = convert(&array, column, want.value_limit).map_err(|error| at.failed(error))?;
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
