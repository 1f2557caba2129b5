//! What the environment says of the way to the receiver, by OpenTelemetry's own variables.

use opentelemetry::KeyValue;
use opentelemetry_otlp::Protocol;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::{BatchConfig, BatchConfigBuilder};
use uuid::Uuid;

use crate::printable;

/// The form of what is sent, and what is to be said of it. A form that is not spoken here is taken for the usual one.
pub(super) fn protocol(variable: impl Fn(&str) -> Option<String>) -> (Protocol, Option<String>) {
    let named =
        ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"].into_iter().find_map(variable);
    match named.as_deref() {
        None | Some("http/protobuf") => (Protocol::HttpBinary, None),
        Some("http/json") => (Protocol::HttpJson, None),
        Some(other) => {
            let other = printable::within(other, 32);
            let why = format!(
                "traces are sent as http/protobuf: {other} is not spoken here; name the receiver's port for HTTP, often 4318"
            );
            (Protocol::HttpBinary, Some(why))
        }
    }
}

/// The most steps that wait to be sent, whoever wants more.
const MOST_WAITING: usize = 100_000;

/// How many steps wait for how long, as the variables of `OTEL_BSP_` say it.
pub(super) fn waiting(variable: impl Fn(&str) -> Option<String>) -> BatchConfig {
    let config = BatchConfigBuilder::default();
    let named = variable("OTEL_BSP_MAX_QUEUE_SIZE").and_then(|text| text.parse::<usize>().ok());
    // Room for all of them is taken at once.
    match named.filter(|most| *most > MOST_WAITING) {
        Some(_) => config.with_max_queue_size(MOST_WAITING),
        None => config,
    }
    .build()
}

/// What is known of this process, called `name` where `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` say nothing else.
pub(super) fn resource(name: &'static str) -> Resource {
    let ours = [
        KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        KeyValue::new("service.instance.id", Uuid::now_v7().to_string()),
    ];
    let resource = Resource::builder_empty()
        .with_service_name(name)
        .with_attributes(ours)
        .with_detectors(&[Box::new(TelemetryResourceDetector), Box::new(EnvResourceDetector::new())]);
    match super::options::variable("OTEL_SERVICE_NAME") {
        Some(name) => resource.with_service_name(name),
        None => resource,
    }
    .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_that_is_not_spoken_is_said() {
        let (all, traces) = ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL");
        for (set, wanted, is_said) in [
            (&[][..], Protocol::HttpBinary, false),
            (&[(all, "http/protobuf")], Protocol::HttpBinary, false),
            (&[(all, "http/json")], Protocol::HttpJson, false),
            (&[(all, "http/json"), (traces, "http/protobuf")], Protocol::HttpBinary, false),
            (&[(all, "grpc")], Protocol::HttpBinary, true),
            (&[(all, "grpc"), (traces, "http/json")], Protocol::HttpJson, false),
        ] {
            let variable =
                |name: &str| set.iter().find(|(of, _)| *of == name).map(|(_, value)| (*value).to_owned());
            let (form, why) = protocol(variable);
            assert_eq!((form, why.is_some()), (wanted, is_said), "{set:?}");
        }
    }
}
