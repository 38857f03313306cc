//! In the middle of reading a SQLite file.

use super::{SIGNALS, ended, interrupted, killed, send, started};
use crate::journeys::bad_input::{TABLES, Untouched, marks};
use crate::journeys::served::DEADLINE;
use crate::journeys::shop::Shop;
use std::time::Instant;
use tokio::process::Command;

/// Views without end: each is read until its statement's time is up.
const SLOW: u32 = 3;

fn shop() -> Shop {
    let shop = Shop::new(TABLES);
    for number in 1..=SLOW {
        shop.sql(&format!(
            "create view slow_{number} as with recursive n(i) as (select 1 union all select i + 1 from n) \
             select t.id, t.name from t, n where i < 0"
        ));
        shop.write(
            &format!("rules/slow_{number}.yaml"),
            &format!("version: 1\ntable: shop.slow_{number}\nkey: [id]\nrules:\n  - not_null: [id]\n"),
        );
    }
    shop
}

/// Waits until a process reads a file: the system then knows of its lock.
async fn until_read(process: u32) {
    let begun = Instant::now();
    loop {
        let locks = std::fs::read_to_string("/proc/locks").unwrap();
        let own = format!(" {process} ");
        if locks.lines().any(|lock| lock.contains("POSIX") && lock.contains("READ") && lock.contains(&own)) {
            return;
        }
        assert!(begun.elapsed() < DEADLINE, "it never reads");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_it_and_leaves_the_file_as_it_was() {
    for (signal, code) in SIGNALS.into_iter().chain([("KILL", -1)]) {
        for arguments in
            [&["check"][..], &["before", "--control", "0s"], &["guard", "--control", "0s", "--", "touch", "started"]]
        {
            let shop = shop();
            let untouched = Untouched::of(&shop);
            let child = started(&mut Command::from(shop.command(arguments)));
            until_read(child.id().unwrap()).await;
            send(signal, child.id().unwrap());
            let run = ended(child).await;
            if code == -1 {
                killed(&run)
            } else {
                interrupted(run, code)
            }
            untouched.holds(&shop);
            assert!(marks(&shop).is_empty() && !shop.path("started").exists());
        }
    }
}
