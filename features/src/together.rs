//! Rows and labels that are due together, as messages. Pure.

use std::cell::RefCell;
use std::sync::Arc;

use shared::clock::Timestamp;
use shared::message::{Features, Label, Outgoing, Row};

use crate::entry::size;
use crate::schedule::Due;
use crate::shape::Shape;
use crate::traces::Traces;

/// How many bytes of features a message has, about; one row more where that is long. A body may have 1 MiB.
const MOST_BYTES: usize = 256 * 1024;

/// What is due as messages of at most this many rows or labels, each within the trace of its rows. Nothing waits for more to come:
/// what is there goes.
pub(crate) fn messages(
    due: &[Due],
    most: usize,
    shape: &Shape,
    app: &'static str,
    now: Timestamp,
    traces: &mut Traces,
) -> Vec<Outgoing> {
    let traces = RefCell::new(traces);
    let encode_rows = |rows: &[Row]| {
        let trace = traces.borrow_mut().of_rows(app, rows.iter().filter_map(|row| row.key.id()));
        encode_rows(rows, app, now).within(trace)
    };
    let encode_labels = |labels: &[Label]| {
        let trace = traces.borrow_mut().of_labels(app, labels.iter().filter_map(|label| label.key.id()));
        encode_labels(labels, app, now).within(trace)
    };
    let mut messages = Vec::with_capacity(due.len().div_ceil(most) + 2);
    let (mut rows, mut bytes) = (Vec::<Row>::new(), 0);
    let mut labels: Vec<Label> = Vec::new();
    let published_at = Some(now);
    for due in due {
        match due {
            Due::Row { id, features, names } => {
                // The names stand once beside all of a message.
                if rows.first().is_some_and(|first| first.names != *names) {
                    leave(&mut rows, &mut messages, encode_rows);
                    bytes = 0;
                }
                bytes += size(features);
                let (features, names): (Features, Option<Arc<str>>) = (features.clone(), names.clone());
                rows.push(Row { key: shape.features(id.clone()), features, names, published_at });
                if rows.len() == most || bytes >= MOST_BYTES {
                    leave(&mut rows, &mut messages, encode_rows);
                    bytes = 0;
                }
            }
            Due::Label { id, value } => {
                labels.push(Label { key: shape.label(id.clone()), value: *value, published_at });
                if labels.len() == most {
                    leave(&mut labels, &mut messages, encode_labels);
                }
            }
        }
    }
    leave(&mut rows, &mut messages, encode_rows);
    leave(&mut labels, &mut messages, encode_labels);
    messages
}

/// Adds what was collected as a message.
fn leave<T>(items: &mut Vec<T>, messages: &mut Vec<Outgoing>, encode: impl Fn(&[T]) -> Outgoing) {
    if !items.is_empty() {
        messages.push(encode(items));
        items.clear();
    }
}

fn encode_rows(rows: &[Row], app: &'static str, now: Timestamp) -> Outgoing {
    match rows {
        [row] => row.encode(app, now),
        rows => Row::encode_together(rows, app, now),
    }
}

fn encode_labels(labels: &[Label], app: &'static str, now: Timestamp) -> Outgoing {
    match labels {
        [label] => label.encode(app, now),
        labels => Label::encode_together(labels, app, now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::Body;
    use shared::message::{Role, RowId};

    fn row(id: &str, features: &[f64], names: Option<&str>) -> Due {
        let features = Features::Vector(features.to_vec());
        Due::Row { id: RowId::parse(id).unwrap(), features, names: names.map(Into::into) }
    }

    fn label(id: &str, value: f64) -> Due {
        Due::Label { id: RowId::parse(id).unwrap(), value }
    }

    fn shape(body: Body) -> Shape {
        let key = |key: &str| (body == Body::Wrapped).then(|| key.parse().unwrap());
        Shape { body, features_key: key("x"), labels_key: key("y") }
    }

    /// Queue, the property `message_id`, and body.
    fn show(due: &[Due], most: usize, body: Body) -> Vec<String> {
        let show = |message: &Outgoing| {
            let queue = if message.role == Role::Features { "rows" } else { "labels" };
            let id = message.message_id.as_deref().unwrap_or("-");
            format!("{queue} {id} {}", String::from_utf8_lossy(&message.body))
        };
        messages(due, most, &shape(body), "test", Timestamp(0), &mut Traces::default())
            .iter()
            .map(show)
            .collect()
    }

    #[test]
    fn what_is_due_together_travels_together_and_one_goes_as_ever() {
        let due = [
            row("a", &[1.0], None),
            label("a", 5.0),
            row("b", &[2.0], None),
            label("b", 6.0),
            row("c", &[3.0], None),
        ];
        assert_eq!(
            show(&due, 1, Body::Bare),
            ["rows a [1.0]", "labels a 5.0", "rows b [2.0]", "labels b 6.0", "rows c [3.0]"]
        );
        assert_eq!(
            show(&due, 2, Body::Bare),
            [
                r#"rows - {"ids": ["a", "b"], "body": [[1.0],[2.0]]}"#,
                r#"labels - {"ids": ["a", "b"], "body": [5.0,6.0]}"#,
                "rows c [3.0]"
            ]
        );
        assert_eq!(
            show(&due, 4096, Body::Wrapped),
            [
                r#"rows - {"ids": ["a", "b", "c"], "x": [[1.0],[2.0],[3.0]]}"#,
                r#"labels - {"ids": ["a", "b"], "y": [5.0,6.0]}"#
            ]
        );
        assert_eq!(
            show(&due[..2], 64, Body::Wrapped),
            [r#"rows - {"id": "a", "x": [1.0]}"#, r#"labels - {"id": "a", "y": 5.0}"#]
        );
    }

    #[test]
    fn a_message_has_one_list_of_names_and_is_bounded_in_bytes() {
        let due = [row("a", &[1.0], Some("x")), row("b", &[2.0], Some("x")), row("c", &[3.0], Some("y"))];
        let sizes = |due: &[Due]| -> Vec<usize> {
            let messages =
                messages(due, 4096, &shape(Body::Bare), "test", Timestamp(0), &mut Traces::default());
            messages.iter().map(|message| message.body.len()).collect()
        };
        assert_eq!(sizes(&due).len(), 2);
        let long: Vec<Due> =
            (0..100).map(|at| row(&format!("r{at}"), &[0.123_456_789; 1000], None)).collect();
        let sizes = sizes(&long);
        assert!(sizes.len() > 5 && sizes.iter().all(|size| *size < 512 * 1024), "{sizes:?}");
    }
}
