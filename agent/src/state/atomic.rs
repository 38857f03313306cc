//! Files that are there as a whole or not at all.

use super::Note;
use super::error::StateError;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// A file being written beside its final place. Dropped without [`AtomicFile::commit`], it leaves nothing.
#[derive(Debug)]
pub struct AtomicFile {
    file: File,
    temporary: PathBuf,
    target: PathBuf,
    committed: bool,
}

static COUNTER: AtomicU64 = AtomicU64::new(0);

impl AtomicFile {
    /// Begins to write a file, with mode 0600, in a folder that is there.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn create(target: &Path) -> Result<Self, StateError> {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let unique = format!(".{name}.{}-{}.tmp", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed));
        let temporary = target.with_file_name(unique);
        // an earlier process of the same id may have left one
        if let Err(error) = std::fs::remove_file(&temporary)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(StateError::system("write", target, error));
        }
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)
            .map_err(|error| StateError::system("write", target, error))?;
        Ok(Self { file, temporary, target: target.to_owned(), committed: false })
    }

    /// Puts the file in its place, in the stead of an older one: synced, renamed, and the folder synced.
    ///
    /// # Errors
    /// The system refused; the older file is still there, unless only the last step failed.
    pub fn commit(mut self) -> Result<(), StateError> {
        let failed = |error| StateError::system("write", &self.target, error);
        self.file.sync_all().map_err(failed)?;
        std::fs::rename(&self.temporary, &self.target).map_err(failed)?;
        self.committed = true;
        sync_folder(self.target.parent().unwrap_or(Path::new("/")))
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if !self.committed {
            // what cannot be removed now is swept by the next one who holds the lock
            std::fs::remove_file(&self.temporary).ok();
        }
    }
}

/// Writes a whole file.
///
/// # Errors
/// The system refused.
pub fn write(target: &Path, bytes: &[u8]) -> Result<(), StateError> {
    let mut file = AtomicFile::create(target)?;
    file.write_all(bytes).map_err(|error| StateError::system("write", target, error))?;
    file.commit()
}

/// Makes a folder and those above it where they are missing, with mode 0700.
///
/// # Errors
/// It cannot be made, or something else has its name.
pub fn make_folder(path: &Path) -> Result<(), StateError> {
    let failed = |error| StateError::system("make the folder", path, error);
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), sync_folder)
}

/// Makes names in a folder durable.
pub(super) fn sync_folder(path: &Path) -> Result<(), StateError> {
    let failed = |error| StateError::system("sync the folder", path, error);
    File::open(path).map_err(failed)?.sync_all().map_err(failed)
}

/// Removes what crashed writers left in a folder: of the file or folder of that name, or of all. Only for who holds the lock under
/// which those files are written.
///
/// # Errors
/// The folder cannot be read.
pub fn sweep(folder: &Path, name: Option<&str>) -> Result<(), StateError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(StateError::system("read the folder", folder, error)),
    };
    for entry in entries {
        let entry = entry.map_err(|error| StateError::system("read the folder", folder, error))?;
        let own = entry.file_name();
        let Some(rest) = own.to_str().and_then(|own| own.strip_prefix('.')?.strip_suffix(".tmp")) else { continue };
        // `<name>.<process>-<number>` of a file, `<name>.<by chance>` of a folder
        let of = rest.rsplit_once('.').map(|(of, _)| of);
        if of.is_some() && name.is_none_or(|name| of == Some(name)) {
            let folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let path = entry.path();
            let removed = if folder { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
            // one that cannot be removed is in nobody's way
            removed.ok();
        }
    }
    Ok(())
}

/// Moves a file that cannot be understood aside, under a name that is free.
pub(super) fn keep_aside(path: &Path, why: &str) -> Result<Note, StateError> {
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut aside = path.with_file_name(format!("{name}.damaged-{seconds}"));
    let mut number = 1;
    while aside.symlink_metadata().is_ok() {
        aside = path.with_file_name(format!("{name}.damaged-{seconds}-{number}"));
        number += 1;
    }
    std::fs::rename(path, &aside).map_err(|error| StateError::system("move aside", path, error))?;
    sync_folder(path.parent().unwrap_or(Path::new("/")))?;
    Ok(Note(format!(
        "the file {} was damaged ({why}); it is kept as {} and begun anew",
        path.display(),
        aside.display()
    )))
}
