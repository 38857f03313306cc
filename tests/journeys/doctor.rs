//! `doctor`: what is in the way of a check, or what a role may do and should not. Each finding comes with the statement
//! that ends it, and the script of `--grants` is enough, and no more than enough.

use super::served::Served;
use super::shop::{Run, Shop};
use crate::server::postgres::{PASSWORD, Server, USER};
use serde_json::{Value, json};

const TABLES: &str = "
    create schema other;
    create table customers (id bigint primary key);
    create table orders (id bigint primary key, customer_id bigint, status text);
    create table aside (id bigint primary key);
    create table other.logs (id bigint primary key, line text);
    insert into customers select generate_series(1, 500);
    insert into orders select i, i, 'new' from generate_series(1, 500) i;
    insert into other.logs select i, 'begun' from generate_series(1, 200) i;
    revoke all on schema public from public;
    analyze;";

const ORDERS: &str = "rules:\n  - not_null: [status]\n  - references: { column: customer_id, to: customers.id }\n";
const LOGS: &str = "version: 1\ntable: shop.other.logs\nrules:\n  - not_null: [line]\n";

/// A database of its own into which nobody may log in who is not told to.
struct Clinic {
    owner: Served,
    database: String,
}

impl Clinic {
    async fn new() -> Self {
        let server = Server::get().await.unwrap();
        let database = server.database("").await.unwrap();
        let mut owner = Served::of(&server.url(USER, &database)).await;
        owner.sql(TABLES).await;
        owner.sql(&format!("revoke connect on database {database} from public")).await;
        Self { owner, database }
    }

    /// Makes a role that may do nothing; its name.
    async fn role(&mut self, name: &str) -> String {
        let role = format!("{name}_{}", self.database);
        self.owner.sql(&format!("create role {role} login password '{PASSWORD}'")).await;
        role
    }

    /// Makes a role with what the script gives it, and nothing else; its name.
    async fn reader(&mut self, name: &str) -> String {
        let role = self.role(name).await;
        let script = self.script(&role).await;
        self.owner.sql(&script).await;
        role
    }

    /// The script for a role, as the superuser is told it.
    async fn script(&self, role: &str) -> String {
        examined(&self.shop(USER).await, &["--grants", role], 0).out
    }

    /// A folder with rules, whose source connects as that role.
    async fn shop(&self, role: &str) -> Shop {
        let shop = Shop::of(&Server::get().await.unwrap().url(role, &self.database));
        let configuration = shop.read("fieldmark.yaml").replace("\" }", "\", schemas: [public, other] }");
        shop.write("fieldmark.yaml", &configuration);
        shop.rules("orders", ORDERS);
        shop.write("rules/logs.yaml", LOGS);
        shop
    }
}

/// Runs `doctor`; no password is shown.
#[track_caller]
fn examined(shop: &Shop, arguments: &[&str], code: i32) -> Run {
    let run = shop.run(&[&["doctor"], arguments].concat()).gives(code);
    assert!(!run.out.contains(PASSWORD) && !run.err.contains(PASSWORD), "the password is shown: {run:?}");
    run
}

/// What it finds, as JSON.
#[track_caller]
fn findings(shop: &Shop, arguments: &[&str], code: i32) -> Vec<Value> {
    let report = examined(shop, &[arguments, &["--output", "json"]].concat(), code).json();
    assert_eq!((&report["exit_code"], &report["command"]), (&json!(code), &json!("doctor")));
    assert_eq!(report["errors"], json!([]), "{report:#}");
    report["findings"].as_array().unwrap().clone()
}

/// The only one.
#[track_caller]
fn only(mut findings: Vec<Value>) -> Value {
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings.remove(0)
}

/// The statement at the beginning of a finding's remedy.
#[track_caller]
fn statement(finding: &Value) -> String {
    let remedy = finding["remedy"].as_str().unwrap();
    let (statement, _) = remedy.split_once(';').unwrap_or_else(|| panic!("no statement: {finding:#}"));
    format!("{statement};")
}

/// A problem that is no finding: what it is, and what to do.
#[track_caller]
fn error(shop: &Shop) -> (String, String) {
    let report = examined(shop, &["--output", "json"], 2).json();
    assert_eq!((&report["findings"], &report["exit_code"]), (&json!([]), &json!(2)));
    let errors = report["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{report:#}");
    let text = |key: &str| errors[0][key].as_str().unwrap_or_else(|| panic!("no {key}: {report:#}")).to_owned();
    assert_eq!(errors[0]["source"], "shop");
    // people are told the same
    let run = examined(shop, &[], 2);
    let flat = run.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains(&text("what")) && flat.contains(&text("remedy")), "{flat}");
    (text("what"), text("remedy"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_superuser_is_a_finding_unless_allowed() {
    let clinic = Clinic::new().await;
    let shop = clinic.shop(USER).await;
    let finding = only(findings(&shop, &[], 1));
    assert_eq!((&finding["id"], &finding["source"]), (&json!("superuser"), &json!("shop")));
    let run = examined(&shop, &[], 1);
    assert!(run.out.contains(&format!("{USER} is a superuser")) && run.out.contains("--grants NAME"), "{}", run.out);
    assert_eq!(findings(&shop, &["--allow-superuser"], 0), Vec::<Value>::new());
    assert!(examined(&shop, &["--allow-superuser"], 0).out.contains("nothing was found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_is_all_that_a_check_needs_and_gives_nothing_else() {
    let mut clinic = Clinic::new().await;
    let role = clinic.reader("reader").await;
    let shop = clinic.shop(&role).await;
    assert_eq!(findings(&shop, &[], 0), Vec::<Value>::new());
    let report = shop.json(&["check"], 0);
    assert_eq!(report["outcomes"].as_array().unwrap().len(), 3, "{report:#}");
    // the role is told the same for itself
    let own = examined(&shop, &["--grants"], 0);
    assert_eq!((own.out, own.err), (clinic.script(&role).await, String::new()));
    for beyond in [
        "has_table_privilege('<role>', 'aside', 'select')",
        "has_schema_privilege('<role>', 'public', 'create')",
        "has_table_privilege('<role>', 'orders', 'insert, update, delete, truncate, references, trigger')",
        "has_any_column_privilege('<role>', 'orders', 'insert, update, references')",
        "has_database_privilege('<role>', current_database(), 'create')",
        "pg_has_role('<role>', 'pg_read_all_data', 'usage')",
        "(select rolsuper or rolcreatedb or rolcreaterole or rolreplication or rolbypassrls from pg_roles \
         where rolname = '<role>')",
    ] {
        let held = clinic.owner.number(&format!("select ({})::int", beyond.replace("<role>", &role))).await;
        assert_eq!(held, 0, "{beyond}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_statement_of_the_script_is_missed_when_it_is_left_out() {
    let mut clinic = Clinic::new().await;
    let role = clinic.role("patient").await;
    let script = clinic.script(&role).await;
    let statements: Vec<&str> = script.lines().filter(|line| line.starts_with("GRANT ")).collect();
    // to log in, two schemas, three tables, the transactions of others
    assert_eq!(statements.len(), 7, "{script}");
    let shop = clinic.shop(&role).await;
    let mut missed = Vec::new();
    for (left_out, without) in statements.iter().enumerate() {
        clinic.owner.sql(&format!("drop owned by {role}; revoke pg_read_all_stats from {role}")).await;
        let others = statements.iter().enumerate().filter(|(number, _)| *number != left_out);
        let others: Vec<&str> = others.map(|(_, statement)| *statement).collect();
        clinic.owner.sql(&others.join("\n")).await;
        if without.contains(" CONNECT ") {
            let (what, _) = error(&shop);
            assert!(what.contains("42501"), "{what}");
            missed.push("connect".to_owned());
            continue;
        }
        let finding = only(findings(&shop, &[], 1));
        assert_eq!(statement(&finding), without.split("  --").next().unwrap(), "{finding:#}");
        let run = examined(&shop, &[], 1);
        assert!(run.out.contains(finding["id"].as_str().unwrap()), "{}", run.out);
        missed.push(finding["id"].as_str().unwrap().to_owned());
    }
    let expected = ["connect", "schema_usage", "schema_usage", "select", "select", "select", "read_all_stats"];
    assert_eq!(missed, expected);
    // with all of them it is well
    clinic.owner.sql(&format!("drop owned by {role}; revoke pg_read_all_stats from {role}")).await;
    clinic.owner.sql(&script).await;
    assert_eq!(findings(&shop, &[], 0), Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_not_log_in_is_told_what_to_grant() {
    let mut clinic = Clinic::new().await;
    let role = clinic.role("stranger").await;
    let (_, remedy) = error(&clinic.shop(&role).await);
    assert!(remedy.contains("GRANT CONNECT"), "{remedy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_role_may_write_is_found_and_ends_with_the_statement_shown() {
    let mut clinic = Clinic::new().await;
    let role = clinic.reader("writer").await;
    let shop = clinic.shop(&role).await;
    let database = clinic.database.clone();
    for (given, id, ends_with) in [
        (
            "grant insert, update, delete, truncate on orders to <role>",
            "writes",
            "REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON TABLE \"public\".\"orders\" FROM \"<role>\";",
        ),
        (
            "grant delete on customers to <role>",
            "writes",
            "REVOKE DELETE ON TABLE \"public\".\"customers\" FROM \"<role>\";",
        ),
        // a table that no rule speaks of
        ("grant insert on aside to <role>", "writes", "REVOKE INSERT ON TABLE \"public\".\"aside\" FROM \"<role>\";"),
        ("grant create on schema other to <role>", "creates", "REVOKE CREATE ON SCHEMA \"other\" FROM \"<role>\";"),
        (
            "grant create on database <base> to <role>",
            "creates",
            "REVOKE CREATE ON DATABASE \"<base>\" FROM \"<role>\";",
        ),
        ("grant pg_write_all_data to <role>", "writes_all_data", "REVOKE pg_write_all_data FROM \"<role>\";"),
        ("alter role <role> createdb", "administers", "ALTER ROLE \"<role>\" NOCREATEROLE NOCREATEDB NOREPLICATION;"),
        ("alter role <role> createrole", "administers", "ALTER ROLE \"<role>\" NOCREATEROLE NOCREATEDB NOREPLICATION;"),
        (
            "alter role <role> replication",
            "administers",
            "ALTER ROLE \"<role>\" NOCREATEROLE NOCREATEDB NOREPLICATION;",
        ),
    ] {
        let filled = |text: &str| text.replace("<role>", &role).replace("<base>", &database);
        clinic.owner.sql(&filled(given)).await;
        let finding = only(findings(&shop, &[], 1));
        assert_eq!((finding["id"].as_str().unwrap(), statement(&finding)), (id, filled(ends_with)), "{given}");
        let run = examined(&shop, &[], 1);
        assert!(run.out.contains(&format!("! {id} shop: {role} ")), "{given}: {}", run.out);
        if id.starts_with("writes") {
            findings(&shop, &["--allow-writes"], 0);
        }
        clinic.owner.sql(&statement(&finding)).await;
        assert_eq!(findings(&shop, &[], 0), Vec::<Value>::new(), "{given}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn privileges_of_everybody_and_of_other_roles_count() {
    let mut clinic = Clinic::new().await;
    let role = clinic.reader("member").await;
    let group = clinic.role("group").await;
    let shop = clinic.shop(&role).await;
    for (given, taken) in [
        ("grant insert on orders to public", "revoke insert on orders from public"),
        ("grant insert on orders to <group>; grant <group> to <role>", "revoke <group> from <role>"),
        ("grant <group> to <role>; alter table orders owner to <group>", "revoke <group> from <role>"),
    ] {
        let filled = |text: &str| text.replace("<role>", &role).replace("<group>", &group);
        clinic.owner.sql(&filled(given)).await;
        let finding = only(findings(&shop, &[], 1));
        assert!(["writes", "owner"].contains(&finding["id"].as_str().unwrap()), "{given}: {finding:#}");
        assert!(finding["what"].as_str().unwrap().contains("public.orders"), "{given}: {finding:#}");
        clinic.owner.sql(&filled(taken)).await;
        assert_eq!(findings(&shop, &[], 0), Vec::<Value>::new(), "{given}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_privilege_to_write_one_column_is_found() {
    let mut clinic = Clinic::new().await;
    let role = clinic.reader("columnist").await;
    clinic.owner.sql(&format!("grant update (status) on orders to {role}")).await;
    let finding = only(findings(&clinic.shop(&role).await, &[], 1));
    assert_eq!(finding["id"], "writes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_run_programs_on_the_server_is_found() {
    let mut clinic = Clinic::new().await;
    let role = clinic.reader("operator").await;
    clinic.owner.sql(&format!("grant pg_execute_server_program to {role}")).await;
    only(findings(&clinic.shop(&role).await, &[], 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn row_security_that_hides_rows_is_found() {
    let mut clinic = Clinic::new().await;
    let role = clinic.reader("watched").await;
    let shop = clinic.shop(&role).await;
    clinic.owner.sql("alter table orders enable row level security; create policy few on orders using (id < 5)").await;
    let finding = only(findings(&shop, &[], 1));
    assert_eq!((&finding["id"], &finding["table"]), (&json!("row_security"), &json!("public.orders")));
    // as a check says
    let report = shop.json(&["check", "--table", "orders"], 2);
    assert_eq!(report["outcomes"][0]["reason"], "coverage_limited");
    clinic.owner.sql(&format!("alter role {role} bypassrls")).await;
    assert_eq!(findings(&shop, &[], 0), Vec::<Value>::new());
    shop.run(&["check"]).gives(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_of_a_role_is_no_way_into_the_script() {
    let mut clinic = Clinic::new().await;
    let name = format!("odd\"; drop table customers; --_{}", clinic.database);
    let quoted = format!("\"{}\"", name.replace('"', "\"\""));
    clinic.owner.sql(&format!("create role {quoted}")).await;
    let script = clinic.script(&name).await;
    clinic.owner.sql(&script).await;
    assert_eq!(clinic.owner.number("select count(*) from customers").await, 500);
    let granted = format!("select has_table_privilege('{name}', 'orders', 'select')::int");
    assert_eq!(clinic.owner.number(&granted).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_is_an_error_with_a_remedy() {
    let shop = Shop::of(&format!("postgres://somebody:{PASSWORD}@127.0.0.1:1/nowhere"));
    shop.rules("orders", ORDERS);
    let (what, remedy) = error(&shop);
    assert!(what.contains("127.0.0.1:1") && what.contains("cannot be reached"), "{what}");
    assert!(remedy.contains("start the database"), "{remedy}");
    let run = examined(&shop, &["--grants", "reader"], 2);
    assert!(run.out.is_empty() && run.err.contains("cannot be reached"), "{run:?}");

    let server = Server::get().await.unwrap();
    let wrong = server.url(USER, "postgres").replace(PASSWORD, "wrong-horse");
    let shop = Shop::of(&wrong);
    shop.rules("orders", ORDERS);
    let (what, remedy) = error(&shop);
    assert!(what.contains("refused the login") && remedy.contains("password"), "{what}: {remedy}");
    assert!(!what.contains("wrong-horse") && !remedy.contains("wrong-horse"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_source_out_of_reach_hides_no_finding_of_another() {
    let clinic = Clinic::new().await;
    let shop = clinic.shop(USER).await;
    let gone = format!("sources:\n  gone: {{ url: \"postgres://u:{PASSWORD}@127.0.0.1:1/d\" }}\n");
    shop.write("fieldmark.yaml", &shop.read("fieldmark.yaml").replace("sources:\n", &gone));
    let report = examined(&shop, &["--output", "json"], 1).json();
    assert_eq!((&report["findings"][0]["id"], &report["errors"][0]["source"]), (&json!("superuser"), &json!("gone")));
    let report = examined(&shop, &["--output", "json", "--allow-superuser"], 2).json();
    assert_eq!(report["findings"], json!([]));
    examined(&shop, &["--source", "shop", "--allow-superuser"], 0);
    examined(&shop, &["--source", "nowhere"], 64);
}

#[test]
fn a_file_has_no_roles() {
    let shop = Shop::with_rules("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);", "rules:\n  - not_null: [a]\n");
    let before = std::fs::read(shop.path("shop.db")).unwrap();
    assert_eq!(findings(&shop, &[], 0), Vec::<Value>::new());
    let run = examined(&shop, &[], 0);
    assert!(run.out.contains("a file has no roles") && run.out.contains("nothing was found"), "{}", run.out);
    assert_eq!(examined(&shop, &["--grants", "reader"], 0).out, "");
    assert!(std::fs::read(shop.path("shop.db")).unwrap() == before, "the file has changed");
    std::fs::remove_file(shop.path("shop.db")).unwrap();
    let (what, _) = error(&shop);
    assert!(what.contains("shop.db"), "{what}");
    assert!(!shop.path("shop.db").exists());
}
