//! Names: of sources, tables and rules. Newtypes, so that two of them cannot be swapped in a call.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

macro_rules! text_name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The name with exactly this spelling.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }
            /// The spelling.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_name! {
    /// A source as the configuration names it.
    SourceName
}
text_name! {
    /// The stable id of a rule: its own, or made of table, kind and columns.
    RuleId
}

/// A table inside one source: schema and name, spelled as the database spells them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// The schema (PostgreSQL), database (MySQL) or attached file (SQLite: `main`).
    pub schema: String,
    /// The table's own name.
    pub name: String,
}

impl TableName {
    /// A table of a schema.
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self { schema: schema.into(), name: name.into() }
    }

    /// Both parts in SQL double quotes, for statements and for showing SQL to people.
    pub fn quoted(&self) -> String {
        format!("{}.{}", quote_identifier(&self.schema), quote_identifier(&self.name))
    }

    /// Reads `schema.table`, `table` or parts in SQL double quotes; `None` for the schema where it is left out.
    /// Returns no parts for text that is not a dotted name (an open quote, an empty part).
    pub fn split(text: &str) -> Option<Vec<String>> {
        Some(Self::split_quoted(text)?.into_iter().map(|(part, _)| part).collect())
    }

    /// The same; of each part whether it stood in quotes.
    pub fn split_quoted(text: &str) -> Option<Vec<(String, bool)>> {
        let mut parts = Vec::new();
        let mut rest = text;
        loop {
            let (part, after) = if let Some(quoted) = rest.strip_prefix('"') {
                let mut part = String::new();
                let mut characters = quoted.char_indices();
                let end = loop {
                    let (at, c) = characters.next()?;
                    if c != '"' {
                        part.push(c);
                    } else if quoted.get(at + 1..)?.starts_with('"') {
                        part.push('"');
                        characters.next();
                    } else {
                        break at + 1;
                    }
                };
                (part, quoted.get(end..)?)
            } else {
                let end = rest.find('.').unwrap_or(rest.len());
                (rest.get(..end)?.to_owned(), rest.get(end..)?)
            };
            if part.is_empty() {
                return None;
            }
            parts.push((part, rest.starts_with('"')));
            if after.is_empty() {
                return Some(parts);
            }
            rest = after.strip_prefix('.')?;
        }
    }
}

/// One identifier in SQL double quotes, inner quotes doubled: the one function that quotes identifiers.
pub fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Whether a name follows a pattern in which `*` stands for any characters. Goes back to the last `*` only, so that the time is at
/// most the product of both lengths.
pub fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut at, mut of) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while of < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at + 1, of));
                at += 1;
            }
            Some(byte) if Some(byte) == name.get(of) => {
                at += 1;
                of += 1;
            }
            _ => match star {
                Some((after, from)) => {
                    star = Some((after, from + 1));
                    at = after;
                    of = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

/// A part of a dotted name, in SQL double quotes where it needs them to be read back.
pub fn part(name: &str) -> Cow<'_, str> {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$');
    if plain { Cow::Borrowed(name) } else { Cow::Owned(quote_identifier(name)) }
}

impl fmt::Display for TableName {
    /// `schema.table`, with SQL double quotes round a part that needs them to be read back; `table` where the schema is not known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.schema.is_empty() {
            write!(f, "{}.", self::part(&self.schema))?;
        }
        f.write_str(&self::part(&self.name))
    }
}

impl Serialize for TableName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TableName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match TableName::split(&text).as_deref() {
            Some([schema, name]) => Ok(Self::new(schema, name)),
            // a table that is missing, of which nobody knows the schema
            Some([name]) => Ok(Self::new("", name)),
            _ => Err(serde::de::Error::custom(format!("`{text}` is not schema.table"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_from_what_is_shown() {
        for (schema, name) in [("public", "orders"), ("a.b", "c\"d"), ("Ünï", "x y"), ("s", "select")] {
            let table = TableName::new(schema, name);
            let parts = TableName::split(&table.to_string()).unwrap();
            assert_eq!(parts, [schema, name]);
            let json = serde_json::to_string(&table).unwrap();
            assert_eq!(serde_json::from_str::<TableName>(&json).unwrap(), table);
        }
        for name in ["orders", "or.ders", "x y"] {
            let missing = TableName::new("", name);
            let json = serde_json::to_string(&missing).unwrap();
            assert_eq!(serde_json::from_str::<TableName>(&json).unwrap(), missing, "{json}");
        }
    }

    #[test]
    fn text_that_is_no_name_is_refused() {
        for text in ["", ".", "a.", ".a", "\"open", "\"a\"b", "a..b"] {
            assert_eq!(TableName::split(text), None, "{text}");
        }
    }
}
