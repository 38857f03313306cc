//! What is asked of the store.

use super::{StoreError, failed, stored};
use crate::store::{AgentRow, Audited, Hour, PrincipalRow, RuleNow, Wanted};
use crate::{Principal, Role, TokenHash};
use chrono::{DateTime, Utc};
use fieldmark_model::observation::{Observation, ObservationId};
use fieldmark_model::{RuleId, SourceName, TableName};
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params};

pub(super) fn time(text: &str) -> Result<DateTime<Utc>, StoreError> {
    text.parse().map_err(|_| failed("a time that is none"))
}

pub(super) fn times(text: Option<String>) -> Result<Option<DateTime<Utc>>, StoreError> {
    text.as_deref().map(time).transpose()
}

fn count(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(at)?).unwrap_or(0))
}

/// Every row of an answer.
pub(super) fn all<T>(
    connection: &Connection,
    sql: &str,
    parameters: &[&dyn ToSql],
    mut of: impl FnMut(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(of(row)?);
    }
    Ok(all)
}

pub(super) fn principal(connection: &Connection, token: TokenHash) -> Result<Option<Principal>, StoreError> {
    let found = connection
        .prepare_cached("SELECT name, role FROM principals WHERE token = ?1 AND revoked IS NULL")?
        .query_row(params![token.0], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
        .optional()?;
    found.map(|(name, role)| Ok(Principal { name, role: role_of(&role)? })).transpose()
}

fn role_of(word: &str) -> Result<Role, StoreError> {
    Role::of(word).ok_or_else(|| failed("a role that is none"))
}

pub(super) fn principals(connection: &Connection) -> Result<Vec<PrincipalRow>, StoreError> {
    let sql = "SELECT name, role, enrolled, enrolled_by, revoked, revoked_by FROM principals ORDER BY name";
    all(connection, sql, &[], |row| {
        Ok(PrincipalRow {
            name: row.get(0)?,
            role: role_of(&row.get::<_, String>(1)?)?,
            enrolled: time(&row.get::<_, String>(2)?)?,
            enrolled_by: row.get(3)?,
            revoked: times(row.get(4)?)?,
            revoked_by: row.get(5)?,
        })
    })
}

pub(super) fn audits(connection: &Connection, limit: usize) -> Result<Vec<Audited>, StoreError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    all(connection, "SELECT time, who, what, detail FROM audit ORDER BY id DESC LIMIT ?1", &[&limit], |row| {
        Ok(Audited { time: time(&row.get::<_, String>(0)?)?, who: row.get(1)?, what: row.get(2)?, detail: row.get(3)? })
    })
}

pub(super) fn agents(connection: &Connection) -> Result<Vec<AgentRow>, StoreError> {
    all(connection, "SELECT name, version, last_seen, health FROM agents ORDER BY name", &[], |row| {
        let health = row.get::<_, Option<String>>(3)?;
        Ok(AgentRow {
            name: row.get(0)?,
            version: row.get(1)?,
            last_seen: times(row.get(2)?)?,
            health: health.and_then(|health| serde_json::from_str(&health).ok()),
        })
    })
}

pub(super) fn observations(connection: &Connection, wanted: &Wanted) -> Result<Vec<Observation>, StoreError> {
    let mut conditions = Vec::new();
    let mut parameters: Vec<String> = Vec::new();
    for (condition, value) in [
        ("kind = ?", wanted.kind.clone()),
        ("agent = ?", wanted.agent.clone()),
        ("source = ?", wanted.source.as_ref().map(ToString::to_string)),
        ("of_table = ?", wanted.table.as_ref().map(ToString::to_string)),
        ("rule = ?", wanted.rule.as_ref().map(ToString::to_string)),
        ("time >= ?", wanted.since.map(stored)),
        ("time < ?", wanted.before.map(stored)),
    ] {
        if let Some(value) = value {
            conditions.push(condition);
            parameters.push(value);
        }
    }
    let condition = if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") };
    let sql = format!(
        "SELECT agent, incarnation, sequence, time, body FROM observations WHERE {condition}
         ORDER BY time DESC, agent, incarnation, sequence DESC LIMIT {}",
        wanted.limit
    );
    let parameters: Vec<&dyn ToSql> = parameters.iter().map(|value| value as &dyn ToSql).collect();
    let found = all(connection, &sql, &parameters, |row| {
        let id = ObservationId { agent: row.get(0)?, incarnation: count(row, 1)?, sequence: count(row, 2)? };
        let (time, body) = (time(&row.get::<_, String>(3)?)?, row.get::<_, String>(4)?);
        // a newer agent's, which this version does not know, is kept and not told
        Ok(serde_json::from_str(&body).ok().map(|body| Observation { id, time, body }))
    })?;
    Ok(found.into_iter().flatten().collect())
}

pub(super) fn rules(connection: &Connection, source: Option<&SourceName>) -> Result<Vec<RuleNow>, StoreError> {
    let sql = "SELECT time, agent, outcome, state, state_reason, state_since FROM rules
               WHERE outcome IS NOT NULL AND (?1 IS NULL OR source = ?1) ORDER BY source, of_table, rule, agent";
    let source = source.map(ToString::to_string);
    all(connection, sql, &[&source], |row| {
        let outcome = row.get::<_, String>(2)?;
        let state = row.get::<_, Option<String>>(3)?;
        let state = state.map(|word| serde_json::from_value(word.into())).transpose();
        Ok(RuleNow {
            time: time(&row.get::<_, String>(0)?)?,
            agent: row.get(1)?,
            outcome: serde_json::from_str(&outcome).map_err(|_| failed("an outcome that is none"))?,
            state: state.map_err(|_| failed("a state that is none"))?,
            state_reason: row.get(4)?,
            state_since: times(row.get(5)?)?,
        })
    })
}

pub(super) fn hours(
    connection: &Connection,
    source: &SourceName,
    table: &TableName,
    rule: &RuleId,
    since: DateTime<Utc>,
) -> Result<Vec<Hour>, StoreError> {
    let sql =
        "SELECT hour, checks, passed, failed, inconclusive, not_evaluated, checked_rows, failed_rows, worst, agent
               FROM hours WHERE source = ?1 AND of_table = ?2 AND rule = ?3 AND hour >= ?4 ORDER BY hour, agent";
    let (table, since) = (table.to_string(), stored(since));
    all(connection, sql, &[&source.as_str(), &table, &rule.as_str(), &since], |row| {
        Ok(Hour {
            hour: time(&row.get::<_, String>(0)?)?,
            checks: count(row, 1)?,
            passed: count(row, 2)?,
            failed: count(row, 3)?,
            inconclusive: count(row, 4)?,
            not_evaluated: count(row, 5)?,
            checked_rows: count(row, 6)?,
            failed_rows: count(row, 7)?,
            worst: row.get(8)?,
            agent: row.get(9)?,
        })
    })
}
