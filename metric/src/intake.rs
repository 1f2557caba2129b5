//! Takes what has come and makes groups of it, one after the other.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use shared::message::Role;
use shared::stop::Stop;
use shared::transport::{Batch, Burial, Consumer, Error, Publisher};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep_until};

use crate::group::{Dead, Group, Turn};

/// From how many messages on a commit makes the next one wait. A row that comes alone, and its label, are committed at once.
const SEVERAL: u64 = 3;
/// How long it makes it wait for each of its messages, counted from its own beginning, and the least and the most of that: the more
/// come, the more go together. Without it the syncs of commits compete with those of a broker on the same disk, and cost more than
/// what they commit.
const PAUSE_EACH: Duration = Duration::from_micros(250);
const PAUSES: [Duration; 2] = [Duration::from_millis(2), Duration::from_millis(8)];
/// How often it is looked for more, while what has come waits for its turn: whoever is woken for each message pays more for
/// that than for the message.
const LOOKS: Duration = Duration::from_millis(2);

/// Dead letters on their way, and what each leads to.
type Letters = FuturesUnordered<BoxFuture<'static, Result<(Burial, Dead), Error>>>;

/// Both queues, and the group that is being filled from them.
pub(crate) struct Intake {
    pub(crate) labels: Consumer,
    pub(crate) predictions: Consumer,
    pub(crate) publisher: Publisher,
    stop: Stop,
    group: Group,
    /// They wait for their confirms on the side: an alarm that blocks publishing must not stop recording.
    pub(crate) letters: Letters,
}

impl Intake {
    pub(crate) fn new([labels, predictions]: [Consumer; 2], publisher: Publisher, stop: Stop) -> Self {
        Self { labels, predictions, publisher, stop, group: Group::default(), letters: Letters::new() }
    }

    /// Sends groups until a stop is requested and all that was taken is sent.
    ///
    /// # Errors
    /// A queue or a letter for which there is no way on.
    pub(crate) async fn run(&mut self, groups: mpsc::Sender<Turn>) -> anyhow::Result<()> {
        // A group fills while the one before is committed: that is what its first message waits for.
        let turns = Arc::new(Semaphore::new(1));
        let (mut next, mut look) = (Instant::now(), Instant::now());
        loop {
            let stopping = self.stop.is_requested();
            let filled = self.group.wants_its_turn();
            if stopping && self.letters.is_empty() && !filled {
                return Ok(());
            }
            let now = Instant::now();
            let due = filled && (stopping || self.group.room() == 0 || next <= now);
            let taking = self.takes() && (!filled || look <= now);
            let waits = [(next, filled && !due), (look, self.takes() && !taking)];
            let wake = waits.into_iter().filter_map(|(at, waits)| waits.then_some(at)).min();
            let most = self.half_of_room();
            let (batch, queue) = tokio::select! {
                () = self.stop.requested(), if !stopping => continue,
                Some(buried) = self.letters.next() => {
                    match buried? {
                        (Burial::Confirmed, dead) => self.group.reject(dead),
                        // It comes again, and counts then.
                        (Burial::GivenBack, _) => {}
                    }
                    continue;
                }
                Ok(turn) = Arc::clone(&turns).acquire_owned(), if due => {
                    self.sweep()?;
                    let pause = pause(self.group.messages());
                    if groups.send((std::mem::take(&mut self.group), turn)).await.is_err() {
                        // The writer is ending, and whoever waits for it hears why. Until then nothing is taken and given back.
                        pending::<()>().await;
                    }
                    next = Instant::now() + pause;
                    continue;
                }
                () = sleep_until(wake.unwrap_or(now)), if wake.is_some() => continue,
                batch = self.labels.take(most), if taking => (batch?, Role::Label),
                batch = self.predictions.take(most), if taking => (batch?, Role::Prediction),
            };
            self.add(batch, queue);
            self.sweep()?;
            look = Instant::now() + LOOKS;
        }
    }

    /// Whether more may be taken.
    fn takes(&self) -> bool {
        !self.stop.is_requested() && self.group.room() > 0 && !self.publisher.is_overfull()
    }

    /// How many messages of one queue are taken before the other one has its turn, so that neither waits for the other one's
    /// backlog. Where they are large or of many rows, fewer fill the group, and which queue is first is left to chance.
    fn half_of_room(&self) -> usize {
        self.group.room().div_ceil(2)
    }

    /// Takes what is there already, as far as there is room.
    fn sweep(&mut self) -> Result<(), Error> {
        let half = self.half_of_room();
        for (role, most) in [(Role::Label, half), (Role::Prediction, usize::MAX), (Role::Label, usize::MAX)] {
            if !self.takes() {
                break;
            }
            let queue = if role == Role::Label { &mut self.labels } else { &mut self.predictions };
            if let Some(batch) = queue.take(most.min(self.group.room())).now_or_never() {
                self.add(batch?, role);
            }
        }
        Ok(())
    }

    fn add(&mut self, batch: Batch, queue: Role) {
        let span = batch.span();
        for (dead, of_it) in span.in_scope(|| self.group.add(batch, queue)) {
            let burial = self.publisher.bury_all(of_it);
            self.letters.push(async move { burial.await.map(|burial| (burial, dead)) }.boxed());
        }
    }
}

/// How long after the beginning of a commit of so many messages the next one may begin.
fn pause(messages: u64) -> Duration {
    if messages < SEVERAL {
        return Duration::ZERO;
    }
    let [least, most] = PAUSES;
    PAUSE_EACH.saturating_mul(u32::try_from(messages).unwrap_or(u32::MAX)).clamp(least, most)
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::{Context as TaskContext, Wake, Waker};

    use shared::clock::Timestamp;
    use shared::message::{Key, Label, ModelRole, Outgoing, Prediction, RowId};
    use shared::readiness::Readiness;
    use shared::transport::Transport;
    use tokio::task::yield_now;
    use tokio::time::timeout;

    use super::*;
    use crate::group::Came;

    const PREFETCH: u16 = 2048;

    fn key(number: usize) -> Key {
        Key::Property(RowId::parse(&number.to_string()).unwrap())
    }

    fn label(number: usize) -> Outgoing {
        Label { key: key(number), value: 1.0, published_at: None }.encode("test", Timestamp(0))
    }

    fn prediction(number: usize) -> Outgoing {
        let prediction = Prediction {
            key: key(number),
            value: 2.0,
            model: None,
            model_version: None,
            role: ModelRole::default(),
            published_at: None,
            features_published_at: None,
            vector: None,
        };
        prediction.encode("test", Timestamp(0))
    }

    /// An intake in memory, and who publishes to it.
    fn intake() -> (Intake, Publisher, Stop) {
        let (transport, stop, readiness) = (Transport::in_memory(), Stop::default(), Readiness::default());
        let queues = [Role::Label, Role::Prediction].map(|role| transport.subscription(role));
        let consumers = transport.sole_consumers("test", queues, PREFETCH, &stop, &readiness);
        let publisher = transport.publisher("test", &stop, &readiness);
        (Intake::new(consumers, publisher.clone(), stop.clone()), publisher, stop)
    }

    /// Lets the intake do what it can without time passing.
    async fn let_it_work() {
        for _ in 0..100 {
            yield_now().await;
        }
    }

    async fn acknowledge(group: Group) {
        for batch in group.batches {
            batch.ack().await;
        }
        for aside in group.asides {
            aside.ack().await;
        }
    }

    #[tokio::test]
    async fn a_group_fills_while_one_is_committed_and_no_backlog_keeps_the_other_queue_waiting() {
        for _ in 0..20 {
            let (mut intake, publisher, stop) = intake();
            let (groups, mut received) = mpsc::channel(1);
            let taking = tokio::spawn(async move { intake.run(groups).await });
            publisher.publish(vec![label(0)]).await.unwrap();
            let (first, turn) = received.recv().await.unwrap();
            assert_eq!(first.came, Came { labels: 1, predictions: 0, most_rows: 1 });
            // While it is committed, far more labels come than fit into a group, and then a few predictions.
            publisher.publish((1..4000).map(label).collect()).await.unwrap();
            let_it_work().await;
            publisher.publish((0..40).map(prediction).collect()).await.unwrap();
            let_it_work().await;
            assert!(received.try_recv().is_err(), "one at a time");
            acknowledge(first).await;
            drop(turn);
            let mut sizes = Vec::new();
            while sizes.iter().map(|(labels, predictions)| labels + predictions).sum::<u64>() < 4039 {
                let (group, _turn) = received.recv().await.unwrap();
                sizes.push((group.came.labels, group.came.predictions));
                acknowledge(group).await;
            }
            // Labels had filled one before there was a prediction.
            assert_eq!(sizes, [(1024, 0), (984, 40), (1024, 0), (967, 0)]);
            stop.request();
            taking.await.unwrap().unwrap();
            assert!(received.recv().await.is_none());
        }
    }

    #[tokio::test]
    async fn at_a_stop_what_was_taken_is_sent_and_no_more_is_taken() {
        for taken_before in [0, 1] {
            let (mut intake, publisher, stop) = intake();
            let (groups, mut received) = mpsc::channel(1);
            let taking = tokio::spawn(async move {
                let result = intake.run(groups).await;
                (result, intake)
            });
            publisher.publish(vec![label(0)]).await.unwrap();
            let (first, turn) = received.recv().await.unwrap();
            publisher.publish((0..taken_before).map(label).collect()).await.unwrap();
            let_it_work().await;
            stop.request();
            let_it_work().await;
            publisher.publish(vec![label(1)]).await.unwrap();
            let_it_work().await;
            acknowledge(first).await;
            drop(turn);
            let mut sent = 0;
            while let Some((group, _turn)) = received.recv().await {
                sent += group.messages();
                acknowledge(group).await;
            }
            let (result, mut intake) = taking.await.unwrap();
            result.unwrap();
            let waits = intake.labels.take(10).now_or_never().unwrap().unwrap();
            assert_eq!((sent, waits.deliveries.len()), (taken_before as u64, 1));
        }
    }

    #[tokio::test]
    async fn letters_that_are_given_back_leave_room_for_the_rest() {
        let (mut intake, publisher, stop) = intake();
        let junk = || Outgoing { body: vec![b'x'; 1 << 20], ..label(1) };
        publisher.publish((0..5).map(|_| junk()).collect()).await.unwrap();
        publisher.publish(vec![label(0)]).await.unwrap();
        let mut batches = Vec::new();
        while batches.len() < 5 {
            batches.push(intake.labels.take(1).await.unwrap());
        }
        // Their letters had no end: they go back to the queue.
        for batch in batches.into_iter().rev() {
            drop(intake.group.add(batch, Role::Label));
        }
        assert_eq!(intake.group.room(), 0);
        let (groups, mut received) = mpsc::channel(1);
        let taking = tokio::spawn(async move { intake.run(groups).await });
        let (mut rows, mut rejected) = (0, 0);
        while rows < 1 || rejected < 5 {
            let next = timeout(Duration::from_secs(20), received.recv());
            let (group, _turn) = next.await.expect("it goes on").unwrap();
            rows += group.arrivals.len();
            rejected += group.rejected.labels;
            acknowledge(group).await;
        }
        assert_eq!((rows, rejected), (1, 5));
        stop.request();
        taking.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn where_the_writer_has_ended_nothing_is_taken_and_given_back_again() {
        let (mut intake, publisher, _stop) = intake();
        let (groups, received) = mpsc::channel(1);
        drop(received);
        publisher.publish(vec![label(0)]).await.unwrap();
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut running = pin!(intake.run(groups));
        // It comes to rest, and whoever waits for the writer ends it.
        for polls in 0.. {
            woken.0.store(false, Ordering::Relaxed);
            assert!(running.as_mut().poll(&mut TaskContext::from_waker(&waker)).is_pending());
            // The runtime wakes whoever has done too much at a time only after this.
            let_it_work().await;
            if !woken.0.load(Ordering::Relaxed) {
                break;
            }
            assert!(polls < 1000, "it goes round");
        }
    }

    /// Whether a task was woken.
    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn the_more_have_come_the_longer_others_are_waited_for() {
        let micros = |messages| pause(messages).as_micros();
        assert_eq!([0, 1, 2].map(micros), [0, 0, 0]);
        assert_eq!([3, 8, 9, 20, 32].map(micros), [2000, 2000, 2250, 5000, 8000]);
        assert_eq!([33, 1024, u64::MAX].map(micros), [8000, 8000, 8000]);
    }
}
