//! What the scripts of a migration say of lineage before it runs: which columns their statements write, from what, and which have another
//! name afterwards.

use super::snapshot::{dialect, names, with};
use crate::config::SourceConfig;
use crate::reader::Reader;
use crate::scripts::{self, Script, ScriptsError, applied};
use crate::shadow::{Analysed, Shadow, ShadowError, major_of};
use fieldmark_lineage::sql::script::{self, Does, Statement, statements};
use fieldmark_lineage::sql::{Resolved, resolve_all};
use fieldmark_model::lineage::{Certainty, Origin, OriginKind};
use fieldmark_model::{Catalogue, Dialect};
use fieldmark_source::{Error, Facts};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What is told of what could not be run on a shadow, at most.
const TOLD: usize = 5;

/// What scripts say of a migration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    /// The scripts that are pending.
    pub scripts: Vec<String>,
    /// What their statements write, and from what.
    pub origins: Vec<Origin>,
    /// Columns with another name afterwards.
    pub renames: Vec<PlannedRename>,
}

/// A column that has another name after the migration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedRename {
    /// `schema.table`, as it is before.
    pub table: String,
    /// The name before.
    pub before: String,
    /// After.
    pub after: String,
}

/// Why nothing is known of scripts.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unplanned {
    #[error(transparent)]
    Scripts(#[from] ScriptsError),
    #[error(transparent)]
    Source(#[from] Error),
}

/// Reads the scripts that the source has not seen, and what they say; beside it notes for people.
///
/// # Errors
/// Scripts that cannot be read, and the source's. A shadow that cannot be made is none: the statements are resolved by their text then.
pub(crate) async fn planned(
    reader: &mut Reader,
    source: &SourceConfig,
    catalogue: &Catalogue,
    path: &Path,
) -> Result<(Planned, Vec<String>), Unplanned> {
    let mut notes = Vec::new();
    let all = scripts::read(path)?;
    let applied = applied(reader, catalogue).await?;
    let pending = if path.is_file() { all } else { applied.pending(all) };
    if pending.is_empty() {
        notes.push(format!("{}: every script in {} has run already", source.name, path.display()));
        return Ok((Planned::default(), notes));
    }
    if !applied.known && path.is_dir() {
        let count = pending.len();
        let what =
            "no table of a known migration tool says which scripts have run: all of them are taken to be pending";
        notes.push(format!("{}: {what} ({count})", source.name));
    }
    let facts = reader.facts().clone();
    let default_schema = facts.default_schema.as_deref();
    let (dialect, names) = (dialect(facts.dialect), names(catalogue, default_schema));
    let texts: Vec<&str> = pending.iter().map(|script| script.text.as_str()).collect();
    let parsed = resolve_all(&texts, dialect, &names, default_schema);
    // one that cannot be cut up has no statements, and is unresolved as a whole
    let cut: Vec<Vec<Statement>> = texts.iter().map(|text| statements(text, dialect).unwrap_or_default()).collect();
    let flat: Vec<Statement> = cut.iter().flatten().cloned().collect();
    let mut analysed = Analysed::default();
    if facts.dialect == Dialect::Postgres && flat.iter().any(|own| own.does == Does::Writes) {
        match on_shadow(reader, source, &facts, &flat).await {
            Ok((own, said)) => {
                analysed = own;
                notes.extend(said);
            }
            Err(Unshadowed::Shadow(error)) => {
                notes.push(format!("{}: the scripts are resolved by their text: {error}", source.name));
            }
            Err(Unshadowed::Source(error)) => return Err(error.into()),
        }
    }
    let mut origins = Vec::new();
    let mut at = 0;
    for ((script, parsed), cut) in pending.iter().zip(parsed).zip(&cut) {
        if cut.is_empty() {
            origins.extend(parsed.into_iter().filter_map(|one| unread(script, one)));
            continue;
        }
        for (statement, parsed) in cut.iter().zip(parsed) {
            let ran = !analysed.resolved.is_empty() && !analysed.refused.iter().any(|(refused, _)| *refused == at);
            let exact = analysed.resolved.get_mut(at).and_then(Option::take);
            origins.extend(origin(script, statement, parsed, exact, ran));
            at += 1;
        }
    }
    notes.extend(refused(source, &pending, &cut, &analysed));
    let renames = renames(&pending, &facts, catalogue);
    Ok((Planned { scripts: pending.into_iter().map(|script| script.name).collect(), origins, renames }, notes))
}

/// Columns that scripts give another name.
pub(crate) fn renames(scripts: &[Script], facts: &Facts, catalogue: &Catalogue) -> Vec<PlannedRename> {
    let default_schema = facts.default_schema.as_deref();
    let (dialect, names) = (dialect(facts.dialect), names(catalogue, default_schema));
    let texts: Vec<&str> = scripts.iter().map(|script| script.text.as_str()).collect();
    let all = script::renames(&texts, dialect, &names, default_schema).into_iter();
    all.map(|one| PlannedRename { table: one.table, before: one.before, after: one.after }).collect()
}

enum Unshadowed {
    Shadow(ShadowError),
    Source(Error),
}

impl From<ShadowError> for Unshadowed {
    fn from(error: ShadowError) -> Self {
        Self::Shadow(error)
    }
}

impl From<Error> for Unshadowed {
    fn from(error: Error) -> Self {
        Self::Source(error)
    }
}

async fn on_shadow(
    reader: &mut Reader,
    source: &SourceConfig,
    facts: &Facts,
    statements: &[Statement],
) -> Result<(Analysed, Vec<String>), Unshadowed> {
    let outline = reader.outline().await?;
    let cluster = reader.standing().await?.server.map(|server| server.cluster);
    let major = major_of(&facts.version);
    let url = source.shadow_url.value.as_ref().map(|shadow| shadow.url.expose());
    let mut shadow = Shadow::make(url, major, cluster.as_deref()).await?;
    let mut path: Vec<String> = facts.default_schema.iter().cloned().collect();
    if !path.iter().any(|schema| schema == "public") {
        path.push("public".to_owned());
    }
    let analysed = shadow.analyse(&outline, &path, statements).await;
    let (words, own) = (shadow.words(), shadow.major());
    shadow.end().await;
    let analysed = analysed?;
    let mut notes = Vec::new();
    if let Some(major) = major.filter(|major| *major != own) {
        notes.push(format!("{}: the shadow is {words}, the source is of major version {major}", source.name));
    }
    if let Some((what, why)) = analysed.left_out.first() {
        let (count, all) = (analysed.left_out.len(), outline.len());
        notes.push(format!("{}: {count} of {all} things are not on the shadow: {what} ({why}), …", source.name));
    }
    Ok((analysed, notes))
}

fn blank(script: &Script, line: u64, certainty: Certainty) -> Origin {
    Origin {
        name: format!("migration {}:{line}", script.name),
        kind: OriginKind::Migration,
        certainty,
        edges: Vec::new(),
        unresolved: Vec::new(),
        owner: None,
        calls: None,
    }
}

/// A script that cannot be cut into statements.
fn unread(script: &Script, one: Resolved) -> Option<Origin> {
    let line = one.unresolved.first()?.place.line;
    Some(Origin { unresolved: one.unresolved, ..blank(script, line, Certainty::Parsed) })
}

/// What one statement says; `None`: nothing that concerns anybody.
fn origin(
    script: &Script,
    statement: &Statement,
    parsed: Resolved,
    exact: Option<fieldmark_lineage::tree::Resolved>,
    ran: bool,
) -> Option<Origin> {
    let line = statement.place.line;
    let origin = match (statement.does, exact) {
        (_, Some(exact)) => {
            let reads: Vec<_> = exact.reads.into_iter().collect();
            with(blank(script, line, Certainty::Exact), exact.edges, exact.unresolved, &reads)
        }
        (Does::Writes | Does::Fills | Does::Runs, None) => {
            with(blank(script, line, Certainty::Parsed), parsed.edges, parsed.unresolved, &parsed.reads)
        }
        // views and routines are told by the database itself, once they are there; what it reads for nobody is nobody's concern
        (Does::Shapes, None) if !ran => {
            Origin { unresolved: parsed.unresolved, ..blank(script, line, Certainty::Parsed) }
        }
        (Does::Shapes | Does::Other, None) => return None,
    };
    (!origin.edges.is_empty() || !origin.unresolved.is_empty()).then_some(origin)
}

/// What could not be run or analysed on the shadow, in words.
fn refused(source: &SourceConfig, scripts: &[Script], cut: &[Vec<Statement>], analysed: &Analysed) -> Vec<String> {
    let places: Vec<(&Script, u64)> = scripts
        .iter()
        .zip(cut)
        .flat_map(|(script, cut)| cut.iter().map(move |statement| (script, statement.place.line)))
        .collect();
    let one = |(at, why): &(usize, String)| {
        let (script, line) = places.get(*at)?;
        Some(format!("{}: {}:{line} was not understood on the shadow ({why})", source.name, script.name))
    };
    let mut notes: Vec<String> = analysed.refused.iter().take(TOLD).filter_map(one).collect();
    if let Some(more) = analysed.refused.len().checked_sub(TOLD).filter(|more| *more > 0) {
        notes.push(format!("{}: {more} more statements were not understood on the shadow", source.name));
    }
    notes
}
