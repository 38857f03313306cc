//! The scripts that a migration has run, by what its tool says of them in the database, and how they are taken back.

use crate::reader::Reader;
use crate::scripts::{self, Applied};
use fieldmark_model::Catalogue;
use fieldmark_model::outcome::Fix;
use std::path::Path;

/// What a database has seen of the scripts of a folder.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    seen: Option<Applied>,
}

impl Scripts {
    /// Takes note of what it has seen by now.
    pub(super) async fn look(&mut self, folder: &Path, reader: &mut Reader, catalogue: &Catalogue) {
        // what cannot be read is told when there is a migration
        self.seen = if folder.exists() { scripts::applied(reader, catalogue).await.ok() } else { None };
    }

    /// How those are taken back that it has seen since then, in the order in which that is done; the folder is told as `shown`.
    ///
    /// # Errors
    /// The scripts, or what the database says of them, cannot be read: why, without any of it.
    pub(super) async fn run_since(
        &mut self,
        (folder, shown): (&Path, &Path),
        reader: &mut Reader,
        catalogue: &Catalogue,
    ) -> Result<Vec<Fix>, String> {
        if !folder.exists() {
            return Ok(Vec::new());
        }
        let now = scripts::applied(reader, catalogue).await.map_err(|error| error.to_string())?;
        let Some(before) = self.seen.replace(now.clone()).filter(|_| now.known) else { return Ok(Vec::new()) };
        let all = scripts::read(folder).map_err(|error| error.to_string())?;
        let ways = now.since(&before, &all).into_iter().filter_map(|script| Some((script.name, script.way_back?)));
        let fix = |(script, way): (String, String)| {
            let part = if way == script { "the part that goes back of " } else { "" };
            Fix {
                what: format!("take the migration's {script} back, by its own way"),
                text: format!("{part}{}", shown.join(way).display()),
            }
        };
        Ok(ways.map(fix).collect())
    }
}
