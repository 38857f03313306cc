//! What the comment of a statement says: whose it is, which of the known statements, and for which rule.
//!
//! `/* fieldmark agent='db-1',statement='rows_by_key',rule='shop.orders.unique.order_no' */`: keys and values as in sqlcommenter
//! (values percent-encoded in single quotes), but in front of the statement, where a database that cuts long statements still shows it.
//!
//! There is no way to send a statement without a [`Name`], so the list of them is the list of all statements; `docs/statements.md` is
//! made of it, and a test holds both together.

use std::fmt::Write as _;
use std::sync::{Arc, PoisonError, RwLock};

macro_rules! names {
    ($($(#[doc = $what:literal])+ $name:ident = $word:literal,)*) => {
        /// The statements that are ever sent to a source.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Name {
            $($(#[doc = $what])+ $name,)*
        }

        impl Name {
            /// All of them, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The word of the comment.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }

            /// What it is for.
            pub fn what(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($what,)+).trim_ascii(),)*
                }
            }
        }
    };
}

names! {
    /// Asks a fresh connection for the server's version, encoding and schemas.
    Greeting = "greeting",
    /// Names the session in `application_name`, where no pooler would hand the name on to somebody else.
    Naming = "naming",
    /// Asks a fresh connection which cluster it is of and on which timeline, by which a failover is told.
    Identity = "identity",
    /// Begins a read-only transaction.
    Begin = "begin",
    /// Limits how long a lock or a statement may take, for the rest of the transaction.
    Limit = "limit",
    /// Locks the table that is read from against being dropped, as reading it does, before the snapshot is taken.
    Lock = "lock",
    /// Settings of the transaction: limits, planner, formats.
    Settings = "settings",
    /// Takes the snapshot of another transaction of ours, for a pass in one snapshot.
    Snapshot = "snapshot",
    /// Keeps the transaction alive whose snapshot a pass goes by: asked every second.
    KeepAlive = "keep_alive",
    /// Gives out the snapshot of a transaction that holds nothing else, for a pass in one snapshot.
    Export = "export",
    /// Ends the transaction.
    Commit = "commit",
    /// Ends the transaction of a rule's own query, with whatever a function in it has done.
    RollBack = "roll_back",
    /// Gives back advisory locks that a function in a rule's own query may have taken.
    Unlock = "unlock",
    /// Cancels a statement of ours that somebody does not wait for any more.
    Cancel = "cancel",
    /// Whether anybody waits for a lock that a read of ours holds: asked every 20 ms while one takes that long.
    Waiting = "waiting",
    /// Ends the session of a statement that was cancelled for somebody who waits, and did not end.
    Terminate = "terminate",
    /// How far a server's log has come, by which it is told that a replica shows a migration.
    Standing = "standing",
    /// How often the catalogue's tables were written, asked every few seconds by the daemon.
    Pulse = "pulse",
    /// A digest of all that the catalogue says of the schemas, asked where the pulse has moved.
    Fingerprint = "fingerprint",
    /// The tables of the source's schemas.
    Tables = "tables",
    /// Estimated rows and pages of tables with partitions or heirs.
    Sums = "sums",
    /// Columns of tables.
    Columns = "columns",
    /// Indexes of tables.
    Indexes = "indexes",
    /// Foreign keys of tables.
    ForeignKeys = "foreign_keys",
    /// How the columns of one table are read: types, operators, what is granted.
    Layout = "layout",
    /// The parts of one table that have storage of their own.
    Parts = "parts",
    /// Whether table and columns were still the same when rows had been read.
    Verify = "verify",
    /// How far transactions have come.
    Horizon = "horizon",
    /// Sessions that have a transaction open, to tell the migration's from others.
    Sessions = "sessions",
    /// Transaction ids that sessions of the migration hold.
    Held = "held",
    /// The table's own counters of rows written.
    Counters = "counters",
    /// Has this session's statistics written.
    Flush = "flush",
    /// Blocks of tables that were touched so far, by anybody.
    Touched = "touched",
    /// What the role may do.
    Privileges = "privileges",
    /// Views and rules with what they are made of, for lineage.
    Definitions = "definitions",
    /// Routines with their bodies, for lineage.
    Routines = "routines",
    /// Triggers with their bodies, for lineage.
    Triggers = "triggers",
    /// Columns that the database computes from others, for lineage.
    Computed = "computed",
    /// Statements that the database has seen others send, without their literals, for lineage.
    StatementLog = "statement_log",
    /// What there is, as statements that make it anew without rows, for a shadow database.
    Outline = "outline",
    /// Columns that CHECK constraints are about, for `init`.
    Checks = "checks",
    /// The next rows of a pass over a whole table.
    Rows = "rows",
    /// Whether a table goes on after a place.
    Further = "further",
    /// Rows by their keys.
    RowsByKey = "rows_by_key",
    /// Rows between two keys.
    RowsBetween = "rows_between",
    /// The key so many rows after another one.
    KeyAfter = "key_after",
    /// Least and greatest value of a column.
    Extremes = "extremes",
    /// Rows that share a value, for `unique`.
    Sharing = "sharing",
    /// Which values another table has, for `references`.
    Parents = "parents",
    /// Rows that refer to nothing, each with its look-up.
    Orphans = "orphans",
    /// Places of the live rows of drawn blocks.
    BlockPlaces = "block_places",
    /// Drawn rows of drawn blocks, by their places.
    BlockRows = "block_rows",
    /// A rule's own query, for `sql`.
    Query = "query",
    /// What the planner thinks that a rule's own query costs, for `check --plan`.
    Explain = "explain",
    /// Makes the connection refuse whatever is no read.
    QueryOnly = "query_only",
    /// Reads the whole schema of a file.
    Schema = "schema",
    /// The version of a file's schema.
    SchemaVersion = "schema_version",
    /// Rows of tables as the last ANALYZE left them.
    Estimates = "estimates",
}

/// Who sends statements, and for which rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Label {
    /// The agent's name.
    pub agent: String,
    /// The rule whose own statements are sent; `None` where they are for all rules of a table.
    pub rule: Option<String>,
}

impl Label {
    /// The comment in front of a statement.
    pub fn comment(&self, name: Name) -> String {
        let mut comment = String::from("/* fieldmark ");
        if !self.agent.is_empty() {
            comment.push_str(&format!("agent='{}',", encoded(&self.agent)));
        }
        comment.push_str(&format!("statement='{}'", name.as_str()));
        if let Some(rule) = &self.rule {
            comment.push_str(&format!(",rule='{}'", encoded(rule)));
        }
        comment.push_str(" */");
        comment
    }
}

/// Percent-encoded, so that it ends neither the value nor the comment; cut after 200 bytes.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes().take(200) {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b',' | b'@' | b':') {
            encoded.push(char::from(byte));
        } else {
            // writing to a String cannot fail
            write!(encoded, "%{byte:02X}").ok();
        }
    }
    encoded
}

/// The label of a source, in the hands of everything that sends for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedLabel(Arc<RwLock<Label>>);

impl SharedLabel {
    pub(crate) fn set(&self, label: Label) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = label;
    }

    /// One that says the same, until it is told otherwise.
    pub(crate) fn apart(&self) -> Self {
        Self(Arc::new(RwLock::new(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())))
    }

    /// A statement with its comment.
    pub(crate) fn labelled(&self, name: Name, sql: &str) -> String {
        format!("{} {sql}", self.0.read().unwrap_or_else(PoisonError::into_inner).comment(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_comment_ends_where_it_should() {
        let label = Label { agent: "db 1*/'".into(), rule: Some("shop.\"a\".unique.é".into()) };
        let comment = label.comment(Name::Sharing);
        assert_eq!(
            comment,
            "/* fieldmark agent='db%201%2A%2F%27',statement='sharing',rule='shop.%22a%22.unique.%C3%A9' */"
        );
        assert_eq!(Label::default().comment(Name::Begin), "/* fieldmark statement='begin' */");
    }

    #[test]
    fn every_statement_has_a_word_of_its_own() {
        let words: BTreeSet<&str> = Name::ALL.iter().map(|name| name.as_str()).collect();
        assert_eq!(words.len(), Name::ALL.len());
        assert!(Name::ALL.iter().all(|name| name.what().ends_with('.') && !name.what().starts_with(' ')));
    }
}
