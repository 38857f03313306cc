//! What nobody is to be told of for a while.

use super::read::all;
use super::{StoreError, failed, stored};
use crate::store::{SilenceRow, Silenced};
use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension as _, params};

fn silenced(text: &str) -> Result<Silenced, StoreError> {
    serde_json::from_str(text).map_err(|_| failed("a silence that is none"))
}

fn text_of(silenced: &Silenced) -> Result<String, StoreError> {
    serde_json::to_string(silenced).map_err(|_| failed("a silence that cannot be written"))
}

pub(super) fn add(connection: &Connection, silenced: &Silenced) -> Result<i64, StoreError> {
    let sql = "INSERT INTO silences (body, until) VALUES (?1, ?2)";
    connection.prepare_cached(sql)?.execute(params![text_of(silenced)?, stored(silenced.until)])?;
    Ok(connection.last_insert_rowid())
}

/// Those that were in force then, or are later; the newest first.
pub(super) fn since(connection: &Connection, then: DateTime<Utc>) -> Result<Vec<SilenceRow>, StoreError> {
    let sql = "SELECT id, body FROM silences WHERE until > ?1 ORDER BY id DESC";
    // one that another version has written keeps nobody from the others
    let rows = all(connection, sql, &[&stored(then)], |row| {
        let (id, body) = (row.get(0)?, row.get::<_, String>(1)?);
        Ok(silenced(&body).ok().map(|silenced| SilenceRow { id, silenced }))
    })?;
    Ok(rows.into_iter().flatten().collect())
}

/// It is over before its time: whatever it kept from being told is.
pub(super) fn end(connection: &Connection, id: i64, by: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
    let sql = "SELECT body FROM silences WHERE id = ?1 AND until > ?2";
    let text = connection.prepare_cached(sql)?.query_row(params![id, stored(now)], |row| row.get::<_, String>(0));
    let Some(text) = text.optional()? else { return Err(StoreError::Unknown { name: format!("the silence {id}") }) };
    let over = Silenced { until: now, ended_by: Some(by.to_owned()), ..silenced(&text)? };
    let sql = "UPDATE silences SET body = ?2, until = ?3 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![id, text_of(&over)?, stored(now)])?;
    connection.execute("UPDATE notices SET held = NULL WHERE dispatched IS NULL AND held IS NOT NULL", [])?;
    Ok(())
}

/// Removes what is over since then.
pub(super) fn retain(connection: &Connection, before: DateTime<Utc>) -> Result<(), StoreError> {
    connection.execute("DELETE FROM silences WHERE until < ?1", [stored(before)])?;
    Ok(())
}
