//! Several documents about one table become one, as far as they do not contradict each other.

use super::across::Across;
use super::document::Document;
use super::table::Named;
use crate::rule::{AcrossMigrations, RowsAcross, TableRules};
use fieldmark_document::{Place, Placed, Problem, Problems, shown};
use fieldmark_model::{RuleId, SourceName};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn merge(documents: Vec<Document>, problems: &mut Problems) -> Vec<TableRules> {
    let mut groups: Vec<(Named, Vec<Document>)> = Vec::new();
    let mut places: BTreeMap<Named, usize> = BTreeMap::new();
    for document in documents {
        let named = document.named.value.clone();
        let at = *places.entry(named.clone()).or_insert(groups.len());
        match groups.get_mut(at) {
            Some((_, group)) => group.push(document),
            None => groups.push((named, vec![document])),
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
    let mut digested: BTreeSet<String> = BTreeSet::new();
    let mut rules = Vec::new();
    let mut across = Vec::new();
    let mut across_place = None;
    for document in documents {
        pii.extend(document.pii.into_iter().filter(|column| digested.insert(column.value.clone())));
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
    let mut ids: BTreeSet<RuleId> = BTreeSet::new();
    // of each name after and each name before, which entry has it
    let mut after_names: BTreeMap<String, usize> = BTreeMap::new();
    let mut before_names: BTreeMap<String, usize> = BTreeMap::new();
    for section in sections {
        merged.same.extend(section.same.into_iter().filter(|same| ids.insert(same.id.clone())));
        merged.expect.extend(section.expect);
        for (after, before) in section.renamed {
            let known = (after_names.get(&after.value), before_names.get(&before.value));
            let earlier = [known.0, known.1].into_iter().flatten().min().and_then(|at| merged.renamed.get(*at));
            match earlier {
                Some((own, from)) if own.value == after.value && from.value == before.value => {}
                Some((own, _)) => {
                    let problem = contradiction("renamed", &after.place, &own.place, problems);
                    problems.push(problem);
                }
                None => {
                    after_names.insert(after.value.clone(), merged.renamed.len());
                    before_names.insert(before.value.clone(), merged.renamed.len());
                    merged.renamed.push((after, before));
                }
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
            let problem = contradiction(key, &other.place, &first.place, problems);
            problems.push(problem);
        }
    }
    Some(first.clone())
}

fn contradiction(key: &str, place: &Place, first: &Place, problems: &Problems) -> Problem {
    let problem = Problem::new(format!("two documents about one table give different `{key}`"), place)
        .also("the other at", first)
        .help("say it once");
    match problems.source(&place.file).and_then(|text| text.get(place.span())) {
        Some(written) if !written.is_empty() => problem.value(shown(written)),
        Some(_) | None => problem,
    }
}
