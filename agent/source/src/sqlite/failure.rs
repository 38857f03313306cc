//! SQLite's result codes as the source's errors. A message of SQLite is looked at and never passed on.

use crate::Error;
use rusqlite::ffi;

/// A failed statement. An interrupted one is [`Error::Timeout`]; where it was cancelled, the caller knows.
pub(super) fn failure(error: rusqlite::Error) -> Error {
    let (code, message) = parts(error);
    let Some(code) = code else {
        return Error::Internal { what: message };
    };
    let gone = ["no such table", "no such column", "no such view", "no such index"];
    let foreign = ["no such function", "no such module", "no such collation", "unsafe use of", "unknown tokenizer"];
    match code & 0xff {
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED | ffi::SQLITE_PROTOCOL => Error::Locked,
        ffi::SQLITE_INTERRUPT => Error::Timeout,
        ffi::SQLITE_SCHEMA => Error::SchemaChanged { code: name(code) },
        ffi::SQLITE_ERROR => match gone.iter().find(|text| message.starts_with(**text)) {
            Some(text) => Error::SchemaChanged { code: (*text).to_owned() },
            None if foreign.iter().any(|text| message.contains(text)) => {
                Error::Unsupported { what: "reading what needs the application's own functions, collations or modules" }
            }
            None => Error::Database { code: name(code) },
        },
        ffi::SQLITE_AUTH | ffi::SQLITE_PERM => Error::PermissionDenied { code: name(code) },
        ffi::SQLITE_IOERR | ffi::SQLITE_CANTOPEN => Error::ConnectionLost { code: name(code) },
        _ => Error::Database { code: name(code) },
    }
}

/// A file that could not be opened.
pub(super) fn opening(error: rusqlite::Error, address: String) -> Error {
    let (code, message) = parts(error);
    let Some(code) = code else {
        return Error::Internal { what: message };
    };
    let reason = match code & 0xff {
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED | ffi::SQLITE_PROTOCOL => return Error::Locked,
        ffi::SQLITE_NOTADB => "it is not a SQLite database, or it is encrypted".to_owned(),
        ffi::SQLITE_CORRUPT => format!("the database is damaged ({})", name(code)),
        ffi::SQLITE_CANTOPEN | ffi::SQLITE_PERM | ffi::SQLITE_READONLY => format!(
            "SQLite cannot open it ({}): the file has to be readable, and of a database in WAL mode also its -wal and -shm files, \
             which have to be there or to be creatable in its folder",
            name(code)
        ),
        _ => format!("SQLite answered with {}", name(code)),
    };
    Error::Unreachable { address, reason }
}

/// Extended result code and message. An error that is rusqlite's own has no code, and its text no value.
fn parts(error: rusqlite::Error) -> (Option<i32>, String) {
    if let rusqlite::Error::SqlInputError { error, msg, .. } = error {
        return (Some(error.extended_code), msg);
    }
    if let rusqlite::Error::SqliteFailure(error, message) = error {
        return (Some(error.extended_code), message.unwrap_or_default());
    }
    let mut text = format!("{error:?}");
    text.truncate(text.find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len()));
    (None, format!("rusqlite's {text}"))
}

/// The code's name, and its number where it is an extended one.
fn name(code: i32) -> String {
    let name = match code & 0xff {
        ffi::SQLITE_ERROR => "SQLITE_ERROR",
        ffi::SQLITE_INTERNAL => "SQLITE_INTERNAL",
        ffi::SQLITE_PERM => "SQLITE_PERM",
        ffi::SQLITE_BUSY => "SQLITE_BUSY",
        ffi::SQLITE_LOCKED => "SQLITE_LOCKED",
        ffi::SQLITE_NOMEM => "SQLITE_NOMEM",
        ffi::SQLITE_READONLY => "SQLITE_READONLY",
        ffi::SQLITE_INTERRUPT => "SQLITE_INTERRUPT",
        ffi::SQLITE_IOERR => "SQLITE_IOERR",
        ffi::SQLITE_CORRUPT => "SQLITE_CORRUPT",
        ffi::SQLITE_FULL => "SQLITE_FULL",
        ffi::SQLITE_CANTOPEN => "SQLITE_CANTOPEN",
        ffi::SQLITE_PROTOCOL => "SQLITE_PROTOCOL",
        ffi::SQLITE_SCHEMA => "SQLITE_SCHEMA",
        ffi::SQLITE_TOOBIG => "SQLITE_TOOBIG",
        ffi::SQLITE_MISMATCH => "SQLITE_MISMATCH",
        ffi::SQLITE_MISUSE => "SQLITE_MISUSE",
        ffi::SQLITE_AUTH => "SQLITE_AUTH",
        ffi::SQLITE_RANGE => "SQLITE_RANGE",
        ffi::SQLITE_NOTADB => "SQLITE_NOTADB",
        _ => "SQLITE",
    };
    if code > 0xff || name == "SQLITE" { format!("{name} ({code})") } else { name.to_owned() }
}
