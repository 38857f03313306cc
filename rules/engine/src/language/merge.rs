//! Several documents about one table become one, as far as they do not contradict each other.

use super::across::Across;
use super::document::Document;
use super::table::Named;
use crate::rule::{AcrossMigrations, RowsAcross, TableRules};
use fieldmark_document::{Place, Placed, Problem, Problems};
use fieldmark_model::SourceName;

pub(super) fn merge(documents: Vec<Document>, problems: &mut Problems) -> Vec<TableRules> {
    let mut groups: Vec<(Named, Vec<Document>)> = Vec::new();
    for document in documents {
        match groups.iter_mut().find(|(named, _)| *named == document.named.value) {
            Some((_, group)) => group.push(document),
            None => groups.push((document.named.value.clone(), vec![document])),
        }
    }
    groups.into_iter().filter_map(|(named, group)| one(named, group, problems)).collect()
}

fn one(named: Named, documents: Vec<Document>, problems: &mut Problems) -> Option<TableRules> {
    let place = documents.first()?.named.place.clone();
    let text = |key,
                own: fn(&Document) -> &Option<Placed<String>>,
                default: fn(&Document) -> &Option<Placed<String>>,
                problems: &mut Problems| {
        agreed(key, documents.iter().map(own), problems)
            .or_else(|| agreed(key, documents.iter().map(default), problems))
            .map(|text| text.value)
    };
    let owner = text("owner", |document| &document.common.owner, |document| &document.defaults.common.owner, problems);
    let escalation = text(
        "escalation",
        |document| &document.common.escalation,
        |document| &document.defaults.common.escalation,
        problems,
    );
    let runbook =
        text("runbook", |document| &document.common.runbook, |document| &document.defaults.common.runbook, problems);
    let key = agreed("key", documents.iter().map(|document| &document.key), problems);
    let sample = agreed("sample", documents.iter().map(|document| &document.sample), problems)
        .or_else(|| agreed("sample", documents.iter().map(|document| &document.defaults.sample), problems));
    let mut pii: Vec<Placed<String>> = Vec::new();
    let mut rules = Vec::new();
    let mut across = Vec::new();
    let mut across_place = None;
    for document in documents {
        add(&mut pii, document.pii);
        rules.extend(document.rules);
        across.push(document.across);
        across_place = across_place.or(document.across_place);
    }
    Some(TableRules {
        source: SourceName::new(named.source),
        schema: named.schema,
        table: named.table,
        pattern: named.pattern,
        place,
        owner,
        escalation,
        runbook,
        key,
        sample: sample.map(|sample| sample.value),
        pii,
        rules,
        across: merge_across(across, problems),
        across_place,
    })
}

fn merge_across(sections: Vec<Across>, problems: &mut Problems) -> AcrossMigrations {
    let rows = agreed_by("rows", sections.iter().map(|section| &section.rows), same_rows, problems);
    let undeclared = agreed("undeclared_changes", sections.iter().map(|section| &section.undeclared_changes), problems);
    let mut merged = AcrossMigrations {
        rows: rows.map_or_else(RowsAcross::default, |rows| rows.value),
        undeclared_changes: undeclared.map_or_else(Default::default, |undeclared| undeclared.value),
        ..AcrossMigrations::default()
    };
    for section in sections {
        for same in section.same {
            if !merged.same.iter().any(|own| own.id == same.id) {
                merged.same.push(same);
            }
        }
        merged.expect.extend(section.expect);
        for (after, before) in section.renamed {
            let earlier =
                merged.renamed.iter().find(|(own, from)| own.value == after.value || from.value == before.value);
            match earlier {
                Some((own, from)) if own.value == after.value && from.value == before.value => {}
                Some((own, _)) => problems.push(contradiction("renamed", &after.place, &own.place)),
                None => merged.renamed.push((after, before)),
            }
        }
    }
    merged
}

fn same_rows(one: &RowsAcross, other: &RowsAcross) -> bool {
    match (one, other) {
        (RowsAcross::Kept, RowsAcross::Kept) | (RowsAcross::MayVanish, RowsAcross::MayVanish) => true,
        (RowsAcross::MayVanishWhere(one), RowsAcross::MayVanishWhere(other)) => one.value == other.value,
        (RowsAcross::Kept | RowsAcross::MayVanish | RowsAcross::MayVanishWhere(_), _) => false,
    }
}

fn add(columns: &mut Vec<Placed<String>>, more: Vec<Placed<String>>) {
    for column in more {
        if !columns.iter().any(|own| own.value == column.value) {
            columns.push(column);
        }
    }
}

/// The value that all documents give that give one; a problem where they differ.
fn agreed<'a, T: Clone + PartialEq + 'a>(
    key: &str,
    values: impl Iterator<Item = &'a Option<Placed<T>>>,
    problems: &mut Problems,
) -> Option<Placed<T>> {
    agreed_by(key, values, T::eq, problems)
}

fn agreed_by<'a, T: Clone + 'a>(
    key: &str,
    values: impl Iterator<Item = &'a Option<Placed<T>>>,
    same: fn(&T, &T) -> bool,
    problems: &mut Problems,
) -> Option<Placed<T>> {
    let mut values = values.flatten();
    let first = values.next()?;
    for other in values {
        if !same(&first.value, &other.value) {
            problems.push(contradiction(key, &other.place, &first.place));
        }
    }
    Some(first.clone())
}

fn contradiction(key: &str, place: &Place, first: &Place) -> Problem {
    Problem::new(format!("two documents about one table give different `{key}`"), place)
        .also("the other at", first)
        .help("say it once")
}
