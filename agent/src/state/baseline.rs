//! Old sins: failing rows of a rule that are known, and may only become fewer.

use chrono::{DateTime, Utc};
use fieldmark_model::TableName;
use fieldmark_model::outcome::Baseline;
use fieldmark_statistics::Level;
use serde::{Deserialize, Serialize};

/// How many rows of a table fail a rule: counted, or within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// At least.
    pub low: u64,
    /// At most.
    pub high: u64,
    /// Whether all rows were read.
    pub exact: bool,
}

impl Counted {
    /// So many and no others.
    pub fn exactly(rows: u64) -> Self {
        Self { low: rows, high: rows, exact: true }
    }

    /// The confidence of bounds from a sample: one of two million samples has its lower bound above what is true. A rule that is checked
    /// every five minutes is then called worse by chance once in twenty years; at 95 % it would be twice a week.
    pub fn level() -> Level {
        Level::new(0.999_999).unwrap_or(Level::NINETY_FIVE)
    }
}

/// Failing rows of a rule as they were recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// The rule's fingerprint: rows that failed another meaning say nothing.
    pub fingerprint: String,
    /// The table; a rule of the same id on another one is another rule.
    #[serde(default)]
    pub table: Option<TableName>,
    /// How many.
    pub rows: Counted,
    /// When they were recorded first.
    pub since: DateTime<Utc>,
    /// When the count was last lowered.
    #[serde(default)]
    pub lowered: Option<DateTime<Utc>>,
}

impl Recorded {
    /// Whether it is about this rule, as it is now, on its table.
    pub(super) fn is_of(&self, fingerprint: &str, table: &TableName) -> bool {
        self.fingerprint == fingerprint && self.table.as_ref().is_none_or(|own| own == table)
    }

    /// What the record says of a count: more fail now where the least that it allows for is more than the most that were known.
    pub fn against(&self, counted: Counted) -> Baseline {
        Baseline { rows: self.rows.high, since: self.since, grown: counted.low > self.rows.high }
    }

    /// The record after another count: lower where fewer fail for certain, never higher; `None` where none is left.
    #[must_use]
    pub fn after(&self, counted: Counted, now: DateTime<Utc>) -> Option<Self> {
        // what was counted is lowered by a count alone
        let fewer = if counted.exact {
            counted.high < self.rows.high
        } else {
            !self.rows.exact && counted.high < self.rows.low
        };
        if !fewer {
            return Some(self.clone());
        }
        (counted.high > 0).then(|| Self { rows: counted, lowered: Some(now), ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(low: u64, high: u64) -> Recorded {
        let rows = Counted { low, high, exact: low == high };
        Recorded { fingerprint: "f".into(), table: None, rows, since: DateTime::UNIX_EPOCH, lowered: None }
    }

    fn between(low: u64, high: u64) -> Counted {
        Counted { low, high, exact: false }
    }

    #[test]
    fn the_ratchet_goes_one_way() {
        let after = |recorded: Recorded, counted| recorded.after(counted, DateTime::UNIX_EPOCH).map(|after| after.rows);
        assert_eq!(after(recorded(10, 10), Counted::exactly(12)), Some(Counted::exactly(10)));
        assert_eq!(after(recorded(10, 10), Counted::exactly(7)), Some(Counted::exactly(7)));
        assert_eq!(after(recorded(10, 10), Counted::exactly(0)), None);
        // by a sample only where its bounds leave no doubt
        assert_eq!(after(recorded(80, 120), between(60, 100)), Some(Counted { low: 80, high: 120, exact: false }));
        assert_eq!(after(recorded(80, 120), between(30, 60)), Some(between(30, 60)));
        assert_eq!(after(recorded(80, 120), Counted::exactly(110)), Some(Counted::exactly(110)));
        // and not at all where it was a count
        assert_eq!(after(recorded(100, 100), between(30, 60)), Some(Counted::exactly(100)));
    }

    #[test]
    fn more_is_more_only_for_certain() {
        assert!(!recorded(10, 10).against(Counted::exactly(10)).grown);
        assert!(recorded(10, 10).against(Counted::exactly(11)).grown);
        assert!(!recorded(80, 120).against(between(100, 150)).grown);
        assert!(recorded(80, 120).against(between(121, 180)).grown);
    }
}
