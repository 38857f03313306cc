//! When to look, fixed before the first look, so that several looks together keep the level of one.

use serde::{Deserialize, Serialize};

use crate::interval::{Observed, clopper_pearson_high, clopper_pearson_low};
use crate::{Criterion, Level};

/// One look: what has been read by then, rows of earlier looks included (looks are nested).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// Rows read by then, in all.
    pub rows: u64,
    /// Whether this is the whole table.
    pub all_rows: bool,
}

/// The looks and the level of each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookPlan {
    /// In order, growing; never empty.
    pub looks: Vec<Look>,
    /// Of every sampled look's interval: 1 - 0.05 / sampled looks. All of them hold together with 95 %.
    pub level: Level,
}

/// What a plan is made from, all in rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookSize {
    /// Rows of the first look.
    pub wanted: u64,
    /// Most rows that may be read in all.
    pub budget: u64,
    /// Rows of the table, by the best guess there is.
    pub population: u64,
}

/// Most looks that a plan has.
pub const MOST_LOOKS: usize = 8;

/// From one part in this many of the table on, the table is read whole.
const WORTH_READING_ALL: u64 = 5;

fn worth_all(rows: u64, population: u64) -> bool {
    rows.saturating_mul(WORTH_READING_ALL) >= population
}

impl LookPlan {
    /// One look at 95 %: the daemon's routine, `before`, `--no-enlarge`. Reads the whole table where `wanted` is a fifth of it
    /// and the budget allows.
    #[must_use]
    pub fn single(size: LookSize) -> Self {
        let first = first_look(size);
        Self { looks: vec![first], level: Level::NINETY_FIVE }
    }

    /// At most [`MOST_LOOKS`] looks, each twice the one before, within the budget. A look of a fifth of the table or more is the
    /// whole table instead, if the budget allows, and then the last. Reading the whole table is no statement of chance and takes
    /// no share of the 5 %.
    #[must_use]
    pub fn enlarging(size: LookSize) -> Self {
        let first = first_look(size);
        let mut looks = vec![first];
        let mut last = first;
        while looks.len() < MOST_LOOKS && !last.all_rows {
            let rows = last.rows.saturating_mul(2).max(1);
            let all = worth_all(rows, size.population) && size.population <= size.budget;
            if !all && (rows > size.budget || rows >= size.population) {
                break;
            }
            last = Look { rows: if all { size.population } else { rows }, all_rows: all };
            looks.push(last);
        }
        let sampled = looks.iter().filter(|look| !look.all_rows).count();
        Self { looks, level: Level::NINETY_FIVE.shared_by(u32::try_from(sampled).unwrap_or(u32::MAX)) }
    }
}

fn first_look(size: LookSize) -> Look {
    let all =
        worth_all(size.wanted, size.population) && (size.population <= size.budget || size.population <= size.wanted);
    Look { rows: if all { size.population } else { size.wanted.min(size.population) }, all_rows: all }
}

/// Failing among (effective) independent rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowsSeen {
    /// Failing rows, uncertain ones counted as passed.
    pub failed: f64,
    /// Failing rows, uncertain ones counted as failed; at least `failed`.
    pub failed_at_worst: f64,
    /// Rows.
    pub checked: f64,
}

/// More rows than this are no plan.
const MOST_ROWS: f64 = 1e12;

/// The independent rows it would take to pass or fail, if the fraction seen is the true one: the smallest number at which the
/// interval of that fraction clears the tolerance or fits under what must be detected. Never below the rows seen. `None` where
/// no sample decides (nothing is tolerated and nothing need be detected; the fraction sits on the bound; too many rows are
/// uncertain). A plan, not a promise: it says nothing of what those rows will show.
#[must_use]
pub fn rows_needed(seen: RowsSeen, criterion: Criterion, level: Level) -> Option<u64> {
    let share = |failed: f64| {
        if seen.checked > 0.0 { (failed / seen.checked).clamp(0.0, 1.0) } else { 0.0 }
    };
    let (best, worst) = (share(seen.failed), share(seen.failed_at_worst));
    let limit = criterion.tolerance.max(criterion.detect);
    let observed = |p: f64, rows: f64| Observed { failed: p * rows, rows };
    let from = seen.checked.max(1.0);
    let failing = (best > criterion.tolerance)
        .then(|| smallest(from, |rows| clopper_pearson_low(observed(best, rows), level) > criterion.tolerance))
        .flatten();
    let passing = (worst < limit)
        .then(|| smallest(from, |rows| clopper_pearson_high(observed(worst, rows), level) <= limit))
        .flatten();
    match (failing, passing) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// The smallest whole number of rows from `from` on that `decides`, by doubling and halving.
fn smallest(from: f64, decides: impl Fn(f64) -> bool) -> Option<u64> {
    let mut low = from.floor().max(1.0) - 1.0;
    let mut high = from.ceil().max(1.0);
    while !decides(high) {
        low = high;
        high *= 2.0;
        if high > MOST_ROWS {
            return None;
        }
    }
    while high - low > 1.0 {
        let middle = (0.5 * (low + high)).floor();
        if decides(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(wanted: u64, budget: u64, population: u64) -> LookSize {
        LookSize { wanted, budget, population }
    }

    #[test]
    fn plans() {
        for (size, rows, all_at_last, sampled) in [
            (sizes(10_000, 10_000, 1 << 40), vec![10_000], false, 1),
            (sizes(10_000, 100_000, 1 << 40), vec![10_000, 20_000, 40_000, 80_000], false, 4),
            (sizes(1, u64::MAX, u64::MAX), vec![1, 2, 4, 8, 16, 32, 64, 128], false, 8),
            (sizes(10_000, 1 << 40, 50_000), vec![50_000], true, 0),
            (sizes(10_000, 1 << 40, 60_000), vec![10_000, 60_000], true, 1),
            (sizes(10_000, 30_000, 60_000), vec![10_000, 20_000], false, 2),
            (sizes(10_000, 10_000, 5_000), vec![5_000], true, 0),
            (sizes(0, 0, 0), vec![0], true, 0),
            (sizes(1000, 100_000, 100_000), vec![1000, 2000, 4000, 8000, 16_000, 100_000], true, 5),
        ] {
            let plan = LookPlan::enlarging(size);
            assert_eq!(plan.looks.iter().map(|l| l.rows).collect::<Vec<_>>(), rows, "{size:?}");
            assert_eq!(plan.looks.last().unwrap().all_rows, all_at_last, "{size:?}");
            assert_eq!(plan.level, Level::NINETY_FIVE.shared_by(sampled));
            let single = LookPlan::single(size);
            assert_eq!((single.looks.len(), single.level), (1, Level::NINETY_FIVE));
        }
    }

    #[test]
    fn rows_it_would_take() {
        let seen = |failed: f64, checked: f64| RowsSeen { failed, failed_at_worst: failed, checked };
        let criterion = |tolerance, detect| Criterion { tolerance, detect };
        let level = Level::NINETY_FIVE;
        // 3.69 / 0.001
        assert_eq!(rows_needed(seen(0.0, 400.0), criterion(0.0, 0.001), level), Some(3688));
        assert_eq!(rows_needed(seen(0.0, 400.0), criterion(0.0, 0.0), level), None);
        assert_eq!(rows_needed(seen(5.0, 1000.0), criterion(0.005, 0.001), level), None);
        // 1.2 % against 1 %: about 1.96^2 p q / d^2
        let needed = rows_needed(seen(12.0, 1000.0), criterion(0.01, 0.001), level).unwrap();
        assert!((10_000..13_500).contains(&needed), "{needed}");
        // uncertain rows above what is tolerated: no number of rows will pass it
        let torn = RowsSeen { failed: 0.0, failed_at_worst: 50.0, checked: 1000.0 };
        assert_eq!(rows_needed(torn, criterion(0.0, 0.001), level), None);
    }
}
