//! Interrupt and terminate: the first asks for an orderly end, the second ends at once.
//!
//! Signals are taken by a thread of their own, so that a busy runtime cannot hold them up. While a guarded command runs they
//! go to the command instead ([`Signals::hand_over`]).

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

/// A signal that asks a command to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl Signal {
    /// 130 or 143: what a shell reports for a command that ended by it.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
        }
    }
}

/// What was received, and who is told.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    token: CancellationToken,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    first: Option<Signal>,
    command: Option<UnboundedSender<Signal>>,
}

/// What a signal leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Forwarded,
    Cancelled,
    Exit(Signal),
}

impl Signals {
    /// Begins to take this process's signals. To be called once.
    ///
    /// # Errors
    /// The system gives no thread or no signal handler.
    pub fn listen() -> io::Result<Self> {
        let signals = Self::default();
        let taken = signals.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let (mut interrupt, mut terminate, mut too_large) = {
            let _inside = runtime.enter();
            // a file that may not grow (`ulimit -f`) is a disk that takes nothing, and no reason to end
            let too_large = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(too_large)?)
        };
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async move {
                loop {
                    let received = tokio::select! {
                        Some(()) = interrupt.recv() => Signal::Interrupt,
                        Some(()) = terminate.recv() => Signal::Terminate,
                        Some(()) = too_large.recv() => continue,
                        else => return,
                    };
                    if let Effect::Exit(signal) = taken.receive(received) {
                        std::process::exit(i32::from(signal.exit_code()));
                    }
                }
            });
        })?;
        Ok(signals)
    }

    /// Cancelled by the first signal that is not handed over.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// The signal that cancelled the token, if one did.
    pub fn received(&self) -> Option<Signal> {
        self.shared().first
    }

    /// From now on signals go to the returned receiver, until that is dropped: for the guarded command.
    pub fn hand_over(&self) -> HandedOver {
        let (sender, receiver) = unbounded_channel();
        self.shared().command = Some(sender);
        HandedOver { receiver, signals: self.clone() }
    }

    fn receive(&self, signal: Signal) -> Effect {
        let mut shared = self.shared();
        if shared.command.as_ref().is_some_and(|command| command.send(signal).is_ok()) {
            return Effect::Forwarded;
        }
        if shared.first.is_some() {
            return Effect::Exit(signal);
        }
        shared.first = Some(signal);
        drop(shared);
        self.token.cancel();
        Effect::Cancelled
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // no code panics while it holds this
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Signals for the guarded command.
#[derive(Debug)]
pub struct HandedOver {
    receiver: UnboundedReceiver<Signal>,
    signals: Signals,
}

impl HandedOver {
    /// The next signal for the command. Cancel-safe; never ends where none comes.
    pub async fn next(&mut self) -> Signal {
        match self.receiver.recv().await {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }
}

impl Drop for HandedOver {
    fn drop(&mut self) {
        self.signals.shared().command = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_cancels_and_the_second_ends() {
        for (first, second, code) in
            [(Signal::Interrupt, Signal::Terminate, 130), (Signal::Terminate, Signal::Terminate, 143)]
        {
            let signals = Signals::default();
            assert_eq!((signals.received(), signals.token().is_cancelled()), (None, false));
            assert_eq!(signals.receive(first), Effect::Cancelled);
            assert!(signals.token().is_cancelled());
            assert_eq!(signals.receive(second), Effect::Exit(second));
            assert_eq!(signals.received().unwrap().exit_code(), code);
        }
    }

    #[tokio::test]
    async fn what_is_handed_over_cancels_nothing() {
        let signals = Signals::default();
        let mut command = signals.hand_over();
        for signal in [Signal::Interrupt, Signal::Interrupt, Signal::Terminate] {
            assert_eq!(signals.receive(signal), Effect::Forwarded);
            assert_eq!(command.next().await, signal);
        }
        assert_eq!((signals.received(), signals.token().is_cancelled()), (None, false));
        drop(command);
        assert_eq!(signals.receive(Signal::Interrupt), Effect::Cancelled);
    }

    /// The only test that signals this process: handlers are the process's.
    #[tokio::test]
    async fn signals_of_the_system_arrive() {
        use rustix::process::{Signal as Sent, getpid, kill_process};
        let signals = Signals::listen().unwrap();
        let mut command = signals.hand_over();
        kill_process(getpid(), Sent::INT).unwrap();
        assert_eq!(command.next().await, Signal::Interrupt);
        drop(command);
        kill_process(getpid(), Sent::TERM).unwrap();
        signals.token().cancelled().await;
        assert_eq!(signals.received(), Some(Signal::Terminate));
    }
}
