//! What became of marked rows, table by table, the worst first.

use super::blocks;
use super::escape::{code, text};
use super::room::{Room, characters, left_out};
use crate::report::Report;
use crate::report::words::{self, count, plural};
use fieldmark_model::SourceName;
use fieldmark_model::migration::{ColumnChange, Expectation, TableChange, Verdict};

/// Room for the head of a table of columns, and for sentences on what was left out.
const FRAME: usize = 300;

/// The marks that were taken, where nothing was compared with them yet.
pub(super) fn marks(report: &Report, room: &mut Room) -> String {
    let waiting = report.migration.iter().filter(|migration| migration.verdict.is_none());
    let marks = waiting.flat_map(|migration| &migration.marks).map(|mark| {
        let rows = format!("{} of {}", plural(mark.rows, "row"), plural(mark.tables, "table"));
        let (source, size) = (text(mark.source.as_str()), words::bytes(mark.bytes));
        format!("- {source}: mark {}, {rows}, {size}, {}\n", code(&mark.id), words::instant(mark.taken))
    });
    let (list, left_out) = room.fill("mark", marks);
    blocks([list, left_out])
}

/// Every recaptured table.
pub(super) fn tables(report: &Report, room: &mut Room) -> String {
    let sources = report.migration.iter().flat_map(|migration| &migration.sources);
    let mut tables: Vec<(&SourceName, &TableChange)> =
        sources.flat_map(|source| source.tables.iter().map(move |table| (&source.source, table))).collect();
    if tables.is_empty() {
        return String::new();
    }
    tables.sort_by_key(|(_, table)| rank(table.verdict));
    let mut parts = vec!["### Tables".to_owned()];
    let mut missing = 0;
    for (source, table) in tables {
        let part = room.share(2, |room| change(report, source, table, room));
        missing += u64::from(part.is_empty());
        parts.push(part);
    }
    parts.push(left_out(missing, "table"));
    blocks(parts)
}

fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Broken | Verdict::RestoredWithLoss => 0,
        Verdict::Surprising => 1,
        Verdict::Inconclusive | Verdict::NotComparable => 2,
        Verdict::Clean | Verdict::AsDeclared | Verdict::Restored => 3,
    }
}

/// One table; nothing where there is no room for its head.
fn change(report: &Report, source: &SourceName, table: &TableChange, room: &mut Room) -> String {
    let head = blocks([title(source, table), rows(table)]);
    let others = words::other_columns(&table.columns).map(|others| text(&format!("{others}."))).unwrap_or_default();
    if !room.takes(characters(&head) + characters(&others) + FRAME) {
        return String::new();
    }
    let reasons = table.reasons.iter().map(|reason| format!("- {}\n", text(reason)));
    let (reasons, no_reasons) = room.share(2, |room| room.fill("reason", reasons));
    let fails = report.strict || table.undeclared_changes_fail;
    let notable = table.columns.iter().filter(|column| words::is_notable(column));
    let (columns, no_columns) = room.fill("column", notable.map(|column| column_row(column, fails)));
    let columns = match columns.as_str() {
        "" => String::new(),
        rows => format!("| Expected? | Column | What became of it |\n|---|---|---|\n{rows}"),
    };
    let keys: Vec<String> = table.examples.iter().map(|key| code(key)).collect();
    let keys = (!keys.is_empty()).then(|| format!("For example {}\n", keys.join(" · ")));
    let (keys, no_keys) = room.fill("list of examples", keys);
    blocks([head, reasons, no_reasons, columns, no_columns, others, keys, no_keys])
}

/// `✘ broken · shop public.orders · 200 000 → about 199 873 rows · 10 000 marked`.
fn title(source: &SourceName, table: &TableChange) -> String {
    let verdict = table.verdict;
    let mut facts = vec![
        format!("**{} {}**", words::verdict_glyph(verdict), words::verdict(verdict)),
        format!("{} {}", text(source.as_str()), code(&table.table.to_string())),
    ];
    facts.extend(table.renamed_from.as_ref().map(|from| format!("was {}", code(&from.to_string()))));
    facts.extend(words::rows_before_after(table));
    facts.push(format!("{} marked", count(table.marked)));
    if table.rewritten {
        facts.push("storage was rewritten".into());
    }
    facts.join(" · ")
}

/// How many marked rows are as they were.
fn rows(table: &TableChange) -> String {
    let (unchanged, changed) = (count(table.unchanged), count(table.changed));
    let written = table.written.as_ref().and_then(words::written).map(|written| format!("; {written}"));
    let vanished = words::vanished(table);
    text(&format!("Marked rows: {unchanged} unchanged, {changed} changed, {vanished}{}.", written.unwrap_or_default()))
}

fn column_row(column: &ColumnChange, fails: bool) -> String {
    let glyph = match column.expectation {
        Expectation::Surprising if fails => "✘",
        Expectation::Surprising => "!",
        Expectation::Undecided => "?",
        Expectation::Declared => "✔",
        Expectation::Ordinary => "~",
        Expectation::Unchanged => "=",
    };
    let expected = text(&format!("{glyph} {}", words::expectation(column.expectation)));
    format!("| {expected} | {} | {} |\n", code(&column.column), text(&what_became(column)))
}

/// What became of a column, and why that is thought.
fn what_became(column: &ColumnChange) -> String {
    let parts = [
        words::fate(&column.fate, column.type_before.as_deref(), column.type_after.as_deref()),
        words::column_rows(column).unwrap_or_default(),
        words::losses(&column.losses),
        column.reason.clone(),
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<String>>().join("; ")
}
