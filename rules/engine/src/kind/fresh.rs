//! `fresh`: the newest row is new enough.

use super::column::{Family, subject};
use super::sentence::meaning;
use super::{CommonKey, Dialect, Facts, Form, Key, Kind, Plan, Reading, Refusal, Takes};
use arrow::datatypes::Schema;
use fieldmark_document::{MapReader, Node, Placed, Problems};
use std::sync::Arc;
use std::time::Duration;

pub(super) static FACTS: Facts = Facts {
    name: "fresh",
    reference: "Passes when the column's maximum over the whole table is at most `within` older than the time of the run; an empty \
                table fails, as does one with NULL alone. A maximum in the future passes. A timestamp without zone is taken as \
                UTC, a date as its midnight. The maximum comes from an index where there is one, else from one pass at most once \
                per `full_every`. On a replica that may lack what is newer, since it is behind its primary, it is not evaluated \
                (`stale_replica`). Date and timestamp columns, and text columns that hold ISO dates (SQLite); refused on others \
                (`type_mismatch`).",
    example: "fresh: { column: updated_at, within: 15m }",
    keys: &[CommonKey::Timeout, CommonKey::FullEvery],
    without: &[
        (CommonKey::Where, "it speaks of the table's maximum, not of single rows"),
        (CommonKey::Tolerance, "it speaks of the table's maximum: there is no failing fraction"),
        (CommonKey::Detect, "it speaks of the table's maximum: nothing is sampled"),
        (CommonKey::Nulls, "it speaks of the table's maximum, which leaves NULLs out"),
    ],
    form: Form::Keys {
        keys: &[
            Key::required("column", Takes::Column, "a date or time"),
            Key::required("within", Takes::Duration, "how old the newest may be"),
        ],
        at_least_one: &[],
    },
    read,
};

#[derive(Debug)]
struct Fresh {
    column: Placed<String>,
    within: Duration,
}

fn read(node: &Node, problems: &mut Problems) -> Option<Vec<Reading>> {
    let mut map = MapReader::new(node, "`fresh`", problems)?;
    let column = map.require_text("column", problems);
    let within = map.require("within", problems).and_then(|node| node.read_duration("within", problems));
    map.finish(problems);
    let (column, within) = (column?, within?.value);
    Some(vec![Reading {
        meaning: meaning([("column", column.value.clone()), ("within", within.as_millis().to_string())]),
        label: Some(column.value.clone()),
        part: None,
        kind: Arc::new(Fresh { column, within }),
    }])
}

impl Kind for Fresh {
    fn name(&self) -> &'static str {
        FACTS.name
    }
    fn columns(&self) -> Vec<&str> {
        vec![&self.column.value]
    }
    fn placed_columns(&self) -> Vec<&Placed<String>> {
        vec![&self.column]
    }
    fn plan(&self, schema: &Schema) -> Result<Plan, Refusal> {
        let column = subject(schema, &self.column.value)?;
        if !matches!(column.family, Family::Date | Family::Timestamp | Family::Text) {
            return Err(column.refuse("how fresh a table is, only a date or timestamp can say"));
        }
        Ok(Plan::Fresh { column: self.column.value.clone(), within: self.within })
    }
    fn failing_sql(&self, _: Dialect) -> Option<String> {
        None
    }
    fn wording(&self) -> String {
        format!("the newest {} is at most {} old", self.column.value, spelled(self.within))
    }
}

/// A duration in its largest whole unit.
fn spelled(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if milliseconds >= size && milliseconds.is_multiple_of(size) {
            return format!("{} {unit}", milliseconds / size);
        }
    }
    format!("{milliseconds} ms")
}
