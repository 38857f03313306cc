//! What is declared across a migration: values that it loses, columns that it renames, declarations that cannot hold, and what
//! several files say of one table.

use super::shop::{Run, Shop, fill};
use serde_json::Value;

/// Long enough to see that nobody else writes.
const CONTROL: [&str; 2] = ["--control", "1s"];

/// 3000 fines, `amount` in euros.
fn shop() -> Shop {
    let table = "CREATE TABLE fines (id INTEGER PRIMARY KEY, amount DECIMAL(8,2), status TEXT, free NUMERIC);";
    Shop::new(&format!(
        "{table}{}",
        fill("fines", 3000, "i, i + 0.25, CASE i % 3 WHEN 0 THEN 'paid' ELSE 'open' END, 1")
    ))
}

/// Amounts become cents.
const CENTS: &str = "across_migrations:
  same: [id, status]
  renamed: { amount_cents: amount }
  expect:
    - id: cents
      that: after.amount_cents = CAST(round(before.amount * 100) AS BIGINT)
  undeclared_changes: fail
";
const CONVERTED: &str =
    "ALTER TABLE fines ADD COLUMN amount_cents BIGINT; UPDATE fines SET amount_cents = round(amount * 100);
    ALTER TABLE fines DROP COLUMN amount;";

/// Marks, migrates, recaptures.
fn migrated(shop: &Shop, migration: &str) -> Run {
    shop.run(&[&["before"], &CONTROL[..]].concat()).gives(0);
    shop.sql(migration);
    shop.run(&[&["after"], &CONTROL[..]].concat())
}

/// Every part is on standard output, whatever breaks lines there.
#[track_caller]
fn says(run: &Run, parts: &[&str]) {
    let flat = run.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in parts {
        assert!(flat.contains(part), "nothing says {part:?}:\n{}\n{}", run.out, run.err);
    }
}

#[test]
fn a_value_that_was_lost_is_no_answer_to_an_expectation() {
    for (fill, lost) in
        [("amount_cents = NULL", 3000), ("amount_cents = round(amount * 100) WHERE status = 'paid'", 2000)]
    {
        let shop = shop();
        shop.rules("fines", CENTS);
        let run = migrated(
            &shop,
            &format!(
                "ALTER TABLE fines ADD COLUMN amount_cents BIGINT; UPDATE fines SET {fill}; ALTER TABLE fines DROP COLUMN amount;"
            ),
        );
        let lost = format!("{} {:03}", lost / 1000, lost % 1000);
        says(&run.gives(1), &[&format!("cents does not hold for {lost} of 3 000 rows"), "BROKEN"]);
    }
    // nothing was there that could have been lost
    let shop = shop();
    shop.sql("UPDATE fines SET amount = NULL WHERE id > 1000");
    shop.rules("fines", CENTS);
    says(&migrated(&shop, CONVERTED).gives(0), &["cents holds in 1 000 rows, and cannot be told of 2 000 rows"]);
    // whoever asks for it has it so
    let shop = self::shop();
    shop.rules("fines", &CENTS.replace("AS BIGINT)\n", "AS BIGINT)\n      nulls: pass\n"));
    let run = migrated(
        &shop,
        "ALTER TABLE fines ADD COLUMN amount_cents BIGINT;
         UPDATE fines SET amount_cents = round(amount * 100) WHERE status = 'paid'; ALTER TABLE fines DROP COLUMN amount;",
    );
    says(&run.gives(0), &["cents holds in 1 000 rows, and cannot be told of 2 000 rows"]);
}

#[test]
fn files_that_spell_a_table_differently_speak_of_one_table() {
    let shop = shop();
    shop.rules("fines", CENTS);
    shop.write(
        "rules/others.yaml",
        "version: 1\ntable: shop.main.fines\nrules:\n  - not_null: [status]\nacross_migrations: { rows: kept }\n",
    );
    let report = migrated(&shop, CONVERTED).gives(0);
    says(&report, &["as declared", "cents holds in 3 000 rows"]);
    assert_eq!(report.out.matches("3 000 marked").count(), 1, "{}", report.out);

    // what one file says of the table is true of what the other one says
    let shop = self::shop();
    shop.rules("fines", CENTS);
    shop.write("rules/others.yaml", "version: 1\ntable: shop.main.fines\nrules:\n  - not_null: [status]\n");
    says(
        &migrated(&shop, &format!("{CONVERTED} UPDATE fines SET status = 'paid';")).gives(1),
        &["although declared to stay the same"],
    );

    shop.write("rules/others.yaml", "version: 1\ntable: shop.main.fines\nkey: [status]\nrules: []\n");
    let rules = shop.read("rules/fines.yaml");
    shop.write("rules/fines.yaml", &rules.replace("across_migrations", "key: [id]\nacross_migrations"));
    let run = shop.run(&["check"]).gives(78);
    assert!(run.err.contains("give different `key`") && run.err.contains("rules/others.yaml"), "{}", run.err);
}

#[test]
fn rules_about_a_column_that_is_renamed_are_no_obstacle() {
    for rule in ["in_range: { column: amount, min: 0 }", "{ expect: amount >= 0, id: some }", "not_null: amount_cents"]
    {
        let shop = shop();
        shop.rules("fines", &format!("rules:\n  - {rule}\n  - not_null: status\n{CENTS}"));
        let before = shop.run(&[&["before"], &CONTROL[..]].concat()).gives(0);
        let comes = rule.contains("cents");
        if comes {
            says(&before, &["which comes with the migration"]);
        }
        shop.sql(CONVERTED);
        let after = shop.run(&[&["after"], &CONTROL[..]].concat()).gives(0);
        says(
            &after,
            &[if comes { "shop.fines.not_null.amount_cents" } else { "which went as declared: correct the rule file" }],
        );
    }
    // a rule about a column that nobody declared to go is another matter
    let shop = shop();
    shop.rules("fines", "rules:\n  - not_null: amount\n");
    let run = migrated(&shop, "ALTER TABLE fines DROP COLUMN amount");
    says(&run.gives(2), &["column amount was dropped", "nothing declares it", "cannot be evaluated now"]);
}

#[test]
fn a_declaration_that_cannot_hold_is_told_before_the_migration() {
    let shop = shop();
    for (wrong, says) in [
        ("before.amout", &["rules/fines.yaml:8:", "reads a column before", "`amout`", "did you mean `amount`?"][..]),
        ("before.free", &["no Arrow type to calculate with", "NUMERIC", "leave the expectation out"]),
    ] {
        shop.rules("fines", &CENTS.replace("before.amount", wrong));
        for command in [&["before", "--control", "0s"][..], &["guard", "--control", "0s", "--", "touch", "started"]] {
            let run = shop.run(command).gives(78);
            for part in says {
                assert!(run.err.contains(part), "{part}: {}", run.err);
            }
        }
        assert!(!shop.path("started").exists());
    }
}

#[test]
fn a_declaration_of_an_earlier_migration_stands_in_no_way() {
    let shop = shop();
    shop.rules("fines", CENTS);
    migrated(&shop, CONVERTED).gives(0);
    // the next one is about something else, and nobody has cleared the file
    let run = migrated(&shop, "ALTER TABLE fines ADD COLUMN paid_on TEXT").gives(1);
    says(&run, &["column paid_on was added, and nothing declares it"]);
    assert!(!run.out.contains("cents"), "{}", run.out);
}

#[test]
fn what_is_declared_of_a_change_and_does_not_hold_is_not_called_declared() {
    let shop = shop();
    shop.rules("fines", CENTS);
    let run = migrated(&shop, &CONVERTED.replace("amount * 100", "amount"));
    let report = shop.json(&[&["after"], &CONTROL[..]].concat(), 1);
    let columns = report["tables"][0]["columns"].as_array().unwrap();
    let cents = columns.iter().find(|column| column["column"] == "amount_cents").unwrap();
    assert_eq!(cents["expectation"], Value::from("undecided"), "{cents:#}");
    says(&run.gives(1), &["cents declares it and does not hold"]);
}

/// A rule is not well because the rows that were shown are.
#[test]
fn more_failing_rows_are_known_than_are_shown() {
    let table = "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER);";
    let shop = Shop::with_rules(
        &format!("{table}{}", fill("t", 60_000, "i, CASE WHEN i % 4000 = 0 THEN -1 ELSE 1 END")),
        "rules:\n  - { in_range: { column: a, min: 0 }, id: low }\n",
    );
    let shown = |report: &Value| -> Vec<String> {
        let examples = report["outcomes"][0]["examples"].as_array().unwrap();
        examples.iter().map(|example| example.as_str().unwrap().to_owned()).collect()
    };
    let first = shown(&shop.json(&["check", "--full"], 1));
    assert_eq!(first.len(), 5);
    shop.sql(&format!("UPDATE t SET a = 1 WHERE {}", first.join(" OR ")));
    let report = shop.json(&["check", "--no-enlarge", "--seed", "1"], 1);
    assert_eq!(report["outcomes"][0]["known_failing"]["failing"], 10, "{report:#}");
    shop.sql("UPDATE t SET a = 1");
    shop.run(&["check", "--no-enlarge"]).gives(0);
}
