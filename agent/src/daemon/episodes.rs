//! What fails of one source, rule by rule and as a whole: fed with what was seen, gives changes of state. Pure.

mod blind;

use crate::report::words;
use chrono::{DateTime, TimeDelta, Utc};
use fieldmark_classify::episode::Nature;
use fieldmark_classify::outage::{Tried, Tries};
use fieldmark_classify::{Around, Change, Episode, Evidence, Migration, Outage, Patience, Rows};
use fieldmark_model::observation::{Body, SourceFault, State, StateChange};
use fieldmark_model::outcome::Fix;
use fieldmark_model::{Outcome, RuleId, Severity, SourceName, TableName, outcome};
use fieldmark_source::Fingerprint;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

const VERSION: u32 = 3;
/// Whether a replica follows, among what is asked of a source.
const REPLAY: &str = "replay";
/// Migrations that are remembered, at most.
const MIGRATIONS: usize = 16;

/// What is not well, or was not a short time ago: a rule on a table; or a table, of which rules cannot be checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Own {
    table: TableName,
    rule: Option<RuleId>,
    severity: Severity,
    owner: Option<String>,
    #[serde(default)]
    about: About,
    episode: Episode,
    /// What its checks say, of a rule.
    rows: Rows,
    /// What asking for its rows met, of a table.
    tries: Tries<()>,
}

/// What its author says of a rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct About {
    description: Option<String>,
    runbook: Option<String>,
    escalation: Option<String>,
    #[serde(default)]
    fixes: Vec<Fix>,
}

impl About {
    fn of(outcome: &Outcome) -> Self {
        let Outcome { description, runbook, escalation, fixes, .. } = outcome;
        Self {
            description: description.clone(),
            runbook: runbook.clone(),
            escalation: escalation.clone(),
            fixes: fixes.clone(),
        }
    }
}

/// All that is not well of a source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Episodes {
    version: u32,
    parts: Vec<Own>,
    /// What the checks of rules say that are well: learned anew by a process that is.
    #[serde(skip)]
    well: BTreeMap<(TableName, RuleId), Rows>,
    /// The source as a whole: what jobs met.
    whole: Option<Outage<String>>,
    /// How much it matters that it cannot be checked: as much as the rule of it that matters most.
    severity: Severity,
    /// Migrations that ended, the last one last: as many as may be the cause of something.
    migrations: Vec<Past>,
}

/// A migration that ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Past {
    migration: Migration,
    /// The tables before it, where they were seen.
    before: Option<Fingerprint>,
    /// The earlier one that it took back.
    takes_back: Option<String>,
    /// How its scripts are taken back.
    ways_back: Vec<Fix>,
}

/// Those that stand: neither taken back, nor what took another back. One that is taken back takes all that came after it along.
fn standing(migrations: &[Past]) -> Vec<&Past> {
    let mut standing: Vec<&Past> = Vec::new();
    for past in migrations {
        match &past.takes_back {
            Some(id) => {
                let first = standing.iter().position(|own| own.migration.id == *id);
                standing.truncate(first.unwrap_or(standing.len()));
            }
            None => standing.push(past),
        }
    }
    standing
}

/// How the scripts of a migration are taken back, unless that was done.
fn ways_back<'m>(migrations: &'m [Past], id: &str) -> &'m [Fix] {
    let own = standing(migrations).into_iter().find(|past| past.migration.id == id);
    own.map_or(&[], |past| &past.ways_back)
}

impl Default for Episodes {
    fn default() -> Self {
        Self {
            version: VERSION,
            parts: Vec::new(),
            well: BTreeMap::new(),
            whole: None,
            severity: Severity::default(),
            migrations: Vec::new(),
        }
    }
}

/// Of which source, when, and what goes on there.
pub(super) struct Moment<'a> {
    pub(super) source: &'a SourceName,
    pub(super) now: DateTime<Utc>,
    /// The migration that is open.
    pub(super) open: Option<Migration>,
    pub(super) patience: Patience,
}

impl Episodes {
    /// Whether this version has written it.
    pub(super) fn is_known(&self) -> bool {
        self.version == VERSION
    }

    /// They were remembered, and go on.
    pub(super) fn resume(&mut self, now: DateTime<Utc>, patience: Patience) {
        let parts = self.parts.iter_mut().map(|own| &mut own.episode);
        let whole = self.whole.iter_mut().map(Outage::episode_mut);
        parts.chain(whole).for_each(|episode| episode.resumes(now, patience));
        for Past { migration, .. } in &mut self.migrations {
            migration.at = migration.at.min(now);
        }
    }

    /// A migration has ended; the tables before and after it, where they were seen. The last one that it has taken back, if it did: the
    /// tables are as they were before that one.
    pub(super) fn migrated(
        &mut self,
        migration: Migration,
        (before, after): (Option<Fingerprint>, Option<Fingerprint>),
        ways_back: Vec<Fix>,
    ) -> Option<String> {
        let changed = after.filter(|after| before.as_ref().is_some_and(|before| before != after));
        let standing = standing(&self.migrations);
        let taken_back = |after: &Fingerprint| standing.iter().rfind(|past| past.before.as_ref() == Some(after));
        let takes_back = changed.as_ref().and_then(taken_back).map(|past| past.migration.id.clone());
        self.migrations.push(Past { migration, before, takes_back: takes_back.clone(), ways_back });
        let many = self.migrations.len().saturating_sub(MIGRATIONS);
        self.migrations.drain(..many);
        takes_back
    }

    /// What goes on around a table.
    fn around(&self, table: &TableName, moment: &Moment<'_>) -> Around {
        let open = moment.open.clone().filter(|open| open.concerns(table));
        let mut past = self.migrations.iter().rev().filter(|past| past.migration.concerns(table));
        let rolled_back = past.clone().find(|past| past.takes_back.is_some()).map(|past| past.migration.at);
        let ended = open.clone().or_else(|| past.next().map(|past| past.migration.clone()));
        Around { open: open.is_some(), ended, rolled_back }
    }

    /// Whether the same is to be kept.
    pub(super) fn is_kept_as(&self, kept: &Self) -> bool {
        let known = |all: &Self| (all.severity, all.migrations.clone());
        self.parts == kept.parts && self.whole == kept.whole && known(self) == known(kept)
    }

    /// Rules were checked; `anew`: all of them, by rules that are new, so that those which are not among them are gone. A rule that is not seen
    /// otherwise, since its table is not, is as it was.
    pub(super) fn checked(&mut self, bodies: &[Body], (all, anew): (bool, bool), moment: &Moment<'_>) -> Vec<Body> {
        let outcomes: Vec<&Outcome> = bodies.iter().filter_map(outcome_of).collect();
        let mut changes = Vec::new();
        if all {
            self.severity = outcomes.iter().map(|outcome| outcome.severity).max().unwrap_or_default();
        }
        if anew {
            let there: BTreeSet<&RuleId> = outcomes.iter().map(|outcome| &outcome.rule).collect();
            let is_gone = |own: &Own| own.rule.as_ref().is_some_and(|rule| !there.contains(rule));
            let gone: Vec<Own> = self.parts.extract_if(.., |own| is_gone(own)).collect();
            changes.extend(gone.iter().filter_map(|own| own.left("the rule is not there any more", moment)));
        }
        for outcome in &outcomes {
            let evidence = self.evidence(outcome, moment);
            let sighting = Sighting {
                table: &outcome.table,
                rule: Some(&outcome.rule),
                severity: outcome.severity,
                owner: outcome.owner.as_ref(),
                about: About::of(outcome),
                evidence,
                tries: Tries::default(),
            };
            changes.extend(self.sees(sighting, moment));
        }
        changes.extend(self.blindness(&outcomes, all, moment));
        self.parts.retain(|own| !own.episode.is_blank());
        changes
    }

    /// What an outcome says, after all that was seen of its rule.
    fn evidence(&mut self, outcome: &Outcome, moment: &Moment<'_>) -> Evidence {
        if let Some(own) = self.parts.iter_mut().find(|own| own.is_of(&outcome.table, Some(&outcome.rule))) {
            return Evidence::of(outcome, &mut own.rows, moment.now, own.episode.is_told());
        }
        // where none may fail there is nothing to be learned of those that usually do
        let key = (outcome.table.clone(), outcome.rule.clone());
        if outcome.tolerance <= 0.0 {
            let mut rows = Rows::default();
            let evidence = Evidence::of(outcome, &mut rows, moment.now, false);
            if rows.fails() {
                self.well.insert(key, rows);
            }
            return evidence;
        }
        Evidence::of(outcome, self.well.entry(key).or_default(), moment.now, false)
    }

    fn sees(&mut self, sighting: Sighting<'_>, moment: &Moment<'_>) -> Option<Body> {
        let Sighting { table, rule, severity, owner, about, evidence, tries } = sighting;
        let around = self.around(table, moment);
        let at = match self.parts.iter().position(|own| own.is_of(table, rule)) {
            Some(at) => at,
            // what was well and is has no life to be told
            None if !matches!(evidence, Evidence::Bad { .. }) => return None,
            None => {
                let (table, rule, owner) = (table.clone(), rule.cloned(), owner.cloned());
                let well = rule.clone().and_then(|rule| self.well.remove(&(table.clone(), rule)));
                let (rows, episode) = (well.unwrap_or_default(), Episode::new(moment.now));
                self.parts.push(Own { table, rule, severity, owner, about: about.clone(), episode, rows, tries });
                self.parts.len() - 1
            }
        };
        let own = self.parts.get_mut(at)?;
        let (before, mattered) = (own.episode.stands(), own.severity);
        (own.severity, own.owner) = (severity, owner.cloned().or(own.owner.take()));
        if about != About::default() {
            // what was known before a restart may help still
            let known = std::mem::replace(&mut own.about, about).fixes;
            if rule.is_none() && before.is_some() && own.about.fixes.is_empty() {
                own.about.fixes = known;
            }
        }
        let change = own.episode.sees(&evidence, &around, moment.now, moment.patience);
        let change = change.or_else(|| own.told_anew(before.as_ref(), mattered));
        change.map(|change| Body::State(own.told(change, moment.source, &self.migrations)))
    }

    /// The source could not be read by a job of this kind.
    pub(super) fn failed(&mut self, job: &str, fault: &SourceFault, moment: &Moment<'_>) -> Vec<Body> {
        let nature = match fault.nature {
            outcome::Nature::Transient => Nature::Open,
            outcome::Nature::Permanent => Nature::Certain,
            outcome::Nature::Resource => Nature::Resource,
        };
        self.tried(job, Some((fault.what.clone(), nature)), moment)
    }

    /// The replica that is read is so many seconds behind its primary, without those that it is told to be; `None`: it is none, or nobody knows.
    pub(super) fn late(&mut self, seconds: Option<f64>, moment: &Moment<'_>) -> Vec<Body> {
        let most = moment.patience.of_lag().as_seconds_f64();
        let Some(seconds) = seconds.filter(|seconds| *seconds > most) else { return self.answered(REPLAY, moment) };
        let late = words::duration(seconds);
        let what = format!("the replica is {late} behind its primary: what is checked is as it was then");
        self.tried(REPLAY, Some((what, Nature::Open)), moment)
    }

    /// It was read by a job of this kind.
    pub(super) fn answered(&mut self, job: &str, moment: &Moment<'_>) -> Vec<Body> {
        if self.whole.is_none() {
            return Vec::new();
        }
        let told = self.tried(job, None, moment);
        self.whole.take_if(|whole| whole.episode().is_blank());
        told
    }

    fn tried(&mut self, job: &str, error: Option<(String, Nature)>, moment: &Moment<'_>) -> Vec<Body> {
        let whole = self.whole.get_or_insert_with(|| Outage::new(moment.now));
        let tried = Tried { by: job.to_owned(), tries: 1, failed: u64::from(error.is_some()), error };
        let change = whole.sees(tried, moment.now, moment.patience);
        change.map(|change| Body::State(self.of_source(change, moment.source))).into_iter().collect()
    }

    /// Time has passed.
    pub(super) fn passes(&mut self, moment: &Moment<'_>) -> Vec<Body> {
        let mut changes = Vec::new();
        for own in &mut self.parts {
            let change = own.episode.passes(moment.now, moment.patience);
            changes.extend(change.map(|change| Body::State(own.told(change, moment.source, &self.migrations))));
        }
        let change = self.whole.as_mut().and_then(|whole| whole.passes(moment.now, moment.patience));
        changes.extend(change.map(|change| Body::State(self.of_source(change, moment.source))));
        if !changes.is_empty() {
            self.parts.retain(|own| !own.episode.is_blank());
            self.whole.take_if(|whole| whole.episode().is_blank());
        }
        changes
    }

    /// The source is not configured any more: whatever was wrong with it concerns nobody.
    pub(super) fn left(&self, moment: &Moment<'_>) -> Vec<Body> {
        let why = "the source is not configured any more";
        let mut changes: Vec<Body> = self.parts.iter().filter_map(|own| own.left(why, moment)).collect();
        let whole = self.whole.as_ref().map(Outage::episode).filter(|whole| whole.state() != State::Ok);
        changes.extend(whole.map(|whole| Body::State(self.of_source(over(whole, why, moment.now), moment.source))));
        changes
    }

    /// The tables of which rules want to be checked again, and when the first of them does.
    pub(super) fn wanted(&self, patience: Patience) -> Option<(TimeDelta, Vec<TableName>)> {
        let wants = self.parts.iter().filter_map(|own| Some((own.episode.wants(patience)?, &own.table)));
        let soonest = wants.clone().map(|(when, _)| when).min()?;
        let tables: BTreeSet<TableName> = wants.map(|(_, table)| table.clone()).collect();
        Some((soonest, tables.into_iter().collect()))
    }

    /// All that is wrong.
    pub(super) fn wrong(&self, source: &SourceName) -> Vec<StateChange> {
        let whole =
            self.whole.as_ref().and_then(|whole| whole.episode().stands()).map(|change| self.of_source(change, source));
        let parts = self.parts.iter().filter_map(|own| Some(own.told(own.episode.stands()?, source, &self.migrations)));
        whole.into_iter().chain(parts).collect()
    }

    /// The state of a rule on a table.
    pub(super) fn state_of(&self, table: &TableName, rule: &RuleId) -> State {
        let own = self.parts.iter().find(|own| own.rule.as_ref() == Some(rule) && own.table == *table);
        own.map_or(State::Ok, |own| own.episode.state())
    }

    /// What is not well, in words.
    pub(super) fn told(&self) -> Vec<(String, &'static str)> {
        let parts = self.parts.iter().map(|own| (own.to_string(), own.episode.state()));
        let whole = self.whole.iter().map(|whole| ("the source".to_owned(), whole.episode().state()));
        let unwell = whole.chain(parts).filter(|(_, state)| *state != State::Ok);
        unwell.map(|(what, state)| (what, state.as_str())).collect()
    }

    fn of_source(&self, change: Change, source: &SourceName) -> StateChange {
        StateChange {
            source: source.clone(),
            table: None,
            rule: None,
            from: change.from,
            to: change.to,
            reason: change.reason,
            since: change.since,
            severity: self.severity,
            owner: None,
            migration: None,
            migration_name: None,
            description: None,
            runbook: None,
            escalation: None,
            fixes: Vec::new(),
        }
    }
}

/// What was seen of one rule on a table, or of a table.
struct Sighting<'a> {
    table: &'a TableName,
    rule: Option<&'a RuleId>,
    severity: Severity,
    owner: Option<&'a String>,
    about: About,
    evidence: Evidence,
    /// Of a table of which nothing was known yet.
    tries: Tries<()>,
}

impl fmt::Display for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rule {
            Some(rule) => write!(f, "{rule} on {}", self.table),
            None => write!(f, "rules on {}", self.table),
        }
    }
}

impl Own {
    /// Whether it is of this rule on this table. A table that is missing is named as the rule file names it.
    fn is_of(&self, table: &TableName, rule: Option<&RuleId>) -> bool {
        self.rule.as_ref() == rule && (self.table == *table || (rule.is_some() && table.schema.is_empty()))
    }

    fn told(&self, change: Change, source: &SourceName, migrations: &[Past]) -> StateChange {
        let cause = change.migration.as_ref().filter(|_| !matches!(change.to, State::Resolved | State::Ok));
        let ways_back = cause.map_or(&[][..], |migration| ways_back(migrations, &migration.id));
        StateChange {
            source: source.clone(),
            table: Some(self.table.clone()),
            rule: self.rule.clone(),
            from: change.from,
            to: change.to,
            reason: change.reason,
            since: change.since,
            severity: self.severity,
            owner: self.owner.clone(),
            migration: change.migration.as_ref().map(|migration| migration.id.clone()),
            migration_name: change.migration.and_then(|migration| migration.name),
            description: self.about.description.clone(),
            runbook: self.about.runbook.clone(),
            escalation: self.about.escalation.clone(),
            fixes: ways_back.iter().chain(&self.about.fixes).cloned().collect(),
        }
    }

    /// What is in the state that was told, but matters more than it did, or is a table of which others of its rules cannot be checked now.
    fn told_anew(&self, before: Option<&Change>, mattered: Severity) -> Option<Change> {
        let before = before.filter(|before| matches!(before.to, State::Systemic | State::Flapping))?;
        let now = self.episode.stands()?;
        let is_other = self.severity > mattered || (self.rule.is_none() && now.reason != before.reason);
        is_other.then_some(now)
    }

    /// It is gone: whatever was wrong with it concerns nobody.
    fn left(&self, why: &str, moment: &Moment<'_>) -> Option<Body> {
        let was_unwell = self.episode.state() != State::Ok;
        was_unwell.then(|| Body::State(self.told(over(&self.episode, why, moment.now), moment.source, &[])))
    }
}

/// An episode ends because what it is about does.
fn over(episode: &Episode, why: &str, now: DateTime<Utc>) -> Change {
    Change {
        from: episode.state(),
        to: State::Ok,
        reason: why.to_owned(),
        since: now,
        migration: episode.migration().cloned(),
    }
}

fn outcome_of(body: &Body) -> Option<&Outcome> {
    if let Body::Outcome(outcome) = body { Some(outcome) } else { None }
}
