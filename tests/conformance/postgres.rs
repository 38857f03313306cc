//! The suite against PostgreSQL.

use super::{Fixture, TypeCase};
use crate::server::postgres::{PASSWORD, Server, USER};
use anyhow::Context as _;
use async_trait::async_trait;
use fieldmark_model::chunk::DefectKind;
use fieldmark_source::postgres::{self, ConnectOptions, Limits, PostgresSource};
use fieldmark_source::{Error, Source};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::any::Any;
use std::time::Duration;
use tokio::sync::Mutex;

mod access;
mod activity;
mod places;
mod settings;
mod values;

mod suite {
    crate::conformance::conformance!(super::Postgres);
}

/// A fresh database.
pub(crate) struct Postgres {
    server: &'static Server,
    database: String,
    writer: Mutex<PgConnection>,
}

impl Postgres {
    /// A database made with these options.
    async fn with(options: &str) -> anyhow::Result<Self> {
        let server = Server::get().await?;
        let database = server.database(options).await?;
        let mut writer = PgConnection::connect(&server.url(USER, &database)).await?;
        sqlx::raw_sql("set lock_timeout = '250ms'").execute(&mut writer).await?;
        Ok(Self { server, database, writer: Mutex::new(writer) })
    }

    /// Options for a source of a role.
    fn options(&self, role: &str) -> ConnectOptions {
        ConnectOptions::new(self.server.url(role, &self.database))
    }

    /// A source under the ordinary limits, which may be short on a busy machine.
    async fn source(&self) -> Result<PostgresSource, Error> {
        self.source_of(USER).await
    }

    async fn source_of(&self, role: &str) -> Result<PostgresSource, Error> {
        let limits = Limits { read: Duration::from_secs(10), catalogue: Duration::from_secs(10) };
        postgres::connect(&ConnectOptions { limits, ..self.options(role) }).await
    }

    /// Makes a role of this database alone.
    async fn role(&self, name: &str) -> anyhow::Result<String> {
        let role = format!("{name}_{}", self.database);
        self.execute(&format!("create role {role} login password '{PASSWORD}'")).await?;
        Ok(role)
    }

    /// Another connection of the application.
    async fn another(&self) -> anyhow::Result<PgConnection> {
        Ok(PgConnection::connect(&self.server.url(USER, &self.database)).await?)
    }

    /// One value of one row, as text.
    async fn ask(&self, sql: &str) -> anyhow::Result<String> {
        let mut writer = self.writer.lock().await;
        let sql = format!("select ({sql})::text");
        let answer: Option<String> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *writer).await?;
        answer.context("NULL")
    }
}

#[async_trait]
impl Fixture for Postgres {
    async fn start() -> anyhow::Result<Self> {
        Self::with("template kinds").await
    }

    async fn execute(&self, sql: &str) -> anyhow::Result<()> {
        let mut writer = self.writer.lock().await;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut *writer).await?;
        Ok(())
    }

    async fn open(&self) -> anyhow::Result<Box<dyn Source>> {
        Ok(Box::new(self.source().await?))
    }

    fn schema(&self) -> &str {
        "public"
    }

    fn types(&self) -> Vec<TypeCase> {
        values::cases(&self.server.extensions)
    }

    async fn slow(&self) -> anyhow::Result<String> {
        self.execute("create view slow as select 1 as x from pg_sleep(30)").await?;
        Ok("slow".to_owned())
    }

    async fn lock(&self, table: &str) -> anyhow::Result<Box<dyn Any + Send>> {
        let mut other = self.another().await?;
        let sql = format!("begin; lock table {table} in access exclusive mode");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut other).await?;
        Ok(Box::new(other))
    }

    fn readers_wait(&self) -> bool {
        true
    }

    fn long_text(&self, bytes: usize) -> String {
        format!("repeat('x', {bytes})")
    }
}

/// Kinds of defect that values have.
const UNREPRESENTABLE: Option<DefectKind> = Some(DefectKind::Unrepresentable);
