//! A document as a tree.

use crate::place::Place;

/// One value of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// A scalar as it was written (`1_000`, `10000000000000000000.05`), without quotes; empty for lists and mappings.
    pub spelling: String,
    /// Where it stands. Of an alias: where the value stands that it repeats.
    pub place: Place,
}

/// What a value is, by the rules of YAML's core schema and with `_` allowed between digits. `yes`, `no`, `on`, `off` are text.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeKind {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i128),
    /// A number with a point, an exponent, or too large for [`NodeKind::Integer`]; exact in [`Node::spelling`].
    Float(f64),
    /// Anything else, and everything in quotes.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the file, no key twice.
    Map(Vec<Entry>),
}

/// One key of a mapping and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key as text.
    pub key: String,
    /// Where the key stands.
    pub place: Place,
    /// The value.
    pub value: Node,
}

impl Node {
    /// Whether it is `null` or nothing.
    pub fn is_null(&self) -> bool {
        matches!(self.kind, NodeKind::Null)
    }

    /// The value as a user would recognise it: a scalar as written (cut after 60 characters), else what it is.
    pub fn shown(&self) -> String {
        match &self.kind {
            NodeKind::Null => "nothing".to_owned(),
            NodeKind::Bool(_) | NodeKind::Integer(_) | NodeKind::Float(_) | NodeKind::Text(_) => {
                crate::shown::shown(&self.spelling)
            }
            NodeKind::List(items) => format!("a list of {}", items.len()),
            NodeKind::Map(entries) => format!("a mapping of {}", entries.len()),
        }
    }

    /// The value of a key, without regard to what else the mapping holds.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.kind {
            NodeKind::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
            NodeKind::Null
            | NodeKind::Bool(_)
            | NodeKind::Integer(_)
            | NodeKind::Float(_)
            | NodeKind::Text(_)
            | NodeKind::List(_) => None,
        }
    }
}
