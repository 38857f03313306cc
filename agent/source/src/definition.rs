//! What a database keeps of how its tables and columns are made: views, routines, triggers, computed columns; and the statements that it has
//! seen others send.

use fieldmark_model::TableName;
use fieldmark_model::lineage::OriginKind;

/// Texts that are longer are not read.
pub const LONGEST: usize = 8 << 20;

/// Something that makes columns from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// What it is.
    pub kind: OriginKind,
    /// Its schema and name; of a trigger, a rule or a computed column, its table's schema, and its own name.
    pub name: TableName,
    /// What the database knows it by, where that is asked for elsewhere (PostgreSQL: a function's oid).
    pub identity: Option<u64>,
    /// The table that it is on.
    pub table: Option<TableName>,
    /// What it is made of; `None`: the role may not see it, or it is longer than [`LONGEST`].
    pub made_of: Option<MadeOf>,
}

/// What something is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MadeOf {
    /// The server's own tree, all names resolved.
    Tree(String),
    /// A statement.
    Statement(String),
    /// The statements of a routine.
    Body {
        /// Their text.
        text: String,
        /// Their language.
        language: String,
        /// Names of the routine's parameters.
        parameters: Vec<String>,
        /// Names of the columns that it gives, where it gives several.
        gives: Vec<String>,
    },
    /// The server's tree of a routine's statements.
    BodyTree {
        /// The tree.
        text: String,
        /// Names of the columns that it gives, where it gives several.
        gives: Vec<String>,
    },
    /// An expression over columns of the same row.
    Expression(String),
    /// The server's tree of such an expression.
    ExpressionTree(String),
}

/// Something of a database, and the statement that makes it anew elsewhere, without rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// `table public.orders`.
    pub what: String,
    /// The statement. It may hold literals of whoever made it: it is sent to a shadow, and told to nobody.
    pub statement: String,
}

/// A statement that a database has seen, without its literals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenStatement {
    /// What the database knows it by.
    pub id: String,
    /// Its text, with signs in the place of literals.
    pub text: String,
    /// How often it was run, as far as the database remembers.
    pub calls: u64,
}
