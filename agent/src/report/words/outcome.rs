//! What a rule gave.

use super::{count, duration, estimate, how_many, percent, percent_over, plural};
use fieldmark_model::number::whole;
use fieldmark_model::{NotEvaluated, Outcome, Status};

/// What an outcome is for its reader: its status, and whether a failure is one that the baseline knows. The worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It fails, and that is news.
    Failed,
    /// It could not tell.
    Inconclusive,
    /// It was not evaluated.
    NotEvaluated,
    /// It fails by no more rows than the baseline knows.
    Known,
    /// It passed.
    Passed,
}

impl Standing {
    /// All of them, the worst first.
    pub const ALL: [Self; 5] = [Self::Failed, Self::Inconclusive, Self::NotEvaluated, Self::Known, Self::Passed];

    /// That of an outcome.
    pub fn of(outcome: &Outcome) -> Self {
        match outcome.status {
            Status::Failed if outcome.is_known() => Self::Known,
            Status::Failed => Self::Failed,
            Status::Inconclusive => Self::Inconclusive,
            Status::NotEvaluated => Self::NotEvaluated,
            Status::Passed => Self::Passed,
        }
    }

    /// The word for it, as in a sentence: `failed`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Inconclusive => "inconclusive",
            Self::NotEvaluated => "not evaluated",
            Self::Known => "known",
            Self::Passed => "passed",
        }
    }

    /// The glyph that goes with the word.
    pub fn glyph(self) -> &'static str {
        match self {
            Self::Failed => "✘",
            Self::Inconclusive => "?",
            Self::NotEvaluated => "–",
            Self::Known => "~",
            Self::Passed => "✔",
        }
    }
}

/// What the baseline knows of a failing rule: `more than the 41 rows known since 2026-03-14`; `None` where it knows nothing.
pub fn baseline(outcome: &Outcome) -> Option<String> {
    let known = outcome.baseline?;
    let (rows, since) = (plural(known.rows, "row"), known.since.format("%Y-%m-%d"));
    Some(if known.grown {
        format!("more than the {rows} known since {since}")
    } else {
        format!("no more than the {rows} known since {since}")
    })
}

/// Why a rule was not evaluated, in a few words.
pub fn not_evaluated(why: NotEvaluated) -> &'static str {
    match why {
        NotEvaluated::ColumnMissing => "a column is missing",
        NotEvaluated::TypeMismatch => "the type does not fit the rule",
        NotEvaluated::TableMissing => "the table is missing",
        NotEvaluated::PermissionDenied => "permission denied",
        NotEvaluated::CoverageLimited => "row security hides rows",
        NotEvaluated::Timeout => "the statement's time was up",
        NotEvaluated::YieldedToMigration => "yielded to a migration",
        NotEvaluated::ConnectionLost => "the connection was lost",
        NotEvaluated::TooExpensive => "too expensive",
        NotEvaluated::BudgetSpent => "the source's budget is spent",
        NotEvaluated::NotSampleable => "rows cannot be drawn fairly",
        NotEvaluated::StaleReplica => "the replica has not caught up",
        NotEvaluated::Unrepresentable => "too many values that cannot be represented",
        NotEvaluated::Internal => "a fault of Fieldmark's own",
    }
}

/// Unknown rows by cause: `12 unknown: 9 NULL, 3 expression errors`; `None` where there are none.
pub fn unknown(outcome: &Outcome) -> Option<String> {
    if outcome.unknown == 0 {
        return None;
    }
    let by = &outcome.unknown_by;
    let causes: Vec<String> = [
        (by.null, "NULL", "NULL"),
        (by.expression_error, "expression error", "expression errors"),
        (by.value_too_large, "value too large", "values too large"),
        (by.unrepresentable, "unrepresentable value", "unrepresentable values"),
    ]
    .into_iter()
    .filter(|(rows, _, _)| *rows > 0)
    .map(|(rows, one, many)| format!("{} {}", count(rows), if rows == 1 { one } else { many }))
    .collect();
    let total = count(outcome.unknown);
    Some(if causes.is_empty() { format!("{total} unknown") } else { format!("{total} unknown: {}", causes.join(", ")) })
}

/// What was seen, with its bound: `no failure in 10 000 rows; at most 0.037 % can fail`.
///
/// Made of the outcome's numbers; of its `reason` only for kinds that measure something else than rows, and for rules
/// that were not evaluated.
pub fn seen(outcome: &Outcome) -> String {
    if outcome.status == Status::NotEvaluated {
        return match (outcome.not_evaluated, outcome.reason.trim()) {
            (Some(why), "") => not_evaluated(why).into(),
            (Some(why), reason) if reason.starts_with(not_evaluated(why)) => reason.into(),
            (Some(why), reason) => format!("{}: {reason}", not_evaluated(why)),
            (None, reason) => reason.into(),
        };
    }
    let Some(checked) = outcome.checked else {
        return match (outcome.reason.trim(), outcome.value) {
            ("", Some(value)) if outcome.kind == "fresh" => format!("{} behind", duration(value)),
            ("", Some(value)) if outcome.kind == "row_count" => plural(whole(value), "row"),
            ("", Some(value)) => format!("{value}"),
            (reason, _) => reason.into(),
        };
    };
    let mut text = match (outcome.sampled, outcome.interval) {
        (true, Some([low, high])) => sampled(outcome, checked, [low, high]),
        // a sample without an interval says nothing about other rows, and must not look as if it did
        (true, None) if outcome.failed == 0 => {
            format!("no failure in {}; no bound for the others", plural(checked, "row"))
        }
        (true, None) => format!("{} of {} rows fail", count(outcome.failed), count(checked)),
        (false, _) => whole_table(outcome, checked),
    };
    if outcome.moving {
        text.push_str(" (read while being written)");
    }
    text
}

fn sampled(outcome: &Outcome, checked: u64, [low, high]: [f64; 2]) -> String {
    if checked == 0 {
        return "no row of the sample is concerned".into();
    }
    let limit = outcome.tolerance.max(outcome.detect);
    if outcome.failed == 0 {
        let bound = if outcome.status == Status::Passed { percent(high) } else { percent_over(high, limit) };
        return format!("no failure in {}; at most {bound} can fail", plural(checked, "row"));
    }
    let fraction = outcome.fraction.unwrap_or(outcome.failed as f64 / checked as f64);
    let fraction = estimate(fraction, [low, high], Some(limit));
    format!("{} of {} {}: {fraction}", count(outcome.failed), count(checked), fails(outcome.failed))
}

fn whole_table(outcome: &Outcome, checked: u64) -> String {
    match (outcome.failed, checked) {
        (0, 0) => "no row is concerned".into(),
        (0, 1) => "the only row passes".into(),
        (0, _) if outcome.unknown == 0 => format!("all {} rows pass", count(checked)),
        (0, _) => format!("none of all {} rows fails", count(checked)),
        (failed, _) => {
            let fraction = outcome.fraction.unwrap_or(failed as f64 / checked.max(1) as f64);
            format!("{} of all {} rows {}: {}", count(failed), count(checked), fails(failed), percent(fraction))
        }
    }
}

fn fails(rows: u64) -> &'static str {
    if rows == 1 { "fails" } else { "fail" }
}

/// What the outcome's own reason says beyond [`seen`]; a reason that begins with what was seen is given without it.
pub fn further_reason(outcome: &Outcome) -> Option<&str> {
    let reason = outcome.reason.trim();
    if matches!(outcome.status, Status::Passed | Status::NotEvaluated) || outcome.checked.is_none() {
        return None;
    }
    let seen = seen(outcome);
    let rest = reason.strip_prefix(&seen).unwrap_or(reason).trim_start_matches([';', ' ']);
    let plain = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
    (!rest.is_empty() && plain(rest) != plain(&seen)).then_some(rest)
}

/// Who answers for a rule, and how loudly it fails: `team-payments (page)`.
pub fn owner(outcome: &Outcome) -> String {
    format!("{} ({})", outcome.owner.as_deref().unwrap_or("no owner"), outcome.severity.as_str())
}

/// The confidence that every interval of these outcomes has at least; `None` where none has an interval.
pub fn level(outcomes: &[Outcome]) -> Option<String> {
    let levels = outcomes.iter().filter(|outcome| outcome.interval.is_some()).filter_map(|outcome| outcome.level);
    levels.fold(None, |least: Option<f64>, level| Some(least.map_or(level, |least| least.min(level)))).map(percent)
}

/// How many outcomes there are of each standing that there is, the worst first.
pub fn tally<'a>(outcomes: impl Iterator<Item = &'a Outcome> + Clone) -> Vec<(Standing, u64)> {
    Standing::ALL
        .into_iter()
        .map(|standing| (standing, how_many(outcomes.clone().filter(|outcome| Standing::of(outcome) == standing))))
        .filter(|(_, n)| *n > 0)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;
    use crate::report::words::NARROW;

    fn plain(text: &str) -> String {
        text.replace(NARROW, " ")
    }

    #[test]
    fn what_was_seen_is_said_with_its_bound() {
        let sample = |failed, checked, interval, status| {
            let mut outcome = fixture::passed("r", checked);
            outcome.failed = failed;
            outcome.fraction = Some(failed as f64 / checked as f64);
            outcome.interval = interval;
            outcome.sampled = interval.is_some();
            outcome.status = status;
            plain(&seen(&outcome))
        };
        use Status::{Failed, Inconclusive, Passed};
        assert_eq!(
            sample(0, 10_000, Some([0.0, 0.000_368_8]), Passed),
            "no failure in 10 000 rows; at most 0.037 % can fail"
        );
        assert_eq!(sample(27, 2_843, Some([0.006_27, 0.013_78]), Failed), "27 of 2 843 fail: 0.95 % (0.63 % to 1.4 %)");
        assert_eq!(
            sample(0, 2_900, Some([0.0, 0.001_271]), Inconclusive),
            "no failure in 2 900 rows; at most 0.13 % can fail"
        );
        assert_eq!(sample(0, 4_000, None, Passed), "all 4 000 rows pass");
        assert_eq!(sample(1, 4_000, None, Failed), "1 of all 4 000 rows fails: 0.025 %");
    }

    #[test]
    fn a_sample_without_a_bound_never_reads_like_a_pass_of_all_rows() {
        let mut outcome = fixture::passed("r", 100);
        outcome.sampled = true;
        outcome.interval = None;
        assert_eq!(seen(&outcome), "no failure in 100 rows; no bound for the others");
    }

    #[test]
    fn a_reason_does_not_repeat_what_was_seen() {
        let mut outcome = fixture::passed("r", 2_900);
        outcome.status = Status::Inconclusive;
        outcome.sampled = true;
        outcome.interval = Some([0.0, 0.001_271]);
        for (reason, further) in [
            (String::new(), None),
            (seen(&outcome), None),
            (plain(&seen(&outcome)), None),
            (format!("{}; about 3 688 rows would decide", seen(&outcome)), Some("about 3 688 rows would decide")),
            ("the plan ended".into(), Some("the plan ended")),
        ] {
            let outcome = Outcome { reason, ..outcome.clone() };
            assert_eq!(further_reason(&outcome), further, "{}", outcome.reason);
        }
    }
}
