//! The demo's shop, on SQLite or on a PostgreSQL server, and the connection that keeps writing to it.

use crate::cli::DemoUrl;
use crate::command::Ended;
use rand::RngExt as _;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Time between two writes of the other connection: 100 a second at most.
const PAUSE: Duration = Duration::from_millis(10);
/// Orders that the shop begins with.
const ORDERS: u64 = 300_000;

/// The demo's shop.
pub(super) enum Shop {
    /// In a file.
    Sqlite(PathBuf),
    /// In a schema of its own on a server.
    Postgres { url: String, schema: String },
}

fn sqlite_failed(error: rusqlite::Error) -> Ended {
    Ended::Because(2, format!("the demo's database failed: {error}"))
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "of sqlx's errors only the server's own message is known to hold no address"
)]
fn postgres_failed(error: sqlx::Error) -> Ended {
    let what = match &error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        // other messages may hold parts of the address
        _ => "the server does not answer; is the url right, and the server running?".to_owned(),
    };
    Ended::Because(2, format!("the demo's server failed: {what}"))
}

impl Shop {
    /// Makes the shop's tables and rows.
    pub(super) async fn make(place: &Path, url: Option<&DemoUrl>) -> Result<Self, Ended> {
        match url {
            None => {
                let file = place.join("shop.db");
                let shop = Self::Sqlite(file.clone());
                blocking(move || {
                    let connection = rusqlite::Connection::open(&file).map_err(sqlite_failed)?;
                    connection.execute_batch(include_str!("sqlite/shop.sql")).map_err(sqlite_failed)
                })
                .await?;
                Ok(shop)
            }
            Some(url) => {
                let schema = format!("fieldmark_demo_{:08x}", rand::rng().random::<u32>());
                let shop = Self::Postgres { url: url.expose().to_owned(), schema };
                let mut connection = shop.connection().await?;
                let Self::Postgres { schema, .. } = &shop else { return Ok(shop) };
                let made = format!(
                    "CREATE SCHEMA {schema}; SET search_path = {schema};\n{}",
                    include_str!("postgres/shop.sql")
                );
                let made = connection.execute(AssertSqlSafe(made)).await.map_err(postgres_failed);
                if let Err(error) = made {
                    shop.remove().await?;
                    return Err(error);
                }
                Ok(shop)
            }
        }
    }

    async fn connection(&self) -> Result<PgConnection, Ended> {
        let Self::Postgres { url, schema } = self else {
            return Err(Ended::Because(2, "the shop is in a file".to_owned()));
        };
        let mut connection = PgConnection::connect(url).await.map_err(postgres_failed)?;
        let path = format!("SET search_path = {schema}");
        connection.execute(AssertSqlSafe(path)).await.map_err(postgres_failed)?;
        Ok(connection)
    }

    /// The configuration file of a run on this shop.
    pub(super) fn configuration(&self) -> String {
        let source = match self {
            Self::Sqlite(_) => "url: sqlite:shop.db".to_owned(),
            Self::Postgres { url, schema } => {
                format!("url: {}, schemas: [{schema}]", serde_json::Value::String(url.clone()))
            }
        };
        format!("version: 1\nstate_dir: state\nsources:\n  shop: {{ {source} }}\nrules: [\"rules/*.yaml\"]\n")
    }

    /// The SQL of one of the two migrations.
    pub(super) fn migration(&self, name: &str) -> &'static str {
        match (self, name) {
            (Self::Sqlite(_), "good") => include_str!("sqlite/good.sql"),
            (Self::Sqlite(_), _) => include_str!("sqlite/harmful.sql"),
            (Self::Postgres { .. }, "good") => include_str!("postgres/good.sql"),
            (Self::Postgres { .. }, _) => include_str!("postgres/harmful.sql"),
        }
    }

    /// Applies a migration.
    pub(super) async fn apply(&self, name: &str) -> Result<(), Ended> {
        let sql = self.migration(name);
        match self {
            Self::Sqlite(file) => {
                let file = file.clone();
                blocking(move || {
                    let connection = rusqlite::Connection::open(&file).map_err(sqlite_failed)?;
                    connection.busy_timeout(Duration::from_secs(30)).map_err(sqlite_failed)?;
                    connection.execute_batch(sql).map_err(sqlite_failed)
                })
                .await
            }
            Self::Postgres { .. } => {
                let mut connection = self.connection().await?;
                connection.execute(sql).await.map(|_| ()).map_err(postgres_failed)
            }
        }
    }

    /// Drops what was made on a server; a file stays.
    pub(super) async fn remove(&self) -> Result<(), Ended> {
        let Self::Postgres { schema, .. } = self else { return Ok(()) };
        let mut connection = self.connection().await?;
        let dropped = format!("DROP SCHEMA IF EXISTS {schema} CASCADE");
        connection.execute(AssertSqlSafe(dropped)).await.map(|_| ()).map_err(postgres_failed)
    }
}

/// The connection that keeps writing: new orders, and other ones that change their status.
pub(super) struct Writer {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Result<u64, Ended>>,
}

/// The n-th write: an order's change of status, every third time a new order.
fn write_of(number: u64) -> String {
    let order = 1 + number.wrapping_mul(7_919) % ORDERS;
    if number.is_multiple_of(3) {
        let id = ORDERS + 1 + number;
        format!(
            "INSERT INTO orders (id, customer_id, status, quantity, created_at) VALUES ({id}, {}, 'new', 1, CURRENT_TIMESTAMP)",
            1 + order % 20_000
        )
    } else {
        format!("UPDATE orders SET status = 'paid' WHERE id = {order} AND status = 'new'")
    }
}

impl Writer {
    /// Starts writing.
    pub(super) async fn start(shop: &Shop) -> Result<Self, Ended> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = match shop {
            Shop::Sqlite(file) => {
                let file = file.clone();
                tokio::task::spawn_blocking(move || {
                    let connection = rusqlite::Connection::open(&file).map_err(sqlite_failed)?;
                    connection.busy_timeout(Duration::from_secs(30)).map_err(sqlite_failed)?;
                    let mut rows = 0;
                    for number in 0.. {
                        if stopped.load(Ordering::Relaxed) {
                            break;
                        }
                        rows += connection.execute(&write_of(number), []).map_err(sqlite_failed)? as u64;
                        std::thread::sleep(PAUSE);
                    }
                    Ok(rows)
                })
            }
            Shop::Postgres { .. } => {
                let mut connection = shop.connection().await?;
                tokio::spawn(async move {
                    let mut rows = 0;
                    for number in 0.. {
                        if stopped.load(Ordering::Relaxed) {
                            break;
                        }
                        let written =
                            connection.execute(AssertSqlSafe(write_of(number))).await.map_err(postgres_failed)?;
                        rows += written.rows_affected();
                        tokio::time::sleep(PAUSE).await;
                    }
                    Ok(rows)
                })
            }
        };
        Ok(Self { stop, task })
    }

    /// Stops writing; how many rows it wrote.
    pub(super) async fn stop(self) -> Result<u64, Ended> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap_or_else(|_| Err(Ended::Because(2, "the writing task ended by itself".to_owned())))
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Ended> + Send + 'static) -> Result<T, Ended> {
    let joined = tokio::task::spawn_blocking(work).await;
    joined.unwrap_or_else(|_| Err(Ended::Because(2, "a task of the demo ended by itself".to_owned())))
}
