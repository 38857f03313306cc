//! What a check says, what went on around it, and how long things are given to heal.

use crate::rows::{Again, FACT, Look, Rows, Seen};
use crate::words;
use chrono::{DateTime, TimeDelta, Utc};
use fieldmark_model::outcome::Status;
use fieldmark_model::{Outcome, TableName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What one sighting says.
#[derive(Clone, Debug, PartialEq)]
pub enum Evidence {
    /// It fails.
    Bad(Failure),
    /// Nothing of it is seen, which is not enough to say that it is over. In nats, not above 0.
    Calm(f64),
    /// It does not, or does not any more.
    Good {
        /// In words and numbers.
        what: String,
        /// It was too short to be a sign of flapping.
        brief: bool,
    },
    /// It could not be checked, or the sample cannot tell.
    Unsure,
}

/// That something fails.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Failure {
    /// In words and numbers.
    pub what: String,
    /// Since when, where that is known to be earlier than now.
    pub since: Option<DateTime<Utc>>,
    /// How much this sighting alone speaks for it, in nats; where it is a fact, many.
    pub weight: f64,
    /// Rows that failed before and were read again.
    pub again: Option<Again>,
    /// How many rows fail, where all were read.
    pub rows: Option<u64>,
    /// What is to be done about it.
    pub nature: Nature,
}

/// Who heals it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nature {
    /// Itself, maybe.
    #[default]
    Open,
    /// Somebody: a permission, a name.
    Certain,
    /// Somebody, mostly: a disk that is full.
    Resource,
}

impl Evidence {
    /// What an outcome says of its rule on its table, after all that `rows` has seen of it; `told`: it was told to be systemic.
    pub fn of(outcome: &Outcome, rows: &mut Rows, now: DateTime<Utc>, told: bool) -> Self {
        let what = || outcome.reason.clone();
        match (outcome.status, outcome.checked) {
            (Status::NotEvaluated, _) => Self::Unsure,
            // known failures are shown, and are no alarm
            (Status::Failed, _) if outcome.is_known() => {
                *rows = Rows::default();
                Self::good(what())
            }
            // what is measured of the table, and not counted in its rows
            (Status::Inconclusive, None) => Self::Unsure,
            (Status::Failed, None) => Self::Bad(Failure { what: what(), weight: FACT, ..Failure::default() }),
            (Status::Passed, None) => Self::good(what()),
            (status, Some(checked)) => {
                let again = outcome.known_failing.map(|again| Again { known: again.known, failing: again.failing });
                let look = Look {
                    checked,
                    failed: outcome.failed,
                    tolerance: outcome.tolerance,
                    design_effect: outcome.design_effect.unwrap_or(1.0),
                    whole: !outcome.sampled,
                    again: again.filter(|again| again.known > 0),
                    decided: match status {
                        Status::Failed => Some(true),
                        Status::Passed => Some(false),
                        Status::Inconclusive | Status::NotEvaluated => None,
                    },
                };
                Self::of_rows(rows.sees(&look, now, told), &look, what())
            }
        }
    }

    /// What a check of rows says, `what` in words.
    pub fn of_rows(seen: Seen, look: &Look, mut what: String) -> Self {
        match seen {
            Seen::Well => Self::good(what),
            Seen::Healed { rows } => {
                if !look.whole {
                    what.push_str(&format!("; {} checked since it failed last", words::plural(rows, "row")));
                }
                Self::good(what)
            }
            Seen::Calm { weight } => Self::Calm(weight),
            Seen::Fails { weight, since } => {
                let again = look.again;
                if let Some(again) = again {
                    what.push_str(&format!("; {} of {} re-read rows still fail", again.failing, again.known));
                }
                let rows = look.whole.then_some(look.failed);
                Self::Bad(Failure { what, since: Some(since), weight, again, rows, nature: Nature::Open })
            }
        }
    }

    /// It does not fail.
    pub fn good(what: String) -> Self {
        Self::Good { what, brief: false }
    }

    /// Something that somebody has to put right.
    pub fn certain(what: String) -> Self {
        Self::Bad(Failure { what, weight: FACT, nature: Nature::Certain, ..Failure::default() })
    }
}

/// A migration, as far as it may be the cause of something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Migration {
    /// Its id.
    pub id: String,
    /// What it is called, where anybody said.
    pub name: Option<String>,
    /// The tables that it changes; `None`: any of the source.
    #[serde(default)]
    pub tables: Option<BTreeSet<TableName>>,
    /// When it ended; while it is open, when it began.
    pub at: DateTime<Utc>,
}

impl Migration {
    /// Whether it may change this table.
    pub fn concerns(&self, table: &TableName) -> bool {
        // one that is missing is named as whoever looks for it names it
        let is_it = |own: &TableName| {
            own == table || (table.schema.is_empty() && (own.name == table.name || own.to_string() == table.name))
        };
        self.tables.as_ref().is_none_or(|tables| tables.iter().any(is_it))
    }
}

/// What went on around a sighting.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Around {
    /// A migration is open.
    pub open: bool,
    /// The migration that is open, or the last one that ended.
    pub ended: Option<Migration>,
    /// When a migration was taken back last.
    pub rolled_back: Option<DateTime<Utc>>,
}

impl Around {
    /// The migration that may be the cause of what began now.
    pub(super) fn cause(&self, now: DateTime<Utc>, patience: Patience) -> Option<Migration> {
        let shortly = |migration: &&Migration| self.open || now - migration.at <= patience.of_cause();
        self.ended.as_ref().filter(shortly).cloned()
    }
}

/// How long things are given to heal by themselves; all other times follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience(TimeDelta);

impl Patience {
    /// Of so long.
    pub fn new(time: std::time::Duration) -> Self {
        // what follows from it has to be a time as well
        Self(TimeDelta::from_std(time).unwrap_or(TimeDelta::days(7)).min(TimeDelta::days(7)))
    }

    fn parts(self, times: i32, of: i32) -> TimeDelta {
        (self.0 / of) * times
    }

    /// What fails for longer is systemic: a little more than what is given, since what heals in the last moment has to be seen to.
    pub(crate) fn to_heal(self) -> TimeDelta {
        self.parts(31, 30)
    }

    /// The same where rows that failed are seen to be repaired, and where it is mostly somebody who heals it, but may be itself.
    pub(super) fn while_mended(self) -> TimeDelta {
        self.parts(2, 1)
    }

    /// The same where only a part of what is asked fails: that is thin, and most of what is asked is answered.
    pub(crate) fn of_a_part(self) -> TimeDelta {
        self.parts(13, 3)
    }

    /// The same of a disk that is full, and the like.
    pub(super) fn of_resource(self) -> TimeDelta {
        self.parts(4, 3)
    }

    /// The same after a migration, from its end, where the very rows stay as they are.
    pub(super) fn after_migration(self) -> TimeDelta {
        self.parts(3, 5)
    }

    /// What nothing heals but somebody is seen once more after so long.
    pub(super) fn to_confirm(self) -> TimeDelta {
        self.parts(1, 15)
    }

    /// The same after a migration: whoever deploys what belongs to it has some minutes for that.
    pub(super) fn to_deploy(self) -> TimeDelta {
        self.parts(2, 15)
    }

    /// What failed for no longer, and then did not any more, has healed by itself after all.
    pub(super) fn in_hindsight(self) -> TimeDelta {
        self.parts(4, 1)
    }

    /// What is seen to by nobody for so long is given its time anew.
    pub(super) fn unattended(self) -> TimeDelta {
        self.parts(1, 5)
    }

    /// For how long after its end a migration may be the cause of what begins.
    pub(super) fn of_cause(self) -> TimeDelta {
        self.parts(1, 1)
    }

    /// What begins to fail on one source within so long has one cause.
    pub(crate) fn of_breadth(self) -> TimeDelta {
        self.parts(1, 2)
    }

    /// The same of sources that cannot be checked, and of agents that are not heard of.
    pub(crate) fn of_outages(self) -> TimeDelta {
        self.parts(1, 3)
    }

    /// The same of one table, and of one rule on several sources.
    pub(crate) fn of_rollout(self) -> TimeDelta {
        self.parts(2, 1)
    }

    /// A replica that is behind by more does not follow its primary.
    pub fn of_lag(self) -> TimeDelta {
        self.parts(1, 15)
    }

    /// What fails again so soon after it was over is the same incident.
    pub(crate) fn to_reopen(self) -> TimeDelta {
        self.parts(2, 1)
    }

    /// What was over for longer is not reopened, whenever it is told.
    pub fn to_remember(self) -> TimeDelta {
        self.parts(8, 1)
    }

    /// An agent that is not heard of for longer may be silent.
    pub(crate) fn to_doubt(self) -> TimeDelta {
        self.parts(2, 15)
    }

    /// An agent that is not heard of for longer is silent: heartbeats come every minute, and are seen every minute.
    pub fn of_silence(self) -> TimeDelta {
        self.parts(11, 10)
    }

    /// Time until something that is suspected is looked at again.
    pub(super) fn glance(self, seen: u64) -> TimeDelta {
        // 5 s, 10 s, 20 s, and then every half minute, of 15 minutes
        let doublings = u32::try_from(seen.saturating_sub(1).min(3)).unwrap_or(3);
        (self.parts(1, 180) * 2_i32.pow(doublings)).min(self.parts(1, 30))
    }

    /// The same where looking could not tell for some time.
    pub(super) fn rare_glance(self) -> TimeDelta {
        self.parts(1, 3)
    }

    /// For how long what has healed is told of as that.
    pub(super) fn after_healing(self) -> TimeDelta {
        self.parts(1, 1)
    }

    /// For how long what was repaired is.
    pub(super) fn after_repair(self) -> TimeDelta {
        self.parts(4, 1)
    }

    /// For how long what flapped has to be well.
    pub(super) fn after_flapping(self) -> TimeDelta {
        self.parts(8, 1)
    }

    /// For how long healings count towards flapping.
    pub(super) fn memory(self) -> TimeDelta {
        self.parts(16, 1)
    }
}
