//! Documents about patterns of tables become documents about the tables that are there, and those that spell one table in several ways
//! become one.

use super::check::resolve_table;
use super::table::in_ids;
use crate::rule::{AcrossMigrations, Pattern, RowsAcross, Rule, TableRules, UndeclaredChanges};
use fieldmark_document::{Placed, Problem, Problems, listed};
use fieldmark_model::name::fits;
use fieldmark_model::{Catalogue, RuleId, Table, TableKind, TableName};

/// Rules of tables, of patterns none left: of each table that fits a pattern there is one entry, with the rules of everything that speaks
/// of it. Ids that rules give themselves have the table behind them (`id/schema.table`); others are made of its name.
///
/// Documents that name a table with its schema and without are about one table, as those are that name it alike.
///
/// A pattern means tables and materialized views; views, foreign and virtual tables have to be named. Patterns that no table fits, and two
/// sections `across_migrations` about one table, are problems.
pub fn expand_patterns(
    tables: &[&TableRules],
    catalogue: &Catalogue,
    default_schema: Option<&str>,
) -> (Vec<TableRules>, Problems) {
    let mut problems = Problems::default();
    let mut expanded: Vec<(Option<TableName>, TableRules)> = Vec::new();
    for rules in tables.iter().filter(|rules| !rules.pattern.is_any()) {
        let name = resolve_table(rules, catalogue, default_schema).ok().map(|table| table.name.clone());
        match expanded.iter_mut().find(|(known, _)| known.is_some() && *known == name) {
            Some((_, before)) => unite(before, (*rules).clone(), &mut problems),
            None => expanded.push((name, (*rules).clone())),
        }
    }
    for rules in tables.iter().filter(|rules| rules.pattern.is_any()) {
        let mut fitting = catalogue.tables.iter().filter(|table| is_meant(rules, table, default_schema)).peekable();
        if fitting.peek().is_none() {
            let tables = catalogue.tables.iter().filter(|table| may_be_meant(table));
            let tables: Vec<String> = tables.map(|table| table.name.to_string()).collect();
            let problem = Problem::new("no table of the source fits the pattern", &rules.place);
            let problem = problem.value(fieldmark_document::shown(&named(rules))).help("views have to be named");
            problems.push(if tables.is_empty() { problem } else { problem.allowed(listed(&tables)) });
        }
        for table in fitting {
            let own = of_table(rules, &table.name);
            match expanded.iter_mut().find(|(name, _)| name.as_ref() == Some(&table.name)) {
                Some((_, before)) => join(before, own, &mut problems),
                None => expanded.push((Some(table.name.clone()), own)),
            }
        }
    }
    (expanded.into_iter().map(|(_, rules)| rules).collect(), problems)
}

/// Whether a pattern means a table.
fn is_meant(rules: &TableRules, table: &Table, default_schema: Option<&str>) -> bool {
    may_be_meant(table) && rules.may_mean(&table.name, default_schema)
}

/// Whether any pattern means a table.
fn may_be_meant(table: &Table) -> bool {
    matches!(table.kind, TableKind::Table | TableKind::Partitioned | TableKind::MaterializedView)
}

impl TableRules {
    /// Whether a document speaks of a table of this name. Of one that names no schema the source's default is meant.
    pub fn may_mean(&self, table: &TableName, default_schema: Option<&str>) -> bool {
        let part =
            |is_pattern: bool, wanted: &str, name: &str| if is_pattern { fits(wanted, name) } else { wanted == name };
        let schema = self.schema.as_deref().or(default_schema);
        part(self.pattern.table, &self.table, &table.name)
            && schema.is_none_or(|schema| part(self.pattern.schema, schema, &table.schema))
    }

    /// Whether a rule of this document may have that id on some table.
    pub fn may_have(&self, rule: &Rule, id: &str) -> bool {
        let own = rule.id.as_str();
        let pattern = named(self);
        let of_pattern = || match own.strip_prefix(&pattern).filter(|rest| rest.starts_with('.')) {
            Some(rest) => id.ends_with(rest) && id.starts_with(&format!("{}.", self.source)),
            None => id.strip_prefix(own).is_some_and(|rest| rest.starts_with('/')),
        };
        own == id || (self.pattern.is_any() && of_pattern())
    }

    /// The id that a rule has on a table that fits this document's pattern.
    pub fn id_on(&self, rule: &Rule, table: &TableName) -> RuleId {
        let pattern = in_ids(self.source.as_str(), self.schema.as_deref(), &self.table, self.pattern);
        RuleId::new(match rule.id.as_str().strip_prefix(&pattern).filter(|rest| rest.starts_with('.')) {
            Some(rest) => {
                let schema = Some(table.schema.as_str());
                format!("{}{rest}", in_ids(self.source.as_str(), schema, &table.name, Pattern::default()))
            }
            None => format!("{}/{table}", rule.id),
        })
    }
}

/// The table as the document names it.
fn named(rules: &TableRules) -> String {
    in_ids(rules.source.as_str(), rules.schema.as_deref(), &rules.table, rules.pattern)
}

/// What a pattern's document says of one table.
fn of_table(rules: &TableRules, table: &TableName) -> TableRules {
    let mut own = rules.clone();
    for rule in &mut own.rules {
        rule.id = rules.id_on(rule, table);
    }
    let id = |id: &RuleId| {
        let prefix = named(rules);
        match id.as_str().strip_prefix(&prefix).filter(|rest| rest.starts_with('.')) {
            Some(rest) => RuleId::new(format!("{}.{table}{rest}", rules.source)),
            None => RuleId::new(format!("{id}/{table}")),
        }
    };
    for same in &mut own.across.same {
        same.id = id(&same.id);
    }
    for expectation in &mut own.across.expect {
        expectation.id = id(&expectation.id);
    }
    own.schema = Some(table.schema.clone());
    own.table.clone_from(&table.name);
    own.pattern = Pattern::default();
    own
}

/// What another document says of the same table under another spelling is added; what contradicts is a problem.
fn unite(before: &mut TableRules, other: TableRules, problems: &mut Problems) {
    let differ = |key: &str, problems: &mut Problems| {
        let what = format!("two documents about one table, which they spell differently, give different `{key}`");
        let problem = Problem::new(what, &other.place).value(fieldmark_document::shown(&named(&other)));
        problems.push(problem.also("the other at", &before.place).help("say it once"));
    };
    for (key, own, of_other) in [
        ("owner", &before.owner, &other.owner),
        ("escalation", &before.escalation, &other.escalation),
        ("runbook", &before.runbook, &other.runbook),
    ] {
        if own.as_ref().zip(of_other.as_ref()).is_some_and(|(own, other)| own != other) {
            differ(key, problems);
        }
    }
    if before.key.as_ref().zip(other.key.as_ref()).is_some_and(|(own, other)| own.value != other.value) {
        differ("key", problems);
    }
    if before.sample.zip(other.sample).is_some_and(|(own, other)| own != other) {
        differ("sample", problems);
    }
    let (own, of_other) = (&before.across, &other.across);
    let rows = match (&own.rows, &of_other.rows) {
        (RowsAcross::Kept, rows) | (rows, RowsAcross::Kept) => rows.clone(),
        (RowsAcross::MayVanish, RowsAcross::MayVanish) => RowsAcross::MayVanish,
        (RowsAcross::MayVanishWhere(one), RowsAcross::MayVanishWhere(two)) if one.value == two.value => {
            own.rows.clone()
        }
        (RowsAcross::MayVanish | RowsAcross::MayVanishWhere(_), _) => {
            differ("rows", problems);
            own.rows.clone()
        }
    };
    let undeclared = match (own.undeclared_changes, of_other.undeclared_changes) {
        (UndeclaredChanges::Warn, word) | (word, UndeclaredChanges::Warn) => word,
        (one, two) => {
            if one != two {
                differ("undeclared_changes", problems);
            }
            one
        }
    };
    before.across.rows = rows;
    before.across.undeclared_changes = undeclared;
    for same in other.across.same {
        if !before.across.same.iter().any(|own| own.column.value == same.column.value) {
            before.across.same.push(same);
        }
    }
    for (after, from) in other.across.renamed {
        let clash = |(own_after, own_from): &&(Placed<String>, Placed<String>)| {
            own_after.value == after.value || own_from.value == from.value
        };
        match before.across.renamed.iter().find(clash) {
            Some((own_after, own_from)) if own_after.value == after.value && own_from.value == from.value => {}
            Some((own_after, _)) => {
                let what = "two documents about one table give different `renamed`";
                problems.push(Problem::new(what, &after.place).also("the other at", &own_after.place));
            }
            None => before.across.renamed.push((after, from)),
        }
    }
    before.across.expect.extend(other.across.expect);
    let rest = TableRules { across: AcrossMigrations::default(), across_place: None, ..other };
    before.across_place = before.across_place.take().or(other.across_place);
    join(before, rest, problems);
}

/// What a pattern says is added to what is said of the table already.
fn join(before: &mut TableRules, pattern: TableRules, problems: &mut Problems) {
    before.owner = before.owner.take().or(pattern.owner);
    before.escalation = before.escalation.take().or(pattern.escalation);
    before.runbook = before.runbook.take().or(pattern.runbook);
    before.key = before.key.take().or(pattern.key);
    before.sample = before.sample.take().or(pattern.sample);
    for column in pattern.pii {
        if !before.pii.iter().any(|own| own.value == column.value) {
            before.pii.push(column);
        }
    }
    // said twice, a rule is one
    for rule in pattern.rules {
        if before.rules.iter().any(|own| own.fingerprint == rule.fingerprint && own.severity == rule.severity) {
            continue;
        }
        // what is remembered of a rule is remembered by its id
        if let Some(own) = before.rules.iter().find(|own| own.id == rule.id) {
            let what = "two rules have one id on a table";
            let problem = Problem::new(what, &rule.place).value(fieldmark_document::shown(rule.id.as_str()));
            problems.push(problem.also("the other at", &own.place).help("give one of them an `id`"));
            continue;
        }
        before.rules.push(rule);
    }
    match (&before.across_place, pattern.across_place) {
        (Some(own), Some(other)) => {
            let problem = Problem::new("two sections `across_migrations` speak of one table", own);
            problems.push(problem.value(fieldmark_document::shown(&before.table)).also("the other at", &other));
        }
        (None, Some(place)) => {
            before.across = pattern.across;
            before.across_place = Some(place);
        }
        (_, None) => {}
    }
}
