//! What the daemon knows of a source after a restart: the schema as it was, the mark of its rows, and the migration that is announced.

use super::episodes::Episodes;
use crate::state::{StateError, StateFolder, make_folder, write};
use chrono::{DateTime, Utc};
use fieldmark_model::SourceName;
use fieldmark_source::Fingerprint;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

const VERSION: u32 = 1;

/// The schema that is held to be the source's own, and a mark that was taken while it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Remembered {
    version: u32,
    pub(super) fingerprint: Option<Fingerprint>,
    pub(super) mark: Option<String>,
    #[serde(default)]
    pub(super) announced: Option<Announced>,
}

/// A migration that somebody has opened, and nobody closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Announced {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) began: DateTime<Utc>,
    /// When it was closed; what it did is not judged yet.
    #[serde(default)]
    pub(super) ended: Option<DateTime<Utc>>,
    pub(super) changes: Vec<String>,
}

impl Remembered {
    pub(super) fn new(fingerprint: Option<Fingerprint>, mark: Option<String>, announced: Option<Announced>) -> Self {
        Self { version: VERSION, fingerprint, mark, announced }
    }
}

fn path(folder: &StateFolder, source: &SourceName) -> PathBuf {
    // the names of sources are plain file names: the configuration sees to it
    folder.path().join("rolling").join(format!("{source}.json"))
}

/// What is known; of a file that cannot be read, or is another version's, nothing: the next look begins anew.
pub(super) fn load(folder: &StateFolder, source: &SourceName) -> Option<Remembered> {
    let bytes = std::fs::read(path(folder, source)).ok()?;
    let remembered: Remembered = serde_json::from_slice(&bytes).ok()?;
    (remembered.version == VERSION).then_some(remembered)
}

/// Where what fails of a source is kept.
pub(super) fn episodes_path(folder: &StateFolder, source: &SourceName) -> PathBuf {
    folder.path().join("rolling").join(format!("{source}.episodes.json"))
}

/// What is known of what fails; of a file that cannot be read, or is another version's, nothing.
pub(super) fn load_episodes(folder: &StateFolder, source: &SourceName) -> Option<Episodes> {
    let bytes = std::fs::read(episodes_path(folder, source)).ok()?;
    serde_json::from_slice::<Episodes>(&bytes).ok().filter(Episodes::is_known)
}

pub(super) fn keep_episodes(path: &Path, episodes: &Episodes) -> Result<(), StateError> {
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    write(path, &serde_json::to_vec(episodes).unwrap_or_default())
}

pub(super) fn keep(folder: &StateFolder, source: &SourceName, remembered: &Remembered) -> Result<(), StateError> {
    let path = path(folder, source);
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    write(&path, &serde_json::to_vec(remembered).unwrap_or_default())
}
