//! What leaves sideways: by OTLP to real receivers, to a real Prometheus, and as lines; all of it held against the one list.

use super::agent::{Agent, Database, ORDERS, QUICK, is_settled};
use super::tls::Authority;
use super::{Collector, command, until};
use crate::server::otlp::{By, Receiver, points, told};
use crate::server::prometheus::{Prometheus, Target};
use crate::server::standby::Pair;
use fieldmark_model::metric::{ALL, Facts, Kind};
use opentelemetry_proto::tonic::trace::v1::{Span, span, status};
use reqwest::{Client, StatusCode};
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

/// A value of rows and one of a rule, which are nobody's business.
const PLANTED: &str = "zx-planted-4711";

/// Tells often, so that nobody waits.
const OFTEN: [(&str, &str); 3] =
    [("OTEL_METRIC_EXPORT_INTERVAL", "300"), ("OTEL_BSP_SCHEDULE_DELAY", "100"), ("OTEL_BLRP_SCHEDULE_DELAY", "100")];

fn rules(folder: &Path) {
    let rules = format!(
        "version: 1\ntable: shop.orders\nowner: team-payments\nrules:\n  - {{ id: has_status, not_null: [status], severity: page }}\n  \
         - {{ id: no_plant, expect: \"status <> '{PLANTED}'\" }}\n  - {{ id: gone, not_null: [nowhere] }}\n  - row_count: {{ min: 10 }}\n"
    );
    std::fs::write(folder.join("rules/orders.yaml"), rules).unwrap();
}

/// What somebody does on a bad night: a migration that breaks a rule, with values that nobody is to see.
async fn migrate(database: &mut Database) {
    database
        .sql(&format!(
            "begin; alter table orders add column note text default '{PLANTED}';
             update orders set status = null where id % 10 = 0; commit"
        ))
        .await;
}

fn spans_of(receiver: &Receiver) -> BTreeMap<String, Vec<Span>> {
    let mut spans: BTreeMap<String, Vec<Span>> = BTreeMap::new();
    for span in receiver.spans() {
        spans.entry(span.name.clone()).or_default().push(span);
    }
    spans
}

/// An agent that sends by OTLP to this receiver, which refuses at first.
async fn sent(receiver: &Receiver, scheme: &str, protocol: &str, more: &[(&str, &str)]) {
    let mut database = Database::new(ORDERS).await;
    let endpoint = format!("{scheme}://localhost:{}", receiver.address.port());
    let mut environment = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=night"),
    ];
    environment.extend(OFTEN);
    environment.extend(more);
    let mut agent = Agent::with(&database.url, QUICK, rules, &environment);
    agent.until("settled", is_settled).await;
    migrate(&mut database).await;
    let all = async || spans_of(receiver);
    let spans = until("traced", all, |spans| spans.contains_key("migration")).await;

    let resource = receiver.resource();
    assert_eq!(resource["service.name"], "fieldmark-agent");
    assert_eq!(resource["service.instance.id"], "db-1");
    assert_eq!(resource["deployment.environment.name"], "night");

    // one trace of the migration, its steps under it, and under those what was asked of the database
    let whole = &spans["migration"][0];
    assert_eq!((spans["migration"].len(), whole.parent_span_id.len()), (1, 0));
    let attributes = told(&whole.attributes);
    assert_eq!(attributes["fieldmark.source"], "shop");
    assert_eq!(attributes["fieldmark.migration.verdict"], "broken");
    assert_eq!(attributes["fieldmark.migration.noticed_by"], "catalogue");
    assert_eq!(whole.status.as_ref().unwrap().code(), status::StatusCode::Error);
    for step in ["change", "recapture"] {
        let [step] = spans[step].as_slice() else { panic!("{step}: {:#?}", spans.keys()) };
        assert_eq!((&step.trace_id, &step.parent_span_id), (&whole.trace_id, &whole.span_id));
        assert!(step.start_time_unix_nano >= whole.start_time_unix_nano && step.end_time_unix_nano > 0);
    }
    let recapture = &spans["recapture"][0];
    assert!(recapture.end_time_unix_nano - recapture.start_time_unix_nano > 1_000_000_000, "it watches for 5 s");
    let read: Vec<&Span> = spans["by_key"].iter().filter(|call| call.parent_span_id == recapture.span_id).collect();
    let attributes = told(&read.first().unwrap().attributes);
    assert_eq!(attributes["db.system.name"], "postgresql");
    assert_eq!(attributes["db.collection.name"], "public.orders");
    assert_eq!(read[0].kind(), span::SpanKind::Client);
    assert!(spans.values().flatten().all(|span| span.trace_id == whole.trace_id), "nothing but migrations is traced");

    // metrics as the list has them
    let broken = |metrics: &BTreeMap<String, _>| metrics.contains_key("fieldmark.migration.duration");
    let metrics = until("measured", async || receiver.metrics(), broken).await;
    for (name, metric) in &metrics {
        let facts = ALL.iter().find(|facts| facts.name == name).unwrap_or_else(|| panic!("{name} is not in the list"));
        let (points, kind) = points(metric);
        assert_eq!((metric.unit.as_str(), kind), (facts.unit, word(facts)), "{name}");
        assert!(!points.is_empty(), "{name}");
        let labels: BTreeSet<&str> = facts.labels.iter().map(|label| label.as_str()).collect();
        assert!(points.iter().flat_map(BTreeMap::keys).all(|label| labels.contains(label.as_str())), "{name}");
    }
    let lines = until("said", async || receiver.lines(), |lines| lines.join("\n").contains("is judged: broken")).await;
    assert!(lines.iter().any(|line| line.contains("listens on")), "what was said while it was refused: {lines:#?}");

    let (code, took, said) = agent.terminate();
    assert_eq!(code, 0, "{said}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    for (what, text) in [("telemetry", receiver.all()), ("log", said)] {
        assert!(!text.contains(PLANTED) && !text.to_lowercase().contains("select "), "{what}: {text}");
    }
}

fn word(facts: &Facts) -> &'static str {
    match facts.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram(_) => "histogram",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn otlp_over_grpc_arrives_though_it_was_refused() {
    let receiver = Receiver::start(By::Grpc, 3).await;
    sent(&receiver, "http", "grpc", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn otlp_over_http_arrives_though_it_was_refused() {
    let receiver = Receiver::start(By::Http, 3).await;
    sent(&receiver, "http", "http/protobuf", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn otlp_over_tls_trusts_the_certificate_that_it_is_told_to() {
    super::cryptography();
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.issue(folder.path(), "localhost");
    authority.write(&folder.path().join("ca.pem"));
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let receiver = Receiver::start(By::GrpcOverTls { certificate: read("cert.pem"), key: read("key.pem") }, 0).await;
    let certificate = folder.path().join("ca.pem").display().to_string();
    sent(&receiver, "https", "grpc", &[("OTEL_EXPORTER_OTLP_CERTIFICATE", &certificate)]).await;
}

/// A family as Prometheus is told it: its type, its help, the names of its labels.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    help: String,
    labels: BTreeSet<String>,
    samples: usize,
}

/// The text format, as far as this is needed.
fn families(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut last = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            last = name.to_owned();
            families.entry(last.clone()).or_default().help = help.replace("\\\\", "\\").replace("\\n", "\n");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            families.entry(name.to_owned()).or_default().kind = kind.to_owned();
        } else {
            let family = families.get_mut(&last).unwrap();
            family.samples += 1;
            if let Some((_, rest)) = line.split_once('{') {
                let labels = rest.rsplit_once('}').unwrap().0;
                let names = labels.split("\",").map(|label| label.split("=\"").next().unwrap().to_owned());
                family.labels.extend(names.filter(|name| name != "le"));
            }
        }
    }
    families
}

/// Metrics that nothing in this test brings forth.
const ELSEWHERE: [&str; 3] = [
    // where somebody is told: `fleet::incidents`
    "fieldmark.deliveries",
    "fieldmark.incident.time_to_restore",
    // a replica's: `a_replica_tells_how_far_it_is_behind`
    "fieldmark.source.lag",
];

/// All that agent and collector tell is in the list as it is told, and all of the list is told; a real Prometheus reads both.
#[tokio::test(flavor = "multi_thread")]
async fn what_prometheus_is_told_is_the_list() {
    let mut database = Database::new(ORDERS).await;
    let collector = Collector::start();
    let token = collector.enrol("db-1", "agent");
    let receiver = Receiver::start(By::Http, 0).await;
    let endpoint = format!("http://{}", receiver.address);
    let mut environment = vec![("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str())];
    environment.extend(OFTEN);
    let more = format!(
        "agent: {{ name: db-1, listen: '127.0.0.1:0', every: 1s, catalogue_every: 1s, patience: 20s }}\n\
         collector: {{ url: '{}', token_file: token }}",
        collector.address
    );
    let ready = |folder: &Path| {
        rules(folder);
        std::fs::write(folder.join("token"), &token).unwrap();
    };
    let mut agent = Agent::with(&database.url, &more, ready, &environment);
    agent.until("settled", is_settled).await;
    // what the collector refuses
    let viewer = collector.enrol("ann", "viewer");
    let refused = collector.post(&token, "/v1/ingest", "no batch").send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert_eq!(
        collector.client.get(collector.url("/metrics")).send().await.unwrap().status(),
        StatusCode::UNAUTHORIZED
    );
    // what the agent refuses, and what a source cannot
    let path = agent.folder.path().join("rules/orders.yaml");
    let good = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, good.replace("not_null: [status]", "not_nul: [status]")).unwrap();
    agent.until("refused", |status| status["degraded"].to_string().contains("the old one stays")).await;
    std::fs::write(&path, &good).unwrap();
    agent.until("taken", |status| !status["degraded"].to_string().contains("the old one stays")).await;
    migrate(&mut database).await;
    let metrics = async || agent.metrics().await;
    let judged = |text: &String| text.contains("fieldmark_migrations_total{source=\"shop\",verdict=\"broken\"} 1");
    until("judged", metrics, judged).await;
    database.close().await;
    until("down", metrics, |text| text.contains("fieldmark_source_up{source=\"shop\"} 0")).await;
    let of_agent = until("all", metrics, |text| text.contains("fieldmark_source_faults_total")).await;
    let of_collector = until(
        "all",
        async || collector.get(&viewer, "/metrics").send().await.unwrap().text().await.unwrap(),
        // a rule that is blind is an incident
        |text| {
            let told =
                ["fieldmark_agent_clock_ahead_seconds", "fieldmark_ingest_refused_total", "fieldmark_incidents_open{"];
            told.iter().all(|name| text.contains(name))
        },
    )
    .await;

    let expected = |of: &[fieldmark_model::metric::By]| -> BTreeMap<String, &Facts> {
        let ours = ALL.iter().filter(|facts| of.contains(&facts.by) && !ELSEWHERE.contains(&facts.name));
        ours.map(|facts| (facts.prometheus(), facts)).collect()
    };
    use fieldmark_model::metric::By as Of;
    for (text, of) in [(&of_agent, [Of::Agent, Of::Process]), (&of_collector, [Of::Collector, Of::Process])] {
        let (mut told, expected) = (families(text), expected(&of));
        assert_eq!(told.remove("target_info").unwrap().samples, 1);
        let names = |of: &BTreeSet<String>| of.iter().cloned().collect::<Vec<_>>();
        let (have, want): (BTreeSet<_>, BTreeSet<_>) =
            (told.keys().cloned().collect(), expected.keys().cloned().collect());
        let (missing, unknown) = (names(&(&want - &have)), names(&(&have - &want)));
        // the collector sends nothing by OTLP here
        let missing: Vec<_> =
            missing.iter().filter(|name| !(of[0] == Of::Collector && name.contains("telemetry_exports"))).collect();
        assert!(missing.is_empty() && unknown.is_empty(), "missing: {missing:?}, unknown: {unknown:?}\n{text}");
        for (name, family) in &told {
            let facts = expected[name];
            assert_eq!((family.kind.as_str(), family.help.as_str()), (word(facts), facts.what), "{name}");
            let labels: BTreeSet<String> = facts.labels.iter().map(|label| label.as_str().replace('.', "_")).collect();
            assert!(family.labels.is_subset(&labels), "{name}: {:?}", family.labels);
        }
        assert!(!text.contains(PLANTED), "{text}");
    }

    let targets = [
        Target { job: "agent", address: &agent.address, token: None },
        Target { job: "collector", address: &collector.address, token: Some(&viewer) },
    ];
    let (prometheus, client) = (Prometheus::of(&targets).await.unwrap(), Client::new());
    let up = async || prometheus.query(&client, "sum(up) == 2").await;
    until("scraped", up, |result: &Value| result.as_array().is_some_and(|result| !result.is_empty())).await;
    let blind = "time() - fieldmark_rule_last_evaluation_timestamp_seconds{rule=\"no_plant\"} < 600";
    for query in [
        "fieldmark_migrations_total{verdict=\"broken\"} == 1",
        // one that has not happened yet is 0, so that its first is seen
        "fieldmark_migrations_total{verdict=\"clean\"} == 0",
        "fieldmark_spool_lost_total{reason=\"full\"} == 0",
        "fieldmark_rule_failing_ratio{rule=\"has_status\"} == 0.1",
        "fieldmark_rule_status{status=\"failed\", owner=\"team-payments\", severity=\"page\"} == 1",
        "histogram_quantile(0.99, sum by (le, task) (fieldmark_task_duration_seconds_bucket)) > 0",
        "time() - fieldmark_agent_last_seen_timestamp_seconds{agent=\"db-1\"} < 600",
        blind,
    ] {
        let result = prometheus.query(&client, query).await;
        assert!(result.as_array().is_some_and(|result| !result.is_empty()), "{query}: {result}");
    }
    let (code, _, said) = agent.terminate();
    assert_eq!(code, 0, "{said}");
}

/// A receiver that takes connections and never answers: the agent ends in time all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_does_not_answer_keeps_nobody_from_ending() {
    let database = Database::new(ORDERS).await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    for protocol in ["grpc", "http/protobuf"] {
        let mut environment =
            vec![("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)];
        environment.extend(OFTEN);
        let mut agent = Agent::with(&database.url, QUICK, |_| {}, &environment);
        agent.until("settled", is_settled).await;
        let (code, took, said) = agent.terminate();
        assert_eq!(code, 0, "{said}");
        assert!(took < Duration::from_secs(10), "{protocol}: {took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_objects_where_that_is_asked_for() {
    let database = Database::new(ORDERS).await;
    let more = format!("{QUICK}\ntelemetry: {{ logs: json, prometheus: false, listen: '127.0.0.1:0' }}");
    let mut agent = Agent::with(&database.url, &more, |_| {}, &[]);
    agent.until("settled", is_settled).await;
    let status = async |address: &str| agent.client.get(format!("{address}/metrics")).send().await.unwrap().status();
    assert_eq!(status(&agent.address).await, StatusCode::NOT_FOUND);
    let apart = agent.said_after("metrics are told at ");
    let apart = apart.split("/metrics").next().unwrap().to_owned();
    let apart = apart.as_str();
    assert_eq!(status(apart).await, StatusCode::OK);
    assert_eq!(agent.client.get(format!("{apart}/v1/status")).send().await.unwrap().status(), StatusCode::NOT_FOUND);
    std::fs::write(agent.folder.path().join("rules/orders.yaml"), "version: 1\ntable: shop.orders\nrules: 7\n")
        .unwrap();
    agent.until("refused", |status| status["degraded"].to_string().contains("the old one stays")).await;
    let (code, _, said) = agent.terminate();
    assert_eq!(code, 0, "{said}");
    let lines: Vec<Value> =
        said.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    let refused = lines.iter().find(|line| line["message"].as_str().unwrap().contains("rules/orders.yaml:3")).unwrap();
    assert_eq!(refused["level"], "warn");
    assert!(chrono_like(refused["time"].as_str().unwrap()), "{refused}");
}

/// The reference of metrics. `UPDATE_METRICS=1` writes it.
#[test]
fn the_page_of_metrics_is_the_list() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    let mut page = "# Metrics\n\nMade of the list in `rules/model/src/metric.rs`; a test holds both together, and what a running agent and collector tell \
                    against it. In Prometheus a histogram has `_bucket`, `_sum` and `_count` behind its name. A label without a value is not there.\n"
        .to_owned();
    use fieldmark_model::metric::By as Of;
    for (of, title) in
        [(Of::Agent, "Of the agent"), (Of::Collector, "Of the collector"), (Of::Process, "Of either process")]
    {
        page.push_str(&format!("\n## {title}\n\n| In Prometheus | In OpenTelemetry | Kind | Unit | Labels | Meaning |\n|---|---|---|---|---|---|\n"));
        for facts in ALL.iter().filter(|facts| facts.by == of) {
            let labels: Vec<String> = facts.labels.iter().map(|label| format!("`{}`", label.as_str())).collect();
            let unit = if facts.unit.is_empty() { String::new() } else { format!("`{}`", facts.unit) };
            page.push_str(&format!(
                "| `{}` | `{}` | {} | {unit} | {} | {} |\n",
                facts.prometheus(),
                facts.name,
                word(facts),
                labels.join(", "),
                facts.what
            ));
        }
    }
    if std::env::var_os("UPDATE_METRICS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).unwrap() == page,
        "docs/metrics.md is not the list: UPDATE_METRICS=1 writes it"
    );
}

/// A standby that stands still falls behind, and says by how much.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_tells_how_far_it_is_behind() {
    let pair = Pair::start().await.unwrap();
    let mut primary = PgConnection::connect(&pair.primary()).await.unwrap();
    let mut standby = PgConnection::connect(&pair.standby()).await.unwrap();
    sqlx::raw_sql(ORDERS).execute(&mut primary).await.unwrap();
    let there = async || {
        let mut standby = PgConnection::connect(&pair.standby()).await.unwrap();
        sqlx::query_scalar::<_, Option<String>>("select to_regclass('orders')::text")
            .fetch_one(&mut standby)
            .await
            .unwrap()
    };
    until("replicated", there, Option::is_some).await;
    let agent = Agent::with(&pair.standby(), QUICK, |_| {}, &[]);
    let lag = |text: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix("fieldmark_source_lag_seconds{source=\"shop\"} "));
        line.map(|value| value.parse::<f64>().unwrap())
    };
    let told = async || lag(&agent.metrics().await);
    until("abreast", told, |lag| *lag == Some(0.0)).await;
    sqlx::raw_sql("select pg_wal_replay_pause()").execute(&mut standby).await.unwrap();
    sqlx::raw_sql("insert into orders select i, 'new', i from generate_series(3000, 4000) i")
        .execute(&mut primary)
        .await
        .unwrap();
    until("behind", told, |lag| lag.is_some_and(|lag| lag > 1.0)).await;
    sqlx::raw_sql("select pg_wal_replay_resume()").execute(&mut standby).await.unwrap();
    until("abreast again", told, |lag| *lag == Some(0.0)).await;
}

fn chrono_like(time: &str) -> bool {
    time.len() == "2026-01-02T03:04:05.678Z".len() && time.ends_with('Z') && time.as_bytes()[10] == b'T'
}

#[test]
fn an_environment_that_cannot_be_used_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("fieldmark.yaml"),
        "version: 1\nserve: { listen: '127.0.0.1:0' }\nstate_dir: state\n",
    )
    .unwrap();
    let mut process = command(&folder);
    process
        .arg("collector")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318")
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier-pigeon");
    let output = process.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(
        said.contains("OTEL_EXPORTER_OTLP_PROTOCOL") && said.contains("carrier-pigeon") && said.contains("grpc"),
        "{said}"
    );
}
