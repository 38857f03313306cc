//! What a failure of the driver or the server means. Codes only: messages of databases hold values.

use crate::Error;
use sqlx::postgres::PgDatabaseError;

/// A failure of a statement. `cancelled`: somebody used the cancel handle.
#[expect(clippy::wildcard_enum_match_arm, reason = "sqlx has more kinds of errors than are met here")]
pub(super) fn of_statement(error: &sqlx::Error, cancelled: bool) -> Error {
    if cancelled {
        return Error::Cancelled;
    }
    match error {
        sqlx::Error::Database(database) => match database.try_downcast_ref::<PgDatabaseError>() {
            Some(database) => of_code(database),
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

fn of_code(error: &PgDatabaseError) -> Error {
    let code = error.code().to_owned();
    match code.as_str() {
        // by the time limit, or by somebody else's pg_cancel_backend (the message that says which is translated): no word to end the run
        "57014" => Error::Timeout,
        // a standby cancelled us in favour of replay
        "40001" => Error::Timeout,
        "40P01" => Error::Deadlock { code },
        "55P03" => Error::Locked,
        // rls.c, check_enable_rls: a policy would hide rows
        "42501" if error.routine() == Some("check_enable_rls") => Error::CoverageLimited,
        "42501" => Error::PermissionDenied { code },
        "42P01" | "42703" | "42704" | "42804" | "42809" | "0A000" | "3F000" => Error::SchemaChanged { code },
        "25P03" | "25P04" | "57P01" | "57P02" | "57P03" | "57P05" => Error::ConnectionLost { code },
        code if code.starts_with("08") => Error::ConnectionLost { code: code.to_owned() },
        _ => Error::Database { code },
    }
}

/// A failure to connect to `address`.
#[expect(clippy::wildcard_enum_match_arm, reason = "sqlx has more kinds of errors than are met here")]
pub(super) fn of_connect(error: &sqlx::Error, address: &str) -> Error {
    let unreachable = |reason: String| Error::Unreachable { address: address.to_owned(), reason };
    match error {
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or_default().into_owned();
            match code.as_str() {
                "3D000" => Error::NoDatabase { address: address.to_owned(), code },
                // FATAL: permission denied for database
                "42501" => Error::LoginRefused { address: address.to_owned(), code },
                "53300" => unreachable(format!("too many connections ({code})")),
                "57P03" => unreachable(format!("the server is starting up or shutting down ({code})")),
                _ if code.starts_with("28") => Error::LoginRefused { address: address.to_owned(), code },
                _ => unreachable(format!("the server refused the connection ({code})")),
            }
        }
        sqlx::Error::Configuration(_) => Error::Address { reason: "the source's url cannot be used".to_owned() },
        sqlx::Error::Io(error) => unreachable(error.to_string()),
        sqlx::Error::Tls(error) => {
            unreachable(format!("TLS: {error} (sslmode in the url says how much is asked of the server)"))
        }
        // of the exchange before a login; sqlx's own words, with no part of the address
        sqlx::Error::Protocol(what) => unreachable(what.clone()),
        _ => unreachable("the connection could not be made".to_owned()),
    }
}
