//! Disks that are full, and processes that end, while a mark is being written.
//!
//! A limit on the size of files stands for a full disk: a write goes through up to it and fails beyond. Where its signal is not
//! ignored, the process dies of it in the middle of that very write, as of a `kill -9`.

use super::{TABLES, Untouched, marks, names, says};
use crate::journeys::shop::{Run, Shop, fill};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output};

/// A shop whose mark has files of some kilobytes each.
fn shop() -> Shop {
    let shop = Shop::new(TABLES);
    shop.sql("create table wide (id integer primary key, name text)");
    shop.sql(&fill("wide", 100, "i, 'kingfisher' || hex(randomblob(20))"));
    // a mark tells of all that the database has
    for number in 1..=20 {
        shop.sql(&format!("create view view_{number} as select * from wide"));
    }
    shop.rules("t", "rules:\n  - not_null: [id]\n");
    shop
}

/// Runs the program, and kills it at this number of its syncs of files.
fn killed(shop: &Shop, sync: u32, arguments: &[&str]) -> Output {
    let mut command = Command::new("strace");
    let inject = format!("inject=fsync,fdatasync:signal=KILL:when={sync}");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", &inject]);
    command.arg(shop.command(&[]).get_program()).args(arguments);
    shop.surround(&mut command);
    command.output().unwrap_or_else(|error| panic!("strace is needed (tests/run installs it): {error}"))
}

/// Runs the program with files of at most so many blocks of 512 bytes.
fn limited(shop: &Shop, blocks: u32, arguments: &[&str]) -> Output {
    let mut command = Command::new("sh");
    let program = shop.command(&[]).get_program().to_owned();
    command.args(["-c", &format!("ulimit -f {blocks}; exec \"$0\" \"$@\"")]).arg(program).args(arguments);
    shop.surround(&mut command);
    command.output().unwrap()
}

const BEFORE: [&str; 3] = ["before", "--control", "0s"];
/// Limits in blocks, from one that no file of a mark fits in to one that all fit in.
const LIMITS: [u32; 8] = [1, 2, 4, 8, 16, 32, 64, 128];

#[test]
fn a_mark_that_does_not_fit_is_not_there_at_all() {
    let mut files = Vec::new();
    for blocks in LIMITS {
        let shop = shop();
        let untouched = Untouched::of(&shop);
        let run = Run::of(limited(&shop, blocks, &BEFORE));
        untouched.holds(&shop);
        if run.code == 0 {
            assert_eq!(marks(&shop).len(), 1);
            continue;
        }
        let run = run.gives(2);
        says(&run, &["cannot write", "state/marks/shop", "File too large", "raise the limit on the size of files"]);
        assert!(marks(&shop).is_empty(), "{:?}", marks(&shop));
        files.extend(["1.parquet", "2.parquet", "mark.json"].into_iter().filter(|file| run.err.contains(file)));
        says(
            &shop.run(&["after", "--control", "0s"]).gives(2),
            &["there is no mark", "take one with `fieldmark before`"],
        );
    }
    files.dedup();
    assert!(files.len() > 1 && files.contains(&"mark.json"), "the limits stop at {files:?} only");
}

#[test]
fn what_is_guarded_does_not_begin_without_a_mark() {
    let shop = shop();
    let run = Run::of(limited(&shop, 1, &["guard", "--control", "0s", "--", "touch", "started"])).gives(2);
    says(&run, &["cannot write", "File too large"]);
    assert!(marks(&shop).is_empty() && !shop.path("started").exists());
}

#[test]
fn an_older_mark_stays_as_it_is() {
    let shop = shop();
    let first = shop.json(&BEFORE, 0);
    let id = first["migration"]["marks"][0]["id"].as_str().unwrap();
    shop.sql("insert into wide values (1000, 'kingfisher')");
    Run::of(limited(&shop, 4, &BEFORE)).gives(2);
    assert_eq!(marks(&shop), [id]);
    shop.run(&["after", "--control", "0s"]).gives(0);
}

/// A process that ends in the middle of a write leaves no mark, and the next one clears away what it left.
#[test]
fn a_process_killed_while_it_writes_a_mark() {
    let mut drafts = 0;
    for sync in 1.. {
        let shop = shop();
        let untouched = Untouched::of(&shop);
        let output = killed(&shop, sync, &BEFORE);
        untouched.holds(&shop);
        if output.status.success() {
            break;
        }
        assert!(output.status.signal().is_some(), "{output:?}");
        if marks(&shop).iter().any(|name| !name.starts_with('.')) {
            // it was there by then, and is whole
            shop.run(&["after", "--control", "0s"]).gives(0);
            continue;
        }
        drafts += marks(&shop).len();
        assert!(marks(&shop).iter().all(|name| name.starts_with('.')), "{:?}", marks(&shop));
        says(
            &shop.run(&["after", "--control", "0s"]).gives(2),
            &["there is no mark", "take one with `fieldmark before`"],
        );
        let report = shop.json(&BEFORE, 0);
        assert_eq!(marks(&shop), [report["migration"]["marks"][0]["id"].as_str().unwrap()]);
        shop.run(&["after", "--control", "0s"]).gives(0);
    }
    assert!(drafts > 1, "it was never killed while it wrote a mark");
}

/// A folder that machines share has no lock: what others have just begun is let be, and cleared away when it is old.
#[test]
fn a_process_killed_while_it_writes_to_a_shared_folder() {
    let shop = shop();
    let shared = shop.path("shared/shop");
    let arguments = ["before", "--control", "0s", "--mark-dir", "shared"];
    let run = Run::of(limited(&shop, 4, &arguments)).gives(2);
    says(&run, &["cannot write", "shared/shop", "File too large"]);
    assert!(names(&shared).is_empty());
    for sync in 1..20 {
        assert!(killed(&shop, sync, &arguments).status.signal().is_some(), "it came to its end without a draft");
        if !names(&shared).is_empty() {
            break;
        }
    }
    let left = names(&shared);
    let [draft] = &left[..] else { panic!("{left:?}") };
    shop.run(&arguments).gives(0);
    assert_eq!(names(&shared).len(), 2, "{draft} may be in use elsewhere");
    let aged = Command::new("touch").args(["-d", "2 days ago"]).arg(shared.join(draft)).status().unwrap();
    assert!(aged.success());
    shop.run(&arguments).gives(0);
    assert!(names(&shared).len() == 2 && !names(&shared).contains(draft), "{:?}", names(&shared));
}

/// A file system of its own, where the tests may make one.
struct Mounted<'p>(&'p Path);

impl<'p> Mounted<'p> {
    fn new(path: &'p Path, kib: u32) -> Option<Self> {
        std::fs::create_dir(path).unwrap();
        let size = format!("size={kib}k");
        let made = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(path).output();
        made.is_ok_and(|output| output.status.success()).then_some(Self(path))
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        Command::new("umount").arg(self.0).status().unwrap();
    }
}

/// The disk itself is full. Needs the right to mount one; the limits above always run.
#[test]
fn a_file_system_that_is_full() {
    let shop = shop();
    let path = shop.path("small");
    let Some(_mounted) = Mounted::new(&path, 16) else {
        println!("no file system can be mounted here: the limits on file sizes have to do");
        return;
    };
    let untouched = Untouched::of(&shop);
    let arguments = ["before", "--control", "0s", "--mark-dir", "small"];
    let run = shop.run(&arguments).gives(2);
    says(&run, &["cannot write", "small/shop", "No space left", "free space on that file system", "--mark-dir"]);
    assert!(names(&path.join("shop")).is_empty(), "{:?}", names(&path.join("shop")));
    untouched.holds(&shop);
}
