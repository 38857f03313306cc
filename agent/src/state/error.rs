//! Why the state folder could not be used.

use fieldmark_source::Recovery;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why the state folder could not be used. Nothing half-written remains.
#[derive(Debug, Error)]
pub enum StateError {
    /// Another process writes there.
    #[error("the state folder is in use: another process holds {}", path.display())]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot {doing} {}", path.display())]
    System {
        /// What was being done (`write`).
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A newer Fieldmark wrote it.
    #[error("{} is of version {found}; this Fieldmark reads up to {known}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// The newest that is read here.
        known: u64,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    NoRandomness,
}

/// What a person can do about the system's refusals.
const REMEDIES: [(&[ErrorKind], &str); 5] = [
    (
        &[ErrorKind::StorageFull, ErrorKind::QuotaExceeded],
        "free space on that file system, or set state_dir (or --mark-dir) to a folder on another one",
    ),
    (&[ErrorKind::FileTooLarge], "raise the limit on the size of files (ulimit -f)"),
    (
        &[ErrorKind::PermissionDenied],
        "give this user the right to write there, or set state_dir (or --mark-dir) to a folder of its own",
    ),
    (&[ErrorKind::ReadOnlyFilesystem], "set state_dir (or --mark-dir) to a folder that can be written to"),
    (
        &[ErrorKind::NotADirectory, ErrorKind::AlreadyExists, ErrorKind::IsADirectory],
        "move away what is in the way, or set state_dir (or --mark-dir) to another folder",
    ),
];

impl StateError {
    pub(super) fn system(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::System { doing, path: path.to_owned(), source }
    }

    /// What may help.
    pub fn recovery(&self) -> Recovery {
        match self {
            Self::InUse { .. } => Recovery::Retry,
            Self::Newer { .. } => Recovery::Operator("use the newer Fieldmark, or another state_dir"),
            Self::NoRandomness => Recovery::Operator("look at the system's log"),
            Self::System { source, .. } => {
                let found = REMEDIES.iter().find(|(kinds, _)| kinds.contains(&source.kind()));
                Recovery::Operator(found.map_or(
                    "look at that folder and its file system, or set state_dir (or --mark-dir) to another folder",
                    |(_, remedy)| remedy,
                ))
            }
        }
    }

    /// What, where, why and what to do, in one sentence.
    pub fn explain(&self) -> String {
        let mut text = self.to_string();
        if let Self::System { source, .. } = self {
            text.push_str(&format!(": {source}"));
        }
        match self.recovery() {
            Recovery::Retry => text.push_str("; try again when it has ended"),
            Recovery::Operator(remedy) => text.push_str(&format!("; {remedy}")),
            Recovery::Bug => text.push_str("; please report this"),
        }
        text
    }

    /// The exit code of a command that ends by it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::InUse { .. } => 75,
            Self::System { .. } | Self::Newer { .. } | Self::NoRandomness => 2,
        }
    }
}
