//! Whether more rows of a table fail than may, over many checks of it, each of another sample.
//!
//! - Onset: CUSUMs (Page 1954) of the binomial log-likelihood ratio between the tolerated fraction and clearly worse ones, twice and eight times as
//!   much. They suspect once in 10^5 checks of a table that fails exactly as much as is tolerated, at most: an excursion of one passes `ln 2e5`
//!   with a probability of 5e-6 or less (Wald's bound). Where no row may fail, one that does is enough: it is a fact, whatever the sample.
//! - Checks differ by more than chance of independent rows: what fails comes in clusters. The ratio is divided by how much more (the
//!   variance of checks over that of independent rows), which is learned while the table is well and begins at a cautious guess.
//! - Healing: the same in the other direction, from the fraction that was seen to fail, halved, to the tolerated one; the clean rows since are
//!   enough when their ratio passes the bound. Where no row may fail, it is enough as well that every row that failed passes when it is read again.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Checks to a false suspicion, at least.
const RUN: f64 = 1e5;
/// Chance that what has not healed is taken to have, of a suspicion and of what was told to be systemic.
const HEALED: f64 = 0.05;
const REPAIRED: f64 = 0.001;
/// The fraction that is clearly too much where none is tolerated, and the one that stands for none.
const CLEARLY: f64 = 3e-4;
const NONE: f64 = 1e-5;
/// What is clearly worse than what is tolerated, in multiples of it: a little, and a lot.
const WORSE: [f64; 2] = [2.0, 8.0];
/// Checks of an excursion that are learned from, at most.
const REMEMBERED: usize = 64;
/// How much of what is learned is forgotten by each check.
const FORGOTTEN: f64 = 0.05;
/// One check says so much of the spread at most, in variances.
const OUTLIER: f64 = 25.0;
/// The correlation of rows that fail within a check, while nothing is known of it.
const CORRELATION: f64 = 1e-3;
/// What a check of all rows weighs, and a row that fails where none may: it is a fact.
pub(crate) const FACT: f64 = 10.0;
/// A check that speaks so clearly for a failure by itself, in nats, may be when it began.
const CLEAR: f64 = 2.0;

/// Rows that failed before and were read again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Again {
    /// Rows read again.
    pub known: u64,
    /// Of those, rows that still fail.
    pub failing: u64,
}

/// What one check saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// Rows that the rule was asked about.
    pub checked: u64,
    /// Of those, rows that fail.
    pub failed: u64,
    /// The fraction that may.
    pub tolerance: f64,
    /// By how many rows of the sample one independent row is worth as much, as the sampling says; 1 of independent rows.
    pub design_effect: f64,
    /// All rows of the table were read.
    pub whole: bool,
    /// Rows that failed in an earlier check.
    pub again: Option<Again>,
    /// What this check has decided by itself: that too much fails, or that it does not; `None`: it cannot tell.
    pub decided: Option<bool>,
}

/// What that says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Seen {
    /// As it may be.
    Well,
    /// Too much fails. `weight`: how much this check alone speaks for it, in nats.
    Fails {
        /// In nats.
        weight: f64,
        /// When that began, as far as it was seen.
        since: DateTime<Utc>,
    },
    /// It failed before, and nothing of this check does, which is not enough to say that it has healed. `weight`: in nats, not above 0.
    Calm {
        /// In nats.
        weight: f64,
    },
    /// It failed before, and does not any more.
    Healed {
        /// Rows that were checked since a failure was seen.
        rows: u64,
    },
}

/// While it fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Failing {
    checked: f64,
    failed: f64,
    /// Rows checked since a failure was seen last.
    clean: f64,
    /// In nats, not above 0.
    healing: f64,
}

/// What is known of how the rows of one rule on one table fail.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rows {
    /// The CUSUMs against each of the fractions that are clearly worse, in nats.
    suspicion: [f64; WORSE.len()],
    /// Checks of the excursion, rows and those of them that fail: what they say of the usual is learned when it has come to nothing.
    excursion: Vec<(u64, u64)>,
    /// The first check of the excursion that spoke for it clearly.
    since: Option<DateTime<Utc>>,
    /// The fraction that fails while it is well.
    usual: Option<f64>,
    /// The variance of checks over that of independent rows.
    spread: Option<f64>,
    failing: Option<Failing>,
}

/// The logarithm of how much likelier so many failures of so many rows are at one fraction than at another.
fn ratio(failed: f64, checked: f64, likelier: f64, than: f64) -> f64 {
    failed * (likelier / than).ln() + (checked - failed) * ((1.0 - likelier) / (1.0 - than)).ln()
}

/// The fraction that may fail, and those that are clearly worse.
fn fractions(tolerance: f64) -> (f64, [f64; WORSE.len()]) {
    let most = tolerance.clamp(NONE, 0.45);
    (most, WORSE.map(|times| (times * most).max(CLEARLY).min((1.0 + most) / 2.0)))
}

impl Rows {
    /// Takes what a check saw. `told`: it was told to be systemic, and is taken to be over only by stronger evidence.
    pub fn sees(&mut self, look: &Look, now: DateTime<Utc>, told: bool) -> Seen {
        let (checked, failed) = (look.checked as f64, look.failed as f64);
        let still = look.again.is_some_and(|again| again.failing > 0);
        let fails = failed > look.tolerance * checked;
        // of all rows, or where none may fail, it is no matter of chance
        if look.whole || (look.tolerance == 0.0 && (fails || still)) {
            return if fails || (look.tolerance == 0.0 && still) {
                self.add(look);
                Seen::Fails { weight: FACT, since: *self.since.get_or_insert(now) }
            } else {
                self.clean(look, FACT, told, true)
            };
        }
        let (most, worse) = fractions(look.tolerance);
        let spread = self.spread(look);
        let weights = worse.map(|worse| ratio(failed, checked, worse, most) / spread);
        let weight = weights.into_iter().fold(f64::NEG_INFINITY, f64::max);
        let weight = if look.decided == Some(true) { weight.max(CLEAR) } else { weight };
        if self.failing.is_some() {
            if weight > 0.0 {
                self.add(look);
                return Seen::Fails { weight, since: *self.since.get_or_insert(now) };
            }
            return self.clean(look, weight, told, look.tolerance == 0.0);
        }
        for (suspicion, weight) in self.suspicion.iter_mut().zip(weights) {
            *suspicion = (*suspicion + weight).max(0.0);
        }
        if weight >= CLEAR {
            self.since.get_or_insert(now);
        }
        let bound = (RUN * WORSE.len() as f64).ln();
        if look.decided == Some(true) || self.suspicion.iter().any(|suspicion| *suspicion >= bound) {
            self.excursion.clear();
            self.add(look);
            return Seen::Fails { weight, since: *self.since.get_or_insert(now) };
        }
        if self.excursion.len() < REMEMBERED {
            self.excursion.push((look.checked, look.failed));
        }
        if self.suspicion.iter().all(|suspicion| *suspicion <= 0.0) {
            self.since = None;
            for (checked, failed) in std::mem::take(&mut self.excursion) {
                self.learn(checked, failed);
            }
        }
        Seen::Well
    }

    /// Whether a failure is seen, and is not taken to have healed.
    pub fn fails(&self) -> bool {
        self.failing.is_some()
    }

    fn add(&mut self, look: &Look) {
        let failing = self.failing.get_or_insert_default();
        failing.checked += look.checked as f64;
        failing.failed += look.failed as f64;
        (failing.clean, failing.healing) = (0.0, 0.0);
    }

    /// Nothing of this check fails too much. `mends`: rows that failed and do not any more tell that it is over.
    fn clean(&mut self, look: &Look, weight: f64, told: bool, mends: bool) -> Seen {
        let (checked, failed, spread) = (look.checked as f64, look.failed as f64, self.spread(look));
        let Some(failing) = &mut self.failing else { return Seen::Well };
        failing.clean += checked;
        let (most, [worse, ..]) = fractions(look.tolerance);
        let seen = failing.failed / (failing.checked + failing.clean).max(1.0);
        // where it is seen in rows that were read again alone, next to nothing is known of how much fails
        let half = (seen / 2.0).max(worse).min(0.9);
        let speaks = ratio(failed, checked, half, most) / spread;
        let speaks = if look.decided == Some(false) { speaks.min(HEALED.ln()) } else { speaks };
        failing.healing = (failing.healing + speaks).min(0.0);
        let mended = mends && look.again.is_some_and(|again| again.known > 0 && again.failing == 0);
        let bound = if told { REPAIRED } else { HEALED };
        if look.whole || mended || failing.healing <= bound.ln() {
            let rows = failing.clean as u64;
            (self.failing, self.suspicion, self.since) = (None, [0.0; WORSE.len()], None);
            return Seen::Healed { rows };
        }
        Seen::Calm { weight: weight.min(0.0) }
    }

    fn spread(&self, look: &Look) -> f64 {
        let guessed = 1.0 + CORRELATION * look.checked as f64;
        self.spread.unwrap_or(guessed).max(look.design_effect).max(1.0)
    }

    /// What a check of a table that is well says of how much checks differ.
    fn learn(&mut self, checked: u64, failed: u64) {
        if checked == 0 {
            return;
        }
        let (checked, failed) = (checked as f64, failed as f64);
        let usual = self.usual.unwrap_or(failed / checked);
        let variance = (usual * checked * (1.0 - usual)).max(0.3);
        let off = ((failed - usual * checked).powi(2) / variance).min(OUTLIER);
        let spread = self.spread.unwrap_or(1.0 + CORRELATION * checked);
        self.spread = Some(spread + FORGOTTEN * (off - spread));
        self.usual = Some(usual + FORGOTTEN * (failed / checked - usual));
    }
}

#[cfg(test)]
mod tests;
