//! The guarded command while it runs.

use crate::signals::{HandedOver, Signal};
use rustix::process::{Pid, getpgid, getpgrp, kill_process};
use rustix::termios::tcgetpgrp;
use std::ffi::OsString;
use std::fs::File;
use std::process::Stdio;

/// Runs the migration's command to its end; signals go to it.
///
/// What it prints goes where ours goes; with `apart` to standard error, so that standard output has the report alone.
pub(super) async fn execute(
    command: &[OsString],
    trace: &Trace,
    mut signals: HandedOver,
    apart: bool,
) -> std::io::Result<i32> {
    let (Some(program), arguments) = (command.first(), command.get(1..).unwrap_or_default()) else { return Ok(0) };
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .env("TRACEPARENT", trace.parent())
        .env("PGAPPNAME", trace.application_name())
        .stdout(if apart { Stdio::from(std::io::stderr()) } else { Stdio::inherit() })
        .spawn()?;
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    loop {
        tokio::select! {
            status = child.wait() => {
                use std::os::unix::process::ExitStatusExt as _;
                let status = status?;
                return Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)));
            }
            signal = signals.next() => {
                let sent = match signal {
                    Signal::Interrupt => rustix::process::Signal::INT,
                    Signal::Terminate => rustix::process::Signal::TERM,
                };
                if let Some(pid) = pid.filter(|pid| signal != Signal::Interrupt || !shares_the_foreground(*pid)) {
                    // it may have ended by itself just now
                    kill_process(pid, sent).ok();
                }
            }
        }
    }
}

/// Whether a Ctrl-C on our terminal reaches the command without us: the system hands it to all of the foreground process group. Sent
/// once more, it would be a second Ctrl-C, by which many programs give up tidying.
fn shares_the_foreground(command: Pid) -> bool {
    let Ok(terminal) = File::open("/dev/tty") else { return false };
    let own = getpgrp();
    getpgid(Some(command)).is_ok_and(|group| group == own) && tcgetpgrp(terminal).is_ok_and(|group| group == own)
}

/// A new trace, of which the migration's command is a part.
pub(super) struct Trace {
    id: u128,
    span: u64,
}

impl Trace {
    pub(super) fn new() -> Self {
        use rand::RngExt as _;
        let mut random = rand::rng();
        Self { id: random.random::<u128>().max(1), span: random.random::<u64>().max(1) }
    }

    /// W3C trace context, for what the command itself may export.
    fn parent(&self) -> String {
        format!("00-{:032x}-{:016x}-01", self.id, self.span)
    }

    /// The name by which the command's sessions are known; nobody else's have it.
    pub(super) fn application_name(&self) -> String {
        format!("fieldmark-migration-{:016x}", self.span)
    }
}
