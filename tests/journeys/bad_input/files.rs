//! Configurations and rule files that make no sense.

use super::{TABLES, Untouched, WRONG_PASSWORD, marks, names, says};
use crate::journeys::shop::Shop;

const GOOD: &str =
    "version: 1\nstate_dir: state\nsources:\n  shop: { url: \"sqlite:shop.db\" }\nrules: [\"rules/*.yaml\"]\n";

/// Every command is refused before anything is begun.
#[track_caller]
fn refused(shop: &Shop, parts: &[&str]) {
    let untouched = Untouched::of(shop);
    for command in [&["check"][..], &["before"], &["after"], &["guard", "--", "touch", "started"]] {
        let run = shop.run(command).gives(78);
        assert_eq!(run.out, "", "{command:?}");
        says(&run, parts);
        assert!(!shop.path("started").exists() && marks(shop).is_empty(), "{command:?}");
    }
    untouched.holds(shop);
}

fn shop() -> Shop {
    let shop = Shop::new(TABLES);
    shop.rules("t", "rules:\n  - not_null: [name]\n");
    shop
}

#[test]
fn malformed_yaml() {
    for (text, place) in [
        ("version: 1\nsources:\n  shop: { url: \"sqlite:shop.db\"\n", "fieldmark.yaml:3:9"),
        ("version: 1\n\tsources: {}\n", "fieldmark.yaml:1:10"),
        ("version: 1\nsources: {}\nsources: {}\n", "fieldmark.yaml:3:1"),
        ("- version\n", "fieldmark.yaml:1:1"),
        ("version: 1\nsources: &a { shop: *a }\n", "fieldmark.yaml:2:"),
        ("", "fieldmark.yaml:1:1"),
    ] {
        let shop = shop();
        shop.write("fieldmark.yaml", text);
        refused(&shop, &[place]);
    }
    for (body, place) in [
        ("rules:\n  - not_null: [name\n", "rules/t.yaml:4:"),
        ("rules:\n  - not_null: [name]\n rules: []\n", "rules/t.yaml:5:"),
        ("rules: not_null\n", "rules/t.yaml:3:8"),
        ("rules:\n  - not_null: \"\u{7}\"\n", "rules/t.yaml:4:"),
    ] {
        let shop = shop();
        shop.rules("t", body);
        refused(&shop, &[place]);
    }
}

#[test]
fn bytes_that_are_no_text() {
    let shop = shop();
    std::fs::write(shop.path("rules/t.yaml"), b"version: 1\ntable: shop.t\nrules: [\xff\xfe]\n").unwrap();
    refused(&shop, &["rules/t.yaml", "UTF-8"]);
}

#[test]
fn unknown_keys_of_the_configuration() {
    let shop = shop();
    for (from, to, parts) in [
        ("state_dir", "stat_dir", &["fieldmark.yaml:2:1", "`stat_dir`", "did you mean `state_dir`?"][..]),
        ("url:", "ulr:", &["fieldmark.yaml:4:11", "`ulr`", "did you mean `url`?", "source `shop` has no address"]),
        ("sources", "source", &["fieldmark.yaml:3:1", "`source`", "did you mean `sources`?"]),
        ("version: 1", "version: 1\ncolour: red", &["fieldmark.yaml:2:1", "`colour`", "allowed:"]),
        (
            "version: 1",
            "version: 1\ncontracts: [a.yaml]",
            &["fieldmark.yaml:2:1", "`contracts`", "not in this version"],
        ),
        ("shop.db\"", "shop.db\", detct: 1%", &["fieldmark.yaml:4:34", "`detct`", "did you mean `detect`?"]),
    ] {
        shop.write("fieldmark.yaml", &GOOD.replacen(from, to, 1));
        refused(&shop, parts);
    }
    // the line that a problem underlines may hold a password
    let address = format!("ulr: \"postgres://keeper:{WRONG_PASSWORD}@127.0.0.1/d\"");
    shop.write("fieldmark.yaml", &GOOD.replacen("url: \"sqlite:shop.db\"", &address, 1));
    refused(&shop, &["fieldmark.yaml:4:11", "`ulr`"]);
}

#[test]
fn unknown_keys_of_rules() {
    let shop = shop();
    for (body, parts) in [
        ("rules:\n  - not_nul: [name]\n", &["rules/t.yaml:4:5", "`not_nul`", "did you mean `not_null`?"][..]),
        ("rule:\n  - not_null: [name]\n", &["rules/t.yaml:3:1", "`rule`", "did you mean `rules`?"]),
        (
            "rules:\n  - { not_null: [name], tolerence: 1% }\n",
            &["rules/t.yaml:4:25", "`tolerence`", "did you mean `tolerance`?"],
        ),
        ("rules:\n  - in_range: { column: total, mim: 0 }\n", &["rules/t.yaml:4:32", "`mim`", "did you mean `min`?"]),
        ("ownr: us\nrules:\n  - not_null: [name]\n", &["rules/t.yaml:3:1", "`ownr`", "did you mean `owner`?"]),
        ("rules: []\nacross_migrations: { smae: [id] }\n", &["rules/t.yaml:4:22", "`smae`", "did you mean `same`?"]),
        (
            "rules:\n  - { not_null: [name], severity: pgae }\n",
            &["rules/t.yaml:4:35", "`pgae`", "did you mean `page`?"],
        ),
        (
            "rules:\n  - { fresh: { column: noted, within: 1h }, where: id > 1 }\n",
            &["rules/t.yaml:4:", "where", "maximum"],
        ),
    ] {
        shop.rules("t", body);
        refused(&shop, parts);
    }
    assert_eq!(names(&shop.path("rules")), ["t.yaml"]);
}
