//! Who may read what, who is in the way, and what becomes of a connection.

use super::{Postgres, SLOW_IS_READ};
use crate::conformance::scan::pass;
use crate::conformance::{Fixture, batch, names, table};
use crate::server::postgres::{PASSWORD, Server, USER, until};
use crate::server::standby::Pair;
use fieldmark_source::postgres::{self, ConnectOptions, Limits, PostgresSource};
use fieldmark_source::{BlockDraw, Cursor, Error, Read, Source as _};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::time::{Duration, Instant};

const PAIR: &str =
    "create table t (id integer primary key, v text, secret text); insert into t values (1, 'a', 's'), (2, 'b', 's')";

async fn scan(source: &mut PostgresSource, table: &fieldmark_model::Table, columns: &[&str]) -> Result<usize, Error> {
    let columns = names(columns);
    source.scan(&Read::new(table, &columns), &Cursor::start(), 100).await.map(|chunk| chunk.chunk.rows())
}

/// Rows that a policy hides are not left out without a word.
#[tokio::test]
async fn row_security_is_limited_coverage() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    let role = fixture.role("reader").await?;
    fixture.execute(PAIR).await?;
    fixture
        .execute(&format!(
            "grant select on t to {role}; alter table t enable row level security; create policy p on t using (id = 1)"
        ))
        .await?;
    let mut source = fixture.source_of(&role).await?;
    let t = table(&fixture, &mut source, "t").await?;
    let result = scan(&mut source, &t, &["id"]).await;
    assert!(matches!(result, Err(Error::CoverageLimited)), "{result:?}");
    let columns = names(&["id"]);
    let keys = batch(&t, &["id"], &[&["1"]])?;
    let result = source.by_key(&Read::new(&t, &columns), &columns, &keys).await;
    assert!(matches!(result, Err(Error::CoverageLimited)), "{result:?}");
    fixture.execute(&format!("alter role {role} bypassrls")).await?;
    assert_eq!(scan(&mut source, &t, &["id"]).await?, 2);
    Ok(())
}

/// A role that may read some columns reads those, in key order.
#[tokio::test]
async fn granted_columns_are_read_and_others_refused() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    let role = fixture.role("reader").await?;
    fixture.execute(PAIR).await?;
    fixture
        .execute(&format!(
            "insert into t select i, 'x', 's' from generate_series(3, 100) i; grant select (id, v) on t to {role}"
        ))
        .await?;
    fixture.execute(&format!("create table bare (v text); insert into bare values ('a'); grant select (v) on bare to {role}; create table none (v text)")).await?;
    let mut source = fixture.source_of(&role).await?;
    let t = table(&fixture, &mut source, "t").await?;
    for rows in [7, 1000] {
        assert_eq!(pass(&mut source, &t, &names(&["v", "id"]), rows).await?.len(), 100);
    }
    assert_eq!(scan(&mut source, &t, &[]).await?, 100);
    let result = scan(&mut source, &t, &["secret"]).await;
    assert!(matches!(result, Err(Error::PermissionDenied { .. })), "{result:?}");
    let columns = names(&["id"]);
    let draw = BlockDraw { skip: 0, blocks: 1, per_block: 1, seed: 1 };
    let result = source.blocks(&Read::new(&t, &columns), &draw).await.map(|_| ());
    assert!(matches!(result, Err(Error::Unsupported { .. })), "{result:?}");
    let bare = table(&fixture, &mut source, "bare").await?;
    assert_eq!(scan(&mut source, &bare, &["v"]).await?, 1);
    let none = table(&fixture, &mut source, "none").await?;
    let result = scan(&mut source, &none, &["v"]).await;
    assert!(matches!(result, Err(Error::PermissionDenied { .. })), "{result:?}");
    Ok(())
}

/// A role that may read a partitioned table, but not its partitions, reads it through the parent.
#[tokio::test]
async fn partitions_are_read_through_the_parent_where_only_that_is_granted() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    let role = fixture.role("reader").await?;
    fixture.execute("create table p (id integer not null, v text) partition by range (id); create table p1 partition of p for values from (0) to (500); create table p2 partition of p for values from (500) to (5000)").await?;
    fixture
        .execute(&format!(
            "insert into p select i, repeat('x', 100) from generate_series(0, 4999) i; grant select on p to {role}"
        ))
        .await?;
    let mut source = fixture.source_of(&role).await?;
    let p = table(&fixture, &mut source, "p").await?;
    for rows in [10, 700] {
        let mut all = pass(&mut source, &p, &names(&["id"]), rows).await?;
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 5000);
    }
    Ok(())
}

/// An ALTER that runs is not waited for, and one that follows does not wait.
#[tokio::test]
async fn a_running_alter_is_locked_and_the_next_one_goes_at_once() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    fixture.execute(PAIR).await?;
    let mut source = postgres::connect(&fixture.reader().await?).await?;
    let t = table(&fixture, &mut source, "t").await?;
    assert_eq!(scan(&mut source, &t, &["id"]).await?, 2);
    let mut other = fixture.another().await?;
    sqlx::raw_sql("begin; alter table t add column w integer").execute(&mut other).await?;
    for _ in 0..3 {
        let begun = Instant::now();
        let result = scan(&mut source, &t, &["id"]).await;
        assert!(matches!(result, Err(Error::Locked)), "{result:?}");
        assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
    }
    let columns = names(&["id"]);
    let draw = BlockDraw { skip: 0, blocks: 1, per_block: 1, seed: 1 };
    let result = source.blocks(&Read::new(&t, &columns), &draw).await.map(|_| ());
    assert!(matches!(result, Err(Error::Locked)), "{result:?}");
    source.catalogue().await?;
    sqlx::raw_sql("commit").execute(&mut other).await?;
    assert_eq!(scan(&mut source, &t, &["id"]).await?, 2);
    for round in 0..20 {
        scan(&mut source, &t, &["id"]).await?;
        source.blocks(&Read::new(&t, &columns), &draw).await?;
        // waits 250 ms for a lock at most
        fixture.execute(&format!("alter table t add column w{round} integer")).await?;
    }
    Ok(())
}

/// Why there is no connection, in words that say what to do, soon, and without the password.
#[tokio::test]
async fn a_connection_that_cannot_be_made_says_why() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    let server = Server::get().await?;
    let limited = fixture.role("limited").await?;
    fixture.execute(&format!("alter role {limited} connection limit 0")).await?;
    let free = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let silent = std::net::TcpListener::bind("127.0.0.1:0")?;
    let url = fixture.options(USER).url;
    let begun = Instant::now();
    for (url, expected) in [
        (url.replace(PASSWORD, "wrong-password"), "refused the login (28P01)"),
        (url.replace(USER, "nobody-known"), "refused the login (28P01)"),
        (server.url(USER, "no_such_database"), "no such database"),
        (fixture.options(&limited).url, "too many connections"),
        (url.replace(&server.port().to_string(), &free.to_string()), "refused"),
        (url.replace(&server.port().to_string(), &silent.local_addr()?.port().to_string()), "no answer within 5 s"),
        (format!("{url}?sslmode=require"), "does not support TLS"),
    ] {
        let error = postgres::connect(&ConnectOptions::new(url)).await.err().expect(expected);
        let shown = format!("{error}");
        assert!(shown.contains(expected), "{shown}");
        assert!(!format!("{shown} {error:?}").contains("password="), "{shown}");
        assert!(!shown.contains(PASSWORD) && !shown.contains("wrong-password"), "{shown}");
    }
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
    Ok(())
}

/// A connection that was killed is lost once, and made anew.
#[tokio::test]
async fn a_lost_connection_is_made_anew() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    fixture.execute(PAIR).await?;
    let mut source = fixture.source().await?;
    let t = table(&fixture, &mut source, "t").await?;
    fixture.ask("select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity where application_name = 'fieldmark' and datname = current_database()").await?;
    let result = scan(&mut source, &t, &["id"]).await;
    assert!(matches!(result, Err(Error::ConnectionLost { .. })), "{result:?}");
    assert_eq!(scan(&mut source, &t, &["id"]).await?, 2);
    Ok(())
}

/// Somebody else's pg_cancel_backend, our own time limit, and the handle without a second connection.
#[tokio::test]
async fn statements_end_early_for_different_reasons() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    let slow = fixture.slow().await?;
    let role = fixture.role("reader").await?;
    fixture
        .execute(&format!(
            "alter role {role} connection limit 2; grant select on all tables in schema public to {role}"
        ))
        .await?;
    let mut quick = postgres::connect(&fixture.reader().await?).await?;
    let slow = table(&fixture, &mut quick, &slow).await?;
    let begun = Instant::now();
    let result = scan(&mut quick, &slow, &["x"]).await;
    assert!(matches!(result, Err(Error::Timeout)), "{result:?}");
    assert!((500..3000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());

    let limits = Limits { read: Duration::from_secs(20), catalogue: Duration::from_secs(20) };
    let mut patient = postgres::connect(&ConnectOptions { limits, ..fixture.options(&role) }).await?;
    let cancel_by_hand = async {
        fixture.until_slow_is_read().await?;
        fixture.ask(&format!("select count(pg_cancel_backend(pid)) {SLOW_IS_READ}")).await
    };
    let (result, cancelled) = tokio::join!(scan(&mut patient, &slow, &["x"]), cancel_by_hand);
    assert_eq!(cancelled?, "1");
    // whoever cancels one statement does not end our run
    assert!(matches!(result, Err(Error::Timeout)), "{result:?}");

    let canceller = patient.canceller();
    let begun = Instant::now();
    let handle = async {
        fixture.until_slow_is_read().await?;
        canceller.cancel().await;
        anyhow::Ok(())
    };
    let (result, cancelled) = tokio::join!(scan(&mut patient, &slow, &["x"]), handle);
    cancelled?;
    assert!(matches!(result, Err(Error::Cancelled)), "{result:?}");
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    // the server notices that the connection is gone
    fixture.until(&format!("not exists (select {SLOW_IS_READ})")).await?;
    Ok(())
}

/// A superuser could take the connections that are kept for one in need. A source does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reserve_of_superusers_is_left_alone() -> anyhow::Result<()> {
    let pair = Pair::start().await?;
    let mut application = PgConnection::connect(&pair.primary()).await?;
    let number = |name: &'static str| format!("select current_setting('{name}')::int");
    let all: i32 = sqlx::query_scalar(AssertSqlSafe(number("max_connections"))).fetch_one(&mut application).await?;
    let kept = sqlx::query_scalar(AssertSqlSafe(number("superuser_reserved_connections")));
    let kept: i32 = kept.fetch_one(&mut application).await?;
    let mut others = Vec::new();
    for _ in 1..all - kept {
        others.push(PgConnection::connect(&pair.primary()).await?);
    }
    let refused = postgres::connect(&ConnectOptions::new(pair.primary())).await.err().unwrap();
    assert!(refused.to_string().contains("only those reserved for superusers are left"), "{refused}");
    others.pop().unwrap().close().await?;
    // who has gone is counted until the server's process has ended
    let gone = "(select count(*) from pg_stat_activity where backend_type = 'client backend') < ";
    sqlx::raw_sql(AssertSqlSafe(until(&format!("{gone}{}", all - kept)))).execute(&mut application).await?;
    postgres::connect(&ConnectOptions::new(pair.primary())).await?;
    Ok(())
}
