//! Numbers and states in the words that people read: one wording for all formats.
//!
//! Groups of digits and units are joined by [`NARROW`], a space that does not break; the terminal shows it as a space.

mod change;
mod cost;
mod lineage;
mod outcome;

pub use change::*;
pub use cost::*;
pub use fieldmark_model::number::*;
pub use lineage::*;
pub use outcome::*;
