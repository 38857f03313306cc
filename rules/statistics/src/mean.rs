//! The mean of a column over the rows that a `where` keeps, for `distribution`: linearised variance between drawn units, Student's t with
//! units - strata degrees of freedom. Asymptotic, and declared so: a few huge values that the sample missed are not in it.

use serde::{Deserialize, Serialize};

use crate::quantile::student_upper;
use crate::{Interval, Level, Method, Population};

/// What was seen of one drawn unit, whole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnitValues {
    /// Live rows of the unit, at least `kept`.
    pub live: u64,
    /// Rows kept of it.
    pub kept: u64,
    /// Of those, rows with a value to average.
    pub checked: u64,
    /// Sum of their values, in the column's unit.
    pub sum: f64,
}

/// Accumulator of one column in one stratum, in constant memory. Values are taken from the first unit's mean, so that times and other
/// large numbers keep their digits.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MeanTally {
    origin: Option<f64>,
    units: u64,
    checked_units: u64,
    kept: u64,
    l: f64,
    x: f64,
    xx: f64,
    y: f64,
    yy: f64,
    xy: f64,
}

impl MeanTally {
    /// A tally that has seen nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one row drawn by itself; `None` where `where` did not keep it or it has no value.
    pub fn add_row(&mut self, value: Option<f64>) {
        self.add_unit(UnitValues { live: 1, kept: 1, checked: u64::from(value.is_some()), sum: value.unwrap_or(0.0) });
    }

    /// Adds one drawn unit, also one without a value and an empty one.
    pub fn add_unit(&mut self, unit: UnitValues) {
        self.units += 1;
        self.kept += unit.kept;
        if unit.kept == 0 {
            return;
        }
        let weight = unit.live.max(unit.kept) as f64 / unit.kept as f64;
        self.l += weight * unit.kept as f64;
        if unit.checked == 0 {
            return;
        }
        let checked = unit.checked as f64;
        let origin = *self.origin.get_or_insert(unit.sum / checked);
        let x = weight * checked;
        let y = weight * (unit.sum - origin * checked);
        self.checked_units += 1;
        self.x += x;
        self.xx += x * x;
        self.y += y;
        self.yy += y * y;
        self.xy += x * y;
    }

    /// Adds what another tally of the same column and stratum has seen.
    pub fn merge(&mut self, other: &Self) {
        let origin = *self.origin.get_or_insert(other.origin.unwrap_or(0.0));
        let shift = other.origin.unwrap_or(origin) - origin;
        self.units += other.units;
        self.checked_units += other.checked_units;
        self.kept += other.kept;
        self.l += other.l;
        self.x += other.x;
        self.xx += other.xx;
        self.y += other.y + shift * other.x;
        self.yy += other.yy + 2.0 * shift * other.xy + shift * shift * other.xx;
        self.xy += other.xy + shift * other.xx;
    }
}

/// One stratum's values.
#[derive(Debug, Clone, PartialEq)]
pub struct MeanEvidence {
    /// How its rows were drawn.
    pub method: Method,
    /// Its rows, before any `where`.
    pub population: Population,
    /// Its values.
    pub tally: MeanTally,
}

/// A mean, in the column's unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MeanEstimate {
    /// Best guess.
    pub mean: f64,
    /// Two-sided interval at `level`; `None` where all rows were read, and where fewer than two units have a value beyond the strata.
    pub interval: Option<Interval>,
    /// Linearised standard error; 0 where all rows were read.
    pub standard_error: f64,
    /// Confidence, asymptotic.
    pub level: Level,
    /// Drawn units with a value - sampled strata.
    pub degrees_of_freedom: u64,
}

/// The mean over all strata, each weighted with its estimated rows that have a value; `None` where none has.
#[must_use]
pub fn estimate_mean(strata: &[MeanEvidence], level: Level) -> Option<MeanEstimate> {
    let rows = |s: &MeanEvidence| {
        if s.tally.l > 0.0 { s.population.rows() * s.tally.x / s.tally.l } else { 0.0 }
    };
    let seen: Vec<&MeanEvidence> = strata.iter().filter(|s| rows(s) > 0.0).collect();
    let total: f64 = seen.iter().map(|s| rows(s)).sum();
    if total <= 0.0 {
        return None;
    }
    let own_mean = |t: &MeanTally| t.origin.unwrap_or(0.0) + t.y / t.x;
    let mean: f64 = seen.iter().map(|s| rows(s) / total * own_mean(&s.tally)).sum();
    let sampled: Vec<&&MeanEvidence> = seen.iter().filter(|s| !s.method.is_all_rows()).collect();
    let variance: f64 = sampled
        .iter()
        .map(|s| {
            let t = &s.tally;
            let (m, own) = (t.units as f64, t.y / t.x);
            let squares = (t.yy - 2.0 * own * t.xy + own * own * t.xx).max(0.0);
            let read = match s.population {
                Population::Exact { rows } if rows > 0 => (t.kept as f64 / rows as f64).min(1.0),
                Population::Exact { .. } | Population::Estimated { .. } => 0.0,
            };
            let correction = if t.units > 1 { m / (m - 1.0) } else { 1.0 };
            let weight = rows(s) / total;
            weight * weight * (1.0 - read) * correction * squares / (t.x * t.x)
        })
        .sum();
    let units: u64 = sampled.iter().map(|s| s.tally.checked_units).sum();
    let degrees_of_freedom = units.saturating_sub(sampled.len() as u64);
    let standard_error = variance.sqrt();
    let interval = (degrees_of_freedom > 0).then(|| {
        let reach = student_upper(level.tail(), degrees_of_freedom as f64) * standard_error;
        Interval { low: mean - reach, high: mean + reach }
    });
    Some(MeanEstimate { mean, interval, standard_error, level, degrees_of_freedom })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(tally: MeanTally, method: Method) -> MeanEvidence {
        MeanEvidence {
            method,
            population: Population::Estimated { rows: 1e6, interval: Interval { low: 0.0, high: f64::MAX } },
            tally,
        }
    }

    #[test]
    fn a_mean_of_rows_is_the_t_interval() {
        // R: t.test(1.7e9 + c(1, 2, 3, 4)): sd 1.290994, t(3) 3.182446
        let mut tally = MeanTally::new();
        for value in [1.0, 2.0, 3.0, 4.0] {
            tally.add_row(Some(1.7e9 + value));
        }
        let got = estimate_mean(&[evidence(tally, Method::IndependentRows)], Level::NINETY_FIVE).unwrap();
        assert!((got.mean - 1.7e9 - 2.5).abs() < 1e-6);
        let interval = got.interval.unwrap();
        assert!((interval.width() / 2.0 - 2.054_26).abs() < 1e-4, "{interval:?}");
        assert_eq!(got.degrees_of_freedom, 3);
    }

    #[test]
    fn merging_moves_the_origin() {
        let (mut whole, mut one, mut other) = (MeanTally::new(), MeanTally::new(), MeanTally::new());
        for i in 0..10_u32 {
            let value = Some(1e6 + f64::from(i * i));
            whole.add_row(value);
            if i < 5 { &mut one } else { &mut other }.add_row(value);
        }
        one.merge(&other);
        let of = |t: MeanTally| estimate_mean(&[evidence(t, Method::IndependentRows)], Level::NINETY_FIVE).unwrap();
        let (whole, merged) = (of(whole), of(one));
        assert!((whole.mean - merged.mean).abs() < 1e-9);
        assert!((whole.standard_error - merged.standard_error).abs() < 1e-9);
    }

    #[test]
    fn nothing_and_everything() {
        assert_eq!(estimate_mean(&[], Level::NINETY_FIVE), None);
        let mut tally = MeanTally::new();
        tally.add_row(None);
        tally.add_row(Some(3.0));
        let all = estimate_mean(&[evidence(tally, Method::AllRows)], Level::NINETY_FIVE).unwrap();
        assert_eq!((all.mean, all.interval, all.standard_error), (3.0, None, 0.0));
    }
}
