//! The program on MariaDB: what people do with it, and what of that the server is sent.

mod migrations;
mod replicas;
mod rules;
mod samples;
mod sent;

use super::shop::{Run, Shop};
use crate::server::mariadb::{PASSWORD, Server, USER};
use sqlx::mysql::MySqlRow;
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection, Row as _};
use std::ops::Deref;

pub(super) use sent::of_mariadb;

/// A folder whose source is a database of its own on the server, read by a user who has what `doctor --grants` prints and nothing else.
pub(crate) struct Market {
    shop: Shop,
    database: String,
    /// The user of the source.
    reader: String,
    keeper: MySqlConnection,
}

impl Deref for Market {
    type Target = Shop;
    fn deref(&self) -> &Shop {
        &self.shop
    }
}

impl Market {
    /// With the tables that the SQL makes, and no rules.
    pub(crate) async fn new(sql: &str) -> Self {
        let server = Server::get().await.unwrap();
        let database = server.database("").await.unwrap();
        let reader = format!("market_{database}");
        let keeper = server.keeper(&database).await.unwrap();
        let shop = Shop::of(&server.url(&reader, &database));
        let mut market = Self { shop, database, reader, keeper };
        market.sql(&format!("create user {}@'%' identified by '{PASSWORD}'", market.reader)).await;
        market.sql(sql).await;
        let script = market.script().await;
        market.sql(&script).await;
        market
    }

    /// What `doctor --grants` prints for the reader, as one who may do anything is told it.
    async fn script(&self) -> String {
        let keeper = Shop::of(&Server::get().await.unwrap().url(USER, &self.database));
        keeper.run(&["doctor", "--grants", &self.reader]).gives(0).out
    }

    /// Lets the reader see what views, triggers and routines are made of.
    pub(super) async fn may_see_definitions(&mut self) {
        let sql = format!("grant show view, trigger on {}.* to {}@'%'", self.database, self.reader);
        self.sql(&sql).await;
    }

    /// Changes the database as the application that owns it.
    pub(crate) async fn sql(&mut self, sql: &str) {
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.keeper).await;
        done.unwrap_or_else(|error| panic!("{error}: {sql}"));
    }

    /// The first column of what a query gives, as texts.
    pub(super) async fn texts(&mut self, sql: &str) -> Vec<String> {
        let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(&mut self.keeper).await;
        let text = |row: &MySqlRow| {
            let bytes: Option<&[u8]> = row.try_get_unchecked(0).unwrap();
            String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap()
        };
        rows.unwrap_or_else(|error| panic!("{error}: {sql}")).iter().map(text).collect()
    }

    /// Another connection of the application.
    pub(super) async fn another(&self) -> MySqlConnection {
        Server::get().await.unwrap().keeper(&self.database).await.unwrap()
    }

    /// Waits until a statement of the reader is at work that is like this.
    pub(crate) async fn until_it_reads(&mut self, like: &str) {
        let reads = format!(
            "select count(*) from information_schema.processlist where user = '{}' and command = 'Query' and info like '{like}'",
            self.reader
        );
        Server::get().await.unwrap().until(&mut self.keeper, &reads).await.unwrap();
    }

    /// Runs the program; no password is shown.
    #[track_caller]
    pub(super) fn shown(&self, arguments: &[&str], code: i32) -> Run {
        let run = self.run(arguments).gives(code);
        assert!(!run.out.contains(PASSWORD) && !run.err.contains(PASSWORD), "the password is shown: {run:?}");
        run
    }

    pub(crate) async fn close(self) {
        self.keeper.close().await.unwrap();
    }
}
