//! Where marks are kept: one folder for each source, one folder in it for each mark.

use super::{Mark, MarkWithRows, VERSION, rows};
use crate::state::{StateError, make_folder, write};
use chrono::{DateTime, Utc};
use fieldmark_model::Chunk;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// Marks of one source.
#[derive(Clone, Debug)]
pub struct MarkStore {
    folder: PathBuf,
    digest_key: String,
}

/// What is written of a mark.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(flatten)]
    mark: &'a Mark,
    digest_key: &'a str,
}

/// Key of [`Written`] that the mark itself does not have.
const DIGEST_KEY: &str = "digest_key";

/// A mark that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its id.
    pub id: String,
    /// Its folder.
    pub path: PathBuf,
    /// Bytes on disk.
    pub bytes: u64,
}

/// Why there is no usable mark.
#[derive(Debug, Error)]
pub enum MarkError {
    /// It could not be written or read.
    #[error("{}", .0.explain())]
    State(#[from] StateError),
    /// Nothing to compare with.
    #[error("there is no mark in {folder}; take one with `fieldmark before`")]
    Absent {
        /// Where marks were looked for.
        folder: PathBuf,
    },
    /// No mark of this id.
    #[error("there is no mark {id} in {folder}; `fieldmark before` prints the id of the mark it takes")]
    Unknown {
        /// The id.
        id: String,
        /// Where.
        folder: PathBuf,
    },
    /// Its content is not what its id says.
    #[error("the mark {id} is damaged ({what}); take another with `fieldmark before`")]
    Damaged {
        /// The id.
        id: String,
        /// What does not fit.
        what: String,
    },
    /// A newer Fieldmark wrote it.
    #[error("the mark {id} was written by a newer Fieldmark (version {version} of the form); use that")]
    Newer {
        /// The id.
        id: String,
        /// Version of its form.
        version: u64,
    },
    /// Its digests can be compared with no others here.
    #[error(
        "the mark {id} keeps `pii` columns as digests under the key of another state folder; use the state_dir that \
         `fieldmark before` had, or copy the file digest.key from there"
    )]
    OtherKey {
        /// The id.
        id: String,
    },
    /// Rows that Parquet does not take.
    #[error("the rows of {table} cannot be kept: {what}")]
    Rows {
        /// The table.
        table: String,
        /// What Parquet says, without values.
        what: String,
    },
}

const MANIFEST: &str = "mark.json";
/// How names of drafts begin and end: as those that [`crate::state::sweep`] removes.
const DRAFT: &str = ".mark.";
const DRAFT_END: &str = ".tmp";
/// A draft that nobody has written to for so long is of a process that is no more.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

impl MarkStore {
    /// Marks in this folder. `digest_key` tells keys of digests apart without giving one away.
    pub fn new(folder: PathBuf, digest_key: String) -> Self {
        Self { folder, digest_key }
    }

    /// Where marks are kept.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Keeps a mark. Whole or not at all, also when the disk is full or the process is killed.
    ///
    /// # Errors
    /// What could not be written, and why.
    pub fn keep(&self, marked: &mut MarkWithRows) -> Result<Stored, MarkError> {
        make_folder(&self.folder)?;
        self.sweep();
        // a name by chance: machines that share a folder have the same process ids
        let draft = tempfile::Builder::new()
            .prefix(DRAFT)
            .suffix(DRAFT_END)
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(&self.folder)
            .map_err(|error| system("write to", &self.folder, error))?;
        // where this fails, what there is of the draft goes with it: it has no id, and nobody reads it
        let stored = self.write(marked, draft.path())?;
        // it has another name now
        drop(draft.keep());
        Ok(stored)
    }

    /// Removes drafts of processes that are no more. Those of the state folder are removed by who locks it; a shared folder has no
    /// lock, but nobody writes at a draft for long.
    fn sweep(&self) {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let draft = name.to_str().is_some_and(|name| name.starts_with(DRAFT) && name.ends_with(DRAFT_END));
            let modified = entry.metadata().and_then(|metadata| metadata.modified());
            let age = modified.ok().and_then(|modified| modified.elapsed().ok());
            if draft && age.is_some_and(|age| age > ABANDONED) {
                // one that cannot be removed is in nobody's way
                fs::remove_dir_all(entry.path()).ok();
            }
        }
    }

    fn write(&self, marked: &mut MarkWithRows, draft: &Path) -> Result<Stored, MarkError> {
        let mut bytes = 0;
        for ((number, table), chunk) in (1..).zip(&mut marked.mark.tables).zip(&marked.rows) {
            let content = rows::write(&chunk.batch)
                .map_err(|error| MarkError::Rows { table: table.name.to_string(), what: error.to_string() })?;
            table.file = file_name(number);
            table.sha256 = digest(&content);
            bytes += content.len() as u64;
            write(&draft.join(&table.file), &content)?;
        }
        let manifest = serde_json::to_vec_pretty(&Written { mark: &marked.mark, digest_key: &self.digest_key })
            .map_err(|error| MarkError::Rows { table: marked.mark.source.to_string(), what: error.to_string() })?;
        bytes += manifest.len() as u64;
        let id = digest(&manifest).chars().take(16).collect::<String>();
        write(&draft.join(MANIFEST), &manifest)?;
        let path = self.folder.join(&id);
        fs::rename(draft, &path).map_err(|error| system("name", &path, error))?;
        let synced = File::open(&self.folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| system("sync", &self.folder, error))?;
        Ok(Stored { id, path, bytes })
    }

    /// Ids of all marks with their times, oldest first; damaged ones are left out.
    pub fn list(&self) -> Vec<(String, DateTime<Utc>)> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let mut marks: Vec<(String, DateTime<Utc>)> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| !name.starts_with('.'))
            .filter_map(|id| self.manifest(&id).ok().map(|mark| (id, mark.taken)))
            .collect();
        marks.sort_by(|one, other| (one.1, &one.0).cmp(&(other.1, &other.0)));
        marks
    }

    fn manifest(&self, id: &str) -> Result<Mark, MarkError> {
        let damaged = |what: String| MarkError::Damaged { id: id.to_owned(), what: format!("{MANIFEST}: {what}") };
        let path = self.folder.join(id).join(MANIFEST);
        let content = match fs::read(&path) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if self.folder.join(id).is_dir() {
                    return Err(damaged(error.kind().to_string()));
                }
                return Err(MarkError::Unknown { id: id.to_owned(), folder: self.folder.clone() });
            }
            Err(error) => return Err(system("read", &path, error)),
        };
        if !digest(&content).starts_with(id) || id.len() != 16 {
            return Err(damaged("it is not what was written".to_owned()));
        }
        let mut value: serde_json::Value =
            serde_json::from_slice(&content).map_err(|_| damaged("it is no JSON".to_owned()))?;
        let digest_key = value.as_object_mut().and_then(|mark| mark.remove(DIGEST_KEY));
        let mark: Mark = match value.get("version").and_then(serde_json::Value::as_u64) {
            Some(version) if version > u64::from(VERSION) => {
                return Err(MarkError::Newer { id: id.to_owned(), version });
            }
            Some(_) => {
                serde_json::from_value(value).map_err(|_| damaged("it has not the form of its version".to_owned()))?
            }
            None => return Err(damaged("it has no version".to_owned())),
        };
        let same_key = digest_key.as_ref().and_then(serde_json::Value::as_str) == Some(self.digest_key.as_str());
        if !same_key && mark.tables.iter().any(|table| !table.digested.is_empty()) {
            return Err(MarkError::OtherKey { id: id.to_owned() });
        }
        Ok(mark)
    }

    /// The mark of that id, or the latest, with its rows.
    ///
    /// # Errors
    /// There is none, or it is damaged.
    pub fn load(&self, id: Option<&str>) -> Result<(String, MarkWithRows), MarkError> {
        let id = match id {
            Some(id) => id.to_owned(),
            None => match self.list().pop() {
                // a newer mark that cannot be read is never passed over for an older one
                Some((id, _)) => match self.newest_damaged(Some(&id)) {
                    Some(damage) => return Err(damage),
                    None => id,
                },
                None => {
                    let absent = MarkError::Absent { folder: self.folder.clone() };
                    return Err(self.newest_damaged(None).unwrap_or(absent));
                }
            },
        };
        let mark = self.manifest(&id)?;
        let damaged = |what: String| MarkError::Damaged { id: id.clone(), what };
        let mut chunks = Vec::with_capacity(mark.tables.len());
        for (number, table) in (1..).zip(&mark.tables) {
            if table.file != file_name(number) {
                // nothing that a mark says leads out of its folder
                return Err(damaged(format!("{MANIFEST}: a table's file has another name than {}", file_name(number))));
            }
            let path = self.folder.join(&id).join(&table.file);
            let content = fs::read(&path).map_err(|error| damaged(format!("{}: {}", table.file, error.kind())))?;
            if digest(&content) != table.sha256 {
                return Err(damaged(format!("{} is not what was written", table.file)));
            }
            let batch = rows::read(content).map_err(|_| damaged(format!("{} is no Parquet", table.file)))?;
            let defects = table.defects.iter().map(Into::into).collect();
            chunks.push(Chunk { batch, defects, stamps: table.stamps.clone() });
        }
        Ok((id, MarkWithRows { mark, rows: chunks }))
    }

    /// What is wrong with a mark that cannot be read and was written after the given one.
    fn newest_damaged(&self, after: Option<&str>) -> Option<MarkError> {
        let written = |id: &str| fs::metadata(self.folder.join(id)).and_then(|metadata| metadata.modified()).ok();
        let after = after.and_then(written);
        let entries = fs::read_dir(&self.folder).into_iter().flatten();
        let ids = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        ids.filter(|id| !id.starts_with('.') && written(id) > after).find_map(|id| self.manifest(&id).err())
    }

    /// Removes marks that are too old, and the oldest beyond so many bytes; the newest stays, and one that is in use.
    ///
    /// # Errors
    /// One could not be removed.
    pub fn expire(
        &self,
        now: DateTime<Utc>,
        keep: Duration,
        max_bytes: u64,
        in_use: Option<&str>,
    ) -> Result<(), MarkError> {
        let mut kept_bytes = 0;
        for (position, (id, taken)) in self.list().into_iter().rev().enumerate() {
            let path = self.folder.join(&id);
            let bytes: u64 = fs::read_dir(&path)
                .into_iter()
                .flatten()
                .filter_map(|entry| entry.ok()?.metadata().ok())
                .map(|metadata| metadata.len())
                .sum();
            kept_bytes += bytes;
            let old = (now - taken).to_std().is_ok_and(|age| age > keep);
            if position > 0 && in_use != Some(id.as_str()) && (old || kept_bytes > max_bytes) {
                fs::remove_dir_all(&path).map_err(|error| system("remove", &path, error))?;
            }
        }
        Ok(())
    }
}

/// File of the n-th table's rows.
fn file_name(number: usize) -> String {
    format!("{number}.parquet")
}

fn digest(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn system(doing: &'static str, path: &Path, source: io::Error) -> MarkError {
    MarkError::State(StateError::System { doing, path: path.to_owned(), source })
}
