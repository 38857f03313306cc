//! The tables, version by version (`PRAGMA user_version`).

use super::StoreError;
use rusqlite::Connection;

/// What makes each version of the one before it.
const VERSIONS: [&str; 1] = ["
    CREATE TABLE agents (
        name TEXT PRIMARY KEY,
        incarnation INTEGER,
        version TEXT,
        last_seen TEXT,
        health TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE principals (
        name TEXT PRIMARY KEY,
        role TEXT NOT NULL,
        token BLOB NOT NULL UNIQUE,
        enrolled TEXT NOT NULL,
        enrolled_by TEXT NOT NULL,
        revoked TEXT,
        revoked_by TEXT
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE observations (
        agent TEXT NOT NULL,
        incarnation INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        digest BLOB NOT NULL,
        time TEXT NOT NULL,
        received TEXT NOT NULL,
        kind TEXT NOT NULL,
        source TEXT,
        of_table TEXT,
        rule TEXT,
        body TEXT NOT NULL,
        PRIMARY KEY (agent, incarnation, sequence)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX observations_by_kind ON observations (kind, source, of_table, rule, time);
    CREATE INDEX observations_by_age ON observations (kind, received);
    -- up to this number everything of a life was stored once, whatever of it is still there
    CREATE TABLE floors (
        agent TEXT NOT NULL,
        incarnation INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        PRIMARY KEY (agent, incarnation)
    ) STRICT, WITHOUT ROWID;
    -- each rule as it is now
    CREATE TABLE rules (
        source TEXT NOT NULL,
        of_table TEXT NOT NULL,
        rule TEXT NOT NULL,
        agent TEXT NOT NULL,
        time TEXT,
        outcome TEXT,
        state TEXT,
        state_reason TEXT,
        state_since TEXT,
        state_time TEXT,
        PRIMARY KEY (source, of_table, rule, agent)
    ) STRICT, WITHOUT ROWID;
    -- what each rule gave, by the hour
    CREATE TABLE hours (
        source TEXT NOT NULL,
        of_table TEXT NOT NULL,
        rule TEXT NOT NULL,
        agent TEXT NOT NULL,
        hour TEXT NOT NULL,
        checks INTEGER NOT NULL,
        passed INTEGER NOT NULL,
        failed INTEGER NOT NULL,
        inconclusive INTEGER NOT NULL,
        not_evaluated INTEGER NOT NULL,
        checked_rows INTEGER NOT NULL,
        failed_rows INTEGER NOT NULL,
        worst REAL,
        PRIMARY KEY (source, of_table, rule, agent, hour)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX hours_by_age ON hours (hour);
    CREATE TABLE audit (
        id INTEGER PRIMARY KEY,
        time TEXT NOT NULL,
        who TEXT NOT NULL,
        what TEXT NOT NULL,
        detail TEXT NOT NULL
    ) STRICT;
    CREATE INDEX audit_by_age ON audit (time);
"];

/// Brings a file to the newest version, each step in a transaction.
pub(super) fn bring_up(connection: &Connection) -> Result<(), StoreError> {
    let newest = VERSIONS.len() as i64;
    loop {
        // the version is read in the transaction that changes it: another process may be at it, too
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let step = usize::try_from(version).ok().and_then(|version| VERSIONS.get(version));
        match step {
            Some(step) => {
                let made = connection.execute_batch(step);
                let made = made.and_then(|()| connection.pragma_update(None, "user_version", version + 1));
                match made {
                    Ok(()) => connection.execute_batch("COMMIT")?,
                    Err(error) => {
                        connection.execute_batch("ROLLBACK").ok();
                        return Err(error.into());
                    }
                }
            }
            None => {
                connection.execute_batch("ROLLBACK")?;
                return if version == newest { Ok(()) } else { Err(StoreError::Newer { version }) };
            }
        }
    }
}
