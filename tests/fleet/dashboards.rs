//! What is in `dashboards/`, held against real programs: every query of every panel and every rule against a Prometheus that scraped an agent
//! and a collector through a bad night; what is written for Prometheus and Alertmanager against their own tools; runbooks against the program.

use super::agent::{Agent, Database, ORDERS, is_settled};
use super::{Collector, until};
use crate::journeys::program;
use crate::server::hook::Hook;
use crate::server::prometheus::{Prometheus, Target};
use regex::Regex;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboards")
}

fn text(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The files of a folder that have this ending.
fn files(of: &str, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder().join(of)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == ending)).collect();
    files.sort();
    assert!(!files.is_empty(), "{of}");
    files
}

/// Runs a program that is to be content; what it prints.
fn content(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

fn rules(folder: &Path) {
    let rules = "version: 1\ntable: shop.orders\nowner: team-payments\nrules:\n  \
                 - { id: has_status, not_null: [status], severity: page }\n  \
                 - { id: positive, in_range: { column: total, min: 0 }, severity: page }\n  \
                 - { id: known, in_set: { column: status, values: [paid, sent] }, severity: info }\n  \
                 - row_count: { min: 10 }\n";
    std::fs::write(folder.join("rules/orders.yaml"), rules).unwrap();
}

/// What the variables of dashboards are in the story; those that are not here are all that there is.
const CHOSEN: [(&str, &str); 9] = [
    ("source", "shop"),
    ("schema", "public"),
    ("table", "orders"),
    ("rule", "has_status"),
    // Grafana's own
    ("__rate_interval", "10s"),
    ("__interval", "1m"),
    ("__range", "10m"),
    ("__range_s", "600"),
    ("datasource", "prometheus"),
];

/// A query of a dashboard as Grafana sends it; a variable of several values is all of them, where the panel is not drawn once for each.
fn sent(expression: &str, dashboard: &Value, repeated: Option<&str>) -> String {
    let chosen: BTreeMap<&str, &str> = CHOSEN.into_iter().collect();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let variable = Regex::new(r"\$\{?(\w+)\}?").unwrap();
    let value = |found: &regex::Captures<'_>| {
        let name = &found[1];
        let all = variables.iter().find(|variable| variable["name"] == name && variable["multi"] == true);
        match all {
            Some(variable) if repeated != Some(name) => variable["allValue"].as_str().unwrap().to_owned(),
            Some(_) | None => (*chosen.get(name).unwrap_or_else(|| panic!("what is {name}? {expression}"))).to_owned(),
        }
    };
    variable.replace_all(expression, value).into_owned()
}

/// All that a dashboard asks: of which of its parts, and what.
fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let (uid, said) = (dashboard["uid"].as_str().unwrap(), |value: &Value| value.as_str().unwrap().to_owned());
    let mut queries = Vec::new();
    for panel in list(&dashboard["panels"]) {
        for target in list(&panel["targets"]) {
            let query = sent(&said(&target["expr"]), dashboard, panel["repeat"].as_str());
            // where there is none, 0 is drawn: here there has to be one
            queries.push((format!("{uid}: {}", panel["title"]), query.replace(" or vector(0)", "")));
        }
    }
    for annotation in list(&dashboard["annotations"]["list"]) {
        queries.push((format!("{uid}: {}", annotation["name"]), sent(&said(&annotation["expr"]), dashboard, None)));
    }
    let values = Regex::new(r"^label_values\((.*), (\w+)\)$").unwrap();
    for variable in list(&dashboard["templating"]["list"]).iter().filter(|variable| variable["type"] == "query") {
        let definition = said(&variable["definition"]);
        let found = values.captures(&definition).unwrap_or_else(|| panic!("{definition}"));
        let query = format!("count by ({}) ({})", &found[2], sent(&found[1], dashboard, None));
        queries.push((format!("{uid}: {}", variable["name"]), query));
    }
    queries
}

/// Whether a query has given a number at any time.
fn is_there(result: &Value) -> bool {
    let series = result.as_array().unwrap();
    series.iter().flat_map(|one| one["values"].as_array().unwrap()).any(|value| value[1] != "NaN")
}

/// What fires.
async fn firing(prometheus: &Prometheus, client: &Client) -> Vec<String> {
    let result = prometheus.query(client, "count by (alertname) (ALERTS{alertstate=\"firing\"})").await;
    let of = |one: &Value| one["metric"]["alertname"].as_str().unwrap().to_owned();
    result.as_array().unwrap().iter().map(of).collect()
}

/// Waits until a query gives something.
async fn given(prometheus: &Prometheus, client: &Client, query: &str) {
    let ask = async || prometheus.query(client, query).await;
    until(query, ask, |result: &Value| result.as_array().is_some_and(|result| !result.is_empty())).await;
}

/// All is well; a migration that is, too; a bad one, which is repaired; one that blinds a rule; a batch that nobody takes; and a database that
/// cannot be reached any more. After that nothing that is asked anywhere is without an answer, and what fires is what there was.
#[tokio::test(flavor = "multi_thread")]
async fn every_query_of_every_panel_and_rule_is_answered() {
    let mut database = Database::new(ORDERS).await;
    // at first it is too busy
    let hook = Hook::start(&[503]).await;
    let routes = format!("[{{ name: everyone, kind: webhook, url: '{}', secret_file: secret }}]", hook.url);
    let secret = "a-secret-that-signs-what-is-told";
    let ready = |folder: &tempfile::TempDir| std::fs::write(folder.path().join("secret"), secret).unwrap();
    let collector = Collector::telling("{ listen: '127.0.0.1:0' }", &routes, ready);
    let (token, viewer) = (collector.enrol("db-1", "agent"), collector.enrol("ann", "viewer"));
    let more = format!(
        "agent: {{ name: db-1, listen: '127.0.0.1:0', every: 1s, catalogue_every: 1s, patience: 20s }}\n\
         collector: {{ url: '{}', token_file: token }}",
        collector.address
    );
    let ready = |folder: &Path| {
        rules(folder);
        std::fs::write(folder.join("token"), &token).unwrap();
    };
    let agent = Agent::with(&database.url, &more, ready, &[]);
    let targets = [
        Target { job: "fieldmark-agent", address: &agent.address, token: None },
        Target { job: "fieldmark-collector", address: &collector.address, token: Some(&viewer) },
    ];
    let of = |name: &'static str| (name, text(&format!("prometheus/{name}")));
    let prometheus = Prometheus::with(&targets, &[of("recording.yaml"), of("alerts.yaml")]).await.unwrap();
    let client = Client::new();
    agent.until("settled", is_settled).await;
    given(&prometheus, &client, "sum(up) == 2").await;
    given(&prometheus, &client, "count(fieldmark_rule_status{status=\"passed\"}) == 4").await;
    given(&prometheus, &client, "source_owner:fieldmark_rule_passed:weighted_ratio == 1").await;

    database.sql("alter table orders add column note text").await;
    given(&prometheus, &client, "sum(fieldmark_migrations_total) == 1").await;
    agent.until("settled", is_settled).await;
    assert_eq!(firing(&prometheus, &client).await, Vec::<String>::new(), "all is well");

    database
        .sql(
            "begin; alter table orders add column more text;
             update orders set status = null where id % 10 = 0; update orders set total = -1 where id % 7 = 0; commit",
        )
        .await;
    for alert in ["FieldmarkRuleSystemic", "FieldmarkIncidentOpen", "FieldmarkMigrationBroken"] {
        given(&prometheus, &client, &format!("ALERTS{{alertname=\"{alert}\", alertstate=\"firing\"}}")).await;
    }
    let owned =
        "ALERTS{alertname=\"FieldmarkRuleSystemic\", rule=\"has_status\", owner=\"team-payments\", severity=\"page\"}";
    given(&prometheus, &client, owned).await;
    given(&prometheus, &client, "fieldmark_deliveries_total{result=\"taken\"} > 0").await;

    database.sql("update orders set status = 'paid', total = 1").await;
    given(&prometheus, &client, "fieldmark_incident_time_to_restore_seconds_count").await;
    let now = async || firing(&prometheus, &client).await;
    let is_over = |alerts: &Vec<String>| alerts.iter().all(|alert| alert == "FieldmarkMigrationBroken");
    until("well again, but for what the migration was", now, is_over).await;
    agent.until("settled", is_settled).await;

    database.sql("alter table orders rename column status to state").await;
    given(&prometheus, &client, "fieldmark_rule_not_evaluated_total").await;
    given(&prometheus, &client, "fieldmark_findings_total").await;
    given(&prometheus, &client, "sum(fieldmark_migrations_total) == 3").await;
    let refused = collector.post(&token, "/v1/ingest", "no batch").send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    given(&prometheus, &client, "fieldmark_ingest_refused_total").await;
    database.close().await;
    given(&prometheus, &client, "fieldmark_source_up == 0").await;
    // as often as a growth takes, and for as long as a panel looks from one moment to the next
    given(&prometheus, &client, "increase(fieldmark_source_faults_total[10s] offset 4s)").await;
    given(&prometheus, &client, "ALERTS{alertname=\"FieldmarkSourceUnreadable\", alertstate=\"pending\"}").await;

    let mut unanswered = Vec::new();
    for path in files("grafana", "json") {
        let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        for (of, query) in queries(&dashboard) {
            if !is_there(&prometheus.over(&client, &query).await) {
                unanswered.push(format!("{of}: {query}"));
            }
        }
    }
    // what a rule compares has to be there
    let compared = Regex::new(r" (?:==|>|<) [\d.]+$").unwrap();
    let absent = Regex::new(r"^absent\((.*)\)$").unwrap();
    for rule in prometheus.rules(&client).await {
        assert_eq!(rule["health"], "ok", "{rule:#}");
        let query = compared.replace(rule["query"].as_str().unwrap(), "").into_owned();
        let query = absent.replace(&query, "$1").into_owned();
        // nothing flaps within minutes; but for the word it is asked as what is systemic is
        let query = query.replace("\"flapping\"", "\"systemic\"");
        if !is_there(&prometheus.over(&client, &query).await) {
            unanswered.push(format!("{}: {query}", rule["name"]));
        }
    }
    assert!(unanswered.is_empty(), "{unanswered:#?}");
}

/// The files are what is made, they keep to the rules of Grafana's linter, and what they speak of is there.
#[test]
fn dashboards_are_as_they_are_made_and_hold_to_the_rules() {
    let said = content(Command::new("python3").arg(folder().join("make")).arg("--check"));
    assert!(said.contains("8 dashboards"), "{said}");
    // each leads to the others, and to where it is told in full
    for path in files("grafana", "json") {
        let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert_eq!(dashboard["uid"], json!(format!("fieldmark-{name}")));
        assert_eq!(dashboard["links"][0]["tags"], json!(["fieldmark"]));
        assert!(dashboard["links"][1]["url"].as_str().unwrap().starts_with("${collector}/"), "{name}");
    }
}

/// A copy has one's own addresses and no other, and nothing in it leads out of it.
#[test]
fn addresses_are_put_in_place_of_the_examples() {
    let to = tempfile::tempdir().unwrap();
    let mut make = Command::new("python3");
    make.arg(folder().join("make")).arg("--to").arg(to.path());
    content(make.args(["--collector", "https://fm.internal:9466/", "--runbooks", "https://books.internal"]));
    let read = |name: &str| std::fs::read_to_string(to.path().join(name)).unwrap();
    for name in ["grafana/fleet.json", "prometheus/alerts.yaml"] {
        assert!(!read(name).contains("fieldmark.example"), "{name}");
    }
    assert!(read("grafana/fleet.json").contains("\"https://fm.internal:9466\""));
    assert!(read("prometheus/alerts.yaml").contains("runbook_url: https://books.internal/FieldmarkDown.md"));
    assert!(!read("runbooks/FieldmarkIncidentOpen.md").contains("../.."));
    content(Command::new("promtool").args(["test", "rules"]).arg(to.path().join("prometheus/tests.yaml")));
}

#[test]
fn each_alert_fires_and_ends_when_it_should() {
    let prometheus = folder().join("prometheus");
    for name in ["recording.yaml", "alerts.yaml"] {
        content(Command::new("promtool").args(["check", "rules"]).arg(prometheus.join(name)));
    }
    content(Command::new("promtool").args(["test", "rules"]).arg(prometheus.join("tests.yaml")));
    // and none is left out
    let (alerts, tests) = (text("prometheus/alerts.yaml"), text("prometheus/tests.yaml"));
    for alert in alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(tests.contains(&format!("alertname=\"{alert}\"")), "{alert}");
    }
}

#[test]
fn alertmanager_tells_owners_and_keeps_the_rest_quiet() {
    let path = folder().join("alertmanager/alertmanager.yaml");
    content(Command::new("amtool").arg("check-config").arg(&path));
    for (labels, receiver) in [
        ("alertname=FieldmarkRuleSystemic owner=team-payments severity=page", "payments"),
        ("alertname=FieldmarkRuleSystemic owner=team-payments severity=ticket", "quiet"),
        ("alertname=FieldmarkAgentSilent severity=page", "platform"),
        ("alertname=FieldmarkDegraded severity=ticket", "quiet"),
    ] {
        let mut route = Command::new("amtool");
        route.args(["config", "routes", "test"]).arg("--config.file").arg(&path).args(labels.split(' '));
        assert_eq!(content(&mut route).lines().next(), Some(receiver), "{labels}");
    }
}

/// Every command in a runbook is one of the program's, with flags that it has; what is linked is there.
#[test]
fn runbooks_say_what_can_be_done() {
    let place = tempfile::tempdir().unwrap();
    let command = Regex::new(r"(?m)(?:^|`)(fieldmark [a-z][^`#\n]*)").unwrap();
    let link = Regex::new(r"\]\(([^)#]+)\)").unwrap();
    let mut commands = 0;
    for path in files("runbooks", "md") {
        let page = std::fs::read_to_string(&path).unwrap();
        for found in command.captures_iter(&page) {
            let words = found[1].replacen("fieldmark", &program().canonicalize().unwrap().display().to_string(), 1);
            content(Command::new("sh").args(["-c", &format!("{words} --help")]).current_dir(place.path()));
            commands += 1;
        }
        for found in link.captures_iter(&page) {
            assert!(path.parent().unwrap().join(&found[1]).is_file(), "{}: {}", path.display(), &found[1]);
        }
    }
    assert!(commands > 30, "{commands}");
}
