//! Asks a model for the prediction of one row, without a trace: it is not recorded, and counts as nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::clock::Timestamp;
use crate::message::{Answer, Refused};
use crate::stop::Stop;
use crate::transport::{AskChannel, SideMessage, Transport};

/// How many questions wait for their answers at once at the most.
pub const MOST_AT_ONCE: usize = 64;
/// The longest row, in bytes.
pub const LONGEST_ROW: usize = 64 * 1024;

/// Asks models. Clones are handles to the same one, and share one connection, which is opened for the first question.
#[derive(Debug, Clone)]
pub struct Asker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    app: &'static str,
    channel: AskChannel,
    places: Semaphore,
}

/// Why there is no prediction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// The model says what is wrong with the row.
    #[error("{error} ({reason})")]
    Refused {
        /// A short stable code, such as `wrong_length`.
        reason: String,
        /// What is wrong, for people.
        error: String,
    },
    /// Nobody has said anything in time: no model runs, or it cannot be reached.
    #[error("no model answers: {0}")]
    Nobody(String),
    /// Too many questions wait for their answers.
    #[error("{MOST_AT_ONCE} questions wait for their answers; ask again in a moment")]
    Busy,
}

impl From<Refused> for Unanswered {
    fn from(Refused { reason, error }: Refused) -> Self {
        Self::Refused { reason, error }
    }
}

impl Asker {
    /// Asks as `app`. Nothing is connected before the first question.
    #[must_use]
    pub fn new(transport: &Transport, app: &'static str, stop: &Stop) -> Self {
        let channel = transport.ask_channel(app, stop);
        Self(Arc::new(Inner { app, channel, places: Semaphore::new(MOST_AT_ONCE) }))
    }

    /// Asks for the prediction of a row: JSON in any form that the queue of features takes. Cancel safe.
    ///
    /// # Errors
    /// Why there is none, after `within` at the latest.
    pub async fn ask(&self, row: Vec<u8>, within: Duration) -> Result<Answer, Unanswered> {
        let until = Instant::now() + within;
        let Inner { app, channel, places } = &*self.0;
        if row.len() > LONGEST_ROW {
            let error = format!("{} bytes, more than {LONGEST_ROW}", row.len());
            return Err(Unanswered::Refused { reason: "too_large".to_owned(), error });
        }
        let _place = places.try_acquire().map_err(|_| Unanswered::Busy)?;
        let (published_at, body) = (Timestamp::now(), row.into());
        let message = SideMessage { app, published_at, headers: Vec::new(), body, asking: None };
        let reply = channel.ask(message, until).await.map_err(Unanswered::Nobody)?;
        Ok(Answer::decode(&reply.content())?)
    }

    /// Closes the connection, within a second.
    pub async fn close(&self) {
        self.0.channel.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Asking, Key, ModelRole, Name, Prediction, Rejection, Reply, Role};
    use crate::readiness::Readiness;
    use crate::transport::{SideDelivery, SideQueue};

    const SOON: Duration = Duration::from_secs(20);

    /// A world without a model, whose questions `answer` takes.
    async fn answered(
        rows: &[&str],
        within: Duration,
        answer: impl Fn(&Asking, &SideDelivery) -> Option<Reply> + Send + 'static,
    ) -> Vec<Result<Answer, Unanswered>> {
        let (transport, stop, readiness) = (Transport::in_memory(), Stop::default(), Readiness::default());
        let rows_queue = transport.subscription(Role::Features);
        let mut asks = transport.consumer("model", rows_queue, 1, &stop, &readiness).aside(SideQueue::Asks);
        let replier = transport.publisher("model", &stop, &readiness).replier();
        let answering = tokio::spawn(async move {
            loop {
                let delivery = asks.take().await.unwrap();
                let asking = Asking::of(&delivery.content()).unwrap();
                answer(&asking, &delivery).into_iter().for_each(|reply| replier.send(reply));
                delivery.ack().await;
            }
        });
        let asker = Asker::new(&transport, "test", &stop);
        let asking = rows.iter().map(|row| asker.ask(row.as_bytes().to_vec(), within));
        let answers = futures_util::future::join_all(asking).await;
        answering.abort();
        answers
    }

    fn prediction(value: f64) -> Prediction {
        Prediction {
            key: Key::Anonymous,
            value,
            model: Name::parse("m").ok(),
            model_version: Name::parse("v1").ok(),
            role: ModelRole::Serving,
            published_at: None,
            features_published_at: None,
            vector: None,
        }
    }

    #[tokio::test]
    async fn each_gets_the_answer_to_its_own_row() {
        let rows: Vec<String> = (0..40).map(|number| format!("[{number}]")).collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let answers = answered(&rows, SOON, |asking, delivery| {
            let text = std::str::from_utf8(delivery.body()).unwrap();
            let number: f64 = text.trim_matches(['[', ']']).parse().unwrap();
            if number % 2.0 == 0.0 {
                Reply::predictions(asking, &[prediction(number)], false, "model", Timestamp(0))
            } else {
                let why = Rejection::new(Rejection::LENGTH, number);
                Some(Reply::error(asking, None, &why, 1, "model", Timestamp(0)))
            }
        });
        for (number, answer) in answers.await.into_iter().enumerate() {
            match answer {
                Ok(Answer { prediction, model, model_version }) => {
                    assert_eq!(prediction, number as f64);
                    assert_eq!((model, model_version), (Name::parse("m").ok(), Name::parse("v1").ok()));
                }
                Err(why) => assert_eq!(why.to_string(), format!("{number} (wrong_length)")),
            }
        }
    }

    #[tokio::test]
    async fn where_nobody_answers_that_is_said_after_the_time() {
        let answers = answered(&["[1]"], Duration::from_millis(50), |_, _| None).await;
        assert_eq!(answers[0].as_ref().unwrap_err().to_string(), "no model answers: no reply in time");
    }

    #[tokio::test]
    async fn too_many_questions_and_too_long_ones_are_refused_at_once() {
        let rows = vec!["[1]"; MOST_AT_ONCE + 3];
        let answers = answered(&rows, Duration::from_millis(200), |_, _| None).await;
        let busy = answers.iter().filter(|answer| **answer == Err(Unanswered::Busy)).count();
        assert_eq!(busy, 3);
        let long = " ".repeat(LONGEST_ROW + 1);
        let answers = answered(&[&long], SOON, |_, _| None).await;
        assert_eq!(answers[0].as_ref().unwrap_err().to_string(), "65537 bytes, more than 65536 (too_large)");
    }
}
