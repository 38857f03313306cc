//! From an estimate to passed, failed or inconclusive.

use serde::{Deserialize, Serialize};

use crate::{Estimate, looks};

/// What a rule asks, as fractions in [0, 1].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Criterion {
    /// Failing fraction that is allowed.
    pub tolerance: f64,
    /// On a sample, failing fractions above max(tolerance, detect) must be excluded before it may pass.
    pub detect: f64,
}

/// What the evidence says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case", deny_unknown_fields)]
pub enum Decision {
    /// Within the tolerance; on a sample always to be shown with its bound.
    Passed,
    /// Beyond the tolerance.
    Failed,
    /// Neither.
    Inconclusive {
        /// Independent rows it would take if the fraction seen is the true one; `None` where no sample would do.
        rows_needed: Option<u64>,
    },
}

/// Decides, failed first.
///
/// On all rows: failed when the fraction is above the tolerance with uncertain rows counted as passed, passed when it is not
/// with them counted as failed (so no row: passed), else inconclusive. On a sample: failed when the lower bound, or a stratum's
/// own, is above the tolerance (with tolerance 0: at the first failing row), passed when the upper bound is at most max(tolerance,
/// detect), else inconclusive; so is a sample of which `where` keeps no row.
#[must_use]
pub fn decide(estimate: &Estimate, criterion: Criterion) -> Decision {
    let tolerance = criterion.tolerance;
    let first_failing = tolerance <= 0.0 && estimate.counts.failed > 0;
    if estimate.all_rows {
        let fractions = (estimate.fraction, estimate.worst_fraction);
        let (Some(fraction), Some(worst)) = fractions else {
            return Decision::Passed;
        };
        return if first_failing || fraction > tolerance {
            Decision::Failed
        } else if worst <= tolerance {
            Decision::Passed
        } else {
            Decision::Inconclusive { rows_needed: None }
        };
    }
    // [0, 1] stands for "nothing was checked": it neither fails nor passes below a tolerance of 1.
    let (Some(fraction), Some(worst)) = (estimate.fraction, estimate.worst_fraction) else {
        return inconclusive(estimate, criterion, (0.0, 0.0));
    };
    if first_failing || estimate.bounds.low > tolerance || estimate.any_stratum_above(tolerance) {
        Decision::Failed
    } else if estimate.bounds.high <= tolerance.max(criterion.detect) {
        Decision::Passed
    } else {
        inconclusive(estimate, criterion, (fraction, worst))
    }
}

fn inconclusive(estimate: &Estimate, criterion: Criterion, fractions: (f64, f64)) -> Decision {
    let rows = estimate.effective_rows;
    let seen = looks::RowsSeen { failed: fractions.0 * rows, failed_at_worst: fractions.1 * rows, checked: rows };
    Decision::Inconclusive { rows_needed: looks::rows_needed(seen, criterion, estimate.level) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Level, Method, Population, RowCounts, StratumEvidence, Tally, Unknown, estimate};

    fn stratum(method: Method, checked: u64, failed: u64, errors: u64) -> StratumEvidence {
        let mut tally = Tally::new();
        tally.add_rows(RowCounts {
            kept: checked.max(1),
            checked,
            failed,
            unknown: Unknown { expression_error: errors, ..Unknown::default() },
        });
        let rows = match method {
            Method::AllRows => checked,
            Method::IndependentRows | Method::Blocks { .. } => 1_000_000_000,
        };
        StratumEvidence { method, population: Population::Exact { rows }, tally }
    }

    fn short(strata: &[StratumEvidence], tolerance: f64) -> char {
        let criterion = Criterion { tolerance, detect: 0.001 };
        match decide(&estimate(strata, Level::NINETY_FIVE), criterion) {
            Decision::Passed => 'p',
            Decision::Failed => 'f',
            Decision::Inconclusive { .. } => '?',
        }
    }

    #[test]
    fn as_the_rules_say() {
        let (all, rows) = (Method::AllRows, Method::IndependentRows);
        for (method, checked, failed, errors, tolerance, want) in [
            (all, 100, 0, 0, 0.0, 'p'),
            (all, 100, 1, 0, 0.0, 'f'),
            (all, 100, 1, 0, 0.01, 'p'),
            (all, 100, 2, 0, 0.01, 'f'),
            (all, 100, 0, 1, 0.0, '?'),
            (all, 100, 0, 1, 0.01, 'p'),
            (all, 100, 1, 1, 0.01, '?'),
            (all, 100, 1, 5, 0.0, 'f'),
            (all, 0, 0, 0, 0.0, 'p'),
            (rows, 10_000, 0, 0, 0.0, 'p'),
            (rows, 1_000, 0, 0, 0.0, '?'),
            (rows, 1_000, 1, 0, 0.0, 'f'),
            (rows, 0, 0, 0, 0.0, '?'),
            (rows, 0, 0, 0, 1.0, '?'),
            (rows, 10_000, 5, 0, 0.001, '?'),
            (rows, 10_000, 40, 0, 0.001, 'f'),
            (rows, 10_000, 2, 0, 0.001, 'p'),
            (rows, 10_000, 0, 100, 0.0, '?'),
            (rows, 10_000, 0, 1, 0.0, 'p'),
        ] {
            let got = short(&[stratum(method, checked, failed, errors)], tolerance);
            assert_eq!(got, want, "{method:?} {checked} {failed} {errors} {tolerance}");
        }
    }

    #[test]
    fn a_bad_stratum_is_not_averaged_away() {
        let mut recent = stratum(Method::IndependentRows, 1000, 50, 0);
        recent.population = Population::Exact { rows: 10_000 };
        let body = stratum(Method::IndependentRows, 10_000, 0, 0);
        assert_eq!(short(std::slice::from_ref(&body), 0.01), 'p');
        assert_eq!(short(&[body, recent], 0.01), 'f');
    }

    #[test]
    fn inconclusive_says_what_it_would_take() {
        let seen = estimate(&[stratum(Method::IndependentRows, 1000, 0, 0)], Level::NINETY_FIVE);
        let criterion = Criterion { tolerance: 0.0, detect: 0.001 };
        assert_eq!(decide(&seen, criterion), Decision::Inconclusive { rows_needed: Some(3688) });
    }
}
