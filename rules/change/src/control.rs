//! Ordinary writes, from control slices, and whether more rows changed than those account for.
//!
//! The marked rows are read again every second or so while no migration runs: a few slices before it, a few after. What the
//! exposure (from the last of these readings before the migration to the recapture) holds more than that is tested by [`fieldmark_statistics::compare`], with Holm's
//! step-down over every column, vanished row count and transition of all tables of the verdict.
//!
//! **A row counts once, however often it is written**, so the changed rows of an exposure grow slower than its length, and hot rows
//! (a counter, a queue's head) would fill the control's count and hide anything else. Both are settled by looking at *new* rows:
//!
//! - a row that any control slice saw changing is left out of the exposure's count: it is known to be written ordinarily;
//! - each control period counts a row in the first of its slices that saw it change, and not at all where the row is hot: both
//!   periods saw it, and one of them twice, half its length apart.
//!
//! With q the chance that a row changes in a slice, h slices a period and an exposure of k slices, a row adds
//! (1-q)^2h (1-(1-q)^k) to the expected count of the exposure, and at least (1-(1-q)^h) (1-q)^h / h to the mean of a slice (what both
//! periods saw is left out here). With u = (1-q)^h the first divided by k is at most -u^2 ln(u) / h, the second (1-u) u / h, and
//! -u ln(u) <= 1-u: the extrapolation by length is never short for rows that are written at a steady rate, each at its own, at any
//! k. A row that is busy for a while (a shopping cart) is counted once by the control too, so it is not short for those either. Nor
//! is it for a worker that goes through rows in rounds and writes each once or a few times a visit: in rounds longer than a period each
//! period sees one visit and counts it, whether the other saw the row or not; in shorter ones hardly a row is new.
//!
//! What no control can show is a burst of a kind that never came in it: the family's error of 0.0001 is promised for writers
//! of one row at a time, and for those whose bursts come about twice in a slice or oftener. Jobs that write 20 marked rows at
//! once, one every three seconds, were blamed in 529 of 3000 simulated families of eight such columns (5 s exposure); bursts of 5,
//! one a second, in 4. The control has to be as long as the rhythm of such a job.

use crate::error::ChangeError;
use fieldmark_model::migration::ColumnPair;
use fieldmark_statistics::compare::{Control, ControlSlice, Exposure, FAMILY_ERROR, Question, holm};
use serde::{Deserialize, Serialize};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// Two readings of the marked rows with no migration between them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    /// Time between the two readings.
    pub seconds: f64,
    /// Rows read by both.
    pub rows: u64,
    /// For each column in which a row changed, the marked rows that did. Columns are named as they were at that time.
    pub changed: BTreeMap<String, Vec<usize>>,
    /// Marked rows that the first reading found and the second did not.
    pub vanished: Vec<usize>,
}

/// The control slices of a table, by default five of a second before the migration and five after.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlEvidence {
    /// Before the migration.
    pub before: Vec<Slice>,
    /// After the recapture.
    pub after: Vec<Slice>,
}

/// What a control is asked about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subject<'a> {
    /// Changed values of one column.
    Column(&'a ColumnPair),
    /// Rows with a change in any column.
    AnyColumn,
    /// Vanished rows.
    Vanished,
}

/// What ordinary writes do to a subject.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ordinary {
    /// Rows seen changing for the first time, slice by slice.
    pub(crate) control: Control,
    /// Rows that some slice saw changing.
    pub(crate) touched: BTreeSet<usize>,
}

impl ControlEvidence {
    /// Length of all slices.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.before.iter().chain(&self.after).map(|slice| slice.seconds).sum()
    }

    /// What the slices saw of a subject.
    pub(crate) fn of(&self, subject: Subject<'_>) -> Result<Ordinary, ChangeError> {
        let name = |pick: fn(&ColumnPair) -> Option<&fieldmark_model::Column>| match subject {
            Subject::Column(pair) => pick(pair).map(|column| column.name.as_str()),
            Subject::AnyColumn | Subject::Vanished => None,
        };
        let before = Period::of(&self.before, subject, name(|pair| pair.before.as_ref()));
        let after = Period::of(&self.after, subject, name(|pair| pair.after.as_ref()));
        let hot = |row: &usize| {
            before.sights.contains_key(row)
                && after.sights.contains_key(row)
                && (before.saw_long(*row) || after.saw_long(*row))
        };
        let count = |(seconds, rows): &(f64, Vec<usize>)| ControlSlice {
            changes: rows.iter().filter(|row| !hot(row)).count() as u64,
            seconds: *seconds,
        };
        let slices: Vec<ControlSlice> = before.firsts.iter().chain(&after.firsts).map(count).collect();
        Ok(Ordinary {
            control: Control::new(slices)?,
            touched: before.sights.into_keys().chain(after.sights.into_keys()).collect(),
        })
    }
}

/// What a control period saw of a subject.
#[derive(Default)]
struct Period {
    /// For each slice its length, and the rows that it is the first to see changing.
    firsts: Vec<(f64, Vec<usize>)>,
    /// When each row was first and last seen changing, from the period's beginning to the end of the slice.
    sights: BTreeMap<usize, (f64, f64)>,
    seconds: f64,
}

impl Period {
    fn of(slices: &[Slice], subject: Subject<'_>, name: Option<&str>) -> Self {
        let mut period = Self::default();
        for slice in slices {
            let rows: BTreeSet<usize> = match subject {
                Subject::Column(_) => {
                    name.and_then(|name| slice.changed.get(name)).into_iter().flatten().copied().collect()
                }
                Subject::AnyColumn => slice.changed.values().flatten().copied().collect(),
                Subject::Vanished => slice.vanished.iter().copied().collect(),
            };
            let mut firsts = Vec::new();
            period.seconds += slice.seconds;
            for row in rows {
                match period.sights.entry(row) {
                    Entry::Vacant(sights) => {
                        sights.insert((period.seconds, period.seconds));
                        firsts.push(row);
                    }
                    Entry::Occupied(mut sights) => sights.get_mut().1 = period.seconds,
                }
            }
            period.firsts.push((slice.seconds, firsts));
        }
        period
    }

    /// Whether a row was seen changing twice, half the period apart.
    fn saw_long(&self, row: usize) -> bool {
        self.sights.get(&row).is_some_and(|(first, last)| last - first >= 0.5 * self.seconds)
    }
}

/// One hypothesis of a verdict: that ordinary writes made these changes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hypothesis {
    pub(crate) ordinary: Ordinary,
    /// Rows that could have changed.
    pub(crate) rows: u64,
    /// Of those, rows that no control slice touched.
    pub(crate) untouched: u64,
    /// Changed rows among the untouched that may or may not be the migration's.
    pub(crate) changes: u64,
    /// Of those, in rows that the migration wrote last.
    pub(crate) written_changes: u64,
    /// Untouched rows that the migration wrote last, changed here or not.
    pub(crate) written: u64,
    /// Length of the exposure.
    pub(crate) seconds: f64,
}

/// What the family's test says of one hypothesis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Finding {
    /// Whether there are more changes than ordinary writes make.
    pub(crate) excess: bool,
    /// Whether so many of the rows that the migration wrote last changed that ordinary writes before it cannot have done it.
    pub(crate) written_excess: bool,
    /// Changes that ordinary writes would have made among untouched rows.
    pub(crate) expected: f64,
    /// As many as they may have made, 39 times of 40.
    pub(crate) expected_at_most: f64,
    /// Smallest changed fraction of the marked rows that would have been flagged; `None` where none would.
    pub(crate) detectable: Option<f64>,
    /// Whether the control saw any ordinary change of this kind.
    pub(crate) seen: bool,
    /// Whether there were enough slices to say anything.
    pub(crate) controlled: bool,
    /// Whether there are more changes than ordinary writes make in 99 verdicts of a hundred: too many to call ordinary, if too few to blame.
    pub(crate) doubtful: bool,
}

/// The chance that ordinary writes alone make any change of a verdict doubtful.
const DOUBT: f64 = 0.01;

/// Tests all hypotheses of a verdict together: the chance that ordinary writes alone make any of them an excess is
/// [`FAMILY_ERROR`].
pub(crate) fn test_family(family: &[&Hypothesis]) -> Result<Vec<Finding>, ChangeError> {
    let error = FAMILY_ERROR / family.len().max(1) as f64;
    let mut findings = Vec::new();
    let mut p_values = Vec::new();
    for hypothesis in family {
        let (mut finding, p_value) = hypothesis.test(error)?;
        finding.doubtful = p_value <= DOUBT / family.len().max(1) as f64;
        findings.push(finding);
        p_values.push(p_value);
    }
    for (finding, excess) in findings.iter_mut().zip(holm(&p_values, FAMILY_ERROR)) {
        finding.excess = excess;
    }
    Ok(findings)
}

impl Hypothesis {
    fn test(&self, error: f64) -> Result<(Finding, f64), ChangeError> {
        let control = &self.ordinary.control;
        // an exposure is never as short as the clock's own step
        let seconds = if self.seconds.is_finite() { self.seconds.max(0.001) } else { self.seconds };
        let excess = control.excess(Exposure { changes: self.changes, seconds })?;
        let question = Question { seconds, rows: self.untouched, error };
        let detectable = control
            .smallest_detectable(question)?
            .filter(|least| least.changes <= self.untouched)
            .map(|least| least.fraction);
        let seen: u64 = control.slices.iter().map(|slice| slice.changes).sum();
        let length = control.seconds();
        let at_most = if control.slices.is_empty() {
            f64::MAX
        } else {
            // upper bound of the rate, then of the count at that rate; 3.69 is that of a count of zero
            let seen = seen as f64;
            let rate = (seen + 3.69 + 1.96 * (excess.dispersion * seen).sqrt()) / length;
            rate * seconds + 1.96 * (excess.dispersion * rate * seconds).sqrt()
        };
        // ordinary writes fall on the rows that the migration wrote as on any other
        let share = self.written as f64 / self.untouched.max(1) as f64;
        let finding = Finding {
            excess: false,
            written_excess: poisson_tail(self.written_changes, at_most * share, excess.dispersion) <= error,
            expected: excess.expected,
            expected_at_most: at_most,
            detectable,
            seen: !self.ordinary.touched.is_empty(),
            controlled: control.slices.len() >= 2,
            doubtful: false,
        };
        Ok((finding, excess.p_value))
    }
}

/// Upper bound (Chernoff's) of the chance of as many Poisson events or more, counts and mean divided by an over-dispersion.
fn poisson_tail(events: u64, mean: f64, dispersion: f64) -> f64 {
    let (k, mean) = (events as f64 / dispersion, mean / dispersion);
    if k <= mean { 1.0 } else { (k - mean - k * (k / mean).ln()).exp() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::column;

    fn slice(rows: &[usize]) -> Slice {
        Slice { seconds: 1.0, rows: 100, changed: BTreeMap::from([("a".into(), rows.to_vec())]), vanished: vec![] }
    }

    #[test]
    fn a_row_counts_once_a_period_and_hot_rows_not_at_all() {
        // 1 is hot, 2 was busy in one period, 5 comes once a period, 6 twice a visit
        let evidence = ControlEvidence {
            before: vec![slice(&[1, 2]), slice(&[1, 3]), slice(&[1, 2, 5]), slice(&[])],
            after: vec![slice(&[1, 6]), slice(&[4, 5, 6])],
        };
        let a = column("a", "int", None);
        let pair =
            ColumnPair { before: Some(a.clone()), after: Some(a), fate: fieldmark_model::migration::ColumnFate::Kept };
        let ordinary = evidence.of(Subject::Column(&pair)).unwrap();
        let counted =
            |ordinary: &Ordinary| ordinary.control.slices.iter().map(|slice| slice.changes).collect::<Vec<_>>();
        assert_eq!(counted(&ordinary), [1, 1, 1, 0, 1, 2]);
        assert_eq!(ordinary.touched, BTreeSet::from([1, 2, 3, 4, 5, 6]));
        assert_eq!(evidence.of(Subject::AnyColumn).unwrap(), ordinary);
        assert_eq!(counted(&evidence.of(Subject::Vanished).unwrap()), [0; 6]);
    }

    #[test]
    fn without_a_control_nothing_is_said() {
        let ordinary = ControlEvidence::default().of(Subject::AnyColumn).unwrap();
        let hypothesis =
            Hypothesis { ordinary, rows: 10, untouched: 10, changes: 10, written_changes: 0, written: 0, seconds: 1.0 };
        let findings = test_family(&[&hypothesis]).unwrap();
        assert!(!findings[0].excess && !findings[0].controlled && findings[0].detectable.is_none());
        assert_eq!(test_family(&[]).unwrap(), []);
    }
}
