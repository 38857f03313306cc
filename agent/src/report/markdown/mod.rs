//! The report as GitHub-flavoured Markdown, for a comment under a pull request; GitLab reads it as well.
//!
//! All of it where it fits into a comment. Else whole entries are left out, those that matter most last, and it is said
//! how many they are; the conclusion and the counts always stay.

mod escape;
mod head;
mod migration;
mod remark;
mod room;
mod rules;

use super::words;
use super::{Conclusion, Report, conclusion};
use escape::text;
use room::{Room, characters};

/// GitHub refuses comments of more than 65 536 characters; this leaves room for what is written round a report.
pub const LIMIT: usize = 60_000;
/// Room for headings, heads of tables and sentences on what was left out.
const FRAMES: usize = 4_000;

/// The report as Markdown, with a line break at its end.
pub fn render(report: &Report) -> String {
    let whole = page(report, &mut Room::unbounded());
    if characters(&whole) < LIMIT { whole } else { page(report, &mut Room::of(LIMIT - FRAMES)) }
}

/// The page, its sections made in the order of their weight and put in the order of reading.
fn page(report: &Report, room: &mut Room) -> String {
    let conclusion = conclusion(report);
    let (head, facts) = (head::head(report, &conclusion), facts(report, &conclusion));
    room.spend(characters(&head) + characters(&facts));
    let reasons = room.share(2, |room| head::reasons(report, &conclusion, room));
    let not_passed = room.share(2, |room| rules::not_passed(report, room));
    let alerts = room.share(2, |room| remark::alerts(report, &conclusion, room));
    let marks = room.share(2, |room| migration::marks(report, room));
    let tables = room.share(2, |room| migration::tables(report, room));
    let details = room.share(2, |room| rules::details(report, room));
    let notes = room.share(2, |room| remark::notes(report, room));
    let passed = room.share(1, |room| rules::passed(report, room));
    let mut page = blocks([head, reasons, marks, tables, not_passed, details, passed, alerts, notes, facts]);
    page.push('\n');
    page
}

/// The facts of the run, in small print.
fn facts(report: &Report, conclusion: &Conclusion) -> String {
    let mut facts = vec![
        format!("Fieldmark {}", report.fieldmark),
        report.command.clone(),
        format!("{}, {}", words::instant(report.started), words::between(report.started, report.finished)),
        format!("seed {}", report.seed),
    ];
    facts.extend(report.sources.iter().map(|source| format!("{}: {}", source.name, words::cost(source))));
    facts.extend(words::level(&report.outcomes).map(|level| format!("intervals of {level} confidence")));
    facts.push(format!("exit code {}", conclusion.code));
    format!("<sub>{}</sub>", text(&facts.join(" · ")))
}

/// Blocks with an empty line between them, without those that say nothing.
fn blocks(parts: impl IntoIterator<Item = String>) -> String {
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.trim().is_empty()).collect();
    parts.iter().map(|part| part.trim_end()).collect::<Vec<&str>>().join("\n\n")
}

#[cfg(test)]
mod tests;
