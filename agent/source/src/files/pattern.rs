//! Which files a table is.

use std::fmt;
use std::path::{Path, PathBuf};

/// The files of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Of this machine: an absolute path, in which `*`, `?`, `[…]` and `**` may stand for names.
    Folder(PathBuf),
    /// Of a bucket of an S3-compatible store: a key, or a pattern of keys.
    Bucket {
        /// The bucket's name.
        bucket: String,
        /// With the same signs as a path.
        keys: String,
    },
}

/// Why a text is no pattern of files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What is wrong with it.
    pub what: &'static str,
    /// What would be right, or what exactly is wrong.
    pub help: &'static str,
}

impl Pattern {
    /// `s3://bucket/orders/*.parquet`, or a path; a relative one is taken from the folder.
    ///
    /// # Errors
    /// Why it is neither.
    pub fn read(text: &str, folder: &Path) -> Result<Self, Refused> {
        let refused = |what, help| Err(Refused { what, help });
        let Some((scheme, rest)) = text.split_once("://") else {
            return match glob::Pattern::new(text) {
                Ok(_) => Ok(Self::Folder(folder.join(text))),
                Err(error) => refused("the pattern of files makes no sense", error.msg),
            };
        };
        if !scheme.eq_ignore_ascii_case("s3") {
            return refused(
                "files are read from this machine and from S3-compatible stores",
                "a path, or `s3://bucket/keys`; of Google's and other stores their S3-compatible interface",
            );
        }
        let (bucket, keys) = rest.split_once('/').unwrap_or((rest, ""));
        let is_name = |bucket: &str| {
            !bucket.is_empty() && bucket.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'))
        };
        if !is_name(bucket) || keys.is_empty() {
            return refused(
                "the address of an object names a bucket and a key",
                "such as `s3://lake/orders/*.parquet`",
            );
        }
        match glob::Pattern::new(keys) {
            Ok(_) => Ok(Self::Bucket { bucket: bucket.to_owned(), keys: keys.to_owned() }),
            Err(error) => refused("the pattern of files makes no sense", error.msg),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::Bucket { bucket, keys } => write!(f, "s3://{bucket}/{keys}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_buckets_are_told_apart() {
        let read = |text: &str| Pattern::read(text, Path::new("/etc/fieldmark"));
        for (text, shown) in [
            ("data/*.csv", "/etc/fieldmark/data/*.csv"),
            ("/data/a.parquet", "/data/a.parquet"),
            ("s3://lake/orders/*.parquet", "s3://lake/orders/*.parquet"),
            ("S3://my.lake-1/a", "s3://my.lake-1/a"),
        ] {
            assert_eq!(read(text).unwrap().to_string(), shown);
        }
        for (text, what) in [
            ("gs://lake/a.csv", "files are read from this machine and from S3-compatible stores"),
            ("https://lake/a.csv", "files are read from this machine and from S3-compatible stores"),
            ("s3://lake", "the address of an object names a bucket and a key"),
            ("s3://lake/", "the address of an object names a bucket and a key"),
            ("s3:///a.csv", "the address of an object names a bucket and a key"),
            ("s3://user:hunter2@lake/a.csv", "the address of an object names a bucket and a key"),
            ("s3://lake/a***", "the pattern of files makes no sense"),
            ("a[", "the pattern of files makes no sense"),
        ] {
            assert_eq!(read(text).unwrap_err().what, what, "{text}");
        }
    }
}
