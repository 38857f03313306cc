//! Axes of numbers: their edges are 1, 2 or 5 times a power of ten, or whole multiples of such a step.

/// The middle of the values is cut out where it takes less than one part in so many of the whole.
const DOMINATED: f64 = 4.0;
/// Even steps that put more of one side into one bin are held against rising ones.
const CROWDED: f64 = 0.6;
/// Rising steps are taken where they put so much less of it into one bin.
const RELIEF: f64 = 0.75;
/// How far down rising steps go where values begin at zero.
const DEPTH: f64 = 1_000.0;
/// Steps between which floating point still tells numbers apart.
const RELATIVE: f64 = 1e-12;
/// Steps smaller than this are none.
const SMALLEST: f64 = 1e-100;
/// Two steps that differ by less are the same.
const SAME: f64 = 1.0 + 1e-9;

/// The ends of what an axis has to show.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    pub(super) low: f64,
    pub(super) high: f64,
}

/// What an axis has to show of these sorted values: all but so many at each end, and of long tails not the outermost hundredth.
pub(super) fn span(sides: &[&[f64]], spare: usize) -> Option<Span> {
    let whole = without(sides, |_| spare)?;
    let inner = without(sides, |values| spare.max(values / 100))?;
    let (wide, narrow) = (whole.high - whole.low, inner.high - inner.low);
    Some(if narrow > 0.0 && wide > DOMINATED * narrow { inner } else { whole })
}

/// From the least to the greatest value of any side, so many left out at each end of each.
fn without(sides: &[&[f64]], left_out: impl Fn(usize) -> usize) -> Option<Span> {
    let ends = sides.iter().filter_map(|values| {
        let out = left_out(values.len());
        let rest = values.get(out..values.len().checked_sub(out)?)?;
        Some(Span { low: *rest.first()?, high: *rest.last()? })
    });
    ends.reduce(|one, other| Span { low: one.low.min(other.low), high: one.high.max(other.high) })
}

/// Edges over these sorted values, for `limit` bins at most (two or more) of `least` at least. `None` where there is too little to show.
pub(super) fn edges(sides: &[&[f64]], spare: usize, limit: usize, least: f64) -> Option<Vec<f64>> {
    let span = span(sides, spare)?;
    let even = even(span, limit, least)?;
    let crowd = crowding(sides, &even);
    let rising = if crowd > CROWDED { rising(span, limit, least) } else { None };
    Some(rising.filter(|rising| crowding(sides, rising) < RELIEF * crowd).unwrap_or(even))
}

/// The largest part of a side's values that lies in one bin.
fn crowding(sides: &[&[f64]], edges: &[f64]) -> f64 {
    let of_side = |values: &&[f64]| {
        let before = |edge: &f64| values.partition_point(|value| value < edge);
        let bins = edges.iter().zip(edges.iter().skip(1)).map(|(from, to)| before(to) - before(from));
        bins.max().unwrap_or(0) as f64 / values.len().max(1) as f64
    };
    sides.iter().map(of_side).fold(0.0, f64::max)
}

/// A step of 1, 2 or 5 times a power of ten.
#[derive(Clone, Copy, Debug)]
struct Step {
    digit: i64,
    power: i32,
}

impl Step {
    /// All steps from a decade below `from` on, rising.
    fn rising(from: f64, decades: i32) -> impl Iterator<Item = Self> {
        let first = from.log10().floor() as i32 - 1;
        (first..first + decades).flat_map(|power| [1, 2, 5].map(|digit| Self { digit, power }))
    }

    /// So many steps from zero. A division by a power of ten gives the number nearest to the decimal one.
    fn times(self, index: i64) -> f64 {
        let digits = index as f64 * self.digit as f64;
        if self.power >= 0 { digits * 10_f64.powi(self.power) } else { digits / 10_f64.powi(-self.power) }
    }

    /// The last whole number of steps that is not above.
    fn below(self, value: f64) -> i64 {
        let index = (value / self.times(1)).floor() as i64;
        // the division may have been rounded
        if self.times(index) > value {
            index.saturating_sub(1)
        } else if self.times(index.saturating_add(1)) <= value {
            index.saturating_add(1)
        } else {
            index
        }
    }
}

/// The smallest even steps that fit, at whole multiples.
fn even(span: Span, limit: usize, least: f64) -> Option<Vec<f64>> {
    let size = span.low.abs().max(span.high.abs());
    let width = span.high - span.low;
    // of one value only two digits are told
    let least = if width > 0.0 { least } else { least.max(size / 100.0) };
    let least = least.max(size * RELATIVE).max(SMALLEST);
    let limit = i64::try_from(limit).ok()?;
    let wide_enough = |step: &Step| step.times(1) * SAME >= least;
    Step::rising((width / limit as f64).max(least), 5).filter(wide_enough).find_map(|step| {
        let (first, last) = (step.below(span.low), step.below(span.high).saturating_add(1));
        (last.saturating_sub(first) <= limit).then(|| (first..=last).map(|index| step.times(index)).collect())
    })
}

/// Steps of 1, 2, 5, 10 and so on, after one from zero where values begin lower. `None` where some are below zero, or they do not fit.
fn rising(span: Span, limit: usize, least: f64) -> Option<Vec<f64>> {
    if span.low < 0.0 || span.high <= 0.0 {
        return None;
    }
    let start = if span.low > 0.0 { span.low } else { span.high / DEPTH };
    let start = start.max(least).max(SMALLEST);
    let steps: Vec<f64> = Step::rising(start, 12).map(|step| step.times(1)).collect();
    let first = steps.iter().rposition(|step| *step <= start * SAME && step * SAME >= least)?;
    let last = steps.iter().position(|step| *step > span.high)?;
    let rest = steps.get(first..=last)?;
    let zero = rest.first().is_some_and(|edge| span.low < *edge).then_some(0.0);
    let edges: Vec<f64> = zero.into_iter().chain(rest.iter().copied()).collect();
    (3..=limit + 1).contains(&edges.len()).then_some(edges)
}
