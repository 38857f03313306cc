//! A rule's own query, read-only and by itself; and what the planner thinks of it.

use super::PostgresSource;
use super::courtesy::Call;
use crate::label::Name;
use crate::{Answered, Error, Query};
use fieldmark_model::name::quote_identifier;

/// The query with its rows counted: up to the limit, and some of them given.
pub(super) fn statement(query: &Query<'_>) -> String {
    let most = query.count.min(i64::MAX.unsigned_abs() - 1) + 1;
    // a line break, in case that the query ends in a comment; rows beyond the limit are not counted, so that none piles up
    format!(
        "SELECT pg_catalog.count(*) OVER ()::pg_catalog.int8, (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(f.key, \
         f.value) ORDER BY f.at)::pg_catalog.text FROM pg_catalog.json_each_text(pg_catalog.row_to_json(failing.*)) WITH \
         ORDINALITY AS f(key, value, at)) FROM (SELECT * FROM (\n{}\n) AS failing LIMIT {most}) AS failing LIMIT {}",
        query.sql,
        query.show.max(1)
    )
}

impl PostgresSource {
    pub(super) async fn answer_query(&mut self, call: &Call, query: &Query<'_>) -> Result<Answered, Error> {
        let mut transaction = self.session.begin_query(call, query.time, &self.search_path()).await?;
        let rows = transaction.alone(Name::Query, &statement(query)).await?;
        // what a function may have set or locked is undone
        transaction.roll_back().await?;
        let counted = rows.first().and_then(|(count, _)| u64::try_from(*count).ok()).unwrap_or(0);
        let shown = rows.iter().take(query.show).map(|(_, row)| fields(row.as_deref().unwrap_or("[]"))).collect();
        Ok(Answered { rows: counted.min(query.count), more: counted > query.count, shown })
    }

    pub(super) async fn explain_query(&mut self, call: &Call, query: &Query<'_>) -> Result<f64, Error> {
        // EXPLAIN takes no part of another statement: what it explains is the query, and one more statement is an error
        let sql = format!("EXPLAIN (FORMAT JSON) SELECT * FROM (\n{}\n) AS failing", query.sql);
        let mut transaction = self.session.begin_query(call, query.time, &self.search_path()).await?;
        let plan = transaction.explained(Name::Explain, &sql).await?;
        transaction.roll_back().await?;
        let plan: serde_json::Value = serde_json::from_str(&plan).unwrap_or_default();
        let cost = plan.pointer("/0/Plan/Total Cost").and_then(serde_json::Value::as_f64);
        cost.ok_or_else(|| Error::Internal { what: "a plan without a cost".to_owned() })
    }

    fn search_path(&self) -> String {
        self.schemas.iter().map(|schema| quote_identifier(schema)).collect::<Vec<_>>().join(", ")
    }
}

/// A row's names and texts, in the order of its columns.
fn fields(row: &str) -> Vec<(String, Option<String>)> {
    serde_json::from_str(row).unwrap_or_default()
}
