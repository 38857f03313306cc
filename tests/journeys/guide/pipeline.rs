//! Pipelines of GitHub and GitLab, read as YAML and run step by step.

use super::place::Place;
use fieldmark_document::{Entry, Node, NodeKind, Problems, parse};
use regex::Regex;
use std::collections::BTreeMap;

/// A step that was run, or left out.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) name: String,
    /// `None`: it was left out.
    pub(super) code: Option<i32>,
    pub(super) printed: String,
}

/// Actions that a workflow may use: what they do has been done here.
const ACTIONS: [&str; 1] = ["actions/checkout@v4"];

fn read(text: &str) -> Node {
    let mut problems = Problems::default();
    let mut documents = parse("pipeline.yaml", text, &mut problems);
    assert!(problems.is_empty(), "{problems}");
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

fn entries(node: &Node) -> &[Entry] {
    let NodeKind::Map(entries) = &node.kind else { panic!("{}: a mapping is wanted", node.place) };
    entries
}

fn items(node: &Node) -> &[Node] {
    let NodeKind::List(items) = &node.kind else { panic!("{}: a list is wanted", node.place) };
    items
}

fn word(node: &Node) -> &str {
    node.scalar().unwrap_or_else(|| panic!("{}: a text is wanted", node.place))
}

/// The expressions of a workflow, as far as they are known.
fn expanded(text: &str, place: &Place) -> String {
    let (reader, owner) = place.addresses();
    Regex::new(r"\$\{\{ *([^}]+?) *\}\}")
        .unwrap()
        .replace_all(text, |found: &regex::Captures<'_>| match &found[1] {
            "secrets.STAGING_READER_URL" => reader.to_owned(),
            "secrets.STAGING_OWNER_URL" => owner.to_owned(),
            "github.token" => "a-token".to_owned(),
            "github.event.pull_request.number" => "17".to_owned(),
            other => panic!("what is {other}?"),
        })
        .into_owned()
}

fn variables(node: &Node, place: &Place) -> Vec<(String, String)> {
    let all = node.get("env").map(entries).unwrap_or_default();
    all.iter().map(|entry| (entry.key.clone(), expanded(word(&entry.value), place))).collect()
}

/// Whether a step is run, by its `if`: without one, where none has failed.
fn applies(step: &Node, failed: bool, outcomes: &BTreeMap<String, &'static str>) -> bool {
    let Some(condition) = step.get("if").map(word) else { return !failed };
    let expression = condition.strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}")).unwrap_or(condition);
    let of_step = Regex::new(r"^steps\.(\w+)\.outcome (==|!=) '(\w+)'$").unwrap();
    expression.split("&&").map(str::trim).all(|part| {
        if part == "!cancelled()" {
            return true;
        }
        let parts = of_step.captures(part).unwrap_or_else(|| panic!("what is {part}?"));
        let (id, is, wanted) = (&parts[1], &parts[2], &parts[3]);
        let outcome = *outcomes.get(id).unwrap_or_else(|| panic!("there is no step {id}"));
        (outcome == wanted) == (is == "==")
    })
}

/// Runs the jobs of a GitHub workflow; their steps, and what they wrote into the job's summary.
pub(super) fn github(place: &Place, text: &str) -> (Vec<Step>, String) {
    let workflow = read(text);
    let summary = place.path("home/summary.md");
    std::fs::write(&summary, "").unwrap();
    let mut steps = Vec::new();
    for job in entries(workflow.get("jobs").unwrap()) {
        let of_job = variables(&job.value, place);
        let mut failed = false;
        let mut outcomes: BTreeMap<String, &'static str> = BTreeMap::new();
        for step in items(job.value.get("steps").unwrap()) {
            if let Some(action) = step.get("uses") {
                assert!(ACTIONS.contains(&word(action)), "{}", word(action));
                continue;
            }
            let mut all = of_job.clone();
            all.extend(variables(step, place));
            all.push(("GITHUB_STEP_SUMMARY".to_owned(), summary.display().to_string()));
            let script = expanded(word(step.get("run").unwrap()), place);
            let ran = applies(step, failed, &outcomes)
                .then(|| place.run(&place.path("work"), &["bash", "-e", "-c", &script], &all));
            let outcome = match &ran {
                None => "skipped",
                Some((0, _)) => "success",
                Some((_, _)) => "failure",
            };
            failed |= outcome == "failure";
            if let Some(id) = step.get("id") {
                outcomes.insert(word(id).to_owned(), outcome);
            }
            let name = word(step.get("name").unwrap()).to_owned();
            let (code, printed) = ran.map_or((None, String::new()), |(code, printed)| (Some(code), printed));
            steps.push(Step { name, code, printed });
        }
    }
    (steps, std::fs::read_to_string(summary).unwrap())
}

/// Runs the jobs of a GitLab pipeline; each has left the report that it says.
pub(super) fn gitlab(place: &Place, text: &str) -> Vec<Step> {
    let pipeline = read(text);
    let stages: Vec<&str> = items(pipeline.get("stages").unwrap()).iter().map(word).collect();
    let mut steps = Vec::new();
    for job in entries(&pipeline).iter().filter(|entry| entry.key != "stages") {
        let stage = word(job.value.get("stage").unwrap());
        assert!(stages.contains(&stage), "{}: there is no stage {stage}", job.key);
        let script: Vec<&str> = items(job.value.get("script").unwrap()).iter().map(word).collect();
        let (code, printed) = place.run(&place.path("work"), &["sh", "-e", "-c", &script.join("\n")], &[]);
        let report = job.value.get("artifacts").and_then(|artifacts| artifacts.get("reports")).unwrap();
        let report = place.read(&format!("work/{}", word(report.get("junit").unwrap())));
        assert!(report.starts_with("<?xml") && report.contains("<testsuites"), "{}: {report}", job.key);
        steps.push(Step { name: job.key.clone(), code: Some(code), printed });
    }
    steps
}
