//! Observations a second that 100 simulated agents get stored, each batch synced before its answer, and how long an answer takes; against the
//! same rows written into SQLite by one thread, a transaction and a sync for each batch.
//!
//! `cargo bench -p fieldmark-collector`; in a folder of the system's, or of `TMPDIR`.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, reason = "a measurement")]

use fieldmark_classify::Patience;
use fieldmark_collector::store::sqlite::SqliteStore;
use fieldmark_collector::store::{Accepted, Store};
use fieldmark_collector::{Clock, Collector, Limits, Listening, Principal, Role, Token, serve};
use fieldmark_model::observation::{Batch, Body, Observation, ObservationId, VERSION};
use fieldmark_model::{Outcome, RuleId, SourceName, Status, TableName};
use std::sync::Arc;
use std::time::{Duration, Instant};

const AGENTS: usize = 100;
const BATCH: u64 = 50;
const BATCHES: u64 = 20;

fn batch(agent: &str, first: u64) -> String {
    let observation = |sequence: u64| {
        let (source, table) = (SourceName::new(agent), TableName::new("public", format!("t{}", sequence % 50)));
        let blank = Outcome::blank(source, table, RuleId::new(format!("rule{}", sequence % 200)), "not_null");
        let outcome =
            Outcome { status: Status::Passed, checked: Some(10_000), reason: "0 of 10 000 rows fail".into(), ..blank };
        Observation {
            id: ObservationId { agent: agent.into(), incarnation: 7, sequence },
            time: chrono::DateTime::from_timestamp(1_700_000_000 + sequence as i64, 0).unwrap(),
            body: Body::Outcome(Box::new(outcome)),
        }
    };
    let observations = (first..first + BATCH).map(observation).collect();
    serde_json::to_string(&Batch { version: VERSION, agent: agent.into(), incarnation: 7, sent: None, observations })
        .unwrap()
}

#[tokio::main]
async fn main() {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let patience = Patience::new(Duration::from_secs(900));
    let alone = SqliteStore::open(&folder.path().join("alone.db"), patience).unwrap();
    let began = Instant::now();
    for round in 0..BATCHES * 4 {
        let batch = batch("alone", 1 + round * BATCH);
        let accepted = Accepted::read(batch.as_bytes(), chrono::Utc::now(), 10_000).unwrap();
        alone.ingest(accepted).await.unwrap();
    }
    let single = (BATCHES * 4 * BATCH) as f64 / began.elapsed().as_secs_f64();

    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&folder.path().join("fleet.db"), patience).unwrap());
    let mut tokens = Vec::new();
    for agent in 0..AGENTS {
        let token = Token::random().unwrap();
        let principal = Principal { name: format!("db-{agent}"), role: Role::Agent };
        store.enrol(principal, token.hash(), "bench".into(), chrono::Utc::now()).await.unwrap();
        tokens.push(token);
    }
    let listening =
        Listening { address: "127.0.0.1:0".parse().unwrap(), certificate: None, plain_beyond_loopback: false };
    let collector = Collector::new(Arc::clone(&store), Clock::system(), Limits::default(), patience);
    let served = serve(collector, &listening).await.unwrap();
    let client = reqwest::Client::new();
    let began = Instant::now();
    let mut tasks = Vec::new();
    for (agent, token) in tokens.iter().enumerate() {
        let (client, url, token) = (client.clone(), format!("http://{}/v1/ingest", served.address), token.clone());
        tasks.push(tokio::spawn(async move {
            let mut times = Vec::new();
            for round in 0..BATCHES {
                let body = batch(&format!("db-{agent}"), 1 + round * BATCH);
                let asked = Instant::now();
                let answer = client.post(&url).bearer_auth(token.expose()).body(body).send().await.unwrap();
                assert!(answer.status().is_success());
                times.push(asked.elapsed());
            }
            times
        }));
    }
    let mut times: Vec<Duration> = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    let fleet = (AGENTS as u64 * BATCHES * BATCH) as f64 / began.elapsed().as_secs_f64();
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1_000.0;
    println!("| | observations a second | p50 ms | p99 ms |\n|---|---|---|---|");
    println!("| one writer, a sync for each {BATCH} | {single:.0} | | |");
    println!("| {AGENTS} agents over HTTP | {fleet:.0} | {:.0} | {:.0} |", at(0.5), at(0.99));
    println!("\nratio {:.2}", fleet / single);
    served.stop().await;
}
