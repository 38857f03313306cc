//! What a database's error code says of who heals it: SQLSTATE on PostgreSQL (documentation, appendix A), the vendor's number on MySQL and
//! MariaDB, which report 1205 and 2013 as `HY000`, the result code on SQLite.

/// What an error says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// It may pass by itself.
    Passing,
    /// Somebody has to give more of something: a disk.
    Resource,
    /// Somebody has to put something right, of one table: a name, a permission.
    Table,
    /// The same, of the source as a whole: a login, a database that is not there.
    Source,
    /// Nobody knows.
    Unknown,
}

/// Of which database a code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
    /// SQLite.
    Sqlite,
}

/// What an error says: `state` its SQLSTATE, `number` the vendor's number or the result code, as far as there is one.
pub fn meaning(engine: Engine, state: Option<&str>, number: Option<i64>) -> Meaning {
    match engine {
        Engine::Postgres => of_state(state.unwrap_or_default()),
        Engine::Mysql => of_number(number.unwrap_or_default()),
        Engine::Sqlite => of_result(number.unwrap_or_default()),
    }
}

/// The same of a code whose database is not named, by its form: `57P01` is a SQLSTATE, `1205` the vendor's number, `SQLITE_FULL` SQLite's.
pub fn meaning_of(code: &str) -> Meaning {
    if let Some(name) = code.strip_prefix("SQLITE") {
        return match name.split(' ').next().unwrap_or_default() {
            "_BUSY" | "_LOCKED" | "_INTERRUPT" | "_PROTOCOL" => Meaning::Passing,
            "_FULL" => Meaning::Resource,
            "_ERROR" | "_PERM" | "_AUTH" => Meaning::Table,
            "_CORRUPT" | "_NOTADB" => Meaning::Source,
            _ => Meaning::Unknown,
        };
    }
    match code.parse() {
        // a SQLSTATE has five characters
        Ok(number) if code.len() < 5 => of_number(number),
        _ => of_state(code),
    }
}

fn of_state(state: &str) -> Meaning {
    match (state, state.get(..2).unwrap_or_default()) {
        ("53100", _) => Meaning::Resource,
        // a login, and a database: whatever is asked of the source
        ("3D000", _) | (_, "28") => Meaning::Source,
        (_, "42" | "3F") => Meaning::Table,
        // connections, serialization and deadlocks, locks, whoever cancels or shuts down, connections and memory, a standby
        ("55P03" | "53200" | "53300" | "25006" | "25P03" | "25P04", _) | (_, "08" | "40" | "57") => Meaning::Passing,
        _ => Meaning::Unknown,
    }
}

fn of_number(number: i64) -> Meaning {
    match number {
        // a disk, a table that is full
        1021 | 1114 => Meaning::Resource,
        // the login, the database, the host
        1044 | 1045 | 1049 | 1130 | 1698 | 1820 => Meaning::Source,
        // a table, a column, a view of what is gone, a permission
        1054 | 1146 | 1142 | 1143 | 1227 | 1356 | 1370 => Meaning::Table,
        // locks and deadlocks; time limits, KILL; connections; a server that shuts down, is read only, or cannot be reached
        1205
        | 1213
        | 1206
        | 1969
        | 3024
        | 1317
        | 1040
        | 1203
        | 1226
        | 1053
        | 1079
        | 1152
        | 1158..=1161
        | 1184
        | 1290
        | 1836
        | 1927
        | 2002
        | 2003
        | 2006
        | 2013
        | 4031 => Meaning::Passing,
        _ => Meaning::Unknown,
    }
}

fn of_result(code: i64) -> Meaning {
    match code & 0xff {
        // SQLITE_ERROR: a statement that does not fit the schema; SQLITE_PERM and SQLITE_AUTH
        1 | 3 | 23 => Meaning::Table,
        // SQLITE_BUSY, SQLITE_LOCKED, SQLITE_INTERRUPT, SQLITE_PROTOCOL
        5 | 6 | 9 | 15 => Meaning::Passing,
        // SQLITE_FULL
        13 => Meaning::Resource,
        // SQLITE_CORRUPT, SQLITE_NOTADB
        11 | 26 => Meaning::Source,
        _ => Meaning::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_mean_what_the_databases_documentations_say() {
        let postgres = |state| meaning(Engine::Postgres, Some(state), None);
        for state in ["08006", "40001", "40P01", "55P03", "57014", "57P01", "57P03", "53200", "53300", "25006"] {
            assert_eq!(postgres(state), Meaning::Passing, "{state}");
        }
        assert!(["42P01", "42703", "42501", "3F000"].into_iter().all(|state| postgres(state) == Meaning::Table));
        assert!(["28P01", "28000", "3D000"].into_iter().all(|state| postgres(state) == Meaning::Source));
        assert_eq!((postgres("53100"), postgres("XX000")), (Meaning::Resource, Meaning::Unknown));
        let mysql = |number| meaning(Engine::Mysql, Some("HY000"), Some(number));
        assert!([1205, 1213, 2003, 2006, 2013, 1040].into_iter().all(|number| mysql(number) == Meaning::Passing));
        assert!([1146, 1054, 1142].into_iter().all(|number| mysql(number) == Meaning::Table));
        assert_eq!((mysql(1045), mysql(1021), mysql(1)), (Meaning::Source, Meaning::Resource, Meaning::Unknown));
        let sqlite = |code| meaning(Engine::Sqlite, None, Some(code));
        // an extended code means what its first byte does
        let named = ["53100", "1021", "SQLITE_FULL (13)"].map(meaning_of);
        assert_eq!(named, [Meaning::Resource; 3]);
        assert_eq!(["53200", "1205", "XX000", "SQLITE_IOERR"].map(meaning_of), {
            use Meaning::{Passing, Unknown};
            [Passing, Passing, Unknown, Unknown]
        });
        assert_eq!((sqlite(5), sqlite(261), sqlite(1), sqlite(13)), {
            use Meaning::{Passing, Resource, Table};
            (Passing, Passing, Table, Resource)
        });
    }
}
