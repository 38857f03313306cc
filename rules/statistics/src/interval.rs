//! Intervals of one failing fraction: Clopper and Pearson's, and the exact one for a draw without replacement.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::StatisticsError;
use crate::quantile::{beta_quantile, ln_binomial};

/// A two-sided confidence level in (0.5, 1): the chance that the interval holds the truth.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Level(f64);

impl Level {
    /// 95 %, the level of a single look.
    pub const NINETY_FIVE: Self = Self(0.95);

    /// A level in (0.5, 1).
    ///
    /// # Errors
    /// [`StatisticsError::Level`] outside of it.
    pub fn new(confidence: f64) -> Result<Self, StatisticsError> {
        if confidence > 0.5 && confidence < 1.0 {
            Ok(Self(confidence))
        } else {
            Err(StatisticsError::Level(confidence))
        }
    }

    /// The chance that the interval holds the truth.
    #[must_use]
    pub fn confidence(self) -> f64 {
        self.0
    }

    /// One minus the confidence.
    #[must_use]
    pub fn alpha(self) -> f64 {
        1.0 - self.0
    }

    /// The error allowed on each side, alpha / 2.
    #[must_use]
    pub fn tail(self) -> f64 {
        0.5 * self.alpha()
    }

    /// The level at which each of `statements` intervals must be for all of them to hold together at this one (Bonferroni).
    /// Zero counts as one.
    #[must_use]
    pub fn shared_by(self, statements: u32) -> Self {
        Self(1.0 - self.alpha() / f64::from(statements.max(1)))
    }

    /// The two-sided level whose lower tail is alpha / `strata`, so that one-sided statements about all of them hold together;
    /// `None` up to two, where it is this level.
    pub(crate) fn lower_of(self, strata: usize) -> Option<Self> {
        (strata > 2).then(|| Self(1.0 - 2.0 * self.alpha() / strata as f64))
    }
}

impl TryFrom<f64> for Level {
    type Error = StatisticsError;

    fn try_from(value: f64) -> Result<Self, Self::Error> {
        Self::new(value)
    }
}

impl From<Level> for f64 {
    fn from(level: Level) -> Self {
        level.0
    }
}

/// A closed interval; written as `[low, high]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end, at least `low`.
    pub high: f64,
}

impl Interval {
    /// All that a fraction can be.
    pub const UNIT: Self = Self { low: 0.0, high: 1.0 };

    /// Upper end minus lower end.
    #[must_use]
    pub fn width(self) -> f64 {
        self.high - self.low
    }

    /// Whether `value` lies in it, ends included.
    #[must_use]
    pub fn contains(self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    /// The smallest interval that holds both.
    #[must_use]
    pub fn hull(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    /// The part that a fraction can be.
    #[must_use]
    pub fn as_fraction(self) -> Self {
        Self { low: self.low.clamp(0.0, 1.0), high: self.high.clamp(0.0, 1.0) }
    }
}

impl Serialize for Interval {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        [self.low, self.high].serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let [low, high] = <[f64; 2]>::deserialize(deserializer)?;
        if low <= high {
            Ok(Self { low, high })
        } else {
            Err(serde::de::Error::custom(format!("an interval [low, high] with low <= high, not [{low}, {high}]")))
        }
    }
}

/// Failing among independent rows. Real-valued, because an effective number of rows is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observed {
    /// Failing rows, between 0 and `rows`.
    pub failed: f64,
    /// Rows.
    pub rows: f64,
}

/// Clopper and Pearson's interval (1934) of a binomial fraction, by beta quantiles: [B(tail; k, n-k+1), B(1-tail; k+1, n-k)], exact
/// (never below its level) for whole numbers and extended to real ones as Korn and Graubard (1998) do. No rows: [0, 1].
#[must_use]
pub fn clopper_pearson(seen: Observed, level: Level) -> Interval {
    Interval { low: clopper_pearson_low(seen, level), high: clopper_pearson_high(seen, level) }
}

pub(crate) fn clopper_pearson_low(seen: Observed, level: Level) -> f64 {
    let n = seen.rows;
    let k = seen.failed.min(n);
    if n <= 0.0 || k <= 0.0 {
        return 0.0;
    }
    beta_quantile(k, n - k + 1.0, level.tail()).0
}

pub(crate) fn clopper_pearson_high(seen: Observed, level: Level) -> f64 {
    let n = seen.rows;
    let k = seen.failed.max(0.0);
    if n <= 0.0 || k >= n {
        return 1.0;
    }
    if k <= 0.0 {
        return -(level.tail().ln() / n).exp_m1();
    }
    beta_quantile(n - k, k + 1.0, level.tail()).1
}

/// Failing among rows drawn uniformly, without replacement, from an exactly counted population.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FiniteDraw {
    /// Failing rows; more than `drawn` counts as `drawn`.
    pub failed: u64,
    /// Rows drawn.
    pub drawn: u64,
    /// Rows there are; fewer than `drawn` counts as `drawn`.
    pub population: u64,
}

/// The exact two-sided interval of the failing fraction of a finite population, by inverting the hypergeometric tails (Katz 1953,
/// Konijn 1973): every failing number K whose upper and lower tail are both at least `tail`, divided by the population. Costs some
/// 60 tails of at most about ten standard deviations of terms each. Nothing drawn: [0, 1].
#[must_use]
pub fn hypergeometric(draw: FiniteDraw, level: Level) -> Interval {
    Interval { low: hypergeometric_low(draw, level), high: hypergeometric_high(draw, level) }
}

pub(crate) fn hypergeometric_high(draw: FiniteDraw, level: Level) -> f64 {
    let population = draw.population.max(draw.drawn);
    if draw.drawn == 0 {
        return 1.0;
    }
    largest_failing(draw.failed.min(draw.drawn), draw.drawn, population, level.tail()) as f64 / population as f64
}

pub(crate) fn hypergeometric_low(draw: FiniteDraw, level: Level) -> f64 {
    let population = draw.population.max(draw.drawn);
    if draw.drawn == 0 {
        return 0.0;
    }
    // The passing rows are drawn just as the failing ones are.
    let passed = draw.drawn - draw.failed.min(draw.drawn);
    let most_passing = largest_failing(passed, draw.drawn, population, level.tail());
    (population - most_passing) as f64 / population as f64
}

/// The largest K <= population - (drawn - seen) with P(X <= seen) >= tail, X hypergeometric.
fn largest_failing(seen: u64, drawn: u64, population: u64, tail: f64) -> u64 {
    let ceiling = population - (drawn - seen);
    // At K = population * seen / drawn the mean is `seen`, so the tail is near a half: a safe floor. Above it terms only shrink
    // downwards from `seen`, which is what makes the sum stop early.
    let floor = (u128::from(population) * u128::from(seen) / u128::from(drawn)) as u64;
    let (mut low, mut high) = (floor.clamp(seen, ceiling), ceiling);
    let mut step = 1_u64;
    // Gallop first: the answer is near the floor compared with the population.
    while low < high {
        let probe = low.saturating_add(step).min(high);
        if lower_tail(seen, drawn, probe, population, tail) >= tail {
            low = probe;
            step = step.saturating_mul(2);
        } else {
            high = probe - 1;
            break;
        }
    }
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if lower_tail(seen, drawn, middle, population, tail) >= tail {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

/// P(X <= seen) for `failing` rows in the population, summed downwards from `seen`; stops as soon as `enough` is reached, or as the
/// rest is below one part in 10^16 (terms shrink at least geometrically: their ratio falls going down).
fn lower_tail(seen: u64, drawn: u64, failing: u64, population: u64, enough: f64) -> f64 {
    let (x, n, k, all) = (seen as f64, drawn as f64, failing as f64, population as f64);
    if x >= n.min(k) {
        return 1.0;
    }
    if n - x > all - k {
        return 0.0;
    }
    // Loader: kernel(x of k) kernel(n-x of all-k) / kernel(n of all), at p = n / all
    let (p, q) = (n / all, (all - n) / all);
    let mut term = (ln_binomial(x, k, p, q) + ln_binomial(n - x, all - k, p, q) - ln_binomial(n, all, p, q)).exp();
    let mut sum = term;
    let mut at = x;
    while at > 0.0 && sum < enough {
        let ratio = at * (all - k - n + at) / ((k - at + 1.0) * (n - at + 1.0));
        term *= ratio;
        sum += term;
        at -= 1.0;
        if ratio < 1.0 && term / (1.0 - ratio) < 1e-16 * sum {
            break;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: f64, want: f64, relative: f64) {
        assert!((got - want).abs() <= relative * want.abs() + 1e-15, "{got} is not {want}");
    }

    #[test]
    fn clopper_pearson_known_values() {
        // R: binom.test(k, n)$conf.int
        for (failed, rows, low, high) in [
            (0.0, 10_000.0, 0.0, 3.688_199e-4),
            (1.0, 10.0, 0.002_528_579, 0.445_016_1),
            (5.0, 10.0, 0.187_086_0, 0.812_914_0),
            (10.0, 10.0, 0.691_502_9, 1.0),
            (7.0, 100.0, 0.028_605_4, 0.138_919_7),
            (0.0, 0.0, 0.0, 1.0),
        ] {
            let got = clopper_pearson(Observed { failed, rows }, Level::NINETY_FIVE);
            near(got.low, low, 1e-5);
            near(got.high, high, 1e-5);
        }
    }

    #[test]
    fn no_failure_in_ten_thousand_where_enlarging_is_planned() {
        let seen = Observed { failed: 0.0, rows: 10_000.0 };
        let high = clopper_pearson(seen, Level::NINETY_FIVE.shared_by(8)).high;
        near(high, 5.766e-4, 1e-3);
    }

    /// The interval by its definition, every tail summed term by term with products of ratios.
    fn by_definition(failed: u64, drawn: u64, population: u64, tail: f64) -> (u64, u64) {
        let choose = |n: u64, k: u64| -> f64 { (0..k).fold(1.0, |c, i| c * (n - i) as f64 / (i + 1) as f64) };
        let pmf = |x: u64, k: u64| {
            if x > k || drawn - x > population - k {
                0.0
            } else {
                choose(k, x) * choose(population - k, drawn - x) / choose(population, drawn)
            }
        };
        let accepted: Vec<u64> = (failed..=population - (drawn - failed))
            .filter(|&k| {
                (0..=failed).map(|x| pmf(x, k)).sum::<f64>() >= tail
                    && (failed..=drawn).map(|x| pmf(x, k)).sum::<f64>() >= tail
            })
            .collect();
        (*accepted.first().unwrap(), *accepted.last().unwrap())
    }

    #[test]
    fn hypergeometric_is_the_inversion_of_its_tails() {
        for (drawn, population) in [(1, 1), (1, 5), (5, 12), (20, 60), (25, 26), (30, 30), (40, 200)] {
            for failed in 0..=drawn {
                let draw = FiniteDraw { failed, drawn, population };
                let got = hypergeometric(draw, Level::NINETY_FIVE);
                let (low, high) = by_definition(failed, drawn, population, Level::NINETY_FIVE.tail());
                near(got.low, low as f64 / population as f64, 1e-12);
                near(got.high, high as f64 / population as f64, 1e-12);
            }
        }
    }

    #[test]
    fn hypergeometric_at_scale_is_the_binomial_and_quick() {
        let begun = std::time::Instant::now();
        for failed in [0, 1, 50, 500_000, 999_999, 1_000_000] {
            let draw = FiniteDraw { failed, drawn: 1_000_000, population: 1_000_000_000 };
            let got = hypergeometric(draw, Level::NINETY_FIVE);
            let binomial = clopper_pearson(Observed { failed: failed as f64, rows: 1e6 }, Level::NINETY_FIVE);
            // whole rows only: one row of 10^9 is the grain
            assert!((got.low - binomial.low).abs() <= 2e-3 * binomial.low.min(1.0 - binomial.low) + 1e-9);
            assert!((got.high - binomial.high).abs() <= 2e-3 * (1.0 - binomial.high).min(binomial.high) + 1e-9);
            assert!(got.width() <= binomial.width() + 2e-9);
        }
        assert!(begun.elapsed().as_secs() < 5);
    }

    #[test]
    fn written_as_an_array_and_never_upside_down() {
        use serde::de::IntoDeserializer;
        use serde::de::value::{Error, SeqDeserializer};
        let read = |ends: Vec<f64>| Interval::deserialize(SeqDeserializer::<_, Error>::new(ends.into_iter()));
        assert_eq!(read(vec![0.25, 0.5]).unwrap(), Interval { low: 0.25, high: 0.5 });
        assert!(read(vec![0.5, 0.25]).is_err());
        let level: Result<Level, Error> = Level::deserialize(1.5.into_deserializer());
        assert!(level.is_err());
    }
}
