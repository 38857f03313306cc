//! What the daemon's metrics and traces are made of: what it does anyway, looked at from the side.

use super::event::{self, Done, Job};
use super::recorder::Status;
use crate::report::SourceSummary;
use chrono::{DateTime, Utc};
use fieldmark_model::metric::{
    self, BATCHES, BLOCKS_TOUCHED, CONFIGURATION_CURRENT, DEGRADED, FINDINGS, IMPOSED_WAIT, Label, MARK_ROWS,
    MARK_SIZE, MARK_TAKEN, MIGRATION_DURATION, MIGRATION_FAILURES, MIGRATION_OPEN, MIGRATION_TIME_TO_VERDICT,
    MIGRATIONS_JUDGED, RELOADS, ROWS_CHECKED, ROWS_FAILED, ROWS_READ, ROWS_UNKNOWN, RULE_DESIGN_EFFECT,
    RULE_EVALUATIONS, RULE_FAILING, RULE_FAILING_LOWER, RULE_FAILING_UPPER, RULE_LAST_EVALUATION, RULE_NOT_EVALUATED,
    RULE_SAMPLE, RULE_STATE, RULE_STATUS, RULE_TOLERANCE, RULE_VALUE, SCHEMA_CHANGES, SOURCE_FAULTS, SOURCE_LAG,
    SOURCE_RULES, SOURCE_UP, SPOOL_AGE, SPOOL_LOST, SPOOL_RECORDS, SPOOL_SIZE, STATEMENT_TIME, STATEMENTS,
    TASK_DURATION, WATCHDOG_LAG, YIELDS,
};
use fieldmark_model::migration::Verdict;
use fieldmark_model::observation::{Body, MigrationSeen, Phase, State, StateChange};
use fieldmark_model::{Outcome, RuleId, Severity, SourceName, Status as RuleStatus, TableName};
use fieldmark_telemetry::trace::MigrationTrace;
use fieldmark_telemetry::{Count as _, Lie as _, Measure as _, Told};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

/// What is remembered of a migration between its beginning and its verdict.
#[derive(Default)]
struct Ongoing {
    ended: Option<DateTime<Utc>>,
    changes: u64,
}

/// The migrations that go on, by their ids.
pub(super) struct Meters {
    agent: String,
    ongoing: HashMap<String, Ongoing>,
}

impl Meters {
    pub(super) fn new(agent: String) -> Self {
        CONFIGURATION_CURRENT.set([], 1.0);
        // a counter that is there from the beginning on is seen to rise by its first
        for result in ["taken", "refused"] {
            RELOADS.add([result], 0);
        }
        for result in ["taken", "later", "refused", "fenced"] {
            BATCHES.add([result], 0);
        }
        for why in ["full", "damaged", "cut_off", "never_written", "refused"] {
            SPOOL_LOST.add([why], 0);
        }
        Self { agent, ongoing: HashMap::new() }
    }

    /// Something is recorded.
    pub(super) fn observed(&mut self, body: &Body, now: DateTime<Utc>) {
        match body {
            Body::Migration(seen) => self.migration(seen, now),
            Body::State(change) => changed(change),
            Body::Finding(finding) => FINDINGS.add([finding.source.as_str(), &finding.id], 1),
            Body::Source(seen) => {
                let source = seen.source.as_str();
                SOURCE_RULES.set([source], seen.rules as f64);
                for verdict in Verdict::ALL.map(Verdict::as_str).into_iter().chain(["not_judged"]) {
                    MIGRATIONS_JUDGED.add([source, verdict], 0);
                }
            }
            Body::Mark(seen) => {
                let source = [seen.source.as_str()];
                MARK_TAKEN.set(source, seconds(now));
                MARK_ROWS.set(source, seen.rows as f64);
                MARK_SIZE.set(source, seen.bytes as f64);
            }
            // outcomes are told all at once, and how the agent is when it goes round
            Body::Outcome(_) | Body::Unwell(_) | Body::Heartbeat(_) | Body::Loss(_) | Body::Lineage(_) => {}
        }
    }

    fn migration(&mut self, seen: &MigrationSeen, now: DateTime<Utc>) {
        let source = seen.source.as_str();
        match &seen.phase {
            Phase::Open { .. } => {
                self.ongoing.entry(seen.id.clone()).or_default();
                MIGRATION_OPEN.set([source], 1.0);
            }
            Phase::Ended { at, changes } => {
                let ongoing = self.ongoing.entry(seen.id.clone()).or_default();
                (ongoing.ended, ongoing.changes) = (Some(*at), changes.len() as u64);
            }
            Phase::Judged { report } => {
                let failing = |status: RuleStatus| status == RuleStatus::Failed;
                let newly =
                    report.rules.iter().filter(|rule| !failing(rule.before.status) && failing(rule.after.status));
                MIGRATION_FAILURES.set([source], newly.count() as f64);
                let wrong = matches!(report.verdict, Verdict::Broken | Verdict::RestoredWithLoss);
                let wrong = wrong.then(|| report.reasons.first().cloned().unwrap_or_default());
                self.over(seen, now, report.verdict.as_str(), wrong);
            }
            Phase::Unjudged { why } => self.over(seen, now, "not_judged", Some(why.clone())),
        }
    }

    /// A migration is over, and what it did is told.
    fn over(&mut self, seen: &MigrationSeen, now: DateTime<Utc>, verdict: &str, wrong: Option<String>) {
        let source = seen.source.as_str();
        let ongoing = self.ongoing.remove(&seen.id).unwrap_or_default();
        MIGRATION_OPEN.set([source], 0.0);
        MIGRATIONS_JUDGED.add([source, verdict], 1);
        SCHEMA_CHANGES.add([source], ongoing.changes);
        let trace = self.trace(&seen.id);
        if let Some(ended) = ongoing.ended {
            MIGRATION_DURATION.record([source], between(seen.began, ended));
            MIGRATION_TIME_TO_VERDICT.record([source], between(ended, now));
            trace.step("change", seen.began, ended, &[("fieldmark.source", source)]);
        }
        let mut attributes = vec![
            ("fieldmark.source", source),
            ("fieldmark.migration.id", seen.id.as_str()),
            ("fieldmark.migration.noticed_by", seen.noticed_by.as_str()),
            ("fieldmark.migration.verdict", verdict),
        ];
        attributes.extend(seen.name.as_deref().map(|name| ("fieldmark.migration.name", name)));
        trace.end(seen.began, now, &attributes, wrong);
    }

    /// The trace of a migration.
    pub(super) fn trace(&self, migration: &str) -> MigrationTrace {
        MigrationTrace::of(&self.agent, migration)
    }
}

fn seconds(time: DateTime<Utc>) -> f64 {
    time.timestamp_millis() as f64 / 1e3
}

fn between(from: DateTime<Utc>, to: DateTime<Utc>) -> f64 {
    (to - from).as_seconds_f64().max(0.0)
}

/// A rule on a table is in another state.
fn changed(change: &StateChange) {
    let (Some(table), Some(rule)) = (&change.table, &change.rule) else { return };
    let known = Known {
        table: table.clone(),
        rule: rule.clone(),
        severity: change.severity,
        owner: change.owner.clone().unwrap_or_default(),
    };
    states(&change.source, &[known], |_, _| change.to);
}

/// A rule on a table, with what is told of it beside its state.
pub(super) struct Known {
    table: TableName,
    rule: RuleId,
    severity: Severity,
    owner: String,
}

/// The rules that a job has checked.
pub(super) fn rules_of(done: &Done) -> Vec<Known> {
    let bodies: &[Body] = match done {
        Done::Checked { bodies, .. } | Done::Rechecked { bodies } | Done::Judged { bodies, .. } => bodies,
        Done::Looked { .. }
        | Done::Marked { .. }
        | Done::Unmarked { .. }
        | Done::Lineage { .. }
        | Done::Failed { .. }
        | Done::Cancelled => &[],
    };
    let known = |body: &Body| {
        let Body::Outcome(outcome) = body else { return None };
        Some(Known {
            table: outcome.table.clone(),
            rule: outcome.rule.clone(),
            severity: outcome.severity,
            owner: outcome.owner.clone().unwrap_or_default(),
        })
    };
    bodies.iter().filter_map(known).collect()
}

/// The states that these rules are in.
pub(super) fn states(source: &SourceName, rules: &[Known], state: impl Fn(&TableName, &RuleId) -> State) {
    let mut now = HashMap::new();
    for known in rules {
        let (table, rule, state) = (&known.table, known.rule.as_str(), state(&known.table, &known.rule).as_str());
        let told = (known.owner.as_str(), known.severity.as_str(), state);
        let (owner, severity, state) = told;
        RULE_STATE.set([source.as_str(), &table.schema, &table.name, rule, owner, severity, state], 1.0);
        now.insert((table.schema.as_str(), table.name.as_str(), rule), told);
    }
    RULE_STATE.forget(|told| {
        let own = (told.get(Label::Owner), told.get(Label::Severity), told.get(Label::State));
        told.get(Label::Source) == source.as_str() && now.get(&key(told)).is_some_and(|now| *now != own)
    });
}

/// What is known of a source from before: what is wrong, and whether a migration is open.
pub(super) fn remembered(known: &event::Known) {
    let source = known.source.as_str();
    let is_open = known.remembered.as_ref().is_some_and(|remembered| remembered.announced.is_some());
    MIGRATION_OPEN.set([source], f64::from(u8::from(is_open)));
    if let Some(episodes) = &known.episodes {
        episodes.wrong(&known.source).iter().for_each(changed);
    }
}

/// What rules gave on a source; `all`: rules that are not among them are gone.
pub(super) fn checked(source: &SourceName, bodies: &[Body], all: bool, now: DateTime<Utc>) {
    let outcomes = || {
        bodies.iter().filter_map(|body| if let Body::Outcome(outcome) = body { Some(outcome.as_ref()) } else { None })
    };
    let (mut known, mut told_now, mut estimated, mut valued) =
        (HashSet::new(), HashSet::new(), HashSet::new(), HashSet::new());
    for outcome in outcomes() {
        let (schema, table, rule) = (outcome.table.schema.as_str(), outcome.table.name.as_str(), outcome.rule.as_str());
        let (owner, severity) = (outcome.owner.as_deref().unwrap_or_default(), outcome.severity.as_str());
        let (key, status) = ((schema, table, rule), outcome.status.as_str());
        known.insert(key);
        told_now.insert((key, owner, severity, status));
        RULE_STATUS.set([source.as_str(), schema, table, rule, owner, severity, status], 1.0);
        if outcome.fraction.is_some() {
            estimated.insert(key);
        }
        if outcome.value.is_some() {
            valued.insert(key);
        }
        of_outcome(source, outcome, now);
    }
    let of_source = |told: &Told<'_>| told.get(Label::Source) == source.as_str();
    RULE_STATUS.forget(|told| {
        let key = key(told);
        let now = (key, told.get(Label::Owner), told.get(Label::Severity), told.get(Label::Status));
        of_source(told) && if known.contains(&key) { !told_now.contains(&now) } else { all }
    });
    for gauge in [RULE_FAILING, RULE_FAILING_LOWER, RULE_FAILING_UPPER, RULE_TOLERANCE, RULE_DESIGN_EFFECT, RULE_SAMPLE]
    {
        gauge.forget(|told| {
            let key = key(told);
            of_source(told) && !estimated.contains(&key) && (all || known.contains(&key))
        });
    }
    RULE_VALUE.forget(|told| {
        let key = key(told);
        of_source(told) && !valued.contains(&key) && (all || known.contains(&key))
    });
    RULE_LAST_EVALUATION.forget(|told| all && of_source(told) && !known.contains(&key(told)));
    RULE_STATE.forget(|told| all && of_source(told) && !known.contains(&key(told)));
}

fn key<'t>(told: &'t Told<'_>) -> (&'t str, &'t str, &'t str) {
    (told.get(Label::Schema), told.get(Label::Table), told.get(Label::Rule))
}

fn of_outcome(source: &SourceName, outcome: &Outcome, now: DateTime<Utc>) {
    let labels = [source.as_str(), &outcome.table.schema, &outcome.table.name, outcome.rule.as_str()];
    let [source, schema, table, rule] = labels;
    RULE_EVALUATIONS.add([source, schema, table, rule, outcome.status.as_str()], 1);
    if let Some(why) = outcome.not_evaluated {
        RULE_NOT_EVALUATED.add([source, schema, table, rule, why.as_str()], 1);
    }
    if outcome.status != RuleStatus::NotEvaluated {
        RULE_LAST_EVALUATION.set(labels, seconds(now));
        ROWS_CHECKED.add(labels, outcome.checked.unwrap_or(0));
        ROWS_FAILED.add(labels, outcome.failed);
        ROWS_UNKNOWN.add(labels, outcome.unknown);
    }
    if let Some(fraction) = outcome.fraction {
        let [lower, upper] = outcome.interval.unwrap_or([fraction, fraction]);
        RULE_TOLERANCE.set(labels, outcome.tolerance);
        RULE_FAILING.set(labels, fraction);
        RULE_FAILING_LOWER.set(labels, lower);
        RULE_FAILING_UPPER.set(labels, upper);
        RULE_SAMPLE.set(labels, outcome.checked.unwrap_or(0) as f64);
        RULE_DESIGN_EFFECT.set(labels, outcome.design_effect.unwrap_or(1.0));
    }
    if let Some(value) = outcome.value {
        RULE_VALUE.set(labels, value);
    }
}

/// What reading a source has cost.
pub(super) fn spent(summaries: &[SourceSummary]) {
    for summary in summaries {
        let (source, courtesy) = ([summary.name.as_str()], summary.courtesy);
        STATEMENTS.add(source, summary.statements);
        STATEMENT_TIME.add_seconds(source, summary.statement_seconds);
        ROWS_READ.add(source, summary.rows_read);
        BLOCKS_TOUCHED.add(source, summary.blocks.unwrap_or(0));
        YIELDS.add([summary.name.as_str(), "gave_way"], courtesy.gave_way);
        YIELDS.add([summary.name.as_str(), "lock_timeout"], courtesy.lock_timeouts);
        IMPOSED_WAIT.add_seconds(source, courtesy.imposed_wait_seconds);
        WATCHDOG_LAG.set(source, courtesy.watchdog_lag_seconds);
    }
}

/// By how much a replica is behind.
pub(super) fn behind(source: &SourceName, seconds: Option<f64>) {
    match seconds {
        Some(seconds) => SOURCE_LAG.set([source.as_str()], seconds),
        None => SOURCE_LAG.forget(|told| told.get(Label::Source) == source.as_str()),
    }
}

/// A job has ended.
pub(super) fn done(source: &SourceName, job: &Job, done: &Done, took: Duration) {
    let result = match done {
        Done::Looked { .. }
        | Done::Marked { .. }
        | Done::Checked { .. }
        | Done::Rechecked { .. }
        | Done::Lineage { .. }
        | Done::Judged { .. } => "done",
        Done::Unmarked { .. } => "unmarked",
        Done::Failed { .. } => "failed",
        Done::Cancelled => "cancelled",
    };
    // a mark or a recapture may fail for what is none of the source's fault
    if matches!(job, Job::Look { .. } | Job::Check) && matches!(result, "done" | "failed") {
        SOURCE_UP.set([source.as_str()], f64::from(u8::from(result == "done")));
    }
    TASK_DURATION.record([source.as_str(), job.as_str(), result], took.as_secs_f64());
    if let Done::Failed { fault } = done {
        SOURCE_FAULTS.add([source.as_str(), job.as_str(), fault.nature.as_str()], 1);
    }
}

/// These sources are configured: what is known of others is told no more.
pub(super) fn configured(sources: &BTreeSet<&str>) {
    fieldmark_telemetry::record::forget(|facts, told| {
        facts.by == metric::By::Agent
            && facts.labels.contains(&Label::Source)
            && !sources.contains(told.get(Label::Source))
    });
}

/// How the agent is.
pub(super) fn goes_round(spool: &Status, behind: Duration, degraded: usize) {
    SPOOL_RECORDS.set([], spool.records as f64);
    SPOOL_SIZE.set([], spool.bytes as f64);
    SPOOL_AGE.set([], behind.as_secs_f64());
    for (why, lost) in &spool.losses {
        SPOOL_LOST.reach([why.as_str()], *lost);
    }
    DEGRADED.set([], degraded as f64);
    fieldmark_telemetry::process::goes_round();
}

/// A configuration was read again: whether it was taken, and whether all of it holds now.
pub(super) fn reloaded(taken: bool, is_current: bool) {
    RELOADS.add([if taken { "taken" } else { "refused" }], 1);
    CONFIGURATION_CURRENT.set([], f64::from(u8::from(is_current)));
}

/// A batch went to the collector, or did not.
pub(super) fn batch(result: &'static str) {
    BATCHES.add([result], 1);
}
