//! Whether a source as a whole can be checked: over all that is asked of it, by whoever asks.
//!
//! An error says nothing of rows. One that may pass begins a suspicion; it lasts while those who were concerned go on meeting errors, and is systemic
//! where most of what they ask fails for longer than things are given to heal, or a part of it for much longer. It is over when what they ask goes
//! well again: a sequential test of how many tries fail against how many do anyhow.

use crate::episode::{Around, Change, Episode, Evidence, Failure, Nature, Patience};
use crate::rows::FACT;
use crate::words;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// An error says so much for most failing, and what goes well as much for most going well: three in four against one in four.
const SAYS: f64 = 1.098_612_288_668_109_8;
/// Enough of that, and the most that is kept of it.
const MOST: f64 = 3.0;
const KEPT: f64 = 6.0;
/// Chance that an outage that goes on is taken to be over, of a suspicion and of what was told to be systemic.
const OVER: f64 = 0.05;
const RESTORED: f64 = 0.001;
/// The share of tries that fail anyhow: while nothing is known, and within these bounds.
const USUAL: f64 = 0.02;
const LEAST: f64 = 0.01;
const GREATEST: f64 = 0.2;
/// How much of what is known of that is forgotten by each.
const FORGOTTEN: f64 = 0.02;
/// Errors of an outage that counts towards flapping, at least.
const COUNTS: u64 = 3;
/// The share of what is asked that fails while a part of it does, and errors of that, at least.
const PART: f64 = 0.2;
const ERRORS: u64 = 10;
/// Those who are concerned by name, at most.
const NAMED: usize = 10_000;

/// Something that was asked of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct Tried<K> {
    /// By whom, or what for.
    pub by: K,
    /// How often it was tried.
    pub tries: u64,
    /// How often of that it failed.
    pub failed: u64,
    /// It failed at last: why, in words and codes, and who heals that.
    pub error: Option<(String, Nature)>,
}

/// Errors that follow each other, though what is asked goes well in between.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Trouble<K: Ord> {
    since: DateTime<Utc>,
    last: DateTime<Utc>,
    /// Those who met them, and what they asked.
    by: BTreeSet<K>,
    errors: u64,
    asked: u64,
}

/// What tries have said of whether something can be asked, as far as it is remembered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tries<K: Ord> {
    /// Those who met an error since it began.
    concerned: BTreeSet<K>,
    /// Their errors, and all that they asked.
    errors: u64,
    asked: u64,
    /// Their tries, and those that failed.
    tries: f64,
    failed: f64,
    /// Whether most fails, in nats, and since when it may.
    most: f64,
    run: Option<DateTime<Utc>>,
    /// What went well since the last error.
    answered: u64,
    /// Whether it is over, in nats, not above 0.
    healing: f64,
    /// The share of tries that fail while it is well.
    usual: f64,
    trouble: Option<Trouble<K>>,
}

impl<K: Ord> Default for Tries<K> {
    fn default() -> Self {
        Self {
            concerned: BTreeSet::new(),
            errors: 0,
            asked: 0,
            tries: 0.0,
            failed: 0.0,
            most: 0.0,
            run: None,
            answered: 0,
            healing: 0.0,
            usual: USUAL,
            trouble: None,
        }
    }
}

/// What is known of whether a source can be checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outage<K: Ord> {
    episode: Episode,
    tries: Tries<K>,
}

impl<K: Ord + Clone> Outage<K> {
    /// It can be checked.
    pub fn new(now: DateTime<Utc>) -> Self {
        Self { episode: Episode::new(now), tries: Tries::default() }
    }

    /// Its life.
    pub fn episode(&self) -> &Episode {
        &self.episode
    }

    /// The same, to be changed by time.
    pub fn episode_mut(&mut self) -> &mut Episode {
        &mut self.episode
    }

    /// Those who met an error since it began.
    pub fn concerned(&self) -> impl Iterator<Item = &K> {
        self.tries.concerned.iter()
    }

    /// Takes what was asked.
    pub fn sees(&mut self, tried: Tried<K>, now: DateTime<Utc>, patience: Patience) -> Option<Change> {
        let evidence = self.tries.sees(tried, self.episode.is_told(), now, patience)?;
        // nothing of a migration makes a source unreachable, and nothing of one excuses it
        self.episode.sees(&evidence, &Around::default(), now, patience)
    }

    /// Time has passed.
    pub fn passes(&mut self, now: DateTime<Utc>, patience: Patience) -> Option<Change> {
        self.episode.passes(now, patience)
    }

    /// How soon it wants to be asked again.
    pub fn wants(&self, patience: Patience) -> Option<TimeDelta> {
        self.episode.wants(patience)
    }
}

impl<K: Ord + Clone> Tries<K> {
    /// Takes what was asked, and says what that and all before it say; `told`: it was told to be systemic. `None`: it went well, and nothing was wrong.
    pub fn sees(&mut self, tried: Tried<K>, told: bool, now: DateTime<Utc>, patience: Patience) -> Option<Evidence> {
        self.troubles(&tried, now, patience);
        match tried.error {
            Some((what, nature)) => {
                if self.errors == 0 {
                    (self.tries, self.failed, self.asked, self.most, self.healing) = (0.0, 0.0, 0, 0.0, 0.0);
                    self.concerned.clear();
                }
                self.errors += 1;
                if self.concerned.len() < NAMED {
                    self.concerned.insert(tried.by);
                }
                if self.most <= 0.0 {
                    self.run = Some(now);
                }
                (self.most, self.answered) = ((self.most + SAYS).min(KEPT), 0);
                self.counts(tried.tries, tried.failed);
                Some(self.failing(what, nature, now, patience))
            }
            None if self.errors > 0 && self.concerned.contains(&tried.by) => {
                (self.most, self.answered) = ((self.most - SAYS).max(0.0), self.answered + 1);
                self.counts(tried.tries, tried.failed);
                Some(self.going_well(told, now, patience))
            }
            None => {
                if self.errors == 0 {
                    let share = tried.failed as f64 / tried.tries.max(1) as f64;
                    self.usual += FORGOTTEN * (share - self.usual);
                }
                None
            }
        }
    }

    /// Whether errors follow each other for long.
    fn troubles(&mut self, tried: &Tried<K>, now: DateTime<Utc>, patience: Patience) {
        self.trouble.take_if(|trouble| now - trouble.last > patience.to_heal());
        let failed = tried.error.is_some();
        if !failed && self.trouble.as_ref().is_none_or(|trouble| !trouble.by.contains(&tried.by)) {
            return;
        }
        let begins = Trouble { since: now, last: now, by: BTreeSet::new(), errors: 0, asked: 0 };
        let trouble = self.trouble.get_or_insert(begins);
        trouble.asked += 1;
        if failed {
            (trouble.errors, trouble.last) = (trouble.errors + 1, now);
            if trouble.by.len() < NAMED {
                trouble.by.insert(tried.by.clone());
            }
        }
    }

    /// A part of what is asked fails, and has for very long.
    fn fails_in_part(&self, now: DateTime<Utc>, patience: Patience) -> bool {
        self.trouble.as_ref().is_some_and(|trouble| {
            now - trouble.since >= patience.of_a_part()
                && trouble.errors >= ERRORS
                && trouble.errors as f64 >= PART * trouble.asked as f64
        })
    }

    fn counts(&mut self, tries: u64, failed: u64) {
        self.asked += 1;
        let (tries, failed) = (tries as f64, failed as f64);
        (self.tries, self.failed) = (self.tries + tries, self.failed + failed);
        let usual = self.usual.clamp(LEAST, GREATEST);
        let seen = (0.75 * self.failed / self.tries.max(1.0)).clamp(0.35, 0.9);
        let speaks = failed * (seen / usual).ln() + (tries - failed) * ((1.0 - seen) / (1.0 - usual)).ln();
        self.healing = (self.healing + speaks).min(0.0);
    }

    fn failing(&self, what: String, nature: Nature, now: DateTime<Utc>, patience: Patience) -> Evidence {
        let in_part = self.fails_in_part(now, patience);
        let most = self.most >= MOST && self.run.is_some_and(|run| now - run >= patience.to_heal());
        // what goes well in between says that it may pass
        let weight = if in_part || most { FACT } else { 0.0 };
        let mut told = what;
        let trouble = self.trouble.as_ref().filter(|_| in_part && !most);
        let (errors, asked) = trouble.map_or((self.errors, self.asked), |trouble| (trouble.errors, trouble.asked));
        if asked > errors {
            told.push_str(&format!("; {errors} of {} failed", words::plural(asked, "check")));
        }
        let since = trouble.map(|trouble| trouble.since);
        Evidence::Bad(Failure { what: told, since, weight, nature, ..Failure::default() })
    }

    fn going_well(&mut self, told: bool, now: DateTime<Utc>, patience: Patience) -> Evidence {
        let bound = if told { RESTORED } else { OVER };
        let brief = self.errors < COUNTS;
        // an error or two say nothing of a share: it is enough that those who met them were answered twice since
        let lone = brief && !told && !self.fails_in_part(now, patience);
        let passed = lone && self.answered >= 2 * self.concerned.len() as u64;
        if !passed && self.healing > bound.ln() {
            return Evidence::Calm(0.0);
        }
        let what = format!("it can be checked again, after {}", words::plural(self.errors, "error"));
        self.errors = 0;
        Evidence::Good { what, brief }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use fieldmark_model::observation::State;
    use std::time::Duration;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn patience() -> Patience {
        Patience::new(Duration::from_secs(900))
    }

    fn tried(by: &str, error: Option<Nature>) -> Tried<String> {
        let error = error.map(|nature| ("it cannot be reached (57P03)".to_owned(), nature));
        Tried { by: by.to_owned(), tries: 1, failed: u64::from(error.is_some()), error }
    }

    /// The states that it comes to, asked every ten seconds by two: whether each meets an error then.
    fn life(until: i64, fails: impl Fn(i64, &str) -> Option<Nature>) -> Vec<(i64, State)> {
        let (mut outage, mut states) = (Outage::new(at(0)), Vec::new());
        for second in (0..until).step_by(10) {
            states.extend(outage.passes(at(second), patience()).map(|change| (second, change.to)));
            for by in ["look", "check"] {
                let change = outage.sees(tried(by, fails(second, by)), at(second), patience());
                states.extend(change.map(|change| (second, change.to)));
            }
        }
        states
    }

    #[test]
    fn a_database_that_restarts_is_transient() {
        let states = life(2_000, |second, _| (100..160).contains(&second).then_some(Nature::Open));
        assert_eq!(states, [(100, State::Suspect), (170, State::Transient), (1_070, State::Ok)]);
    }

    #[test]
    fn one_that_stays_away_is_systemic_when_it_had_its_time() {
        let states = life(3_000, |second, _| (100..2_500).contains(&second).then_some(Nature::Open));
        assert_eq!(
            states,
            [(100, State::Suspect), (1_030, State::Systemic), (2_520, State::Transient)],
            "and heals after all"
        );
        let states = life(3_000, |second, _| (100..2_500).contains(&second).then_some(Nature::Resource));
        assert_eq!(states[1], (1_300, State::Systemic), "a disk is given a little more");
    }

    #[test]
    fn what_somebody_has_to_put_right_is_systemic_at_once() {
        let states = life(600, |second, _| (second >= 100).then_some(Nature::Certain));
        assert_eq!(states, [(100, State::Suspect), (160, State::Systemic)]);
    }

    #[test]
    fn what_looks_go_well_is_no_sign_that_checks_do() {
        let states = life(3_000, |second, by| (by == "check" && second >= 100).then_some(Nature::Open));
        assert_eq!(states, [(100, State::Suspect), (1_030, State::Systemic)]);
    }

    #[test]
    fn an_error_now_and_then_is_none_of_it_and_does_not_flap() {
        let states = life(20_000, |second, by| (by == "look" && second % 1_500 == 0).then_some(Nature::Open));
        let told = states.iter().any(|(_, state)| matches!(state, State::Systemic | State::Flapping));
        assert!(!told && states.len() > 20, "{states:?}");
    }

    #[test]
    fn what_fails_in_part_is_told_when_it_has_for_very_long() {
        // three in ten, for ever
        let fails = |second: i64| second >= 100 && [0, 40, 70].contains(&(second % 100));
        let states = life(6_000, |second, _| fails(second).then_some(Nature::Open));
        assert_eq!(states[0], (100, State::Suspect));
        let told: Vec<i64> =
            states.iter().filter(|(_, state)| *state == State::Systemic).map(|(second, _)| *second).collect();
        assert!(told.len() == 1 && (4_000..4_100).contains(&told[0]), "65 min after it began, once: {told:?}");
    }

    #[test]
    fn a_connection_that_comes_and_goes_is_flapping() {
        let states = life(9_000, |second, _| (second % 1_500 < 300).then_some(Nature::Open));
        let flapping = states.iter().filter(|(_, state)| *state == State::Flapping).count();
        assert_eq!((flapping, states.iter().any(|(_, state)| *state == State::Systemic)), (1, false), "{states:?}");
    }
}
