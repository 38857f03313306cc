//! The JSON Schema (draft 2020-12) of rule files, for editors: from the list of kinds that the parser reads by.
//!
//! A schema cannot say all that the parser checks (columns, expressions, ids, limits in their order); what it allows and the parser does
//! not is told by `fieldmark check`. What it refuses the parser refuses, too.

use crate::kind::{CommonKey, Facts, Form, KINDS, Key, Takes, ValueType};
use serde_json::{Map, Value, json};

/// The schema of a rule file's document.
pub fn rules_schema() -> Value {
    let rules: Vec<Value> = KINDS.iter().map(|facts| json!({ "$ref": format!("#/$defs/{}", facts.name) })).collect();
    let mut definitions: Map<String, Value> = KINDS.iter().map(|facts| (facts.name.to_owned(), rule(facts))).collect();
    definitions.insert("expectation".to_owned(), expectation());
    let mut schema = document(
        "A Fieldmark rule file: what has to hold of one table, or of every table that fits a pattern.",
        [
            ("version", json!({ "const": 1, "description": "version of the rule language" })),
            (
                "table",
                text("`source.schema.table` or `source.table`; in schema and table `*` stands for any characters"),
            ),
            ("owner", text("who answers for it; goes into reports")),
            ("escalation", text("a route's name")),
            ("runbook", text("where to read what to do")),
            ("key", columns("columns to mark rows by (default: the primary key, else a unique not-null index)")),
            ("sample", sample()),
            ("pii", columns("columns that are kept in marks only as keyed digests, and shown so")),
            ("rules", json!({ "type": "array", "description": "the rules", "items": { "anyOf": rules } })),
            ("across_migrations", across()),
        ],
        &["version", "table"],
    );
    set_key(&mut schema, "$defs", Value::Object(definitions));
    schema
}

/// The schema of `_defaults.yaml`.
pub fn defaults_schema() -> Value {
    document(
        "Fieldmark's defaults for all rule files of a folder and below.",
        [
            ("version", json!({ "const": 1, "description": "version of the rule language" })),
            ("owner", text("who answers for the tables")),
            ("escalation", text("a route's name")),
            ("runbook", text("where to read what to do")),
            ("sample", sample()),
            ("severity", severity()),
            ("tolerance", common(CommonKey::Tolerance)),
            ("detect", common(CommonKey::Detect)),
            ("nulls", common(CommonKey::Nulls)),
            ("timeout", common(CommonKey::Timeout)),
            ("full_every", common(CommonKey::FullEvery)),
        ],
        &["version"],
    )
}

fn document<const N: usize>(description: &str, keys: [(&str, Value); N], required: &[&str]) -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "description": description,
        "type": "object",
        "properties": object(keys),
        "required": required,
        "additionalProperties": false,
    })
}

fn object<const N: usize>(keys: [(&str, Value); N]) -> Value {
    Value::Object(keys.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// A mapping of these keys and no others.
fn closed<const N: usize>(description: &str, keys: [(&str, Value); N], required: &[&str]) -> Value {
    let properties = object(keys);
    json!({
        "type": "object",
        "description": description,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn text(description: &str) -> Value {
    json!({ "type": "string", "minLength": 1, "description": description })
}

fn columns(description: &str) -> Value {
    let name = json!({ "type": "string", "minLength": 1 });
    json!({
        "description": description,
        "anyOf": [name, { "type": "array", "items": name, "minItems": 1, "uniqueItems": true }],
    })
}

/// An expression; a bare `true` is one, too.
fn expression(description: &str) -> Value {
    json!({ "type": ["string", "boolean", "number"], "minLength": 1, "description": description })
}

fn number_or(pattern: &str, minimum: f64, description: &str) -> Value {
    json!({
        "description": description,
        "anyOf": [{ "type": "number", "minimum": minimum }, { "type": "string", "pattern": pattern }],
    })
}

fn ratio(description: &str) -> Value {
    number_or(r"^([0-9]+\.?[0-9]*|\.[0-9]+)( *%|[eE][+-]?[0-9]+)?$", 0.0, description)
}

fn count(description: &str) -> Value {
    json!({
        "description": description,
        "anyOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "pattern": "^[0-9]+(_[0-9]+)+$" }],
    })
}

fn duration(description: &str) -> Value {
    json!({ "type": "string", "pattern": "^([0-9]+(ms|s|m|h|d|w))+$", "description": description, "examples": ["15m"] })
}

fn value() -> Value {
    json!({ "type": ["string", "number", "boolean"] })
}

fn sample() -> Value {
    let per_block = count("rows kept of a drawn block, where blocks are drawn");
    let rows = closed("so many rows", [("rows", count("rows")), ("per_block", per_block.clone())], &["rows"]);
    let fraction =
        closed("a part of the rows", [("fraction", ratio("over 0, below 1")), ("per_block", per_block)], &["fraction"]);
    json!({
        "description": "how much is read of the table (default: the source's setting)",
        "anyOf": [{ "const": "all" }, rows, fraction],
    })
}

fn severity() -> Value {
    json!({
        "enum": ["page", "ticket", "info"],
        "description": "how much a failure matters (default: ticket); info never changes the exit code",
    })
}

/// The schema of a key that several kinds share.
fn common(key: CommonKey) -> Value {
    let what = key.describe();
    match key {
        CommonKey::Where => expression(what),
        CommonKey::Tolerance | CommonKey::Detect => ratio(what),
        CommonKey::Nulls => json!({ "enum": ["pass", "fail"], "description": what }),
        CommonKey::Timeout | CommonKey::FullEvery => duration(what),
    }
}

/// The schema of a rule of one kind.
fn rule(facts: &Facts) -> Value {
    let mut settings = match &facts.form {
        Form::Columns => columns(""),
        Form::Expression => expression(""),
        Form::Query => json!({ "type": "string", "minLength": 1 }),
        Form::Keys { keys, at_least_one } => mapping(keys, at_least_one),
    };
    set_key(&mut settings, "description", json!(facts.reference));
    set_key(&mut settings, "examples", json!([facts.example]));
    let mut properties = Map::new();
    properties.insert(facts.name.to_owned(), settings);
    properties.insert(
        "id".to_owned(),
        json!({
            "type": "string", "pattern": r"^\S+$", "maxLength": 200,
            "description": "the rule's own stable id (default: made of table, kind and columns)",
        }),
    );
    properties.insert("severity".to_owned(), severity());
    properties.insert("description".to_owned(), json!({ "type": "string", "description": "the author's words" }));
    for key in facts.keys {
        properties.insert(key.as_str().to_owned(), common(*key));
    }
    json!({ "type": "object", "properties": properties, "required": [facts.name], "additionalProperties": false })
}

fn mapping(keys: &[Key], at_least_one: &[&str]) -> Value {
    let properties: Map<String, Value> = keys.iter().map(|key| (key.name.to_owned(), takes(key))).collect();
    let required: Vec<&str> = keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    let mut schema = json!({
        "type": "object", "properties": properties, "required": required, "additionalProperties": false,
    });
    if !at_least_one.is_empty() {
        set_key(&mut schema, "anyOf", at_least_one.iter().map(|name| json!({ "required": [name] })).collect());
    }
    schema
}

fn takes(key: &Key) -> Value {
    match key.takes {
        Takes::Text | Takes::Column => text(key.what),
        Takes::Columns => columns(key.what),
        Takes::Value => {
            let mut schema = value();
            set_key(&mut schema, "description", json!(key.what));
            schema
        }
        Takes::Values => json!({ "type": "array", "items": value(), "minItems": 1, "description": key.what }),
        Takes::Count => count(key.what),
        Takes::Ratio => ratio(key.what),
        Takes::Limits => json!({
            "description": format!("{}: `[low, high]`, `<= high` or `>= low`", key.what),
            "anyOf": [
                { "type": "array", "items": { "type": ["number", "string"] }, "minItems": 2, "maxItems": 2 },
                { "type": "string", "pattern": "^ *(<=|>=)" },
            ],
        }),
        Takes::Duration => duration(key.what),
        Takes::ValueType => json!({ "enum": ValueType::WORDS.map(|(word, _)| word), "description": key.what }),
    }
}

fn across() -> Value {
    let may_vanish = closed(
        "some may vanish",
        [("may_vanish_where", expression("an SQL expression over the row before"))],
        &["may_vanish_where"],
    );
    closed(
        "what has to hold of the same rows before and after a migration",
        [
            (
                "rows",
                json!({
                    "description": "whether marked rows may vanish (default: kept)",
                    "anyOf": [{ "enum": ["kept", "may_vanish"] }, may_vanish],
                }),
            ),
            ("same", columns("columns whose values stay")),
            (
                "renamed",
                json!({
                    "type": "object", "additionalProperties": { "type": "string" },
                    "description": "name after: name before, where it cannot be known otherwise",
                }),
            ),
            (
                "expect",
                json!({
                    "type": "array", "items": { "$ref": "#/$defs/expectation" },
                    "description": "expressions over `before.` and `after.` columns",
                }),
            ),
            (
                "undeclared_changes",
                json!({
                    "enum": ["fail", "warn", "allow"],
                    "description": "what a change means that nobody declared (default: warn)",
                }),
            ),
        ],
        &[],
    )
}

fn expectation() -> Value {
    closed(
        "a declared transition",
        [
            ("id", text("its stable id")),
            ("that", expression("`after.total_cents = before.total * 100`")),
            ("severity", severity()),
            ("tolerance", common(CommonKey::Tolerance)),
            ("nulls", common(CommonKey::Nulls)),
            ("description", json!({ "type": "string", "description": "the author's words" })),
        ],
        &["that"],
    )
}

/// Sets a key of a schema that is an object.
pub fn set_key(schema: &mut Value, key: &str, value: Value) {
    if let Some(map) = schema.as_object_mut() {
        map.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::{RuleFile, parse_rule_files};
    use std::collections::BTreeSet;

    /// The keys that the parser allows where it meets `nonsense`.
    fn allowed(text: &str, place: &str) -> BTreeSet<String> {
        let problems = parse_rule_files(&[RuleFile { path: "t.yaml".into(), text: text.into() }]).unwrap_err();
        let says = format!("unknown key in {place}: `nonsense`; allowed: ");
        let all = problems.to_string();
        let (_, keys) = all.split_once(&says).unwrap_or_else(|| panic!("no {says} in {all}"));
        keys.split(['\n', ';']).next().unwrap().split(", ").map(str::to_owned).collect()
    }

    fn properties(schema: &Value) -> BTreeSet<String> {
        schema["properties"].as_object().unwrap().keys().cloned().collect()
    }

    /// What a schema refuses the parser refuses: both know the same keys, and the same of them are required.
    #[test]
    fn the_schema_and_the_parser_know_the_same_keys() {
        let schema = rules_schema();
        let head = "version: 1\ntable: s.t\n";
        assert_eq!(properties(&schema), allowed(&format!("{head}nonsense: 1\n"), "a rule file"));
        let across = &schema["properties"]["across_migrations"];
        let section = format!(
            "{head}across_migrations: {{ nonsense: 1, rows: {{ nonsense: 1 }}, expect: [ {{ nonsense: 1 }} ] }}\n"
        );
        assert_eq!(properties(across), allowed(&section, "`across_migrations`"));
        assert_eq!(properties(&across["properties"]["rows"]["anyOf"][1]), allowed(&section, "`rows`"));
        assert_eq!(properties(&schema["$defs"]["expectation"]), allowed(&section, "an expectation"));
        let sample = allowed(&format!("{head}sample: {{ nonsense: 1 }}\n"), "`sample`");
        let of_sample = |at: usize| properties(&schema["properties"]["sample"]["anyOf"][at]);
        assert_eq!(of_sample(1).union(&of_sample(2)).cloned().collect::<BTreeSet<_>>(), sample);
        let problems =
            parse_rule_files(&[RuleFile { path: "_defaults.yaml".into(), text: "version: 1\nnonsense: 1\n".into() }]);
        let told = problems.unwrap_err().to_string();
        for key in properties(&defaults_schema()) {
            assert!(told.contains(&key), "{key}: {told}");
        }
        for facts in KINDS {
            let of_rule = properties(&schema["$defs"][facts.name]);
            let rule = format!("{head}rules:\n  - {}\n    nonsense: 1\n", facts.example);
            assert_eq!(of_rule, allowed(&rule, "a rule"), "{}", facts.name);
            let Form::Keys { keys, at_least_one } = &facts.form else { continue };
            let empty = format!("{head}rules:\n  - {}: {{ nonsense: 1 }}\n", facts.name);
            let names: BTreeSet<String> = keys.iter().map(|key| key.name.to_owned()).collect();
            assert_eq!(names, allowed(&empty, &format!("`{}`", facts.name)), "{}", facts.name);
            let problems =
                parse_rule_files(&[RuleFile { path: "t.yaml".into(), text: empty.replace("nonsense: 1", "") }]);
            let told = problems.unwrap_err().to_string();
            for key in keys.iter() {
                let missing = told.contains(&format!("`{}` is missing", key.name));
                assert_eq!(missing, key.required, "{} {}: {told}", facts.name, key.name);
            }
            assert!(at_least_one.iter().all(|name| names.contains(*name)), "{}", facts.name);
        }
    }
}
