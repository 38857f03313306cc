//! A lock between processes: the advisory lock of a file that is never removed.

use super::error::StateError;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a short write of another process is waited for.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// A held lock. Given back when dropped, and by the system when the process ends; children do not inherit it.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    // closing the file gives the lock back
    _file: File,
}

impl Lock {
    /// Takes the lock of a file, which is made where it is missing; its folder has to be there. Waits up to `patience`,
    /// blocking the thread.
    ///
    /// # Errors
    /// [`StateError::InUse`] where another holds it all that time.
    pub fn acquire(path: &Path, patience: Duration) -> Result<Self, StateError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(|error| StateError::system("open the lock file", path, error))?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { path: path.to_owned(), _file: file }),
                Err(TryLockError::WouldBlock) if begun.elapsed() < patience => {
                    // there is no lock call with a time limit
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(TryLockError::WouldBlock) => return Err(StateError::InUse { path: path.to_owned() }),
                Err(TryLockError::Error(error)) => return Err(StateError::system("lock", path, error)),
            }
        }
    }

    /// The lock file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
