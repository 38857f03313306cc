//! One column of the aligned rows, row by row.

use crate::align::{Alignment, Match};
use crate::cell::{Difference, Kind, compare_cells};
use crate::error::ChangeError;
use arrow::array::{Array, ArrayRef, BooleanArray, UInt64Array};
use arrow::compute::kernels::cmp::distinct;
use arrow::compute::take;
use fieldmark_model::migration::{ColumnPair, Loss, LossKind};
use fieldmark_model::{Cell, Chunk, Column};
use std::collections::{BTreeMap, BTreeSet};

/// What was seen of one column in the rows that are still there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnComparison {
    /// Rows whose value could be compared.
    pub compared: u64,
    /// Of those, the cells that differ, in the order of the mark.
    pub changed: Vec<ChangedCell>,
    /// Rows of the mark whose value could not be compared.
    pub not_compared: Vec<usize>,
}

/// A cell that differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangedCell {
    /// Row of the mark.
    pub row: usize,
    /// What was lost.
    pub loss: LossKind,
}

impl ColumnComparison {
    /// Rows by kind of loss.
    #[must_use]
    pub fn losses(&self) -> Vec<Loss> {
        let mut rows: BTreeMap<LossKind, u64> = BTreeMap::new();
        for cell in &self.changed {
            *rows.entry(cell.loss).or_default() += 1;
        }
        rows.into_iter().map(|(kind, rows)| Loss { kind, rows }).collect()
    }
}

/// Compares one column over the aligned rows. A column that is only before or only after has nothing to compare.
///
/// Arrow's own comparison finds the rows that differ where both sides have the same Arrow type; those, and all rows of other
/// types, are compared by canonical text.
///
/// # Errors
/// [`ChangeError`] where the chunks lack the column.
pub fn compare_column(
    before: &Chunk,
    after: &Chunk,
    pair: &ColumnPair,
    alignment: &Alignment,
) -> Result<ColumnComparison, ChangeError> {
    let mut result = ColumnComparison::default();
    let (Some(old), Some(new)) = (&pair.before, &pair.after) else {
        return Ok(result);
    };
    let kinds = (Kind::of(old), Kind::of(new));
    let at = (index(before, old)?, index(after, new)?);
    let differing = differing(before, after, at, &alignment.matched);
    let defects = (defect_rows(before, at.0), defect_rows(after, at.1));
    for (position, matched) in alignment.matched.iter().enumerate() {
        let whole = !defects.0.contains(&matched.before) && !defects.1.contains(&matched.after);
        let same = whole && differing.as_ref().is_some_and(|flags| position < flags.len() && !flags.value(position));
        let difference = if same {
            Difference::Same
        } else {
            let one = before.text(Cell { row: matched.before, column: at.0 });
            let other = after.text(Cell { row: matched.after, column: at.1 });
            compare_cells(&one, &other, kinds)
        };
        match difference {
            Difference::Same => result.compared += 1,
            Difference::Changed(loss) => {
                result.compared += 1;
                result.changed.push(ChangedCell { row: matched.before, loss });
            }
            Difference::NotCompared => result.not_compared.push(matched.before),
        }
    }
    Ok(result)
}

pub(crate) fn index(chunk: &Chunk, column: &Column) -> Result<usize, ChangeError> {
    chunk.batch.schema().index_of(&column.name).map_err(|_| ChangeError::ColumnMissing(column.name.clone()))
}

fn defect_rows(chunk: &Chunk, column: usize) -> BTreeSet<usize> {
    let of_column = |defect: &&fieldmark_model::Defect| defect.cell.column == column;
    chunk.defects.iter().filter(of_column).map(|defect| defect.cell.row).collect()
}

/// For each match whether Arrow finds the two values (or NULLs) distinct; `None` where it cannot say.
fn differing(before: &Chunk, after: &Chunk, at: (usize, usize), matched: &[Match]) -> Option<BooleanArray> {
    let (one, other) = (before.batch.column(at.0), after.batch.column(at.1));
    if one.data_type() != other.data_type() {
        return None;
    }
    let rows = |array: &ArrayRef, of: fn(&Match) -> usize| {
        let indices: UInt64Array = matched.iter().map(|each| Some(of(each) as u64)).collect();
        take(array, &indices, None).ok()
    };
    distinct(&rows(one, |each| each.before)?, &rows(other, |each| each.after)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pair::paired;
    use crate::testing::{chunk, column};
    use arrow::array::{Float64Array, Int32Array, Int64Array, StringArray};
    use fieldmark_model::chunk::{Defect, DefectKind};
    use fieldmark_model::migration::RenameEvidence;
    use std::sync::Arc;

    fn identity(rows: usize) -> Alignment {
        let matched = (0..rows).map(|row| Match { before: row, after: row }).collect();
        Alignment { matched, ..Alignment::default() }
    }

    fn changed(old: (&str, ArrayRef), new: (&str, ArrayRef)) -> Vec<(usize, LossKind)> {
        let (before, after) = (column("c", old.0, None), column("d", new.0, None));
        let pair = paired(&before, &after, RenameEvidence::Declared);
        let rows = old.1.len();
        let (before, after) = (chunk(&[before], vec![old.1]), chunk(&[after], vec![new.1]));
        let result = compare_column(&before, &after, &pair, &identity(rows)).unwrap();
        assert_eq!(result.compared, rows as u64);
        result.changed.iter().map(|cell| (cell.row, cell.loss)).collect()
    }

    #[test]
    fn the_fast_way_and_the_slow_way_agree() {
        let floats = |values: [f64; 4]| Arc::new(Float64Array::from(values.to_vec())) as ArrayRef;
        let same =
            changed(("double", floats([f64::NAN, -0.0, 1.0, 2.0])), ("double", floats([f64::NAN, 0.0, 1.0, 3.0])));
        assert_eq!(same, [(3, LossKind::Value)]);
        let wider = changed(
            ("int", Arc::new(Int32Array::from(vec![Some(1), None, Some(3)]))),
            ("bigint", Arc::new(Int64Array::from(vec![Some(1), None, None]))),
        );
        assert_eq!(wider, [(2, LossKind::ToNull)]);
        let text = changed(
            ("int", Arc::new(Int32Array::from(vec![Some(42), Some(7), None]))),
            ("text", Arc::new(StringArray::from(vec!["42", "8", "0"]))),
        );
        assert_eq!(text, [(1, LossKind::Value), (2, LossKind::NullToValue)]);
    }

    #[test]
    fn defects_are_compared_by_what_stands_for_them() {
        let a = column("a", "text", None);
        let values = |cells: [Option<&str>; 3]| {
            chunk(std::slice::from_ref(&a), vec![Arc::new(StringArray::from(cells.to_vec()))])
        };
        let (mut before, mut after) = (values([None, None, None]), values([None, None, None]));
        let defect = |row, canonical: Option<&str>, bytes| Defect {
            cell: Cell { row, column: 0 },
            kind: DefectKind::ValueTooLarge,
            canonical: canonical.map(str::to_owned),
            bytes,
        };
        before.defects = vec![defect(0, Some("x"), None), defect(1, None, Some(10)), defect(2, None, Some(10))];
        after.defects = vec![defect(0, Some("x"), None), defect(1, None, Some(10)), defect(2, None, Some(11))];
        let pair = paired(&a, &a, RenameEvidence::Catalogue);
        let result = compare_column(&before, &after, &pair, &identity(3)).unwrap();
        assert_eq!((result.compared, result.not_compared.as_slice()), (2, &[1][..]));
        assert_eq!(result.losses(), [Loss { kind: LossKind::Value, rows: 1 }]);
    }
}
