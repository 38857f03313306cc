//! Beta, Student and normal tails and their quantiles, in logarithms, good from single rows to 10^9 of them.
//!
//! The binomial kernel is C. Loader's saddle-point form ("Fast and accurate computation of binomial probabilities", 2000), because
//! differences of log-gammas of 10^9 leave six digits. The incomplete beta is the continued fraction of DLMF 8.17.22 by
//! Lentz's method. Quantiles are Newton on the logarithm of the tail in log-odds, where it is concave, inside a bracket.

use statrs::function::erf::erfc;
use statrs::function::gamma::ln_gamma;

const LN_SQRT_TAU: f64 = 0.918_938_533_204_672_8;

/// ln n! minus Stirling's formula for it, for real n >= 0.
pub(crate) fn stirling_error(n: f64) -> f64 {
    if n <= 0.0 {
        return 0.0;
    }
    if n < 16.0 {
        return ln_gamma(n + 1.0) - (n + 0.5) * n.ln() + n - LN_SQRT_TAU;
    }
    let s = n * n;
    (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - (1.0 / 1680.0 - 1.0 / 1188.0 / s) / s) / s) / s) / n
}

/// x ln(x / m) + m - x, without cancellation near x = m.
fn deviance(x: f64, mean: f64) -> f64 {
    if x == 0.0 {
        return mean;
    }
    if (x - mean).abs() < 0.1 * (x + mean) {
        let v = (x - mean) / (x + mean);
        let mut sum = (x - mean) * v;
        let mut term = 2.0 * x * v;
        for j in 1..1000 {
            term *= v * v;
            let next = sum + term / f64::from(2 * j + 1);
            if next == sum {
                break;
            }
            sum = next;
        }
        return sum;
    }
    x * (x / mean).ln() + mean - x
}

/// ln of the binomial kernel Gamma(n+1) / Gamma(k+1) / Gamma(n-k+1) p^k q^(n-k) for real 0 <= k <= n; `q` = 1 - p given apart so that
/// neither loses digits.
pub(crate) fn ln_binomial(k: f64, n: f64, p: f64, q: f64) -> f64 {
    if k <= 0.0 {
        return n * if p < 0.5 { (-p).ln_1p() } else { q.ln() };
    }
    if n - k <= 0.0 {
        return n * if q < 0.5 { (-q).ln_1p() } else { p.ln() };
    }
    let rest = n - k;
    stirling_error(n) - stirling_error(k) - stirling_error(rest) - deviance(k, n * p) - deviance(rest, n * q)
        + 0.5 * (n / (k * rest)).ln()
        - LN_SQRT_TAU
}

/// The continued fraction of the incomplete beta, DLMF 8.17.22.
fn continued_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let keep = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / keep(1.0 - (a + b) * x / (a + 1.0));
    let mut h = d;
    // Converges in O(sqrt(max(a, b))) steps; the bound is for arguments that are no numbers.
    for m in 1..200_000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / keep(1.0 + even * d);
        c = keep(1.0 + even / c);
        h *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / keep(1.0 + odd * d);
        c = keep(1.0 + odd / c);
        let step = d * c;
        h *= step;
        if (step - 1.0).abs() < 1e-15 {
            break;
        }
    }
    h
}

/// ln of x^a y^b / (a B(a, b)), y = 1 - x.
fn ln_front(a: f64, b: f64, x: f64, y: f64) -> f64 {
    // x^a y^b Gamma(a+b) / (Gamma(a) Gamma(b)) = b/(a+b) * a * kernel(a of a+b)
    ln_binomial(a, a + b, x, y) + (b / (a + b)).ln()
}

/// ln of the regularised incomplete beta I_x(a, b), with y = 1 - x given apart.
pub(crate) fn ln_beta_cdf(a: f64, b: f64, x: f64, y: f64) -> f64 {
    if x <= 0.0 {
        return f64::NEG_INFINITY;
    }
    if y <= 0.0 {
        return 0.0;
    }
    if x < (a + 1.0) / (a + b + 2.0) {
        (ln_front(a, b, x, y) + continued_fraction(a, b, x).ln()).min(0.0)
    } else {
        let other = ln_front(b, a, y, x) + continued_fraction(b, a, y).ln();
        (-other.exp().min(1.0)).ln_1p()
    }
}

/// The x with I_x(a, b) = `tail`, as (x, 1 - x), each to full precision. `a`, `b` > 0, 0 < tail < 1.
pub(crate) fn beta_quantile(a: f64, b: f64, tail: f64) -> (f64, f64) {
    let target = tail.ln();
    let (mut low, mut high) = (-745.0_f64, 745.0_f64);
    let mut u = (a / b).ln().clamp(-700.0, 700.0);
    for _ in 0..300 {
        let (x, y) = (1.0 / (1.0 + (-u).exp()), 1.0 / (1.0 + u.exp()));
        let value = ln_beta_cdf(a, b, x, y);
        let gap = value - target;
        if gap > 0.0 {
            high = u
        } else {
            low = u
        }
        // d ln I / du = x^a y^b / B(a, b) / I
        let slope = (ln_front(a, b, x, y) + a.ln() - value).exp();
        let next = u - gap / slope;
        let next = if next > low && next < high { next } else { 0.5 * (low + high) };
        let step = (next - u).abs();
        u = next;
        if step <= 1e-14 * u.abs().max(1.0) || high - low < 1e-14 {
            break;
        }
    }
    (1.0 / (1.0 + (-u).exp()), 1.0 / (1.0 + u.exp()))
}

/// The t with P(T > t) = `tail` (0 < tail < 0.5) for Student's distribution with `df` > 0 degrees of freedom.
pub(crate) fn student_upper(tail: f64, df: f64) -> f64 {
    // T^2 / (df + T^2) is Beta(1/2, df/2)
    let (x, y) = beta_quantile(0.5 * df, 0.5, 2.0 * tail);
    (df * y / x).sqrt()
}

/// ln P(T > t), t >= 0, for Student's distribution.
pub(crate) fn ln_student_tail(t: f64, df: f64) -> f64 {
    let (x, y) = (df / (df + t * t), t * t / (df + t * t));
    ln_beta_cdf(0.5 * df, 0.5, x, y) - std::f64::consts::LN_2
}

/// ln P(Z > z) for the standard normal, z >= 0.
fn ln_normal_tail(z: f64) -> f64 {
    if z < 30.0 {
        return (0.5 * erfc(z / std::f64::consts::SQRT_2)).ln();
    }
    // Mills' ratio, Abramowitz and Stegun 26.2.12; the next term is below 1e-8 here
    let s = 1.0 / (z * z);
    -0.5 * z * z - LN_SQRT_TAU - z.ln() + (-s + 3.0 * s * s - 15.0 * s * s * s).ln_1p()
}

/// The z >= 0 with ln P(Z > z) = `ln_tail`; 0 for tails of a half and more.
pub(crate) fn normal_upper(ln_tail: f64) -> f64 {
    if ln_tail >= -std::f64::consts::LN_2 {
        return 0.0;
    }
    let (mut low, mut high) = (0.0, (-2.0 * ln_tail).sqrt() + 1.0);
    for _ in 0..200 {
        let z = 0.5 * (low + high);
        if ln_normal_tail(z) > ln_tail {
            low = z;
        } else {
            high = z;
        }
        if high - low < 1e-13 * high {
            break;
        }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: f64, want: f64, relative: f64) {
        assert!((got - want).abs() <= relative * want.abs(), "{got} is not {want}");
    }

    #[test]
    fn student_quantiles_of_the_printed_tables() {
        for (tail, df, want) in [
            (0.025, 1.0, 12.706_204_736_432_1),
            (0.025, 2.0, 4.302_652_729_911_28),
            (0.025, 10.0, 2.228_138_851_964_94),
            (0.025, 30.0, 2.042_272_456_301_24),
            (0.005, 5.0, 4.032_142_983_557_54),
            (0.025, 1e8, 1.959_963_984_540_05),
            (0.0005, 9.0, 4.780_912_585_931_14),
        ] {
            near(student_upper(tail, df), want, 1e-7);
            near(ln_student_tail(want, df), tail.ln(), 1e-6);
        }
    }

    #[test]
    fn normal_quantiles() {
        for (tail, want) in [(0.025, 1.959_963_984_540_05), (1e-4, 3.719_016_485_455_68), (1e-9, 5.997_807_015_007_69)]
        {
            near(normal_upper(f64::ln(tail)), want, 1e-9);
        }
        near(normal_upper(ln_normal_tail(29.99)), 29.99, 1e-9);
        near(normal_upper(ln_normal_tail(60.0)), 60.0, 1e-9);
        // both branches of the tail meet
        near(ln_normal_tail(30.0 - 1e-9), ln_normal_tail(30.0), 1e-8);
    }

    #[test]
    fn beta_quantile_inverts_the_tail_over_nine_decades() {
        for (a, b) in
            [(1.0, 1.0), (0.3, 400.0), (1.0, 1e9), (3.5, 9996.5), (5e5, 5e5), (1e3, 1e9), (1e6, 1.0), (0.5, 0.5)]
        {
            for tail in [1e-9, 1e-4, 0.003, 0.025, 0.3, 0.9, 0.999] {
                let (x, y) = beta_quantile(a, b, tail);
                near(ln_beta_cdf(a, b, x, y).exp(), tail, 1e-7);
                assert!((x + y - 1.0).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn binomial_kernel_keeps_its_digits() {
        near(ln_binomial(2.0, 5.0, 0.3, 0.7).exp(), 0.3087, 1e-12);
        near(ln_binomial(0.0, 10.0, 0.5, 0.5).exp(), 1.0 / 1024.0, 1e-12);
        near(ln_binomial(10.0, 10.0, 0.5, 0.5).exp(), 1.0 / 1024.0, 1e-12);
        // the central term of 10^9 tosses, 1 / sqrt(pi n / 2) (1 - 1/(4n) ...)
        let want = (2.0 / (std::f64::consts::PI * 1e9)).sqrt();
        near(ln_binomial(5e8, 1e9, 0.5, 0.5).exp(), want, 1e-8);
    }
}
