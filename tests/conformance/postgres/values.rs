//! Values: every type, nasty texts as keys, bytes of no encoding, sizes.

use super::Postgres;
use crate::conformance::scan::pass;
use crate::conformance::{Fixture, TypeCase, names, table, texts};
use arrow::array::{Array as _, RecordBatch, StringArray};
use fieldmark_model::Cell;
use fieldmark_model::chunk::DefectKind;
use fieldmark_source::{Cursor, Read, Source as _};
use std::sync::Arc;

/// Every type that the driver's table names.
pub(super) fn cases(extensions: &[&str]) -> Vec<TypeCase> {
    let (fits, alike, unfit) = (TypeCase::fits, TypeCase::alike, TypeCase::unfit);
    let mut cases = vec![
        TypeCase { declared: "text", literal: "null", canonical: None, defect: None, key: false },
        TypeCase { declared: "kinds.pair", literal: "null", canonical: None, defect: None, key: false },
        TypeCase { declared: "inet", literal: "null", canonical: None, defect: None, key: false },
        TypeCase { declared: "timetz", literal: "null", canonical: None, defect: None, key: false },
        fits("boolean", "true", "true"),
        fits("boolean", "false", "false"),
        fits("smallint", "-32768", "-32768"),
        fits("integer", "2147483647", "2147483647"),
        fits("bigint", "-9223372036854775808", "-9223372036854775808"),
        fits("oid", "4294967295", "4294967295"),
        fits("real", "0.1", "0.1"),
        fits("real", "'NaN'", "NaN"),
        fits("real", "'-Infinity'", "-Infinity"),
        fits("double precision", "0.1", "0.1"),
        fits(
            "double precision",
            "1e-300",
            concat!(
                "0.",
                "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
                "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
                "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
                "1"
            ),
        ),
        fits("double precision", "'-0'", "0"),
        fits("double precision", "'NaN'", "NaN"),
        fits("double precision", "'Infinity'", "Infinity"),
        fits("numeric(12,2)", "-12.50", "-12.5"),
        fits("numeric(12,2)", "0", "0"),
        fits("numeric(38,0)", "99999999999999999999999999999999999999", "99999999999999999999999999999999999999"),
        fits("numeric(38,38)", "0.00000000000000000000000000000000000001", "0.00000000000000000000000000000000000001"),
        fits("numeric(39,1)", "-12345678901234567890123456789012345678.9", "-12345678901234567890123456789012345678.9"),
        fits(
            "numeric(76,0)",
            "9999999999999999999999999999999999999999999999999999999999999999999999999999",
            "9999999999999999999999999999999999999999999999999999999999999999999999999999",
        ),
        fits("numeric(80,0)", "12", "12"),
        unfit("numeric(12,2)", "'NaN'", "NaN"),
        unfit("numeric(60,2)", "'NaN'", "NaN"),
        fits("numeric", "12.500", "12.5"),
        fits("numeric", "1e20", "100000000000000000000"),
        fits("numeric", "-0.0001", "-0.0001"),
        fits("numeric", "'NaN'", "NaN"),
        fits("numeric", "'Infinity'", "Infinity"),
        fits("numeric", "'-Infinity'", "-Infinity"),
        fits("text", "'héllo'", "héllo"),
        fits("text", "''", ""),
        fits("text", "'NULL'", "NULL"),
        fits("text", r#"E'a"b\\c''d{},\te\n'"#, "a\"b\\c'd{},\te\n"),
        fits("varchar(3)", "'ab '", "ab "),
        fits("char(5)", "'ab'", "ab"),
        fits("char(5)", "''", ""),
        fits("char", "'x'", "x"),
        fits("name", "'pg_class'", "pg_class"),
        fits("bytea", r"'\x00ff'", "\\x00ff"),
        fits("bytea", "''", "\\x"),
        fits("date", "'2024-02-29'", "2024-02-29"),
        fits("date", "'0044-03-15 BC'", "-0043-03-15"),
        fits("date", "'0001-12-31 BC'", "0000-12-31"),
        fits("date", "'4713-01-01 BC'", "-4712-01-01"),
        fits("date", "'20000-01-01'", "20000-01-01"),
        unfit("date", "'infinity'", "infinity"),
        unfit("date", "'-infinity'", "-infinity"),
        unfit("date", "'5874897-12-31'", "5874897-12-31"),
        fits("time", "'10:00:00.25'", "10:00:00.25"),
        fits("time(0)", "'23:59:59'", "23:59:59"),
        unfit("time", "'24:00:00'", "24:00:00"),
        fits("timestamp", "'2024-02-29 10:00:00.5'", "2024-02-29T10:00:00.5"),
        fits("timestamp", "'0044-03-15 10:00:00 BC'", "-0043-03-15T10:00:00"),
        fits("timestamp", "'20000-01-01 00:00:00.000001'", "20000-01-01T00:00:00.000001"),
        unfit("timestamp", "'infinity'", "infinity"),
        unfit("timestamp", "'294276-12-31 23:59:59'", "294276-12-31T23:59:59"),
        fits("timestamptz", "'2024-02-29 12:00:00+02'", "2024-02-29T10:00:00Z"),
        fits("timestamptz", "'0044-03-15 10:00:00+00 BC'", "-0043-03-15T10:00:00Z"),
        unfit("timestamptz", "'-infinity'", "-infinity"),
        unfit("timestamptz", "'294276-12-31 23:59:59+00'", "294276-12-31T23:59:59Z"),
        fits("uuid", "'6BA7B810-9DAD-11D1-80B4-00C04FD430C8'", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
        alike("json", r#"'{"a": [1] }'"#, r#"{"a": [1] }"#),
        fits("jsonb", r#"'{"b": 1, "a": "x\"y\\z"}'"#, r#"{"a": "x\"y\\z", "b": 1}"#),
        fits("kinds.mood", "'happy'", "happy"),
        fits("kinds.name", "'Ada'", "Ada"),
        fits("kinds.short", "'Ada '", "Ada "),
        fits("kinds.code", "'ab'", "ab"),
        fits("kinds.cents", "1234", "1234"),
        fits("kinds.small_cents", "999", "999"),
        fits("kinds.price", "12.50", "12.5"),
        fits("kinds.amount", "12.500", "12.5"),
        fits("kinds.feeling", "'sad'", "sad"),
        fits("kinds.ident", "'6ba7b810-9dad-11d1-80b4-00c04fd430c8'", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
        fits("kinds.moment", "'2024-02-29 12:00:00+02'", "2024-02-29T10:00:00Z"),
        fits("kinds.tags", "'{a,b}'", "{a,b}"),
        fits("kinds.pair", "row(1, 'it''s')", "(1,it's)"),
        fits("kinds.pair", "row(null, null)", "(,)"),
        fits("kinds.mood[]", "'{sad,NULL}'", "{sad,NULL}"),
        fits("integer[]", "'{1,NULL,3}'", "{1,NULL,3}"),
        fits("integer[]", "'{}'", "{}"),
        fits("integer[]", "'{{1,2},{3,4}}'", "{{1,2},{3,4}}"),
        fits("text[]", r#"array['a b', 'c"d', 'NULL', '', 'e\f']"#, r#"{"a b","c\"d","NULL","","e\\f"}"#),
        fits("timestamptz[]", "'{2024-02-29 12:00:00+02}'", r#"{"2024-02-29 10:00:00+00"}"#),
        fits("bytea[]", r"array['\x00ff'::bytea]", r#"{"\\x00ff"}"#),
        fits("int4range", "'[1,4]'", "[1,5)"),
        fits("int4multirange", "'{[1,2),[5,6)}'", "{[1,2),[5,6)}"),
        fits("interval", "'1 year 2 days 03:04:05.5'", "P1Y2DT3H4M5.5S"),
        fits("interval", "'-1 month'", "P-1M"),
        fits("money", "12.34", "$12.34"),
        fits("inet", "'10.0.0.1'", "10.0.0.1"),
        fits("inet", "'10.0.0.1/8'", "10.0.0.1/8"),
        fits("cidr", "'10.0.0.0/8'", "10.0.0.0/8"),
        fits("macaddr", "'08:00:2B:01:02:03'", "08:00:2b:01:02:03"),
        fits("bit(3)", "B'101'", "101"),
        fits("varbit(9)", "B'10101'", "10101"),
        alike("xml", "'<a>b</a>'", "<a>b</a>"),
        alike("point", "'(1,2)'", "(1,2)"),
        fits("tsvector", "'b:2 a:1'", "'a':1 'b':2"),
        fits("timetz", "'10:00:00+02'", "10:00:00+02"),
        fits("pg_lsn", "'16/B374D848'", "16/B374D848"),
        fits("\"char\"", "'x'", "x"),
        fits("regclass", "'pg_catalog.pg_class'::regclass", "pg_class"),
        alike("xid", "'4294967295'", "4294967295"),
    ];
    if extensions.contains(&"citext") {
        cases.push(fits("kinds.citext", "'MiXed'", "MiXed"));
    }
    if extensions.contains(&"hstore") {
        cases.push(fits("kinds.hstore", "'b=>NULL, a=>1'", r#""a"=>"1", "b"=>NULL"#));
    }
    cases
}

fn text_batch(column: &str, values: Vec<Option<&str>>) -> anyhow::Result<RecordBatch> {
    Ok(RecordBatch::try_from_iter([(column, Arc::new(StringArray::from(values)) as _)])?)
}

/// Texts that look like parts of a statement are values, under either setting of the role for backslashes.
#[tokio::test]
async fn nasty_texts_are_found_by_themselves() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    fixture.execute("create table t (v text primary key, n integer not null, unique (n, v))").await?;
    fixture.execute("create table other (v varchar(50), w char(8))").await?;
    let role = fixture.role("reader").await?;
    fixture.execute(&format!("alter role {role} set standard_conforming_strings = off; grant select on all tables in schema public to {role}")).await?;
    // every sequence of up to three of these
    let pieces = ["", "'", "\"", "\\", "{", "}", ",", "NULL", " ", "\n", "\u{1}", "é", "$1", ";--", "\u{10ffff}"];
    let mut wanted = std::collections::BTreeSet::new();
    for a in pieces {
        for b in pieces {
            for c in pieces {
                wanted.insert(format!("{a}{b}{c}"));
            }
        }
    }
    {
        let values: Vec<String> = wanted.iter().cloned().collect();
        let mut writer = fixture.writer.lock().await;
        sqlx::query("insert into t select v, 1 from unnest($1::text[]) v").bind(&values).execute(&mut *writer).await?;
    }
    for mut source in [fixture.source().await?, fixture.source_of(&role).await?] {
        let t = table(&fixture, &mut source, "t").await?;
        let (columns, key) = (names(&["v"]), names(&["v"]));
        let read = Read::new(&t, &columns);
        let given: Vec<Option<&str>> =
            wanted.iter().map(|text| Some(text.as_str())).chain([None, Some("a\0b")]).collect();
        let keys = text_batch("v", given)?;
        let found = texts(&source.by_key(&read, &key, &keys).await?)?;
        let found: std::collections::BTreeSet<String> = found.into_iter().flatten().flatten().collect();
        assert_eq!(found, wanted);
        // a walk over the key passes each once
        let (mut walked, mut after) = (0, None);
        loop {
            let next = source.key_after(&t, &names(&["n", "v"]), after.as_ref(), 7).await?;
            if next.num_rows() == 0 {
                break;
            }
            walked += 1;
            after = Some(next);
        }
        assert_eq!(walked, wanted.len() / 7);
    }
    Ok(())
}

/// Types whose equality is not that of their texts.
#[tokio::test]
async fn keys_are_equal_as_their_type_says() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    fixture.execute("create table padded (v char(8) primary key); insert into padded values ('ab'), ('c')").await?;
    fixture.execute("create table small (v smallint primary key); insert into small values (7)").await?;
    let mut source = fixture.source().await?;
    let columns = names(&["v"]);
    let padded = table(&fixture, &mut source, "padded").await?;
    let read = Read::new(&padded, &columns);
    let chunk = source.by_key(&read, &columns, &text_batch("v", vec![Some("ab"), Some("c     "), Some("d")])?).await?;
    assert_eq!(chunk.rows(), 2);
    // a number that the column cannot hold equals nothing, and is no error
    let small = table(&fixture, &mut source, "small").await?;
    let keys = text_batch("v", vec![Some("7"), Some("70000"), Some("seven")])?;
    assert_eq!(source.by_key(&Read::new(&small, &columns), &columns, &keys).await?.rows(), 1);
    if fixture.server.extensions.contains(&"citext") {
        fixture
            .execute("create table mixed (v kinds.citext primary key); insert into mixed values ('Ab'), ('cd'), ('B')")
            .await?;
        let mixed = table(&fixture, &mut source, "mixed").await?;
        let read = Read::new(&mixed, &columns);
        let keys = text_batch("v", vec![Some("aB"), Some("CD")])?;
        assert_eq!(source.by_key(&read, &columns, &keys).await?.rows(), 2);
        assert_eq!(source.sharing(&read, &columns, &keys, 2).await?.rows(), 2);
        assert_eq!(texts(&source.extremes(&mixed, "v").await?)?, [[Some("Ab".to_owned()), Some("cd".to_owned())]]);
        let first = source.key_after(&mixed, &columns, Some(&text_batch("v", vec![Some("AB")])?), 1).await?;
        assert_eq!(crate::conformance::batch_texts(&first)?, [[Some("B".to_owned())]]);
    }
    Ok(())
}

/// In a SQL_ASCII database any bytes are text; those that are no UTF-8 are defects, and the row's other values are read.
#[tokio::test]
async fn bytes_of_no_encoding_are_defects() -> anyhow::Result<()> {
    let fixture = Postgres::with("encoding 'SQL_ASCII' template template0 locale 'C'").await?;
    fixture
        .execute(
            "set client_encoding = 'SQL_ASCII'; create table t (id integer primary key, v text, w varchar(9), j json)",
        )
        .await?;
    fixture.execute(r"insert into t values (1, E'a\xff', 'x', null), (2, 'fine', E'\xe9t\xe9', null), (3, E'\xc3\xa9', '', '{}')").await?;
    let mut source = fixture.source().await?;
    let t = table(&fixture, &mut source, "t").await?;
    let columns = names(&["id", "v", "w"]);
    let chunk = source.scan(&Read::new(&t, &columns), &Cursor::start(), 10).await?.chunk;
    assert!(chunk.defects.iter().all(|defect| defect.kind == DefectKind::InvalidEncoding));
    let shown: Vec<Vec<String>> = texts(&chunk)?.into_iter().map(|row| row.into_iter().flatten().collect()).collect();
    assert_eq!(shown, [["1", "!\\x61ff", "x"], ["2", "fine", "!\\xe974e9"], ["3", "é", ""]]);
    let keys = text_batch("v", vec![Some("é")])?;
    assert_eq!(source.by_key(&Read::new(&t, &columns), &names(&["v"]), &keys).await?.rows(), 1);
    Ok(())
}

/// A byte that its own encoding does not know cannot be converted; its chunk is read all the same.
#[tokio::test]
async fn bytes_that_the_server_cannot_convert_are_defects() -> anyhow::Result<()> {
    let fixture = Postgres::with("encoding 'WIN1252' template template0 locale 'C'").await?;
    fixture.execute("set client_encoding = 'WIN1252'; create table t (id integer primary key, v text)").await?;
    fixture.execute(r"insert into t values (1, E'caf\xe9'), (2, E'\x81'), (3, 'plain')").await?;
    let mut source = fixture.source().await?;
    let t = table(&fixture, &mut source, "t").await?;
    let columns = names(&["v"]);
    let all = pass(&mut source, &t, &columns, 1).await?;
    let shown: Vec<&str> = all.iter().flatten().map(|text| text.as_deref().unwrap()).collect();
    assert_eq!(shown, ["café", "!\\x81", "plain"]);
    let chunk = source.scan(&Read::new(&t, &columns), &Cursor::start(), 10).await?.chunk;
    assert_eq!(chunk.defects.len(), 2, "unconverted, what is not ASCII is not certain");
    Ok(())
}

/// Large values of every kind stay where they are: the agent's memory does not see them.
#[tokio::test]
async fn large_values_are_not_read() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    fixture.execute("create table t (id integer primary key, t text, b bytea, j json, a text[], n numeric)").await?;
    fixture.execute("alter table t alter t set storage external, alter b set storage external, alter j set storage external, alter a set storage external").await?;
    fixture
        .execute(
            "insert into t select i, repeat('x', 20000000), decode(repeat('00', 20000000), 'hex'), \
        to_json(repeat('y', 20000000)), array[repeat('z', 20000000)], 1 from generate_series(1, 4) i",
        )
        .await?;
    fixture.execute("insert into t values (5, 'x', 'x', '1', '{x}', 1)").await?;
    let mut source = fixture.source().await?;
    let t = table(&fixture, &mut source, "t").await?;
    let columns = names(&["id", "t", "b", "j", "a", "n"]);
    let before = resident()?;
    let chunk = source.scan(&Read::new(&t, &columns), &Cursor::start(), 10).await?.chunk;
    let grown = resident()?.saturating_sub(before);
    assert!(grown < 150_000, "{grown} KiB for values that were not to be read");
    assert_eq!((chunk.rows(), chunk.defects.len()), (5, 16));
    for defect in &chunk.defects {
        assert_eq!((defect.kind, defect.canonical.as_deref()), (DefectKind::ValueTooLarge, None));
        assert!(defect.bytes.is_some_and(|bytes| (20_000_000..20_001_000).contains(&bytes)), "{defect:?}");
    }
    assert_eq!(chunk.batch.column(5).null_count(), 0);
    // what is compressed is known by its compressed size only, and judged by the other when it has come
    fixture.execute("create table c (j json); insert into c values (to_json(repeat('y', 5000)))").await?;
    let c = table(&fixture, &mut source, "c").await?;
    let columns = names(&["j"]);
    let chunk =
        source.scan(&Read { value_limit_bytes: 1000, ..Read::new(&c, &columns) }, &Cursor::start(), 10).await?.chunk;
    let defect = chunk.defect(Cell { row: 0, column: 0 }).map(|defect| (defect.kind, defect.bytes));
    assert_eq!(defect, Some((DefectKind::ValueTooLarge, Some(5002))));
    Ok(())
}

/// Resident memory of this process in KiB.
fn resident() -> anyhow::Result<usize> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or("VmRSS: 0");
    Ok(line.split_whitespace().nth(1).unwrap_or("0").parse()?)
}

/// The most columns that a table can have, all of them guarded; and none.
#[tokio::test]
async fn tables_of_many_columns_and_of_none_are_read() -> anyhow::Result<()> {
    let fixture = Postgres::start().await?;
    let columns: Vec<String> = (0..1600).map(|at| format!("c{at} varchar(20)")).collect();
    fixture.execute(&format!("create table wide ({})", columns.join(", "))).await?;
    fixture.execute("insert into wide (c0, c1599) values ('a', 'z')").await?;
    fixture.execute("create table none (); insert into none select from generate_series(1, 5)").await?;
    let mut source = fixture.source().await?;
    let wide = table(&fixture, &mut source, "wide").await?;
    let all: Vec<String> = wide.columns.iter().map(|column| column.name.clone()).collect();
    let chunk = source.scan(&Read::new(&wide, &all), &Cursor::start(), 10).await?.chunk;
    assert_eq!((chunk.batch.num_columns(), chunk.rows()), (1600, 1));
    assert_eq!(texts(&chunk)?[0][1599].as_deref(), Some("z"));
    let none = table(&fixture, &mut source, "none").await?;
    assert!(none.columns.is_empty());
    let chunk = source.scan(&Read::new(&none, &[]), &Cursor::start(), 10).await?;
    assert_eq!((chunk.chunk.rows(), chunk.next.is_none()), (5, true));
    Ok(())
}
