//! Previews and labels, held against what goes to the server.

use super::wire::{Wire, overheard};
use super::{LIMITS, Postgres};
use crate::conformance::queries::asked;
use crate::conformance::{Fixture, batch, names, table, texts};
use fieldmark_model::Table;
use fieldmark_source::postgres::{self, ConnectOptions, PostgresSource};
use fieldmark_source::{BlockDraw, Cursor, Label, Name, Preview, Read, Reference, Source as _};

/// Rows of a first chunk, as the agent begins a pass.
const FIRST_ROWS: usize = 2_048;

fn label() -> Label {
    Label { agent: "db 1".to_owned(), rule: Some("shop.public.t.unique.v".to_owned()) }
}

/// The statement that is shown for a call, with the comment that it will carry. It was not sent.
async fn shown(source: &mut PostgresSource, wire: &Wire, read: &Read<'_>, ask: Preview<'_>) -> anyhow::Result<String> {
    source.label(label());
    wire.forget();
    let shown = source.preview(read, ask).await?;
    let [(name, sql)] = shown.as_slice() else { panic!("{ask:?}: {shown:?}") };
    let statement = format!("{} {sql}", label().comment(*name));
    assert!(!wire.carried(&statement), "a preview sends what it shows: {statement}");
    Ok(statement)
}

/// A pass over a relation begins with the statement that is shown.
async fn pass_is_as_shown(
    source: &mut PostgresSource,
    wire: &Wire,
    of: &Table,
    columns: &[&str],
) -> anyhow::Result<()> {
    let columns = names(columns);
    for stamps in [false, true] {
        let read = Read::new(of, &columns).stamped(stamps);
        let statement = shown(source, wire, &read, Preview::Pass).await?;
        source.scan(&read, &Cursor::start(), FIRST_ROWS).await?;
        assert!(wire.carried(&statement), "not sent for {columns:?} of {}: {statement}", of.name);
    }
    Ok(())
}

/// The statements of a plan are those that a check sends, up to their values.
#[tokio::test]
async fn previews_show_what_is_sent() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    fixture
        .execute(
            "create table parent (id integer primary key); insert into parent values (1);
             create table t (id integer primary key, parent integer, v text, bare integer); create index on t (parent);
             insert into t values (1, 1, 'a', 1);
             create view w as select id, v from t;
             create table p (id integer not null, v text) partition by range (id);
             create table p1 partition of p for values from (0) to (9); insert into p values (1, 'a');
             create table alone (id integer primary key, v text); insert into alone values (1, 'a')",
        )
        .await?;
    let (mut source, wire) = overheard(&fixture, fixture.reader().await?).await?;
    let parent = table(&fixture, &mut source, "parent").await?;
    let t = table(&fixture, &mut source, "t").await?;
    let (columns, id, referring, bare) = (names(&["id", "v"]), names(&["id"]), names(&["parent"]), names(&["bare"]));
    let reference = Reference { from: &t, columns: &referring, to: &parent, to_columns: &id };
    let one = |column: &str| batch(&t, &[column], &[&["1"]]);
    let (by_id, by_parent, by_bare) = (one("id")?, one("parent")?, one("bare")?);
    for stamps in [false, true] {
        let read = Read::new(&t, &columns).stamped(stamps);
        for what in ["keys", "sharing", "sharing without an index", "parents", "extremes"] {
            let ask = match what {
                "keys" => Preview::Keys(&id),
                "sharing" => Preview::Sharing(&referring),
                "sharing without an index" => Preview::Sharing(&bare),
                "parents" => Preview::Parents(&reference),
                _ => Preview::Extremes("v"),
            };
            let statement = shown(&mut source, &wire, &read, ask).await?;
            match what {
                "keys" => drop(source.by_key(&read, &id, &by_id).await?),
                "sharing" => drop(source.sharing(&read, &referring, &by_parent, 2).await?),
                "sharing without an index" => drop(source.sharing(&read, &bare, &by_bare, 2).await?),
                "parents" => drop(source.has_parent(&reference, &by_parent).await?),
                _ => drop(source.extremes(&t, "v").await?),
            }
            assert!(wire.carried(&statement), "{what}: not sent: {statement}");
        }
    }
    pass_is_as_shown(&mut source, &wire, &t, &["id", "v"]).await?;
    pass_is_as_shown(&mut source, &wire, &t, &[]).await?;
    for name in ["w", "p"] {
        let relation = table(&fixture, &mut source, name).await?;
        pass_is_as_shown(&mut source, &wire, &relation, &["v", "id"]).await?;
    }
    // in key order, where only columns are granted
    let role = fixture.role("columns").await?;
    fixture.execute(&format!("grant select (id, v) on alone to {role}")).await?;
    let (mut source, wire) = overheard(&fixture, fixture.options(&role)).await?;
    let alone = table(&fixture, &mut source, "alone").await?;
    pass_is_as_shown(&mut source, &wire, &alone, &["v"]).await
}

/// The statements by which random blocks are read, of a table that has one block with one row.
#[tokio::test]
async fn a_preview_of_drawn_blocks_shows_what_is_sent() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    fixture.execute("create table t (id integer primary key, v text); insert into t values (1, 'a')").await?;
    let (mut source, wire) = overheard(&fixture, fixture.reader().await?).await?;
    let t = table(&fixture, &mut source, "t").await?;
    let columns = names(&["id", "v"]);
    for stamps in [false, true] {
        let read = Read::new(&t, &columns).stamped(stamps);
        let shown = source.preview(&read, Preview::Blocks).await?;
        let of: Vec<Name> = shown.iter().map(|(name, _)| *name).collect();
        assert_eq!(of, [Name::BlockPlaces, Name::BlockRows]);
        wire.forget();
        let drawn = source.blocks(&read, &BlockDraw { skip: 0, blocks: 1, per_block: 1, seed: 1 }).await?;
        assert_eq!(drawn.chunk.rows(), 1);
        for (name, sql) in &shown {
            let statement = format!("{} {sql}", Label::default().comment(*name));
            assert!(wire.carried(&statement), "not sent: {statement}");
        }
    }
    Ok(())
}

/// Agent, statement and rule stand in front of what the server shows of a session.
#[tokio::test]
async fn the_server_sees_whose_statement_it_is() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    fixture.execute("create view q as select query from pg_stat_activity where pid = pg_backend_pid()").await?;
    let options = fixture.reader().await?;
    let mut source = postgres::connect(&ConnectOptions { limits: LIMITS, ..options }).await?;
    let q = table(&fixture, &mut source, "q").await?;
    let columns = names(&["query"]);
    let label = |agent: &str, rule: Option<&str>| Label { agent: agent.to_owned(), rule: rule.map(str::to_owned) };
    for (label, before, after) in [
        (label("db 1", Some("shop.t.unique.café")), "agent='db%201',", ",rule='shop.t.unique.caf%C3%A9'"),
        (label("*/ --'", None), "agent='%2A%2F%20--%27',", ""),
        (label("", Some("a.b")), "", ",rule='a.b'"),
        (Label::default(), "", ""),
    ] {
        source.label(label.clone());
        let chunk = source.scan(&Read::new(&q, &columns), &Cursor::start(), 10).await?.chunk;
        let scanned = texts(&chunk)?[0][0].clone().unwrap();
        let expected = format!("/* fieldmark {before}statement='rows'{after} */ COPY (SELECT ");
        assert!(scanned.starts_with(&expected), "{label:?}: {scanned}");
        let answered = source.query(&asked("select query from q")).await?;
        let queried = answered.shown[0][0].1.clone().unwrap();
        let expected = format!("/* fieldmark {before}statement='query'{after} */ SELECT ");
        assert!(queried.starts_with(&expected), "{label:?}: {queried}");
    }
    Ok(())
}
