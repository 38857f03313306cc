//! The state folder while another process writes in it.

use super::{TABLES, Untouched, marks, says};
use crate::journeys::served::DEADLINE;
use crate::journeys::shop::Shop;
use std::fs::File;
use std::path::Path;
use std::time::Instant;

/// The lock of a file of the state folder, as another process takes it.
pub(super) fn held(path: &Path) -> File {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = File::options().create(true).truncate(false).write(true).open(path).unwrap();
    file.try_lock().unwrap();
    file
}

/// Waits until a process waits for that lock: it has the file open then.
pub(super) fn until_waited_for(path: &Path, process: u32) {
    let files = Path::new("/proc").join(process.to_string()).join("fd");
    let begun = Instant::now();
    loop {
        let open = std::fs::read_dir(&files).into_iter().flatten().flatten();
        if open.filter_map(|file| std::fs::read_link(file.path()).ok()).any(|file| file == path) {
            return;
        }
        assert!(begun.elapsed() < DEADLINE, "the lock was never asked for");
        std::thread::yield_now();
    }
}

fn shop() -> Shop {
    let shop = Shop::new(TABLES);
    shop.rules("t", "rules:\n  - not_null: [id]\n  - row_count: { min: 1, change: 50% }\n");
    shop
}

#[test]
fn a_second_process_gives_way() {
    let shop = shop();
    let untouched = Untouched::of(&shop);
    let lock = held(&shop.path("state/locks/shop.lock"));
    for (command, code) in [
        // what a check found is told all the same
        (&["check"][..], 2),
        (&["before", "--control", "0s"], 75),
        (&["guard", "--control", "0s", "--", "touch", "started"], 75),
    ] {
        let run = shop.run(command).gives(code);
        assert_eq!(run.out.contains("all 3 rows pass"), code == 2, "{}", run.out);
        says(&run, &["the state folder is in use", "state/locks/shop.lock", "try again when it has ended"]);
        assert!(marks(&shop).is_empty() && !shop.path("started").exists());
    }
    drop(lock);
    shop.run(&["before", "--control", "0s"]).gives(0);
    assert_eq!(marks(&shop).len(), 1);
    untouched.holds(&shop);
}

#[test]
fn a_lock_that_is_given_back_in_time_is_waited_for() {
    let shop = shop();
    let path = shop.path("state/locks/shop.lock");
    let lock = held(&path);
    let child = shop
        .command(&["before", "--control", "0s", "--output", "json"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    until_waited_for(&path, child.id());
    drop(lock);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(marks(&shop).len(), 1);
}

/// Whoever makes the key of digests first holds its own lock.
#[test]
fn the_first_run_of_a_folder_gives_way_too() {
    let shop = shop();
    let _lock = held(&shop.path("state/locks/.identity.lock"));
    let run = shop.run(&["check"]).gives(75);
    says(&run, &["the state folder is in use", ".identity.lock", "try again when it has ended"]);
}

/// A state folder that cannot be one.
#[test]
fn something_else_has_the_folders_name() {
    let shop = shop();
    shop.write("state", "kingfisher");
    for command in [&["check"][..], &["before"], &["after"], &["guard", "--", "touch", "started"]] {
        let run = shop.run(command).gives(2);
        says(&run, &["cannot make the folder", "state", "move away what is in the way, or set state_dir"]);
        assert!(!shop.path("started").exists());
    }
    assert_eq!(shop.read("state"), "kingfisher");
}
