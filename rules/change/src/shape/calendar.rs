//! Axes of times: whole minutes, hours, days, weeks, months, years.

use super::axis::span;
use crate::instant;
use fieldmark_model::canonical::civil;

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// A month in the mean, and twelve of them.
const MONTH: i64 = 2_629_746_000_000;
const YEAR: i64 = 12 * MONTH;

/// A step of the calendar.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// So many microseconds, counted from so many after 1970-01-01.
    Even { length: i64, from: i64 },
    /// So many months, counted from the year 0.
    Months(i64),
}

/// All steps, rising.
fn steps() -> impl Iterator<Item = Step> {
    let hours = [1, 2, 3, 6, 12].map(|hours| hours * HOUR);
    let lengths = [1, 5, 15, 30].map(|minutes| minutes * MINUTE).into_iter().chain(hours).chain([DAY, 2 * DAY]);
    // the first Monday
    let week = Step::Even { length: 7 * DAY, from: 4 * DAY };
    let years = (0..5).flat_map(|power| [1, 2, 5].map(|digit| 12 * digit * 10_i64.pow(power)));
    let months = [1, 3, 6].into_iter().chain(years).chain([1_200_000]);
    lengths.map(|length| Step::Even { length, from: 0 }).chain([week]).chain(months.map(Step::Months))
}

impl Step {
    fn length(self) -> i64 {
        match self {
            Self::Even { length, .. } => length,
            Self::Months(months) => months * MONTH,
        }
    }

    /// The last whole number of steps that is not after.
    fn below(self, time: i64) -> i64 {
        match self {
            Self::Even { length, from } => (time - from).div_euclid(length),
            Self::Months(months) => {
                let (year, month, _) = civil(time.div_euclid(DAY));
                (12 * year + month - 1).div_euclid(months)
            }
        }
    }

    fn times(self, index: i64) -> Option<i64> {
        match self {
            Self::Even { length, from } => Some(index * length + from),
            Self::Months(months) => {
                let months = index * months;
                let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
                i64::try_from(instant::days(i128::from(year), i128::from(month), 1)?).ok()?.checked_mul(DAY)
            }
        }
    }
}

/// Edges over these sorted times (in microseconds), for `limit` bins at most (two or more). Where they are `rounded`, a bin has room for two
/// of the times that there are.
pub(super) fn edges(sides: &[&[f64]], spare: usize, limit: usize, rounded: bool) -> Option<Vec<i64>> {
    let span = span(sides, spare)?;
    let (low, high) = (span.low as i64, span.high as i64);
    let unit = unit(sides);
    let least = if rounded { 2 * unit } else { unit };
    // of one time only its day is told
    let least = if low < high { least } else { least.max(DAY) };
    let limit = i64::try_from(limit).ok()?;
    let fitting = steps().filter(|step| step.length() >= least).find_map(|step| {
        let (first, last) = (step.below(low), step.below(high) + 1);
        (last - first <= limit).then_some((step, first, last))
    });
    let (step, first, last) = fitting?;
    (first..=last).map(|index| step.times(index)).collect()
}

/// The longest unit that all times are whole numbers of; 0 where there are seconds among them.
fn unit(sides: &[&[f64]]) -> i64 {
    let whole = |unit: i64, time: i64| {
        let (_, month, day) = civil(time.div_euclid(DAY));
        let first = time.rem_euclid(DAY) == 0 && day == 1;
        match unit {
            YEAR => first && month == 1,
            MONTH => first,
            even => time.rem_euclid(even) == 0,
        }
    };
    let all = |unit: &i64| sides.iter().flat_map(|times| times.iter()).all(|time| whole(*unit, *time as i64));
    [YEAR, MONTH, DAY, HOUR, MINUTE].into_iter().find(all).unwrap_or(0)
}
