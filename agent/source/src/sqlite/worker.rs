//! The thread that owns the connection. Blocking calls run there, one after the other, and never on an async worker.

use super::Limits;
use super::connect::Session;
use crate::{Cancel, Error};
use async_trait::async_trait;
use rusqlite::InterruptHandle;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;
use tokio::sync::oneshot;

/// One call: whether somebody wants it to stop.
#[derive(Debug, Default)]
pub(super) struct Ticket {
    stop: AtomicBool,
}

impl Ticket {
    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

/// What runs now, and how to interrupt it. Stopping holds the lock while it interrupts, and a call is entered under the same
/// lock before it starts, so that the interrupt meets no other call than the one that was meant.
#[derive(Default)]
pub(super) struct Control {
    state: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    ticket: Option<Arc<Ticket>>,
    interrupt: Option<InterruptHandle>,
}

impl Control {
    fn state(&self) -> MutexGuard<'_, Running> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands over the handle of a connection that was just opened.
    pub(super) fn connected(&self, interrupt: InterruptHandle) {
        self.state().interrupt = Some(interrupt);
    }

    fn begin(&self) -> Arc<Ticket> {
        let ticket = Arc::new(Ticket::default());
        self.state().ticket = Some(Arc::clone(&ticket));
        ticket
    }

    fn end(&self, ticket: &Arc<Ticket>) {
        let mut state = self.state();
        if state.ticket.as_ref().is_some_and(|current| Arc::ptr_eq(current, ticket)) {
            state.ticket = None;
        }
    }

    /// Stops this call, or whichever runs now.
    fn stop(&self, only: Option<&Arc<Ticket>>) {
        let state = self.state();
        let Some(ticket) = &state.ticket else { return };
        if only.is_some_and(|only| !Arc::ptr_eq(only, ticket)) {
            return;
        }
        ticket.stop.store(true, Ordering::Release);
        if let Some(interrupt) = &state.interrupt {
            interrupt.interrupt();
        }
    }
}

#[async_trait]
impl Cancel for Control {
    async fn cancel(&self) {
        self.stop(None);
    }
}

/// Stops the call when the future that waits for it is dropped.
struct StopOnDrop<'a> {
    control: &'a Control,
    ticket: Arc<Ticket>,
    answered: bool,
}

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.control.stop(Some(&self.ticket));
        }
        self.control.end(&self.ticket);
    }
}

type Job = Box<dyn FnOnce(&mut Session) + Send>;

/// The thread's other end. The thread ends, and closes the connection, when this is dropped.
pub(super) struct Worker {
    jobs: mpsc::Sender<Job>,
    control: Arc<Control>,
}

impl Worker {
    /// Starts the thread; `session` opens the database with the first call.
    pub(super) fn start(session: Session, control: Arc<Control>) -> Result<Self, Error> {
        let (jobs, waiting) = mpsc::channel::<Job>();
        let run = move || {
            let mut session = session;
            while let Ok(job) = waiting.recv() {
                job(&mut session);
            }
        };
        std::thread::Builder::new()
            .name("fieldmark-sqlite".to_owned())
            .spawn(run)
            .map_err(|error| Error::Internal { what: format!("no thread could be started: {error}") })?;
        Ok(Self { jobs, control })
    }

    pub(super) fn control(&self) -> Arc<Control> {
        Arc::clone(&self.control)
    }

    /// Does some work on the thread, for at most `limit`, and waits for it. Dropping the future interrupts the work.
    pub(super) async fn run<T: Send + 'static>(
        &mut self,
        limit: Duration,
        work: impl FnOnce(&mut Session) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let ticket = self.control.begin();
        let mut guard = StopOnDrop { control: &self.control, ticket: Arc::clone(&ticket), answered: false };
        let (reply, answer) = oneshot::channel();
        let job = move |session: &mut Session| {
            let done = catch_unwind(AssertUnwindSafe(|| session.call(&ticket, limit, work)));
            let result = done.unwrap_or_else(|_| {
                session.close();
                Err(Error::Internal { what: "the SQLite driver panicked".to_owned() })
            });
            // whoever waited may be gone
            reply.send(result).ok();
        };
        let gone = || Error::Internal { what: "the SQLite thread ended".to_owned() };
        self.jobs.send(Box::new(job)).map_err(|_| gone())?;
        let result = answer.await.map_err(|_| gone())?;
        guard.answered = true;
        result
    }
}

impl Limits {
    /// Virtual machine steps between two looks at the clock and at the cancel flag.
    pub(super) const STEPS: i32 = 1_000;
}
