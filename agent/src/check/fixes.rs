//! What may help where a rule fails, to be looked at by somebody: SQL that shows the failing rows, a statement that repairs them, a constraint that
//! keeps others from coming, the command that checks the rule alone, a rule to add. Nothing of a row is in it, and none of the rule's literals.

use super::sql::{Target, list, orphans};
use fieldmark_engine::evaluate::speaks_of;
use fieldmark_engine::kind::Plan;
use fieldmark_engine::rule::{Rule, TableRules};
use fieldmark_model::name::quote_identifier;
use fieldmark_model::outcome::Fix;
use fieldmark_model::{Dialect, Table, TableName};
use fieldmark_profile::yaml;

/// Names of a constraint that are read by everybody.
fn constraint_name(table: &TableName, columns: &[String], what: &str) -> String {
    let name = format!("{}_{}_{what}", table.name, columns.join("_"));
    // PostgreSQL cuts names off at 63 bytes
    let mut end = name.len().min(63);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).unwrap_or_default().to_owned()
}

/// A word of a command line, quoted where a shell would read it otherwise.
pub(super) fn shell_word(word: &str) -> String {
    let plain = word.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '@'));
    if plain { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// What may help; `key` is what rows of the table are named by.
pub(super) fn fixes(
    rules: &TableRules,
    table: &Table,
    key: &[String],
    rule: &Rule,
    plan: &Plan,
    dialect: Dialect,
) -> Vec<Fix> {
    let mut fixes = Vec::new();
    let mut fix = |what: &str, text: String| fixes.push(Fix { what: what.to_owned(), text });
    if dialect != Dialect::Files {
        let spelled = |text: &str| match dialect {
            Dialect::MySql => fieldmark_engine::evaluate::for_mysql(text).unwrap_or_else(|| text.to_owned()),
            Dialect::Postgres | Dialect::Sqlite | Dialect::Files => text.to_owned(),
        };
        for (what, text) in statements(table, key, rule, plan, dialect) {
            fix(what, spelled(&text));
        }
    }
    let words = [rules.source.as_str(), &table.name.to_string(), rule.id.as_str()];
    let [source, name, id] = words.map(shell_word);
    fix("check this rule alone", format!("fieldmark check --source {source} --table {name} --rule {id}"));
    if let Some(guard) = guard(rules, (table, key), rule, plan) {
        fix("find a migration that changes it, a rule to add", guard);
    }
    fixes
}

/// A rule file by which a migration has to leave what the rule is about as it is: in one line, and without a literal of the rule's own. `None` where one has to
/// already, no columns of a row decide, or no key names its rows.
fn guard(rules: &TableRules, (table, key): (&Table, &[String]), rule: &Rule, plan: &Plan) -> Option<String> {
    if key.is_empty() {
        return None;
    }
    let columns: Vec<&str> = match plan {
        Plan::Row { .. } | Plan::Unique { .. } | Plan::References { .. } => rule.kind.columns(),
        Plan::Expression { text } => {
            let names = table.columns.iter().map(|column| column.name.as_str());
            names.filter(|name| speaks_of(text, name)).collect()
        }
        Plan::Fresh { .. } | Plan::RowCount { .. } | Plan::Distribution { .. } | Plan::Sql { .. } => return None,
    };
    let is_same = |column: &str| rules.across.same.iter().any(|own| own.column.value == column);
    // by its key a row is found again: it is the same
    let is_key = |column: &str| key.iter().any(|own| own == column);
    let columns: Vec<&str> = columns.into_iter().filter(|column| !is_same(column) && !is_key(column)).collect();
    let name = yaml::table_name(&rules.source, &table.name, rules.schema.is_some());
    let same = yaml::list(columns.iter().copied());
    (!columns.is_empty()).then(|| format!("{{ version: 1, table: {name}, across_migrations: {{ same: {same} }} }}"))
}

/// Where the rule's own text has no literal and no condition: what shows, repairs and prevents.
fn statements(
    table: &Table,
    key: &[String],
    rule: &Rule,
    plan: &Plan,
    dialect: Dialect,
) -> Vec<(&'static str, String)> {
    if rule.filter.is_some() {
        return Vec::new();
    }
    let name = table.name.quoted();
    let shown = |prefix: &str| if key.is_empty() { "count(*)".to_owned() } else { list(key, prefix) };
    match plan {
        Plan::Row { .. } if rule.kind.name() == "not_null" => {
            let Some(column) = rule.kind.columns().first().map(|column| (*column).to_owned()) else {
                return Vec::new();
            };
            let own = quote_identifier(&column);
            let mut all = vec![
                ("show the failing rows", format!("SELECT {} FROM {name} WHERE {own} IS NULL LIMIT 100", shown(""))),
                ("repair them, with a value of yours", format!("UPDATE {name} SET {own} = … WHERE {own} IS NULL")),
            ];
            match dialect {
                Dialect::Postgres => {
                    let constraint = quote_identifier(&constraint_name(&table.name, &[column], "not_null"));
                    all.push((
                        "keep others from coming, without a look at those that are there",
                        format!("ALTER TABLE {name} ADD CONSTRAINT {constraint} CHECK ({own} IS NOT NULL) NOT VALID"),
                    ));
                }
                Dialect::MySql | Dialect::Sqlite | Dialect::Files => {}
            }
            all
        }
        Plan::Unique { columns } => {
            let columns_list = list(columns, "");
            let present: Vec<String> =
                columns.iter().map(|column| format!("{} IS NOT NULL", quote_identifier(column))).collect();
            let mut all = vec![(
                "show the values that are there more than once",
                format!(
                    "SELECT {columns_list}, count(*) FROM {name} WHERE {} GROUP BY {columns_list} HAVING count(*) > 1 LIMIT 100",
                    present.join(" AND ")
                ),
            )];
            match dialect {
                Dialect::Postgres => all.push((
                    "keep others from coming, when those are gone",
                    format!("CREATE UNIQUE INDEX CONCURRENTLY ON {name} ({columns_list})"),
                )),
                Dialect::MySql | Dialect::Sqlite => {
                    let index = quote_identifier(&constraint_name(&table.name, columns, "unique"));
                    // SQLite names the schema of the index, and MySQL that of the table
                    let (index, on) = match dialect {
                        Dialect::Sqlite => (
                            format!("{}.{index}", quote_identifier(&table.name.schema)),
                            quote_identifier(&table.name.name),
                        ),
                        Dialect::MySql | Dialect::Postgres | Dialect::Files => (index, name.clone()),
                    };
                    let text = format!("CREATE UNIQUE INDEX {index} ON {on} ({columns_list})");
                    all.push(("keep others from coming, when those are gone", text));
                }
                Dialect::Files => {}
            }
            all
        }
        Plan::References { columns, to_schema, to_table, to_columns } => {
            let to = Target::of(&table.name, to_schema.as_ref(), to_table, to_columns);
            let orphans = orphans(&table.name, columns, &to, None);
            let mut all = vec![("show the failing rows", format!("SELECT {} {orphans} LIMIT 100", shown("c.")))];
            if dialect == Dialect::Postgres {
                let constraint = quote_identifier(&constraint_name(&table.name, columns, "fkey"));
                all.push((
                    "keep others from coming, without a look at those that are there",
                    format!(
                        "ALTER TABLE {name} ADD CONSTRAINT {constraint} FOREIGN KEY ({}) REFERENCES {} ({}) NOT VALID",
                        list(columns, ""),
                        to.table.quoted(),
                        list(to_columns, "")
                    ),
                ));
            }
            all
        }
        Plan::Row { .. }
        | Plan::Expression { .. }
        | Plan::Fresh { .. }
        | Plan::RowCount { .. }
        | Plan::Distribution { .. }
        | Plan::Sql { .. } => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::DataType;
    use fieldmark_engine::language::{RuleFile, parse_rule_files};
    use fieldmark_model::{Column, TableKind};

    fn parsed(text: &str) -> TableRules {
        let file = RuleFile { path: "rules/orders.yaml".into(), text: text.into() };
        parse_rule_files(&[file]).unwrap().pop().unwrap()
    }

    fn orders() -> Table {
        let column = |(name, data_type): (&str, DataType)| Column {
            name: name.into(),
            identity: None,
            declared: "text".into(),
            data_type,
            canonical_text: false,
            nullable: true,
            readable: true,
        };
        let columns = [
            ("id", DataType::Int64),
            ("status", DataType::Utf8),
            ("total", DataType::Int64),
            ("customer_id", DataType::Int64),
            ("it's \"odd\": # no", DataType::Utf8),
        ];
        Table {
            name: TableName::new("public", "orders"),
            identity: None,
            storage: None,
            kind: TableKind::Table,
            columns: columns.map(column).into(),
            row_number: None,
            primary_key: Some(vec!["id".into()]),
            unique: Vec::new(),
            indexes: Vec::new(),
            foreign_keys: Vec::new(),
            estimated_rows: None,
            pages: None,
        }
    }

    /// The rule that is proposed where this one fails, of a table whose rows have this key.
    fn proposed(rule: &str, more: &str, key: &[String]) -> Option<String> {
        let rules = parsed(&format!("version: 1\ntable: shop.public.orders\nrules:\n  - {rule}\n{more}"));
        let table = orders();
        let schema = table.arrow_schema(table.columns.iter().map(|column| column.name.as_str()));
        let plan = rules.rules[0].kind.plan(&schema).unwrap();
        guard(&rules, (&table, key), &rules.rules[0], &plan)
    }

    #[test]
    fn a_rule_that_is_proposed_is_one() {
        let key = ["id".to_owned()];
        for (rule, same) in [
            ("{ not_null: [status], severity: page, tolerance: 0.1% }", "status"),
            ("not_null: ['it''s \"odd\": # no']", "it's \"odd\": # no"),
            ("unique: ['it''s \"odd\": # no', total]", "it's \"odd\": # no, total"),
            ("in_set: { column: status, values: [secret] }", "status"),
            ("in_range: { column: total, min: 7 }", "total"),
            ("matches: { column: status, pattern: secret }", "status"),
            ("length: { column: status, max: 7 }", "status"),
            ("type_is: { column: status, type: json }", "status"),
            ("references: { column: customer_id, to: customers.id }", "customer_id"),
            ("{ expect: total > 7 OR status = 'secret', where: total < 9 }", "status, total"),
        ] {
            let text = proposed(rule, "", &key).unwrap();
            assert!(!text.contains(['7', '9', '\n']) && !text.contains("secret"), "a literal of the rule: {text}");
            let guard = parsed(&text);
            let table = (guard.source.as_str(), guard.schema.as_deref(), guard.table.as_str());
            assert_eq!(table, ("shop", Some("public"), "orders"));
            let columns: Vec<&str> = guard.across.same.iter().map(|own| own.column.value.as_str()).collect();
            assert_eq!((columns.join(", ").as_str(), guard.rules.len()), (same, 0), "{rule}");
        }
    }

    #[test]
    fn what_is_guarded_or_cannot_be_is_not_proposed() {
        let key = ["id".to_owned()];
        let status = "in_set: { column: status, values: [new] }";
        assert!(proposed(status, "", &key).is_some());
        assert_eq!(proposed(status, "", &[]), None, "no row is found again");
        assert_eq!(proposed(status, "across_migrations: { same: [status] }\n", &key), None);
        assert_eq!(proposed("unique: [id]", "", &key), None, "by its key a row is found");
        assert_eq!(proposed("row_count: { min: 1 }", "", &key), None);
    }
}
