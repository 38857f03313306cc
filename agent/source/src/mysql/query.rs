//! A rule's own query, read-only and by itself; and what the planner thinks of it.
//!
//! The query is prepared by the server from a text: more than one statement in it is an error, and the answer comes as texts.

use super::MySqlSource;
use super::courtesy::{Call, limited};
use super::literal::text;
use super::session::value;
use crate::label::Name;
use crate::{Answered, Error, Query};
use sqlx::mysql::MySqlRow;
use sqlx::{Column as _, Row as _};
use std::time::Duration;

/// Fields of a row that is shown: their names and texts.
type Shown = Vec<(String, Option<String>)>;

/// The query with its rows counted: up to the limit, and some of them given.
pub(super) fn statement(query: &Query<'_>) -> String {
    let most = query.count.saturating_add(1).min(i64::MAX.unsigned_abs());
    // a line break, in case that the query ends in a comment
    format!(
        "SELECT COUNT(*) OVER () AS `fieldmark rows`, failing.* FROM (SELECT * FROM (\n{}\n) AS failing LIMIT {most}) AS failing LIMIT {}",
        query.sql,
        query.show.max(1)
    )
}

impl MySqlSource {
    pub(super) async fn answer_query(&mut self, call: &Call, query: &Query<'_>) -> Result<Answered, Error> {
        let mut answered = Answered::default();
        let (most, show) = (query.count, query.show);
        self.prepared(call, (Name::Query, &statement(query)), query.time, &mut |row| {
            let failed = |_: sqlx::Error| Error::Internal { what: "an answer that cannot be read".to_owned() };
            let counted =
                value(row, 0).map_err(failed)?.and_then(|count| std::str::from_utf8(count).ok()?.parse().ok());
            let counted: u64 = counted.unwrap_or(0);
            (answered.rows, answered.more) = (counted.min(most), counted > most);
            if answered.shown.len() < show {
                answered.shown.push(fields(row).map_err(failed)?);
            }
            Ok(())
        })
        .await?;
        Ok(answered)
    }

    pub(super) async fn explain_query(&mut self, call: &Call, query: &Query<'_>) -> Result<Option<f64>, Error> {
        let sql = format!("EXPLAIN FORMAT=JSON SELECT * FROM (\n{}\n) AS failing", query.sql);
        let mut plan = None;
        let mut each = |row: &MySqlRow| {
            plan = value(row, 0).ok().flatten().and_then(|json| serde_json::from_slice::<serde_json::Value>(json).ok());
            Ok(())
        };
        match self.prepared(call, (Name::Explain, &sql), query.time, &mut each).await {
            // of a view of which one may not see how it is made
            Err(Error::Database { code }) if code == "1345" => return Ok(None),
            told => told?,
        }
        // servers before 11 do not say
        Ok(plan.and_then(|plan| plan.pointer("/query_block/cost").and_then(serde_json::Value::as_f64)))
    }

    /// Runs one statement as such, whatever its text, and gives back what a function in it may have locked.
    async fn prepared(
        &mut self,
        call: &Call,
        (name, sql): (Name, &str),
        time: Duration,
        each: &mut (dyn FnMut(&MySqlRow) -> Result<(), Error> + Send),
    ) -> Result<(), Error> {
        let whole = self.label.labelled(name, &limited(sql, time));
        let nothing = &mut |_: &MySqlRow| Ok(());
        let set = format!("SET @fieldmark = {}", text(&whole));
        self.session.plainly(call, (name, &set), time, nothing).await?;
        self.session.plainly(call, (name, "PREPARE fieldmark FROM @fieldmark"), time, nothing).await?;
        self.session.plainly(call, (name, "EXECUTE fieldmark"), time, each).await?;
        self.session.plainly(call, (name, "DEALLOCATE PREPARE fieldmark"), time, nothing).await?;
        self.session.plainly(call, (Name::Unlock, "SELECT RELEASE_ALL_LOCKS()"), time, nothing).await
    }
}

fn fields(row: &MySqlRow) -> Result<Shown, sqlx::Error> {
    let shown = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => format!("({} bytes)", bytes.len()),
    };
    let names = row.columns().iter().enumerate().skip(1);
    names.map(|(at, column)| Ok((column.name().to_owned(), value(row, at)?.map(shown)))).collect()
}
