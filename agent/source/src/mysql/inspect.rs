//! The catalogue, from `information_schema`, schema by schema: asked for one schema the server looks at no other.
//!
//! Left out: sequences, and what the role may see nothing of. A table that somebody changes just then is left out by the server with a
//! warning; then all of it is [`Error::Locked`], and asked again.

use super::MySqlSource;
use super::courtesy::Call;
use super::literal::{quoted, text};
use super::session::Answer;
use super::types;
use crate::checks::{Escapes, conditions};
use crate::label::Name;
use crate::{Check, Error};
use fieldmark_model::catalogue::ForeignKey;
use fieldmark_model::{Catalogue, Table, TableKind, TableName};
use std::collections::HashMap;

/// Engines whose rows lie elsewhere.
const FOREIGN: [&str; 4] = ["FEDERATED", "CONNECT", "SPIDER", "S3"];

impl MySqlSource {
    pub(super) async fn read_catalogue(&mut self, call: &Call) -> Result<Catalogue, Error> {
        let mut tables = Vec::new();
        for schema in self.schemas.clone() {
            tables.extend(self.read_schema(call, &schema).await?);
        }
        tables.sort_by(|one: &Table, other| one.name.cmp(&other.name));
        Ok(Catalogue { tables, hides_unreadable: true })
    }

    async fn read_schema(&mut self, call: &Call, schema: &str) -> Result<Vec<Table>, Error> {
        let literal = text(schema);
        let relations = format!(
            "SELECT t.TABLE_NAME, t.TABLE_TYPE, t.ENGINE, t.TABLE_ROWS FROM information_schema.TABLES AS t \
             WHERE t.TABLE_SCHEMA = {literal} AND t.TABLE_TYPE <> 'SEQUENCE'"
        );
        let columns = format!(
            "SELECT c.TABLE_NAME, c.COLUMN_NAME, c.COLUMN_TYPE, c.IS_NULLABLE, c.PRIVILEGES FROM information_schema.COLUMNS AS c \
             WHERE c.TABLE_SCHEMA = {literal} ORDER BY c.TABLE_NAME, c.ORDINAL_POSITION"
        );
        let indexes = format!(
            "SELECT s.TABLE_NAME, s.INDEX_NAME, s.NON_UNIQUE, s.COLUMN_NAME, s.SUB_PART, s.INDEX_TYPE \
             FROM information_schema.STATISTICS AS s WHERE s.TABLE_SCHEMA = {literal} \
             ORDER BY s.TABLE_NAME, s.INDEX_NAME, s.SEQ_IN_INDEX"
        );
        let foreign_keys = format!(
            "SELECT k.TABLE_NAME, k.CONSTRAINT_NAME, k.COLUMN_NAME, k.REFERENCED_TABLE_SCHEMA, k.REFERENCED_TABLE_NAME, \
             k.REFERENCED_COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE AS k WHERE k.TABLE_SCHEMA = {literal} \
             AND k.REFERENCED_TABLE_NAME IS NOT NULL ORDER BY k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION"
        );
        let relations = self.told(call, Name::Tables, &relations).await?;
        let columns = self.told(call, Name::Columns, &columns).await?;
        let indexes = self.told(call, Name::Indexes, &indexes).await?;
        let foreign_keys = self.told(call, Name::ForeignKeys, &foreign_keys).await?;

        let mut tables: HashMap<String, Table> = relations
            .iter()
            .filter_map(|answer| relation(schema, answer))
            .map(|table| (table.name.name.clone(), table))
            .collect();
        let own = |answer: &Answer| answer.text(0);
        for answer in &columns {
            let Some(table) = own(answer).and_then(|name| tables.get_mut(&name)) else { continue };
            let (Some(name), Some(declared)) = (answer.text(1), answer.text(2)) else { continue };
            let mut column = types::column(name, declared, answer.text(3).as_deref() != Some("NO"));
            column.readable =
                answer.text(4).is_none_or(|privileges| privileges.split(',').any(|word| word == "select"));
            table.columns.push(column);
        }
        for of_index in grouped(&indexes) {
            let Some(table) = of_index.first().and_then(own).and_then(|name| tables.get_mut(&name)) else { continue };
            index(table, of_index);
        }
        for of_key in grouped(&foreign_keys) {
            let Some(first) = of_key.first() else { continue };
            let Some(table) = own(first).and_then(|name| tables.get_mut(&name)) else { continue };
            let (Some(to_schema), Some(to)) = (first.text(3), first.text(4)) else { continue };
            table.foreign_keys.push(ForeignKey {
                columns: of_key.iter().filter_map(|answer| answer.text(2)).collect(),
                table: TableName::new(to_schema, to),
                to: of_key.iter().filter_map(|answer| answer.text(5)).collect(),
            });
        }
        Ok(tables.into_values().collect())
    }

    /// Answers about the catalogue, none of which was left out for a lock.
    async fn told(&mut self, call: &Call, name: Name, sql: &str) -> Result<Vec<Answer>, Error> {
        let answers = self.session.answers(call, name, sql).await?;
        let mut skipped = false;
        // ER_WARN_I_S_SKIPPED_TABLE
        let time = self.session.limits.catalogue;
        self.session
            .plainly(call, (Name::Verify, "SHOW WARNINGS LIMIT 100"), time, &mut |row| {
                let code = super::session::value(row, 1).ok().flatten();
                skipped |= code == Some(b"1684".as_slice());
                Ok(())
            })
            .await?;
        if skipped { Err(Error::Locked) } else { Ok(answers) }
    }

    /// What CHECK constraints are about, out of the statements that would make the tables: who may only read is told of none otherwise.
    pub(super) async fn read_checks(&mut self, call: &Call) -> Result<Vec<Check>, Error> {
        let mut checks = Vec::new();
        for schema in self.schemas.clone() {
            let sql = format!(
                "SELECT t.TABLE_NAME FROM information_schema.TABLES AS t WHERE t.TABLE_SCHEMA = {} \
                 AND t.TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY t.TABLE_NAME",
                text(&schema)
            );
            for answer in self.session.answers(call, Name::Tables, &sql).await? {
                let Some(table) = answer.text(0).map(|name| TableName::new(schema.as_str(), name)) else { continue };
                let sql = format!("SHOW CREATE TABLE {}", quoted(&table));
                let mut made = String::new();
                let time = self.session.limits.catalogue;
                let told = self
                    .session
                    .plainly(call, (Name::Checks, &sql), time, &mut |row| {
                        let text = super::session::value(row, 1).ok().flatten().unwrap_or_default();
                        made = String::from_utf8_lossy(text).into_owned();
                        Ok(())
                    })
                    .await;
                match told {
                    Ok(()) => {}
                    // of a table of which some columns may be read, or that is gone
                    Err(Error::PermissionDenied { .. } | Error::SchemaChanged { .. }) => continue,
                    Err(error) => return Err(error),
                }
                let conditions = conditions(&made, Escapes::Backslashes);
                checks.extend(conditions.into_iter().map(|columns| Check { table: table.clone(), columns }));
            }
        }
        Ok(checks)
    }
}

fn relation(schema: &str, answer: &Answer) -> Option<Table> {
    let engine = answer.text(2).unwrap_or_default();
    let kind = match answer.text(1)?.as_str() {
        "BASE TABLE" | "SYSTEM VERSIONED" if FOREIGN.contains(&engine.as_str()) => TableKind::Foreign,
        "BASE TABLE" | "SYSTEM VERSIONED" => TableKind::Table,
        _ => TableKind::View,
    };
    Some(Table {
        name: TableName::new(schema, answer.text(0)?),
        identity: None,
        storage: None,
        kind,
        columns: Vec::new(),
        row_number: None,
        primary_key: None,
        unique: Vec::new(),
        indexes: Vec::new(),
        foreign_keys: Vec::new(),
        estimated_rows: answer
            .integer(3)
            .filter(|_| kind == TableKind::Table)
            .and_then(|rows| u64::try_from(rows).ok()),
        pages: None,
    })
}

/// Answers in a row that have the same first two fields: those of one index, of one key.
fn grouped(answers: &[Answer]) -> impl Iterator<Item = &[Answer]> {
    answers.chunk_by(|one, other| one.text(0) == other.text(0) && one.text(1) == other.text(1))
}

/// Takes note of an index. Others than b-trees give no order; what comes after a prefix of a column is not told apart by it.
fn index(table: &mut Table, of_index: &[Answer]) {
    let Some(first) = of_index.first().filter(|first| first.text(5).as_deref() == Some("BTREE")) else { return };
    let whole = |answer: &&Answer| answer.text(4).is_none() && answer.text(3).is_some();
    let columns: Vec<String> = of_index.iter().take_while(whole).filter_map(|answer| answer.text(3)).collect();
    if columns.is_empty() {
        return;
    }
    if columns.len() == of_index.len() && first.text(2).as_deref() == Some("0") {
        if first.text(1).as_deref() == Some("PRIMARY") {
            table.primary_key = Some(columns.clone());
        }
        if !table.unique.contains(&columns) {
            table.unique.push(columns.clone());
        }
    }
    if !table.indexes.contains(&columns) {
        table.indexes.push(columns);
    }
}
