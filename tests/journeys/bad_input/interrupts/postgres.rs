//! In the middle of reading a PostgreSQL database.

use super::{SIGNALS, ended, interrupted, killed, send, started};
use crate::journeys::bad_input::{TABLES, marks, says};
use crate::journeys::served::Served;

/// With so many views, each of which takes a fifth of a second to be read: well within a statement's time.
async fn served(slow: u32) -> Served {
    let mut served = Served::new(TABLES).await;
    for number in 1..=slow {
        served.sql(&format!("create view slow_{number} as select id, name from t, pg_sleep(0.2)")).await;
        served.write(
            &format!("rules/slow_{number}.yaml"),
            &format!("version: 1\ntable: shop.slow_{number}\nkey: [id]\nrules:\n  - not_null: [id]\n"),
        );
    }
    served
}

/// One run and a moment in it: the arguments, a part of the statement that runs in that moment.
type Moment<'m> = (&'m [&'m str], &'m str);

/// Some of them is being read, and others will be.
const READING: &str = "\"slow_";
/// Rows that were marked are read again, by their keys.
const AGAIN: &str = "\"slow_1\" AS t WHERE";

const CHECK: Moment<'_> = (&["check"], READING);
const BEFORE: Moment<'_> = (&["before", "--control", "0s"], READING);
const WATCHING: Moment<'_> = (&["before", "--control", "15s", "--table", "slow_1"], AGAIN);
const MARKING: Moment<'_> = (&["guard", "--control", "0s", "--", "touch", "started"], READING);
const RECAPTURING: Moment<'_> = (&["guard", "--control", "0s", "--", "touch", "started"], AGAIN);

#[tokio::test(flavor = "multi_thread")]
async fn asked_to_end_it_ends_and_leaves_nothing() {
    let mut served = served(8).await;
    let before = served.writes().await;
    for (signal, code) in SIGNALS {
        for (arguments, part) in [CHECK, BEFORE, WATCHING, MARKING] {
            let mut child = started(&mut served.program(arguments));
            served.until_it_runs(&mut child, part).await;
            send(signal, child.id().unwrap());
            interrupted(ended(child).await, code);
            let after = served.writes().await;
            assert_eq!((after.rows, after.relations), (before.rows, before.relations), "{arguments:?}");
            assert!(marks(&served).is_empty(), "{arguments:?}: {:?}", marks(&served));
            assert!(!served.path("started").exists(), "the command ran without a mark");
        }
    }
}

/// The mark is whole by then, and what was not judged can be judged later.
#[tokio::test(flavor = "multi_thread")]
async fn a_recapture_that_was_interrupted_can_be_done_again() {
    let mut served = served(2).await;
    let before = served.writes().await;
    for (signal, code) in SIGNALS {
        let (arguments, part) = RECAPTURING;
        let mut child = started(&mut served.program(arguments));
        served.until_it_runs(&mut child, part).await;
        assert!(served.path("started").exists());
        send(signal, child.id().unwrap());
        let run = ended(child).await;
        says(&run, &["the command has ended", "`fieldmark after`"]);
        interrupted(run, code);
        let after = served.writes().await;
        assert_eq!((after.rows, after.relations), (before.rows, before.relations));
    }
    assert_eq!(marks(&served).len(), 2);
    let report = served.json(&["after", "--control", "0s"], 0).await;
    assert_eq!(report["verdict"], "clean", "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_the_middle_of_before_it_leaves_no_mark_and_no_session() {
    let mut served = served(8).await;
    let before = served.writes().await;
    for (arguments, part) in [BEFORE, WATCHING] {
        let mut child = started(&mut served.program(arguments));
        served.until_it_runs(&mut child, part).await;
        send("KILL", child.id().unwrap());
        killed(&ended(child).await);
        let after = served.writes().await;
        assert_eq!((after.rows, after.relations), (before.rows, before.relations));
        assert!(marks(&served).is_empty(), "{:?}", marks(&served));
    }
    // nothing is in the way of the next one
    let report = served.json(&["before", "--control", "0s", "--table", "slow_1"], 0).await;
    assert_eq!(marks(&served), [report["migration"]["marks"][0]["id"].as_str().unwrap()]);
}

/// Whoever changes the table waits for nobody who was interrupted.
#[tokio::test(flavor = "multi_thread")]
async fn no_lock_outlives_a_killed_process() {
    let mut served = served(8).await;
    let mut child = started(&mut served.program(CHECK.0));
    served.until_it_runs(&mut child, CHECK.1).await;
    send("KILL", child.id().unwrap());
    killed(&ended(child).await);
    served.sql("set lock_timeout = '5s'; alter table t add column added integer").await;
    served.until_fieldmark_has_gone().await;
}
