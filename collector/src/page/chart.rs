//! A rule's failing fraction over time, with its interval: what a script draws, and what a table says without one.

use super::badge::{self, Badge};
use super::outcome::{ratio, rows};
use super::time::Time;
use chrono::{DateTime, TimeDelta, Utc};
use fieldmark_model::{Outcome, Status};
use serde_json::{Value, json};

/// Points that are drawn at most.
const POINTS: i64 = 300;

/// What is drawn.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    /// For the script.
    pub(super) data: String,
    /// In words.
    pub(super) label: String,
    /// Checks that were drawn.
    pub(super) checks: usize,
}

/// A check, for the table.
#[derive(Clone, Debug)]
pub(super) struct Check {
    pub(super) time: Time,
    pub(super) badge: Badge,
    pub(super) ratio: String,
    pub(super) rows: String,
    pub(super) reason: String,
}

impl Check {
    pub(super) fn of(time: DateTime<Utc>, outcome: &Outcome, now: DateTime<Utc>) -> Self {
        Self {
            time: Time::of(time, now),
            badge: badge::of_outcome(outcome),
            ratio: ratio(outcome),
            rows: rows(outcome),
            reason: outcome.reason.clone(),
        }
    }
}

/// How bad an outcome is. Of checks close together the last of the worst outcome is drawn, and not the greatest fraction of them: that
/// would be above what is true.
fn rank(outcome: &Outcome) -> u8 {
    match outcome.status {
        Status::Failed => 3,
        Status::Inconclusive => 2,
        Status::Passed => 1,
        Status::NotEvaluated => 0,
    }
}

impl Chart {
    /// Of checks, in any order, from then until now; `marks`: what happened meanwhile, with where to read of it. None where nothing was
    /// checked.
    pub(super) fn of(
        name: &str,
        checks: &[(DateTime<Utc>, &Outcome)],
        marks: &[(DateTime<Utc>, String, String)],
        (from, until): (DateTime<Utc>, DateTime<Utc>),
    ) -> Option<Self> {
        if checks.is_empty() {
            return None;
        }
        let width = ((until - from).num_milliseconds() / POINTS).max(1);
        let mut points: Vec<(i64, DateTime<Utc>, &Outcome)> = Vec::new();
        let mut sorted = checks.to_vec();
        sorted.sort_by_key(|(time, _)| *time);
        for (time, outcome) in sorted {
            let bucket = (time - from).num_milliseconds() / width;
            match points.last_mut() {
                Some(last) if last.0 == bucket => {
                    if rank(outcome) >= rank(last.2) {
                        *last = (bucket, time, outcome);
                    }
                }
                Some(_) | None => points.push((bucket, time, outcome)),
            }
        }
        let seconds = |time: DateTime<Utc>| json!(time.timestamp_millis() as f64 / 1e3);
        let column =
            |of: &dyn Fn(&Outcome) -> Value| points.iter().map(|(_, _, outcome)| of(outcome)).collect::<Vec<_>>();
        let data = json!({
            "from": seconds(from),
            "until": seconds(until),
            "t": points.iter().map(|(_, time, _)| seconds(*time)).collect::<Vec<_>>(),
            "fraction": column(&|outcome| json!(outcome.fraction)),
            "low": column(&|outcome| json!(outcome.interval.map(|[low, _]| low))),
            "high": column(&|outcome| json!(outcome.interval.map(|[_, high]| high))),
            "status": column(&|outcome| json!(outcome.status.as_str())),
            "tolerance": points.last().map(|(_, _, outcome)| outcome.tolerance),
            "marks": marks.iter().map(|(time, name, link)| json!([seconds(*time), name, link])).collect::<Vec<_>>(),
        });
        let blind = checks.iter().filter(|(_, outcome)| outcome.fraction.is_none()).count();
        let label = format!(
            "Failing fraction of {name} with its 95 % interval, {} checks, of which {blind} gave none",
            checks.len()
        );
        Some(Self { data: data.to_string(), label, checks: checks.len() })
    }
}

/// For how long it is looked back: its word, and how it is named.
pub(super) const RANGES: [(&str, &str, TimeDelta); 4] = [
    ("1h", "1 hour", TimeDelta::hours(1)),
    ("24h", "24 hours", TimeDelta::hours(24)),
    ("7d", "7 days", TimeDelta::days(7)),
    ("30d", "30 days", TimeDelta::days(30)),
];

/// The range of this word, or a day.
pub(super) fn range(word: &str) -> (&'static str, TimeDelta) {
    let [_, day, ..] = RANGES;
    let found = RANGES.into_iter().find(|(own, _, _)| *own == word).unwrap_or(day);
    (found.0, found.2)
}

#[cfg(test)]
mod tests {
    use super::super::outcome::tests::failing;
    use super::*;

    #[test]
    fn of_checks_close_together_the_last_of_the_worst_outcome_is_drawn_with_its_own_interval() {
        let start = DateTime::UNIX_EPOCH;
        let at = |seconds| start + TimeDelta::seconds(seconds);
        let (bad, good) = (failing(), Outcome { status: Status::Passed, fraction: Some(0.0), ..failing() });
        let blind = Outcome { status: Status::NotEvaluated, fraction: None, interval: None, ..failing() };
        let worse = Outcome { fraction: Some(0.5), interval: Some([0.4, 0.6]), ..failing() };
        let checks = [(at(7_200), &blind), (at(10), &worse), (at(20), &bad), (at(30), &good), (at(3_600), &good)];
        let chart = Chart::of("paid", &checks, &[], (start, at(86_400))).unwrap();
        let data: Value = serde_json::from_str(&chart.data).unwrap();
        assert_eq!(data["t"], json!([20.0, 3_600.0, 7_200.0]));
        assert_eq!(data["fraction"], json!([0.0095, 0.0, null]));
        assert_eq!((&data["high"][0], &data["high"][2]), (&json!(0.0138), &Value::Null));
        assert!(chart.label.contains("5 checks, of which 1 gave none"), "{}", chart.label);
        assert!(Chart::of("paid", &[], &[], (start, start)).is_none());
        assert_eq!(range("7d").1, TimeDelta::days(7));
        assert_eq!(range("nonsense").0, "24h");
    }
}
