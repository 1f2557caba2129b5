//! Flags of the traces.

use std::ffi::OsString;
use std::fmt;
use std::str::FromStr;

use axum::http::Uri;
use clap::Args;

/// Flags of the traces. What cannot be read costs the traces and not the service: the same variables often stand for all
/// programs of a machine.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Traces")]
pub struct TraceOptions {
    /// Address of a receiver of traces, by OTLP over HTTP, such as http://collector:4318: traces go to /v1/traces there. Without
    /// it, none are made, and those of others are handed on. [default: none]
    #[arg(long, hide_env_values = true, value_name = "URL")]
    otlp_endpoint: Option<OsString>,

    /// How many of the rows that begin their trace here are traced, from 0 to 1. What came with a trace is traced where that is.
    #[arg(long, value_name = "SHARE", default_value = DEFAULT_SHARE)]
    trace_share: OsString,
}

const DEFAULT_SHARE: &str = "0.01";

impl TraceOptions {
    /// Where traces go, or what is wrong with that; none where none are wanted.
    pub(super) fn endpoint(
        &self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Option<Result<OtlpEndpoint, String>> {
        let says = |name, word| variable(name).is_some_and(|value| value.trim().eq_ignore_ascii_case(word));
        if says("OTEL_SDK_DISABLED", "true") || says("OTEL_TRACES_EXPORTER", "none") {
            return None;
        }
        let text = self.otlp_endpoint.as_deref().filter(|text| !text.is_empty())?.to_string_lossy();
        // It may have a secret in it, so it is not shown.
        let unread = |why| format!("the address of their receiver (--otlp-endpoint) cannot be read: {why}");
        Some(text.parse().map_err(unread))
    }

    /// How many of those are traced that begin here, from 0 to 1; what is wrong with that, if something is.
    #[cfg(feature = "traces")]
    pub(super) fn share(&self) -> (f64, Option<String>) {
        let read = |text: &str| text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
        // Other samplers have addresses there, so it is not shown.
        let unread = || {
            let why = format!(
                "what --trace-share says is no number from 0 to 1: {DEFAULT_SHARE} of the rows are traced"
            );
            (read(DEFAULT_SHARE).unwrap_or_default(), Some(why))
        };
        self.trace_share.to_str().and_then(read).map_or_else(unread, |share| (share, None))
    }
}

/// A variable of the environment that is set and says something.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The address of a receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtlpEndpoint(Uri);

impl OtlpEndpoint {
    /// Where it takes traces.
    #[must_use]
    pub fn traces(&self) -> String {
        format!("{}/v1/traces", self.0.to_string().trim_end_matches('/'))
    }
}

impl FromStr for OtlpEndpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected a URL such as http://collector:4318";
        let url: Uri = text.parse().map_err(|why| format!("{why}; {expected}"))?;
        let is_base = url.host().is_some_and(|host| !host.is_empty()) && url.query().is_none();
        match url.scheme_str() {
            Some("http") if is_base => Ok(Self(url)),
            Some("https") if is_base && cfg!(feature = "tls") => Ok(Self(url)),
            Some("https") if is_base => {
                Err("https needs a program that was built with `--features tls`, as the image was".to_owned())
            }
            _ => Err(expected.to_owned()),
        }
    }
}

/// Without what may be a secret: user, password and path.
impl fmt::Display for OtlpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.0.scheme_str().unwrap_or_default(), self.0.host().unwrap_or_default())?;
        self.0.port_u16().map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_the_base_of_a_receiver() {
        for (text, shown, traces) in [
            ("http://collector:4318", "http://collector:4318", "http://collector:4318/v1/traces"),
            ("http://collector:4318/", "http://collector:4318", "http://collector:4318/v1/traces"),
            ("http://[::1]:1/otlp", "http://[::1]:1", "http://[::1]:1/otlp/v1/traces"),
            ("http://u:secret@host/a/", "http://host", "http://u:secret@host/a/v1/traces"),
        ] {
            let endpoint: OtlpEndpoint = text.parse().unwrap();
            assert_eq!((endpoint.to_string(), endpoint.traces()), (shown.to_owned(), traces.to_owned()));
        }
        for bad in ["", "collector:4318", "/v1/traces", "grpc://collector:4317", "http://", "http://a/?b=c"] {
            assert!(bad.parse::<OtlpEndpoint>().is_err(), "{bad}");
        }
    }

    fn options(endpoint: Option<&str>, share: &str) -> TraceOptions {
        TraceOptions { otlp_endpoint: endpoint.map(Into::into), trace_share: share.into() }
    }

    #[test]
    fn a_receiver_is_told_where_one_is_named_and_not_switched_off() {
        let named = options(Some("http://host"), "1");
        for (set, is_told) in [
            (("OTHER", "true"), true),
            (("OTEL_SDK_DISABLED", "false"), true),
            (("OTEL_SDK_DISABLED", "True"), false),
            (("OTEL_TRACES_EXPORTER", "otlp"), true),
            (("OTEL_TRACES_EXPORTER", "none"), false),
        ] {
            let variable = |name: &str| (name == set.0).then(|| set.1.to_owned());
            assert_eq!(named.endpoint(variable).is_some(), is_told, "{set:?}");
            for unnamed in [None, Some("")] {
                assert_eq!(options(unnamed, "1").endpoint(variable), None);
            }
        }
        let why = options(Some("http://user:secret@host/?a=b"), "1").endpoint(|_| None).unwrap().unwrap_err();
        assert!(why.contains("--otlp-endpoint") && !why.contains("secret"), "{why}");
    }

    #[cfg(feature = "traces")]
    #[test]
    fn a_share_is_from_none_to_all() {
        for (good, share) in [("0", 0.0), ("0.01", 0.01), ("1", 1.0), ("1e-3", 0.001)] {
            assert_eq!(options(None, good).share(), (share, None));
        }
        for bad in ["", "-0.1", "1.1", "nan", "inf", "1%", "endpoint=http://user:secret@host"] {
            let (share, why) = options(None, bad).share();
            let why = why.unwrap_or_else(|| panic!("{bad}"));
            assert!((share - 0.01).abs() < f64::EPSILON && !why.contains("secret"), "{why}");
        }
    }
}
