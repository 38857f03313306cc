//! Columns that CHECK constraints are about, out of the text by which a table was made: SQLite tells it nowhere else.

use super::connect::Session;
use super::inspect::SCHEMA;
use super::statement::Statement;
use crate::checks::{Escapes, conditions};
use crate::label::Name;
use crate::{Check, Error};
use fieldmark_model::TableName;
use std::ops::ControlFlow;

impl Session {
    pub(super) fn checks(&mut self) -> Result<Vec<Check>, Error> {
        let sql = "SELECT name, sql FROM main.sqlite_schema WHERE type = 'table' AND sql IS NOT NULL ORDER BY name";
        let statement = Statement { name: Name::Checks, sql: sql.to_owned(), params: Vec::new(), expects: Vec::new() };
        let mut checks = Vec::new();
        self.rows(&statement, |row| {
            let (name, sql): (String, String) = (row.get(0)?, row.get(1)?);
            let table = TableName::new(SCHEMA, name);
            checks.extend(
                conditions(&sql, Escapes::Doubled)
                    .into_iter()
                    .map(|words| Check { table: table.clone(), columns: words }),
            );
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(checks)
    }
}
