//! `lineage`: which column is made from which, as databases of each kind say of themselves.

use super::mariadb::Market;
use super::program;
use super::shop::{Run, Shop};
use crate::server::mariadb;
use crate::server::postgres::{Server, USER};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

const SHOP: &str = "
    create table orders (id bigint primary key, customer bigint, total numeric(12,2), status text,
        shout text generated always as (upper(status)) stored);
    create table audit (order_id bigint, what text);
    create view open_orders as select id, total * 1.2 as gross from orders where status <> 'paid';
    create materialized view sums as select o.customer, sum(v.gross) as gross from open_orders v join orders o using (id) group by 1;
    create function of_customer(who bigint) returns table (id bigint, total numeric) language sql
        begin atomic; select o.id, o.total from orders o where o.customer = who; end;
    create view mine as select f.total from of_customer(7) f;
    create function note() returns trigger language plpgsql as $$
        begin insert into audit values (new.id, new.status); return new; end $$;
    create trigger noted after insert on orders for each row execute function note();
    create function anything(what text) returns void language plpgsql as $$ begin execute what; end $$;";

struct Pg {
    shop: Shop,
    connection: PgConnection,
}

impl Pg {
    async fn new(sql: &str) -> Self {
        let server = Server::get().await.unwrap();
        let url = server.url(USER, &server.database("").await.unwrap());
        let mut pg = Self { shop: Shop::of(&url), connection: PgConnection::connect(&url).await.unwrap() };
        pg.sql(sql).await;
        pg
    }

    async fn sql(&mut self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.connection).await.unwrap();
    }

    async fn texts(&mut self, sql: &str) -> BTreeSet<String> {
        let texts: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(&mut self.connection).await.unwrap();
        texts.into_iter().collect()
    }
}

/// Edges as `target <- source subtype`, of those that a condition takes.
fn edges(export: &Value, takes: impl Fn(&Value) -> bool) -> BTreeSet<String> {
    let name = |column: &Value| format!("{}.{}", column["table"].as_str().unwrap(), column["column"].as_str().unwrap());
    let all = export["edges"].as_array().unwrap().iter().filter(|edge| takes(edge));
    all.map(|edge| format!("{} <- {} {}", name(&edge["target"]), name(&edge["source"]), edge["kind"].as_str().unwrap()))
        .collect()
}

fn reached(answer: &Value) -> Vec<String> {
    let all = answer["lineage"]["reached"].as_array().unwrap().iter();
    all.map(|own| format!("{}.{}", own["table"].as_str().unwrap(), own["column"].as_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_says_exactly_what_its_columns_are_made_of() {
    let mut pg = Pg::new(SHOP).await;
    let export = pg.shop.json(&["lineage", "export", "--as", "json"], 0);
    let exact = edges(&export, |edge| edge["certainty"] == "exact");
    for edge in [
        "public.open_orders.gross <- public.orders.total transformation",
        "public.open_orders.gross <- public.orders.status filter",
        "public.sums.gross <- public.open_orders.gross aggregation",
        "public.sums.gross <- public.orders.customer group_by",
        "public.sums.customer <- public.orders.id join",
        "public.of_customer().total <- public.orders.total identity",
        "public.mine.total <- public.of_customer().total identity",
        "public.orders.shout <- public.orders.status transformation",
    ] {
        assert!(exact.contains(edge), "{edge} is not in {exact:#?}");
    }
    let parsed = edges(&export, |edge| edge["certainty"] == "parsed");
    assert!(parsed.contains("public.audit.what <- public.orders.status identity"), "{parsed:#?}");
    // the server's own list of what each view depends on holds just the columns that are read
    let of_server = "select distinct c.relname || ' ' || t.relname || '.' || a.attname from pg_depend d
        join pg_rewrite r on r.oid = d.objid and d.classid = 'pg_rewrite'::regclass join pg_class c on c.oid = r.ev_class
        join pg_class t on t.oid = d.refobjid and d.refclassid = 'pg_class'::regclass and t.oid <> c.oid
        join pg_attribute a on a.attrelid = t.oid and a.attnum = d.refobjsubid and d.refobjsubid > 0
        join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'public'";
    let of_server = pg.texts(of_server).await;
    let views = ["open_orders", "sums"];
    let read: BTreeSet<String> = export["edges"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|edge| views.iter().any(|view| edge["target"]["table"] == format!("public.{view}")))
        .map(|edge| {
            let bare = |column: &Value| column["table"].as_str().unwrap().trim_start_matches("public.").to_owned();
            format!(
                "{} {}.{}",
                bare(&edge["target"]),
                bare(&edge["source"]),
                edge["source"]["column"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(read, of_server);
    let coverage = pg.shop.json(&["lineage", "coverage", "--no-read"], 0);
    let unresolved: Vec<&Value> =
        coverage["origins"].as_array().unwrap().iter().filter(|row| row["unresolved"] != json!([])).collect();
    assert_eq!(unresolved.len(), 1, "{unresolved:#?}");
    assert_eq!(unresolved[0]["name"], "function public.anything");
    assert_eq!(unresolved[0]["unresolved"][0]["reason"], "the statement is made while it runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_and_what_follows_is_told_as_of_any_time() {
    let mut pg = Pg::new(SHOP).await;
    let down = pg.shop.json(&["lineage", "down", "orders.total"], 0);
    let named: BTreeSet<String> = reached(&down).into_iter().collect();
    let all = ["open_orders.gross", "sums.gross", "of_customer().total", "mine.total"];
    assert_eq!(named, all.iter().map(|name| format!("public.{name}")).collect());
    let text = pg.shop.run(&["lineage", "up", "public.mine.total", "--no-read"]).gives(0);
    assert!(
        text.out.contains("public.orders.total  (direct identity by function public.of_customer, exact)"),
        "{}",
        text.out
    );
    let impact =
        |change: &'static str| ["lineage", "impact", "orders.total", "--no-read", "--direct", "--change", change];
    let renamed = pg.shop.json(&impact("renamed"), 0);
    assert!(renamed["effects"].as_array().unwrap().iter().all(|effect| effect == "follows"), "{renamed:#}");
    let dropped = pg.shop.json(&impact("dropped"), 0);
    assert!(dropped["effects"].as_array().unwrap().iter().all(|effect| effect == "breaks"));
    let before = chrono::Utc::now().to_rfc3339();
    // a rename, a view that is made anew under its name, one that reads another column, and one that is no more
    let change = "alter table orders rename column total to amount; drop view mine;
        create or replace view open_orders as select id, amount * 1.2 as gross from orders where customer > 7;";
    pg.sql(change).await;
    let difference = pg.shop.json(&["lineage", "diff", "--from", &before], 0);
    let difference = &difference["sources"][0]["difference"];
    let renamed = difference["renamed"].as_array().unwrap();
    let (from, to) = (&renamed[0]["from"]["column"], &renamed[0]["to"]["column"]);
    assert_eq!((renamed.len(), from, to), (1, &json!("total"), &json!("amount")));
    let sets = |of: &Value| edges(&json!({ "edges": of }), |_| true);
    let own = |text: &str| text.replace("O.", "public.open_orders.").replace("T.", "public.orders.");
    let added = ["O.id <- T.customer filter", "O.gross <- T.customer filter"].map(own);
    assert_eq!(sets(&difference["added"]), added.into_iter().collect());
    let removed = [
        own("O.id <- T.status filter"),
        own("O.gross <- T.status filter"),
        "public.mine.total <- public.of_customer().total identity".to_owned(),
    ];
    assert_eq!(sets(&difference["removed"]), removed.into_iter().collect());
    // as it was before all that
    let old = pg.shop.json(&["lineage", "down", "orders.total", "--no-read", "--as-of", &before], 0);
    assert_eq!(reached(&old).into_iter().collect::<BTreeSet<_>>(), named);
    let gone = pg.shop.run(&["lineage", "down", "orders.total", "--no-read"]).gives(2);
    assert!(gone.err.contains("no column `orders.total` is known"), "{}", gone.err);
    let unused = pg.shop.json(&["lineage", "unused", "--no-read"], 0);
    let unused: Vec<String> = unused["unused"]
        .as_array()
        .unwrap()
        .iter()
        .map(|own| format!("{}.{}", own["table"].as_str().unwrap(), own["column"].as_str().unwrap()))
        .collect();
    assert!(unused.contains(&"public.orders.shout".to_owned()) && !unused.contains(&"public.orders.id".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_seen_to_read_is_known() {
    let mut pg =
        Pg::new("create table t (id bigint primary key, seen text, unseen text); create extension pg_stat_statements")
            .await;
    // the log is the server's: of this session alone it takes note
    pg.sql("set pg_stat_statements.track = 'top'").await;
    for _ in 0..3 {
        pg.sql("select id from t where seen = 'a-planted-secret'").await;
    }
    pg.sql("set pg_stat_statements.track = 'none'").await;
    let export = pg.shop.json(&["lineage", "export", "--as", "json"], 0);
    let observed = edges(&export, |edge| edge["certainty"] == "observed");
    assert_eq!(observed.len(), 2, "{observed:#?}");
    assert!(observed.iter().any(|edge| edge.ends_with(".id <- public.t.id identity")));
    assert!(observed.iter().any(|edge| edge.ends_with(".id <- public.t.seen filter")));
    let down = pg.shop.json(&["lineage", "down", "t.seen", "--no-read"], 0);
    assert_eq!(down["lineage"]["reached"][0]["origin"]["calls"], 3);
    let unused = pg.shop.run(&["lineage", "unused", "--no-read"]).gives(0);
    assert!(unused.out.contains("public.t.unseen") && !unused.out.contains("public.t.seen"), "{}", unused.out);
    let store = std::fs::read(pg.shop.path("state/collector.db")).unwrap();
    let log = std::fs::read(pg.shop.path("state/collector.db-wal")).unwrap_or_default();
    assert!(![store, log].iter().any(|bytes| bytes.windows(16).any(|own| own == b"a-planted-secret")));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_seen_to_read_on_mariadb_is_known() {
    let server = mariadb::Server::start("--performance-schema=ON").await.unwrap();
    let database = server.database("").await.unwrap();
    let mut keeper = server.keeper(&database).await.unwrap();
    let table = "create table t (id bigint primary key, seen text, unseen text)";
    sqlx::raw_sql(table).execute(&mut keeper).await.unwrap();
    for _ in 0..3 {
        sqlx::raw_sql("select id from t where seen = 'a-planted-secret'").execute(&mut keeper).await.unwrap();
    }
    keeper.close().await.unwrap();
    let shop = Shop::of(&server.url(mariadb::USER, &database));
    let export = shop.json(&["lineage", "export", "--as", "json"], 0);
    let observed = edges(&export, |edge| edge["certainty"] == "observed" && edge["source"]["column"] == "seen");
    assert_eq!(observed.len(), 1, "{export:#}");
    assert!(observed.iter().all(|edge| edge.ends_with(&format!(".ID <- {database}.t.seen filter"))), "{observed:?}");
    let down = shop.json(&["lineage", "down", "t.seen", "--no-read"], 0);
    assert_eq!(down["lineage"]["reached"][0]["origin"]["calls"], 3);
    let unused = shop.run(&["lineage", "unused", "--no-read"]).gives(0);
    assert!(unused.out.contains(".t.unseen") && !unused.out.contains(".t.seen"), "{}", unused.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_and_sqlite_are_read_by_their_statements() {
    let mut market = Market::new(
        "create table orders (id bigint primary key, total int, status varchar(20), twice int as (total * 2) stored);
         create table audit (order_id bigint, total int);
         create view open_orders as select id, total + 1 as gross from orders where status <> 'paid';
         create trigger noted after insert on orders for each row insert into audit values (new.id, new.total);",
    )
    .await;
    // what the role may not see is told as such
    let coverage = market.json(&["lineage", "coverage"], 0);
    let text = coverage.to_string();
    assert!(text.contains("the role may not see what it is made of"), "{coverage:#}");
    market.may_see_definitions().await;
    let export = market.json(&["lineage", "export", "--as", "json"], 0);
    let all = edges(&export, |edge| edge["certainty"] == "parsed");
    let schema = export["edges"][0]["source"]["table"].as_str().unwrap().split('.').next().unwrap().to_owned();
    for edge in [
        "open_orders.gross <- S.orders.total transformation",
        "open_orders.gross <- S.orders.status filter",
        "audit.total <- S.orders.total identity",
        "orders.twice <- S.orders.total transformation",
    ] {
        let edge = format!("{schema}.{}", edge.replace("S.", &format!("{schema}.")));
        assert!(all.contains(&edge), "{edge} is not in {all:#?}");
    }
    let shop = Shop::new(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, total INTEGER, twice INTEGER AS (total * 2));
         CREATE TABLE audit (order_id INTEGER, total INTEGER);
         CREATE VIEW big AS SELECT id, max(total) AS most FROM orders GROUP BY id;
         CREATE TRIGGER noted AFTER INSERT ON orders BEGIN INSERT INTO audit VALUES (NEW.id, NEW.total); END;",
    );
    shop.rules("orders", "owner: team-shop\nrules:\n  - { in_range: { column: total, min: 0 } }\n");
    let all = edges(&shop.json(&["lineage", "export", "--as", "json"], 0), |_| true);
    for edge in [
        "main.big.most <- main.orders.total aggregation",
        "main.big.most <- main.orders.id group_by",
        "main.audit.total <- main.orders.total identity",
        "main.orders.twice <- main.orders.total transformation",
    ] {
        assert!(all.contains(edge), "{edge} is not in {all:#?}");
    }
    // a rule is one who reads, and whose it is
    let down = shop.json(&["lineage", "down", "orders.total", "--no-read"], 0);
    let rule =
        down["lineage"]["reached"].as_array().unwrap().iter().find(|own| own["origin"]["kind"] == "rule").unwrap();
    assert_eq!(rule["origin"]["owner"], "team-shop");
}

#[test]
fn every_form_of_an_export_can_be_read() {
    let shop =
        Shop::new("CREATE TABLE \"t,\"\"x\" (a INTEGER); CREATE VIEW v AS SELECT a AS \"b<script>\" FROM \"t,\"\"x\";");
    let csv = shop.run(&["lineage", "export"]).gives(0).out;
    assert_eq!(csv.lines().count(), 2, "{csv}");
    assert!(
        csv.lines()
            .nth(1)
            .unwrap()
            .starts_with("shop,\"main.t,\"\"x\",a,shop,main.v,b<script>,DIRECT,IDENTITY,false,view main.v,parsed,")
    );
    let dot = shop.run(&["lineage", "export", "--as", "dot", "--no-read"]).gives(0).out;
    assert!(dot.starts_with("digraph lineage {") && dot.contains("[label=\"shop: main.t,\\\"x.a\"]"), "{dot}");
    let mermaid = shop.run(&["lineage", "export", "--as", "mermaid", "--no-read"]).gives(0).out;
    assert!(
        mermaid.starts_with("flowchart LR\n") && !mermaid.contains('<') && mermaid.contains("-->|identity|"),
        "{mermaid}"
    );
    let event = shop.run(&["lineage", "export", "--as", "openlineage", "--no-read"]).gives(0).out;
    let event: Value = serde_json::from_str(event.trim()).unwrap();
    let field = &event["dataset"]["facets"]["columnLineage"]["fields"]["b<script>"]["inputFields"][0];
    assert_eq!((&field["field"], &field["transformations"][0]["subtype"]), (&json!("a"), &json!("IDENTITY")));
    assert_eq!(event["dataset"]["namespace"], "file");
}

/// The program with this on its standard input.
fn piped(arguments: &[&str], input: &[u8]) -> Run {
    let mut command = Command::new(program());
    command.args(arguments).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    let writer = std::thread::spawn(move || stdin.write_all(&input).ok());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Run::of(output)
}

#[test]
fn statements_are_resolved_without_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let schema = folder.path().join("schema.json");
    std::fs::write(&schema, r#"{"public.t": {"z": "int", "a": "text"}, "public.o": {"x": "int"}}"#).unwrap();
    let schema = schema.to_str().unwrap();
    let arguments = ["lineage", "sql", "--dialect", "postgres", "--schema", schema, "--default-schema", "public"];
    let run = piped(&arguments, b"insert into o select z from t;\nselect a,\n  missing from t; delete from o").gives(0);
    let lines: Vec<Value> = run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let edge = json!({ "source": "public.t.z", "target": "public.o.x", "type": "DIRECT", "subtype": "IDENTITY" });
    assert_eq!(lines[0], json!({ "edges": [edge], "unresolved": [] }));
    assert_eq!(lines[1]["edges"][0]["target"], ".a");
    let unresolved =
        json!({ "reason": "no table here has a column of this name", "line": 3, "column": 3, "text": "missing" });
    assert_eq!(lines[1]["unresolved"], json!([unresolved]));
    assert_eq!(lines[2], json!({ "edges": [], "unresolved": [] }));
    let questions = [
        json!({ "id": 7, "dialect": "tsql", "schema": { "t": { "a": "int" } }, "default_schema": null, "sql": "SELECT x = a FROM t" })
            .to_string(),
        "{\"id\": 8".to_owned(),
        String::new(),
        json!({ "id": "nine", "dialect": "sqlite", "schema": {}, "sql": "SELECT 1; SELECT a FROM ghost" }).to_string(),
        json!({ "id": 10, "dialect": "mysql", "schema": {}, "sql": format!("SELECT {}1", "1+".repeat(5_000_000)) }).to_string(),
    ];
    let run = piped(&["lineage", "sql", "--batch"], questions.join("\n").as_bytes()).gives(0);
    let answers: Vec<Value> = run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        answers.iter().map(|answer| answer["id"].clone()).collect::<Vec<_>>(),
        [json!(7), Value::Null, json!("nine"), json!(10)]
    );
    assert_eq!((&answers[0]["tried_as"], &answers[0]["edges"][0]["target"]), (&json!("mssql"), &json!(".x")));
    assert_eq!(answers[1]["unresolved"][0]["line"], 1);
    assert_eq!(answers[2]["edges"][0]["source"], "?.a");
    assert!(answers[3]["unresolved"][0]["reason"].as_str().unwrap().contains("more than the 1048576"));
    let wrong = folder.path().join("wrong.json");
    std::fs::write(&wrong, "{\"t\":\n 7}").unwrap();
    let run = piped(&["lineage", "sql", "--schema", wrong.to_str().unwrap()], b"select 1").gives(2);
    assert!(run.err.contains("wrong.json: line 2, column 2: this is no schema"), "{}", run.err);
}

#[test]
fn what_is_no_column_and_a_database_that_is_away_are_told() {
    let shop = Shop::new("CREATE TABLE t (a INTEGER);");
    assert!(shop.run(&["lineage", "up", "a"]).gives(64).err.contains("`a` is no column: table.column"));
    shop.run(&["lineage", "up", "t.a"]).gives(0);
    std::fs::remove_file(shop.path("shop.db")).unwrap();
    assert!(shop.run(&["lineage", "up", "t.a"]).gives(2).err.contains("`--no-read` goes by what was read before"));
    let told = shop.run(&["lineage", "up", "t.a", "--no-read"]).gives(0);
    assert_eq!(told.out, "shop main.t.a\n  nothing goes into it\n");
}
