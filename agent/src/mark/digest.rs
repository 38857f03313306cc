//! Keyed digests in the place of values.

use crate::check::RunFacts;
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use fieldmark_model::{Cell, CellText, Chunk};
use std::sync::Arc;

/// The chunk with each value of these columns replaced by `#` and its keyed digest. NULL stays NULL; a value that was not
/// read stays a defect.
///
/// # Errors
/// Arrow's, when the batch cannot be put together again.
pub fn digested(chunk: &Chunk, columns: &[String], run: &RunFacts) -> Result<Chunk, ArrowError> {
    let schema = chunk.batch.schema();
    let mut fields = Vec::new();
    let mut arrays = Vec::new();
    let mut replaced = Vec::new();
    for (column, field) in schema.fields().iter().enumerate() {
        if !columns.contains(field.name()) {
            fields.push(field.as_ref().clone());
            arrays.push(Arc::clone(chunk.batch.column(column)));
            continue;
        }
        replaced.push(column);
        let digests: StringArray = (0..chunk.rows())
            .map(|row| match chunk.text(Cell { row, column }) {
                CellText::Text(text) => Some(format!("#{}", run.digest(&text))),
                CellText::Null | CellText::TooLarge(_) => None,
            })
            .collect();
        fields.push(Field::new(field.name(), DataType::Utf8, true));
        arrays.push(Arc::new(digests) as ArrayRef);
    }
    let defects = chunk.defects.iter();
    // a defect whose text was read is a digest now
    let defects = defects.filter(|defect| !replaced.contains(&defect.cell.column) || defect.canonical.is_none());
    Ok(Chunk {
        batch: RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?,
        defects: defects.cloned().collect(),
        stamps: chunk.stamps.clone(),
    })
}
