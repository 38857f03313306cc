//! How rows were drawn: the complete description of a sample, kept beside its outcome.
//!
//! The unit drawn at random is the unit of evidence: a row where rows were drawn one by one, a block (or a row group of a
//! file) where blocks were.

use serde::{Deserialize, Serialize};

use crate::{LookPlan, Population};

/// How the units of one stratum were chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Method {
    /// Every row was read; nothing is left to chance.
    AllRows,
    /// Rows drawn one by one, uniformly and without replacement (random keys with misses rejected, random rowids). Unit: a row.
    IndependentRows,
    /// Blocks (pages, row groups) drawn uniformly, and rows of each. Unit: a block.
    Blocks {
        /// At most this many live rows kept of each block, chosen uniformly; `None` keeps all of them.
        per_block: Option<u32>,
    },
}

impl Method {
    /// Whether every row was read, so that no interval applies.
    #[must_use]
    pub fn is_all_rows(self) -> bool {
        match self {
            Self::AllRows => true,
            Self::IndependentRows | Self::Blocks { .. } => false,
        }
    }
}

/// The complete description of how one stratum was drawn. Drawn keys are stored beside it by whoever drew them, because a seed
/// does not repeat a draw once rows are written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Design {
    /// Version of this description; 1.
    pub version: u32,
    /// Which stratum: `recent`, `body`, a partition's name.
    pub stratum: String,
    /// How units were chosen.
    pub method: Method,
    /// Seed of the generator ([`crate::draw::generator`]); `None` where nothing was drawn.
    pub seed: Option<u64>,
    /// Units (rows or blocks) drawn, empty blocks included.
    pub units_drawn: u64,
    /// Rows read from the source, hits and kept rows alike.
    pub rows_read: u64,
    /// Rows kept for evaluation, before any rule's `where`.
    pub rows_kept: u64,
    /// Rows of the stratum.
    pub population: Population,
    /// The looks fixed before the first one.
    pub looks: LookPlan,
}

impl Design {
    /// The version that this crate writes.
    pub const VERSION: u32 = 1;
}
