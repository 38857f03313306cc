//! Statements as lines of JSON, and what they give: for measurements, and for programs of others.
//!
//! A line is `{"id": …, "dialect": "postgres", "schema": {"public.t": {"id": "int"}}, "default_schema": "public", "sql": "…"}`; the answer
//! is `{"id": …, "edges": [{"source": "public.t.id", "target": ".id", "type": "DIRECT", "subtype": "IDENTITY"}], "unresolved": []}`. Columns
//! of a table are in the order in which the line has them. The answer to a dialect that is not spoken says as what it was tried.

use crate::catalogue::Catalogue;
use crate::sql::{Dialect, Resolved, resolve};
use fieldmark_model::lineage::{Edge, Kind, Place, Unresolved};
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fmt;

/// The tables that statements are resolved against, as JSON: names to columns, columns to types. A list of names will do for columns.
#[derive(Clone, Debug, Default)]
pub struct Schema(Vec<(String, Declared)>);

/// Columns in order, with their types where they were given.
type Declared = Vec<(String, Option<String>)>;

impl Schema {
    /// The catalogue of these tables.
    pub fn catalogue(&self, default_schema: Option<&str>) -> Catalogue {
        let mut catalogue = Catalogue::new(default_schema);
        for (name, columns) in &self.0 {
            let parts = split(name);
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            catalogue.add(&parts, columns.iter().map(|(name, declared)| (name.as_str(), declared.as_deref())));
        }
        catalogue
    }
}

/// The parts of a dotted name; a dot inside double quotes is a letter.
fn split(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for letter in name.chars() {
        match letter {
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            letter => {
                if let Some(part) = parts.last_mut() {
                    part.push(letter);
                }
            }
        }
    }
    parts
}

impl<'de> Deserialize<'de> for Schema {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tables;
        impl<'de> Visitor<'de> for Tables {
            type Value = Schema;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tables with their columns")
            }
            fn visit_unit<E>(self) -> Result<Schema, E> {
                Ok(Schema::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Schema, A::Error> {
                let mut tables = Vec::new();
                while let Some((name, Columns(columns))) = map.next_entry::<String, Columns>()? {
                    tables.push((name, columns));
                }
                Ok(Schema(tables))
            }
        }
        deserializer.deserialize_any(Tables)
    }
}

struct Columns(Declared);

impl<'de> Deserialize<'de> for Columns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Columns;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("columns with their types, or a list of columns")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Columns, A::Error> {
                let mut columns = Vec::new();
                while let Some((name, Type(declared))) = map.next_entry::<String, Type>()? {
                    columns.push((name, declared));
                }
                Ok(Columns(columns))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Columns, A::Error> {
                let mut columns = Vec::new();
                while let Some(name) = seq.next_element::<String>()? {
                    columns.push((name, None));
                }
                Ok(Columns(columns))
            }
        }
        deserializer.deserialize_any(All)
    }
}

/// A type's name; whatever else stands there is nobody's type.
struct Type(Option<String>);

impl<'de> Deserialize<'de> for Type {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl<'de> Visitor<'de> for Name {
            type Value = Type;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a type")
            }
            fn visit_str<E>(self, name: &str) -> Result<Type, E> {
                Ok(Type(Some(name.to_owned())))
            }
            fn visit_unit<E>(self) -> Result<Type, E> {
                Ok(Type(None))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Type, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Type(None))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Type, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Type(None))
            }
        }
        deserializer.deserialize_any(Name)
    }
}

/// A line.
#[derive(Clone, Debug, Deserialize)]
struct Asked {
    #[serde(default)]
    id: serde_json::Value,
    dialect: String,
    #[serde(default)]
    schema: Schema,
    #[serde(default)]
    default_schema: Option<String>,
    sql: String,
}

/// An answer.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// The line's own id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<serde_json::Value>,
    /// One for each source, target, type and subtype.
    pub edges: Vec<Told>,
    /// What could not be resolved.
    pub unresolved: Vec<Unresolved>,
    /// The grammar that a dialect which is not spoken was read by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tried_as: Option<&'static str>,
}

/// An edge, in words.
#[derive(Clone, Debug, Serialize)]
pub struct Told {
    source: String,
    target: String,
    r#type: &'static str,
    subtype: &'static str,
}

impl Told {
    /// The words of an edge.
    pub fn of(edge: &Edge) -> Self {
        let (r#type, subtype) = (edge.kind.type_word(), edge.kind.subtype());
        Self { source: edge.source.to_string(), target: edge.target.to_string(), r#type, subtype }
    }
}

impl Answer {
    /// What came of statements, as one answer.
    pub fn of(id: Option<serde_json::Value>, dialect: Dialect, resolved: Vec<Resolved>) -> Self {
        let mut seen: HashSet<(String, String, Kind)> = HashSet::new();
        let (mut edges, mut unresolved) = (Vec::new(), Vec::new());
        for one in resolved {
            for edge in &one.edges {
                if seen.insert((edge.source.to_string(), edge.target.to_string(), edge.kind)) {
                    edges.push(Told::of(edge));
                }
            }
            unresolved.extend(one.unresolved);
        }
        let tried_as = match dialect {
            Dialect::Other(nearest) => Some(nearest.as_str()),
            Dialect::Postgres | Dialect::Mysql | Dialect::Mariadb | Dialect::Sqlite | Dialect::Datafusion => None,
        };
        Self { id, edges, unresolved, tried_as }
    }
}

/// Answers a line. One that is no question is answered with what is wrong with it and where in the line.
pub fn answer(line: &str) -> Answer {
    match serde_json::from_str::<Asked>(line) {
        Ok(asked) => {
            let dialect = Dialect::named(&asked.dialect);
            let default = asked.default_schema.as_deref();
            let catalogue = asked.schema.catalogue(default);
            Answer::of(Some(asked.id), dialect, resolve(&asked.sql, dialect, &catalogue, default))
        }
        Err(error) => {
            // serde's own words may hold what was given
            let said = error.to_string();
            let missing = said.strip_prefix("missing field ").and_then(|said| said.split(' ').next());
            let reason = match missing {
                Some(field) => format!("the line is no question: {field} is missing"),
                None => "the line is no question: a JSON object with `dialect`, `schema` and `sql`".to_owned(),
            };
            let place = Place { line: error.line() as u64, column: error.column() as u64 };
            let unresolved = vec![Unresolved { reason, place, text: String::new() }];
            Answer { id: Some(serde_json::Value::Null), edges: Vec::new(), unresolved, tried_as: None }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_answered_with_its_id_and_columns_keep_their_order() {
        let line = r#"{"id": 7, "dialect": "postgres", "schema": {"public.t": {"z": "int", "a": "text"}, "o": ["y", "x"]}, "default_schema": "public", "sql": "INSERT INTO o SELECT * FROM t"}"#;
        let told = serde_json::to_string(&answer(line)).unwrap();
        let one = r#"{"source":"public.t.z","target":"o.y","type":"DIRECT","subtype":"IDENTITY"}"#;
        let other = r#"{"source":"public.t.a","target":"o.x","type":"DIRECT","subtype":"IDENTITY"}"#;
        assert_eq!(told, format!(r#"{{"id":7,"edges":[{one},{other}],"unresolved":[]}}"#));
    }

    #[test]
    fn a_dialect_that_is_not_spoken_is_said() {
        let told = answer(r#"{"dialect": "oceanbase", "schema": {"t": {"a": "int"}}, "sql": "SELECT a FROM t"}"#);
        assert_eq!((told.tried_as, told.edges.len()), (Some("generic"), 1));
    }

    #[test]
    fn what_is_no_question_is_said_and_nothing_of_it() {
        for (line, reason) in [
            (r#"{"dialect": "postgres"}"#, "the line is no question: `sql` is missing"),
            ("{\"sql\": secret", "the line is no question: a JSON object with `dialect`, `schema` and `sql`"),
        ] {
            assert_eq!(answer(line).unresolved[0].reason, reason);
        }
    }
}
