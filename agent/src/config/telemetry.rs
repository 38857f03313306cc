//! `telemetry`: what leaves sideways, and how.

use super::daemon::address;
use super::origin::{Origin, Setting};
use fieldmark_document::{MapReader, Problems};
use fieldmark_telemetry::LogFormat;
use std::net::SocketAddr;

/// What of agent and collector leaves sideways.
#[derive(Clone, Debug, PartialEq)]
pub struct TelemetryConfig {
    /// Whether what the environment says of OTLP holds.
    pub otlp: Setting<bool>,
    /// Whether metrics are told to Prometheus where the process listens anyway.
    pub prometheus: Setting<bool>,
    /// One more address that tells metrics, and nothing else, to whoever asks.
    pub listen: Setting<Option<SocketAddr>>,
    /// What lines on standard error look like.
    pub logs: Setting<LogFormat>,
}

pub(super) fn read(file: &mut MapReader<'_>, problems: &mut Problems) -> TelemetryConfig {
    let mut telemetry = TelemetryConfig {
        otlp: Setting::default_of(true),
        prometheus: Setting::default_of(true),
        listen: Setting::default_of(None),
        logs: Setting::default_of(LogFormat::Text),
    };
    let Some(mut keys) = file.map("telemetry", problems) else { return telemetry };
    telemetry.otlp = Setting::or(keys.word("otlp", &[("auto", true), ("off", false)], problems), true);
    telemetry.prometheus = Setting::or(keys.bool("prometheus", problems), true);
    if let Some(listen) = address(&mut keys, "listen", problems) {
        telemetry.listen = Setting { value: Some(listen.value), origin: Origin::of(&listen.place) };
    }
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    telemetry.logs = Setting::or(keys.word("logs", &formats, problems), LogFormat::Text);
    keys.finish(problems);
    telemetry
}
