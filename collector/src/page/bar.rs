//! A failing fraction with its interval, drawn on a line.

use fieldmark_model::number::{interval, percent};

/// The least fraction that has a place of its own on the line, as a power of ten; the greatest is all.
const LEAST: f64 = -5.0;

/// A fraction, its interval and what is tolerated, in percent of the line's width. The line is logarithmic, 0.001 % to 100 %.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bar {
    /// The same in words.
    pub(super) label: String,
    /// Where the interval begins.
    pub(super) from: String,
    /// How wide it is.
    pub(super) width: String,
    /// Where the fraction is.
    pub(super) at: String,
    /// Where what is tolerated ends, where anything is.
    pub(super) limit: Option<String>,
}

impl Bar {
    /// Of a fraction.
    pub(super) fn of(fraction: f64, bounds: [f64; 2], tolerance: f64) -> Self {
        let [low, high] = bounds.map(place);
        let tolerated = (tolerance > 0.0).then(|| format!(", {} tolerated", percent(tolerance)));
        let label = format!("{} fail, {}{}", percent(fraction), interval(bounds), tolerated.unwrap_or_default());
        Self {
            label,
            from: text(low),
            width: text((high - low).max(1.5)),
            at: text(place(fraction)),
            limit: (tolerance > 0.0).then(|| text(place(tolerance))),
        }
    }
}

/// Where a fraction is on the line, in percent of its width.
fn place(fraction: f64) -> f64 {
    if fraction > 0.0 { (100.0 * (1.0 - fraction.log10() / LEAST)).clamp(0.0, 100.0) } else { 0.0 }
}

fn text(place: f64) -> String {
    format!("{place:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_has_its_place_on_a_logarithmic_line() {
        for (fraction, at) in [(0.0, 0.0), (1e-9, 0.0), (1e-5, 0.0), (0.001, 40.0), (0.01, 60.0), (1.0, 100.0)] {
            assert!((place(fraction) - at).abs() < 0.01, "{fraction}: {}", place(fraction));
        }
        let bar = Bar::of(0.01, [0.001, 0.1], 0.0001);
        assert_eq!((bar.from.as_str(), bar.width.as_str(), bar.at.as_str()), ("40.0", "40.0", "60.0"));
        assert_eq!(bar.limit.as_deref(), Some("20.0"));
        assert_eq!(bar.label.replace('\u{202f}', " "), "1 % fail, 0.1 % to 10 %, 0.01 % tolerated");
    }
}
