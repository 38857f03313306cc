//! `distribution`: a statistic of the column lies where it should.

use super::column::{Family, subject};
use super::sentence::{bounds, meaning, sql};
use super::{CommonKey, Dialect, Facts, Form, Key, Kind, Plan, Reading, Refusal, Takes};
use arrow::datatypes::Schema;
use fieldmark_document::{MapReader, Node, NodeKind, Placed, Problem, Problems, ratio_of, shown};
use fieldmark_model::canonical::decimal_parts;
use std::sync::Arc;

pub(super) static FACTS: Facts = Facts {
    name: "distribution",
    reference: "Passes when a statistic of the column lies within its limits, both included: `mean`, over the rows that have a value, and \
                `null_fraction`, the fraction of rows that are NULL; at least one of them, each makes a rule of its own (an `id` given to \
                both becomes `id/mean` and `id/null_fraction`). Limits are `[low, high]`, `<= high` or `>= low`. Exact where all rows were \
                read; on a sample the statistic's 95 % interval decides: passed where it lies within the limits, failed where it \
                lies outside of them, else inconclusive. The mean's interval is asymptotic (a few huge values that the sample \
                missed are not in it), and there is none while values are too skewed for so few rows. A mean needs numbers (else \
                `type_mismatch`) all of which can be added up: NaN and infinity make it `unrepresentable`.",
    example: "distribution: { column: total_cents, mean: [1000, 9000], null_fraction: \"<= 1%\" }",
    keys: &[CommonKey::Where],
    without: &[
        (CommonKey::Tolerance, "it speaks of a statistic of all rows: there is no failing fraction; widen its limits"),
        (CommonKey::Detect, "it speaks of a statistic of all rows: its own interval decides"),
        (CommonKey::Nulls, "`mean` leaves NULLs out, and `null_fraction` is about them"),
        (CommonKey::Timeout, "it is judged on the rows read for the sample and sends no statement of its own"),
        (CommonKey::FullEvery, "it is judged on the rows read for the sample and needs no pass over the table"),
    ],
    form: Form::Keys {
        keys: &[
            Key::required("column", Takes::Column, "the column"),
            Key::optional("mean", Takes::Limits, "limits of the mean of its values"),
            Key::optional("null_fraction", Takes::Limits, "limits of the fraction of rows that are NULL"),
        ],
        at_least_one: &["mean", "null_fraction"],
    },
    read,
};

/// What is measured of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// The mean of its values.
    Mean,
    /// The fraction of rows in which it is NULL.
    NullFraction,
}

impl Statistic {
    /// Its spelling in rule files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::NullFraction => "null_fraction",
        }
    }
}

#[derive(Debug)]
struct Distribution {
    column: Placed<String>,
    statistic: Statistic,
    limits: Limits,
}

/// Where a statistic may lie; the texts are as they were written.
#[derive(Clone, Debug)]
struct Limits {
    low: Option<(f64, String)>,
    high: Option<(f64, String)>,
}

fn read(node: &Node, problems: &mut Problems) -> Option<Vec<Reading>> {
    let mut map = MapReader::new(node, "`distribution`", problems)?;
    let before = problems.len();
    let column = map.require_text("column", problems);
    let mut limits = Vec::new();
    for statistic in [Statistic::Mean, Statistic::NullFraction] {
        let read = map.node(statistic.as_str()).and_then(|node| read_limits(node, statistic, problems));
        limits.extend(read.map(|limits| (statistic, limits)));
    }
    let place = map.place().clone();
    map.finish(problems);
    if problems.len() > before {
        return None;
    }
    if limits.is_empty() {
        let problem = Problem::new("`distribution` demands nothing", &place);
        problems.push(problem.allowed("mean, null_fraction: at least one of them"));
        return None;
    }
    let column = column?;
    // one rule has the given id as it is, of several each has its statistic behind it
    let several = limits.len() > 1;
    let one = |(statistic, limits): (Statistic, Limits)| {
        let number = |limit: &Option<(f64, String)>| limit.as_ref().map(|(number, _)| number.to_string());
        let parts = [("column", column.value.clone()), ("statistic", statistic.as_str().to_owned())];
        let ends = [("low", number(&limits.low)), ("high", number(&limits.high))];
        let ends = ends.into_iter().filter_map(|(name, number)| Some((name, number?)));
        Reading {
            meaning: meaning(parts.into_iter().chain(ends)),
            label: Some(format!("{}.{}", column.value, statistic.as_str())),
            part: several.then(|| statistic.as_str().to_owned()),
            kind: Arc::new(Distribution { column: column.clone(), statistic, limits }),
        }
    };
    Some(limits.into_iter().map(one).collect())
}

/// Reads `[low, high]`, `<= high` or `>= low`.
fn read_limits(node: &Node, statistic: Statistic, problems: &mut Problems) -> Option<Limits> {
    let (key, allowed) = match statistic {
        Statistic::Mean => ("mean", "`[1000, 9000]`, `\"<= 9000\"` or `\">= 1000\"`"),
        Statistic::NullFraction => ("null_fraction", "`\"<= 1%\"`, `\">= 0.5\"` or `[0%, 1%]`"),
    };
    let number = |text: &str| {
        let text = text.trim();
        let number = match statistic {
            Statistic::Mean => decimal_parts(&text.replace('_', "")).and_then(|number| number.to_string().parse().ok()),
            Statistic::NullFraction => ratio_of(text).filter(|fraction| *fraction <= 1.0),
        };
        number.map(|number: f64| (number, text.to_owned()))
    };
    let limits = match &node.kind {
        NodeKind::List(items) => match items.as_slice() {
            [low, high] => {
                let ends = (low.scalar().and_then(number), high.scalar().and_then(number));
                matches!(ends, (Some(_), Some(_))).then_some(Limits { low: ends.0, high: ends.1 })
            }
            _ => None,
        },
        NodeKind::Text(text) => match (text.trim().strip_prefix("<="), text.trim().strip_prefix(">=")) {
            (Some(high), _) => number(high).map(|high| Limits { low: None, high: Some(high) }),
            (_, Some(low)) => number(low).map(|low| Limits { low: Some(low), high: None }),
            (None, None) => None,
        },
        NodeKind::Null | NodeKind::Bool(_) | NodeKind::Integer(_) | NodeKind::Float(_) | NodeKind::Map(_) => None,
    };
    let Some(limits) = limits else {
        let what = if statistic == Statistic::Mean { "limits of a number" } else { "limits of a fraction" };
        problems.push(node.wrong(key, what).allowed(allowed));
        return None;
    };
    if let (Some((low, lower)), Some((high, upper))) = (&limits.low, &limits.high)
        && low > high
    {
        let problem = Problem::new("the lower limit is above the upper", &node.place);
        let problem = problem.value(format!("{} and {}", shown(lower), shown(upper)));
        problems.push(problem.allowed(allowed).help("nothing can pass"));
        return None;
    }
    Some(limits)
}

impl Kind for Distribution {
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
        let numbers = matches!(column.family, Family::Integer | Family::Float | Family::Decimal | Family::NumberAsText);
        if self.statistic == Statistic::Mean && !numbers {
            return Err(column.refuse("a mean needs numbers"));
        }
        Ok(Plan::Distribution {
            column: self.column.value.clone(),
            statistic: self.statistic,
            low: self.limits.low.as_ref().map(|(low, _)| *low),
            high: self.limits.high.as_ref().map(|(high, _)| *high),
        })
    }
    fn failing_sql(&self, _: Dialect) -> Option<String> {
        None
    }
    fn statistic_sql(&self) -> Option<String> {
        let column = sql(&self.column);
        Some(match self.statistic {
            Statistic::Mean => format!("avg({column})"),
            Statistic::NullFraction => format!("avg(CASE WHEN {column} IS NULL THEN 1.0 ELSE 0.0 END)"),
        })
    }
    fn wording(&self) -> String {
        let spelled = |limit: &Option<(f64, String)>| limit.as_ref().map(|(_, text)| text.clone());
        let (low, high) = (spelled(&self.limits.low), spelled(&self.limits.high));
        let limits = bounds(low.as_deref(), high.as_deref());
        match self.statistic {
            Statistic::Mean => format!("the mean of {} is {limits}", self.column.value),
            Statistic::NullFraction => format!("the NULL fraction of {} is {limits}", self.column.value),
        }
    }
}
