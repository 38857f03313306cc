//! What only objects of a store have.

use super::{all, write_batch};
use crate::conformance::names;
use crate::conformance::scan::pass as pass_over;
use crate::server::s3::{Fault, SECRET, Store};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use fieldmark_source::files::{self, FilesSource, Pattern, StoreSettings};
use fieldmark_source::{Cursor, Error, Read, Source as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// A folder with the bucket `lake`, and a store over it.
fn lake() -> anyhow::Result<(TempDir, Store)> {
    let folder = tempfile::tempdir()?;
    std::fs::create_dir_all(folder.path().join("lake/2024/01"))?;
    let store = Store::start(folder.path())?;
    Ok((folder, store))
}

fn source(pattern: &str, store: StoreSettings) -> FilesSource {
    files::open([("t".to_owned(), Pattern::read(pattern, Path::new("/")).unwrap())], store)
}

fn settings(store: &Store) -> StoreSettings {
    StoreSettings::new(store.variables())
}

#[tokio::test]
async fn patterns_of_keys_are_those_of_paths() -> anyhow::Result<()> {
    let (folder, store) = lake()?;
    for (key, value) in [("a.csv", 1), ("b.csv", 2), ("2024/a.csv", 3), ("2024/01/a.csv", 4), ("2024/01/b c.csv", 5)] {
        std::fs::write(folder.path().join("lake").join(key), format!("v\n{value}\n"))?;
    }
    for (pattern, expected) in [
        ("a.csv", vec![1]),
        ("*.csv", vec![1, 2]),
        ("?.csv", vec![1, 2]),
        ("2024/*.csv", vec![3]),
        ("2024/*/*.csv", vec![4, 5]),
        ("2024/01/b c.csv", vec![5]),
        ("2024/**/*.csv", vec![4, 5, 3]),
        ("**/a.csv", vec![4, 3, 1]),
        ("[ab].csv", vec![1, 2]),
    ] {
        let mut source = source(&format!("s3://lake/{pattern}"), settings(&store));
        let t = source.catalogue().await?.tables[0].clone();
        let rows = pass_over(&mut source, &t, &names(&["v"]), 100).await?;
        let values: Vec<i64> = rows.iter().map(|row| row[0].as_deref().unwrap().parse().unwrap()).collect();
        assert_eq!(values, expected, "{pattern}");
        // and of this machine they are the same
        let here = folder.path().join("lake").join(pattern);
        let paths = glob::glob(here.to_str().unwrap())?.collect::<Result<Vec<_>, _>>()?;
        assert_eq!(paths.len(), expected.len(), "{pattern}");
    }
    Ok(())
}

#[tokio::test]
async fn what_a_store_refuses_is_told_without_secrets() -> anyhow::Result<()> {
    let (folder, store) = lake()?;
    std::fs::write(folder.path().join("lake/a.csv"), "v\n1\n")?;
    let other = |name: &str, value: &str| {
        let mut variables = store.variables();
        variables.retain(|(own, _)| own != name);
        StoreSettings::new(variables.into_iter().chain([(name.to_owned(), value.to_owned())]))
    };
    let wrong = other("AWS_SECRET_ACCESS_KEY", "another-secret");
    let stranger = other("AWS_ACCESS_KEY_ID", "stranger");
    let elsewhere = other("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    let in_clear = other("AWS_ENDPOINT_URL", "http://192.0.2.1:9000");
    let nonsense = other("AWS_ENDPOINT_URL", "store");
    let of_host = other("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "true");
    for (pattern, settings, expected) in [
        ("s3://lake/a.csv", &wrong, "s3://lake/a.csv: the store refused the request (403)"),
        ("s3://lake/*.csv", &wrong, "s3://lake/*.csv: the store refused the request (403)"),
        ("s3://lake/*.csv", &stranger, "s3://lake/*.csv: the store refused the request (403)"),
        ("s3://lake/b*.csv", &settings(&store), "s3://lake/b*.csv: there is no such file"),
        ("s3://lake/b.csv", &settings(&store), "s3://lake/b.csv: there is no such file"),
        ("s3://sea/*.csv", &settings(&store), "s3://sea/*.csv: there is no such bucket"),
        ("s3://lake/a.csv", &elsewhere, "s3://lake/a.csv cannot be reached: "),
        ("s3://lake/a.csv", &in_clear, "AWS_ENDPOINT_URL is http:"),
        (
            "s3://lake/a.csv",
            &of_host,
            "AWS_VIRTUAL_HOSTED_STYLE_REQUEST is set, and AWS_ENDPOINT_URL is not of the bucket lake",
        ),
        ("s3://lake/a.csv", &nonsense, "AWS_ENDPOINT_URL: relative URL without a base"),
    ] {
        let Err(error) = source(pattern, settings.clone()).catalogue().await else { panic!("{pattern} was read") };
        let told = error.to_string();
        assert!(told.starts_with(expected), "{pattern}: {told}");
        assert!(!told.contains(SECRET) && !told.contains("another-secret"), "{told}");
    }
    // one that answers with what it was asked
    store.meet([Fault::Status(400)]);
    let Err(error) = source("s3://lake/a.csv", settings(&store)).catalogue().await else { panic!("it was read") };
    assert!(!error.to_string().contains("Credential") && matches!(error, Error::Unreachable { .. }), "{error}");
    Ok(())
}

/// Variables of other programs choose no other bucket; what stands for a folder in a store is no file.
#[tokio::test]
async fn the_bucket_is_the_one_that_is_named() -> anyhow::Result<()> {
    let (folder, store) = lake()?;
    std::fs::create_dir(folder.path().join("uploads"))?;
    std::fs::write(folder.path().join("lake/a.csv"), "v\n1\n")?;
    std::fs::write(folder.path().join("uploads/a.csv"), "v\n2\n")?;
    for name in ["AWS_BUCKET", "AWS_BUCKET_NAME"] {
        let variables = store.variables().into_iter().chain([(name.to_owned(), "uploads".to_owned())]);
        for pattern in ["s3://lake/*.csv", "s3://lake/a.csv"] {
            let (_, rows, _) = all(&mut source(pattern, StoreSettings::new(variables.clone()))).await?;
            assert_eq!(rows, [[Some("1".to_owned())]], "{name}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_store_that_is_busy_is_asked_again() -> anyhow::Result<()> {
    let (folder, store) = lake()?;
    std::fs::write(folder.path().join("lake/a.csv"), "v\n1\n")?;
    store.meet([Fault::Status(503), Fault::Status(500)]);
    let mut source = source("s3://lake/a.csv", settings(&store));
    let before = store.requests();
    let (types, rows, _) = all(&mut source).await?;
    assert_eq!((types, rows), (names(&["Int64"]), vec![vec![Some("1".to_owned())]]));
    assert!(store.requests() > before + 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_silent_can_be_left() -> anyhow::Result<()> {
    let (folder, store) = lake()?;
    std::fs::write(
        folder.path().join("lake/a.csv"),
        (0..10).fold("v\n".to_owned(), |text, row| text + &format!("{row}\n")),
    )?;
    let mut source = source("s3://lake/a.csv", settings(&store));
    let t = source.catalogue().await?.tables[0].clone();
    let cancel = source.canceller();
    store.meet([Fault::Silence]);
    let reading = tokio::spawn(async move { pass_over(&mut source, &t, &names(&["v"]), 5).await });
    store.silent().await;
    cancel.cancel().await;
    let read = tokio::time::timeout(Duration::from_secs(20), reading).await??;
    assert!(read.as_ref().is_err_and(|error| error.to_string().contains("cancelled")), "{read:?}");
    Ok(())
}

/// A pass over objects that somebody writes anew is none.
#[tokio::test]
async fn an_object_that_is_written_anew_under_a_pass_ends_it() -> anyhow::Result<()> {
    let (folder, store) = lake()?;
    let path = folder.path().join("lake/t.csv");
    // longer than what is asked for at once
    let line = format!("{}\n", "x".repeat(1_000));
    std::fs::write(&path, "a\n".to_owned() + &line.repeat(10_000))?;
    let mut source = source("s3://lake/t.csv", settings(&store));
    let t = source.catalogue().await?.tables[0].clone();
    let columns = names(&["a"]);
    let first = source.scan(&Read::new(&t, &columns), &Cursor::start(), 100).await?;
    let other = format!("{}\n", "y".repeat(1_000));
    std::fs::write(&path, "a\n".to_owned() + &other.repeat(10_000))?;
    let mut read = source.scan(&Read::new(&t, &columns), &first.next.unwrap(), 9_000).await;
    while let Ok(scanned) = &mut read {
        let Some(next) = scanned.next.take() else { break };
        read = source.scan(&Read::new(&t, &columns), &next, 9_000).await;
    }
    assert!(matches!(read, Err(Error::SchemaChanged { .. })), "{:?}", read.map(|scanned| scanned.chunk.rows()));
    std::fs::remove_file(&path)?;
    let read = source.scan(&Read::new(&t, &columns), &Cursor::start(), 100).await;
    assert!(matches!(read, Err(Error::SchemaChanged { .. })), "{:?}", read.map(|scanned| scanned.chunk.rows()));
    Ok(())
}

/// A request has its price, by time and by money: there are few for a pass, however small its chunks.
#[tokio::test]
async fn a_pass_asks_for_much_at_once() -> anyhow::Result<()> {
    let (folder, store) = lake()?;
    let text = |id: i64| format!("{id:08}{}", "x".repeat(400));
    let ids = || 0..20_000_i64;
    let arrays: [(&str, ArrayRef); 3] = [
        ("id", Arc::new(ids().collect::<Int64Array>())),
        ("one", Arc::new(ids().map(|id| Some(text(id))).collect::<StringArray>())),
        ("two", Arc::new(ids().map(|id| Some(text(id + 1))).collect::<StringArray>())),
    ];
    let batch = RecordBatch::try_from_iter(arrays)?;
    let path = folder.path().join("lake/t.parquet");
    write_batch(&path, &batch)?;
    let lines =
        ids().fold("id,one,two\n".to_owned(), |lines, id| lines + &format!("{id},{},{}\n", text(id), text(id + 1)));
    std::fs::write(folder.path().join("lake/t.csv"), lines)?;
    for name in ["t.parquet", "t.csv"] {
        let bytes = std::fs::metadata(folder.path().join("lake").join(name))?.len();
        let mut source = source(&format!("s3://lake/{name}"), settings(&store));
        let t = source.catalogue().await?.tables[0].clone();
        let before = store.requests();
        let columns = names(&["two", "id"]);
        let rows = pass_over(&mut source, &t, &columns, 500).await?;
        assert_eq!(rows.len(), 20_000);
        assert!(rows.iter().zip(ids()).all(|(row, id)| row[0] == Some(text(id + 1)) && row[1] == Some(id.to_string())));
        let requests = store.requests() - before;
        // of a window of 4 MiB each, and the end of the file
        assert!(requests <= bytes / (4 << 20) + 6, "{name}: {requests} requests for {bytes} bytes");
    }
    Ok(())
}
