//! The metrics of agent and collector: one list, of which recording, documentation and dashboards are made.
//!
//! Names are in the namespace `fieldmark.`, since no convention exists for data quality; what a convention exists for has its name
//! (`http.server.request.duration`). Units are UCUM's: what is counted in annotations (`{row}`), fractions `1`, which Prometheus calls
//! `_ratio`. Labels are bounded by what is configured: never keys, values, SQL or ids.

/// What a metric is told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// The source's name in the configuration.
    Source,
    /// The table's schema.
    Schema,
    /// The table's name.
    Table,
    /// The rule's id.
    Rule,
    /// Who answers for the rule.
    Owner,
    /// How much a failure matters: `info`, `ticket`, `page`.
    Severity,
    /// What the last check gave: `passed`, `failed`, `inconclusive`, `not_evaluated`.
    Status,
    /// The class of an incident: `systemic`, `flapping`.
    Class,
    /// The name of a way to tell somebody.
    Way,
    /// The state of a rule on a table: `ok`, `suspect`, `transient`, `systemic`, `flapping`, `resolved`.
    State,
    /// Why, in one of a few words.
    Reason,
    /// What a migration did: the verdict's word, or `not_judged`.
    Verdict,
    /// What was done for a source: `look`, `mark`, `check`, `recheck`, `recapture`, `lineage`.
    Task,
    /// What came of it, in one of a few words.
    Result,
    /// Which telemetry: `metrics`, `traces`, `logs`.
    Signal,
    /// The id of a finding.
    Finding,
    /// The name of an agent.
    Agent,
    /// The method of a request.
    Method,
    /// The path of a request, with names for its parts.
    Route,
    /// The status code of an answer.
    Code,
}

impl Label {
    /// Its name, as it is exported.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Schema => "schema",
            Self::Table => "table",
            Self::Rule => "rule",
            Self::Owner => "owner",
            Self::Severity => "severity",
            Self::Status => "status",
            Self::State => "state",
            Self::Class => "class",
            Self::Way => "route",
            Self::Reason => "reason",
            Self::Verdict => "verdict",
            Self::Task => "task",
            Self::Result => "result",
            Self::Signal => "signal",
            Self::Finding => "finding",
            Self::Agent => "agent",
            Self::Method => "http.request.method",
            Self::Route => "http.route",
            Self::Code => "http.response.status_code",
        }
    }
}

/// How a metric's values go together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Counts up from the process's start.
    Counter,
    /// A value as it is now.
    Gauge,
    /// How many values lay where: upper bounds of the places.
    Histogram(&'static [f64]),
}

/// Whose metric it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The agent's.
    Agent,
    /// The collector's.
    Collector,
    /// That of either process.
    Process,
}

/// All that there is to know of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Facts {
    /// Its name in OpenTelemetry.
    pub name: &'static str,
    /// How its values go together.
    pub kind: Kind,
    /// Its unit (UCUM); empty: none.
    pub unit: &'static str,
    /// What it is told apart by.
    pub labels: &'static [Label],
    /// Whose it is.
    pub by: By,
    /// What it means.
    pub what: &'static str,
}

impl Facts {
    /// Its name in Prometheus: after the OpenTelemetry specification's "Prometheus and OpenMetrics Compatibility".
    pub fn prometheus(&self) -> String {
        let name = self.name.replace('.', "_");
        let unit = match self.unit {
            "s" => "_seconds",
            "By" => "_bytes",
            "1" => "_ratio",
            _ => "",
        };
        let total = if self.kind == Kind::Counter { "_total" } else { "" };
        format!("{name}{unit}{total}")
    }
}

/// A metric that counts up, told apart by `N` labels.
#[derive(Clone, Copy, Debug)]
pub struct Counter<const N: usize>(pub Facts);

/// A metric that is as it is now, told apart by `N` labels.
#[derive(Clone, Copy, Debug)]
pub struct Gauge<const N: usize>(pub Facts);

/// A metric of how values lie, told apart by `N` labels.
#[derive(Clone, Copy, Debug)]
pub struct Histogram<const N: usize>(pub Facts);

macro_rules! metrics {
    ($($(#[doc = $what:literal])+ $id:ident: $kind:ident $(($bounds:expr))? = $name:literal, $unit:literal, $by:ident, [$($label:ident),*];)*) => {
        $(
            $(#[doc = $what])+
            pub const $id: $kind<{ <[Label]>::len(&[$(Label::$label),*]) }> = $kind(Facts {
                name: $name,
                kind: Kind::$kind $(($bounds))?,
                unit: $unit,
                labels: &[$(Label::$label),*],
                by: By::$by,
                what: concat!($($what,)+).trim_ascii(),
            });
        )*

        /// All of them, in the order of the documentation.
        pub const ALL: &[Facts] = &[$($id.0,)*];
    };
}

/// From a look at a catalogue to a recapture.
const WORK: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0];
/// How long migrations and incidents go on.
const MIGRATIONS: &[f64] = &[1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0];
/// How long requests take (the convention's bounds).
const REQUESTS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

metrics! {
    /// Rows of samples that a rule was asked about.
    ROWS_CHECKED: Counter = "fieldmark.rows.checked", "{row}", Agent, [Source, Schema, Table, Rule];
    /// Rows of samples that failed the rule.
    ROWS_FAILED: Counter = "fieldmark.rows.failed", "{row}", Agent, [Source, Schema, Table, Rule];
    /// Rows of samples for which the rule is neither true nor false.
    ROWS_UNKNOWN: Counter = "fieldmark.rows.unknown", "{row}", Agent, [Source, Schema, Table, Rule];
    /// Checks of the rule, by what they gave: `passed`, `failed`, `inconclusive`, `not_evaluated`.
    RULE_EVALUATIONS: Counter = "fieldmark.rule.evaluations", "{evaluation}", Agent, [Source, Schema, Table, Rule, Status];
    /// Checks that were not made, by why.
    RULE_NOT_EVALUATED: Counter = "fieldmark.rule.not_evaluated", "{evaluation}", Agent, [Source, Schema, Table, Rule, Reason];
    /// 1 for what the rule's last check gave: `passed`, `failed`, `inconclusive`, `not_evaluated`. Stays while the source cannot be read: `fieldmark.rule.last_evaluation.timestamp` tells how old it is.
    RULE_STATUS: Gauge = "fieldmark.rule.status", "", Agent, [Source, Schema, Table, Rule, Owner, Severity, Status];
    /// 1 for the state that the rule's rows are in on the table: `ok`, `suspect`, `transient`, `systemic`, `flapping`, `resolved`. One that cannot be checked stays as it was: `fieldmark.rule.status` says so.
    RULE_STATE: Gauge = "fieldmark.rule.state", "", Agent, [Source, Schema, Table, Rule, Owner, Severity, State];
    /// Estimated fraction of the table's rows that fail the rule. Not there after a check that could not be made.
    RULE_FAILING: Gauge = "fieldmark.rule.failing", "1", Agent, [Source, Schema, Table, Rule];
    /// Lower end of that fraction's interval; the fraction itself where all rows were read.
    RULE_FAILING_LOWER: Gauge = "fieldmark.rule.failing.lower", "1", Agent, [Source, Schema, Table, Rule];
    /// Upper end of that fraction's interval; the fraction itself where all rows were read.
    RULE_FAILING_UPPER: Gauge = "fieldmark.rule.failing.upper", "1", Agent, [Source, Schema, Table, Rule];
    /// Fraction of failing rows that the rule allows.
    RULE_TOLERANCE: Gauge = "fieldmark.rule.tolerance", "1", Agent, [Source, Schema, Table, Rule];
    /// What the rule measured, of kinds that measure (`row_count`: rows, `fresh`: lag in seconds, `distribution`: the statistic).
    RULE_VALUE: Gauge = "fieldmark.rule.value", "", Agent, [Source, Schema, Table, Rule];
    /// Rows of the last check's sample that the rule was asked about.
    RULE_SAMPLE: Gauge = "fieldmark.rule.sample", "{row}", Agent, [Source, Schema, Table, Rule];
    /// By how many rows of the sample one independent row is worth as much, for this rule: 1 where rows were drawn one by one.
    RULE_DESIGN_EFFECT: Gauge = "fieldmark.rule.design_effect", "", Agent, [Source, Schema, Table, Rule];
    /// When the rule was last evaluated, in seconds since 1970: a rule that is blind falls behind.
    RULE_LAST_EVALUATION: Gauge = "fieldmark.rule.last_evaluation.timestamp", "s", Agent, [Source, Schema, Table, Rule];
    /// 1 where the last look at the source, or check of it, went well, 0 where it could not be read.
    SOURCE_UP: Gauge = "fieldmark.source.up", "", Agent, [Source];
    /// Jobs that failed because the source could not be read, by whether waiting may help: `transient`, `permanent`.
    SOURCE_FAULTS: Counter = "fieldmark.source.faults", "{fault}", Agent, [Source, Task, Reason];
    /// By how much the replica is behind its primary, as of the last look.
    SOURCE_LAG: Gauge = "fieldmark.source.lag", "s", Agent, [Source];
    /// Rules that the source was last checked by.
    SOURCE_RULES: Gauge = "fieldmark.source.rules", "{rule}", Agent, [Source];
    /// How long what is done for a source takes.
    TASK_DURATION: Histogram(WORK) = "fieldmark.task.duration", "s", Agent, [Source, Task, Result];
    /// Statements that were sent to the source by checks, marks and recaptures that came to their end.
    STATEMENTS: Counter = "fieldmark.statements", "{statement}", Agent, [Source];
    /// Time that those statements took at the source, in all.
    STATEMENT_TIME: Counter = "fieldmark.statement.time", "s", Agent, [Source];
    /// Rows that came from the source.
    ROWS_READ: Counter = "fieldmark.rows.read", "{row}", Agent, [Source];
    /// Blocks that statements touched at the source, where it has blocks.
    BLOCKS_TOUCHED: Counter = "fieldmark.blocks.touched", "{block}", Agent, [Source];
    /// Statements that were ended because somebody waited for what they held: `lock_timeout` where ours waited and gave up.
    YIELDS: Counter = "fieldmark.yields", "{statement}", Agent, [Source, Reason];
    /// Time that others may have waited for statements of ours before these were ended, at most.
    IMPOSED_WAIT: Counter = "fieldmark.imposed_wait", "s", Agent, [Source];
    /// Longest time between two looks of the watchdog while a statement of ours ran, since the last check.
    WATCHDOG_LAG: Gauge = "fieldmark.watchdog.lag", "s", Agent, [Source];
    /// When the last mark was taken, in seconds since 1970.
    MARK_TAKEN: Gauge = "fieldmark.mark.timestamp", "s", Agent, [Source];
    /// Rows of the last mark.
    MARK_ROWS: Gauge = "fieldmark.mark.rows", "{row}", Agent, [Source];
    /// Size of the last mark.
    MARK_SIZE: Gauge = "fieldmark.mark.size", "By", Agent, [Source];
    /// 1 while a migration of the source is open or not judged yet.
    MIGRATION_OPEN: Gauge = "fieldmark.migration.open", "", Agent, [Source];
    /// Migrations that are over, by what they did: `clean`, `as_declared`, `surprising`, `broken`, `inconclusive`, `not_comparable`, `not_judged`.
    MIGRATIONS_JUDGED: Counter = "fieldmark.migrations", "{migration}", Agent, [Source, Verdict];
    /// From a migration's beginning to its end.
    MIGRATION_DURATION: Histogram(MIGRATIONS) = "fieldmark.migration.duration", "s", Agent, [Source];
    /// From a migration's end to its verdict.
    MIGRATION_TIME_TO_VERDICT: Histogram(WORK) = "fieldmark.migration.time_to_verdict", "s", Agent, [Source];
    /// Rules that passed before the last judged migration and fail after it.
    MIGRATION_FAILURES: Gauge = "fieldmark.migration.failures", "{rule}", Agent, [Source];
    /// Changes of the schema that were noticed.
    SCHEMA_CHANGES: Counter = "fieldmark.schema.changes", "{change}", Agent, [Source];
    /// Findings that were told, by their ids.
    FINDINGS: Counter = "fieldmark.findings", "{finding}", Agent, [Source, Finding];
    /// Observations in the spool.
    SPOOL_RECORDS: Gauge = "fieldmark.spool.records", "{observation}", Agent, [];
    /// Size of the spool on the disk.
    SPOOL_SIZE: Gauge = "fieldmark.spool.size", "By", Agent, [];
    /// For how long the collector has not had everything.
    SPOOL_AGE: Gauge = "fieldmark.spool.age", "s", Agent, [];
    /// Observations that were lost, by why: `full`, `damaged`, `cut_off`, `never_written`, `refused`.
    SPOOL_LOST: Counter = "fieldmark.spool.lost", "{observation}", Agent, [Reason];
    /// Tries to hand a batch to the collector, by what came of them: `taken`, `later`, `refused`, `fenced`.
    BATCHES: Counter = "fieldmark.batches", "{batch}", Agent, [Result];
    /// Conditions of the agent that somebody has to look at.
    DEGRADED: Gauge = "fieldmark.degraded", "{condition}", Agent, [];
    /// Readings of the configuration after the start: `taken`, `refused`.
    RELOADS: Counter = "fieldmark.configuration.reloads", "{reload}", Agent, [Result];
    /// 1 where the configuration in use is the one in the files, 0 where that was refused or needs a restart.
    CONFIGURATION_CURRENT: Gauge = "fieldmark.configuration.current", "", Agent, [];

    /// Observations that came from agents: `stored`, `repeated`.
    INGESTED: Counter = "fieldmark.ingest.observations", "{observation}", Collector, [Agent, Result];
    /// Batches that were not stored, by why: `malformed`, `too_large`, `identity_forged`, `digest_mismatch`, `identity_conflict`, `store`.
    INGEST_REFUSED: Counter = "fieldmark.ingest.refused", "{batch}", Collector, [Reason];
    /// How long requests take.
    REQUESTS_DURATION: Histogram(REQUESTS) = "http.server.request.duration", "s", Collector, [Method, Route, Code];
    /// Connections that are open.
    CONNECTIONS: Gauge = "fieldmark.connections", "{connection}", Collector, [];
    /// When an agent was last heard of, in seconds since 1970: one that is silent falls behind.
    AGENT_LAST_SEEN: Gauge = "fieldmark.agent.last_seen.timestamp", "s", Collector, [Agent];
    /// Conditions of an agent that somebody has to look at, as of its last heartbeat.
    AGENT_DEGRADED: Gauge = "fieldmark.agent.degraded", "{condition}", Collector, [Agent];
    /// Observations that an agent has lost, as of its last heartbeat.
    AGENT_LOST: Gauge = "fieldmark.agent.lost", "{observation}", Collector, [Agent];
    /// By how much an agent's clock is ahead of the collector's, less the time that its last batch took to come.
    AGENT_CLOCK_AHEAD: Gauge = "fieldmark.agent.clock_ahead", "s", Collector, [Agent];
    /// Incidents that are open.
    INCIDENTS_OPEN: Gauge = "fieldmark.incidents.open", "{incident}", Collector, [Agent, Source, Owner, Class, Severity];
    /// From when what an incident is about began to when it was opened.
    INCIDENT_TIME_TO_DETECT: Histogram(MIGRATIONS) = "fieldmark.incident.time_to_detect", "s", Collector, [Source, Severity];
    /// From an incident's opening to when all of it was well again.
    INCIDENT_TIME_TO_RESTORE: Histogram(MIGRATIONS) = "fieldmark.incident.time_to_restore", "s", Collector, [Source, Severity];
    /// Tries to tell somebody over a route, by what came of them: `taken`, `later`, `refused`.
    DELIVERIES: Counter = "fieldmark.deliveries", "{delivery}", Collector, [Way, Result];
    /// Notices that wait to be told to somebody.
    NOTICES_WAITING: Gauge = "fieldmark.notices.waiting", "{notice}", Collector, [];
    /// For how long the oldest of them waits.
    NOTICES_AGE: Gauge = "fieldmark.notices.age", "s", Collector, [];
    /// Silences that are in force.
    SILENCES: Gauge = "fieldmark.silences", "{silence}", Collector, [];
    /// 1 for an agent of which nothing is heard for longer than things are given to heal.
    AGENT_SILENT: Gauge = "fieldmark.agent.silent", "", Collector, [Agent];
    /// 1 where the store can be written to.
    STORE_UP: Gauge = "fieldmark.store.up", "", Collector, [];
    /// Size of the store's file, where it is one.
    STORE_SIZE: Gauge = "fieldmark.store.size", "By", Collector, [];
    /// Observations that were removed because of their age.
    STORE_REMOVED: Counter = "fieldmark.store.removed", "{observation}", Collector, [];

    /// When the process last went round, in seconds since 1970: the heartbeat that a dead man's switch misses.
    HEARTBEAT: Gauge = "fieldmark.heartbeat.timestamp", "s", Process, [];
    /// Exports of telemetry by OTLP: `taken`, `failed`.
    TELEMETRY_EXPORTS: Counter = "fieldmark.telemetry.exports", "{export}", Process, [Signal, Result];
    /// Recordings that were left out because their metric has as many series as it may.
    TELEMETRY_OVERFLOW: Counter = "fieldmark.telemetry.overflow", "{recording}", Process, [];
    /// Memory of the process that is its own (RssAnon).
    PROCESS_MEMORY: Gauge = "process.memory.usage", "By", Process, [];
    /// Time of processors that the process has used.
    PROCESS_TIME: Counter = "process.cpu.time", "s", Process, [];
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_there_once_in_both_worlds() {
        let names: BTreeSet<_> = ALL.iter().map(|facts| facts.name).collect();
        let prometheus: BTreeSet<_> = ALL.iter().map(Facts::prometheus).collect();
        assert_eq!((names.len(), prometheus.len()), (ALL.len(), ALL.len()));
    }

    #[test]
    fn a_count_is_no_ratio() {
        for facts in ALL {
            let is_fraction = facts.unit == "1";
            assert_eq!(facts.prometheus().ends_with("_ratio"), is_fraction, "{}", facts.name);
            assert!(!(is_fraction && facts.kind == Kind::Counter), "{}", facts.name);
        }
    }

    #[test]
    fn labels_keep_clear_of_what_prometheus_adds() {
        for label in ALL.iter().flat_map(|facts| facts.labels) {
            assert!(!["job", "instance", "le", "quantile", "__name__"].contains(&label.as_str()));
        }
    }
}
