//! Incidents, and who is told of them. What changes the store runs in a savepoint: an error leaves nothing behind.

use super::read::{all, time, times};
use super::{StoreError, failed, stored};
use crate::lineage::Direction;
use crate::principal::hexadecimal;
use crate::store::{
    About, AcceptedObservation, Delivery, DeliveryRow, Migrated, Notified, Settled, Unanswered, WantedIncidents,
};
use chrono::{DateTime, TimeDelta, Utc};
use fieldmark_classify::Patience;
use fieldmark_classify::incident::{
    Acknowledged, Incident, Kin, Notice, Over, Silence, Step, Subject, Told, acknowledges, reconciled, takes,
};
use fieldmark_model::SourceName;
use fieldmark_model::observation::{MigrationSeen, Phase, State, StateChange, Unwell};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;

/// A change of state that was seen so long ago comes late, and what it opens is told after so long.
const LATE: TimeDelta = TimeDelta::minutes(5);
const REST: TimeDelta = TimeDelta::seconds(60);

fn incident_of(text: &str) -> Result<Incident, StoreError> {
    serde_json::from_str(text).map_err(|_| failed("an incident that is none"))
}

fn text_of(incident: &Incident) -> Result<String, StoreError> {
    serde_json::to_string(incident).map_err(|_| failed("an incident that cannot be written"))
}

/// Incidents that can be read. One that another version has written in another form is left as it is: it keeps nobody from going on.
fn readable(texts: Vec<String>) -> Vec<Incident> {
    texts.iter().filter_map(|text| incident_of(text).ok()).collect()
}

/// The incidents that something changes: read when they are first needed, and written once, when all of it was seen.
pub(super) struct Incidents<'c> {
    connection: &'c Connection,
    agent: String,
    now: DateTime<Utc>,
    patience: Patience,
    /// Those that are open, or were until a short time ago, and which of them are others now.
    known: Option<(Vec<Incident>, BTreeSet<usize>)>,
}

impl<'c> Incidents<'c> {
    pub(super) fn of(connection: &'c Connection, agent: &str, now: DateTime<Utc>, patience: Patience) -> Self {
        Self { connection, agent: agent.to_owned(), now, patience, known: None }
    }

    fn known(&mut self) -> Result<&mut (Vec<Incident>, BTreeSet<usize>), StoreError> {
        if self.known.is_none() {
            let sql = "SELECT body FROM incidents WHERE resolved IS NULL OR resolved >= ?1 ORDER BY opened, id";
            let since = stored(self.now - self.patience.to_remember());
            let texts = all(self.connection, sql, &[&since], |row| Ok(row.get::<_, String>(0)?))?;
            self.known = Some((readable(texts), BTreeSet::new()));
        }
        self.known.as_mut().ok_or_else(|| failed("incidents that are not there"))
    }

    /// The sources of which the agent has parts in what is open.
    fn sources_open(&mut self) -> Result<BTreeSet<SourceName>, StoreError> {
        let agent = self.agent.clone();
        let (known, _) = self.known()?;
        let parts = known.iter().filter(|incident| incident.is_open()).flat_map(|incident| &incident.parts);
        Ok(parts.filter(|part| part.agent == agent).filter_map(|part| part.source.clone()).collect())
    }

    /// A state has changed: its incident as it is then, and what is to be told of it.
    pub(super) fn changed(&mut self, seen: &AcceptedObservation, change: &StateChange) -> Result<(), StoreError> {
        self.takes(seen, change, 0)
    }

    /// An agent has said all that it holds to be wrong: what is open comes to say the same.
    pub(super) fn reconcile(&mut self, seen: &AcceptedObservation, unwell: &Unwell) -> Result<(), StoreError> {
        let agent = self.agent.clone();
        let mut sources = self.sources_open()?;
        sources.extend(unwell.sources.iter().map(|own| own.source.clone()));
        let mut number = 0;
        for source in sources {
            let wrong = unwell.sources.iter().find(|own| own.source == source);
            let wrong = wrong.map(|own| own.states.as_slice()).unwrap_or_default();
            let (known, _) = self.known()?;
            for change in reconciled(known, &agent, &source, wrong) {
                number += 1;
                self.takes(seen, &change, number)?;
            }
        }
        Ok(())
    }

    fn takes(&mut self, seen: &AcceptedObservation, change: &StateChange, number: u64) -> Result<(), StoreError> {
        let id = format!("{}/{}/{}/{number}", self.agent, seen.id.incarnation, seen.id.sequence);
        self.apply(seen.time, Subject::State(change), &id)
    }

    /// Nothing is heard of the agent any more, or something is again.
    pub(super) fn silent(&mut self, silence: &Silence) -> Result<(), StoreError> {
        let id = format!("{}/silent/{}", self.agent, stored(silence.since));
        self.apply(self.now, Subject::Silence(silence), &id)
    }

    fn apply(&mut self, time: DateTime<Utc>, change: Subject<'_>, id: &str) -> Result<(), StoreError> {
        let (agent, now, patience, connection) = (self.agent.clone(), self.now, self.patience, self.connection);
        // the same, however often the same is told
        let id = hexadecimal(Sha256::digest(id.as_bytes()).get(..8).unwrap_or_default());
        let (known, changed) = self.known()?;
        let kin = kin(connection, known, change)?;
        let told = Told { agent: &agent, time, change };
        let Some(Step { at, notice }) = takes(known, told, &id, now, patience, &kin) else { return Ok(()) };
        changed.insert(at);
        if let (Some(notice), Some(incident)) = (notice, known.get(at)) {
            // what comes late may be over already: the rest of what was kept meanwhile comes first
            let late = notice.begins() && now - time > LATE;
            notify(connection, incident, notice, now, late.then(|| now + REST))?;
        }
        Ok(())
    }

    /// An agent is not waited for any more: whatever it held to be wrong is nobody's concern.
    pub(super) fn departs(&mut self) -> Result<(), StoreError> {
        let (agent, now) = (self.agent.clone(), self.now);
        for source in self.sources_open()? {
            let (known, _) = self.known()?;
            for (number, change) in reconciled(known, &agent, &source, &[]).iter().enumerate() {
                let id = format!("{agent}/departs/{}/{source}/{number}", stored(now));
                self.apply(now, Subject::State(change), &id)?;
            }
        }
        Ok(())
    }

    /// Writes those that are others now.
    pub(super) fn write(self) -> Result<(), StoreError> {
        let Some((known, changed)) = &self.known else { return Ok(()) };
        changed.iter().filter_map(|at| known.get(*at)).try_for_each(|incident| write(self.connection, incident))
    }
}

/// The tables that the one that this is of is made from, and that are made from it; asked for where it may join what is open of the same source.
fn kin(connection: &Connection, known: &[Incident], change: Subject<'_>) -> Result<Kin, StoreError> {
    let Subject::State(StateChange { source, table: Some(table), to, .. }) = change else { return Ok(Kin::default()) };
    let is_like = |incident: &Incident| incident.is_open() && incident.sources().any(|own| own == source);
    if !matches!(to, State::Systemic | State::Flapping) || !known.iter().any(is_like) {
        return Ok(Kin::default());
    }
    let related = |direction| super::lineage::related(connection, source, table, direction);
    Ok(Kin { up: related(Direction::Up)?, down: related(Direction::Down)? })
}

/// What is to be told of an incident, as it is now; not before then. Where it is to be told already that something is wrong with it, that is enough: it is
/// told as it is by then.
fn notify(
    connection: &Connection,
    incident: &Incident,
    notice: Notice,
    now: DateTime<Utc>,
    held: Option<DateTime<Utc>>,
) -> Result<(), StoreError> {
    let waits = "SELECT 1 FROM notices WHERE incident = ?1 AND dispatched IS NULL
                 AND notice IN ('opened', 'risen', 'joined', 'reopened')";
    if matches!(notice, Notice::Risen | Notice::Joined) && connection.prepare_cached(waits)?.exists([&incident.id])? {
        return Ok(());
    }
    let sql = "INSERT INTO notices (incident, notice, time, body, held) VALUES (?1, ?2, ?3, ?4, ?5)";
    let parameters = params![incident.id, notice.as_str(), stored(now), text_of(incident)?, held.map(stored)];
    connection.prepare_cached(sql)?.execute(parameters)?;
    Ok(())
}

/// A migration is over: told once, whoever tells it again.
pub(super) fn migrated(
    connection: &Connection,
    agent: &str,
    (time, seen): (DateTime<Utc>, &MigrationSeen),
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let verdict = match &seen.phase {
        Phase::Judged { report } => Some(report.verdict.as_str().to_owned()),
        Phase::Unjudged { .. } => None,
        Phase::Open { .. } | Phase::Ended { .. } => return Ok(()),
    };
    let migrated = Migrated {
        agent: agent.to_owned(),
        source: seen.source.clone(),
        id: seen.id.clone(),
        name: seen.name.clone(),
        began: seen.began,
        ended: time,
        verdict,
    };
    let body = serde_json::to_string(&migrated).map_err(|_| failed("a migration that cannot be written"))?;
    let about = format!("{agent}/{}", seen.id);
    let sql = "INSERT INTO notices (incident, notice, time, body) SELECT ?1, ?2, ?3, ?4
               WHERE NOT EXISTS (SELECT 1 FROM notices WHERE incident = ?1)";
    connection.prepare_cached(sql)?.execute(params![about, Notice::Migrated.as_str(), stored(now), body])?;
    Ok(())
}

fn write(connection: &Connection, incident: &Incident) -> Result<(), StoreError> {
    let sql = "INSERT INTO incidents (id, opened, resolved, body) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (id) DO UPDATE SET resolved = ?3, body = ?4";
    let (opened, resolved) = (stored(incident.opened), incident.resolved.map(stored));
    connection.prepare_cached(sql)?.execute(params![incident.id, opened, resolved, text_of(incident)?])?;
    Ok(())
}

pub(super) fn incidents(connection: &Connection, wanted: &WantedIncidents) -> Result<Vec<Incident>, StoreError> {
    let sql = "SELECT body FROM incidents
               WHERE (?1 IS NULL OR EXISTS (
                   SELECT 1 FROM json_each(body, '$.parts') AS part WHERE part.value ->> 'source' = ?1))
               AND (NOT ?2 OR resolved IS NULL)
               ORDER BY opened DESC, id LIMIT ?3";
    let source = wanted.source.as_ref().map(|source| source.as_str());
    let limit = i64::try_from(wanted.limit).unwrap_or(i64::MAX);
    Ok(readable(all(connection, sql, &[&source, &wanted.open, &limit], |row| Ok(row.get::<_, String>(0)?))?))
}

pub(super) fn incident(connection: &Connection, id: &str) -> Result<Option<Incident>, StoreError> {
    let sql = "SELECT body FROM incidents WHERE id = ?1";
    let text = connection.prepare_cached(sql)?.query_row([id], |row| row.get::<_, String>(0)).optional()?;
    Ok(readable(text.into_iter().collect()).pop())
}

pub(super) fn silent(
    connection: &Connection,
    agent: &str,
    silence: &Silence,
    now: DateTime<Utc>,
    patience: Patience,
) -> Result<(), StoreError> {
    let mut incidents = Incidents::of(connection, agent, now, patience);
    incidents.silent(silence)?;
    incidents.write()
}

pub(super) fn departs(
    connection: &Connection,
    agent: &str,
    now: DateTime<Utc>,
    patience: Patience,
) -> Result<(), StoreError> {
    let mut incidents = Incidents::of(connection, agent, now, patience);
    incidents.departs()?;
    incidents.write()
}

pub(super) fn acknowledge(connection: &Connection, id: &str, by: Acknowledged) -> Result<Incident, StoreError> {
    let unknown = || StoreError::Unknown { name: format!("the incident {id}") };
    let mut incident = incident(connection, id)?.ok_or_else(unknown)?;
    let now = by.at;
    let notice = acknowledges(&mut incident, by).map_err(|Over| StoreError::Over { id: id.to_owned() })?;
    write(connection, &incident)?;
    if let Some(notice) = notice {
        notify(connection, &incident, notice, now, None)?;
    }
    Ok(incident)
}

pub(super) fn hold(connection: &Connection, notice: i64, until: DateTime<Utc>) -> Result<(), StoreError> {
    let sql = "UPDATE notices SET held = ?2 WHERE id = ?1 AND dispatched IS NULL";
    connection.prepare_cached(sql)?.execute(params![notice, stored(until)])?;
    Ok(())
}

/// Open incidents that nobody has taken up, and when each route told of them first.
pub(super) fn unanswered(connection: &Connection) -> Result<Vec<Unanswered>, StoreError> {
    let sql = "SELECT i.body, d.route, min(d.settled) FROM incidents i
               JOIN notices n ON n.incident = i.id JOIN deliveries d ON d.notice = n.id
               WHERE i.resolved IS NULL AND i.body ->> '$.acknowledged' IS NULL AND d.result = 'taken'
               AND n.id >= (SELECT max(m.id) FROM notices m WHERE m.incident = i.id AND m.notice IN ('opened', 'reopened'))
               GROUP BY i.id, d.route ORDER BY i.opened, i.id, d.route";
    let rows = all(connection, sql, &[], |row| {
        let (text, route, told) = (row.get::<_, String>(0)?, row.get(1)?, times(row.get(2)?)?);
        Ok(incident_of(&text).ok().zip(told).map(|(incident, told)| Unanswered { incident, route, told }))
    })?;
    Ok(rows.into_iter().flatten().collect())
}

/// Tells of an incident over one more route, once; whether it was not before.
pub(super) fn escalate(connection: &Connection, id: &str, route: &str, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let Some(incident) = incident(connection, id)?.filter(|own| own.is_open() && own.acknowledged.is_none()) else {
        return Ok(false);
    };
    let told = "SELECT 1 FROM deliveries d JOIN notices n ON n.id = d.notice WHERE n.incident = ?1 AND d.route = ?2
                AND n.id >= (SELECT max(m.id) FROM notices m WHERE m.incident = ?1 AND m.notice IN ('opened', 'reopened'))";
    if connection.prepare_cached(told)?.exists(params![id, route])? {
        return Ok(false);
    }
    notify(connection, &incident, Notice::Escalated, now, None)?;
    dispatch(connection, connection.last_insert_rowid(), &[route.to_owned()], None, now)?;
    Ok(true)
}

/// The columns `id, notice, time, body` of a notice, from this one on; `None` where another version has written it in another form.
fn notified(row: &Row<'_>, at: usize) -> Result<Option<Notified>, StoreError> {
    let notice = Notice::of(row.get::<_, String>(at + 1)?.as_str());
    let body = row.get::<_, String>(at + 3)?;
    let about = match notice {
        Some(Notice::Migrated) => serde_json::from_str(&body).ok().map(About::Migration),
        Some(_) | None => serde_json::from_str(&body).ok().map(About::Incident),
    };
    let (id, time) = (row.get(at)?, time(&row.get::<_, String>(at + 2)?)?);
    Ok(notice.zip(about).map(|(notice, about)| Notified { id, notice, time, about }))
}

pub(super) fn undispatched(
    connection: &Connection,
    now: DateTime<Utc>,
    limit: usize,
) -> Result<Vec<Notified>, StoreError> {
    let sql = "SELECT id, notice, time, body FROM notices
               WHERE dispatched IS NULL AND (held IS NULL OR held <= ?1) ORDER BY id LIMIT ?2";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let waiting = all(connection, sql, &[&stored(now), &limit], |row| notified(row, 0))?;
    Ok(waiting.into_iter().flatten().collect())
}

pub(super) fn untold(connection: &Connection) -> Result<(), StoreError> {
    let sql = "UPDATE notices SET dispatched = NULL WHERE id IN (
                   SELECT max(n.id) FROM notices n JOIN incidents i ON i.id = n.incident WHERE i.resolved IS NULL
                   GROUP BY n.incident
                   HAVING NOT EXISTS (
                       SELECT 1 FROM deliveries d JOIN notices m ON m.id = d.notice WHERE m.incident = n.incident))";
    connection.execute(sql, [])?;
    // whether they are silenced is asked anew: a window of the configuration may be another one
    connection.execute("UPDATE notices SET held = NULL WHERE dispatched IS NULL", [])?;
    Ok(())
}

pub(super) fn told_over(connection: &Connection, incident: &str) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT DISTINCT d.route FROM deliveries d JOIN notices n ON n.id = d.notice
               WHERE n.incident = ?1 AND n.notice NOT IN ('resolved', 'acknowledged')
               AND (d.settled IS NULL OR d.result = 'taken' OR d.result LIKE 'perhaps%') ORDER BY d.route";
    all(connection, sql, &[&incident], |row| Ok(row.get(0)?))
}

pub(super) fn told_open(connection: &Connection) -> Result<Vec<(Incident, Vec<String>)>, StoreError> {
    let sql = "SELECT i.body, json_group_array(DISTINCT d.route) FROM incidents i
               JOIN notices n ON n.incident = i.id JOIN deliveries d ON d.notice = n.id
               WHERE i.resolved IS NULL AND d.result = 'taken' GROUP BY i.id ORDER BY i.opened, i.id";
    let rows = all(connection, sql, &[], |row| {
        let routes = serde_json::from_str(&row.get::<_, String>(1)?).map_err(|_| failed("routes that are none"))?;
        Ok(incident_of(&row.get::<_, String>(0)?).ok().map(|incident| (incident, routes)))
    })?;
    Ok(rows.into_iter().flatten().collect())
}

pub(super) fn waiting(connection: &Connection) -> Result<(u64, Option<DateTime<Utc>>), StoreError> {
    let sql = "SELECT count(*), min(time) FROM (
                   SELECT n.time FROM notices n WHERE n.dispatched IS NULL AND n.held IS NULL
                   UNION ALL
                   SELECT n.time FROM deliveries d JOIN notices n ON n.id = d.notice WHERE d.settled IS NULL)";
    let rows =
        all(connection, sql, &[], |row| Ok((u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0), times(row.get(1)?)?)))?;
    Ok(rows.into_iter().next().unwrap_or_default())
}

pub(super) fn reroute(connection: &Connection, notice: i64, route: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
    let sql = "INSERT INTO deliveries (notice, route, due) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    connection.prepare_cached(sql)?.execute(params![notice, route, stored(now)])?;
    Ok(())
}

pub(super) fn dispatch(
    connection: &Connection,
    notice: i64,
    routes: &[String],
    incident: Option<&Incident>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let body = incident.map(text_of).transpose()?;
    let sql = "UPDATE notices SET dispatched = ?2, body = coalesce(?3, body) WHERE id = ?1 AND dispatched IS NULL";
    if connection.prepare_cached(sql)?.execute(params![notice, stored(now), body])? == 0 {
        return Ok(());
    }
    for route in routes {
        let sql = "INSERT INTO deliveries (notice, route, due) VALUES (?1, ?2, ?3)";
        connection.prepare_cached(sql)?.execute(params![notice, route, stored(now)])?;
    }
    Ok(())
}

pub(super) fn due(connection: &Connection, now: DateTime<Utc>, of_route: usize) -> Result<Vec<Delivery>, StoreError> {
    // what is over keeps somebody from getting up, and takes no time of anybody
    let sql = "SELECT id, route, tries, over, number, notice, time, body FROM (
                   SELECT d.id, d.route, d.tries, d.due, i.resolved IS NOT NULL AS over, n.id AS number, n.notice, n.time, n.body,
                       row_number() OVER (
                           PARTITION BY d.route
                           ORDER BY n.notice NOT IN ('resolved', 'acknowledged') AND i.resolved IS NULL, d.due, d.id) AS place
                   FROM deliveries d JOIN notices n ON n.id = d.notice LEFT JOIN incidents i ON i.id = n.incident
                   WHERE d.settled IS NULL AND d.due <= ?1 AND NOT EXISTS (
                       SELECT 1 FROM notices m JOIN deliveries e ON e.notice = m.id
                       WHERE m.incident = n.incident AND m.id < n.id AND e.settled IS NULL AND e.route = d.route))
               WHERE place <= ?2 ORDER BY due, id";
    let of_route = i64::try_from(of_route).unwrap_or(i64::MAX);
    let due = all(connection, sql, &[&stored(now), &of_route], |row| {
        let tries = u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0);
        let (id, route, over) = (row.get(0)?, row.get(1)?, row.get(3)?);
        Ok(notified(row, 4)?.map(|notified| Delivery { id, route, tries, over, notified }))
    })?;
    Ok(due.into_iter().flatten().collect())
}

pub(super) fn settle(
    connection: &Connection,
    delivery: i64,
    settled: &Settled,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    // what may have been taken is not unsaid by what came after
    let kept = matches!(settled, Settled::Passed);
    let (due, over, result) = match settled {
        Settled::Passed => (None, Some(stored(now)), "it was over before anybody was told"),
        Settled::Taken => (None, Some(stored(now)), "taken"),
        Settled::Later(due, why) => (Some(stored(*due)), None, why.as_str()),
        Settled::Refused(why) => (None, Some(stored(now)), why.as_str()),
    };
    let sql = "UPDATE deliveries SET tries = tries + NOT ?5, due = ?2, settled = ?3,
               result = CASE WHEN ?5 AND result LIKE 'perhaps%' THEN result ELSE ?4 END WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![delivery, due, over, result, kept])?;
    Ok(())
}

/// It is about to be told: whatever happens then, it may have been.
pub(super) fn tries(connection: &Connection, delivery: i64) -> Result<(), StoreError> {
    let sql = "UPDATE deliveries SET result = 'perhaps taken: it is being told' WHERE id = ?1 AND settled IS NULL";
    connection.prepare_cached(sql)?.execute([delivery])?;
    Ok(())
}

pub(super) fn deliveries(connection: &Connection, limit: usize) -> Result<Vec<DeliveryRow>, StoreError> {
    let sql = "SELECT n.incident, n.notice, d.route, d.tries, d.due, d.settled, d.result
               FROM deliveries d JOIN notices n ON n.id = d.notice ORDER BY d.id DESC LIMIT ?1";
    all(connection, sql, &[&i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
        Ok(DeliveryRow {
            incident: row.get(0)?,
            notice: row.get(1)?,
            route: row.get(2)?,
            tries: u64::try_from(row.get::<_, i64>(3)?).unwrap_or(0),
            due: times(row.get(4)?)?,
            settled: times(row.get(5)?)?,
            result: row.get(6)?,
        })
    })
}

/// Removes what is over since then, with what was told of it.
pub(super) fn retain(connection: &Connection, before: DateTime<Utc>) -> Result<(), StoreError> {
    let before = stored(before);
    connection.execute("DELETE FROM incidents WHERE resolved < ?1", [&before])?;
    let told = "DELETE FROM notices WHERE time < ?1 AND dispatched IS NOT NULL
                AND NOT EXISTS (SELECT 1 FROM incidents i WHERE i.id = notices.incident AND i.resolved IS NULL)
                AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.notice = notices.id AND d.settled IS NULL)";
    connection.execute(told, [&before])?;
    Ok(())
}
