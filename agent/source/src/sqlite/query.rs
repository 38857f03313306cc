//! A rule's own query: one statement on a connection that refuses whatever is no read.

use super::connect::Session;
use super::statement::Statement;
use crate::label::Name;
use crate::{Answered, Error, Query};
use rusqlite::types::ValueRef;
use std::ops::ControlFlow;

/// The query with its rows counted: up to the limit, and some of them given.
pub(super) fn statement(query: &Query<'_>) -> Statement {
    let most = query.count.saturating_add(1).min(i64::MAX.unsigned_abs());
    // a line break, in case that the query ends in a comment
    let sql = format!(
        "SELECT count(*) OVER (), failing.* FROM (SELECT * FROM (\n{}\n) LIMIT {most}) AS failing LIMIT {}",
        query.sql,
        query.show.max(1)
    );
    Statement { name: Name::Query, sql, params: Vec::new(), expects: Vec::new() }
}

/// What SQLite would do.
pub(super) fn explain(query: &Query<'_>) -> Statement {
    let sql = format!("EXPLAIN QUERY PLAN SELECT * FROM (\n{}\n)", query.sql);
    Statement { name: Name::Explain, sql, params: Vec::new(), expects: Vec::new() }
}

impl Session {
    pub(super) fn answer(&mut self, statement: &Statement, most: u64) -> Result<Answered, Error> {
        let mut answered = Answered::default();
        self.rows(statement, |row| {
            let counted = row.get::<_, i64>(0)?.unsigned_abs();
            answered.rows = counted.min(most);
            answered.more = counted > most;
            let names: Vec<String> = row.as_ref().column_names().into_iter().skip(1).map(str::to_owned).collect();
            let mut fields = Vec::new();
            for (at, name) in names.into_iter().enumerate() {
                fields.push((name, text(row.get_ref(at + 1)?)));
            }
            answered.shown.push(fields);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(answered)
    }
}

fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Null => None,
        ValueRef::Integer(value) => Some(value.to_string()),
        ValueRef::Real(value) => Some(value.to_string()),
        ValueRef::Text(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        ValueRef::Blob(bytes) => Some(format!("({} bytes)", bytes.len())),
    }
}
