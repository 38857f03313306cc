//! What may help where a rule cannot be checked since a migration took a table or a column away, or called it otherwise: to be looked at by somebody.
//! None of the rule's literals is in it.

use super::fixes::shell_word;
use fieldmark_change::{Gone, GoneColumn, NewName};
use fieldmark_document::{Place, shown};
use fieldmark_engine::evaluate::{for_mysql, speaks_of};
use fieldmark_engine::rule::{Rule, TableRules};
use fieldmark_model::name::quote_identifier;
use fieldmark_model::outcome::Fix;
use fieldmark_model::{Dialect, NotEvaluated, Outcome, TableName};
use std::ops::RangeInclusive;

/// Adds to outcomes of rules that cannot be checked what may help, after all that is gone.
pub(crate) fn help(gone: &[Gone], rules: &[&TableRules], dialect: Dialect, outcomes: &mut [Outcome]) {
    for outcome in outcomes {
        let id = outcome.rule.as_str();
        let all = rules.iter().flat_map(|rules| rules.rules.iter().map(move |rule| (*rules, rule)));
        let Some((rules, rule)) = all.into_iter().find(|(rules, rule)| rules.may_have(rule, id)) else { continue };
        let own = gone.iter().rev();
        outcome.fixes = match outcome.not_evaluated {
            Some(NotEvaluated::TableMissing) => {
                let is_it = |gone: &&Gone| gone.column.is_none() && is_called(&gone.table, &outcome.table);
                own.filter(is_it).take(1).flat_map(|gone| of_table(gone, rules, dialect)).collect()
            }
            Some(NotEvaluated::ColumnMissing) => own
                .filter_map(|gone| gone.column.as_ref().map(|column| (column, gone.now.as_ref())))
                .filter(|(column, _)| column.of == outcome.table && !lines(rule, &column.name).is_empty())
                .flat_map(|(column, now)| of_column(column, now, rule, dialect))
                .collect(),
            Some(_) | None => continue,
        };
    }
}

/// Whether a table was called so, by whoever may leave its schema out.
fn is_called(table: &TableName, name: &TableName) -> bool {
    table.name == name.name && (name.schema.is_empty() || table.schema == name.schema)
}

fn of_table(gone: &Gone, rules: &TableRules, dialect: Dialect) -> Vec<Fix> {
    let Some(now) = &gone.now else { return Vec::new() };
    let schema = now.schema.as_ref().unwrap_or(&gone.table.schema);
    let (is, was) = (TableName::new(schema.as_str(), now.name.as_str()), &gone.table);
    let rename = match dialect {
        Dialect::Postgres if is.schema != was.schema => {
            let moved = TableName::new(was.schema.as_str(), is.name.as_str());
            let moves = format!("ALTER TABLE {} SET SCHEMA {}", is.quoted(), quote_identifier(&was.schema));
            let renames = format!("ALTER TABLE {} RENAME TO {}", moved.quoted(), quote_identifier(&was.name));
            Some(if is.name == was.name { moves } else { format!("{moves}; {renames}") })
        }
        Dialect::Postgres | Dialect::Sqlite => {
            Some(format!("ALTER TABLE {} RENAME TO {}", is.quoted(), quote_identifier(&was.name)))
        }
        Dialect::MySql => for_mysql(&format!("ALTER TABLE {} RENAME TO {}", is.quoted(), was.quoted())),
        Dialect::Files => None,
    };
    let (new, old) = (shown(&is.to_string()), shown(&was.to_string()));
    let back = rename.map(|text| Fix { what: back(&new, &old, now.is_known), text });
    let line = rules.place.line..=rules.place.line;
    let spelled = rewrite(&rules.place, &[line], &was.name, &is.name);
    let speaks = Fix { what: format!("have the rules speak of {new}"), text: spelled };
    // what else the file says of the table's place would have to be another thing
    let same_schema = is.schema == was.schema;
    back.into_iter().chain(Some(speaks).filter(|_| same_schema && !rules.pattern.is_any())).collect()
}

fn of_column(column: &GoneColumn, now: Option<&NewName>, rule: &Rule, dialect: Dialect) -> Vec<Fix> {
    let (table, name) = (column.of.quoted(), quote_identifier(&column.name));
    let spelled = |text: String| match dialect {
        Dialect::Postgres | Dialect::Sqlite => Some(text),
        Dialect::MySql => for_mysql(&text),
        Dialect::Files => None,
    };
    let Some(now) = now else {
        // a list of the values that there are is its author's
        let text = Some(format!("ALTER TABLE {table} ADD COLUMN {name} {}", column.declared));
        let text = text.filter(|_| !column.declared.contains('\'')).and_then(spelled);
        let (of, own) = (shown(&column.of.to_string()), shown(&column.name));
        let what = format!("give {of} the column {own} again, without the values that it had");
        return text.map(|text| Fix { what, text }).into_iter().collect();
    };
    let rename = format!("ALTER TABLE {table} RENAME COLUMN {} TO {name}", quote_identifier(&now.name));
    let what = back(&shown(&now.name), &shown(&column.name), now.is_known);
    let speaks = Fix {
        what: format!("have {} speak of {}", rule.id, shown(&now.name)),
        text: rewrite(&rule.place, &lines(rule, &column.name), &column.name, &now.name),
    };
    spelled(rename).map(|text| Fix { what, text }).into_iter().chain([speaks]).collect()
}

/// What a renaming back is called.
fn back(is: &str, was: &str, is_known: bool) -> String {
    if is_known { format!("call {is} {was} again") } else { format!("call {is} {was} again, if that is what it was") }
}

/// The lines of its file in which a rule speaks of a column.
fn lines(rule: &Rule, column: &str) -> Vec<RangeInclusive<u32>> {
    let columns = rule.kind.placed_columns().into_iter().filter(|own| own.value == column);
    let texts = rule.kind.placed_expression().into_iter().chain(&rule.filter);
    let texts = texts.filter(|text| speaks_of(&text.value, column)).map(|text| {
        let more = u32::try_from(text.value.lines().count().saturating_sub(1)).unwrap_or(u32::MAX);
        text.place.line..=text.place.line.saturating_add(more)
    });
    let mut lines: Vec<_> = columns.map(|own| own.place.line..=own.place.line).chain(texts).collect();
    lines.sort_by_key(|lines| *lines.start());
    lines.dedup();
    lines
}

/// A command that has these lines of a file speak of something else, or where, and of what.
fn rewrite(place: &Place, lines: &[RangeInclusive<u32>], was: &str, is: &str) -> String {
    let spelled: Vec<String> = (lines.iter())
        .map(|lines| match (lines.start(), lines.end()) {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first},{last}"),
        })
        .collect();
    let is_plain = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_plain(was) || !is_plain(is) {
        return format!("{}, line {}: {} for {}", place.file, spelled.join("; "), shown(is), shown(was));
    }
    let words: Vec<String> = spelled.iter().map(|lines| format!("{lines}s/\\b{was}\\b/{is}/g")).collect();
    format!("sed -i '{}' {}", words.join("; "), shell_word(&place.file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldmark_engine::language::{RuleFile, parse_rule_files};
    use fieldmark_model::{RuleId, SourceName, Status};

    const RULES: &str = "version: 1
table: shop.orders
rules:
  - { id: a, not_null: [status] }
  - id: b
    expect: |
      total > 0
      OR status = 'new'
  - { id: c, not_null: [total], where: status <> 'draft' }
  - { id: d, not_null: [total] }
";

    /// What may help a rule that was not evaluated for this reason: the texts.
    fn helped(text: &str, gone: &Gone, (rule, why): (&str, NotEvaluated), dialect: Dialect) -> Vec<(String, String)> {
        let file = RuleFile { path: "rules/my orders.yaml".into(), text: text.into() };
        let parsed = parse_rule_files(&[file]).unwrap();
        let schema = if why == NotEvaluated::TableMissing { "" } else { "public" };
        let table = TableName::new(schema, "orders");
        let blank = Outcome::blank(SourceName::new("shop"), table, RuleId::new(rule), "not_null");
        let mut outcomes = [Outcome { status: Status::NotEvaluated, not_evaluated: Some(why), ..blank }];
        help(std::slice::from_ref(gone), &parsed.iter().collect::<Vec<_>>(), dialect, &mut outcomes);
        outcomes[0].fixes.iter().map(|fix| (fix.what.clone(), fix.text.clone())).collect()
    }

    fn column(name: &str, now: Option<(&str, bool)>) -> Gone {
        let table = TableName::new("public", "orders");
        Gone {
            column: Some(GoneColumn { of: table.clone(), name: name.into(), declared: "text".into() }),
            now: now.map(|(name, is_known)| NewName { schema: None, name: name.into(), is_known }),
            table,
        }
    }

    fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter().map(|(what, text)| ((*what).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn a_column_is_called_again_what_it_was_or_the_rule_speaks_of_its_new_name() {
        let missing = |rule| (rule, NotEvaluated::ColumnMissing);
        let renamed = column("status", Some(("state", true)));
        let back =
            ("call `state` `status` again", "ALTER TABLE \"public\".\"orders\" RENAME COLUMN \"state\" TO \"status\"");
        for (rule, lines) in [("a", "4"), ("b", "7,8"), ("c", "9")] {
            let sed = format!("sed -i '{lines}s/\\bstatus\\b/state/g' 'rules/my orders.yaml'");
            let speaks = format!("have {rule} speak of `state`");
            assert_eq!(helped(RULES, &renamed, missing(rule), Dialect::Postgres), pairs(&[back, (&speaks, &sed)]));
        }
        let pattern = RULES.replace("shop.orders", "shop.public.ord*");
        assert_eq!(helped(&pattern, &renamed, missing("a/public.orders"), Dialect::Postgres).len(), 2, "of each table");
        assert_eq!(helped(RULES, &renamed, missing("d"), Dialect::Postgres), [], "it does not speak of it");
        assert_eq!(helped(RULES, &renamed, ("a", NotEvaluated::Timeout), Dialect::Postgres), []);
        let maybe = column("status", Some(("the state", false)));
        let expected = [
            (
                "call `the state` `status` again, if that is what it was",
                "ALTER TABLE `public`.`orders` RENAME COLUMN `the state` TO `status`",
            ),
            ("have a speak of `the state`", "rules/my orders.yaml, line 4: `the state` for `status`"),
        ];
        assert_eq!(helped(RULES, &maybe, missing("a"), Dialect::MySql), pairs(&expected));
        let dropped = column("status", None);
        let expected = [(
            "give `public.orders` the column `status` again, without the values that it had",
            "ALTER TABLE \"public\".\"orders\" ADD COLUMN \"status\" text",
        )];
        assert_eq!(helped(RULES, &dropped, missing("a"), Dialect::Sqlite), pairs(&expected));
        let GoneColumn { of, name, .. } = dropped.column.clone().unwrap();
        let listed = GoneColumn { of, name, declared: "enum('paid','new')".into() };
        assert_eq!(
            helped(RULES, &Gone { column: Some(listed), ..dropped }, missing("a"), Dialect::MySql),
            [],
            "its values are somebody's"
        );
    }

    #[test]
    fn a_table_is_called_again_what_it_was_or_its_rules_speak_of_its_new_name() {
        let missing = ("a", NotEvaluated::TableMissing);
        let gone = |schema: &str, name: &str| Gone {
            table: TableName::new("public", "orders"),
            column: None,
            now: Some(NewName { schema: Some(schema.into()), name: name.into(), is_known: true }),
        };
        let sed = ("have the rules speak of `public.sales`", "sed -i '2s/\\borders\\b/sales/g' 'rules/my orders.yaml'");
        let back = "call `public.sales` `public.orders` again";
        for (dialect, text) in [
            (Dialect::Postgres, "ALTER TABLE \"public\".\"sales\" RENAME TO \"orders\""),
            (Dialect::Sqlite, "ALTER TABLE \"public\".\"sales\" RENAME TO \"orders\""),
            (Dialect::MySql, "ALTER TABLE `public`.`sales` RENAME TO `public`.`orders`"),
        ] {
            assert_eq!(helped(RULES, &gone("public", "sales"), missing, dialect), pairs(&[(back, text), sed]));
        }
        assert_eq!(
            helped(RULES, &gone("old", "sales"), missing, Dialect::Postgres),
            pairs(&[(
                "call `old.sales` `public.orders` again",
                "ALTER TABLE \"old\".\"sales\" SET SCHEMA \"public\"; ALTER TABLE \"public\".\"sales\" RENAME TO \"orders\""
            )])
        );
        assert_eq!(
            helped(RULES, &Gone { now: None, ..gone("", "") }, missing, Dialect::Postgres),
            [],
            "nothing brings it back"
        );
    }
}
