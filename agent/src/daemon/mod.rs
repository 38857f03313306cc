//! The daemon: checks, marks and looks at sources all the time, and reports what it sees.
//!
//! One loop owns all state (`state::State`): it takes an event, has `apply` say what is to be done, and has that done by others, who
//! report back by events. Each source has a thread of its own, which does one job at a time over its own connection (`work`). What is
//! observed goes to the spool (`recorder`) before it counts, and from there to the collector (`sender`), which runs inside where no
//! other is configured.

mod episodes;
pub(crate) mod event;
mod loaded;
pub(crate) mod local;
mod meters;
mod notify;
mod recorder;
mod remembered;
mod scripts;
mod sender;
mod state;
mod work;

use crate::cli::Common;
use crate::command::{Ended, Running};
use crate::config::Config;
use crate::lineage::Told;
use crate::openlineage::Places;
use crate::signals::Signals;
use crate::state::StateFolder;
use chrono::Utc;
use event::{Answer, Coming, Done, Effect, Event, Job, Now};
use fieldmark_model::metric::By;
use fieldmark_model::observation::Health;
use fieldmark_model::{RuleId, SourceName, TableName};
use fieldmark_spool::{Folder, Limits, Spool};
use fieldmark_telemetry::LogFormat;
use fieldmark_telemetry::trace::MigrationTrace;
use loaded::Loaded;
use meters::Meters;
use rand::TryRng as _;
use rand::rngs::SysRng;
use recorder::Recorder;
use state::State;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use work::Worker;

/// Time between two looks at what is due.
const TICK: Duration = Duration::from_millis(200);
/// How long jobs may take to end when the daemon is to.
const DRAIN: Duration = Duration::from_secs(6);
/// How long what is in the spool may take to go out then; it stays there else.
const FLUSH: Duration = Duration::from_secs(2);
/// Time between two looks at how the agent is, for its metrics.
const TELL: Duration = Duration::from_secs(5);
/// Time between two heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(30);

/// Runs the daemon until it is told to end.
///
/// # Errors
/// What is wrong at the start: configuration, rules, state folder, addresses.
pub async fn run(common: &Common, signals: &Signals) -> Result<u8, Ended> {
    let loaded = Arc::new(Loaded::load(common)?);
    let folder = StateFolder::open(loaded.config.state_dir.value.clone())?;
    let spool_path = folder.path().join("spool");
    let unusable = |error: &dyn std::fmt::Display| Ended::Because(2, format!("{}: {error}", spool_path.display()));
    let disk = Folder::open(&spool_path).map_err(|error| unusable(&error))?;
    let in_use = || Ended::Because(75, format!("{} is in use by another agent", spool_path.display()));
    let disk = disk.ok_or_else(in_use)?;
    // what a process before this one has begun to write and not finished: nobody else writes there
    let rolling = folder.path().join("rolling");
    crate::state::sweep(&rolling, None)?;
    for source in &loaded.config.sources {
        crate::state::sweep(&rolling.join(source.name.as_str()), None)?;
    }
    let incarnation =
        SysRng.try_next_u64().map_err(|_| Ended::Because(2, "the system gives no random numbers".into()))?;
    let incarnation = incarnation >> 1;
    let limits = Limits { bytes: loaded.config.agent.spool.value, ..Limits::default() };
    let (spool, recovered) = Spool::open(disk, limits, incarnation).map_err(|error| unusable(&error))?;
    let telemetry =
        crate::command::telemetry("fieldmark-agent", &loaded.config.agent.name.value, &loaded.config, common)?;
    let scrape = loaded.config.telemetry.prometheus.value.then(|| telemetry.scrape().clone());
    for loss in &recovered.losses {
        warn(&format!("of the spool was lost: {loss:?}"));
    }
    let recorder = Recorder::start(spool);

    // the first signal drains, whatever comes after it
    let mut handed = signals.hand_over();
    let own = Signals::default();
    let (events, mut coming) = mpsc::unbounded_channel();
    let (token, api) = local::api(&folder, events.clone(), loaded.config.agent.name.value.clone(), scrape.clone())?;
    let inside = match loaded.config.collector {
        None => Some(Running::start(&loaded.config, &folder, scrape).await?),
        Some(_) => None,
    };
    let apart = match loaded.config.telemetry.listen.value {
        None => None,
        Some(address) => Some(local::tell_metrics(address, telemetry.scrape(), By::Agent, own.token().clone()).await?),
    };
    let api = local::listen(loaded.config.agent.listen.value, api, own.token().clone()).await?;
    folder.write(local::ADDRESS, format!("{}\n", api.address).as_bytes())?;
    let sender =
        sender::start(&loaded.config, inside.as_ref().map(|inside| inside.collector.clone()), &recorder, incarnation)?;

    let openlineage = match &loaded.config.openlineage {
        None => None,
        Some(to) => {
            let started = crate::openlineage::Sender::start(to, own.token().clone());
            Some(started.map_err(|why| Ended::Because(2, format!("`openlineage`: {why}")))?)
        }
    };
    let mut daemon = Daemon {
        begun: Instant::now(),
        started: Utc::now(),
        state: State::new(incarnation),
        workers: HashMap::new(),
        waiting: HashMap::new(),
        tickets: 0,
        recorder,
        folder: folder.clone(),
        loaded: Arc::clone(&loaded),
        started_with: Arc::clone(&loaded),
        events,
        signals: own.clone(),
        last_heartbeat: None,
        last_told: None,
        meters: Meters::new(loaded.config.agent.name.value.clone()),
        begun_jobs: HashMap::new(),
        openlineage,
        places: Places::new(),
    };
    daemon.load(loaded);
    say(&format!(
        "the agent {} listens on http://{} (token: {})",
        daemon.loaded.config.agent.name.value,
        api.address,
        token.display()
    ));
    if !daemon.loaded.config.routes.is_empty() && daemon.loaded.config.collector.is_some() {
        warn("`routes` are the collector's, which runs elsewhere: those of this file tell nobody");
    }
    if let Some(apart) = &apart {
        say(&format!("metrics are told at http://{}/metrics", apart.address));
    }
    if let Some(inside) = &inside {
        say(&format!("the collector inside listens on {}", inside.served.address));
    }
    let mut hangup = signal(SignalKind::hangup()).map_err(|error| Ended::Because(2, error.to_string()))?;
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut seen = daemon.loaded.seen();
    let watchdog = notify::watchdog();
    let mut last_look = Instant::now();
    notify::ready();
    loop {
        tokio::select! {
            _ = handed.next() => break,
            _ = hangup.recv() => daemon.reload(common),
            Some(came) = coming.recv() => daemon.came(came),
            _ = tick.tick() => {
                daemon.event(Event::Tick);
                daemon.heartbeat(&sender);
                if last_look.elapsed() >= RELOAD_EVERY {
                    last_look = Instant::now();
                    let now = daemon.loaded.seen();
                    if now != seen {
                        seen = now;
                        daemon.reload(common);
                    }
                }
                if let Some(watchdog) = &watchdog {
                    watchdog.alive();
                }
            }
        }
    }
    notify::stopping();
    daemon.drain(&mut coming).await;
    sender.drain(FLUSH).await;
    api.stop().await;
    if let Some(apart) = apart {
        apart.stop().await;
    }
    if let Some(inside) = inside {
        inside.stop().await;
    }
    telemetry.stop().await;
    Ok(0)
}

/// Time between two looks at the configuration's files.
const RELOAD_EVERY: Duration = Duration::from_secs(2);

/// What of a new configuration holds only after a restart.
fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    // where something is said is no part of it
    let collector = |config: &Config| {
        let own = config.collector.as_ref();
        own.map(|own| (own.url.value.clone(), own.token_file.value.clone(), own.ca_file.value.clone()))
    };
    let serve = |config: &Config| {
        let own = &config.serve;
        (own.listen.value, own.tls.value.clone(), own.keep_outcomes.value, own.keep_rollups.value)
    };
    let routes = |config: &Config| config.routes.iter().map(crate::config::RouteConfig::shown).collect::<Vec<_>>();
    let telemetry = |config: &Config| {
        let own = &config.telemetry;
        (own.otlp.value, own.prometheus.value, own.listen.value, own.logs.value)
    };
    let openlineage = |config: &Config| {
        let own = config.openlineage.as_ref();
        own.map(|own| (own.url.value.clone(), own.token_file.value.clone()))
    };
    let (was, is) = (&old.agent, &new.agent);
    let parts = [
        ("`agent.name`", was.name.value != is.name.value),
        ("`agent.listen`", was.listen.value != is.listen.value),
        ("`agent.spool`", was.spool.value != is.spool.value),
        ("`collector`", collector(old) != collector(new)),
        ("`serve`", serve(old) != serve(new)),
        ("`routes`", routes(old) != routes(new)),
        ("`telemetry`", telemetry(old) != telemetry(new)),
        ("`openlineage`", openlineage(old) != openlineage(new)),
    ];
    parts.into_iter().filter_map(|(part, is_new)| is_new.then_some(part)).collect()
}

/// A line for whoever looks at the process.
pub(crate) fn say(what: &str) {
    tracing::info!("{what}");
}

/// The same of what somebody may have to do something about.
fn warn(what: &str) {
    tracing::warn!("{what}");
}

struct Daemon {
    begun: Instant,
    started: chrono::DateTime<Utc>,
    state: State,
    workers: HashMap<SourceName, Worker>,
    /// Those who asked for something and wait for it.
    waiting: HashMap<u64, oneshot::Sender<Result<Answer, String>>>,
    tickets: u64,
    recorder: Recorder,
    folder: StateFolder,
    loaded: Arc<Loaded>,
    /// What holds until a restart.
    started_with: Arc<Loaded>,
    events: mpsc::UnboundedSender<Coming>,
    signals: Signals,
    last_heartbeat: Option<Instant>,
    /// When metrics were last told how the agent is.
    last_told: Option<Instant>,
    meters: Meters,
    /// When the jobs began that are being done.
    begun_jobs: HashMap<SourceName, Instant>,
    /// Who is told in the form of OpenLineage.
    openlineage: Option<crate::openlineage::Sender>,
    places: Places,
}

impl Daemon {
    fn now(&self) -> Now {
        let up = self.begun.elapsed();
        Now { wall: Utc::now(), up, steady: self.started + up }
    }

    /// Takes a configuration: at the start, and when it has changed.
    fn load(&mut self, loaded: Arc<Loaded>) {
        self.loaded = Arc::clone(&loaded);
        // a worker ends when it has done what it does; the next job starts another one
        self.workers.clear();
        self.places = loaded.config.sources.iter().filter_map(crate::lineage::whereabouts).collect();
        let known = loaded.config.sources.iter().map(|source| event::Known {
            source: source.name.clone(),
            remembered: remembered::load(&self.folder, &source.name),
            episodes: remembered::load_episodes(&self.folder, &source.name),
        });
        let plan = event::Plan::of(&loaded.config, known.collect());
        plan.sources.iter().for_each(meters::remembered);
        self.event(Event::Loaded(plan));
        self.forget_others();
    }

    /// What is about sources that are not configured is told no more.
    fn forget_others(&self) {
        meters::configured(&self.loaded.config.sources.iter().map(|source| source.name.as_str()).collect());
    }

    /// Reads the configuration again: all of it or, where anything is wrong, nothing.
    fn reload(&mut self, common: &Common) {
        match Loaded::load(common) {
            Ok(loaded) if loaded.config.state_dir.value != self.loaded.config.state_dir.value => {
                self.state.degrade(
                    "configuration",
                    Some("a new `state_dir` needs a restart; the old configuration stays".to_owned()),
                );
                warn("a new `state_dir` needs a restart; the old configuration stays");
                meters::reloaded(false, false);
            }
            Ok(loaded) => {
                let restart = needs_restart(&self.started_with.config, &loaded.config);
                self.load(Arc::new(loaded));
                say("the configuration was read again");
                let why = format!("a restart is needed for what is new of {}", restart.join(", "));
                if !restart.is_empty() {
                    warn(&why);
                }
                meters::reloaded(true, restart.is_empty());
                self.state.degrade("configuration", (!restart.is_empty()).then_some(why));
            }
            Err(ended) => {
                self.state
                    .degrade("configuration", Some("the new configuration is refused; the old one stays".to_owned()));
                self.explain(&ended, common);
                warn("the new configuration is refused; the old one stays");
                meters::reloaded(false, false);
            }
        }
    }

    /// Tells what is wrong with a configuration: in the form of the other lines.
    fn explain(&self, ended: &Ended, common: &Common) {
        match (ended, self.started_with.config.telemetry.logs.value) {
            (Ended::Problems(problems, _), LogFormat::Json) => {
                problems.iter().for_each(|problem| warn(&problem.to_string()));
            }
            (_, LogFormat::Text | LogFormat::Json) => {
                crate::command::explain(ended, common, &self.signals);
            }
        }
    }

    fn came(&mut self, came: Coming) {
        match came {
            Coming::Event(event) => {
                let of = match &event {
                    Event::Done { source, job, done } => {
                        self.done(source, job, done);
                        Some((source.clone(), meters::rules_of(done)))
                    }
                    Event::Tick | Event::Loaded(_) | Event::Asked { .. } | Event::Stop => None,
                };
                self.event(event);
                if let Some((source, rules)) = of {
                    let state = |table: &TableName, rule: &RuleId| self.state.state_of(&source, table, rule);
                    meters::states(&source, &rules, state);
                    if !self.loaded.config.sources.iter().any(|own| own.name == source) {
                        self.forget_others();
                    }
                }
            }
            Coming::Asked { ask, answer } => {
                self.tickets += 1;
                self.waiting.insert(self.tickets, answer);
                self.event(Event::Asked { ask, ticket: self.tickets });
            }
            // who asked may have gone
            Coming::Health { answer } => {
                let spool = self.recorder.status();
                drop(answer.send(self.state.told(self.now(), &spool)));
            }
        }
    }

    /// A job has ended: what it gave, from the side.
    fn done(&mut self, source: &SourceName, job: &Job, done: &Done) {
        if let Some(began) = self.begun_jobs.remove(source) {
            meters::done(source, job, done, began.elapsed());
        }
        match done {
            Done::Checked { bodies, .. } => meters::checked(source, bodies, true, Utc::now()),
            Done::Rechecked { bodies } | Done::Judged { bodies, .. } => {
                meters::checked(source, bodies, false, Utc::now())
            }
            Done::Looked { .. }
            | Done::Marked { .. }
            | Done::Lineage { .. }
            | Done::Unmarked { .. }
            | Done::Failed { .. }
            | Done::Cancelled => {}
        }
    }

    fn event(&mut self, event: Event) {
        let now = self.now();
        for effect in self.state.apply(event, now) {
            self.perform(effect);
        }
    }

    /// Has a job done by the source's worker, or a new one where there is none or its thread has ended.
    fn run(&mut self, source: &SourceName, job: Job, trace: Option<MigrationTrace>) -> Result<(), (Job, String)> {
        let job = match self.workers.get(source) {
            Some(worker) => match worker.run(job, trace) {
                Ok(()) => return Ok(()),
                Err(job) => job,
            },
            None => job,
        };
        let (loaded, folder) = (Arc::clone(&self.loaded), self.folder.clone());
        let started = Worker::start(source.clone(), loaded, folder, self.signals.clone(), self.events.clone());
        let worker = match started {
            Ok(worker) => worker,
            Err(error) => return Err((job, format!("there is no thread for it: {error}"))),
        };
        let run = worker.run(job, trace);
        self.workers.insert(source.clone(), worker);
        run.map_err(|job| (job, "its thread has ended".to_owned()))
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Run { source, job, migration } => {
                self.begun_jobs.insert(source.clone(), Instant::now());
                let trace = migration.map(|migration| self.meters.trace(&migration));
                if let Err((job, why)) = self.run(&source, job, trace) {
                    let done = work::broken(&why);
                    // the loop that would take it is this one
                    self.events.send(Coming::Event(Event::Done { source, job, done })).ok();
                }
            }
            Effect::Record { time, bodies } => {
                bodies.iter().for_each(|body| self.meters.observed(body, time));
                if let Some(sender) = &self.openlineage {
                    sender.send(crate::openlineage::events(&self.places, time, &bodies));
                }
                self.recorder.record(time, bodies);
            }
            Effect::Remember { source, remembered } => {
                if let Err(error) = remembered::keep(&self.folder, &source, &remembered) {
                    warn(&format!("{source}: {}", error.explain()));
                }
            }
            Effect::Keep { source, episodes } => {
                let path = remembered::episodes_path(&self.folder, &source);
                self.recorder.then(path.clone(), move || {
                    if let Err(error) = remembered::keep_episodes(&path, &episodes) {
                        warn(&format!("{source}: {}", error.explain()));
                    }
                });
            }
            Effect::KeepLineage { source, told } => {
                let path = Told::path(&self.folder, &source);
                self.recorder.then(path.clone(), move || {
                    if let Err(error) = told.keep(&path) {
                        warn(&format!("{source}: {}", error.explain()));
                    }
                });
            }
            Effect::Answer { ticket, answer } => {
                if let Some(waiting) = self.waiting.remove(&ticket) {
                    // who asked may have gone
                    waiting.send(answer).ok();
                }
            }
            Effect::Say(what) => say(&what),
            Effect::Warn(what) => warn(&what),
        }
    }

    /// How the agent is, for the collector and for whoever asks.
    fn heartbeat(&mut self, sender: &sender::Sender) {
        let spool = self.recorder.status();
        self.state.degrade("spool", spool.trouble.clone());
        self.state.degrade("collector", sender.trouble());
        let left_out = self.openlineage.as_ref().map_or(0, crate::openlineage::Sender::left_out);
        let why = || format!("{left_out} events were left out: who takes them is away");
        self.state.degrade("openlineage", (left_out > 0).then(why));
        if self.last_told.is_none_or(|last| last.elapsed() >= TELL) {
            self.last_told = Some(Instant::now());
            meters::goes_round(&spool, sender.behind(), self.state.degraded().len());
        }
        if self.last_heartbeat.is_some_and(|last| last.elapsed() < HEARTBEAT) {
            return;
        }
        self.last_heartbeat = Some(Instant::now());
        let health = Health {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: Some(self.started),
            spool_bytes: spool.bytes,
            spool_records: spool.records,
            spool_age_seconds: sender.behind().as_secs_f64(),
            lost: spool.lost,
            degraded: self.state.degraded(),
        };
        self.recorder.record(Utc::now(), vec![fieldmark_model::observation::Body::Heartbeat(health)]);
    }

    /// Ends what is being done, and keeps what it gave.
    async fn drain(&mut self, coming: &mut mpsc::UnboundedReceiver<Coming>) {
        self.event(Event::Stop);
        self.signals.token().cancel();
        let end = tokio::time::Instant::now() + DRAIN;
        while self.state.is_busy() {
            match tokio::time::timeout_at(end, coming.recv()).await {
                Ok(Some(came)) => self.came(came),
                Ok(None) | Err(_) => break,
            }
        }
        self.workers.clear();
        self.recorder.flush().await;
    }
}
