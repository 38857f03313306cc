//! What is done for one source: one job at a time, on a thread of its own, so that whatever it takes keeps nobody else.

use super::event::{Coming, Done, Event, Job, Judged, Left};
use super::loaded::Loaded;
use super::meters;
use super::scripts::Scripts;
use crate::cli::Marking;
use crate::command::{Ended, Manner, Selection, Session, check, migration};
use crate::config::SourceConfig;
use crate::lineage::{Flows, Told};
use crate::reader::Reader;
use crate::report::{MigrationSummary, Report};
use crate::signals::Signals;
use crate::state::StateFolder;
use fieldmark_change::{Gone, changed_tables, differences, gone, gone_on};
use fieldmark_model::observation::{Body, SourceFault};
use fieldmark_model::outcome::{Fix, Nature};
use fieldmark_model::{Catalogue, Dialect, Outcome, SourceName, TableName};
use fieldmark_source::{Error, Fingerprint, Recovery, ServerIdentity, Standing};
use fieldmark_telemetry::trace::MigrationTrace;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tracing::Instrument as _;

/// How long ordinary writes are watched, before and after a migration.
const CONTROL: Duration = Duration::from_secs(5);
/// How long a replica is waited for.
const WAIT: Duration = Duration::from_secs(60);
/// A routine check reads half of the time, has one look, and goes by what is remembered.
const ROUTINE: Manner = Manner { duty: 0.5, enlarge: false, routine: true, lenient: true };
/// As at the command line, and whatever can be done is done.
const MIGRATION: Manner = Manner { lenient: true, ..migration::MANNER };

/// A thread that does the jobs of one source. Ends when it is dropped and has done what it does.
pub(super) struct Worker {
    jobs: mpsc::UnboundedSender<(Job, Option<MigrationTrace>)>,
}

impl Worker {
    /// # Errors
    /// There is no thread for it now.
    pub(super) fn start(
        source: SourceName,
        loaded: Arc<Loaded>,
        folder: StateFolder,
        signals: Signals,
        events: mpsc::UnboundedSender<Coming>,
    ) -> std::io::Result<Self> {
        let (jobs, mut coming) = mpsc::unbounded_channel::<(Job, Option<MigrationTrace>)>();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name(format!("fieldmark-{source}")).spawn(move || {
            let mut at_work = AtWork::new(source, loaded, folder, signals);
            runtime.block_on(async {
                while let Some((job, trace)) = coming.recv().await {
                    let promised = Promised { job: Some((at_work.source.clone(), job.clone())), events: &events };
                    let span = trace.map_or_else(tracing::Span::none, |trace| step(&job, &at_work.source, &trace));
                    promised.keep(at_work.perform(&job).instrument(span).await);
                }
            });
        })?;
        Ok(Self { jobs })
    }

    /// Has a job done, as a step of a migration's trace where it is one.
    ///
    /// # Errors
    /// The job, where the thread has ended.
    pub(super) fn run(&self, job: Job, trace: Option<MigrationTrace>) -> Result<(), Job> {
        self.jobs.send((job, trace)).map_err(|refused| refused.0.0)
    }
}

/// A step of a migration's trace.
fn step(job: &Job, source: &SourceName, trace: &MigrationTrace) -> tracing::Span {
    let source = source.as_str();
    let span = tracing::info_span!("step", otel.name = job.as_str(), fieldmark.source = source);
    trace.adopt(&span);
    span
}

/// What is told of a job that was not done because something is wrong with ourselves.
pub(super) fn broken(what: &str) -> Done {
    let fault = SourceFault {
        what: what.to_owned(),
        nature: Nature::Transient,
        remedy: "please report this with what the process has said".to_owned(),
    };
    Done::Failed { fault }
}

/// A job that is told of in any case: one that broke off as well.
struct Promised<'a> {
    job: Option<(SourceName, Job)>,
    events: &'a mpsc::UnboundedSender<Coming>,
}

impl Promised<'_> {
    fn keep(mut self, done: Done) {
        self.tell(done);
    }

    fn tell(&mut self, done: Done) {
        if let Some((source, job)) = self.job.take() {
            // a daemon that has ended asks for nothing more
            self.events.send(Coming::Event(Event::Done { source, job, done })).ok();
        }
    }
}

impl Drop for Promised<'_> {
    fn drop(&mut self) {
        self.tell(broken("a job broke off"));
    }
}

struct AtWork {
    source: SourceName,
    loaded: Arc<Loaded>,
    folder: StateFolder,
    signals: Signals,
    /// The connection by which the schema is looked at, between two jobs.
    idle: Option<Reader>,
    /// Which server is at its other end, where that was asked.
    standing: Option<Standing>,
    /// The schema as it is held to be, to tell what is another than before.
    base: Option<Base>,
    /// The same as it was last seen while a migration went on: what comes after that is held against it.
    latest: Option<Base>,
    /// What of the source is gone since this process looks, up to `base`, and since then.
    gone: Vec<Gone>,
    lately: Vec<Gone>,
    /// Which tables are made from which, as they last were.
    flows: Flows,
    /// What kind of database it is, where it was looked at.
    dialect: Option<Dialect>,
    /// The scripts of migrations that it has seen.
    scripts: Scripts,
}

/// A schema as it was seen, its tables, and on which server.
#[derive(Clone)]
struct Base {
    fingerprint: Fingerprint,
    catalogue: Catalogue,
    server: Option<ServerIdentity>,
}

/// Why something was not done.
enum Undone {
    Source(Error),
    Ended(Ended),
}

impl From<Error> for Undone {
    fn from(error: Error) -> Self {
        Self::Source(error)
    }
}

impl From<Ended> for Undone {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}

impl AtWork {
    fn new(source: SourceName, loaded: Arc<Loaded>, folder: StateFolder, signals: Signals) -> Self {
        Self {
            source,
            loaded,
            folder,
            signals,
            idle: None,
            standing: None,
            base: None,
            latest: None,
            gone: Vec::new(),
            lately: Vec::new(),
            flows: Flows::default(),
            dialect: None,
            scripts: Scripts::default(),
        }
    }

    async fn perform(&mut self, job: &Job) -> Done {
        let done = match job {
            Job::Look { known } => self.look(known.as_ref()).await,
            Job::Mark => self.mark().await,
            Job::Check => self.check().await,
            Job::Recheck { tables } => self.recheck(tables).await,
            Job::Recapture { mark } => self.recapture(mark).await,
            Job::Lineage { migration } => self.lineage(migration.as_deref()).await,
        };
        if self.signals.token().is_cancelled() {
            return Done::Cancelled;
        }
        match done {
            Ok(done) => done,
            Err(undone) => {
                // whatever was wrong with it, the next job has another
                self.idle = None;
                Done::Failed { fault: fault(&undone) }
            }
        }
    }

    fn session(&self, manner: Manner) -> Result<Session, Undone> {
        Ok(self.loaded.session(&self.source, &self.folder, &self.signals, manner)?)
    }

    /// The source's configuration, in a session that has it alone.
    fn configured(session: &Session) -> Result<SourceConfig, Undone> {
        let gone = || Undone::Ended(Ended::Because(2, "the source is not configured any more".to_owned()));
        session.config.sources.first().cloned().ok_or_else(gone)
    }

    /// The connection between two jobs.
    async fn idle(&mut self) -> Result<&mut Reader, Undone> {
        if self.idle.is_none() {
            let session = self.session(ROUTINE)?;
            let source = Self::configured(&session)?;
            let idle = session.connect_beside(&source).await?;
            self.dialect = Some(idle.facts().dialect);
            (self.idle, self.standing) = (Some(idle), None);
        }
        self.idle.as_mut().ok_or_else(|| Undone::Ended(Ended::Because(2, "no connection".to_owned())))
    }

    async fn fingerprint(&mut self, known: Option<&Fingerprint>) -> Result<Fingerprint, Undone> {
        Ok(self.idle().await?.fingerprint(known).await?)
    }

    async fn look(&mut self, known: Option<&Fingerprint>) -> Result<Done, Undone> {
        let fingerprint = self.fingerprint(known).await?;
        let (changes, tables) = match (&self.base, known) {
            (Some(base), _) if base.fingerprint.schema != fingerprint.schema => {
                let base = base.clone();
                let after = self.seen(&fingerprint).await?;
                let mut changes = differences(&base.catalogue, &after.catalogue);
                // what is made from a table that is changed is changed with it
                let tables = self.flows.with_downstream(changed_tables(&base.catalogue, &after.catalogue));
                self.lately = gone(&base.catalogue, &after.catalogue);
                if changes.is_empty() {
                    changes.push("something that is no table and no column".to_owned());
                }
                let servers = base.server.zip(after.server.as_ref());
                if let Some((before, now)) = servers.filter(|(before, now)| now.failed_over(before)) {
                    changes.insert(0, failed_over(&before, now));
                }
                // a migration that goes step by step, or is taken back so, is held against where it began
                self.latest = Some(after);
                (changes, Some(tables).filter(|tables| !tables.is_empty()))
            }
            (Some(_), _) => {
                self.lately.clear();
                (Vec::new(), None)
            }
            (None, Some(known)) if known.schema != fingerprint.schema => {
                (vec!["the schema is another one than when the agent last ran".to_owned()], None)
            }
            (None, _) => {
                let seen = self.seen(&fingerprint).await?;
                let base = self.base.insert(seen);
                if let Some(idle) = &mut self.idle {
                    self.scripts.look(&self.loaded.config.migrations.value, idle, &base.catalogue).await;
                }
                (Vec::new(), None)
            }
        };
        let late = self.late().await?;
        Ok(Done::Looked { fingerprint, changes, tables, late })
    }

    /// The schema as it is now.
    async fn seen(&mut self, fingerprint: &Fingerprint) -> Result<Base, Undone> {
        let server = self.standing().await?.server;
        let catalogue = self.idle().await?.catalogue().await?;
        Ok(Base { fingerprint: fingerprint.clone(), catalogue, server })
    }

    /// Which server is looked at. That is asked once over each connection, and of a replica, how far it has come, each time.
    async fn standing(&mut self) -> Result<Standing, Undone> {
        self.idle().await?;
        if let Some(known) = self.standing.as_ref().filter(|known| !known.replica) {
            return Ok(known.clone());
        }
        self.standing = self.idle().await?.standing().await.ok();
        // whatever cannot be told of it has no lag
        Ok(self.standing.clone().unwrap_or_default())
    }

    /// By how many seconds the replica that is looked at is late.
    async fn late(&mut self) -> Result<Option<f64>, Undone> {
        let standing = self.standing().await?;
        meters::behind(&self.source, standing.behind_seconds);
        Ok(standing.late_seconds())
    }

    /// Where rolling marks are kept, apart from those that somebody asked for.
    fn marking(&self) -> Marking {
        let in_use = super::remembered::load(&self.folder, &self.source).and_then(|remembered| remembered.mark);
        Marking { mark_dir: Some(self.folder.path().join("rolling")), control: CONTROL, in_use, ..Marking::default() }
    }

    async fn mark(&mut self) -> Result<Done, Undone> {
        let before = self.fingerprint(None).await?;
        self.idle = None;
        let mut session = self.session(MIGRATION)?;
        // the last few are enough
        let keep = (self.loaded.config.agent.marks_every.value * 3).max(Duration::from_secs(900));
        session.config.marks.keep.value = keep;
        let source = Self::configured(&session)?;
        let mut report = report("mark", &session);
        let marked = match migration::mark(&session, &source, &self.marking(), &mut report).await {
            Ok(marked) => marked,
            Err(ended) => return Err(ended.into()),
        };
        let taken = report.migration.as_mut().and_then(|migration| migration.marks.pop());
        if taken.is_none() {
            failed(&report)?;
        }
        meters::spent(&report.sources);
        let after = self.fingerprint(None).await?;
        Ok(match taken {
            Some(mark) if marked => Done::Marked {
                mark: mark.id,
                tables: mark.tables,
                rows: mark.rows,
                bytes: mark.bytes,
                fingerprint: (before.schema == after.schema).then_some(after),
            },
            Some(_) | None => {
                let why =
                    if report.notes.is_empty() { String::new() } else { format!(": {}", report.notes.join("; ")) };
                Done::Unmarked { why: format!("no table could be marked{why}") }
            }
        })
    }

    async fn check(&mut self) -> Result<Done, Undone> {
        self.idle = None;
        let session = self.session(ROUTINE)?;
        let source = Self::configured(&session)?;
        let report = checked(&session, &source).await?;
        let unwell = unwell(&report);
        let summary = report.sources.into_iter().next();
        let (database, address) = summary.map(|of| (of.database, of.address)).unwrap_or_default();
        let rules = report.outcomes.len() as u64;
        let tables: std::collections::BTreeSet<_> = report.outcomes.iter().map(|outcome| &outcome.table).collect();
        let tables = tables.len() as u64;
        let mut bodies: Vec<Body> = report.findings.into_iter().map(Body::Finding).collect();
        bodies.extend(self.helped(&session, report.outcomes));
        Ok(Done::Checked { bodies, database, address, tables, rules, unwell })
    }

    /// Checks what is suspected again.
    async fn recheck(&mut self, tables: &[TableName]) -> Result<Done, Undone> {
        self.idle = None;
        let mut session = self.session(ROUTINE)?;
        session.selection = Selection::of_tables(tables);
        // a rule that passes over its whole table does so again when it should have healed, and not once a day
        for source in &mut session.config.sources {
            source.full_every.value = source.full_every.value.min(session_patience(&self.loaded));
        }
        let source = Self::configured(&session)?;
        let report = checked(&session, &source).await?;
        let mut bodies: Vec<Body> = report.findings.into_iter().map(Body::Finding).collect();
        bodies.extend(self.helped(&session, report.outcomes));
        Ok(Done::Rechecked { bodies })
    }

    async fn lineage(&mut self, migration: Option<&str>) -> Result<Done, Undone> {
        let session = self.session(ROUTINE)?;
        let source = Self::configured(&session)?;
        let rules = session.rules_of(&source.name);
        let reader = self.idle().await?;
        let snapshot = crate::lineage::read(reader, &source, &rules).await?;
        self.flows = Flows::of(&snapshot.origins);
        let (pieces, told) = Told::load(&self.folder, &self.source).new_of(&self.source, snapshot, migration);
        let bodies = pieces.into_iter().map(|seen| Body::Lineage(Box::new(seen))).collect();
        Ok(Done::Lineage { bodies, told: Box::new(told) })
    }

    async fn recapture(&mut self, mark: &str) -> Result<Done, Undone> {
        self.idle = None;
        let session = self.session(MIGRATION)?;
        let source = Self::configured(&session)?;
        let mut report = report("recapture", &session);
        let marking = self.marking();
        migration::recapture(&session, &source, migration::Recapture::forward(mark, &marking, WAIT), &mut report)
            .await?;
        meters::spent(&report.sources);
        let judged = report.migration.as_mut().and_then(|migration| migration.sources.pop());
        let Some(judged) = judged else {
            failed(&report)?;
            return Err(Ended::Because(2, "the recapture gave no verdict".to_owned()).into());
        };
        let told = |base: &Base| Fingerprint::of(&base.catalogue);
        let tables = (self.base.as_ref().map(told), self.latest.as_ref().or(self.base.as_ref()).map(told));
        // what comes next is held against the schema as it was last seen
        if let Some(latest) = self.latest.take() {
            self.base = Some(latest);
            self.gone = gone_on(std::mem::take(&mut self.gone), std::mem::take(&mut self.lately));
        }
        let (migration, source) = (Box::new(judged), report.sources.pop());
        let judged = Box::new(Judged { migration, source, seed: session.run.seed });
        let bodies = self.helped(&session, report.outcomes);
        let left = Left { tables, ways_back: self.ways_back().await };
        Ok(Done::Judged { judged, bodies, left })
    }

    /// How the scripts are taken back that the migration has run.
    async fn ways_back(&mut self) -> Result<Vec<Fix>, String> {
        let loaded = Arc::clone(&self.loaded);
        let folder = &loaded.config.migrations.value;
        let shown = folder.strip_prefix(&loaded.config.folder).unwrap_or(folder);
        self.idle().await.map_err(|undone| fault(&undone).what)?;
        // the schema as it was last seen has the tool's table, too
        let (Some(idle), Some(base)) = (&mut self.idle, &self.base) else { return Ok(Vec::new()) };
        self.scripts.run_since((folder, shown), idle, &base.catalogue).await
    }

    /// Outcomes, with what may help where something is gone.
    fn helped(&self, session: &Session, mut outcomes: Vec<Outcome>) -> Vec<Body> {
        let gone = gone_on(self.gone.clone(), self.lately.clone());
        if let Some(dialect) = self.dialect.filter(|_| !gone.is_empty()) {
            crate::check::help(&gone, &session.rules_of(&self.source), dialect, &mut outcomes);
        }
        outcomes.into_iter().map(|outcome| Body::Outcome(Box::new(outcome))).collect()
    }
}

/// The rules that the session takes are checked, and what was drawn is remembered.
async fn checked(session: &Session, source: &SourceConfig) -> Result<Report, Undone> {
    let mut report = report("check", session);
    match check::check_source(session, source, None, &mut report).await? {
        Some((checked, mut reader)) => session.remember(&source.name, &checked, &mut reader, &mut report),
        None => failed(&report)?,
    }
    meters::spent(&report.sources);
    Ok(report)
}

/// What a failover is, in words.
fn failed_over(before: &ServerIdentity, now: &ServerIdentity) -> String {
    format!("the server has failed over (timeline {}, now {})", before.timeline, now.timeline)
}

/// How long things are given to heal.
fn session_patience(loaded: &Loaded) -> Duration {
    loaded.config.agent.patience.value
}

fn report(command: &str, session: &Session) -> Report {
    Report {
        migration: Some(MigrationSummary::default()),
        ..crate::command::report_of(command, session.run.now, session.run.seed)
    }
}

/// What somebody has to look at, though the source answers.
fn unwell(report: &Report) -> Vec<String> {
    let mut unwell: Vec<String> = report.errors.iter().map(|error| error.what.clone()).collect();
    let lasting = |outcome: &&fieldmark_model::Outcome| {
        outcome.not_evaluated.is_some_and(|why| why.nature() == Nature::Permanent)
    };
    let mut blind = report.outcomes.iter().filter(lasting).peekable();
    if let Some(first) = blind.peek().copied() {
        let (count, all) = (blind.count(), report.outcomes.len());
        unwell.push(format!(
            "{count} of {all} rules cannot be evaluated, such as {} on {}: {} (`fieldmark doctor` tells what is missing)",
            first.rule, first.table, first.reason
        ));
    }
    let misfits = report.findings.iter().filter(|finding| finding.id == "rules_do_not_fit");
    unwell.extend(misfits.map(|finding| format!("rules do not fit the database: {}", finding.what)));
    unwell
}

/// The first thing that a report says could not be done.
fn failed(report: &Report) -> Result<(), Undone> {
    match report.errors.first() {
        None => Ok(()),
        Some(error) => {
            let nature = error.nature.unwrap_or(Nature::Permanent);
            Err(Undone::Ended(Ended::Failed { what: error.what.clone(), nature, remedy: error.remedy.clone() }))
        }
    }
}

fn fault(undone: &Undone) -> SourceFault {
    match undone {
        Undone::Source(error) => {
            let remedy = match error.recovery() {
                Recovery::Retry => "try again",
                Recovery::Operator(remedy) => remedy,
                Recovery::Bug => "please report this",
            };
            SourceFault { what: error.to_string(), nature: error.nature(), remedy: remedy.to_owned() }
        }
        Undone::Ended(Ended::Failed { what, nature, remedy }) => {
            SourceFault { what: what.clone(), nature: *nature, remedy: remedy.clone().unwrap_or_default() }
        }
        Undone::Ended(Ended::State(error)) => SourceFault {
            what: error.explain(),
            nature: Nature::Permanent,
            remedy: "look at the state folder".to_owned(),
        },
        Undone::Ended(Ended::Because(_, why)) => {
            SourceFault { what: why.clone(), nature: Nature::Permanent, remedy: String::new() }
        }
        Undone::Ended(Ended::Problems(problems, _)) => {
            let what = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            SourceFault { what, nature: Nature::Permanent, remedy: "correct the rule files".to_owned() }
        }
        Undone::Ended(Ended::Interrupted | Ended::Unjudged(_)) => {
            SourceFault { what: "interrupted".to_owned(), nature: Nature::Transient, remedy: String::new() }
        }
    }
}
