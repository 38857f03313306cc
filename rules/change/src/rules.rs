//! Rules before and after.
//!
//! A rule is told in two ways. The marked rows are asked again: of one that newly fails, it is known what it was before, and it is tested
//! for ordinary writes as any changed row is. And the table is checked anew; where both checks drew rows, the second may find what
//! the first one missed, so only fractions that cannot have been the same before are held against the migration.

use crate::column::{Blame, Counts, blame};
use crate::control::{Finding, Hypothesis};
use crate::input::NewlyFailing;
use crate::observe::ObservedRows;
use crate::verdict::Note;
use crate::words;
use fieldmark_model::migration::{RuleChange, Verdict};
use fieldmark_model::outcome::Nature;
use fieldmark_model::{NotEvaluated, Outcome, Severity, Status};

/// Whose doing it is that marked rows newly fail a rule.
pub(crate) fn whose(
    newly: &NewlyFailing,
    rows: &ObservedRows<'_>,
    hypothesis: &Hypothesis,
    finding: &Finding,
) -> Blame {
    let touched = |row: usize| hypothesis.ordinary.touched.contains(&row);
    let counts = Counts::of(newly.rows.iter().copied(), rows, touched);
    blame(counts, finding, 1.0, (hypothesis.rows, hypothesis.untouched))
}

/// What a rule's two outcomes mean for the verdict, and the marked rows that newly fail it, with whose doing that is. A rule of severity
/// `info` never makes it worse.
pub(crate) fn conclude(change: &RuleChange, newly: Option<(u64, Blame)>) -> Option<Note> {
    // where all rows were read both times it is a fact that the rule fails now and did not; only ordinary writes excuse it
    let counted = change.before.interval.is_none() && change.after.interval.is_none();
    let open = newly.is_none_or(|(_, blame)| matches!(blame, Blame::Open | Blame::Nothing));
    let note = if counted && open {
        of_checks(change).or_else(|| of_marked_rows(change, newly))
    } else {
        of_marked_rows(change, newly).or_else(|| of_checks(change))
    };
    let note = note?;
    if change.after.severity == Severity::Info { Some(Note::new(Verdict::Clean, note.text)) } else { Some(note) }
}

fn of_marked_rows(change: &RuleChange, newly: Option<(u64, Blame)>) -> Option<Note> {
    let (rows, blame) = newly?;
    let rule = &change.after.rule;
    let rows = format!("{} of the mark that passed before", words::rows(rows));
    Some(match (blame, change.before.status) {
        (Blame::Nothing, _) => return None,
        (Blame::Migration, Status::Failed) => {
            Note::new(Verdict::Surprising, format!("the rule {rule} failed before, and fails now in {rows}, too"))
        }
        (Blame::Migration, Status::Passed | Status::Inconclusive | Status::NotEvaluated) => {
            Note::new(Verdict::Broken, format!("the rule {rule} passed before and fails now: {rows}"))
        }
        (Blame::Ordinary, _) => Note::new(
            Verdict::Clean,
            format!("the rule {rule} fails now in {rows}, no more than ordinary writes change"),
        ),
        (Blame::Open, _) => Note::new(
            Verdict::Inconclusive,
            format!("the rule {rule} fails now in {rows}, and whether ordinary writes made it so cannot be told"),
        ),
    })
}

fn of_checks(change: &RuleChange) -> Option<Note> {
    if change.before.status != Status::Passed {
        return None;
    }
    let rule = &change.after.rule;
    let (verdict, text) = match (change.after.status, change.after.not_evaluated) {
        (Status::Passed | Status::Inconclusive, _) => return None,
        (Status::Failed, _) => {
            let failed = words::rows(change.after.failed);
            let could_have = highest(&change.before);
            if change.after.interval.is_none_or(|[low, _]| low > could_have) {
                (Verdict::Broken, format!("the rule {rule} passed before and fails now: {failed}"))
            } else {
                let most = words::percent_at_most(could_have);
                let text = format!(
                    "the rule {rule} fails now in {failed} of the sample; whether it did before cannot be told: up to {most} of the rows could have failed unseen"
                );
                (Verdict::Inconclusive, text)
            }
        }
        (Status::NotEvaluated, Some(why)) if why.nature() == Nature::Transient => return None,
        (Status::NotEvaluated, why) => {
            let why = why.map_or("unknown", NotEvaluated::as_str);
            (Verdict::Inconclusive, format!("the rule {rule} passed before and cannot be evaluated now: {why}"))
        }
    };
    Some(Note::new(verdict, text))
}

/// The largest failing fraction that an outcome allows for.
fn highest(outcome: &Outcome) -> f64 {
    outcome.interval.map_or_else(|| outcome.fraction.unwrap_or(0.0), |[_, high]| high)
}
