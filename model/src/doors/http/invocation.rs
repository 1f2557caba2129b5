//! A request of `/invocations` from its bytes to its answer's bytes, for whoever has it without the port. Pure.

use axum::body::Bytes;
use shared::clock::Timestamp;
use shared::message::MAX_BODY;
use shared::printable::lines;

use super::invocations::{self, Form};
use super::packed;
use super::problem::Problem;
use crate::answer::answer_rows;
use crate::options::AnswerOptions;
use crate::predictor::Predictor;
use crate::serve::{count_outside, count_predicted};

/// A request as clients of MLflow and SageMaker make it, by whichever way it comes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Invocation<'a> {
    /// What its body is; JSON where nothing is said.
    pub content_type: Option<&'a str>,
    /// How that is packed.
    pub content_encoding: Option<&'a str>,
    /// What its client takes.
    pub accepts: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

/// The answer to an [`Invocation`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoked {
    /// How many rows are predicted.
    pub rows: usize,
    /// What the body is.
    pub content_type: &'static str,
    /// The predictions.
    pub body: Vec<u8>,
}

/// Why an [`Invocation`] has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotInvoked {
    /// The status that says so over HTTP.
    pub status: u16,
    /// The code of what is wrong with a row, as dead letters have it.
    pub reason: Option<&'static str>,
    /// What is wrong, on one line.
    pub error: String,
    /// The same as a body over HTTP: JSON.
    pub body: Vec<u8>,
}

impl From<Problem> for NotInvoked {
    fn from(why: Problem) -> Self {
        let (error, body) = (lines(&why.error), invocations::refused(&why).to_string().into_bytes());
        Self { status: why.status.as_u16(), reason: why.reason, error, body }
    }
}

/// Answers a request, or says what is wrong with it or with the first row of it that cannot be predicted.
///
/// # Errors
/// As behind the port.
pub fn invoke(
    predictor: &Predictor,
    options: &AnswerOptions,
    asked: Invocation<'_>,
    now: Timestamp,
) -> Result<Invoked, NotInvoked> {
    let (values, form) = predicted(predictor, options, asked, now)?;
    let (content_type, body) = invocations::written(form, &values);
    Ok(Invoked { rows: values.len(), content_type, body })
}

fn predicted(
    predictor: &Predictor,
    options: &AnswerOptions,
    asked: Invocation<'_>,
    now: Timestamp,
) -> Result<(Vec<f64>, Form), Problem> {
    if asked.body.len() > MAX_BODY {
        return Err(Problem::long());
    }
    let body = packed::unpacked(asked.content_encoding, Bytes::copy_from_slice(asked.body))?;
    let (rows, form) = invocations::read(predictor, asked.content_type, asked.accepts, &body)?;
    let count = rows.len();
    let answers = answer_rows(predictor, options, rows, now, |outside| {
        count_outside(options, predictor, outside);
    });
    let value = |answer: Result<shared::message::Prediction, _>| answer.map(|prediction| prediction.value);
    let values = answers
        .into_iter()
        .map(value)
        .collect::<Result<Vec<f64>, _>>()
        .map_err(|refused| Problem::of_refused(count, &refused))?;
    count_predicted(options, predictor, count as u64);
    Ok((values, form))
}

#[cfg(test)]
mod tests {
    use shared::message::Name;

    use super::*;
    use crate::inputs::Inputs;
    use crate::linear::Linear;
    use crate::predictor::Engine;

    #[test]
    fn a_request_without_a_port_gets_the_port_s_answer() {
        let linear = Linear::new(None, &[1.0, 10.0], 1.0).unwrap();
        let inputs = Inputs::named(vec!["area".to_owned(), "rooms".to_owned()]);
        let predictor = Predictor::new(Engine::Linear(linear), inputs, Name::parse("v1").unwrap());
        let options = AnswerOptions {
            model_name: Name::parse("m").unwrap(),
            strict: false,
            no_features: false,
            predictions_key: "body".parse().unwrap(),
            role: Default::default(),
        };
        let told = |asked| match invoke(&predictor, &options, asked, Timestamp(0)) {
            Ok(Invoked { rows, content_type, body }) => {
                (200, rows, format!("{content_type}: {}", String::from_utf8(body).unwrap()))
            }
            Err(NotInvoked { status, reason, error, .. }) => {
                (status, 0, format!("{}: {error}", reason.unwrap()))
            }
        };
        let json = |body: &'static str| Invocation { body: body.as_bytes(), ..Invocation::default() };
        let csv = Invocation {
            content_type: Some("text/csv"),
            accepts: Some("text/csv"),
            ..json("rooms,area\n3,50\n")
        };
        let packed = Invocation { content_encoding: Some("br"), ..json("[50, 3]") };
        let long = vec![b' '; MAX_BODY + 1];
        for (asked, wanted) in [
            (
                json(r#"{"instances": [[50, 3], [1, 2]]}"#),
                (200, 2, "application/json: {\"predictions\":[81.0,22.0]}"),
            ),
            (json("[50, 3]"), (200, 1, "application/json: [81.0]")),
            (csv, (200, 1, "text/csv; charset=utf-8: 81\n")),
            (
                json(r#"{"instances": [[50, 3], [1]]}"#),
                (400, 0, "wrong_length: row 2: 1 features, the model expects 2"),
            ),
            (
                packed,
                (400, 0, "bad_encoding: the content encoding is \"br\"; expected gzip, deflate or none"),
            ),
            (
                Invocation { body: &long, ..Invocation::default() },
                (413, 0, "too_large: the body is longer than 1048576 bytes"),
            ),
        ] {
            let (status, rows, text) = told(asked);
            assert_eq!((status, rows, &*text), wanted);
        }
        let why = invoke(&predictor, &options, json("[1]"), Timestamp(0)).unwrap_err();
        assert_eq!(
            String::from_utf8(why.body).unwrap(),
            r#"{"error_code":"BAD_REQUEST","message":"1 features, the model expects 2"}"#
        );
    }
}
