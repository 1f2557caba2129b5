//! Publishes cards: of each model that begins to serve, of each file that is refused, and again from time to time, for records
//! that began later.
//!
//! Nothing waits for it. A card that cannot be published is tried again after longer and longer waits, and at once when there is a
//! new one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shared::card::{About, Card};
use shared::clock::Timestamp;
use shared::message::Name;
use shared::transport::{Publisher, Sent, SideMessage, SideQueue};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

/// How often the cards of what is so now are published again.
const EVERY: Duration = Duration::from_secs(600);
/// The wait after the first try in vain. It doubles.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// How many cards wait to be published at the most, and of how many bytes. The oldest go first.
const MOST: usize = 100;
const MOST_BYTES: usize = 8 << 20;

/// Cards on their way. Clones are handles to the same ones.
#[derive(Debug, Clone, Default)]
pub struct Announcements(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    outbox: Mutex<Outbox>,
    /// There is a new card.
    news: Notify,
}

/// What is to be published. Pure.
#[derive(Debug, Default)]
struct Outbox {
    pending: VecDeque<Arc<Card>>,
    /// The model that serves.
    serving: Option<Arc<Card>>,
    /// The file that was refused since it began to.
    refused: Option<Arc<Card>>,
}

impl Outbox {
    fn add(&mut self, card: Arc<Card>) {
        match card.about {
            About::Model(_) => (self.serving, self.refused) = (Some(Arc::clone(&card)), None),
            About::Refused(_) => self.refused = Some(Arc::clone(&card)),
        }
        self.pending.push_back(card);
        let bytes = |pending: &VecDeque<Arc<Card>>| pending.iter().map(|card| card.json.len()).sum::<usize>();
        while self.pending.len() > MOST || bytes(&self.pending) > MOST_BYTES {
            self.pending.pop_front();
        }
    }

    fn next(&self) -> Option<Arc<Card>> {
        self.pending.front().cloned()
    }

    /// This one, which was the next, is published.
    fn sent(&mut self, card: &Arc<Card>) {
        if self.pending.front().is_some_and(|next| Arc::ptr_eq(next, card)) {
            self.pending.pop_front();
        }
    }

    /// It is time to publish again what is so now.
    fn repeat(&mut self) {
        if self.pending.is_empty() {
            self.pending.extend(self.serving.iter().chain(&self.refused).cloned());
        }
    }
}

/// How long is waited after so many tries in vain.
fn wait_after(failures: u32) -> Duration {
    FIRST_WAIT.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(EVERY)
}

impl Announcements {
    /// Has a card published.
    pub fn add(&self, card: Card) {
        self.lock().add(Arc::new(card));
        self.0.news.notify_one();
    }

    /// Publishes for ever, or until the publisher cannot.
    pub async fn publish(self, app: &'static str, publisher: Publisher) {
        let (mut failures, mut told) = (0, false);
        let mut look = Instant::now();
        loop {
            // A card that comes is tried at once, with those that could not be published before.
            tokio::select! {
                () = self.0.news.notified() => {}
                () = sleep_until(look) => self.lock().repeat(),
            }
            failures = loop {
                let Some(card) = self.next() else { break 0 };
                match publisher.send_aside(SideQueue::Cards, message(app, &card)).await {
                    Ok(Sent::Confirmed) => {
                        self.lock().sent(&card);
                        if std::mem::take(&mut told) {
                            info!("cards of models are published again");
                        }
                    }
                    Ok(Sent::Not { why, early: true }) => {
                        debug!("the card of {} waits: {why}", shown(&card));
                        break failures + 1;
                    }
                    Ok(Sent::Not { why, early: false }) => {
                        if !std::mem::replace(&mut told, true) {
                            warn!(
                                "cannot publish the card of {}: {why}; rows go on, and it is tried again",
                                shown(&card)
                            );
                        }
                        break failures + 1;
                    }
                    // Whoever publishes predictions says why.
                    Err(why) => return debug!("no more cards are published: {why}"),
                }
            };
            look = Instant::now() + if failures == 0 { EVERY } else { wait_after(failures) };
        }
    }

    fn next(&self) -> Option<Arc<Card>> {
        self.lock().next()
    }

    /// The cards that wait to be published.
    #[cfg(test)]
    pub(crate) fn pending(&self) -> Vec<Arc<Card>> {
        self.lock().pending.iter().cloned().collect()
    }

    /// Waits until so many do.
    #[cfg(test)]
    pub(crate) async fn comes_to(&self, count: usize) {
        let wait = async {
            while self.pending().len() < count {
                self.0.news.notified().await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), wait).await;
        assert!(waited.is_ok(), "{} cards, not {count}", self.pending().len());
    }

    fn lock(&self) -> MutexGuard<'_, Outbox> {
        self.0.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn message(app: &'static str, card: &Card) -> SideMessage {
    let mut headers = vec![("model", card.model.to_string())];
    if let About::Model(version) = &card.about {
        headers.push(("model_version", version.to_string()));
    }
    SideMessage {
        app,
        published_at: Timestamp::now(),
        headers,
        body: card.json.as_bytes().into(),
        asking: None,
    }
}

/// Of what a card is, for people.
fn shown(Card { model, about, .. }: &Card) -> String {
    let version = |version: &Name| format!("{model}@{version}");
    match about {
        About::Model(of) => version(of),
        About::Refused(at) => format!("a file for {model} that was refused at {at}"),
    }
}

#[cfg(test)]
mod tests;
