//! Values: types, sizes, NULL.

use super::{Fixture, TypeCase, batch, names, table, texts};
use fieldmark_model::canonical::canonical_text;
use fieldmark_model::chunk::{DECLARED_TYPE, DefectKind};
use fieldmark_model::{Cell, Column, Dialect};
use fieldmark_source::{Cursor, Read};

/// Every value of the fixture's list comes out with its canonical text, in the batch or in a defect, and is found by it.
pub(crate) async fn every_type_travels_as_documented(fixture: impl Fixture) -> anyhow::Result<()> {
    let cases = fixture.types();
    for (at, case) in cases.iter().enumerate() {
        fixture.execute(&format!("create table t{at} (id integer primary key, v {})", case.declared)).await?;
        fixture.execute(&format!("insert into t{at} values (1, {})", case.literal)).await?;
    }
    let mut source = fixture.open().await?;
    let catalogue = source.catalogue().await?;
    let columns = names(&["v"]);
    let mut published: Vec<Published> = Vec::new();
    for (at, case) in cases.iter().enumerate() {
        let t = catalogue.tables.iter().find(|table| table.name.name == format!("t{at}")).unwrap();
        let chunk = source.scan(&Read::new(t, &columns), &Cursor::start(), 10).await?.chunk;
        let field = chunk.batch.schema().field(0).clone();
        assert_eq!(field, t.column("v").unwrap().arrow_field(), "{case:?}");
        assert!(field.metadata().contains_key(DECLARED_TYPE), "{case:?}");
        assert_eq!(chunk.rows(), 1, "{case:?}");
        let defect = chunk.defect(Cell { row: 0, column: 0 });
        assert_eq!(defect.map(|defect| defect.kind), case.defect, "{case:?} as {}", field.data_type());
        let text = match defect {
            Some(defect) => defect.canonical.clone(),
            None => canonical_text(chunk.batch.column(0), 0).unwrap(),
        };
        assert_eq!(text.as_deref(), case.canonical, "{case:?} as {}", field.data_type());
        if case.key {
            let found = source.by_key(&Read::new(t, &columns), &columns, &chunk.batch).await?;
            assert_eq!(found.rows(), 1, "{case:?} is not found by its own value");
            let shared = source.sharing(&Read::new(t, &columns), &columns, &chunk.batch, 3).await?;
            assert_eq!(shared.rows(), 1, "{case:?} does not share its own value");
        }
        Published::add(&mut published, case, t.column("v").unwrap());
    }
    published_as(source.facts().dialect, &published)
}

/// A line of the published mapping: what became of a declared type and of values of it.
struct Published {
    declared: &'static str,
    travels: String,
    whole: Vec<String>,
    counted: Vec<String>,
}

impl Published {
    fn add(all: &mut Vec<Self>, case: &TypeCase, column: &Column) {
        let at = all.iter().position(|line| line.declared == case.declared).unwrap_or_else(|| {
            let canonical = if column.canonical_text { ", canonical" } else { "" };
            let travels = format!("{}{canonical}", column.data_type);
            all.push(Self { declared: case.declared, travels, whole: Vec::new(), counted: Vec::new() });
            all.len() - 1
        });
        let Some(text) = case.canonical else { return };
        let short: String = text.chars().take(40).collect();
        let more = if short.len() < text.len() { "…" } else { "" };
        let visible = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
        let visible: String = short.chars().map(visible).collect();
        let shown = format!("`{visible}{more}`").replace('|', "\\|").replace("``", "(empty)");
        match case.defect {
            None => all[at].whole.push(shown),
            Some(DefectKind::Unrepresentable) => all[at].counted.push(shown),
            Some(DefectKind::InvalidEncoding) => all[at].counted.push(format!("{shown} (`invalid_encoding`)")),
            Some(DefectKind::ValueTooLarge) => all[at].counted.push(format!("{shown} (`value_too_large`)")),
        }
    }
}

/// The mapping is in `docs/types`, and is this one. `UPDATE_TYPES=1` writes it.
fn published_as(dialect: Dialect, lines: &[Published]) -> anyhow::Result<()> {
    let (name, file, more) = match dialect {
        Dialect::Postgres => (
            "PostgreSQL",
            "postgresql.md",
            " `kinds` is a schema of the suite: `mood` an enum, `pair` a composite type, the others domains. What is not in the list travels \
             as the text that the type's own output function gives, as arrays and ranges do.",
        ),
        Dialect::MySql => ("MariaDB", "mariadb.md", ""),
        Dialect::Sqlite => (
            "SQLite",
            "sqlite.md",
            " A column's declared type says what is expected of it; each value has a type of its own, and one that is another is counted.",
        ),
        Dialect::Files => return Ok(()),
    };
    let mut page = format!(
        "# Types of {name}\n\nMade by the conformance suite, which has read each of these values, and found it by itself where it can be \
         one of a key.{more} A type with *canonical* text has no Arrow type to calculate with.\n\n| Declared | Travels as | Come out whole | Unrepresentable: counted, and shown in canonical form |\n|---|---|---|---|\n"
    );
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/types").join(file);
    let published = std::fs::read_to_string(&path).unwrap_or_default();
    let line = |line: &Published| {
        let declared = if line.declared.is_empty() { "(nothing)".to_owned() } else { format!("`{}`", line.declared) };
        format!("| {declared} | {} | {} | {} |\n", line.travels, line.whole.join(", "), line.counted.join(", "))
    };
    if std::env::var_os("UPDATE_TYPES").is_some() {
        page.extend(lines.iter().map(line));
        return Ok(std::fs::write(path, page)?);
    }
    assert!(published.starts_with(&page), "docs/types/{file} does not begin as it should: UPDATE_TYPES=1 writes it");
    for line in lines.iter().map(line) {
        assert!(published.contains(&line), "not in docs/types/{file}: {line}UPDATE_TYPES=1 writes it");
    }
    Ok(())
}

/// A value over the limit is not read: NULL, with its size. The limit itself is still read.
pub(crate) async fn a_large_value_is_not_read(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture.execute("create table t (id integer primary key, v text)").await?;
    let large = (1 << 20) + 1;
    for (id, bytes) in [(1, 10), (2, large), (3, 11), (4, 1 << 20)] {
        fixture.execute(&format!("insert into t values ({id}, {})", fixture.long_text(bytes))).await?;
    }
    let mut source = fixture.open().await?;
    let t = table(&fixture, source.as_mut(), "t").await?;
    let (columns, key) = (names(&["id", "v"]), names(&["id"]));
    let keys = batch(&t, &["id"], &[&["1"], &["2"], &["3"], &["4"]])?;
    for (value_limit_bytes, too_large) in [(1 << 20, vec![large]), (10, vec![large, 11, 1 << 20])] {
        let read = Read { value_limit_bytes, ..Read::new(&t, &columns) };
        let scanned = source.scan(&read, &Cursor::start(), 10).await?.chunk;
        let by_key = source.by_key(&read, &key, &keys).await?;
        for chunk in [scanned, by_key] {
            assert_eq!(chunk.rows(), 4);
            let sizes: Vec<_> = chunk.defects.iter().map(|defect| defect.bytes).collect();
            let expected: Vec<_> = too_large.iter().map(|bytes| Some(u64::try_from(*bytes).unwrap())).collect();
            assert_eq!(sizes, expected, "limit {value_limit_bytes}");
            for defect in &chunk.defects {
                assert_eq!(
                    (defect.kind, defect.canonical.as_deref(), defect.cell.column),
                    (DefectKind::ValueTooLarge, None, 1)
                );
                assert!(chunk.batch.column(1).is_null(defect.cell.row));
            }
            assert_eq!(chunk.batch.column(1).null_count(), too_large.len());
            assert_eq!(chunk.batch.column(0).null_count(), 0);
        }
    }
    Ok(())
}

/// NULL, the empty text and a blank are three values.
pub(crate) async fn null_and_empty_text_are_different(fixture: impl Fixture) -> anyhow::Result<()> {
    fixture
        .execute("create table t (id integer primary key, v text); insert into t values (1, null), (2, ''), (3, ' ')")
        .await?;
    let mut source = fixture.open().await?;
    let t = table(&fixture, source.as_mut(), "t").await?;
    let columns = names(&["v"]);
    let chunk = source.scan(&Read::new(&t, &columns), &Cursor::start(), 10).await?.chunk;
    assert_eq!(texts(&chunk)?, vec![vec![None], vec![Some(String::new())], vec![Some(" ".to_owned())]]);
    assert!(chunk.defects.is_empty());
    Ok(())
}
