//! A watchdog over statements of ours, of as many connections as there are seats before it: whether anybody on the server waits for what one holds. If so the statement is ended.
//!
//! It looks every 20 ms, on a thread, a runtime and a connection of its own, so that nothing that keeps the reading busy keeps it from
//! looking. The connection is made when a statement first takes longer than a few milliseconds. Where none can be had, or the server does
//! not tell whom others wait for, statements are short instead ([`Watch::limit`]).

use crate::Error;
use async_trait::async_trait;
use fieldmark_model::TableName;
use std::collections::{BTreeMap, HashMap};
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
    /// Nothing runs: a transaction is held.
    idle: bool,
}

/// What was done for others who waited for what statements of ours held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Courtesy {
    /// Statements that were ended for them.
    pub gave_way: u64,
    /// How long they may have waited until these had ended, at most: from the last look at which nobody did.
    pub imposed: Duration,
    /// Longest time between two looks while a statement ran.
    pub lag: Duration,
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

/// One who runs statements.
#[derive(Default)]
struct Seated {
    run: Option<Run>,
    /// Whether the statement that runs was ended for somebody who waited.
    gave_way: bool,
    /// When nobody was seen to wait for it last.
    clear: Option<Instant>,
}

#[derive(Default)]
struct State {
    /// By number.
    seats: BTreeMap<u64, Seated>,
    /// Seats so far.
    seated: u64,
    /// Runs so far.
    runs: u64,
    /// When the watchdog last looked at all that runs.
    looked: Option<Instant>,
    /// It could not look then.
    blind: Option<Instant>,
    closed: bool,
    /// What was done for others so far.
    courtesy: Courtesy,
}

impl State {
    /// What runs, as far as it began after so many others.
    fn running(&self, after: u64) -> Vec<Run> {
        self.seats.values().filter_map(|seat| seat.run.clone()).filter(|run| run.number > after).collect()
    }
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

    /// It has looked at all that runs.
    fn has_looked(&self, at: &[Run]) {
        let mut state = self.lock();
        let since = at.iter().map(|run| state.looked.map_or(run.began, |looked| looked.max(run.began))).min();
        if let Some(since) = since.filter(|_| state.blind.is_none()) {
            state.courtesy.lag = state.courtesy.lag.max(since.elapsed());
        }
        state.looked = Some(Instant::now());
        state.blind = None;
    }

    /// It cannot look, and rests. Runs so far.
    fn is_blind_now(&self) -> u64 {
        let mut state = self.lock();
        if state.blind.is_none_or(|since| since.elapsed() >= REST) {
            state.blind = Some(Instant::now());
        }
        state.runs
    }

    /// What runs, once something does that began after so many others; `None` where nothing will any more.
    async fn running(&self, after: u64) -> Option<Vec<Run>> {
        loop {
            let changed = self.changed.notified();
            {
                let state = self.lock();
                if state.closed {
                    return None;
                }
                let runs = state.running(after);
                if !runs.is_empty() {
                    return Some(runs);
                }
            }
            changed.await;
        }
    }
}

/// A watchdog, which ends with the last seat before it.
struct Dog {
    shared: Arc<Shared>,
    /// What the thread will look with, until it is started.
    eye: Mutex<Option<Box<dyn Eye>>>,
}

impl Drop for Dog {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_one();
    }
}

/// A seat before a watchdog, of a connection that runs one statement at a time.
pub(crate) struct Watch {
    dog: Arc<Dog>,
    seat: u64,
}

impl Watch {
    pub(crate) fn new(eye: impl Eye) -> Self {
        let shared = Arc::new(Shared::default());
        Self::seated(Arc::new(Dog { shared, eye: Mutex::new(Some(Box::new(eye))) }))
    }

    /// One more seat, before the same watchdog.
    pub(crate) fn beside(&self) -> Self {
        Self::seated(Arc::clone(&self.dog))
    }

    fn seated(dog: Arc<Dog>) -> Self {
        let seat = {
            let mut state = dog.shared.lock();
            state.seated += 1;
            let seat = state.seated;
            state.seats.insert(seat, Seated::default());
            seat
        };
        Self { dog, seat }
    }

    /// A statement begins.
    pub(crate) fn begin(&self, connection: u64, table: Option<TableName>) {
        self.watched(Run { connection, table, began: Instant::now(), number: 0, idle: false });
    }

    /// A transaction begins that runs nothing, and holds something all the same.
    pub(crate) fn hold(&self, connection: u64) {
        self.watched(Run { connection, table: None, began: Instant::now(), number: 0, idle: true });
    }

    fn watched(&self, run: Run) {
        if let Some(eye) = self.dog.eye.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.dog.start(eye);
        }
        let mut state = self.dog.shared.lock();
        state.runs += 1;
        let number = state.runs;
        state.seats.insert(self.seat, Seated { run: Some(Run { number, ..run }), ..Seated::default() });
        drop(state);
        self.dog.shared.changed.notify_one();
    }

    /// It has ended.
    pub(crate) fn end(&self) {
        let state = &mut *self.dog.shared.lock();
        if let Some(seat) = state.seats.get_mut(&self.seat)
            && let Some(run) = seat.run.take()
            && seat.gave_way
        {
            state.courtesy.gave_way += 1;
            state.courtesy.imposed += seat.clear.unwrap_or(run.began).elapsed();
        }
    }

    /// What was done for others so far, by all seats before this watchdog.
    pub(crate) fn courtesy(&self) -> Courtesy {
        self.dog.shared.lock().courtesy
    }

    /// Whether the statement that runs, or ran last, was ended because somebody waited for it.
    pub(crate) fn gave_way(&self) -> bool {
        self.dog.shared.lock().seats.get(&self.seat).is_some_and(|seat| seat.gave_way)
    }

    /// How long a statement may take: shorter where nobody watches it.
    pub(crate) fn limit(&self, usual: Duration, unwatched: Duration) -> Duration {
        if self.is_blind() { usual.min(unwatched) } else { usual }
    }

    /// Whether the watchdog cannot look.
    pub(crate) fn is_blind(&self) -> bool {
        self.dog.shared.lock().blind.is_some_and(|since| since.elapsed() < REST)
    }

    /// Ends when the watchdog should have looked at the statement that runs, and has not.
    pub(crate) async fn silent(&self) {
        loop {
            tokio::time::sleep(SILENCE / 4).await;
            let state = self.dog.shared.lock();
            let late = |at: Instant| at.elapsed() > SILENCE;
            let watched = state.blind.is_none_or(|since| since.elapsed() > REST);
            let run = state.seats.get(&self.seat).and_then(|seat| seat.run.as_ref());
            if watched && run.is_some_and(|run| late(run.began)) && state.looked.is_none_or(late) {
                return;
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.dog.shared.lock().seats.remove(&self.seat);
    }
}

impl Dog {
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

async fn watch(shared: &Shared, mut eye: Box<dyn Eye>) {
    // those up to this number ran when it could not look: they have their own limits, the next ones shorter ones
    let mut unseen = 0;
    let mut asked_to_end: HashMap<u64, Instant> = HashMap::new();
    while let Some(runs) = shared.running(unseen).await {
        asked_to_end.retain(|number, _| runs.iter().any(|run| run.number == *number));
        // the first look is a little later, since most have ended by then
        let ripe: Vec<&Run> = runs.iter().filter(|run| run.began.elapsed() >= FIRST).collect();
        if ripe.is_empty() {
            let youngest = runs.iter().map(|run| FIRST.saturating_sub(run.began.elapsed())).min();
            tokio::time::sleep(youngest.unwrap_or(FIRST)).await;
            continue;
        }
        let began = Instant::now();
        let mut looked = Ok(());
        for run in ripe {
            looked = look(eye.as_mut(), run, &mut asked_to_end, shared).await;
            if looked.is_err() {
                break;
            }
        }
        match looked {
            Ok(()) => shared.has_looked(&runs),
            Err(_) => {
                eye.close();
                unseen = shared.is_blind_now();
            }
        }
        tokio::time::sleep(EVERY.saturating_sub(began.elapsed())).await;
    }
}

async fn look(
    eye: &mut dyn Eye,
    run: &Run,
    asked_to_end: &mut HashMap<u64, Instant>,
    shared: &Shared,
) -> Result<(), Error> {
    let late = |_| Error::ConnectionLost { code: "no answer".to_owned() };
    if shared.lock().blind.is_some_and(|since| since.elapsed() < REST) {
        return Err(Error::ConnectionLost { code: "rests".to_owned() });
    }
    if !tokio::time::timeout(QUESTION, eye.open()).await.map_err(late)?? {
        return Err(Error::Unsupported { what: "watching for those who wait" });
    }
    let asked = asked_to_end.get(&run.number).copied();
    // what runs nothing has nothing to cancel
    let hard = run.idle || asked.is_some_and(|at| at.elapsed() >= PATIENCE);
    if asked.is_some() && (run.idle || !hard) {
        return Ok(());
    }
    let begun = Instant::now();
    if asked.is_none() && !tokio::time::timeout(QUESTION, eye.waited_for(run)).await.map_err(late)?? {
        let mut state = shared.lock();
        let seat = state.seats.values_mut().find(|seat| seat.run.as_ref().is_some_and(|now| now.number == run.number));
        if let Some(seat) = seat {
            seat.clear = Some(begun);
        }
        return Ok(());
    }
    {
        let mut state = shared.lock();
        let seat = state.seats.values_mut().find(|seat| seat.run.as_ref().is_some_and(|now| now.number == run.number));
        let Some(seat) = seat else { return Ok(()) };
        seat.gave_way = true;
    }
    tokio::time::timeout(QUESTION, eye.end(run, hard)).await.map_err(late)??;
    asked_to_end.entry(run.number).or_insert_with(Instant::now);
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
        assert_eq!(watch.courtesy().gave_way, 0, "it has not ended yet");
        watch.end();
        watch.end();
        let courtesy = watch.courtesy();
        assert_eq!(courtesy.gave_way, 1);
        // from the second look, at which nobody waited yet, to the end: some looks and the patience with it
        assert!(courtesy.imposed >= PATIENCE && courtesy.lag >= EVERY, "{courtesy:?}");
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

    /// Those who hold the connections of these numbers are waited for.
    struct Line(Vec<u64>, Arc<Mutex<Vec<(u64, bool)>>>);

    #[async_trait]
    impl Eye for Line {
        async fn open(&mut self) -> Result<bool, Error> {
            Ok(true)
        }
        async fn waited_for(&mut self, run: &Run) -> Result<bool, Error> {
            Ok(self.0.contains(&run.connection))
        }
        async fn end(&mut self, run: &Run, hard: bool) -> Result<(), Error> {
            self.1.lock().unwrap().push((run.connection, hard));
            Ok(())
        }
        fn close(&mut self) {}
    }

    #[tokio::test]
    async fn each_seat_is_watched_for_itself_and_who_holds_a_transaction_is_ended_at_once() {
        let ended: Arc<Mutex<Vec<(u64, bool)>>> = Arc::default();
        let (one, until) = (Watch::new(Line(vec![2, 3], Arc::clone(&ended))), |ends: usize| {
            let ended = Arc::clone(&ended);
            async move {
                while ended.lock().unwrap().len() < ends {
                    tokio::task::yield_now().await;
                }
            }
        });
        let (two, holder) = (one.beside(), one.beside());
        one.begin(1, None);
        two.begin(2, None);
        until(1).await;
        assert_eq!(ended.lock().unwrap()[0], (2, false));
        assert!(two.gave_way() && !one.gave_way());
        two.end();
        holder.hold(3);
        until(2).await;
        assert_eq!(ended.lock().unwrap().last(), Some(&(3, true)), "there is no statement to cancel");
        assert!(holder.gave_way() && !one.gave_way());
        drop((one, two));
        holder.hold(2);
        until(3).await;
        assert!(holder.gave_way(), "a watchdog goes on as long as anybody sits before it");
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
