//! Values of some columns as bytes and as 128-bit hashes, to find equal ones without keeping them.

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use fieldmark_model::{Cell, Chunk};
use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher as _;

/// Turns the values of some columns of chunks of one schema into bytes. Equal values have equal bytes.
#[derive(Debug)]
pub(crate) struct Values {
    columns: Vec<usize>,
    converter: RowConverter,
}

impl Values {
    /// The named columns of a schema.
    ///
    /// # Errors
    /// A column that is not there, or of a type that has no bytes.
    pub(crate) fn new(schema: &Schema, names: &[String]) -> Result<Self, ArrowError> {
        let columns = names.iter().map(|name| schema.index_of(name)).collect::<Result<Vec<_>, _>>()?;
        let fields = columns.iter().map(|column| SortField::new(schema.field(*column).data_type().clone())).collect();
        Ok(Self { columns, converter: RowConverter::new(fields)? })
    }

    /// Bytes of each row; `None` where a value is NULL or a defect.
    ///
    /// # Errors
    /// A chunk of another schema.
    pub(crate) fn bytes(&self, chunk: &Chunk) -> Result<Vec<Option<Box<[u8]>>>, ArrowError> {
        self.each(chunk, |bytes| bytes.into())
    }

    /// A 128-bit hash of each row; `None` where a value is NULL or a defect.
    ///
    /// # Errors
    /// A chunk of another schema.
    pub(crate) fn hashes(&self, chunk: &Chunk) -> Result<Vec<Option<u128>>, ArrowError> {
        self.each(chunk, hash)
    }

    fn each<T>(&self, chunk: &Chunk, turn: impl Fn(&[u8]) -> T) -> Result<Vec<Option<T>>, ArrowError> {
        let arrays: Vec<_> = self.columns.iter().map(|column| chunk.batch.column(*column).clone()).collect();
        if arrays.is_empty() {
            return Ok((0..chunk.rows()).map(|_| Some(turn(&[]))).collect());
        }
        let rows = self.converter.convert_columns(&arrays)?;
        let defective = |row| {
            !chunk.defects.is_empty()
                && self.columns.iter().any(|column| chunk.defect(Cell { row, column: *column }).is_some())
        };
        Ok((0..chunk.rows())
            .map(|row| {
                let missing = arrays.iter().any(|array| array.is_null(row)) || defective(row);
                (!missing).then(|| turn(rows.row(row).as_ref()))
            })
            .collect())
    }

    /// The values back from their bytes, as a batch of the columns.
    ///
    /// # Errors
    /// Bytes that are not from here.
    pub(crate) fn batch<'a>(
        &self,
        schema: &Schema,
        rows: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<RecordBatch, ArrowError> {
        let parser = self.converter.parser();
        let arrays = self.converter.convert_rows(rows.into_iter().map(|bytes| parser.parse(bytes)))?;
        let fields: Vec<_> = self.columns.iter().map(|column| schema.field(*column).clone()).collect();
        RecordBatch::try_new(std::sync::Arc::new(Schema::new(fields)), arrays)
    }
}

fn hash(bytes: &[u8]) -> u128 {
    // two 64-bit SipHashes of differently prefixed input; equal hashes are confirmed by re-reading, so that chance equality
    // could only cost a read
    let mut halves = [0u64; 2];
    for (prefix, half) in (1u8..).zip(&mut halves) {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(prefix);
        hasher.write(bytes);
        *half = hasher.finish();
    }
    let [low, high] = halves;
    u128::from(high) << 64 | u128::from(low)
}
