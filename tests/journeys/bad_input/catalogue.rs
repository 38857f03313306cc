//! Tables and columns that the database lacks.

use super::{TABLES, Untouched, marks, says};
use crate::journeys::served::Served;
use crate::journeys::shop::{Run, Shop};

/// What a rule file says of the table `t`, where the mistake stands, and what is said of it.
const MISTAKES: [(&str, &str, &[&str]); 6] = [
    (
        "rules:\n  - not_null: [naem]\n",
        "rules/t.yaml:4:16",
        &["`naem`", "allowed: id, name, total, noted", "did you mean `name`?"],
    ),
    ("key: [idd]\nrules:\n  - not_null: [name]\n", "rules/t.yaml:3:7", &["`idd`", "did you mean `id`?"]),
    ("pii: [nmae]\nrules:\n  - not_null: [name]\n", "rules/t.yaml:3:7", &["`nmae`", "did you mean `name`?"]),
    ("rules:\n  - { expect: totl > 0, id: positive }\n", "rules/t.yaml:4:15", &["totl", "did you mean `total`?"]),
    ("rules:\n  - references: { column: total, to: unkeyd.total }\n", "rules/t.yaml:4:38", &["unkeyd", "unkeyed"]),
    ("rules:\n  - references: { column: total, to: unkeyed.totl }\n", "rules/t.yaml:4:38", &["`totl`", "total"]),
];

const COMMANDS: [&[&str]; 3] =
    [&["check"], &["before", "--control", "0s"], &["guard", "--control", "0s", "--", "touch", "started"]];

#[track_caller]
fn refused(shop: &Shop, run: Run, place: &str, parts: &[&str]) {
    let run = run.gives(78);
    assert_eq!(run.out, "");
    says(&run, &[place]);
    says(&run, parts);
    assert!(marks(shop).is_empty() && !shop.path("started").exists());
}

#[test]
fn of_a_sqlite_file() {
    let shop = Shop::new(TABLES);
    let untouched = Untouched::of(&shop);
    for command in COMMANDS {
        for (body, place, parts) in MISTAKES {
            shop.rules("t", body);
            refused(&shop, shop.run(command), place, parts);
        }
        shop.write("rules/t.yaml", "version: 1\ntable: shop.unkyed\nrules:\n  - not_null: [name]\n");
        refused(
            &shop,
            shop.run(command),
            "rules/t.yaml:2:8",
            &["no table of this name", "unkyed", "did you mean `main.unkeyed`?"],
        );
    }
    untouched.holds(&shop);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_postgres_database() {
    let mut served = Served::new(TABLES).await;
    let before = served.writes().await;
    for command in COMMANDS {
        for (body, place, parts) in MISTAKES {
            served.rules("t", body);
            refused(&served, served.run(command).await, place, parts);
        }
        served.write("rules/t.yaml", "version: 1\ntable: shop.unkyed\nrules:\n  - not_null: [name]\n");
        let run = served.run(command).await;
        refused(
            &served,
            run,
            "rules/t.yaml:2:8",
            &["no table of this name", "unkyed", "did you mean `public.unkeyed`?"],
        );
    }
    assert_eq!(served.writes().await, before);
}

/// What was dropped since the rules were written is a mistake of the rules, too, and all mistakes are told at once.
#[test]
fn every_mistake_of_every_file_is_told_at_once() {
    let shop = Shop::new(TABLES);
    shop.rules("t", "rules:\n  - not_null: [naem, totl]\n");
    shop.write("rules/u.yaml", "version: 1\ntable: shop.unkyed\nrules:\n  - not_null: [name]\n");
    let run = shop.run(&["check"]).gives(78);
    says(&run, &["rules/t.yaml:4:16", "`naem`", "rules/t.yaml:4:22", "`totl`", "rules/u.yaml:2:8", "unkyed"]);
}
