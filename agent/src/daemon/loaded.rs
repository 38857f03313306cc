//! Configuration and rules, read as a whole.

use crate::cli::Common;
use crate::command::{Ended, Manner, Session};
use crate::config::{Config, Origin};
use crate::signals::Signals;
use crate::state::StateFolder;
use fieldmark_engine::rule::TableRules;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What the daemon goes by until it is told otherwise.
pub(super) struct Loaded {
    pub(super) config: Config,
    pub(super) tables: Vec<TableRules>,
    common: Common,
}

/// Files, each with when it was last written and how long it is.
pub(super) type Seen = Vec<(PathBuf, Option<SystemTime>, u64)>;

impl Loaded {
    /// Reads everything.
    ///
    /// # Errors
    /// All that is wrong.
    pub(super) fn load(common: &Common) -> Result<Self, Ended> {
        let (mut config, tables) = crate::command::read(common)?;
        for source in &mut config.sources {
            // routine checks are many: they read fewer blocks, each for more, unless the source says
            if matches!(source.sample.per_block.origin, Origin::Default) {
                source.sample.per_block.value = config.agent.per_block.value;
            }
        }
        Ok(Self { config, tables, common: common.clone() })
    }

    /// A run of one source.
    ///
    /// # Errors
    /// The state folder's.
    pub(super) fn session(
        &self,
        source: &fieldmark_model::SourceName,
        folder: &StateFolder,
        signals: &Signals,
        manner: Manner,
    ) -> Result<Session, Ended> {
        let mut config = self.config.clone();
        let (chosen, others) = config.sources.into_iter().partition(|own| own.name == *source);
        (config.sources, config.beside) = (chosen, others);
        let common = Common { quiet: true, ..self.common.clone() };
        Session::of((config, self.tables.clone()), folder.clone(), &common, signals, manner)
    }

    /// The files that all of it was read from, as they are now.
    pub(super) fn seen(&self) -> Seen {
        let mut paths = vec![PathBuf::from(&*self.config.file)];
        for pattern in &self.config.rules.value {
            let pattern = self.config.folder.join(pattern);
            let found = glob::glob(&pattern.to_string_lossy()).into_iter().flatten().flatten();
            paths.extend(found);
        }
        let seen = |path: PathBuf| {
            let metadata = std::fs::metadata(&path).ok();
            let changed = metadata.as_ref().and_then(|metadata| metadata.modified().ok());
            (path, changed, metadata.map_or(0, |metadata| metadata.len()))
        };
        // the defaults of a folder beside its files
        let defaults: Vec<PathBuf> =
            paths.iter().filter_map(|path| path.parent().map(|folder: &Path| folder.join("_defaults.yaml"))).collect();
        paths.extend(defaults);
        paths.sort();
        paths.dedup();
        paths.into_iter().map(seen).collect()
    }
}
