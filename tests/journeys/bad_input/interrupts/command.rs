//! While the guarded command runs: signals are the command's, and what it leaves is recaptured and judged.

use super::{SIGNALS, ended, says, send, started};
use crate::journeys::bad_input::locks::held;
use crate::journeys::bad_input::{TABLES, Untouched, WRONG_PASSWORD, keeps_secrets, marks};
use crate::journeys::served::DEADLINE;
use crate::journeys::shop::{Run, Shop, fill};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

fn shop() -> Shop {
    let shop = Shop::new(TABLES);
    shop.rules("t", "rules:\n  - not_null: [id]\n");
    shop
}

/// Starts `guard` over a shell command and waits until that has said that it has begun. The rest of its output is to come: beside a report
/// in JSON, on standard error.
async fn guarding(shop: &Shop, control: &str, command: &str) -> (Child, BufReader<tokio::process::ChildStderr>) {
    let arguments = ["guard", "--control", control, "--output", "json", "--", "sh", "-c", command];
    let mut child = started(&mut Command::from(shop.command(&arguments)));
    let mut out = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    tokio::time::timeout(DEADLINE, out.read_line(&mut line)).await.expect("the command does not begin").unwrap();
    assert_eq!(line, "begun\n");
    (child, out)
}

/// What was printed after the command had begun, and the report at its end.
async fn judged(child: Child, mut out: BufReader<tokio::process::ChildStderr>) -> (String, Value, Run) {
    let mut printed = String::new();
    let read = tokio::io::AsyncReadExt::read_to_string(&mut out, &mut printed);
    tokio::time::timeout(DEADLINE, read).await.expect("it does not end").unwrap();
    let run = ended(child).await;
    let report = serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {}\n{printed}", run.out));
    let run = Run { err: printed.clone(), ..run };
    keeps_secrets(&run);
    (printed, report, run)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_ends_by_the_signal_and_its_rows_are_judged() {
    for (signal, status) in SIGNALS {
        let shop = shop();
        let untouched = Untouched::of(&shop);
        // waits on its standard input, which is ours
        let (child, out) = guarding(&shop, "0s", "echo begun; exec cat").await;
        send(signal, child.id().unwrap());
        let (_, report, run) = judged(child, out).await;
        assert_eq!((run.code, &report["exit_code"]), (3, &3.into()), "{report:#}");
        assert_eq!(report["migration"]["command_status"], status, "{report:#}");
        assert_eq!(report["verdict"], "clean", "{report:#}");
        assert_eq!(marks(&shop).len(), 1);
        untouched.holds(&shop);
    }
}

/// A command that ends in its own way, here by undoing its work, is let do so.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_tidies_up_is_waited_for() {
    for (signal, _) in SIGNALS {
        let shop = shop();
        let (child, out) = guarding(
            &shop,
            "0s",
            &format!(
                "trap 'echo tidying; read go; echo tidied; exit 9' {signal}; echo begun; while :; do read line; done"
            ),
        )
        .await;
        send(signal, child.id().unwrap());
        let mut child = child;
        let mut out = out;
        let mut line = String::new();
        tokio::time::timeout(DEADLINE, out.read_line(&mut line)).await.expect("no signal arrives").unwrap();
        assert_eq!(line, "tidying\n");
        tokio::io::AsyncWriteExt::write_all(child.stdin.as_mut().unwrap(), b"go\n").await.unwrap();
        let (own, report, run) = judged(child, out).await;
        assert_eq!((run.code, own.as_str()), (3, "tidied\n"));
        assert_eq!(report["migration"]["command_status"], 9, "{report:#}");
        assert_eq!(report["verdict"], "clean", "{report:#}");
    }
}

/// A command that does not mind goes on, and its end is the migration's end.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_ignores_the_signal_is_waited_for() {
    let shop = shop();
    let command = "trap 'echo not now' INT; echo begun; until read line; do :; done; echo \"$line\"";
    let (mut child, mut out) = guarding(&shop, "0s", command).await;
    send("INT", child.id().unwrap());
    let mut line = String::new();
    tokio::time::timeout(DEADLINE, out.read_line(&mut line)).await.expect("no signal arrives").unwrap();
    assert_eq!(line, "not now\n");
    tokio::io::AsyncWriteExt::write_all(child.stdin.as_mut().unwrap(), b"went on\n").await.unwrap();
    let (own, report, run) = judged(child, out).await;
    assert_eq!((run.code, own.as_str()), (0, "went on\n"));
    assert_eq!((&report["verdict"], &report["migration"]["command_status"]), (&"clean".into(), &0.into()));
}

/// What the command did before it was stopped is found.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_interrupted_command_has_done_is_found() {
    let shop = Shop::new("create table t (id integer primary key, total integer)");
    shop.sql(&fill("t", 2000, "i, i"));
    shop.rules("t", "rules:\n  - { expect: total > 0, id: positive }\n");
    let changed = shop.path("changed.db");
    std::fs::copy(shop.path("shop.db"), &changed).unwrap();
    rusqlite::Connection::open(&changed).unwrap().execute_batch("update t set total = -1 where id % 2 = 0").unwrap();
    // with a control period, so that ordinary writes are out of the question
    let (child, out) = guarding(&shop, "1s", "cp changed.db shop.db; echo begun; exec cat").await;
    send("TERM", child.id().unwrap());
    let (_, report, run) = judged(child, out).await;
    assert_eq!((run.code, &report["verdict"]), (3, &"broken".into()), "{report:#}");
    assert_eq!(report["tables"][0]["changed"], 1000, "{report:#}");
}

/// What cannot be remembered is no reason to keep the verdict to oneself.
#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_is_told_while_another_process_writes_to_the_state_folder() {
    let shop = shop();
    shop.rules("t", "rules:\n  - not_null: [id]\n  - row_count: { min: 1, change: 50% }\n");
    let (mut child, out) = guarding(&shop, "0s", "echo begun; read line; exit 9").await;
    let _lock = held(&shop.path("state/locks/shop.lock"));
    tokio::io::AsyncWriteExt::write_all(child.stdin.as_mut().unwrap(), b"go\n").await.unwrap();
    let (_, report, run) = judged(child, out).await;
    assert_eq!((run.code, &report["verdict"]), (3, &"clean".into()), "{report:#}");
    assert_eq!(report["migration"]["command_status"], 9, "{report:#}");
    assert!(report["errors"][0]["what"].as_str().unwrap().contains("the state folder is in use"), "{report:#}");
}

/// There was no migration, and it is said why.
#[test]
fn a_command_that_cannot_be_started() {
    let shop = shop();
    let untouched = Untouched::of(&shop);
    let run = shop.run(&["guard", "--control", "0s", "--", "no-such-command", "--password", WRONG_PASSWORD]).gives(3);
    says(&run, &["the command no-such-command could not be started", "No such file", "CLEAN"]);
    untouched.holds(&shop);
}
