//! Ordinary writes are never blamed on a migration, and a migration that changes enough is always found.
//!
//! 10 000 marked rows, ten control slices of a second where not said otherwise, an exposure, eight columns in one family. Each
//! writer makes the same kind of writes all the time; the migration does nothing, or corrupts rows of one column drawn at random.

use crate::column::{Blame, Counts, blame};
use crate::control::{ControlEvidence, Hypothesis, Slice, Subject, test_family};
use crate::pair::paired;
use crate::testing::column;
use fieldmark_model::migration::{ColumnPair, RenameEvidence};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};

const MARKS: usize = 10_000;
const COLUMNS: usize = 8;

/// Who writes to a column of the marked rows.
#[derive(Clone, Copy, Debug)]
enum Writer {
    Nobody,
    /// Single writes, so many a second.
    Steady(f64),
    /// Transactions, so many a second, each of so many rows in the mean.
    Bursts(f64, f64),
    /// So many rows, each written three times a second, and one other write a second.
    Hot(usize),
    /// One row a second becomes busy for 8 seconds and is written every 0.7.
    Sessions,
    /// So many rows, one after the other and again from the first, a round in so many seconds; each is written twice a visit.
    Rounds(usize, f64),
}

/// Length of a migration, and control slices of a second on each side of it.
#[derive(Clone, Copy, Debug)]
struct Scene {
    seconds: f64,
    slices: usize,
}

fn exponential(rng: &mut ChaCha8Rng, rate: f64) -> f64 {
    -(1.0 - rng.random::<f64>()).ln() / rate
}

/// Writes between two times: when, which row.
fn writes(writer: Writer, from: f64, to: f64, rng: &mut ChaCha8Rng) -> Vec<(f64, usize)> {
    let mut events = Vec::new();
    let row = |rng: &mut ChaCha8Rng| rng.random_range(0..MARKS);
    let (rate, size) = match writer {
        Writer::Nobody => return events,
        Writer::Rounds(rows, seconds) => {
            let step = seconds / rows as f64;
            let begun = rng.random_range(0..rows);
            let writes = ((to - from) / step) as usize;
            let mut late = || 0.15 * seconds * (rng.random::<f64>() - 0.5);
            let twice = (0..writes).flat_map(|n| {
                let at = from + n as f64 * step + late();
                [at, at + 0.4].map(|at| (at, (begun + n) % rows))
            });
            return twice.filter(|(at, _)| (from..to).contains(at)).collect();
        }
        Writer::Steady(rate) => (rate, 1.0),
        Writer::Bursts(rate, size) => (rate, size),
        Writer::Hot(_) | Writer::Sessions => (1.0, 1.0),
    };
    let sessions = matches!(writer, Writer::Sessions);
    let mut at = if sessions { from - 8.0 } else { from } + exponential(rng, rate);
    while at < to {
        // geometric number of rows
        let mut rows = 1;
        while rng.random::<f64>() < 1.0 - 1.0 / size {
            rows += 1;
        }
        for _ in 0..rows {
            let row = row(rng);
            let repeats = if sessions { 12 } else { 1 };
            events.extend((0..repeats).map(|i| (at + 0.7 * f64::from(i), row)).filter(|(t, _)| (from..to).contains(t)));
        }
        at += exponential(rng, rate);
    }
    if let Writer::Hot(rows) = writer {
        for row in 0..rows {
            let mut at = from + exponential(rng, 3.0);
            while at < to {
                events.push((at, row));
                at += exponential(rng, 3.0);
            }
        }
    }
    events
}

fn pair(number: usize) -> ColumnPair {
    let column = column(&format!("c{number}"), "int", None);
    paired(&column, &column, RenameEvidence::Catalogue)
}

/// One migration of so many seconds: whose doing each column's changes are found to be. Of column 0 so many rows are corrupted.
fn migration(writers: [Writer; COLUMNS], scene: Scene, corrupted: usize, rng: &mut ChaCha8Rng) -> Vec<Blame> {
    let Scene { seconds, slices } = scene;
    let period = slices as f64;
    let slice = || Slice { seconds: 1.0, rows: MARKS as u64, ..Slice::default() };
    let mut control = ControlEvidence { before: vec![slice(); slices], after: vec![slice(); slices] };
    let mut changed: Vec<BTreeSet<usize>> = Vec::new();
    for (number, writer) in writers.into_iter().enumerate() {
        let mut rows: BTreeSet<usize> = BTreeSet::new();
        let mut of_slice: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for (at, row) in writes(writer, -period, seconds + period, rng) {
            if (0.0..seconds).contains(&at) {
                rows.insert(row);
            } else {
                let slice = if at < 0.0 { at + period } else { at - seconds + period };
                of_slice.entry(slice as usize).or_default().insert(row);
            }
        }
        for (slice, rows) in of_slice {
            let mut slices = control.before.iter_mut().chain(&mut control.after);
            let slice = slices.nth(slice).unwrap();
            slice.changed.insert(format!("c{number}"), rows.into_iter().collect());
        }
        if number == 0 {
            rows.extend((0..corrupted).map(|_| rng.random_range(0..MARKS)));
        }
        changed.push(rows);
    }
    let hypotheses: Vec<Hypothesis> = changed
        .iter()
        .enumerate()
        .map(|(number, rows)| {
            let ordinary = control.of(Subject::Column(&pair(number))).unwrap();
            Hypothesis {
                rows: MARKS as u64,
                untouched: (MARKS - ordinary.touched.len()) as u64,
                changes: rows.difference(&ordinary.touched).count() as u64,
                written_changes: 0,
                written: 0,
                seconds,
                ordinary,
            }
        })
        .collect();
    let findings = test_family(&hypotheses.iter().collect::<Vec<_>>()).unwrap();
    hypotheses
        .iter()
        .zip(&findings)
        .zip(&changed)
        .map(|((hypothesis, finding), rows)| {
            let touched = rows.intersection(&hypothesis.ordinary.touched).count() as u64;
            let counts = Counts { open: hypothesis.changes, touched, ..Counts::default() };
            let most = (rows.len() as f64 + 3.7 + 2.0 * (rows.len() as f64).sqrt()) / MARKS as f64;
            blame(counts, finding, most, (hypothesis.rows, hypothesis.untouched))
        })
        .collect()
}

fn blamed(writers: [Writer; COLUMNS], seconds: f64, runs: u64) -> u64 {
    (0..runs)
        .filter(|seed| {
            let mut rng = ChaCha8Rng::seed_from_u64(*seed);
            migration(writers, Scene { seconds, slices: 5 }, 0, &mut rng).contains(&Blame::Migration)
        })
        .count() as u64
}

/// Writers that the control periods can show: their writes come in every slice or so, or hardly at all.
#[test]
fn ordinary_writes_are_never_blamed() {
    use Writer::{Bursts, Hot, Nobody, Rounds, Sessions, Steady};
    let mixes = [
        // 50 writes a second on 100 000 rows are 5 on 10 000 marked ones
        [Nobody, Steady(0.1), Steady(0.3), Steady(1.0), Steady(5.0), Steady(50.0), Hot(20), Sessions],
        [Steady(5.0); COLUMNS],
        [Steady(0.1); COLUMNS],
        [Hot(5), Hot(20), Hot(100), Hot(500), Nobody, Nobody, Nobody, Nobody],
        [Sessions; COLUMNS],
        [Bursts(5.0, 5.0); COLUMNS],
        [Bursts(2.0, 5.0); COLUMNS],
        // the control is five seconds long
        [100, 1000, MARKS, 100, 1000, MARKS, 100, 1000].map(|rows| Rounds(rows, 5.2)),
        [
            Rounds(500, 4.0),
            Rounds(500, 5.0),
            Rounds(500, 5.5),
            Rounds(500, 6.0),
            Rounds(500, 7.0),
            Rounds(500, 9.0),
            Rounds(500, 11.0),
            Rounds(500, 100.0),
        ],
    ];
    for (mix, writers) in mixes.into_iter().enumerate() {
        for seconds in [1.0, 5.0, 60.0] {
            assert_eq!(blamed(writers, seconds, 150), 0, "mix {mix}, {seconds} s");
        }
    }
    // rounds about as long as the control and the exposure together, jobs that are late or early
    let rounds = [2000, 500, 8000, 2000, 500, 8000, 2000, 500].map(|rows| Rounds(rows, 35.0));
    for seconds in [15.0, 20.0, 25.0] {
        let of = |seed| migration(rounds, Scene { seconds, slices: 15 }, 0, &mut ChaCha8Rng::seed_from_u64(seed));
        assert!((0..30).all(|seed| !of(seed).contains(&Blame::Migration)), "{seconds} s");
    }
    let saturating = [Steady(1000.0), Steady(300.0), Hot(1000), Nobody, Nobody, Nobody, Nobody, Nobody];
    assert_eq!(blamed(saturating, 20.0, 10), 0);
}

/// Corrupts rows of a table with so many ordinary writes a second: how often nothing was seen, blamed, excused, left open.
fn found(rate: f64, scene: Scene, corrupted: usize) -> [u32; 4] {
    let writer = if rate > 0.0 { Writer::Steady(rate) } else { Writer::Nobody };
    let mut found = [0; 4];
    for seed in 0..60 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let blames = migration([writer; COLUMNS], scene, corrupted, &mut rng);
        found[match blames[0] {
            Blame::Nothing => 0,
            Blame::Migration => 1,
            Blame::Ordinary => 2,
            Blame::Open => 3,
        }] += 1;
    }
    found
}

#[test]
fn corruption_is_never_excused_and_blamed_where_the_control_allows() {
    let scene = |seconds| Scene { seconds, slices: 5 };
    for rate in [0.0, 0.2, 1.0, 5.0] {
        for seconds in [0.5, 5.0, 60.0] {
            for corrupted in [10, 100] {
                let [nothing, blamed, excused, open] = found(rate, scene(seconds), corrupted);
                assert_eq!((nothing, excused), (0, 0), "{rate}/s, {seconds} s, {corrupted} rows");
                assert_eq!(blamed + open, 60);
            }
        }
    }
    // 1 % of a table that nobody else writes, and of one with 5 writes a second in a short migration
    for (rate, seconds) in [(0.0, 0.5), (0.0, 5.0), (5.0, 0.5)] {
        assert_eq!(found(rate, scene(seconds), 100)[1], 60, "{rate}/s, {seconds} s");
    }
    // 0.1 % takes a longer control than the default, or more marks
    assert_eq!(found(0.0, scene(2.0), 10)[1], 0);
    assert_eq!(found(0.0, Scene { seconds: 2.0, slices: 20 }, 10)[1], 60);
    assert!(found(0.05, Scene { seconds: 2.0, slices: 20 }, 10)[1] >= 50);
}
