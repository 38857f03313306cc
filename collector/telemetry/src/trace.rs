//! A trace for each migration: one span for all of it, one for each step, and under those one for each statement.
//!
//! The ids of a migration's trace and of its first span come from the agent's name and the migration's id, so that what is told before a
//! restart and after it is one trace, and the first span, which is told when all is over, is its steps' parent all the time. Nothing is
//! traced but migrations.

use chrono::{DateTime, Utc};
use opentelemetry::trace::{
    Span as _, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId, TraceState,
    Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{
    IdGenerator, RandomIdGenerator, SamplingDecision, SamplingResult, SdkTracer, SdkTracerProvider, ShouldSample,
};
use sha2::{Digest as _, Sha256};
use std::cell::Cell;
use std::sync::OnceLock;
use std::time::SystemTime;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

thread_local! {
    /// The ids of the first span of a trace, while it is made.
    static FIRST: Cell<Option<(TraceId, SpanId)>> = const { Cell::new(None) };
}

pub(crate) fn install(provider: Option<&SdkTracerProvider>) {
    if let Some(provider) = provider {
        // a second telemetry in one process traces nothing
        TRACER.set(provider.tracer("fieldmark")).ok();
    }
}

/// Ids of first spans are given, those of others are random; nothing is sampled that is not of a migration's trace.
#[derive(Clone, Debug)]
pub(crate) struct Roots;

impl IdGenerator for Roots {
    fn new_trace_id(&self) -> TraceId {
        FIRST.get().map_or_else(|| RandomIdGenerator::default().new_trace_id(), |(trace, _)| trace)
    }

    fn new_span_id(&self) -> SpanId {
        FIRST.get().map_or_else(|| RandomIdGenerator::default().new_span_id(), |(_, span)| span)
    }
}

impl ShouldSample for Roots {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        _: TraceId,
        _: &str,
        _: &SpanKind,
        _: &[KeyValue],
        _: &[opentelemetry::trace::Link],
    ) -> SamplingResult {
        let of_a_trace = parent.is_some_and(|parent| parent.span().span_context().is_sampled());
        let decision = if of_a_trace || FIRST.get().is_some() {
            SamplingDecision::RecordAndSample
        } else {
            SamplingDecision::Drop
        };
        SamplingResult { decision, attributes: Vec::new(), trace_state: TraceState::default() }
    }
}

/// The trace of one migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MigrationTrace {
    trace: TraceId,
    first: SpanId,
}

/// What a span says of itself: names and what they are.
pub type Attributes<'a> = &'a [(&'static str, &'a str)];

impl MigrationTrace {
    /// The trace of an agent's migration.
    pub fn of(agent: &str, migration: &str) -> Self {
        let mut hash = Sha256::new();
        for part in [agent, migration] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let digest = hash.finalize();
        let (mut trace, mut first) = ([0; 16], [0; 8]);
        trace.iter_mut().zip(digest.iter()).for_each(|(to, from)| *to = *from);
        first.iter_mut().zip(digest.iter().skip(16)).for_each(|(to, from)| *to = *from);
        Self { trace: TraceId::from_bytes(trace), first: SpanId::from_bytes(first) }
    }

    /// Its id, in hexadecimal digits.
    pub fn id(&self) -> String {
        self.trace.to_string()
    }

    fn context(&self) -> Context {
        let state = TraceState::default();
        let span = SpanContext::new(self.trace, self.first, TraceFlags::SAMPLED, true, state);
        Context::new().with_remote_span_context(span)
    }

    /// Makes a span a step of it.
    pub fn adopt(&self, span: &tracing::Span) {
        // where nothing is traced there is nothing to adopt
        span.set_parent(self.context()).ok();
    }

    /// Tells a step that is over.
    pub fn step(&self, name: &'static str, from: DateTime<Utc>, to: DateTime<Utc>, attributes: Attributes<'_>) {
        if let Some(tracer) = TRACER.get() {
            told(tracer, &self.context(), (name, SpanKind::Internal), (from, to), attributes, None);
        }
    }

    /// Tells all of it, when it is over; `wrong`: why it did not go well.
    pub fn end(&self, from: DateTime<Utc>, to: DateTime<Utc>, attributes: Attributes<'_>, wrong: Option<String>) {
        if let Some(tracer) = TRACER.get() {
            FIRST.set(Some((self.trace, self.first)));
            told(tracer, &Context::new(), ("migration", SpanKind::Internal), (from, to), attributes, wrong);
            FIRST.set(None);
        }
    }
}

fn told(
    tracer: &SdkTracer,
    parent: &Context,
    (name, kind): (&'static str, SpanKind),
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    attributes: Attributes<'_>,
    wrong: Option<String>,
) {
    let attributes = attributes.iter().map(|(name, value)| KeyValue::new(*name, (*value).to_owned()));
    let span = tracer.span_builder(name).with_kind(kind).with_start_time(SystemTime::from(from));
    let mut span = span.with_attributes(attributes.collect::<Vec<_>>()).start_with_context(tracer, parent);
    if let Some(wrong) = wrong {
        span.set_status(Status::error(wrong));
    }
    span.end_with_timestamp(SystemTime::from(to.max(from)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_migration_has_one_trace_in_every_life_of_its_agent() {
        let one = MigrationTrace::of("db-1", "5f-3");
        assert_eq!(one, MigrationTrace::of("db-1", "5f-3"));
        assert_eq!(one.id().len(), 32);
        // where one word ends and the next begins is part of it
        let others = [("db-1", "5f-4"), ("db-2", "5f-3"), ("db-15", "f-3")];
        assert!(others.iter().all(|(agent, migration)| MigrationTrace::of(agent, migration).id() != one.id()));
    }
}
