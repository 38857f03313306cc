//! What is printed on a terminal of a few columns, and without colours where none are wanted.

use super::program;
use super::shop::{Shop, fill};
use std::process::Command;

/// A shop with a check, a baseline and a mark to tell of.
fn shop() -> Shop {
    let table = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT);";
    let shop = Shop::with_rules(
        &format!("{table}{}", fill("t", 500, "i, 'a' || i, CASE WHEN i % 10 THEN 'b' END")),
        "rules:\n  - not_null: [a, b]\n  - { matches: { column: a, pattern: '^b' }, id: a_rule_with_a_long_name }\n",
    );
    shop.run(&["baseline", "--rule", "shop.t.not_null.b"]).gives(0);
    shop.run(&["check"]).gives(1);
    shop.run(&["before", "--control", "0s"]).gives(0);
    shop
}

/// What a run prints on a terminal of so many columns.
fn on_terminal(shop: &Shop, columns: usize, arguments: &str) -> String {
    let line = format!("stty cols {columns} rows 50; {} {arguments}", program().display());
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]);
    shop.surround(&mut command);
    let printed = command.env("TERM", "xterm").output().unwrap();
    assert_eq!(printed.status.code(), Some(0), "{arguments}: {printed:?}");
    String::from_utf8(printed.stdout).unwrap().replace('\r', "")
}

#[test]
fn whatever_is_printed_fits_the_terminal() {
    let shop = shop();
    for arguments in ["status", "baseline --list", "rules in_set", "rules", "init --force", "check --plan"] {
        for columns in [40, 60] {
            let printed = on_terminal(&shop, columns, arguments);
            assert!(printed.lines().count() > 1, "{arguments}: {printed}");
            // rules are shown as they stand in a file, statements as they are sent
            let whole = |line: &&str| {
                let line = line.trim_start();
                let names = ["rows: ", "rows_by_key: ", "-", "values:", "where:", "SELECT", "JOIN", "expect:"];
                names.iter().any(|name| line.starts_with(name))
            };
            let wide: Vec<&str> =
                printed.lines().filter(|line| line.chars().count() > columns).filter(|line| !whole(line)).collect();
            assert!(wide.is_empty(), "{arguments} at {columns}: {wide:#?}");
        }
        // nothing is lost by it
        let narrow: String = on_terminal(&shop, 40, arguments).split_whitespace().collect();
        let wide: String = on_terminal(&shop, 200, arguments).split_whitespace().collect();
        if !arguments.starts_with("check") {
            assert_eq!(narrow, wide, "{arguments}");
        }
    }
}

#[test]
fn help_has_colours_where_they_are_wanted() {
    let shop = shop();
    assert!(on_terminal(&shop, 80, "--help").contains('\u{1b}'));
    for plain in ["--help --no-color", "--no-color check --help", "--no-color status"] {
        let printed = on_terminal(&shop, 80, plain);
        assert!(!printed.contains('\u{1b}'), "{plain}: {printed:?}");
    }
}
