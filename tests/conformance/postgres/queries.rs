//! Queries of rules' own, as the server takes them.

use super::{LIMITS, Postgres};
use crate::conformance::queries::asked;
use crate::conformance::{Fixture, names};
use fieldmark_source::postgres::{self, ConnectOptions};
use fieldmark_source::{Error, Source as _};

/// A function and a sequence that the reader may call, and that write.
const WRITING: &str = "create table t (id integer primary key); insert into t values (1); create sequence s;
    create function writes() returns integer language sql security definer
    as 'insert into public.t values (2) returning id'";

/// What a query calls is held to reading as well, by the transaction, whoever owns it.
#[tokio::test]
async fn a_query_that_writes_by_what_it_calls_is_refused() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    fixture.execute(WRITING).await?;
    let mut source = fixture.source().await?;
    fixture.execute(&format!("grant usage on sequence s to {}", fixture.reader)).await?;
    for (sql, expected) in [
        ("select writes()", "25006"),
        ("select nextval('s')", "25006"),
        ("select writes() from set_config('transaction_read_only', 'off', true)", "25001"),
        ("select writes() from set_config('transaction_read_only', 'off', false)", "25001"),
    ] {
        let result = source.query(&asked(sql)).await;
        assert!(matches!(&result, Err(Error::Database { code }) if code == expected), "{sql}: {result:?}");
    }
    assert_eq!(fixture.ask("select string_agg(id::text, ' ') from t").await?, "1");
    assert_eq!(fixture.ask("select is_called from s").await?, "false");
    assert_eq!(source.query(&asked("select id from t")).await?.rows, 1, "the source goes on");
    // the same calls write where they may, so that it was the transaction that refused
    assert_eq!(fixture.ask("select writes() + nextval('s')").await?, "3");
    assert_eq!(fixture.ask("select string_agg(id::text, ' ' order by id) from t").await?, "1 2");
    Ok(())
}

/// What a read-only transaction allows a query to do beside reading does not outlive it: settings, locks, large objects.
#[tokio::test]
async fn a_query_leaves_nothing_behind() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    let mut source = fixture.source().await?;
    for sql in [
        "select set_config('application_name', 'left behind', false)",
        "select pg_advisory_lock(7)::text",
        // refused since PostgreSQL 16
        "select lo_create(0)",
    ] {
        source.query(&asked(sql)).await.ok();
    }
    let sessions = "select count(*) from pg_stat_activity where application_name = 'left behind'";
    assert_eq!(fixture.ask(sessions).await?, "0");
    let locks = "select count(*) from pg_locks where locktype = 'advisory' and objid = 7 and pid <> pg_backend_pid() \
                 and database = (select oid from pg_database where datname = current_database())";
    assert_eq!(fixture.ask(locks).await?, "0");
    assert_eq!(fixture.ask("select count(*) from pg_largeobject_metadata").await?, "0");
    Ok(())
}

/// The planner is asked, and nothing is called; the statement it is asked about is one.
#[tokio::test]
async fn a_cost_is_the_planner_s_and_nothing_is_called() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    fixture.execute(WRITING).await?;
    fixture.execute("create table large (id integer); insert into large select generate_series(1, 20000)").await?;
    fixture.execute("analyze large").await?;
    let mut source = fixture.source().await?;
    let small = source.expected_cost(&asked("select 1 as id")).await?;
    let large = source.expected_cost(&asked("select id from large -- all")).await?;
    assert!(small > Some(0.0) && large > small.map(|small| 100.0 * small), "{small:?} {large:?}");
    assert!(source.expected_cost(&asked("select writes()")).await? > Some(0.0));
    assert_eq!(fixture.ask("select string_agg(id::text, ' ') from t").await?, "1");
    for sql in ["select 1 as a; select 2 as a", "select 1 as a) as x; select * from (select 2 as a"] {
        for result in [source.expected_cost(&asked(sql)).await.map(|_| ()), source.query(&asked(sql)).await.map(|_| ())]
        {
            assert!(matches!(&result, Err(Error::Database { code }) if code == "42601"), "{sql}: {result:?}");
        }
    }
    Ok(())
}

/// Names without a schema are looked for in the source's schemas, in their order, whatever the role prefers.
#[tokio::test]
async fn a_query_finds_names_in_the_schemas_of_the_source() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    fixture
        .execute(
            "create schema audit; create table t (v text); insert into t values ('public');
             create table audit.t (v text); insert into audit.t values ('audit');
             create table audit.entries (v text); insert into audit.entries values ('entry')",
        )
        .await?;
    fixture.execute(&format!("alter role {} set search_path = pg_catalog", fixture.reader)).await?;
    let one = |v: &str| vec![vec![("v".to_owned(), Some(v.to_owned()))]];
    for (schemas, expected) in [
        (&["public", "audit"][..], "public"),
        (&["audit", "public"][..], "audit"),
        (&["no such one", "audit"][..], "audit"),
        (&["public"][..], "public"),
    ] {
        let schemas = names(schemas);
        let needed = fixture.needed(&fixture.reader, Some(&schemas)).await?;
        fixture.apart(&fieldmark_source::script(&needed)).await?;
        let options = fixture.options(&fixture.reader);
        let options = ConnectOptions { schemas: Some(schemas.clone()), limits: LIMITS, ..options };
        let mut source = postgres::connect(&options).await?;
        assert_eq!(source.query(&asked("select v from t")).await?.shown, one(expected), "{schemas:?}");
        let entries = asked("select v from entries");
        if schemas.len() > 1 {
            assert_eq!(source.query(&entries).await?.shown, one("entry"), "{schemas:?}");
            assert!(source.expected_cost(&entries).await? > Some(0.0), "{schemas:?}");
        } else {
            let result = source.query(&entries).await;
            assert!(matches!(result, Err(Error::SchemaChanged { .. })), "{result:?}");
            let result = source.expected_cost(&entries).await;
            assert!(matches!(result, Err(Error::SchemaChanged { .. })), "{result:?}");
        }
    }
    Ok(())
}

/// A row is shown as the query gives it: columns in their order, of whatever name, numbers digit by digit.
#[tokio::test]
async fn values_of_a_query_are_shown_as_they_are() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    let mut source = fixture.source().await?;
    for (sql, expected) in [
        ("select 'b' as b, 'a' as a, null as c", &[("b", Some("b")), ("a", Some("a")), ("c", None)][..]),
        ("select 'first' as v, 'second' as v", &[("v", Some("first")), ("v", Some("second"))][..]),
        ("select 12345678901234567890.10 as n", &[("n", Some("12345678901234567890.10"))][..]),
        ("select 1 as failing", &[("failing", Some("1"))][..]),
    ] {
        let answered = source.query(&asked(sql)).await?;
        let [row] = answered.shown.as_slice() else { panic!("{sql}: {answered:?}") };
        let row: Vec<(&str, Option<&str>)> =
            row.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        assert_eq!(row, expected, "{sql}");
    }
    Ok(())
}
