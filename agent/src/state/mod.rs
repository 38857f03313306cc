//! The state folder: what an agent has to remember between two runs.
//!
//! ```text
//! <state_dir>/                 made with mode 0700; every file in it has mode 0600
//!   .gitignore                 keeps all of it out of a repository that the folder lies in
//!   identity.json              incarnation and next sequence number of observations
//!   digest.key                 32 random bytes, the key of keyed digests
//!   locks/<source>.lock        held while a mark or state of the source is written; never removed
//!   locks/.identity.lock       held while a file of the folder itself is written
//!   state/<source>.json        small state: last row counts, whole-table passes, watermarks, keys of known failing rows, baselines, budget
//!   marks/<source>/…           marks, one folder for each
//! ```
//!
//! A file is written beside its final place, synced, renamed, and its folder synced: a crash leaves the old file or the new
//! one. What a crash leaves besides (`.<name>.<…>.tmp`) is ignored, and removed by the next one who holds the lock. A file
//! that cannot be understood is kept aside as `<name>.damaged-<time>`, reported, and begun anew; one that a newer Fieldmark
//! wrote is left alone. A source's name that is no plain file name is written with `%` and hexadecimal digits.

mod atomic;
mod baseline;
mod error;
mod failing;
mod identity;
mod lock;
mod source;
#[cfg(test)]
mod tests;
mod watermark;

pub use atomic::{AtomicFile, make_folder, sweep, write};
pub use baseline::{Counted, Recorded};
pub use error::StateError;
pub use failing::{FailingRows, FailingRule};
pub use identity::{DigestKey, Identity, host_name};
pub use lock::{Lock, PATIENCE};
pub use source::{Balance, LastCheck, Pass, RowCount, SourceState};
pub use watermark::Watermark;

use fieldmark_model::SourceName;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A state folder that is there and can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateFolder {
    path: PathBuf,
}

/// Something that was not as it should be and has been dealt with: a sentence for the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note(pub String);

/// Proof that nobody else writes marks or state of this source. Gives the lock back when dropped.
#[derive(Debug)]
pub struct SourceLock {
    lock: Lock,
    source: SourceName,
}

impl SourceLock {
    /// The source.
    pub fn source(&self) -> &SourceName {
        &self.source
    }
    /// The lock file.
    pub fn path(&self) -> &Path {
        self.lock.path()
    }
}

impl StateFolder {
    /// Makes the folder where it is missing, with mode 0700.
    ///
    /// # Errors
    /// It cannot be made, or is no folder.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StateError> {
        let folder = Self { path: path.into() };
        let is_new = !folder.path.exists();
        make_folder(&folder.path)?;
        if is_new {
            // it may lie in a repository, and holds keys of rows; another process may have made the folder at the same time
            folder.write(".gitignore", b"*\n")?;
        }
        Ok(folder)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file of the folder itself, under its lock, and removes what crashed writers left there.
    ///
    /// # Errors
    /// The system refused, or another process held the lock for long.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        let _lock = identity::lock_identity(self)?;
        write(&self.path.join(name), bytes)
    }

    /// Where marks of a source are kept. Made by who first writes one there ([`make_folder`]).
    pub fn marks(&self, source: &SourceName) -> PathBuf {
        self.path.join("marks").join(file_name(source))
    }

    /// Locks a source for writing, without waiting, and removes what crashed writers left of its state.
    ///
    /// # Errors
    /// [`StateError::InUse`] where another process holds it.
    pub fn lock(&self, source: &SourceName) -> Result<SourceLock, StateError> {
        self.lock_within(source, Duration::ZERO)
    }

    /// Locks a source for writing, waiting up to so long. Blocks the thread.
    ///
    /// # Errors
    /// [`StateError::InUse`] where another process held it all the time.
    pub fn lock_within(&self, source: &SourceName, patience: Duration) -> Result<SourceLock, StateError> {
        let folder = self.path.join("locks");
        make_folder(&folder)?;
        let lock = Lock::acquire(&folder.join(format!("{}.lock", file_name(source))), patience)?;
        sweep(&self.path.join("state"), Some(&format!("{}.json", file_name(source))))?;
        sweep(&self.marks(source), None)?;
        Ok(SourceLock { lock, source: source.clone() })
    }

    fn state_path(&self, source: &SourceName) -> PathBuf {
        self.path.join("state").join(format!("{}.json", file_name(source)))
    }

    /// What is remembered of a source. Needs no lock; changes nothing.
    ///
    /// A damaged file counts as empty and gives a note; it is kept aside by the next [`StateFolder::update`].
    ///
    /// # Errors
    /// The file cannot be read, or is of a newer version.
    pub fn load(&self, source: &SourceName) -> Result<(SourceState, Option<Note>), StateError> {
        let path = self.state_path(source);
        Ok(match source::read(&path)? {
            source::Found::State(state) => (state, None),
            source::Found::Absent => (SourceState::default(), None),
            source::Found::Damaged(why) => {
                let note = Note(format!("the state file {} is damaged ({why}) and counts as empty", path.display()));
                (SourceState::default(), Some(note))
            }
        })
    }

    /// Changes what is remembered of a source, under its lock: read, changed, written as a whole.
    ///
    /// # Errors
    /// The file cannot be read or written, or is of a newer version; it is then as it was.
    pub fn update(&self, lock: &SourceLock, change: impl FnOnce(&mut SourceState)) -> Result<Option<Note>, StateError> {
        let path = self.state_path(&lock.source);
        let (mut state, note) = match source::read(&path)? {
            source::Found::State(state) => (state, None),
            source::Found::Absent => (SourceState::default(), None),
            source::Found::Damaged(why) => (SourceState::default(), Some(atomic::keep_aside(&path, &why)?)),
        };
        change(&mut state);
        source::write(&path, &state)?;
        Ok(note)
    }
}

/// A source's name as a file's name. Different names give different file names.
fn file_name(source: &SourceName) -> String {
    let mut name = String::new();
    for byte in source.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02x}"));
        }
    }
    if name.is_empty() { "%".to_owned() } else { name }
}
