//! What is wrong outside of the program: databases that do not answer, files that make no sense, damaged marks, full disks,
//! signals. Each time it is said what, where, why and what to do; the exit code is the documented one; no half-written mark
//! is left; the database is as it was; no value of a row and no password is shown.

mod addresses;
mod catalogue;
mod disk;
mod files;
mod interrupts;
mod locks;
mod marks;
mod reports;
mod types;
mod unkeyed;

use super::shop::{Run, Shop};
use crate::server::postgres::PASSWORD;
use std::path::Path;

/// Text in the rows of these tests' tables.
const VALUE: &str = "kingfisher";
/// A number in their rows.
const NUMBER: &str = "8642097";
/// A password that the server does not know.
const WRONG_PASSWORD: &str = "wrong-horse";

/// Tables with rows that have [`VALUE`] and [`NUMBER`] in them; this SQL is the same to both databases.
const TABLES: &str = "
    create table t (id integer primary key, name text, total integer, noted text);
    insert into t values (1, 'kingfisher', 8642097, 'kingfisher'), (2, 'kingfisher b', 8642097, 'kingfisher b'), (3, null, null, null);
    create table unkeyed (name text, total integer);
    insert into unkeyed values ('kingfisher', 8642097), ('kingfisher', 8642097);";

/// The text with line breaks and the frames of problems taken out, since both move with the width.
fn flat(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || "│╭╰╮╯─·┬".contains(c))
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Each of these is said, on standard output or standard error, and nothing is that has to stay where it is.
#[track_caller]
fn says(run: &Run, parts: &[&str]) {
    let all = flat(&format!("{}\n{}", run.out, run.err));
    for part in parts {
        assert!(all.contains(part), "nothing says {part:?}:\n{}\n{}", run.out, run.err);
    }
    keeps_secrets(run);
}

/// No value of a row, no password.
#[track_caller]
fn keeps_secrets(run: &Run) {
    for secret in [VALUE, NUMBER, PASSWORD, WRONG_PASSWORD] {
        assert!(!run.out.contains(secret) && !run.err.contains(secret), "{secret} is shown:\n{}\n{}", run.out, run.err);
    }
}

/// Names in a folder, sorted; none where there is no such folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Names in the folder of the shop's marks.
fn marks(shop: &Shop) -> Vec<String> {
    names(&shop.path("state/marks/shop"))
}

/// A database file as it was.
struct Untouched {
    bytes: Vec<u8>,
}

impl Untouched {
    fn of(shop: &Shop) -> Self {
        Self { bytes: std::fs::read(shop.path("shop.db")).unwrap() }
    }

    /// The same bytes, and no journal beside them.
    #[track_caller]
    fn holds(&self, shop: &Shop) {
        assert!(std::fs::read(shop.path("shop.db")).unwrap() == self.bytes, "the database file has changed");
        let mut beside = names(&shop.path(""));
        beside.retain(|name| name.starts_with("shop.db"));
        assert_eq!(beside, ["shop.db"]);
    }
}
