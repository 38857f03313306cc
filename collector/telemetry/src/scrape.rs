//! What Prometheus is told when it asks.

use crate::Unusable;
use fieldmark_model::metric::{ALL, By};
use opentelemetry_prometheus::PrometheusExporter;
use prometheus::{Encoder as _, Registry, TextEncoder};
use std::collections::BTreeSet;

/// The metrics in the text format 0.0.4. Clones are the same.
#[derive(Clone)]
pub struct Scrape {
    registry: Registry,
}

pub(crate) fn reader() -> Result<(PrometheusExporter, Scrape), Unusable> {
    let registry = Registry::new();
    let exporter = opentelemetry_prometheus::exporter().with_registry(registry.clone()).scope_info_enabled(false);
    let exporter = exporter.build().map_err(|error| Unusable::of("Prometheus", &error))?;
    Ok((exporter, Scrape { registry }))
}

impl Scrape {
    /// The type of the text.
    pub const CONTENT_TYPE: &'static str = prometheus::TEXT_FORMAT;

    /// All metrics of an agent, or of a collector: where both are one process, each tells its own.
    ///
    /// # Errors
    /// It cannot be written, in words.
    pub fn text(&self, of: By) -> Result<String, String> {
        let others = ALL.iter().filter(|facts| facts.by != of && facts.by != By::Process);
        let others: BTreeSet<String> = others.map(fieldmark_model::metric::Facts::prometheus).collect();
        let mut families = self.registry.gather();
        families.retain(|family| !others.contains(family.name()));
        let mut text = Vec::new();
        TextEncoder::new().encode(&families, &mut text).map_err(|error| error.to_string())?;
        String::from_utf8(text).map_err(|error| error.to_string())
    }
}
