//! Whose transactions are running, and how far transactions have come.
//!
//! Both are read from views that show ids and application names to every role; only the time at which others' transactions began
//! needs membership in `pg_read_all_stats`.

use super::PostgresSource;
use super::courtesy::Call;
use super::literal::{array_literal, quote_literal};
use super::rows::{Answer, in_full};
use super::statement::copy;
use crate::{Error, Horizon, Sessions};
use chrono::DateTime;
use std::collections::BTreeSet;

/// The horizon in one row. `age` counts from the next id to be given out (a snapshot ends after the last one that is over, which may be
/// before it).
const HORIZON: &str = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::int8 \
    + age((pg_snapshot_xmax(pg_current_snapshot())::text::int8 % 4294967296)::text::xid), \
    greatest((SELECT max(greatest(age(a.backend_xid), age(a.backend_xmin))) FROM pg_stat_activity a \
     WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()), \
     (SELECT max(age(p.transaction)) FROM pg_prepared_xacts p WHERE p.database = current_database()))::int8, \
    (SELECT (extract(epoch FROM min(a.xact_start)) * 1000000)::int8 FROM pg_stat_activity a \
     WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()), \
    CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END::text";

/// Sessions of this database that have a transaction id.
const SESSIONS: &str = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::int8, a.pid, a.backend_xid::text::int8, \
    coalesce(a.usename, '')::text, coalesce(a.application_name, '') FROM pg_stat_activity a \
    WHERE a.datname = current_database() AND a.backend_xid IS NOT NULL AND a.pid <> pg_backend_pid()";

/// All ids that these server processes hold, those of savepoints among them: each holds a lock on its own id while it runs.
fn held(processes: &[i64]) -> String {
    let texts: Vec<String> = processes.iter().map(ToString::to_string).collect();
    let list = quote_literal(&array_literal(texts.iter().map(|text| Some(text.as_str()))));
    copy(&format!(
        "SELECT l.transactionid::text::int8 FROM pg_locks l WHERE l.locktype = 'transactionid' \
         AND l.mode = 'ExclusiveLock' AND l.granted AND l.pid = ANY ({list}::int4[])"
    ))
}

impl PostgresSource {
    pub(super) async fn read_horizon(&mut self, call: &Call) -> Result<Horizon, Error> {
        let [answers] = self.answers(call, &[copy(HORIZON)]).await?;
        let Some(answer) = answers.first() else { return Ok(Horizon::default()) };
        let next = answer.integer(0).and_then(|next| u64::try_from(next).ok());
        let age = answer.integer(1).and_then(|age| u64::try_from(age).ok());
        Ok(Horizon {
            next_transaction: next,
            oldest_running: next.map(|next| next.saturating_sub(age.unwrap_or(0))),
            oldest_began: answer.integer(2).and_then(DateTime::from_timestamp_micros),
            position: answer.text(3),
        })
    }

    pub(super) async fn running_transactions(
        &mut self,
        call: &Call,
        sessions: &[Sessions],
    ) -> Result<BTreeSet<u64>, Error> {
        let [answers] = self.answers(call, &[copy(SESSIONS)]).await?;
        let matching = |answer: &&Answer| {
            let (role, name) = (answer.text(3).unwrap_or_default(), answer.text(4).unwrap_or_default());
            sessions.iter().any(|sessions| sessions.matches(&role, &name))
        };
        let matching: Vec<&Answer> = answers.iter().filter(matching).collect();
        let near = matching.first().and_then(|answer| u64::try_from(answer.integer(0)?).ok());
        let Some(near) = near else { return Ok(BTreeSet::new()) };
        let id = |answer: &Answer, at| Some(in_full(u32::try_from(answer.integer(at)?).ok()?, near));
        let mut ids: BTreeSet<u64> = matching.iter().filter_map(|answer| id(answer, 2)).collect();
        let processes: Vec<i64> = matching.iter().filter_map(|answer| answer.integer(1)).collect();
        let [locks] = self.answers(call, &[held(&processes)]).await?;
        ids.extend(locks.iter().filter_map(|answer| id(answer, 0)));
        Ok(ids)
    }
}
