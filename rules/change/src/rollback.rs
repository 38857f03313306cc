//! After a way back: is everything as the mark says?

use crate::input::TableInput;
use crate::pair::TablePairing;
use crate::verdict::Note;
use fieldmark_model::catalogue::ForeignKey;
use fieldmark_model::migration::Verdict;
use fieldmark_model::{Column, Table};

/// Turns the notes of a comparison with the mark into those of a way back, and adds what the catalogue says beside the columns.
pub(crate) fn conclude(input: &TableInput<'_>, notes: Vec<Note>) -> Vec<Note> {
    let mut notes: Vec<Note> = notes
        .into_iter()
        .map(|note| {
            let verdict = match note.verdict {
                Verdict::Clean | Verdict::AsDeclared | Verdict::Restored => Verdict::Restored,
                Verdict::Surprising | Verdict::Broken | Verdict::RestoredWithLoss => Verdict::RestoredWithLoss,
                open @ (Verdict::Inconclusive | Verdict::NotComparable) => open,
            };
            Note::new(verdict, note.text)
        })
        .collect();
    if let (Some(before), Some(after)) = (input.tables.before, input.tables.after) {
        notes.extend(differences(before, after, input.tables.by));
    }
    notes
}

fn differences(before: &Table, after: &Table, by: TablePairing) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut lost = |differs: bool, text: &str| {
        if differs {
            notes.push(Note::new(Verdict::RestoredWithLoss, text));
        }
    };
    lost(by == TablePairing::Renamed, "the table has another name than before");
    lost(before.primary_key != after.primary_key, "the primary key is another one");
    lost(sorted(&before.unique) != sorted(&after.unique), "the unique constraints are others");
    lost(sorted(&before.indexes) != sorted(&after.indexes), "the indexes are others");
    lost(keys(&before.foreign_keys) != keys(&after.foreign_keys), "the foreign keys are others");
    for column in &before.columns {
        let other = after.column(&column.name).filter(|other| other.nullable != column.nullable);
        let now = other.map(|other| if other.nullable { "allows" } else { "refuses" });
        lost(now.is_some(), &format!("column {} {} NULL now", column.name, now.unwrap_or_default()));
    }
    let names = |table: &Table| table.columns.iter().map(|Column { name, .. }| name.clone()).collect::<Vec<_>>();
    let (old, new) = (names(before), names(after));
    if old != new && sorted(&old) == sorted(&new) {
        let text = "only the order of its columns is another one";
        notes.push(Note::new(Verdict::Restored, text));
    }
    notes
}

fn sorted<T: Ord + Clone>(items: &[T]) -> Vec<T> {
    let mut items = items.to_vec();
    items.sort();
    items
}

fn keys(keys: &[ForeignKey]) -> Vec<(Vec<String>, String, Vec<String>)> {
    sorted(&keys.iter().map(|key| (key.columns.clone(), key.table.to_string(), key.to.clone())).collect::<Vec<_>>())
}
