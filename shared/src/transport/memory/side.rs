//! The side queues in memory: each is there from the beginning, like the three, and loses its oldest where it is full. Those of
//! control come and go with whoever takes from them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Broker, lock};
use crate::transport::control;
use crate::transport::side::{Sent, SideMessage, SideQueue};

#[derive(Debug, Default)]
pub(super) struct Asides {
    /// In the order of [`SideQueue::ALL`].
    sides: [Arc<Aside>; SideQueue::ALL.len()],
    /// Of everybody who takes what is sent with the key of control.
    controls: Mutex<Vec<Weak<Aside>>>,
}

#[derive(Debug, Default)]
struct Aside {
    state: Mutex<State>,
    /// Something was sent or given back.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<Waiting>,
    bytes: usize,
}

#[derive(Debug, Clone)]
struct Waiting {
    message: Arc<SideMessage>,
    /// When nobody wants it any more.
    stale: Option<Instant>,
}

impl Asides {
    fn of(&self, queue: SideQueue) -> &Arc<Aside> {
        let place = SideQueue::ALL.iter().position(|other| *other == queue);
        &self.sides[place.unwrap_or_default()]
    }
}

impl Broker {
    pub(in crate::transport) fn send_aside(&self, queue: SideQueue, message: SideMessage) -> Sent {
        let stale = queue.longest_wait().map(|time| Instant::now() + time);
        let waiting = Waiting { message: Arc::new(message), stale };
        self.0.asides.of(queue).push(waiting, queue.most());
        Sent::Confirmed
    }

    pub(in crate::transport) fn send_control(&self, message: SideMessage) -> Sent {
        let waiting = Waiting { message: Arc::new(message), stale: None };
        lock(&self.0.asides.controls).retain(|aside| {
            let Some(aside) = aside.upgrade() else { return false };
            aside.push(waiting.clone(), control::MOST);
            true
        });
        Sent::Confirmed
    }

    pub(in crate::transport) fn control(&self) -> SideReceiver {
        let aside = Arc::default();
        lock(&self.0.asides.controls).push(Arc::downgrade(&aside));
        SideReceiver(aside)
    }

    pub(in crate::transport) fn aside(&self, queue: SideQueue) -> SideReceiver {
        SideReceiver(Arc::clone(self.0.asides.of(queue)))
    }
}

impl Aside {
    /// Adds a message, and drops the oldest of more than so many or of more than so many bytes.
    fn push(&self, waiting: Waiting, (most, most_bytes): (i64, i64)) {
        let mut state = self.lock();
        state.bytes += waiting.message.body.len();
        state.ready.push_back(waiting);
        while state.ready.len() as i64 > most || state.bytes as i64 > most_bytes {
            let Some(oldest) = state.ready.pop_front() else { break };
            state.bytes -= oldest.message.body.len();
        }
        drop(state);
        self.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// Takes from one of them.
#[derive(Debug)]
pub struct SideReceiver(Arc<Aside>);

impl SideReceiver {
    pub(in crate::transport) async fn take(&mut self) -> crate::transport::SideDelivery {
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            // Registered before the look, so that a change in between is not missed.
            changed.as_mut().enable();
            let next = self.0.lock().next(Instant::now());
            if let Some(waiting) = next {
                let delivery = SideDelivery { aside: Arc::clone(&self.0), waiting, is_done: false };
                return crate::transport::SideDelivery::Memory(delivery);
            }
            changed.await;
        }
    }
}

impl State {
    /// The oldest that is not stale.
    fn next(&mut self, now: Instant) -> Option<Waiting> {
        loop {
            let next = self.ready.pop_front()?;
            self.bytes -= next.message.body.len();
            if next.stale.is_none_or(|stale| now < stale) {
                return Some(next);
            }
        }
    }
}

/// Goes back to the front of its queue where it is dropped before it is acknowledged.
#[derive(Debug)]
pub struct SideDelivery {
    aside: Arc<Aside>,
    waiting: Waiting,
    is_done: bool,
}

impl SideDelivery {
    pub(in crate::transport) fn message(&self) -> &SideMessage {
        &self.waiting.message
    }

    pub(in crate::transport) fn ack(mut self) {
        self.is_done = true;
    }
}

impl Drop for SideDelivery {
    fn drop(&mut self) {
        if !self.is_done {
            let mut state = self.aside.lock();
            state.bytes += self.waiting.message.body.len();
            state.ready.push_front(self.waiting.clone());
            drop(state);
            self.aside.changed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[tokio::test]
    async fn what_is_too_many_or_too_much_drives_the_oldest_out() {
        let broker = Broker::default();
        let (most, most_bytes) = SideQueue::Cards.most();
        let mut receiver = broker.aside(SideQueue::Cards);
        for (length, sent, left) in [(1, most + 3, most), (usize::try_from(most_bytes).unwrap() / 4, 7, 4)] {
            for number in 0..sent {
                let mut body = vec![b' '; length];
                body[0] = u8::try_from(number % 256).unwrap();
                let (app, published_at) = ("test", Timestamp(number));
                let message =
                    SideMessage { app, published_at, headers: Vec::new(), body: body.into(), asking: None };
                assert_eq!(broker.send_aside(SideQueue::Cards, message), Sent::Confirmed);
            }
            for number in sent - left..sent {
                let delivery = receiver.take().await;
                assert_eq!(delivery.published_at(), Some(Timestamp(number)));
                delivery.ack().await;
            }
            let state = receiver.0.lock();
            assert_eq!((state.bytes, state.ready.len()), (0, 0));
        }
    }

    #[tokio::test]
    async fn a_question_that_nobody_waits_for_any_more_is_not_handed_out() {
        let broker = Broker::default();
        let asides = &broker.0.asides;
        for side in SideQueue::ALL {
            let (app, published_at, body) = ("test", Timestamp(1), b"1".as_slice().into());
            let message = SideMessage { app, published_at, headers: Vec::new(), body, asking: None };
            broker.send_aside(side, message);
        }
        // Given back, it is as old as it was.
        drop(broker.aside(SideQueue::Asks).take().await);
        let later = Instant::now() + SideQueue::Asks.longest_wait().unwrap();
        let mut asks = asides.of(SideQueue::Asks).lock();
        assert!(asks.next(later).is_none());
        assert_eq!(asks.bytes, 0);
        assert!(asides.of(SideQueue::Cards).lock().next(later).is_some());
    }
}
