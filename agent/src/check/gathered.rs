//! Bringing equal values of any number of rows together in bounded memory: hashes with their rows' keys, sorted in runs on disk.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, Write as _};
use std::path::PathBuf;

/// Memory that all collections of a table may take before they go to disk, in bytes.
const MEMORY_BYTES: usize = 64 << 20;
/// What one of them has at least.
const LEAST_BYTES: usize = 1 << 20;

/// Memory of each of so many collections, in bytes.
pub(super) fn share(collections: usize) -> usize {
    (MEMORY_BYTES / collections.max(1)).max(LEAST_BYTES)
}

/// Hashes of values, each with the key of its row.
#[derive(Debug)]
pub(crate) struct Gathered {
    folder: PathBuf,
    limit_bytes: usize,
    entries: Vec<Entry>,
    keys: Vec<u8>,
    runs: Vec<File>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u128,
    start: u32,
    length: u32,
}

/// Rows that share a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// Rows with a key, each counted once however often it was met.
    pub keyed: u64,
    /// Rows that were given an empty key: those of a table that has none, or of the table referred to.
    pub unkeyed: u64,
    /// Keys, [`Group::MOST_KEYS`] at most.
    pub keys: Vec<Box<[u8]>>,
}

impl Group {
    /// Keys kept of a group.
    pub(super) const MOST_KEYS: usize = 256;
}

impl Gathered {
    /// A collection that spills to files without a name in this folder.
    pub(super) fn new(folder: PathBuf, limit_bytes: usize) -> Self {
        Self { folder, limit_bytes: limit_bytes.min(1 << 31), entries: Vec::new(), keys: Vec::new(), runs: Vec::new() }
    }

    /// Adds one row.
    ///
    /// # Errors
    /// The disk's, when a run is written.
    pub(super) fn push(&mut self, hash: u128, key: &[u8]) -> io::Result<()> {
        let (Ok(start), Ok(length)) = (u32::try_from(self.keys.len()), u32::try_from(key.len())) else {
            return Err(io::Error::other("a key of more than 4 GiB"));
        };
        self.entries.push(Entry { hash, start, length });
        self.keys.extend_from_slice(key);
        if self.entries.len() * size_of::<Entry>() + self.keys.len() >= self.limit_bytes {
            self.spill()?;
        }
        Ok(())
    }

    fn sorted(&mut self) -> impl Iterator<Item = (u128, &[u8])> {
        let keys = &self.keys;
        let key = |entry: &Entry| keys.get(entry.start as usize..(entry.start + entry.length) as usize).unwrap_or(&[]);
        self.entries.sort_unstable_by(|one, other| (one.hash, key(one)).cmp(&(other.hash, key(other))));
        self.entries.iter().map(move |entry| (entry.hash, key(entry)))
    }

    fn spill(&mut self) -> io::Result<()> {
        let mut run = BufWriter::new(tempfile::tempfile_in(&self.folder)?);
        for (hash, key) in self.sorted() {
            run.write_all(&hash.to_le_bytes())?;
            run.write_all(&u32::try_from(key.len()).unwrap_or(u32::MAX).to_le_bytes())?;
            run.write_all(key)?;
        }
        let mut file = run.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        self.runs.push(file);
        self.entries.clear();
        self.keys.clear();
        Ok(())
    }

    /// Hands every value's rows to `found`, in no useful order.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn finish(mut self, mut found: impl FnMut(Group)) -> io::Result<()> {
        if self.runs.is_empty() {
            let mut groups = Grouping::default();
            for (hash, key) in self.sorted() {
                groups.add(hash, key, &mut found);
            }
            groups.close(&mut found);
            return Ok(());
        }
        self.spill()?;
        self.entries = Vec::new();
        self.keys = Vec::new();
        let mut runs: Vec<Run> = self.runs.drain(..).map(Run::new).collect::<io::Result<_>>()?;
        let mut groups = Grouping::default();
        loop {
            let least = runs.iter_mut().filter(|run| run.head.is_some()).min_by(|one, other| one.head.cmp(&other.head));
            let Some(run) = least else { break };
            if let Some((hash, key)) = run.advance()? {
                groups.add(hash, &key, &mut found);
            }
        }
        groups.close(&mut found);
        Ok(())
    }
}

struct Run {
    file: BufReader<File>,
    head: Option<(u128, Box<[u8]>)>,
}

impl Run {
    fn new(file: File) -> io::Result<Self> {
        let mut run = Self { file: BufReader::new(file), head: None };
        run.advance()?;
        Ok(run)
    }

    fn advance(&mut self) -> io::Result<Option<(u128, Box<[u8]>)>> {
        let mut hash = [0; 16];
        let next = match self.file.read_exact(&mut hash) {
            Ok(()) => {
                let mut length = [0; 4];
                self.file.read_exact(&mut length)?;
                let mut key = vec![0; u32::from_le_bytes(length) as usize];
                self.file.read_exact(&mut key)?;
                Some((u128::from_le_bytes(hash), key.into_boxed_slice()))
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
            Err(error) => return Err(error),
        };
        Ok(std::mem::replace(&mut self.head, next))
    }
}

#[derive(Default)]
struct Grouping {
    hash: Option<u128>,
    keyed: u64,
    unkeyed: u64,
    last: Box<[u8]>,
    keys: Vec<Box<[u8]>>,
}

impl Grouping {
    fn add(&mut self, hash: u128, key: &[u8], found: &mut impl FnMut(Group)) {
        if self.hash != Some(hash) {
            self.close(found);
            self.hash = Some(hash);
        } else if !key.is_empty() && *self.last == *key {
            return; // the same row, met again after it had moved
        }
        self.last = key.into();
        if key.is_empty() {
            self.unkeyed += 1;
            return;
        }
        self.keyed += 1;
        if self.keys.len() < Group::MOST_KEYS {
            self.keys.push(key.into());
        }
    }

    fn close(&mut self, found: &mut impl FnMut(Group)) {
        let keys = std::mem::take(&mut self.keys);
        if self.hash.take().is_some() {
            found(Group { keyed: self.keyed, unkeyed: self.unkeyed, keys });
        }
        (self.keyed, self.unkeyed) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups of two rows or more.
    fn groups(limit_bytes: usize, rows: &[(u128, &str)]) -> Vec<(u64, Vec<String>)> {
        let mut duplicates = Gathered::new(std::env::temp_dir(), limit_bytes);
        for (hash, key) in rows {
            duplicates.push(*hash, key.as_bytes()).unwrap();
        }
        let mut found = Vec::new();
        duplicates
            .finish(|group| {
                let keys = group.keys.iter().map(|key| String::from_utf8(key.to_vec()).unwrap()).collect();
                let rows = group.keyed + group.unkeyed;
                if rows > 1 {
                    found.push((rows, keys));
                }
            })
            .unwrap();
        found
    }

    #[test]
    fn groups_are_the_same_in_memory_and_on_disk() {
        let rows: Vec<(u128, String)> = (0..1000u128).map(|row| (row * 7919 % 600, format!("key {row}"))).collect();
        let rows: Vec<(u128, &str)> = rows.iter().map(|(hash, key)| (*hash, key.as_str())).collect();
        let whole = groups(share(1), &rows);
        assert_eq!(whole.len(), 400);
        assert!(whole.iter().all(|(rows, keys)| *rows == 2 && keys.len() == 2));
        for limit in [1, 100, 5_000] {
            assert_eq!(groups(limit, &rows), whole, "{limit} bytes");
        }
    }

    #[test]
    fn a_row_met_twice_is_one_row() {
        assert_eq!(groups(1, &[(1, "a"), (2, "b"), (1, "a")]), []);
        assert_eq!(groups(1, &[(1, "a"), (1, "b"), (1, "a")]), [(2, vec!["a".to_owned(), "b".to_owned()])]);
        assert_eq!(groups(1, &[(1, ""), (1, "")]), [(2, vec![])], "no key to tell");
    }

    #[test]
    fn rows_without_a_key_are_counted_apart() {
        let mut gathered = Gathered::new(std::env::temp_dir(), 1);
        for (hash, key) in [(1, ""), (1, "child"), (2, "orphan"), (3, ""), (3, "")] {
            gathered.push(hash, key.as_bytes()).unwrap();
        }
        let mut found = Vec::new();
        gathered.finish(|group| found.push((group.keyed, group.unkeyed))).unwrap();
        found.sort_unstable();
        assert_eq!(found, [(0, 2), (1, 0), (1, 1)]);
    }
}
