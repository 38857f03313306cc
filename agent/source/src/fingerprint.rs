//! What the schemas of a source are like, in one short text: when that is another one, something of them is.

use fieldmark_model::Catalogue;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What the schemas are like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// As long as this is the same, the schemas are: cheap to ask for. `None` where there is nothing of the kind.
    pub pulse: Option<String>,
    /// Another one whenever anything of the schemas is.
    pub schema: String,
}

impl Fingerprint {
    /// Of what a catalogue tells: the same of schemas that are told alike, also where one was made anew, or taken back.
    pub fn of(catalogue: &Catalogue) -> Self {
        let mut hash = Sha256::new();
        for table in &catalogue.tables {
            let mut parts = vec![format!("{} {:?}", table.name, table.kind)];
            parts.extend(table.columns.iter().map(|c| format!("{} {} {}", c.name, c.declared, c.nullable)));
            parts.push(format!(
                "{:?} {:?} {:?} {:?}",
                table.primary_key, table.unique, table.indexes, table.foreign_keys
            ));
            for part in parts {
                // each with its length, so that no two lists of parts are alike
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part.as_bytes());
            }
        }
        let digest = hash.finalize();
        let schema = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Self { pulse: None, schema }
    }
}
