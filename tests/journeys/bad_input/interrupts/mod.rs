//! Ctrl-C, SIGTERM and `kill -9` in the middle of a run.
//!
//! The middle is where the database says that it is: tables that take their time to be read are seen being read.

mod command;
mod postgres;
mod sqlite;
mod terminal;
mod writing;

use super::{keeps_secrets, says};
use crate::journeys::served::DEADLINE;
use crate::journeys::shop::Run;
use std::process::Stdio;
use tokio::process::{Child, Command};

/// A signal that asks for an end, and the exit code that tells of it.
const SIGNALS: [(&str, i32); 2] = [("INT", 130), ("TERM", 143)];

/// Starts a command with pipes to and from it.
fn started(command: &mut Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap()
}

/// Sends a signal to a process.
fn send(signal: &str, process: u32) {
    // the shell's own: it is there wherever there is a shell
    let sent = std::process::Command::new("sh").args(["-c", &format!("kill -s {signal} {process}")]).status().unwrap();
    assert!(sent.success());
}

/// What a process gave, once it has ended.
async fn ended(child: Child) -> Run {
    let output = tokio::time::timeout(DEADLINE, child.wait_with_output()).await.expect("it does not end");
    Run::of(output.unwrap())
}

/// It ended by the signal, in good order, and nothing looks like a report.
#[track_caller]
fn interrupted(run: Run, code: i32) {
    let run = run.gives(code);
    assert_eq!(run.out, "");
    says(&run, &["interrupted", "nothing was left half-written"]);
}

/// It was not asked, and had no chance to say anything.
#[track_caller]
fn killed(run: &Run) {
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (-1, "", ""));
    keeps_secrets(run);
}
