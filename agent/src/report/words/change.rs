//! What became of a migration, its tables and its columns.

use super::{count, estimate, how_many, percent, plural};
use fieldmark_model::Counters;
use fieldmark_model::migration::{
    ColumnChange, ColumnFate, Expectation, Loss, LossKind, RenameEvidence, TableChange, Verdict,
};

/// The word for a verdict, as in a sentence: `as declared`.
pub fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Clean => "clean",
        Verdict::AsDeclared => "as declared",
        Verdict::Surprising => "surprising",
        Verdict::Broken => "broken",
        Verdict::Inconclusive => "inconclusive",
        Verdict::NotComparable => "not comparable",
        Verdict::Restored => "restored",
        Verdict::RestoredWithLoss => "restored with loss",
    }
}

/// What a verdict means, in a sentence.
pub fn verdict_meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Clean => "Nothing changed that the migration could be blamed for.",
        Verdict::AsDeclared => "Everything that changed was declared.",
        Verdict::Surprising => "Something changed that nobody declared.",
        Verdict::Broken => "Rows, rules or declared transitions did not survive the migration.",
        Verdict::Inconclusive => "The evidence does not decide.",
        Verdict::NotComparable => "Before and after cannot be compared.",
        Verdict::Restored => "Everything is again as the mark says.",
        Verdict::RestoredWithLoss => "The way back lost something.",
    }
}

/// The glyph that goes with a verdict.
pub fn verdict_glyph(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Clean | Verdict::AsDeclared | Verdict::Restored => "✔",
        Verdict::Surprising => "!",
        Verdict::Broken | Verdict::RestoredWithLoss => "✘",
        Verdict::Inconclusive => "?",
        Verdict::NotComparable => "–",
    }
}

/// The word for whether a change was expected.
pub fn expectation(expectation: Expectation) -> &'static str {
    match expectation {
        Expectation::Unchanged => "unchanged",
        Expectation::Declared => "declared",
        Expectation::Ordinary => "ordinary",
        Expectation::Surprising => "surprising",
        Expectation::Undecided => "undecided",
    }
}

/// What was lost, as in `12 lost precision`.
pub fn loss(kind: LossKind) -> &'static str {
    match kind {
        LossKind::Precision => "lost precision",
        LossKind::Length => "were cut short",
        LossKind::TimeZone => "lost their time zone",
        LossKind::Encoding => "changed characters",
        LossKind::ToNull => "became NULL",
        LossKind::NullToValue => "were NULL and got a value",
        LossKind::Form => "lost zeros, case or spaces",
        LossKind::Value => "became another value",
    }
}

/// `12 values lost precision, 3 became NULL`.
pub fn losses(losses: &[Loss]) -> String {
    let parts: Vec<String> = losses
        .iter()
        .enumerate()
        .map(|(index, each)| match index {
            0 => format!("{} {}", plural(each.rows, "value"), loss(each.kind)),
            _ => format!("{} {}", count(each.rows), loss(each.kind)),
        })
        .collect();
    parts.join(", ")
}

/// What became of a column, in words: `renamed from total (inferred from equal values)`, `numeric(10,2) to bigint`.
pub fn fate(fate: &ColumnFate, type_before: Option<&str>, type_after: Option<&str>) -> String {
    let types = match (type_before, type_after) {
        (Some(before), Some(after)) if before != after => Some(format!("{before} → {after}")),
        _ => None,
    };
    let retyped = || types.clone().unwrap_or_else(|| "another type".into());
    match fate {
        ColumnFate::Kept => types.unwrap_or_default(),
        ColumnFate::Dropped => format!("dropped{}", type_before.map(|was| format!(", was {was}")).unwrap_or_default()),
        ColumnFate::Added => format!("added{}", type_after.map(|is| format!(", {is}")).unwrap_or_default()),
        ColumnFate::Renamed { from, by } => format!("renamed from {from}{}", rename_evidence(*by)),
        ColumnFate::Retyped => retyped(),
        ColumnFate::RenamedAndRetyped { from, by } => {
            format!("renamed from {from}{}, {}", rename_evidence(*by), retyped())
        }
    }
}

fn rename_evidence(by: RenameEvidence) -> &'static str {
    match by {
        RenameEvidence::Inferred => " (inferred from equal values)",
        RenameEvidence::Catalogue | RenameEvidence::Declared | RenameEvidence::Statements => "",
    }
}

/// How many values of a column changed: `412 of 9 993 rows changed, 30 of them by ordinary writes: 3.8 % (3.4 % to 4.2 %)`.
///
/// `None` where nothing was compared (a column that was added or dropped).
pub fn column_rows(column: &ColumnChange) -> Option<String> {
    if column.compared == 0 {
        return None;
    }
    if column.changed == 0 {
        let would = column
            .smallest_detectable
            .map(|smallest| format!("; a change of {} would have shown", percent(smallest)))
            .unwrap_or_default();
        return Some(format!("no change in {}{would}", plural(column.compared, "row")));
    }
    let ordinary = match column.ordinary {
        0 => String::new(),
        all if all >= column.changed => ", explained by ordinary writes".into(),
        some => format!(", {} of them by ordinary writes", count(some)),
    };
    let fraction = match (column.fraction, column.interval) {
        (Some(fraction), Some(bounds)) if column.ordinary < column.changed => {
            format!(": {}", estimate(fraction, bounds, None))
        }
        (Some(fraction), None) if column.ordinary < column.changed => format!(": {}", percent(fraction)),
        _ => String::new(),
    };
    let compared = count(column.compared);
    Some(format!("{} of {compared} rows changed{ordinary}{fraction}", count(column.changed)))
}

/// How many marked rows vanished: `7 vanished: 0.07 % (0.028 % to 0.14 %)`.
pub fn vanished(table: &TableChange) -> String {
    let explained = match table.vanished_explained {
        0 => String::new(),
        all if all >= table.vanished => ", explained by ordinary deletes or a declaration".into(),
        some => format!(", {} of them explained", count(some)),
    };
    let unexplained = table.vanished.saturating_sub(table.vanished_explained);
    let fraction = unexplained as f64 / table.marked.max(1) as f64;
    let bound = match table.vanished_interval {
        Some([_, high]) if unexplained == 0 => format!(": at most {} otherwise", percent(high)),
        Some(bounds) => format!(": {}", estimate(fraction, bounds, None)),
        None if unexplained == 0 => String::new(),
        None => format!(": {}", percent(fraction)),
    };
    format!("{} vanished{explained}{bound}", count(table.vanished))
}

/// Rows before and after: `200 000 → about 200 041 rows`; `None` where neither is known.
pub fn rows_before_after(table: &TableChange) -> Option<String> {
    let [before_about, after_about] = table.rows_estimated.map(|estimated| if estimated { "about " } else { "" });
    match (table.rows_before, table.rows_after) {
        (Some(before), Some(after)) if (before, before_about) == (after, after_about) => {
            Some(format!("{after_about}{}", plural(after, "row")))
        }
        (Some(before), Some(after)) => {
            Some(format!("{before_about}{} → {after_about}{}", count(before), plural(after, "row")))
        }
        (Some(before), None) => Some(format!("{before_about}{} before", plural(before, "row"))),
        (None, Some(after)) => Some(format!("{after_about}{} after", plural(after, "row"))),
        (None, None) => None,
    }
}

/// What the table's own counters saw between mark and recapture: `written meanwhile: 41 inserted, 12 updated`.
pub fn written(counters: &Counters) -> Option<String> {
    let parts: Vec<String> =
        [(counters.inserted, "inserted"), (counters.updated, "updated"), (counters.deleted, "deleted")]
            .into_iter()
            .filter_map(|(rows, done)| rows.map(|rows| format!("{} {done}", count(rows))))
            .collect();
    (!parts.is_empty()).then(|| format!("the table's own counters saw {}", parts.join(", ")))
}

/// Whether a column is worth a line of its own: something became of it, or something changed, or it could not be told.
pub fn is_notable(column: &ColumnChange) -> bool {
    column.expectation != Expectation::Unchanged
        || column.fate != ColumnFate::Kept
        || column.changed > 0
        || !column.losses.is_empty()
}

/// The columns that are not worth a line of their own, in one sentence; `None` where there are none.
pub fn other_columns(columns: &[ColumnChange]) -> Option<String> {
    let others: Vec<&ColumnChange> = columns.iter().filter(|column| !is_notable(column)).collect();
    if others.is_empty() {
        return None;
    }
    let n = how_many(&others);
    let others_word = if n == how_many(columns) { "" } else { "other " };
    let named = format!("{} {others_word}column{}", count(n), if n == 1 { "" } else { "s" });
    let Some(compared) = others.iter().map(|column| column.compared).min().filter(|rows| *rows > 0) else {
        return Some(format!("{named}: not every value could be compared"));
    };
    let would = others
        .iter()
        .filter_map(|column| column.smallest_detectable)
        .fold(None, |worst: Option<f64>, each| Some(worst.map_or(each, |worst| worst.max(each))))
        .map(|smallest| format!("; a change of {} would have shown", percent(smallest)))
        .unwrap_or_default();
    Some(format!("{named}: no change in {}{would}", plural(compared, "row")))
}
