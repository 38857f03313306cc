//! Appends a second, each synced, against a bare file that is written and synced alike; and how long a full spool takes to open.
//!
//! `cargo bench -p fieldmark-spool`; in a folder of the system's, or of `TMPDIR`.
#![allow(missing_docs, clippy::unwrap_used, reason = "a measurement")]

use fieldmark_spool::{Class, Folder, Limits, Spool};
use std::io::Write as _;
use std::time::Instant;

const PAYLOAD: [u8; 600] = [b'x'; 600];

fn main() {
    println!("| records of 600 bytes a sync | spool, records/s | bare file, records/s | ratio |\n|---|---|---|---|");
    for batch in [1, 10, 100, 1_000] {
        let rounds = if batch == 1_000 { 200 } else { 1_000 };
        let folder = tempfile::tempdir().unwrap();
        let (mut spool, _) = Spool::open(Folder::open(folder.path()).unwrap().unwrap(), Limits::default(), 1).unwrap();
        let records: Vec<(Class, &[u8])> = vec![(Class::Outcome, &PAYLOAD[..]); batch];
        let began = Instant::now();
        for _ in 0..rounds {
            spool.append(&records).unwrap();
        }
        let ours = began.elapsed().as_secs_f64();
        let mut file = std::fs::File::create(folder.path().join("bare")).unwrap();
        let bytes = PAYLOAD.repeat(batch);
        let began = Instant::now();
        for _ in 0..rounds {
            file.write_all(&bytes).unwrap();
            file.sync_data().unwrap();
        }
        let bare = began.elapsed().as_secs_f64();
        let rate = |seconds: f64| (batch * rounds) as f64 / seconds;
        println!("| {batch} | {:.0} | {:.0} | {:.2} |", rate(ours), rate(bare), rate(ours) / rate(bare));
    }
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits::default();
    let (mut spool, _) = Spool::open(Folder::open(folder.path()).unwrap().unwrap(), limits, 1).unwrap();
    let records: Vec<(Class, &[u8])> = vec![(Class::State, &PAYLOAD[..]); 1_000];
    while spool.append(&records).is_ok() {}
    let (bytes, filled) = (spool.bytes(), spool.records());
    drop(spool);
    let began = Instant::now();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        std::fs::read(entry.unwrap().path()).unwrap();
    }
    let read = began.elapsed().as_secs_f64();
    let began = Instant::now();
    let (_, recovered) = Spool::open(Folder::open(folder.path()).unwrap().unwrap(), limits, 2).unwrap();
    let opened = began.elapsed().as_secs_f64();
    assert_eq!(recovered.records, filled);
    println!(
        "\na full spool of {} MiB and {filled} records opens in {opened:.2} s; reading its files takes {read:.2} s, ratio {:.1}",
        bytes >> 20,
        opened / read
    );
}
