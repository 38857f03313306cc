//! `row_count`: the table has so many rows.

use super::literal::{End, check_order};
use super::sentence::{bounds, meaning};
use super::{CommonKey, Dialect, Facts, Form, Key, Kind, Plan, Reading, Refusal, Takes};
use arrow::datatypes::Schema;
use fieldmark_document::{MapReader, Node, Problem, Problems, nearest_ratio, ratio_of};
use std::sync::Arc;

pub(super) static FACTS: Facts = Facts {
    name: "row_count",
    reference: "Passes when the table has at least `min` and at most `max` rows and differs by at most `change` from the last stored \
                count; at least one of the three is given. Exact where the rows were counted, else by the interval of the estimate: \
                inconclusive while a bound lies inside of it. The first run has no stored count and passes the `change` part. \
                `change: 20%` allows a fifth more or fewer.",
    example: "row_count: { min: 1000, change: 20% }",
    keys: &[],
    without: &[
        (CommonKey::Where, "it counts the rows of the table, all of them"),
        (CommonKey::Tolerance, "it counts rows: there is no failing fraction; widen `min`, `max` or `change`"),
        (CommonKey::Detect, "it counts rows: there is no failing fraction"),
        (CommonKey::Nulls, "it counts rows, whatever is in them"),
        (CommonKey::Timeout, "the count comes with the sample and has its limits"),
        (CommonKey::FullEvery, "the count comes with the sample"),
    ],
    form: Form::Keys {
        keys: &[
            Key::optional("min", Takes::Count, "fewest rows"),
            Key::optional("max", Takes::Count, "most rows"),
            Key::optional("change", Takes::Ratio, "largest change against the last stored count"),
        ],
        at_least_one: &["min", "max", "change"],
    },
    read,
};

#[derive(Debug)]
struct RowCount {
    min: Option<u64>,
    max: Option<u64>,
    change: Option<f64>,
}

fn read(node: &Node, problems: &mut Problems) -> Option<Vec<Reading>> {
    let mut map = MapReader::new(node, "`row_count`", problems)?;
    let before = problems.len();
    let min = map.count("min", problems);
    let max = map.count("max", problems);
    let change = map.node("change").and_then(|node| {
        let change = node.scalar().and_then(ratio_of);
        if change.is_none() {
            let near = node.scalar().and_then(nearest_ratio);
            let problem = node.wrong("change", "a fraction").nearest(near);
            problems.push(problem.allowed("`20%`, or `0.2`; it may be above 100%"));
        }
        change
    });
    let place = map.place().clone();
    map.finish(problems);
    check_order(min.as_ref().map(End::of), max.as_ref().map(End::of), problems);
    if problems.len() > before {
        return None;
    }
    let (min, max) = (min.map(|min| min.value), max.map(|max| max.value));
    if min.is_none() && max.is_none() && change.is_none() {
        problems.push(
            Problem::new("`row_count` demands nothing", &place).allowed("min, max, change: at least one of them"),
        );
        return None;
    }
    let parts = [
        min.map(|min| ("min", min.to_string())),
        max.map(|max| ("max", max.to_string())),
        change.map(|change| ("change", change.to_string())),
    ];
    Some(vec![Reading {
        meaning: meaning(parts.into_iter().flatten()),
        label: None,
        part: None,
        kind: Arc::new(RowCount { min, max, change }),
    }])
}

impl Kind for RowCount {
    fn name(&self) -> &'static str {
        FACTS.name
    }
    fn columns(&self) -> Vec<&str> {
        Vec::new()
    }
    fn plan(&self, _schema: &Schema) -> Result<Plan, Refusal> {
        Ok(Plan::RowCount { min: self.min, max: self.max, change: self.change })
    }
    fn failing_sql(&self, _: Dialect) -> Option<String> {
        None
    }
    fn wording(&self) -> String {
        let (min, max) = (self.min.map(|min| min.to_string()), self.max.map(|max| max.to_string()));
        let mut parts = Vec::new();
        if min.is_some() || max.is_some() {
            parts.push(format!("the table has {} rows", bounds(min.as_deref(), max.as_deref())));
        }
        if let Some(change) = self.change {
            parts.push(format!("the number of rows changed by at most {} %", change * 100.0));
        }
        parts.join(" and ")
    }
}
