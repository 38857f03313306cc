//! Lineage before and after a migration, in the store of the state folder. It never stands in the way of a verdict: what goes wrong is a note.

use super::collector::store;
use super::{Ended, Session};
use crate::cli::{Marking, USAGE};
use crate::config::SourceConfig;
use crate::lineage::{self, Planned, PlannedRename, Unplanned};
use crate::mark::Mark;
use crate::report::Report;
use crate::scripts;
use fieldmark_model::lineage::OriginKind;
use fieldmark_source::Facts;
use std::path::Path;

/// Takes the lineage of every source as it is before a migration, and reads what its scripts say.
pub(super) async fn before(session: &Session, marking: &Marking, report: &mut Report) -> Result<Marking, Ended> {
    let mut marking = marking.clone();
    if let Some(path) = marking.migrations.clone() {
        let [source] = &session.config.sources[..] else {
            let what = "--migrations is about one source: name it with --source";
            return Err(Ended::Because(USAGE, what.to_owned()));
        };
        marking.planned = planned(session, source, &path, report).await?;
    }
    for source in &session.config.sources {
        now(session, source, report).await;
    }
    Ok(marking)
}

async fn planned(session: &Session, source: &SourceConfig, path: &Path, report: &mut Report) -> Result<Planned, Ended> {
    // that a source does not answer is told by whoever marks it
    let Ok(mut reader) = session.connect_beside(source).await else { return Ok(Planned::default()) };
    let Ok(catalogue) = reader.catalogue().await else { return Ok(Planned::default()) };
    match lineage::planned(&mut reader, source, &catalogue, path).await {
        Ok((planned, notes)) => {
            report.notes.extend(notes);
            Ok(planned)
        }
        Err(Unplanned::Scripts(error)) => Err(Ended::Because(2, format!("--migrations: {error}"))),
        Err(Unplanned::Source(error)) => {
            report.notes.push(format!("{}: what the scripts say is not known: {error}", source.name));
            Ok(Planned::default())
        }
    }
}

/// Takes the lineage of a source as it is.
async fn now(session: &Session, source: &SourceConfig, report: &mut Report) {
    let taken = async {
        let mut reader = session.connect_beside(source).await.map_err(|error| error.to_string())?;
        let rules = session.rules_of(&source.name);
        let snapshot = lineage::read(&mut reader, source, &rules).await.map_err(|error| error.to_string())?;
        let store = store(&session.config, &session.folder).map_err(|_| "its store cannot be opened".to_owned())?;
        lineage::record(store.as_ref(), &source.name, snapshot).await.map_err(|error| error.to_string())
    };
    if let Err(why) = taken.await {
        let what = format!("{}: its lineage could not be taken: {why}", source.name);
        if !report.notes.contains(&what) {
            report.notes.push(what);
        }
    }
}

/// Takes it as it is after a migration, with what the scripts said, and tells what became of it.
pub(super) async fn after(session: &Session, source: &SourceConfig, mark: &Mark, report: &mut Report) {
    let told = async {
        let store = store(&session.config, &session.folder).ok()?;
        lineage::record_planned(store.as_ref(), &source.name, &mark.planned.origins).await.ok()?;
        Some(store)
    };
    let Some(store) = told.await else { return };
    now(session, source, report).await;
    match lineage::changed(store.as_ref(), &source.name, mark.taken).await {
        Ok(change) => {
            let sources = report.migration.iter_mut().flat_map(|migration| &mut migration.sources);
            for own in sources.filter(|own| own.source == source.name) {
                own.lineage.clone_from(&change);
            }
        }
        Err(error) => report.notes.push(format!("{}: what became of its lineage is not known: {error}", source.name)),
    }
    let unresolved = mark.planned.origins.iter().filter(|origin| origin.kind == OriginKind::Migration);
    for one in unresolved.flat_map(|origin| origin.unresolved.iter().map(move |one| (origin, one))).take(5) {
        let (origin, one) = one;
        report.notes.push(format!("{}: {}: {}: {}", source.name, origin.name, one.text, one.reason));
    }
}

/// The names that a migration's scripts give columns: as they were read before it, else as they are read now, against the tables of the mark.
pub(super) fn renames(marking: &Marking, mark: &Mark, facts: &Facts) -> Result<Vec<PlannedRename>, Ended> {
    let (Some(path), true) = (&marking.migrations, mark.planned.scripts.is_empty()) else {
        return Ok(mark.planned.renames.clone());
    };
    let scripts = scripts::read(path).map_err(|error| Ended::Because(2, format!("--migrations: {error}")))?;
    Ok(lineage::renames(&scripts, facts, &mark.catalogue))
}
