//! What is concluded of one column.

use crate::control::Finding;
use crate::design::Answer;
use crate::input::Direction;
use crate::observe::{Observed, ObservedColumn, ObservedRows, Seen, Values};
use crate::stamp::Attribution;
use crate::verdict::Note;
use crate::{shape, words};
use fieldmark_model::migration::{ColumnChange, ColumnFate, Expectation, Verdict};
use fieldmark_model::shape::ColumnShape;
use fieldmark_model::{Cell, CellText};
use fieldmark_statistics::{Estimate, Level};

/// Fraction of rows below which a change need not be seen.
pub(crate) const DETECT: f64 = 0.001;

/// Changed (or vanished) rows by whose doing they are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// For certain the migration's.
    pub(crate) migration: u64,
    /// For certain ordinary, by stamp.
    pub(crate) ordinary: u64,
    /// Of transactions not seen to be the migration's, in rows that no control slice touched.
    pub(crate) other: u64,
    /// Open, in rows that no control slice touched.
    pub(crate) open: u64,
    /// Open, in rows that a control slice saw changing.
    pub(crate) touched: u64,
}

impl Counts {
    pub(crate) fn of(
        rows: impl Iterator<Item = usize>,
        seen: &ObservedRows<'_>,
        touched: impl Fn(usize) -> bool,
    ) -> Self {
        let mut counts = Self::default();
        for row in rows {
            match seen.attribution(row) {
                Attribution::Migration => counts.migration += 1,
                Attribution::Ordinary => counts.ordinary += 1,
                Attribution::Written | Attribution::Other | Attribution::Undecidable if touched(row) => {
                    counts.touched += 1;
                }
                Attribution::Other => counts.other += 1,
                Attribution::Written | Attribution::Undecidable => counts.open += 1,
            }
        }
        counts
    }

    fn total(self) -> u64 {
        self.migration + self.ordinary + self.other + self.open + self.touched
    }
}

/// Whose doing the changes of a column, or vanished rows, are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// There are none.
    Nothing,
    /// The migration's.
    Migration,
    /// Ordinary writes'.
    Ordinary,
    /// The evidence does not decide.
    Open,
}

/// Decides whose doing it is. `most` is the upper bound of the fraction of rows concerned, whoever did it.
pub(crate) fn blame(counts: Counts, finding: &Finding, most: f64, rows: (u64, u64)) -> Blame {
    let (all, untouched) = rows;
    // rows busy in the control are excused only while they are the minority: else nothing is left to show anything
    let excusable = counts.touched == 0 || untouched.saturating_mul(2) >= all;
    // a migration that changed as much as matters would have been flagged, or the control saw such writes and there are too few to matter
    let small = !finding.doubtful
        && (finding.detectable.is_some_and(|least| least <= DETECT) || (finding.seen && most <= DETECT));
    // stamps that are not the migration's are believed while there are no more of them than ordinary writes may make, where the control
    // saw such writes at all: a session of the migration may not have been seen
    let few_others = counts.open == 0
        && excusable
        && finding.controlled
        && (finding.seen || most <= DETECT)
        && counts.other as f64 <= finding.expected_at_most;
    if counts.total() == 0 {
        Blame::Nothing
    } else if counts.migration > 0 || finding.excess || finding.written_excess {
        Blame::Migration
    } else if counts.open + counts.touched + counts.other == 0 || few_others || (excusable && small) {
        Blame::Ordinary
    } else {
        Blame::Open
    }
}

/// Fraction of the table's rows, with its interval where not all is known.
pub(crate) struct Share {
    pub(crate) fraction: Option<f64>,
    pub(crate) interval: Option<[f64; 2]>,
    pub(crate) most: f64,
}

/// The fraction of the table's rows that changed other than by ordinary writes. `answers` has [`Answer::Perhaps`] for rows whose
/// change may be ordinary. Where there is an excess, its lower bound is that of all changed rows (at 97.5 %) times the least share
/// of them that ordinary writes do not explain (at 97.5 %); the upper bound never subtracts ordinary writes.
pub(crate) fn share(rows: &ObservedRows<'_>, answers: &[Answer], finding: Option<(&Finding, Counts)>) -> Share {
    let estimate = |answers: &[Answer], level| rows.marks.design.estimate(answers, level);
    let sure: Estimate = estimate(answers, Level::NINETY_FIVE);
    let (mut fraction, mut low) = (sure.fraction, sure.bounds.low);
    if let Some((finding, counts)) = finding.filter(|(finding, _)| finding.excess || finding.written_excess) {
        let certain = |answer: &Answer| if *answer == Answer::Perhaps { Answer::Yes } else { *answer };
        let all: Vec<Answer> = answers.iter().map(certain).collect();
        let all = estimate(&all, Level::NINETY_FIVE.shared_by(2));
        let changed = (counts.migration + counts.other + counts.open + counts.touched) as f64;
        let beyond = |ordinary: f64| ((changed - ordinary) / changed).clamp(0.0, 1.0);
        let touched = counts.touched as f64;
        fraction = all.fraction.map(|fraction| fraction * beyond(finding.expected + touched));
        low = low.max(all.bounds.low * beyond(finding.expected_at_most + touched));
    }
    let exact = sure.all_rows && sure.worst_fraction == sure.fraction;
    Share { fraction, interval: (!exact).then_some([low, sure.bounds.high]), most: sure.bounds.high }
}

impl Observed<'_> {
    /// The column's line in the report and what it means for the table.
    pub(crate) fn conclude_column(
        &self,
        column: &ObservedColumn,
        finding: Option<&Finding>,
    ) -> (ColumnChange, Vec<Note>) {
        let mut change = self.line(column);
        let mut notes = Vec::new();
        let name = change.column.clone();
        if let (Seen::Rows(rows), Some(_), Some(_)) = (&self.seen, &column.pair.before, &column.pair.after) {
            self.compare(column, rows, finding, &mut change, &mut notes);
        }
        if self.fate_is_surprising(column) {
            let tail = match self.input.direction {
                Direction::Forward => "nothing declares it",
                Direction::Rollback => "is not as it was",
            };
            let text = format!("column {name} was {}, and {tail}", self.fate(column));
            change.reason = join(&change.reason, &text);
            change.expectation = Expectation::Surprising;
            notes.push(Note::new(Verdict::Surprising, text));
        } else if column.pair.fate != ColumnFate::Kept || column.anew {
            let (verdict, tail) =
                if column.fate_declared { (Verdict::AsDeclared, ", as declared") } else { (Verdict::Clean, "") };
            let text = format!("column {name} was {}{tail}", self.fate(column));
            if column.fate_declared && change.expectation == Expectation::Unchanged {
                change.expectation = Expectation::Declared;
            }
            change.reason = join(&change.reason, &text);
            notes.push(Note::new(verdict, text));
        }
        change.shape = self.shape(column, &change);
        (change, notes)
    }

    /// How its values lie, where it came or went, or values changed other than by ordinary writes.
    fn shape(&self, column: &ObservedColumn, change: &ColumnChange) -> Option<ColumnShape> {
        let Seen::Rows(rows) = &self.seen else { return None };
        let one_sided = column.pair.before.is_none() || column.pair.after.is_none();
        if !one_sided && change.changed <= change.ordinary {
            return None;
        }
        shape::of(&column.pair, rows.marks, &rows.alignment.matched, self.input.shapes)
    }

    fn line(&self, column: &ObservedColumn) -> ColumnChange {
        let (before, after) = (&column.pair.before, &column.pair.after);
        let declared = |column: &Option<fieldmark_model::Column>| column.as_ref().map(|c| c.declared.clone());
        ColumnChange {
            column: after.as_ref().or(before.as_ref()).map(|column| column.name.clone()).unwrap_or_default(),
            fate: column.pair.fate.clone(),
            type_before: declared(before),
            type_after: declared(after),
            compared: column.comparison.compared,
            changed: column.comparison.changed.len() as u64,
            ordinary: 0,
            fraction: None,
            interval: None,
            smallest_detectable: None,
            losses: column.comparison.losses(),
            expectation: Expectation::Unchanged,
            reason: String::new(),
            shape: None,
        }
    }

    /// What became of a column, after "was".
    fn fate(&self, column: &ObservedColumn) -> String {
        let types = || match (&column.pair.before, &column.pair.after) {
            (Some(before), Some(after)) => format!("{} to {}", before.declared, after.declared),
            _ => String::new(),
        };
        match &column.pair.fate {
            ColumnFate::Kept => "dropped and added anew under its name".into(),
            ColumnFate::Dropped => format!("dropped{}", self.values_dropped(column)),
            ColumnFate::Added => "added".into(),
            ColumnFate::Renamed { from, .. } => format!("renamed from {from}"),
            ColumnFate::Retyped => format!("changed from {}", types()),
            ColumnFate::RenamedAndRetyped { from, .. } => format!("renamed from {from} and changed from {}", types()),
        }
    }

    fn values_dropped(&self, column: &ObservedColumn) -> String {
        let (Seen::Rows(rows), Some(before)) = (&self.seen, &column.pair.before) else { return String::new() };
        let chunk = rows.marks.before;
        let Ok(at) = crate::compare::index(chunk, before) else { return String::new() };
        let with_value =
            (0..chunk.rows()).filter(|row| chunk.text(Cell { row: *row, column: at }) != CellText::Null).count();
        let (with_value, all) = (words::count(with_value as u64), words::count(chunk.rows() as u64));
        format!(" ({with_value} of {all} marked rows had a value in it)")
    }
}

impl Observed<'_> {
    /// Fills in what the values say.
    fn compare(
        &self,
        column: &ObservedColumn,
        rows: &ObservedRows<'_>,
        finding: Option<&Finding>,
        change: &mut ColumnChange,
        notes: &mut Vec<Note>,
    ) {
        let touched = |row: usize| column.hypothesis.as_ref().is_some_and(|h| h.ordinary.touched.contains(&row));
        let counts = Counts::of(column.comparison.changed.iter().map(|cell| cell.row), rows, touched);
        let answers = answers(column, rows);
        let name = &change.column;
        let changed = format!("{} of {}", words::count(change.changed), words::rows(change.compared));
        if !column.comparison.not_compared.is_empty() {
            let left = words::rows(column.comparison.not_compared.len() as u64);
            notes.push(Note::new(
                Verdict::Clean,
                format!("column {name} could not be compared in {left}: values too large"),
            ));
        }
        let Some(finding) = finding else {
            let share = share(rows, &answers, None);
            (change.fraction, change.interval, change.ordinary) = (share.fraction, share.interval, counts.ordinary);
            if change.changed > 0 {
                change.expectation = Expectation::Declared;
                change.reason = format!("{changed} changed, as declared");
                notes.push(Note::new(Verdict::AsDeclared, format!("column {name}: {}", change.reason)));
            }
            return;
        };
        let share = share(rows, &answers, Some((finding, counts)));
        (change.fraction, change.interval) = (share.fraction, share.interval);
        // where every row was compared and none has changed, there is nothing that could have been missed
        change.smallest_detectable = finding.detectable.filter(|_| share.interval.is_some() || change.changed > 0);
        let size = column.hypothesis.as_ref().map_or((0, 0), |h| (h.rows, h.untouched));
        let blame = blame(counts, finding, share.most, size);
        let same = column.values == Values::Same;
        change.ordinary = match blame {
            Blame::Nothing => 0,
            Blame::Ordinary => change.changed,
            Blame::Migration if finding.excess => {
                (counts.ordinary + counts.touched + finding.expected.round() as u64).min(change.changed)
            }
            Blame::Migration => counts.ordinary + counts.touched,
            Blame::Open => counts.ordinary,
        };
        let expected = words::about(finding.expected + counts.touched as f64);
        match blame {
            Blame::Nothing if change.compared > 0 => {
                let rows = words::rows(change.compared);
                change.reason = if share.interval.is_none() {
                    format!("unchanged in all {rows}")
                } else {
                    let most = words::percent_at_most(share.most);
                    format!("unchanged in {rows}; at most {most} of the table's rows can differ")
                };
            }
            Blame::Nothing => change.reason = "no row could be compared".into(),
            Blame::Migration => {
                let why = if counts.migration > 0 {
                    format!("{} of them certainly not by ordinary writes", words::count(counts.migration))
                } else {
                    format!("ordinary writes would change {expected} in as much time")
                };
                change.reason = format!("{changed} changed, {why}");
                change.expectation = Expectation::Surprising;
                let (verdict, tail) = match (same, self.input.direction) {
                    (true, _) => (Verdict::Broken, ", although declared to stay the same"),
                    (false, Direction::Forward) => (Verdict::Surprising, ", undeclared"),
                    (false, Direction::Rollback) => (Verdict::Surprising, ""),
                };
                notes.push(Note::new(verdict, format!("column {name}: {}{tail}", change.reason)));
            }
            Blame::Ordinary => {
                change.reason = format!("{changed} changed, no more than ordinary writes do ({expected} expected)");
                change.expectation = Expectation::Ordinary;
                notes.push(Note::new(Verdict::Clean, format!("column {name}: {}", change.reason)));
            }
            Blame::Open => {
                let least = match (finding.controlled, finding.detectable) {
                    (false, _) => "there was no control period".to_owned(),
                    (true, None) => "no change at all would have stood out from them".to_owned(),
                    (true, Some(least)) => {
                        format!("only a change of {} of the rows would have stood out", words::percent_at_most(least))
                    }
                };
                change.reason = format!("{changed} changed, and whether by ordinary writes cannot be told: {least}");
                change.expectation = Expectation::Undecided;
                let verdict = if same { Verdict::Inconclusive } else { Verdict::NotComparable };
                notes.push(Note::new(verdict, format!("column {name}: {}", change.reason)));
            }
        }
    }
}

fn join(one: &str, other: &str) -> String {
    if one.is_empty() { other.to_owned() } else { format!("{one}; {other}") }
}

/// Whether the migration changed the column in each marked row.
fn answers(column: &ObservedColumn, rows: &ObservedRows<'_>) -> Vec<Answer> {
    let mut answers = vec![Answer::Outside; rows.attributions.len()];
    let mut set = |row: usize, answer: Answer| {
        if let Some(slot) = answers.get_mut(row) {
            *slot = answer;
        }
    };
    rows.alignment.matched.iter().for_each(|each| set(each.before, Answer::No));
    column.comparison.not_compared.iter().for_each(|row| set(*row, Answer::Perhaps));
    for cell in &column.comparison.changed {
        let answer = match rows.attribution(cell.row) {
            Attribution::Ordinary => Answer::No,
            _ if column.hypothesis.is_none() => Answer::Yes,
            Attribution::Migration => Answer::Yes,
            Attribution::Written | Attribution::Other | Attribution::Undecidable => Answer::Perhaps,
        };
        set(cell.row, answer);
    }
    answers
}
