//! What systemd is told, where it started the daemon.

use sd_notify::NotifyState;
use std::cell::Cell;
use std::time::{Duration, Instant};

/// Whether nobody listens is nobody's fault.
fn tell(states: &[NotifyState<'_>]) {
    sd_notify::notify(states).ok();
}

/// Everything is there.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// It is ending.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Tells that the loop goes round, as often as systemd wants to hear it.
pub(super) struct Watchdog {
    every: Duration,
    last: Cell<Option<Instant>>,
}

/// The watchdog, where systemd has one.
pub(super) fn watchdog() -> Option<Watchdog> {
    let time = sd_notify::watchdog_enabled()?;
    Some(Watchdog { every: time / 2, last: Cell::new(None) })
}

impl Watchdog {
    /// The loop goes round.
    pub(super) fn alive(&self) {
        if self.last.get().is_none_or(|last| last.elapsed() >= self.every) {
            self.last.set(Some(Instant::now()));
            tell(&[NotifyState::Watchdog]);
        }
    }
}
