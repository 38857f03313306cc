//! What leaves sideways: metrics, traces and logs of a process, to whoever receives them by OTLP, to Prometheus that asks, and to standard
//! error.
//!
//! Metrics are recorded through the `metrics` facade by the one list of [`fieldmark_model::metric`] ([`record`]), kept by series
//! (`series`), and observed from there by one OpenTelemetry meter provider with two readers: OTLP and Prometheus. Spans and logs come
//! through `tracing`; of both only our own are taken, so that neither a database driver's statements nor the exporter's own connections
//! get into them.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod environment;
mod log;
mod otlp;
pub mod process;
pub mod record;
mod scrape;
mod series;
pub mod trace;

pub use environment::Unusable;
use environment::Wanted;
pub use log::LogFormat;
pub use record::{Count, Lie, Measure};
pub use scrape::Scrape;
pub use series::Told;

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::time::Duration;

/// How long what is left may take to go out when the process ends.
const LAST: Duration = Duration::from_secs(2);

/// Of which process.
#[derive(Clone, Debug)]
pub struct About {
    /// `service.name`, unless the environment says another.
    pub service: &'static str,
    /// `service.instance.id`: the agent's name, or the collector's address.
    pub instance: String,
    /// `service.version`.
    pub version: &'static str,
    /// What lines on standard error look like.
    pub logs: LogFormat,
    /// Whether what the environment says of OTLP holds.
    pub otlp: bool,
    /// Whether lines on standard error are warnings alone.
    pub quiet: bool,
}

/// The telemetry of a process, until it is stopped.
pub struct Telemetry {
    meter: SdkMeterProvider,
    tracer: Option<SdkTracerProvider>,
    logger: Option<SdkLoggerProvider>,
    scrape: Scrape,
}

impl Telemetry {
    /// Starts it, for the whole process; in a runtime. A second one in the same process records nothing.
    ///
    /// # Errors
    /// What of the environment's `OTEL_…` cannot be used.
    pub fn start(about: &About) -> Result<Self, Unusable> {
        let wanted = if about.otlp { Wanted::of_environment()? } else { Wanted::default() };
        let resource = resource(about);
        let (reader, scrape) = scrape::reader()?;
        let mut meters = SdkMeterProvider::builder().with_resource(resource.clone()).with_reader(reader);
        meters = meters.with_view(series::within_bounds);
        if let Some(metrics) = &wanted.metrics {
            meters = meters.with_reader(otlp::metrics(metrics)?);
        }
        let meter = meters.build();
        series::install(&meter);
        let tracer = wanted.traces.as_ref().map(|to| otlp::traces(to, resource.clone())).transpose()?;
        let logger = wanted.logs.as_ref().map(|to| otlp::logs(to, resource)).transpose()?;
        log::install(about, tracer.as_ref(), logger.as_ref());
        trace::install(tracer.as_ref());
        Ok(Self { meter, tracer, logger, scrape })
    }

    /// What Prometheus is told.
    pub fn scrape(&self) -> &Scrape {
        &self.scrape
    }

    /// Has what is left exported, and ends it. On threads of its own, which nobody waits for longer than a moment: what does not go out in time
    /// is lost, and the process ends.
    pub async fn stop(self) {
        let Self { meter, tracer, logger, scrape: _ } = self;
        let (ended, mut all) = tokio::sync::mpsc::unbounded_channel::<()>();
        let end = |what: Box<dyn FnOnce() + Send>| {
            let ended = ended.clone();
            let thread = std::thread::Builder::new().name("fieldmark-last".to_owned()).spawn(move || {
                what();
                drop(ended);
            });
            // where there is no thread for it nothing is exported
            thread.is_ok()
        };
        end(Box::new(move || drop(meter.shutdown_with_timeout(LAST))));
        end(Box::new(move || drop(tracer.map(|tracer| tracer.shutdown_with_timeout(LAST)))));
        end(Box::new(move || drop(logger.map(|logger| logger.shutdown_with_timeout(LAST)))));
        drop(ended);
        // closed when all of them have ended
        tokio::time::timeout(LAST, all.recv()).await.ok();
    }
}

/// Who says all this. What the environment says (`OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`) comes first.
fn resource(about: &About) -> Resource {
    let own = [
        KeyValue::new("service.name", about.service),
        KeyValue::new("service.instance.id", about.instance.clone()),
        KeyValue::new("service.version", about.version),
    ];
    let said = Resource::builder_empty()
        .with_detectors(&[
            Box::new(opentelemetry_sdk::resource::EnvResourceDetector::new()),
            Box::new(opentelemetry_sdk::resource::TelemetryResourceDetector),
        ])
        .build();
    let named = std::env::var("OTEL_SERVICE_NAME").ok().filter(|name| !name.is_empty());
    let said_own = own.into_iter().filter(|own| said.get(&own.key).is_none());
    let mut attributes: Vec<KeyValue> =
        said.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())).collect();
    attributes.extend(said_own);
    if let Some(named) = named {
        attributes.retain(|attribute| attribute.key.as_str() != "service.name");
        attributes.push(KeyValue::new("service.name", named));
    }
    Resource::builder_empty().with_attributes(attributes).build()
}
