//! Where a SQLite file is, as configuration writes it.

use crate::Error;
use std::path::{Path, PathBuf};

/// A SQLite file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    path: PathBuf,
}

impl Address {
    /// A file of the file system.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Reads `sqlite:///absolute/path.db`, `sqlite://relative.db` or `sqlite:path.db`. `%20` and its like stand for bytes; a
    /// query such as `?mode=rwc`, which other tools write, is left out: the file is read only in any case.
    ///
    /// # Errors
    /// [`Error::Address`] where there is no such scheme or no path, or the path means a database in memory.
    pub fn parse(url: &str) -> Result<Self, Error> {
        let wrong = |reason: &str| Error::Address { reason: reason.to_owned() };
        let rest = url.strip_prefix("sqlite:").ok_or_else(|| wrong("a SQLite url begins with `sqlite:`"))?;
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let path = rest.split_once('?').map_or(rest, |(path, _)| path);
        if path.is_empty() {
            return Err(wrong("the SQLite url names no file: write `sqlite:///path/to/file.db`"));
        }
        if path.starts_with(":memory:") {
            return Err(wrong("a SQLite database in memory belongs to one process: name a file"));
        }
        let path = decoded(path).ok_or_else(|| wrong("the SQLite url's path is not UTF-8 after `%` decoding"))?;
        Ok(Self::file(path))
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path for messages and facts.
    pub(super) fn shown(&self) -> String {
        self.path.display().to_string()
    }
}

/// Percent decoding; a `%` that no two hexadecimal digits follow stands for itself.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = match (first, after) {
            (b'%', [high, low, ..]) => hex_digit(*high).zip(hex_digit(*low)),
            _ => None,
        };
        if let Some((high, low)) = escaped {
            bytes.push(high * 16 + low);
            rest = after.get(2..)?;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_spellings_are_read() {
        for (url, path) in [
            ("sqlite:///var/lib/shop.db", "/var/lib/shop.db"),
            ("sqlite://shop.db", "shop.db"),
            ("sqlite:shop.db", "shop.db"),
            ("sqlite:/var/shop.db", "/var/shop.db"),
            ("sqlite://a%20b/100%.db?mode=rwc", "a b/100%.db"),
            ("sqlite:ünï.db", "ünï.db"),
        ] {
            assert_eq!(Address::parse(url).unwrap(), Address::file(path), "{url}");
        }
    }

    #[test]
    fn what_names_no_file_is_refused() {
        for url in [
            "",
            "shop.db",
            "postgres://x",
            "sqlite:",
            "sqlite://",
            "sqlite::memory:",
            "sqlite://?mode=ro",
            "sqlite:%ff",
        ] {
            assert!(matches!(Address::parse(url), Err(Error::Address { .. })), "{url}");
        }
    }
}
