//! The section `across_migrations`.

use super::defaults::{NULLS, SEVERITIES};
use super::fingerprint::{fingerprint, plain_sql};
use super::rules::{Ids, read_expression, read_id, sound};
use crate::kind::{CommonKey, MOST_COLUMNS, read_columns, too_many_columns};
use crate::rule::{AcrossExpectation, AcrossSame, Nulls, RowsAcross, UndeclaredChanges};
use fieldmark_document::{MapReader, Node, NodeKind, Place, Placed, Problem, Problems, shown};
use fieldmark_model::canonical::hexadecimal;
use fieldmark_model::{RuleId, Severity};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The section as it stands: what it does not say is `None`.
#[derive(Debug, Default)]
pub(super) struct Across {
    pub(super) rows: Option<Placed<RowsAcross>>,
    pub(super) same: Vec<AcrossSame>,
    pub(super) renamed: Vec<(Placed<String>, Placed<String>)>,
    pub(super) expect: Vec<AcrossExpectation>,
    pub(super) undeclared_changes: Option<Placed<UndeclaredChanges>>,
}

impl Across {
    pub(super) fn read(mut map: MapReader<'_>, prefix: &str, ids: &mut Ids, problems: &mut Problems) -> Self {
        let rows = map.node("rows").and_then(|node| read_rows(node, problems));
        let same = map.node("same").and_then(|node| read_columns(node, "same", problems)).unwrap_or_default();
        let same = same.into_iter().map(|column| same_column(column, prefix)).collect();
        let renamed = map.node("renamed").map(|node| read_renamed(node, problems)).unwrap_or_default();
        let expect = map.list("expect", problems).unwrap_or_default();
        let expect = expect.iter().filter_map(|node| read_expectation(node, prefix, ids, problems)).collect();
        let words =
            [("fail", UndeclaredChanges::Fail), ("warn", UndeclaredChanges::Warn), ("allow", UndeclaredChanges::Allow)];
        let undeclared_changes = map.word("undeclared_changes", &words, problems);
        map.finish(problems);
        Self { rows, same, renamed, expect, undeclared_changes }
    }
}

fn same_column(column: Placed<String>, prefix: &str) -> AcrossSame {
    AcrossSame {
        id: RuleId::new(format!("{prefix}.same.{}", column.value)),
        fingerprint: fingerprint("same", &column.value, &[], None, 0.0, Nulls::Pass),
        column,
    }
}

fn read_rows(node: &Node, problems: &mut Problems) -> Option<Placed<RowsAcross>> {
    if let NodeKind::Map(_) = node.kind {
        let mut map = MapReader::new(node, "`rows`", problems)?;
        let missing = node.get("may_vanish_where").is_none_or(Node::is_null);
        let condition = read_expression(&mut map, "may_vanish_where", Some(OVER_BEFORE), problems);
        map.finish(problems);
        if missing {
            problems.push(Problem::new("`rows` has no `may_vanish_where`", &node.place).allowed(ROWS));
        }
        return Some(Placed::new(RowsAcross::MayVanishWhere(condition?), node.place.clone()));
    }
    let words = [("kept", RowsAcross::Kept), ("may_vanish", RowsAcross::MayVanish)];
    let word = node.scalar().and_then(|written| words.iter().find(|(word, _)| *word == written));
    if word.is_none() {
        // who writes the key for the word does not mean the other word
        let written = node.scalar().filter(|written| *written != "may_vanish_where").unwrap_or("");
        let problem = node.wrong("rows", "told which rows may vanish").allowed(ROWS);
        problems.push(problem.nearest_of(written, words.iter().map(|(word, _)| *word)));
    }
    Some(Placed::new(word?.1.clone(), node.place.clone()))
}

const ROWS: &str = "kept, may_vanish, or `{ may_vanish_where: \"<expression over the row before>\" }`";

/// What `may_vanish_where` is, and what an expectation is.
const OVER_BEFORE: &str = "one SQL boolean expression over the columns of the row before";
const OVER_BOTH: &str = "one SQL boolean expression over `before.` and `after.` columns";

/// `{ after: before }`.
fn read_renamed(node: &Node, problems: &mut Problems) -> Vec<(Placed<String>, Placed<String>)> {
    let NodeKind::Map(entries) = &node.kind else {
        problems.push(node.wrong("renamed", "a mapping").allowed("`{ name_after: name_before }`"));
        return Vec::new();
    };
    if entries.len() > MOST_COLUMNS {
        problems.push(too_many_columns("renamed", entries.len(), &node.place));
        return Vec::new();
    }
    let mut renamed: Vec<(Placed<String>, Placed<String>)> = Vec::new();
    let mut seen: BTreeMap<String, Place> = BTreeMap::new();
    for entry in entries {
        let Some(before) = entry.value.read_text(&entry.key, problems) else { continue };
        let nameless = [(&entry.key, &entry.place), (&before.value, &before.place)];
        if let Some((_, place)) = nameless.into_iter().find(|(name, _)| name.is_empty()) {
            problems.push(Problem::new("`renamed` has a column without a name", place));
            continue;
        }
        if let Some(first) = seen.get(&before.value) {
            let problem = Problem::new("one column cannot become two", &before.place).value(shown(&before.value));
            problems.push(problem.also("first at", first));
            continue;
        }
        seen.insert(before.value.clone(), before.place.clone());
        renamed.push((Placed::new(entry.key.clone(), entry.place.clone()), before));
    }
    renamed
}

fn read_expectation(node: &Node, prefix: &str, ids: &mut Ids, problems: &mut Problems) -> Option<AcrossExpectation> {
    let mut map = MapReader::new(node, "an expectation", problems)?;
    let before = problems.len();
    let id = read_id(&mut map, problems);
    let missing = map.require("that", problems).is_none();
    // asked for again as an expression: `require` took it
    let that = if missing { None } else { node.get("that").and_then(|node| expression(node, problems)) };
    let severity = map.word("severity", &SEVERITIES, problems);
    let tolerance = map.fraction("tolerance", problems);
    let nulls = map.word("nulls", &NULLS, problems);
    let description = map.text("description", problems);
    map.finish(problems);
    if problems.len() > before {
        return None;
    }
    let that = that?;
    let tolerance = tolerance.map_or(0.0, |tolerance| tolerance.value);
    let nulls = nulls.map_or(Nulls::Lost, |nulls| nulls.value);
    let meaning = plain_sql(&that.value);
    let own = id.is_some();
    let name = id.map_or_else(
        || {
            let digest = hexadecimal(&Sha256::digest(meaning.as_bytes()));
            format!("{prefix}.across.{}", digest.get(2..10).unwrap_or_default())
        },
        |id| id.value,
    );
    Some(AcrossExpectation {
        id: ids.take(name, own, &node.place, problems),
        fingerprint: fingerprint(
            "across_migrations",
            &meaning,
            &[CommonKey::Tolerance, CommonKey::Nulls],
            None,
            tolerance,
            nulls,
        ),
        that,
        severity: severity.map_or(Severity::default(), |severity| severity.value),
        tolerance,
        nulls,
        description: description.map(|description| description.value.trim().to_owned()),
    })
}

fn expression(node: &Node, problems: &mut Problems) -> Option<Placed<String>> {
    match node.scalar() {
        Some(text) if !text.trim().is_empty() => {
            sound(Placed::new(text.to_owned(), node.place.clone()), Some(OVER_BOTH), problems)
        }
        Some(_) | None => {
            let allowed = "`after.total_cents = before.total * 100`";
            problems.push(node.wrong("that", "an SQL expression over `before.` and `after.`").allowed(allowed));
            None
        }
    }
}
