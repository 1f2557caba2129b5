//! What a row is answered with, whatever its sender calls things.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod questions;

use model::AnswerOptions;
use model::inputs::Inputs;
use model::linear::Linear;
use model::predictor::{Engine, Predictor};
use model::serve::step;
use shared::clock::Timestamp;
use shared::message::Name;

/// area + 10 * rooms + 1
fn houses() -> Predictor {
    let linear = Linear::new(None, &[1.0, 10.0], 1.0).unwrap();
    let inputs = Inputs::named(vec!["area".to_owned(), "rooms".to_owned()]);
    Predictor::new(Engine::Linear(linear), inputs, Name::parse("v1").unwrap())
}

/// The answers' bodies, and the reasons of the letters, in the order of the questions.
async fn answers(bodies: &[&str]) -> Vec<String> {
    let batch = questions::batch(bodies).await;
    let (model_name, predictions_key) = (Name::parse("m").unwrap(), "y_pred".parse().unwrap());
    let options = AnswerOptions { model_name, strict: false, predictions_key };
    let answered = step(&houses(), &options, &batch.deliveries, Timestamp(0));
    let mut predictions = answered.predictions.into_iter();
    let mut rejected = answered.rejected.into_iter().peekable();
    (0..bodies.len())
        .map(|index| match rejected.next_if(|(at, _)| *at == index) {
            Some((_, letter)) => letter.rejection().to_string(),
            None => String::from_utf8(predictions.next().unwrap().body).unwrap(),
        })
        .collect()
}

#[tokio::test]
async fn an_answer_has_its_id_where_its_question_had_it() {
    let questions = [
        ("[50, 3]", "81.0"),
        (r#"["50", "3"]"#, "81.0"),
        (r#"{"rooms": 3, "area": 50.0, "colour": "red"}"#, "81.0"),
        (r#"{"rooms": "3", "area": "50.0"}"#, "81.0"),
        (r#"{"id": 7.50, "rooms": true, "area": 50}"#, r#"{"id": 7.50, "y_pred": 61.0}"#),
        (r#"{"id": "order:17", "features": [50, 3]}"#, r#"{"id": "order:17", "y_pred": 81.0}"#),
        (r#"{"id": "order:17", "body": {"rooms": 3, "area": 50}}"#, r#"{"id": "order:17", "y_pred": 81.0}"#),
    ];
    let (asked, want): (Vec<_>, Vec<_>) = questions.into_iter().unzip();
    assert_eq!(answers(&asked).await, want);
}

#[tokio::test]
async fn a_row_that_cannot_be_answered_says_why_and_harms_no_other() {
    let questions = [
        (r#"{"rooms": 3}"#, "wrong_names: the feature \"area\" is missing"),
        (
            r#"{"rooms": null, "area": 50}"#,
            "missing_value: rooms is missing, and the model has no fill value for it; send a number, or train the model with \
             --missing mean or --missing median",
        ),
        (r#"{"rooms": "three", "area": 50}"#, "bad_shape: rooms is \"three\"; expected a number"),
        ("[50, 3]", "81.0"),
        (r#"{"id": 1, "body": [50]}"#, "wrong_length: 1 features, the model expects 2"),
        ("[1e15, 0]", "too_extreme: the prediction is 1.000000000000001e15; scored are numbers up to 1e15"),
        ("[-1e308, -1e308]", "not_finite: the prediction is -inf"),
        ("[999999999999999, 0]", "1000000000000000.0"),
    ];
    let (asked, want): (Vec<_>, Vec<_>) = questions.into_iter().unzip();
    assert_eq!(answers(&asked).await, want);
}
