//! Which row before is which row after, by the key's canonical text.

use crate::cell::Kind;
use crate::error::ChangeError;
use crate::instant;
use crate::pair::ColumnPairs;
use fieldmark_model::migration::ColumnPair;
use fieldmark_model::{Cell, CellText, Chunk};
use std::collections::HashMap;

/// A marked row and the row that it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// Row of the mark.
    pub before: usize,
    /// Row of what was read again.
    pub after: usize,
}

/// A key that came back more than once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// Row of the mark.
    pub before: usize,
    /// Its rows now, two or more.
    pub after: Vec<usize>,
}

/// Which row before is which row after.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alignment {
    /// Rows that are still there, in the order of the mark. A duplicate is here with its first row.
    pub matched: Vec<Match>,
    /// Marked rows that are not.
    pub vanished: Vec<usize>,
    /// Keys that came back more than once.
    pub duplicates: Vec<Duplicate>,
    /// Marked rows that cannot be followed: a key value is NULL or was not read whole, or two marked rows have the same key.
    pub unfollowed: Vec<usize>,
    /// Rows after that nobody asked for (a database that compares keys without regard to case gives such).
    pub strangers: usize,
}

/// Why rows cannot be followed through their key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFollowed {
    /// The table has no key.
    #[error("the table has no key")]
    NoKey,
    /// A key column is gone.
    #[error("the key column `{0}` was dropped, and no `renamed:` says what became of it")]
    Dropped(String),
    /// The key's type changed and no value is found again.
    #[error("the key's type changed, and none of {marked} marked keys is found among its values")]
    Unmapped {
        /// Marked rows.
        marked: usize,
    },
    /// No key is found again although the table still has rows.
    #[error("none of {marked} marked keys is found again, yet the table has {rows} rows: its keys were changed")]
    Rekeyed {
        /// Marked rows.
        marked: usize,
        /// Rows after.
        rows: u64,
    },
}

/// The key's column names after, by which the marked rows are to be read again.
///
/// # Errors
/// [`NotFollowed`] where there is no key, or a column of it is gone.
pub fn key_after(key: &[String], columns: &ColumnPairs) -> Result<Vec<String>, NotFollowed> {
    if key.is_empty() {
        return Err(NotFollowed::NoKey);
    }
    let after = |name: &String| {
        pair_of(name, columns)
            .and_then(|pair| pair.after.as_ref())
            .map(|column| column.name.clone())
            .ok_or_else(|| NotFollowed::Dropped(name.clone()))
    };
    key.iter().map(after).collect()
}

fn pair_of<'a>(before: &str, columns: &'a ColumnPairs) -> Option<&'a ColumnPair> {
    columns.pairs.iter().find(|pair| pair.before.as_ref().is_some_and(|column| column.name == before))
}

/// Matches marked rows with the rows read again.
///
/// # Errors
/// The inner [`NotFollowed`] where the key is gone, or retyped so that no value of it is found again; [`ChangeError`] where the
/// chunks lack a key column.
pub fn align(
    before: &Chunk,
    after: &Chunk,
    key: &[String],
    columns: &ColumnPairs,
) -> Result<Result<Alignment, NotFollowed>, ChangeError> {
    let names = match key_after(key, columns) {
        Ok(names) => names,
        Err(reason) => return Ok(Err(reason)),
    };
    let mut forms = Vec::new();
    let mut retyped = false;
    for name in key {
        let pair = pair_of(name, columns);
        let kinds = pair.and_then(|pair| Some((pair.before.as_ref()?, pair.after.as_ref()?)));
        forms.push(kinds.map_or(Form::AsIs, |(old, new)| Form::of(Kind::of(old), Kind::of(new))));
        retyped |= kinds.is_some_and(|(old, new)| old.declared != new.declared);
    }
    let old = Keys::of(before, key, &forms)?;
    let new = Keys::of(after, &names, &forms)?;
    let alignment = matched(&old, &new);
    if retyped && alignment.matched.is_empty() && !alignment.vanished.is_empty() && after.rows() > 0 {
        return Ok(Err(NotFollowed::Unmapped { marked: before.rows() }));
    }
    Ok(Ok(alignment))
}

/// How a key's text is made the same on both sides of a change of type.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    AsIs,
    /// One side is a time, perhaps without a zone: UTC.
    Instant,
    /// Trailing blanks mean nothing.
    Blanks,
    /// One side is a number, the other text: leading zeros mean nothing.
    Number,
    /// One side is a uuid: case means nothing.
    Lower,
}

impl Form {
    fn of(old: Kind, new: Kind) -> Self {
        let any = |kind: Kind| old == kind || new == kind;
        if any(Kind::Timestamp) || any(Kind::TimestampZone) {
            Self::Instant
        } else if any(Kind::PaddedText) {
            Self::Blanks
        } else if old != new && (old.is_number() || new.is_number()) {
            Self::Number
        } else if old != new && any(Kind::Uuid) {
            Self::Lower
        } else {
            Self::AsIs
        }
    }

    fn text(self, text: String) -> String {
        match self {
            Self::AsIs => text,
            Self::Instant => instant::parse(&text).map_or(text, |instant| instant.microseconds.to_string()),
            Self::Blanks => text.trim_end_matches(' ').to_owned(),
            Self::Number => fieldmark_model::canonical::decimal(&text),
            Self::Lower => text.to_lowercase(),
        }
    }
}

/// The key of each row; `None` where a value of it is NULL (nothing equals it) or was not read whole.
struct Keys(Vec<Option<Vec<CellText>>>);

impl Keys {
    fn of(chunk: &Chunk, names: &[String], forms: &[Form]) -> Result<Self, ChangeError> {
        let schema = chunk.batch.schema();
        let columns = names
            .iter()
            .map(|name| schema.index_of(name).map_err(|_| ChangeError::ColumnMissing(name.clone())))
            .collect::<Result<Vec<_>, _>>()?;
        let of_row = |row| {
            let part = |(column, form): (&usize, &Form)| match chunk.text(Cell { row, column: *column }) {
                CellText::Text(text) => Some(CellText::Text(form.text(text))),
                CellText::Null | CellText::TooLarge(_) => None,
            };
            columns.iter().zip(forms).map(part).collect()
        };
        Ok(Self((0..chunk.rows()).map(of_row).collect()))
    }
}

fn matched(old: &Keys, new: &Keys) -> Alignment {
    let mut asked: HashMap<&[CellText], usize> = HashMap::new();
    for key in old.0.iter().flatten() {
        *asked.entry(key).or_default() += 1;
    }
    let mut found: HashMap<&[CellText], Vec<usize>> = HashMap::new();
    let mut result = Alignment::default();
    for (row, key) in new.0.iter().enumerate() {
        match key {
            Some(key) if asked.contains_key(key.as_slice()) => found.entry(key).or_default().push(row),
            Some(_) | None => result.strangers += 1,
        }
    }
    for (before, key) in old.0.iter().enumerate() {
        let Some(key) = key.as_deref().filter(|key| asked.get(key) == Some(&1)) else {
            result.unfollowed.push(before);
            continue;
        };
        match found.get(key).map_or(&[][..], Vec::as_slice) {
            [] => result.vanished.push(before),
            [after] => result.matched.push(Match { before, after: *after }),
            rows @ [after, ..] => {
                result.matched.push(Match { before, after: *after });
                result.duplicates.push(Duplicate { before, after: rows.to_vec() });
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pair::{ColumnHints, TablePair, TablePairing, pair_columns};
    use crate::testing::{chunk, column, table};
    use arrow::array::{ArrayRef, Int32Array, StringArray};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn aligned(old: (&str, ArrayRef), new: (&str, ArrayRef)) -> Result<Alignment, NotFollowed> {
        let (before, after) = (vec![column("k", old.0, Some(1))], vec![column("k", new.0, Some(1))]);
        let (one, other) = (table("t", &before), table("t", &after));
        let pair = TablePair { before: Some(&one), after: Some(&other), by: TablePairing::Same };
        let pairs = pair_columns(pair, ColumnHints::default());
        let (before, after) = (chunk(&before, vec![old.1]), chunk(&after, vec![new.1]));
        align(&before, &after, &["k".to_owned()], &pairs).unwrap()
    }

    fn texts(values: &[&str]) -> ArrayRef {
        Arc::new(StringArray::from(values.to_vec()))
    }

    fn ints(values: &[i32]) -> ArrayRef {
        Arc::new(Int32Array::from(values.to_vec()))
    }

    #[test]
    fn keys_are_followed_through_a_change_of_type() {
        let found = |old, new| aligned(old, new).map(|alignment| alignment.matched.len());
        assert_eq!(found(("int", ints(&[1, 2])), ("text", texts(&["02", "1"]))), Ok(2));
        assert_eq!(found(("text", texts(&["007"])), ("int", ints(&[7]))), Ok(1));
        assert_eq!(found(("character(4)", texts(&["ab  "])), ("text", texts(&["ab"]))), Ok(1));
        assert_eq!(found(("uuid", texts(&["aB"])), ("text", texts(&["AB"]))), Ok(1));
        assert_eq!(
            found(("int", ints(&[1, 2])), ("text", texts(&["a", "b"]))),
            Err(NotFollowed::Unmapped { marked: 2 })
        );
        assert_eq!(key_after(&[], &ColumnPairs::default()), Err(NotFollowed::NoKey));
    }

    #[test]
    fn what_comes_back_twice_or_unasked_is_told() {
        let alignment = aligned(("int", ints(&[1, 2, 3, 4, 4])), ("int", ints(&[9, 2, 1, 2]))).unwrap();
        assert_eq!(alignment.matched, [Match { before: 0, after: 2 }, Match { before: 1, after: 1 }]);
        assert_eq!(alignment.duplicates, [Duplicate { before: 1, after: vec![1, 3] }]);
        assert_eq!((alignment.vanished, alignment.unfollowed, alignment.strangers), (vec![2], vec![3, 4], 1));
    }

    proptest! {
        #[test]
        fn every_marked_row_is_accounted_for_once(
            old in proptest::collection::vec(0..40_i32, 0..40),
            new in proptest::collection::vec(0..40_i32, 0..40),
        ) {
            let alignment = aligned(("int", ints(&old)), ("int", ints(&new))).unwrap();
            let mut rows: Vec<usize> = alignment.matched.iter().map(|each| each.before).collect();
            rows.extend(&alignment.vanished);
            rows.extend(&alignment.unfollowed);
            rows.sort_unstable();
            prop_assert_eq!(rows, (0..old.len()).collect::<Vec<_>>());
            for each in &alignment.matched {
                prop_assert_eq!(old[each.before], new[each.after]);
            }
            for row in &alignment.vanished {
                prop_assert!(!new.contains(&old[*row]));
            }
        }
    }
}
