//! Declared transitions: `same` from the compared columns, `expect` from whoever evaluated it.

use crate::column::{Blame, Counts, DETECT, blame};
use crate::control::{Finding, Hypothesis};
use crate::input::{Same, Transition};
use crate::observe::{Observed, ObservedRows, Values};
use crate::verdict::Note;
use crate::words;
use fieldmark_model::migration::{Expectation, TableChange, Verdict};
use fieldmark_model::{NotEvaluated, Outcome, Severity, Status};

/// An `expect`: a failure counts where the migration must have done it; where an ordinary write may have, it is inconclusive.
pub(crate) fn conclude(
    transition: &Transition,
    rows: &ObservedRows<'_>,
    tested: Option<(&Hypothesis, &Finding)>,
) -> (Outcome, Option<Note>) {
    let mut outcome = transition.outcome.clone();
    let rule = outcome.rule.clone();
    let checked = words::rows(outcome.checked.unwrap_or(0));
    // a row without an answer is none in which it holds
    let told = outcome.checked.unwrap_or(0).saturating_sub(outcome.unknown);
    let unknown = match outcome.unknown {
        0 => String::new(),
        unknown => format!(", and cannot be told of {}", words::rows(unknown)),
    };
    let note = match outcome.status {
        Status::Passed if told == 0 && outcome.unknown > 0 && !transition.nulls_pass => {
            Some(Note::new(Verdict::Inconclusive, format!("{rule} can be told of none of {checked}")))
        }
        Status::Passed => {
            let rows = words::rows(told);
            Some(Note::new(Verdict::AsDeclared, format!("{rule} holds in {rows}{unknown}")))
        }
        Status::Inconclusive => {
            Some(Note::new(Verdict::Inconclusive, format!("{rule} is inconclusive: {}", outcome.reason)))
        }
        Status::NotEvaluated => {
            let why = outcome.not_evaluated.map_or("unknown", NotEvaluated::as_str);
            Some(Note::new(Verdict::Inconclusive, format!("{rule} could not be evaluated: {why}")))
        }
        Status::Failed => {
            let failed = words::count(outcome.failed);
            let fails = format!("{rule} does not hold for {failed} of {checked}");
            match tested.map(|(hypothesis, finding)| whose(transition, rows, hypothesis, finding)) {
                None | Some(Blame::Migration) => Some(Note::new(Verdict::Broken, fails)),
                Some(Blame::Nothing | Blame::Ordinary | Blame::Open) => {
                    let reason = format!("{fails}, and whether ordinary writes made it so cannot be told");
                    outcome.status = Status::Inconclusive;
                    outcome.reason = reason.clone();
                    Some(Note::new(Verdict::Inconclusive, reason))
                }
            }
        }
    };
    // info is for metrics only
    let note = note.map(|note| {
        if outcome.severity == Severity::Info && note.verdict != Verdict::AsDeclared {
            Note::new(Verdict::Clean, note.text)
        } else {
            note
        }
    });
    (outcome, note)
}

fn whose(transition: &Transition, rows: &ObservedRows<'_>, hypothesis: &Hypothesis, finding: &Finding) -> Blame {
    let touched = |row: usize| hypothesis.ordinary.touched.contains(&row);
    let counts = Counts::of(transition.failing.iter().copied(), rows, touched);
    blame(counts, finding, 1.0, (hypothesis.rows, hypothesis.untouched))
}

/// The outcomes of `same`, from the columns compared, and what of them no column says yet.
pub(crate) fn same(table: &Observed<'_>, change: &TableChange) -> (Vec<Outcome>, Vec<Note>) {
    let (mut outcomes, mut notes) = (Vec::new(), Vec::new());
    if table.input.direction == crate::input::Direction::Rollback {
        return (outcomes, notes);
    }
    for Same { column: name, outcome } in &table.input.declared.same {
        let found = table.columns.iter().zip(&change.columns).find(|(column, _)| {
            column.values == Values::Same
                && [&column.pair.after, &column.pair.before].into_iter().flatten().any(|each| each.name == *name)
        });
        let mut outcome = blank(outcome, table, change);
        match found {
            Some((column, line))
                if column.pair.after.is_some() && column.pair.before.is_some() && line.compared > 0 =>
            {
                fill(&mut outcome, line);
                let before = column.pair.before.as_ref();
                let is_key =
                    before.zip(table.input.marks.as_ref()).is_some_and(|(own, marks)| marks.key.contains(&own.name));
                if is_key && line.changed == 0 {
                    // a row that had another key would not have been found: that is what is told of rows that vanished
                    outcome.status = Status::Passed;
                }
                if outcome.status == Status::Inconclusive && line.expectation != Expectation::Undecided {
                    notes.push(Note::new(Verdict::Inconclusive, format!("{}: {}", outcome.rule, outcome.reason)));
                } else if outcome.status == Status::Passed {
                    notes.push(Note::new(Verdict::Clean, format!("{}: {}", outcome.rule, outcome.reason)));
                }
            }
            found => {
                let lost =
                    !matches!(&found, Some((column, _)) if column.pair.after.is_some() && column.pair.before.is_some());
                outcome.not_evaluated =
                    Some(if lost { NotEvaluated::ColumnMissing } else { NotEvaluated::NotSampleable });
                outcome.reason = if lost {
                    "the column is not there both before and after"
                } else {
                    "no row of it could be compared"
                }
                .into();
                // a column declared to stay that was dropped does not hold; one that could not be compared is open
                let dropped = found.is_some_and(|(column, _)| column.pair.after.is_none());
                let verdict = if dropped { Verdict::Broken } else { Verdict::Inconclusive };
                let empty = !lost && change.marked == 0 && change.rows_before == Some(0);
                if !empty {
                    notes.push(Note::new(verdict, format!("{}: {}", outcome.rule, outcome.reason)));
                }
            }
        }
        outcomes.push(outcome);
    }
    (outcomes, notes)
}

fn fill(outcome: &mut Outcome, line: &fieldmark_model::migration::ColumnChange) {
    let high = line.interval.map_or(line.fraction.unwrap_or(1.0), |[_, high]| high);
    outcome.status = match line.expectation {
        Expectation::Surprising if line.changed > 0 => Status::Failed,
        Expectation::Undecided => Status::Inconclusive,
        // a change that ordinary writes explain is not the migration's; the bound is for what was not seen
        Expectation::Ordinary => Status::Passed,
        Expectation::Unchanged | Expectation::Declared | Expectation::Surprising if high <= DETECT => Status::Passed,
        Expectation::Unchanged | Expectation::Declared | Expectation::Surprising => Status::Inconclusive,
    };
    outcome.checked = Some(line.compared);
    outcome.failed = line.changed.saturating_sub(line.ordinary);
    outcome.fraction = line.fraction;
    outcome.interval = line.interval;
    outcome.level = line.interval.map(|_| 0.95);
    outcome.reason = if line.reason.is_empty() { "rows are found again by it".to_owned() } else { line.reason.clone() };
    outcome.not_evaluated = None;
}

fn blank(outcome: &Outcome, table: &Observed<'_>, change: &TableChange) -> Outcome {
    let all_rows = table.input.marks.as_ref().is_some_and(|marks| marks.design.has_all_rows());
    Outcome {
        table: change.table.clone(),
        population: table.input.rows_before,
        detect: DETECT,
        sampled: !all_rows,
        ..outcome.clone()
    }
}
