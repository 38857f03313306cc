//! `init`: rules that are proposed for a sound database hold, each of them fails when what it says is not so any more,
//! and nothing secret is written.

use super::served::Served;
use super::shop::{Run, Shop, fill};
use crate::server::postgres::PASSWORD;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

/// Tables with all that can be proposed, and some that the database sees to by itself; the same SQL for both databases.
const TABLES: &str = "
    create table customers (id integer primary key, email varchar(80) not null, name varchar(80), zip varchar(10));
    create table warehouses (id integer primary key, city varchar(40) not null unique);
    create table orders (
        id integer primary key, customer_id integer not null,
        warehouse_id integer not null references warehouses (id),
        order_no varchar(20) not null, slip varchar(20) not null unique, status varchar(20),
        quantity integer not null check (quantity between 1 and 9),
        net_cents integer, tax_cents integer, total_cents integer,
        created_at timestamp, shipped_at timestamp, payload text, note varchar(40));";

/// Tables, rows, and the values of a row over `i`; `ago` is SQL for so many minutes before now.
fn values(ago: fn(&str) -> String) -> [(&'static str, u32, String); 3] {
    let customer = "i, 'person' || i || '@example.org', 'Person ' || (i % 50), '0' || (1000 + i % 100)";
    let order = format!(
        "i, 1 + i * 7 % 500, 1 + i % 5, 'A-' || (100000 + i), 's' || (i * 7919 % 100003),
         case i % 4 when 0 then 'new' when 1 then 'paid' when 2 then 'shipped' else 'cancelled' end, 1 + i % 9,
         100 + i * 37 % 900, 10 + i * 11 % 90, 110 + i * 37 % 900 + i * 11 % 90,
         {}, case when i % 4 = 2 then {} end, '{{\"lines\": ' || i || '}}',
         case when i % 100 > 0 then 'note ' || i end",
        ago("i * 13"),
        ago("i * 13 - i % 7 - 1")
    );
    [("customers", 500, customer.to_owned()), ("warehouses", 5, "i, 'city ' || i".to_owned()), ("orders", 5000, order)]
}

/// The kinds of rules that are proposed.
const KINDS: [&str; 12] = [
    "distribution",
    "expect",
    "fresh",
    "in_range",
    "in_set",
    "length",
    "matches",
    "not_null",
    "references",
    "row_count",
    "type_is",
    "unique",
];

/// What makes rules fail, and which: those, and no other. Row 77 is paid, row 78 was shipped.
const VIOLATIONS: &[(&str, &[&str])] = &[
    ("update customers set name = null where id = 77", &["customers.not_null.name"]),
    ("update customers set zip = null where id = 77", &["customers.not_null.zip"]),
    ("update orders set status = null where id = 77", &["orders.not_null.status"]),
    ("update orders set net_cents = null where id = 77", &["orders.not_null.net_cents"]),
    ("update orders set tax_cents = null where id = 77", &["orders.not_null.tax_cents"]),
    ("update orders set total_cents = null where id = 77", &["orders.not_null.total_cents"]),
    ("update orders set created_at = null where id = 77", &["orders.not_null.created_at"]),
    ("update orders set payload = null where id = 77", &["orders.not_null.payload"]),
    ("update orders set customer_id = 9999 where id = 77", &["orders.references.customer_id"]),
    ("update orders set order_no = 'A-100005' where id = 77", &["orders.unique.order_no"]),
    ("update customers set email = 'person5@example.org' where id = 77", &["customers.unique.email"]),
    ("update customers set email = 'nobody' where id = 77", &["customers.matches.email"]),
    ("update orders set order_no = 'A100077' where id = 77", &["orders.matches.order_no"]),
    ("update orders set slip = 'x77' where id = 77", &["orders.matches.slip"]),
    ("update orders set note = '?' where id = 77", &["orders.matches.note"]),
    ("update customers set zip = '123' where id = 77", &["customers.length.zip"]),
    ("update orders set status = 'lost' where id = 77", &["orders.in_set.status"]),
    ("update orders set tax_cents = 900, total_cents = net_cents + 900 where id = 77", &["orders.in_range.tax_cents"]),
    // the sum has to hold still, so that it grows as well
    (
        "update orders set net_cents = 9000, total_cents = 9000 + tax_cents where id = 77",
        &["orders.in_range.net_cents", "orders.in_range.total_cents"],
    ),
    (
        "update orders set total_cents = total_cents + 1 where id = 77",
        &["orders.total_cents_and_net_cents_and_tax_cents"],
    ),
    ("update orders set created_at = '0001-01-01 00:00:00' where id = 77", &["orders.in_range.created_at"]),
    // neither time may be before the other's
    (
        "update orders set created_at = '0001-01-01 00:00:00', shipped_at = '0001-01-01 00:00:00' where id = 78",
        &["orders.in_range.created_at", "orders.in_range.shipped_at"],
    ),
    (
        "update orders set shipped_at = (select created_at from orders where id = 3000) where id = 78",
        &["orders.created_at_and_shipped_at"],
    ),
    ("update orders set shipped_at = null where id = 78", &["orders.shipped_at_where_status_shipped"]),
    ("update orders set payload = '{' where id = 77", &["orders.type_is.payload"]),
    ("update orders set note = null where id % 10 = 0", &["orders.distribution.note.null_fraction"]),
    ("delete from orders where id <= 200", &["orders.fresh.created_at"]),
    ("delete from orders where id > 1000", &["orders.row_count"]),
    (
        "delete from customers where id > 100; update orders set customer_id = 1 + customer_id % 100",
        &["customers.row_count"],
    ),
];

/// The same where times are text, which sorts: `!` before them all and `~` after.
const VIOLATIONS_OF_TEXT: &[(&str, &[&str])] = &[
    ("update orders set created_at = '!' where id = 77", &["orders.in_range.created_at", "orders.type_is.created_at"]),
    ("update orders set shipped_at = '~' where id = 78", &["orders.in_range.shipped_at", "orders.type_is.shipped_at"]),
];

/// Takes the configuration away: there is nothing but a database.
fn bare(shop: &Shop) {
    std::fs::remove_file(shop.path("fieldmark.yaml")).unwrap();
}

/// The comments of a rule file, as lines without their marks.
fn comments(shop: &Shop, file: &str) -> Vec<String> {
    let text = shop.read(file);
    let comments = text.lines().filter_map(|line| line.trim_start().strip_prefix('#'));
    comments.map(|line| line.trim().to_owned()).collect()
}

#[test]
fn whatever_almost_holds_is_left_as_a_comment() {
    let odd = "i % 190 = 7";
    let columns = "id INTEGER PRIMARY KEY, customer_id INTEGER, order_no TEXT, status TEXT, contact TEXT, payload TEXT, \
                   net INTEGER, tax INTEGER, total INTEGER, kind TEXT, ordered_at TEXT, shipped_at TEXT";
    let values = format!(
        "i, CASE WHEN {odd} THEN 999 ELSE 1 + i % 50 END, 'A-' || CASE WHEN {odd} THEN 500 ELSE 100000 + i END,
         CASE WHEN {odd} THEN 'x' || i WHEN i % 2 THEN 'new' ELSE 'paid' END,
         CASE WHEN {odd} THEN 'none' ELSE 'p' || i || '@example.org' END,
         CASE WHEN {odd} THEN '-' ELSE '{{\"a\": ' || i || '}}' END,
         100 + i * 37 % 900, 10 + i * 11 % 90, 110 + i * 37 % 900 + i * 11 % 90 + ({odd}),
         CASE i % 3 WHEN 0 THEN 'sent' ELSE 'open' END,
         datetime('2024-01-01', '+' || i || ' hours'),
         CASE WHEN i % 3 = 0 AND i <> 30 THEN datetime('2024-01-20', (i + CASE WHEN i % 190 = 9 THEN -999 ELSE 5 END) || ' hours') END"
    );
    let shop = small(&format!(
        "CREATE TABLE orders ({columns});CREATE TABLE customers (id INTEGER PRIMARY KEY, place TEXT NOT NULL);{}{}",
        fill("orders", 600, &values),
        fill("customers", 50, "i, 'here ' || i")
    ));
    let run = shop.run(&["init", "sqlite:shop.db"]).gives(0);
    assert!(run.out.contains("that almost hold left in comments"), "{}", run.out);
    let said = comments(&shop, "rules/orders.yaml");
    for (rule, failing) in [
        ("- references: { column: customer_id, to: customers.id }", 4),
        ("- unique: order_no", 4),
        ("- in_set: { column: status, values: [paid, new] }", 4),
        ("- matches: { column: contact, pattern: '^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$' }", 4),
        ("- type_is: { column: payload, type: json }", 4),
        ("expect: total = net + tax", 4),
        ("expect: ordered_at <= shipped_at", 2),
        ("expect: shipped_at IS NOT NULL", 1),
    ] {
        let at = said.iter().position(|line| line == rule);
        let at = at.unwrap_or_else(|| panic!("nothing says {rule}: {said:#?}"));
        let above = said[..at].iter().rev().find(|line| line.starts_with("failed: ")).unwrap();
        assert!(above.starts_with(&format!("failed: {failing} of ")), "{rule}: {above}");
    }
    assert!(shop.read("rules/orders.yaml").contains("\npii: [contact]\n"), "{}", shop.read("rules/orders.yaml"));
    // what was written holds all the same
    shop.run(&["check"]).gives(0);
}

/// By its name `customer_id` refers to customers; by its values it does not.
#[test]
fn what_no_row_supports_is_not_said_to_almost_hold() {
    let shop = small(&format!(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER);CREATE TABLE customers (id INTEGER PRIMARY KEY);{}{}",
        fill("orders", 400, "i, 7000 + i"),
        fill("customers", 50, "i")
    ));
    let run = shop.run(&["init", "sqlite:shop.db"]).gives(0);
    assert!(!run.out.contains("almost"), "{}", run.out);
    assert!(!shop.read("rules/orders.yaml").contains("references"), "{}", shop.read("rules/orders.yaml"));
}

#[test]
fn a_table_may_be_called_anything() {
    for name in ["line\nbreak", "tab\tand 'quote'", "a.b \"c\" #d: [e]", "ünï 注文"] {
        let quoted = name.replace('"', "\"\"");
        let rows = fill(&format!("\"{quoted}\""), 500, "i, CASE i % 2 WHEN 0 THEN 'on' ELSE 'off' END");
        let shop = small(&format!("CREATE TABLE \"{quoted}\" (id INTEGER PRIMARY KEY, \"odd\nname\" TEXT);{rows}"));
        let run = shop.run(&["init", "sqlite:shop.db"]).gives(0);
        assert!(!run.out.contains('!'), "{name}: {}", run.out);
        let report = shop.json(&["check"], 0);
        let outcomes = report["outcomes"].as_array().unwrap();
        assert!(outcomes.iter().any(|outcome| outcome["kind"] == "in_set"), "{name}: {report:#}");
    }
}

/// A folder with a database file of these tables, and nothing else.
fn small(sql: &str) -> Shop {
    let shop = Shop::new(sql);
    bare(&shop);
    shop
}

/// A table `t` of 500 sound rows.
fn plain() -> Shop {
    small(&format!(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);{}",
        fill("t", 500, "i, CASE i % 2 WHEN 0 THEN 'on' ELSE 'off' END")
    ))
}

/// Checks every rule, with no memory of an earlier check.
fn check(shop: &Shop, url: &str) -> Run {
    if shop.path(".fieldmark").exists() {
        std::fs::remove_dir_all(shop.path(".fieldmark")).unwrap();
    }
    let mut command = shop.command(&["check", "--output", "json", "--duty", "100%"]);
    Run::of(command.env("SHOP_URL", url).output().unwrap())
}

/// A rule's id, without what is different from database to database.
fn short(outcome: &Value) -> String {
    let rule = outcome["rule"].as_str().unwrap();
    let rule = rule.strip_prefix("shop.").unwrap_or(rule);
    rule.strip_prefix("public.").unwrap_or(rule).to_owned()
}

/// All rules are of the kinds expected and pass, and none says what the database sees to; their ids.
#[track_caller]
fn all_pass(run: Run) -> BTreeSet<String> {
    let report = run.gives(0).json();
    let outcomes = report["outcomes"].as_array().unwrap();
    for outcome in outcomes {
        assert_eq!((&outcome["status"], &outcome["sampled"]), (&json!("passed"), &json!(false)), "{outcome:#}");
    }
    let kinds: BTreeSet<&str> = outcomes.iter().map(|outcome| outcome["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, BTreeSet::from(KINDS));
    let rules: BTreeSet<String> = outcomes.iter().map(short).collect();
    for rule in &rules {
        for column in ["id", "quantity"] {
            assert!(!rule.ends_with(&format!(".{column}")), "a constraint says so: {rule}");
        }
    }
    for rule in ["customers.not_null.email", "orders.not_null.order_no", "orders.not_null.slip", "orders.unique.slip"] {
        assert!(!rules.contains(rule), "a constraint says so: {rule}");
    }
    assert!(rules.iter().all(|rule| !rule.starts_with("warehouses")), "{rules:?}");
    rules
}

/// What violations did.
#[derive(Default)]
struct Trial {
    failed: BTreeSet<String>,
    wrong: Vec<String>,
}

impl Trial {
    /// Exactly the rules that were meant fail.
    fn judge(&mut self, (violation, meant): (&str, &[&str]), run: &Run) {
        let report = run.json();
        let outcomes = report["outcomes"].as_array().unwrap();
        let not_passed: Vec<&Value> = outcomes.iter().filter(|outcome| outcome["status"] != "passed").collect();
        let failed: BTreeSet<String> = not_passed.iter().map(|outcome| short(outcome)).collect();
        let meant: BTreeSet<String> = meant.iter().map(|rule| (*rule).to_owned()).collect();
        let only_failures = not_passed.iter().all(|outcome| outcome["status"] == "failed");
        if run.code != 1 || failed != meant || !only_failures {
            self.wrong.push(format!("{violation}: exit code {}, {failed:?} and not {meant:?}", run.code));
        }
        self.failed.extend(failed);
    }

    /// Every rule has failed once.
    #[track_caller]
    fn holds(self, proposed: &BTreeSet<String>) {
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
        assert_eq!(&self.failed, proposed, "a rule that was proposed has not failed");
    }
}

#[test]
fn what_is_proposed_for_a_file_holds_and_each_rule_can_fail() {
    let rows = values(|minutes| format!("datetime('now', '-' || ({minutes}) || ' minutes')"));
    let rows: String = rows.iter().map(|(table, rows, values)| fill(table, *rows, values)).collect();
    let shop = small(&format!("{TABLES}{rows}"));
    let clean = std::fs::read(shop.path("shop.db")).unwrap();
    let run = shop.run(&["init", "sqlite:shop.db"]).gives(0);
    assert!(std::fs::read(shop.path("shop.db")).unwrap() == clean, "the database file has changed");
    for part in ["3 tables looked at", "fieldmark.yaml", "rules/customers.yaml", "rules/orders.yaml"] {
        assert!(run.out.contains(part), "{part}: {}", run.out);
    }
    let proposed = all_pass(check(&shop, ""));
    let mut trial = Trial::default();
    // a declared key is one that a writer of SQLite may pass over
    let orphan = (
        "pragma foreign_keys = off; update orders set warehouse_id = 99 where id = 77",
        &["orders.references.warehouse_id"][..],
    );
    for violation in VIOLATIONS.iter().chain(VIOLATIONS_OF_TEXT).chain(std::iter::once(&orphan)) {
        shop.sql(violation.0);
        trial.judge(*violation, &check(&shop, ""));
        std::fs::write(shop.path("shop.db"), &clean).unwrap();
    }
    trial.holds(&proposed);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_proposed_for_a_server_holds_and_each_rule_can_fail() {
    let rows = values(|minutes| format!("now() - ({minutes}) * interval '1 minute'"));
    let rows = rows
        .map(|(table, rows, values)| format!("insert into {table} select {values} from generate_series(1, {rows}) i;"));
    let clean = "create schema clean; create table clean.orders as table orders;
                 create table clean.customers as table customers; analyze;";
    let mut served = Served::new(&format!("{TABLES}{}{clean}", rows.concat())).await;
    bare(&served);
    let url = served.url().to_owned();
    served.run(&["init", &url, "--name", "shop"]).await.gives(0);
    let proposed = all_pass(check(&served, &url));
    assert!(proposed.iter().all(|rule| !rule.ends_with(".warehouse_id")), "a constraint says so: {proposed:?}");
    let mut trial = Trial::default();
    for violation in VIOLATIONS {
        served.sql(violation.0).await;
        trial.judge(*violation, &check(&served, &url));
        let restored = "delete from orders; delete from customers;
                        insert into orders table clean.orders; insert into customers table clean.customers";
        served.sql(restored).await;
    }
    trial.holds(&proposed);
    // the last of the violations has been undone
    all_pass(check(&served, &url));
}

/// No file of the folder has the password in it.
#[track_caller]
fn holds_no_password(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            holds_no_password(&path);
        } else {
            let bytes = std::fs::read(&path).unwrap();
            assert!(!String::from_utf8_lossy(&bytes).contains(PASSWORD), "{} has the password", path.display());
        }
    }
}

/// A table `t` of 500 sound rows on the server, and a folder with nothing in it.
async fn plain_served() -> Served {
    let rows = "insert into t select i, case i % 2 when 0 then 'on' else 'off' end from generate_series(1, 500) i";
    let served = Served::new(&format!("create table t (id integer primary key, a text); {rows}; analyze")).await;
    bare(&served);
    served
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_of_an_address_is_written_nowhere() {
    let served = plain_served().await;
    let url = served.url().to_owned();
    let asked = url.replace(&format!(":{PASSWORD}@"), "@") + &format!("?password={PASSWORD}");
    for address in [&url, &asked] {
        let run = served.run(&["init", address, "--name", "shop", "--force"]).await.gives(0);
        assert!(!run.out.contains(PASSWORD) && !run.err.contains(PASSWORD), "{run:?}");
        assert!(run.out.contains("a password, which is written nowhere: set SHOP_URL"), "{}", run.out);
        assert!(served.read("fieldmark.yaml").contains("url_env: SHOP_URL\n"), "{}", served.read("fieldmark.yaml"));
        // with what it says the next command works, and without it does not
        check(&served, address).gives(0);
        served.run(&["check"]).await.gives(78);
        holds_no_password(&served.path(""));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_without_a_password_is_written() {
    let served = plain_served().await;
    let url = served.url().replace(&format!(":{PASSWORD}@"), "@");
    let mut command = served.program(&["init", &url, "--name", "shop"]);
    let run = Run::of(command.env("PGPASSWORD", PASSWORD).output().await.unwrap()).gives(0);
    assert!(!run.out.contains("SHOP_URL"), "{}", run.out);
    assert!(served.read("fieldmark.yaml").contains(&format!("url: \"{url}\"")), "{}", served.read("fieldmark.yaml"));
    holds_no_password(&served.path(""));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_can_come_from_the_environment() {
    let served = plain_served().await;
    let mut command = served.program(&["init", "--url-env", "THE_URL", "--name", "shop"]);
    Run::of(command.env("THE_URL", served.url()).output().await.unwrap()).gives(0);
    assert!(served.read("fieldmark.yaml").contains("url_env: THE_URL\n"), "{}", served.read("fieldmark.yaml"));
    holds_no_password(&served.path(""));
    let run = served.run(&["init", "--url-env", "NO_URL", "--force"]).await.gives(64);
    assert!(run.err.contains("NO_URL"), "{}", run.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_and_quiet_people_learn_of_the_variable_too() {
    let served = plain_served().await;
    let url = served.url().to_owned();
    for how in [&["--output", "json"][..], &["--quiet"]] {
        let run = served.run(&[&["init", &url, "--name", "shop", "--force"], how].concat()).await.gives(0);
        assert!(format!("{}{}", run.out, run.err).contains("SHOP_URL"), "{how:?}: {run:?}");
    }
}

#[test]
fn files_that_are_there_are_kept_unless_forced() {
    let shop = plain();
    let mine = "version: 1\ntable: shop.t\nrules: []   # mine\n";
    shop.write("rules/t.yaml", mine);
    let run = shop.run(&["init", "sqlite:shop.db"]).gives(0);
    assert!(run.out.contains("shop main.t has rules already, and was left as it is"), "{}", run.out);
    assert_eq!(shop.read("rules/t.yaml"), mine);
    let configuration = shop.read("fieldmark.yaml");
    assert!(configuration.contains("url: \"sqlite:shop.db\""), "{configuration}");

    let kept = configuration.replace("version: 1", "version: 1   # mine");
    shop.write("fieldmark.yaml", &kept);
    let run = shop.run(&["init", "sqlite:shop.db"]).gives(64);
    assert!(run.err.contains("fieldmark.yaml is there already") && run.err.contains("--force"), "{}", run.err);
    shop.run(&["init"]).gives(0);
    assert_eq!((shop.read("fieldmark.yaml"), shop.read("rules/t.yaml")), (kept.clone(), mine.to_owned()));

    // without an address there is no reason to write the configuration
    shop.run(&["init", "--force"]).gives(0);
    assert_eq!(shop.read("fieldmark.yaml"), kept);
    assert!(shop.read("rules/t.yaml").contains("in_set"), "{}", shop.read("rules/t.yaml"));
    shop.write("rules/t.yaml", mine);
    shop.run(&["init", "sqlite:shop.db", "--force"]).gives(0);
    assert_eq!(shop.read("fieldmark.yaml"), configuration);
    assert!(shop.read("rules/t.yaml").contains("in_set"), "{}", shop.read("rules/t.yaml"));
    shop.run(&["check"]).gives(0);
}

/// The rule files, sorted.
fn rule_files(shop: &Shop) -> Vec<String> {
    let files = std::fs::read_dir(shop.path("rules")).unwrap();
    let mut files: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    files
}

#[test]
fn a_configuration_is_enough_and_table_and_source_narrow() {
    let shop = Shop::new(&format!(
        "CREATE TABLE birds (id INTEGER PRIMARY KEY, a TEXT);CREATE TABLE rings (id INTEGER PRIMARY KEY, a TEXT);{}{}",
        fill("birds", 500, "i, 'a'"),
        fill("rings", 500, "i, 'a'")
    ));
    std::fs::copy(shop.path("shop.db"), shop.path("other.db")).unwrap();
    let other = "sources:\n  other: { url: \"sqlite:other.db\" }\n";
    shop.write("fieldmark.yaml", &shop.read("fieldmark.yaml").replace("sources:\n", other));
    let configuration = shop.read("fieldmark.yaml");
    for (arguments, files) in [
        (&["init", "--source", "shop", "--table", "birds"][..], &["birds.yaml"][..]),
        (&["init", "--source", "shop", "--table", "shop.birds"], &["birds.yaml"]),
        (&["init", "--source", "shop", "--table", "main.b*"], &["birds.yaml"]),
        (&["init", "--source", "shop", "--table", "birds", "--table", "rings"], &["birds.yaml", "rings.yaml"]),
        (&["init", "--source", "shop"], &["birds.yaml", "rings.yaml"]),
    ] {
        shop.run(arguments).gives(0);
        assert_eq!(rule_files(&shop), files, "{arguments:?}");
        assert!(shop.read("rules/birds.yaml").contains("table: shop.birds\n"), "{}", shop.read("rules/birds.yaml"));
        shop.run(&["check"]).gives(0);
        for file in files {
            std::fs::remove_file(shop.path(&format!("rules/{file}"))).unwrap();
        }
    }
    assert_eq!(shop.read("fieldmark.yaml"), configuration);
    shop.run(&["init", "--source", "nowhere"]).gives(64);
    assert_eq!(rule_files(&shop), Vec::<String>::new());
}

#[test]
fn a_table_that_is_not_there_is_a_wrong_command_line() {
    let shop = plain();
    let run = shop.run(&["init", "sqlite:shop.db", "--table", "nowhere"]).gives(64);
    assert!(run.err.contains("nowhere"), "{run:?}");
    assert!(!shop.path("fieldmark.yaml").exists());
}

#[test]
fn sources_with_tables_of_the_same_name_get_a_file_each() {
    let shop = Shop::new(&format!("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);{}", fill("t", 500, "i, 'a'")));
    std::fs::copy(shop.path("shop.db"), shop.path("other.db")).unwrap();
    let other = "sources:\n  other: { url: \"sqlite:other.db\" }\n";
    shop.write("fieldmark.yaml", &shop.read("fieldmark.yaml").replace("sources:\n", other));
    shop.run(&["init"]).gives(0);
    let report = shop.json(&["check"], 0);
    let outcomes = report["outcomes"].as_array().unwrap();
    let sources: BTreeSet<&str> = outcomes.iter().map(|outcome| outcome["source"].as_str().unwrap()).collect();
    assert_eq!(sources, BTreeSet::from(["other", "shop"]));
}

#[test]
fn a_table_that_has_rules_already_gets_none_that_clash() {
    let shop = Shop::new(&format!("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);{}", fill("t", 500, "i, 'a'")));
    shop.write("rules/mine.yaml", "version: 1\ntable: shop.t\nrules:\n  - not_null: [a]\n");
    shop.run(&["init"]).gives(0);
    shop.run(&["check"]).gives(0);
}

#[test]
fn rules_are_written_where_the_configuration_looks_for_them() {
    let shop = Shop::new(&format!("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);{}", fill("t", 500, "i, 'a'")));
    let elsewhere = shop.read("fieldmark.yaml").replace("rules/*.yaml", "checks/*.yaml");
    shop.write("fieldmark.yaml", &elsewhere);
    shop.run(&["init"]).gives(0);
    assert!(!shop.json(&["check"], 0)["outcomes"].as_array().unwrap().is_empty());
}

#[test]
fn few_rows_are_no_evidence() {
    let rows = fill("few", 8, "i, 'a', 'new'");
    let shop = small(&format!("CREATE TABLE few (id INTEGER PRIMARY KEY, a TEXT, status TEXT);{rows}"));
    let run = shop.run(&["init", "sqlite:shop.db"]).gives(0);
    assert!(run.out.contains("rules/few.yaml  0 rules from all 8 rows"), "{}", run.out);
    let file = shop.read("rules/few.yaml");
    assert!(file.contains("rules: []") && file.contains("too few rows"), "{file}");
    shop.run(&["check"]).gives(0);
    // an empty one is no reason to stumble either
    shop.sql("DELETE FROM few");
    shop.run(&["init", "--force"]).gives(0);
    assert!(shop.read("rules/few.yaml").contains("rules: []"));
}

#[test]
fn values_of_personal_columns_are_not_written() {
    let columns = "id INTEGER PRIMARY KEY, first_name TEXT, email TEXT, phone TEXT, plan TEXT";
    let values = "i, CASE i % 3 WHEN 0 THEN 'Ada' WHEN 1 THEN 'Grace' ELSE 'Edsger' END,
                  CASE i % 2 WHEN 0 THEN 'ada@example.org' ELSE 'grace@example.org' END,
                  '+49 30 1234' || (i % 3), CASE i % 2 WHEN 0 THEN 'free' ELSE 'paid' END";
    let shop = small(&format!("CREATE TABLE people ({columns});{}", fill("people", 1000, values)));
    let run = shop.run(&["init", "sqlite:shop.db"]).gives(0);
    let file = shop.read("rules/people.yaml");
    for value in ["Ada", "Grace", "Edsger", "ada@example.org", "grace@", "1234", "49 30"] {
        assert!(!file.contains(value) && !run.out.contains(value), "{value} is written:\n{file}\n{}", run.out);
    }
    assert!(file.contains("pii: [first_name, email, phone]"), "{file}");
    // of a column like any other they are
    assert!(file.contains("in_set: { column: plan, values: [free, paid] }"), "{file}");
    shop.run(&["check"]).gives(0);
}

/// Lines of the orders' rule file that are no comments, and those that are.
fn lines(shop: &Shop) -> (String, String) {
    // numbers are grouped by narrow spaces
    let file = shop.read("rules/orders.yaml").replace('\u{202f}', " ");
    let (comments, rules): (Vec<&str>, Vec<&str>) = file.lines().partition(|line| line.trim_start().starts_with('#'));
    (rules.join("\n"), comments.join("\n"))
}

/// The shop's file with one violation in it, and the rules proposed for that.
fn almost(violation: &str) -> Shop {
    let rows = values(|minutes| format!("datetime('now', '-' || ({minutes}) || ' minutes')"));
    let rows: String = rows.iter().map(|(table, rows, values)| fill(table, *rows, values)).collect();
    let shop = small(&format!("{TABLES}{rows}{violation}"));
    shop.run(&["init", "sqlite:shop.db", "--table", "orders"]).gives(0);
    shop
}

#[test]
fn a_reference_that_almost_holds_is_left_as_a_comment() {
    let shop = almost("update orders set customer_id = 9999 where id = 77");
    let (rules, comments) = lines(&shop);
    let proposed = "- references: { column: customer_id, to: customers.id }";
    assert!(!rules.contains(proposed), "{rules}");
    assert!(comments.contains(proposed), "{comments}");
    // with what was seen
    assert!(comments.contains("1 of all 5 000 rows fails"), "{comments}");
    shop.run(&["check"]).gives(0);
    // as a rule it finds the row
    let file = shop.read("rules/orders.yaml").replace(&format!("# {proposed}"), proposed);
    shop.write("rules/orders.yaml", &file);
    let report = shop.json(&["check"], 1);
    let failed: Vec<&Value> =
        report["outcomes"].as_array().unwrap().iter().filter(|outcome| outcome["status"] == "failed").collect();
    assert_eq!((failed.len(), &failed[0]["kind"], &failed[0]["failed"]), (1, &json!("references"), &json!(1)));
}

#[test]
fn odd_names_make_files_that_can_be_read() {
    let names = [
        "a: b", "x, y", "it's", "#hash", "null", "yes", "123", "{brace}", "[x]", "&anchor", "*star", "!tag", "%dir",
        "@at",
    ];
    let names =
        [&names[..], &["`tick`", "é", "true", "~", "- dash", "trailing ", "back\\slash", "two\nlines", "quo\"te"]]
            .concat();
    let columns: String = names.iter().map(|name| format!(", \"{}\" TEXT", name.replace('"', "\"\""))).collect();
    let values =
        ", CASE i % 4 WHEN 0 THEN 'red' WHEN 1 THEN 'it''s: \"green\"' WHEN 2 THEN '- blue, #5' ELSE '{null}' END";
    let rows = fill("\"odd: table, #1\"", 600, &format!("i{}", values.repeat(names.len())));
    let shop = small(&format!("CREATE TABLE \"odd: table, #1\" (id INTEGER PRIMARY KEY{columns});{rows}"));
    shop.run(&["init", "sqlite:shop.db"]).gives(0);
    let report = shop.json(&["check"], 0);
    let kinds =
        |kind: &str| report["outcomes"].as_array().unwrap().iter().filter(|outcome| outcome["kind"] == kind).count();
    assert_eq!((kinds("not_null"), kinds("in_set")), (names.len(), names.len()));
}

#[test]
fn programs_get_json() {
    let shop = plain();
    let told = shop.json(&["init", "sqlite:shop.db"], 0);
    assert_eq!((&told["version"], &told["files"]), (&json!(1), &json!(["fieldmark.yaml", "rules/t.yaml"])));
    let table = &told["tables"][0];
    assert_eq!((&table["source"], &table["table"], &table["left_out"]), (&json!("shop"), &json!("main.t"), &json!(0)));
    assert_eq!(&told["tables"][1], &Value::Null);
    let rules = shop.json(&["check"], 0)["outcomes"].as_array().unwrap().len();
    assert_eq!(table["rules"], rules);
    let told = shop.json(&["init"], 0);
    assert_eq!(told["files"], json!([]));
    assert!(told["notes"][0].as_str().unwrap().contains("main.t has rules already"), "{told:#}");
}

#[test]
fn json_names_the_file_of_a_table_as_it_names_files() {
    let told = plain().json(&["init", "sqlite:shop.db"], 0);
    let files = told["files"].as_array().unwrap();
    assert!(files.contains(&told["tables"][0]["file"]), "{told:#}");
}

#[test]
fn an_address_that_makes_no_sense_is_told_without_a_file_that_is_not_there() {
    let shop = plain();
    for arguments in [
        &["init"][..],
        &["init", "shop.db"],
        &["init", "oracle://u@127.0.0.1/d"],
        &["init", "sqlite:shop.db", "--name", "a b"],
    ] {
        let run = shop.run(arguments).gives(64);
        assert!(!run.err.contains("fieldmark.yaml:"), "{arguments:?}: {}", run.err);
        assert!(!shop.path("fieldmark.yaml").exists(), "{arguments:?}");
    }
}

#[test]
fn a_database_that_is_not_there_leaves_no_files() {
    let shop = plain();
    let run = shop.run(&["init", "sqlite:absent.db"]).gives(2);
    assert!(run.err.contains("absent.db") && run.out.is_empty(), "{run:?}");
    assert!(!shop.path("absent.db").exists() && !shop.path("fieldmark.yaml").exists());
    assert_eq!(rule_files(&shop), Vec::<String>::new());
}
