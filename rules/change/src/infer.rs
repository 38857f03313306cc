//! Renames that only the values show.

use crate::align::Alignment;
use crate::cell::{Difference, Kind, compare_cells};
use crate::compare::index;
use crate::error::ChangeError;
use crate::pair::{ColumnPairs, paired};
use fieldmark_model::migration::RenameEvidence;
use fieldmark_model::{Cell, CellText, Chunk, Column};
use std::collections::HashSet;

/// Rows looked at; more say nothing new.
const ROWS: usize = 5_000;
/// Fewer distinct equal values than this (flags, states, small tables) may be equal by chance.
const DISTINCT: usize = 10;
/// Share of the rows with a value that has to be equal; ordinary writes may have changed the others meanwhile.
const EQUAL: f64 = 0.98;

/// Pairs columns otherwise dropped and added, where their values say that one became the other: equal in at least 98 % of the rows
/// where either has a value, with at least 10 distinct values among those, and no other column fits as well.
///
/// # Errors
/// [`ChangeError`] where the chunks lack a column.
pub fn infer_renames(
    columns: ColumnPairs,
    before: &Chunk,
    after: &Chunk,
    alignment: &Alignment,
) -> Result<ColumnPairs, ChangeError> {
    let dropped: Vec<Column> =
        columns.pairs.iter().filter(|pair| pair.after.is_none()).filter_map(|pair| pair.before.clone()).collect();
    let added: Vec<Column> =
        columns.pairs.iter().filter(|pair| pair.before.is_none()).filter_map(|pair| pair.after.clone()).collect();
    let mut fits: Vec<(&Column, &Column)> = Vec::new();
    for old in &dropped {
        for new in &added {
            // a column that was not read again (or not marked) cannot be compared; the catalogue alone tells its fate
            let (Ok(from), Ok(to)) = (index(before, old), index(after, new)) else { continue };
            let kinds = (Kind::of(old), Kind::of(new));
            if is_same(before, after, (from, to), kinds, alignment) {
                fits.push((old, new));
            }
        }
    }
    let alone = |(old, new): &&(&Column, &Column)| {
        fits.iter().filter(|(other, _)| other.name == old.name).count() == 1
            && fits.iter().filter(|(_, other)| other.name == new.name).count() == 1
    };
    let renamed: Vec<_> = fits.iter().filter(alone).collect();
    let mut result = ColumnPairs { pairs: Vec::new(), anew: columns.anew };
    for pair in columns.pairs {
        let name = |column: &Option<Column>| column.as_ref().map(|column| column.name.clone());
        let gone =
            pair.after.is_none() && renamed.iter().any(|(old, _)| name(&pair.before).as_ref() == Some(&old.name));
        let came =
            renamed.iter().find(|(_, new)| pair.before.is_none() && name(&pair.after).as_ref() == Some(&new.name));
        if let Some((old, new)) = came {
            result.pairs.push(paired(old, new, RenameEvidence::Inferred));
        } else if !gone {
            result.pairs.push(pair);
        }
    }
    Ok(result)
}

fn is_same(before: &Chunk, after: &Chunk, at: (usize, usize), kinds: (Kind, Kind), alignment: &Alignment) -> bool {
    let (mut with_value, mut equal) = (0_usize, 0_usize);
    let mut values: HashSet<CellText> = HashSet::new();
    for matched in alignment.matched.iter().take(ROWS) {
        let one = before.text(Cell { row: matched.before, column: at.0 });
        let other = after.text(Cell { row: matched.after, column: at.1 });
        if one == CellText::Null && other == CellText::Null {
            continue;
        }
        with_value += 1;
        if compare_cells(&one, &other, kinds) == Difference::Same {
            equal += 1;
            if values.len() < DISTINCT {
                values.insert(one);
            }
        }
    }
    values.len() >= DISTINCT && equal as f64 >= EQUAL * with_value as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::align::Match;
    use crate::pair::{ColumnHints, TablePair, TablePairing, pair_columns};
    use crate::testing::{chunk, column, table};
    use arrow::array::{ArrayRef, Int32Array, StringArray};
    use fieldmark_model::migration::ColumnFate;
    use std::sync::Arc;

    fn ints(of: impl Fn(i32) -> Option<i32>) -> ArrayRef {
        Arc::new((0..100).map(of).collect::<Int32Array>())
    }

    #[test]
    fn many_equal_values_make_a_rename_and_few_do_not() {
        let texts =
            |of: fn(i32) -> String| Arc::new((0..100).map(|i| Some(of(i))).collect::<StringArray>()) as ArrayRef;
        let before = [
            column("total", "int", None),
            column("flag", "int", None),
            column("empty", "int", None),
            column("twice", "int", None),
        ];
        let after = [
            column("amount", "text", None),
            column("active", "int", None),
            column("nothing", "int", None),
            column("copy_1", "int", None),
            column("copy_2", "int", None),
        ];
        let old = chunk(
            &before,
            vec![ints(|i| Some(i * 7)), ints(|i| Some(i % 2)), ints(|_| None), ints(|i| Some(i + 1000))],
        );
        // one row of `amount` was written meanwhile
        let new = chunk(
            &after,
            vec![
                texts(|i| if i == 5 { "x".into() } else { (i * 7).to_string() }),
                ints(|i| Some(i % 2)),
                ints(|_| None),
                ints(|i| Some(i + 1000)),
                ints(|i| Some(i + 1000)),
            ],
        );
        let (one, other) = (table("t", &before), table("t", &after));
        let pair = TablePair { before: Some(&one), after: Some(&other), by: TablePairing::Same };
        let matched = (0..100).map(|row| Match { before: row, after: row }).collect();
        let alignment = Alignment { matched, ..Alignment::default() };
        let pairs = infer_renames(pair_columns(pair, ColumnHints::default()), &old, &new, &alignment).unwrap();
        let renamed: Vec<_> = pairs
            .pairs
            .iter()
            .filter_map(|pair| match &pair.fate {
                ColumnFate::RenamedAndRetyped { from, by: RenameEvidence::Inferred } => Some(from.as_str()),
                ColumnFate::Kept
                | ColumnFate::Dropped
                | ColumnFate::Added
                | ColumnFate::Renamed { .. }
                | ColumnFate::Retyped
                | ColumnFate::RenamedAndRetyped { .. } => None,
            })
            .collect();
        assert_eq!(renamed, ["total"]);
        assert_eq!(pairs.pairs.len(), 8);
    }
}
