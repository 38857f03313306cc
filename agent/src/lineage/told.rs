//! What was told of a source's lineage, so that only what is new is told.

use super::Snapshot;
use crate::state::{StateError, StateFolder, make_folder, write};
use fieldmark_model::SourceName;
use fieldmark_model::lineage::{LineagePart, LineageSeen, LineageTable};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::PathBuf;

const VERSION: u32 = 1;
/// Columns of one piece, about.
const TOGETHER: usize = 2_000;

/// Digests of what was told, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    version: u32,
    place: String,
    tables: BTreeMap<String, String>,
    origins: BTreeMap<String, String>,
}

fn digest<T: Serialize>(value: &T) -> String {
    let text = serde_json::to_vec(value).unwrap_or_default();
    Sha256::digest(text).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

impl Told {
    /// Where it is kept.
    pub(crate) fn path(folder: &StateFolder, source: &SourceName) -> PathBuf {
        folder.path().join("rolling").join(format!("{source}.lineage.json"))
    }

    /// What was told; of a file that cannot be read, or is another version's, nothing: all is told again.
    pub(crate) fn load(folder: &StateFolder, source: &SourceName) -> Self {
        let read = std::fs::read(Self::path(folder, source)).ok();
        let told = read.and_then(|bytes| serde_json::from_slice::<Self>(&bytes).ok());
        told.filter(|told| told.version == VERSION).unwrap_or_default()
    }

    /// # Errors
    /// The system refused.
    pub(crate) fn keep(&self, path: &std::path::Path) -> Result<(), StateError> {
        if let Some(folder) = path.parent() {
            make_folder(folder)?;
        }
        write(path, &serde_json::to_vec(self).unwrap_or_default())
    }

    /// What is new of a snapshot, in pieces, and what is told with them.
    pub(crate) fn new_of(
        &self,
        source: &SourceName,
        snapshot: Snapshot,
        migration: Option<&str>,
    ) -> (Vec<LineageSeen>, Self) {
        let mut now = Self { version: VERSION, ..Self::default() };
        let seen = |part| LineageSeen { source: source.clone(), migration: migration.map(str::to_owned), part };
        let mut pieces = Vec::new();
        now.place = digest(&snapshot.place);
        if now.place != self.place {
            pieces.push(seen(snapshot.place));
        }
        let mut new: Vec<LineageTable> = Vec::new();
        for table in snapshot.tables {
            let own = digest(&table);
            if self.tables.get(&table.name) != Some(&own) {
                new.push(table.clone());
            }
            now.tables.insert(table.name, own);
        }
        let gone: Vec<String> = self.tables.keys().filter(|name| !now.tables.contains_key(*name)).cloned().collect();
        let mut columns = 0;
        let mut together = Vec::new();
        for table in new {
            columns += table.columns.len() + 1;
            together.push(table);
            if columns >= TOGETHER {
                pieces.push(seen(LineagePart::Tables { tables: std::mem::take(&mut together), gone: Vec::new() }));
                columns = 0;
            }
        }
        if !together.is_empty() || !gone.is_empty() {
            pieces.push(seen(LineagePart::Tables { tables: together, gone }));
        }
        for origin in snapshot.origins {
            let own = digest(&origin);
            let name = origin.name.clone();
            if self.origins.get(&name) != Some(&own) {
                pieces.push(seen(LineagePart::Origin(Box::new(origin))));
            }
            now.origins.insert(name, own);
        }
        let gone: Vec<String> = self.origins.keys().filter(|name| !now.origins.contains_key(*name)).cloned().collect();
        if !gone.is_empty() {
            pieces.push(seen(LineagePart::Gone { origins: gone }));
        }
        (pieces, now)
    }
}
