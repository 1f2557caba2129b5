//! What is committed, on its way to the broker: in tasks of its own, so that the next group is committed meanwhile.

use futures_util::future::join_all;
use shared::transport::{Aside, Batch};
use tokio::task::JoinSet;

/// The acknowledgements that the broker is being told of.
#[derive(Debug, Default)]
pub(crate) struct Acknowledgements(JoinSet<()>);

impl Acknowledgements {
    /// Decides on all of these at once, and has the broker told by a task.
    pub(crate) fn begin(&mut self, batches: Vec<Batch>, asides: Vec<Aside>) {
        let batches = join_all(batches.into_iter().map(Batch::ack).collect::<Vec<_>>());
        let asides = join_all(asides.into_iter().map(Aside::ack).collect::<Vec<_>>());
        self.0.spawn(async { _ = tokio::join!(batches, asides) });
    }

    /// Resolves when some are told; never while none are under way. May be dropped and asked again.
    ///
    /// # Errors
    /// A task that panicked.
    pub(crate) async fn told(&mut self) -> anyhow::Result<()> {
        match self.0.join_next().await {
            Some(told) => told?,
            None => std::future::pending().await,
        }
        // Whoever asks has other things to do as well, and more than one may have ended meanwhile.
        while let Some(told) = self.0.try_join_next() {
            told?;
        }
        Ok(())
    }

    /// Resolves when all are told.
    ///
    /// # Errors
    /// A task that panicked.
    pub(crate) async fn all_told(&mut self) -> anyhow::Result<()> {
        while let Some(told) = self.0.join_next().await {
            told?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use shared::clock::Timestamp;
    use shared::message::{Key, Label, Role, RowId};
    use shared::readiness::Readiness;
    use shared::stop::Stop;
    use shared::transport::Transport;
    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn what_is_begun_is_decided_at_once_and_let_go_when_it_is_told() {
        let (transport, stop, readiness) = (Transport::in_memory(), Stop::default(), Readiness::default());
        let publisher = transport.publisher("test", &stop, &readiness);
        let labels = transport.subscription(Role::Label);
        let mut consumer = transport.consumer("test", labels, 10, &stop, &readiness);
        let label = |id: &str| {
            let key = Key::Property(RowId::parse(id).unwrap());
            Label { key, value: 1.0, published_at: None }.encode("test", Timestamp(0))
        };
        publisher.publish(vec![label("a"), label("b")]).await.unwrap();
        let mut batch = consumer.take(10).await.unwrap();
        let asides = batch.set_aside(&[1]);
        assert!(transport.drained().now_or_never().is_none(), "two deliveries are open");

        let mut acknowledgements = Acknowledgements::default();
        assert!(acknowledgements.told().now_or_never().is_none(), "nothing is under way");
        acknowledgements.begin(vec![batch], asides);
        assert!(transport.drained().now_or_never().is_some(), "no task has run");
        acknowledgements.begin(Vec::new(), Vec::new());
        yield_now().await;
        acknowledgements.told().await.unwrap();
        assert_eq!(acknowledgements.0.len(), 0);
    }

    #[tokio::test]
    async fn a_panic_of_a_task_is_noticed() {
        for at_the_end in [false, true] {
            let mut acknowledgements = Acknowledgements::default();
            acknowledgements.0.spawn(async { panic!("on purpose") });
            let told =
                if at_the_end { acknowledgements.all_told().await } else { acknowledgements.told().await };
            assert!(told.is_err());
        }
    }
}
