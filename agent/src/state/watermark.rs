//! Up to where a table's rows have been checked, by a column that grows with new rows.
//!
//! Order of values is not order of commits: a transaction that runs may hold a value below the greatest that is seen now, and commit
//! it later. So each check notes how far values and transactions had come (a *point*), and the watermark is the point of the
//! last check at which every transaction that still runs had not yet begun: whatever those commit lies above it. (Values that an
//! application reserves in advance, outside of any transaction, may still appear below; they are part of the body.)

use serde::{Deserialize, Serialize};

/// Up to where a table's rows have been checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watermark {
    /// The column whose values grow.
    pub column: String,
    /// Rows above this value (its canonical text) are recent; `None` where that is not known yet.
    pub from: Option<String>,
    /// How far values had come at the last checks, oldest first.
    points: Vec<Point>,
}

/// How far values and transactions had come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Point {
    /// The greatest value, canonical text.
    value: String,
    /// The transaction id that was to be given out next, where the database has such.
    next_transaction: Option<u64>,
}

/// Points that are kept. A transaction that runs for longer than so many checks makes the next one take the whole table as its body.
const MOST_POINTS: usize = 64;

impl Watermark {
    /// Of a table that has not been checked by this column.
    pub fn new(column: impl Into<String>) -> Self {
        Self { column: column.into(), from: None, points: Vec::new() }
    }

    /// Takes note of a check: the greatest value, read before the transactions (`next` to be given out, `oldest` that runs) were
    /// asked for. Without transaction ids values are taken to be in order of commits.
    pub fn advance(&mut self, value: impl Into<String>, next: Option<u64>, oldest: Option<u64>) {
        self.points.push(Point { value: value.into(), next_transaction: next });
        if self.points.len() > MOST_POINTS {
            self.points.remove(0);
        }
        let before_all_running = |point: &Point| match (point.next_transaction, oldest) {
            (Some(next), Some(oldest)) => next <= oldest,
            (Some(_), None) | (None, Some(_)) => false,
            (None, None) => true,
        };
        // the points before the one that decides can decide nothing any more
        match self.points.iter().rposition(before_all_running) {
            Some(at) => {
                self.points.drain(..at);
                self.from = self.points.first().map(|point| point.value.clone());
            }
            None => self.from = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(checks: &[(u32, Option<u64>, Option<u64>)]) -> Option<String> {
        let mut watermark = Watermark::new("id");
        for (value, next, oldest) in checks {
            watermark.advance(value.to_string(), *next, *oldest);
        }
        watermark.from
    }

    #[test]
    fn it_steps_back_by_the_oldest_transaction_that_runs() {
        let quiet = |value, next| (value, Some(next), Some(next));
        assert_eq!(after(&[quiet(100, 50)]).as_deref(), Some("100"));
        assert_eq!(after(&[quiet(100, 50), quiet(120, 60)]).as_deref(), Some("120"));
        // at the second check one runs that began after the first
        assert_eq!(after(&[quiet(100, 50), (120, Some(60), Some(55))]).as_deref(), Some("100"));
        // it still runs at the third, and is over at the fourth
        let long = [quiet(100, 50), (120, Some(60), Some(55)), (140, Some(70), Some(55))];
        assert_eq!(after(&long).as_deref(), Some("100"));
        assert_eq!(after(&[&long[..], &[(150, Some(80), Some(71))]].concat()).as_deref(), Some("140"));
        // one that is older than every check: nothing is known
        assert_eq!(after(&[(100, Some(50), Some(40))]), None);
        assert_eq!(after(&[quiet(100, 50), (120, Some(60), Some(40))]), None);
    }

    #[test]
    fn without_transaction_ids_values_are_in_order() {
        assert_eq!(after(&[(100, None, None), (120, None, None)]).as_deref(), Some("120"));
        assert_eq!(after(&[(100, Some(5), None)]), None, "ids, and not whose");
    }

    #[test]
    fn a_transaction_that_never_ends_costs_bounded_memory() {
        let mut watermark = Watermark::new("id");
        for check in 0..1_000u64 {
            watermark.advance(check.to_string(), Some(100 + check), Some(99));
        }
        assert_eq!((watermark.points.len(), watermark.from), (MOST_POINTS, None));
    }
}
