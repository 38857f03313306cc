//! Where a value came from.

use fieldmark_document::{Place, Placed};
use std::fmt;
use std::sync::Arc;

const VARIABLE: &str = "environment variable ";

/// Where a value came from. Later ones in this list win over earlier ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The configuration file.
    File(Place),
    /// This environment variable.
    Environment(String),
    /// This flag of the command line.
    Flag(&'static str),
}

impl Origin {
    /// The origin that a place of the merged tree stands for.
    pub(super) fn of(place: &Place) -> Self {
        match place.file.strip_prefix(VARIABLE) {
            Some(name) if !is_in_file(place) => Self::Environment(name.to_owned()),
            Some(_) | None => Self::File(place.clone()),
        }
    }
}

impl Origin {
    /// The file and the line, where it is in one.
    pub fn place(&self) -> Option<&Place> {
        if let Self::File(place) = self { Some(place) } else { None }
    }
}

impl fmt::Display for Origin {
    /// `default`, `file:line`, `environment variable NAME` or the flag.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(place) => write!(f, "{}:{}", place.file, place.line),
            Self::Environment(name) => write!(f, "{VARIABLE}{name}"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// A value and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value in force.
    pub value: T,
    /// Where it came from.
    pub origin: Origin,
}

impl<T> Setting<T> {
    /// A value that nobody set.
    pub fn default_of(value: T) -> Self {
        Self { value, origin: Origin::Default }
    }
    /// What was read, else the default.
    pub(super) fn or(read: Option<Placed<T>>, default: T) -> Self {
        match read {
            Some(read) => Self { origin: Origin::of(&read.place), value: read.value },
            None => Self::default_of(default),
        }
    }
}

/// The place that stands for an environment variable: there is no line in it.
pub(super) fn variable(name: &str) -> Place {
    nowhere(&format!("{VARIABLE}{name}"))
}

/// A place that is no place in a file: its line is 0, and only the name is shown.
pub(crate) fn nowhere(name: &str) -> Place {
    Place { file: Arc::from(name), line: 0, column: 0, offset: 0, length: 0 }
}

/// Whether the place has a line that one could look at.
pub(super) fn is_in_file(place: &Place) -> bool {
    place.line > 0
}
