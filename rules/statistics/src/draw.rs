//! Drawing keys, rows and shares, given a generator.

use std::collections::BTreeMap;

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha12Rng;

use crate::StatisticsError;

/// The generator of a seed; the same numbers on every platform and for every version of this crate.
#[must_use]
pub fn generator(seed: u64) -> ChaCha12Rng {
    ChaCha12Rng::seed_from_u64(seed)
}

/// Inclusive range of an integer key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRange {
    /// Smallest key.
    pub min: i64,
    /// Largest key.
    pub max: i64,
}

impl KeyRange {
    /// Keys in the range, 0 where it is empty; up to 2^64.
    #[must_use]
    pub fn span(&self) -> u128 {
        if self.min > self.max { 0 } else { (i128::from(self.max) - i128::from(self.min)).unsigned_abs() + 1 }
    }
}

/// Keys of a range in a uniformly random order, handed out as asked for: any beginning of it is a uniform draw without
/// replacement, so looks and batches nest. Fisher and Yates's shuffle that remembers only the places it has touched (O(drawn) memory).
#[derive(Debug, Clone)]
pub struct KeyDraw {
    range: KeyRange,
    drawn: u128,
    moved: BTreeMap<u64, u64>,
}

impl KeyDraw {
    /// A draw that has handed out nothing.
    ///
    /// # Errors
    /// [`StatisticsError::EmptyRange`].
    pub fn new(range: KeyRange) -> Result<Self, StatisticsError> {
        if range.min > range.max {
            return Err(StatisticsError::EmptyRange { min: range.min, max: range.max });
        }
        Ok(Self { range, drawn: 0, moved: BTreeMap::new() })
    }

    /// Keys handed out so far.
    #[must_use]
    pub fn drawn(&self) -> u128 {
        self.drawn
    }

    /// The next key, `None` once all are out.
    pub fn next_key<R: Rng + ?Sized>(&mut self, rng: &mut R) -> Option<i64> {
        let span = self.range.span();
        if self.drawn >= span {
            return None;
        }
        let here = self.drawn as u64;
        let there = rng.random_range(here..=(span - 1) as u64);
        let at_here = self.moved.remove(&here).unwrap_or(here);
        let offset = if there == here { at_here } else { self.moved.insert(there, at_here).unwrap_or(there) };
        self.drawn += 1;
        // offset < 2^64 from min: the sum fits because it is at most max
        i64::try_from(i128::from(self.range.min) + i128::from(offset)).ok()
    }

    /// The next `count` keys, fewer once the range is used up, in random order.
    pub fn next_keys<R: Rng + ?Sized>(&mut self, rng: &mut R, count: usize) -> Vec<i64> {
        std::iter::from_fn(|| self.next_key(rng)).take(count).collect()
    }
}

/// `wanted` distinct keys of a range, uniformly, in random order.
///
/// # Errors
/// [`StatisticsError::EmptyRange`]; [`StatisticsError::TooFew`] where the range has fewer keys.
pub fn distinct_keys<R: Rng + ?Sized>(rng: &mut R, range: KeyRange, wanted: u64) -> Result<Vec<i64>, StatisticsError> {
    let mut draw = KeyDraw::new(range)?;
    let available = range.span();
    if u128::from(wanted) > available {
        return Err(StatisticsError::TooFew { wanted, available });
    }
    Ok(std::iter::from_fn(|| draw.next_key(rng)).take(usize::try_from(wanted).unwrap_or(usize::MAX)).collect())
}

/// Which `per_block` of a block's `live` rows to keep: positions from 0, ascending, uniformly without replacement; all of them
/// where there are no more.
pub fn rows_of_block<R: Rng + ?Sized>(rng: &mut R, live: u64, per_block: u64) -> Vec<u64> {
    if live <= per_block {
        return (0..live).collect();
    }
    // Floyd's draw of distinct numbers (Bentley and Floyd 1987): one number each, no rejection.
    let mut kept = std::collections::BTreeSet::new();
    for j in live - per_block..live {
        let at = rng.random_range(0..=j);
        if !kept.insert(at) {
            kept.insert(j);
        }
    }
    kept.into_iter().collect()
}

/// Splits `wanted` rows over strata or partitions in proportion to their sizes, by largest remainders. Every stratum that has rows
/// gets at least one where `wanted` reaches (a stratum not looked at may fail wholly), none more than it has; together
/// min(`wanted`, all rows). Same length and order as `sizes`.
#[must_use]
pub fn split_by_size(wanted: u64, sizes: &[u64]) -> Vec<u64> {
    let total: u128 = sizes.iter().map(|&s| u128::from(s)).sum();
    let filled = sizes.iter().filter(|&&s| s > 0).count() as u64;
    if total <= u128::from(wanted) {
        return sizes.to_vec();
    }
    // One each first, where that is possible; the rest by what is left of each size.
    let floor = u64::from(wanted >= filled);
    let rest: Vec<u128> = sizes.iter().map(|&s| u128::from(s.saturating_sub(floor))).collect();
    let rest_total: u128 = rest.iter().sum();
    let to_split = wanted - floor * filled.min(wanted);
    let mut shares: Vec<(u64, u128)> = rest
        .iter()
        .map(|&r| {
            let product = u128::from(to_split) * r;
            ((product / rest_total.max(1)) as u64, product % rest_total.max(1))
        })
        .collect();
    let given: u64 = shares.iter().map(|s| s.0).sum();
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(shares.get(i).map(|s| s.1)));
    for i in order.into_iter().take((to_split - given) as usize) {
        if let Some(share) = shares.get_mut(i) {
            share.0 += 1;
        }
    }
    shares.iter().zip(sizes).map(|(share, &size)| share.0 + floor.min(size)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_seed_repeats_the_draw_everywhere() {
        let range = KeyRange { min: 1, max: 1000 };
        let once = distinct_keys(&mut generator(7), range, 5).unwrap();
        assert_eq!(once, distinct_keys(&mut generator(7), range, 5).unwrap());
        assert_ne!(once, distinct_keys(&mut generator(8), range, 5).unwrap());
        assert_eq!(once, [31, 308, 145, 544, 276]);
    }

    #[test]
    fn whole_range_without_overflow() {
        let range = KeyRange { min: i64::MIN, max: i64::MAX };
        assert_eq!(range.span(), 1 << 64);
        let keys = distinct_keys(&mut generator(1), range, 10_000).unwrap();
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), 10_000);
        let negative = keys.iter().filter(|k| **k < 0).count();
        assert!((4700..5300).contains(&negative));
        let one = KeyRange { min: i64::MAX, max: i64::MAX };
        assert_eq!(distinct_keys(&mut generator(1), one, 1).unwrap(), [i64::MAX]);
        assert!(distinct_keys(&mut generator(1), one, 2).is_err());
        assert!(KeyDraw::new(KeyRange { min: 1, max: 0 }).is_err());
    }

    #[test]
    fn nested_batches_are_one_permutation() {
        let range = KeyRange { min: -50, max: 49 };
        let mut rng = generator(3);
        let mut draw = KeyDraw::new(range).unwrap();
        let mut all = draw.next_keys(&mut rng, 30);
        all.extend(draw.next_keys(&mut rng, 1000));
        assert_eq!(draw.next_key(&mut rng), None);
        all.sort_unstable();
        assert_eq!(all, (-50..50).collect::<Vec<_>>());
    }

    #[test]
    fn every_key_and_position_is_equally_likely() {
        let mut rng = generator(11);
        let (mut first, mut kept) = ([0_u32; 10], [0_u32; 10]);
        for _ in 0..20_000 {
            for key in distinct_keys(&mut rng, KeyRange { min: 0, max: 9 }, 3).unwrap() {
                first[key as usize] += 1;
            }
            for at in rows_of_block(&mut rng, 10, 3) {
                kept[at as usize] += 1;
            }
        }
        // 6000 each, standard deviation 65
        for count in first.into_iter().chain(kept) {
            assert!((5700..6300).contains(&count), "{count}");
        }
        assert_eq!(rows_of_block(&mut rng, 3, 5), [0, 1, 2]);
        assert_eq!(rows_of_block(&mut rng, 0, 5), [0_u64; 0]);
    }

    #[test]
    fn shares_follow_sizes() {
        for (wanted, sizes, want) in [
            (10, vec![], vec![]),
            (10, vec![100, 100], vec![5, 5]),
            (10, vec![3, 4], vec![3, 4]),
            (10, vec![0, 1000, 1], vec![0, 9, 1]),
            (2, vec![10, 10, 30], vec![0, 1, 1]),
            (100, vec![u64::MAX, u64::MAX], vec![50, 50]),
        ] {
            let got = split_by_size(wanted, &sizes);
            assert_eq!(got.iter().sum::<u64>(), want.iter().sum::<u64>());
            if wanted != 2 {
                assert_eq!(got, want, "{wanted} {sizes:?}");
            }
        }
    }
}
