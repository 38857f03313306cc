//! What a role needs: with exactly what is listed everything works, and without any one of it `doctor` names a point,
//! and a part fails that needs it.

use super::{LIMITS, Postgres};
use crate::conformance::queries::asked;
use crate::conformance::{Fixture as _, batch, names, table};
use crate::server::postgres::{PASSWORD, USER};
use anyhow::Context as _;
use fieldmark_model::{Dialect, Table, TableName};
use fieldmark_source::postgres::{self, ConnectOptions, PostgresSource};
use fieldmark_source::{
    BlockDraw, Cursor, Error, Grant, Privileges, Read, Reference, Sessions, Source as _, grants, script,
};
use std::collections::BTreeMap;

const PUBLIC: &str = r#"USAGE ON SCHEMA "public""#;
const AUDIT: &str = r#"USAGE ON SCHEMA "audit""#;
const KINDS: &str = r#"USAGE ON SCHEMA "kinds""#;
const ORDERS: &str = r#"SELECT ON TABLE "public"."orders""#;
const LOG: &str = r#"SELECT ON TABLE "audit"."log""#;
const STATISTICS: &str = "pg_read_all_stats";

/// Parts of the work, and what each cannot do without, a connection apart.
const PARTS: [(&str, &[&str]); 13] = [
    ("catalogue", &[]),
    ("checks", &[]),
    ("sessions", &[]),
    ("scan of orders", &[PUBLIC, ORDERS]),
    ("orders by code", &[PUBLIC, KINDS, ORDERS]),
    ("orders that share a code", &[PUBLIC, KINDS, ORDERS]),
    ("parents in orders", &[PUBLIC, ORDERS]),
    ("scan of log", &[AUDIT, LOG]),
    ("blocks of log", &[AUDIT, LOG]),
    ("query of log", &[AUDIT, LOG]),
    ("counters of log", &[AUDIT]),
    ("orphans in log", &[PUBLIC, AUDIT, ORDERS, LOG]),
    ("horizon", &[STATISTICS]),
];

/// What a part says that lacks this.
fn says(part: &str, left_out: &str) -> &'static str {
    match part {
        "horizon" => "not seen",
        // the rows' places are no columns that could be granted by themselves
        "blocks of log" if left_out == LOG => "drawing blocks is not possible on this source",
        _ => "permission denied (42501)",
    }
}

/// What a statement gives: `GRANT this TO somebody;`.
fn given(grant: &Grant) -> &str {
    let given = grant.sql.strip_prefix("GRANT ").and_then(|rest| rest.rsplit_once(" TO "));
    given.map_or("", |(given, _)| given)
}

fn told(result: Result<bool, Error>) -> String {
    match result {
        Ok(true) => "works".to_owned(),
        Ok(false) => "not seen".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// How each part goes.
async fn tried(
    source: &mut PostgresSource,
    log: &Table,
    orders: &Table,
) -> anyhow::Result<BTreeMap<&'static str, String>> {
    let (id, code, order, both) = (names(&["id"]), names(&["code"]), names(&["order_id"]), names(&["id", "code"]));
    let (of_log, of_orders) = (Read::new(log, &id), Read::new(orders, &both));
    let reference = Reference { from: log, columns: &order, to: orders, to_columns: &id };
    let codes = batch(orders, &["code"], &[&["ok"]])?;
    let values = batch(log, &["order_id"], &[&["1"], &["3"]])?;
    let keys = batch(log, &["id"], &[&["7"], &["8"]])?;
    let draw = BlockDraw { skip: 0, blocks: 1, per_block: 10, seed: 1 };
    let owner = [Sessions { role: Some(USER.to_owned()), application_name: None }];
    let query = asked("select id from audit.log");
    let first = Cursor::start();
    Ok(BTreeMap::from([
        ("catalogue", told(source.catalogue().await.map(|catalogue| catalogue.tables.len() == 2))),
        ("checks", told(source.checks().await.map(|checks| checks.len() == 1))),
        ("sessions", told(source.transactions(&owner).await.map(|ids| ids.len() == 1))),
        ("scan of orders", told(source.scan(&of_orders, &first, 10).await.map(|scanned| scanned.chunk.rows() == 2))),
        ("orders by code", told(source.by_key(&of_orders, &code, &codes).await.map(|found| found.rows() == 1))),
        (
            "orders that share a code",
            told(source.sharing(&of_orders, &code, &codes, 2).await.map(|found| found.rows() == 1)),
        ),
        ("parents in orders", told(source.has_parent(&reference, &values).await.map(|found| found == [true, false]))),
        ("scan of log", told(source.scan(&of_log, &first, 10).await.map(|scanned| scanned.chunk.rows() == 2))),
        ("blocks of log", told(source.blocks(&of_log, &draw).await.map(|drawn| drawn.chunk.rows() == 2))),
        ("query of log", told(source.query(&query).await.map(|answered| answered.rows == 2))),
        ("counters of log", told(source.counters(log).await.map(|counters| counters.inserted.is_some()))),
        (
            "orphans in log",
            told(source.orphans(&of_log, &id, &keys, &reference).await.map(|orphans| orphans.rows() == 1)),
        ),
        ("horizon", told(source.horizon().await.map(|horizon| horizon.oldest_began.is_some()))),
    ]))
}

/// Every grant of the list in turn is taken away and given back.
#[tokio::test]
async fn leaving_any_grant_out_fails_a_named_point() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    // a type with operators of its own where the installation has one, else one that keys are written in
    let code = if fixture.server.extensions.contains(&"citext") { "kinds.citext" } else { "kinds.mood" };
    let role = format!("lacking_{}", fixture.database);
    fixture
        .execute(&format!(
            "create schema audit;
             create table orders (id integer primary key, code {code}, total integer check (total > 0));
             create index on orders (code);
             create table audit.log (id integer primary key, order_id integer);
             insert into orders values (1, 'ok', 5), (2, 'sad', 6);
             insert into audit.log values (7, 1), (8, 3);
             create role {role} login password '{PASSWORD}'"
        ))
        .await?;
    let schemas = names(&["public", "audit"]);
    let options =
        |role: &str| ConnectOptions { schemas: Some(schemas.clone()), limits: LIMITS, ..fixture.options(role) };
    let mut owner = postgres::connect(&options(USER)).await?;
    let catalogue = owner.catalogue().await?;
    drop(owner);
    let [log, orders] = catalogue.tables.as_slice() else { panic!("{catalogue:?}") };
    let needed = fixture.needed(&role, Some(&schemas)).await?;
    let points: Vec<(&str, &str)> = needed.iter().map(|grant| (grant.point, given(grant))).collect();
    let connect = format!("CONNECT ON DATABASE \"{}\"", fixture.database);
    assert_eq!(
        points,
        [
            ("connect", connect.as_str()),
            ("schema_usage", AUDIT),
            ("schema_usage", PUBLIC),
            ("schema_usage", KINDS),
            ("select", LOG),
            ("select", ORDERS),
            ("read_all_stats", STATISTICS),
        ]
    );
    fixture.apart(&script(&needed)).await?;
    // somebody else's transaction, which is under way all the time
    let mut other = fixture.another().await?;
    sqlx::raw_sql("begin; select pg_current_xact_id()").execute(&mut other).await?;
    let nothing = [None];
    for left_out in nothing.into_iter().chain(needed.iter().map(Some)).chain(nothing) {
        let what = left_out.map_or("", given);
        if left_out.is_some() {
            fixture.apart(&format!("REVOKE {what} FROM {role}")).await?;
        }
        match postgres::connect(&options(&role)).await {
            Ok(mut source) => {
                let privileges = source.privileges().await?.context("a server without roles")?;
                let judged = grants(Dialect::Postgres, &role, &privileges, &[&log.name, &orders.name]);
                let judgement: Vec<(&str, &str, bool)> =
                    judged.iter().map(|grant| (grant.point, given(grant), grant.given)).collect();
                let expected: Vec<(&str, &str, bool)> =
                    points.iter().map(|(point, given)| (*point, *given, *given != what)).collect();
                assert_eq!(judgement, expected, "without {what:?}");
                let went = tried(&mut source, log, orders).await?;
                let how = |part: &str, needs: &[&str]| match needs.contains(&what) {
                    true => says(part, what).to_owned(),
                    false => "works".to_owned(),
                };
                let expected: BTreeMap<&str, String> =
                    PARTS.iter().map(|(part, needs)| (*part, how(part, needs))).collect();
                assert_eq!(went, expected, "without {what:?}");
                assert_eq!(left_out.is_none(), went.values().all(|how| how == "works"), "{what} is needed for nothing");
            }
            Err(error) => {
                assert_eq!(left_out.map(|grant| grant.point), Some("connect"), "without {what:?}: {error}");
                assert!(matches!(error, Error::LoginRefused { .. }) && error.to_string().contains("42501"), "{error}");
            }
        }
        if let Some(grant) = left_out {
            fixture.apart(&grant.sql).await?;
        }
    }
    sqlx::raw_sql("rollback").execute(&mut other).await?;
    Ok(())
}

/// What every other test reads with is what is listed, and nothing besides.
#[tokio::test]
async fn the_reader_has_what_is_listed_and_nothing_else() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    fixture
        .execute(
            "create table t (id integer primary key, v kinds.mood); create view w as select id from t;
             create table p (id integer) partition by range (id);
             create table p1 partition of p for values from (0) to (9)",
        )
        .await?;
    let mut source = fixture.source().await?;
    let reader = &fixture.reader;
    let privileges = source.privileges().await?.context("a server without roles")?;
    let tables: Vec<&TableName> = privileges.tables.iter().map(|table| &table.name).collect();
    let judged = grants(Dialect::Postgres, reader, &privileges, &tables);
    let listed: Vec<(&str, &str)> = judged.iter().map(|grant| (grant.point, given(grant))).collect();
    let connect = format!("CONNECT ON DATABASE \"{}\"", fixture.database);
    assert_eq!(
        listed,
        [
            ("connect", connect.as_str()),
            ("schema_usage", PUBLIC),
            ("schema_usage", KINDS),
            ("select", r#"SELECT ON TABLE "public"."p""#),
            ("select", r#"SELECT ON TABLE "public"."p1""#),
            ("select", r#"SELECT ON TABLE "public"."t""#),
            ("select", r#"SELECT ON TABLE "public"."w""#),
            ("read_all_stats", STATISTICS),
        ]
    );
    assert!(judged.iter().all(|grant| grant.given), "{judged:?}");
    // each object on which the role has any right at all, and each role that it is in
    let objects = format!(
        "select count(*) from pg_shdepend \
         where refobjid = '{reader}'::regrole and classid <> 'pg_auth_members'::regclass"
    );
    assert_eq!(fixture.ask(&objects).await?, (judged.len() - 1).to_string());
    let roles = format!(
        "select string_agg(roleid::regrole::text, ' ') from pg_auth_members where member = '{reader}'::regrole"
    );
    assert_eq!(fixture.ask(&roles).await?, STATISTICS);
    // on none of them it may do more
    assert!(privileges.tables.iter().all(|table| table.writes.is_empty() && !table.owned), "{privileges:?}");
    assert!(privileges.schemas.iter().all(|schema| !schema.create), "{privileges:?}");
    let flags = |told: &Privileges| {
        [told.superuser, told.bypass_row_security, told.administers, told.writes_all_data, told.creates_in_database]
    };
    assert_eq!(flags(&privileges), [false; 5]);
    let more = format!("has_database_privilege('{reader}', current_database(), 'TEMPORARY')");
    assert_eq!(fixture.ask(&more).await?, "false");
    // what is made later is granted when it is made
    fixture.execute("create table later (id integer primary key); insert into later values (1)").await?;
    let later = table(&fixture, &mut source, "later").await?;
    assert_eq!(source.scan(&Read::new(&later, &names(&["id"])), &Cursor::start(), 10).await?.chunk.rows(), 1);
    Ok(())
}

/// Usage of other schemas than the table's own that is listed for `public.t`, where the source looks at these schemas.
async fn type_usage(fixture: &Postgres, schemas: &[&str]) -> anyhow::Result<Vec<String>> {
    let options = ConnectOptions { schemas: Some(names(schemas)), limits: LIMITS, ..fixture.options(USER) };
    let mut owner = postgres::connect(&options).await?;
    let privileges = owner.privileges().await?.context("a server without roles")?;
    let needed = grants(Dialect::Postgres, "anybody", &privileges, &[&TableName::new("public", "t")]);
    let usage = needed.iter().filter(|grant| grant.point == "schema_usage").map(|grant| given(grant).to_owned());
    Ok(usage.filter(|usage| usage != PUBLIC).collect())
}

/// A domain has the operators and the input of the type that it ends at, which may lie in another schema.
#[tokio::test]
async fn schemas_of_types_under_domains_are_listed() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    fixture
        .execute(
            "create domain feeling as kinds.mood; create table t (id integer primary key, v feeling);
             insert into t values (1, 'ok')",
        )
        .await?;
    let role = fixture.role("reader").await?;
    fixture.execute(&format!("grant select on t to {role}")).await?;
    let mut source = fixture.source_of(&role).await?;
    let t = table(&fixture, &mut source, "t").await?;
    let v = names(&["v"]);
    let keys = batch(&t, &["v"], &[&["ok"]])?;
    let result = source.by_key(&Read::new(&t, &v), &v, &keys).await.map(|found| found.rows());
    assert!(matches!(result, Err(Error::PermissionDenied { .. })), "{result:?}");
    fixture.execute(&format!("grant usage on schema kinds to {role}")).await?;
    assert_eq!(source.by_key(&Read::new(&t, &v), &v, &keys).await?.rows(), 1);
    assert_eq!(type_usage(&fixture, &["public"]).await?, [KINDS]);
    Ok(())
}

/// A schema that the source looks at, too, is needed for its types though none of its tables is read.
#[tokio::test]
async fn schemas_of_types_are_listed_among_those_looked_at() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    fixture.execute("create table t (id integer primary key, v kinds.mood)").await?;
    assert_eq!(type_usage(&fixture, &["public", "kinds"]).await?, [KINDS]);
    Ok(())
}

/// A domain over a type of the system's own is read and looked up as that one; its schema is named in no statement.
#[tokio::test]
async fn schemas_that_no_statement_names_are_not_listed() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    fixture.execute("create table t (id integer primary key, v kinds.cents); insert into t values (1, 5)").await?;
    let role = fixture.role("reader").await?;
    fixture.execute(&format!("grant select on t to {role}")).await?;
    let mut source = fixture.source_of(&role).await?;
    let t = table(&fixture, &mut source, "t").await?;
    let v = names(&["v"]);
    let keys = batch(&t, &["v"], &[&["5"]])?;
    let read = Read::new(&t, &v);
    assert_eq!(source.scan(&read, &Cursor::start(), 10).await?.chunk.rows(), 1);
    assert_eq!(source.by_key(&read, &v, &keys).await?.rows(), 1);
    assert_eq!(source.sharing(&read, &v, &keys, 2).await?.rows(), 1);
    assert_eq!(source.between(&read, &v, (None, Some(&keys)), 10).await?.rows(), 1);
    assert_eq!(type_usage(&fixture, &["public"]).await?, [""; 0]);
    Ok(())
}

/// A schema of the search path that the role may not use is missing, and not unheard of.
#[tokio::test]
async fn a_closed_schema_of_the_search_path_is_told() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    fixture.execute("create table t (id integer primary key)").await?;
    let role = fixture.role("reader").await?;
    fixture.execute(&format!("grant select on t to {role}; revoke usage on schema public from {role}")).await?;
    let mut source = fixture.source_of(&role).await?;
    let privileges = source.privileges().await?.context("a server without roles")?;
    let judged = grants(Dialect::Postgres, &role, &privileges, &[&TableName::new("public", "t")]);
    let missing: Vec<&str> = judged.iter().filter(|grant| !grant.given).map(given).collect();
    assert_eq!(missing, [PUBLIC, STATISTICS]);
    Ok(())
}
