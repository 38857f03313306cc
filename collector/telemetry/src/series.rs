//! Between the `metrics` facade and OpenTelemetry: every metric of the list with its series.
//!
//! Counters and gauges are observed when somebody reads, from what is kept here. So a series whose rule or source is gone can be forgotten,
//! which instruments that are written to cannot; and there is a bound on how many there are, which is counted and not only warned of.

use fieldmark_model::metric::{self, Facts, Kind, Label};
use metrics::{HistogramFn, Key, KeyName, Metadata, SharedString, Unit};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, MeterProvider as _};
use opentelemetry_sdk::metrics::{Instrument, SdkMeterProvider, Stream};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Series of one metric at most.
const MOST: usize = 20_000;
/// A counter of seconds counts so many parts of one.
pub(crate) const PARTS: f64 = 1e6;

/// One series: what it is told apart by, and its value; a gauge's as the bits of a double.
#[derive(Clone)]
struct One {
    labels: Arc<[KeyValue]>,
    value: Arc<AtomicU64>,
}

type Values = Mutex<HashMap<Key, One>>;

/// One metric and its series.
struct Family {
    facts: &'static Facts,
    values: Values,
    /// Of a histogram: what takes its values, whose number alone is kept here.
    histogram: OnceLock<opentelemetry::metrics::Histogram<f64>>,
}

impl Family {
    fn each(&self, mut observe: impl FnMut(&[KeyValue], u64)) {
        lock(&self.values).values().for_each(|one| observe(&one.labels, one.value.load(Ordering::Relaxed)));
    }
}

/// All metrics with their series.
pub(crate) struct Series {
    families: HashMap<&'static str, Arc<Family>>,
    overflow: Arc<AtomicU64>,
}

/// What a series is told apart by.
pub struct Told<'a>(&'a [KeyValue]);

impl Told<'_> {
    /// The label's value; empty where it has none.
    pub fn get(&self, label: Label) -> &str {
        let value = self.0.iter().find(|value| value.key.as_str() == label.as_str());
        match value.map(|value| &value.value) {
            Some(opentelemetry::Value::String(text)) => text.as_str(),
            Some(_) | None => "",
        }
    }
}

/// The process's own.
static SERIES: OnceLock<Arc<Series>> = OnceLock::new();

/// No metric has more series than its bound here: the SDK's own, of 2000, would fold what is beyond it into one.
pub(crate) fn within_bounds(_: &Instrument) -> Option<Stream> {
    Stream::builder().with_cardinality_limit(MOST + 1).build().ok()
}

/// Has the facade's metrics kept, and observed by this provider, for the whole process.
pub(crate) fn install(provider: &SdkMeterProvider) {
    let series = Series::new(provider);
    if SERIES.set(Arc::clone(&series)).is_ok() {
        // another recorder would be a second telemetry in one process: the first one stays
        metrics::set_global_recorder(Recorder(series)).ok();
    }
}

/// Series of counters and gauges are not told any more.
pub(crate) fn forget(is_gone: impl Fn(&Facts, &Told<'_>) -> bool) {
    if let Some(series) = SERIES.get() {
        series.forget(is_gone);
    }
}

/// The same of one metric.
pub(crate) fn forget_of(name: &str, is_gone: impl Fn(&Told<'_>) -> bool) {
    if let Some(family) = SERIES.get().and_then(|series| series.families.get(name)) {
        lock(&family.values).retain(|_, one| !is_gone(&Told(&one.labels)));
    }
}

fn lock(values: &Values) -> std::sync::MutexGuard<'_, HashMap<Key, One>> {
    values.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Series {
    pub(crate) fn new(provider: &SdkMeterProvider) -> Arc<Self> {
        let meter = provider.meter("fieldmark");
        let mut families = HashMap::new();
        for facts in metric::ALL {
            let family = Arc::new(Family { facts, values: Mutex::new(HashMap::new()), histogram: OnceLock::new() });
            let of = Arc::clone(&family);
            // what is built is kept by the meter: it is asked for its values when somebody reads
            match facts.kind {
                Kind::Counter if facts.unit == "s" => {
                    let counter = meter.f64_observable_counter(facts.name).with_unit(facts.unit);
                    let told = move |observer: &dyn AsyncInstrument<f64>| {
                        of.each(|labels, value| observer.observe(value as f64 / PARTS, labels));
                    };
                    counter.with_description(facts.what).with_callback(told).build();
                }
                Kind::Counter => {
                    let counter = meter.u64_observable_counter(facts.name).with_unit(facts.unit);
                    let told = move |observer: &dyn AsyncInstrument<u64>| {
                        of.each(|labels, value| observer.observe(value, labels));
                    };
                    counter.with_description(facts.what).with_callback(told).build();
                }
                Kind::Gauge => {
                    let gauge = meter.f64_observable_gauge(facts.name).with_unit(facts.unit);
                    let told = move |observer: &dyn AsyncInstrument<f64>| {
                        of.each(|labels, value| observer.observe(f64::from_bits(value), labels));
                    };
                    gauge.with_description(facts.what).with_callback(told).build();
                }
                Kind::Histogram(bounds) => {
                    let histogram = meter.f64_histogram(facts.name).with_unit(facts.unit);
                    let histogram = histogram.with_description(facts.what).with_boundaries(bounds.to_vec()).build();
                    family.histogram.set(histogram).ok();
                }
            }
            families.insert(facts.name, family);
        }
        let overflow = Arc::new(AtomicU64::new(0));
        if let Some(family) = families.get(metric::TELEMETRY_OVERFLOW.0.name) {
            let key = Key::from_static_name(metric::TELEMETRY_OVERFLOW.0.name);
            lock(&family.values).insert(key, One { labels: Arc::from([]), value: Arc::clone(&overflow) });
        }
        Arc::new(Self { families, overflow })
    }

    fn forget(&self, is_gone: impl Fn(&Facts, &Told<'_>) -> bool) {
        for family in self.families.values() {
            lock(&family.values).retain(|_, one| !is_gone(family.facts, &Told(&one.labels)));
        }
    }

    /// The series of this key, a new one where there is none; `None` where there are too many.
    fn of(&self, key: &Key) -> Option<(&Family, One)> {
        let family = self.families.get(key.name())?;
        let mut values = lock(&family.values);
        if let Some(one) = values.get(key) {
            return Some((family, one.clone()));
        }
        if values.len() >= MOST {
            self.overflow.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let labels = key.labels().map(|label| KeyValue::new(label.key().to_owned(), label.value().to_owned()));
        let one = One { labels: labels.collect(), value: Arc::default() };
        values.insert(key.clone(), one.clone());
        Some((family, one))
    }
}

/// What the facade hands over to.
pub(crate) struct Recorder(pub(crate) Arc<Series>);

impl metrics::Recorder for Recorder {
    // the list has said it all
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> metrics::Counter {
        match self.0.of(key) {
            Some((family, one)) if family.facts.kind == Kind::Counter => metrics::Counter::from_arc(one.value),
            Some(_) | None => metrics::Counter::noop(),
        }
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> metrics::Gauge {
        match self.0.of(key) {
            Some((family, one)) if family.facts.kind == Kind::Gauge => metrics::Gauge::from_arc(one.value),
            Some(_) | None => metrics::Gauge::noop(),
        }
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> metrics::Histogram {
        let Some((family, one)) = self.0.of(key) else { return metrics::Histogram::noop() };
        let Some(histogram) = family.histogram.get().cloned() else { return metrics::Histogram::noop() };
        metrics::Histogram::from_arc(Arc::new(Lying { histogram, labels: one.labels }))
    }
}

/// A histogram's one series.
struct Lying {
    histogram: opentelemetry::metrics::Histogram<f64>,
    labels: Arc<[KeyValue]>,
}

impl HistogramFn for Lying {
    fn record(&self, value: f64) {
        self.histogram.record(value, &self.labels);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Count as _, Lie as _, Measure as _};
    use crate::scrape;
    use fieldmark_model::metric::{
        By, PROCESS_TIME, RULE_FAILING, SPOOL_AGE, STATEMENTS, TASK_DURATION, TELEMETRY_OVERFLOW,
    };

    /// What is told when this has been recorded.
    fn told(record: impl FnOnce(&Series)) -> String {
        let (reader, scrape) = scrape::reader().unwrap();
        let provider = SdkMeterProvider::builder().with_reader(reader).with_view(within_bounds).build();
        let series = Series::new(&provider);
        metrics::with_local_recorder(&Recorder(Arc::clone(&series)), || record(&series));
        scrape.text(By::Agent).unwrap()
    }

    fn samples<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
        text.lines().filter(|line| !line.starts_with('#') && line.starts_with(name)).collect()
    }

    #[test]
    fn each_kind_is_told_by_its_name_in_prometheus() {
        let text = told(|_| {
            STATEMENTS.add(["shop"], 2);
            STATEMENTS.add(["shop"], 3);
            PROCESS_TIME.reach_seconds([], 1.25);
            PROCESS_TIME.reach_seconds([], 1.0);
            SPOOL_AGE.set([], 7.5);
            TASK_DURATION.record(["shop", "check", "done"], 0.3);
        });
        for line in [
            "fieldmark_statements_total{source=\"shop\"} 5",
            "process_cpu_time_seconds_total 1.25",
            "fieldmark_spool_age_seconds 7.5",
            "fieldmark_task_duration_seconds_bucket{result=\"done\",source=\"shop\",task=\"check\",le=\"0.25\"} 0",
            "fieldmark_task_duration_seconds_bucket{result=\"done\",source=\"shop\",task=\"check\",le=\"0.5\"} 1",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}: {text}");
        }
        assert!(samples(&text, "fieldmark_store").is_empty(), "that is the collector's");
    }

    #[test]
    fn what_is_gone_is_told_no_more_and_an_empty_label_is_none() {
        let text = told(|series| {
            RULE_FAILING.set(["shop", "public", "orders", "there"], 0.5);
            RULE_FAILING.set(["shop", "", "orders", "gone"], 0.5);
            series.forget(|facts, told| facts.name == RULE_FAILING.0.name && told.get(Label::Rule) == "gone");
            RULE_FAILING.set(["shop", "", "orders", "new"], 0.25);
        });
        let expected = [
            "fieldmark_rule_failing_ratio{rule=\"new\",source=\"shop\",table=\"orders\"} 0.25",
            "fieldmark_rule_failing_ratio{rule=\"there\",schema=\"public\",source=\"shop\",table=\"orders\"} 0.5",
        ];
        assert_eq!(samples(&text, "fieldmark_rule_failing_ratio"), expected);
    }

    /// Names of tables and rules are whatever somebody has called them.
    #[test]
    fn c4_a_label_is_a_text_and_ends_nothing() {
        let name = "a\"} 1\nfieldmark_rule_failing_ratio{x=\"{{ $value }}\\\u{202e}";
        let text = told(|_| RULE_FAILING.set(["shop", "public", name, "r"], 0.5));
        let lines = samples(&text, "fieldmark_rule_failing_ratio");
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        let escaped = name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        assert!(line.contains(&format!("table=\"{escaped}\"")), "{line}");
    }

    /// The SDK by itself tells 2000 series of a metric apart, and folds the others into one.
    #[test]
    fn series_have_a_bound_that_is_told() {
        let text = told(|_| {
            for rule in 0..MOST + 7 {
                RULE_FAILING.set(["shop", "public", "orders", &rule.to_string()], 0.5);
            }
        });
        assert_eq!(samples(&text, "fieldmark_rule_failing_ratio").len(), MOST);
        assert!(!text.contains("overflow=\"true\""), "folded by the SDK");
        assert_eq!(samples(&text, &TELEMETRY_OVERFLOW.0.prometheus()), ["fieldmark_telemetry_overflow_total 7"]);
    }
}
