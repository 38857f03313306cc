//! What a source hands over: a batch of rows, and the cells that the batch could not hold.

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt64Array};
use arrow::compute::{concat_batches, take_record_batch};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

/// Key of an Arrow field's metadata: the column's type as the database declares it.
pub const DECLARED_TYPE: &str = "fieldmark.declared";
/// Key of an Arrow field's metadata, present where the column travels as canonical text because its type is not
/// decoded; the value is the reason (a [`crate::canonical`] form name).
pub const CANONICAL_TEXT: &str = "fieldmark.canonical";

/// A place in a batch: zero-based row and column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    /// Row of the batch.
    pub row: usize,
    /// Column of the batch.
    pub column: usize,
}

/// Why a cell's value is not in its Arrow column. The column holds NULL there; the defect says that it is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DefectKind {
    /// Too many bytes to be read whole; only its size is known.
    ValueTooLarge,
    /// The column's Arrow type has no such value (numeric NaN, a date before Arrow's first, text in an integer column).
    Unrepresentable,
    /// Bytes that are not valid in the database's encoding.
    InvalidEncoding,
}

/// One cell that its Arrow column could not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// Where.
    pub cell: Cell,
    /// Why.
    pub kind: DefectKind,
    /// The value's canonical text, where it was read ([`DefectKind::ValueTooLarge`] has none).
    pub canonical: Option<String>,
    /// Size of the value in bytes as the database states it, where known.
    pub bytes: Option<u64>,
}

/// Rows of one bounded read, in Arrow columns, and the cells those could not hold.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// The rows. Columns stand in the order asked for.
    pub batch: RecordBatch,
    /// Cells that the batch could not hold, in order of row and column.
    pub defects: Vec<Defect>,
    /// For each row the transaction that wrote it last, by a number that does not wrap (PostgreSQL: `xmin` with its epoch).
    /// Empty where that was not asked for, or the database has no such thing.
    pub stamps: Vec<u64>,
}

impl Chunk {
    /// A chunk without defects and stamps.
    pub fn whole(batch: RecordBatch) -> Self {
        Self { batch, defects: Vec::new(), stamps: Vec::new() }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// The defect of a cell, if it has one.
    pub fn defect(&self, cell: Cell) -> Option<&Defect> {
        let at = self.defects.binary_search_by_key(&cell, |defect| defect.cell).ok()?;
        self.defects.get(at)
    }

    /// Chunks of one schema, one after the other, as one.
    ///
    /// # Errors
    /// A chunk of another schema.
    pub fn concat(schema: &SchemaRef, chunks: &[Self]) -> Result<Self, ArrowError> {
        let batch = concat_batches(schema, chunks.iter().map(|chunk| &chunk.batch))?;
        let stamped = chunks.iter().all(|chunk| chunk.stamps.len() == chunk.rows());
        let stamps =
            if stamped { chunks.iter().flat_map(|chunk| chunk.stamps.iter().copied()).collect() } else { Vec::new() };
        let mut defects = Vec::new();
        let mut above = 0;
        for chunk in chunks {
            defects.extend(chunk.defects.iter().map(|defect| Defect {
                cell: Cell { row: defect.cell.row + above, column: defect.cell.column },
                ..defect.clone()
            }));
            above += chunk.rows();
        }
        Ok(Self { batch, defects, stamps })
    }

    /// These rows, in this order; a row may be taken more than once.
    ///
    /// # Errors
    /// A row that is not there.
    pub fn take(&self, rows: &[usize]) -> Result<Self, ArrowError> {
        let indices: UInt64Array = rows.iter().map(|row| Some(*row as u64)).collect();
        let batch = take_record_batch(&self.batch, &indices)?;
        // of a chunk without stamps none can be taken
        let stamps = rows.iter().filter_map(|row| self.stamps.get(*row)).copied().collect();
        let mut defects = Vec::new();
        if !self.defects.is_empty() {
            let mut of_row: HashMap<usize, Vec<&Defect>> = HashMap::new();
            for defect in &self.defects {
                of_row.entry(defect.cell.row).or_default().push(defect);
            }
            for (to, from) in rows.iter().enumerate() {
                defects.extend(
                    of_row.get(from).into_iter().flatten().map(|defect| Defect {
                        cell: Cell { row: to, column: defect.cell.column },
                        ..(*defect).clone()
                    }),
                );
            }
        }
        Ok(Self { batch, defects, stamps })
    }

    /// The named columns, in this order.
    ///
    /// # Errors
    /// A column that is not there.
    pub fn project(&self, names: &[String]) -> Result<Self, ArrowError> {
        let schema = self.batch.schema();
        let indices = names.iter().map(|name| schema.index_of(name)).collect::<Result<Vec<_>, _>>()?;
        let columns: Vec<ArrayRef> = indices.iter().map(|index| Arc::clone(self.batch.column(*index))).collect();
        let projected = Arc::new(Schema::new_with_metadata(
            indices.iter().map(|index| Arc::new(schema.field(*index).clone())).collect::<Vec<_>>(),
            schema.metadata().clone(),
        ));
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows()));
        let mut defects: Vec<Defect> = Vec::new();
        for (to, from) in indices.iter().enumerate() {
            defects.extend(
                self.defects
                    .iter()
                    .filter(|defect| defect.cell.column == *from)
                    .map(|defect| Defect { cell: Cell { row: defect.cell.row, column: to }, ..defect.clone() }),
            );
        }
        defects.sort_by_key(|defect| defect.cell);
        let batch = RecordBatch::try_new_with_options(projected, columns, &options)?;
        Ok(Self { batch, defects, stamps: self.stamps.clone() })
    }

    /// Canonical text of a cell: of its value, or of the defect that stands for it.
    pub fn text(&self, cell: Cell) -> CellText {
        if let Some(defect) = self.defect(cell) {
            return match &defect.canonical {
                Some(text) => CellText::Text(text.clone()),
                None => CellText::TooLarge(defect.bytes),
            };
        }
        match crate::canonical::canonical_text(self.batch.column(cell.column), cell.row) {
            Ok(Some(text)) => CellText::Text(text),
            Ok(None) => CellText::Null,
            Err(_) => CellText::TooLarge(None),
        }
    }
}

/// Canonical text of a cell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CellText {
    /// NULL.
    Null,
    /// Its canonical text.
    Text(String),
    /// Not read; its size in bytes where known.
    TooLarge(Option<u64>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Int64Array;
    use arrow::datatypes::{DataType, Field};

    fn chunk(values: Vec<Option<i64>>, defects: &[(usize, &str)]) -> Chunk {
        let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)]));
        let batch = RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from(values))]).unwrap();
        let defects = defects.iter().map(|(row, text)| Defect {
            cell: Cell { row: *row, column: 0 },
            kind: DefectKind::Unrepresentable,
            canonical: Some((*text).to_owned()),
            bytes: None,
        });
        Chunk { batch, defects: defects.collect(), stamps: Vec::new() }
    }

    #[test]
    fn stamps_follow_their_rows() {
        let mut one = chunk(vec![Some(1), Some(2)], &[]);
        one.stamps = vec![11, 12];
        let mut other = chunk(vec![Some(3)], &[]);
        other.stamps = vec![13];
        let schema = one.batch.schema();
        let both = Chunk::concat(&schema, &[one.clone(), other]).unwrap();
        assert_eq!(both.stamps, [11, 12, 13]);
        assert_eq!(both.take(&[2, 0]).unwrap().project(&["a".to_owned()]).unwrap().stamps, [13, 11]);
        let unstamped = chunk(vec![None], &[]);
        assert_eq!(Chunk::concat(&schema, &[one, unstamped.clone()]).unwrap().stamps, [0u64; 0]);
        assert_eq!(unstamped.take(&[0]).unwrap().stamps, [0u64; 0]);
    }

    #[test]
    fn defects_follow_their_rows() {
        let one = chunk(vec![Some(1), None], &[(1, "x")]);
        let other = chunk(vec![None, Some(4), None], &[(0, "y")]);
        let both = Chunk::concat(&one.batch.schema(), &[one.clone(), other]).unwrap();
        let texts =
            |chunk: &Chunk| (0..chunk.rows()).map(|row| chunk.text(Cell { row, column: 0 })).collect::<Vec<_>>();
        let text = |text: &str| CellText::Text(text.into());
        assert_eq!(texts(&both), [text("1"), text("x"), text("y"), text("4"), CellText::Null]);
        let taken = both.take(&[2, 0, 4, 2]).unwrap();
        assert_eq!(texts(&taken), [text("y"), text("1"), CellText::Null, text("y")]);
        let same = taken.project(&["a".to_owned()]).unwrap();
        assert_eq!(texts(&same), texts(&taken));
    }
}
