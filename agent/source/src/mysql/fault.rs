//! What a failure of the driver or the server means. Codes only: messages of databases hold values.

use crate::Error;
use sqlx::mysql::MySqlDatabaseError;

/// A failure of a statement. `cancelled`: somebody used the cancel handle.
#[expect(clippy::wildcard_enum_match_arm, reason = "sqlx has more kinds of errors than are met here")]
pub(super) fn of_statement(error: &sqlx::Error, cancelled: bool) -> Error {
    if cancelled {
        return Error::Cancelled;
    }
    match error {
        sqlx::Error::Database(database) => match database.try_downcast_ref::<MySqlDatabaseError>() {
            Some(database) => of_number(database.number()),
            None => Error::Internal { what: "an error of another database".to_owned() },
        },
        sqlx::Error::Io(error) => Error::ConnectionLost { code: error.kind().to_string() },
        sqlx::Error::Tls(_) => Error::ConnectionLost { code: "TLS".to_owned() },
        sqlx::Error::WorkerCrashed => Error::ConnectionLost { code: "worker".to_owned() },
        // a kind of message that was not expected; its text is sqlx's own
        sqlx::Error::Protocol(what) => Error::Internal { what: what.clone() },
        _ => Error::Internal { what: "the driver failed".to_owned() },
    }
}

fn of_number(number: u16) -> Error {
    let code = number.to_string();
    match number {
        // max_statement_time; somebody else's KILL QUERY
        1969 | 3024 | 1317 => Error::Timeout,
        1213 => Error::Deadlock { code },
        // lock_wait_timeout
        1205 => Error::Locked,
        1044 | 1142 | 1143 | 1227 | 1370 => Error::PermissionDenied { code },
        // no such table, column, database; a view of what is gone; a table that is being made anew
        1146 | 1054 | 1049 | 1356 | 1412 | 1932 => Error::SchemaChanged { code },
        // shut down, killed, closed
        1053 | 1079 | 1152 | 1158 | 1159 | 1160 | 1161 | 1184 | 1927 | 4031 => Error::ConnectionLost { code },
        _ => Error::Database { code },
    }
}

/// A failure to connect to `address`.
#[expect(clippy::wildcard_enum_match_arm, reason = "sqlx has more kinds of errors than are met here")]
pub(super) fn of_connect(error: &sqlx::Error, address: &str) -> Error {
    let unreachable = |reason: String| Error::Unreachable { address: address.to_owned(), reason };
    let refused = |number: u16| Error::LoginRefused { address: address.to_owned(), code: number.to_string() };
    match error {
        sqlx::Error::Database(database) => {
            match database.try_downcast_ref::<MySqlDatabaseError>().map(MySqlDatabaseError::number) {
                Some(number @ (1044 | 1045 | 1130 | 1698 | 1820)) => refused(number),
                Some(1049) => Error::NoDatabase { address: address.to_owned(), code: "1049".to_owned() },
                Some(number @ (1040 | 1203 | 1226)) => unreachable(format!("too many connections ({number})")),
                Some(number) => unreachable(format!("the server refused the connection ({number})")),
                None => unreachable("the server refused the connection".to_owned()),
            }
        }
        sqlx::Error::Configuration(_) => Error::Address { reason: "the source's url cannot be used".to_owned() },
        sqlx::Error::Io(error) => unreachable(error.to_string()),
        sqlx::Error::Tls(error) => {
            unreachable(format!("TLS: {error} (ssl-mode in the url says how much is asked of the server)"))
        }
        // of the exchange before a login; sqlx's own words, with no part of the address
        sqlx::Error::Protocol(what) => unreachable(what.clone()),
        _ => unreachable("the connection could not be made".to_owned()),
    }
}
