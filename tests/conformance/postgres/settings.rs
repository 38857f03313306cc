//! What the server sees of us: settings that hold for one transaction, a name, a comment; and nothing that stays.

use super::Postgres;
use super::wire::overheard;
use crate::conformance::{Fixture, batch, names, table, texts};
use fieldmark_source::postgres::{self, ConnectOptions};
use fieldmark_source::{BlockDraw, Cursor, Read, Source as _};
use tokio::sync::oneshot;

/// In each read the courtesies hold, and the values' forms are fixed whatever the role prefers.
#[tokio::test]
async fn settings_hold_in_each_read() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    let role = fixture.role("reader").await?;
    for setting in [
        "datestyle = 'German'",
        "intervalstyle = 'sql_standard'",
        "timezone = 'Asia/Tokyo'",
        "extra_float_digits = -5",
        "bytea_output = 'escape'",
        "statement_timeout = '1h'",
        "default_transaction_isolation = 'serializable'",
        "jit = on",
    ] {
        fixture.execute(&format!("alter role {role} set {setting}")).await?;
    }
    let shown = [
        "lock_timeout",
        "statement_timeout",
        "idle_in_transaction_session_timeout",
        "client_connection_check_interval",
        "max_parallel_workers_per_gather",
        "jit",
        "row_security",
        "search_path",
        "transaction_read_only",
        "transaction_isolation",
        "application_name",
    ];
    let list: Vec<String> = shown.iter().map(|name| format!("current_setting('{name}') as {name}")).collect();
    fixture.execute(&format!("create view s as select {}", list.join(", "))).await?;
    fixture.execute("create view forms as select '{2024-02-29 12:00:00+02}'::timestamptz[] as a, '1 day'::interval as b, array[0.1::float8 + 0.2] as c, array['\\x00'::bytea] as d").await?;
    fixture.execute("create view q as select query from pg_stat_activity where pid = pg_backend_pid()").await?;
    fixture.execute(&format!("grant select on all tables in schema public to {role}")).await?;
    let mut source = postgres::connect(&ConnectOptions { agent: "here".to_owned(), ..fixture.options(&role) }).await?;
    let s = table(&fixture, &mut source, "s").await?;
    let chunk = source.scan(&Read::new(&s, &names(&shown)), &Cursor::start(), 10).await?.chunk;
    let values: Vec<String> = texts(&chunk)?.into_iter().flatten().flatten().collect();
    assert_eq!(
        values,
        ["20ms", "500ms", "1s", "500ms", "0", "off", "off", "", "on", "read committed", "fieldmark/here"]
    );
    let forms = table(&fixture, &mut source, "forms").await?;
    let chunk = source.scan(&Read::new(&forms, &names(&["a", "b", "c", "d"])), &Cursor::start(), 10).await?.chunk;
    let values: Vec<String> = texts(&chunk)?.into_iter().flatten().flatten().collect();
    assert_eq!(values, [r#"{"2024-02-29 10:00:00+00"}"#, "P1D", "{0.30000000000000004}", r#"{"\\x00"}"#]);
    let q = table(&fixture, &mut source, "q").await?;
    let chunk = source.scan(&Read::new(&q, &names(&["query"])), &Cursor::start(), 10).await?.chunk;
    assert!(
        texts(&chunk)?[0][0]
            .as_deref()
            .unwrap()
            .starts_with("/* fieldmark agent='here',statement='rows' */ COPY (SELECT")
    );
    Ok(())
}

/// All settings of the session are after our calls what they were before, so that a pooler can hand it to the application.
#[tokio::test]
async fn no_setting_stays_with_the_session() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    fixture.execute("create table t (id integer primary key, v text); insert into t values (1, 'a')").await?;
    let (mut source, wire) = overheard(&fixture, fixture.reader().await?).await?;
    let ask = async || {
        let (answer, reply) = oneshot::channel();
        wire.questions.send(answer).await?;
        anyhow::Ok(String::from_utf8_lossy(&reply.await?).into_owned())
    };
    let before = ask().await?;
    assert!(before.contains("statement_timeout") && before.contains("search_path"));
    let t = table(&fixture, &mut source, "t").await?;
    let (columns, key) = (names(&["id", "v"]), names(&["id"]));
    let read = Read::new(&t, &columns);
    source.scan(&read, &Cursor::start(), 10).await?;
    source.by_key(&read, &key, &batch(&t, &["id"], &[&["1"]])?).await?;
    source.blocks(&read, &BlockDraw { skip: 0, blocks: 5, per_block: 1, seed: 1 }).await?;
    source.counters(&t).await?;
    source.key_after(&t, &key, None, 1).await?;
    assert_eq!(ask().await?, before);
    Ok(())
}

/// Each statement says whose it is.
#[tokio::test]
async fn every_statement_carries_the_comment() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    let role = format!("watched_{}", fixture.database);
    fixture.server.watched_role(&role).await?;
    let tables = "create table t (id integer primary key, v text); insert into t values (1, 'a')";
    fixture.execute(&format!("{tables}; grant select on t to {role}; {}", fixture.admit(&role))).await?;
    let mut source = fixture.source_of(&role).await?;
    let t = table(&fixture, &mut source, "t").await?;
    let (columns, key) = (names(&["id", "v"]), names(&["id"]));
    let read = Read::new(&t, &columns);
    let keys = batch(&t, &["id"], &[&["1"]])?;
    source.scan(&read, &Cursor::start(), 10).await?;
    source.by_key(&read, &key, &keys).await?;
    source.sharing(&read, &key, &keys, 2).await?;
    source.blocks(&read, &BlockDraw { skip: 0, blocks: 5, per_block: 1, seed: 1 }).await?;
    source.extremes(&t, "id").await?;
    source.counters(&t).await?;
    let ours = format!("from kinds.pg_stat_statements where userid = '{role}'::regrole");
    assert!(fixture.ask(&format!("select count(*) {ours}")).await?.parse::<u32>()? > 5);
    let others = fixture
        .ask(&format!("select coalesce(string_agg(query, E'\n'), '') {ours} and query not like '/* fieldmark %'"))
        .await?;
    assert_eq!(others, "");
    Ok(())
}
