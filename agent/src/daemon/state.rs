//! What the daemon knows, and what it does about what happens. Pure: events and the time in, effects out.

use super::episodes::Episodes;
use super::event::{Answer, Ask, Done, Effect, Event, Job, Known, Now, Plan};
use super::recorder::Status;
use super::remembered::{Announced, Remembered};
use chrono::{DateTime, Utc};
use fieldmark_classify::Patience;
use fieldmark_model::observation::{
    Body, MarkSeen, MigrationSeen, NoticedBy, Phase, SourceFault, SourceSeen, State as RuleState, Unwell,
};
use fieldmark_model::outcome::Nature;
use fieldmark_model::{Finding, RuleId, SourceName, TableName};
use fieldmark_source::Fingerprint;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long a source that did not answer is left alone at most before the next look.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time between two observations of a source, or of a finding, of which nothing is new.
const SOURCE_EVERY: Duration = Duration::from_secs(3_600);
/// How long a recapture is tried again where what keeps it from being made passes, and how often where it does not.
const TRIED: Duration = Duration::from_secs(3_600);
const REFUSALS: u32 = 3;
/// Time between two looks at the lineage where the schema is the same: for who was seen to read.
const LINEAGE_EVERY: Duration = Duration::from_secs(3_600);
/// How long after one that could not be read the next look at it is.
const LINEAGE_AGAIN: Duration = Duration::from_secs(300);
/// How long after a check of what is suspected that gave nothing the next one is.
const AGAIN: Duration = Duration::from_secs(30);

/// A migration that is going on.
#[derive(Clone, Debug)]
struct Open {
    id: String,
    name: Option<String>,
    noticed_by: NoticedBy,
    began: DateTime<Utc>,
    /// The schema as it was last seen, and since when it is like that.
    last: Option<Fingerprint>,
    quiet_since: Duration,
    changes: Vec<String>,
    /// The tables that are changed; `None`: not known.
    tables: Option<BTreeSet<TableName>>,
    /// Those who wait for its beginning, and then for its verdict.
    tickets: Vec<u64>,
    /// A mark is taken before it begins.
    opening: bool,
    /// When it was over; what it did is being told.
    ended: Option<Now>,
    /// How often the recapture was refused for what does not pass.
    refusals: u32,
    /// The migration that it has taken back.
    takes_back: Option<String>,
}

/// What is known of one source.
#[derive(Debug, Default)]
struct Source {
    busy: Option<Job>,
    next_look: Duration,
    next_mark: Duration,
    next_check: Duration,
    /// Its rules may be others than before: those that the next check does not name are gone.
    anew: bool,
    /// When what is suspected is to be checked again.
    next_recheck: Option<Duration>,
    /// What fails, and as much of it as is kept on the disk.
    episodes: Episodes,
    kept: Episodes,
    /// Schema and mark that go together.
    fingerprint: Option<Fingerprint>,
    mark: Option<String>,
    migration: Option<Open>,
    /// Those who asked for a check or a mark.
    asked: Vec<(Ask, u64)>,
    /// How often it failed, one after the other, and when it is tried again.
    failures: u32,
    not_before: Duration,
    /// What is wrong with it, and which job found so.
    fault: Option<(SourceFault, &'static str)>,
    told: Option<(SourceSeen, Duration)>,
    checked: bool,
    /// What somebody has to look at, though it answers.
    unwell: Vec<String>,
    /// What was found and is there still, and when it was told.
    findings: Vec<(Finding, Duration)>,
    /// Its migration is open for very long.
    outlasted: bool,
    /// A mark did not fit the schema: the next look takes nothing for granted.
    doubted: bool,
    /// The schema that the lineage was read of, and when it is read again though the schema is the same.
    lineage_of: Option<String>,
    next_lineage: Duration,
    /// The migration after which the lineage was not read yet.
    lineage_after: Option<String>,
    /// Why it could not be read.
    lineage_fault: Option<String>,
}

/// All that is known.
#[derive(Debug)]
pub(super) struct State {
    sources: BTreeMap<SourceName, Source>,
    plan: Plan,
    stopping: bool,
    degraded: BTreeMap<&'static str, String>,
    /// Of which ids of migrations are made.
    incarnation: u64,
    ids: u64,
    /// Of jitter.
    random: u64,
    /// When all that is wrong was last told.
    told: Option<Duration>,
}

impl State {
    pub(super) fn new(incarnation: u64) -> Self {
        let plan = Plan {
            sources: Vec::new(),
            every: Duration::MAX,
            marks_every: Duration::ZERO,
            catalogue_every: Duration::MAX,
            patience: Patience::new(Duration::MAX),
        };
        let random = incarnation | 1;
        Self {
            sources: BTreeMap::new(),
            plan,
            stopping: false,
            degraded: BTreeMap::new(),
            incarnation,
            ids: 0,
            random,
            told: None,
        }
    }

    /// Whether anything is being done.
    pub(super) fn is_busy(&self) -> bool {
        self.sources.values().any(|source| source.busy.is_some())
    }

    /// What is not as it should be, or is again.
    pub(super) fn degrade(&mut self, what: &'static str, why: Option<String>) {
        match why {
            Some(why) => drop(self.degraded.insert(what, why)),
            None => drop(self.degraded.remove(what)),
        }
    }

    /// What is not as it should be.
    pub(super) fn degraded(&self) -> Vec<String> {
        let own = self.degraded.iter().map(|(what, why)| format!("{what}: {why}"));
        let unwell = |(name, source): (&SourceName, &Source)| {
            let long = source.open_for_long();
            source.unwell.iter().chain(&long).map(|what| format!("{name}: {what}")).collect::<Vec<_>>()
        };
        own.chain(self.sources.iter().flat_map(unwell)).collect()
    }

    /// All of it, for whoever asks.
    pub(super) fn told(&self, now: Now, spool: &Status) -> Value {
        let sources: Vec<Value> = self.sources.iter().map(|(name, source)| source.told(name, now)).collect();
        let ready = self.sources.values().all(|source| source.checked || source.fault.is_some());
        let spool = json!({ "records": spool.records, "bytes": spool.bytes, "lost": spool.lost });
        let ready = ready && self.degraded.is_empty();
        json!({ "ready": ready, "degraded": self.degraded(), "spool": spool, "sources": sources })
    }

    /// Takes what happened, and says what is to be done about it.
    pub(super) fn apply(&mut self, event: Event, now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Tick => {}
            Event::Loaded(plan) => self.loaded(plan, now, &mut effects),
            Event::Done { source, job, done } => self.done(&source, &job, done, now, &mut effects),
            Event::Asked { ask, ticket } => self.wanted(ask, ticket, now, &mut effects),
            Event::Stop => self.stopping = true,
        }
        if self.stopping {
            return effects;
        }
        self.tell_unwell(now, &mut effects);
        let names: Vec<SourceName> = self.sources.keys().cloned().collect();
        for name in names {
            if let Some(source) = self.sources.get_mut(&name) {
                source.settles(&name, (now, self.plan.patience), &mut effects);
            }
            if let Some(job) = self.next_job(&name, now, &mut effects) {
                let source = self.sources.get_mut(&name);
                let migration = source.and_then(|source| {
                    source.busy = Some(job.clone());
                    source.migration.as_ref().filter(|open| open.opening || open.ended.is_some())
                });
                let migration = migration.filter(|_| matches!(job, Job::Mark | Job::Recapture { .. }));
                let migration = migration.map(|open| open.id.clone());
                effects.push(Effect::Run { source: name.clone(), job, migration });
            }
        }
        effects
    }

    /// A part of a time, more or less, so that not everybody does everything at the same moment.
    fn about(&mut self, time: Duration) -> Duration {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let part = (self.random >> 11) as f64 / (1u64 << 53) as f64;
        time.mul_f64(0.9 + 0.2 * part)
    }

    fn loaded(&mut self, plan: Plan, now: Now, effects: &mut Vec<Effect>) {
        let mut sources = BTreeMap::new();
        for (at, known) in plan.sources.iter().enumerate() {
            let name = &known.source;
            // one that was there goes on as it was; its rules may be others: they are checked soon
            let mut source = self.sources.remove(name).unwrap_or_else(|| Source::new(known, now, plan.patience));
            let soon = now.up + Duration::from_millis(150) * u32::try_from(at).unwrap_or(u32::MAX);
            (source.next_look, source.next_check, source.next_mark) = (soon, soon, soon);
            source.anew = true;
            sources.insert(name.clone(), source);
        }
        for (name, gone) in std::mem::replace(&mut self.sources, sources) {
            let asked = gone.asked.iter().map(|(_, ticket)| *ticket);
            let tickets = gone.migration.iter().flat_map(|open| open.tickets.iter().copied()).chain(asked);
            let answer = Err(format!("the source `{name}` is not configured any more"));
            effects.extend(tickets.map(|ticket| Effect::Answer { ticket, answer: answer.clone() }));
            gone.leaves(&name, (now, plan.patience), effects);
        }
        self.plan = plan;
        // whoever has missed a change, or has another store than before, knows again
        self.told = None;
    }

    /// All that is wrong, where it is some time since it was told.
    fn tell_unwell(&mut self, now: Now, effects: &mut Vec<Effect>) {
        if self.told.is_none_or(|told| now.up.saturating_sub(told) >= SOURCE_EVERY) {
            self.told = Some(now.up);
            let sources = self.sources.iter().map(|(name, source)| source.wrong(name)).collect();
            effects.push(record(now, Body::Unwell(Unwell { sources })));
        }
    }

    /// The state of a rule on a table of a source.
    pub(super) fn state_of(&self, source: &SourceName, table: &TableName, rule: &RuleId) -> RuleState {
        self.sources.get(source).map_or(RuleState::Ok, |source| source.episodes.state_of(table, rule))
    }

    /// What the source's worker is to do next, if it does nothing.
    fn next_job(&mut self, name: &SourceName, now: Now, effects: &mut Vec<Effect>) -> Option<Job> {
        let source = self.sources.get_mut(name)?;
        if source.busy.is_some() || now.up < source.not_before {
            return None;
        }
        if source.migration.as_ref().is_some_and(|open| open.opening) {
            return Some(Job::Mark);
        }
        if source.next_look <= now.up {
            let known = source.migration.as_ref().and_then(|open| open.last.clone()).or(source.fingerprint.clone());
            return Some(Job::Look { known: known.filter(|_| !source.doubted) });
        }
        if source.migration.as_ref().is_some_and(|open| open.ended.is_some()) {
            match source.mark.clone() {
                Some(mark) => return Some(Job::Recapture { mark }),
                None => source.unjudged(name, "no mark of the source was taken before it", now, effects),
            }
        }
        // whoever asks comes before what is due
        match source.asked.first() {
            Some((Ask::Mark(_), _)) => return Some(Job::Mark),
            Some((Ask::Check(_), _)) => return Some(Job::Check),
            Some(_) | None => {}
        }
        let noticed = source.migration.as_ref().is_some_and(|open| open.noticed_by == NoticedBy::Catalogue);
        if source.migration.is_none() && !self.plan.marks_every.is_zero() && source.next_mark <= now.up {
            return Some(Job::Mark);
        }
        // while a migration goes on that nobody announced, what rules say of its tables says nothing
        if source.next_check <= now.up && !noticed {
            return Some(Job::Check);
        }
        if let Some(job) = source.recheck(now.up, self.plan.patience) {
            return Some(job);
        }
        source.lineage(now.up)
    }

    fn wanted(&mut self, ask: Ask, ticket: u64, now: Now, effects: &mut Vec<Effect>) {
        let name = match &ask {
            Ask::Check(name) | Ask::Mark(name) | Ask::Open { source: name, .. } | Ask::Close(name) => name.clone(),
        };
        self.ids += 1;
        let id = format!("{:x}-{}", self.incarnation & 0xffff_ffff, self.ids);
        let Some(source) = self.sources.get_mut(&name) else {
            effects.push(Effect::Answer { ticket, answer: Err(format!("the configuration has no source `{name}`")) });
            return;
        };
        let answer = match (ask, &mut source.migration) {
            (ask @ (Ask::Check(_) | Ask::Mark(_)), _) => {
                source.asked.push((ask, ticket));
                return;
            }
            (Ask::Open { .. }, Some(open)) => Err(format!("the migration {} of {name} is open already", open.id)),
            (Ask::Open { name: called, .. }, none) => {
                let open = Open {
                    id: id.clone(),
                    name: called,
                    noticed_by: NoticedBy::Opened,
                    began: now.wall,
                    last: source.fingerprint.clone(),
                    quiet_since: now.up,
                    changes: Vec::new(),
                    tables: None,
                    tickets: vec![ticket],
                    opening: true,
                    ended: None,
                    refusals: 0,
                    takes_back: None,
                };
                // answered when its mark is taken
                *none = Some(open);
                return;
            }
            (Ask::Close(_), Some(open)) if open.noticed_by == NoticedBy::Opened && !open.opening => {
                // answered when it is judged
                open.tickets.push(ticket);
                if open.ended.is_none() {
                    open.ended = Some(now);
                    let ended = Phase::Ended { at: now.wall, changes: open.changes.clone() };
                    effects.push(record(now, open.seen(&name, ended)));
                    effects.push(Effect::Remember { source: name.clone(), remembered: source.remembered() });
                    // what it did to the schema last is its own as well
                    source.next_look = now.up;
                }
                return;
            }
            (Ask::Close(_), _) => Err(format!("no migration of {name} was opened")),
        };
        effects.push(Effect::Answer { ticket, answer });
    }

    fn done(&mut self, name: &SourceName, job: &Job, done: Done, now: Now, effects: &mut Vec<Effect>) {
        let (every, marks_every) = (self.about(self.plan.every), self.about(self.plan.marks_every));
        let (look_every, moment) = (self.plan.catalogue_every, (now, self.plan.patience));
        self.ids += 1;
        let id = format!("{:x}-{}", self.incarnation & 0xffff_ffff, self.ids);
        // a source that is not configured any more
        let Some(source) = self.sources.get_mut(name) else { return };
        source.busy = None;
        match job {
            Job::Look { .. } => source.next_look = now.up + look_every,
            Job::Mark => source.next_mark = now.up + marks_every,
            // what was missed while nothing ran is made up for once
            Job::Check => source.next_check = now.up + every,
            // whether and when once more, what it gives tells
            Job::Recheck { .. } => source.next_recheck = Some(now.up + AGAIN),
            Job::Recapture { .. } => {}
            Job::Lineage { .. } => source.next_lineage = now.up + LINEAGE_AGAIN,
        }
        if !matches!(done, Done::Failed { .. } | Done::Cancelled) {
            source.answers(name, job, now, effects);
            source.was_read((name, job), moment, effects);
        }
        let asked = |source: &mut Source, effects: &mut Vec<Effect>, answer: Result<String, String>| {
            let answer = answer.map(Answer::Told);
            let is_it = |ask: &Ask| matches!((ask, job), (Ask::Check(_), Job::Check) | (Ask::Mark(_), Job::Mark));
            if let Some(at) = source.asked.iter().position(|(ask, _)| is_it(ask)) {
                let (_, ticket) = source.asked.remove(at);
                effects.push(Effect::Answer { ticket, answer: answer.clone() });
            }
        };
        match done {
            Done::Looked { fingerprint, changes, tables, late } => {
                source.doubted = false;
                source.is_late(name, late, moment, effects);
                source.looked(name, id, (fingerprint, changes, tables), (now, look_every), effects);
            }
            Done::Marked { mark, tables, rows, bytes, fingerprint } => {
                asked(source, effects, Ok(mark.clone()));
                let seen = MarkSeen { source: name.clone(), mark: mark.clone(), tables, rows, bytes };
                effects.push(record(now, Body::Mark(seen)));
                if let Some(open) = source.migration.as_mut().filter(|open| open.opening) {
                    open.opening = false;
                    let began = Phase::Open { changes: Vec::new() };
                    effects.push(record(now, open.seen(name, began)));
                    let id = open.id.clone();
                    effects.push(Effect::Say(format!("{name}: the migration {id} is open")));
                    source.mark = Some(mark);
                    // a mark of the schema as it is, whatever was known of it before
                    open.last = fingerprint.or(open.last.take());
                    effects.push(Effect::Remember { source: name.clone(), remembered: source.remembered() });
                    source.answer(&Ok(Answer::Told(id)), effects);
                    return;
                }
                if source.migration.is_some() {
                    return;
                }
                let own = source.fingerprint.as_ref();
                if fingerprint.is_some_and(|taken| own.is_some_and(|own| own.schema == taken.schema)) {
                    source.mark = Some(mark);
                    effects.push(Effect::Remember { source: name.clone(), remembered: source.remembered() });
                } else {
                    // one that was taken while the schema changed, or after, is of no use
                    (source.doubted, source.next_look) = (true, now.up);
                }
            }
            Done::Unmarked { why } => {
                source.not_opened(&why, effects);
                asked(source, effects, Err(why));
            }
            Done::Checked { mut bodies, database, address, tables, rules, unwell } => {
                source.checked = true;
                asked(source, effects, Ok(format!("{} rules were checked", rules)));
                let new = unwell.iter().filter(|what| !source.unwell.contains(what));
                effects.extend(new.map(|what| Effect::Warn(format!("{name}: {what}"))));
                source.unwell = unwell;
                let anew = std::mem::take(&mut source.anew);
                source.rules_seen(name, &mut bodies, (true, anew), moment, effects);
                source.found(&mut bodies, now);
                let seen = SourceSeen {
                    source: name.clone(),
                    database: Some(database),
                    address: Some(address),
                    fault: None,
                    tables,
                    rules,
                };
                bodies.extend(source.seen(seen, now));
                effects.push(Effect::Record { time: now.wall, bodies });
            }
            Done::Lineage { bodies, told } => {
                source.lineage_seen(name, (bodies, told), now, effects);
            }
            Done::Rechecked { mut bodies } => {
                // what is found of other tables is found by the next check of all of them
                bodies.retain(|body| !matches!(body, Body::Finding(_)));
                source.rules_seen(name, &mut bodies, (false, false), moment, effects);
                effects.push(Effect::Record { time: now.wall, bodies });
            }
            Done::Judged { judged, mut bodies, left } => {
                let report = judged.migration.clone();
                source.answer(&Ok(Answer::Judged(judged)), effects);
                if let Some(mut open) = source.migration.take() {
                    source.lineage_after = Some(open.id.clone());
                    if let Err(why) = &left.ways_back {
                        let what = "how its scripts are taken back is not known";
                        effects.push(Effect::Warn(format!("{name}: the migration {}: {what}: {why}", open.id)));
                    }
                    source.migrated(&mut open, Some(left), now);
                    source.rules_seen(name, &mut bodies, (false, false), moment, effects);
                    let verdict = report.verdict.as_str();
                    let back = open.takes_back.as_ref().map(|of| format!(", takes back {of}")).unwrap_or_default();
                    effects.push(Effect::Say(format!("{name}: the migration {} is judged: {verdict}{back}", open.id)));
                    bodies.insert(0, open.seen(name, Phase::Judged { report }));
                    source.settle(name, open.last, now, effects);
                }
                effects.push(Effect::Record { time: now.wall, bodies });
                source.next_check = now.up + every;
            }
            Done::Failed { fault } if matches!(job, Job::Lineage { .. }) => {
                source.lineage_failed(name, &fault, effects)
            }
            Done::Failed { fault } => {
                source.failures = source.failures.saturating_add(1);
                let rest = Duration::from_secs(1) * 2u32.saturating_pow(source.failures.min(10) - 1);
                source.not_before = now.up + rest.min(PATIENCE);
                if *job == Job::Check && fault.nature == Nature::Transient {
                    source.next_check = now.up + every / 5;
                }
                source.not_opened(&fault.what, effects);
                asked(source, effects, Err(fault.what.clone()));
                source.not_judged(name, job, &fault, now, effects);
                source.could_not_be_read(name, (job, &fault), moment, effects);
                if source.fault.as_ref().is_none_or(|(known, _)| *known != fault) {
                    effects.push(Effect::Warn(format!("{name}: {}", fault.what)));
                }
                source.fault = Some((fault.clone(), job.as_str()));
                let before = source.told.as_ref().map(|(seen, _)| seen.clone());
                let seen = SourceSeen {
                    source: name.clone(),
                    database: before.as_ref().and_then(|seen| seen.database.clone()),
                    address: before.as_ref().and_then(|seen| seen.address.clone()),
                    fault: Some(fault),
                    tables: before.as_ref().map_or(0, |seen| seen.tables),
                    rules: before.as_ref().map_or(0, |seen| seen.rules),
                };
                effects.extend(source.seen(seen, now).map(|body| record(now, body)));
            }
            Done::Cancelled => {}
        }
    }
}

fn record(now: Now, body: Body) -> Effect {
    Effect::Record { time: now.wall, bodies: vec![body] }
}

impl Open {
    fn seen(&self, source: &SourceName, phase: Phase) -> Body {
        Body::Migration(Box::new(MigrationSeen {
            source: source.clone(),
            id: self.id.clone(),
            name: self.name.clone(),
            noticed_by: self.noticed_by,
            began: self.began,
            takes_back: self.takes_back.clone(),
            phase,
        }))
    }
}

impl Job {
    /// Its word.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Look { .. } => "look",
            Self::Mark => "mark",
            Self::Check => "check",
            Self::Recheck { .. } => "recheck",
            Self::Recapture { .. } => "recapture",
            Self::Lineage { .. } => "lineage",
        }
    }
}

impl Source {
    /// How it is, for whoever asks.
    fn told(&self, name: &SourceName, now: Now) -> Value {
        let migration = self
            .migration
            .as_ref()
            .map(|open| json!({ "id": open.id, "name": open.name, "began": open.began, "changes": open.changes }));
        let states: Vec<Value> =
            self.episodes.told().into_iter().map(|(what, state)| json!({ "what": what, "state": state })).collect();
        json!({
            "source": name,
            "busy": self.busy.as_ref().map(Job::as_str),
            "checked": self.checked,
            "fault": self.fault.as_ref().map(|(fault, _)| fault),
            "unwell": self.unwell,
            "states": states,
            "mark": self.mark,
            "migration": migration,
            "next_check_seconds": self.next_check.saturating_sub(now.up).as_secs(),
        })
    }

    /// What is known of one that is new to this process.
    fn new(known: &Known, now: Now, patience: Patience) -> Self {
        let mut episodes = known.episodes.clone().unwrap_or_default();
        episodes.resume(now.steady, patience);
        let kept = episodes.clone();
        let Some(remembered) = &known.remembered else { return Self { episodes, kept, ..Self::default() } };
        let open = |announced: Announced| Open {
            id: announced.id,
            name: announced.name,
            noticed_by: NoticedBy::Opened,
            began: announced.began,
            last: remembered.fingerprint.clone(),
            quiet_since: now.up,
            changes: announced.changes,
            tables: None,
            tickets: Vec::new(),
            opening: false,
            // one that was closed is judged, though nobody asks again
            ended: announced.ended.map(|at| Now { wall: at, steady: at.min(now.steady), up: now.up }),
            refusals: 0,
            takes_back: None,
        };
        Self {
            fingerprint: remembered.fingerprint.clone(),
            mark: remembered.mark.clone(),
            migration: remembered.announced.clone().map(open),
            episodes,
            kept,
            ..Self::default()
        }
    }

    /// What of it is to be known after a restart.
    fn remembered(&self) -> Remembered {
        let announced = self.migration.as_ref().filter(|open| open.noticed_by == NoticedBy::Opened).map(|open| {
            let Open { id, name, began, changes, ended, .. } = open.clone();
            Announced { id, name, began, ended: ended.map(|ended| ended.wall), changes }
        });
        Remembered::new(self.fingerprint.clone(), self.mark.clone(), announced)
    }

    /// It answers. After an outage it is checked at once.
    fn answers(&mut self, name: &SourceName, job: &Job, now: Now, effects: &mut Vec<Effect>) {
        if self.failures >= 2 {
            self.next_check = self.next_check.min(now.up);
        }
        self.failures = 0;
        // what a check met is over when a check goes well, whatever a look says
        if self.fault.as_ref().is_some_and(|(_, found_by)| *found_by == job.as_str()) {
            self.fault = None;
            effects.push(Effect::Say(format!("{name}: it answers again")));
        }
    }

    /// Leaves out findings that were told a short time ago: every check meets them again.
    fn found(&mut self, bodies: &mut Vec<Body>, now: Now) {
        let told = std::mem::take(&mut self.findings);
        bodies.retain(|body| {
            let Body::Finding(finding) = body else { return true };
            let known = told.iter().find(|(known, at)| known == finding && now.up.saturating_sub(*at) < SOURCE_EVERY);
            self.findings.push((finding.clone(), known.map_or(now.up, |(_, at)| *at)));
            known.is_none()
        });
    }

    /// Tells all who wait for the migration.
    fn answer(&mut self, answer: &Result<Answer, String>, effects: &mut Vec<Effect>) {
        let tickets = self.migration.as_mut().map(|open| std::mem::take(&mut open.tickets)).unwrap_or_default();
        effects.extend(tickets.into_iter().map(|ticket| Effect::Answer { ticket, answer: answer.clone() }));
    }

    /// The mark for a migration that was to be opened cannot be taken.
    fn not_opened(&mut self, why: &str, effects: &mut Vec<Effect>) {
        if self.migration.as_ref().is_some_and(|open| open.opening) {
            self.answer(&Err(why.to_owned()), effects);
            self.migration = None;
        }
    }

    /// The rows cannot be read again: later, where that passes.
    fn not_judged(&mut self, name: &SourceName, job: &Job, fault: &SourceFault, now: Now, effects: &mut Vec<Effect>) {
        let Some(open) = self.migration.as_mut() else { return };
        let Some(ended) = open.ended else { return };
        if matches!(job, Job::Recapture { .. }) && fault.nature == Nature::Permanent {
            open.refusals += 1;
        }
        if open.refusals >= REFUSALS || now.up.saturating_sub(ended.up) >= TRIED {
            self.unjudged(name, &fault.what, now, effects);
        } else {
            let why = format!("{}; it is tried again: whoever closes it again is told the verdict", fault.what);
            self.answer(&Err(why), effects);
        }
    }

    /// Nobody will know what the migration did.
    fn unjudged(&mut self, name: &SourceName, why: &str, now: Now, effects: &mut Vec<Effect>) {
        self.answer(&Err(format!("it is not judged: {why}")), effects);
        let Some(mut open) = self.migration.take() else { return };
        self.migrated(&mut open, None, now);
        effects.push(record(now, open.seen(name, Phase::Unjudged { why: why.to_owned() })));
        effects.push(Effect::Warn(format!("{name}: the migration {} is not judged: {why}", open.id)));
        self.settle(name, open.last, now, effects);
    }

    /// After a migration the schema is the one that it was last seen with, and a new mark is taken of it.
    fn settle(&mut self, name: &SourceName, last: Option<Fingerprint>, now: Now, effects: &mut Vec<Effect>) {
        (self.fingerprint, self.mark) = (last, None);
        (self.next_look, self.next_mark) = (now.up, now.up);
        effects.push(Effect::Remember { source: name.clone(), remembered: self.remembered() });
    }

    /// What is told of the source, where that is another thing than before, or it is some time since it was told.
    fn seen(&mut self, seen: SourceSeen, now: Now) -> Option<Body> {
        let is_old = |(told, at): &(SourceSeen, Duration)| *told != seen || now.up.saturating_sub(*at) >= SOURCE_EVERY;
        if !self.told.as_ref().is_none_or(is_old) {
            return None;
        }
        self.told = Some((seen.clone(), now.up));
        Some(Body::Source(seen))
    }

    /// The schema was looked at.
    fn looked(
        &mut self,
        name: &SourceName,
        id: String,
        (fingerprint, changes, tables): (Fingerprint, Vec<String>, Option<BTreeSet<TableName>>),
        (now, every): (Now, Duration),
        effects: &mut Vec<Effect>,
    ) {
        if let Some(open) = &mut self.migration {
            if open.last.as_ref().is_none_or(|last| last.schema != fingerprint.schema) {
                (open.last, open.quiet_since) = (Some(fingerprint), now.up);
                (open.changes, open.tables) = (changes.clone(), tables);
                let phase = match open.noticed_by {
                    NoticedBy::Opened if open.ended.is_some() => Phase::Ended { at: now.wall, changes },
                    NoticedBy::Opened | NoticedBy::Catalogue => {
                        open.ended = None;
                        // whether it rests is seen sooner than whether there is one
                        self.next_look = self.next_look.min(now.up + every / 2);
                        Phase::Open { changes }
                    }
                };
                effects.push(record(now, open.seen(name, phase)));
            } else {
                open.last = Some(fingerprint);
                // nothing has changed since the last look: it is over, unless somebody says when it is
                if open.noticed_by == NoticedBy::Catalogue
                    && open.ended.is_none()
                    && now.up.saturating_sub(open.quiet_since) >= every / 2
                {
                    open.ended = Some(now);
                    let ended = Phase::Ended { at: now.wall, changes: open.changes.clone() };
                    effects.push(record(now, open.seen(name, ended)));
                }
            }
            return;
        }
        match &self.fingerprint {
            Some(own) if own.schema != fingerprint.schema => {
                let open = Open {
                    id,
                    name: None,
                    noticed_by: NoticedBy::Catalogue,
                    began: now.wall,
                    last: Some(fingerprint),
                    quiet_since: now.up,
                    changes: changes.clone(),
                    tables,
                    tickets: Vec::new(),
                    opening: false,
                    ended: None,
                    refusals: 0,
                    takes_back: None,
                };
                effects.push(Effect::Say(format!(
                    "{name}: a migration is noticed ({}): {}",
                    open.id,
                    changes.join("; ")
                )));
                effects.push(record(now, open.seen(name, Phase::Open { changes })));
                self.next_look = self.next_look.min(now.up + every / 2);
                self.migration = Some(open);
            }
            Some(_) => self.fingerprint = Some(fingerprint),
            None => {
                self.fingerprint = Some(fingerprint);
                effects.push(Effect::Remember { source: name.clone(), remembered: self.remembered() });
            }
        }
    }
}

mod classified;
mod lineage;
#[cfg(test)]
mod tests;
