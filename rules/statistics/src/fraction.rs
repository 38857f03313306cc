//! The failing fraction over all strata of a table, with an interval that holds at its level.
//!
//! One stratum: Korn and Graubard ([`crate::interval`], and the rules for few and unequal units of the crate's `evidence`). Several: with
//! nothing failing anywhere, the largest fraction sum W_h p_h whose chance to show no failure is still alpha / 2. Else the
//! hull of two intervals, because each alone is short somewhere: Korn and Graubard's on the combined ratio estimate (blind to
//! a stratum without a failing row, whose variance it takes for zero), and the strata's own intervals joined by squares (Zou and
//! Donner's "method of variance estimates recovery", 2008, which loses the skew of many sparse strata).
//!
//! Strata weights W_h are the strata's populations; under a `where` each times the share of rows that it keeps, and that
//! share's error is in the combined variance. An error of an *estimated* population is not: it is reported beside the
//! population, not in this interval. The interval is conditional on the rows that `where` kept.

use serde::{Deserialize, Serialize};

use crate::evidence::{Evidence, Linearised, Side, bounds, effective_rows, read_fraction};
use crate::interval::{Observed, clopper_pearson_high, clopper_pearson_low};
use crate::{Interval, Level, Method, Population, RowCounts, Tally};

/// What was seen of one stratum. Strata are disjoint.
#[derive(Debug, Clone, PartialEq)]
pub struct StratumEvidence {
    /// How its rows were drawn.
    pub method: Method,
    /// Its rows, before any `where`.
    pub population: Population,
    /// One rule's counts over the rows drawn.
    pub tally: Tally,
}

/// One stratum by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StratumEstimate {
    /// Its share of the rows that `where` keeps, in [0, 1].
    pub weight: f64,
    /// Failing fraction of its checked rows; `None` where none was checked.
    pub fraction: Option<f64>,
    /// Its own two-sided interval at the estimate's level; degenerate where all its rows were read.
    pub bounds: Interval,
    /// Its lower bound with an error of alpha / max(2, strata): the one that may fail a rule alone. With two strata or one this is
    /// `bounds.low`; with many partitions the error is shared, or one of twenty would fail a healthy table every other run.
    pub lower_bound: f64,
    /// Whether all its rows were read.
    pub all_rows: bool,
}

/// The failing fraction of a table (of the rows that `where` keeps).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Rows over all strata, unweighted.
    pub counts: RowCounts,
    /// Failing fraction, uncertain rows counted as passed; `None` where no row was checked.
    pub fraction: Option<f64>,
    /// The same with uncertain rows counted as failed.
    pub worst_fraction: Option<f64>,
    /// Two-sided interval at `level`; uncertain rows count as passed for `low` and as failed for `high`. Where all rows were read it is
    /// [`fraction`, `worst_fraction`].
    pub bounds: Interval,
    /// Whether all rows were read.
    pub all_rows: bool,
    /// Joint confidence of the interval.
    pub level: Level,
    /// Rows of the table that `where` keeps, as far as the draw tells.
    pub rows_checked: f64,
    /// Independent rows that would say as much.
    pub effective_rows: f64,
    /// Checked rows / effective rows, at least 1.
    pub design_effect: f64,
    /// Drawn units with at least one checked row: the evidence.
    pub units: u64,
    /// `units` - sampled strata.
    pub degrees_of_freedom: u64,
    /// Each stratum by itself, in the order given.
    pub strata: Vec<StratumEstimate>,
}

impl Estimate {
    /// The interval to show: `None` where all rows were read.
    #[must_use]
    pub fn interval(&self) -> Option<Interval> {
        (!self.all_rows).then_some(self.bounds)
    }

    /// Whether some stratum fails the rule by itself: its own lower bound is above `tolerance`. Bad new rows are not averaged away
    /// by old good ones.
    #[must_use]
    pub fn any_stratum_above(&self, tolerance: f64) -> bool {
        self.strata.iter().any(|s| s.lower_bound > tolerance)
    }
}

impl StratumEvidence {
    /// Estimated rows of the stratum that `where` keeps.
    fn rows_checked(&self) -> f64 {
        if self.tally.l > 0.0 { self.population.rows() * (self.tally.x / self.tally.l) } else { 0.0 }
    }

    fn evidence(&self, side: Side, level: Level) -> Option<Evidence> {
        Evidence::of(&self.tally, self.method, self.population, side, level)
    }

    fn fraction(&self, side: Side) -> f64 {
        if self.tally.x > 0.0 { (self.tally.failing(side).y / self.tally.x).clamp(0.0, 1.0) } else { 0.0 }
    }

    fn is_clustered(&self) -> bool {
        match self.method {
            Method::AllRows | Method::IndependentRows => false,
            Method::Blocks { .. } => true,
        }
    }
}

/// The estimate over all strata. No stratum, or none with a checked row: fraction `None`, bounds [0, 1]. A stratum that has rows but
/// none of whose rows was kept may fail wholly: its weight goes to the upper bound.
#[must_use]
pub fn estimate(strata: &[StratumEvidence], level: Level) -> Estimate {
    let counts = strata.iter().fold(RowCounts::default(), |sum, s| sum.plus(s.tally.counts));
    let all_rows = strata.iter().all(|s| s.method.is_all_rows());
    let total: f64 = strata.iter().map(StratumEvidence::rows_checked).sum();
    let share = |s: &StratumEvidence| {
        if total > 0.0 { s.rows_checked() / total } else { 0.0 }
    };
    let fraction = |side| {
        (counts.checked > 0 && total > 0.0).then(|| strata.iter().map(|s| share(s) * s.fraction(side)).sum::<f64>())
    };

    let (read, sampled): (Vec<_>, Vec<_>) =
        strata.iter().filter(|s| s.rows_checked() > 0.0).partition(|s| s.method.is_all_rows());
    let seen = Combined::of(&sampled, level);
    let unseen = unseen_share(strata);
    let of_read = |side| read.iter().map(|s| share(s) * s.fraction(side)).sum::<f64>();
    let sampled_share: f64 = sampled.iter().map(|s| share(s)).sum();
    let bounds = if counts.checked == 0 {
        Interval::UNIT
    } else {
        Interval {
            low: (1.0 - unseen) * (of_read(Side::Best) + sampled_share * seen.bounds.low),
            high: (1.0 - unseen) * (of_read(Side::Worst) + sampled_share * seen.bounds.high) + unseen,
        }
        .as_fraction()
    };

    let joint = level.lower_of(strata.len());
    let units: u64 = sampled.iter().map(|s| s.tally.checked_units).sum();
    let checked = counts.checked as f64;
    let effective_rows = if sampled.is_empty() { checked } else { seen.effective };
    let estimates = strata
        .iter()
        .map(|s| {
            let bounds = bounds_of(s, level);
            StratumEstimate {
                weight: share(s),
                fraction: (s.tally.counts.checked > 0).then(|| s.fraction(Side::Best)),
                bounds,
                lower_bound: match joint {
                    Some(joint) => bounds_of(s, joint).low,
                    None => bounds.low,
                },
                all_rows: s.method.is_all_rows(),
            }
        })
        .collect();
    Estimate {
        counts,
        fraction: fraction(Side::Best),
        worst_fraction: fraction(Side::Worst),
        bounds,
        all_rows,
        level,
        rows_checked: total,
        effective_rows,
        design_effect: if effective_rows > 0.0 { (checked / effective_rows).max(1.0) } else { 1.0 },
        units,
        degrees_of_freedom: units.saturating_sub(sampled.len() as u64),
        strata: estimates,
    }
}

fn bounds_of(stratum: &StratumEvidence, level: Level) -> Interval {
    bounds(&stratum.tally, stratum.method, stratum.population, level)
}

/// The share of all rows that lies in sampled strata of which no row was kept.
fn unseen_share(strata: &[StratumEvidence]) -> f64 {
    let all: f64 = strata.iter().map(|s| s.population.rows()).sum();
    let unseen: f64 = strata
        .iter()
        .filter(|s| !s.method.is_all_rows() && s.tally.counts.kept == 0)
        .map(|s| s.population.rows())
        .sum();
    if all > 0.0 { unseen / all } else { 0.0 }
}

/// The sampled strata together.
struct Combined {
    bounds: Interval,
    effective: f64,
}

impl Combined {
    fn of(strata: &[&StratumEvidence], level: Level) -> Self {
        if let [only] = strata {
            let effective = only.evidence(Side::Best, level).map_or(0.0, |e| e.effective);
            return Self { bounds: bounds_of(only, level), effective };
        }
        let low = Self::side(strata, Side::Best, level);
        let high = Self::side(strata, Side::Worst, level);
        Self { bounds: Interval { low: low.bounds.low, high: high.bounds.high }, effective: low.effective }
    }

    /// Both bounds with uncertain rows counted one way.
    fn side(strata: &[&StratumEvidence], side: Side, level: Level) -> Self {
        let total: f64 = strata.iter().map(|s| s.rows_checked()).sum();
        let seen: Vec<(f64, Evidence)> =
            strata.iter().filter_map(|s| Some((s.rows_checked() / total, s.evidence(side, level)?))).collect();
        let p: f64 = seen.iter().map(|(w, e)| w * e.fraction).sum();
        if p <= 0.0 {
            let high = nothing_failing(&seen, level);
            return Self { bounds: Interval { low: 0.0, high }, effective: rows_to_bound(high, level) };
        }
        let squares = |gap: &dyn Fn(&Evidence) -> f64| -> f64 {
            seen.iter().map(|(w, e)| (w * gap(e)).powi(2)).sum::<f64>().sqrt()
        };
        let joined = Interval {
            low: p - squares(&|e| e.fraction - e.low(level)),
            high: p + squares(&|e| e.high(level) - e.fraction),
        }
        .as_fraction();
        let clustered = strata.iter().any(|s| s.is_clustered());
        let few = |s: &&StratumEvidence| s.is_clustered() && s.tally.few_units(side);
        let pooled = pooled_effective_rows(strata, side, p, level);
        if clustered && strata.iter().all(few) {
            // No variance between units to pool: the units speak through the strata's own intervals.
            let units: f64 = seen.iter().map(|(_, e)| e.effective).sum();
            return Self { bounds: joined, effective: units.min(pooled) };
        }
        let observed = Observed { failed: p * pooled, rows: pooled };
        Self {
            bounds: joined.hull(Interval {
                low: clopper_pearson_low(observed, level),
                high: clopper_pearson_high(observed, level),
            }),
            effective: pooled,
        }
    }
}

/// n_eff of the combined ratio estimate p = sum N_h (y/l)_h / sum N_h (x/l)_h over independent strata.
fn pooled_effective_rows(strata: &[&StratumEvidence], side: Side, p: f64, level: Level) -> f64 {
    let total: f64 = strata.iter().map(|s| s.rows_checked()).sum();
    let variance: f64 = strata
        .iter()
        .map(|s| {
            let t = &s.tally;
            let units = t.units as f64;
            let expansion = s.population.rows() / t.l / total;
            let kept = 1.0 - read_fraction(t, s.population);
            // A stratum of one unit has no variance of its own: take its whole square.
            let correction = if units > 1.0 { units / (units - 1.0) } else { 1.0 };
            kept * expansion * expansion * correction * t.residual_squares(side, p)
        })
        .sum();
    let checked: u64 = strata.iter().map(|s| s.tally.counts.checked).sum();
    let units: u64 = strata.iter().map(|s| s.tally.checked_units).sum();
    effective_rows(
        Linearised {
            checked: checked as f64,
            fraction: p,
            variance,
            degrees_of_freedom: units as f64 - strata.len() as f64,
        },
        level,
    )
}

/// The largest sum W_h p_h with product (1 - p_h)^n_h >= alpha / 2: what can be failing while none of the strata shows it. Where no
/// p_h reaches 1 and one stratum has the largest W/n, it is that stratum's own bound: 3.69 max(W_h / n_h) at 95 %.
fn nothing_failing(seen: &[(f64, Evidence)], level: Level) -> f64 {
    let mut ranked: Vec<(f64, f64)> =
        seen.iter().map(|(w, e)| (*w, e.effective)).filter(|(w, n)| *w > 0.0 && *n > 0.0).collect();
    ranked.sort_by(|a, b| (b.0 / b.1).total_cmp(&(a.0 / a.1)));
    // Lagrange: 1 - p_h = m n_h / W_h for the strata in use, those with W/n above the multiplier m.
    let budget = -level.tail().ln();
    let (mut weight, mut rows, mut logs) = (0.0, 0.0, 0.0);
    let mut bound = 0.0_f64;
    for (w, n) in ranked {
        weight += w;
        rows += n;
        logs += n * (w / n).ln();
        let multiplier = ((logs - budget) / rows).exp();
        if multiplier > w / n {
            break;
        }
        bound = weight - multiplier * rows;
    }
    bound.clamp(0.0, 1.0)
}

/// Independent rows without a failure that give this upper bound.
fn rows_to_bound(high: f64, level: Level) -> f64 {
    if high >= 1.0 || high <= 0.0 {
        return 0.0;
    }
    level.tail().ln() / (-high).ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DrawnUnit;

    fn rows(checked: u64, failed: u64) -> RowCounts {
        RowCounts { kept: checked, checked, failed, ..RowCounts::default() }
    }

    fn guessed(rows: f64) -> Population {
        Population::Estimated { rows, interval: Interval { low: 0.0, high: f64::MAX } }
    }

    fn independent(population: f64, checked: u64, failed: u64) -> StratumEvidence {
        let mut tally = Tally::new();
        tally.add_rows(rows(checked, failed));
        StratumEvidence { method: Method::IndependentRows, population: guessed(population), tally }
    }

    fn blocks(units: u64, failing: u64, per_block: u64) -> StratumEvidence {
        let mut tally = Tally::new();
        for unit in 0..units {
            let failed = if unit < failing { per_block } else { 0 };
            tally.add_unit(DrawnUnit { live: 50, rows: rows(per_block, failed) });
        }
        StratumEvidence { method: Method::Blocks { per_block: None }, population: guessed(1e6), tally }
    }

    fn near(got: f64, want: f64) {
        assert!((got - want).abs() <= 2e-3 * want, "{got} is not {want}");
    }

    #[test]
    fn without_a_failing_row_the_largest_share_per_row_bounds() {
        let level = Level::NINETY_FIVE;
        near(estimate(&[independent(1e6, 10_000, 0)], level).bounds.high, 0.000_368_8);
        // ten thousand rows of 400 blocks are 400
        let clustered = estimate(&[blocks(400, 0, 25)], level);
        near(clustered.bounds.high, 0.009_18);
        assert_eq!((clustered.units, clustered.degrees_of_freedom), (400, 399));
        // 3.69 max(W/m): W/m is 0.9 / 1000 and 0.1 / 1000
        let strata = [independent(9e5, 1000, 0), independent(1e5, 1000, 0)];
        near(estimate(&strata, level).bounds.high, 0.9 * 0.003_682);
        // equal W/m are one sample
        let strata = [independent(9e5, 9000, 0), independent(1e5, 1000, 0)];
        near(estimate(&strata, level).bounds.high, 0.000_368_8);
        // a stratum cannot fail by more than its weight: 0.001 and what is left of the chance
        let strata = [independent(999.0, 1000, 0), independent(1.0, 1, 0)];
        assert!(estimate(&strata, level).bounds.high < 0.004_5);
    }

    #[test]
    fn whole_blocks_are_single_rows() {
        // 40 of 400 blocks: Clopper-Pearson of 40 of 400 but for the t ratio
        let got = estimate(&[blocks(400, 40, 25)], Level::NINETY_FIVE);
        near(got.bounds.low, 0.072_4);
        assert!((got.bounds.high - 0.133_7).abs() < 2e-3, "{got:?}");
        assert!((24.0..26.0).contains(&got.design_effect));
    }

    #[test]
    fn read_strata_are_constants_and_unread_ones_may_fail() {
        let level = Level::NINETY_FIVE;
        let mut read = independent(100.0, 100, 10);
        read.method = Method::AllRows;
        read.population = Population::Exact { rows: 100 };
        let alone = estimate(std::slice::from_ref(&read), level);
        assert_eq!(alone.interval(), None);
        assert_eq!(alone.bounds, Interval { low: 0.1, high: 0.1 });
        let both = estimate(&[read, independent(900.0, 500, 0)], level);
        near(both.bounds.low, 0.01);
        near(both.bounds.high, 0.01 + 0.9 * 0.007_35);
        let unseen = estimate(&[independent(900.0, 500, 0), independent(100.0, 0, 0)], level);
        near(unseen.bounds.high, 0.1 + 0.9 * 0.007_35);
        assert_eq!(estimate(&[], level).fraction, None);
        assert_eq!(estimate(&[independent(9.0, 0, 0)], level).bounds, Interval::UNIT);
    }

    #[test]
    fn many_strata_share_the_error_of_failing_alone() {
        let level = Level::NINETY_FIVE;
        let two = estimate(&[independent(1e4, 1000, 18), independent(1e6, 1000, 0)], level);
        assert!(two.any_stratum_above(0.01));
        let mut many = vec![independent(1e4, 1000, 18)];
        many.extend((0..19).map(|_| independent(1e6, 1000, 0)));
        assert!(!estimate(&many, level).any_stratum_above(0.01));
    }

    #[test]
    fn uncertain_rows_count_against_both_bounds() {
        let mut tally = Tally::new();
        tally.add_rows(RowCounts {
            unknown: crate::Unknown { value_too_large: 50, ..crate::Unknown::default() },
            ..rows(1000, 0)
        });
        let got = estimate(
            &[StratumEvidence { method: Method::IndependentRows, population: guessed(1e6), tally }],
            Level::NINETY_FIVE,
        );
        assert_eq!((got.fraction, got.bounds.low), (Some(0.0), 0.0));
        near(got.bounds.high, 0.065_4);
    }
}
