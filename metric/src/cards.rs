//! Cards of models on their way into the records. They come beside labels and predictions, and hold up
//! neither: they are committed before a group once a second at most.

use std::sync::Arc;

use shared::card::{About, Card};
use shared::clock::Clock;
use shared::metrics::Counter;
use shared::printable::printable;
use shared::quota::{Asked, Quota};
use shared::transport::{SideDelivery, SideReceiver};
use tokio::sync::{Notify, mpsc};
use tracing::{debug, warn};

use crate::store::ReceivedCard;

/// How many cards wait for the one who writes.
const WAITING: usize = 16;
/// How many lines a minute the log gets about messages that are no cards.
const A_MINUTE: u64 = 5;

static CARDS: Counter<1> = Counter::new(
    "pipeline_cards_total",
    "Cards of models that this process has kept or, where they are none, dropped.",
    ["kind"],
);

/// The cards that wait to be written.
#[derive(Debug)]
pub(crate) struct Inbox(mpsc::Receiver<Taken>);

/// A card that was taken from its queue.
#[derive(Debug)]
struct Taken {
    card: ReceivedCard,
    delivery: SideDelivery,
}

/// Cards that are written together, and what to acknowledge when they are.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    pub(crate) cards: Vec<ReceivedCard>,
    pub(crate) deliveries: Vec<SideDelivery>,
}

impl Inbox {
    /// Takes cards, in a task of its own, as long as this one is kept.
    /// Each that is taken is told of.
    pub(crate) fn open(receiver: SideReceiver, came: Arc<Notify>) -> Self {
        ["model", "refused", "unreadable"].iter().for_each(|kind| CARDS.add([kind], 0));
        let (sender, inbox) = mpsc::channel(WAITING);
        tokio::spawn(take(receiver, sender, came));
        Self(inbox)
    }

    /// What has come until now.
    pub(crate) fn waiting(&mut self) -> Waiting {
        let mut waiting = Waiting::default();
        while let Ok(Taken { card, delivery }) = self.0.try_recv() {
            waiting.cards.push(card);
            waiting.deliveries.push(delivery);
        }
        waiting
    }
}

/// Acknowledges cards that are written now.
pub(crate) async fn written(cards: &[ReceivedCard], deliveries: Vec<SideDelivery>) {
    for card in cards {
        CARDS.add([kind(&card.card.about)], 1);
    }
    for delivery in deliveries {
        delivery.ack().await;
    }
}

async fn take(mut receiver: SideReceiver, cards: mpsc::Sender<Taken>, came: Arc<Notify>) {
    let mut quota = Quota::new(A_MINUTE);
    loop {
        let taken = tokio::select! {
            taken = receiver.take() => taken,
            () = cards.closed() => return,
        };
        let delivery = match taken {
            Ok(delivery) => delivery,
            // Whoever takes labels and predictions says why.
            Err(why) => return debug!("no more cards are taken: {why}"),
        };
        match read(&delivery) {
            Ok(card) => {
                if cards.send(Taken { card, delivery }).await.is_err() {
                    return;
                }
                came.notify_one();
            }
            Err(why) => {
                CARDS.add(["unreadable"], 1);
                if let Some(hidden) = quota.now(Clock::System.steady_ms() / 60_000) {
                    warn!("and {hidden} more messages that are no cards were dropped in that minute");
                }
                if quota.ask() == Asked::Say {
                    warn!("dropped a message of the queue of cards: {why}");
                }
                delivery.ack().await;
            }
        }
    }
}

fn read(delivery: &SideDelivery) -> Result<ReceivedCard, String> {
    if let Some(finding) = delivery.finding() {
        return Err(printable(&finding.detail));
    }
    let card = Card::read(delivery.body())?;
    Ok(ReceivedCard { card, published_at: delivery.published_at() })
}

const fn kind(about: &About) -> &'static str {
    match about {
        About::Model(_) => shared::card::MODEL,
        About::Refused(_) => shared::card::REFUSED,
    }
}
