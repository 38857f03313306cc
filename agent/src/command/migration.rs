//! `before`, `after`, `guard`.

use super::guarded::{self, Trace};
use super::{Ended, Manner, Session, SourceReport, begin, deliver, traced};
use crate::cli::{After, Before, Common, Guard, Marking, Output, USAGE};
use crate::config::{Address, SourceConfig};
use crate::mark::{Mark, MarkError, MarkStore};
use crate::recapture::{SessionWatch, SourceMark, SourceRecapture, caught_up, is_past};
use crate::report::{ErrorSummary, MarkSummary, MigrationSummary, Report};
use crate::signals::Signals;
use fieldmark_change::Direction;
use fieldmark_document::{Problem, Problems, listed, shown};
use fieldmark_engine::evaluate::{Names, check_expression, mentioned, speaks_of};
use fieldmark_engine::language::resolve_table;
use fieldmark_engine::rule::{RowsAcross, TableRules};
use fieldmark_model::{Catalogue, SourceName};
use fieldmark_source::{Error, Sessions, Standing};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Marks and recaptures read half of the time. Two checks that are compared have one look each, and do not go by earlier ones.
pub(crate) const MANNER: Manner = Manner { duty: 0.5, enlarge: false, routine: false, lenient: false };

pub(crate) async fn before(common: &Common, arguments: &Before, signals: &Signals) -> Result<u8, Ended> {
    if arguments.open {
        return super::local::open(common, arguments.name.as_deref()).await;
    }
    let session = Session::open(common, signals, MANNER)?;
    let mut report = begin("before", common, &session.run);
    report.migration = Some(MigrationSummary::default());
    let marking = traced::before(&session, &arguments.marking, &mut report).await?;
    mark_all(&session, &marking, &mut report).await?;
    if signals.received().is_some() {
        // it came while the mark was written; whoever sent it does not expect the migration to follow
        return Err(Ended::Interrupted);
    }
    report.finished = chrono::Utc::now();
    deliver(&report, common)
}

pub(crate) async fn after(common: &Common, arguments: &After, signals: &Signals) -> Result<u8, Ended> {
    // what was declared of the tables that are left out would be left out as well, and they judged without
    if !common.table.is_empty() || !common.rule.is_empty() {
        let why = "a mark is judged as a whole: leave out --table and --rule (of `before` they choose what is marked)";
        return Err(Ended::Because(USAGE, why.to_owned()));
    }
    if arguments.close {
        return super::local::close(common).await;
    }
    let session = Session::open(common, signals, MANNER)?;
    let mut report = begin("after", common, &session.run);
    report.migration = Some(MigrationSummary::default());
    let direction = if arguments.rollback { Direction::Rollback } else { Direction::Forward };
    for source in &session.config.sources {
        let mark = arguments.mark.as_deref();
        let (marking, wait) = (&arguments.marking, arguments.waiting.wait);
        let with = Recapture { mark, marking, wait, direction, transactions: BTreeSet::new(), traced: true };
        recapture(&session, source, with, &mut report).await?;
    }
    conclude(&mut report);
    deliver(&report, common)
}

pub(crate) async fn guard(common: &Common, arguments: &Guard, signals: &Signals) -> Result<u8, Ended> {
    let session = Session::open(common, signals, MANNER)?;
    let mut report = begin("guard", common, &session.run);
    report.migration = Some(MigrationSummary::default());
    let direction = if arguments.rollback { Direction::Rollback } else { Direction::Forward };
    let mut marked: Vec<(SourceName, Option<String>)> = Vec::new();
    if arguments.rollback {
        marked.extend(session.config.sources.iter().map(|source| (source.name.clone(), arguments.mark.clone())));
    } else {
        let marking = traced::before(&session, &arguments.marking, &mut report).await?;
        let all_marked = mark_all(&session, &marking, &mut report).await?;
        let marks = report.migration.iter().flat_map(|migration| &migration.marks);
        marked.extend(marks.map(|mark| (mark.source.clone(), Some(mark.id.clone()))));
        if !all_marked && !arguments.proceed_unmarked {
            report.notes.push("the command was not started: not every source could be marked (--proceed-unmarked runs it all the same)".to_owned());
            report.finished = chrono::Utc::now();
            return deliver(&report, common);
        }
        // what the rules gave before is in the mark; the report shows what they give after
        report.outcomes.clear();
        report.samples.clear();
    }
    let trace = Trace::new();
    let watches = watch_sessions(&session, &marked, &trace).await;
    let handed_over = signals.hand_over();
    if signals.received().is_some() {
        // it came while the mark was written: too late for that, and in time for the command
        return Err(Ended::Interrupted);
    }
    let status = guarded::execute(&arguments.command, &trace, handed_over, common.output != Output::Terminal).await;
    let mut seen: BTreeMap<SourceName, BTreeSet<u64>> = BTreeMap::new();
    for (source, watch) in watches {
        seen.insert(source, watch.end().await);
    }
    match status {
        Ok(status) => {
            if let Some(migration) = &mut report.migration {
                migration.command_status = Some(status);
            }
        }
        Err(error) => {
            let program = arguments.command.first().map(|program| program.to_string_lossy().into_owned());
            let what = format!("the command {} could not be started: {error}", program.unwrap_or_default());
            report.errors.push(ErrorSummary { source: None, table: None, what, remedy: None, nature: None });
            if let Some(migration) = &mut report.migration {
                migration.command_status = Some(127);
            }
        }
    }
    for source in &session.config.sources {
        if let Some((_, mark)) = marked.iter().find(|(name, _)| *name == source.name) {
            let transactions = seen.remove(&source.name).unwrap_or_default();
            let (marking, wait) = (&arguments.marking, arguments.waiting.wait);
            let with = Recapture { mark: mark.as_deref(), marking, wait, direction, transactions, traced: true };
            match recapture(&session, source, with, &mut report).await {
                Ok(()) => {}
                Err(Ended::Interrupted) => return Err(Ended::Unjudged(later(arguments))),
                // the command has run: whatever fails now, how it ended and what is known of its rows is told
                Err(Ended::State(error)) => {
                    SourceReport { report: &mut report, name: &source.name }.state_failed(error.explain())
                }
                Err(ended) => return Err(ended),
            }
        }
    }
    conclude(&mut report);
    deliver(&report, common)
}

/// Looks at the sessions of the migration's command, by the name that it is handed, and of whom else the configuration names.
async fn watch_sessions(
    session: &Session,
    marked: &[(SourceName, Option<String>)],
    trace: &Trace,
) -> Vec<(SourceName, SessionWatch)> {
    let mut watches = Vec::new();
    let sources = session.config.sources.iter().filter(|source| matches!(source.address.value, Address::Postgres(_)));
    for source in sources.filter(|source| marked.iter().any(|(name, _)| *name == source.name)) {
        // a source that does not answer now is recaptured by the control test alone
        let Ok(reader) = session.connect_beside(source).await else { continue };
        let configured = Sessions {
            role: source.migrations_by.role.value.clone(),
            application_name: source.migrations_by.application_name.value.clone(),
        };
        let handed = Sessions { role: None, application_name: Some(trace.application_name()) };
        watches.push((source.name.clone(), SessionWatch::begin(reader, vec![handed, configured])));
    }
    watches
}

/// The command line that judges later what a guarded command did.
fn later(arguments: &Guard) -> String {
    let mut line = "fieldmark after".to_owned();
    if arguments.rollback {
        line.push_str(" --rollback");
    }
    if let Some(id) = &arguments.mark {
        line.push_str(&format!(" --mark {id}"));
    }
    if let Some(folder) = &arguments.marking.mark_dir {
        line.push_str(&format!(" --mark-dir {}", folder.display()));
    }
    line
}

fn store(session: &Session, source: &SourceName, marking: &Marking) -> MarkStore {
    let folder = match &marking.mark_dir {
        Some(folder) => folder.join(source.as_str()),
        None => session.folder.marks(source),
    };
    MarkStore::new(folder, session.run.digest("the key of a mark's digests"))
}

/// Marks every source; whether all of them could be.
async fn mark_all(session: &Session, marking: &Marking, report: &mut Report) -> Result<bool, Ended> {
    let mut all = true;
    for source in &session.config.sources {
        all &= mark(session, source, marking, report).await?;
    }
    Ok(all)
}

/// Holds what is declared across the migration against the rows that it begins with: every `may_vanish_where`, and what an `expect` reads
/// as `before.x`. With a fault in it nothing could be told in the end, when it is too late to correct it. A check does not do so, since
/// after the migration, while the rule file still has it, it may speak of what is gone.
fn declarations_fit(tables: &[TableRules], catalogue: &Catalogue, default_schema: Option<&str>) -> Problems {
    let mut problems = Problems::default();
    for rules in tables {
        let Ok(table) = resolve_table(rules, catalogue, default_schema) else { continue };
        let schema = table.arrow_schema(table.columns.iter().map(|column| column.name.as_str()));
        let Ok(names) = Names::of_table(&schema) else { continue };
        if let RowsAcross::MayVanishWhere(expression) = &rules.across.rows
            && let Err(wrong) = check_expression(&expression.value, &names)
        {
            problems.push(wrong.placed(expression));
        }
        for expectation in rules.across.expect.iter().filter(|expectation| !is_past(expectation, &schema)) {
            let that = &expectation.that;
            for read in mentioned(&that.value).into_iter().filter(|mentioned| !mentioned.after) {
                let place = that.place.within(&that.value, read.at);
                let columns = || table.columns.iter().map(|column| column.name.as_str());
                match table.column(&read.column) {
                    None => problems.push(
                        Problem::new(format!("an `expect` reads a column before that {} lacks", table.name), &place)
                            .value(shown(&read.column))
                            .allowed(listed(columns()))
                            .nearest_of(&read.column, columns()),
                    ),
                    Some(column) if column.canonical_text => problems.push(
                        Problem::new(
                            "an `expect` reads a column before that has no Arrow type to calculate with",
                            &place,
                        )
                        .value(shown(&read.column))
                        .help(format!(
                            "it is declared as {}: what became of it cannot be told; declare it with precision and \
                                 scale, or say `renamed:` and leave the expectation out",
                            column.declared
                        )),
                    ),
                    Some(_) => {}
                }
            }
        }
    }
    problems
}

/// Leaves out rules about columns that come with the migration: those that its declarations speak of as after it. They are told after it.
fn leave_to_come(rules: &mut TableRules, catalogue: &Catalogue, default_schema: Option<&str>, report: &mut Report) {
    let Ok(table) = resolve_table(rules, catalogue, default_schema) else { return };
    let renamed = rules.across.renamed.iter().map(|(after, _)| after.value.clone());
    let made = rules.across.expect.iter().flat_map(|expectation| mentioned(&expectation.that.value));
    let made = made.filter(|mentioned| mentioned.after).map(|mentioned| mentioned.column);
    let coming: BTreeSet<String> = renamed.chain(made).filter(|name| table.column(name).is_none()).collect();
    rules.pii.retain(|column| !coming.contains(&column.value));
    rules.rules.retain(|rule| {
        let texts = || rule.kind.placed_expression().into_iter().chain(&rule.filter);
        let about = |name: &&String| {
            rule.kind.columns().contains(&name.as_str()) || texts().any(|text| speaks_of(&text.value, name))
        };
        let Some(name) = coming.iter().find(about) else { return true };
        let what = format!("{}: the rule {} speaks of {name}, which comes with the migration", table.name, rule.id);
        if !report.notes.contains(&what) {
            report.notes.push(what);
        }
        false
    });
}

/// Marks one source; whether it could be. One without tables has nothing to mark, and is.
pub(crate) async fn mark(
    session: &Session,
    source: &SourceConfig,
    marking: &Marking,
    report: &mut Report,
) -> Result<bool, Ended> {
    let state = session.state_of(&source.name, report)?;
    let mut reader = match session.connect(source, &state).await {
        Ok(reader) => reader,
        Err(error) => return failed(&source.name, &error, report).map(|()| false),
    };
    let catalogue = match reader.catalogue().await {
        Ok(catalogue) => catalogue,
        Err(error) => return failed(&source.name, &error, report).map(|()| false),
    };
    let default_schema = reader.facts().default_schema.clone();
    let (mut tables, mut problems) = session.tables_of(&source.name, &catalogue, default_schema.as_deref());
    for rules in &mut tables {
        leave_to_come(rules, &catalogue, default_schema.as_deref(), report);
    }
    problems.append(declarations_fit(&tables, &catalogue, default_schema.as_deref()));
    let (tables, unfit) = session.accept(source, (tables, problems), (&catalogue, default_schema.as_deref()))?;
    report.findings.extend(unfit);
    let rules: Vec<&TableRules> = tables.iter().collect();
    let seen = session.blocks_seen(&mut reader, &catalogue, &tables).await;
    let settings = session.settings(source);
    let take = SourceMark {
        reader: &mut reader,
        source: &source.name,
        rules: &rules,
        every_table: !session.selection.some_tables(),
        settings: &settings,
        run: &session.run,
        state: &state,
        progress: &session.progress,
        control: marking.control,
        max_bytes: session.config.marks.max_bytes.value,
    };
    let mut taken = match take.take().await {
        Ok(taken) => taken,
        Err(error) => return failed(&source.name, &error, report).map(|()| false),
    };
    taken.marked.mark.planned.clone_from(&marking.planned);
    let store = store(session, &source.name, marking);
    let lock = session.folder.lock_within(&source.name, crate::state::PATIENCE)?;
    let kept = store.keep(&mut taken.marked).and_then(|stored| {
        let marks = &session.config.marks;
        store
            .expire(session.run.now, marks.keep.value, marks.max_bytes.value, marking.in_use.as_deref())
            .map(|()| stored)
    });
    drop(lock);
    let stored = match kept {
        Ok(stored) => stored,
        Err(MarkError::State(error)) => return Err(Ended::State(error)),
        Err(error) => return Err(Ended::Because(2, error.to_string())),
    };
    session.remember(&source.name, &taken.checked, &mut reader, report);
    let mark = &taken.marked.mark;
    note_unmarked(&source.name, mark, report);
    if let Some(migration) = &mut report.migration {
        migration.marks.push(MarkSummary {
            source: source.name.clone(),
            id: stored.id,
            taken: mark.taken,
            path: stored.path.display().to_string(),
            tables: mark.tables.len() as u64,
            rows: mark.tables.iter().map(|table| table.rows).sum(),
            bytes: stored.bytes,
        });
    }
    let nothing = mark.tables.is_empty() && !mark.unmarked.is_empty();
    if nothing {
        report.errors.push(ErrorSummary {
            source: Some(source.name.clone()),
            table: None,
            what: "no table could be marked".to_owned(),
            remedy: Some("give a table a key, or name one with `key:` in its rule file".to_owned()),
            nature: None,
        });
    }
    let seen = session.blocks_seen(&mut reader, &catalogue, &tables).await.zip(seen);
    let mut of_source = SourceReport { report, name: &source.name };
    of_source.used(&reader, rules.len() as u64, seen.map(|(after, before)| after.saturating_sub(before)));
    of_source.checked(&taken.checked);
    Ok(!nothing)
}

/// Tables that a mark leaves out, each noted once: `guard` has the mark taken and read again.
fn note_unmarked(source: &SourceName, mark: &Mark, report: &mut Report) {
    for (table, why) in &mark.unmarked {
        let note = format!("{source} {table} is not marked: {why}");
        if !report.notes.contains(&note) {
            report.notes.push(note);
        }
    }
}

/// What a recapture goes by.
pub(crate) struct Recapture<'a> {
    /// The mark's id; `None`: the latest.
    mark: Option<&'a str>,
    marking: &'a Marking,
    /// How long a replica is waited for.
    wait: Duration,
    direction: Direction,
    /// Seen to be the migration's.
    transactions: BTreeSet<u64>,
    /// Whether lineage is taken as well; the daemon does so by itself.
    traced: bool,
}

impl<'a> Recapture<'a> {
    /// Of this mark, after a migration forward of which no transactions are known.
    pub(crate) fn forward(mark: &'a str, marking: &'a Marking, wait: Duration) -> Self {
        Self {
            mark: Some(mark),
            marking,
            wait,
            direction: Direction::Forward,
            transactions: BTreeSet::new(),
            traced: false,
        }
    }
}

/// Recaptures one source; the verdict is in the report.
pub(crate) async fn recapture(
    session: &Session,
    source: &SourceConfig,
    with: Recapture<'_>,
    report: &mut Report,
) -> Result<(), Ended> {
    let state = session.state_of(&source.name, report)?;
    let store = store(session, &source.name, with.marking);
    let (id, marked) = match store.load(with.mark) {
        Ok(loaded) => loaded,
        Err(error) => {
            report.errors.push(ErrorSummary {
                source: Some(source.name.clone()),
                table: None,
                what: error.to_string(),
                remedy: None,
                nature: None,
            });
            return Ok(());
        }
    };
    note_unmarked(&source.name, &marked.mark, report);
    if with.mark.is_none() && marked.mark.source != source.name {
        report.notes.push(format!("the mark {id} was taken of a source named {}", marked.mark.source));
    }
    let mut reader = match session.connect(source, &state).await {
        Ok(reader) => reader,
        Err(error) => return failed(&source.name, &error, report),
    };
    let primary = match of_primary(session, source).await {
        Ok(primary) => primary,
        Err((primary, error)) => return failed(primary, &error, report),
    };
    if let Err(error) = caught_up(&mut reader, primary, with.wait).await {
        return failed(&source.name, &error, report);
    }
    let catalogue = match reader.catalogue().await {
        Ok(catalogue) => catalogue,
        Err(error) => return failed(&source.name, &error, report),
    };
    let default_schema = reader.facts().default_schema.clone();
    // the migration may have taken away what a pattern meant
    let (tables, problems) = session.tables_of(&source.name, &catalogue, default_schema.as_deref());
    report.notes.extend(problems.iter().map(ToString::to_string));
    let rules: Vec<&TableRules> = tables.iter().collect();
    let seen = session.blocks_seen(&mut reader, &catalogue, &tables).await;
    let settings = session.settings(source);
    let renames = traced::renames(with.marking, &marked.mark, reader.facts())?;
    let recapture = SourceRecapture {
        reader: &mut reader,
        source: &source.name,
        mark: (&id, &marked),
        rules: &rules,
        settings: &settings,
        run: &session.run,
        state: &state,
        progress: &session.progress,
        control: with.marking.control,
        direction: with.direction,
        transactions: &with.transactions,
        renames: &renames,
    };
    let mut recaptured = match recapture.judge().await {
        Ok(recaptured) => recaptured,
        Err(error) => return failed(&source.name, &error, report),
    };
    if let Some(migration) = &mut report.migration {
        recaptured.report.command_status = migration.command_status;
        migration.sources.push(recaptured.report);
    }
    let seen = session.blocks_seen(&mut reader, &catalogue, &tables).await.zip(seen);
    let mut of_source = SourceReport { report, name: &source.name };
    of_source.used(&reader, rules.len() as u64, seen.map(|(after, before)| after.saturating_sub(before)));
    of_source.checked(&recaptured.checked);
    session.remember(&source.name, &recaptured.checked, &mut reader, report);
    drop(reader);
    if with.traced {
        traced::after(session, source, &marked.mark, report).await;
    }
    Ok(())
}

/// Where the primary of a replica stands, where the configuration names it; also one that the run leaves out.
async fn of_primary<'s>(
    session: &'s Session,
    source: &SourceConfig,
) -> Result<Option<Standing>, (&'s SourceName, Error)> {
    let Some(name) = &source.replica_of.value else { return Ok(None) };
    let mut all = session.config.sources.iter().chain(&session.config.beside);
    let Some(primary) = all.find(|source| source.name == *name) else { return Ok(None) };
    let named = |error| (&primary.name, error);
    let mut reader = session.connect_beside(primary).await.map_err(named)?;
    reader.standing().await.map(Some).map_err(named)
}

/// The verdict over all sources: the gravest.
pub(super) fn conclude(report: &mut Report) {
    if let Some(migration) = &mut report.migration {
        let verdicts = migration.sources.iter().map(|source| source.verdict);
        migration.verdict = fieldmark_change::gravest(verdicts);
    }
    report.finished = chrono::Utc::now();
}

fn failed(source: &SourceName, error: &Error, report: &mut Report) -> Result<(), Ended> {
    if matches!(error, Error::Cancelled) {
        return Err(Ended::Interrupted);
    }
    SourceReport { report, name: source }.failed(None, error);
    Ok(())
}
