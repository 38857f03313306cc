//! How long others wait for us: schema changes and the application's own reads, against a pass over the same table that never rests, with
//! it and without it in turn. `FIELDMARK_TRIALS` says how many of each (50 unless told otherwise; `tests/bench/courtesy` asks for more);
//! the distribution is printed. And what ends a read of ours for whom.

mod killed;
mod mariadb;
mod postgres;
mod sqlite;

use fieldmark_model::Table;
use fieldmark_source::{Cursor, Error, Pace, Read, Source};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinHandle;

/// No schema change may wait so long, on however busy a machine.
const FAR_TOO_LONG: Duration = Duration::from_secs(2);

fn trials() -> usize {
    std::env::var("FIELDMARK_TRIALS").ok().and_then(|trials| trials.parse().ok()).unwrap_or(50)
}

/// Times that others waited.
#[derive(Default)]
struct Waits(Vec<Duration>);

impl Waits {
    async fn time<T>(&mut self, what: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        let began = Instant::now();
        let done = what.await?;
        self.0.push(began.elapsed());
        Ok(done)
    }

    /// A quantile in milliseconds.
    fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort();
        let at = (sorted.len() as f64 * share).ceil() as usize;
        sorted.get(at.saturating_sub(1)).map_or(0.0, |wait| wait.as_secs_f64() * 1e3)
    }
}

/// Prints a line for each distribution, and holds those that met us to the one limit that no machine excuses.
fn told(of: &str, waits: &[(&str, &Waits)]) {
    println!("{of}: milliseconds");
    println!("{:<44} {:>5} {:>8} {:>8} {:>8} {:>8}", "", "n", "p50", "p90", "p99", "max");
    for (what, waits) in waits {
        let [p50, p90, p99, max] = [0.5, 0.9, 0.99, 1.0].map(|share| waits.quantile(share));
        println!("{what:<44} {:>5} {p50:>8.1} {p90:>8.1} {p99:>8.1} {max:>8.1}", waits.0.len());
        assert!(!waits.0.is_empty() && max < FAR_TOO_LONG.as_secs_f64() * 1e3, "{of}, {what}: {max:.0} ms");
    }
}

/// A pass over a table, one chunk after the other, from the beginning again at the end.
struct Scan {
    turn: Arc<Mutex<()>>,
    chunks: Arc<AtomicU64>,
    gave_way: Arc<AtomicU64>,
    stopped: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Scan {
    fn begin(mut source: Box<dyn Source>, table: Table) -> Self {
        let (turn, stopped) = (Arc::new(Mutex::new(())), Arc::new(AtomicBool::new(false)));
        let (chunks, gave_way) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let own = (Arc::clone(&turn), Arc::clone(&stopped), Arc::clone(&chunks), Arc::clone(&gave_way));
        let task = tokio::spawn(async move {
            let (turn, stopped, chunks, gave_way) = own;
            let columns: Vec<String> = table.columns.iter().map(|column| column.name.clone()).collect();
            let (mut pace, mut cursor) = (Pace::new(source.facts().chunk, 1.0), Cursor::start());
            while !stopped.load(Ordering::SeqCst) {
                let mine = turn.lock().await;
                let began = Instant::now();
                match source.scan(&Read::new(&table, &columns), &cursor, pace.rows()).await {
                    Ok(scanned) => {
                        pace.took(scanned.chunk.rows(), began.elapsed());
                        cursor = scanned.next.unwrap_or_default();
                        chunks.fetch_add(1, Ordering::SeqCst);
                    }
                    Err(Error::Locked | Error::GaveWay) => {
                        gave_way.fetch_add(1, Ordering::SeqCst);
                        drop(mine);
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    Err(Error::Timeout) => drop(pace.missed()),
                    Err(error) => panic!("the pass ended: {error}"),
                }
            }
        });
        Self { turn, chunks, gave_way, stopped, task }
    }

    /// Nothing is read while the guard lives.
    async fn paused(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Waits until a chunk has begun, and a part of the time that one takes.
    async fn in_the_middle(&self, trial: usize) {
        let before = self.chunks.load(Ordering::SeqCst) + self.gave_way.load(Ordering::SeqCst);
        while self.chunks.load(Ordering::SeqCst) + self.gave_way.load(Ordering::SeqCst) == before {
            assert!(!self.task.is_finished(), "the pass has ended");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(trial as u64 * 7 % 50)).await;
    }

    /// Ends the pass; chunks that were read, and reads that gave way.
    async fn end(self) -> (u64, u64) {
        self.stopped.store(true, Ordering::SeqCst);
        self.task.await.unwrap();
        (self.chunks.load(Ordering::SeqCst), self.gave_way.load(Ordering::SeqCst))
    }
}
