//! Marks that are not what was written.

use super::{TABLES, Untouched, marks, names, says};
use crate::journeys::shop::{Shop, fill};
use std::path::PathBuf;
use std::process::Command;

/// A shop with two marked tables, and its mark.
fn marked() -> (Shop, PathBuf) {
    let shop = Shop::new(TABLES);
    shop.sql("create table u (id integer primary key, name text); insert into u values (1, 'kingfisher')");
    shop.rules("t", "rules:\n  - not_null: [id]\n");
    let report = shop.json(&["before", "--control", "0s"], 0);
    let mark = PathBuf::from(report["migration"]["marks"][0]["path"].as_str().unwrap());
    assert_eq!(names(&mark), ["1.parquet", "2.parquet", "mark.json"]);
    (shop, mark)
}

/// Every way to the mark ends with "could not tell" and says these parts; the mark stays for whoever wants to look into it.
#[track_caller]
fn unusable(shop: &Shop, parts: &[&str]) {
    let untouched = Untouched::of(shop);
    let [id] = &marks(shop)[..] else { panic!("{:?}", marks(shop)) };
    for command in [
        &["after", "--control", "0s"][..],
        &["after", "--control", "0s", "--mark", id],
        &["after", "--control", "0s", "--rollback"],
        &["guard", "--control", "0s", "--rollback", "--", "true"],
    ] {
        let run = shop.run(command).gives(2);
        says(&run, &[id]);
        says(&run, parts);
    }
    assert_eq!(&marks(shop), std::slice::from_ref(id));
    untouched.holds(shop);
}

/// The mark under the id that its changed content has.
fn renamed(mark: &PathBuf) -> PathBuf {
    // the id is the digest of mark.json
    let output = Command::new("sha256sum").arg(mark.join("mark.json")).output().unwrap();
    let id = String::from_utf8(output.stdout).unwrap()[..16].to_owned();
    let renamed = mark.with_file_name(id);
    std::fs::rename(mark, &renamed).unwrap();
    renamed
}

#[test]
fn a_bit_turned_over_in_the_middle_of_any_file() {
    for file in ["1.parquet", "2.parquet", "mark.json"] {
        let (shop, mark) = marked();
        let mut bytes = std::fs::read(mark.join(file)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(mark.join(file), bytes).unwrap();
        unusable(&shop, &["is damaged", file, "take another with `fieldmark before`"]);
    }
}

#[test]
fn a_file_cut_off() {
    for file in ["1.parquet", "2.parquet", "mark.json"] {
        for part in [0, 1, 2] {
            let (shop, mark) = marked();
            let bytes = std::fs::read(mark.join(file)).unwrap();
            std::fs::write(mark.join(file), &bytes[..bytes.len() * part / 3]).unwrap();
            unusable(&shop, &["is damaged", file, "take another with `fieldmark before`"]);
        }
    }
}

#[test]
fn a_file_that_is_gone() {
    for file in ["1.parquet", "2.parquet", "mark.json"] {
        let (shop, mark) = marked();
        std::fs::remove_file(mark.join(file)).unwrap();
        unusable(&shop, &["is damaged", file, "take another with `fieldmark before`"]);
    }
}

/// Content that fits its id, but is none that this version wrote.
#[test]
fn a_mark_in_another_form() {
    let newer = "was written by a newer Fieldmark (version 2000 of the form)";
    for (key, to, parts) in [
        ("\"version\":", "\"version\": 2000, \"since\":", &[newer, "use that"][..]),
        ("\"version\":", "\"version\": \"one\", \"since\":", &["is damaged", "mark.json", "no version"]),
        ("\"version\":", "\"edition\":", &["is damaged", "mark.json", "no version"]),
        ("\"tables\":", "\"tabels\":", &["is damaged", "mark.json"]),
        ("{", "[", &["is damaged", "mark.json", "no JSON"]),
    ] {
        let (shop, mark) = marked();
        let text = std::fs::read_to_string(mark.join("mark.json")).unwrap();
        let changed = text.replacen(key, to, 1);
        assert_ne!(changed, text);
        std::fs::write(mark.join("mark.json"), changed).unwrap();
        renamed(&mark);
        unusable(&shop, parts);
    }
}

/// A mark's files are named by the mark itself, and lie beside it.
#[test]
fn a_mark_that_names_a_file_elsewhere() {
    let (shop, mark) = marked();
    let text = std::fs::read_to_string(mark.join("mark.json")).unwrap();
    std::fs::rename(mark.join("1.parquet"), shop.path("1.parquet")).unwrap();
    std::fs::write(mark.join("mark.json"), text.replace("\"1.parquet\"", "\"../../../../1.parquet\"")).unwrap();
    renamed(&mark);
    unusable(&shop, &["is damaged"]);
}

/// The older mark is whole, but the newer one is the one that was asked for.
#[test]
fn a_damaged_mark_is_not_passed_over_for_an_older_one() {
    let (shop, older) = marked();
    let report = shop.json(&["before", "--control", "0s"], 0);
    let newer = PathBuf::from(report["migration"]["marks"][0]["path"].as_str().unwrap());
    let before = marks(&shop);
    assert_eq!(before.len(), 2);
    std::fs::write(newer.join("2.parquet"), "").unwrap();
    let run = shop.run(&["after", "--control", "0s"]).gives(2);
    says(&run, &["is damaged", "2.parquet", newer.file_name().unwrap().to_str().unwrap()]);
    let id = older.file_name().unwrap().to_str().unwrap();
    shop.run(&["after", "--control", "0s", "--mark", id]).gives(0);
    assert_eq!(marks(&shop), before);
}

/// A shared folder has marks of other machines, whose state folder has another key: what is kept as digests cannot be compared
/// then, and has not changed.
#[test]
fn digests_under_another_key_are_no_changed_values() {
    let shop = Shop::new("create table t (id integer primary key, name text)");
    shop.sql(&fill("t", 2000, "i, 'kingfisher ' || i"));
    shop.rules("t", "pii: [name]\nrules: []\nacross_migrations: { same: [name] }\n");
    let shared = ["--control", "1s", "--mark-dir", "shared"];
    shop.run(&[&["before"][..], &shared].concat()).gives(0);
    std::fs::remove_file(shop.path("state/digest.key")).unwrap();
    let run = shop.run(&[&["after"][..], &shared].concat()).gives(2);
    says(&run, &["digest"]);
}
