//! Steps as the receiver is told of them.

use std::collections::HashSet;
use std::str::FromStr as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry::trace::{
    Link, SpanBuilder, SpanContext, SpanId, SpanKind, SpanRef, Status, TraceContextExt as _, TraceFlags,
    TraceId, TraceState, TracerProvider as _,
};
use opentelemetry::{KeyValue, Value};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::trace::{BatchSpanProcessor, Sampler, SdkTracerProvider};
use rand::RngExt as _;
use tracing::{info, warn};

use super::exporter::{Client, Counted};
use super::options::variable;
use super::settings::{protocol, resource, waiting};
use super::{Context, Fact, Kind, OtlpEndpoint, Step, TraceOptions};
use crate::metrics::Counter;

/// How long the end of a process waits until the last traces are told.
const LAST_WAIT: Duration = Duration::from_secs(1);

static STEPS: Counter<0> = Counter::new(
    "pipeline_trace_steps_total",
    "Steps of traces that a receiver is to be told of. The difference to those that it was told of was lost, waits, or is under way.",
    [],
);

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
    Told(Arc<Told>),
}

#[derive(Debug)]
struct Told {
    step: opentelemetry::Context,
    /// Whether it is said that it has failed.
    has_failed: AtomicBool,
}

impl Told {
    fn span(&self) -> SpanRef<'_> {
        self.step.span()
    }
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
            let told = Told { step: telling.begin(step), has_failed: AtomicBool::new(false) };
            return Self(Form::Told(Arc::new(told)));
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

    /// Says that it has failed, with a short stable code. The first one stays.
    pub fn fail(&self, code: &str) {
        if let Form::Told(step) = &self.0
            && !step.has_failed.swap(true, Ordering::Relaxed)
        {
            self.know("error.type", code);
            step.span().set_status(Status::error(code.to_owned()));
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
            Kind::Internal => SpanKind::Internal,
        };
        STEPS.add([], 1);
        // Rows that came in one message are in one step.
        let mut linked = HashSet::new();
        let links = links.iter().filter_map(|span| match &span.0 {
            Form::Told(step) => Some(step.span().span_context().clone()),
            _ => None,
        });
        let links = links.filter(|step| linked.insert((step.trace_id(), step.span_id())));
        let links = links.map(Link::with_context).collect();
        let builder = SpanBuilder::from_name(name.to_owned()).with_kind(kind).with_links(links);
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
    let endpoint = match options.endpoint(variable) {
        Some(Ok(endpoint)) => endpoint,
        Some(Err(why)) => return warn!("no traces are told to anybody: {why}"),
        None => return,
    };
    let (protocol, unspoken) = protocol(variable);
    let (share, unread) = options.share();
    for word in [unspoken, unread].into_iter().flatten() {
        warn!("{word}");
    }
    match provider(name, &endpoint, protocol) {
        Ok(provider) => {
            Counted::from_zero();
            STEPS.add([], 0);
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
    protocol: Protocol,
) -> Result<SdkTracerProvider, opentelemetry_otlp::ExporterBuildError> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Client::new(endpoint.clone()))
        .with_endpoint(endpoint.traces())
        .with_protocol(protocol)
        .build()?;
    Ok(SdkTracerProvider::builder()
        // What is not to be told does not come this far.
        .with_sampler(Sampler::AlwaysOn)
        .with_resource(resource(name))
        .with_span_processor(BatchSpanProcessor::new(Counted::new(exporter), waiting(variable)))
        .build())
}

/// Tells what is not told yet, if that does not take long.
pub(crate) fn stop() {
    if let Some(telling) = TELLING.get() {
        // What could not be told was said by whoever tried.
        _ = telling.provider.shutdown_with_timeout(LAST_WAIT);
    }
}
