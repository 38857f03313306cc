//! Tables and lists of the guide and of the README, held against the program.

use super::super::served::Served;
use super::super::shop::Shop;
use super::page::{Kind, blocks};
use super::{folder, text};
use crate::server::postgres::PASSWORD;
use regex::Regex;
use serde_json::Value;
use std::collections::BTreeSet;

/// What the program prints, in a folder without anything.
fn printed(arguments: &[&str]) -> String {
    Shop::new("").run(arguments).gives(0).out
}

/// What stands in backticks at the beginning of a table's rows, below a heading.
fn first_cells(page: &str, heading: &str) -> BTreeSet<String> {
    let text = text(page);
    let section = text.split(&format!("\n## {heading}\n")).nth(1).expect("the page has such a heading");
    let rows = section.split("\n## ").next().unwrap().lines().filter_map(|line| line.strip_prefix("| "));
    rows.filter_map(|row| row.strip_prefix('`')?.split('`').next().map(str::to_owned)).collect()
}

#[test]
fn every_kind_of_rule_has_its_example() {
    let kinds: Vec<String> = printed(&["rules"])
        .lines()
        .filter(|line| line.starts_with(|c: char| c.is_alphabetic()))
        .map(str::to_owned)
        .collect();
    assert!(kinds.len() >= 13, "{kinds:?}");
    let blocks = blocks("writing-rules.md", &text("writing-rules.md"));
    for kind in kinds {
        let key = format!("{kind}:");
        let shows = |text: &str| text.split_whitespace().any(|word| word == key);
        assert!(blocks.iter().any(|block| matches!(block.kind, Kind::Rules(_)) && shows(&block.text)), "{kind}");
    }
}

#[test]
fn every_exit_code_is_told() {
    let codes = Regex::new(r"(?m)^  (\d+) ").unwrap();
    let help = printed(&["--help"]);
    let text = text("pipelines.md");
    let told: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split('|').next())
        .flat_map(|cell| cell.trim().split(", "))
        .collect();
    let codes: Vec<&str> = codes.captures_iter(&help).map(|found| found.get(1).unwrap().as_str()).collect();
    assert!(codes.len() >= 8, "{codes:?}");
    for code in codes {
        assert!(told.contains(&code), "{code}: {told:?}");
    }
}

#[test]
fn every_command_is_in_the_readme() {
    let readme = std::fs::read_to_string(folder().join("../../README.md")).unwrap();
    let help = printed(&["--help"]);
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    // what is said of a command may have a second line, further in
    let names = commands.lines().filter_map(|line| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')));
    let names: Vec<&str> =
        names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect();
    assert!(names.len() >= 14, "{names:?}");
    for name in names {
        let told = [format!("`fieldmark {name}`"), format!("`fieldmark {name} ")];
        assert!(told.iter().any(|told| readme.contains(told.as_str())), "{name}");
    }
}

/// Ids of the findings of `doctor` for a role.
async fn findings(served: &Served, url: &str) -> Vec<String> {
    let source = format!("shop: {{ url: \"{url}\", schemas: [public, other] }}");
    served.write("fieldmark.yaml", &format!("version: 1\nstate_dir: state\nsources: {{ {source} }}\nrules: []\n"));
    let run = served.run(&["doctor", "--output", "json"]).await.gives(1);
    let report: Value = run.json();
    report["findings"].as_array().unwrap().iter().map(|found| found["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn every_point_of_doctor_is_told() {
    let mut served = Served::new(
        "create table t (id integer primary key); alter table t enable row level security;
         create table own (id integer primary key); create table hidden (id integer primary key);
         create schema other; create table other.o (id integer primary key)",
    )
    .await;
    let owner = served.url().to_owned();
    let (server, database) = owner.rsplit_once('/').unwrap();
    let host = server.rsplit_once('@').unwrap().1;
    let (one, two) = (format!("one_{database}"), format!("two_{database}"));
    let roles = format!(
        "create role {one} login createdb password '{PASSWORD}'; create role {two} login password '{PASSWORD}';
         grant select, insert on t to {one}; alter table own owner to {one}; grant create on schema public to {one};
         grant pg_write_all_data, pg_execute_server_program to {two}"
    );
    served.sql(&roles).await;
    let mut found = findings(&served, &owner).await;
    assert_eq!(found, ["superuser"]);
    for role in [&one, &two] {
        found.extend(findings(&served, &format!("postgres://{role}:{PASSWORD}@{host}/{database}")).await);
    }
    let mut told = first_cells("privileges.md", "What is missing");
    told.extend(first_cells("privileges.md", "What is too much"));
    // who may not connect is told by the server
    assert!(told.remove("connect"));
    let found: BTreeSet<String> = found.into_iter().collect();
    assert_eq!(told, found);
}

#[test]
fn bounds_without_a_failure_are_those_of_the_binomial() {
    let text = text("reading-an-interval.md");
    let rows = text.split("| Rows read, none of which fails |").nth(1).unwrap().lines().skip(2);
    let mut compared = 0;
    for row in rows.take_while(|line| line.starts_with('|')) {
        let number = |cell: &str| -> f64 { cell.replace([' ', '%'], "").parse().unwrap() };
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        let most = 100.0 * (1.0 - 0.025_f64.powf(1.0 / number(cells[0])));
        assert!((number(cells[1]) / most - 1.0).abs() < 0.01, "{row}: {most}");
        compared += 1;
    }
    assert_eq!(compared, 4);
}

#[test]
fn links_lead_somewhere() {
    let link = Regex::new(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)").unwrap();
    let mut pages = vec![folder().join("../../README.md")];
    pages.extend(std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()));
    for page in pages.iter().filter(|page| page.extension().is_some_and(|ending| ending == "md")) {
        let text = std::fs::read_to_string(page).unwrap();
        for found in link.captures_iter(&text) {
            let target = &found[1];
            if target.contains("://") {
                continue;
            }
            let path = if target.is_empty() { page.clone() } else { page.parent().unwrap().join(target) };
            assert!(path.is_file(), "{}: {target}", page.display());
            let Some(anchor) = found.get(2) else { continue };
            let held = std::fs::read_to_string(&path).unwrap();
            let mut headings = held.lines().filter_map(|line| line.strip_prefix('#'));
            let is_named = |heading: &str| {
                let name = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
                name.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).eq(anchor.as_str().chars())
            };
            assert!(headings.any(is_named), "{}: {target}#{}", page.display(), anchor.as_str());
        }
    }
}
