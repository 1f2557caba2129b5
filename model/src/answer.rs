//! What a model says of the rows of messages, whoever brought them and whatever becomes of it. Pure.

use std::collections::BTreeSet;
use std::sync::Once;

use shared::clock::Timestamp;
use shared::message::{
    Asking, Bundle, Features, Incoming, Key, MOST_VECTORS, Prediction, Rejection, Reply, Row, RowId,
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
    /// Its place among the others.
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
        let trace = message.trace();
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
        let all = predictions.into_iter().chain(error);
        all.map(|reply| Reply { message: reply.message.within(trace.clone()), ..reply }).collect()
    }
}

/// Which rows of a message have no prediction.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unpredicted {
    /// These of them.
    Rows(BTreeSet<usize>),
    /// Nothing of it can be read.
    All,
}

impl Told {
    /// Which of its rows have no prediction.
    pub(crate) fn unpredicted(&self) -> Unpredicted {
        match &self.refused {
            Refused::Rows(rows) => Unpredicted::Rows(rows.iter().map(|row| row.index).collect()),
            Refused::All(_) => Unpredicted::All,
        }
    }

    /// What it says of rows that somebody else has predicted, too.
    pub(crate) fn also(self, by_other: &Unpredicted) -> Vec<Prediction> {
        let (Unpredicted::Rows(not_by_it), Unpredicted::Rows(not_by_other)) = (self.unpredicted(), by_other)
        else {
            return Vec::new();
        };
        let places = (0..).filter(|place| !not_by_it.contains(place));
        let both = places.zip(self.predictions).filter(|(place, _)| !not_by_other.contains(place));
        both.map(|(_, prediction)| prediction).collect()
    }
}

/// What a model says of each of these messages, once they have passed `check`. `outside` is told of the features that are
/// beyond what it was trained on.
pub(crate) fn answer<M: Incoming>(
    predictor: &Predictor,
    options: &AnswerOptions,
    messages: &[M],
    now: Timestamp,
    check: impl Fn(&M) -> Result<(), Rejection>,
    outside: impl FnMut(&Outside),
) -> Vec<Told> {
    let (mut rows, mut places) = (Vec::with_capacity(messages.len()), Vec::with_capacity(messages.len()));
    let mut all = Vec::with_capacity(messages.len());
    for (place, message) in messages.iter().enumerate() {
        let mut told = Told { together: false, predictions: Vec::new(), refused: Refused::Rows(Vec::new()) };
        match decode(predictor, message).and_then(|rows| check(message).map(|()| rows)) {
            Ok(Bundle { together, items }) => {
                told.together = together;
                for (index, row) in items.into_iter().enumerate() {
                    match row {
                        Ok(row) => {
                            rows.push(row);
                            places.push((place, index));
                        }
                        Err(why) => told.refused(RefusedRow { index, id: None, why }),
                    }
                }
            }
            Err(why) => told.refused = Refused::All(why),
        }
        all.push(told);
    }
    for ((place, index), answer) in
        places.into_iter().zip(answer_rows(predictor, options, rows, now, outside))
    {
        match answer {
            Ok(prediction) => all[place].predictions.push(prediction),
            Err(refused) => all[place].refused(RefusedRow { index, ..refused }),
        }
    }
    for told in &mut all {
        if let Refused::Rows(rows) = &mut told.refused {
            rows.sort_unstable_by_key(|row| row.index);
        }
    }
    all
}

/// What a model says of each of these rows, in their order, through whichever door they came.
pub(crate) fn answer_rows(
    predictor: &Predictor,
    options: &AnswerOptions,
    rows: Vec<Row>,
    now: Timestamp,
    mut outside: impl FnMut(&Outside),
) -> Vec<Result<Prediction, RefusedRow>> {
    let mut vectors = Vec::with_capacity(rows.len());
    let mut question = |(index, row): (usize, Row)| {
        let Row { key, features, names, published_at } = row;
        match vector(predictor, options, features, names.as_deref(), &mut outside) {
            Ok(vector) => {
                vectors.push(vector);
                Ok((key, published_at))
            }
            Err(why) => Err(RefusedRow { index, id: key.into_id(), why }),
        }
    };
    let questions: Vec<_> = rows.into_iter().enumerate().map(&mut question).collect();
    let asked: Vec<&[f64]> = vectors.iter().map(Vec::as_slice).collect();
    let values: Vec<_> = asked.chunks(AT_ONCE).flat_map(|rows| predictor.predict_each(rows)).collect();
    let mut values = values.into_iter().zip(vectors);
    let mut answer = |(index, (key, published_at)): (usize, (Key, Option<Timestamp>))| {
        let Some((value, vector)) = values.next() else { unreachable!("there is a value for each question") };
        match value {
            Ok(value) => Ok(Prediction {
                key: key.under(&options.predictions_key),
                value,
                model: Some(options.model_name.clone()),
                model_version: Some(predictor.version().clone()),
                role: options.role,
                published_at: Some(now),
                features_published_at: published_at,
                vector: options.keeps_features().then(|| vector.into_boxed_slice()),
            }),
            Err(why) => Err(RefusedRow { index, id: key.into_id(), why }),
        }
    };
    questions.into_iter().enumerate().map(|(index, question)| answer((index, question?))).collect()
}

/// The rows of a message.
pub(crate) fn decode(predictor: &Predictor, message: &impl Incoming) -> Result<Bundle<Row>, Rejection> {
    let inputs = predictor.inputs();
    match inputs.encoding().filter(|encoding| encoding.textual().is_some()) {
        Some(encoding) => Row::decode_by_name(message, encoding.features()),
        None => Row::decode(message, inputs.names()),
    }
}

/// What a row is predicted from. `names` is what its producer said that its features are.
pub(crate) fn vector(
    predictor: &Predictor,
    options: &AnswerOptions,
    features: Features,
    names: Option<&str>,
    outside: &mut impl FnMut(&Outside),
) -> Result<Vec<f64>, Rejection> {
    let vector = predictor.vector(features, names)?;
    check_ranges(predictor, options, &vector, outside)?;
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
    Ok(vector)
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
            role: Default::default(),
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
            trace: None,
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
