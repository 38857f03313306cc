//! A shop whose database is a fresh one of the private server: what the application that owns it does, and what the server tells.

use super::shop::{Run, Shop};
use crate::server::postgres::{Server, USER, until};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::ops::Deref;
use std::time::Duration;
use tokio::process::{Child, Command};

/// How long an event may take on a busy machine before the test gives up.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);

/// A folder with a configuration and rule files for a database of its own on the server.
pub(crate) struct Served {
    shop: Shop,
    url: String,
    connection: PgConnection,
}

impl Deref for Served {
    type Target = Shop;
    fn deref(&self) -> &Shop {
        &self.shop
    }
}

impl Served {
    /// With the tables that the SQL makes, and no rules.
    pub(crate) async fn new(sql: &str) -> Self {
        let server = Server::get().await.unwrap();
        let database = server.database("").await.unwrap();
        let url = server.url(USER, &database);
        let mut served = Self::of(&url).await;
        served.sql(sql).await;
        served
    }

    /// With the database of this address, as it is.
    pub(super) async fn of(url: &str) -> Self {
        let connection = PgConnection::connect(url).await.unwrap();
        Self { shop: Shop::of(url), url: url.to_owned(), connection }
    }

    /// The address, with user and password.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Another connection of the application.
    pub(super) async fn another(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }

    /// Changes the database as the application that owns it.
    pub(crate) async fn sql(&mut self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.connection).await.unwrap();
    }

    /// A number from the database.
    pub(super) async fn number(&mut self, sql: &str) -> i64 {
        let sql = format!("select ({sql})::int8");
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut self.connection).await.unwrap()
    }

    /// Waits until the server says that this holds.
    pub(super) async fn until(&mut self, condition: &str) {
        let waited = sqlx::raw_sql(AssertSqlSafe(until(condition))).execute(&mut self.connection).await;
        waited.unwrap_or_else(|error| panic!("{condition}: {error}"));
    }

    /// Waits until a statement of this run of Fieldmark is at work that has this in its text.
    pub(crate) async fn until_it_runs(&mut self, run: &mut Child, part: &str) {
        let running = format!(
            "exists (select from pg_stat_activity where datname = current_database() and state = 'active' \
             and application_name like 'fieldmark%' and position('{part}' in query) > 0)"
        );
        tokio::select! {
            () = self.until(&running) => {}
            ended = run.wait() => panic!("it has ended ({ended:?}), and no statement had {part} in it"),
        }
    }

    /// Waits until no session of Fieldmark is left. Such sessions have told all that they did to the statistics by then.
    pub(super) async fn until_fieldmark_has_gone(&mut self) {
        let left = "not exists (select from pg_stat_activity where datname = current_database() \
                    and application_name like 'fieldmark%')";
        self.until(left).await;
    }

    /// Rows written in this database so far, the catalogue's own included, and relations in it.
    pub(super) async fn writes(&mut self) -> Writes {
        self.until_fieldmark_has_gone().await;
        // what this connection itself has pending
        self.reconnect().await;
        // what all databases share, other tests write in
        let rows = "select sum(n_tup_ins + n_tup_upd + n_tup_del) from pg_stat_all_tables s \
                    join pg_class c on c.oid = s.relid and not c.relisshared";
        let (rows, relations) = (self.number(rows).await, self.number("select count(*) from pg_class").await);
        let rolled_back = "select xact_rollback from pg_stat_database where datname = current_database()";
        Writes { rows, relations, rolled_back: self.number(rolled_back).await }
    }

    /// Ends the application's connection, which tells the statistics what it did, and makes another one.
    pub(super) async fn reconnect(&mut self) {
        let backend = self.number("pg_backend_pid()").await;
        let next = self.another().await;
        std::mem::replace(&mut self.connection, next).close().await.unwrap();
        self.until(&format!("not exists (select from pg_stat_activity where pid = {backend})")).await;
    }

    /// The program as a command of the runtime, to be waited for beside other things.
    pub(crate) fn program(&self, arguments: &[&str]) -> Command {
        Command::from(self.shop.command(arguments))
    }

    /// Runs the program.
    pub(super) async fn run(&self, arguments: &[&str]) -> Run {
        Run::of(self.program(arguments).output().await.unwrap())
    }

    /// Runs the program for JSON.
    pub(super) async fn json(&self, arguments: &[&str], code: i32) -> Value {
        let mut all = arguments.to_vec();
        let end = all.iter().position(|argument| *argument == "--").unwrap_or(all.len());
        all.splice(end..end, ["--output", "json"]);
        self.run(&all).await.gives(code).json()
    }
}

/// What has been written in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Writes {
    /// Rows inserted, updated and deleted, also by transactions that were rolled back.
    pub(super) rows: i64,
    /// Tables, indexes and their kind.
    pub(super) relations: i64,
    /// Transactions that did not end as they should.
    pub(super) rolled_back: i64,
}
