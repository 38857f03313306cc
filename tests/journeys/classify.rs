//! `classify`: what happened to a fleet, line by line, and what is said of it.

use super::program;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Output, Stdio};

/// A rule that a migration breaks, and that is checked every two minutes.
fn story() -> Vec<Value> {
    let migration = |t: f64, phase: &str| json!({ "type": "migration", "t": t, "db": "db1", "id": "0042", "phase": phase, "tables": ["public.orders"] });
    let mut lines = vec![migration(900.0, "start"), migration(960.0, "end")];
    for check in 0..20 {
        let t = f64::from(check) * 120.0 + 5.0;
        let bad = if t > 960.0 { 50 } else { 0 };
        let again = if t > 1_200.0 { 50 } else { 0 };
        lines.push(json!({ "type": "check", "t": t, "db": "db1", "engine": "postgresql", "agent": "a", "table": "public.orders",
            "rule": "paid", "column": "status", "tolerance": 0.0, "status": "ok", "n": 1000, "k": bad, "attempt": 1, "retried": [],
            "agent_t": t, "recheck_of": again, "recheck_bad": again }));
    }
    lines.sort_by(|one, other| one["t"].as_f64().unwrap().total_cmp(&other["t"].as_f64().unwrap()));
    lines.push(json!({ "type": "end", "t": 2_400.0 }));
    for (seq, line) in lines.iter_mut().enumerate() {
        (line["v"], line["case"], line["seq"]) = (json!(1), json!("one"), json!(seq));
    }
    lines
}

fn classify(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(program())
        .arg("classify")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // one that ends before it has read all of it says why
    child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
    child.wait_with_output().unwrap()
}

#[test]
fn a_migration_that_breaks_a_rule_is_one_page_with_its_reason() {
    let input: String = story().iter().map(|line| format!("{line}\n")).collect();
    let output = classify(&[], &input);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let classes: Vec<(&str, &str)> =
        said.iter().map(|own| (own["action"].as_str().unwrap(), own["class"].as_str().unwrap())).collect();
    assert_eq!(classes, [("state", "suspect"), ("state", "systemic"), ("page", "systemic")]);
    let page = &said[2];
    assert_eq!((&page["keys"], &page["case"]), (&json!(["db1|public.orders|paid"]), &json!("one")));
    assert!(page["t"].as_f64().unwrap() - 960.0 <= 720.0, "within twelve minutes: {page}");
    assert_eq!(
        page["evidence"],
        "50 of 1000 sampled rows fail; 50 of 50 re-read rows still fail; began 5 s after the migration 0042 had ended; it has failed for 10 min in \
         6 checks, in the last 4 of which nothing was repaired"
    );
}

#[test]
fn in_lockstep_each_line_is_answered_before_the_next_is_read() {
    let mut child = Command::new(program())
        .args(["classify", "--lockstep"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    let mut pages = 0;
    for (seq, line) in story().iter().enumerate() {
        writeln!(input, "{line}").unwrap();
        input.flush().unwrap();
        loop {
            let mut answer = String::new();
            assert!(output.read_line(&mut answer).unwrap() > 0, "it ended");
            let answer: Value = serde_json::from_str(&answer).unwrap();
            if answer.get("ack").is_some() {
                assert_eq!(answer, json!({ "ack": seq }));
                break;
            }
            pages += u32::from(answer["action"] == "page");
        }
    }
    drop(input);
    assert!(child.wait().unwrap().success() && pages == 1);
}

#[test]
fn a_line_that_is_no_event_is_told_with_its_place_and_nothing_of_it() {
    let good = story()[0].to_string();
    for (line, says) in [
        ("{", "standard input, line 2, column "),
        (r#"{"case":"one","t":1,"type":"hunter2"}"#, "standard input, line 2, column "),
        (r#"{"v":2,"case":"one","t":1,"type":"tick"}"#, "line 2: events of version 2 are not known"),
    ] {
        let output = classify(&[], &format!("{good}\n{line}\n"));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains(says), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    let output = classify(&["--patience", "soon"], "");
    assert_eq!(output.status.code(), Some(64));
}
