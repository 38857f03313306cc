//! Names of any spelling.

use super::{Fixture, batch, names, rows, table, texts};
use fieldmark_model::name::quote_identifier;
use fieldmark_source::{Cursor, Read, Reference};

const SPELLINGS: [&str; 18] = [
    "select",
    "two words",
    "Ünïcödé",
    "日本",
    "UPPER",
    "Mixed",
    "a.b",
    "quo\"te",
    "\"",
    "it's",
    "semi;colon",
    "--",
    "/*",
    "$1",
    "?1",
    "%s{}",
    "back\\slash",
    "t",
];

/// Tables and columns of every spelling are catalogued, passed over, read by key and looked up.
pub(crate) async fn every_spelling_of_a_name_is_read(fixture: impl Fixture) -> anyhow::Result<()> {
    for name in SPELLINGS {
        let quoted = quote_identifier(name);
        let other = quote_identifier(&format!("{name} 2"));
        fixture.execute(&format!("create table {quoted} ({quoted} integer primary key, {other} integer)")).await?;
        fixture.execute(&format!("insert into {quoted} values (1, 1), (2, 7), (3, 1)")).await?;
        fixture
            .execute(&format!("create index {} on {quoted} ({other})", quote_identifier(&format!("{name} 3"))))
            .await?;
    }
    let mut source = fixture.open().await?;
    for name in SPELLINGS {
        let t = table(&fixture, source.as_mut(), name).await?;
        let other = format!("{name} 2");
        let columns = names(&[name, &other]);
        let key = names(&[name]);
        let second = names(&[&other]);
        assert_eq!(t.primary_key.as_deref(), Some(key.as_slice()), "{name}");
        assert!(t.indexed(&second), "{name}");
        let read = Read::new(&t, &columns);
        let chunk = source.scan(&read, &Cursor::start(), 10).await?;
        assert_eq!(texts(&chunk.chunk)?, rows(&[&["1", "1"], &["2", "7"], &["3", "1"]]), "{name}");
        let keys = batch(&t, &[name], &[&["2"]])?;
        assert_eq!(texts(&source.by_key(&read, &key, &keys).await?)?, rows(&[&["2", "7"]]), "{name}");
        assert_eq!(texts(&source.extremes(&t, name).await?)?, rows(&[&["1", "3"]]), "{name}");
        let values = batch(&t, &[&other], &[&["1"]])?;
        assert_eq!(source.sharing(&read, &second, &values, 5).await?.rows(), 2, "{name}");
        assert_eq!(source.key_after(&t, &key, Some(&keys), 1).await?.num_rows(), 1, "{name}");
        let reference = Reference { from: &t, columns: &second, to: &t, to_columns: &key };
        assert_eq!(source.has_parent(&reference, &values).await?, [true], "{name}");
        let keys = batch(&t, &[name], &[&["1"], &["2"]])?;
        let orphans = source.orphans(&read, &key, &keys, &reference).await?;
        assert_eq!(texts(&orphans)?, rows(&[&["2", "7"]]), "{name}");
    }
    Ok(())
}
