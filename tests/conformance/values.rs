//! Values: types, sizes, NULL.

use super::{Fixture, batch, names, table, texts};
use fieldmark_model::Cell;
use fieldmark_model::canonical::canonical_text;
use fieldmark_model::chunk::{DECLARED_TYPE, DefectKind};
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
