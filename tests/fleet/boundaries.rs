//! Bounds of every request: bad input is a 4xx, never a 5xx and never a panic.

use super::{Collector, batch, finding, json_of};
use reqwest::{Body, StatusCode};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn n11_n12_bodies_are_bounded_and_nonsense_is_refused() {
    let collector = Collector::start();
    let agent = collector.enrol("db-1", "agent");
    let good = batch("db-1", 7, vec![finding("db-1", 7, 1, "one")]);
    let gzip = |bytes: &[u8]| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    };
    // a bomb: 200 MB of spaces in 200 kB
    let bomb = gzip(&vec![b' '; 200 << 20]);
    assert!(bomb.len() < 300_000);
    let deep = format!("{{\"version\":1,\"x\":{}", "[".repeat(100_000));
    let many: Vec<_> = (1..=10_001).map(|sequence| finding("db-1", 7, sequence, "")).collect();
    for (case, body, encoding, status) in [
        ("nine megabytes", vec![b' '; 9 << 20], None, 413),
        ("a bomb", bomb, Some("gzip"), 413),
        ("no gzip", good.clone().into_bytes(), Some("gzip"), 400),
        ("half a gzip", gzip(good.as_bytes())[..40].to_vec(), Some("gzip"), 400),
        ("another encoding", good.clone().into_bytes(), Some("br"), 415),
        ("nothing", Vec::new(), None, 400),
        ("no UTF-8", [good.as_bytes(), &[0xff]].concat(), None, 400),
        ("depth", deep.into_bytes(), None, 400),
        ("NaN", good.replace("\"version\":1", "\"version\":NaN").into_bytes(), None, 400),
        ("a key twice", good.replace("\"version\":1", "\"version\":1,\"version\":1").into_bytes(), None, 400),
        ("a version of the future", good.replace("\"version\":1", "\"version\":9").into_bytes(), None, 400),
        ("too many", batch("db-1", 7, many).into_bytes(), None, 400),
    ] {
        let mut request = collector.post(&agent, "/v1/ingest", body);
        if let Some(encoding) = encoding {
            request = request.header("content-encoding", encoding);
        }
        let response = match request.send().await {
            // what is too large may be cut off before the answer is read
            Err(_) if status == 413 => continue,
            sent => sent.unwrap(),
        };
        assert_eq!(response.status(), status, "{case}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{case}");
        assert_eq!(json_of(response).await["status"], status, "{case}");
    }
    // a body without an end
    let endless = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 64 << 10]));
    let response = collector.post(&agent, "/v1/ingest", Body::wrap_stream(endless)).send().await;
    // it may be cut off before the answer is read
    assert!(response.is_err() || response.is_ok_and(|response| response.status() == StatusCode::PAYLOAD_TOO_LARGE));
    assert_eq!(collector.post(&agent, "/v1/ingest", good).send().await.unwrap().status(), StatusCode::OK);
    let nowhere = collector.get(&agent, "/v2/ingest").send().await.unwrap();
    assert_eq!(nowhere.status(), StatusCode::NOT_FOUND);
    assert_eq!(collector.get(&agent, "/v1/ingest").send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    // what it has held of all that is little
    let status = std::fs::read_to_string(format!("/proc/{}/status", collector.process.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 400 << 10, "{peak} KiB");
}

/// Half a request on each of two hundred connections, and then nothing: others are served, and these are ended.
#[tokio::test(flavor = "multi_thread")]
async fn n10_slow_heads_are_ended_and_others_are_served() {
    // a connection that is kept for the next request has begun none, and is ended like those
    let unpooled = reqwest::Client::builder().pool_max_idle_per_host(0);
    let collector = Collector::with("{ listen: '127.0.0.1:0' }", |_| {}, unpooled);
    let viewer = collector.enrol("ann", "viewer");
    let host = collector.address.strip_prefix("http://").unwrap();
    let mut slow: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(host).unwrap()).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /v1/rules HTTP/1.1\r\nhost: x\r\nauthor").unwrap();
    }
    let begun = Instant::now();
    assert_eq!(collector.get(&viewer, "/v1/rules").send().await.unwrap().status(), StatusCode::OK);
    for stream in &mut slow {
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        // the end of the connection, with an answer before it or without
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
    }
    assert!(begun.elapsed() >= Duration::from_secs(5), "a slow head has some time");
    assert_eq!(collector.get(&viewer, "/v1/rules").send().await.unwrap().status(), StatusCode::OK);
}

/// What the collector is made of: neither the engine nor a driver, and nothing of the agent.
#[test]
fn the_collector_has_neither_the_engine_nor_a_driver_in_it() {
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let tree =
        ["tree", "--package", "fieldmark-collector", "--edges", "normal", "--prefix", "none", "--locked", "--offline"];
    let output = std::process::Command::new(cargo).args(tree).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    let tree = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && tree.contains("fieldmark-model"), "{}", String::from_utf8_lossy(&output.stderr));
    for part in ["datafusion", "sqlx", "fieldmark-source", "fieldmark-engine", "fieldmark-agent"] {
        assert!(!tree.lines().any(|line| line.starts_with(part)), "{part}");
    }
}
