//! Recording by the list: the compiler counts the labels.

use crate::series::{self, PARTS, Told};
use fieldmark_model::metric::{Counter, Facts, Gauge, Histogram};
use metrics::{Key, Level, Metadata};

/// Where it is recorded from; the list has one place for all.
const HERE: Metadata<'static> = Metadata::new("fieldmark", Level::INFO, None);

fn key(facts: &Facts, labels: &[&str]) -> Key {
    let named = facts.labels.iter().zip(labels).filter(|(_, value)| !value.is_empty());
    let labels: Vec<metrics::Label> =
        named.map(|(label, value)| metrics::Label::new(label.as_str(), (*value).to_owned())).collect();
    Key::from_parts(facts.name, labels)
}

/// Counting up. An empty label is left out.
pub trait Count<const N: usize> {
    /// So many more.
    fn add(&self, labels: [&str; N], more: u64);
    /// So many in all.
    fn reach(&self, labels: [&str; N], all: u64);
    /// So many seconds more, of a counter of seconds.
    fn add_seconds(&self, labels: [&str; N], more: f64);
    /// So many seconds in all.
    fn reach_seconds(&self, labels: [&str; N], all: f64);
}

impl<const N: usize> Count<N> for Counter<N> {
    fn add(&self, labels: [&str; N], more: u64) {
        let key = key(&self.0, &labels);
        metrics::with_recorder(|recorder| recorder.register_counter(&key, &HERE).increment(more));
    }

    fn reach(&self, labels: [&str; N], all: u64) {
        let key = key(&self.0, &labels);
        metrics::with_recorder(|recorder| recorder.register_counter(&key, &HERE).absolute(all));
    }

    fn add_seconds(&self, labels: [&str; N], more: f64) {
        self.add(labels, (more.max(0.0) * PARTS) as u64);
    }

    fn reach_seconds(&self, labels: [&str; N], all: f64) {
        self.reach(labels, (all.max(0.0) * PARTS) as u64);
    }
}

/// Being as it is now. An empty label is left out.
pub trait Measure<const N: usize> {
    /// It is so much.
    fn set(&self, labels: [&str; N], value: f64);
    /// Series of which this holds are not told any more: what they are about is gone.
    fn forget(&self, is_gone: impl Fn(&Told<'_>) -> bool);
}

impl<const N: usize> Measure<N> for Gauge<N> {
    fn set(&self, labels: [&str; N], value: f64) {
        let key = key(&self.0, &labels);
        metrics::with_recorder(|recorder| recorder.register_gauge(&key, &HERE).set(value));
    }

    fn forget(&self, is_gone: impl Fn(&Told<'_>) -> bool) {
        series::forget_of(self.0.name, is_gone);
    }
}

/// Series of counters and gauges of which this holds are not told any more: what they are about is gone.
pub fn forget(is_gone: impl Fn(&Facts, &Told<'_>) -> bool) {
    series::forget(is_gone);
}

/// Lying somewhere. An empty label is left out.
pub trait Lie<const N: usize> {
    /// One more value.
    fn record(&self, labels: [&str; N], value: f64);
}

impl<const N: usize> Lie<N> for Histogram<N> {
    fn record(&self, labels: [&str; N], value: f64) {
        let key = key(&self.0, &labels);
        metrics::with_recorder(|recorder| recorder.register_histogram(&key, &HERE).record(value));
    }
}
