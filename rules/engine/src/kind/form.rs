//! The form of a kind's settings: what an editor has to know of them.

/// The form of a kind's own settings.
#[derive(Debug)]
pub enum Form {
    /// A column, or a list of columns.
    Columns,
    /// An SQL expression over the row's columns.
    Expression,
    /// A query in the database's own SQL.
    Query,
    /// A mapping.
    Keys {
        /// Its keys.
        keys: &'static [Key],
        /// Of these one has to be there at least.
        at_least_one: &'static [&'static str],
    },
}

/// One key of a mapping.
#[derive(Debug)]
pub struct Key {
    /// Its spelling.
    pub name: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// What it is, in a few words.
    pub what: &'static str,
    /// Whether it has to be there.
    pub required: bool,
}

impl Key {
    /// A key that has to be there.
    pub(crate) const fn required(name: &'static str, takes: Takes, what: &'static str) -> Self {
        Self { name, takes, what, required: true }
    }

    /// A key that may be left out.
    pub(crate) const fn optional(name: &'static str, takes: Takes, what: &'static str) -> Self {
        Self { name, takes, what, required: false }
    }
}

/// What a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// A text.
    Text,
    /// A column's name.
    Column,
    /// A list of columns; a single one counts as a list of one.
    Columns,
    /// A text, number or boolean.
    Value,
    /// A list of those.
    Values,
    /// A whole number from 0 on.
    Count,
    /// `20%` or `0.2`, also above 1.
    Ratio,
    /// `[low, high]`, `<= high` or `>= low`.
    Limits,
    /// `15m`.
    Duration,
    /// The name of a type of [`super::ValueType`].
    ValueType,
}
