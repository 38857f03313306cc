//! What `--table` and `--rule` leave of the rules.

use super::Ended;
use crate::cli::{Common, USAGE};
use fieldmark_engine::language::resolve_table;
use fieldmark_engine::rule::{Rule, TableRules};
use fieldmark_model::name::fits;
use fieldmark_model::{Catalogue, SourceName, Table, TableName};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Tables and rules that were named on the command line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    tables: Vec<String>,
    rules: Vec<String>,
    /// Tables of a source's catalogue that are meant, whatever they were called.
    only: Option<BTreeSet<TableName>>,
    /// Names that met something in a source's catalogue.
    met: Arc<Mutex<BTreeSet<String>>>,
}

impl Selection {
    pub(super) fn of(common: &Common) -> Self {
        Self { tables: common.table.clone(), rules: common.rule.clone(), ..Self::default() }
    }

    /// These tables of a source.
    pub(crate) fn of_tables(tables: &[TableName]) -> Self {
        Self { only: Some(tables.iter().cloned().collect()), ..Self::default() }
    }

    /// Whether some tables were named, and not all are meant.
    pub(crate) fn some_tables(&self) -> bool {
        !self.tables.is_empty() || self.only.is_some()
    }

    /// Whether some rules were named.
    pub(crate) fn some_rules(&self) -> bool {
        !self.rules.is_empty()
    }

    /// Whether a table is among those that were named, by a name or by a pattern of one; all are where none was.
    pub(crate) fn may_mean(&self, source: &SourceName, table: &TableName) -> bool {
        let (schema, name) = (&table.schema, &table.name);
        let names =
            [name.clone(), format!("{schema}.{name}"), format!("{source}.{name}"), format!("{source}.{schema}.{name}")];
        self.tables.is_empty() || self.tables.iter().any(|given| names.iter().any(|name| fits(given, name)))
    }

    /// Documents that may speak of what is wanted.
    ///
    /// # Errors
    /// A name that no rule file knows.
    pub(super) fn documents(&self, mut documents: Vec<TableRules>) -> Result<Vec<TableRules>, Ended> {
        for given in &self.tables {
            if !documents.iter().any(|rules| is_named(rules, given)) {
                return Err(unknown("table", given, documents.iter().flat_map(names).collect()));
            }
        }
        for given in &self.rules {
            if !documents.iter().any(|rules| rules.rules.iter().any(|rule| rules.may_have(rule, given))) {
                let ids = documents.iter().flat_map(|rules| &rules.rules).map(|rule| rule.id.as_str().to_owned());
                return Err(unknown("rule", given, ids.collect()));
            }
        }
        if !self.tables.is_empty() {
            documents.retain(|rules| self.tables.iter().any(|given| is_named(rules, given)));
        }
        if self.some_rules() {
            for rules in &mut documents {
                let mut kept = std::mem::take(&mut rules.rules);
                kept.retain(|rule| self.rules.iter().any(|given| rules.may_have(rule, given)));
                rules.rules = kept;
            }
            documents.retain(|rules| !rules.rules.is_empty());
        }
        Ok(documents)
    }

    /// What is left of the tables that documents speak of. A pattern's rule may be named by the pattern's id.
    pub(super) fn narrow(
        &self,
        tables: &mut Vec<TableRules>,
        documents: &[&TableRules],
        (catalogue, default_schema): (&Catalogue, Option<&str>),
    ) {
        if let Some(only) = &self.only {
            let table =
                |rules: &TableRules| resolve_table(rules, catalogue, default_schema).map(|table| table.name.clone());
            tables.retain(|rules| table(rules).is_ok_and(|table| only.contains(&table)));
        }
        let patterns = || documents.iter().filter(|rules| rules.pattern.is_any());
        if !self.tables.is_empty() {
            let of_pattern = |rules: &TableRules, given: &String| {
                patterns().any(|pattern| names(pattern).contains(given) && pattern.may_mean(&name(rules), None))
            };
            let means = |rules: &TableRules, given: &String| is_named(rules, given) || of_pattern(rules, given);
            self.meet(self.tables.iter().filter(|given| tables.iter().any(|rules| means(rules, given))));
            tables.retain(|rules| self.tables.iter().any(|given| means(rules, given)));
        }
        if self.some_rules() {
            // ids that a given one stands for: itself, and that of a pattern on each table
            let ids = |given: &String| -> Vec<String> {
                let of_pattern = patterns()
                    .flat_map(|pattern| pattern.rules.iter().map(move |rule| (pattern, rule)))
                    .filter(|(_, rule)| given == rule.id.as_str())
                    .flat_map(|(pattern, rule)| {
                        let of_table = |table: &Table| pattern.id_on(rule, &table.name).as_str().to_owned();
                        catalogue.tables.iter().map(of_table).collect::<Vec<_>>()
                    });
                std::iter::once(given.clone()).chain(of_pattern).collect()
            };
            let wanted: Vec<(&String, Vec<String>)> = self.rules.iter().map(|given| (given, ids(given))).collect();
            let means = |ids: &[String], rule: &Rule| ids.iter().any(|id| id == rule.id.as_str());
            let all = |tables: &[TableRules], ids: &[String]| {
                tables.iter().flat_map(|rules| &rules.rules).any(|rule| means(ids, rule))
            };
            self.meet(wanted.iter().filter(|(_, ids)| all(tables, ids)).map(|(given, _)| *given));
            for rules in tables.iter_mut() {
                rules.rules.retain(|rule| wanted.iter().any(|(_, ids)| means(ids, rule)));
            }
            tables.retain(|rules| !rules.rules.is_empty());
        }
    }
}

impl Selection {
    fn meet<'a>(&self, names: impl Iterator<Item = &'a String>) {
        self.met.lock().unwrap_or_else(PoisonError::into_inner).extend(names.cloned());
    }

    /// What was named, may have been meant by a pattern, and is in no source that was read.
    pub(crate) fn unmet(&self) -> Vec<String> {
        let met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        let not = |what: &'static str, names: &[String]| -> Vec<String> {
            let unmet = names.iter().filter(|name| !met.contains(*name));
            unmet.map(|name| format!("the {what} `{name}` was named, and is not among what was read")).collect()
        };
        [not("table", &self.tables), not("rule", &self.rules)].concat()
    }
}

fn name(rules: &TableRules) -> TableName {
    TableName::new(rules.schema.clone().unwrap_or_default(), rules.table.clone())
}

/// Names by which a document's table may be meant.
fn names(rules: &TableRules) -> Vec<String> {
    let mut names = vec![rules.table.clone(), format!("{}.{}", rules.source, rules.table)];
    if let Some(schema) = &rules.schema {
        names.push(format!("{schema}.{}", rules.table));
        names.push(format!("{}.{schema}.{}", rules.source, rules.table));
    }
    names
}

/// Whether a name means the document's table, or one that may fit its pattern.
fn is_named(rules: &TableRules, given: &str) -> bool {
    if names(rules).iter().any(|name| name == given) {
        return true;
    }
    if !rules.pattern.is_any() {
        return false;
    }
    let part = |is_pattern: bool, own: &str, given: &str| if is_pattern { fits(own, given) } else { own == given };
    let table = |given: &str| part(rules.pattern.table, &rules.table, given);
    let schema = |given: &str| rules.schema.as_ref().is_none_or(|own| part(rules.pattern.schema, own, given));
    match TableName::split(given).as_deref() {
        Some([name]) => table(name),
        Some([first, name]) => table(name) && (schema(first) || rules.source.as_str() == first),
        Some([source, second, name]) => rules.source.as_str() == source && schema(second) && table(name),
        _ => false,
    }
}

fn unknown(what: &str, given: &str, known: Vec<String>) -> Ended {
    let near = fieldmark_document::nearest(given, known.iter().map(String::as_str));
    let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Ended::Because(USAGE, format!("no rule file speaks of the {what} `{given}`{near}"))
}
