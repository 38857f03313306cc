//! Where a file is, and its bytes.

use super::bucket::{Object, Windows};
use super::table::{changed, malformed};
use crate::Error;
use bytes::Bytes;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{ChunkReader, Length};
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

/// A file, as it was when it was found.
#[derive(Clone, Debug)]
pub(super) enum At {
    Disk { path: PathBuf, bytes: u64, written: Option<SystemTime> },
    Bucket(Object),
}

impl At {
    /// A file of this machine.
    pub(super) fn disk(path: PathBuf) -> Result<Self, Error> {
        let told = std::fs::metadata(&path).map_err(|error| malformed(path.display(), error))?;
        Ok(Self::Disk { bytes: told.len(), written: told.modified().ok(), path })
    }

    /// What its name ends in, in small letters.
    pub(super) fn extension(&self) -> Option<String> {
        match self {
            Self::Disk { path, .. } => path.extension().map(|own| own.to_string_lossy().to_ascii_lowercase()),
            Self::Bucket(object) => object.extension().map(str::to_ascii_lowercase),
        }
    }

    /// The file, opened, to be read at so many places at the same time, if it is still what it was.
    pub(super) fn open(&self, places: usize) -> Result<Opened, Error> {
        self.is_same()?;
        match self {
            Self::Disk { path, .. } => File::open(path).map(Opened::Disk).map_err(|error| self.failed(error)),
            Self::Bucket(object) => Ok(Opened::Bucket { windows: Windows::new(object.clone(), places), at: 0 }),
        }
    }

    /// Whether the file is still what it was; an object says so with each of its bytes.
    pub(super) fn is_same(&self) -> Result<(), Error> {
        let Self::Disk { path, bytes, written } = self else { return Ok(()) };
        let told = std::fs::metadata(path)
            .map_err(|error| if error.kind() == io::ErrorKind::NotFound { changed() } else { self.failed(error) })?;
        if told.len() != *bytes || told.modified().ok() != *written { Err(changed()) } else { Ok(()) }
    }

    /// Why it could not be read: what its store said, or what is wrong with it.
    pub(super) fn failed(&self, error: impl fmt::Display) -> Error {
        let of_store = if let Self::Bucket(object) = self { object.failure() } else { None };
        of_store.unwrap_or_else(|| malformed(self, error))
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk { path, .. } => write!(f, "{}", path.display()),
            Self::Bucket(object) => f.write_str(&object.shown()),
        }
    }
}

/// A file's bytes.
pub(super) enum Opened {
    Disk(File),
    Bucket { windows: Arc<Windows>, at: u64 },
}

impl Read for Opened {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Disk(file) => file.read(buffer),
            Self::Bucket { windows, at } => {
                let bytes = windows.some(*at, buffer.len())?;
                if let Some(place) = buffer.get_mut(..bytes.len()) {
                    place.copy_from_slice(&bytes);
                }
                *at += bytes.len() as u64;
                Ok(bytes.len())
            }
        }
    }
}

impl Seek for Opened {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::Disk(file) => file.seek(to),
            Self::Bucket { windows, at } => {
                let place = match to {
                    SeekFrom::Start(place) => Some(place),
                    SeekFrom::End(further) => windows.length().checked_add_signed(further),
                    SeekFrom::Current(further) => at.checked_add_signed(further),
                };
                *at = place.ok_or(io::ErrorKind::InvalidInput)?;
                Ok(*at)
            }
        }
    }
}

impl Length for Opened {
    fn len(&self) -> u64 {
        match self {
            Self::Disk(file) => file.len(),
            Self::Bucket { windows, .. } => windows.length(),
        }
    }
}

impl ChunkReader for Opened {
    type T = Box<dyn Read>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        match self {
            Self::Disk(file) => Ok(Box::new(file.get_read(start)?)),
            Self::Bucket { windows, .. } => Ok(Box::new(Self::Bucket { windows: Arc::clone(windows), at: start })),
        }
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        match self {
            Self::Disk(file) => file.get_bytes(start, length),
            Self::Bucket { windows, .. } => windows.all(start, length).map_err(ParquetError::from),
        }
    }
}
