//! What the intervals promise, proved by simulation: 2000 seeded draws a cell, at least 1868 of which must cover the truth (95 % less
//! 3.3 standard deviations, so that a hundred honest cells pass together), and none may be much wider than it must be.
//!
//! `cargo test -p fieldmark-statistics --test coverage -- --nocapture` prints the table.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use fieldmark_statistics::draw::generator;
use fieldmark_statistics::interval::{Observed, clopper_pearson};
use fieldmark_statistics::{
    DrawnUnit, Estimate, Interval, Level, LookPlan, Method, Population, RowCounts, StratumEvidence, Tally, estimate,
};
use rand::{Rng, RngExt};

const DRAWS: usize = 2000;
const LEAST_COVERED: usize = 1868;
const WIDEST: f64 = 1.3;

/// Rows of a block: `failing` <= `checked` <= `live`.
#[derive(Debug, Clone, Copy)]
struct Block {
    live: u64,
    checked: u64,
    failing: u64,
}

fn truth(blocks: &[Block]) -> f64 {
    let failing: u64 = blocks.iter().map(|b| b.failing).sum();
    let checked: u64 = blocks.iter().map(|b| b.checked).sum();
    failing as f64 / checked as f64
}

fn live(blocks: &[Block]) -> u64 {
    blocks.iter().map(|b| b.live).sum()
}

/// `kept` rows of a block, without replacement.
fn keep<R: Rng>(rng: &mut R, block: Block, kept: u64) -> RowCounts {
    if kept >= block.live {
        return RowCounts { kept: block.live, checked: block.checked, failed: block.failing, ..RowCounts::default() };
    }
    let (mut live, mut checked, mut failing) = (block.live, block.checked, block.failing);
    let mut rows = RowCounts { kept, ..RowCounts::default() };
    for _ in 0..kept {
        let at = rng.random_range(0..live);
        live -= 1;
        if at < checked {
            checked -= 1;
            rows.checked += 1;
            if at < failing {
                failing -= 1;
                rows.failed += 1;
            }
        }
    }
    rows
}

/// The first `wanted` of `items` become a uniform draw.
fn shuffle_front<T, R: Rng>(rng: &mut R, items: &mut [T], wanted: usize) {
    for i in 0..wanted {
        let j = rng.random_range(i..items.len());
        items.swap(i, j);
    }
}

fn tally_blocks<R: Rng>(rng: &mut R, blocks: &mut [Block], wanted: usize, per_block: u64) -> Tally {
    shuffle_front(rng, blocks, wanted);
    let mut tally = Tally::new();
    for &block in &blocks[..wanted] {
        tally.add_unit(DrawnUnit { live: block.live, rows: keep(rng, block, per_block) });
    }
    tally
}

/// What one cell showed.
struct Cell {
    name: String,
    covered: usize,
    /// Truth below and above the interval.
    missed: (usize, usize),
    /// Mean width against the exact interval at the variance's own n_eff.
    ratio: f64,
    /// The same against the exact interval at the mean number of checked units.
    unit_ratio: f64,
    /// Share of draws with failing rows in fewer than about 20 units.
    few: f64,
}

struct Seen {
    estimate: Estimate,
    few: bool,
}

/// What the width of a cell is held against.
#[derive(Clone, Copy)]
struct Reference {
    /// Part of the simulation's variance that is left by the fraction of blocks read. A sample of some rows of each block cannot tell
    /// what is the same within blocks from what is not, so the interval takes credit for the fraction of *rows* read only; the
    /// width is held against the variance as it would be without the finite number of blocks.
    finite: f64,
    /// Largest live rows of a block over their mean: the factor by which unequal blocks may hide more than equal ones while few
    /// failing ones were seen (needed: see the cells `WholeLargest`, whose ratio to their own variance is near 1).
    largest: f64,
}

const PLAIN: Reference = Reference { finite: 1.0, largest: 1.0 };

fn cell(name: String, seed: u64, truth: f64, reference: Reference, mut draw: impl FnMut(&mut dyn Rng) -> Seen) -> Cell {
    let mut rng = generator(seed);
    let (mut covered, mut missed, mut few) = (0, (0, 0), 0);
    let (mut width, mut units, mut squares) = (0.0, 0.0, 0.0);
    let mut fractions = Vec::with_capacity(DRAWS);
    let mut level = Level::NINETY_FIVE;
    for _ in 0..DRAWS {
        let seen = draw(&mut rng);
        let Interval { low, high } = seen.estimate.bounds;
        level = seen.estimate.level;
        if truth < low - 1e-12 {
            missed.0 += 1;
        } else if truth > high + 1e-12 {
            missed.1 += 1;
        } else {
            covered += 1;
        }
        few += usize::from(seen.few);
        width += high - low;
        units += seen.estimate.units as f64;
        let p = seen.estimate.fraction.unwrap_or(0.0);
        squares += (p - truth) * (p - truth);
        fractions.push(p);
    }
    let draws = DRAWS as f64;
    let mean_exact = |rows: f64| {
        let at = |p: f64| Observed { failed: p * rows, rows };
        fractions.iter().map(|&p| clopper_pearson(at(p), level).width()).sum::<f64>()
    };
    let variance = squares / draws;
    let (ratio, unit_ratio) = (
        if variance > 0.0 { width / mean_exact(truth * (1.0 - truth) / variance * reference.finite) } else { f64::NAN },
        width / mean_exact(units / draws / reference.largest),
    );
    Cell { name, covered, missed, ratio, unit_ratio, few: few as f64 / draws }
}

/// Prints the table, then asserts the coverage of every cell.
fn prove_coverage(cells: &[Cell]) {
    for c in cells {
        println!(
            "{:<64} {:>4} (-{} +{}) width {:.2} units {:.2} few {:.2}",
            c.name, c.covered, c.missed.0, c.missed.1, c.ratio, c.unit_ratio, c.few
        );
    }
    for c in cells {
        assert!(c.covered >= LEAST_COVERED, "{}: {} covered", c.name, c.covered);
    }
}

/// The same, and that no interval is much wider than it must be.
fn prove(cells: &[Cell]) {
    prove_coverage(cells);
    for c in cells {
        // Where failing rows lie in fewer than 20 units the number of units is the evidence, deliberately: the failures seen may as
        // well fill whole units of which one more was missed, and nothing in the sample tells. The width is then held
        // against the exact interval of that many rows instead. It is the price of per_block > 1, and stated in the design.
        let width = if c.few > 0.05 { c.unit_ratio } else { c.ratio };
        assert!(width.is_nan() || width <= WIDEST, "{}: width {width}", c.name);
    }
}

fn rows_of(tally: Tally, method: Method, population: Population) -> StratumEvidence {
    StratumEvidence { method, population, tally }
}

fn unknown(rows: u64) -> Population {
    Population::Estimated { rows: rows as f64, interval: Interval { low: 0.0, high: f64::MAX } }
}

/// Whether failing rows may lie in *effectively* fewer than 20 units: unequal ones count for less than their number.
fn fewer_than_20(tally: &Tally) -> bool {
    tally.failing_units() < 40
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    /// Failing rows anywhere.
    Scattered,
    /// Failing rows within a key range of a quarter of the blocks, two thirds of them at most.
    KeyRange,
    /// Blocks that fail whole.
    Whole,
    /// Blocks that fail whole, the largest.
    WholeLargest,
}

/// Blocks of the sizes given, `share` of the rows checked, `fraction` of those failing.
fn table(shape: Shape, sizes: &[u64], share: f64, fraction: f64, seed: u64) -> Vec<Block> {
    let mut rng = generator(seed);
    let mut blocks: Vec<Block> = sizes
        .iter()
        .map(|&live| {
            let checked = if share >= 1.0 { live } else { (0..live).filter(|_| rng.random_bool(share)).count() as u64 };
            Block { live, checked, failing: 0 }
        })
        .collect();
    if shape == Shape::WholeLargest {
        blocks.sort_by_key(|b| std::cmp::Reverse(b.live));
    }
    let all: u64 = blocks.iter().map(|b| b.checked).sum();
    let mut left = (all as f64 * fraction).round() as u64;
    let quarter = blocks.len() / 4;
    match shape {
        Shape::Scattered | Shape::KeyRange => {
            let within = if shape == Shape::Scattered { blocks.len() } else { quarter };
            while left > 0 {
                let at = rng.random_range(0..within);
                let b = &mut blocks[at];
                if b.failing < b.checked {
                    b.failing += 1;
                    left -= 1;
                }
            }
        }
        Shape::Whole | Shape::WholeLargest => {
            for b in &mut blocks {
                b.failing = b.checked.min(left);
                left -= b.failing;
            }
        }
    }
    blocks
}

const FRACTIONS: [f64; 4] = [0.0, 0.002, 0.02, 0.1];

#[test]
fn independent_rows() {
    let mut cells = Vec::new();
    for (of, rows) in [(50, 1000), (10, 1000), (2, 1000)] {
        for fraction in FRACTIONS {
            for (share, exact) in [(1.0, true), (1.0, false), (0.3, true)] {
                if !exact && of == 2 {
                    continue; // an unknown population of which half was read: no claim to width
                }
                let population = rows * of;
                let checked = (population as f64 * share) as u64;
                let block = Block { live: population, checked, failing: (checked as f64 * fraction).round() as u64 };
                let of_rows = if exact { Population::Exact { rows: population } } else { unknown(population) };
                cells.push(cell(
                    format!("independent 1/{of} {fraction} where {share} exact {exact}"),
                    cells.len() as u64,
                    truth(&[block]),
                    PLAIN,
                    |mut rng| {
                        let mut tally = Tally::new();
                        tally.add_rows(keep(&mut rng, block, rows));
                        // Under a `where` the number of rows it keeps is not exact, so few failing rows get -ln(1-f)/f.
                        let few = share < 1.0 && fewer_than_20(&tally);
                        let stratum = rows_of(tally, Method::IndependentRows, of_rows);
                        Seen { estimate: estimate(&[stratum], Level::NINETY_FIVE), few }
                    },
                ));
            }
        }
    }
    prove(&cells);
}

fn block_cells(name: &str, sizes: &[u64], shares: &[f64], seed: u64) -> Vec<Cell> {
    let mut cells = Vec::new();
    let wanted = 200;
    for shape in [Shape::Scattered, Shape::KeyRange, Shape::Whole, Shape::WholeLargest] {
        if shape == Shape::WholeLargest && sizes.windows(2).all(|w| w[0] == w[1]) {
            continue;
        }
        for fraction in FRACTIONS {
            for per_block in [1, 10, 1000] {
                for &share in shares {
                    let mut blocks = table(shape, sizes, share, fraction, seed);
                    let rows = live(&blocks);
                    // Exact only where it matters; the planner's estimate elsewhere.
                    let population = if wanted * 2 >= sizes.len() { Population::Exact { rows } } else { unknown(rows) };
                    let largest = *sizes.iter().max().unwrap();
                    let exact = wanted * 2 >= sizes.len();
                    let reference = Reference {
                        finite: if exact && per_block < largest {
                            1.0 - wanted as f64 / sizes.len() as f64
                        } else {
                            1.0
                        },
                        largest: largest as f64 * sizes.len() as f64 / rows as f64,
                    };
                    cells.push(cell(
                        format!("{name} {shape:?} {fraction} per block {per_block} where {share}"),
                        seed + cells.len() as u64,
                        truth(&blocks),
                        reference,
                        |mut rng| {
                            let tally = tally_blocks(&mut rng, &mut blocks, wanted, per_block);
                            let few = fewer_than_20(&tally);
                            let method = Method::Blocks { per_block: u32::try_from(per_block).ok() };
                            let stratum = rows_of(tally, method, population);
                            Seen { estimate: estimate(&[stratum], Level::NINETY_FIVE), few }
                        },
                    ));
                }
            }
        }
    }
    cells
}

#[test]
fn equal_blocks_two_per_cent() {
    prove(&block_cells("blocks 1/50", &[40; 10_000], &[1.0], 1000));
}

#[test]
fn equal_blocks_ten_per_cent() {
    prove(&block_cells("blocks 1/10", &[40; 2000], &[1.0], 2000));
}

#[test]
fn equal_blocks_half_read() {
    prove(&block_cells("blocks 1/2 exact", &[40; 400], &[1.0], 3000));
}

#[test]
fn unequal_blocks() {
    // a third are a tenth full, a third half, a third full
    let sizes: Vec<u64> = (0..2000).map(|i| [6, 30, 60][i % 3]).collect();
    prove(&block_cells("unequal 1/10", &sizes, &[1.0], 4000));
}

#[test]
fn blocks_under_a_where() {
    let sizes: Vec<u64> = (0..2000).map(|i| [20, 40, 60][i % 3]).collect();
    prove(&block_cells("where 1/10", &sizes, &[0.2], 5000));
}

/// Both strata of a table: `recent` small and worse, `body` large; each drawn its own way.
#[test]
fn strata() {
    let mut cells = Vec::new();
    for (recent_bad, body_bad) in [(0.0, 0.0), (0.02, 0.0), (0.2, 0.0005), (0.1, 0.1), (0.5, 0.002)] {
        for recent_share in [0.01, 0.3] {
            for shape in [Shape::Scattered, Shape::Whole] {
                for (clustered, recent_all, share) in
                    [(false, false, 1.0), (true, false, 1.0), (true, true, 1.0), (true, false, 0.2)]
                {
                    if !clustered && shape == Shape::Whole {
                        continue;
                    }
                    let body_blocks = 10_000_usize;
                    let recent_blocks = (body_blocks as f64 * recent_share / (1.0 - recent_share)) as usize;
                    let mut recent = table(shape, &vec![20; recent_blocks], share, recent_bad, 1);
                    let mut body = table(shape, &vec![20; body_blocks], share, body_bad, 2);
                    let all: Vec<Block> = recent.iter().chain(&body).copied().collect();
                    let whole = |blocks: &[Block]| Block {
                        live: live(blocks),
                        checked: blocks.iter().map(|b| b.checked).sum(),
                        failing: blocks.iter().map(|b| b.failing).sum(),
                    };
                    let (recent_rows, body_rows) = (whole(&recent), whole(&body));
                    let name = format!(
                        "strata {recent_bad} {body_bad} recent {recent_share} {shape:?} blocks {clustered} all recent {recent_all} where {share}"
                    );
                    cells.push(cell(name, cells.len() as u64, truth(&all), PLAIN, |mut rng| {
                        let (recent_drawn, body_drawn, method) = if clustered {
                            (
                                tally_blocks(&mut rng, &mut recent, 50, 5),
                                tally_blocks(&mut rng, &mut body, 200, 5),
                                Method::Blocks { per_block: Some(5) },
                            )
                        } else {
                            let (mut one, mut other) = (Tally::new(), Tally::new());
                            one.add_rows(keep(&mut rng, recent_rows, 100));
                            other.add_rows(keep(&mut rng, body_rows, 900));
                            (one, other, Method::IndependentRows)
                        };
                        let few = clustered && (fewer_than_20(&recent_drawn) || fewer_than_20(&body_drawn));
                        let first = if recent_all {
                            let mut everything = Tally::new();
                            everything.add_rows(keep(&mut rng, recent_rows, recent_rows.live));
                            let population = Population::Exact { rows: recent_rows.live };
                            rows_of(everything, Method::AllRows, population)
                        } else {
                            rows_of(recent_drawn, method, unknown(recent_rows.live))
                        };
                        let strata = [first, rows_of(body_drawn, method, unknown(body_rows.live))];
                        Seen { estimate: estimate(&strata, Level::NINETY_FIVE), few }
                    }));
                }
            }
        }
    }
    prove_coverage(&cells);
    // Where a stratum shows no failing row, or few, what it may hide is the width, and the variance of the estimate says nothing
    // of that; the width is held where both strata fail alike in many units.
    for c in cells.iter().filter(|c| c.name.starts_with("strata 0.1 0.1 ") && c.few < 0.05) {
        assert!(c.ratio <= WIDEST, "{}: width {}", c.name, c.ratio);
    }
}

/// Every look's interval must hold at once: nested rows, the plan's level, and no stopping rule can do worse.
#[test]
fn all_looks_together() {
    let plan =
        LookPlan::enlarging(fieldmark_statistics::looks::LookSize { wanted: 50, budget: 3200, population: 20_000 });
    assert_eq!(plan.looks.len(), 7);
    let mut cells = Vec::new();
    for shape in [Shape::Scattered, Shape::Whole] {
        for fraction in [0.001, 0.005, 0.02, 0.1] {
            for per_block in [1, 4] {
                let mut blocks = table(shape, &[5; 4000], 1.0, fraction, 3);
                let truth = truth(&blocks);
                let population = unknown(live(&blocks));
                let looks = plan.looks.clone();
                let level = plan.level;
                cells.push(cell(
                    format!("{} looks {shape:?} {fraction} per block {per_block}", looks.len()),
                    cells.len() as u64,
                    truth,
                    PLAIN,
                    |mut rng| {
                        let most = looks.last().unwrap().rows / per_block;
                        shuffle_front(&mut rng, &mut blocks, most as usize);
                        let mut tally = Tally::new();
                        let mut worst: Option<Seen> = None;
                        for look in looks.iter().filter(|look| !look.all_rows) {
                            while tally.units() < look.rows / per_block {
                                let block = blocks[tally.units() as usize];
                                tally.add_unit(DrawnUnit { live: block.live, rows: keep(&mut rng, block, per_block) });
                            }
                            let method = Method::Blocks { per_block: u32::try_from(per_block).ok() };
                            let seen = Seen {
                                estimate: estimate(&[rows_of(tally.clone(), method, population)], level),
                                few: true,
                            };
                            let missed = !seen.estimate.bounds.contains(truth);
                            if worst.is_none() || missed {
                                worst = Some(seen);
                            }
                            if missed {
                                break;
                            }
                        }
                        worst.unwrap()
                    },
                ));
            }
        }
    }
    prove_coverage(&cells);
}

/// The limit of the rule "20 failing blocks": many scattered failing rows hide that a few whole blocks fail as well and were missed.
/// Only the number of blocks as evidence, always, would cover this, at the price that `per_block` above 1 says nothing more than 1.
/// With one row per block it is covered. Kept so that the limit is a measured one.
#[test]
fn rare_whole_blocks_behind_scattered_failures() {
    let mut cells = Vec::new();
    for per_block in [1, 25] {
        let mut blocks = table(Shape::Scattered, &[50; 8000], 1.0, 0.005, 5);
        for block in blocks.iter_mut().take(40) {
            block.failing = block.live;
        }
        let population = unknown(live(&blocks));
        cells.push(cell(
            format!("rare whole blocks behind scattered failures, per block {per_block}"),
            per_block,
            truth(&blocks),
            PLAIN,
            |mut rng| {
                let tally = tally_blocks(&mut rng, &mut blocks, 400, per_block);
                let method = Method::Blocks { per_block: u32::try_from(per_block).ok() };
                Seen { estimate: estimate(&[rows_of(tally, method, population)], Level::NINETY_FIVE), few: true }
            },
        ));
    }
    prove_coverage(&cells[..1]);
    println!("not promised: {} {} covered", cells[1].name, cells[1].covered);
}

/// The number of rows, from the blocks read and from what `where` kept of them; and a mean.
#[test]
fn populations_and_means() {
    use fieldmark_statistics::mean::{MeanEvidence, MeanTally, UnitValues, estimate_mean};
    use fieldmark_statistics::population::{KeyHits, LiveRows, kept_by_where};
    let sizes: Vec<u64> = (0..3000).map(|i| [5, 30, 60][i % 3]).collect();
    let mut blocks = table(Shape::KeyRange, &sizes, 0.3, 0.1, 6);
    let all = live(&blocks);
    let kept: u64 = blocks.iter().map(|b| b.checked).sum();
    // the mean of a value that is 1 on failing rows and 3 on the others
    let mean = 3.0 - 2.0 * truth(&blocks);
    let level = Level::NINETY_FIVE;
    let mut rng = generator(31);
    let mut covered = [0; 4];
    let mut with_interval = 0;
    for _ in 0..DRAWS {
        shuffle_front(&mut rng, &mut blocks, 300);
        let (mut rows, mut tally, mut values) = (LiveRows::default(), Tally::new(), MeanTally::new());
        for &block in &blocks[..300] {
            let seen = keep(&mut rng, block, 10);
            rows.add_block(block.live);
            tally.add_unit(DrawnUnit { live: block.live, rows: seen });
            values.add_unit(UnitValues {
                live: block.live,
                kept: seen.kept,
                checked: seen.checked,
                sum: 3.0 * seen.checked as f64 - 2.0 * seen.failed as f64,
            });
        }
        let method = Method::Blocks { per_block: Some(10) };
        let guess = rows.population(3000, level);
        covered[0] += usize::from(guess.interval().contains(all as f64));
        let halved = rows.population(3000, level.shared_by(2));
        let of_where = kept_by_where(&tally, method, halved, level);
        covered[1] += usize::from(of_where.interval().contains(kept as f64));
        let evidence = MeanEvidence { method, population: guess, tally: values };
        let got = estimate_mean(&[evidence], level).unwrap();
        with_interval += usize::from(got.interval.is_some());
        covered[2] += usize::from(got.interval.is_none_or(|interval| interval.contains(mean)));
        let hits = (0..200).filter(|_| rng.random_bool(0.3)).count() as u64;
        let keys = KeyHits { span: 1_000_000, drawn: 200, hits };
        covered[3] += usize::from(keys.population(level).interval().contains(300_000.0));
    }
    println!("rows, rows of where, mean, keys: {covered:?}; an interval of the mean in {with_interval}");
    assert!(covered.iter().all(|&c| c >= LEAST_COVERED), "{covered:?}");
}

/// The mean of values that are skewed: of all samples few give an interval that does not hold.
#[test]
fn means_of_skewed_values() {
    use fieldmark_statistics::mean::{MeanEvidence, MeanTally, estimate_mean};
    let normal = |rng: &mut rand_chacha::ChaCha12Rng| {
        let (one, other): (f64, f64) = (rng.random(), rng.random());
        (-2.0 * (1.0 - one).ln()).sqrt() * (std::f64::consts::TAU * other).cos()
    };
    type Draw<'a> = (&'a str, f64, &'a dyn Fn(&mut rand_chacha::ChaCha12Rng) -> f64);
    let draws: [Draw<'_>; 6] = [
        ("normal", 0.0, &|rng| normal(rng)),
        ("exponential", 1.0, &|rng| -(1.0 - rng.random::<f64>()).ln()),
        ("lognormal 1", 0.5f64.exp(), &|rng| normal(rng).exp()),
        ("lognormal 1.5", 1.125f64.exp(), &|rng| (1.5 * normal(rng)).exp()),
        ("one in a hundred", 10.99, &|rng| if rng.random_bool(0.01) { 1_000.0 } else { 1.0 }),
        ("Pareto 3", 1.5, &|rng| (1.0 - rng.random::<f64>()).powf(-1.0 / 3.0)),
    ];
    let population = Population::Estimated { rows: 1e9, interval: Interval { low: 0.0, high: 1e12 } };
    for (name, mean, draw) in draws {
        for rows in [100, 1_000, 5_000] {
            let mut rng = generator(77 + rows);
            let (mut given, mut covered) = (0, 0);
            for _ in 0..DRAWS {
                let mut tally = MeanTally::new();
                (0..rows).for_each(|_| tally.add_row(Some(draw(&mut rng))));
                let evidence = MeanEvidence { method: Method::IndependentRows, population, tally };
                let Some(interval) = estimate_mean(&[evidence], Level::NINETY_FIVE).unwrap().interval else { continue };
                given += 1;
                covered += usize::from(interval.contains(mean));
            }
            let share = covered as f64 / f64::from(given).max(1.0);
            println!("{name} {rows}: an interval in {given} of {DRAWS}, {covered} cover ({share:.4})");
            let honest = f64::from(given) * 0.95 - 3.3 * (f64::from(given) * 0.95 * 0.05).sqrt();
            let light = ["normal", "exponential", "lognormal 1"].contains(&name);
            assert!(!light || covered as f64 >= honest, "{name} {rows}: {covered} of {given}");
            let wrong = given as usize - covered;
            assert!(DRAWS - wrong >= LEAST_COVERED, "{name} {rows}: {wrong} of {DRAWS} are wrong");
            assert!(name != "normal" || given as usize >= DRAWS * 99 / 100, "{given}");
        }
    }
}

/// The mean over two strata of which one is drawn and keeps few rows: how much it weighs is an estimate as well.
#[test]
fn a_mean_over_strata_whose_weights_are_estimated() {
    use fieldmark_statistics::mean::{MeanEvidence, MeanTally, estimate_mean};
    const MEAN: f64 = (2_000.0 * 100.0 + 5_000.0 * 1_000.0) / 7_000.0;
    let all = Population::Estimated { rows: 100_000.0, interval: Interval { low: 100_000.0, high: 100_000.0 } };
    let mut rng = generator(4_711);
    let (mut given, mut covered) = (0, 0);
    for _ in 0..DRAWS {
        let (mut body, mut recent) = (MeanTally::new(), MeanTally::new());
        for _ in 0..5_000 {
            body.add_row(rng.random_bool(0.02).then(|| 95.0 + 10.0 * rng.random::<f64>()));
        }
        for row in 0..5_000 {
            recent.add_row(Some(if row % 2 == 0 { 990.0 } else { 1_010.0 }));
        }
        let strata = [
            MeanEvidence { method: Method::IndependentRows, population: all, tally: body },
            MeanEvidence { method: Method::AllRows, population: Population::Exact { rows: 5_000 }, tally: recent },
        ];
        let Some(interval) = estimate_mean(&strata, Level::NINETY_FIVE).unwrap().interval else { continue };
        given += 1;
        covered += usize::from(interval.contains(MEAN));
    }
    println!("strata with estimated weights: {covered} of {given}");
    assert!(given == DRAWS && covered >= LEAST_COVERED, "{covered} of {given}");
}
