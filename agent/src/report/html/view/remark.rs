//! What is not about a rule: errors, findings, warnings, notes.

use super::Mark;
use crate::report::{Conclusion, Report, words};
use fieldmark_model::{SourceName, TableName};

pub(super) struct Remark {
    pub(super) mark: Mark,
    pub(super) place: Option<String>,
    pub(super) text: String,
    pub(super) remedy: Option<String>,
}

/// What a reader must not miss.
pub(super) fn alerts(report: &Report, conclusion: &Conclusion) -> Vec<Remark> {
    let errors = report.errors.iter().map(|error| Remark {
        mark: Mark { class: "warn", glyph: "–", word: "could not check" },
        place: place(error.source.as_ref(), error.table.as_ref(), None),
        text: error.what.clone(),
        remedy: error.remedy.clone(),
    });
    let findings = report.findings.iter().map(|finding| Remark {
        mark: Mark { class: "warn", glyph: "!", word: "finding" },
        place: place(Some(&finding.source), finding.table.as_ref(), finding.column.as_deref()),
        text: format!("{}: {}", finding.id, finding.what),
        remedy: Some(finding.remedy.clone()).filter(|remedy| !remedy.is_empty()),
    });
    let warnings = conclusion.warnings.iter().map(|text| Remark {
        mark: Mark { class: "warn", glyph: "!", word: "warning" },
        place: None,
        text: text.clone(),
        remedy: None,
    });
    errors.chain(findings).chain(warnings).collect()
}

/// What is good to know besides.
pub(super) fn notes(report: &Report) -> Vec<Remark> {
    let added = report.migration.iter().flat_map(|migration| &migration.sources).flat_map(|source| {
        source.tables_added.iter().map(|table| Remark {
            mark: Mark { class: "none", glyph: "+", word: "new table" },
            place: place(Some(&source.source), Some(table), None),
            text: "appeared: there are no rows from before to compare".into(),
            remedy: None,
        })
    });
    let notes = report.notes.iter().map(|text| Remark {
        mark: Mark { class: "none", glyph: "·", word: "note" },
        place: None,
        text: text.clone(),
        remedy: None,
    });
    let lineage = report.migration.iter().flat_map(|migration| &migration.sources).flat_map(|source| {
        let lines = source.lineage.iter().flat_map(words::lineage).map(|line| Remark {
            mark: Mark { class: "none", glyph: "→", word: "lineage" },
            place: place(Some(&source.source), None, None),
            text: line,
            remedy: None,
        });
        lines.collect::<Vec<_>>()
    });
    added.chain(lineage).chain(notes).collect()
}

pub(super) fn place(source: Option<&SourceName>, table: Option<&TableName>, column: Option<&str>) -> Option<String> {
    let parts: Vec<String> =
        [source.map(ToString::to_string), table.map(ToString::to_string), column.map(str::to_owned)]
            .into_iter()
            .flatten()
            .collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}
