//! What CloudWatch counts: a line of JSON in its embedded metric format for each invocation. Pure.
//!
//! Every combination of dimensions is billed as a metric of its own, so there are two of them: the model, for alarms that outlive a
//! new version, and the model with its version. A row's id is in none.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};
use shared::clock::Timestamp;

/// What one invocation came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Counts {
    /// By which way it came; none where that could not be told.
    pub(crate) door: Option<&'static str>,
    /// Rows that are predicted.
    pub(crate) predicted: u64,
    /// Rows that cannot be, by reason. A request that is refused as a whole counts as one.
    pub(crate) rejected: BTreeMap<&'static str, u64>,
    /// Whether the function failed; a row that cannot be used is no failure.
    pub(crate) failed: bool,
}

/// Whose numbers they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Labels<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) model: &'a str,
    pub(crate) version: &'a str,
    /// Lambda's id of the invocation: to search by, and no dimension.
    pub(crate) request: &'a str,
}

/// The line. `cold` is how long the start took, where this is the first invocation after it.
pub(crate) fn line(
    of: Labels<'_>,
    counts: &Counts,
    took: Duration,
    cold: Option<Duration>,
    now: Timestamp,
) -> String {
    let rejected: u64 = counts.rejected.values().sum();
    let count = |name: &str, value: u64| (name.to_owned(), "Count", json!(value));
    let milliseconds = |name: &str, time: Duration| (name.to_owned(), "Milliseconds", json!(millis(time)));
    let mut metrics = vec![
        count("Requests", 1),
        count("Rows", counts.predicted + rejected),
        count("Predictions", counts.predicted),
        count("Rejected", rejected),
        count("Errors", u64::from(counts.failed)),
        milliseconds("Latency", took),
    ];
    metrics.extend(counts.rejected.iter().map(|(reason, rows)| count(&format!("Rejected_{reason}"), *rows)));
    if let Some(cold) = cold {
        metrics.extend([count("ColdStarts", 1), milliseconds("ColdStart", cold)]);
    }
    let declared: Vec<Value> =
        metrics.iter().map(|(name, unit, _)| json!({ "Name": name, "Unit": unit })).collect();
    let mut root: Map<String, Value> = metrics.into_iter().map(|(name, _, value)| (name, value)).collect();
    let about = json!({
        "Timestamp": now.0,
        "CloudWatchMetrics": [{
            "Namespace": of.namespace,
            "Dimensions": [["model"], ["model", "model_version"]],
            "Metrics": declared,
        }],
    });
    root.insert("_aws".to_owned(), about);
    for (name, text) in [("model", of.model), ("model_version", of.version), ("requestId", of.request)] {
        root.insert(name.to_owned(), text.into());
    }
    if let Some(door) = counts.door {
        root.insert("door".to_owned(), door.into());
    }
    Value::Object(root).to_string()
}

/// To the microsecond.
fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF: Labels<'static> =
        Labels { namespace: "pipeline", model: "model", version: "54fbcddf67d0", request: "r-1" };

    #[test]
    fn a_line_has_what_cloudwatch_is_to_count_and_no_more_dimensions() {
        let counts = Counts {
            door: Some("queue"),
            predicted: 2,
            rejected: [("not_json", 1), ("wrong_length", 3)].into(),
            failed: false,
        };
        let text = line(OF, &counts, Duration::from_nanos(1_234_567), None, Timestamp(1_764_090_612_000));
        let line: Value = serde_json::from_str(&text).unwrap();
        for (name, value) in [
            ("Requests", json!(1)),
            ("Rows", json!(6)),
            ("Predictions", json!(2)),
            ("Rejected", json!(4)),
            ("Rejected_not_json", json!(1)),
            ("Rejected_wrong_length", json!(3)),
            ("Errors", json!(0)),
            ("Latency", json!(1.235)),
            ("door", json!("queue")),
            ("model_version", json!("54fbcddf67d0")),
        ] {
            assert_eq!(line[name], value, "{name}");
        }
        assert_eq!(
            line["_aws"]["CloudWatchMetrics"][0]["Dimensions"],
            json!([["model"], ["model", "model_version"]])
        );
        assert!(!text.contains('\n') && !text.contains("ColdStart"), "{text}");
    }

    #[test]
    fn the_first_line_has_the_start() {
        let counts = Counts { failed: true, ..Counts::default() };
        let text = line(OF, &counts, Duration::ZERO, Some(Duration::from_millis(12)), Timestamp(0));
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&line["ColdStarts"], &line["ColdStart"]), (&json!(1), &json!(12.0)));
        assert_eq!((&line["Errors"], line.get("door")), (&json!(1), None));
    }
}
