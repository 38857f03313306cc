//! Which blocks a seed draws.

use rand::RngExt as _;
use rand_chacha::ChaCha12Rng;
use std::collections::HashMap;

/// So many of `total` blocks after the first `skip` of the seed's own sequence, sorted. The sequence is a shuffle of all blocks
/// (Fisher and Yates, of which only the places that were touched are kept), so that a draw which goes on meets no block again.
pub(crate) fn drawn(random: &mut ChaCha12Rng, total: u64, skip: u64, wanted: u64) -> Vec<u64> {
    let mut moved: HashMap<u64, u64> = HashMap::new();
    let end = skip.saturating_add(wanted).min(total);
    let mut drawn = Vec::new();
    for at in 0..end {
        let from = random.random_range(at..total);
        let block = moved.get(&from).copied().unwrap_or(from);
        let here = moved.remove(&at).unwrap_or(at);
        moved.insert(from, here);
        if at >= skip {
            drawn.push(block);
        }
    }
    drawn.sort_unstable();
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    #[test]
    fn a_draw_is_repeatable_distinct_and_goes_on() {
        let draw = |seed, skip, wanted| drawn(&mut ChaCha12Rng::seed_from_u64(seed), 1000, skip, wanted);
        assert_eq!(draw(1, 0, 100), draw(1, 0, 100));
        assert_ne!(draw(1, 0, 100), draw(2, 0, 100));
        assert!(draw(3, 0, 100).windows(2).all(|pair| pair[0] < pair[1]) && draw(3, 0, 100).len() == 100);
        let parts = [draw(1, 0, 100), draw(1, 100, 250), draw(1, 350, 650), draw(1, 1000, 5)];
        let mut all = parts.concat();
        all.sort_unstable();
        assert_eq!(all, (0..1000).collect::<Vec<_>>());
        assert_eq!(drawn(&mut ChaCha12Rng::seed_from_u64(1), 5, 0, u64::MAX), [0, 1, 2, 3, 4]);
        assert!(drawn(&mut ChaCha12Rng::seed_from_u64(1), 0, 0, 9).is_empty());
    }
}
