//! What stands between an agent and its collector, and does what it should not: connections that break anywhere, answers that are
//! nobody's, refusals of one observation.

use super::agent::{Agent, Database, ORDERS};
use super::{Collector, until};
use flate2::read::GzDecoder;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use reqwest::Client;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// An agent that reports to this address, of which it thinks that it is the collector's.
fn agent(database: &Database, collector: &Collector, address: &str) -> Agent {
    let token = collector.enrol("db-1", "agent");
    let more = format!(
        "agent: {{ name: db-1, listen: '127.0.0.1:0', every: 1s, catalogue_every: 1s, marks_every: 0s }}\n\
         collector: {{ url: '{address}', token_file: token }}"
    );
    Agent::with(&database.url, &more, |folder| std::fs::write(folder.join("token"), &token).unwrap(), &[])
}

/// Numbers of all that is stored.
fn stored(collector: &Collector) -> Vec<i64> {
    let store = collector.store();
    let mut statement = store.prepare("SELECT sequence FROM observations ORDER BY sequence").unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Passes on so many bytes and no more.
async fn pass(
    mut from: impl tokio::io::AsyncRead + Unpin,
    mut to: impl tokio::io::AsyncWrite + Unpin,
    mut bytes: usize,
) {
    let mut piece = [0; 512];
    while bytes > 0 {
        let most = bytes.min(piece.len());
        let Ok(read) = from.read(&mut piece[..most]).await else { return };
        if read == 0 || to.write_all(&piece[..read]).await.is_err() {
            return;
        }
        bytes -= read;
    }
}

/// Each connection ends after some more bytes than the one before, of what is asked or of what is answered.
async fn breaking(target: String) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let broken = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&broken);
    tokio::spawn(async move {
        for connection in 0.. {
            let (from, _) = listener.accept().await.unwrap();
            let Ok(to) = TcpStream::connect(&target).await else { continue };
            let bytes = 90 + 170 * (connection / 2);
            let (asked, answered) = if connection % 2 == 0 { (bytes, usize::MAX) } else { (usize::MAX, bytes) };
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let ((from_reads, from_writes), (to_reads, to_writes)) = (from.into_split(), to.into_split());
                tokio::select! {
                    () = pass(from_reads, to_writes, asked) => {}
                    () = pass(to_reads, from_writes, answered) => {}
                }
                count.fetch_add(1, Ordering::SeqCst);
            });
        }
    });
    (address, broken)
}

#[tokio::test(flavor = "multi_thread")]
async fn n3_n4_connections_that_break_anywhere_lose_and_double_nothing() {
    let (database, collector) = (Database::new(ORDERS).await, Collector::start());
    let (address, broken) = breaking(collector.address.trim_start_matches("http://").to_owned()).await;
    let _agent = agent(&database, &collector, &address);
    let counts = async || (broken.load(Ordering::SeqCst), stored(&collector).len());
    until("there", counts, |(broken, stored)| *broken >= 12 && *stored >= 20).await;
    let sequences = stored(&collector);
    assert_eq!(sequences, (1..=sequences.len() as i64).collect::<Vec<_>>(), "each once, and none is missing");
}

/// What is answered to a request: what the collector says, or something else instead.
type Meddle = fn(usize, &Value) -> Meddled;

enum Meddled {
    /// Nothing is done to it.
    Passed,
    /// The collector is asked; this is what its answer becomes.
    Answered(fn(String) -> String),
    /// The collector is not asked.
    Instead(u16, &'static str),
}

/// Passes requests on, and meddles with those that bring observations.
async fn meddling(target: String, meddle: Meddle) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (client, batches) = (Client::builder().no_proxy().build().unwrap(), Arc::<AtomicUsize>::default());
    let count = Arc::clone(&batches);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (target, client, batches) = (target.clone(), client.clone(), Arc::clone(&batches));
            tokio::spawn(async move {
                let service = service_fn(move |request: Request<Incoming>| {
                    let (target, client, batches) = (target.clone(), client.clone(), Arc::clone(&batches));
                    async move { Ok::<_, Infallible>(answer(request, &target, &client, &batches, meddle).await) }
                });
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
            });
        }
    });
    (address, count)
}

async fn answer(
    request: Request<Incoming>,
    target: &str,
    client: &Client,
    batches: &AtomicUsize,
    meddle: Meddle,
) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let meddled = if head.uri.path() == "/v1/ingest" {
        let mut text = String::new();
        GzDecoder::new(body.as_ref()).read_to_string(&mut text).unwrap();
        meddle(batches.fetch_add(1, Ordering::SeqCst), &serde_json::from_str(&text).unwrap())
    } else {
        Meddled::Passed
    };
    let respond = |status: u16, text: String| Response::builder().status(status).body(Full::from(text)).unwrap();
    let change = match meddled {
        Meddled::Instead(status, text) => return respond(status, text.to_owned()),
        Meddled::Passed => |answer| answer,
        Meddled::Answered(change) => change,
    };
    let mut headers = head.headers;
    headers.remove("host");
    headers.remove("content-length");
    let sent = client.post(format!("{target}{}", head.uri.path())).headers(headers).body(body).send().await.unwrap();
    let status = sent.status().as_u16();
    respond(status, change(sent.text().await.unwrap()))
}

/// Of what every other batch is answered with none is believed.
fn lies(batch: usize, _: &Value) -> Meddled {
    const OTHER: &str = r#"{ "agent": "db-1", "incarnation": 1, "first": 1, "last": 9, "sha256": "", "repeated": 0 }"#;
    match batch {
        0 => Meddled::Answered(|_| String::new()),
        2 => Meddled::Answered(|answer| answer[..answer.len() / 2].to_owned()),
        4 => Meddled::Answered(|answer| answer.replace("\"last\":", "\"last\":1")),
        6 => Meddled::Answered(|answer| answer.replace("db-1", "db-2")),
        8 => Meddled::Instead(200, OTHER),
        10 => Meddled::Instead(200, "<html>please log in</html>"),
        12 => Meddled::Instead(413, "<html>nginx</html>"),
        14 => Meddled::Instead(400, "{}"),
        16 => Meddled::Instead(429, ""),
        18 => Meddled::Instead(204, ""),
        _ => Meddled::Passed,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn n5_n6_answers_that_are_not_the_collectors_are_not_believed() {
    let (database, collector) = (Database::new(ORDERS).await, Collector::start());
    let (address, batches) = meddling(collector.address.clone(), lies).await;
    let agent = agent(&database, &collector, &address);
    until("there", async || batches.load(Ordering::SeqCst), |batches| *batches >= 20).await;
    agent.until("well", |status| status["degraded"] == json!([])).await;
    let sequences = stored(&collector);
    assert_eq!(sequences, (1..=sequences.len() as i64).collect::<Vec<_>>(), "each once, and none is missing");
    assert!(!agent.folder.path().join("state/spool/refused").exists(), "nothing was given up");
}

/// The collector never takes the fifth observation.
fn poisoned(_: usize, batch: &Value) -> Meddled {
    let is_fifth = |observation: &Value| observation["sequence"] == 5;
    if batch["observations"].as_array().unwrap().iter().any(is_fifth) {
        return Meddled::Instead(400, r#"{ "type": "batch_refused", "detail": "not this one" }"#);
    }
    Meddled::Passed
}

#[tokio::test(flavor = "multi_thread")]
async fn n6_what_is_refused_for_good_is_kept_aside_and_the_rest_goes_on() {
    let (database, collector) = (Database::new(ORDERS).await, Collector::start());
    let (address, _) = meddling(collector.address.clone(), poisoned).await;
    let agent = agent(&database, &collector, &address);
    until("there", async || stored(&collector).len(), |stored| *stored >= 12).await;
    let sequences = stored(&collector);
    let rest = (1..).filter(|sequence| *sequence != 5).take(sequences.len()).collect::<Vec<i64>>();
    assert_eq!(sequences, rest, "all but the one");
    let aside: Vec<_> = std::fs::read_dir(agent.folder.path().join("state/spool/refused")).unwrap().collect();
    assert_eq!(aside.len(), 1);
    let viewer = collector.enrol("ann", "viewer");
    let told = async || collector.told(&viewer, "/v1/losses").await;
    let losses = until("told", told, |losses| *losses != json!([])).await;
    let loss = &losses[0]["body"]["loss"];
    assert_eq!(
        (&loss["why"], &loss["first"], &loss["records"]),
        (&json!("refused"), &json!(5), &json!(1)),
        "{losses:#}"
    );
    let counted = |text: &String| text.contains("fieldmark_spool_lost_total{reason=\"refused\"} 1\n");
    until("counted", async || agent.metrics().await, counted).await;
}
