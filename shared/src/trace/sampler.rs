//! Which traces are told.

use opentelemetry::trace::{Link, SpanKind, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, SamplingResult, ShouldSample};

/// How it is decided: what belongs to a trace is sampled where that is.
pub(super) fn sampler(share: f64) -> Sampler {
    Sampler::ParentBased(Box::new(OfWhatItLinks(Sampler::TraceIdRatioBased(share))))
}

/// What begins a trace for steps of others, such as a batch, is sampled where one of those is; all else by its share.
#[derive(Debug, Clone)]
struct OfWhatItLinks(Sampler);

impl ShouldSample for OfWhatItLinks {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let by_share = self.0.should_sample(parent, trace, name, kind, attributes, links);
        if links.iter().any(|link| link.span_context.is_sampled()) {
            return SamplingResult { decision: SamplingDecision::RecordAndSample, ..by_share };
        }
        by_share
    }
}
