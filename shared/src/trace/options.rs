//! Flags of the traces.

use std::fmt;
use std::str::FromStr;

use axum::http::Uri;
use clap::Args;

/// Flags of the traces.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Traces")]
pub struct TraceOptions {
    /// Address of a receiver of traces, by OTLP over HTTP, such as http://collector:4318: traces go to /v1/traces there. Without
    /// it, none are made, and those of others are handed on. [default: none]
    #[arg(long, hide_env_values = true, value_name = "URL")]
    otlp_endpoint: Option<OtlpEndpoint>,

    /// How many of the rows that begin their trace here are traced, from 0 to 1. What came with a trace is traced where that is.
    #[arg(long, value_name = "SHARE", value_parser = share, default_value_t = 0.01)]
    trace_share: f64,
}

impl TraceOptions {
    /// Where traces go.
    #[must_use]
    pub fn endpoint(&self) -> Option<&OtlpEndpoint> {
        self.otlp_endpoint.as_ref()
    }

    /// How many of those are traced that begin here, from 0 to 1.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.trace_share
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("expected a number from 0 to 1, such as 0.01".to_owned()),
    }
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

    #[test]
    fn a_share_is_from_none_to_all() {
        for good in ["0", "0.01", "1", "1e-3"] {
            assert!(share(good).is_ok(), "{good}");
        }
        for bad in ["", "-0.1", "1.1", "nan", "inf", "1%"] {
            assert!(share(bad).is_err(), "{bad}");
        }
    }
}
