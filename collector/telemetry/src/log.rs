//! Lines on standard error, and the same as OTLP logs. Of what goes through `tracing` only our own is taken: a driver's lines have SQL in
//! them, and an exporter's own would beget more of themselves.

use crate::About;
use chrono::{DateTime, SecondsFormat, Utc};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde_json::{Map, Value, json};
use std::io::Write as _;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

/// What lines on standard error look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// `2026-01-02T03:04:05.678Z fieldmark: …`; without the time where systemd's journal adds one.
    #[default]
    Text,
    /// An object a line: `time`, `level`, `message`, and what the message is about.
    Json,
}

impl LogFormat {
    /// Its word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// Whether it is our own.
fn is_own(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("fieldmark")
}

pub(crate) fn install(about: &About, tracer: Option<&SdkTracerProvider>, logger: Option<&SdkLoggerProvider>) {
    let least = if about.quiet { Level::WARN } else { Level::INFO };
    let lines = Lines { format: about.logs, timed: std::env::var_os("JOURNAL_STREAM").is_none() };
    let said = move |metadata: &Metadata<'_>| metadata.is_event() && is_own(metadata) && *metadata.level() <= least;
    let lines = lines.with_filter(filter_fn(said));
    let logs = logger.map(|logger| {
        let own = filter_fn(|metadata| metadata.is_event() && is_own(metadata));
        OpenTelemetryTracingBridge::new(logger).with_filter(own)
    });
    let spans = tracer.map(|tracer| {
        use opentelemetry::trace::TracerProvider as _;
        let own = filter_fn(|metadata| metadata.is_span() && is_own(metadata));
        let layer = tracing_opentelemetry::layer().with_tracer(tracer.tracer("fieldmark"));
        layer.with_location(false).with_threads(false).with_tracked_inactivity(false).with_filter(own)
    });
    let subscriber = tracing_subscriber::registry().with(lines).with(logs).with(spans);
    // a second telemetry in one process says nothing
    tracing::subscriber::set_global_default(subscriber).ok();
}

/// Writes events on standard error.
struct Lines {
    format: LogFormat,
    timed: bool,
}

/// An event's message, and what it is about.
#[derive(Default)]
struct Said {
    message: String,
    about: Map<String, Value>,
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message = value.to_owned();
        } else {
            self.about.insert(field.name().to_owned(), json!(value));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        let line = line(self.format, self.timed.then(Utc::now), *event.metadata().level(), said);
        // a reader that has gone away is no reason to end
        writeln!(std::io::stderr().lock(), "{line}").ok();
    }
}

/// Whether a character would make another line of it, or turn what is read after it round.
fn misleads(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

/// One line: what somebody else has put into a message makes no second one.
fn line(format: LogFormat, time: Option<DateTime<Utc>>, level: Level, said: Said) -> String {
    let Said { message, about } = said;
    let time = time.map(|time| time.to_rfc3339_opts(SecondsFormat::Millis, true));
    match format {
        LogFormat::Text => {
            let warning = if level <= Level::WARN { "warning: " } else { "" };
            let message: String = message.chars().map(|c| if misleads(c) { ' ' } else { c }).collect();
            let time = time.map(|time| format!("{time} ")).unwrap_or_default();
            format!("{time}fieldmark: {warning}{message}")
        }
        LogFormat::Json => {
            let mut object = Map::new();
            object.insert("time".to_owned(), json!(time));
            object.insert("level".to_owned(), json!(level.as_str().to_ascii_lowercase()));
            object.insert("message".to_owned(), json!(message));
            object.extend(about);
            Value::Object(object).to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said() -> Said {
        let about = Map::from_iter([("source".to_owned(), json!("shop"))]);
        Said { message: "it answers\nagain".to_owned(), about }
    }

    #[test]
    fn a_line_is_one() {
        let at = DateTime::from_timestamp(1_700_000_000, 0);
        assert_eq!(
            line(LogFormat::Text, at, Level::INFO, said()),
            "2023-11-14T22:13:20.000Z fieldmark: it answers again"
        );
        assert_eq!(line(LogFormat::Text, None, Level::WARN, said()), "fieldmark: warning: it answers again");
        let turned = Said { message: "a\u{202e}b\u{2028}c\u{1b}[31m".to_owned(), ..Said::default() };
        assert_eq!(line(LogFormat::Text, None, Level::INFO, turned), "fieldmark: a b c [31m");
        let json: Value = serde_json::from_str(&line(LogFormat::Json, at, Level::INFO, said())).unwrap();
        let expected = json!({
            "time": "2023-11-14T22:13:20.000Z", "level": "info", "message": "it answers\nagain", "source": "shop"
        });
        assert_eq!(json, expected);
    }
}
