//! What is committed, on its way to the broker: in tasks of its own, so that the next group is committed meanwhile.

use futures_util::future::join_all;
use shared::transport::{Aside, Batch};
use tokio::task::JoinSet;

/// The acknowledgements that the broker is being told of.
#[derive(Debug, Default)]
pub(crate) struct Acknowledgements(JoinSet<()>);

impl Acknowledgements {
    /// Decides on all of these, and has the broker told beside.
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
    pub(crate) async fn all_told(&mut self) {
        while self.0.join_next().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn nothing_is_told_where_nothing_is_under_way_and_all_that_ended_is_let_go_at_once() {
        let mut acknowledgements = Acknowledgements::default();
        assert!(acknowledgements.told().now_or_never().is_none());
        acknowledgements.begin(Vec::new(), Vec::new());
        acknowledgements.begin(Vec::new(), Vec::new());
        yield_now().await;
        acknowledgements.told().await.unwrap();
        assert_eq!(acknowledgements.0.len(), 0);
        acknowledgements.begin(Vec::new(), Vec::new());
        acknowledgements.all_told().await;
        assert_eq!(acknowledgements.0.len(), 0);
    }

    #[tokio::test]
    async fn a_panic_of_a_task_is_noticed() {
        let mut acknowledgements = Acknowledgements::default();
        acknowledgements.0.spawn(async { panic!("on purpose") });
        assert!(acknowledgements.told().await.is_err());
    }
}
