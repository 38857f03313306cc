//! Both parts over a stream of what happened to a fleet: the agents' episodes, and the incidents that come of them. For replaying what was seen, and
//! for measuring this against others (`alertbench`).

mod line;

pub use line::{Check, Event, Line, Phase, Status, Turn, VERSION, Verdict};

use crate::episode::{Around, Change, Episode, Evidence, Migration, Nature, Patience};
use crate::incident::{Incident, Kin, Notice, Part, Silence, Subject, Told, takes};
use crate::outage::{Outage, Tried};
use crate::rows::{Again, Look, Rows};
use crate::silence::Silences;
use crate::words;
use chrono::{DateTime, TimeDelta, Utc};
use fieldmark_model::code::{Engine, Meaning, meaning};
use fieldmark_model::observation::{State, StateChange};
use fieldmark_model::{RuleId, Severity, SourceName, TableName};
use std::collections::{BTreeMap, BTreeSet};

/// A rule on a table.
type Key = (String, String);

/// What an agent knows of one rule.
struct Own {
    rows: Rows,
    episode: Episode,
}

/// Rules of a table that cannot be checked.
struct Blind {
    episode: Episode,
    /// Those that cannot be now, and those that could not since it began.
    now: BTreeSet<String>,
    concerned: BTreeSet<String>,
}

/// What an agent knows of a source.
struct Watched {
    agent: String,
    rules: BTreeMap<Key, Own>,
    blind: BTreeMap<String, Blind>,
    outage: Outage<Key>,
    around: BTreeMap<String, Around>,
}

/// A fleet, from the first line of a story to its last.
pub struct Stream {
    case: String,
    patience: Patience,
    sources: BTreeMap<String, Watched>,
    silences: Silences,
    incidents: Vec<Incident>,
    opened: u64,
}

/// What changed of what.
struct Changed {
    db: String,
    table: Option<String>,
    rule: Option<String>,
    change: Change,
}

fn time(t: f64) -> DateTime<Utc> {
    // what is no time of this age is the end of it
    DateTime::UNIX_EPOCH + TimeDelta::milliseconds((t * 1e3).round().clamp(-1e14, 1e14) as i64)
}

/// `schema.table`, or a table alone.
fn table_of(text: &str) -> TableName {
    match text.rsplit_once('.') {
        Some((schema, name)) => TableName::new(schema, name),
        None => TableName::new("", text),
    }
}

impl Stream {
    /// Of this story.
    pub fn new(case: &str, patience: Patience) -> Self {
        Self {
            case: case.to_owned(),
            patience,
            sources: BTreeMap::new(),
            silences: Silences::default(),
            incidents: Vec::new(),
            opened: 0,
        }
    }

    /// Takes what happened next; what is said of it.
    pub fn sees(&mut self, line: &Line) -> Vec<Verdict> {
        if line.case != self.case {
            *self = Self::new(&line.case, self.patience);
        }
        let (now, patience) = (time(line.t), self.patience);
        let mut said = Vec::new();
        match &line.event {
            Event::Check(check) => {
                self.hears(&check.agent, &check.db, line.t, &mut said);
                let changes = self.watched(&check.agent, &check.db, now).checks(check, now, patience);
                self.tell(changes, line.t, &mut said);
            }
            Event::Migration { db, id, phase, tables } => {
                let watched = self.watched("", db, now);
                for table in tables {
                    watched.migrates(table, id, *phase, now);
                }
            }
            Event::Heartbeat { agent, db } => {
                self.watched(agent, db, now);
                self.hears(agent, db, line.t, &mut said);
            }
            Event::Agent { agent, db, event } => {
                self.watched(agent, db, now);
                if *event == Turn::Start {
                    self.hears(agent, db, line.t, &mut said);
                }
            }
            Event::Tick => self.passes(line.t, &mut said),
            Event::End => {}
        }
        said
    }

    fn watched(&mut self, agent: &str, db: &str, now: DateTime<Utc>) -> &mut Watched {
        let watched = self.sources.entry(db.to_owned()).or_insert_with(|| Watched {
            agent: agent.to_owned(),
            rules: BTreeMap::new(),
            blind: BTreeMap::new(),
            outage: Outage::new(now),
            around: BTreeMap::new(),
        });
        if watched.agent.is_empty() {
            agent.clone_into(&mut watched.agent);
        }
        watched
    }

    fn hears(&mut self, agent: &str, db: &str, t: f64, said: &mut Vec<Verdict>) {
        if let Some(silence) = self.silences.hears(agent, time(t)) {
            self.silent(agent, db, &silence, t, said);
        }
    }

    /// Time has passed.
    fn passes(&mut self, t: f64, said: &mut Vec<Verdict>) {
        let (now, patience) = (time(t), self.patience);
        let mut changes = Vec::new();
        for (db, watched) in &mut self.sources {
            changes.extend(watched.passes(db, now, patience));
        }
        self.tell(changes, t, said);
        for (agent, silence) in self.silences.passes(now, patience) {
            let db = self.sources.iter().find(|(_, watched)| watched.agent == agent).map(|(db, _)| db.clone());
            self.silent(&agent, &db.unwrap_or_default(), &silence, t, said);
        }
    }

    fn silent(&mut self, agent: &str, db: &str, silence: &Silence, t: f64, said: &mut Vec<Verdict>) {
        let told = Told { agent, time: time(t), change: Subject::Silence(silence) };
        let (incident, page) = self.takes(told, t);
        let blank = self.verdict(t, silence.to.as_str(), &silence.reason);
        said.push(Verdict { db: Some(db.to_owned()), incident: incident.clone(), ..blank.clone() });
        if page {
            said.push(Verdict { action: "page", db: Some(db.to_owned()), incident, ..blank });
        }
    }

    /// Gives what changed to the incidents; the one that it is of, and whether somebody is woken for it.
    fn takes(&mut self, told: Told<'_>, t: f64) -> (Option<String>, bool) {
        let id = format!("{}#{}", self.case, self.opened + 1);
        let before: BTreeMap<String, Severity> =
            self.incidents.iter().map(|incident| (incident.id.clone(), incident.severity)).collect();
        let step = takes(&mut self.incidents, told, &id, time(t), self.patience, &Kin::default());
        let Some(step) = step else { return (None, false) };
        let Some(incident) = self.incidents.get(step.at) else { return (None, false) };
        self.opened += u64::from(incident.id == id);
        let matters = incident.severity == Severity::Page;
        let page = match step.notice {
            Some(Notice::Opened | Notice::Reopened) => matters,
            Some(Notice::Risen) => matters && before.get(&incident.id) != Some(&Severity::Page),
            Some(Notice::Joined | Notice::Acknowledged | Notice::Escalated | Notice::Migrated | Notice::Resolved)
            | None => false,
        };
        (Some(incident.id.clone()), page)
    }

    fn verdict(&self, t: f64, class: &'static str, evidence: &str) -> Verdict {
        Verdict {
            case: self.case.clone(),
            t,
            action: "state",
            class,
            db: None,
            table: None,
            rule: None,
            keys: Vec::new(),
            incident: None,
            evidence: evidence.to_owned(),
        }
    }

    fn tell(&mut self, changes: Vec<Changed>, t: f64, said: &mut Vec<Verdict>) {
        for Changed { db, table, rule, change } in changes {
            let agent = self.sources.get(&db).map(|watched| watched.agent.clone()).unwrap_or_default();
            let state = StateChange {
                source: SourceName::new(&db),
                table: table.as_deref().map(table_of),
                rule: rule.as_ref().map(RuleId::new),
                from: change.from,
                to: change.to,
                reason: change.reason.clone(),
                since: change.since,
                severity: Severity::Page,
                owner: None,
                migration: change.migration.as_ref().map(|migration| migration.id.clone()),
                migration_name: change.migration.and_then(|migration| migration.name),
                description: None,
                runbook: None,
                escalation: None,
                fixes: Vec::new(),
            };
            let told = Told { agent: &agent, time: time(t), change: Subject::State(&state) };
            let (incident, page) = self.takes(told, t);
            let blank = self.verdict(t, change.to.as_str(), &change.reason);
            let blank = Verdict { incident: incident.clone(), ..blank };
            if change.to != State::Ok {
                said.push(match (&table, &rule) {
                    (Some(table), Some(rule)) => Verdict {
                        db: Some(db.clone()),
                        table: Some(table.clone()),
                        rule: Some(rule.clone()),
                        ..blank.clone()
                    },
                    _ => Verdict { keys: self.keys(&db, table.as_deref(), None), ..blank.clone() },
                });
            }
            if page {
                let parts = self.incidents.iter().find(|own| incident.as_ref() == Some(&own.id));
                let keys = parts.iter().flat_map(|own| &own.parts).flat_map(|part| self.keys_of(part)).collect();
                said.push(Verdict { action: "page", keys, ..blank });
            }
        }
    }

    fn keys_of(&self, part: &Part) -> Vec<String> {
        let table = part.table.as_ref().map(ToString::to_string);
        let source = part.source.as_ref().map_or("", |source| source.as_str());
        self.keys(source, table.as_deref(), part.rule.as_ref().map(|rule| rule.as_str()))
    }

    /// The rules that something is about.
    fn keys(&self, db: &str, table: Option<&str>, rule: Option<&str>) -> Vec<String> {
        let Some(watched) = self.sources.get(db) else { return Vec::new() };
        match (table, rule) {
            (Some(table), Some(rule)) => vec![format!("{db}|{table}|{rule}")],
            (Some(table), None) => {
                let blind = watched.blind.get(table);
                blind.iter().flat_map(|blind| &blind.concerned).map(|rule| format!("{db}|{table}|{rule}")).collect()
            }
            (None, _) => watched.outage.concerned().map(|(table, rule)| format!("{db}|{table}|{rule}")).collect(),
        }
    }
}

impl Watched {
    /// A migration of one table is so far.
    fn migrates(&mut self, table: &str, id: &str, phase: Phase, now: DateTime<Utc>) {
        let around = self.around.entry(table.to_owned()).or_default();
        let this = Migration { id: id.to_owned(), name: Some(id.to_owned()), tables: None, at: now };
        match phase {
            Phase::Start => (around.open, around.ended) = (true, Some(this)),
            Phase::End => (around.open, around.ended) = (false, Some(this)),
            Phase::Rollback => (around.open, around.rolled_back) = (false, Some(now)),
        }
    }

    fn checks(&mut self, check: &Check, now: DateTime<Utc>, patience: Patience) -> Vec<Changed> {
        let engine = match check.engine.as_str() {
            "mysql" | "mariadb" => Engine::Mysql,
            "sqlite" => Engine::Sqlite,
            _ => Engine::Postgres,
        };
        let code = check.sqlstate.clone().filter(|_| engine == Engine::Postgres);
        let code = code.or(check.code.map(|code| code.to_string())).unwrap_or_default();
        let failed = check.status == Status::Error;
        let meaning = failed.then(|| meaning(engine, check.sqlstate.as_deref(), check.code));
        let mut changes = Vec::new();
        let changed = |table: Option<&str>, rule: Option<&str>, change: Change| Changed {
            db: check.db.clone(),
            table: table.map(str::to_owned),
            rule: rule.map(str::to_owned),
            change,
        };
        let of_table = meaning == Some(Meaning::Table);
        let change = self.sees_blindness(check, of_table.then_some(&code), now, patience);
        changes.extend(change.map(|change| changed(Some(&check.table), None, change)));
        // who was refused had an answer
        let tries = check.attempt.unwrap_or(1).max(1);
        let error = match meaning {
            None | Some(Meaning::Table) => None,
            Some(Meaning::Passing | Meaning::Unknown) => Some(Nature::Open),
            Some(Meaning::Resource) => Some(Nature::Resource),
            Some(Meaning::Source) => Some(Nature::Certain),
        };
        let tried = Tried {
            by: (check.table.clone(), check.rule.clone()),
            tries,
            failed: if error.is_some() { tries } else { (check.retried.len() as u64).min(tries - 1) },
            error: error.map(|nature| (format!("a check ended with {} {code}", check.engine), nature)),
        };
        let change = self.outage.sees(tried, now, patience);
        changes.extend(change.map(|change| changed(None, None, change)));
        if !failed {
            let change = self.sees_rows(check, now, patience);
            changes.extend(change.map(|change| changed(Some(&check.table), Some(&check.rule), change)));
        }
        changes
    }

    fn sees_rows(&mut self, check: &Check, now: DateTime<Utc>, patience: Patience) -> Option<Change> {
        let around = self.around.get(&check.table).cloned().unwrap_or_default();
        let key = (check.table.clone(), check.rule.clone());
        let blank = || Own { rows: Rows::default(), episode: Episode::new(now) };
        let own = self.rules.entry(key).or_insert_with(blank);
        let again = check.recheck_of.zip(check.recheck_bad);
        let look = Look {
            checked: check.n,
            failed: check.k,
            tolerance: check.tolerance,
            design_effect: 1.0,
            whole: false,
            again: again.filter(|(known, _)| *known > 0).map(|(known, failing)| Again { known, failing }),
            decided: None,
        };
        let seen = own.rows.sees(&look, now, own.episode.is_told());
        let what = format!("{} of {} fail", check.k, words::plural(check.n, "sampled row"));
        own.episode.sees(&Evidence::of_rows(seen, &look, what), &around, now, patience)
    }

    /// Whether the rules of a table can be checked at all; `code`: this one cannot.
    fn sees_blindness(
        &mut self,
        check: &Check,
        code: Option<&String>,
        now: DateTime<Utc>,
        patience: Patience,
    ) -> Option<Change> {
        if code.is_none() && !self.blind.contains_key(&check.table) {
            return None;
        }
        let around = self.around.get(&check.table).cloned().unwrap_or_default();
        let blank = || Blind { episode: Episode::new(now), now: BTreeSet::new(), concerned: BTreeSet::new() };
        let blind = self.blind.entry(check.table.clone()).or_insert_with(blank);
        let evidence = match code {
            Some(code) => {
                if blind.now.is_empty() {
                    blind.concerned.clear();
                }
                blind.now.insert(check.rule.clone());
                blind.concerned.insert(check.rule.clone());
                let rules = words::plural(blind.now.len() as u64, "rule");
                Evidence::certain(format!("{rules} cannot be checked ({} {code})", check.engine))
            }
            // whatever else went wrong says nothing of it
            None if check.status == Status::Error => Evidence::Unsure,
            None => {
                blind.now.remove(&check.rule);
                if !blind.now.is_empty() {
                    return None;
                }
                Evidence::good("its rules can be checked".to_owned())
            }
        };
        blind.episode.sees(&evidence, &around, now, patience)
    }

    fn passes(&mut self, db: &str, now: DateTime<Utc>, patience: Patience) -> Vec<Changed> {
        let mut changes = Vec::new();
        let changed = |table: Option<&String>, rule: Option<&String>, change| Changed {
            db: db.to_owned(),
            table: table.cloned(),
            rule: rule.cloned(),
            change,
        };
        for ((table, rule), own) in &mut self.rules {
            changes.extend(own.episode.passes(now, patience).map(|change| changed(Some(table), Some(rule), change)));
        }
        for (table, blind) in &mut self.blind {
            changes.extend(blind.episode.passes(now, patience).map(|change| changed(Some(table), None, change)));
        }
        changes.extend(self.outage.passes(now, patience).map(|change| changed(None, None, change)));
        changes
    }
}

#[cfg(test)]
mod tests;
