//! Facets, each of its own schema.

use fieldmark_collector::lineage::{ColumnOf, EdgeOf, Place};
use fieldmark_model::SourceName;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Who says so.
pub(super) const PRODUCER: &str = concat!("https://github.com/fieldmark/fieldmark/tree/v", env!("CARGO_PKG_VERSION"));

/// A facet of its own schema.
pub(super) fn facet(schema: &str, mut body: Value) -> Value {
    if let Some(body) = body.as_object_mut() {
        body.insert("_producer".to_owned(), json!(PRODUCER));
        body.insert("_schemaURL".to_owned(), json!(format!("https://openlineage.io/spec/facets/{schema}")));
    }
    body
}

/// The namespace and name of a table of a source.
pub(super) fn dataset(source: &SourceName, table: &str, places: &[Place]) -> (String, String) {
    match places.iter().find(|place| place.source == *source) {
        Some(place) if place.prefix.is_empty() => (place.namespace.clone(), table.to_owned()),
        Some(place) => (place.namespace.clone(), format!("{}.{table}", place.prefix)),
        None => (source.to_string(), table.to_owned()),
    }
}

fn input(column: &ColumnOf, transformations: &[Value], places: &[Place]) -> Value {
    let (namespace, name) = dataset(&column.source, &column.table, places);
    json!({ "namespace": namespace, "name": name, "field": column.column, "transformations": transformations })
}

fn transformation(edge: &EdgeOf) -> Value {
    json!({ "type": edge.kind.type_word(), "subtype": edge.kind.subtype(), "masking": edge.masked })
}

/// The facet `columnLineage` of a table: what is DIRECT, and what decides single columns, under its column; what decides all of them
/// under `dataset`.
pub(super) fn column_lineage(edges: &[&EdgeOf], places: &[Place]) -> Value {
    let columns: BTreeSet<&str> = edges.iter().map(|edge| edge.target.column.as_str()).collect();
    let mut deciding: BTreeMap<(&ColumnOf, &'static str), BTreeSet<&str>> = BTreeMap::new();
    for edge in edges.iter().filter(|edge| !edge.kind.is_direct()) {
        deciding.entry((&edge.source, edge.kind.subtype())).or_default().insert(&edge.target.column);
    }
    let of_all = |edge: &EdgeOf| {
        !edge.kind.is_direct()
            && deciding.get(&(&edge.source, edge.kind.subtype())).is_some_and(|own| own.len() == columns.len())
    };
    let mut fields = Map::new();
    for column in &columns {
        let mut inputs: BTreeMap<&ColumnOf, Vec<Value>> = BTreeMap::new();
        for edge in edges.iter().filter(|edge| edge.target.column == **column && !of_all(edge)) {
            inputs.entry(&edge.source).or_default().push(transformation(edge));
        }
        let inputs: Vec<Value> = inputs.iter().map(|(column, how)| input(column, how, places)).collect();
        fields.insert((*column).to_owned(), json!({ "inputFields": inputs }));
    }
    let mut all: BTreeMap<&ColumnOf, BTreeMap<&str, Value>> = BTreeMap::new();
    for edge in edges.iter().filter(|edge| of_all(edge)) {
        all.entry(&edge.source).or_default().insert(edge.kind.subtype(), transformation(edge));
    }
    let all: Vec<Value> =
        all.iter().map(|(column, how)| input(column, &how.values().cloned().collect::<Vec<_>>(), places)).collect();
    facet(
        "1-2-0/ColumnLineageDatasetFacet.json#/$defs/ColumnLineageDatasetFacet",
        json!({ "fields": fields, "dataset": all }),
    )
}

/// The facet `lineage` of a table: the same, with what decides all columns as inputs of the whole.
pub(super) fn lineage(edges: &[&EdgeOf], places: &[Place]) -> Value {
    let as_dataset = |mut input: Value| {
        if let Some(input) = input.as_object_mut() {
            input.insert("type".to_owned(), json!("DATASET"));
        }
        input
    };
    let columns = column_lineage(edges, places);
    let mut fields = Map::new();
    for (name, field) in columns.get("fields").and_then(Value::as_object).into_iter().flatten() {
        let inputs = field.get("inputFields").and_then(Value::as_array).cloned().unwrap_or_default();
        let inputs: Vec<Value> = inputs.into_iter().map(as_dataset).collect();
        fields.insert(name.clone(), json!({ "inputs": inputs }));
    }
    let all = columns.get("dataset").and_then(Value::as_array).cloned().unwrap_or_default();
    let all: Vec<Value> = all.into_iter().map(as_dataset).collect();
    facet("1-0-0/LineageFacet.json#/$defs/LineageDatasetFacet", json!({ "inputs": all, "fields": fields }))
}

/// Columns, with their types where they are known.
pub(super) fn schema(columns: &[(&str, Option<&str>)]) -> Value {
    let field = |(number, (name, declared)): (usize, &(&str, Option<&str>))| match declared {
        Some(declared) => json!({ "name": name, "type": declared, "ordinal_position": number }),
        None => json!({ "name": name }),
    };
    let fields: Vec<Value> = (1..).zip(columns).map(field).collect();
    facet("1-2-0/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet", json!({ "fields": fields }))
}

pub(super) fn ownership(owner: &str) -> Value {
    let owners = json!({ "owners": [{ "name": owner }] });
    facet("1-0-1/OwnershipDatasetFacet.json#/$defs/OwnershipDatasetFacet", owners)
}

pub(super) fn job_type(word: &str) -> Value {
    let body = json!({ "processingType": "BATCH", "integration": "FIELDMARK", "jobType": word });
    facet("2-0-4/JobTypeJobFacet.json#/$defs/JobTypeJobFacet", body)
}

pub(super) fn dataset_type(word: &str, subtype: Option<&str>) -> Value {
    let body = match subtype {
        Some(subtype) => json!({ "datasetType": word, "subType": subtype }),
        None => json!({ "datasetType": word }),
    };
    facet("1-0-1/DatasetTypeDatasetFacet.json#/$defs/DatasetTypeDatasetFacet", body)
}

pub(super) fn version(version: &str) -> Value {
    let body = json!({ "datasetVersion": version });
    facet("1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet", body)
}

/// What happened to a table; of one that was renamed, what it was.
pub(super) fn lifecycle(change: &str, before: Option<(String, String)>) -> Value {
    let body = match before {
        Some((namespace, name)) => json!({ "lifecycleStateChange": change,
            "previousIdentifier": { "namespace": namespace, "name": name } }),
        None => json!({ "lifecycleStateChange": change }),
    };
    facet("1-0-1/LifecycleStateChangeDatasetFacet.json#/$defs/LifecycleStateChangeDatasetFacet", body)
}

pub(super) fn error(message: &str) -> Value {
    let body = json!({ "message": message, "programmingLanguage": "SQL" });
    facet("1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet", body)
}

/// Columns that have another name: the standard has nothing for it.
pub(super) fn renamed_columns(renamed: &[(String, String)]) -> Value {
    let columns: Vec<Value> = renamed.iter().map(|(from, to)| json!({ "from": from, "to": to })).collect();
    json!({
        "_producer": PRODUCER,
        "_schemaURL": concat!("https://raw.githubusercontent.com/fieldmark/fieldmark/v", env!("CARGO_PKG_VERSION"),
            "/docs/openlineage/RenamedColumnsDatasetFacet.json#/$defs/RenamedColumnsDatasetFacet"),
        "columns": columns,
    })
}
