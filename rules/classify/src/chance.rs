//! Chance, the same each time: xorshift64* (Vigna 2016), for simulations.

pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    /// Between 0 and 1, neither of them.
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// How many of so many rows fail: by the distances between those that do.
    pub(crate) fn binomial(&mut self, rows: u64, fraction: f64) -> u64 {
        let (mut at, mut failed) = (0.0, 0);
        if fraction <= 0.0 {
            return 0;
        }
        if fraction >= 1.0 {
            return rows;
        }
        loop {
            at += 1.0 + (self.uniform().ln() / (1.0 - fraction).ln()).floor();
            if at > rows as f64 {
                return failed;
            }
            failed += 1;
        }
    }

    pub(crate) fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// The same where rows of one check fail together, of this correlation: the fraction is drawn anew for each.
    pub(crate) fn clustered(&mut self, rows: u64, fraction: f64, correlation: f64) -> u64 {
        // a gamma distribution of the fraction's mean and variance, by Wilson and Hilferty's cube
        let shape = fraction / correlation;
        let ninth = 1.0 / (9.0 * shape);
        let drawn = fraction * (1.0 - ninth + self.normal() * ninth.sqrt()).max(0.0).powi(3);
        self.binomial(rows, drawn.min(1.0))
    }
}
