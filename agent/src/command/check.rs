//! `check`.

use super::{Ended, Manner, Session, SourceReport, begin, deliver};
use crate::check::{Checked, SourceCheck};
use crate::cli::{Check, Common};
use crate::config::SourceConfig;
use crate::reader::Reader;
use crate::report::{ErrorSummary, Report};
use crate::signals::Signals;
use fieldmark_engine::language::resolve_table;
use fieldmark_engine::rule::{SampleWish, TableRules};
use fieldmark_model::TableName;
use fieldmark_source::Error;

pub(crate) async fn run(common: &Common, arguments: &Check, signals: &Signals) -> Result<u8, Ended> {
    if arguments.plan {
        return super::plan::run(common, arguments, signals).await;
    }
    let manner = Manner { duty: arguments.duty, enlarge: !arguments.no_enlarge, routine: true, lenient: false };
    let session = Session::open(common, signals, manner)?;
    let mut report = begin("check", common, &session.run);
    for source in &session.config.sources {
        if session.rules_of(&source.name).is_empty() {
            continue;
        }
        if let Some((checked, mut reader)) = check_source(&session, source, None, &mut report).await? {
            session.remember(&source.name, &checked, &mut reader, &mut report);
        }
    }
    session.tell_unmet(&mut report);
    if report.sources.is_empty() && report.errors.is_empty() {
        report.errors.push(ErrorSummary {
            source: None,
            table: None,
            what: "no rule speaks of any source: nothing was checked".to_owned(),
            remedy: Some("`rules:` says where rule files are; `fieldmark init` proposes some".to_owned()),
            nature: None,
        });
    }
    report.finished = chrono::Utc::now();
    deliver(&report, common)
}

/// Checks the rules of a source, or of these tables of it alone and over all of their rows; `None` where it could not be read, which the
/// report says then.
pub(crate) async fn check_source(
    session: &Session,
    source: &SourceConfig,
    whole: Option<&[TableName]>,
    report: &mut Report,
) -> Result<Option<(Checked, Reader)>, Ended> {
    let state = session.state_of(&source.name, report)?;
    let mut reader = match session.connect(source, &state).await {
        Ok(reader) => reader,
        Err(error) => return failed(source, &error, report),
    };
    let catalogue = match reader.catalogue().await {
        Ok(catalogue) => catalogue,
        Err(error) => return failed(source, &error, report),
    };
    let default_schema = reader.facts().default_schema.clone();
    let found = session.tables_of(&source.name, &catalogue, default_schema.as_deref());
    let (mut tables, unfit) = session.accept(source, found, (&catalogue, default_schema.as_deref()))?;
    report.findings.extend(unfit);
    let mut settings = session.settings(source);
    if let Some(whole) = whole {
        tables.retain(|rules| {
            let table = resolve_table(rules, &catalogue, default_schema.as_deref());
            table.is_ok_and(|table| whole.contains(&table.name))
        });
        settings.override_sample = Some(SampleWish::All);
    }
    let rules: Vec<&TableRules> = tables.iter().collect();
    let seen = session.blocks_seen(&mut reader, &catalogue, &tables).await;
    let mut check = SourceCheck {
        reader: &mut reader,
        catalogue: &catalogue,
        settings: &settings,
        run: &session.run,
        state: &state,
        progress: &session.progress,
    };
    let checked = match check.check(&rules).await {
        Ok(checked) => checked,
        Err(error) => return failed(source, &error, report),
    };
    let seen = session.blocks_seen(&mut reader, &catalogue, &tables).await.zip(seen);
    let mut of_source = SourceReport { report, name: &source.name };
    of_source.used(&reader, rules.len() as u64, seen.map(|(after, before)| after.saturating_sub(before)));
    of_source.checked(&checked);
    Ok(Some((checked, reader)))
}

fn failed<T>(source: &SourceConfig, error: &Error, report: &mut Report) -> Result<Option<T>, Ended> {
    if matches!(error, Error::Cancelled) {
        return Err(Ended::Interrupted);
    }
    SourceReport { report, name: &source.name }.failed(None, error);
    Ok(None)
}
