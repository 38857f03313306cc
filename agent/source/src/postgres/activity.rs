//! Whose transactions are running, and how far transactions have come.
//!
//! Both are read from views that show ids and application names to every role; only the time at which others' transactions began
//! needs membership in `pg_read_all_stats`.

use super::PostgresSource;
use super::connect::{IDENTITY, identity_of};
use super::courtesy::Call;
use super::literal::{array_literal, quote_literal};
use super::rows::in_full;
use super::statement::copy;
use crate::label::Name;
use crate::{Error, Horizon, Position, Sessions, Standing};
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;

/// The horizon in one row. `age` counts from the next id to be given out (a snapshot ends after the last one that is over, which may be
/// before it). A standby shows no session of the primary's, but its snapshot knows their ids (of all its databases).
const HORIZON: &str = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::int8 \
    + age((pg_snapshot_xmax(pg_current_snapshot())::text::int8 % 4294967296)::text::xid), \
    greatest(CASE WHEN pg_is_in_recovery() THEN \
      age((pg_snapshot_xmin(pg_current_snapshot())::text::int8 % 4294967296)::text::xid) END, \
     (SELECT max(greatest(age(a.backend_xid), age(a.backend_xmin))) FROM pg_stat_activity a \
     WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()), \
     (SELECT max(age(p.transaction)) FROM pg_prepared_xacts p WHERE p.database = current_database()))::int8, \
    (SELECT (extract(epoch FROM min(a.xact_start)) * 1000000)::int8 FROM pg_stat_activity a \
     WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()), \
    (extract(epoch FROM clock_timestamp()) * 1000000)::int8";

/// Sessions of this database that have a transaction id. Asked without a transaction, so everything is named in full.
const SESSIONS: &str = "SELECT \
    pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::pg_catalog.text, a.pid::pg_catalog.text, \
    a.backend_xid::pg_catalog.text, pg_catalog.pg_get_userbyid(a.usesysid)::pg_catalog.text, a.application_name \
    FROM pg_catalog.pg_stat_get_activity(NULL) a WHERE a.backend_xid IS NOT NULL \
    AND a.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid() AND a.datid OPERATOR(pg_catalog.=) \
    (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())";

/// Whether it is a standby; how far it has written or replayed, and on a standby how far what has arrived reaches, by how much it is behind, and how much of
/// that it is told to be.
const STANDING: &str = "SELECT pg_catalog.pg_is_in_recovery()::pg_catalog.text, \
    (CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_insert_lsn() END \
     OPERATOR(pg_catalog.-) '0/0'::pg_catalog.pg_lsn)::pg_catalog.text, \
    (pg_catalog.pg_last_wal_receive_lsn() OPERATOR(pg_catalog.-) '0/0'::pg_catalog.pg_lsn)::pg_catalog.text, \
    pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size'))::pg_catalog.text, \
    pg_catalog.current_setting('wal_block_size'), \
    (CASE WHEN pg_catalog.pg_last_wal_receive_lsn() OPERATOR(pg_catalog.=) pg_catalog.pg_last_wal_replay_lsn() \
     AND EXISTS (SELECT 1 FROM pg_catalog.pg_stat_wal_receiver) THEN 0 \
     ELSE pg_catalog.extract('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) pg_catalog.pg_last_xact_replay_timestamp()) \
     END)::pg_catalog.text, \
    pg_catalog.extract('epoch', pg_catalog.current_setting('recovery_min_apply_delay', true)::pg_catalog.interval)::pg_catalog.text";

/// Where the last record ends, from where the next one will begin: at a page's beginning that is behind the page's header, which nobody
/// replays for itself (xlog_internal.h: 24 bytes, 40 at the beginning of a segment).
fn end_of_records(next: u64, segment: u64, page: u64) -> u64 {
    let header = if next.checked_rem(segment) == Some(40) {
        40
    } else if next.checked_rem(page) == Some(24) {
        24
    } else {
        0
    };
    next.saturating_sub(header)
}

/// All ids that these server processes hold, those of savepoints among them: each holds a lock on its own id while it runs.
fn held(processes: &[&str]) -> String {
    let list = quote_literal(&array_literal(processes.iter().map(|process| Some(*process))));
    format!(
        "SELECT l.transactionid::pg_catalog.text FROM pg_catalog.pg_locks l \
         WHERE l.locktype OPERATOR(pg_catalog.=) 'transactionid' AND l.mode OPERATOR(pg_catalog.=) 'ExclusiveLock' \
         AND l.granted AND l.pid OPERATOR(pg_catalog.=) ANY ({list}::pg_catalog.int4[])"
    )
}

impl PostgresSource {
    pub(super) async fn read_horizon(&mut self, call: &Call) -> Result<Horizon, Error> {
        let asked = Utc::now();
        let [answers] = self.answers(call, &[(Name::Horizon, copy(HORIZON))]).await?;
        let half_way = asked + (Utc::now() - asked) / 2;
        let Some(answer) = answers.first() else { return Ok(Horizon::default()) };
        let next = answer.integer(0).and_then(|next| u64::try_from(next).ok());
        let age = answer.integer(1).and_then(|age| u64::try_from(age).ok());
        Ok(Horizon {
            next_transaction: next,
            oldest_running: next.map(|next| next.saturating_sub(age.unwrap_or(0))),
            oldest_began: answer.integer(2).and_then(DateTime::from_timestamp_micros),
            clock_ahead: answer
                .integer(3)
                .and_then(DateTime::from_timestamp_micros)
                .map(|clock| (clock - half_way).as_seconds_f64()),
        })
    }

    pub(super) async fn read_standing(&mut self, call: &Call) -> Result<Standing, Error> {
        // behind a pooler the same connection may lead to another server by now
        if self.session.identity().is_some() {
            let rows = self.session.glance(call, Name::Identity, IDENTITY).await?;
            self.session.identified(rows.first().and_then(|row| identity_of(row)));
        }
        let rows = self.session.glance(call, Name::Standing, STANDING).await?;
        let field = |at: usize| rows.first().and_then(|row| row.get(at)).and_then(Option::as_deref);
        let replica = field(0) == Some("true");
        let position = |at| field(at).and_then(|text| text.parse::<u64>().ok());
        let seconds = |at| field(at).and_then(|text| text.parse::<f64>().ok()).filter(|_| replica);
        Ok(Standing {
            server: self.session.identity().cloned(),
            replica,
            position: position(1).map(|at| match (replica, position(3), position(4)) {
                (false, Some(segment), Some(page)) => Position::of_one(end_of_records(at, segment, page)),
                _ => Position::of_one(at),
            }),
            // what a primary received when it was a standby is of no meaning
            arrived: position(2).filter(|_| replica).map(Position::of_one),
            behind_seconds: seconds(5),
            delay_seconds: seconds(6).unwrap_or(0.0),
        })
    }

    pub(super) async fn running_transactions(
        &mut self,
        call: &Call,
        sessions: &[Sessions],
    ) -> Result<BTreeSet<u64>, Error> {
        let all = self.session.glance(call, Name::Sessions, SESSIONS).await?;
        let field = |row: &[Option<String>], at: usize| row.get(at).cloned().flatten().unwrap_or_default();
        let matching: Vec<&[Option<String>]> = all
            .iter()
            .map(Vec::as_slice)
            .filter(|row| sessions.iter().any(|sessions| sessions.matches(&field(row, 3), &field(row, 4))))
            .collect();
        let near = matching.first().and_then(|row| field(row, 0).parse::<u64>().ok());
        let Some(near) = near else { return Ok(BTreeSet::new()) };
        let id = |text: String| Some(in_full(text.parse().ok()?, near));
        let mut ids: BTreeSet<u64> = matching.iter().filter_map(|row| id(field(row, 2))).collect();
        let processes: Vec<&str> = matching.iter().filter_map(|row| row.get(1)?.as_deref()).collect();
        let locks = self.session.glance(call, Name::Held, &held(&processes)).await?;
        ids.extend(locks.iter().filter_map(|row| id(field(row, 0))));
        Ok(ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_s_header_is_no_record() {
        let (segment, page) = (16 << 20, 8192);
        for (next, end) in [
            (0x4000, 0x4000),
            (0x4018, 0x4000),
            (0x4028, 0x4028),
            (0x0100_0028, 0x0100_0000),
            (0x0100_0018, 0x0100_0000),
            (0x0100_0030, 0x0100_0030),
        ] {
            assert_eq!(end_of_records(next, segment, page), end, "{next:x}");
        }
        assert_eq!(end_of_records(24, 0, 0), 24);
    }
}
