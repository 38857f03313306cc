//! Two hundred runs on PostgreSQL.

use super::writers::{Writer, tables, until_a_naive_reader_is_fooled};
use super::{BROKEN, PLANTED_ROWS, Runs, SOUND, drawn_by, write_rules};
use crate::journeys::served::Served;
use serde_json::Value;

const RUNS: u32 = 200;

/// What is true of the whole tables at one instant: nothing beside what was planted.
async fn the_truth_holds(served: &mut Served) {
    for (rows, sql) in [
        (0, "select count(*) from (select from codes group by code having count(*) > 1) g"),
        (0, "select count(*) from (select from codes group by tag having count(*) > 1) g"),
        (0, "select count(*) from (select from codes where seal is not null group by seal having count(*) > 1) g"),
        (0, "select count(*) from (select from slots where live = 1 group by slot having count(*) > 1) g"),
        (0, "select count(*) from children where parent_id not in (select id from parents)"),
        (
            PLANTED_ROWS,
            "select count(*) from planted_codes where code in (select code from planted_codes group by code having count(*) > 1)",
        ),
        (
            PLANTED_ROWS,
            "select count(*) from planted_codes where tag in (select tag from planted_codes group by tag having count(*) > 1)",
        ),
        (30, "select count(*) from planted_children where parent_id not in (select id from parents)"),
        (
            PLANTED_ROWS,
            "select count(*) from planted_children c where number is not null and region is not null and not exists \
              (select from pairs p where (p.region, p.number) = (c.region, c.number))",
        ),
    ] {
        assert_eq!(served.number(sql).await, rows, "{sql}");
    }
}

/// One run; the tables are large enough that it draws rows.
async fn checked(served: &Served, seed: u32) -> Value {
    let seed = seed.to_string();
    let arguments = ["check", "--sample", "300", "--seed", &seed, "--no-enlarge", "--duty", "100%"];
    let report = served.json(&arguments, 1).await;
    for (table, _) in SOUND.iter().chain(&BROKEN) {
        drawn_by(&report, table, if *table == "named" { "blocks" } else { "random keys" });
    }
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_invented_and_everything_planted_is_found() {
    let mut served = Served::new(&tables()).await;
    write_rules(&served, &SOUND);
    write_rules(&served, &BROKEN);
    the_truth_holds(&mut served).await;
    let mut naive = served.another().await;
    let writer = Writer::start(&served).await;
    until_a_naive_reader_is_fooled(&mut naive).await;
    let mut runs = Runs::default();
    for seed in (1..=RUNS).step_by(2) {
        // two at a time, since each waits for the server much of its time
        let reports = tokio::join!(checked(&served, seed), checked(&served, seed + 1));
        runs.add(&reports.0);
        runs.add(&reports.1);
    }
    until_a_naive_reader_is_fooled(&mut naive).await;
    the_truth_holds(&mut served).await;
    writer.stop().await;
    runs.none_is_invented();
    runs.all_are_found();
}
