//! What the environment says of OTLP: the standard `OTEL_…` variables
//! (OpenTelemetry specification, "Environment Variable Specification" and "OTLP Exporter Configuration").
//!
//! Nothing is sent unless one of them names an endpoint, or says `otlp` of a signal. Timeouts, intervals, headers, compression and limits
//! of batches are read by the SDK itself.

use std::time::Duration;
use thiserror::Error;

/// What cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{what}: {why}")]
pub struct Unusable {
    /// Which variable, or which part.
    what: String,
    /// Why, and what to do.
    why: String,
}

impl Unusable {
    pub(crate) fn of(what: impl Into<String>, why: &impl std::fmt::Display) -> Self {
        Self { what: what.into(), why: why.to_string() }
    }
}

/// By which protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Grpc,
    Http,
}

/// Where a signal goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct To {
    pub(crate) protocol: Protocol,
    /// Certificates that the receiver's own is signed by, in PEM.
    pub(crate) certificate: Option<Vec<u8>>,
    pub(crate) timeout: Duration,
}

/// What is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) metrics: Option<To>,
    pub(crate) traces: Option<To>,
    pub(crate) logs: Option<To>,
}

impl Wanted {
    /// As the process's environment says.
    ///
    /// # Errors
    /// The first variable that cannot be used.
    pub(crate) fn of_environment() -> Result<Self, Unusable> {
        Self::of(&|name| std::env::var(name).ok().filter(|value| !value.trim().is_empty()))
    }

    fn of(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, Unusable> {
        if get("OTEL_SDK_DISABLED").is_some_and(|word| word.eq_ignore_ascii_case("true")) {
            return Ok(Self::default());
        }
        Ok(Self { metrics: to("METRICS", get)?, traces: to("TRACES", get)?, logs: to("LOGS", get)? })
    }
}

fn to(signal: &str, get: &dyn Fn(&str) -> Option<String>) -> Result<Option<To>, Unusable> {
    let own = |what: &str| format!("OTEL_EXPORTER_OTLP_{signal}_{what}");
    let either = |what: &str| {
        let (own, all) = (own(what), format!("OTEL_EXPORTER_OTLP_{what}"));
        get(&own).map(|value| (own, value)).or_else(|| get(&all).map(|value| (all, value)))
    };
    let endpoint = either("ENDPOINT");
    let name = format!("OTEL_{signal}_EXPORTER");
    match get(&name).as_deref() {
        Some("none") => return Ok(None),
        // Prometheus asks by itself
        Some("prometheus") if signal == "METRICS" => return Ok(None),
        Some("otlp") => {}
        None if endpoint.is_some() => {}
        None => return Ok(None),
        Some(other) => {
            let why = format!("`{}` is not known; `otlp` and `none` are", shown(other));
            return Err(Unusable { what: name, why });
        }
    }
    if let Some((name, endpoint)) = endpoint {
        let good = endpoint.split_once("://").is_none_or(|(scheme, rest)| {
            matches!(scheme, "http" | "https")
                && !rest.is_empty()
                && !rest.split('/').next().unwrap_or("").contains('@')
        });
        if !good {
            let why = "an endpoint is `http://host:port` or `https://host:port`; what it has to be told goes into OTEL_EXPORTER_OTLP_HEADERS";
            return Err(Unusable { what: name, why: why.to_owned() });
        }
    }
    let protocol = match either("PROTOCOL") {
        None => Protocol::Http,
        Some((_, word)) if word == "http/protobuf" => Protocol::Http,
        Some((_, word)) if word == "grpc" => Protocol::Grpc,
        Some((name, word)) => {
            let why =
                format!("`{}` is not known; `http/protobuf` (where nothing is said) and `grpc` are", shown(&word));
            return Err(Unusable { what: name, why });
        }
    };
    let certificate = match either("CERTIFICATE") {
        None => None,
        Some((name, path)) => {
            let read =
                std::fs::read(&path).map_err(|error| Unusable { what: name, why: format!("{path}: {error}") })?;
            Some(read)
        }
    };
    let timeout = match either("TIMEOUT") {
        None => 10_000,
        Some((name, text)) => {
            let why = || format!("`{}` is no number of milliseconds", shown(&text));
            text.trim().parse().map_err(|_| Unusable { what: name, why: why() })?
        }
    };
    Ok(Some(To { protocol, certificate, timeout: Duration::from_millis(timeout) }))
}

/// A word of somebody's, in short.
fn shown(word: &str) -> String {
    word.chars().take(40).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(variables: &[(&str, &str)]) -> Result<Wanted, String> {
        let get = |name: &str| variables.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned());
        Wanted::of(&get).map_err(|error| error.to_string())
    }

    fn by(protocol: Protocol) -> Option<To> {
        Some(To { protocol, certificate: None, timeout: Duration::from_secs(10) })
    }

    #[test]
    fn nothing_is_sent_unless_somebody_says_where() {
        assert_eq!(wanted(&[]), Ok(Wanted::default()));
        let disabled = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4317"), ("OTEL_SDK_DISABLED", "TRUE")];
        assert_eq!(wanted(&disabled), Ok(Wanted::default()));
    }

    #[test]
    fn each_signal_has_its_own_way() {
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4317"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
            ("OTEL_LOGS_EXPORTER", "none"),
        ];
        let expected = Wanted { metrics: by(Protocol::Grpc), traces: by(Protocol::Http), logs: None };
        assert_eq!(wanted(&variables), Ok(expected));
        let one = [("OTEL_METRICS_EXPORTER", "otlp")];
        assert_eq!(wanted(&one), Ok(Wanted { metrics: by(Protocol::Http), ..Wanted::default() }));
        assert_eq!(wanted(&[("OTEL_METRICS_EXPORTER", "prometheus")]), Ok(Wanted::default()));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318");
        let wrong = [
            [endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")],
            [endpoint, ("OTEL_TRACES_EXPORTER", "zipkin")],
            [endpoint, ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "ftp://host")],
            [endpoint, ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon")],
            [endpoint, ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/ca.pem")],
        ];
        for variables in wrong {
            let [_, (name, _)] = variables;
            let error = wanted(&variables).unwrap_err();
            assert!(error.starts_with(name), "{error}");
        }
        let secret = wanted(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://me:secret@host")]).unwrap_err();
        assert!(!secret.contains("secret"), "{secret}");
    }
}
