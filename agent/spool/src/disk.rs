//! What the spool asks of a disk. A folder of the system is one; tests have another that crashes.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A folder of files that are written from begin to end.
pub trait Disk {
    /// A file that is being written.
    type File: Written;

    /// Names of the files that are there, in any order.
    ///
    /// # Errors
    /// The system's.
    fn names(&self) -> io::Result<Vec<String>>;

    /// All of a file.
    ///
    /// # Errors
    /// The system's.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;

    /// A new, empty file, over whatever has that name.
    ///
    /// # Errors
    /// The system's.
    fn create(&self, name: &str) -> io::Result<Self::File>;

    /// Gives a file another name, over whatever has that.
    ///
    /// # Errors
    /// The system's.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Writes over the first bytes of a file, which is made where it is missing, and syncs them. Over bytes that are there it
    /// takes no more room.
    ///
    /// # Errors
    /// The system's; the bytes may be the old ones, the new ones, or some of each.
    fn overwrite(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// Cuts a file back to so many bytes, if it is there, durably. Takes no room.
    ///
    /// # Errors
    /// The system's.
    fn cut(&self, name: &str, bytes: u64) -> io::Result<()>;

    /// Removes a file, if it is there.
    ///
    /// # Errors
    /// The system's.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Names are durable when this has returned.
    ///
    /// # Errors
    /// The system's.
    fn sync_names(&self) -> io::Result<()>;
}

/// A file that is being written.
pub trait Written {
    /// Appends all of these bytes, or some of them and fails.
    ///
    /// # Errors
    /// The system's.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// What was appended is durable when this has returned.
    ///
    /// # Errors
    /// The system's; nothing is known then, and never will be.
    fn sync(&mut self) -> io::Result<()>;
}

/// A folder of the system, locked by this process.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    // closing the file gives the lock back
    _lock: File,
}

impl Folder {
    /// Makes the folder where it is missing (mode 0700), and locks it. `None` where another process has it.
    ///
    /// # Errors
    /// The system's.
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self { path: path.to_owned(), _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Disk for Folder {
    type File = File;

    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            // what is no text is none of ours
            names.extend(entry?.file_name().into_string().ok());
        }
        Ok(names)
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(self.path.join(name))?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn create(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(self.path.join(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path.join(from), self.path.join(to))
    }

    fn overwrite(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.path.join(name);
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn cut(&self, name: &str, bytes: u64) -> io::Result<()> {
        match OpenOptions::new().write(true).open(self.path.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            file => {
                let file = file?;
                file.set_len(bytes)?;
                file.sync_all()
            }
        }
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match std::fs::remove_file(self.path.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

impl Written for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}
