//! Steps as the receiver is told of them.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::{Link, SpanBuilder, SpanKind, Status, TraceContextExt as _, TracerProvider as _};
use opentelemetry::{KeyValue, Value};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{info, warn};
use uuid::Uuid;

use super::exporter::Client;
use super::sampler::sampler;
use super::{Context, Fact, Kind, OtlpEndpoint, Step, TraceOptions};
use crate::message::header::{TRACE_PARENT, TRACE_STATE};

/// How long the end of a process waits until the last traces are told.
const LAST_WAIT: Duration = Duration::from_secs(1);
/// The most links of a step: as many as the exporter keeps.
const MOST_LINKS: usize = 128;

static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// A step under way. Clones are the same one; it ends with the last of them, if not before.
#[derive(Debug, Clone, Default)]
pub struct Span(Option<opentelemetry::Context>);

impl Span {
    /// Begins a step. Where there is no receiver, nobody is told of it.
    #[must_use]
    pub fn begin(step: Step<'_>) -> Self {
        let Some(provider) = PROVIDER.get() else { return Self::default() };
        let Step { service, name, kind, parent, links } = step;
        let kind = match kind {
            Kind::Producer => SpanKind::Producer,
            Kind::Consumer => SpanKind::Consumer,
            Kind::Client => SpanKind::Client,
            Kind::Server => SpanKind::Server,
        };
        let links = links.iter().filter_map(|span| {
            let context = span.0.as_ref()?.span().span_context().clone();
            context.is_sampled().then(|| Link::with_context(context))
        });
        let builder =
            SpanBuilder::from_name(name).with_kind(kind).with_links(links.take(MOST_LINKS).collect());
        let parent = parent.map_or_else(opentelemetry::Context::new, |parent| {
            TraceContextPropagator::new().extract_with_context(&opentelemetry::Context::new(), parent)
        });
        let span = builder.start_with_context(&provider.tracer(service), &parent);
        Self(Some(opentelemetry::Context::new().with_span(span)))
    }

    /// Where what it makes is in its trace.
    #[must_use]
    pub fn context(&self) -> Option<Context> {
        let mut written = Written::default();
        TraceContextPropagator::new().inject_context(self.0.as_ref()?, &mut written);
        let Written(headers) = written;
        Context::read(headers.get(TRACE_PARENT)?, headers.get(TRACE_STATE).map(String::as_str))
    }

    /// Whether somebody is told of it.
    #[must_use]
    pub fn is_told(&self) -> bool {
        self.0.as_ref().is_some_and(|context| context.span().is_recording())
    }

    /// Adds something that is known of it.
    pub fn know(&self, name: &'static str, fact: impl Into<Fact>) {
        if let Some(context) = self.0.as_ref().filter(|_| self.is_told()) {
            let value = match fact.into() {
                Fact::Text(text) => Value::from(text),
                Fact::Int(int) => Value::from(int),
            };
            context.span().set_attribute(KeyValue::new(name, value));
        }
    }

    /// Says that it has failed, with a short stable code.
    pub fn fail(&self, code: &'static str) {
        if let Some(context) = &self.0 {
            self.know("error.type", code);
            context.span().set_status(Status::error(code));
        }
    }

    /// Ends it.
    pub fn end(&self) {
        if let Some(context) = &self.0 {
            context.span().end();
        }
    }
}

impl Extractor for Context {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            TRACE_PARENT => Some(self.parent()),
            TRACE_STATE => self.state(),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACE_PARENT, TRACE_STATE]
    }
}

#[derive(Default)]
struct Written(HashMap<String, String>);

impl Injector for Written {
    fn set(&mut self, key: &str, value: String) {
        self.0.insert(key.to_owned(), value);
    }
}

/// Whether there is a receiver.
#[must_use]
pub fn is_on() -> bool {
    PROVIDER.get().is_some()
}

/// Tells the receiver of everything from now on, where one is named. A second call changes nothing.
pub(crate) fn start(name: &'static str, options: &TraceOptions) {
    let Some(endpoint) = options.endpoint() else { return };
    match provider(name, endpoint, options.share()) {
        Ok(provider) => {
            if PROVIDER.set(provider).is_ok() {
                info!("traces go to {endpoint}, of {} of the rows that begin here", options.share());
            }
        }
        Err(why) => warn!("no traces go to {endpoint}: {why}"),
    }
}

fn provider(
    name: &'static str,
    endpoint: &OtlpEndpoint,
    share: f64,
) -> Result<SdkTracerProvider, opentelemetry_otlp::ExporterBuildError> {
    let is_set = |variable: &str| std::env::var_os(variable).is_some_and(|value| !value.is_empty());
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Client::new(endpoint.clone()))
        .with_endpoint(endpoint.traces());
    // What OpenTelemetry has variables for, those say.
    let named = ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"].into_iter().any(is_set);
    let exporter = if named { exporter } else { exporter.with_protocol(Protocol::HttpBinary) };
    let about = [
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", Uuid::now_v7().to_string()),
    ];
    let resource = Resource::builder().with_attributes(about);
    let resource = if is_set("OTEL_SERVICE_NAME") { resource } else { resource.with_service_name(name) };
    Ok(SdkTracerProvider::builder()
        .with_sampler(sampler(share))
        .with_resource(resource.build())
        .with_batch_exporter(exporter.build()?)
        .build())
}

/// Tells what is not told yet, if that does not take long.
pub(crate) fn stop() {
    if let Some(provider) = PROVIDER.get() {
        // What could not be told was said by whoever tried.
        _ = provider.shutdown_with_timeout(LAST_WAIT);
    }
}
