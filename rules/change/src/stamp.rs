//! Whose doing a changed row is, by the row's own stamp (PostgreSQL's `xmin`).
//!
//! A stamp decides only where the relation was not rewritten and the row is still there, and only against transaction ids:
//!
//! | After | Decides |
//! |---|---|
//! | the relation was rewritten | nothing: every row carries the migration's id, or keeps its old one (`VACUUM FULL`) |
//! | the row vanished | nothing: no stamp is left |
//! | the same stamp as before, and yet another value | the migration: the stored row is untouched, so the schema reads it differently |
//! | an id seen in a session of the migration | the migration wrote the row last (see below) |
//! | an id given out before its first statement | ordinary, for certain |
//! | an id given out after its last statement | nothing: whoever wrote the row last may not have been the one who changed the value |
//! | another id, ids of the migration were seen | ordinary unless there are too many: the control test has the last word |
//! | another id, none of the migration's was seen | nothing |
//!
//! The last writer need not be the one who changed a value: an update of the whole table stamps rows in which an ordinary write
//! changed another column just before. So the share of such rows among those that the migration wrote is tested too. And an id that
//! was not seen may still be the migration's: of a backfill in batches, or a savepoint, which has an id of its own.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One marked row's stamp. Ids in 64 bits (epoch and `xmin`), so that they do not wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stamp {
    /// When the mark was taken.
    pub before: Option<u64>,
    /// At the recapture; `None` where the row vanished.
    pub after: Option<u64>,
}

/// The stamps of a mark's rows and what is known of the migration's transactions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StampEvidence {
    /// One for each marked row, in the order of the mark.
    pub rows: Vec<Stamp>,
    /// Transaction ids seen in sessions of the migration; empty where none was seen.
    pub migration: BTreeSet<u64>,
    /// Whether the relation's storage is another one than before.
    pub rewritten: bool,
    /// The first id that the migration can have had: the next one to be given out, read before it began.
    pub first_possible: Option<u64>,
    /// The next id to be given out, read after it ended: the migration can have had none from here on.
    pub first_impossible: Option<u64>,
}

/// Whose doing a changed row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attribution {
    /// The migration's, for certain: nobody else can have done it.
    Migration,
    /// The migration wrote the row last. What it did not touch may still have been changed by an ordinary write before.
    Written,
    /// Certainly not the migration's.
    Ordinary,
    /// Of a transaction that was not seen to be the migration's: ordinary unless there are more than ordinary writes make.
    Other,
    /// The stamp does not say.
    Undecidable,
}

impl StampEvidence {
    /// Whose doing it is that this marked row changed. Ask only of rows with a changed value, or that vanished.
    #[must_use]
    pub fn attribute(&self, row: usize) -> Attribution {
        let Some(Stamp { before: Some(before), after: Some(after) }) = self.rows.get(row).copied() else {
            return Attribution::Undecidable;
        };
        if self.rewritten {
            return Attribution::Undecidable;
        }
        let too_early = self.first_possible.is_some_and(|first| after < first);
        let too_late = self.first_impossible.is_some_and(|first| after >= first);
        if before == after {
            Attribution::Migration
        } else if self.migration.contains(&after) {
            Attribution::Written
        } else if too_early {
            Attribution::Ordinary
        } else if too_late || self.migration.is_empty() {
            Attribution::Undecidable
        } else {
            Attribution::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_decides_what_it_can() {
        let stamp = |before, after| Stamp { before, after };
        let rows = vec![
            stamp(Some(10), Some(10)),
            stamp(Some(10), Some(105)),
            stamp(Some(10), Some(99)),
            stamp(Some(10), Some(200)),
            stamp(Some(10), Some(106)),
            stamp(Some(10), None),
            stamp(None, Some(105)),
        ];
        let evidence = StampEvidence {
            rows,
            migration: BTreeSet::from([105]),
            rewritten: false,
            first_possible: Some(100),
            first_impossible: Some(200),
        };
        use Attribution::{Migration, Ordinary, Other, Undecidable, Written};
        let of = |evidence: &StampEvidence| (0..8).map(|row| evidence.attribute(row)).collect::<Vec<_>>();
        assert_eq!(
            of(&evidence),
            [Migration, Written, Ordinary, Undecidable, Other, Undecidable, Undecidable, Undecidable]
        );
        let unseen = StampEvidence { migration: BTreeSet::new(), ..evidence.clone() };
        assert_eq!(of(&unseen)[..5], [Migration, Undecidable, Ordinary, Undecidable, Undecidable]);
        let rewritten = StampEvidence { rewritten: true, ..evidence };
        assert_eq!(of(&rewritten), [Undecidable; 8]);
    }
}
