//! Bars: a fraction with its interval on a logarithmic scale.

use super::rule::Rule;
use crate::report::words;
use fieldmark_model::{Outcome, Status};

/// A fraction with its interval on a logarithmic scale; positions in percent of the width.
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) ticks: Vec<Tick>,
    pub(super) band: Option<Band>,
    pub(super) limit: Option<String>,
    pub(super) estimate: Option<String>,
}

pub(super) struct Band {
    pub(super) from: String,
    pub(super) width: String,
}

#[derive(Clone)]
pub(super) struct Tick {
    pub(super) at: String,
    pub(super) text: String,
    pub(super) anchor: &'static str,
    /// Too near to its neighbour to be labelled where there is little room.
    pub(super) crowded: bool,
}

/// Where a fraction stands, in percent of the width: linear up to about 0.01 %, logarithmic from there on.
pub(super) fn position(fraction: f64) -> f64 {
    const KNEE: f64 = 1e-4;
    let scale = |fraction: f64| (fraction.clamp(0.0, 1.0) / KNEE).ln_1p();
    100.0 * scale(fraction) / scale(1.0)
}

pub(super) fn at(position: f64) -> String {
    format!("{position:.2}")
}

pub(super) fn ticks() -> Vec<Tick> {
    [0.0, 1e-4, 1e-3, 1e-2, 1e-1, 1.0]
        .into_iter()
        .map(|fraction| Tick {
            at: at(position(fraction)),
            text: if fraction == 0.0 { "0".into() } else { words::percent(fraction) },
            anchor: if fraction == 0.0 {
                "start"
            } else if fraction == 1.0 {
                "end"
            } else {
                "middle"
            },
            crowded: fraction == 1e-4,
        })
        .collect()
}

/// The ticks over a column of bars; none where there is no bar.
pub(super) fn ticks_over<'a>(bars: impl IntoIterator<Item = &'a Option<Bar>>) -> Vec<Tick> {
    if bars.into_iter().any(Option::is_some) { ticks() } else { Vec::new() }
}

pub(super) fn ticks_over_rules(rules: &[Rule]) -> Vec<Tick> {
    ticks_over(rules.iter().map(|rule| &rule.bar))
}

impl Bar {
    pub(super) fn of(estimate: Option<f64>, interval: Option<[f64; 2]>, limit: Option<f64>) -> Self {
        let mut label: Vec<String> = Vec::new();
        label.extend(estimate.map(|fraction| format!("estimate {}", words::percent(fraction))));
        label.extend(interval.map(|bounds| format!("interval {}", words::interval(bounds))));
        label.extend(limit.map(|limit| format!("limit {}", words::percent(limit))));
        Self {
            label: label.join(", "),
            ticks: ticks(),
            band: interval.map(|[low, high]| {
                let (from, to) = (position(low), position(high));
                // a band thinner than this cannot be seen
                let width = (to - from).max(0.6);
                Band { from: at(from.min(100.0 - width)), width: at(width) }
            }),
            limit: limit.map(|limit| at(position(limit))),
            estimate: estimate.map(|fraction| at(position(fraction))),
        }
    }

    pub(super) fn of_outcome(outcome: &Outcome) -> Option<Self> {
        outcome.checked.filter(|_| outcome.status != Status::NotEvaluated)?;
        let limit = if outcome.sampled { outcome.tolerance.max(outcome.detect) } else { outcome.tolerance };
        // where the failing fraction is over the tolerance, that is the line it has crossed
        let limit = if outcome.status == Status::Failed { outcome.tolerance } else { limit };
        (outcome.interval.is_some() || outcome.failed > 0)
            .then(|| Self::of(outcome.fraction, outcome.interval, Some(limit)))
    }
}
