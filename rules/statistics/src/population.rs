//! How many rows a stratum has: counted, or estimated with an interval of its own.

use serde::{Deserialize, Serialize};

use crate::evidence::bounds;
use crate::interval::{Observed, clopper_pearson};
use crate::quantile::student_upper;
use crate::{Interval, Level, Method, Tally};

/// Rows of a stratum (or those of them that a `where` keeps).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Population {
    /// Counted in the same snapshot as the draw. Only an exact population narrows an interval.
    Exact {
        /// Rows.
        rows: u64,
    },
    /// Estimated.
    Estimated {
        /// Best guess, in rows.
        rows: f64,
        /// Two-sided interval, in rows. The upper end is `f64::MAX` where nothing bounds it.
        interval: Interval,
    },
}

impl Population {
    /// Best guess, in rows.
    #[must_use]
    pub fn rows(&self) -> f64 {
        match self {
            Self::Exact { rows } => *rows as f64,
            Self::Estimated { rows, .. } => *rows,
        }
    }

    /// Interval, in rows; degenerate where counted.
    #[must_use]
    pub fn interval(&self) -> Interval {
        match self {
            Self::Exact { rows } => Interval { low: *rows as f64, high: *rows as f64 },
            Self::Estimated { interval, .. } => *interval,
        }
    }
}

/// Live rows of the blocks that were read, streamed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct LiveRows {
    blocks: u64,
    rows: u64,
    squares: f64,
}

impl LiveRows {
    /// Adds one block read, empty ones too.
    pub fn add_block(&mut self, live: u64) {
        self.blocks += 1;
        self.rows += live;
        self.squares += live as f64 * live as f64;
    }

    /// Blocks read so far.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Rows of a relation of `blocks` blocks, of which these were read uniformly and without replacement: blocks times mean
    /// live rows, with the t interval of a mean (asymptotic), narrowed by the fraction read. All read: exact. Never below the
    /// rows seen. Fewer than two blocks read bound nothing above.
    #[must_use]
    pub fn population(&self, blocks: u64, level: Level) -> Population {
        let (m, seen) = (self.blocks as f64, self.rows as f64);
        if self.blocks >= blocks {
            return Population::Exact { rows: self.rows };
        }
        let all = blocks as f64;
        let mean = if self.blocks > 0 { seen / m } else { 0.0 };
        if self.blocks < 2 {
            return Population::Estimated { rows: all * mean, interval: Interval { low: seen, high: f64::MAX } };
        }
        let variance = ((self.squares - m * mean * mean) / (m - 1.0)).max(0.0);
        let error = (variance / m * (1.0 - m / all)).sqrt();
        // blocks that are all alike say nothing of the few that are not (a table's last one): with what is left of the chance, up to
        // 3.69 / m of them were not met, and each may be empty or twice as full
        let unmet = if variance > 0.0 { 0.0 } else { -level.tail().ln() / m * (1.0 - m / all) * mean };
        let reach = (student_upper(level.tail(), m - 1.0) * error).max(unmet);
        Population::Estimated {
            rows: all * mean,
            interval: Interval { low: (all * (mean - reach)).max(seen), high: all * (mean + reach) },
        }
    }
}

/// Hits of keys drawn uniformly, without replacement, from an inclusive span of an integer key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyHits {
    /// Keys in the span, max - min + 1.
    pub span: u128,
    /// Distinct keys drawn.
    pub drawn: u64,
    /// Of those, keys that exist.
    pub hits: u64,
}

impl KeyHits {
    /// Rows of the table: span times hit rate, with the binomial interval of the rate (too wide, never too narrow, for a draw
    /// without replacement, and for one that stops at a wanted number of hits). The whole span drawn: exact.
    #[must_use]
    pub fn population(&self, level: Level) -> Population {
        if u128::from(self.drawn) >= self.span {
            return Population::Exact { rows: self.hits };
        }
        let span = self.span as f64;
        let (hits, drawn) = (self.hits as f64, self.drawn as f64);
        let rate = clopper_pearson(Observed { failed: hits, rows: drawn }, level);
        Population::Estimated {
            rows: if self.drawn > 0 { span * hits / drawn } else { 0.0 },
            interval: Interval { low: (span * rate.low).max(hits), high: span * rate.high },
        }
    }
}

/// Rows of a stratum that a rule's `where` keeps: its population times the share of kept rows that `where` held for. With an
/// estimated population both intervals are taken at half the error and multiplied (the caller passes the population at
/// `level.shared_by(2)` to have the product at `level`).
#[must_use]
pub fn kept_by_where(tally: &Tally, method: Method, population: Population, level: Level) -> Population {
    let checked = tally.counts().checked;
    if method.is_all_rows() {
        return Population::Exact { rows: checked };
    }
    let share_level = match population {
        Population::Exact { .. } => level,
        Population::Estimated { .. } => level.shared_by(2),
    };
    let sample = tally.of_where();
    let share = bounds(&sample, method, population, share_level);
    let rows = population.interval();
    let guess = if tally.l > 0.0 { tally.x / tally.l } else { 0.0 };
    Population::Estimated {
        rows: population.rows() * guess,
        interval: Interval {
            low: (rows.low * share.low).max(checked as f64),
            high: (rows.high * share.high).max(checked as f64),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DrawnUnit, RowCounts};

    #[test]
    fn blocks_times_mean_live_rows() {
        let mut live = LiveRows::default();
        for rows in [40, 50, 60, 50] {
            live.add_block(rows);
        }
        let Population::Estimated { rows, interval } = live.population(1000, Level::NINETY_FIVE) else {
            panic!("estimated");
        };
        assert_eq!(rows, 50_000.0);
        // s = 8.165, t(3) = 3.182, se = 4.0825 * sqrt(0.996)
        assert!((interval.high - 50_000.0 - 12_964.0).abs() < 10.0, "{interval:?}");
        assert_eq!(live.population(4, Level::NINETY_FIVE), Population::Exact { rows: 200 });
        let mut equal = LiveRows::default();
        (0..500).for_each(|_| equal.add_block(185));
        // the last of 1082 blocks has 15 rows
        let interval = equal.population(1082, Level::NINETY_FIVE).interval();
        assert!(interval.low <= 200_000.0 && interval.high - interval.low < 2_000.0, "{interval:?}");
    }

    #[test]
    fn span_times_hit_rate() {
        let hits = KeyHits { span: 1 << 64, drawn: 1000, hits: 500 };
        let got = hits.population(Level::NINETY_FIVE);
        assert_eq!(got.rows(), (1_u128 << 63) as f64);
        let rate = got.interval().low / (1_u128 << 64) as f64;
        assert!((rate - 0.468_5).abs() < 1e-3, "{rate}");
        let all = KeyHits { span: 10, drawn: 10, hits: 7 };
        assert_eq!(all.population(Level::NINETY_FIVE), Population::Exact { rows: 7 });
    }

    #[test]
    fn where_population_has_the_interval_of_its_share() {
        let mut tally = Tally::new();
        tally.add_rows(RowCounts { kept: 1000, checked: 100, ..RowCounts::default() });
        let exact = Population::Exact { rows: 1_000_000 };
        let got = kept_by_where(&tally, Method::IndependentRows, exact, Level::NINETY_FIVE);
        assert!((got.rows() - 100_000.0).abs() < 1e-6);
        assert!(got.interval().low > 81_000.0 && got.interval().high < 121_000.0);
        let mut blocks = Tally::new();
        for i in 0..100_u64 {
            blocks.add_unit(DrawnUnit {
                live: 10,
                rows: RowCounts {
                    kept: 10,
                    checked: if i.is_multiple_of(10) { 10 } else { 0 },
                    ..RowCounts::default()
                },
            });
        }
        let got = kept_by_where(&blocks, Method::Blocks { per_block: None }, exact, Level::NINETY_FIVE);
        // ten whole blocks of a hundred, not a hundred rows of a thousand
        assert!(got.interval().high > 170_000.0, "{got:?}");
    }
}
