//! Answers questions by queue: a row on the side queue of asks gets its reply, and that is all that becomes of it. It is not
//! recorded, makes no dead letter, and is in no count of rows.

use shared::clock::{Clock, Timestamp};
use shared::message::{Asking, Reply};
use shared::metrics::Counter;
use shared::quota::{self, Quota};
use shared::transport::{Replier, SideDelivery, SideReceiver};
use tokio::task;
use tracing::{debug, warn};

use crate::answer::{Refused, answer};
use crate::options::AnswerOptions;
use crate::predictor::Predictor;
use crate::swap::Serving;

static ASKS: Counter<1> = Counter::new(
    "pipeline_asks_total",
    "Questions for one prediction: answered, refused with the reason, or dropped because they have no reply_to.",
    ["result"],
);

/// How many lines a minute the log gets about questions that say nobody who asks.
const A_MINUTE: u64 = 5;

/// What answers them.
pub(crate) struct Asks {
    /// The service's name in its messages.
    pub app: &'static str,
    /// The model that serves.
    pub serving: Serving,
    /// How rows are answered.
    pub options: AnswerOptions,
    /// Where replies go.
    pub replier: Replier,
}

/// What becomes of a question.
#[derive(Debug)]
enum Outcome {
    Answered(Vec<Reply>),
    Refused(Vec<Reply>),
    /// It says nobody who asks.
    Dropped,
}

impl Asks {
    /// Answers for ever, or until the receiver cannot take.
    pub(crate) async fn answer(self, mut asks: SideReceiver) {
        ["answered", "refused", "dropped"].iter().for_each(|result| ASKS.add([result], 0));
        let mut quota = Quota::new(A_MINUTE);
        loop {
            let delivery = match asks.take().await {
                Ok(delivery) => delivery,
                // Whoever takes rows says why.
                Err(why) => return debug!("no more questions are taken: {why}"),
            };
            let Some(predictor) = self.serving.borrow().clone() else {
                unreachable!("nothing is taken before there is a model, and a model is only ever replaced")
            };
            let (app, options, now) = (self.app, self.options.clone(), Timestamp::now());
            let (outcome, delivery) = if predictor.is_slow() {
                let decided = task::spawn_blocking(move || {
                    (outcome(&predictor, &options, &delivery, app, now), delivery)
                });
                match decided.await {
                    Ok(decided) => decided,
                    // The question went with it: it comes again, until it is stale.
                    Err(why) => {
                        warn!("a question could not be answered: {why}");
                        continue;
                    }
                }
            } else {
                (outcome(&predictor, &options, &delivery, app, now), delivery)
            };
            let (result, replies) = match outcome {
                Outcome::Answered(replies) => ("answered", replies),
                Outcome::Refused(replies) => ("refused", replies),
                Outcome::Dropped => {
                    say_dropped(&mut quota);
                    ("dropped", Vec::new())
                }
            };
            ASKS.add([result], 1);
            replies.into_iter().for_each(|reply| self.replier.send(reply));
            delivery.ack().await;
        }
    }
}

fn say_dropped(quota: &mut Quota) {
    if let Some(hidden) = quota.now(Clock::System.steady_ms() / 60_000) {
        warn!("and {hidden} more questions without reply_to were dropped in that minute");
    }
    if quota.ask() == quota::Asked::Say {
        warn!(
            "dropped a question without reply_to: a row that is to be recorded goes to the queue of features"
        );
    }
}

/// Decides what becomes of a question.
fn outcome(
    predictor: &Predictor,
    options: &AnswerOptions,
    delivery: &SideDelivery,
    app: &'static str,
    now: Timestamp,
) -> Outcome {
    let message = delivery.content();
    let Some(asking) = Asking::of(&message) else { return Outcome::Dropped };
    let told = answer(predictor, options, &[message], now, |_| Ok(()), |_| {});
    let refused = told.iter().any(|told| match &told.refused {
        Refused::Rows(rows) => !rows.is_empty(),
        Refused::All(_) => true,
    });
    let replies = told.iter().flat_map(|told| told.replies(&asking, &message, app, now)).collect();
    if refused { Outcome::Refused(replies) } else { Outcome::Answered(replies) }
}
