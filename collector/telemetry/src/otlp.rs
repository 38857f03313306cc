//! Sending by OTLP, over gRPC or HTTP. What is not taken is tried again within the exporter's time, then given up and counted
//! (`fieldmark.telemetry.exports`); that it is so, and that it is over, is said once.

use crate::Unusable;
use crate::environment::{Protocol, To};
use crate::record::Count as _;
use crate::trace::Roots;
use fieldmark_model::metric::TELEMETRY_EXPORTS;
use opentelemetry_otlp::{
    LogExporter, MetricExporter, RetryPolicy, SpanExporter, WithHttpConfig as _, WithTonicConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::logs::{LogBatch, SdkLoggerProvider};
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, Temporality};
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Within the exporter's time (`OTEL_EXPORTER_OTLP_TIMEOUT`, 10 s where nothing is said), after which what was to be sent is lost.
fn again() -> RetryPolicy {
    RetryPolicy::recommended()
        .with_max_retries(20)
        .with_initial_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(2))
        .with_max_jitter(Duration::from_millis(300))
}

/// A client that trusts these certificates. It is made, and later used, on threads that are none of the runtime's.
fn client(signal: &'static str, pem: &[u8], timeout: Duration) -> Result<reqwest::blocking::Client, Unusable> {
    let what = || format!("OTEL_EXPORTER_OTLP_CERTIFICATE (of {signal})");
    let certificates = reqwest::Certificate::from_pem_bundle(pem);
    let certificates = certificates.ok().filter(|certificates| !certificates.is_empty());
    let certificates = certificates.ok_or_else(|| Unusable::of(what(), &"there is no certificate in it"))?;
    let made = std::thread::spawn(move || {
        reqwest::blocking::Client::builder().timeout(timeout).tls_certs_only(certificates).build()
    });
    let made = made.join().map_err(|_| Unusable::of(what(), &"no client can be made of it"))?;
    made.map_err(|_| Unusable::of(what(), &"no client can be made of it"))
}

/// An exporter of a signal, over whichever protocol.
macro_rules! exporter {
    ($kind:ident, $signal:literal, $to:ident) => {{
        let unusable = |error: opentelemetry_otlp::ExporterBuildError| Unusable::of(concat!("OTLP, ", $signal), &error);
        match $to.protocol {
            Protocol::Grpc => {
                let mut exporter = $kind::builder().with_tonic().with_retry_policy(again());
                if let Some(pem) = &$to.certificate {
                    let tls = tonic::transport::ClientTlsConfig::new();
                    exporter =
                        exporter.with_tls_config(tls.ca_certificate(tonic::transport::Certificate::from_pem(pem)));
                }
                exporter.build().map_err(unusable)?
            }
            Protocol::Http => {
                let mut exporter = $kind::builder().with_http().with_retry_policy(again());
                if let Some(pem) = &$to.certificate {
                    exporter = exporter.with_http_client(client($signal, pem, $to.timeout)?);
                }
                exporter.build().map_err(unusable)?
            }
        }
    }};
}

pub(crate) fn metrics(to: &To) -> Result<PeriodicReader<Watched<MetricExporter>>, Unusable> {
    let exporter = exporter!(MetricExporter, "metrics", to);
    Ok(PeriodicReader::builder(Watched::new("metrics", exporter)).build())
}

pub(crate) fn traces(to: &To, resource: Resource) -> Result<SdkTracerProvider, Unusable> {
    let exporter = Watched::new("traces", exporter!(SpanExporter, "traces", to));
    let provider = SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter);
    Ok(provider.with_id_generator(Roots).with_sampler(Roots).build())
}

pub(crate) fn logs(to: &To, resource: Resource) -> Result<SdkLoggerProvider, Unusable> {
    let exporter = Watched::new("logs", exporter!(LogExporter, "logs", to));
    Ok(SdkLoggerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build())
}

/// An exporter of which is known whether it succeeds.
#[derive(Debug)]
pub(crate) struct Watched<E> {
    signal: &'static str,
    exporter: E,
    fails: AtomicBool,
}

impl<E> Watched<E> {
    fn new(signal: &'static str, exporter: E) -> Self {
        Self { signal, exporter, fails: AtomicBool::new(false) }
    }

    fn counted(&self, result: OTelSdkResult) -> OTelSdkResult {
        let (signal, word) = (self.signal, if result.is_ok() { "taken" } else { "failed" });
        TELEMETRY_EXPORTS.add([signal, word], 1);
        let failed_before = self.fails.swap(result.is_err(), Ordering::Relaxed);
        match &result {
            Ok(()) if failed_before => tracing::info!("{signal} are taken again by the receiver of OTLP"),
            Ok(()) => {}
            Err(error) if !failed_before => {
                tracing::warn!(
                    "{signal} are not taken by the receiver of OTLP, and lost until they are: {}",
                    brief(error)
                );
            }
            Err(_) => {}
        }
        result
    }
}

/// Without addresses, which may hold what nobody is to see.
fn brief(error: &OTelSdkError) -> String {
    match error {
        OTelSdkError::AlreadyShutdown => "it has ended".to_owned(),
        OTelSdkError::Timeout(after) => format!("no answer in {} s", after.as_secs()),
        OTelSdkError::InternalFailure(what) => {
            let shown: Vec<&str> = what.split_whitespace().filter(|word| !word.contains("://")).collect();
            shown.join(" ").chars().filter(|c| !c.is_control()).take(200).collect()
        }
    }
}

impl<E: PushMetricExporter> PushMetricExporter for Watched<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.counted(self.exporter.export(metrics).await)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}

impl<E: opentelemetry_sdk::trace::SpanExporter> opentelemetry_sdk::trace::SpanExporter for Watched<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.counted(self.exporter.export(batch).await)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl<E: opentelemetry_sdk::logs::LogExporter> opentelemetry_sdk::logs::LogExporter for Watched<E> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        self.counted(self.exporter.export(batch).await)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
