//! The rule language: from the text of rule files to checked rules, with every problem of every file at once.
//!
//! ```text
//! files -> documents (tree with places) -> table documents, folder defaults -> rules -> TableRules, one for each table
//! ```
//!
//! **Rule ids.** A rule's id is its own `id`, or is made of table, kind and columns, joined by points:
//! `shop.public.orders.not_null.customer_id`, `shop.orders.unique.a,b`, `shop.orders.row_count`; an `expect` without id ends in
//! eight digits of a digest of its expression. The table stands as `table:` names it, so a schema added there changes ids. A
//! list of columns under `not_null` makes one rule for each; where these are several, a given id becomes `id/column`. Ids are unique
//! in a set of files.
//!
//! **Fingerprints.** Sixteen hexadecimal digits of SHA-256 over what a rule means: kind, settings, `where`, tolerance, `nulls`, each in
//! one spelling. Formatting, the order of a set, comments, description, severity and owner do not change it.
//!
//! **Defaults.** `_defaults.yaml` in a folder holds keys for all rules and tables of files in it and below; of several, the
//! nearest folder's wins, key by key. A default that has no meaning for a kind is not applied to rules of that kind.

mod across;
mod check;
mod defaults;
mod document;
mod fingerprint;
mod merge;
mod pattern;
mod rules;
mod schema;
mod table;

pub use check::{check_catalogue, check_sources, resolve_table};
pub(crate) use fingerprint::plain_sql;
pub use pattern::expand_patterns;
pub use schema::{defaults_schema, rules_schema, set_key};

use crate::rule::TableRules;
use defaults::Defaults;
use document::Document;
use fieldmark_document::{MapReader, Node, NodeKind, Problem, Problems, parse};
use rules::Ids;

/// One rule file: its path as the user knows it, with `/` between folders, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFile {
    /// The path. Folders decide which `_defaults.yaml` applies; the name decides whether it is one.
    pub path: String,
    /// The whole text.
    pub text: String,
}

/// Version of the language that this build reads.
const VERSION: i128 = 1;

/// Reads a set of rule files; `_defaults.yaml` files belong to the set. Tables come in the order of their first documents.
///
/// Expressions are parsed; what they mean is checked later, against the table's columns, as is what files say of sources, tables and
/// columns, by [`check_sources`] and [`check_catalogue`].
///
/// # Errors
/// Every problem of every file, sorted by file and place, with the files' texts.
pub fn parse_rule_files(files: &[RuleFile]) -> Result<Vec<TableRules>, Problems> {
    let mut problems = Problems::default();
    let parsed: Vec<(&RuleFile, Vec<Node>)> =
        files.iter().map(|file| (file, parse(file.path.as_str(), &file.text, &mut problems))).collect();
    let mut defaults = Defaults::default();
    for (file, documents) in parsed.iter().filter(|(file, _)| defaults::is_defaults(&file.path)) {
        defaults.read(&file.path, documents, &mut problems);
    }
    let mut ids = Ids::default();
    let mut read = Vec::new();
    for (file, documents) in parsed.iter().filter(|(file, _)| !defaults::is_defaults(&file.path)) {
        let applying = defaults.of(&file.path);
        for node in documents {
            read.extend(Document::read(node, &applying, &mut ids, &mut problems));
        }
    }
    let tables = merge::merge(read, &mut problems);
    problems.into_result(tables)
}

/// Checks `version: 1`, which every document begins with.
fn check_version(map: &mut MapReader<'_>, problems: &mut Problems) {
    let begin = |problem: Problem| problem.help(format!("begin it with `version: {VERSION}`"));
    let Some(node) = map.require_told("version", begin, problems) else { return };
    if node.kind != NodeKind::Integer(VERSION) {
        let problem = Problem::new("this version of the rule language is not known", &node.place);
        let problem = problem.value(node.shown()).allowed(VERSION.to_string());
        let quoted = node.kind == NodeKind::Text(VERSION.to_string());
        problems.push(if quoted { problem.help("a number, without quotes") } else { problem });
    }
}

#[cfg(test)]
mod tests;
