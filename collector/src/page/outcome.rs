//! A rule as it is now, and what it gave, in words and numbers.

use super::badge::{self, Badge};
use super::bar::Bar;
use super::link;
use super::time::Time;
use crate::store::RuleNow;
use chrono::{DateTime, Utc};
use fieldmark_model::number::{NARROW, amount, count, estimate, percent};
use fieldmark_model::{Outcome, Severity, Status};

/// A rule on a table, as it was last checked.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) link: String,
    pub(super) rule: String,
    pub(super) table: String,
    pub(super) table_link: String,
    pub(super) kind: String,
    pub(super) badge: Badge,
    pub(super) ratio: String,
    pub(super) rows: String,
    pub(super) bar: Option<Bar>,
    pub(super) state: Badge,
    pub(super) state_reason: String,
    pub(super) severity: Badge,
    pub(super) owner: Option<String>,
    pub(super) reason: String,
    pub(super) agent: String,
    pub(super) time: Time,
}

impl Row {
    pub(super) fn of(now: &RuleNow, at: DateTime<Utc>) -> Self {
        let outcome = &now.outcome;
        Self {
            link: link::rule(&outcome.source, &outcome.table, &outcome.rule),
            rule: outcome.rule.to_string(),
            table: outcome.table.to_string(),
            table_link: link::table(&outcome.source, &outcome.table),
            kind: outcome.kind.clone(),
            badge: badge::of_outcome(outcome),
            ratio: ratio(outcome),
            rows: rows(outcome),
            bar: bar(outcome),
            state: badge::of_state(now.state),
            state_reason: now.state_reason.clone().unwrap_or_default(),
            severity: badge::of_severity(outcome.severity),
            owner: outcome.owner.clone(),
            reason: outcome.reason.clone(),
            agent: now.agent.clone(),
            time: Time::of(now.time, at),
        }
    }
}

/// Whether something may have to be done: the worst first.
pub(super) fn rank(outcome: &Outcome) -> (u8, std::cmp::Reverse<Severity>) {
    let status = match outcome.status {
        Status::Failed if !outcome.is_known() => 0,
        Status::NotEvaluated => 1,
        Status::Inconclusive => 2,
        Status::Failed => 3,
        Status::Passed => 4,
    };
    (status, std::cmp::Reverse(outcome.severity))
}

/// A failing fraction with its interval: `1.2 % (0.9 to 1.6)`; of none that failed, what can fail at most. Nothing where nobody knows.
pub(super) fn ratio(outcome: &Outcome) -> String {
    match (outcome.fraction, outcome.interval) {
        (Some(fraction), Some([_, high])) if fraction == 0.0 && high > 0.0 => {
            format!("{} (at most {})", percent(0.0), percent(high))
        }
        (Some(fraction), Some(bounds)) => short(&estimate(fraction, bounds, Some(outcome.tolerance))),
        (Some(fraction), None) if outcome.sampled => format!("{} (interval unknown)", percent(fraction)),
        (Some(fraction), None) => percent(fraction),
        (None, _) => match (outcome.value, outcome.value_interval) {
            (Some(value), Some([low, high])) => format!("{} ({} to {})", amount(value), amount(low), amount(high)),
            (Some(value), None) => amount(value),
            (None, _) => "unknown".to_owned(),
        },
    }
}

/// An estimate with its unit once: `1.2 % (0.9 to 1.6)`.
pub(super) fn short(text: &str) -> String {
    match text.split_once(" (") {
        Some((fraction, bounds)) => format!("{fraction} ({}", bounds.replace(&format!("{NARROW}%"), "")),
        None => text.to_owned(),
    }
}

/// `27 of 2 843 sampled rows`.
pub(super) fn rows(outcome: &Outcome) -> String {
    match outcome.checked {
        Some(checked) => {
            let what = if outcome.sampled { "sampled rows" } else { "rows" };
            format!("{} of {} {what}", count(outcome.failed), count(checked))
        }
        None => match outcome.not_evaluated {
            Some(why) => why.as_str().replace('_', " "),
            None => "rows unknown".to_owned(),
        },
    }
}

fn bar(outcome: &Outcome) -> Option<Bar> {
    Some(Bar::of(outcome.fraction?, outcome.interval?, outcome.tolerance))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use fieldmark_model::{NotEvaluated, RuleId, SourceName, TableName};

    /// A rule that failed for some of many rows.
    pub(in crate::page) fn failing() -> Outcome {
        Outcome {
            status: Status::Failed,
            checked: Some(2_843),
            failed: 27,
            fraction: Some(0.0095),
            interval: Some([0.0063, 0.0138]),
            sampled: true,
            ..Outcome::blank(
                SourceName::new("shop"),
                TableName::new("public", "<script>"),
                RuleId::new("paid"),
                "not_null",
            )
        }
    }

    #[test]
    fn a_ratio_is_told_with_its_interval_and_what_is_not_known_as_unknown() {
        let plain = |outcome: &Outcome| ratio(outcome).replace(NARROW, " ");
        assert_eq!(plain(&failing()), "0.95 % (0.63 to 1.4)");
        assert_eq!(rows(&failing()).replace(NARROW, " "), "27 of 2 843 sampled rows");
        let passed = Outcome { fraction: Some(0.0), interval: Some([0.0, 0.000_369]), failed: 0, ..failing() };
        assert_eq!(plain(&passed), "0 % (at most 0.037 %)");
        assert_eq!(plain(&Outcome { interval: None, ..failing() }), "0.95 % (interval unknown)");
        let blind =
            Outcome { checked: None, not_evaluated: Some(NotEvaluated::TableMissing), fraction: None, ..failing() };
        assert_eq!((plain(&blind).as_str(), rows(&blind).as_str()), ("unknown", "table missing"));
        assert!(bar(&blind).is_none());
        let value = Outcome { value: Some(12.5), value_interval: Some([12.0, 13.0]), fraction: None, ..failing() };
        assert_eq!(plain(&value), "12.5 (12 to 13)");
    }

    #[test]
    fn what_fails_comes_first_and_what_matters_most_of_it() {
        let page = Outcome { severity: Severity::Page, ..failing() };
        let passed = Outcome { status: Status::Passed, severity: Severity::Page, ..failing() };
        let blind = Outcome { status: Status::NotEvaluated, ..failing() };
        let mut all = [&passed, &blind, &failing(), &page].map(rank).to_vec();
        all.sort();
        assert_eq!(all, [rank(&page), rank(&failing()), rank(&blind), rank(&passed)]);
    }
}
