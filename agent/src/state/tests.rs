use super::*;
use chrono::DateTime;
use fieldmark_model::TableName;
use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;

struct Fixture {
    _temporary: tempfile::TempDir,
    folder: StateFolder,
    shop: SourceName,
}

fn fixture() -> Fixture {
    let temporary = tempfile::tempdir().unwrap();
    let folder = StateFolder::open(temporary.path().join("a/b/state")).unwrap();
    Fixture { _temporary: temporary, folder, shop: SourceName::new("shop") }
}

fn count(rows: u64) -> RowCount {
    RowCount { rows, exact: true, time: DateTime::from_timestamp(1_700_000_000, 0).unwrap() }
}

fn orders() -> TableName {
    TableName::new("public", "a.b \"c\"")
}

fn set(fixture: &Fixture, rows: u64) -> Option<Note> {
    let lock = fixture.folder.lock(&fixture.shop).unwrap();
    fixture
        .folder
        .update(&lock, |state| {
            state.row_counts.insert(orders(), count(rows));
        })
        .unwrap()
}

/// Names of all files below a folder.
fn files(folder: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            names.extend(files(&path));
        } else {
            names.insert(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    names
}

#[test]
fn state_is_read_back_as_written_and_private() {
    let fixture = fixture();
    assert_eq!(fixture.folder.load(&fixture.shop).unwrap(), (SourceState::default(), None));
    assert_eq!(set(&fixture, 7), None);
    assert_eq!(set(&fixture, 8), None);
    let (state, note) = fixture.folder.load(&fixture.shop).unwrap();
    assert_eq!((state.row_counts[&orders()], note), (count(8), None));
    let key = fixture.folder.digest_key().unwrap();
    assert_eq!(fixture.folder.digest_key().unwrap(), key);
    assert_eq!(format!("{key:?}"), "DigestKey(***)");
    fixture.folder.identity("db-1").reserve(1).unwrap();
    let expected = [".gitignore", ".identity.lock", "digest.key", "identity.json", "shop.json", "shop.lock"];
    assert_eq!(files(fixture.folder.path()), expected.map(str::to_owned).into());
    for (path, mode) in [
        ("", 0o700),
        ("locks", 0o700),
        ("state", 0o700),
        ("locks/shop.lock", 0o600),
        ("state/shop.json", 0o600),
        ("identity.json", 0o600),
        ("digest.key", 0o600),
        ("locks/.identity.lock", 0o600),
        ("../../b", 0o700),
    ] {
        let found = fs::metadata(fixture.folder.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{path}");
    }
}

#[test]
fn the_form_on_disk_does_not_change_by_accident() {
    let fixture = fixture();
    set(&fixture, 7);
    let text = fs::read_to_string(fixture.folder.path().join("state/shop.json")).unwrap();
    let compact: String = text.split_whitespace().collect();
    assert_eq!(
        compact,
        r#"{"version":1,"row_counts":{"public.\"a.b\"\"c\"\"\"":{"rows":7,"exact":true,"time":"2023-11-14T22:13:20Z"}},"passes":{},"watermarks":{},"failing":{},"baselines":{},"last_check":null,"server_time":null}"#
    );
}

#[test]
fn a_lock_is_held_by_one() {
    let fixture = fixture();
    let held = fixture.folder.lock(&fixture.shop).unwrap();
    let error = fixture.folder.lock(&fixture.shop).unwrap_err();
    assert!(matches!(error, StateError::InUse { .. }), "{error:?}");
    assert_eq!(error.exit_code(), 75);
    assert!(error.explain().ends_with("shop.lock; try again when it has ended"), "{}", error.explain());
    // another source is free
    fixture.folder.lock(&SourceName::new("lake")).unwrap();
    // what waits gets it when the holder has ended
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| fixture.folder.lock_within(&fixture.shop, Duration::from_secs(60)).map(|_| ()));
        drop(held);
        waiting.join().unwrap().unwrap();
    });
    fixture.folder.lock(&fixture.shop).unwrap();
}

#[test]
fn what_a_crash_left_is_ignored_and_removed() {
    let fixture = fixture();
    set(&fixture, 7);
    let state = fixture.folder.path().join("state");
    let marks = fixture.folder.marks(&fixture.shop);
    make_folder(&marks).unwrap();
    let left = [
        state.join(".shop.json.1-1.tmp"),
        marks.join(".orders.parquet.77-3.tmp"),
        fixture.folder.path().join(".identity.json.9-9.tmp"),
    ];
    for path in &left {
        fs::write(path, "{\"version\":1,\"row_cou").unwrap();
    }
    let draft = marks.join(".mark.a1B2c3.tmp");
    fs::create_dir(&draft).unwrap();
    fs::write(draft.join("1.parquet"), "PAR1").unwrap();
    let others = [state.join(".lake.json.1-1.tmp"), state.join("shop.json.damaged-1"), marks.join("kept.parquet")];
    for path in &others {
        fs::write(path, "x").unwrap();
    }
    assert_eq!(fixture.folder.load(&fixture.shop).unwrap().0.row_counts[&orders()], count(7));
    drop(fixture.folder.lock(&fixture.shop).unwrap());
    fixture.folder.identity("db-1").reserve(1).unwrap();
    assert_eq!(left.iter().chain([&draft]).filter(|path| path.exists()).count(), 0);
    assert_eq!(others.iter().filter(|path| path.exists()).count(), 3);
    let own = fixture.folder.path().join(".local.address.9-9.tmp");
    fs::write(&own, "http://12").unwrap();
    fixture.folder.write("local.address", b"http://127.0.0.1:1\n").unwrap();
    assert!(!own.exists(), "of the folder itself");
}

#[test]
fn a_file_that_is_not_committed_leaves_nothing() {
    let fixture = fixture();
    let target = fixture.folder.path().join("mark");
    write(&target, b"old").unwrap();
    let mut file = AtomicFile::create(&target).unwrap();
    file.write_all(b"new, but").unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"old");
    drop(file);
    assert_eq!(files(fixture.folder.path()), [".gitignore", ".identity.lock", "mark"].map(str::to_owned).into());
    assert_eq!(fs::read(&target).unwrap(), b"old");
}

#[test]
fn damaged_state_is_kept_aside_and_reported() {
    for (text, why) in [
        ("", "not JSON"),
        ("{\"version\": 1, \"row_counts\": {\"pub", "not JSON"),
        ("\0\0\0\0", "not JSON"),
        ("{}", "no version"),
        ("{\"version\": 1, \"row_counts\": 3}", "not the form"),
        ("{\"version\": 1, \"row_counts\": {\"orders\": {}}}", "not the form"),
    ] {
        let fixture = fixture();
        set(&fixture, 7);
        let path = fixture.folder.path().join("state/shop.json");
        fs::write(&path, text).unwrap();
        let (state, note) = fixture.folder.load(&fixture.shop).unwrap();
        assert_eq!(state, SourceState::default());
        assert!(note.unwrap().0.contains(why), "{text}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "looking changes nothing");
        let note = set(&fixture, 9).unwrap();
        assert!(note.0.contains("damaged-"), "{note:?}");
        assert_eq!(fixture.folder.load(&fixture.shop).unwrap().0.row_counts[&orders()], count(9));
        let aside = files(fixture.folder.path()).into_iter().find(|name| name.contains("damaged-")).unwrap();
        assert_eq!(fs::read_to_string(path.with_file_name(aside)).unwrap(), text);
    }
}

#[test]
fn damage_is_never_kept_over_earlier_damage() {
    let fixture = fixture();
    for round in 0..3 {
        let path = fixture.folder.path().join("state/shop.json");
        set(&fixture, 1);
        fs::write(&path, format!("broken {round}")).unwrap();
        set(&fixture, 2).unwrap();
    }
    assert_eq!(files(fixture.folder.path()).iter().filter(|name| name.contains("damaged-")).count(), 3);
}

#[test]
fn a_newer_version_is_refused_and_left_alone() {
    let fixture = fixture();
    set(&fixture, 7);
    let path = fixture.folder.path().join("state/shop.json");
    let newer = "{\"version\": 2, \"what\": \"ever\"}";
    fs::write(&path, newer).unwrap();
    let error = fixture.folder.load(&fixture.shop).unwrap_err();
    assert!(
        error.explain().ends_with(
            "shop.json is of version 2; this Fieldmark reads up to 1; use the newer Fieldmark, or another state_dir"
        ),
        "{}",
        error.explain()
    );
    let lock = fixture.folder.lock(&fixture.shop).unwrap();
    fixture.folder.update(&lock, |_| {}).unwrap_err();
    assert_eq!(fs::read_to_string(&path).unwrap(), newer);
}

#[test]
fn sequences_are_never_given_twice() {
    let fixture = fixture();
    let mut all = Vec::new();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    // another handle each time, as after a restart
                    (0..5)
                        .flat_map(|_| {
                            StateFolder::open(fixture.folder.path()).unwrap().identity("db-1").reserve(3).unwrap().0
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        for thread in threads {
            all.extend(thread.join().unwrap());
        }
    });
    all.sort();
    assert_eq!(all.iter().map(|id| id.sequence).collect::<Vec<_>>(), (0..60).collect::<Vec<_>>());
    assert!(all.iter().all(|id| id.incarnation == all[0].incarnation && id.agent == "db-1"));
    assert!(all[0].incarnation <= i64::MAX as u64);
}

#[test]
fn a_lost_identity_is_another_incarnation() {
    let fixture = fixture();
    let identity = fixture.folder.identity("db-1");
    let (first, _) = identity.reserve(2).unwrap();
    let path = fixture.folder.path().join("identity.json");
    for text in ["{\"version\":1,\"inc", "{\"version\":1,\"incarnation\":1,\"next_sequence\":18446744073709551615}"] {
        fs::write(&path, text).unwrap();
        let (second, note) = identity.reserve(2).unwrap();
        assert!(note.unwrap().0.contains("damaged-"));
        assert_ne!(second[0].incarnation, first[0].incarnation);
        assert_eq!(second[0].sequence, 0);
    }
}

#[test]
fn what_the_system_refuses_is_explained() {
    let full = std::io::Error::from(ErrorKind::StorageFull);
    let path = Path::new("/var/lib/fieldmark/state/shop.json");
    let error = StateError::system("write", path, full);
    assert_eq!(
        error.explain(),
        "cannot write /var/lib/fieldmark/state/shop.json: no storage space; free space on that file system, or set state_dir \
         (or --mark-dir) to a folder on another one"
    );
    assert_eq!(error.exit_code(), 2);
    let read_only = StateError::system("write", path, std::io::Error::from(ErrorKind::ReadOnlyFilesystem));
    assert!(read_only.explain().ends_with("; set state_dir (or --mark-dir) to a folder that can be written to"));
    // a file where the folder should be
    let temporary = tempfile::tempdir().unwrap();
    let blocked = temporary.path().join("file");
    fs::write(&blocked, "").unwrap();
    for path in [blocked.clone(), blocked.join("state")] {
        let error = StateFolder::open(path).unwrap_err();
        assert!(error.explain().contains("; move away what is in the way"), "{}", error.explain());
    }
}

#[test]
fn a_write_that_fails_leaves_the_old_file() {
    let fixture = fixture();
    set(&fixture, 7);
    // a folder in the place of the file: the rename fails after the temporary file was written
    let target = fixture.folder.path().join("taken");
    fs::create_dir(&target).unwrap();
    fs::write(target.join("x"), "").unwrap();
    write(&target, b"new").unwrap_err();
    assert!(files(fixture.folder.path()).iter().all(|name| !name.ends_with(".tmp")));
    assert_eq!(fixture.folder.load(&fixture.shop).unwrap().0.row_counts[&orders()], count(7));
}

#[test]
fn names_of_sources_cannot_leave_the_folder() {
    for (name, expected) in [
        ("shop", "shop"),
        ("shop-eu_1", "shop-eu_1"),
        ("..", "%2e%2e"),
        ("a/b", "a%2fb"),
        ("", "%"),
        (".identity", "%2eidentity"),
        ("a%2fb", "a%252fb"),
        ("é", "%c3%a9"),
    ] {
        assert_eq!(file_name(&SourceName::new(name)), expected);
    }
}

/// Whoever comes first makes the folder, and none of the others is in the way, or in theirs.
#[test]
fn processes_that_begin_together_share_a_fresh_folder() {
    for _ in 0..50 {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("state");
        let begin = |path: &std::path::Path| {
            let folder = StateFolder::open(path)?;
            folder.digest_key().map(|_| ())
        };
        let begun: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| begin(&path))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(begun.iter().all(Result::is_ok), "{begun:?}");
        assert_eq!(fs::read(path.join(".gitignore")).unwrap(), b"*\n");
    }
}
