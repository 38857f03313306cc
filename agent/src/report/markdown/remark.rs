//! What is not about a rule: errors, findings, warnings, notes.

use super::blocks;
use super::escape::{code, text};
use super::room::Room;
use crate::report::{Conclusion, Report, words};
use fieldmark_model::{SourceName, TableName};

/// What a reader must not miss.
pub(super) fn alerts(report: &Report, conclusion: &Conclusion, room: &mut Room) -> String {
    let errors = report.errors.iter().map(|error| {
        let place = place(error.source.as_ref(), error.table.as_ref(), None);
        item("could not check", &place, &error.what, error.remedy.as_deref())
    });
    let (errors, no_errors) = room.fill("error", errors);
    let findings = report.findings.iter().map(|finding| {
        let place = place(Some(&finding.source), finding.table.as_ref(), finding.column.as_deref());
        item("finding", &place, &format!("{}: {}", finding.id, finding.what), Some(finding.remedy.as_str()))
    });
    let (findings, no_findings) = room.fill("finding", findings);
    let warnings = conclusion.warnings.iter().map(|warning| item("warning", "", warning, None));
    let (warnings, no_warnings) = room.fill("warning", warnings);
    let list = [errors, findings, warnings].concat();
    section("### To know", blocks([list, no_errors, no_findings, no_warnings]))
}

/// What is good to know besides.
pub(super) fn notes(report: &Report, room: &mut Room) -> String {
    let sources = report.migration.iter().flat_map(|migration| &migration.sources);
    let added = sources.flat_map(|source| {
        let appeared = "appeared: there are no rows from before to compare";
        source
            .tables_added
            .iter()
            .map(move |table| item("new table", &place(Some(&source.source), Some(table), None), appeared, None))
    });
    let (added, no_added) = room.fill("new table", added);
    let lineage = report.migration.iter().flat_map(|migration| &migration.sources).flat_map(|source| {
        let lines = source.lineage.iter().flat_map(words::lineage);
        lines.map(|line| item("lineage", &place(Some(&source.source), None, None), &line, None)).collect::<Vec<_>>()
    });
    let (lineage, no_lineage) = room.fill("change of lineage", lineage);
    let notes = report.notes.iter().map(|note| format!("- {}\n", text(note)));
    let (notes, no_notes) = room.fill("note", notes);
    section("### Notes", blocks([[added, lineage, notes].concat(), no_added, no_lineage, no_notes]))
}

/// A section with its heading; nothing where there is nothing inside.
fn section(heading: &str, inside: String) -> String {
    if inside.is_empty() { inside } else { blocks([heading.to_owned(), inside]) }
}

/// `- **finding** shop public.customers name: what is wrong`, and what to do about it on a line of its own.
fn item(word: &str, place: &str, what: &str, remedy: Option<&str>) -> String {
    let remedy = remedy.filter(|remedy| !remedy.is_empty());
    let remedy = remedy.map(|remedy| format!("<br>→ {}", text(remedy))).unwrap_or_default();
    format!("- **{word}**{place}: {}{remedy}\n", text(what))
}

/// Where something is, each part after a space.
fn place(source: Option<&SourceName>, table: Option<&TableName>, column: Option<&str>) -> String {
    let parts =
        [source.map(|source| text(source.as_str())), table.map(|table| code(&table.to_string())), column.map(code)];
    parts.into_iter().flatten().map(|part| format!(" {part}")).collect()
}
