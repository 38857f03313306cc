use super::*;
use crate::profile;
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use fieldmark_engine::language::{RuleFile, parse_rule_files};
use fieldmark_model::catalogue::ForeignKey;
use fieldmark_model::{Chunk, Column, TableKind, TableName};
use std::sync::Arc;

const ROWS: i64 = 400;

/// A table of integer and text columns, each a function of the row's number; `None` is NULL.
struct Made {
    table: Table,
    arrays: Vec<(String, ArrayRef)>,
    checks: Vec<Checked>,
}

fn made() -> Made {
    let table = Table {
        name: TableName::new("main", "orders"),
        identity: None,
        storage: None,
        kind: TableKind::Table,
        columns: Vec::new(),
        row_number: None,
        primary_key: None,
        unique: Vec::new(),
        indexes: Vec::new(),
        foreign_keys: Vec::new(),
        estimated_rows: None,
        pages: None,
    };
    Made { table, arrays: Vec::new(), checks: Vec::new() }
}

impl Made {
    fn column(mut self, name: &str, declared: &str, array: ArrayRef) -> Self {
        self.table.columns.push(Column {
            name: name.to_owned(),
            identity: None,
            declared: declared.to_owned(),
            data_type: array.data_type().clone(),
            canonical_text: false,
            nullable: true,
            readable: true,
        });
        self.arrays.push((name.to_owned(), array));
        self
    }

    fn numbers(self, name: &str, value: impl Fn(i64) -> Option<i64>) -> Self {
        self.column(name, "bigint", Arc::new(Int64Array::from_iter((0..ROWS).map(value))))
    }

    fn texts(self, name: &str, value: impl Fn(i64) -> Option<String>) -> Self {
        self.column(name, "text", Arc::new(StringArray::from_iter((0..ROWS).map(value))))
    }

    fn chunk(&self) -> Chunk {
        let columns = self.arrays.iter().map(|(name, array)| (name.as_str(), Arc::clone(array), true));
        Chunk::whole(RecordBatch::try_from_iter_with_nullable(columns).unwrap())
    }

    fn proposals(&self, others: &[&Table], typed: bool) -> Vec<Proposal> {
        let columns = profile(&self.table, &self.chunk());
        let subject = Subject {
            table: &self.table,
            columns: &columns,
            rows: ROWS as u64,
            population: ROWS as u64,
            whole: true,
            checks: &self.checks,
            typed,
            sees_to_references: typed,
        };
        propose(&subject, others, DateTime::from_timestamp(1_773_480_413, 0).unwrap())
    }

    /// The rules alone, each one that the language reads.
    fn rules(&self, others: &[&Table]) -> Vec<String> {
        let rules: Vec<String> = self.proposals(others, true).into_iter().map(|proposal| proposal.rule).collect();
        for rule in &rules {
            let item = rule.lines().collect::<Vec<_>>().join("\n    ");
            let text = format!("version: 1\ntable: s.orders\nrules:\n  - {item}\n");
            let read = parse_rule_files(&[RuleFile { path: "t.yaml".into(), text: text.clone() }]);
            assert!(read.is_ok(), "{text}\n{read:?}");
        }
        rules
    }

    fn has(&self, rule: &str) -> bool {
        self.rules(&[]).iter().any(|own| own == rule)
    }

    fn of_kind(&self, kind: &str) -> Vec<String> {
        let held = self.proposals(&[], true).into_iter().filter(|own| own.kind == kind && own.contrary == 0);
        held.map(|own| own.rule).collect()
    }

    /// What almost holds, with the rows that say otherwise.
    fn almost(&self) -> Vec<(String, u64)> {
        let almost = self.proposals(&[], true).into_iter().filter(|own| own.contrary > 0);
        almost.map(|own| (own.rule, own.contrary)).collect()
    }
}

fn day(row: i64) -> String {
    // days of March 2026, the last of them just before the run's time
    format!("2026-03-{:02} {:02}:00:00", 1 + row * 13 / ROWS, row % 24)
}

#[test]
fn what_may_be_null_and_never_is() {
    let table = made().numbers("a", Some).numbers("b", |row| (row != 7).then_some(row));
    assert_eq!(table.of_kind("not_null"), ["not_null: a"]);
    let mut declared = made().numbers("a", Some);
    declared.table.columns[0].nullable = false;
    assert!(!declared.has("not_null: a"));
}

#[test]
fn nulls_that_are_rare_have_a_limit() {
    let table = made().numbers("b", |row| (row % 100 != 7).then_some(row));
    let rules = table.of_kind("distribution");
    assert_eq!(rules.len(), 1, "{rules:?}");
    assert!(rules[0].contains("null_fraction"), "{rules:?}");
}

#[test]
fn keys_that_are_not_declared() {
    let table = made().texts("order_no", |row| Some(format!("R{row}"))).texts("note", |row| Some(format!("n{row}")));
    assert_eq!(table.of_kind("unique"), ["unique: order_no"]);
    let twice = made().texts("order_no", |row| Some(format!("R{}", row.max(1))));
    assert!(twice.of_kind("unique").is_empty());
    let mut enforced = made().texts("order_no", |row| Some(format!("R{row}")));
    enforced.table.unique = vec![vec!["order_no".into()]];
    assert!(enforced.of_kind("unique").is_empty());
}

#[test]
fn references_that_are_not_declared() {
    let mut customers = made().numbers("id", Some).table;
    customers.name = TableName::new("main", "customers");
    customers.primary_key = Some(vec!["id".into()]);
    let of = |table: &Made, others: &[&Table]| -> Vec<String> {
        table.proposals(others, true).into_iter().filter(|own| own.kind == "references").map(|own| own.rule).collect()
    };
    let orders = || made().numbers("customer_id", |row| Some(row % 40));
    assert_eq!(of(&orders(), &[&customers]), ["references: { column: customer_id, to: customers.id }"]);
    assert!(of(&orders(), &[]).is_empty());
    let mut declared = orders();
    declared.table.foreign_keys =
        vec![ForeignKey { columns: vec!["customer_id".into()], table: customers.name.clone(), to: vec!["id".into()] }];
    assert!(of(&declared, &[&customers]).is_empty());
    // where writers may switch it off it is worth a look
    let unseen = declared.proposals(&[&customers], false).into_iter().filter(|own| own.kind == "references");
    let unseen: Vec<String> = unseen.map(|own| own.rule).collect();
    assert_eq!(unseen, ["references: { column: customer_id, to: customers.id }"]);
    // no type that could refer to it
    let texts = made().texts("customer_id", |row| Some(format!("c{row}")));
    assert!(of(&texts, &[&customers]).is_empty());
}

#[test]
fn sets_of_few_values() {
    let status = |row: i64| Some(["new", "paid", "on hold"][row as usize % 3].to_owned());
    let table = made().texts("status", status);
    assert_eq!(table.of_kind("in_set"), ["in_set: { column: status, values: [new, \"on hold\", paid] }"]);
    // a value that was hardly met says that others were not met at all
    let rare = made().texts("status", |row| if row == 5 { Some("odd".into()) } else { status(row) });
    assert!(rare.of_kind("in_set").is_empty());
    // values of a personal column are in no file
    assert!(made().texts("last_name", status).of_kind("in_set").is_empty());
    let mut checked = made().texts("status", status);
    checked.checks = vec![Checked { columns: vec!["status".into()] }];
    assert!(checked.of_kind("in_set").is_empty());
}

#[test]
fn forms_of_texts() {
    let table = made().texts("contact", |row| Some(format!("user{row}@example.org")));
    let rules = table.of_kind("matches");
    assert_eq!(rules.len(), 1, "{rules:?}");
    assert_eq!(personal(&profile(&table.table, &table.chunk())), ["contact"]);
    let form = made().texts("code", |row| Some(format!("AB-{row:04}")));
    assert_eq!(form.of_kind("matches"), ["matches: { column: code, pattern: '^AB\\-[0-9]{4}$' }"]);
    let free = made().texts("note", |row| Some("x".repeat(1 + row as usize % 30)));
    assert!(free.of_kind("matches").is_empty());
}

#[test]
fn texts_that_read_as_something_else() {
    let table = made().texts("payload", |row| Some(format!("{{\"a\": {row}}}")));
    assert_eq!(table.of_kind("type_is"), ["type_is: { column: payload, type: json }"]);
    // zeros in front count: it is a code
    assert!(made().texts("zip_no", |row| Some(format!("{row:05}"))).of_kind("type_is").is_empty());
    // a database that has the type refuses the rest
    let uuid = |row: i64| Some(format!("00000000-0000-4000-8000-{row:012}"));
    let mut native = made().texts("ext", uuid);
    native.table.columns[0].declared = "uuid".into();
    assert!(native.proposals(&[], true).iter().all(|own| own.kind != "type_is"));
    assert!(native.proposals(&[], false).iter().any(|own| own.kind == "type_is"));
}

#[test]
fn ranges_have_room() {
    assert_eq!(made().numbers("cents", Some).of_kind("in_range"), ["in_range: { column: cents, min: 0, max: 1000 }"]);
    let below = made().numbers("change", |row| Some(row - 200)).of_kind("in_range");
    assert!(below[0].starts_with("in_range: { column: change, min: -"), "{below:?}");
    // numbers that stand for something have no range
    assert!(made().numbers("parent_id", Some).of_kind("in_range").is_empty());
}

#[test]
fn rows_that_come_are_fresh() {
    let mut table = made().texts("created_at", |row| Some(day(row)));
    table.table.indexes = vec![vec!["created_at".into()]];
    let rules = table.of_kind("fresh");
    assert_eq!(rules.len(), 1, "{rules:?}");
    assert!(rules[0].starts_with("fresh: { column: created_at, within: "), "{rules:?}");
    // nothing has come for long: it says nothing of when it should
    let old = made().texts("created_at", |row| Some(day(row).replace("2026", "2021")));
    assert!(old.of_kind("fresh").is_empty());
}

#[test]
fn rows_that_sum_up_and_times_in_order() {
    let table = made()
        .numbers("net", |row| Some(100 + row * 7))
        .numbers("tax", |row| Some(row * row % 97))
        .numbers("total", |row| Some(100 + row * 7 + row * row % 97));
    assert_eq!(table.of_kind("expect"), ["id: orders.total_and_net_and_tax\nexpect: total = net + tax"]);
    let times = made()
        .texts("ordered_at", |row| Some(day(row)))
        .texts("shipped_at", |row| (row % 3 == 0).then(|| day(row + 40)))
        .texts("status", |row| Some(["shipped", "new", "paid"][row as usize % 3].to_owned()));
    let rules = times.of_kind("expect");
    assert!(rules.iter().any(|rule| rule.ends_with("expect: ordered_at <= shipped_at")), "{rules:?}");
    assert!(
        rules.iter().any(|rule| rule.ends_with("expect: shipped_at IS NOT NULL\nwhere: status = 'shipped'")),
        "{rules:?}"
    );
}

#[test]
fn what_almost_holds_is_told_apart() {
    let odd = |row: i64| row % 190 == 7;
    let table = made()
        .texts("order_no", |row| Some(format!("R{}", if odd(row) { 1 } else { row + 1000 })))
        .texts("status", move |row| {
            Some(if odd(row) { format!("x{row}") } else { ["new", "paid"][row as usize % 2].into() })
        })
        .texts("contact", move |row| Some(if odd(row) { "?".into() } else { format!("u{row}@example.org") }))
        .texts("payload", move |row| Some(if odd(row) { "-".into() } else { format!("{{\"a\": {row}}}") }))
        .texts("zip", move |row| {
            Some(if odd(row) { "12".into() } else { format!("{}", 10_000 + row) + ["a", "B"][row as usize % 2] })
        })
        .numbers("net", |row| Some(100 + row * 7))
        .numbers("tax", |row| Some(1 + row * row % 97))
        .numbers("total", move |row| Some(101 + row * 7 + row * row % 97 + i64::from(odd(row))))
        .numbers("fee", move |row| Some(if odd(row) { -1 } else { row % 50 }))
        .texts("size", |row| {
            Some(if row == 9 || row == 90 || row == 100 {
                "Large".into()
            } else {
                ["large", "small"][row as usize % 2].to_owned()
            })
        })
        .numbers("weight", |row| (row != 5).then_some(row % 40 + 1))
        .texts("ordered_at", |row| Some(day(row)))
        .texts("shipped_at", move |row| (row % 3 == 0 && !odd(row)).then(|| day(if row == 30 { 0 } else { row + 40 })))
        .texts("kind", |row| Some(["shipped", "open", "open"][row as usize % 3].to_owned()));
    let almost = table.almost();
    let has = |rule: &str, contrary: u64| almost.iter().any(|own| own.0.contains(rule) && own.1 == contrary);
    for (rule, contrary) in [
        ("unique: order_no", 2),
        ("in_set: { column: status, values: [new, paid] }", 3),
        ("matches: { column: contact", 3),
        ("type_is: { column: payload, type: json }", 3),
        ("length: { column: zip, min: 6, max: 6 }", 3),
        ("expect: total = net + tax", 3),
        ("in_range: { column: fee, min: 0, max: 100 }", 3),
        ("in_set: { column: size, values: [small, large] }", 3),
        ("not_null: weight", 1),
        ("expect: ordered_at <= shipped_at", 1),
        ("expect: shipped_at IS NOT NULL\nwhere: kind = 'shipped'", 1),
    ] {
        assert!(has(rule, contrary), "{rule} {contrary}: {almost:#?}");
    }
    assert_eq!(personal(&profile(&table.table, &table.chunk())), ["contact", "zip"]);
}

#[test]
fn what_is_often_otherwise_does_not_almost_hold() {
    let often = |row: i64| row % 20 == 7;
    let table = made()
        .texts("order_no", move |row| Some(format!("R{}", if often(row) { 1 } else { row + 1000 })))
        .texts("contact", move |row| Some(if often(row) { "?".into() } else { format!("u{row}@example.org") }))
        // hardly any row has a part beside the other: the whole is the other by itself
        .numbers("net", |row| Some(100 + row * 7))
        .numbers("fee", |row| Some(i64::from(row % 150 == 0) * 5))
        .numbers("total", |row| Some(100 + row * 7));
    assert_eq!(table.almost(), []);
}

#[test]
fn few_rows_say_nothing() {
    let table = made().numbers("a", Some);
    let chunk = table.chunk().batch.slice(0, 20);
    let columns = profile(&table.table, &Chunk::whole(chunk));
    let subject = Subject {
        table: &table.table,
        columns: &columns,
        rows: 20,
        population: 20,
        whole: true,
        checks: &[],
        typed: true,
        sees_to_references: true,
    };
    assert!(propose(&subject, &[], DateTime::UNIX_EPOCH).is_empty());
}

#[test]
fn the_same_of_several_columns_is_one_rule() {
    let table = made().numbers("a", Some).numbers("b", Some).texts("odd name", |_| Some("x".into()));
    let merged = merged(table.proposals(&[], true));
    let rules: Vec<&str> = merged.iter().filter(|own| own.kind == "not_null").map(|own| own.rule.as_str()).collect();
    assert_eq!(rules, ["not_null: [a, b, \"odd name\"]"]);
}
