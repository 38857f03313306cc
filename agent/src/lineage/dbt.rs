//! The manifest of a dbt project: its models' compiled code, resolved with the catalogue, and its exposures as consumers.
//!
//! Source of the form: dbt's `manifest.json`, versions 4 to 12 (`nodes`, `sources`, `exposures`; `compiled_code`, before version 7
//! `compiled_sql`).

use fieldmark_lineage::Catalogue;
use fieldmark_lineage::sql::{self, Dialect};
use fieldmark_model::lineage::{Certainty, ColumnName, Edge, Kind, Origin, OriginKind, Place, Unresolved};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

fn text<'v>(of: &'v Map<String, Value>, field: &str) -> Option<&'v str> {
    of.get(field).and_then(Value::as_str)
}

/// Schema and name of a node's relation.
fn relation(node: &Map<String, Value>) -> Option<String> {
    let name = text(node, "alias").or_else(|| text(node, "identifier")).or_else(|| text(node, "name"))?;
    Some(match text(node, "schema") {
        Some(schema) => format!("{schema}.{name}"),
        None => name.to_owned(),
    })
}

/// What the models and exposures of a manifest say.
///
/// # Errors
/// It is no manifest.
pub(crate) fn models(
    manifest: &[u8],
    dialect: Dialect,
    catalogue: &Catalogue,
    default_schema: Option<&str>,
) -> Result<Vec<Origin>, String> {
    let value: Value = serde_json::from_slice(manifest)
        .map_err(|error| format!("it is no JSON (line {}, column {})", error.line(), error.column()))?;
    let nodes = value.get("nodes").and_then(Value::as_object).ok_or("it has no `nodes`: it is no manifest of dbt")?;
    let mut relations: BTreeMap<&str, String> = BTreeMap::new();
    let sources = value.get("sources").and_then(Value::as_object);
    for (id, node) in nodes.iter().chain(sources.into_iter().flatten()) {
        if let Some(relation) = node.as_object().and_then(relation) {
            relations.insert(id, relation);
        }
    }
    let mut origins = Vec::new();
    for (id, node) in nodes {
        let Some(node) = node.as_object() else { continue };
        if !matches!(text(node, "resource_type"), Some("model" | "snapshot")) {
            continue;
        }
        let Some(target) = relations.get(id.as_str()) else { continue };
        let owner = node.get("config").and_then(|config| config.pointer("/meta/owner")).and_then(Value::as_str);
        let blank = Origin {
            name: format!("dbt {id}"),
            kind: OriginKind::Job,
            certainty: Certainty::Declared,
            edges: Vec::new(),
            unresolved: Vec::new(),
            owner: owner.map(str::to_owned),
            calls: None,
        };
        let Some(code) = text(node, "compiled_code").or_else(|| text(node, "compiled_sql")) else {
            let reason = "the model is not compiled: `dbt compile` writes its code into the manifest".to_owned();
            let unresolved = Unresolved { reason, place: Place { line: 1, column: 1 }, text: id.clone() };
            origins.push(Origin { unresolved: vec![unresolved], ..blank });
            continue;
        };
        let mut origin = blank;
        for one in sql::resolve(code, dialect, catalogue, default_schema) {
            let named = |edge: Edge| Edge { target: ColumnName::new(target.clone(), edge.target.column), ..edge };
            origin
                .edges
                .extend(one.edges.into_iter().filter(|edge| edge.source.table != ColumnName::UNKNOWN).map(named));
            origin.unresolved.extend(one.unresolved);
        }
        origins.push(origin);
    }
    for (id, exposure) in value.get("exposures").and_then(Value::as_object).into_iter().flatten() {
        let Some(exposure) = exposure.as_object() else { continue };
        let owner = exposure.get("owner").and_then(|owner| owner.get("name").or_else(|| owner.get("email")));
        let name = format!("consumer {}", text(exposure, "name").unwrap_or(id));
        let reads = exposure.get("depends_on").and_then(|on| on.get("nodes")).and_then(Value::as_array);
        let tables = reads.into_iter().flatten().filter_map(Value::as_str).filter_map(|id| relations.get(id));
        let edges = tables.map(|table| Edge {
            // of which columns, it does not say
            source: ColumnName::new(table.clone(), "*"),
            target: ColumnName::new(name.clone(), "*"),
            kind: Kind::Filter,
            masked: false,
        });
        origins.push(Origin {
            edges: edges.collect(),
            kind: OriginKind::Consumer,
            certainty: Certainty::Declared,
            unresolved: Vec::new(),
            owner: owner.and_then(Value::as_str).map(str::to_owned),
            calls: None,
            name,
        });
    }
    Ok(origins)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_resolved_and_exposures_are_consumers() {
        let mut catalogue = Catalogue::new(Some("public"));
        catalogue.add(&["public", "orders"], [("id", Some("bigint")), ("total", Some("numeric"))]);
        let manifest = r#"{"nodes": {
            "model.shop.sums": {"resource_type": "model", "schema": "marts", "name": "sums", "config": {"meta": {"owner": "team-data"}},
              "compiled_code": "select id, sum(total) as total from public.orders group by id"},
            "model.shop.raw": {"resource_type": "model", "schema": "marts", "name": "raw"},
            "test.shop.t": {"resource_type": "test", "schema": "marts", "name": "t"}},
          "sources": {},
          "exposures": {"exposure.shop.board": {"name": "board", "owner": {"name": "ann"}, "depends_on": {"nodes": ["model.shop.sums"]}}}}"#;
        let origins = models(manifest.as_bytes(), Dialect::Postgres, &catalogue, Some("public")).unwrap();
        let names: Vec<&str> = origins.iter().map(|origin| origin.name.as_str()).collect();
        assert_eq!(names, ["dbt model.shop.raw", "dbt model.shop.sums", "consumer board"]);
        assert!(origins[0].unresolved[0].reason.contains("dbt compile"));
        let edges: Vec<String> = origins[1]
            .edges
            .iter()
            .map(|edge| format!("{} <- {} {}", edge.target, edge.source, edge.kind.subtype()))
            .collect();
        assert_eq!(
            edges,
            [
                "marts.sums.id <- public.orders.id IDENTITY",
                "marts.sums.id <- public.orders.id GROUP_BY",
                "marts.sums.total <- public.orders.total AGGREGATION",
                "marts.sums.total <- public.orders.id GROUP_BY",
            ]
        );
        assert_eq!((origins[2].owner.as_deref(), origins[2].edges.len()), (Some("ann"), 1));
        assert!(models(b"{}", Dialect::Postgres, &catalogue, None).unwrap_err().contains("no `nodes`"));
    }
}
