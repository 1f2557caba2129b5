//! Steps as the receiver is told of them.

use std::str::FromStr as _;
use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::trace::{
    Link, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId,
    TraceState, TracerProvider as _,
};
use opentelemetry::{KeyValue, Value};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use rand::RngExt as _;
use tracing::{info, warn};
use uuid::Uuid;

use super::exporter::Client;
use super::{Context, Fact, Kind, OtlpEndpoint, Step, TraceOptions};

/// How long the end of a process waits until the last traces are told.
const LAST_WAIT: Duration = Duration::from_secs(1);
/// The most links of a step: as many as the exporter keeps.
const MOST_LINKS: usize = 128;

static TELLING: OnceLock<Telling> = OnceLock::new();

/// How the receiver is told.
struct Telling {
    provider: SdkTracerProvider,
    /// How many of the traces that begin here, from 0 to 1.
    share: f64,
}

/// A step under way. Clones are the same one; it ends with the last of them, if not before.
#[derive(Debug, Clone, Default)]
pub struct Span(Form);

#[derive(Debug, Clone, Default)]
enum Form {
    /// There is no receiver.
    #[default]
    Off,
    /// Its trace is not collected. Most are not, so this costs next to nothing.
    Untold(Context),
    /// The receiver is told of it.
    Told(opentelemetry::Context),
}

impl Span {
    /// Begins a step. What belongs to a trace is told where that is collected; what begins one, where a step that it was made for
    /// is told, or else as its share has it.
    #[must_use]
    pub fn begin(step: Step<'_>) -> Self {
        let Some(telling) = TELLING.get() else { return Self::default() };
        let is_told = match step.parent {
            Some(parent) => parent.is_sampled(),
            None => step.links.iter().any(Self::is_told) || rand::rng().random_bool(telling.share),
        };
        if is_told {
            return Self(Form::Told(telling.begin(step)));
        }
        Self(Form::Untold(step.parent.cloned().unwrap_or_else(Context::untraced)))
    }

    /// Where what it makes is in its trace.
    #[must_use]
    pub fn context(&self) -> Option<Context> {
        match &self.0 {
            Form::Off => None,
            Form::Untold(context) => Some(context.clone()),
            Form::Told(step) => Some(context(step.span().span_context())),
        }
    }

    /// Whether somebody is told of it.
    #[must_use]
    pub fn is_told(&self) -> bool {
        matches!(self.0, Form::Told(_))
    }

    /// Adds something that is known of it.
    pub fn know(&self, name: &'static str, fact: impl Into<Fact>) {
        if let Form::Told(step) = &self.0 {
            let value = match fact.into() {
                Fact::Text(text) => Value::from(text),
                Fact::Int(int) => Value::from(int),
            };
            step.span().set_attribute(KeyValue::new(name, value));
        }
    }

    /// Says that it has failed, with a short stable code.
    pub fn fail(&self, code: &'static str) {
        if let Form::Told(step) = &self.0 {
            self.know("error.type", code);
            step.span().set_status(Status::error(code));
        }
    }

    /// Ends it.
    pub fn end(&self) {
        if let Form::Told(step) = &self.0 {
            step.span().end();
        }
    }
}

impl Telling {
    fn begin(&self, step: Step<'_>) -> opentelemetry::Context {
        let Step { service, name, kind, parent, links } = step;
        let kind = match kind {
            Kind::Producer => SpanKind::Producer,
            Kind::Consumer => SpanKind::Consumer,
            Kind::Client => SpanKind::Client,
            Kind::Server => SpanKind::Server,
        };
        let links = links.iter().filter_map(|span| match &span.0 {
            Form::Told(step) => Some(Link::with_context(step.span().span_context().clone())),
            _ => None,
        });
        let builder = SpanBuilder::from_name(name.to_owned())
            .with_kind(kind)
            .with_links(links.take(MOST_LINKS).collect());
        let parent = parent.map_or_else(opentelemetry::Context::new, |parent| {
            opentelemetry::Context::new().with_remote_span_context(remote(parent))
        });
        let span = builder.start_with_context(&self.provider.tracer(service), &parent);
        opentelemetry::Context::new().with_span(span)
    }
}

/// What the receiver knows it by.
fn remote(context: &Context) -> SpanContext {
    let (trace, step) = (TraceId::from(context.trace), SpanId::from(context.step));
    // What is no list of pairs is handed on to nobody.
    let state = context.state().and_then(|state| TraceState::from_str(state).ok()).unwrap_or_default();
    SpanContext::new(trace, step, TraceFlags::new(context.flags), true, state)
}

fn context(step: &SpanContext) -> Context {
    let (trace, id) = (step.trace_id().to_bytes(), step.span_id().to_bytes());
    let (trace, id) = (u128::from_be_bytes(trace), u64::from_be_bytes(id));
    Context::new(trace, id, step.trace_flags().to_u8(), Some(&step.trace_state().header()))
}

/// Whether there is a receiver.
#[must_use]
pub fn is_on() -> bool {
    TELLING.get().is_some()
}

/// Tells the receiver of everything from now on, where one is named. A second call changes nothing.
pub(crate) fn start(name: &'static str, options: &TraceOptions) {
    let Some(endpoint) = options.endpoint() else { return };
    let share = options.share();
    match provider(name, endpoint) {
        Ok(provider) => {
            if TELLING.set(Telling { provider, share }).is_ok() {
                info!("traces go to {endpoint}: a share of {share} of those that begin here");
            }
        }
        Err(why) => warn!("no traces go to {endpoint}: {why}"),
    }
}

fn provider(
    name: &'static str,
    endpoint: &OtlpEndpoint,
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
        // What is not to be told does not come this far.
        .with_sampler(Sampler::AlwaysOn)
        .with_resource(resource.build())
        .with_batch_exporter(exporter.build()?)
        .build())
}

/// Tells what is not told yet, if that does not take long.
pub(crate) fn stop() {
    if let Some(telling) = TELLING.get() {
        // What could not be told was said by whoever tried.
        _ = telling.provider.shutdown_with_timeout(LAST_WAIT);
    }
}
