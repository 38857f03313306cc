//! The verdict of every table of a migration.
//!
//! Each thing seen becomes a note with the verdict that it alone would give; a table's verdict is the gravest of its notes, and its
//! reasons are the notes, gravest first.

use crate::align::Alignment;
use crate::column::{Blame, Counts, blame, share};
use crate::control::{Finding, test_family};
use crate::design::Answer;
use crate::error::ChangeError;
use crate::input::{Direction, RowsDeclared, TableInput, Undeclared};
use crate::observe::{Observed, ObservedRows, Seen, Values, observe};
use crate::pair::TablePairing;
use crate::stamp::Attribution;
use crate::words;
use crate::{rollback, rules, transition};
use fieldmark_model::migration::{ColumnChange, Expectation, TableChange, Verdict};
use fieldmark_model::{Status, TableName};

/// A table's verdict, and the marked rows that show it.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// What the report says. Its `examples` are left empty: whoever holds the rows fills them in from `suspects`.
    pub change: TableChange,
    /// Up to five rows to show, most telling first.
    pub suspects: Vec<Suspect>,
}

/// A marked row worth showing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// Row of the mark.
    pub row: usize,
    /// Whether it vanished.
    pub vanished: bool,
    /// Columns (named as after) that changed in it and were not expected to.
    pub columns: Vec<String>,
}

const SUSPECTS: usize = 5;

/// One thing seen: the verdict that it alone gives, and its sentence.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Note {
    pub(crate) verdict: Verdict,
    pub(crate) text: String,
}

impl Note {
    pub(crate) fn new(verdict: Verdict, text: impl Into<String>) -> Self {
        Self { verdict, text: text.into() }
    }
}

/// How grave a verdict is; the gravest of several is that of all together.
pub(crate) fn gravity(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Clean => 0,
        Verdict::Restored => 1,
        Verdict::AsDeclared => 2,
        Verdict::Inconclusive => 3,
        Verdict::NotComparable => 4,
        Verdict::Surprising => 5,
        Verdict::RestoredWithLoss => 6,
        Verdict::Broken => 7,
    }
}

/// Judges all tables of a migration together: its columns, vanished rows and transitions are one family of hypotheses.
///
/// # Errors
/// [`ChangeError`] where the input contradicts itself. What a database did to its rows is never an error.
pub fn judge(inputs: &[TableInput<'_>]) -> Result<Vec<Judged>, ChangeError> {
    let observed = inputs.iter().map(observe).collect::<Result<Vec<_>, _>>()?;
    let family: Vec<_> = observed.iter().flat_map(Observed::hypotheses).collect();
    let mut findings = test_family(&family)?.into_iter();
    Ok(observed.iter().map(|table| conclude(table, &mut findings)).collect())
}

fn conclude(table: &Observed<'_>, findings: &mut impl Iterator<Item = Finding>) -> Judged {
    let input = table.input;
    let mut notes = Vec::new();
    let mut columns = Vec::new();
    for column in &table.columns {
        let finding = column.hypothesis.as_ref().and_then(|_| findings.next());
        let (change, of_column) = table.conclude_column(column, finding.as_ref());
        columns.push(change);
        // of a table that is gone, not each column is news
        if input.tables.after.is_some() && input.tables.before.is_some() {
            notes.extend(of_column);
        }
    }
    let mut change = start(table, columns);
    notes.extend(of_table(table));
    let mut suspects = Vec::new();
    let mut newly_failing = Vec::new();
    if let Seen::Rows(rows) = &table.seen {
        count_rows(table, rows, &mut change);
        if let Some(finding) = findings.next() {
            notes.extend(vanished(rows, &finding, &mut change));
        }
        if !rows.alignment.duplicates.is_empty() {
            let keys = words::count(rows.alignment.duplicates.len() as u64);
            notes.push(Note::new(Verdict::Broken, format!("{keys} keys came back more than once")));
        }
        if !rows.alignment.unfollowed.is_empty() {
            let rows = words::rows(rows.alignment.unfollowed.len() as u64);
            notes.push(Note::new(Verdict::Inconclusive, format!("{rows} could not be followed by key")));
        }
        for (transition, hypothesis) in &rows.transitions {
            let finding = hypothesis.as_ref().and_then(|_| findings.next());
            let (outcome, note) = transition::conclude(transition, rows, hypothesis.as_ref().zip(finding.as_ref()));
            if outcome.status == Status::Failed {
                // what declares a change and does not hold is no reason to call it declared
                let explained = |column: &&mut ColumnChange| transition.explains.contains(&column.column);
                for column in change.columns.iter_mut().filter(explained) {
                    if column.expectation == Expectation::Declared {
                        column.expectation = Expectation::Undecided;
                        column.reason = format!("{}; {} declares it and does not hold", column.reason, outcome.rule);
                    }
                }
            }
            change.transitions.push(outcome);
            notes.extend(note);
        }
        for (newly, hypothesis) in &rows.newly_failing {
            if let Some(finding) = findings.next() {
                let blame = rules::whose(newly, input.alone, rows, hypothesis, &finding);
                newly_failing.push((&newly.rule, newly.rows.len() as u64, blame));
            }
        }
        suspects = suspicious(table, rows, &change.columns);
    }
    let (same, of_same) = transition::same(table, &change);
    change.transitions.splice(0..0, same);
    notes.extend(of_same);
    notes.extend(input.rules.iter().filter_map(|change| {
        let known = input.newly_failing.iter().any(|newly| newly.rule == change.after.rule);
        let newly = match newly_failing.iter().find(|(rule, _, _)| **rule == change.after.rule) {
            Some((_, rows, blame)) => rules::Newly::Rows(*rows, *blame),
            None if known && !input.alone => rules::Newly::None { inserted: input.written.and_then(|w| w.inserted) },
            None => rules::Newly::Unknown,
        };
        rules::conclude(change, newly)
    }));
    if notes.iter().all(|note| gravity(note.verdict) < gravity(Verdict::Surprising)) {
        notes.extend(table.unseen_writes());
    }
    if input.direction == Direction::Rollback {
        notes = rollback::conclude(input, notes);
    }
    notes.sort_by_key(|note| std::cmp::Reverse(gravity(note.verdict)));
    let way_back = if input.direction == Direction::Rollback { Verdict::Restored } else { Verdict::Clean };
    change.verdict = notes.first().map_or(way_back, |note| note.verdict);
    let against = |note: &&Note| gravity(note.verdict) > gravity(Verdict::AsDeclared);
    change.against = notes.iter().filter(against).count() as u64;
    change.reasons = notes.into_iter().map(|note| note.text).collect();
    Judged { change, suspects }
}

fn start(table: &Observed<'_>, columns: Vec<ColumnChange>) -> TableChange {
    let input = table.input;
    let tables = input.tables;
    let name = |table: &fieldmark_model::Table| table.name.clone();
    let before = tables.before.map(name);
    let after = tables.after.map(name);
    let storage = tables.before.and_then(|t| t.storage).zip(tables.after.and_then(|t| t.storage));
    let marked = input.marks.as_ref().map_or(0, |marks| marks.before.rows() as u64);
    TableChange {
        renamed_from: before.clone().filter(|before| after.as_ref().is_some_and(|after| after != before)),
        table: after.or(before).unwrap_or_else(|| TableName::new("", "")),
        verdict: Verdict::Clean,
        reasons: Vec::new(),
        against: 0,
        marked,
        unchanged: 0,
        changed: 0,
        vanished: 0,
        vanished_explained: 0,
        vanished_interval: None,
        rows_before: input.rows_before,
        rows_after: input.rows_after,
        rows_estimated: input.rows_estimated,
        written: input.written,
        rewritten: storage.is_some_and(|(before, after)| before != after),
        columns,
        transitions: Vec::new(),
        undeclared_changes_fail: input.declared.undeclared == Undeclared::Fail,
        examples: Vec::new(),
    }
}

/// What is to be said of the table as a whole.
fn of_table(table: &Observed<'_>) -> Vec<Note> {
    let input = table.input;
    let allowed = input.declared.rows == RowsDeclared::MayVanish || input.declared.undeclared == Undeclared::Allow;
    let mut notes = Vec::new();
    match (input.tables.before, input.tables.after) {
        (Some(_), None) => {
            let rows = input.rows_before.map(|rows| format!(" with {}", words::rows(rows))).unwrap_or_default();
            let verdict = if allowed { Verdict::AsDeclared } else { Verdict::Broken };
            return vec![Note::new(verdict, format!("the table was dropped{rows}"))];
        }
        (None, _) => return vec![Note::new(Verdict::Clean, "the table appeared; none of its rows was marked")],
        (Some(before), Some(_)) if input.tables.by == TablePairing::Renamed => {
            notes.push(Note::new(Verdict::Clean, format!("the table was renamed from {}", before.name)));
        }
        (Some(_), Some(_)) if input.tables.by == TablePairing::SwappedByName => {
            let text = "another table has its name now: followed by name";
            notes.push(Note::new(Verdict::Clean, text));
        }
        (Some(_), Some(_)) => {}
    }
    match &table.seen {
        Seen::Rows(_) => {}
        Seen::Lost(reason) => notes.push(Note::new(Verdict::NotComparable, reason.to_string())),
        Seen::Unmarked if input.unread.is_some() => {
            let why = input.unread.unwrap_or_default();
            notes.push(Note::new(Verdict::Inconclusive, format!("its marked rows could not be read again: {why}")));
        }
        Seen::Unmarked if input.unmarked.is_some() => {
            let why = input.unmarked.unwrap_or_default();
            notes.push(Note::new(Verdict::Clean, format!("only its columns are compared, since {why}")));
        }
        Seen::Unmarked => notes.push(match input.written.and_then(|w| Some((w.inserted?, w.updated?, w.deleted?))) {
            Some((0, 0, 0)) => {
                Note::new(Verdict::Clean, "none of its rows was marked; its counters say that none was written")
            }
            Some((inserted, updated, deleted)) => Note::new(
                Verdict::NotComparable,
                format!(
                    "none of its rows was marked; its counters say {} inserted, {} updated, {} deleted",
                    words::count(inserted),
                    words::count(updated),
                    words::count(deleted)
                ),
            ),
            None => Note::new(Verdict::NotComparable, "none of its rows was marked"),
        }),
    }
    notes
}

fn count_rows(table: &Observed<'_>, rows: &ObservedRows<'_>, change: &mut TableChange) {
    let mut changed = std::collections::BTreeSet::new();
    for column in &table.columns {
        changed.extend(column.comparison.changed.iter().map(|cell| cell.row));
    }
    let Alignment { matched, vanished, .. } = &rows.alignment;
    change.changed = changed.len() as u64;
    change.unchanged = (matched.len() - changed.len()) as u64;
    change.vanished = vanished.len() as u64;
}

/// Vanished rows: allowed to, deleted ordinarily, or neither.
fn vanished(rows: &ObservedRows<'_>, finding: &Finding, change: &mut TableChange) -> Vec<Note> {
    let mut notes = Vec::new();
    let declared = rows.vanished_declared.len() as u64;
    if declared > 0 {
        notes.push(Note::new(Verdict::AsDeclared, format!("{} vanished, as declared", words::rows(declared))));
    }
    let mut answers = vec![Answer::No; rows.attributions.len()];
    let mut set = |row: usize, answer: Answer| {
        if let Some(slot) = answers.get_mut(row) {
            *slot = answer;
        }
    };
    for row in &rows.vanished {
        let sure = rows.attribution(*row) == Attribution::Migration;
        set(*row, if sure { Answer::Yes } else { Answer::Perhaps });
    }
    rows.alignment.unfollowed.iter().for_each(|row| set(*row, Answer::Perhaps));
    let touched = |row: usize| rows.vanishing.ordinary.touched.contains(&row);
    let counts = Counts::of(rows.vanished.iter().copied(), rows, touched);
    let share = share(rows, &answers, Some((finding, counts)));
    change.vanished_interval = share.interval;
    change.vanished_explained = declared;
    let here =
        format!("{} of {} marked rows vanished", words::count(rows.vanished.len() as u64), words::count(change.marked));
    match blame(counts, finding, share.most, (rows.vanishing.rows, rows.vanishing.untouched)) {
        Blame::Nothing => {}
        Blame::Migration => {
            let ordinary = finding.expected + counts.touched as f64;
            change.vanished_explained += if finding.excess { ordinary.round() as u64 } else { counts.touched };
            change.vanished_explained = change.vanished_explained.min(change.vanished);
            let text = format!("{here}; ordinary deletes would be {} in as much time", words::about(ordinary));
            notes.push(Note::new(Verdict::Broken, text));
        }
        Blame::Ordinary => {
            change.vanished_explained += rows.vanished.len() as u64;
            notes.push(Note::new(Verdict::Clean, format!("{here}, no more than ordinary deletes do")));
        }
        Blame::Open => {
            let text = format!("{here}, and whether by ordinary deletes cannot be told");
            notes.push(Note::new(Verdict::Inconclusive, text));
        }
    }
    notes
}

/// Rows to show: vanished ones, duplicates, then those with most unexpected columns.
fn suspicious(table: &Observed<'_>, rows: &ObservedRows<'_>, columns: &[ColumnChange]) -> Vec<Suspect> {
    let mut suspects: Vec<Suspect> = rows
        .vanished
        .iter()
        .take(SUSPECTS)
        .map(|row| Suspect { row: *row, vanished: true, columns: Vec::new() })
        .collect();
    let duplicates = rows.alignment.duplicates.iter().map(|each| each.before);
    suspects.extend(duplicates.map(|row| Suspect { row, vanished: false, columns: Vec::new() }));
    let mut unexpected: std::collections::BTreeMap<usize, Vec<String>> = std::collections::BTreeMap::new();
    for (column, change) in table.columns.iter().zip(columns) {
        let asked = matches!(change.expectation, Expectation::Surprising | Expectation::Undecided);
        if asked || (column.values == Values::Same && change.changed > 0) {
            for cell in &column.comparison.changed {
                unexpected.entry(cell.row).or_default().push(change.column.clone());
            }
        }
    }
    let mut changed: Vec<Suspect> =
        unexpected.into_iter().map(|(row, columns)| Suspect { row, vanished: false, columns }).collect();
    changed.sort_by_key(|suspect| std::cmp::Reverse(suspect.columns.len()));
    suspects.extend(changed);
    suspects.truncate(SUSPECTS);
    suspects
}
