//! Live is not ready: a service is ready when everything that it needs is there.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Everything that must hold before a service does its job.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Mutex<Vec<Condition>>>);

/// One thing that must hold. Clones are the same thing.
#[derive(Debug, Clone)]
pub struct Condition {
    what: Arc<str>,
    holds: Arc<AtomicBool>,
}

impl Readiness {
    /// Adds a condition, which does not hold yet.
    #[must_use]
    pub fn condition(&self, what: impl Into<Arc<str>>) -> Condition {
        let condition = Condition { what: what.into(), holds: Arc::default() };
        self.lock().push(condition.clone());
        condition
    }

    /// What does not hold now. A service that has not said yet what it needs has not started.
    #[must_use]
    pub fn unmet(&self) -> Vec<Arc<str>> {
        let conditions = self.lock();
        if conditions.is_empty() {
            return vec!["started".into()];
        }
        let unmet = |condition: &&Condition| !condition.holds.load(Ordering::Relaxed);
        conditions.iter().filter(unmet).map(|condition| Arc::clone(&condition.what)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Condition>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Condition {
    /// Says whether it holds from now on. Returns whether it did before.
    pub fn set(&self, holds: bool) -> bool {
        self.holds.swap(holds, Ordering::Relaxed)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_when_every_condition_holds() {
        let readiness = Readiness::default();
        assert_eq!(readiness.unmet(), ["started".into()]);
        let model = readiness.condition("model loaded");
        let broker = readiness.condition("connected");
        model.set(true);
        assert_eq!(readiness.unmet(), ["connected".into()]);
        broker.set(true);
        assert!(readiness.unmet().is_empty());
        model.set(false);
        assert_eq!(readiness.unmet(), ["model loaded".into()]);
    }
}
