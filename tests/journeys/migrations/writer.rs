//! An application that keeps writing to the same tables while migrations run.

use crate::server::postgres::{Server, USER};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A running application.
pub(super) struct Writer {
    stop: Arc<AtomicBool>,
    rows: Arc<AtomicU64>,
    begun: Instant,
    task: tokio::task::JoinHandle<()>,
}

/// Which row an application writes next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    /// One after the other and again from the first: what a control shorter than a round has to be fair to.
    Rounds,
    /// Any of them.
    Chance,
}

/// A number that looks drawn by chance (the finaliser of splitmix64).
fn scattered(number: u64) -> u64 {
    let mixed = (number.wrapping_add(0x9e37_79b9_7f4a_7c15) ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl Writer {
    /// Begins to run statements in turn, one every so often; `{n}` in them is a number up to a most.
    /// Returns when the first have been run.
    pub(super) async fn begin(
        server: &'static Server,
        database: &str,
        statements: Vec<String>,
        every: Duration,
        (order, most): (Order, u64),
    ) -> Self {
        let (stop, rows) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut connection = PgConnection::connect(&server.url(USER, database)).await.unwrap();
        let task = {
            let (stop, rows) = (Arc::clone(&stop), Arc::clone(&rows));
            tokio::spawn(async move {
                let mut tick = tokio::time::interval(every);
                for number in 0u64.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    tick.tick().await;
                    let statement = &statements[usize::try_from(number).unwrap() % statements.len()];
                    let row = match order {
                        Order::Rounds => number,
                        Order::Chance => scattered(number),
                    };
                    let statement = statement.replace("{n}", &(1 + row % most).to_string());
                    let done = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
                    rows.fetch_add(done.rows_affected(), Ordering::Relaxed);
                }
            })
        };
        let writer = Self { stop, rows, begun: Instant::now(), task };
        while writer.rows.load(Ordering::Relaxed) < 20 {
            assert!(!writer.task.is_finished(), "the application ended");
            tokio::task::yield_now().await;
        }
        writer
    }

    /// Ends it: rows written in a second.
    pub(super) async fn end(self) -> f64 {
        let rate = self.rows.load(Ordering::Relaxed) as f64 / self.begun.elapsed().as_secs_f64();
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        rate
    }
}
