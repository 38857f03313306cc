//! Who an agent is: ids of observations that are never given twice, and the key of its digests.

use super::atomic;
use super::error::StateError;
use super::lock::{Lock, PATIENCE};
use super::source::{Found, read_versioned, write_json};
use super::{Note, StateFolder, make_folder, sweep};
use fieldmark_model::observation::ObservationId;
use rand::TryRng as _;
use rand::rngs::SysRng;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;

const VERSION: u64 = 1;
const FILE: &str = "identity.json";
const KEY: &str = "digest.key";
const KEY_BYTES: usize = 32;

/// What is kept of the agent itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    version: u64,
    incarnation: u64,
    next_sequence: u64,
}

/// Gives ids to observations.
#[derive(Clone, Debug)]
pub struct Identity {
    folder: StateFolder,
    name: String,
}

/// The key of keyed digests. Shows nothing of itself.
#[derive(Clone, PartialEq, Eq)]
pub struct DigestKey([u8; KEY_BYTES]);

impl DigestKey {
    /// The key's bytes, for the HMAC.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DigestKey(***)")
    }
}

/// The machine's name; `fieldmark` where it has none.
pub fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if name.is_empty() || name == "(none)" { "fieldmark".to_owned() } else { name }
}

impl StateFolder {
    /// Who this agent is, by this name.
    pub fn identity(&self, name: impl Into<String>) -> Identity {
        Identity { folder: self.clone(), name: name.into() }
    }

    /// The key of this folder's digests, made at its first use. Marks with digests can be compared only under the same key.
    ///
    /// # Errors
    /// It cannot be read or made; a key of a wrong length is never replaced, since every digest would change.
    pub fn digest_key(&self) -> Result<DigestKey, StateError> {
        let path = self.path().join(KEY);
        let read = || match std::fs::read(&path) {
            Ok(bytes) => match <[u8; KEY_BYTES]>::try_from(bytes) {
                Ok(key) => Ok(Some(DigestKey(key))),
                Err(_) => {
                    let error = io::Error::new(io::ErrorKind::InvalidData, "the key is damaged");
                    Err(StateError::system("read", &path, error))
                }
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StateError::system("read", &path, error)),
        };
        if let Some(key) = read()? {
            return Ok(key);
        }
        let _lock = lock_identity(self)?;
        if let Some(key) = read()? {
            return Ok(key);
        }
        let mut key = [0; KEY_BYTES];
        SysRng.try_fill_bytes(&mut key).map_err(|_| StateError::NoRandomness)?;
        atomic::write(&path, &key)?;
        Ok(DigestKey(key))
    }
}

/// The lock under which files of the folder itself are written.
pub(super) fn lock_identity(folder: &StateFolder) -> Result<Lock, StateError> {
    let locks = folder.path().join("locks");
    make_folder(&locks)?;
    let lock = Lock::acquire(&locks.join(".identity.lock"), PATIENCE)?;
    sweep(folder.path(), None)?;
    Ok(lock)
}

impl Identity {
    /// The agent's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Ids for so many observations, in order and without a gap to those given before. They are used up on disk before this
    /// returns, so that no crash gives one twice; those that are then not used are a gap, which counts as a loss.
    ///
    /// # Errors
    /// The state folder cannot be read or written.
    pub fn reserve(&self, count: u64) -> Result<(Vec<ObservationId>, Option<Note>), StateError> {
        let _lock = lock_identity(&self.folder)?;
        let path = self.folder.path().join(FILE);
        let (kept, note) = match read_versioned::<Kept>(&path, VERSION)? {
            // numbers that would soon run out are damaged ones
            Found::State(kept) if kept.next_sequence <= u64::MAX >> 1 && kept.incarnation <= u64::MAX >> 1 => {
                (kept, None)
            }
            Found::Absent => (Kept::begin()?, None),
            Found::State(_) => (Kept::begin()?, Some(atomic::keep_aside(&path, "its numbers are out of range")?)),
            Found::Damaged(why) => (Kept::begin()?, Some(atomic::keep_aside(&path, &why)?)),
        };
        let end = kept.next_sequence.saturating_add(count);
        write_json(&path, &Kept { next_sequence: end, ..kept })?;
        let id = |sequence| ObservationId { agent: self.name.clone(), incarnation: kept.incarnation, sequence };
        Ok(((kept.next_sequence..end).map(id).collect(), note))
    }
}

impl Kept {
    /// A new life, with a number that no other has.
    fn begin() -> Result<Self, StateError> {
        let random = SysRng.try_next_u64().map_err(|_| StateError::NoRandomness)?;
        Ok(Self { version: VERSION, incarnation: random >> 1, next_sequence: 0 })
    }
}
