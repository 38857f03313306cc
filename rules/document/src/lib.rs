//! YAML documents as trees with places, and readers that collect every problem instead of stopping at the first.
//!
//! [`parse`] turns a file's text into [`Node`]s, one for each document in it. A [`MapReader`] takes the keys that it knows
//! out of a mapping, in typed form, and reports the rest. Whatever is wrong goes to [`Problems`], with file, line, column,
//! the value seen, what is allowed and the nearest spelling. Nothing here reads a file: text comes in as an argument.
//!
//! ```
//! use fieldmark_document::{MapReader, Problems, parse};
//!
//! let mut problems = Problems::default();
//! let documents = parse("fieldmark.yaml", "agent: { every: 5m, nmae: db-1 }", &mut problems);
//! let mut file = MapReader::new(&documents[0], "the file", &mut problems).unwrap();
//! let agent = file.map("agent", &mut problems);
//! if let Some(mut agent) = agent {
//!     let every = agent.duration("every", &mut problems).unwrap();
//!     assert_eq!(every.value.as_secs(), 300);
//!     assert_eq!(agent.text("name", &mut problems), None);
//!     agent.finish(&mut problems);
//! }
//! file.finish(&mut problems);
//! assert_eq!(
//!     problems.to_string(),
//!     "fieldmark.yaml:1:21: unknown key in `agent`: `nmae`; allowed: every, name; did you mean `name`?"
//! );
//! ```
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod nearest;
mod node;
mod parse;
mod place;
mod problem;
mod quantity;
mod reader;
mod scalar;
mod shown;

pub use nearest::nearest;
pub use node::{Entry, Node, NodeKind};
pub use parse::{Limits, parse, parse_within};
pub use place::{Place, Placed};
pub use problem::{Problem, Problems};
pub use quantity::{bytes_of, duration_of, fraction_of, nearest_duration, nearest_ratio, ratio_of};
pub use reader::MapReader;
pub use shown::{listed, shown, visible};
