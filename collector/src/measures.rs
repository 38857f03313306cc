//! Delivery measures: what became of migrations, how soon it was known and mended, and how well the data is. Pure folds over what is stored;
//! what is not known is not told.

use chrono::{DateTime, Utc};
use fieldmark_classify::incident::{Cause, Incident};
use fieldmark_model::migration::Verdict;
use fieldmark_model::observation::{Body, MigrationSeen, Observation, Phase};
use fieldmark_model::{Outcome, Severity, SourceName, Status};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The measures of a fleet between two times.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measures {
    /// From then on.
    pub since: DateTime<Utc>,
    /// Until then.
    pub before: DateTime<Utc>,
    /// By source, in order of name.
    pub sources: Vec<OfSource>,
    /// By who answers for the rules.
    pub owners: Vec<OfOwner>,
    /// What belongs here and is not known: nothing that is stored tells of it.
    pub unknown: [&'static str; 3],
}

/// Those of a source.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OfSource {
    /// The source.
    pub source: SourceName,
    /// Its migrations that were over then.
    pub migrations: Migrations,
    /// Its incidents that were opened then.
    pub incidents: Incidents,
    /// Its rules, as they were last checked.
    pub quality: Quality,
}

/// Those of an owner.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OfOwner {
    /// Who; `None`: of rules that nobody answers for.
    pub owner: Option<String>,
    /// Incidents that rules of this owner are part of.
    pub incidents: Incidents,
    /// The rules, as they were last checked.
    pub quality: Quality,
}

/// What became of migrations.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Migrations {
    /// How many were over.
    pub over: u64,
    /// The same by the week.
    pub per_week: f64,
    /// By verdict; `not_judged` where there was none.
    pub verdicts: BTreeMap<&'static str, u64>,
    /// How many were taken back by a later one.
    pub taken_back: u64,
    /// How many failed: broken, taken back, or the cause of an incident.
    pub failed: u64,
    /// From the beginning to the end.
    pub duration_seconds: Option<Spread>,
    /// From the end to the verdict.
    pub verdict_seconds: Option<Spread>,
    /// From the end to the incident that it is the cause of.
    pub detect_seconds: Option<Spread>,
}

/// What became of incidents.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Incidents {
    /// How many were opened.
    pub opened: u64,
    /// How many of them are open still.
    pub open: u64,
    /// From being opened to being over, of those that are.
    pub restore_seconds: Option<Spread>,
}

/// How some times lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// How many.
    pub count: u64,
    /// The one in the middle; of an even number the lower of the two.
    pub median: f64,
    /// The longest.
    pub longest: f64,
}

/// How well the data is, by the rules: each has the weight of its severity ([`weight`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Quality {
    /// Rules that pass.
    pub passed: u64,
    /// That fail.
    pub failed: u64,
    /// Of which it is not known: the sample cannot tell, or they cannot be checked.
    pub unknown: u64,
    /// The weight of those that pass in that of those that pass or fail; `None`: there are none.
    pub score: Option<f64>,
    /// The same, if all that is not known failed.
    pub lower: Option<f64>,
    /// The same, if all that is not known passed.
    pub upper: Option<f64>,
}

/// How much a rule of this severity counts.
pub fn weight(severity: Severity) -> f64 {
    match severity {
        Severity::Info => 1.0,
        Severity::Ticket => 2.0,
        Severity::Page => 4.0,
    }
}

/// What is looked at: all of it, or what of it is of one source.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// What was told of migrations, in any order.
    pub migrations: Vec<Observation>,
    /// The incidents, in any order.
    pub incidents: Vec<Incident>,
    /// What each rule gave last.
    pub outcomes: Vec<Outcome>,
}

impl Measures {
    /// Folds what is stored; migrations that were over, and incidents that were opened, from one time to another.
    pub fn of(stored: &Stored, since: DateTime<Utc>, before: DateTime<Utc>) -> Self {
        let within = |time: DateTime<Utc>| since <= time && time < before;
        let incidents: Vec<&Incident> = stored.incidents.iter().filter(|own| within(own.opened)).collect();
        let over = over(&stored.migrations);
        let mut caused: BTreeMap<&str, DateTime<Utc>> = BTreeMap::new();
        for incident in &stored.incidents {
            if let Cause::Migration { id, .. } = &incident.cause {
                let first = caused.entry(id.as_str()).or_insert(incident.opened);
                *first = incident.opened.min(*first);
            }
        }
        let taken_back: BTreeSet<&str> = over.iter().filter_map(|own| own.seen.takes_back.as_deref()).collect();
        let lives: Vec<&Life<'_>> = over.iter().filter(|own| within(own.over)).collect();
        let weeks = (before - since).as_seconds_f64() / (7.0 * 24.0 * 3600.0);

        let names = lives.iter().map(|own| &own.seen.source).chain(incidents.iter().flat_map(|own| own.sources()));
        let names: BTreeSet<&SourceName> = names.chain(stored.outcomes.iter().map(|own| &own.source)).collect();
        let of_source = |source: &SourceName| OfSource {
            source: source.clone(),
            migrations: Migrations::of(
                lives.iter().copied().filter(|own| own.seen.source == *source),
                (&caused, &taken_back, weeks),
            ),
            incidents: Incidents::of(incidents.iter().copied().filter(|own| own.sources().any(|own| own == source))),
            quality: Quality::of(stored.outcomes.iter().filter(|own| own.source == *source)),
        };
        let owners = stored.outcomes.iter().map(|own| own.owner.as_ref());
        let parts = incidents.iter().flat_map(|own| own.parts.iter().filter(|part| part.rule.is_some()));
        let owners: BTreeSet<Option<&String>> = owners.chain(parts.map(|part| part.owner.as_ref())).collect();
        let of_owner = |owner: Option<&String>| {
            let is_of =
                |own: &Incident| own.parts.iter().any(|part| part.rule.is_some() && part.owner.as_ref() == owner);
            OfOwner {
                owner: owner.cloned(),
                incidents: Incidents::of(incidents.iter().copied().filter(|own| is_of(own))),
                quality: Quality::of(stored.outcomes.iter().filter(|own| own.owner.as_ref() == owner)),
            }
        };
        Self {
            since,
            before,
            sources: names.into_iter().map(of_source).collect(),
            owners: owners.into_iter().map(of_owner).collect(),
            unknown: ["lead_time", "contract_compliance", "rollback_readiness"],
        }
    }
}

/// A migration that is over.
struct Life<'o> {
    seen: &'o MigrationSeen,
    ended: Option<DateTime<Utc>>,
    over: DateTime<Utc>,
    verdict: Option<Verdict>,
}

/// Those that are over, of all that was told of migrations. What was told of one more than once counts once.
fn over(observations: &[Observation]) -> Vec<Life<'_>> {
    let mut told: Vec<(&Observation, &MigrationSeen)> = Vec::new();
    for observation in observations {
        if let Body::Migration(seen) = &observation.body {
            told.push((observation, seen));
        }
    }
    told.sort_by_key(|(observation, _)| (observation.time, observation.id.sequence));
    let mut ends: BTreeMap<(&str, &str), DateTime<Utc>> = BTreeMap::new();
    let mut lives: BTreeMap<(&str, &str), Life<'_>> = BTreeMap::new();
    for (observation, seen) in told {
        let key = (observation.id.agent.as_str(), seen.id.as_str());
        let (over, verdict) = match &seen.phase {
            Phase::Open { .. } => continue,
            // one that went on after it had rested has another end
            Phase::Ended { at, .. } => {
                ends.insert(key, *at);
                continue;
            }
            Phase::Judged { report } => (observation.time, Some(report.verdict)),
            Phase::Unjudged { .. } => (observation.time, None),
        };
        lives.entry(key).or_insert_with(|| Life { seen, ended: ends.get(&key).copied(), over, verdict });
    }
    lives.into_values().collect()
}

impl Migrations {
    fn of<'o>(
        lives: impl Iterator<Item = &'o Life<'o>>,
        // when the incident was opened that a migration is the cause of, and which were taken back
        (caused, taken_back, weeks): (&BTreeMap<&str, DateTime<Utc>>, &BTreeSet<&str>, f64),
    ) -> Self {
        let mut own = Self::default();
        let (mut durations, mut verdicts, mut detections) = (Vec::new(), Vec::new(), Vec::new());
        for life in lives {
            own.over += 1;
            *own.verdicts.entry(life.verdict.map_or("not_judged", Verdict::as_str)).or_default() += 1;
            let caused = caused.get(life.seen.id.as_str()).copied();
            let is_broken = matches!(life.verdict, Some(Verdict::Broken | Verdict::RestoredWithLoss));
            let is_taken_back = taken_back.contains(life.seen.id.as_str());
            own.taken_back += u64::from(is_taken_back);
            own.failed += u64::from(is_broken || is_taken_back || caused.is_some());
            if let Some(ended) = life.ended {
                durations.push((ended - life.seen.began).as_seconds_f64());
                if life.verdict.is_some() {
                    verdicts.push((life.over - ended).as_seconds_f64());
                }
                detections.extend(caused.map(|opened| (opened - ended).as_seconds_f64()));
            }
        }
        own.per_week = if weeks > 0.0 { own.over as f64 / weeks } else { 0.0 };
        own.duration_seconds = Spread::of(durations);
        own.verdict_seconds = Spread::of(verdicts);
        own.detect_seconds = Spread::of(detections);
        own
    }
}

impl Incidents {
    fn of<'i>(incidents: impl Iterator<Item = &'i Incident>) -> Self {
        let mut own = Self::default();
        let mut restores = Vec::new();
        for incident in incidents {
            own.opened += 1;
            match incident.resolved {
                None => own.open += 1,
                Some(resolved) => restores.push((resolved - incident.opened).as_seconds_f64()),
            }
        }
        own.restore_seconds = Spread::of(restores);
        own
    }
}

impl Spread {
    /// Of these times in seconds; one that a clock that was turned back has made negative is none.
    fn of(mut times: Vec<f64>) -> Option<Self> {
        times.iter_mut().for_each(|time| *time = time.max(0.0));
        times.sort_by(f64::total_cmp);
        let median = *times.get(times.len().saturating_sub(1) / 2)?;
        Some(Self { count: times.len() as u64, median, longest: *times.last()? })
    }
}

impl Quality {
    fn of<'o>(outcomes: impl Iterator<Item = &'o Outcome>) -> Self {
        let mut own = Self::default();
        let [mut passed, mut failed, mut unknown] = [0.0; 3];
        for outcome in outcomes {
            let (count, sum) = match outcome.status {
                Status::Passed => (&mut own.passed, &mut passed),
                Status::Failed => (&mut own.failed, &mut failed),
                Status::Inconclusive | Status::NotEvaluated => (&mut own.unknown, &mut unknown),
            };
            *count += 1;
            *sum += weight(outcome.severity);
        }
        let share = |of: f64, all: f64| (all > 0.0).then(|| of / all);
        let all = passed + failed + unknown;
        own.score = share(passed, passed + failed);
        (own.lower, own.upper) = (share(passed, all), share(passed + unknown, all));
        own
    }
}

#[cfg(test)]
mod tests;
