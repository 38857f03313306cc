//! The life of what fails: of one rule on one table, or of one source as a whole.
//!
//! ```text
//!            bad                    it stays
//!   ok ----------------> suspect ------------> systemic
//!    ^                    |    ^                  | good
//!    | it stays well      |    | bad              v
//!    +---- transient <----+    +-------------- resolved ---> ok
//!    |         | bad, too often      good
//!    +---- flapping
//! ```
//!
//! - What could not be checked says nothing of the rows and moves nothing.
//! - A suspicion that lasts longer than things are given to heal is systemic. It is given less where a migration has ended before it and the
//!   rows that fail, read again, all still do (or, where all rows are read, no fewer fail); where nothing heals it but somebody (a permission, a
//!   name) the second sighting is enough. It is given more while rows that failed are repaired one by one, and after a rollback.
//! - While a migration is open, its backfill is no fault: the wait begins when it has ended.
//! - What has healed by itself several times, over more time than it is given, within some hours, is told once, as flapping, and is quiet until it stays well.
//! - What was told to be systemic, and is well within an hour with nobody known to have done anything, has healed by itself after all: it is transient in hindsight.

mod evidence;

pub use evidence::{Around, Evidence, Failure, Migration, Nature, Patience};

use crate::rows::Again;
use crate::words;
use chrono::{DateTime, TimeDelta, Utc};
use fieldmark_model::observation::State;
use serde::{Deserialize, Serialize};

/// Bad checks that a systemic failure has been seen in, at least.
const BAD: u64 = 3;
/// The same where nothing heals by itself.
const CERTAIN: u64 = 2;
/// Bad checks one after the other in which nothing was repaired, which shorten the wait after a migration.
const UNREPAIRED: u64 = 2;
/// Rows read again of which enough are known to tell whether they are repaired, and the share that still fails then at most.
const REREAD: u64 = 10;
const MENDED: f64 = 0.7;
/// Checks one after the other that cannot tell, after which what is suspected is looked at less often.
const UNSURE: u64 = 3;
/// Faults that healed by themselves which make flapping; one that a single check has seen is half of one, and so is one that was told.
const FLAPS: f64 = 3.0;
/// How clearly it has to fail still when its time is over, in nats: a chance of one in twenty.
const STILL: f64 = 3.0;

/// A change of state, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The state before.
    pub from: State,
    /// The state now.
    pub to: State,
    /// The reason in words and numbers.
    pub reason: String,
    /// Since when what it is about goes on.
    pub since: DateTime<Utc>,
    /// The migration that is suspected.
    pub migration: Option<Migration>,
}

/// What is known of one rule on one table, or of one source, from one sighting to the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    state: State,
    /// When it came into this state.
    entered: DateTime<Utc>,
    /// When what fails now, or failed last, began.
    since: DateTime<Utc>,
    /// From when on it has been followed without a break.
    followed: DateTime<Utc>,
    /// When it was last seen.
    seen: DateTime<Utc>,
    /// Sightings of it so far; of those, that nothing heals.
    bad: u64,
    certain: u64,
    /// Whether it was seen not to fail since.
    clean: bool,
    /// How clearly it fails still after its time is over, in nats.
    still: f64,
    /// Bad checks, one after the other, in which no row that failed before was repaired.
    unrepaired: u64,
    /// Rows that failed and were read again, and those of them that still did.
    again: Again,
    /// How many rows failed in the last check, where all were read.
    rows: Option<u64>,
    /// Checks, one after the other, that could not tell.
    unsure: u64,
    /// It is of something that somebody has to give more of.
    resource: bool,
    /// What was seen last, in words.
    last: String,
    /// The migration that had ended shortly before it began, or was open then.
    cause: Option<Migration>,
    /// When faults that healed by themselves had healed, and how much each counts.
    healed: Vec<(DateTime<Utc>, f64)>,
}

impl Episode {
    /// Nothing is wrong.
    pub fn new(now: DateTime<Utc>) -> Self {
        Self {
            state: State::Ok,
            entered: now,
            since: now,
            followed: now,
            seen: now,
            bad: 0,
            certain: 0,
            clean: false,
            still: 0.0,
            unrepaired: 0,
            again: Again::default(),
            rows: None,
            unsure: 0,
            resource: false,
            last: String::new(),
            cause: None,
            healed: Vec::new(),
        }
    }

    /// When what fails now, or failed last, began.
    pub fn since(&self) -> DateTime<Utc> {
        self.since
    }

    /// The state that it is in.
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether it was told to be something that will not go away by itself.
    pub fn is_told(&self) -> bool {
        self.state == State::Systemic
    }

    /// The migration that is suspected.
    pub fn migration(&self) -> Option<&Migration> {
        self.cause.as_ref()
    }

    /// The state that it is in, where something is wrong, as a change from it to itself.
    pub fn stands(&self) -> Option<Change> {
        let is_wrong = matches!(self.state, State::Suspect | State::Systemic | State::Flapping);
        is_wrong.then(|| Change {
            from: self.state,
            to: self.state,
            reason: self.last.clone(),
            since: self.since,
            migration: self.cause.clone(),
        })
    }

    /// Whether there is anything to remember of it.
    pub fn is_blank(&self) -> bool {
        self.state == State::Ok && self.healed.is_empty()
    }

    /// When it wants to be seen again, though nothing else is due: soon while it is suspected, less soon the longer that lasts.
    pub fn wants(&self, patience: Patience) -> Option<TimeDelta> {
        let settling = self.clean && self.state == State::Systemic;
        let wants = self.state == State::Suspect || settling;
        // what cannot be told soon is not asked for all the time
        wants.then(|| if self.unsure >= UNSURE { patience.rare_glance() } else { patience.glance(self.bad) })
    }

    /// Nobody has seen to it for a while, or by another clock: what is suspected is given its time anew.
    pub fn resumes(&mut self, now: DateTime<Utc>, patience: Patience) {
        let away = now - self.seen;
        // a clock that was ahead and is right again: nothing that is remembered is yet to come
        let cause = self.cause.as_mut().map(|cause| &mut cause.at);
        let times = [&mut self.entered, &mut self.since, &mut self.followed, &mut self.seen];
        times
            .into_iter()
            .chain(cause)
            .chain(self.healed.iter_mut().map(|(at, _)| at))
            .for_each(|time| *time = (*time).min(now));
        if away < TimeDelta::zero() || away > patience.unattended() {
            self.followed = now;
        }
    }

    /// Takes what was seen.
    pub fn sees(
        &mut self,
        evidence: &Evidence,
        around: &Around,
        now: DateTime<Utc>,
        patience: Patience,
    ) -> Option<Change> {
        self.forget(now, patience);
        self.seen = now;
        self.unsure = if *evidence == Evidence::Unsure { self.unsure + 1 } else { 0 };
        match evidence {
            Evidence::Bad(failure) => {
                self.last.clone_from(&failure.what);
                let was_well = std::mem::take(&mut self.clean);
                let begins = matches!(self.state, State::Ok | State::Transient | State::Resolved);
                if begins || (was_well && self.state == State::Flapping) {
                    self.begins(failure, around, now, patience);
                }
                self.adopts(around, patience);
                self.adds(failure);
                self.is_bad(failure.weight, around, now, patience)
            }
            Evidence::Calm(weight) => {
                self.still = (self.still + weight).max(0.0);
                self.clean = true;
                None
            }
            Evidence::Good { what, brief } => {
                self.clean = true;
                let count = match (brief, self.bad) {
                    (true, _) => 0.0,
                    // of what was told somebody may have mended it, whatever is known here
                    (false, _) if self.is_told() => 0.5,
                    (false, 1) => 0.5,
                    (false, _) => 1.0,
                };
                self.is_good(what, count, now, patience)
            }
            // what cannot decide is no sign of either
            Evidence::Unsure => None,
        }
    }

    /// Time has passed, and nothing was seen: what has been well for long enough is.
    pub fn passes(&mut self, now: DateTime<Utc>, patience: Patience) -> Option<Change> {
        self.forget(now, patience);
        let quiet = match self.state {
            State::Transient => patience.after_healing(),
            State::Resolved => patience.after_repair(),
            State::Flapping if self.clean => patience.after_flapping(),
            State::Ok | State::Suspect | State::Systemic | State::Flapping => return None,
        };
        let well = now - self.entered;
        (well >= quiet).then(|| self.comes(State::Ok, format!("well for {}", words::time(well)), now))
    }

    /// A migration that is noticed a moment after what it has done is its cause as well.
    fn adopts(&mut self, around: &Around, patience: Patience) {
        if self.cause.is_none() && self.state == State::Suspect {
            let lag = |migration: &&Migration| {
                (TimeDelta::zero()..=patience.to_confirm()).contains(&(migration.at - self.since))
            };
            self.cause = around.ended.as_ref().filter(lag).cloned();
        }
    }

    /// Counts what was seen.
    fn adds(&mut self, failure: &Failure) {
        self.bad += 1;
        self.certain += u64::from(failure.nature == Nature::Certain);
        self.resource = failure.nature == Nature::Resource;
        let no_fewer = failure.rows.zip(self.rows).is_some_and(|(now, before)| now >= before);
        let stays = failure.again.is_some_and(|again| again.failing == again.known);
        self.unrepaired = if stays || no_fewer { self.unrepaired + 1 } else { 0 };
        self.rows = failure.rows;
        if let Some(again) = failure.again {
            // what was repaired long ago says little: the last few sightings are enough
            let old = if self.again.known >= 10 * REREAD { 2 } else { 1 };
            self.again.known = self.again.known / old + again.known;
            self.again.failing = self.again.failing / old + again.failing;
        }
    }

    /// Rows that failed are repaired one by one.
    fn is_mended(&self) -> bool {
        self.again.known >= REREAD && (self.again.failing as f64) < MENDED * self.again.known as f64
    }

    fn is_bad(&mut self, weight: f64, around: &Around, now: DateTime<Utc>, patience: Patience) -> Option<Change> {
        match self.state {
            State::Ok | State::Transient | State::Resolved => {
                Some(self.comes(State::Suspect, format!("{}{}", self.last, self.beginning()), now))
            }
            // what has flapped, and now stays bad for much longer than it ever did, does not flap any more
            State::Flapping if now - self.since < patience.after_repair() => {
                self.entered = now;
                None
            }
            State::Suspect | State::Flapping => self.may_stay(weight, around, now, patience),
            State::Systemic => None,
        }
    }

    /// Something begins to fail.
    fn begins(&mut self, failure: &Failure, around: &Around, now: DateTime<Utc>, patience: Patience) {
        let since = failure.since.unwrap_or(now).min(now);
        (self.since, self.followed) = (since, since);
        (self.bad, self.certain, self.unrepaired, self.rows) = (0, 0, 0, None);
        (self.still, self.again, self.resource) = (0.0, Again::default(), false);
        self.cause = around.cause(since, patience);
        // one that is open ends later: what begins now begins with it
        if let (true, Some(cause)) = (around.open, &mut self.cause) {
            cause.at = since;
        }
    }

    /// How long it is given from when on, and why.
    fn given(&self, around: &Around, patience: Patience) -> (DateTime<Utc>, TimeDelta) {
        // the wait begins anew with the end of the migration that it began with, and of no other, and with a rollback
        let cause = self.cause.as_ref();
        let own = around.ended.as_ref().filter(|ended| cause.is_some_and(|cause| cause.id == ended.id));
        let back = around.rolled_back.filter(|back| own.is_none_or(|own| *back >= own.at) && *back > self.since);
        if let Some(back) = back {
            return (back.max(self.followed), patience.to_heal());
        }
        // what was seen some time after the migration that caused it began with that, as far as anybody knows
        let from = match own {
            Some(migration) if self.followed == self.since => migration.at,
            Some(migration) => migration.at.max(self.followed),
            None => self.followed,
        };
        let is_certain = self.certain >= CERTAIN;
        let wait = match (is_certain, cause.is_some(), self.is_mended()) {
            (true, false, _) => patience.to_confirm(),
            (true, true, _) => patience.to_deploy(),
            (false, true, false) if self.unrepaired >= UNREPAIRED => patience.after_migration(),
            // what is repaired after a migration had its time from the migration's end on
            (false, true, true) | (false, true, false) => patience.to_heal(),
            (false, false, true) => patience.while_mended(),
            (false, false, false) if self.resource => patience.of_resource(),
            (false, false, false) => patience.to_heal(),
        };
        (from, wait)
    }

    /// A suspicion is systemic when it has lasted for long enough.
    fn may_stay(&mut self, weight: f64, around: &Around, now: DateTime<Utc>, patience: Patience) -> Option<Change> {
        if around.open {
            return None;
        }
        let (from, wait) = self.given(around, patience);
        if now - from < wait {
            return None;
        }
        self.still = (self.still + weight).max(0.0);
        let is_certain = self.certain >= CERTAIN;
        if !(is_certain || (self.bad >= BAD && self.still >= STILL)) {
            return None;
        }
        let mut reason = format!("{}{}", self.last, self.beginning());
        if is_certain {
            reason.push_str("; this does not heal by itself");
        } else {
            reason.push_str(&format!(
                "; it has failed for {} in {}",
                words::time(now - self.since),
                words::plural(self.bad, "check")
            ));
        }
        if self.unrepaired > 1 {
            reason.push_str(&format!(", in the last {} of which nothing was repaired", self.unrepaired));
        }
        Some(self.comes(State::Systemic, reason, now))
    }

    /// `; began 28 s after the migration 0042 had ended`
    fn beginning(&self) -> String {
        let Some(cause) = &self.cause else { return String::new() };
        let name = cause.name.as_deref().unwrap_or(&cause.id);
        let after = self.since - cause.at;
        if after < TimeDelta::zero() {
            format!("; began {} before the migration {name} was seen to end", words::time(-after))
        } else if after > TimeDelta::zero() {
            format!("; began {} after the migration {name} had ended", words::time(after))
        } else {
            format!("; began with the migration {name}")
        }
    }

    fn is_good(&mut self, what: &str, count: f64, now: DateTime<Utc>, patience: Patience) -> Option<Change> {
        let lasted = now - self.since;
        let told = words::time(lasted);
        let by_itself = self.certain == 0 && self.cause.is_none() && lasted <= patience.in_hindsight();
        match self.state {
            State::Systemic if !by_itself => {
                Some(self.comes(State::Resolved, format!("{what}; it had failed for {told}"), now))
            }
            State::Suspect | State::Systemic => {
                if count > 0.0 {
                    self.healed.push((now, count));
                }
                let count: f64 = self.healed.iter().map(|(_, count)| count).sum();
                let first = self.healed.first().map_or(now, |(at, _)| *at);
                // a few times within what things are given to heal is one fault that does
                if count >= FLAPS && now - first > patience.to_heal() {
                    let reason = format!(
                        "{what}; it has failed and healed by itself {} within {}",
                        times(self.healed.len()),
                        words::time(now - first)
                    );
                    return Some(self.comes(State::Flapping, reason, now));
                }
                Some(self.comes(State::Transient, format!("{what}; it has healed by itself after {told}"), now))
            }
            // quiet until it stays well
            State::Flapping | State::Ok | State::Transient | State::Resolved => None,
        }
    }

    fn comes(&mut self, to: State, reason: String, now: DateTime<Utc>) -> Change {
        let from = std::mem::replace(&mut self.state, to);
        self.entered = now;
        if to == State::Ok {
            self.healed.retain(|_| from != State::Flapping);
        }
        Change { from, to, reason, since: self.since, migration: self.cause.clone() }
    }

    /// What healed long ago is no sign of flapping any more.
    fn forget(&mut self, now: DateTime<Utc>, patience: Patience) {
        self.healed.retain(|(at, _)| now - *at < patience.memory());
    }
}

/// `once`, `twice`, `5 times`.
fn times(count: usize) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        count => format!("{count} times"),
    }
}

#[cfg(test)]
mod tests;
