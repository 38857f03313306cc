//! One incident for one cause, over the states that agents tell: what is open, who has to know, and when it is over.
//!
//! It opens when the first of it is systemic, tells so once, takes up what else fails of the same cause (`group`), and is over when all of it
//! is well. What fails again shortly after is the same one, reopened.

mod group;

use crate::Patience;
use chrono::{DateTime, Utc};
use fieldmark_model::observation::{State, StateChange};
use fieldmark_model::outcome::Fix;
use fieldmark_model::{RuleId, Severity, SourceName, TableName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What an incident is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// What failed after this migration.
    Migration {
        /// Its id, which is its agent's own.
        id: String,
        /// What it is called, where anybody said: the same wherever it runs.
        name: Option<String>,
    },
    /// The source cannot be checked.
    Source,
    /// Nothing is heard of the agent.
    Agent,
    /// Rules on this table cannot be checked.
    Table(TableName),
    /// One rule on one table.
    Rule(TableName, RuleId),
}

impl Cause {
    /// The cause of what changed.
    pub fn of(change: &StateChange) -> Self {
        match (&change.migration, &change.table, &change.rule) {
            (_, None, _) => Self::Source,
            (Some(id), Some(_), _) => Self::Migration { id: id.clone(), name: change.migration_name.clone() },
            (None, Some(table), None) => Self::Table(table.clone()),
            (None, Some(table), Some(rule)) => Self::Rule(table.clone(), rule.clone()),
        }
    }
}

/// One rule on one table that an incident is about, a table of which rules cannot be checked, or a source as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Who sees it.
    pub agent: String,
    /// Of which source; `None`: nothing is heard of the agent.
    pub source: Option<SourceName>,
    /// The table; `None`: the source as a whole.
    pub table: Option<TableName>,
    /// The rule; `None`: the table, or the source, as a whole.
    pub rule: Option<RuleId>,
    /// The state that it is in.
    pub state: State,
    /// Since when it goes on.
    pub since: DateTime<Utc>,
    /// When it came into its state, by the agent's clock.
    pub changed: DateTime<Utc>,
    /// The reason of its state, in words and numbers.
    pub reason: String,
    /// How much it matters.
    pub severity: Severity,
    /// Who answers for it.
    pub owner: Option<String>,
    /// The rule's description, from its author.
    pub description: Option<String>,
    /// Its runbook.
    pub runbook: Option<String>,
    /// The route that it escalates to.
    pub escalation: Option<String>,
    /// What may help.
    #[serde(default)]
    pub fixes: Vec<Fix>,
}

impl Part {
    /// Whether it is well, or as good as.
    pub fn is_over(&self) -> bool {
        match self.state {
            State::Ok | State::Transient | State::Resolved => true,
            State::Suspect | State::Systemic | State::Flapping => false,
        }
    }

    /// Of what it is a part: the source, or the agent of which nothing is heard.
    pub fn place(&self) -> &str {
        self.source.as_ref().map_or(self.agent.as_str(), SourceName::as_str)
    }

    /// What it is about, without its place.
    pub fn about(&self) -> String {
        match (&self.table, &self.rule) {
            (Some(table), Some(rule)) => format!("{rule} on {table}"),
            (Some(table), None) => format!("rules on {table} cannot be checked"),
            (None, _) if self.source.is_some() => "it cannot be checked".to_owned(),
            (None, _) => "nothing is heard of it".to_owned(),
        }
    }
}

/// Something that somebody has to know of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its id.
    pub id: String,
    /// What it is about.
    pub cause: Cause,
    /// `systemic` or `flapping`; when it is over `resolved`, or `transient` where it has healed by itself after all.
    pub class: State,
    /// How much it matters: as much as the part of it that matters most.
    pub severity: Severity,
    /// When it was opened.
    pub opened: DateTime<Utc>,
    /// When it was over.
    pub resolved: Option<DateTime<Utc>>,
    /// Who has taken it up.
    pub acknowledged: Option<Acknowledged>,
    /// What it is made of, in the order in which it came.
    pub parts: Vec<Part>,
}

/// Somebody has taken an incident up: it is not told to others for want of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// Who.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
    /// What they say of it.
    pub note: Option<String>,
}

/// What is told of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// It is open.
    Opened,
    /// It matters more than before, or is of another class.
    Risen,
    /// More belongs to it, of a source or an owner that it was not about.
    Joined,
    /// It was over, and is not.
    Reopened,
    /// Somebody has taken it up.
    Acknowledged,
    /// Nobody has taken it up in time.
    Escalated,
    /// A migration is over, which is no incident.
    Migrated,
    /// It is over.
    Resolved,
}

impl Notice {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Risen => "risen",
            Self::Joined => "joined",
            Self::Reopened => "reopened",
            Self::Acknowledged => "acknowledged",
            Self::Escalated => "escalated",
            Self::Migrated => "migrated",
            Self::Resolved => "resolved",
        }
    }

    /// Whether it says that something is wrong, and not what became of it.
    pub fn begins(self) -> bool {
        match self {
            Self::Opened | Self::Risen | Self::Joined | Self::Reopened | Self::Escalated => true,
            Self::Acknowledged | Self::Migrated | Self::Resolved => false,
        }
    }

    /// The notice of a word.
    pub fn of(word: &str) -> Option<Self> {
        let all = [
            Self::Opened,
            Self::Risen,
            Self::Joined,
            Self::Reopened,
            Self::Acknowledged,
            Self::Escalated,
            Self::Migrated,
            Self::Resolved,
        ];
        all.into_iter().find(|notice| notice.as_str() == word)
    }
}

/// What a change of state does to one of the open incidents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its place among those that are open.
    pub at: usize,
    /// What is told of it.
    pub notice: Option<Notice>,
}

/// What is told: by whom, and when.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// By whom.
    pub agent: &'a str,
    /// When, by the agent's clock.
    pub time: DateTime<Utc>,
    /// What changed; without a source: whether anything is heard of the agent.
    pub change: Subject<'a>,
}

/// What changed.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// A rule on a table, a table, or a source.
    State(&'a StateChange),
    /// Nothing is heard of the agent any more, or something is again.
    Silence(&'a Silence),
}

/// Nothing is heard of an agent, or something is again.
#[derive(Clone, Debug, PartialEq)]
pub struct Silence {
    /// [`State::Systemic`], or [`State::Transient`] and [`State::Resolved`] when it is over.
    pub to: State,
    /// When it was heard of last.
    pub since: DateTime<Utc>,
    /// In words and numbers.
    pub reason: String,
}

impl Told<'_> {
    fn cause(&self) -> Cause {
        match self.change {
            Subject::State(change) => Cause::of(change),
            Subject::Silence(_) => Cause::Agent,
        }
    }

    fn part(&self) -> Part {
        let blank = |state, since, reason: &String| Part {
            agent: self.agent.to_owned(),
            source: None,
            table: None,
            rule: None,
            state,
            since,
            changed: self.time,
            reason: reason.clone(),
            // whatever it watches, nobody does
            severity: Severity::Page,
            owner: None,
            description: None,
            runbook: None,
            escalation: None,
            fixes: Vec::new(),
        };
        match self.change {
            Subject::Silence(silence) => blank(silence.to, silence.since, &silence.reason),
            Subject::State(change) => Part {
                source: Some(change.source.clone()),
                table: change.table.clone(),
                rule: change.rule.clone(),
                severity: change.severity,
                owner: change.owner.clone(),
                description: change.description.clone(),
                runbook: change.runbook.clone(),
                escalation: change.escalation.clone(),
                fixes: change.fixes.clone(),
                ..blank(change.to, change.since, &change.reason)
            },
        }
    }
}

impl Part {
    /// Whether it is of the same rule on the same table, or whatever else it is.
    fn is_of(&self, other: &Self) -> bool {
        self.agent == other.agent && self.source == other.source && self.table == other.table && self.rule == other.rule
    }
}

impl Incident {
    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.resolved.is_none()
    }

    /// The same without what it is made of.
    pub fn clone_without_parts(&self) -> Self {
        Self {
            id: self.id.clone(),
            cause: self.cause.clone(),
            acknowledged: self.acknowledged.clone(),
            parts: Vec::new(),
            ..*self
        }
    }

    /// The sources that it is about.
    pub fn sources(&self) -> impl Iterator<Item = &SourceName> {
        self.parts.iter().filter_map(|part| part.source.as_ref())
    }

    /// Who saw it first.
    pub fn agent(&self) -> &str {
        self.parts.first().map_or("", |part| part.agent.as_str())
    }

    /// Whose it is, as far as it was seen first.
    pub fn owner(&self) -> &str {
        self.parts.iter().find_map(|part| part.owner.as_deref()).unwrap_or("")
    }

    /// The source of which it was seen first.
    pub fn source(&self) -> &str {
        self.sources().next().map_or("", |source| source.as_str())
    }
}

/// Tables of a source that a table is made from, and that are made from it, as far as its lineage is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kin {
    /// What it is made from, or decided by.
    pub up: BTreeSet<TableName>,
    /// What is made from it, or decided by it.
    pub down: BTreeSet<TableName>,
}

impl Kin {
    fn has(&self, table: &TableName) -> bool {
        self.up.contains(table) || self.down.contains(table)
    }
}

/// Takes what changed: `known` are the incidents that are open, and those that were until a short time ago, of which one is changed, or to which one is
/// added under this id; one that is over stays among them with the time of its end. Changes of an agent have to come in the order in which they were told.
/// `None`: it concerns nobody.
pub fn takes(
    known: &mut Vec<Incident>,
    told: Told<'_>,
    id: &str,
    now: DateTime<Utc>,
    patience: Patience,
    kin: &Kin,
) -> Option<Step> {
    let part = told.part();
    let stays = matches!(part.state, State::Systemic | State::Flapping) && part.severity != Severity::Info;
    let place = group::place_of(known, &part, &told.cause(), (now, patience), kin);
    let Some(at) = place.filter(|at| stays || known.get(*at).is_some_and(Incident::is_open)) else {
        return stays.then(|| {
            known.push(Incident {
                id: id.to_owned(),
                cause: told.cause(),
                class: part.state,
                severity: part.severity,
                opened: now,
                resolved: None,
                acknowledged: None,
                parts: vec![part],
            });
            Step { at: known.len() - 1, notice: Some(Notice::Opened) }
        });
    };
    let incident = known.get_mut(at)?;
    let reopens = incident.resolved.take().is_some();
    if reopens {
        // whoever had taken it up believes that it is over
        incident.acknowledged = None;
    }
    // how much what is open of it matters
    let matters =
        |incident: &Incident| incident.parts.iter().filter(|own| !own.is_over()).map(|own| own.severity).max();
    let mattered = matters(incident);
    let own = incident.parts.iter_mut().find(|own| own.is_of(&part));
    let joins = match own {
        Some(own) => {
            // what is told of its end says nothing of what may have helped
            let fixes = if part.fixes.is_empty() { std::mem::take(&mut own.fixes) } else { part.fixes.clone() };
            *own = Part { fixes, ..part };
            false
        }
        None if stays => {
            let is_like = |own: &Part| own.source == part.source && own.agent == part.agent && own.owner == part.owner;
            let joins = !incident.parts.iter().any(is_like);
            // what it is made from is nearer to the cause
            if let Cause::Table(table) | Cause::Rule(table, _) = &incident.cause
                && kin.down.contains(table)
            {
                incident.cause = told.cause();
            }
            incident.parts.push(part);
            joins
        }
        // what is only suspected, or for metrics alone, is no part of it
        None => return None,
    };
    if incident.parts.iter().all(Part::is_over) {
        // what somebody has taken up, somebody has repaired, as far as anybody knows
        let alone = incident.acknowledged.is_none();
        let healed = alone && incident.parts.iter().all(|part| part.state == State::Transient);
        incident.class = if healed { State::Transient } else { State::Resolved };
        incident.resolved = Some(now);
        return Some(Step { at, notice: Some(Notice::Resolved) });
    }
    let severity = incident.parts.iter().map(|part| part.severity).max().unwrap_or(incident.severity);
    let is = |state| incident.parts.iter().any(|part| part.state == state);
    let class = match (is(State::Systemic), is(State::Flapping)) {
        (true, _) => State::Systemic,
        (false, true) => State::Flapping,
        (false, false) => incident.class,
    };
    let worse = class == State::Systemic && incident.class != State::Systemic;
    let rises = worse || matters(incident) > mattered;
    (incident.severity, incident.class) = (severity.max(incident.severity), class);
    let notice = match (reopens, class) {
        // it was told before, and from now on comes and goes: nobody is woken for that a second time
        (true, State::Flapping) => None,
        (true, _) => Some(Notice::Reopened),
        (false, _) if rises => Some(Notice::Risen),
        (false, _) => joins.then_some(Notice::Joined),
    };
    Some(Step { at, notice })
}

/// An incident is over, and nobody can take it up any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over;

/// Somebody takes an incident up; what is told of that: nothing where somebody had before.
///
/// # Errors
/// It is over.
pub fn acknowledges(incident: &mut Incident, by: Acknowledged) -> Result<Option<Notice>, Over> {
    if !incident.is_open() {
        return Err(Over);
    }
    Ok(incident.acknowledged.replace(by).is_none().then_some(Notice::Acknowledged))
}

/// What an agent holds to be wrong now, all of it, of one of its sources: the changes of state by which the open incidents come to
/// say the same of it. What it does not name is well, or is not its concern any more.
pub fn reconciled(known: &[Incident], agent: &str, source: &SourceName, wrong: &[StateChange]) -> Vec<StateChange> {
    let open = || known.iter().filter(|incident| incident.is_open());
    let is_about = |part: &Part, change: &StateChange| part.table == change.table && part.rule == change.rule;
    let own = |part: &&Part| part.agent == agent && part.source.as_ref() == Some(source);
    let parts = open().flat_map(|incident| incident.parts.iter().filter(own).map(move |part| (incident, part)));
    let gone = parts.filter(|(_, part)| !part.is_over() && !wrong.iter().any(|change| is_about(part, change)));
    let well = gone.map(|(incident, part)| {
        let (migration, migration_name) = match &incident.cause {
            Cause::Migration { id, name } => (Some(id.clone()), name.clone()),
            Cause::Source | Cause::Agent | Cause::Table(_) | Cause::Rule(..) => (None, None),
        };
        StateChange {
            source: source.clone(),
            table: part.table.clone(),
            rule: part.rule.clone(),
            from: part.state,
            to: State::Ok,
            reason: "its agent does not hold it to be wrong any more".to_owned(),
            since: part.since,
            severity: part.severity,
            owner: part.owner.clone(),
            migration,
            migration_name,
            description: part.description.clone(),
            runbook: part.runbook.clone(),
            escalation: part.escalation.clone(),
            fixes: Vec::new(),
        }
    });
    let told = |change: &&StateChange| {
        let same = |part: &Part| is_about(part, change) && part.state == change.to;
        !open().any(|incident| incident.parts.iter().filter(own).any(same))
    };
    well.chain(wrong.iter().filter(told).cloned()).collect()
}

#[cfg(test)]
mod tests;
