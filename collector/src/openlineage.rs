//! OpenLineage events from others: what a job said of the columns that it makes.
//!
//! Source of the forms: OpenLineage 2-0-2 (`RunEvent`, `DatasetEvent`, `JobEvent`), the facets `columnLineage` (1-0-0 to 1-2-0), `lineage`
//! (1-0-0), `schema`, `ownership`. What is said besides is left alone.

use crate::lineage::{BetweenSources, ColumnOf, Job, Place};
use chrono::{DateTime, Utc};
use fieldmark_model::SourceName;
use fieldmark_model::lineage::{Certainty, Kind, LineageColumn, LineageTable, Origin, OriginKind};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Edges of one event, at most.
const MOST_EDGES: usize = 100_000;
/// Events of a batch, at most.
const MOST_EVENTS: usize = 1_000;

/// Reads an event; `None`: one that says nothing of columns.
///
/// # Errors
/// What is wrong with it, with the path of the fault.
pub fn read(body: &[u8], places: &[Place]) -> Result<Option<Job>, String> {
    let value: Value = serde_json::from_slice(body).map_err(|error| no_json(&error))?;
    event(&value, "$", places)
}

/// Reads a batch: a list of events.
///
/// # Errors
/// What is wrong with the first that is wrong, with the path of the fault; none is taken then.
pub fn read_all(body: &[u8], places: &[Place]) -> Result<Vec<Job>, String> {
    let value: Value = serde_json::from_slice(body).map_err(|error| no_json(&error))?;
    let Value::Array(events) = value else { return Err("$: a batch is a list of events".to_owned()) };
    if events.len() > MOST_EVENTS {
        return Err(format!("$: {} events are more than the {MOST_EVENTS} that are taken at once", events.len()));
    }
    let mut jobs = Vec::new();
    for (number, value) in events.iter().enumerate() {
        jobs.extend(event(value, &format!("$[{number}]"), places)?);
    }
    Ok(jobs)
}

fn no_json(error: &serde_json::Error) -> String {
    format!("$: it is no JSON (line {}, column {})", error.line(), error.column())
}

fn object<'v>(value: &'v Value, path: &str) -> Result<&'v Map<String, Value>, String> {
    value.as_object().ok_or_else(|| format!("{path}: an object is expected"))
}

fn text<'v>(of: &'v Map<String, Value>, field: &str, path: &str) -> Result<&'v str, String> {
    match of.get(field) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(format!("{path}.{field}: a text is expected")),
        None => Err(format!("{path}.{field}: it is missing")),
    }
}

fn list<'v>(of: &'v Map<String, Value>, field: &str, path: &str) -> Result<&'v [Value], String> {
    match of.get(field) {
        Some(Value::Array(list)) => Ok(list),
        Some(Value::Null) | None => Ok(&[]),
        Some(_) => Err(format!("{path}.{field}: a list is expected")),
    }
}

fn facet<'v>(of: &'v Map<String, Value>, name: &str, path: &str) -> Result<Option<&'v Map<String, Value>>, String> {
    match of.get("facets") {
        Some(Value::Object(facets)) => match facets.get(name) {
            Some(Value::Null) | None => Ok(None),
            Some(value) => object(value, &format!("{path}.facets.{name}")).map(Some),
        },
        Some(Value::Null) | None => Ok(None),
        Some(_) => Err(format!("{path}.facets: an object is expected")),
    }
}

/// The namespace of a place as all spell it: `postgresql` is `postgres`, and a port that is left out is the usual one.
pub fn normalised(namespace: &str) -> String {
    let Some((scheme, rest)) = namespace.split_once("://") else { return namespace.to_owned() };
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "postgresql" => "postgres".to_owned(),
        "mariadb" => "mysql".to_owned(),
        other => other.to_owned(),
    };
    let usual = match scheme.as_str() {
        "postgres" => Some("5432"),
        "mysql" => Some("3306"),
        _ => None,
    };
    let rest = rest.trim_end_matches('/');
    match usual {
        Some(port) if !rest.rsplit(']').next().unwrap_or(rest).contains(':') => {
            format!("{scheme}://{}:{port}", rest.to_ascii_lowercase())
        }
        Some(_) => format!("{scheme}://{}", rest.to_ascii_lowercase()),
        None => format!("{scheme}://{rest}"),
    }
}

/// The source and table that a data set is: of a source that an agent reads where it is one, else of a source of the namespace's name.
fn table_of(namespace: &str, name: &str, places: &[Place]) -> (SourceName, String) {
    let own = normalised(namespace);
    for place in places.iter().filter(|place| normalised(&place.namespace) == own) {
        let rest = if place.prefix.is_empty() {
            Some(name)
        } else {
            name.strip_prefix(&place.prefix).and_then(|rest| rest.strip_prefix('.'))
        };
        if let Some(rest) = rest {
            return (place.source.clone(), rest.to_owned());
        }
    }
    (SourceName::new(own), name.to_owned())
}

struct Reading<'p> {
    places: &'p [Place],
    edges: BTreeSet<(ColumnOf, ColumnOf, Kind)>,
    masked: BTreeSet<(ColumnOf, ColumnOf, Kind)>,
    tables: Vec<(SourceName, LineageTable)>,
}

fn event(value: &Value, path: &str, places: &[Place]) -> Result<Option<Job>, String> {
    let of = object(value, path)?;
    let time: DateTime<Utc> = text(of, "eventTime", path)?
        .parse::<DateTime<chrono::FixedOffset>>()
        .map(|time| time.with_timezone(&Utc))
        .map_err(|_| format!("{path}.eventTime: a time of RFC 3339 is expected"))?;
    let mut reading = Reading { places, edges: BTreeSet::new(), masked: BTreeSet::new(), tables: Vec::new() };
    // a data set by itself, or a job with what goes in and comes out
    let (source, name, kind, owner) = match (of.get("job"), of.get("dataset")) {
        (Some(job), _) => {
            let path = format!("{path}.job");
            let job = object(job, &path)?;
            let (namespace, name) = (text(job, "namespace", &path)?, text(job, "name", &path)?);
            (SourceName::new(normalised(namespace)), format!("job {name}"), OriginKind::Job, owner_of(job, &path)?)
        }
        (None, Some(dataset)) => {
            let own = format!("{path}.dataset");
            let dataset = object(dataset, &own)?;
            let (namespace, name) = (text(dataset, "namespace", &own)?, text(dataset, "name", &own)?);
            let (source, table) = table_of(namespace, name, places);
            reading.dataset(dataset, &own, true)?;
            (source, format!("dataset {table}"), OriginKind::Job, owner_of(dataset, &own)?)
        }
        (None, None) => return Err(format!("{path}.job: it is missing")),
    };
    for (number, input) in list(of, "inputs", path)?.iter().enumerate() {
        let path = format!("{path}.inputs[{number}]");
        reading.dataset(object(input, &path)?, &path, false)?;
    }
    for (number, output) in list(of, "outputs", path)?.iter().enumerate() {
        let path = format!("{path}.outputs[{number}]");
        reading.dataset(object(output, &path)?, &path, true)?;
    }
    // what a job says of its lineage as a whole
    if let Some(job) = of.get("job").and_then(Value::as_object)
        && let Some(said) = facet(job, "lineage", &format!("{path}.job"))?
    {
        let path = format!("{path}.job.facets.lineage");
        for (number, entry) in list(said, "entries", &path)?.iter().enumerate() {
            let path = format!("{path}.entries[{number}]");
            let entry = object(entry, &path)?;
            if text(entry, "type", &path)? == "DATASET" {
                let (source, table) = table_of(text(entry, "namespace", &path)?, text(entry, "name", &path)?, places);
                reading.lineage(entry, &path, (&source, &table))?;
            }
        }
    }
    if reading.edges.is_empty() && reading.tables.is_empty() {
        return Ok(None);
    }
    let masked = reading.masked;
    let edges: Vec<BetweenSources> = reading
        .edges
        .into_iter()
        .map(|edge| {
            let masked = masked.contains(&edge);
            (edge.0, edge.1, edge.2, masked)
        })
        .collect();
    let origin = Origin {
        name,
        kind,
        certainty: Certainty::Declared,
        edges: Vec::new(),
        unresolved: Vec::new(),
        owner,
        calls: None,
    };
    Ok(Some(Job { source, origin, edges, tables: reading.tables, time }))
}

fn owner_of(of: &Map<String, Value>, path: &str) -> Result<Option<String>, String> {
    let Some(ownership) = facet(of, "ownership", path)? else { return Ok(None) };
    let path = format!("{path}.facets.ownership");
    let owners = list(ownership, "owners", &path)?;
    owners.first().map(|owner| text(object(owner, &path)?, "name", &path).map(str::to_owned)).transpose()
}

impl Reading<'_> {
    fn dataset(&mut self, dataset: &Map<String, Value>, path: &str, is_output: bool) -> Result<(), String> {
        let (source, table) = table_of(text(dataset, "namespace", path)?, text(dataset, "name", path)?, self.places);
        if let Some(schema) = facet(dataset, "schema", path)? {
            let path = format!("{path}.facets.schema");
            let mut columns = Vec::new();
            for (number, field) in list(schema, "fields", &path)?.iter().enumerate() {
                let path = format!("{path}.fields[{number}]");
                let field = object(field, &path)?;
                let declared = field.get("type").and_then(Value::as_str).unwrap_or("unknown");
                let name = text(field, "name", &path)?.to_owned();
                columns.push(LineageColumn { name, identity: None, declared: declared.to_owned() });
            }
            if !columns.is_empty() {
                self.tables.push((source.clone(), LineageTable { name: table.clone(), identity: None, columns }));
            }
        }
        if !is_output {
            return Ok(());
        }
        if let Some(lineage) = facet(dataset, "columnLineage", path)? {
            self.column_lineage(lineage, &format!("{path}.facets.columnLineage"), (&source, &table))?;
        }
        if let Some(lineage) = facet(dataset, "lineage", path)? {
            self.lineage(lineage, &format!("{path}.facets.lineage"), (&source, &table))?;
        }
        Ok(())
    }

    /// The facet `columnLineage`: fields with their input fields, and under `dataset` what decides all of them.
    fn column_lineage(
        &mut self,
        facet: &Map<String, Value>,
        path: &str,
        (source, table): (&SourceName, &str),
    ) -> Result<(), String> {
        let fields = match facet.get("fields") {
            Some(fields) => object(fields, &format!("{path}.fields"))?,
            None => return Err(format!("{path}.fields: it is missing")),
        };
        let column = |name: &str| ColumnOf { source: source.clone(), table: table.to_owned(), column: name.to_owned() };
        for (name, field) in fields {
            let path = format!("{path}.fields[{name}]");
            let field = object(field, &path)?;
            let whole = field.get("transformationType").and_then(Value::as_str);
            for (number, input) in list(field, "inputFields", &path)?.iter().enumerate() {
                self.input(input, &format!("{path}.inputFields[{number}]"), whole, &[column(name)])?;
            }
        }
        let all: Vec<ColumnOf> = fields.keys().map(|name| column(name)).collect();
        for (number, input) in list(facet, "dataset", path)?.iter().enumerate() {
            self.input(input, &format!("{path}.dataset[{number}]"), None, &all)?;
        }
        Ok(())
    }

    /// The facet `lineage` (1-0-0): fields with their inputs, each with its own data set.
    fn lineage(
        &mut self,
        facet: &Map<String, Value>,
        path: &str,
        (source, table): (&SourceName, &str),
    ) -> Result<(), String> {
        let column = |name: &str| ColumnOf { source: source.clone(), table: table.to_owned(), column: name.to_owned() };
        let fields = match facet.get("fields") {
            Some(Value::Object(fields)) => fields.iter().collect::<Vec<_>>(),
            Some(Value::Null) | None => Vec::new(),
            Some(_) => return Err(format!("{path}.fields: an object is expected")),
        };
        let all: Vec<ColumnOf> = fields.iter().map(|(name, _)| column(name)).collect();
        for (name, field) in &fields {
            let path = format!("{path}.fields[{name}]");
            for (number, input) in list(object(field, &path)?, "inputs", &path)?.iter().enumerate() {
                // a job, or a data set as a whole, is no column
                if input.get("field").is_none() && input.get("type").is_some() {
                    continue;
                }
                self.input(input, &format!("{path}.inputs[{number}]"), None, &[column(name)])?;
            }
        }
        for (number, input) in list(facet, "inputs", path)?.iter().enumerate() {
            // a data set as a whole says nothing of columns
            if input.get("field").is_some() {
                self.input(input, &format!("{path}.inputs[{number}]"), None, &all)?;
            }
        }
        Ok(())
    }

    fn input(&mut self, input: &Value, path: &str, whole: Option<&str>, targets: &[ColumnOf]) -> Result<(), String> {
        let input = object(input, path)?;
        let (source, table) = table_of(text(input, "namespace", path)?, text(input, "name", path)?, self.places);
        let from = ColumnOf { source, table, column: text(input, "field", path)?.to_owned() };
        let mut kinds: Vec<(Kind, bool)> = Vec::new();
        for (number, transformation) in list(input, "transformations", path)?.iter().enumerate() {
            let path = format!("{path}.transformations[{number}]");
            let transformation = object(transformation, &path)?;
            let r#type = text(transformation, "type", &path)?;
            let subtype = transformation.get("subtype").and_then(Value::as_str);
            let kind =
                kind_of(r#type, subtype).ok_or_else(|| format!("{path}.type: DIRECT or INDIRECT is expected"))?;
            kinds.push((kind, transformation.get("masking").and_then(Value::as_bool).unwrap_or(false)));
        }
        if kinds.is_empty() {
            kinds.push((if whole == Some("IDENTITY") { Kind::Identity } else { Kind::Transformation }, false));
        }
        for (kind, masked) in kinds {
            for target in targets {
                if self.edges.len() >= MOST_EDGES {
                    return Err(format!("{path}: more than {MOST_EDGES} edges of one event"));
                }
                let edge = (from.clone(), target.clone(), kind);
                if masked {
                    self.masked.insert(edge.clone());
                }
                self.edges.insert(edge);
            }
        }
        Ok(())
    }
}

fn kind_of(r#type: &str, subtype: Option<&str>) -> Option<Kind> {
    let known = subtype.and_then(|subtype| Kind::of_subtype(&subtype.to_ascii_uppercase()));
    match (r#type, known) {
        ("DIRECT", Some(kind)) if kind.is_direct() => Some(kind),
        ("INDIRECT", Some(kind)) if !kind.is_direct() => Some(kind),
        // a subtype of somebody's own
        ("DIRECT", _) => Some(Kind::Transformation),
        ("INDIRECT", _) => Some(Kind::Filter),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_with_its_path() {
        let dataset = |facets: &str| {
            format!(
                r#"{{"eventTime": "2026-01-01T00:00:00Z", "job": {{"namespace": "n", "name": "j"}}, "outputs": [{{"namespace": "n", "name": "o", "facets": {facets}}}]}}"#
            )
        };
        for (body, why) in [
            ("{".to_owned(), "$: it is no JSON (line 1, column 1)"),
            ("[]".to_owned(), "$: an object is expected"),
            (r#"{"eventTime": "yesterday"}"#.to_owned(), "$.eventTime: a time of RFC 3339 is expected"),
            (r#"{"eventTime": "2026-01-01T00:00:00Z"}"#.to_owned(), "$.job: it is missing"),
            (
                r#"{"eventTime": "2026-01-01T00:00:00Z", "job": {"namespace": "n"}}"#.to_owned(),
                "$.job.name: it is missing",
            ),
            (dataset("7"), "$.outputs[0].facets: an object is expected"),
            (dataset(r#"{"columnLineage": {}}"#), "$.outputs[0].facets.columnLineage.fields: it is missing"),
            (
                dataset(r#"{"columnLineage": {"fields": {"a": {"inputFields": [{"namespace": "n", "name": "i"}]}}}}"#),
                "$.outputs[0].facets.columnLineage.fields[a].inputFields[0].field: it is missing",
            ),
            (
                dataset(
                    r#"{"columnLineage": {"fields": {"a": {"inputFields": [{"namespace": "n", "name": "i", "field": "f", "transformations": [{"type": "MAYBE"}]}]}}}}"#,
                ),
                "$.outputs[0].facets.columnLineage.fields[a].inputFields[0].transformations[0].type: DIRECT or INDIRECT is expected",
            ),
        ] {
            assert_eq!(read(body.as_bytes(), &[]).unwrap_err(), why);
        }
    }

    #[test]
    fn namespaces_are_spelled_as_all_spell_them() {
        for (spelled, normal) in [
            ("postgresql://DB:5432", "postgres://db:5432"),
            ("postgres://db", "postgres://db:5432"),
            ("postgres://[::1]", "postgres://[::1]:5432"),
            ("mariadb://db/", "mysql://db:3306"),
            ("bigquery", "bigquery"),
            ("s3://Bucket", "s3://Bucket"),
        ] {
            assert_eq!(normalised(spelled), normal);
        }
    }
}
