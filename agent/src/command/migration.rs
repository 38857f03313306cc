//! `before`, `after`, `guard`.

use super::{Ended, Manner, Session, SourceReport, begin, deliver};
use crate::cli::{After, Before, Common, Guard, Marking};
use crate::config::SourceConfig;
use crate::mark::{MarkError, MarkStore};
use crate::recapture::{SessionWatch, SourceMark, SourceRecapture};
use crate::report::{ErrorSummary, MarkSummary, MigrationSummary, Report};
use crate::signals::{Signal, Signals};
use fieldmark_change::Direction;
use fieldmark_model::SourceName;
use fieldmark_source::{Dialect, Error, Sessions};
use rustix::process::{Pid, kill_process};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

/// Marks and recaptures read half of the time. Two checks that are compared have one look each, and do not go by earlier ones.
const MANNER: Manner = Manner { duty: 0.5, enlarge: false, routine: false };

pub(crate) async fn before(common: &Common, arguments: &Before, signals: &Signals) -> Result<u8, Ended> {
    let session = Session::open(common, signals, MANNER)?;
    let mut report = begin("before", common, session.run.seed);
    report.migration = Some(MigrationSummary::default());
    mark_all(&session, &arguments.marking, &mut report).await?;
    report.finished = chrono::Utc::now();
    deliver(&report, common)
}

pub(crate) async fn after(common: &Common, arguments: &After, signals: &Signals) -> Result<u8, Ended> {
    let session = Session::open(common, signals, MANNER)?;
    let mut report = begin("after", common, session.run.seed);
    report.migration = Some(MigrationSummary::default());
    let direction = if arguments.rollback { Direction::Rollback } else { Direction::Forward };
    for source in &session.config.sources {
        let mark = arguments.mark.as_deref();
        let with = Recapture { mark, marking: &arguments.marking, direction, transactions: BTreeSet::new() };
        recapture(&session, source, with, &mut report).await?;
    }
    conclude(&mut report);
    deliver(&report, common)
}

pub(crate) async fn guard(common: &Common, arguments: &Guard, signals: &Signals) -> Result<u8, Ended> {
    let session = Session::open(common, signals, MANNER)?;
    let mut report = begin("guard", common, session.run.seed);
    report.migration = Some(MigrationSummary::default());
    let direction = if arguments.rollback { Direction::Rollback } else { Direction::Forward };
    let mut marked: Vec<(SourceName, Option<String>)> = Vec::new();
    if arguments.rollback {
        marked.extend(session.config.sources.iter().map(|source| (source.name.clone(), arguments.mark.clone())));
    } else {
        mark_all(&session, &arguments.marking, &mut report).await?;
        let marks = report.migration.iter().flat_map(|migration| &migration.marks);
        marked.extend(marks.map(|mark| (mark.source.clone(), Some(mark.id.clone()))));
        let lacking = session.config.sources.iter().any(|source| !marked.iter().any(|(name, _)| *name == source.name));
        if lacking && !arguments.proceed_unmarked {
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
    let status = execute(&arguments.command, &trace, signals).await;
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
            report.errors.push(ErrorSummary { source: None, table: None, what, remedy: None });
            if let Some(migration) = &mut report.migration {
                migration.command_status = Some(127);
            }
        }
    }
    for source in &session.config.sources {
        if let Some((_, mark)) = marked.iter().find(|(name, _)| *name == source.name) {
            let transactions = seen.remove(&source.name).unwrap_or_default();
            let with = Recapture { mark: mark.as_deref(), marking: &arguments.marking, direction, transactions };
            recapture(&session, source, with, &mut report).await?;
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
    let sources = session.config.sources.iter();
    for source in sources.filter(|source| marked.iter().any(|(name, _)| *name == source.name)) {
        // a source that does not answer now is recaptured by the control test alone
        let Ok(reader) = session.connect_beside(source).await else { continue };
        if reader.facts().dialect != Dialect::Postgres {
            continue;
        }
        let configured = Sessions {
            role: source.migrations_by.role.value.clone(),
            application_name: source.migrations_by.application_name.value.clone(),
        };
        let handed = Sessions { role: None, application_name: Some(trace.application_name()) };
        watches.push((source.name.clone(), SessionWatch::begin(reader, vec![handed, configured])));
    }
    watches
}

/// Runs the migration's command to its end; signals go to it.
async fn execute(command: &[OsString], trace: &Trace, signals: &Signals) -> std::io::Result<i32> {
    let (Some(program), arguments) = (command.first(), command.get(1..).unwrap_or_default()) else { return Ok(0) };
    let mut handed_over = signals.hand_over();
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .env("TRACEPARENT", trace.parent())
        .env("PGAPPNAME", trace.application_name())
        .spawn()?;
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    loop {
        tokio::select! {
            status = child.wait() => {
                use std::os::unix::process::ExitStatusExt as _;
                let status = status?;
                return Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)));
            }
            signal = handed_over.next() => {
                let signal = match signal {
                    Signal::Interrupt => rustix::process::Signal::INT,
                    Signal::Terminate => rustix::process::Signal::TERM,
                };
                if let Some(pid) = pid {
                    // it may have ended by itself just now
                    kill_process(pid, signal).ok();
                }
            }
        }
    }
}

/// A new trace, of which the migration's command is a part.
struct Trace {
    id: u128,
    span: u64,
}

impl Trace {
    fn new() -> Self {
        use rand::RngExt as _;
        let mut random = rand::rng();
        Self { id: random.random::<u128>().max(1), span: random.random::<u64>().max(1) }
    }

    /// W3C trace context, for what the command itself may export.
    fn parent(&self) -> String {
        format!("00-{:032x}-{:016x}-01", self.id, self.span)
    }

    /// The name by which the command's sessions are known; nobody else's have it.
    fn application_name(&self) -> String {
        format!("fieldmark-migration-{:016x}", self.span)
    }
}

fn store(session: &Session, source: &SourceName, marking: &Marking) -> MarkStore {
    MarkStore::new(match &marking.mark_dir {
        Some(folder) => folder.join(source.as_str()),
        None => session.folder.marks(source),
    })
}

async fn mark_all(session: &Session, marking: &Marking, report: &mut Report) -> Result<(), Ended> {
    for source in &session.config.sources {
        mark(session, source, marking, report).await?;
    }
    Ok(())
}

async fn mark(session: &Session, source: &SourceConfig, marking: &Marking, report: &mut Report) -> Result<(), Ended> {
    let state = session.state_of(&source.name, report)?;
    let mut reader = match session.connect(source, &state).await {
        Ok(reader) => reader,
        Err(error) => return failed(&source.name, &error, report),
    };
    let catalogue = match reader.catalogue().await {
        Ok(catalogue) => catalogue,
        Err(error) => return failed(&source.name, &error, report),
    };
    let default_schema = reader.facts().default_schema.clone();
    let problems = session.validate(&source.name, &catalogue, default_schema.as_deref());
    if !problems.is_empty() {
        return Err(Ended::Problems(problems, fieldmark_document::Problems::default()));
    }
    let rules = session.rules_of(&source.name);
    let settings = session.settings(source);
    let take = SourceMark {
        reader: &mut reader,
        source: &source.name,
        rules: &rules,
        every_table: !session.narrowed,
        settings: &settings,
        run: &session.run,
        state: &state,
        progress: &session.progress,
        control: marking.control,
        max_bytes: session.config.marks.max_bytes.value,
    };
    let mut taken = match take.take().await {
        Ok(taken) => taken,
        Err(error) => return failed(&source.name, &error, report),
    };
    let store = store(session, &source.name, marking);
    let lock = session.folder.lock_within(&source.name, crate::state::PATIENCE)?;
    let kept = store.keep(&mut taken.marked).and_then(|stored| {
        let marks = &session.config.marks;
        store.expire(session.run.now, marks.keep.value, marks.max_bytes.value).map(|()| stored)
    });
    drop(lock);
    let stored = match kept {
        Ok(stored) => stored,
        Err(MarkError::State(error)) => return Err(Ended::State(error)),
        Err(error) => return Err(Ended::Because(2, error.to_string())),
    };
    session.remember(&source.name, &taken.checked, &mut reader, report)?;
    let mark = &taken.marked.mark;
    for (table, why) in &mark.unmarked {
        report.notes.push(format!("{} {table} is not marked: {why}", source.name));
    }
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
    let mut of_source = SourceReport { report, name: &source.name };
    of_source.used(&reader, rules.len() as u64);
    of_source.checked(&taken.checked);
    Ok(())
}

/// What a recapture goes by.
struct Recapture<'a> {
    /// The mark's id; `None`: the latest.
    mark: Option<&'a str>,
    marking: &'a Marking,
    direction: Direction,
    /// Seen to be the migration's.
    transactions: BTreeSet<u64>,
}

async fn recapture(
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
            });
            return Ok(());
        }
    };
    if with.mark.is_none() && marked.mark.source != source.name {
        report.notes.push(format!("the mark {id} was taken of a source named {}", marked.mark.source));
    }
    let mut reader = match session.connect(source, &state).await {
        Ok(reader) => reader,
        Err(error) => return failed(&source.name, &error, report),
    };
    let rules = session.rules_of(&source.name);
    let settings = session.settings(source);
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
    };
    let mut recaptured = match recapture.judge().await {
        Ok(recaptured) => recaptured,
        Err(error) => return failed(&source.name, &error, report),
    };
    session.remember(&source.name, &recaptured.checked, &mut reader, report)?;
    if let Some(migration) = &mut report.migration {
        recaptured.report.command_status = migration.command_status;
        migration.sources.push(recaptured.report);
    }
    let mut of_source = SourceReport { report, name: &source.name };
    of_source.used(&reader, rules.len() as u64);
    of_source.checked(&recaptured.checked);
    Ok(())
}

/// The verdict over all sources: the gravest.
fn conclude(report: &mut Report) {
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
