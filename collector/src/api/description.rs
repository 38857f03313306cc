//! The description of the API: OpenAPI 3.1, made of the list of routes.

use super::routes::{Access, Endpoint, ROUTES};
use axum::Json;
use serde_json::{Map, Value, json};

pub(super) async fn description() -> Json<Value> {
    Json(document())
}

/// The whole description.
pub(super) fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for endpoint in &ROUTES {
        let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(endpoint.method.to_owned(), operation(endpoint));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Fieldmark's collector", "version": env!("CARGO_PKG_VERSION") },
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": schemas(),
        },
    })
}

fn reference(schema: &str) -> Value {
    json!({ "application/json": { "schema": { "$ref": format!("#/components/schemas/{schema}") } } })
}

fn operation(endpoint: &Endpoint) -> Value {
    let mut parameters: Vec<Value> = endpoint
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    parameters.extend(endpoint.query.iter().map(|(name, what)| {
        let schema = match *name {
            "limit" => json!({ "type": "integer", "minimum": 0, "maximum": 1000 }),
            "since" | "before" => json!({ "type": "string", "format": "date-time" }),
            _ => json!({ "type": "string" }),
        };
        json!({ "name": name, "in": "query", "description": what, "schema": schema })
    }));
    let good = match (endpoint.answer, endpoint.method) {
        (Some("Enrolled"), _) => "201",
        (Some(_), _) => "200",
        (None, _) => "204",
    };
    let mut answer = json!({ "description": endpoint.summary });
    if let (Some(schema), Some(answer)) = (endpoint.answer, answer.as_object_mut()) {
        answer.insert("content".to_owned(), reference(schema));
    }
    let problem = json!({ "description": "What is wrong (RFC 9457).",
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } } });
    let mut operation = json!({
        "summary": endpoint.summary,
        "parameters": parameters,
        "responses": { good: answer, "default": problem },
    });
    if let Some(operation) = operation.as_object_mut() {
        if let Some(body) = endpoint.body {
            operation.insert("requestBody".to_owned(), json!({ "required": true, "content": reference(body) }));
        }
        if let Access::Role(role) = endpoint.access {
            operation.insert("security".to_owned(), json!([{ "token": [] }]));
            operation.insert("description".to_owned(), json!(format!("For {}.", role.as_str())));
        }
    }
    operation
}

fn object(properties: Value, required: &[&str]) -> Value {
    json!({ "type": "object", "properties": properties, "required": required })
}

fn list(of: &str) -> Value {
    json!({ "type": "array", "items": { "$ref": format!("#/components/schemas/{of}") } })
}

fn schemas() -> Value {
    let text = json!({ "type": "string" });
    let time = json!({ "type": "string", "format": "date-time" });
    let optional_time = json!({ "type": ["string", "null"], "format": "date-time" });
    let optional_text = json!({ "type": ["string", "null"] });
    let count = json!({ "type": "integer", "minimum": 0 });
    let role = json!({ "enum": ["agent", "viewer", "operator", "admin"] });
    let state = json!({ "enum": ["ok", "suspect", "transient", "systemic", "flapping", "resolved", null] });
    let fraction = json!({ "type": ["number", "null"] });
    let life = json!({ "agent": text, "incarnation": count, "version": text });
    let id = json!({ "agent": text, "incarnation": count, "sequence": count, "time": time,
        "body": { "description": "One key, its kind: outcome, finding, migration, state, source, mark, heartbeat or loss.",
            "type": "object", "minProperties": 1, "maxProperties": 1 } });
    let batch = json!({ "version": count, "agent": text, "incarnation": count,
        "observations": { "type": "array", "minItems": 1, "items": { "$ref": "#/components/schemas/Observation" } } });
    let receipt = json!({ "agent": text, "incarnation": count, "first": count, "last": count, "sha256": text, "repeated": count });
    let agent = json!({ "name": text, "version": optional_text, "last_seen": optional_time, "health": { "type": ["object", "null"] } });
    let rule = json!({ "time": time, "agent": text, "state": state, "state_reason": optional_text, "state_since": optional_time,
        "outcome": { "type": "object", "required": ["source", "table", "rule", "status", "reason"] } });
    let hour = json!({ "agent": text, "hour": time, "checks": count, "passed": count, "failed": count, "inconclusive": count,
        "not_evaluated": count, "checked_rows": count, "failed_rows": count, "worst": fraction });
    let principal_row = json!({ "name": text, "role": role, "enrolled": time, "enrolled_by": text, "revoked": optional_time,
        "revoked_by": optional_text });
    json!({
        "Any": {},
        "Word": text,
        "Problem": object(json!({ "type": text, "title": text, "status": count, "detail": text }), &["type", "title", "status", "detail"]),
        "Life": object(life, &["agent", "incarnation", "version"]),
        "Observation": object(id, &["agent", "incarnation", "sequence", "time", "body"]),
        "Observations": list("Observation"),
        "Batch": object(batch, &["version", "agent", "incarnation", "observations"]),
        "Receipt": object(receipt, &["agent", "incarnation", "first", "last", "sha256", "repeated"]),
        "Agent": object(agent, &["name", "version", "last_seen", "health"]),
        "Agents": list("Agent"),
        "Rule": object(rule, &["time", "agent", "outcome", "state"]),
        "Rules": list("Rule"),
        "Hour": object(hour, &["agent", "hour", "checks", "passed", "failed", "inconclusive", "not_evaluated", "checked_rows", "failed_rows", "worst"]),
        "Hours": list("Hour"),
        "Principal": object(json!({ "name": text, "role": role }), &["name", "role"]),
        "Enrolled": object(json!({ "name": text, "role": role, "token": text }), &["name", "role", "token"]),
        "PrincipalRow": object(principal_row, &["name", "role", "enrolled", "enrolled_by"]),
        "Principals": list("PrincipalRow"),
        "Audited": object(json!({ "time": time, "who": text, "what": text, "detail": text }), &["time", "who", "what", "detail"]),
        "Audits": list("Audited"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_schema_that_is_named_is_there_and_none_is_idle() {
        let document = document();
        let there: BTreeSet<&str> =
            document["components"]["schemas"].as_object().unwrap().keys().map(String::as_str).collect();
        let text = document.to_string();
        let named: BTreeSet<&str> =
            text.split("#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        assert_eq!(named, there);
        assert_eq!(document["paths"].as_object().unwrap().len(), 18, "two of them have two methods each, one path");
    }
}
