//! A watchdog over statements of ours: whether anybody on the server waits for what one holds. If so the statement is ended.
//!
//! It looks every 20 ms, on a thread, a runtime and a connection of its own, so that nothing that keeps the reading busy keeps it from
//! looking. The connection is made when a statement first takes longer than a few milliseconds. Where none can be had, or the server does
//! not tell whom others wait for, statements are short instead ([`Watch::limit`]).

use crate::Error;
use async_trait::async_trait;
use fieldmark_model::TableName;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Time between two looks.
const EVERY: Duration = Duration::from_millis(20);
/// How long a statement has run before the first look.
const FIRST: Duration = Duration::from_millis(10);
/// How long a cancelled statement may take to end before its connection is ended.
const PATIENCE: Duration = Duration::from_millis(50);
/// A watchdog that has not looked for so long is none.
const SILENCE: Duration = Duration::from_millis(200);
/// How long a question, or connecting, may take.
const QUESTION: Duration = Duration::from_secs(1);
/// How long a watchdog that could not look rests.
const REST: Duration = Duration::from_secs(60);

/// How long a pass's statement may take where nobody watches whether somebody waits for it.
pub(crate) const UNWATCHED: Duration = Duration::from_millis(50);
/// The same of a look-up, which cannot be made shorter.
pub(crate) const UNWATCHED_LOOKUP: Duration = Duration::from_millis(200);
/// Longest time that cancelling takes, over a second connection.
pub(crate) const CANCEL_TIMEOUT: Duration = Duration::from_secs(2);

/// A statement, or a transaction of a few, that runs now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// The server's number of the connection that works for it.
    pub(crate) connection: u64,
    /// The table that it reads, where it is one.
    pub(crate) table: Option<TableName>,
    pub(crate) began: Instant,
    number: u64,
}

/// How a database is asked, over a connection of the watchdog's own.
#[async_trait]
pub(crate) trait Eye: Send + 'static {
    /// Connects, if it is not. `false`: the server does not tell this role whom others wait for.
    async fn open(&mut self) -> Result<bool, Error>;
    /// Whether somebody waits for what the run holds.
    async fn waited_for(&mut self, run: &Run) -> Result<bool, Error>;
    /// Ends its statement; `hard`: its connection.
    async fn end(&mut self, run: &Run, hard: bool) -> Result<(), Error>;
    /// Gives the connection up.
    fn close(&mut self);
}

#[derive(Default)]
struct State {
    run: Option<Run>,
    /// Whether the statement that runs was ended for somebody who waited.
    gave_way: bool,
    /// Runs so far.
    runs: u64,
    /// When the watchdog last looked.
    looked: Option<Instant>,
    /// It could not look then.
    blind: Option<Instant>,
    closed: bool,
}

/// What the watchdog's thread shares with those who run statements.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next run after that one; `None` where there will be no more.
    async fn next(&self, after: u64) -> Option<Run> {
        loop {
            let changed = self.changed.notified();
            {
                let state = self.lock();
                if state.closed {
                    return None;
                }
                if let Some(run) = state.run.as_ref().filter(|run| run.number > after) {
                    return Some(run.clone());
                }
            }
            changed.await;
        }
    }

    fn is_running(&self, number: u64) -> bool {
        let state = self.lock();
        !state.closed && state.run.as_ref().is_some_and(|run| run.number == number)
    }
}

/// The handle of a watchdog. It ends when this is dropped.
pub(crate) struct Watch {
    shared: Arc<Shared>,
    /// What the thread will look with, until it is started.
    eye: Mutex<Option<Box<dyn Eye>>>,
}

impl Watch {
    pub(crate) fn new(eye: impl Eye) -> Self {
        Self { shared: Arc::new(Shared::default()), eye: Mutex::new(Some(Box::new(eye))) }
    }

    /// A statement begins.
    pub(crate) fn begin(&self, connection: u64, table: Option<TableName>) {
        if let Some(eye) = self.eye.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.start(eye);
        }
        let mut state = self.shared.lock();
        state.runs += 1;
        state.gave_way = false;
        state.run = Some(Run { connection, table, began: Instant::now(), number: state.runs });
        drop(state);
        self.shared.changed.notify_one();
    }

    /// It has ended.
    pub(crate) fn end(&self) {
        self.shared.lock().run = None;
    }

    /// Whether the statement that runs, or ran last, was ended because somebody waited for it.
    pub(crate) fn gave_way(&self) -> bool {
        self.shared.lock().gave_way
    }

    /// How long a statement may take: shorter where nobody watches it.
    pub(crate) fn limit(&self, usual: Duration, unwatched: Duration) -> Duration {
        if self.is_blind() { usual.min(unwatched) } else { usual }
    }

    fn is_blind(&self) -> bool {
        self.shared.lock().blind.is_some_and(|since| since.elapsed() < REST)
    }

    /// Ends when the watchdog should have looked at the statement that runs, and has not.
    pub(crate) async fn silent(&self) {
        loop {
            tokio::time::sleep(SILENCE / 4).await;
            let state = self.shared.lock();
            let late = |at: Instant| at.elapsed() > SILENCE;
            let watched = state.blind.is_none_or(|since| since.elapsed() > REST);
            if watched && state.run.as_ref().is_some_and(|run| late(run.began)) && state.looked.is_none_or(late) {
                return;
            }
        }
    }

    fn start(&self, eye: Box<dyn Eye>) {
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new().name("fieldmark-watch".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match runtime {
                Ok(runtime) => runtime.block_on(watch(&shared, eye)),
                Err(_) => shared.lock().blind = Some(Instant::now()),
            }
        });
        if thread.is_err() {
            self.shared.lock().blind = Some(Instant::now());
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_one();
    }
}

async fn watch(shared: &Shared, mut eye: Box<dyn Eye>) {
    let mut last = 0;
    while let Some(run) = shared.next(last).await {
        last = run.number;
        tokio::time::sleep(FIRST.saturating_sub(run.began.elapsed())).await;
        let mut asked_to_end: Option<Instant> = None;
        while shared.is_running(run.number) {
            let began = Instant::now();
            match look(eye.as_mut(), &run, &mut asked_to_end, shared).await {
                Ok(()) => {
                    let mut state = shared.lock();
                    state.looked = Some(Instant::now());
                    state.blind = None;
                }
                Err(_) => {
                    eye.close();
                    let rests = shared.lock().blind.is_some_and(|since| since.elapsed() < REST);
                    if !rests {
                        shared.lock().blind = Some(Instant::now());
                    }
                    // the statement that runs has its own limit; the next ones have a shorter one
                    break;
                }
            }
            tokio::time::sleep(EVERY.saturating_sub(began.elapsed())).await;
        }
    }
}

async fn look(eye: &mut dyn Eye, run: &Run, asked_to_end: &mut Option<Instant>, shared: &Shared) -> Result<(), Error> {
    let late = |_| Error::ConnectionLost { code: "no answer".to_owned() };
    if shared.lock().blind.is_some_and(|since| since.elapsed() < REST) {
        return Err(Error::ConnectionLost { code: "rests".to_owned() });
    }
    if !tokio::time::timeout(QUESTION, eye.open()).await.map_err(late)?? {
        return Err(Error::Unsupported { what: "watching for those who wait" });
    }
    let hard = asked_to_end.is_some_and(|at| at.elapsed() >= PATIENCE);
    if asked_to_end.is_some() && !hard {
        return Ok(());
    }
    if !hard && !tokio::time::timeout(QUESTION, eye.waited_for(run)).await.map_err(late)?? {
        return Ok(());
    }
    {
        let mut state = shared.lock();
        if state.run.as_ref().is_none_or(|now| now.number != run.number) {
            return Ok(());
        }
        state.gave_way = true;
    }
    tokio::time::timeout(QUESTION, eye.end(run, hard)).await.map_err(late)??;
    asked_to_end.get_or_insert_with(Instant::now);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Somebody waits from a look on; what was done about it.
    #[derive(Clone, Default)]
    struct Scene {
        tells: bool,
        waits_from: u32,
        looks: Arc<AtomicU32>,
        ends: Arc<Mutex<Vec<bool>>>,
        done: Arc<Notify>,
    }

    #[async_trait]
    impl Eye for Scene {
        async fn open(&mut self) -> Result<bool, Error> {
            self.done.notify_one();
            Ok(self.tells)
        }
        async fn waited_for(&mut self, run: &Run) -> Result<bool, Error> {
            assert_eq!((run.connection, run.table.clone()), (7, Some(TableName::new("s", "t"))));
            let look = self.looks.fetch_add(1, Ordering::SeqCst) + 1;
            Ok(look >= self.waits_from)
        }
        async fn end(&mut self, _: &Run, hard: bool) -> Result<(), Error> {
            self.ends.lock().unwrap().push(hard);
            self.done.notify_one();
            Ok(())
        }
        fn close(&mut self) {}
    }

    #[tokio::test]
    async fn a_statement_that_somebody_waits_for_is_ended_and_then_its_connection() {
        let scene = Scene { tells: true, waits_from: 3, ..Scene::default() };
        let watch = Watch::new(scene.clone());
        watch.begin(7, Some(TableName::new("s", "t")));
        while scene.ends.lock().unwrap().is_empty() {
            scene.done.notified().await;
        }
        assert!(watch.gave_way());
        assert_eq!(scene.looks.load(Ordering::SeqCst), 3);
        // it goes on as if nothing had been said
        while scene.ends.lock().unwrap().len() < 2 {
            scene.done.notified().await;
        }
        assert_eq!(scene.ends.lock().unwrap()[..2], [false, true]);
        watch.end();
        watch.begin(7, Some(TableName::new("s", "t")));
        assert!(!watch.gave_way(), "that was another statement");
        assert_eq!(watch.limit(Duration::from_secs(1), Duration::from_millis(50)), Duration::from_secs(1));
    }

    #[tokio::test]
    async fn unwatched_statements_are_short() {
        let scene = Scene::default();
        let watch = Watch::new(scene.clone());
        watch.begin(7, None);
        scene.done.notified().await;
        while !watch.is_blind() {
            tokio::task::yield_now().await;
        }
        assert_eq!(watch.limit(Duration::from_secs(1), Duration::from_millis(50)), Duration::from_millis(50));
        assert_eq!(watch.limit(Duration::from_millis(20), Duration::from_millis(50)), Duration::from_millis(20));
        assert!(!watch.gave_way());
    }

    /// One whose connection does not answer.
    struct Asleep;

    #[async_trait]
    impl Eye for Asleep {
        async fn open(&mut self) -> Result<bool, Error> {
            std::future::pending().await
        }
        async fn waited_for(&mut self, _: &Run) -> Result<bool, Error> {
            Ok(false)
        }
        async fn end(&mut self, _: &Run, _: bool) -> Result<(), Error> {
            Ok(())
        }
        fn close(&mut self) {}
    }

    #[tokio::test]
    async fn silence_is_noticed_while_a_statement_runs() {
        let watch = Watch::new(Asleep);
        watch.begin(7, None);
        watch.silent().await;
        watch.end();
    }
}
