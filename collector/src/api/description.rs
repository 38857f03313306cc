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
    // the one answer that is no JSON
    let kind = if schema == "Metrics" { "text/plain" } else { "application/json" };
    json!({ kind: { "schema": { "$ref": format!("#/components/schemas/{schema}") } } })
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
            "open" => json!({ "type": "boolean" }),
            "limit" if endpoint.path.starts_with("/v1/lineage") => {
                json!({ "type": "integer", "minimum": 0, "maximum": 10_000 })
            }
            "limit" => json!({ "type": "integer", "minimum": 0, "maximum": 1000 }),
            "depth" => json!({ "type": "integer", "minimum": 0 }),
            "direct" => json!({ "type": "boolean" }),
            "since" | "before" | "as_of" | "from" | "to" => json!({ "type": "string", "format": "date-time" }),
            _ => json!({ "type": "string" }),
        };
        json!({ "name": name, "in": "query", "description": what, "schema": schema })
    }));
    let good = match (endpoint.answer, endpoint.method) {
        (Some("Enrolled" | "Silence"), _) => "201",
        // as other receivers of OpenLineage answer
        (None, "post") if endpoint.path.starts_with("/api/") => "201",
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
    let mut all = Map::new();
    for own in [general(), lineage(), measures()] {
        if let Value::Object(own) = own {
            all.extend(own);
        }
    }
    Value::Object(all)
}

fn measures() -> Value {
    let (text, count) = (json!({ "type": "string" }), json!({ "type": "integer", "minimum": 0 }));
    let time = json!({ "type": "string", "format": "date-time" });
    let share = json!({ "type": ["number", "null"], "minimum": 0, "maximum": 1 });
    let times = json!({ "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/Spread" }] });
    let spread = json!({ "count": count, "median": { "type": "number", "description": "Seconds." }, "longest": { "type": "number" } });
    let migrations = json!({ "over": count, "per_week": { "type": "number" }, "taken_back": count, "duration_seconds": times,
        "verdicts": { "type": "object", "additionalProperties": count },
        "failed": { "type": "integer", "minimum": 0, "description": "Broken, taken back, or the cause of an incident." },
        "verdict_seconds": times, "detect_seconds": times });
    let incidents = json!({ "opened": count, "open": count, "restore_seconds": times });
    let quality =
        json!({ "passed": count, "failed": count, "unknown": count, "score": share, "lower": share, "upper": share });
    let (incidents, quality) =
        (object(incidents, &["opened", "open"]), object(quality, &["passed", "failed", "unknown"]));
    let of_source = json!({ "source": text, "incidents": incidents, "quality": quality,
        "migrations": object(migrations, &["over", "per_week", "verdicts", "taken_back", "failed"]) });
    let of_owner = json!({ "owner": { "type": ["string", "null"] }, "incidents": incidents, "quality": quality });
    let all = json!({ "since": time, "before": time,
        "sources": { "type": "array", "items": object(of_source, &["source", "migrations", "incidents", "quality"]) },
        "owners": { "type": "array", "items": object(of_owner, &["owner", "incidents", "quality"]) },
        "unknown": { "type": "array", "items": text, "description": "Measures of which nothing that is stored tells." } });
    json!({
        "Spread": object(spread, &["count", "median", "longest"]),
        "Measures": object(all, &["since", "before", "sources", "owners", "unknown"]),
    })
}

fn lineage() -> Value {
    let (text, count) = (json!({ "type": "string" }), json!({ "type": "integer", "minimum": 0 }));
    let time = json!({ "type": "string", "format": "date-time" });
    let kind = json!({ "enum": ["identity", "transformation", "aggregation", "join", "group_by", "filter", "sort", "window", "conditional"] });
    let certainty = json!({ "enum": ["exact", "parsed", "observed", "declared"] });
    let column = json!({ "source": text, "table": text, "column": text });
    let columns = json!({ "type": "array", "items": { "$ref": "#/components/schemas/Column" } });
    let origin =
        json!({ "name": text, "kind": text, "certainty": certainty, "owner": text, "calls": count, "last_seen": time });
    let reached = json!({ "source": text, "table": text, "column": text, "depth": count, "kind": kind,
        "direct": { "type": "boolean", "description": "Whether values go all the way; else rows are decided somewhere on it." },
        "masked": { "type": "boolean" }, "origin": { "$ref": "#/components/schemas/Origin" },
        "via": { "type": ["integer", "null"], "description": "The place in `reached` of the column before it; null: one that was asked for." } });
    let walked = json!({ "from": columns, "reached": list("Reached"), "cut_off": { "type": "boolean" } });
    let impact = json!({ "change": { "enum": ["dropped", "renamed", "retyped", "not_null"] }, "from": columns, "reached": list("Reached"),
        "cut_off": { "type": "boolean" }, "effects": { "type": "array", "description": "One for each that is reached.",
            "items": { "enum": ["breaks", "follows", "value_changes", "rows_change"] } } });
    let a_column = json!({ "$ref": "#/components/schemas/Column" });
    let edge = json!({ "source": a_column, "target": a_column, "kind": kind, "masked": { "type": "boolean" }, "origin": text,
        "certainty": certainty, "since": time });
    let renamed =
        json!({ "type": "array", "items": object(json!({ "from": a_column, "to": a_column }), &["from", "to"]) });
    let difference = json!({ "added": list("Edge"), "removed": list("Edge"), "renamed": renamed });
    let row = json!({ "source": text, "name": text, "kind": text, "certainty": certainty, "last_seen": time, "edges": count,
        "unresolved": { "type": "array", "items": object(json!({ "reason": text, "line": count, "column": count, "text": text }),
            &["reason", "line", "column", "text"]) } });
    let coverage = json!({ "resolved": count, "unresolved": count,
        "origins": { "type": "array", "items": object(row, &["source", "name", "kind", "certainty", "edges", "unresolved"]) } });
    let unused = json!({ "source": text, "table": text, "column": text, "since": time });
    let hit = json!({ "source": text, "table": text, "depth": count, "origin": { "$ref": "#/components/schemas/Origin" },
        "direct": { "type": "boolean", "description": "Whether values go there; else they decide which rows there are." } });
    let downstream = json!({ "source": text, "table": text, "rule": { "type": ["string", "null"] }, "cut_off": { "type": "boolean" },
        "columns": { "type": "array", "items": text, "description": "Those that the rule reads, or all of the table's." },
        "hit": { "type": "array", "items": object(hit, &["source", "table", "depth", "direct", "origin"]) } });
    let parts = json!({ "type": "array", "items": object(downstream, &["source", "table", "rule", "columns", "hit", "cut_off"]) });
    let downstream_of = json!({ "incident": text, "downstream": parts });
    json!({
        "DownstreamOf": object(downstream_of, &["incident", "downstream"]),
        "Column": object(column, &["source", "table", "column"]),
        "Origin": object(origin, &["name", "kind", "certainty", "last_seen"]),
        "Reached": object(reached, &["source", "table", "column", "depth", "direct", "kind", "masked", "via", "origin"]),
        "Walked": object(walked, &["from", "reached", "cut_off"]),
        "Impact": object(impact, &["change", "from", "reached", "cut_off", "effects"]),
        "Edge": object(edge, &["source", "target", "kind", "masked", "origin", "certainty", "since"]),
        "Edges": list("Edge"),
        "Difference": object(difference, &["added", "removed", "renamed"]),
        "Coverage": object(coverage, &["resolved", "unresolved", "origins"]),
        "Unused": { "type": "array", "items": object(unused, &["source", "table", "column", "since"]) },
    })
}

fn general() -> Value {
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
        "body": { "description": "One key, its kind: outcome, finding, migration, state, source, mark, unwell, heartbeat, loss or lineage.",
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
    let severity = json!({ "enum": ["info", "ticket", "page"] });
    let part = json!({ "agent": text, "source": optional_text, "table": optional_text, "rule": optional_text, "state": state, "since": time,
        "changed": time, "reason": text, "severity": severity, "owner": optional_text, "description": optional_text,
        "runbook": optional_text, "escalation": optional_text,
        "fixes": { "description": "What may help, to be looked at.", "type": "array",
            "items": { "type": "object", "required": ["what", "text"], "properties": { "what": text, "text": text } } } });
    let acknowledged = json!({ "type": ["object", "null"], "required": ["by", "at"],
        "properties": { "by": text, "at": time, "note": optional_text } });
    let silenced = json!({ "description": "What keeps it from being told.", "type": ["object", "null"],
        "required": ["until", "by", "why"], "properties": { "until": time, "by": text, "why": text } });
    let incident = json!({ "id": text, "class": { "enum": ["systemic", "flapping", "transient", "resolved"] },
        "cause": { "description": "`source` or `agent`, or one key: migration (its id and name), table, or rule (table and rule).",
            "type": ["object", "string"] },
        "severity": severity, "opened": time, "resolved": optional_time, "acknowledged": acknowledged,
        "silenced": silenced, "parts": { "type": "array", "items": { "$ref": "#/components/schemas/Part" } } });
    let matches = json!({ "owner": text, "severity": severity, "source": text, "table": text, "rule": text, "agent": text,
        "class": { "enum": ["systemic", "flapping"] }, "incident": text });
    let matching = json!({ "$ref": "#/components/schemas/Matches" });
    let new_silence = json!({ "matches": matching, "from": optional_time, "until": time, "why": text });
    let silence = json!({ "id": { "type": "integer" }, "matches": matching, "from": time, "until": time, "by": text, "why": text,
        "ended_by": optional_text });
    let delivery = json!({ "incident": text, "notice": { "enum": ["opened", "risen", "joined", "reopened", "acknowledged", "escalated", "migrated", "resolved"] }, "route": text, "tries": count,
        "due": optional_time, "settled": optional_time, "result": text });
    json!({
        "Any": {},
        "Word": text,
        "Metrics": text,
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
        "Note": object(json!({ "note": optional_text }), &[]),
        "Matches": object(matches, &[]),
        "NewSilence": object(new_silence, &["matches", "until", "why"]),
        "Silence": object(silence, &["id", "matches", "from", "until", "by", "why", "ended_by"]),
        "Silences": list("Silence"),
        "Part": object(part, &["agent", "state", "since", "reason", "severity"]),
        "Incident": object(incident, &["id", "cause", "class", "severity", "opened", "resolved", "acknowledged", "silenced", "parts"]),
        "Incidents": list("Incident"),
        "Delivery": object(delivery, &["incident", "notice", "route", "tries", "due", "settled", "result"]),
        "Deliveries": list("Delivery"),
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
        assert_eq!(document["paths"].as_object().unwrap().len(), 36, "three of them have two methods, one path");
    }
}
