//! Whether more rows changed while a migration ran than ordinary writes account for.
//!
//! Ordinary changes are counted in the slices of a control period. Under the null the migration's exposure has the same rate, and the
//! changes in it, given the changes in both, are binomial (Przyborowski and Wilenski 1940). Ordinary writes come in bursts, so counts
//! are divided by an over-dispersion estimated from the slices (Pearson's, never below 1; McCullagh and Nelder, "Generalized Linear
//! Models", 9.2), and because ten slices tell it badly, the tail is read as Student's with slices - 1 degrees of freedom instead of
//! the normal's: at the levels of a verdict's family this is what keeps it.
//!
//! What no control period can show: a burst of a kind that never came in it. Simulation (negative binomial writes, ten slices) holds
//! the error where at least one burst comes per slice, mean >= dispersion - 1; with one in two slices an error of 1e-4 is about
//! 1e-3, with one in ten 1 to 2 %. The rarer the writer, the longer the control must be.

use serde::{Deserialize, Serialize};

use crate::StatisticsError;
use crate::quantile::{ln_beta_cdf, ln_student_tail, normal_upper};

/// The error of a whole verdict: the chance that ordinary writes alone make any of its columns or rules surprising.
pub const FAMILY_ERROR: f64 = 0.0001;

/// Changes counted in the slices of the control periods, before and after taken together (a drift between them counts as
/// dispersion, which is the cautious side).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// Slices of any length.
    pub slices: Vec<ControlSlice>,
}

/// Changes counted in one slice of a control period.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlSlice {
    /// Changed rows.
    pub changes: u64,
    /// Length.
    pub seconds: f64,
}

/// Changes counted while the migration ran, from the mark to the recapture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exposure {
    /// Changed rows.
    pub changes: u64,
    /// Length.
    pub seconds: f64,
}

/// What the comparison says of one column or rule.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Excess {
    /// Changes that ordinary writes would have made in the exposure.
    pub expected: f64,
    /// Over-dispersion used, at least 1.
    pub dispersion: f64,
    /// One-sided chance of as many changes or more from ordinary writes alone; 1 where fewer than two slices were counted.
    pub p_value: f64,
}

impl Control {
    /// A control of slices.
    ///
    /// # Errors
    /// [`StatisticsError::Exposure`] where a length is no positive number.
    pub fn new(slices: Vec<ControlSlice>) -> Result<Self, StatisticsError> {
        slices.iter().try_for_each(|slice| positive(slice.seconds))?;
        Ok(Self { slices })
    }

    fn changes(&self) -> f64 {
        self.slices.iter().map(|slice| slice.changes as f64).sum()
    }

    /// Length of all slices.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.slices.iter().map(|slice| slice.seconds).sum()
    }

    /// Pearson's over-dispersion between slices, at least 1.
    #[must_use]
    pub fn dispersion(&self) -> f64 {
        let rate = self.changes() / self.seconds();
        if self.slices.len() < 2 || rate <= 0.0 {
            return 1.0;
        }
        let square = |slice: &ControlSlice| {
            let mean = rate * slice.seconds;
            (slice.changes as f64 - mean).powi(2) / mean
        };
        let squares: f64 = self.slices.iter().map(square).sum();
        (squares / (self.slices.len() as f64 - 1.0)).max(1.0)
    }

    /// Tests the exposure's changes for an excess.
    ///
    /// # Errors
    /// [`StatisticsError::Exposure`] where a length is no positive number.
    pub fn excess(&self, exposure: Exposure) -> Result<Excess, StatisticsError> {
        positive(exposure.seconds)?;
        let expected = if self.slices.is_empty() { 0.0 } else { self.changes() * exposure.seconds / self.seconds() };
        Ok(Excess {
            expected,
            dispersion: self.dispersion(),
            p_value: self.ln_p(exposure.changes as f64, exposure.seconds).exp(),
        })
    }

    /// The over-dispersion that ordinary writes would have at the rate which the null ascribes to them, control and exposure taken
    /// together: 1 + rate / r, r from the slices. A control that by luck missed the large bursts shows too small a rate and too
    /// small a dispersion at once; the second is repaired by the first.
    fn dispersion_under_null(&self, changes: f64, seconds: f64) -> f64 {
        let of_control = self.changes();
        if of_control <= 0.0 {
            return 1.0;
        }
        let together = (of_control + changes) / (self.seconds() + seconds);
        let growth = (together / (of_control / self.seconds())).max(1.0);
        1.0 + (self.dispersion() - 1.0) * growth
    }

    fn ln_p(&self, changes: f64, seconds: f64) -> f64 {
        if self.slices.len() < 2 || changes <= 0.0 {
            return 0.0;
        }
        let all = self.seconds() + seconds;
        let dispersion = self.dispersion_under_null(changes, seconds);
        // P(X >= m) of m + c trials at b / (a + b) is I_{b/(a+b)}(m, c + 1)
        let ln_p =
            ln_beta_cdf(changes / dispersion, self.changes() / dispersion + 1.0, seconds / all, self.seconds() / all);
        if ln_p >= -std::f64::consts::LN_2 {
            return ln_p;
        }
        ln_student_tail(normal_upper(ln_p), self.slices.len() as f64 - 1.0)
    }

    /// The smallest excess over ordinary writes that the comparison would have flagged, even had ordinary writes been 1.645 standard
    /// deviations below what was expected (so 19 times of 20). `None` where no number of changed rows would be flagged.
    ///
    /// # Errors
    /// [`StatisticsError::Exposure`] where a length is no positive number.
    pub fn smallest_detectable(&self, question: Question) -> Result<Option<Detectable>, StatisticsError> {
        positive(question.seconds)?;
        let target = question.error.ln();
        let flagged = |changes: f64| self.ln_p(changes, question.seconds) <= target;
        let (mut low, mut high) = (0.0, 1.0);
        while !flagged(high) {
            low = high;
            high *= 2.0;
            if high > 1e15 {
                return Ok(None);
            }
        }
        while high - low > 1.0 {
            let middle = f64::floor(0.5 * (low + high));
            if flagged(middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
        let expected = self.changes() * question.seconds / self.seconds();
        let fewest = (expected - 1.645 * (self.dispersion() * expected).sqrt()).max(0.0);
        let changes = (high - fewest).max(1.0).ceil();
        Ok(Some(Detectable {
            changes: changes as u64,
            fraction: if question.rows > 0 { (changes / question.rows as f64).min(1.0) } else { 1.0 },
        }))
    }
}

/// What [`Control::smallest_detectable`] is asked about.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Question {
    /// Length of the migration's exposure.
    pub seconds: f64,
    /// Rows of the mark.
    pub rows: u64,
    /// Error of this one comparison: [`FAMILY_ERROR`] divided by the comparisons of the verdict (Holm's first step).
    pub error: f64,
}

/// The smallest change that would have been seen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Detectable {
    /// Changed rows beyond ordinary writes.
    pub changes: u64,
    /// The same as a fraction of the mark's rows, at most 1. A fraction of 1 or `changes` above the mark's rows: nothing would be seen.
    pub fraction: f64,
}

fn positive(seconds: f64) -> Result<(), StatisticsError> {
    if seconds.is_finite() && seconds > 0.0 { Ok(()) } else { Err(StatisticsError::Exposure(seconds)) }
}

/// Holm's step-down (1979): which of the hypotheses are rejected so that the chance of any false rejection is at most `family_error`,
/// however they depend on each other. Same length and order as `p_values`.
#[must_use]
pub fn holm(p_values: &[f64], family_error: f64) -> Vec<bool> {
    let mut order: Vec<(usize, f64)> = p_values.iter().copied().enumerate().collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut rejected = vec![false; p_values.len()];
    for (step, (at, p)) in order.into_iter().enumerate() {
        // a p that is no number sorts last and is not rejected
        if p.is_nan() || p > family_error / (p_values.len() - step) as f64 {
            break;
        }
        if let Some(slot) = rejected.get_mut(at) {
            *slot = true;
        }
    }
    rejected
}

#[cfg(test)]
mod tests {
    use super::*;

    fn even(slices: Vec<u64>, seconds: f64) -> Result<Control, StatisticsError> {
        Control::new(slices.into_iter().map(|changes| ControlSlice { changes, seconds }).collect())
    }

    #[test]
    fn slices_count_by_their_length() {
        let slices =
            [(300, 100.0), (3, 1.0), (2, 1.0), (4, 1.0)].map(|(changes, seconds)| ControlSlice { changes, seconds });
        let control = Control::new(slices.to_vec()).unwrap();
        assert_eq!(control.dispersion(), 1.0);
        let excess = control.excess(Exposure { changes: 9, seconds: 3.0 }).unwrap();
        assert!((excess.expected - 9.0).abs() < 0.01 && excess.p_value > 0.4, "{excess:?}");
    }

    #[test]
    fn the_conditional_binomial_before_dispersion() {
        // R: binom.test(8, 10, 0.5, "greater")$p.value = 0.0546875; many slices so that Student is the normal
        let control = even([2].into_iter().chain([0; 1]).collect(), 1.0).unwrap();
        assert_eq!(control.dispersion(), 2.0);
        let mut slices = vec![0; 100_000];
        slices[0] = 1;
        slices[70_000] = 1;
        let control = even(slices, 1.0).unwrap();
        let exposure = Exposure { changes: 8, seconds: 100_000.0 };
        let got = control.excess(exposure).unwrap();
        assert!((got.p_value - 0.054_687_5).abs() < 1e-4, "{got:?}");
        assert_eq!(got.expected, 2.0);
    }

    #[test]
    fn silence_and_nonsense() {
        let none = Exposure { changes: 0, seconds: 5.0 };
        let control = even(vec![0; 10], 1.0).unwrap();
        assert_eq!(control.excess(none).unwrap().p_value, 1.0);
        let many = Exposure { changes: 1000, ..none };
        assert!(control.excess(many).unwrap().p_value < 1e-9);
        assert_eq!(even(vec![5], 1.0).unwrap().excess(many).unwrap().p_value, 1.0);
        assert!(even(vec![1], 0.0).is_err());
        assert!(control.excess(Exposure { seconds: f64::NAN, ..many }).is_err());
    }

    #[test]
    fn holm_steps_down() {
        assert_eq!(holm(&[0.01, 0.04, 0.03, 0.005], 0.05), [true, false, false, true]);
        assert_eq!(holm(&[0.01, f64::NAN], 0.05), [true, false]);
        assert_eq!(holm(&[], 0.05), [false; 0]);
    }

    #[test]
    fn the_smallest_change_seen_is_just_seen() {
        let control = even(vec![5, 4, 6, 5, 5, 3, 7, 5, 4, 6], 1.0).unwrap();
        let question = Question { seconds: 5.0, rows: 10_000, error: FAMILY_ERROR / 20.0 };
        let least = control.smallest_detectable(question).unwrap().unwrap();
        // ordinary writes at 1.645 standard deviations below 25
        let p = |excess: u64| {
            let exposure = Exposure { changes: 17 + excess, seconds: 5.0 };
            control.excess(exposure).unwrap().p_value
        };
        assert!(p(least.changes) <= question.error);
        assert!(p(least.changes - 2) > question.error);
        assert!(least.fraction < 0.015, "{least:?}");
        let single = even(vec![5], 1.0).unwrap();
        assert_eq!(single.smallest_detectable(question).unwrap(), None);
    }
}
