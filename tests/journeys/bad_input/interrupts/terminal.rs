//! Ctrl-C on a terminal: the system hands the signal to every process in the foreground, the guarded command among them.

use super::{ended, says, send, started};
use crate::journeys::bad_input::{TABLES, Untouched, marks};
use crate::journeys::served::DEADLINE;
use crate::journeys::shop::{Run, Shop};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{ChildStdout, Command};

/// Counts its interrupts and says so, until it is terminated.
const COMMAND: &str = "
    trap 'echo interrupt' INT
    trap 'echo terminated; exit 9' TERM
    mkfifo open; cat <open & exec 9>open
    echo begun $PPID
    while :; do wait; done";

/// The next line that is about `word`; lines until then are lost.
async fn line(out: &mut BufReader<ChildStdout>, word: &str) -> String {
    let mut line = String::new();
    while !line.contains(word) {
        line.clear();
        let read = tokio::time::timeout(DEADLINE, out.read_line(&mut line)).await.expect("nothing comes").unwrap();
        assert!(read > 0, "nothing said {word}");
    }
    line.trim_end().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_gets_one_interrupt_for_one_ctrl_c() {
    let shop = Shop::new(TABLES);
    shop.rules("t", "rules:\n  - not_null: [id]\n");
    shop.write("command.sh", COMMAND);
    let untouched = Untouched::of(&shop);
    let program = shop.command(&[]).get_program().to_string_lossy().into_owned();
    // `script` runs it on a terminal of its own
    let mut script = Command::new("script");
    let guard = format!("exec '{program}' guard --control 0s --no-color -- sh command.sh");
    script.args(["--quiet", "--return", "--command", &guard, "/dev/null"]);
    shop.surround(script.as_std_mut());
    let mut child = started(script.env("SHELL", "/bin/sh"));
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let guard = line(&mut out, "begun").await.trim_start_matches("begun ").parse().unwrap();
    child.stdin.as_mut().unwrap().write_all(b"\x03").await.unwrap();
    line(&mut out, "interrupt").await;
    // signals are passed on in the order in which they come: whatever is still to come of that Ctrl-C comes before this one
    send("TERM", guard);
    let mut rest = String::new();
    tokio::time::timeout(DEADLINE, out.read_to_string(&mut rest)).await.expect("it does not end").unwrap();
    assert!(!rest.contains("interrupt"), "the command was interrupted twice: {rest}");
    let run = ended(child).await;
    let run = Run { out: rest, ..run }.gives(3);
    says(&run, &["terminated", "CLEAN", "the guarded command failed with status 9"]);
    assert_eq!(marks(&shop).len(), 1);
    untouched.holds(&shop);
}
