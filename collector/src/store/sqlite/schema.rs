//! The tables, version by version (`PRAGMA user_version`).

use super::StoreError;
use rusqlite::Connection;

/// What makes each version of the one before it.
const VERSIONS: [&str; 3] = [
    "
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
",
    "
    CREATE TABLE incidents (
        id TEXT PRIMARY KEY,
        opened TEXT NOT NULL,
        resolved TEXT,
        body TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX incidents_open ON incidents (opened) WHERE resolved IS NULL;
    CREATE INDEX incidents_over ON incidents (resolved);
    CREATE INDEX incidents_by_age ON incidents (opened);
    -- what is to be told: written with the change that it is about
    CREATE TABLE notices (
        id INTEGER PRIMARY KEY,
        incident TEXT NOT NULL,
        notice TEXT NOT NULL,
        time TEXT NOT NULL,
        body TEXT NOT NULL,
        dispatched TEXT,
        -- until then it is not told: somebody has silenced it
        held TEXT
    ) STRICT;
    CREATE INDEX notices_of_incidents ON notices (incident, id);
    CREATE INDEX notices_waiting ON notices (id) WHERE dispatched IS NULL;
    CREATE TABLE deliveries (
        id INTEGER PRIMARY KEY,
        notice INTEGER NOT NULL REFERENCES notices (id) ON DELETE CASCADE,
        route TEXT NOT NULL,
        tries INTEGER NOT NULL DEFAULT 0,
        due TEXT,
        settled TEXT,
        result TEXT NOT NULL DEFAULT 'waiting',
        UNIQUE (notice, route)
    ) STRICT;
    CREATE INDEX deliveries_waiting ON deliveries (due) WHERE settled IS NULL;
    CREATE TABLE silences (
        id INTEGER PRIMARY KEY,
        body TEXT NOT NULL,
        until TEXT NOT NULL
    ) STRICT;
    CREATE INDEX silences_by_age ON silences (until);
",
    "
    -- a column, for ever: by what survives a rename, where the database has it
    CREATE TABLE lineage_nodes (
        id INTEGER PRIMARY KEY,
        source TEXT NOT NULL,
        table_identity INTEGER,
        column_identity INTEGER
    ) STRICT;
    CREATE INDEX lineage_nodes_by_identity ON lineage_nodes (source, table_identity, column_identity)
        WHERE table_identity IS NOT NULL;
    -- what it was called, and when; what has not ended ends later than any time
    CREATE TABLE lineage_names (
        node INTEGER NOT NULL,
        source TEXT NOT NULL,
        of_table TEXT NOT NULL,
        name TEXT NOT NULL,
        declared TEXT NOT NULL,
        since TEXT NOT NULL,
        until TEXT NOT NULL
    ) STRICT;
    CREATE INDEX lineage_names_of_nodes ON lineage_names (node, until);
    CREATE INDEX lineage_names_by_name ON lineage_names (source, of_table, name, until);
    CREATE INDEX lineage_names_by_table ON lineage_names (of_table, until);
    CREATE TABLE lineage_places (
        source TEXT PRIMARY KEY,
        namespace TEXT NOT NULL,
        prefix TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE lineage_origins (
        id INTEGER PRIMARY KEY,
        source TEXT NOT NULL,
        name TEXT NOT NULL,
        kind TEXT NOT NULL,
        certainty TEXT NOT NULL,
        owner TEXT,
        calls INTEGER,
        unresolved TEXT NOT NULL,
        since TEXT NOT NULL,
        seen TEXT NOT NULL,
        until TEXT NOT NULL,
        UNIQUE (source, name)
    ) STRICT;
    CREATE TABLE lineage_edges (
        id INTEGER PRIMARY KEY,
        source_node INTEGER NOT NULL,
        target_node INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        masked INTEGER NOT NULL,
        origin INTEGER NOT NULL REFERENCES lineage_origins (id),
        since TEXT NOT NULL,
        until TEXT NOT NULL
    ) STRICT;
    CREATE INDEX lineage_edges_down ON lineage_edges (source_node, until);
    CREATE INDEX lineage_edges_up ON lineage_edges (target_node, until);
    CREATE INDEX lineage_edges_of_origins ON lineage_edges (origin, until);
",
];

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
