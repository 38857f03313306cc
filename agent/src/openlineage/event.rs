//! From what is observed to events. Pure.

use super::facet::{self, PRODUCER};
use chrono::{DateTime, Utc};
use fieldmark_collector::lineage::{ColumnOf, EdgeOf, Place};
use fieldmark_model::lineage::{LineagePart, LineageSeen, OriginKind};
use fieldmark_model::migration::{ColumnFate, MigrationReport, TableChange, Verdict};
use fieldmark_model::observation::{Body, MigrationSeen, Phase};
use fieldmark_model::{Outcome, Severity, SourceName, Status, TableName};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};

const EVENT: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json";

/// Where sources are.
pub(crate) type Places = Vec<Place>;

fn stamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// The id of a run: the same for all events of one (a UUID by a digest, version 8 of RFC 9562).
fn run_id(of: &str) -> String {
    let digest = Sha256::digest(of);
    let hex: Vec<String> = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let hex = hex.concat();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-8{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

/// What is known of a run.
struct Run<'r> {
    kind: &'static str,
    time: DateTime<Utc>,
    id: &'r str,
    namespace: &'r str,
    job: &'r str,
    job_type: &'static str,
}

impl Run<'_> {
    fn event(&self, facets: Map<String, Value>, inputs: Vec<Value>, outputs: Vec<Value>) -> Value {
        json!({
            "eventType": self.kind,
            "eventTime": stamp(self.time),
            "producer": PRODUCER,
            "schemaURL": format!("{EVENT}#/$defs/RunEvent"),
            "run": { "runId": run_id(self.id), "facets": facets },
            "job": { "namespace": self.namespace, "name": self.job, "facets": { "jobType": facet::job_type(self.job_type) } },
            "inputs": inputs,
            "outputs": outputs,
        })
    }
}

fn named(table: &TableName) -> String {
    crate::lineage::spelled(table)
}

fn namespace_of(source: &SourceName, places: &[Place]) -> String {
    places
        .iter()
        .find(|place| place.source == *source)
        .map_or_else(|| source.to_string(), |place| place.namespace.clone())
}

/// The events that say what was observed.
pub(crate) fn events(places: &[Place], time: DateTime<Utc>, bodies: &[Body]) -> Vec<Value> {
    let mut events = Vec::new();
    let mut outcomes: BTreeMap<&SourceName, Vec<&Outcome>> = BTreeMap::new();
    for body in bodies {
        match body {
            Body::Migration(seen) => events.extend(migration(places, time, seen)),
            Body::Outcome(outcome) => outcomes.entry(&outcome.source).or_default().push(outcome),
            Body::Lineage(seen) => events.extend(lineage(places, time, seen)),
            Body::Finding(_)
            | Body::State(_)
            | Body::Source(_)
            | Body::Mark(_)
            | Body::Unwell(_)
            | Body::Heartbeat(_)
            | Body::Loss(_) => {}
        }
    }
    for (source, outcomes) in outcomes {
        events.extend(check(places, time, source, &outcomes));
    }
    events
}

fn migration(places: &[Place], time: DateTime<Utc>, seen: &MigrationSeen) -> Option<Value> {
    let id = format!("migration {} {}", seen.source, seen.id);
    let namespace = namespace_of(&seen.source, places);
    let job = format!("migration.{}", seen.source);
    let run = |kind| Run { kind, time, id: &id, namespace: &namespace, job: &job, job_type: "MIGRATION" };
    match &seen.phase {
        Phase::Open { .. } => Some(run("START").event(Map::new(), Vec::new(), Vec::new())),
        Phase::Judged { report } => {
            let failed = matches!(report.verdict, Verdict::Broken);
            let mut facets = Map::new();
            if failed {
                facets.insert("errorMessage".to_owned(), facet::error(&report.reasons.join("; ")));
            }
            let outputs = outputs(places, seen, report);
            Some(run(if failed { "FAIL" } else { "COMPLETE" }).event(facets, Vec::new(), outputs))
        }
        Phase::Unjudged { why } => {
            let facets = Map::from_iter([("errorMessage".to_owned(), facet::error(why))]);
            Some(run("ABORT").event(facets, Vec::new(), Vec::new()))
        }
        Phase::Ended { .. } => Some(run("RUNNING").event(Map::new(), Vec::new(), Vec::new())),
    }
}

/// The tables that a migration changed: what happened to each.
fn outputs(places: &[Place], seen: &MigrationSeen, report: &MigrationReport) -> Vec<Value> {
    let mut outputs: Vec<Value> = report.tables.iter().filter_map(|table| output(places, seen, table)).collect();
    for table in &report.tables_added {
        let (namespace, name) = facet::dataset(&seen.source, &named(table), places);
        let facets =
            json!({ "lifecycleStateChange": facet::lifecycle("CREATE", None), "version": facet::version(&seen.id) });
        outputs.push(json!({ "namespace": namespace, "name": name, "facets": facets }));
    }
    outputs
}

fn output(places: &[Place], seen: &MigrationSeen, table: &TableChange) -> Option<Value> {
    let is_gone = !table.columns.is_empty() && table.columns.iter().all(|column| column.fate == ColumnFate::Dropped);
    let renamed: Vec<(String, String)> = table
        .columns
        .iter()
        .filter_map(|column| match &column.fate {
            ColumnFate::Renamed { from, .. } | ColumnFate::RenamedAndRetyped { from, .. } => {
                Some((from.clone(), column.column.clone()))
            }
            ColumnFate::Kept | ColumnFate::Dropped | ColumnFate::Added | ColumnFate::Retyped => None,
        })
        .collect();
    let is_altered = table.columns.iter().any(|column| column.fate != ColumnFate::Kept);
    let before = table.renamed_from.as_ref().map(|before| facet::dataset(&seen.source, &named(before), places));
    let change = match (is_gone, &before, is_altered) {
        (true, _, _) => facet::lifecycle("DROP", None),
        (false, Some(before), _) => facet::lifecycle("RENAME", Some(before.clone())),
        (false, None, true) => facet::lifecycle("ALTER", None),
        (false, None, false) => return None,
    };
    let (namespace, name) = facet::dataset(&seen.source, &named(&table.table), places);
    let kept = table.columns.iter().filter(|column| column.fate != ColumnFate::Dropped);
    let columns: Vec<(&str, Option<&str>)> =
        kept.map(|column| (column.column.as_str(), column.type_after.as_deref())).collect();
    let mut facets = Map::new();
    facets.insert("lifecycleStateChange".to_owned(), change);
    facets.insert("version".to_owned(), facet::version(&seen.id));
    facets.insert("schema".to_owned(), facet::schema(&columns));
    if !renamed.is_empty() {
        facets.insert("fieldmark_renamedColumns".to_owned(), facet::renamed_columns(&renamed));
    }
    Some(json!({ "namespace": namespace, "name": name, "facets": facets }))
}

/// A check: each table with what its rules gave. What could not be told is no assertion that failed: it was skipped.
fn check(places: &[Place], time: DateTime<Utc>, source: &SourceName, outcomes: &[&Outcome]) -> Vec<Value> {
    let id = format!("check {source} {}", stamp(time));
    let (namespace, job) = (namespace_of(source, places), format!("check.{source}"));
    let run = |kind| Run { kind, time, id: &id, namespace: &namespace, job: &job, job_type: "CHECK" };
    let mut by_table: BTreeMap<&TableName, Vec<&Outcome>> = BTreeMap::new();
    for outcome in outcomes {
        by_table.entry(&outcome.table).or_default().push(outcome);
    }
    let severity = |outcome: &Outcome| match outcome.severity {
        Severity::Info => "warn",
        Severity::Ticket | Severity::Page => "error",
    };
    let mut inputs = Vec::new();
    for (table, own) in by_table {
        let (namespace, name) = facet::dataset(source, &named(table), places);
        let assertion = |outcome: &&&Outcome| {
            let success = match outcome.status {
                Status::Passed => true,
                Status::Failed => false,
                Status::Inconclusive | Status::NotEvaluated => return None,
            };
            Some(
                json!({ "assertion": outcome.kind, "success": success, "severity": severity(outcome), "name": outcome.rule.as_str() }),
            )
        };
        let assertions: Vec<Value> = own.iter().filter_map(|outcome| assertion(&outcome)).collect();
        let assertions = facet::facet(
            "1-1-0/DataQualityAssertionsDatasetFacet.json#/$defs/DataQualityAssertionsDatasetFacet",
            json!({ "assertions": assertions }),
        );
        let mut metrics = json!({ "columnMetrics": {} });
        if let (Some(rows), Some(metrics)) =
            (own.iter().filter_map(|outcome| outcome.checked).max(), metrics.as_object_mut())
        {
            metrics.insert("rowCount".to_owned(), json!(rows));
        }
        let metrics = facet::facet(
            "1-0-3/DataQualityMetricsInputDatasetFacet.json#/$defs/DataQualityMetricsInputDatasetFacet",
            metrics,
        );
        let mut facets = Map::new();
        if let Some(owner) = own.iter().find_map(|outcome| outcome.owner.as_deref()) {
            facets.insert("ownership".to_owned(), facet::ownership(owner));
        }
        inputs.push(json!({ "namespace": namespace, "name": name, "facets": facets,
            "inputFacets": { "dataQualityAssertions": assertions, "dataQualityMetrics": metrics } }));
    }
    let test = |outcome: &&Outcome| {
        let status = match outcome.status {
            Status::Passed => "pass",
            Status::Failed => "fail",
            Status::Inconclusive | Status::NotEvaluated => "skip",
        };
        json!({ "name": outcome.rule.as_str(), "status": status, "severity": severity(outcome), "type": outcome.kind,
            "description": outcome.reason })
    };
    let tests: Vec<Value> = outcomes.iter().map(test).collect();
    let tests = facet::facet("1-0-1/TestRunFacet.json#/$defs/TestRunFacet", json!({ "tests": tests }));
    let facets = Map::from_iter([("test".to_owned(), tests)]);
    vec![run("START").event(Map::new(), Vec::new(), Vec::new()), run("COMPLETE").event(facets, inputs, Vec::new())]
}

/// What a piece of lineage says of tables, and of what is made from others.
fn lineage(places: &[Place], time: DateTime<Utc>, seen: &LineageSeen) -> Vec<Value> {
    match &seen.part {
        LineagePart::Tables { tables, gone } => {
            let mut events: Vec<Value> = tables
                .iter()
                .map(|table| {
                    let columns: Vec<(&str, Option<&str>)> = table
                        .columns
                        .iter()
                        .map(|column| (column.name.as_str(), Some(column.declared.as_str())))
                        .collect();
                    let facets = Map::from_iter([("schema".to_owned(), facet::schema(&columns))]);
                    event(places, time, (&seen.source, &table.name), facets)
                })
                .collect();
            events.extend(gone.iter().map(|table| {
                let facets = Map::from_iter([("lifecycleStateChange".to_owned(), facet::lifecycle("DROP", None))]);
                event(places, time, (&seen.source, table), facets)
            }));
            events
        }
        LineagePart::Origin(origin) => {
            let kind = match origin.kind {
                OriginKind::View => Some(facet::dataset_type("VIEW", None)),
                OriginKind::MaterializedView => Some(facet::dataset_type("VIEW", Some("MATERIALIZED"))),
                OriginKind::Function | OriginKind::Generated => None,
                // tables that others write to as well: who writes to them last would hide the rest
                OriginKind::Rewrite
                | OriginKind::Trigger
                | OriginKind::ForeignKey
                | OriginKind::Statement
                | OriginKind::Migration
                | OriginKind::Rule
                | OriginKind::Job
                | OriginKind::Consumer => return Vec::new(),
            };
            let own = |column: &fieldmark_model::lineage::ColumnName| ColumnOf {
                source: seen.source.clone(),
                table: column.table.clone(),
                column: column.column.clone(),
            };
            let edges: Vec<EdgeOf> = origin
                .edges
                .iter()
                .filter(|edge| edge.target.table != origin.name)
                .map(|edge| EdgeOf {
                    source: own(&edge.source),
                    target: own(&edge.target),
                    kind: edge.kind,
                    masked: edge.masked,
                    origin: origin.name.clone(),
                    certainty: origin.certainty,
                    since: time,
                })
                .collect();
            let tables: BTreeSet<&str> = edges.iter().map(|edge| edge.target.table.as_str()).collect();
            let one = |table: &str| {
                let own: Vec<&EdgeOf> = edges.iter().filter(|edge| edge.target.table == table).collect();
                let mut facets = Map::new();
                facets.insert("columnLineage".to_owned(), facet::column_lineage(&own, places));
                facets.insert("lineage".to_owned(), facet::lineage(&own, places));
                if let Some(kind) = &kind {
                    facets.insert("datasetType".to_owned(), kind.clone());
                }
                if let Some(owner) = &origin.owner {
                    facets.insert("ownership".to_owned(), facet::ownership(owner));
                }
                event(places, time, (&seen.source, table), facets)
            };
            tables.into_iter().map(one).collect()
        }
        LineagePart::Place { .. } | LineagePart::Gone { .. } => Vec::new(),
    }
}

fn event(
    places: &[Place],
    time: DateTime<Utc>,
    (source, table): (&SourceName, &str),
    facets: Map<String, Value>,
) -> Value {
    let (namespace, name) = facet::dataset(source, table, places);
    json!({
        "eventTime": stamp(time),
        "producer": PRODUCER,
        "schemaURL": format!("{EVENT}#/$defs/DatasetEvent"),
        "dataset": { "namespace": namespace, "name": name, "facets": facets },
    })
}

/// What is known of a table, as an event of its own.
pub(crate) fn dataset_event(
    source: &str,
    table: &str,
    edges: &[&EdgeOf],
    places: &[Place],
    now: DateTime<Utc>,
) -> Value {
    let columns: BTreeSet<&str> = edges.iter().map(|edge| edge.target.column.as_str()).collect();
    let columns: Vec<(&str, Option<&str>)> = columns.into_iter().map(|column| (column, None)).collect();
    let facets = Map::from_iter([
        ("schema".to_owned(), facet::schema(&columns)),
        ("columnLineage".to_owned(), facet::column_lineage(edges, places)),
        ("lineage".to_owned(), facet::lineage(edges, places)),
    ]);
    event(places, now, (&SourceName::new(source), table), facets)
}
