//! The verdict of a whole migration.

use crate::input::Direction;
use crate::rules;
use crate::verdict::{Note, gravity};
use fieldmark_model::migration::{RuleChange, TableChange, Verdict};

/// The gravest of several verdicts; `None` of none.
pub fn gravest(verdicts: impl IntoIterator<Item = Verdict>) -> Option<Verdict> {
    verdicts.into_iter().max_by_key(|verdict| gravity(*verdict))
}

/// The gravest verdict of all tables and rules, with the reasons of every table that has it, then of the next graver ones; what
/// is well is not listed. `followed`: whether rows of any table were marked, or there was none to mark. `rules` are those of
/// tables that are not among `tables`; those of marked tables are in their verdicts.
#[must_use]
pub fn overall(
    tables: &[TableChange],
    followed: bool,
    rules: &[RuleChange],
    direction: Direction,
) -> (Verdict, Vec<String>) {
    let back = direction == Direction::Rollback;
    let mut notes: Vec<Note> = Vec::new();
    for table in tables {
        if gravity(table.verdict) <= gravity(Verdict::AsDeclared) {
            notes.push(Note::new(table.verdict, ""));
        }
        let name = &table.table;
        // a table's reasons are ordered; its verdict is that of the first
        notes.extend(table.reasons.first().filter(|_| gravity(table.verdict) > gravity(Verdict::AsDeclared)).map(
            |reason| {
                // what is well is not counted
                let tail = match table.against.saturating_sub(1) {
                    0 => String::new(),
                    1 => " (and 1 more)".into(),
                    more => format!(" (and {more} more)"),
                };
                Note::new(table.verdict, format!("{name}: {reason}{tail}"))
            },
        ));
    }
    notes.extend(rules.iter().filter_map(|change| {
        let note = rules::conclude(change, rules::Newly::Unknown)?;
        let verdict = if back && note.verdict == Verdict::Broken { Verdict::RestoredWithLoss } else { note.verdict };
        let named = format!("{}: {}", change.after.table, note.text);
        Some(Note::new(verdict, if verdict == Verdict::Clean { String::new() } else { named }))
    }));
    if !followed {
        notes.push(Note::new(Verdict::NotComparable, "no table was marked"));
    }
    notes.sort_by_key(|note| std::cmp::Reverse(gravity(note.verdict)));
    let well = if back { Verdict::Restored } else { Verdict::Clean };
    let verdict = notes.first().map_or(well, |note| note.verdict);
    let verdict = if back && gravity(verdict) < gravity(Verdict::Inconclusive) { Verdict::Restored } else { verdict };
    (verdict, notes.into_iter().map(|note| note.text).filter(|text| !text.is_empty()).collect())
}
