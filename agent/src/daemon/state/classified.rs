//! What was seen of a source goes to what is known of its failures, and what comes of that is told.

use super::{Effect, Job, Now, Open, Source};
use crate::daemon::episodes::Moment;
use crate::daemon::event::Left;
use chrono::{DateTime, TimeDelta, Utc};
use fieldmark_classify::{Migration, Patience};
use fieldmark_model::SourceName;
use fieldmark_model::observation::{Body, NoticedBy, SourceFault, State, UnwellSource};
use std::time::Duration;

/// How long a migration that is open excuses what fails.
const LONGEST: TimeDelta = TimeDelta::days(1);

impl Open {
    /// As the cause of something: where somebody has opened it, of whatever he changes, else of the tables that it was noticed by.
    fn cause(&self, at: DateTime<Utc>) -> Migration {
        let tables = match self.noticed_by {
            NoticedBy::Opened => None,
            NoticedBy::Catalogue => self.tables.clone(),
        };
        Migration { id: self.id.clone(), name: self.name.clone(), tables, at }
    }
}

impl Source {
    fn moment<'a>(&self, source: &'a SourceName, now: Now, patience: Patience) -> Moment<'a> {
        let open = self.migration.as_ref().filter(|open| open.ended.is_none() && !open.opening);
        let open = open.filter(|open| now.steady - open.began <= LONGEST);
        Moment { source, now: now.steady, open: open.map(|open| open.cause(open.began)), patience }
    }

    /// Rules were checked, all of them or some; the changes of state that this makes.
    pub(super) fn rules_seen(
        &mut self,
        name: &SourceName,
        bodies: &mut Vec<Body>,
        (all, anew): (bool, bool),
        (now, patience): (Now, Patience),
        effects: &mut Vec<Effect>,
    ) {
        let moment = self.moment(name, now, patience);
        let changes = self.episodes.checked(bodies, (all, anew), &moment);
        say(name, &changes, effects);
        bodies.extend(changes);
        let soonest = self.episodes.wanted(patience).and_then(|(soonest, _)| soonest.to_std().ok());
        self.next_recheck = soonest.map(|soonest| now.up + soonest);
    }

    /// All that is wrong with it.
    pub(super) fn wrong(&self, name: &SourceName) -> UnwellSource {
        UnwellSource { source: name.clone(), states: self.episodes.wrong(name) }
    }

    /// A migration that is open for so long that it excuses nothing any more.
    pub(super) fn open_for_long(&self) -> Option<String> {
        let open = self.migration.as_ref().filter(|open| open.ended.is_none() && self.outlasted)?;
        Some(format!(
            "the migration {} is open for more than a day, and excuses nothing any more: `fieldmark after --close` judges it",
            open.id
        ))
    }

    /// A migration is over: it may be the cause of what begins to fail now, and its scripts are taken back so.
    pub(super) fn migrated(&mut self, open: &mut Open, left: Option<Left>, now: Now) {
        let own = open.cause(open.ended.map_or(now.steady, |ended| ended.steady));
        let (tables, ways_back) =
            left.map_or(((None, None), Vec::new()), |left| (left.tables, left.ways_back.unwrap_or_default()));
        open.takes_back = self.episodes.migrated(own, tables, ways_back);
    }

    /// It could not be read.
    pub(super) fn could_not_be_read(
        &mut self,
        name: &SourceName,
        (job, fault): (&Job, &SourceFault),
        (now, patience): (Now, Patience),
        effects: &mut Vec<Effect>,
    ) {
        // a mark or a recapture may fail for what is none of the source's fault
        if matches!(job, Job::Look { .. } | Job::Check) {
            let moment = self.moment(name, now, patience);
            let changes = self.episodes.failed(job.as_str(), fault, &moment);
            tell(name, now, changes, effects);
        }
    }

    /// It was looked at how late it is, if it is a replica.
    pub(super) fn is_late(
        &mut self,
        name: &SourceName,
        seconds: Option<f64>,
        (now, patience): (Now, Patience),
        effects: &mut Vec<Effect>,
    ) {
        let moment = self.moment(name, now, patience);
        let changes = self.episodes.late(seconds, &moment);
        tell(name, now, changes, effects);
    }

    /// It was read.
    pub(super) fn was_read(
        &mut self,
        (name, job): (&SourceName, &Job),
        (now, patience): (Now, Patience),
        effects: &mut Vec<Effect>,
    ) {
        let moment = self.moment(name, now, patience);
        let changes = self.episodes.answered(job.as_str(), &moment);
        tell(name, now, changes, effects);
    }

    /// Time has passed; what is new of its failures is kept.
    pub(super) fn settles(&mut self, name: &SourceName, (now, patience): (Now, Patience), effects: &mut Vec<Effect>) {
        let moment = self.moment(name, now, patience);
        let changes = self.episodes.passes(&moment);
        tell(name, now, changes, effects);
        self.outlasted = self.migration.as_ref().is_some_and(|open| now.steady - open.began > LONGEST);
        if !self.episodes.is_kept_as(&self.kept) {
            self.kept = self.episodes.clone();
            effects.push(Effect::Keep { source: name.clone(), episodes: Box::new(self.episodes.clone()) });
        }
    }

    /// It is not configured any more.
    pub(super) fn leaves(&self, name: &SourceName, (now, patience): (Now, Patience), effects: &mut Vec<Effect>) {
        let changes = self.episodes.left(&self.moment(name, now, patience));
        tell(name, now, changes, effects);
        effects.push(Effect::Keep { source: name.clone(), episodes: Box::default() });
    }

    /// The check of what is suspected, where one is due.
    pub(super) fn recheck(&self, now: Duration, patience: Patience) -> Option<Job> {
        let due = self.migration.is_none() && self.next_recheck.is_some_and(|next| next <= now);
        let (_, tables) = due.then(|| self.episodes.wanted(patience)).flatten()?;
        Some(Job::Recheck { tables })
    }
}

fn tell(name: &SourceName, now: Now, changes: Vec<Body>, effects: &mut Vec<Effect>) {
    if !changes.is_empty() {
        say(name, &changes, effects);
        effects.push(Effect::Record { time: now.wall, bodies: changes });
    }
}

/// What somebody who looks at the process is told: what is not well for good, and that it is well again.
fn say(name: &SourceName, changes: &[Body], effects: &mut Vec<Effect>) {
    for body in changes {
        let Body::State(change) = body else { continue };
        let about = match (&change.table, &change.rule) {
            (Some(table), Some(rule)) => format!("{name}: {rule} on {table}"),
            (Some(table), None) => format!("{name}: that rules on {table} cannot be checked"),
            (None, _) => name.to_string(),
        };
        let line = format!("{about} is {}: {}", change.to.as_str(), change.reason);
        match change.to {
            State::Systemic | State::Flapping => effects.push(Effect::Warn(line)),
            State::Transient | State::Resolved => effects.push(Effect::Say(line)),
            State::Ok | State::Suspect => {}
        }
    }
}
