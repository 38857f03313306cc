//! Ordinary writes are not the migration's doing: the control comparison under bursty (negative binomial) writes.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use fieldmark_statistics::StatisticsError;
use fieldmark_statistics::compare::{Control, ControlSlice, Exposure, FAMILY_ERROR, holm};
use fieldmark_statistics::draw::generator;
use rand::{Rng, RngExt};

/// Counts with this mean and variance = dispersion * mean, by the inverted distribution function.
struct Counts(Vec<f64>);

impl Counts {
    fn new(mean: f64, dispersion: f64) -> Self {
        let mut p =
            if dispersion > 1.0 { (-(mean / (dispersion - 1.0)) * dispersion.ln()).exp() } else { (-mean).exp() };
        let mut sums = vec![p];
        for k in 0..200_000 {
            let k = f64::from(k);
            p *= if dispersion > 1.0 {
                (k + mean / (dispersion - 1.0)) / (k + 1.0) * (dispersion - 1.0) / dispersion
            } else {
                mean / (k + 1.0)
            };
            let sum = sums.last().unwrap() + p;
            sums.push(sum);
            if k > mean && p < 1e-14 {
                break;
            }
        }
        Self(sums)
    }

    fn draw<R: Rng>(&self, rng: &mut R) -> u64 {
        let u: f64 = rng.random();
        self.0.partition_point(|&sum| sum < u) as u64
    }
}

fn even(slices: Vec<u64>) -> Result<Control, StatisticsError> {
    Control::new(slices.into_iter().map(|changes| ControlSlice { changes, seconds: 1.0 }).collect())
}

/// How often ordinary writes alone are flagged at 1e-2, 1e-3 and 1e-4, of `draws`.
fn alarms(per_slice: f64, dispersion: f64, seconds: f64, draws: usize) -> [usize; 3] {
    let mut rng = generator(17);
    let slice = Counts::new(per_slice, dispersion);
    let whole = Counts::new(per_slice * seconds, dispersion);
    let mut alarms = [0; 3];
    for _ in 0..draws {
        let slices = (0..10).map(|_| slice.draw(&mut rng)).collect();
        let exposure = Exposure { changes: whole.draw(&mut rng), seconds };
        let p = even(slices).unwrap().excess(exposure).unwrap().p_value;
        for (count, level) in alarms.iter_mut().zip([0.01, 0.001, 0.0001]) {
            *count += usize::from(p <= level);
        }
    }
    println!("{per_slice} a slice, dispersion {dispersion}, {seconds} s: {alarms:?} of {draws}");
    alarms
}

/// Held wherever writes come in at least one burst a slice (mean >= dispersion - 1): ten slices then have shown the bursts.
#[test]
fn bursty_writes_are_not_flagged() {
    for (per_slice, dispersion) in
        [(0.2, 1.0), (1.0, 1.0), (5.0, 1.0), (5.0, 3.0), (50.0, 1.0), (50.0, 10.0), (50.0, 50.0), (500.0, 100.0)]
    {
        for seconds in [2.0, 10.0, 60.0] {
            let got = alarms(per_slice, dispersion, seconds, 40_000);
            // 400, 40 and 4 expected at most, and 3.3 standard deviations
            for (count, most) in got.into_iter().zip([466, 61, 11]) {
                assert!(count <= most, "{per_slice} {dispersion} {seconds}: {got:?}");
            }
        }
    }
}

/// Not held, and not to be held by any test of ten slices: bursts rarer than one in two slices. Kept here so that the limit which
/// the module's documentation states is a measured one, and a better rule shows.
#[test]
fn rare_bursts_are_beyond_ten_slices() {
    for (per_slice, dispersion) in [(5.0, 10.0), (1.0, 10.0), (5.0, 40.0)] {
        let got = alarms(per_slice, dispersion, 10.0, 40_000);
        assert!(got[2] <= 40_000 / 40, "{got:?}");
    }
}

/// A verdict of ten columns, half of them bursty, all of them innocent.
#[test]
fn a_family_keeps_its_level() {
    const FAMILIES: usize = 8000;
    let mut rng = generator(23);
    let kinds = [Counts::new(5.0, 1.0), Counts::new(50.0, 10.0)];
    let wholes = [Counts::new(50.0, 1.0), Counts::new(500.0, 10.0)];
    let mut accused = 0;
    for _ in 0..FAMILIES {
        let p_values: Vec<f64> = (0..10)
            .map(|column| {
                let slices = (0..10).map(|_| kinds[column % 2].draw(&mut rng)).collect();
                let exposure = Exposure { changes: wholes[column % 2].draw(&mut rng), seconds: 10.0 };
                even(slices).unwrap().excess(exposure).unwrap().p_value
            })
            .collect();
        accused += usize::from(holm(&p_values, 0.01).contains(&true));
    }
    // 80 expected at most
    assert!(accused <= 110, "{accused} of {FAMILIES}");
}

/// 1 % of a mark of 10 000 rows corrupted, in a table of 100 000 rows with 50 writes a second: 5 of them a second fall on marked rows.
#[test]
fn corruption_amid_writes_is_seen() {
    for (slices, seconds, family, least) in [
        (10, 2.0, 1, 490),
        (10, 2.0, 20, 440),
        (10, 5.0, 1, 450),
        (30, 5.0, 100, 490),
        (30, 10.0, 20, 475),
        (60, 20.0, 20, 475),
    ] {
        let mut rng = generator(9);
        let slice = Counts::new(5.0, 1.0);
        let whole = Counts::new(5.0 * seconds, 1.0);
        let mut seen = 0;
        for _ in 0..500 {
            let slices = (0..slices).map(|_| slice.draw(&mut rng)).collect();
            let exposure = Exposure { changes: whole.draw(&mut rng) + 100, seconds };
            let mut all = vec![0.5; family];
            all[0] = even(slices).unwrap().excess(exposure).unwrap().p_value;
            seen += usize::from(holm(&all, FAMILY_ERROR)[0]);
        }
        println!("{slices} slices, {seconds} s, family of {family}: {seen} of 500");
        assert!(seen >= least, "{slices} {seconds} {family}: {seen}");
    }
}
