//! What changes the store. Each runs in a savepoint: an error leaves nothing behind.

use super::told::{self, Incidents};
use super::{StoreError, failed, silences, stored};
use crate::store::{Accepted, AcceptedObservation, Audited, Life, Stored};
use crate::{Keep, Principal, TokenHash};
use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use fieldmark_classify::Patience;
use fieldmark_model::observation::{Body, StateChange};
use fieldmark_model::{Outcome, Status};
use rusqlite::{Connection, OptionalExtension as _, params};

/// Observations that are removed at once.
const PIECE: i64 = 5_000;

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn begin_life(connection: &Connection, life: &Life, now: DateTime<Utc>) -> Result<(), StoreError> {
    let sql = "INSERT INTO agents (name, incarnation, version, last_seen) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (name) DO UPDATE SET incarnation = ?2, version = ?3, last_seen = ?4";
    let parameters = params![life.agent, number(life.incarnation), life.version, stored(now)];
    connection.prepare_cached(sql)?.execute(parameters)?;
    Ok(())
}

pub(super) fn ingest(connection: &Connection, batch: &Accepted, patience: Patience) -> Result<Stored, StoreError> {
    let own = number(batch.incarnation);
    let holder = connection
        .prepare_cached("SELECT incarnation FROM agents WHERE name = ?1")?
        .query_row([&batch.agent], |row| row.get::<_, Option<i64>>(0))
        .optional()?
        .flatten();
    if holder.is_some_and(|holder| holder != own) {
        return Err(StoreError::Fenced { agent: batch.agent.clone() });
    }
    let seen = "INSERT INTO agents (name, incarnation, last_seen) VALUES (?1, ?2, ?3)
                ON CONFLICT (name) DO UPDATE SET incarnation = ?2, last_seen = ?3";
    connection.prepare_cached(seen)?.execute(params![batch.agent, own, stored(batch.received)])?;
    let mut result = Stored::default();
    let mut incidents = Incidents::of(connection, &batch.agent, batch.received, patience);
    for observation in &batch.observations {
        if is_there(connection, observation)? {
            result.repeated += 1;
            continue;
        }
        insert(connection, observation, batch.received)?;
        match &observation.body {
            Some(Body::Outcome(outcome)) => of_outcome(connection, observation, outcome, batch.received)?,
            Some(Body::State(change)) => {
                of_state(connection, observation, change, batch.received)?;
                incidents.changed(observation, change)?;
            }
            Some(Body::Unwell(unwell)) => incidents.reconcile(observation, unwell)?,
            Some(Body::Heartbeat(health)) => {
                let health = serde_json::to_string(health).map_err(|_| failed("a health that cannot be written"))?;
                let sql = "UPDATE agents SET health = ?2, version = json_extract(?2, '$.version') WHERE name = ?1";
                connection.prepare_cached(sql)?.execute(params![batch.agent, health])?;
            }
            Some(Body::Migration(seen)) => {
                told::migrated(connection, &batch.agent, (observation.time, seen), batch.received)?;
            }
            // a clock that is ahead does not keep what comes later out
            Some(Body::Lineage(seen)) => {
                super::lineage::record(connection, seen, observation.time.min(batch.received))?
            }
            Some(Body::Finding(_) | Body::Source(_) | Body::Mark(_) | Body::Loss(_)) | None => {}
        }
        result.new += 1;
    }
    incidents.write()?;
    Ok(result)
}

/// Whether it was stored before, and is the same.
fn is_there(connection: &Connection, observation: &AcceptedObservation) -> Result<bool, StoreError> {
    let id = &observation.id;
    let key = params![id.agent, number(id.incarnation), number(id.sequence)];
    let known = connection
        .prepare_cached("SELECT digest FROM observations WHERE agent = ?1 AND incarnation = ?2 AND sequence = ?3")?
        .query_row(key, |row| row.get::<_, Vec<u8>>(0))
        .optional()?;
    if let Some(known) = known {
        return if known == observation.digest {
            Ok(true)
        } else {
            let (agent, incarnation, sequence) = (id.agent.clone(), id.incarnation, id.sequence);
            Err(StoreError::AnotherDigest { agent, incarnation, sequence })
        };
    }
    // one that was removed by age
    let floor = connection
        .prepare_cached("SELECT sequence FROM floors WHERE agent = ?1 AND incarnation = ?2")?
        .query_row(params![id.agent, number(id.incarnation)], |row| row.get::<_, i64>(0))
        .optional()?;
    Ok(floor.is_some_and(|floor| number(id.sequence) <= floor))
}

fn insert(
    connection: &Connection,
    observation: &AcceptedObservation,
    received: DateTime<Utc>,
) -> Result<(), StoreError> {
    let (id, body) = (&observation.id, observation.body.as_ref());
    let sql = "INSERT INTO observations
               (agent, incarnation, sequence, digest, time, received, kind, source, of_table, rule, body)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    connection.prepare_cached(sql)?.execute(params![
        id.agent,
        number(id.incarnation),
        number(id.sequence),
        observation.digest,
        stored(observation.time),
        stored(received),
        observation.kind,
        body.and_then(Body::source).map(|source| source.as_str().to_owned()),
        body.and_then(Body::table).map(ToString::to_string),
        body.and_then(Body::rule).map(|rule| rule.as_str().to_owned()),
        observation.json,
    ])?;
    Ok(())
}

/// The rule as it is now, and its hour's sum.
fn of_outcome(
    connection: &Connection,
    seen: &AcceptedObservation,
    outcome: &Outcome,
    received: DateTime<Utc>,
) -> Result<(), StoreError> {
    // a clock that is ahead does not keep what comes later out
    let (agent, seen) = (&seen.id.agent, seen.time.min(received));
    let text = serde_json::to_string(outcome).map_err(|_| failed("an outcome that cannot be written"))?;
    let (source, table, rule) = (outcome.source.as_str(), outcome.table.to_string(), outcome.rule.as_str());
    // what comes late does not replace what is newer
    let sql = "INSERT INTO rules (source, of_table, rule, agent, time, outcome) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
               ON CONFLICT (source, of_table, rule, agent) DO UPDATE SET time = ?5, outcome = ?6
               WHERE rules.time IS NULL OR rules.time <= ?5";
    connection.prepare_cached(sql)?.execute(params![source, table, rule, agent, stored(seen), text])?;
    let hour = seen.duration_trunc(TimeDelta::hours(1)).unwrap_or(seen);
    let is = |status| i64::from(outcome.status == status);
    let sql = "INSERT INTO hours VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
               ON CONFLICT (source, of_table, rule, agent, hour) DO UPDATE SET
               checks = checks + 1, passed = passed + ?6, failed = failed + ?7, inconclusive = inconclusive + ?8,
               not_evaluated = not_evaluated + ?9, checked_rows = checked_rows + ?10, failed_rows = failed_rows + ?11,
               worst = max(coalesce(worst, ?12), coalesce(?12, worst))";
    connection.prepare_cached(sql)?.execute(params![
        source,
        table,
        rule,
        agent,
        stored(hour),
        is(Status::Passed),
        is(Status::Failed),
        is(Status::Inconclusive),
        is(Status::NotEvaluated),
        number(outcome.checked.unwrap_or(0)),
        number(outcome.failed),
        outcome.fraction,
    ])?;
    Ok(())
}

/// The state that a rule is in now.
fn of_state(
    connection: &Connection,
    seen: &AcceptedObservation,
    change: &StateChange,
    received: DateTime<Utc>,
) -> Result<(), StoreError> {
    let (Some(table), Some(rule)) = (&change.table, &change.rule) else { return Ok(()) };
    let sql = "INSERT INTO rules (source, of_table, rule, agent, state, state_reason, state_since, state_time)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
               ON CONFLICT (source, of_table, rule, agent) DO UPDATE SET
               state = ?5, state_reason = ?6, state_since = ?7, state_time = ?8
               WHERE rules.state_time IS NULL OR rules.state_time <= ?8";
    connection.prepare_cached(sql)?.execute(params![
        change.source.as_str(),
        table.to_string(),
        rule.as_str(),
        seen.id.agent,
        change.to.as_str(),
        change.reason,
        stored(change.since),
        stored(seen.time.min(received)),
    ])?;
    Ok(())
}

pub(super) fn enrol(
    connection: &Connection,
    principal: &Principal,
    token: TokenHash,
    by: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO principals (name, role, token, enrolled, enrolled_by) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (name) DO UPDATE SET
               role = ?2, token = ?3, enrolled = ?4, enrolled_by = ?5, revoked = NULL, revoked_by = NULL
               WHERE revoked IS NOT NULL";
    let parameters = params![principal.name, principal.role.as_str(), token.0, stored(now), by];
    if connection.prepare_cached(sql)?.execute(parameters)? == 0 {
        return Err(StoreError::Taken { name: principal.name.clone() });
    }
    let detail = format!("{} as {}", principal.name, principal.role.as_str());
    audit(connection, &Audited { time: now, who: by.to_owned(), what: "enrol".to_owned(), detail })
}

pub(super) fn revoke(connection: &Connection, name: &str, by: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
    let sql = "UPDATE principals SET revoked = ?2, revoked_by = ?3 WHERE name = ?1 AND revoked IS NULL";
    if connection.prepare_cached(sql)?.execute(params![name, stored(now), by])? == 0 {
        return Err(StoreError::Unknown { name: name.to_owned() });
    }
    let (who, detail) = (by.to_owned(), name.to_owned());
    audit(connection, &Audited { time: now, who, what: "revoke".to_owned(), detail })
}

pub(super) fn audit(connection: &Connection, audited: &Audited) -> Result<(), StoreError> {
    let sql = "INSERT INTO audit (time, who, what, detail) VALUES (?1, ?2, ?3, ?4)";
    let Audited { time, who, what, detail } = audited;
    connection.prepare_cached(sql)?.execute(params![stored(*time), who, what, detail])?;
    Ok(())
}

/// Removes a piece of what is too old. Of each life it is noted how far it was stored, before anything of it is removed.
pub(super) fn retain(connection: &Connection, now: DateTime<Utc>, keep: Keep) -> Result<u64, StoreError> {
    let before = |keep| TimeDelta::from_std(keep).ok().and_then(|keep| now.checked_sub_signed(keep));
    let mut removed = 0;
    for (is_outcome, keep) in [(true, keep.outcomes), (false, keep.rollups)] {
        let Some(before) = before(keep) else { continue };
        let which = if is_outcome { "kind = 'outcome'" } else { "kind <> 'outcome'" };
        let old = format!(
            "SELECT agent, incarnation, sequence FROM observations WHERE {which} AND received < ?1
                           ORDER BY received, agent, incarnation, sequence LIMIT {PIECE}"
        );
        let floors = format!(
            "INSERT INTO floors SELECT agent, incarnation, max(sequence) FROM ({old}) WHERE true GROUP BY agent, incarnation
             ON CONFLICT (agent, incarnation) DO UPDATE SET sequence = max(sequence, excluded.sequence)"
        );
        connection.execute(&floors, [stored(before)])?;
        let delete = format!("DELETE FROM observations WHERE (agent, incarnation, sequence) IN ({old})");
        removed += connection.execute(&delete, [stored(before)])?;
    }
    if let Some(before) = before(keep.rollups) {
        connection.execute("DELETE FROM hours WHERE hour < ?1", [stored(before)])?;
        connection.execute("DELETE FROM audit WHERE time < ?1", [stored(before)])?;
        silences::retain(connection, before)?;
        told::retain(connection, before)?;
        super::lineage::retain(connection, before)?;
    }
    Ok(removed as u64)
}
