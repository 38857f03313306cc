//! What the server tells beside the rows: what a role may do, columns of CHECK constraints, blocks that were touched.

use super::Postgres;
use crate::conformance::scan::pass;
use crate::conformance::{Fixture, names, table};
use crate::server::postgres::USER;
use anyhow::Context as _;
use fieldmark_model::TableName;
use fieldmark_source::postgres::PostgresSource;
use fieldmark_source::{Privileges, SchemaPrivileges, Source as _, TablePrivileges};

/// Whatever a role may do is told, of tables, schemas, the database and the server.
#[tokio::test]
async fn what_a_role_may_do_is_told() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    let role = fixture.role("odd").await?;
    fixture
        .execute(&format!(
            "create table part (id integer, v kinds.mood); grant select (id), update on part to {role};
             create table hidden (id integer); alter table hidden enable row level security;
             grant select on hidden to {role};
             create table own (id integer); alter table own owner to {role};
             create view shut as select id from part;
             create table ranges (id integer) partition by range (id);
             create table range1 partition of ranges for values from (0) to (9);
             grant select, insert, delete, truncate on ranges to {role};
             grant create on schema public to {role}; grant create on database {} to {role};
             alter role {role} createdb",
            fixture.database
        ))
        .await?;
    let mut source = fixture.source_of(&role).await?;
    let named = |name: &str| TablePrivileges {
        name: TableName::new("public", name),
        select: true,
        some_columns: true,
        writes: Vec::new(),
        row_security: false,
        owned: false,
        part_of: None,
    };
    let expected = Privileges {
        role: role.clone(),
        database: fixture.database.clone(),
        administers: true,
        creates_in_database: true,
        schemas: vec![SchemaPrivileges { name: "public".to_owned(), usage: true, create: true }],
        type_schemas: vec![SchemaPrivileges { name: "kinds".to_owned(), usage: false, create: false }],
        tables: vec![
            TablePrivileges { row_security: true, ..named("hidden") },
            TablePrivileges { writes: vec!["INSERT", "UPDATE", "DELETE", "TRUNCATE"], owned: true, ..named("own") },
            TablePrivileges { select: false, writes: vec!["UPDATE"], ..named("part") },
            TablePrivileges {
                select: false,
                some_columns: false,
                part_of: Some(TableName::new("public", "ranges")),
                ..named("range1")
            },
            TablePrivileges { writes: vec!["INSERT", "DELETE", "TRUNCATE"], ..named("ranges") },
            TablePrivileges { select: false, some_columns: false, ..named("shut") },
        ],
        ..Privileges::default()
    };
    assert_eq!(source.privileges().await?, Some(expected.clone()));
    fixture
        .apart(&format!("grant pg_write_all_data, pg_read_all_stats to {role}; alter role {role} bypassrls"))
        .await?;
    let more = source.privileges().await?.context("a server without roles")?;
    assert!(
        more.writes_all_data && more.reads_all_statistics && more.bypass_row_security && !more.superuser,
        "{more:?}"
    );
    assert!(more.tables.iter().all(|table| table.writes.len() >= 3 && !table.row_security), "{more:?}");
    let owner = fixture.source_of(USER).await?.privileges().await?.context("a server without roles")?;
    assert!(owner.superuser && owner.schemas == expected.schemas, "{owner:?}");
    Ok(())
}

/// Tables with the columns of each constraint, both sorted.
async fn checks(source: &mut PostgresSource) -> anyhow::Result<Vec<(String, Vec<String>)>> {
    let mut checks: Vec<(String, Vec<String>)> = Vec::new();
    for mut check in source.checks().await? {
        check.columns.sort();
        checks.push((check.table.to_string(), check.columns));
    }
    checks.sort();
    Ok(checks)
}

fn about(table: &str, columns: &[&str]) -> (String, Vec<String>) {
    (table.to_owned(), names(columns))
}

/// Constraints of columns, of tables and of domains; not those that old rows may break, nor other schemas'.
#[tokio::test]
async fn checks_that_all_rows_follow_are_told() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    fixture
        .execute(
            "create domain loose as text;
             create table t (id integer primary key, a integer check (a > 0), b integer, c integer, d integer,
                             e integer not null, low kinds.cents, free kinds.ident, late loose,
                             constraint several check (b < c), constraint aside check (current_user <> 'nobody'));
             alter table t add constraint later check (d > 0) not valid;
             alter domain loose add constraint later check (value <> '') not valid;
             create table bare (id integer primary key, a integer);
             create schema audit; create table audit.t (a integer check (a > 0))",
        )
        .await?;
    let mut source = fixture.source().await?;
    let expected = [about("public.t", &["a"]), about("public.t", &["b", "c"]), about("public.t", &["low"])];
    assert_eq!(checks(&mut source).await?, expected);
    fixture.execute("alter table t validate constraint later; alter table t drop constraint several").await?;
    let expected = [about("public.t", &["a"]), about("public.t", &["d"]), about("public.t", &["low"])];
    assert_eq!(checks(&mut source).await?, expected);
    Ok(())
}

/// A domain over another one has its constraints; an index over such a column is no table with one.
#[tokio::test]
async fn checks_of_domains_reach_the_domains_over_them() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    fixture
        .execute(
            "create domain outer_cents as kinds.cents;
             create table t (id integer primary key, v outer_cents, w kinds.cents); create index on t (w)",
        )
        .await?;
    let mut source = fixture.source().await?;
    assert_eq!(checks(&mut source).await?, [about("public.t", &["v"]), about("public.t", &["w"])]);
    Ok(())
}

/// Blocks of tables and their indexes that anybody has touched, our own reads among them at once.
#[tokio::test]
async fn blocks_that_were_touched_are_seen() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    fixture
        .execute(
            "create table t (id integer primary key, v text);
             insert into t select i, repeat('x', 100) from generate_series(1, 20000) i;
             create table other (id integer primary key); insert into other values (1);
             create table p (id integer) partition by range (id);
             create table p1 partition of p for values from (0) to (9); insert into p values (1)",
        )
        .await?;
    fixture.execute("vacuum analyze t").await?;
    fixture.tell_statistics().await?;
    let mut source = fixture.source().await?;
    let t = table(&fixture, &mut source, "t").await?;
    let other = table(&fixture, &mut source, "other").await?;
    let p = table(&fixture, &mut source, "p").await?;
    if fixture.server.version() < 150_000 {
        assert_eq!(source.blocks_seen(&[&t]).await?, None, "a session's counts cannot be asked for");
        return Ok(());
    }
    let pages = t.pages.context("analysed")?;
    assert!(pages > 300, "{pages}");
    let before = source.blocks_seen(&[&t]).await?.context("no statistics")?;
    let before_others = source.blocks_seen(&[&other, &p]).await?.context("no statistics")?;
    assert!(before_others > 0);
    assert_eq!(pass(&mut source, &t, &names(&["id", "v"]), 5_000).await?.len(), 20_000);
    let scanned = source.blocks_seen(&[&t]).await?.context("no statistics")? - before;
    assert!((pages..=pages + pages / 2).contains(&scanned), "{scanned} of {pages}");
    assert_eq!(source.blocks_seen(&[&other, &p]).await?, Some(before_others), "nobody reads those");
    assert_eq!(source.blocks_seen(&[&t, &other, &p]).await?, Some(before + scanned + before_others));
    // a partition's are its parent's
    assert_eq!(pass(&mut source, &p, &names(&["id"]), 10).await?.len(), 1);
    assert!(source.blocks_seen(&[&p, &other]).await? > Some(before_others));
    // somebody else's
    fixture.ask("select sum(length(v)) from t").await?;
    fixture.tell_statistics().await?;
    let read = source.blocks_seen(&[&t]).await?.context("no statistics")? - before - scanned;
    assert!(read >= pages, "{read} of {pages}");
    fixture.execute("drop table other").await?;
    assert_eq!(source.blocks_seen(&[&other]).await?, None, "what is gone has no statistics");
    assert_eq!(source.blocks_seen(&[]).await?, None);
    Ok(())
}
