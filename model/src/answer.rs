//! What a model says of the rows of messages, whoever brought them and whatever becomes of it. Pure.

use std::sync::Once;

use shared::clock::Timestamp;
use shared::message::{
    Asking, Bundle, Incoming, Key, MOST_VECTORS, Prediction, Rejection, Reply, Row, RowId,
};
use tracing::warn;

use crate::inputs::Outside;
use crate::options::AnswerOptions;
use crate::predictor::Predictor;

/// How many rows are predicted at once at the most. Where that fails, each is tried alone.
const AT_ONCE: usize = 256;

/// What a model says of a message.
#[derive(Debug)]
pub(crate) struct Told {
    /// Whether its rows came together, so that their predictions go together.
    pub together: bool,
    /// Of the rows that can be predicted.
    pub predictions: Vec<Prediction>,
    /// Of the others.
    pub refused: Refused,
}

/// What of a message cannot be predicted.
#[derive(Debug)]
pub(crate) enum Refused {
    /// These rows of it, in their order.
    Rows(Vec<RefusedRow>),
    /// Nothing of it can be read.
    All(Rejection),
}

/// A row that cannot be predicted.
#[derive(Debug)]
pub(crate) struct RefusedRow {
    /// Its place in the message.
    pub index: usize,
    /// Its id, as far as it could be read.
    pub id: Option<RowId>,
    /// What is wrong with it.
    pub why: Rejection,
}

impl Told {
    fn refused(&mut self, row: RefusedRow) {
        if let Refused::Rows(rows) = &mut self.refused {
            rows.push(row);
        }
    }

    /// The replies to whoever asked: what is predicted, and what is wrong with the first of the other rows.
    pub(crate) fn replies(
        &self,
        asking: &Asking,
        message: &impl Incoming,
        app: &'static str,
        now: Timestamp,
    ) -> Vec<Reply> {
        let predictions = Reply::predictions(asking, &self.predictions, self.together, app, now);
        let (rows, id, why) = match &self.refused {
            Refused::Rows(rows) => {
                (rows.len(), rows.first().and_then(|row| row.id.clone()), rows.first().map(|row| &row.why))
            }
            Refused::All(why) => (1, None, Some(why)),
        };
        // The properties' id is that of a row that came alone.
        let beside = || message.message_id().filter(|_| !self.together).and_then(|id| RowId::parse(id).ok());
        let error = why.map(|why| Reply::error(asking, id.or_else(beside).as_ref(), why, rows, app, now));
        predictions.into_iter().chain(error).collect()
    }
}

/// A row that can be predicted.
struct Question {
    /// Its message's place among the others, and its own in the message.
    message: usize,
    index: usize,
    key: Key,
    published_at: Option<Timestamp>,
}

/// What a model says of each of these messages, once they have passed `check`. `outside` is told of the features that are
/// beyond what it was trained on.
pub(crate) fn answer<M: Incoming>(
    predictor: &Predictor,
    options: &AnswerOptions,
    messages: &[M],
    now: Timestamp,
    check: impl Fn(&M) -> Result<(), Rejection>,
    mut outside: impl FnMut(&Outside),
) -> Vec<Told> {
    let (mut questions, mut vectors) =
        (Vec::with_capacity(messages.len()), Vec::with_capacity(messages.len()));
    let mut all = Vec::with_capacity(messages.len());
    for (place, message) in messages.iter().enumerate() {
        let mut told = Told { together: false, predictions: Vec::new(), refused: Refused::Rows(Vec::new()) };
        match rows(predictor, message).and_then(|rows| check(message).map(|()| rows)) {
            Ok(Bundle { together, items }) => {
                told.together = together;
                for (index, row) in items.into_iter().enumerate() {
                    let row = row.map_err(|why| RefusedRow { index, id: None, why });
                    match row.and_then(|row| question(predictor, options, (place, index), row, &mut outside))
                    {
                        Ok((question, vector)) => {
                            questions.push(question);
                            vectors.push(vector);
                        }
                        Err(refused) => told.refused(refused),
                    }
                }
            }
            Err(why) => told.refused = Refused::All(why),
        }
        all.push(told);
    }
    let asked: Vec<&[f64]> = vectors.iter().map(Vec::as_slice).collect();
    let values: Vec<_> = asked.chunks(AT_ONCE).flat_map(|rows| predictor.predict_each(rows)).collect();
    for ((question, value), vector) in questions.into_iter().zip(values).zip(vectors) {
        let Question { message, index, key, published_at } = question;
        match value {
            Ok(value) => all[message].predictions.push(Prediction {
                key: key.under(&options.predictions_key),
                value,
                model: Some(options.model_name.clone()),
                model_version: Some(predictor.version().clone()),
                published_at: Some(now),
                features_published_at: published_at,
                vector: options.keeps_features().then(|| vector.into_boxed_slice()),
            }),
            Err(why) => all[message].refused(RefusedRow { index, id: key.into_id(), why }),
        }
    }
    for told in &mut all {
        if let Refused::Rows(rows) = &mut told.refused {
            rows.sort_unstable_by_key(|row| row.index);
        }
    }
    all
}

/// The rows of a message.
fn rows(predictor: &Predictor, message: &impl Incoming) -> Result<Bundle<Row>, Rejection> {
    let inputs = predictor.inputs();
    match inputs.encoding().filter(|encoding| encoding.textual().is_some()) {
        Some(encoding) => Row::decode_by_name(message, encoding.features()),
        None => Row::decode(message, inputs.names()),
    }
}

/// What an answer repeats of a row, and the vector to predict from.
fn question(
    predictor: &Predictor,
    options: &AnswerOptions,
    (message, index): (usize, usize),
    row: Row,
    outside: &mut impl FnMut(&Outside),
) -> Result<(Question, Vec<f64>), RefusedRow> {
    let Row { key, features, names, published_at } = row;
    let vector = predictor.vector(features, names.as_deref()).and_then(|vector| {
        check_ranges(predictor, options, &vector, outside)?;
        Ok(vector)
    });
    let vector = match vector {
        Ok(vector) => vector,
        Err(why) => return Err(RefusedRow { index, id: key.into_id(), why }),
    };
    if options.keeps_features() && size_of_val(&*vector) > MOST_VECTORS {
        static TOLD: Once = Once::new();
        TOLD.call_once(|| {
            warn!(
                "a row has {} features; predictions carry {} at the most, so metric does not keep these",
                vector.len(),
                MOST_VECTORS / size_of::<f64>()
            );
        });
    }
    Ok((Question { message, index, key, published_at }, vector))
}

/// Tells of the features that are beyond what the model was trained on, or refuses the row where that is wanted.
fn check_ranges(
    predictor: &Predictor,
    options: &AnswerOptions,
    features: &[f64],
    tell: &mut impl FnMut(&Outside),
) -> Result<(), Rejection> {
    for outside in predictor.inputs().outside(features) {
        if options.strict {
            return Err(Rejection::new(Rejection::RANGE, outside));
        }
        tell(&outside);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use shared::message::{Name, Outgoing, Role};

    use super::*;
    use crate::inputs::Inputs;
    use crate::linear::Linear;
    use crate::predictor::Engine;

    /// Bodies of the replies to a row with this id among its properties, and their ids.
    fn replies(id: Option<&str>, body: &str) -> Vec<(Option<String>, String)> {
        let linear = Linear::new(None, &[1.0, 10.0], 1.0).unwrap();
        let inputs = Inputs::named(vec!["area".to_owned(), "rooms".to_owned()]);
        let predictor = Predictor::new(Engine::Linear(linear), inputs, Name::parse("v1").unwrap());
        let options = AnswerOptions {
            model_name: Name::parse("m").unwrap(),
            strict: false,
            no_features: false,
            predictions_key: "body".parse().unwrap(),
        };
        let message = Outgoing {
            role: Role::Features,
            message_id: id.map(Into::into),
            content_type: None,
            app: "test",
            timestamp: 0,
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
            asking: Some(Asking { reply_to: "q".into(), correlation_id: Some("1".into()) }),
        };
        let asking = Asking::of(&message).unwrap();
        let told =
            answer(&predictor, &options, &[&message as &dyn Incoming], Timestamp(0), |_| Ok(()), |_| {});
        let replies = told[0].replies(&asking, &message, "model", Timestamp(0));
        assert!(replies.iter().all(|reply| reply.asking == asking));
        let text = |reply: Reply| (reply.message.message_id, String::from_utf8(reply.message.body).unwrap());
        replies.into_iter().map(text).map(|(id, body)| (id.map(Into::into), body)).collect()
    }

    #[test]
    fn a_question_gets_its_prediction_or_the_reason_with_the_row_s_own_id() {
        let length = r#""error":"3 features, the model expects 2","reason":"wrong_length""#;
        for (id, body, of, want) in [
            (Some("a"), "[50, 3]", Some("a"), "81.0".to_owned()),
            (None, "[50, 3]", None, "81.0".to_owned()),
            (
                Some("a"),
                r#"{"id": 7.50, "x": [50, 3]}"#,
                Some("7.5"),
                r#"{"id": 7.50, "body": 81.0}"#.to_owned(),
            ),
            (Some("a"), "[1, 2, 3]", Some("a"), format!(r#"{{{length},"id":"a"}}"#)),
            (Some("a"), r#"{"id": "b", "x": [1, 2, 3]}"#, Some("b"), format!(r#"{{{length},"id":"b"}}"#)),
            (None, "[1, 2, 3]", None, format!("{{{length}}}")),
        ] {
            assert_eq!(replies(id, body), [(of.map(str::to_owned), want)], "{body}");
        }
        let [(id, said)] = &replies(Some("a"), "no JSON")[..] else { panic!("one reply") };
        assert!(id.as_deref() == Some("a") && said.contains(r#""reason":"not_json""#), "{said}");
    }

    #[test]
    fn of_rows_that_came_together_the_good_ones_are_predicted_and_the_first_bad_one_is_told() {
        let said = replies(Some("a"), r#"{"ids": ["b", "c", "d"], "x": [[50, 3], [1], [2]]}"#);
        assert_eq!(said[0], (None, r#"{"ids": ["b"], "body": [81.0]}"#.to_owned()));
        assert!(said[1].1.ends_with(r#""reason":"wrong_length","id":"c","rows":2}"#), "{said:?}");
        assert_eq!(said.len(), 2);
        let said = replies(Some("a"), "[[1], [2]]");
        assert_eq!(said.len(), 1);
        // What the message is called is no row's id.
        assert!(
            said[0].0.is_none() && said[0].1.ends_with(r#""reason":"wrong_length","rows":2}"#),
            "{said:?}"
        );
    }
}
