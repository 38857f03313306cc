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

/// Whose doing it is that marked rows newly fail a rule. `alone`: nobody but the migration wrote.
pub(crate) fn whose(
    newly: &NewlyFailing,
    alone: bool,
    rows: &ObservedRows<'_>,
    hypothesis: &Hypothesis,
    finding: &Finding,
) -> Blame {
    let touched = |row: usize| hypothesis.ordinary.touched.contains(&row);
    let mut counts = Counts::of(newly.rows.iter().copied(), rows, touched);
    if !newly.by_itself && !alone {
        // nobody wrote the row, and what it refers to may have been written by anybody
        counts.open += std::mem::take(&mut counts.migration);
    }
    blame(counts, finding, 1.0, (hypothesis.rows, hypothesis.untouched))
}

/// What is known of the marked rows that newly fail a rule.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Newly {
    /// Nothing.
    Unknown,
    /// There are none; by the table's counters so many rows are new since the mark.
    None {
        /// Rows inserted since, where that is counted.
        inserted: Option<u64>,
    },
    /// So many, and whose doing that is.
    Rows(u64, Blame),
}

/// What a rule's two outcomes mean for the verdict, and the marked rows that newly fail it. A rule of severity `info` never makes
/// it worse.
pub(crate) fn conclude(change: &RuleChange, newly: Newly) -> Option<Note> {
    let note = of_marked_rows(change, newly).or_else(|| of_checks(change, newly))?;
    if change.after.severity == Severity::Info { Some(Note::new(Verdict::Clean, note.text)) } else { Some(note) }
}

fn of_marked_rows(change: &RuleChange, newly: Newly) -> Option<Note> {
    let Newly::Rows(rows, blame) = newly else { return None };
    let rule = &change.after.rule;
    let rows = format!("{} of the mark that passed before", words::rows(rows));
    Some(match (blame, change.before.status) {
        (Blame::Nothing, _) => return None,
        // another sample that met none of them says nothing of these
        (Blame::Migration, _)
            if change.after.status == Status::Passed && (change.after.tolerance > 0.0 || !change.after.sampled) =>
        {
            Note::new(Verdict::Clean, format!("the rule {rule} fails now in {rows}, within its tolerance"))
        }
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

fn of_checks(change: &RuleChange, newly: Newly) -> Option<Note> {
    // where it could not be decided before, its interval may exclude what is there now
    let open = change.before.status == Status::Inconclusive && change.after.status == Status::Failed;
    if change.before.status != Status::Passed && !open {
        return None;
    }
    let rule = &change.after.rule;
    let (verdict, text) = match (change.after.status, change.after.not_evaluated) {
        (Status::Passed | Status::Inconclusive, _) => return None,
        (Status::Failed, _) => {
            let failed = words::rows(change.after.failed);
            let could_have = highest(&change.before);
            let before = if open { "could not be decided before" } else { "passed before" };
            if lowest(&change.after) <= could_have {
                let most = words::percent_at_most(could_have);
                let text = format!(
                    "the rule {rule} fails now in {failed} of those read; whether it did before cannot be told: up to {most} of the rows could have failed unseen"
                );
                (Verdict::Inconclusive, text)
            } else if may_be_new(&change.after, newly) {
                let text = format!(
                    "the rule {rule} {before} and fails now in {failed}, none of them marked: whether they are ordinary new rows cannot be told"
                );
                (Verdict::Inconclusive, text)
            } else {
                (Verdict::Broken, format!("the rule {rule} {before} and fails now: {failed}"))
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

/// Whether all failing rows may have been inserted since the mark: no marked row newly fails, and as many are new.
fn may_be_new(after: &Outcome, newly: Newly) -> bool {
    let Newly::None { inserted } = newly else { return false };
    let failing = match (after.interval, after.population) {
        (None, _) => after.failed as f64,
        (Some([low, _]), Some(population)) => low * population as f64,
        (Some(_), None) => return false,
    };
    inserted.map_or(after.interval.is_none(), |inserted| failing <= inserted as f64)
}

/// The least failing fraction that an outcome allows for.
fn lowest(outcome: &Outcome) -> f64 {
    outcome.interval.map_or_else(|| outcome.fraction.unwrap_or(1.0), |[low, _]| low)
}

/// The largest failing fraction that an outcome allows for.
fn highest(outcome: &Outcome) -> f64 {
    outcome.interval.map_or_else(|| outcome.fraction.unwrap_or(0.0), |[_, high]| high)
}
