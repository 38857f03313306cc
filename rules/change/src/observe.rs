//! What is seen of one table, before anything is concluded: columns paired, rows aligned, values compared, hypotheses stated.

use crate::align::{Alignment, NotFollowed, align};
use crate::compare::{ColumnComparison, compare_column};
use crate::control::{Hypothesis, Ordinary, Subject};
use crate::error::ChangeError;
use crate::infer::infer_renames;
use crate::input::{Direction, Marks, NewlyFailing, RowsDeclared, TableInput, Transition, Undeclared};
use crate::pair::{ColumnHints, pair_columns};
use crate::stamp::Attribution;
use fieldmark_model::Status;
use fieldmark_model::migration::{ColumnFate, ColumnPair};

/// What is declared of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Values {
    /// They stay.
    Same,
    /// Their change is explained.
    Declared,
    /// Nothing.
    Undeclared,
}

/// One column.
#[derive(Debug)]
pub(crate) struct ObservedColumn {
    pub(crate) pair: ColumnPair,
    /// Dropped and added anew under its name.
    pub(crate) anew: bool,
    pub(crate) comparison: ColumnComparison,
    /// Whether its fate (dropped, renamed, retyped) is declared.
    pub(crate) fate_declared: bool,
    pub(crate) values: Values,
    /// `None` where nothing is to be tested.
    pub(crate) hypothesis: Option<Hypothesis>,
}

/// The marked rows of a table, found again.
#[derive(Debug)]
pub(crate) struct ObservedRows<'a> {
    pub(crate) marks: &'a Marks<'a>,
    pub(crate) alignment: Alignment,
    /// For each marked row whose doing a change of it is.
    pub(crate) attributions: Vec<Attribution>,
    /// Vanished rows that were allowed to.
    pub(crate) vanished_declared: Vec<usize>,
    /// The others.
    pub(crate) vanished: Vec<usize>,
    pub(crate) vanishing: Hypothesis,
    /// Failing `expect` transitions, with what is tested of each.
    pub(crate) transitions: Vec<(&'a Transition, Option<Hypothesis>)>,
    /// Rules that marked rows newly fail, with what is tested of each.
    pub(crate) newly_failing: Vec<(&'a NewlyFailing, Hypothesis)>,
}

/// What is known of the rows of a table.
#[derive(Debug)]
pub(crate) enum Seen<'a> {
    /// None was marked.
    Unmarked,
    /// They cannot be followed.
    Lost(NotFollowed),
    /// They were found again.
    Rows(Box<ObservedRows<'a>>),
}

/// One table.
#[derive(Debug)]
pub(crate) struct Observed<'a> {
    pub(crate) input: &'a TableInput<'a>,
    pub(crate) columns: Vec<ObservedColumn>,
    pub(crate) seen: Seen<'a>,
}

/// Looks at one table.
pub(crate) fn observe<'a>(input: &'a TableInput<'a>) -> Result<Observed<'a>, ChangeError> {
    let declared = if input.direction == Direction::Forward { &input.declared.renamed[..] } else { &[] };
    let hints = ColumnHints { declared, statements: input.statements };
    let mut columns = pair_columns(input.tables, hints);
    let mut seen = Seen::Unmarked;
    if let (Some(marks), Some(_), Some(_)) = (&input.marks, input.tables.before, input.tables.after) {
        marks.design.check(marks.before.rows())?;
        if let Some(stamps) = marks.stamps.filter(|stamps| stamps.rows.len() != marks.before.rows()) {
            return Err(ChangeError::Rows { what: "stamps", got: stamps.rows.len(), marked: marks.before.rows() });
        }
        seen = match align(marks.before, marks.after, marks.key, &columns)? {
            Err(reason) => Seen::Lost(reason),
            Ok(alignment) => {
                columns = infer_renames(columns, marks.before, marks.after, &alignment)?;
                rows(input, marks, alignment)?
            }
        };
    }
    let mut observed = Vec::new();
    for pair in columns.pairs {
        let mut comparison = ColumnComparison::default();
        if let Seen::Rows(rows) = &seen {
            comparison = compare_column(rows.marks.before, rows.marks.after, &pair, &rows.alignment)?;
        }
        let values = values(input, &pair);
        let mut column = ObservedColumn {
            anew: pair.after.as_ref().is_some_and(|column| columns.anew.contains(&column.name)),
            fate_declared: values != Values::Undeclared || fate_declared(input, &pair),
            hypothesis: None,
            pair,
            comparison,
            values,
        };
        if let Seen::Rows(rows) = &seen {
            column.hypothesis = rows.hypothesis(input, &column)?;
        }
        observed.push(column);
    }
    Ok(Observed { input, columns: observed, seen })
}

fn names(pair: &ColumnPair) -> impl Iterator<Item = &str> {
    [&pair.after, &pair.before].into_iter().flatten().map(|column| column.name.as_str())
}

fn values(input: &TableInput<'_>, pair: &ColumnPair) -> Values {
    let listed = |list: &[String]| names(pair).any(|name| list.iter().any(|each| each == name));
    if input.direction == Direction::Rollback {
        Values::Undeclared
    } else if names(pair).any(|name| input.declared.same.iter().any(|same| same.column == name)) {
        Values::Same
    } else if listed(&input.declared.explained)
        || (pair.after.is_none() && listed(&input.declared.read))
        || input.declared.undeclared == Undeclared::Allow
    {
        Values::Declared
    } else {
        Values::Undeclared
    }
}

fn fate_declared(input: &TableInput<'_>, pair: &ColumnPair) -> bool {
    let (Some(before), Some(after)) = (&pair.before, &pair.after) else { return false };
    let renamed = input.declared.renamed.iter().any(|each| each.after == after.name && each.before == before.name);
    let retyped = before.declared != after.declared || before.data_type != after.data_type;
    input.direction == Direction::Forward && !retyped && (renamed || input.declared.read.contains(&before.name))
}

fn rows<'a>(input: &'a TableInput<'a>, marks: &'a Marks<'a>, alignment: Alignment) -> Result<Seen<'a>, ChangeError> {
    let marked = marks.before.rows();
    let (declared, vanished): (Vec<usize>, Vec<usize>) = alignment.vanished.iter().partition(|row| {
        let declared = match &input.declared.rows {
            RowsDeclared::Kept => false,
            RowsDeclared::MayVanish => true,
            RowsDeclared::MayVanishWhere(flags) => flags.get(**row).copied().unwrap_or(false),
        };
        declared && input.direction == Direction::Forward
    });
    if alignment.matched.is_empty() && !vanished.is_empty() {
        // emptied tables are really empty; one that still has rows had its keys changed
        let before = input.rows_before.unwrap_or(marked as u64);
        if let Some(rows) = input.rows_after.filter(|rows| *rows > 0 && rows.saturating_mul(2) >= before) {
            return Ok(Seen::Lost(NotFollowed::Rekeyed { marked, rows }));
        }
    }
    let attributions: Vec<Attribution> = (0..marked)
        .map(|row| match marks.stamps {
            _ if input.alone => Attribution::Migration,
            Some(stamps) => stamps.attribute(row),
            None => Attribution::Undecidable,
        })
        .collect();
    let ordinary = input.control.of(Subject::Vanished)?;
    let followed = marked - alignment.unfollowed.len() - declared.len();
    let vanishing = Hypothesis {
        rows: followed as u64,
        untouched: followed as u64,
        changes: vanished.iter().filter(|row| !ordinary.touched.contains(row)).count() as u64,
        written_changes: 0,
        written: 0,
        seconds: input.exposure_seconds,
        ordinary,
    };
    let mut rows = ObservedRows {
        marks,
        alignment,
        attributions,
        vanished_declared: declared,
        vanished,
        vanishing,
        transitions: Vec::new(),
        newly_failing: Vec::new(),
    };
    if input.direction == Direction::Forward {
        for newly in input.newly_failing.iter().filter(|newly| !newly.rows.is_empty()) {
            let ordinary = input.control.of(Subject::AnyColumn)?;
            let hypothesis = rows.count(ordinary, newly.rows.iter().copied(), input.exposure_seconds);
            rows.newly_failing.push((newly, hypothesis));
        }
        for transition in input.transitions {
            let failed = transition.outcome.status == Status::Failed && !transition.failing.is_empty();
            let hypothesis = if failed {
                let ordinary = input.control.of(Subject::AnyColumn)?;
                Some(rows.count(ordinary, transition.failing.iter().copied(), input.exposure_seconds))
            } else {
                None
            };
            rows.transitions.push((transition, hypothesis));
        }
    }
    Ok(Seen::Rows(Box::new(rows)))
}

impl ObservedRows<'_> {
    pub(crate) fn attribution(&self, row: usize) -> Attribution {
        self.attributions.get(row).copied().unwrap_or(Attribution::Undecidable)
    }

    fn hypothesis(&self, input: &TableInput<'_>, column: &ObservedColumn) -> Result<Option<Hypothesis>, ChangeError> {
        let compared = column.pair.before.is_some() && column.pair.after.is_some();
        let is_key = column.pair.before.as_ref().is_some_and(|before| self.marks.key.contains(&before.name));
        // rows are found by their key, so an unchanged key is no evidence of anything
        if !compared || column.values == Values::Declared || (is_key && column.comparison.changed.is_empty()) {
            return Ok(None);
        }
        let ordinary = input.control.of(Subject::Column(&column.pair))?;
        let changed = column.comparison.changed.iter().map(|cell| cell.row);
        Ok(Some(self.count(ordinary, changed, input.exposure_seconds)))
    }

    /// States that ordinary writes changed these rows (except where their stamps say so for certain).
    fn count(&self, ordinary: Ordinary, changed: impl Iterator<Item = usize>, seconds: f64) -> Hypothesis {
        let untouched = |row: &usize| !ordinary.touched.contains(row);
        let (mut changes, mut written_changes) = (0, 0);
        for row in changed.filter(untouched) {
            let attribution = self.attribution(row);
            changes += u64::from(attribution != Attribution::Ordinary);
            written_changes += u64::from(attribution == Attribution::Written);
        }
        let matched = || self.alignment.matched.iter().map(|each| each.before);
        let written = matched().filter(untouched).filter(|row| self.attribution(*row) == Attribution::Written).count();
        Hypothesis {
            rows: self.alignment.matched.len() as u64,
            untouched: matched().filter(untouched).count() as u64,
            changes,
            written_changes,
            written: written as u64,
            seconds,
            ordinary,
        }
    }
}

impl Observed<'_> {
    /// All hypotheses of the table: of its columns, of vanished rows, of failing transitions, of rules newly failed, in this order.
    pub(crate) fn hypotheses(&self) -> Vec<&Hypothesis> {
        let mut all: Vec<&Hypothesis> = self.columns.iter().filter_map(|column| column.hypothesis.as_ref()).collect();
        if let Seen::Rows(rows) = &self.seen {
            all.push(&rows.vanishing);
            all.extend(rows.transitions.iter().filter_map(|(_, hypothesis)| hypothesis.as_ref()));
            all.extend(rows.newly_failing.iter().map(|(_, hypothesis)| hypothesis));
        }
        all
    }

    /// Whether a column has this fate and nobody declared it.
    pub(crate) fn fate_is_surprising(&self, column: &ObservedColumn) -> bool {
        match column.pair.fate {
            ColumnFate::Kept => column.anew && !column.fate_declared,
            ColumnFate::Added => {
                !column.fate_declared
                    && (self.input.direction == Direction::Rollback
                        || self.input.declared.undeclared == Undeclared::Fail)
            }
            ColumnFate::Dropped
            | ColumnFate::Renamed { .. }
            | ColumnFate::Retyped
            | ColumnFate::RenamedAndRetyped { .. } => !column.fate_declared,
        }
    }
}
