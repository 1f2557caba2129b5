//! Rows and labels on their way to the queues: a request's bytes to messages, and to what is said of each. Pure.

use serde::Serialize;
use shared::clock::Timestamp;
use shared::message::{Bundle, Key, Label, MAX_BODY, Outgoing, Rejection, Row, RowId};

use super::posted::Posted;
use super::problem::Problem;
use crate::answer::{decode, vector};
use crate::options::AnswerOptions;
use crate::predictor::Predictor;

/// The most lines of a request.
pub(super) const MOST_LINES: usize = 10_000;

/// What becomes of a request.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// What is to be published, a message for each row or label.
    pub(super) messages: Vec<Outgoing>,
    /// Whose they are, in their order.
    pub(super) ids: Vec<String>,
    pub(super) rejected: Vec<Rejected>,
}

/// What cannot be used.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub(super) struct Rejected {
    /// Its line, or its place among the others, from 1.
    line: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    reason: &'static str,
    detail: String,
}

/// A message and whose it is, or why there is none.
type Item = Result<(RowId, Outgoing), (Option<RowId>, Rejection)>;

/// Rows for the queue of features, each of which the model that serves can predict. One without an id gets one.
pub(super) fn rows(
    predictor: &Predictor,
    options: &AnswerOptions,
    posted: Posted<'_>,
    app: &'static str,
    now: Timestamp,
) -> Result<Taken, Problem> {
    let one = |row: Row| {
        let checked = vector(predictor, options, row.features.clone(), None, &mut |_| {});
        if let Err(why) = checked {
            return Err((row.key.into_id(), why));
        }
        let id = row.key.id().cloned().unwrap_or_else(RowId::unique);
        let key = if row.key == Key::Anonymous { Key::Property(id.clone()) } else { row.key };
        fitting(id, Row { key, ..row }.encode(app, now))
    };
    take(posted, |posted| decode(predictor, posted), one)
}

/// Labels for their queue.
pub(super) fn labels(posted: Posted<'_>, app: &'static str, now: Timestamp) -> Result<Taken, Problem> {
    let one = |label: Label| match label.key.id().cloned() {
        Some(id) => fitting(id, label.encode(app, now)),
        None => {
            let detail =
                r#"a label without the id of its row meets nothing; expected {"id": ID, "y_true": NUMBER}"#;
            Err((None, Rejection::new(Rejection::ID, detail)))
        }
    };
    take(posted, |posted| Label::decode(posted), one)
}

/// Holds a message to what its receiver reads: written anew, numbers may be longer than they came.
fn fitting(id: RowId, message: Outgoing) -> Item {
    if message.body.len() > MAX_BODY {
        let detail = format!("{} bytes once it is written, more than {MAX_BODY}", message.body.len());
        return Err((Some(id), Rejection::new(Rejection::TOO_LARGE, detail)));
    }
    Ok((id, message))
}

fn take<T>(
    posted: Posted<'_>,
    read: impl Fn(&Posted<'_>) -> Result<Bundle<T>, Rejection>,
    one: impl Fn(T) -> Item,
) -> Result<Taken, Problem> {
    let mut taken = Taken::default();
    if !is_lines(posted.content_type) {
        match read(&posted) {
            Ok(Bundle { items, .. }) => {
                (1..).zip(items).for_each(|(place, item)| {
                    taken.add(place, item.map_err(|why| (None, why)).and_then(&one))
                });
            }
            Err(why) if matches!(why.reason, Rejection::TOO_LARGE | Rejection::CONTENT_TYPE) => {
                return Err(why.into());
            }
            Err(why) => taken.add(1, Err((None, why))),
        }
        return Ok(taken);
    }
    if posted.id.is_some() {
        let detail = "an id in the address is that of one row; lines have their ids in them";
        return Err(Problem::bad(Rejection::ID, detail));
    }
    let lines = (1..).zip(posted.body.split(|byte| *byte == b'\n'));
    let lines = lines.map(|(number, line)| (number, line.trim_ascii())).filter(|(_, line)| !line.is_empty());
    for (at, (number, line)) in lines.enumerate() {
        if at == MOST_LINES {
            let detail = format!("more than {MOST_LINES} lines in one request");
            return Err(Problem::bad(Rejection::TOO_LARGE, detail));
        }
        let item = read(&Posted::json(line)).and_then(Bundle::only);
        taken.add(number, item.map_err(|why| (None, why)).and_then(&one));
    }
    if taken.is_empty() {
        return Err(Problem::bad(Rejection::SHAPE, "there are no lines"));
    }
    Ok(taken)
}

fn is_lines(content_type: Option<&str>) -> bool {
    let kind =
        content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    ["application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"]
        .contains(&&*kind)
}

impl Taken {
    fn add(&mut self, line: usize, item: Item) {
        match item {
            Ok((id, message)) => {
                self.ids.push(id.to_string());
                self.messages.push(message);
            }
            Err((id, Rejection { reason, detail })) => {
                self.rejected.push(Rejected { line, id: id.map(|id| id.to_string()), reason, detail });
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.rejected.is_empty()
    }
}
