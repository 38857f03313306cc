//! PostgreSQL behind a pooler that hands out server connections by the transaction.

use crate::conformance::scan::pass;
use crate::server::pgbouncer::Pool;
use crate::server::postgres::{Server, USER};
use fieldmark_model::TableName;
use fieldmark_source::postgres::{self, ConnectOptions};
use fieldmark_source::{Query, Source as _};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Row as _};
use std::str::FromStr as _;
use std::time::Duration;

/// As an application does that knows of its pooler.
async fn application(url: &str) -> anyhow::Result<PgConnection> {
    let options = PgConnectOptions::from_str(url)?.extra_float_digits(None).statement_cache_capacity(0);
    Ok(options.connect().await?)
}

/// Every setting of the session that serves the next transaction, which process that is, and what it has locked.
async fn session(application: &mut PgConnection) -> anyhow::Result<Vec<String>> {
    let all = "select name || '=' || setting from pg_settings union all select 'backend=' || pg_backend_pid()
        union all select 'advisory=' || count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid() order by 1";
    let rows = sqlx::raw_sql(AssertSqlSafe(all.to_owned())).fetch_all(application).await?;
    Ok(rows.iter().map(|row| row.get::<String, _>(0)).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_inherits_no_setting() -> anyhow::Result<()> {
    let server = Server::get().await?;
    let database = server.database("").await?;
    let mut owner = PgConnection::connect(&server.url(USER, &database)).await?;
    let table = "create table t (id integer primary key, v text); insert into t select i, 'v' || i from generate_series(1, 3000) i";
    sqlx::raw_sql(table).execute(&mut owner).await?;
    // one connection for all: whatever is left on it, the application meets
    let pool = Pool::of(server, &database, 1).await?;
    let mut app = application(&pool.url()).await?;
    let before = session(&mut app).await?;

    let mut source = postgres::connect(&ConnectOptions::new(pool.url())).await?;
    assert!(source.facts().pooled, "the pooler is not recognised");
    let during = session(&mut app).await?;
    assert_eq!(during, before);
    let t = source.catalogue().await?.table(&TableName::new("public", "t")).unwrap().clone();
    assert_eq!(session(&mut app).await?, before);
    let columns = vec!["id".to_owned(), "v".to_owned()];
    let rows = pass(&mut source, &t, &columns, 500).await?;
    assert_eq!(rows.len(), 3000);
    assert_eq!(session(&mut app).await?, before);
    source.horizon().await?;
    source.standing().await?;
    source.counters(&t).await?;
    source.privileges().await?;
    let query = Query {
        sql: "select id from t where pg_advisory_lock(id) is null and id < 3",
        time: Duration::from_secs(5),
        count: 10,
        show: 5,
    };
    source.query(&query).await?;
    assert_eq!(session(&mut app).await?, before);
    // and one whose statement fails in the middle of its transaction
    let wrong = Query { sql: "select 1 / (id - id) from t", ..query };
    assert!(source.query(&wrong).await.is_err());
    drop(source);
    let after = session(&mut app).await?;
    let same =
        |settings: &[String]| settings.iter().filter(|line| !line.starts_with("backend=")).cloned().collect::<Vec<_>>();
    assert_eq!(same(&after), same(&before));
    let direct = postgres::connect(&ConnectOptions::new(server.url(USER, &database))).await?;
    assert!(!direct.facts().pooled, "there is no pooler");
    Ok(())
}
