//! kill -9 in the middle of everything: what was acknowledged is there, once.

use super::{Collector, batch, finding};
use reqwest::StatusCode;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

#[tokio::test(flavor = "multi_thread")]
async fn k2_what_was_acknowledged_is_there_once() {
    const AGENTS: usize = 8;
    let mut collector = Collector::start();
    let tokens: Vec<String> = (0..AGENTS).map(|n| collector.enrol(&format!("db-{n}"), "agent")).collect();
    let mut acked: Vec<BTreeSet<u64>> = vec![BTreeSet::new(); AGENTS];
    let mut sent: Vec<u64> = vec![0; AGENTS];
    for round in 0..6u64 {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut tasks = Vec::new();
        for (n, token) in tokens.iter().enumerate() {
            let (client, url, token) = (collector.client.clone(), collector.url("/v1/ingest"), token.clone());
            let (stop, done, mut next) = (Arc::clone(&stop), Arc::clone(&done), sent[n]);
            tasks.push(tokio::spawn(async move {
                let (agent, mut acked) = (format!("db-{n}"), BTreeSet::new());
                while !stop.load(Ordering::Relaxed) {
                    let numbers: Vec<u64> = (next + 1..=next + 3).collect();
                    let observations = numbers.iter().map(|sequence| finding(&agent, 7, *sequence, "x")).collect();
                    let request = client.post(&url).bearer_auth(&token).body(batch(&agent, 7, observations));
                    match request.send().await {
                        Ok(response) if response.status() == StatusCode::OK => {
                            acked.extend(numbers);
                            next += 3;
                            done.fetch_add(1, Ordering::Relaxed);
                        }
                        // whether these were stored is not known: they are sent again by the next round
                        _ => break,
                    }
                }
                (next, acked)
            }));
        }
        while done.load(Ordering::Relaxed) < 20 + round * 7 {
            tokio::task::yield_now().await;
        }
        collector.kill_and_restart();
        stop.store(true, Ordering::Relaxed);
        for (n, task) in tasks.into_iter().enumerate() {
            let (next, more) = task.await.unwrap();
            sent[n] = next;
            acked[n].extend(more);
        }
    }
    let store = collector.store();
    let integrity: String = store.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(integrity, "ok");
    for (n, acked) in acked.iter().enumerate() {
        let mut statement = store.prepare("SELECT sequence FROM observations WHERE agent = ?1").unwrap();
        let there = statement.query_map([format!("db-{n}")], |row| row.get::<_, i64>(0)).unwrap();
        let there: BTreeSet<u64> = there.map(|sequence| sequence.unwrap() as u64).collect();
        assert!(!acked.is_empty() && acked.is_subset(&there), "of db-{n} is missing {:?}", acked.difference(&there));
        // beside them at most one batch a round whose answer did not come
        assert!(there.len() - acked.len() <= 6 * 3, "{} beside {}", there.len(), acked.len());
    }
}
