//! The guide, run as it stands: every command, file, query and pipeline of `docs/guide/`, and what it prints.
//!
//! What a block is, the words after its language say ([`page::Kind`]); a block of another kind fails its page's test.
//! (The page of `fieldmark test` has a journey of its own, in `fixtures.rs`.)

mod compare;
mod page;
mod pipeline;
mod place;
mod tables;

use page::{Block, Database, Kind, Provider, blocks};
use pipeline::{Step, github, gitlab};
use place::{Place, Reader};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/guide")
}

/// A file of the guide.
fn text(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Runs a page from its beginning to its end, then its pipelines; where it was run.
async fn run(page: &str, reader: Reader) -> BTreeMap<Database, Place> {
    let blocks = blocks(page, &text(page));
    assert!(!blocks.is_empty());
    let mut places: BTreeMap<Database, Place> = BTreeMap::new();
    for block in &blocks {
        let place = match places.entry(block.of) {
            Entry::Occupied(place) => place.into_mut(),
            Entry::Vacant(none) => none.insert(Place::new(block.of, reader).await),
        };
        place.take(block).await;
    }
    for block in &blocks {
        if let (Kind::Pipeline(provider, _), Some(place)) = (&block.kind, places.get_mut(&block.of)) {
            place.renew().await;
            let steps = through(*provider, place, block);
            for step in &steps {
                assert_eq!(step.code, Some(0), "{}: {}:\n{}", block.at, step.name, step.printed);
            }
        }
    }
    places
}

/// The steps of a pipeline. What GitHub's has to say is in the summary and under the pull request.
fn through(provider: Provider, place: &Place, block: &Block) -> Vec<Step> {
    match provider {
        Provider::Gitlab => gitlab(place, &block.text),
        Provider::Github => {
            let (steps, summary) = github(place, &block.text);
            assert!(summary.starts_with("## ") && summary.contains("Fieldmark"), "{summary}");
            assert_eq!(place.read("home/gh.log"), "pr comment 17 --body-file report.md\n");
            std::fs::remove_file(place.path("home/gh.log")).unwrap();
            assert_eq!(place.read("work/report.md"), summary);
            steps
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_check_is_as_the_guide_says() {
    run("first-check.md", Reader::Given).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_written_as_the_guide_says() {
    run("writing-rules.md", Reader::Given).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn daemons_run_as_the_guide_says() {
    run("running.md", Reader::Given).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_shown_as_the_guide_says() {
    run("pages.md", Reader::Given).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lineage_is_told_as_the_guide_says() {
    run("lineage.md", Reader::Given).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn intervals_read_as_the_guide_says() {
    run("reading-an-interval.md", Reader::Given).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelines_run_as_the_guide_says() {
    let mut places = run("pipelines.md", Reader::Given).await;
    let place = places.get_mut(&Database::Server).unwrap();
    // and a migration that forgets the cents is stopped, and told of
    let broken = "ALTER TABLE orders ALTER COLUMN total TYPE bigint USING floor(total) * 100;\n\
                  ALTER TABLE orders RENAME COLUMN total TO total_cents;\n";
    place.write("migrations/0007_cents.sql", broken);
    for block in &blocks("pipelines.md", &text("pipelines.md")) {
        let Kind::Pipeline(provider, _) = &block.kind else { continue };
        place.renew().await;
        let steps = through(*provider, place, block);
        let codes: Vec<(&str, Option<i32>)> = steps.iter().map(|step| (step.name.as_str(), step.code)).collect();
        let bad = |name| codes.iter().any(|(own, code)| *own == name && *code == Some(1));
        match provider {
            Provider::Github => {
                assert!(bad("Recapture"), "{steps:#?}");
                assert!(codes.iter().all(|(name, code)| *name == "Recapture" || *code == Some(0)), "{steps:#?}");
            }
            Provider::Gitlab => assert!(bad("migration"), "{steps:#?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn privileges_are_as_the_guide_says() {
    for (_, place) in run("privileges.md", Reader::OfThePage).await {
        place.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_as_the_guide_says() {
    run("files.md", Reader::Given).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_is_as_the_guide_says() {
    for (_, place) in run("mariadb.md", Reader::OfThePage).await {
        place.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_on_call_is_told_as_the_guide_says() {
    run("on-call.md", Reader::Given).await;
    run("telling.md", Reader::Given).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dashboards_are_put_up_as_the_guide_says() {
    let places = run("dashboards.md", Reader::Given).await;
    let put = places[&Database::File].path("work/machine/var/lib/grafana/dashboards/fieldmark/fleet.json");
    assert!(std::fs::read_to_string(put).unwrap().contains("\"https://collector.example:9466\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn privacy_is_as_the_guide_says() {
    run("privacy.md", Reader::Given).await;
}

#[test]
fn every_page_is_run() {
    let mut pages: Vec<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".md"))
        .collect();
    pages.sort();
    let run = [
        "README.md",
        "dashboards.md",
        "files.md",
        "first-check.md",
        "lineage.md",
        "mariadb.md",
        "on-call.md",
        "pages.md",
        "pipelines.md",
        "privacy.md",
        "privileges.md",
        "reading-an-interval.md",
        "running.md",
        "telling.md",
        "testing-rules.md",
        "writing-rules.md",
    ];
    assert_eq!(pages, run);
    assert!(blocks("README.md", &text("README.md")).is_empty(), "it has a list of pages, and nothing to run");
    // each of them is in the list
    let list = text("README.md");
    assert!(pages.iter().skip(1).all(|page| list.contains(&format!("]({page})"))), "{list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readme_s_two_minutes_are_two_minutes() {
    let readme = std::fs::read_to_string(folder().join("../../README.md")).unwrap();
    let block = readme.split("```sh\n").find(|block| block.starts_with("fieldmark init sqlite:shop.db"));
    let block = block.expect("the README begins with `init`").split("```").next().unwrap();
    let place = Place::new(Database::File, Reader::Given).await;
    let (code, printed) = place.run(&place.path("work"), &["sh", "-e", "-c", block], &[]);
    assert_eq!(code, 0, "{printed}");
    for part in ["18 rules proposed", "18 rules: 18 passed", "nothing is recorded"] {
        assert!(printed.contains(part), "{printed}");
    }
}
