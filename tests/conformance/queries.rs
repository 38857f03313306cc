//! Queries of rules' own, and what is asked beside the rows: costs, checks, previews; and labels, which every statement
//! has.

use super::{Fixture, batch, names, rows, table, texts};
use fieldmark_model::Dialect;
use fieldmark_source::{Cursor, Error, Label, Name, Preview, Query, Read, Reference, Source};
use std::time::{Duration, Instant};

const PAIR: &str = "create table t (id integer primary key, v text); insert into t values (1, 'a'), (2, 'b')";

/// A query with more time and room than it needs.
pub(crate) fn asked(sql: &str) -> Query<'_> {
    Query { sql, time: Duration::from_secs(10), count: 1000, show: 1000 }
}

/// Ids of all rows of `t`, read by a pass.
async fn ids(fixture: &impl Fixture, source: &mut dyn Source) -> anyhow::Result<Vec<Vec<Option<String>>>> {
    let t = table(fixture, source, "t").await?;
    let mut all = texts(&source.scan(&Read::new(&t, &names(&["id"])), &Cursor::start(), 100).await?.chunk)?;
    all.sort();
    Ok(all)
}

/// Rows are counted up to the limit, more of them are said to be there, and some are shown.
pub(crate) async fn rows_of_a_query_are_counted_and_shown(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute("create table t (id integer primary key, v text)").await?;
    fixture
        .execute("insert into t values (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd'), (5, 'e'), (6, 'f'), (7, 'g')")
        .await?;
    let mut source = fixture.open().await?;
    // one row beyond the limit is fetched, to know that there are more
    for (count, show, expected) in [
        (5, 2, (5, true, 2)),
        (6, 100, (6, true, 7)),
        (7, 100, (7, false, 7)),
        (8, 3, (7, false, 3)),
        (1, 1, (1, true, 1)),
        (0, 1, (0, true, 1)),
    ] {
        let answered = source.query(&Query { count, show, ..asked("select id, v from t order by id") }).await?;
        assert_eq!((answered.rows, answered.more), (expected.0, expected.1), "count {count}, show {show}");
        assert_eq!(answered.shown.len(), expected.2, "count {count}, show {show}");
        for row in &answered.shown {
            let columns: Vec<&str> = row.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(columns, ["id", "v"]);
        }
    }
    let none = source.query(&asked("select id from t where id > 7")).await?;
    assert_eq!((none.rows, none.more, none.shown.len()), (0, false, 0));
    Ok(())
}

/// Rows are counted whether or not one of them is wanted.
pub(crate) async fn a_query_of_which_no_row_is_shown_is_counted(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute(PAIR).await?;
    let mut source = fixture.open().await?;
    let answered = source.query(&Query { show: 0, ..asked("select id from t") }).await?;
    assert_eq!((answered.rows, answered.more, answered.shown.len()), (2, false, 0));
    let answered = source.query(&Query { count: 1, show: 0, ..asked("select id from t") }).await?;
    assert_eq!((answered.rows, answered.more, answered.shown.len()), (1, true, 0));
    Ok(())
}

/// Shown values are texts; NULL is none, and the empty text is one.
pub(crate) async fn values_of_a_query_are_texts(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute(PAIR).await?;
    let mut source = fixture.open().await?;
    let sql = "select id + 40 as number, v as \"A word\", null as absent, '' as empty, 'it''s \"é\"' as text \
               from t where id = 2";
    let answered = source.query(&asked(sql)).await?;
    let [row] = answered.shown.as_slice() else { panic!("{answered:?}") };
    let mut row: Vec<(&str, Option<&str>)> =
        row.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
    row.sort();
    assert_eq!(
        row,
        [
            ("A word", Some("b")),
            ("absent", None),
            ("empty", Some("")),
            ("number", Some("42")),
            ("text", Some("it's \"é\"")),
        ]
    );
    Ok(())
}

/// What stands in texts, names and comments is no part of the statement round the query.
pub(crate) async fn comments_and_semicolons_are_the_query_s_own(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute(PAIR).await?;
    let mut source = fixture.open().await?;
    for (sql, expected) in [
        ("select 'a' as v from t -- all of them", "a"),
        ("select 'a' as v from t /* all ; of -- them */", "a"),
        ("-- first )\nselect 'a' as v from t", "a"),
        ("select '; -- )' as v from t", "; -- )"),
        ("select ';' as v from t --", ";"),
        ("select ');/*' as v from t", ");/*"),
    ] {
        let answered = source.query(&asked(sql)).await?;
        assert_eq!((answered.rows, answered.shown.len()), (2, 2), "{sql}");
        for row in &answered.shown {
            assert_eq!(row.as_slice(), [("v".to_owned(), Some(expected.to_owned()))], "{sql}");
        }
    }
    Ok(())
}

/// A second statement is an error, however it is hidden, and neither is run.
pub(crate) async fn two_statements_are_no_query(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute(PAIR).await?;
    let mut source = fixture.open().await?;
    for sql in [
        "select 1 as a; select 2 as a",
        "select 1 as a; delete from t",
        "select 1 as a) as x; delete from t; select * from (select 2 as a",
        "select 1 as a) as x limit 6) as failing limit 2; select * from (select * from (select 2 as a",
        "select 1 as a) as x limit 6) as failing limit 2; delete from t; select * from (select * from (select 2 as a",
    ] {
        let result = source.query(&asked(sql)).await;
        assert!(result.is_err(), "{sql}: {result:?}");
        let result = source.expected_cost(&asked(sql)).await;
        assert!(result.is_err(), "{sql}: {result:?}");
        assert_eq!(ids(&fixture, source.as_mut()).await?, rows(&[&["1"], &["2"]]), "{sql}");
    }
    assert_eq!(source.query(&asked("select 1 as a")).await?.rows, 1, "the source goes on");
    Ok(())
}

/// Nothing is written, whatever the statement is.
pub(crate) async fn a_query_that_writes_is_refused(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute(PAIR).await?;
    let mut source = fixture.open().await?;
    for sql in [
        "insert into t values (3, 'c') returning id",
        "update t set id = id + 10 returning id",
        "delete from t returning id",
        "with gone as (delete from t returning id) select id from gone",
        "drop table t",
    ] {
        let result = source.query(&asked(sql)).await;
        assert!(
            matches!(
                result,
                Err(Error::Database { .. } | Error::SchemaChanged { .. } | Error::PermissionDenied { .. })
            ),
            "{sql}: {result:?}"
        );
        assert_eq!(ids(&fixture, source.as_mut()).await?, rows(&[&["1"], &["2"]]), "{sql}");
    }
    fixture.execute("insert into t values (3, 'c')").await?;
    assert_eq!(source.query(&asked("select id from t")).await?.rows, 3, "the source goes on");
    Ok(())
}

/// A query has a time of its own, shorter here than that of other reads.
pub(crate) async fn a_query_ends_with_its_own_time(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute(PAIR).await?;
    let slow = fixture.slow().await?;
    let mut source = fixture.open().await?;
    let sql = format!("select * from {slow}");
    let started = Instant::now();
    let result = source.query(&Query { time: Duration::from_millis(200), ..asked(&sql) }).await;
    assert!(matches!(result, Err(Error::Timeout)), "{result:?}");
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    assert_eq!(source.query(&asked("select id from t")).await?.rows, 2, "the source goes on");
    Ok(())
}

/// What a query costs is known without running it, where the database says so; one that makes no sense is refused.
pub(crate) async fn a_cost_is_told_without_running_the_query(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute(PAIR).await?;
    let slow = fixture.slow().await?;
    let mut source = fixture.open().await?;
    let started = Instant::now();
    let cost = source.expected_cost(&asked(&format!("select * from {slow} -- not run"))).await?;
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    match source.facts().dialect {
        Dialect::Postgres => assert!(cost > Some(0.0), "{cost:?}"),
        Dialect::Sqlite | Dialect::MySql | Dialect::Files => assert_eq!(cost, None),
    }
    let result = source.expected_cost(&asked("select nothing_of_that_name from t")).await;
    assert!(matches!(result, Err(Error::SchemaChanged { .. })), "{result:?}");
    let result = source.query(&asked("select nothing_of_that_name from t")).await;
    assert!(matches!(result, Err(Error::SchemaChanged { .. })), "{result:?}");
    Ok(())
}

/// For each CHECK constraint the columns that it is about, and perhaps other words of it.
pub(crate) async fn columns_of_checks_are_told(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture
        .execute(
            "create table t (id integer primary key, a integer check (a > 0), \"b c\" integer, d text,
                             constraint several check (\"b c\" < a or d <> 'id'));
             create table bare (id integer primary key, a integer)",
        )
        .await?;
    let mut source = fixture.open().await?;
    let t = table(&fixture, source.as_mut(), "t").await?;
    let mut found = Vec::new();
    for check in source.checks().await? {
        assert_eq!(check.table, t.name);
        let mut columns: Vec<String> = check.columns.into_iter().filter(|name| t.column(name).is_some()).collect();
        columns.sort();
        columns.dedup();
        found.push(columns);
    }
    found.sort();
    assert_eq!(found, [names(&["a"]), names(&["a", "b c", "d"])]);
    Ok(())
}

/// Statements are made without touching the table, each under the name by which it would be sent.
pub(crate) async fn a_preview_waits_for_no_lock(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute("create table parent (id integer primary key)").await?;
    fixture.execute("create table t (id integer primary key, parent integer, v text)").await?;
    let mut source = fixture.open().await?;
    let parent = table(&fixture, source.as_mut(), "parent").await?;
    let t = table(&fixture, source.as_mut(), "t").await?;
    let (columns, id, v, referring) = (names(&["id", "v"]), names(&["id"]), names(&["v"]), names(&["parent"]));
    let reference = Reference { from: &t, columns: &referring, to: &parent, to_columns: &id };
    let blocks = match source.facts().dialect {
        Dialect::Postgres => vec![Name::BlockPlaces, Name::BlockRows],
        Dialect::Sqlite | Dialect::MySql | Dialect::Files => Vec::new(),
    };
    let lock = fixture.lock("t").await?;
    let read = Read::new(&t, &columns);
    for (ask, expected) in [
        (Preview::Pass, vec![Name::Rows]),
        (Preview::Keys(&id), vec![Name::RowsByKey]),
        (Preview::Blocks, blocks),
        (Preview::Sharing(&v), vec![Name::Sharing]),
        (Preview::Parents(&reference), vec![Name::Parents]),
        (Preview::Extremes("v"), vec![Name::Extremes]),
    ] {
        let shown = source.preview(&read, ask).await?;
        let of: Vec<Name> = shown.iter().map(|(name, _)| *name).collect();
        assert_eq!(of, expected, "{ask:?}");
        let read_from = if matches!(ask, Preview::Parents(_)) { parent.name.quoted() } else { t.name.quoted() };
        for (name, sql) in &shown {
            assert!(sql.replace('`', "\"").contains(&read_from), "{name:?}: {sql}");
        }
    }
    drop(lock);
    Ok(())
}

/// Whatever agent and rule are called, answers are the same.
pub(crate) async fn a_label_changes_no_answer(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute(PAIR).await?;
    let mut source = fixture.open().await?;
    let id = names(&["id"]);
    for name in ["db-1", "*/ delete from t; --", "it's ?1 $1 :a @b", "é\n\0\\", "/*", ""] {
        source.label(Label { agent: name.to_owned(), rule: Some(name.to_owned()) });
        assert_eq!(ids(&fixture, source.as_mut()).await?, rows(&[&["1"], &["2"]]), "{name:?}");
        let t = table(&fixture, source.as_mut(), "t").await?;
        let keys = batch(&t, &["id"], &[&["2"], &["3"]])?;
        let found = source.by_key(&Read::new(&t, &id), &id, &keys).await?;
        assert_eq!(texts(&found)?, rows(&[&["2"]]), "{name:?}");
        let answered = source.query(&asked("select id from t where id = 1")).await?;
        assert_eq!(answered.rows, 1, "{name:?}");
    }
    Ok(())
}
