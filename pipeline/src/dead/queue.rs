//! Which queue of dead letters is meant, and which queue its letters came from. Nothing else is ever opened.

use shared::message::Role;
use shared::transport::{QueueName, Queues};

const SUFFIX: &str = ".dead";

/// A queue of dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeadQueue {
    /// Its own name.
    pub(crate) name: QueueName,
    /// The queue that its letters came from, and go back to.
    pub(crate) origin: QueueName,
    /// What its letters are.
    pub(crate) role: Role,
}

impl DeadQueue {
    /// Reads a name: that of the queue or of its dead letters.
    ///
    /// # Errors
    /// It cannot be a queue's name.
    pub(crate) fn parse(text: &str, queues: &Queues) -> Result<Self, String> {
        let is_origin = Role::ALL.into_iter().any(|role| queues.name(role).as_str() == text);
        let origin = if is_origin { text } else { text.strip_suffix(SUFFIX).unwrap_or(text) };
        Ok(Self::of(QueueName::parse(origin)?, queues))
    }

    /// Those of the three queues.
    pub(crate) fn all(queues: &Queues) -> Vec<Self> {
        Role::ALL.into_iter().map(|role| Self::of(queues.name(role).clone(), queues)).collect()
    }

    fn of(origin: QueueName, queues: &Queues) -> Self {
        // A queue beside one of the three, such as a challenger's, has messages as that has.
        let is_of = |role: &Role| {
            let rest = origin.as_str().strip_prefix(queues.name(*role).as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let role = Role::ALL.into_iter().find(is_of).unwrap_or(Role::Label);
        Self { name: origin.with("dead"), origin, role }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_named_by_itself_or_by_its_dead_letters() {
        let queues = Queues::default();
        for (text, origin, role) in [
            ("Features", "Features", Role::Features),
            ("Features.dead", "Features", Role::Features),
            ("y_predict.dead", "y_predict", Role::Prediction),
            ("Features.challenger.m", "Features.challenger.m", Role::Features),
            ("y_true2.dead", "y_true2", Role::Label),
            ("a.dead.dead", "a.dead", Role::Label),
        ] {
            let queue = DeadQueue::parse(text, &queues).unwrap();
            assert_eq!((queue.origin.as_str(), queue.role), (origin, role), "{text}");
            assert_eq!(queue.name.as_str(), format!("{origin}.dead"));
        }
        for text in ["", ".dead", "a b", "amq.gen.dead"] {
            assert!(DeadQueue::parse(text, &queues).is_err(), "{text}");
        }
        let all: Vec<String> = DeadQueue::all(&queues).iter().map(|queue| queue.name.to_string()).collect();
        assert_eq!(all, ["Features.dead", "y_true.dead", "y_predict.dead"]);
    }
}
