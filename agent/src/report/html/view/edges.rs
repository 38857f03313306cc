//! The edges of an axis, as people read them.

use crate::report::words::count;
use fieldmark_model::canonical::{civil, date, timestamp};
use fieldmark_model::shape::ShapeAxis;

const DAY: i64 = 86_400_000_000;
/// Characters that fit under an axis, where there is room and where there is little.
const ROOM: [usize; 2] = [80, 36];

/// Edges with their labels.
pub(super) struct Edges {
    /// In full.
    full: Vec<String>,
    /// As they stand under the axis after the first one.
    short: Vec<String>,
    /// Of lengths, the last whole number before each edge.
    lasts: Vec<String>,
    /// How many steps each is from a round one. The more these divide by, the rounder they are.
    ordinals: Vec<i64>,
    /// What labels may be so many steps apart.
    strides: &'static [i64],
    /// Whether the steps rise.
    pub(super) rising: bool,
    /// Whether each bin is one length, so that labels stand under the bins and not under their edges.
    pub(super) single: bool,
    /// Whether the edges are points in time.
    times: bool,
}

/// What stands under an axis.
pub(super) struct Label {
    /// Under which edge, by its position.
    pub(super) edge: usize,
    pub(super) text: String,
    /// To be left out where there is little room.
    pub(super) crowded: bool,
}

impl Edges {
    /// Those of an axis; `None` of one that has none.
    pub(super) fn of(axis: &ShapeAxis) -> Option<Self> {
        match axis {
            ShapeAxis::Numbers { edges } => Some(Self::of_numbers(edges)),
            ShapeAxis::Times { edges } => Some(Self::of_times(edges)),
            ShapeAxis::Lengths { edges } => {
                let numbers: Vec<f64> = edges.iter().map(|edge| *edge as f64).collect();
                let steps = || edges.iter().zip(edges.iter().skip(1)).map(|(from, to)| to.saturating_sub(*from));
                Some(Self {
                    lasts: edges.iter().map(|edge| count(edge.saturating_sub(1))).collect(),
                    single: steps().all(|step| step == 1),
                    ..Self::of_numbers(&numbers)
                })
            }
            ShapeAxis::Booleans | ShapeAxis::Values { .. } => None,
        }
    }

    fn of_numbers(edges: &[f64]) -> Self {
        let steps = || edges.iter().zip(edges.iter().skip(1)).map(|(from, to)| to - from);
        let least = steps().fold(f64::INFINITY, f64::min);
        let rising = steps().fold(0.0, f64::max) > 1.5 * least;
        let power = |edge: &f64| *edge > 0.0 && (edge.log10() - edge.log10().round()).abs() < 1e-9;
        let round = edges.iter().position(power).unwrap_or(0) as i64;
        let ordinals: Vec<i64> = if rising {
            (0..).zip(edges).map(|(at, _): (i64, _)| at - round).collect()
        } else {
            edges.iter().map(|edge| (edge / least).round() as i64).collect()
        };
        let full: Vec<String> = edges.iter().map(|edge| number(*edge, least)).collect();
        Self {
            short: full.clone(),
            full,
            lasts: Vec::new(),
            ordinals,
            strides: if rising { &[1, 3, 6, 12] } else { &[1, 2, 4, 5, 10, 20] },
            rising,
            single: false,
            times: false,
        }
    }

    fn of_times(edges: &[i64]) -> Self {
        let step = edges.iter().zip(edges.iter().skip(1)).map(|(from, to)| to - from).min().unwrap_or(DAY).max(1);
        let months = |edge: i64| {
            let (year, month, _) = civil(edge.div_euclid(DAY));
            12 * year + month - 1
        };
        let ordinal = |edge: &i64| {
            if step < 28 * DAY {
                return edge.div_euclid(step);
            }
            let first = edges.first().copied().unwrap_or(0);
            let step = edges.get(1).map_or(1, |second| months(*second) - months(first)).max(1);
            months(*edge).div_euclid(step)
        };
        let day = |edge: &i64| date(edge.div_euclid(DAY));
        let without = |text: String, end: &str| text.strip_suffix(end).unwrap_or(&text).to_owned();
        let full = |edge: &i64| {
            if step >= 365 * DAY {
                without(day(edge), "-01-01")
            } else if step >= 28 * DAY {
                without(day(edge), "-01")
            } else if step >= DAY {
                day(edge)
            } else {
                without(timestamp(*edge), ":00").replace('T', " ")
            }
        };
        // within a day the time stands alone, but for midnight
        let short = |edge: &i64| match full(edge).split_once(' ') {
            Some((day, "00:00")) => day.to_owned(),
            Some((_, time)) => time.to_owned(),
            None => full(edge),
        };
        Self {
            full: edges.iter().map(full).collect(),
            short: edges.iter().map(short).collect(),
            lasts: Vec::new(),
            ordinals: edges.iter().map(ordinal).collect(),
            strides: &[1, 2, 3, 4, 6, 12, 24],
            rising: false,
            single: false,
            times: true,
        }
    }

    /// How many bins there are between them.
    pub(super) fn bins(&self) -> usize {
        self.full.len().saturating_sub(1)
    }

    /// What lies before the first one, and from the last one on: `below 0`, `50 000 or more`.
    pub(super) fn beyond(&self) -> (String, String) {
        let (first, last) = (self.full.first().map_or("", String::as_str), self.full.last().map_or("", String::as_str));
        let (under, over) = if self.times { ("before", "later") } else { ("below", "more") };
        (format!("{under} {first}"), format!("{last} or {over}"))
    }

    /// What a bin holds: `20 to 50`.
    pub(super) fn bin(&self, at: usize) -> Option<String> {
        let from = self.full.get(at)?;
        match self.lasts.get(at + 1) {
            Some(last) if last == from => Some(from.clone()),
            Some(last) => Some(format!("{from} to {last}")),
            None => Some(format!("{from} to {}", self.full.get(at + 1)?)),
        }
    }

    /// What stands under the axis: the roundest edges, as many as there is room for.
    pub(super) fn labels(&self) -> Vec<Label> {
        let widest = |texts: &[String]| texts.iter().map(|text| text.chars().count()).max().unwrap_or(0);
        // the first one stands in full
        let width = 2 + widest(&self.short).max(3 * widest(&self.full) / 4);
        let [wide, narrow] = ROOM.map(|room| room / width);
        let (wide, narrow) = (wide.clamp(3, 9), narrow.clamp(2, 5));
        let labelled = self.full.len().saturating_sub(usize::from(self.single));
        let every = |stride: i64| -> Vec<usize> {
            let round = (0..labelled).zip(&self.ordinals).filter(|(_, ordinal)| *ordinal % stride == 0);
            round.map(|(at, _)| at).collect()
        };
        let fitting = self.strides.iter().map(|stride| every(*stride)).find(|at| (2..=wide).contains(&at.len()));
        let shown = fitting.unwrap_or_else(|| {
            let mut ends = vec![0, labelled.saturating_sub(1)];
            ends.dedup();
            ends
        });
        let sparse = shown.len().div_ceil(narrow);
        let label = |(position, edge): (usize, &usize)| {
            let texts = if position == 0 { &self.full } else { &self.short };
            let text = texts.get(*edge)?.clone();
            Some(Label { edge: *edge, text, crowded: !position.is_multiple_of(sparse) })
        };
        shown.iter().enumerate().filter_map(label).collect()
    }
}

/// A number with as many digits as tell steps of this size apart: `1 250`, `-0.05`, `2e12`.
fn number(value: f64, step: f64) -> String {
    if value != 0.0 && (value.abs() >= 1e10 || step < 1e-6) {
        return format!("{value:e}");
    }
    let digits = if step < 1.0 { (-step.log10()).ceil().clamp(0.0, 9.0) as usize } else { 0 };
    let text = format!("{:.digits$}", value.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((text.as_str(), ""));
    let fraction = fraction.trim_end_matches('0');
    let (sign, point) = (if value < 0.0 { "-" } else { "" }, if fraction.is_empty() { "" } else { "." });
    format!("{sign}{}{point}{fraction}", count(whole.parse().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::words;

    fn labels(axis: &ShapeAxis) -> Vec<String> {
        let labels = Edges::of(axis).unwrap().labels();
        labels.into_iter().map(|label| words::plain(&label.text)).collect()
    }

    /// Microseconds of a day of March 2024, and so many minutes.
    fn march(day: i64, minutes: i64) -> i64 {
        (19_782 + day) * DAY + minutes * 60_000_000
    }

    #[test]
    fn round_edges_are_labelled() {
        let even = |step: f64, from: i32| ShapeAxis::Numbers {
            edges: (from..from + 16).map(|at| f64::from(at) * step).collect(),
        };
        assert_eq!(labels(&even(20.0, 5)), ["120", "160", "200", "240", "280", "320", "360", "400"]);
        assert_eq!(labels(&even(0.5, -2)), ["-1", "0", "1", "2", "3", "4", "5", "6"]);
        assert_eq!(labels(&even(1e12, 0)), ["0", "2e12", "4e12", "6e12", "8e12", "1e13", "1.2e13", "1.4e13"]);
        let rising = ShapeAxis::Numbers { edges: vec![0.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1e3, 2e3, 5e3, 1e4, 2e4] };
        assert_eq!(labels(&rising), ["0", "100", "1 000", "10 000"]);
    }

    #[test]
    fn times_are_labelled_by_what_their_steps_are() {
        let times = |edges: &[i64]| ShapeAxis::Times { edges: edges.to_vec() };
        let hours: Vec<i64> = (0..12).map(|hours| march(4, 60 * hours)).collect();
        assert_eq!(labels(&times(&hours)), ["2024-03-04 00:00", "03:00", "06:00", "09:00"]);
        let days: Vec<i64> = (4..12).map(|day| march(day, 0)).collect();
        assert_eq!(labels(&times(&days)).first().unwrap(), "2024-03-04");
        let months = times(&[march(1, 0), march(32, 0), march(62, 0)]);
        assert_eq!(labels(&months), ["2024-03", "2024-04", "2024-05"]);
        let years = times(&[1_704_067_200_000_000, 1_735_689_600_000_000]);
        assert_eq!(labels(&years), ["2024", "2025"]);
    }

    #[test]
    fn lengths_are_whole() {
        let edges = Edges::of(&ShapeAxis::Lengths { edges: vec![3, 4, 5] }).unwrap();
        assert!(edges.single);
        assert_eq!((edges.bin(0).unwrap(), edges.labels().len()), ("3".to_owned(), 2));
        let edges = Edges::of(&ShapeAxis::Lengths { edges: vec![0, 10, 20] }).unwrap();
        assert_eq!(edges.bin(1).unwrap(), "10 to 19");
    }
}
