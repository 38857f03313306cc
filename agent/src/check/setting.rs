//! What a check is told: about the source, about the run.

use crate::config::Examples;
use crate::state::DigestKey;
use chrono::{DateTime, Utc};
use fieldmark_engine::rule::SampleWish;
use std::path::PathBuf;
use std::time::Duration;

/// One source's settings for a run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Rows to read of a table of which the rule file does not say.
    pub sample: SampleWish,
    /// Rows kept of a drawn block where the wish does not say.
    pub per_block: u32,
    /// `--sample N` or `--full`: over what rule files wish.
    pub override_sample: Option<SampleWish>,
    /// Failing fraction that a sampled pass has to exclude.
    pub detect: f64,
    /// How failing rows are shown.
    pub examples: Examples,
    /// Most rows that one check of one table reads; `None` under `--full`.
    pub rows_per_check: Option<u64>,
    /// Whether a sample that cannot decide is enlarged.
    pub enlarge: bool,
    /// Whether a check goes by the ones before it: recent rows are a stratum of their own, known failing rows are read again. Not so where
    /// two checks are to be compared.
    pub watermarks: bool,
    /// Whether a pass over a whole table is in one snapshot.
    pub snapshot: bool,
    /// Connections that read at the same time.
    pub connections: u32,
    /// How often a pass over a whole table may answer a rule that no index answers; zero: as often as asked.
    pub full_every: Duration,
}

/// One run.
#[derive(Clone, Debug)]
pub struct RunFacts {
    /// Its time: `now()` of every expression.
    pub now: DateTime<Utc>,
    /// Its seed.
    pub seed: u64,
    /// The state folder: of what is kept, and of files without a name for what does not fit into memory.
    pub state_folder: PathBuf,
    /// The agent's own key, of keyed digests.
    pub digest_key: DigestKey,
}

impl RunFacts {
    /// HMAC-SHA256 of a canonical text under the agent's own key: 16 hexadecimal digits.
    pub fn digest(&self, text: &str) -> String {
        use hmac::{Hmac, KeyInit, Mac};
        let Ok(mut mac) = Hmac::<sha2::Sha256>::new_from_slice(self.digest_key.expose()) else {
            return String::new(); // HMAC takes keys of any length
        };
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}
