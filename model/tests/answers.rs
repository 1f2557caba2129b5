//! What a row is answered with, whatever its sender calls things.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod questions;

use model::AnswerOptions;
use model::inputs::Inputs;
use model::linear::Linear;
use model::predictor::{Engine, Predictor};
use model::serve::{Answers, step};
use shared::clock::Timestamp;
use shared::message::{Incoming as _, Name, Outgoing, Prediction};

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
    let options = AnswerOptions {
        model_name,
        strict: false,
        no_features: false,
        predictions_key,
        role: Default::default(),
    };
    let answered = step(&houses(), &options, &batch.deliveries, Timestamp(0));
    let mut predictions = answered.predictions.into_iter();
    let mut rejected = answered.rejected.into_iter().peekable();
    (0..bodies.len())
        .map(|index| match rejected.next_if(|(at, _)| *at == index) {
            Some((_, letters)) => letters.iter().map(|letter| letter.rejection().to_string()).collect(),
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

/// Messages and letters of a question with many rows: the answers' bodies, and what each letter says of its row.
async fn answered(question: &str, no_features: bool) -> (Vec<Outgoing>, Vec<String>) {
    let batch = questions::batch(&[question]).await;
    let (model_name, predictions_key) = (Name::parse("m").unwrap(), "y_pred".parse().unwrap());
    let options =
        AnswerOptions { model_name, strict: false, no_features, predictions_key, role: Default::default() };
    let Answers { predictions, rejected, .. } = step(&houses(), &options, &batch.deliveries, Timestamp(0));
    let said = rejected.into_iter().flat_map(|(_, letters)| letters);
    (predictions, said.map(|letter| letter.rejection().to_string()).collect())
}

#[tokio::test]
async fn an_answer_has_the_form_of_its_question() {
    for (question, want) in [
        (
            r#"{"ids": ["a", 7.50], "body": [[50, 3], {"rooms": 1, "area": 0}]}"#,
            r#"{"ids": ["a", 7.50], "y_pred": [81.0,11.0]}"#,
        ),
        (r#"{"ids": ["a"], "x": [[50, 3]]}"#, r#"{"ids": ["a"], "y_pred": [81.0]}"#),
        ("[[50, 3], [0, 1]]", "[81.0,11.0]"),
        ("[[50, 3]]", "[81.0]"),
    ] {
        let (messages, letters) = answered(question, false).await;
        let bodies: Vec<_> = messages.iter().map(|message| String::from_utf8_lossy(&message.body)).collect();
        assert_eq!((bodies, letters), (vec![want.into()], vec![]), "{question}");
    }
}

#[tokio::test]
async fn a_bad_row_among_others_is_a_letter_alone() {
    let question =
        r#"{"ids": ["a", "b", "c", "d", "e"], "body": [[50, 3], [1], ["x", 2], [1e15, 0], [0, 1]]}"#;
    let (messages, letters) = answered(question, false).await;
    assert_eq!(messages.len(), 1);
    assert_eq!(String::from_utf8_lossy(&messages[0].body), r#"{"ids": ["a", "e"], "y_pred": [81.0,11.0]}"#);
    let want = [
        "wrong_length: 1 features, the model expects 2",
        "bad_shape: feature 1 is \"x\"; expected a number",
        "too_extreme: the prediction is 1.000000000000001e15; scored are numbers up to 1e15",
    ];
    assert_eq!(letters, want);
    // Where none is good, nothing is said.
    let (messages, letters) = answered("[[1], [2]]", false).await;
    assert_eq!((messages, letters.len()), (vec![], 2));
}

#[tokio::test]
async fn predictions_carry_what_they_were_made_from() {
    let question = r#"{"ids": ["a", "b", "c"], "body": [[50, 3], [1], {"rooms": 1, "area": 0.5}]}"#;
    for (no_features, want) in
        [(false, Some([50.0, 3.0, 0.5, 1.0].map(f64::to_le_bytes).concat())), (true, None)]
    {
        let (messages, _) = answered(question, no_features).await;
        assert_eq!(messages[0].bytes_header("features").map(<[u8]>::to_vec), want);
    }
    let (messages, _) = answered("[50, 3]", false).await;
    let read = Prediction::decode(&messages[0]).unwrap().only().unwrap();
    assert_eq!(read.vector, Some(Box::from([50.0, 3.0])));
}
