//! Whose rows: stamps of the marked rows before and after, and what is known of the migration's transactions.

use super::Again;
use crate::mark::Transactions;
use fieldmark_change::{Stamp, StampEvidence};
use fieldmark_source::Horizon;
use std::collections::BTreeSet;

/// Most ids of which it is asked one by one whether they were the migration's.
const MOST_IDS: u64 = 1_000_000;

/// Transaction ids around a migration.
pub(super) struct Ids<'a> {
    /// Around the mark.
    pub(super) mark: &'a Transactions,
    /// Seen to be the migration's.
    pub(super) migration: &'a BTreeSet<u64>,
    /// When the migration had ended.
    pub(super) ended: &'a Horizon,
    /// When all marked rows had been read again.
    pub(super) read: &'a Horizon,
}

impl Ids<'_> {
    /// Whether every id given out from the first reading of the marked rows to the last is the migration's: nobody else wrote.
    pub(super) fn alone(&self) -> bool {
        match (self.mark.first, self.read.next_transaction) {
            (Some(first), Some(next)) if first <= next && next - first <= MOST_IDS => {
                (first..next).all(|id| self.migration.contains(&id))
            }
            _ => false,
        }
    }
}

/// The stamps of a table's marked rows; `None` where there are none, or where it is not known whether its storage was rewritten.
pub(super) fn evidence(table: &Again<'_>, ids: &Ids<'_>) -> Option<StampEvidence> {
    let (file_before, file_after) = table.pair.before?.storage.zip(table.pair.after?.storage)?;
    let (rows, aligned) = table.after.as_ref().zip(table.aligned.as_ref())?;
    if table.marked.stamps.len() != table.before.rows() || rows.stamps.len() != rows.rows() {
        return None;
    }
    let mut stamps: Vec<Stamp> =
        table.marked.stamps.iter().map(|stamp| Stamp { before: Some(*stamp), after: None }).collect();
    for row in &aligned.matched {
        if let (Some(stamp), Some(written)) = (stamps.get_mut(row.before), rows.stamps.get(row.after)) {
            stamp.after = Some(*written);
        }
    }
    Some(StampEvidence {
        rows: stamps,
        migration: ids.migration.clone(),
        rewritten: file_before != file_after,
        first_possible: ids.mark.next,
        first_impossible: ids.ended.next_transaction,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alone_is_who_has_every_id() {
        let alone = |first, migration: &[u64], next| {
            let mark = Transactions { first, ..Transactions::default() };
            let read = Horizon { next_transaction: next, ..Horizon::default() };
            let migration = migration.iter().copied().collect();
            Ids { mark: &mark, migration: &migration, ended: &read, read: &read }.alone()
        };
        assert!(alone(Some(10), &[10, 11, 12], Some(13)));
        assert!(alone(Some(10), &[], Some(10)), "nobody wrote at all");
        assert!(!alone(Some(10), &[10, 12], Some(13)));
        assert!(!alone(Some(10), &[10], Some(9)), "another server");
        assert!(!alone(None, &[10], Some(11)) && !alone(Some(10), &[10], None));
        assert!(!alone(Some(0), &[], Some(u64::MAX)));
    }
}
