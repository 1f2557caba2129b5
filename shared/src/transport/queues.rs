//! Which queues there are, what they are called, and how they are made where they are missing.

use std::fmt;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::side::SideQueue;
use crate::message::{Name, Role};

/// Stands in for "no limit": -1 means that on RabbitMQ 4 and "drop at the first redelivery" on 3.10, and no
/// limit given means 20 on RabbitMQ 4, which loses good messages of a consumer that crashes in a loop.
const DELIVERY_LIMIT: i64 = 1_000_000;

/// How many messages a queue holds before it refuses more and publishers wait. Quorum queues are not made for
/// longer ones.
const MAX_LENGTH: i64 = 5_000_000;

/// What waits for a challenger at the most, and how often a row is handed out to it that it may be dying of.
const CHALLENGER_MESSAGES: i64 = 100_000;
const CHALLENGER_BYTES: i64 = 64 << 20;
const CHALLENGER_DELIVERIES: i64 = 20;
/// How long its queue is there without it.
const CHALLENGER_UNUSED_MS: i64 = 7 * 24 * 3600 * 1000;

/// The exchange through which everything is published. A queue gets what is published with its key.
pub const EXCHANGE: &str = "pipeline";
/// The exchange of the dead letters. Their key is the name of the queue that they come from.
pub const DEAD_EXCHANGE: &str = "pipeline.dead";

/// The name of a queue: 1 to 200 characters out of `A-Z a-z 0-9 _ . : -`, not beginning with `amq.`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueName(Arc<str>);

impl QueueName {
    /// The longest name, in characters.
    pub const MAX_LEN: usize = 200;

    /// Checks a name.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-');
        if text.is_empty() {
            return Err("a queue needs a name".to_owned());
        }
        if text.len() > Self::MAX_LEN {
            return Err(format!("the name of a queue has {} bytes, more than {}", text.len(), Self::MAX_LEN));
        }
        if let Some(c) = text.chars().find(|c| !allowed(*c)) {
            return Err(format!("{text:?} has the character {c:?}; a queue's name has A-Z a-z 0-9 _ . : -"));
        }
        if text.starts_with("amq.") {
            return Err(format!(
                "{text:?} cannot be a queue's name: RabbitMQ reserves names that begin with amq."
            ));
        }
        Ok(Self(text.into()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name with another one behind it, such as `y_true.dead`.
    #[must_use]
    pub fn with(&self, suffix: &str) -> Self {
        Self(format!("{self}.{suffix}").into())
    }

    fn of(role: Role) -> Self {
        Self(role.name().into())
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the queues are called, and how they are made where they are missing.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Queues")]
pub struct QueueOptions {
    /// How to create a missing queue. A queue that exists is used as it is.
    #[arg(long, value_enum, default_value_t)]
    pub queue_kind: QueueKind,

    /// Queue names of the Python exercise: `v1` has Features, y_true and y_predict, `v2` has
    /// features, y_true and y_pred.
    #[arg(long, value_enum, value_name = "FORM", default_value_t)]
    pub exercise: Exercise,

    /// Queue of the feature rows. Dead letters go to NAME.dead. [default: Features]
    #[arg(long, value_name = "NAME")]
    pub features_queue: Option<String>,

    /// Queue of the true labels. [default: y_true]
    #[arg(long, value_name = "NAME")]
    pub labels_queue: Option<String>,

    /// Queue of the predictions. [default: y_predict]
    #[arg(long, value_name = "NAME")]
    pub predictions_queue: Option<String>,
}

/// A form of the exercise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Exercise {
    /// Features, y_true, y_predict.
    #[default]
    V1,
    /// features, y_true, y_pred.
    V2,
}

/// How a queue is made that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum QueueKind {
    /// Replicated, and on disk before it is confirmed.
    #[default]
    Quorum,
    /// Durable classic queues with dead letters. They survive a restart of the broker, not a power cut.
    Classic,
    /// Durable and nothing else, like Python's `queue_declare(queue, durable=True)`.
    Durable,
    /// Lost when the broker restarts, like those of the Python exercise. RabbitMQ up to 4.2.
    Transient,
}

impl fmt::Display for QueueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quorum => "quorum",
            Self::Classic => "classic",
            Self::Durable => "durable",
            Self::Transient => "transient",
        })
    }
}

/// A value in a queue's arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// A whole number.
    Int(i64),
    /// Text.
    Text(&'static str),
}

/// With what a queue is made, chosen so that RabbitMQ 3.10 to 4.3 understand it alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments {
    /// Whether the queue outlives a restart of the broker.
    pub durable: bool,
    /// The arguments by name.
    pub list: Vec<(&'static str, Argument)>,
}

impl Arguments {
    fn of(kind: QueueKind) -> Self {
        let dead_letters = ("x-dead-letter-exchange", Argument::Text(DEAD_EXCHANGE));
        let list = match kind {
            QueueKind::Quorum => vec![
                ("x-queue-type", Argument::Text("quorum")),
                ("x-delivery-limit", Argument::Int(DELIVERY_LIMIT)),
                dead_letters,
                ("x-dead-letter-strategy", Argument::Text("at-least-once")),
                ("x-overflow", Argument::Text("reject-publish")),
                ("x-max-length", Argument::Int(MAX_LENGTH)),
            ],
            QueueKind::Classic => vec![("x-queue-type", Argument::Text("classic")), dead_letters],
            QueueKind::Durable | QueueKind::Transient => Vec::new(),
        };
        Self { durable: kind != QueueKind::Transient, list }
    }

    fn of_dead(kind: QueueKind) -> Self {
        let list = match kind {
            QueueKind::Quorum => vec![
                ("x-queue-type", Argument::Text("quorum")),
                ("x-delivery-limit", Argument::Int(DELIVERY_LIMIT)),
                ("x-overflow", Argument::Text("reject-publish")),
                ("x-max-length", Argument::Int(MAX_LENGTH)),
            ],
            _ => vec![("x-queue-type", Argument::Text("classic"))],
        };
        Self { durable: true, list }
    }

    /// Of a challenger's queue: bounded in every kind, without its oldest where it is full, and gone a week after its challenger.
    fn of_challenger(kind: QueueKind) -> Self {
        let mut list = match kind {
            QueueKind::Quorum => vec![
                ("x-queue-type", Argument::Text("quorum")),
                ("x-delivery-limit", Argument::Int(CHALLENGER_DELIVERIES)),
            ],
            _ => vec![("x-queue-type", Argument::Text("classic"))],
        };
        list.extend([
            ("x-max-length", Argument::Int(CHALLENGER_MESSAGES)),
            ("x-max-length-bytes", Argument::Int(CHALLENGER_BYTES)),
            ("x-overflow", Argument::Text("drop-head")),
            ("x-expires", Argument::Int(CHALLENGER_UNUSED_MS)),
        ]);
        Self { durable: kind != QueueKind::Transient, list }
    }

    /// Whether it refuses what comes beyond its length, instead of dropping its oldest.
    #[must_use]
    pub fn drops_its_oldest(&self) -> bool {
        self.list.contains(&("x-overflow", Argument::Text("drop-head")))
    }

    /// How many messages it holds at the most, if that is said.
    #[must_use]
    pub fn max_length(&self) -> Option<usize> {
        self.list.iter().find_map(|(name, value)| match value {
            Argument::Int(length) if *name == "x-max-length" => usize::try_from(*length).ok(),
            _ => None,
        })
    }
}

/// A queue, what is published into it, and how it is made where it is missing. Its owner, which is its consumer,
/// makes it; nobody else does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// What its messages are.
    pub role: Role,
    /// The queue.
    pub queue: QueueName,
    /// The routing key: the queue gets what is published with it.
    pub key: QueueName,
    /// With what the queue is made.
    pub arguments: Arguments,
    /// With what its queue of dead letters is made, where it has one.
    pub dead_arguments: Option<Arguments>,
}

impl Subscription {
    /// The queue that holds what could not be used of this one. Its key at [`DEAD_EXCHANGE`] is this queue's name.
    #[must_use]
    pub fn dead(&self) -> QueueName {
        self.queue.with("dead")
    }

    /// The same stream by way of another queue, such as a challenger's, which writes no dead letters.
    #[must_use]
    pub fn by_way_of(self, queue: QueueName, arguments: Arguments) -> Self {
        Self { queue, arguments, dead_arguments: None, ..self }
    }
}

/// The queues' names and kind, checked. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queues {
    kind: QueueKind,
    features: QueueName,
    labels: QueueName,
    predictions: QueueName,
}

impl Default for Queues {
    fn default() -> Self {
        Self::of_kind(QueueKind::default())
    }
}

impl Queues {
    /// The usual names.
    #[must_use]
    pub fn of_kind(kind: QueueKind) -> Self {
        let [features, labels, predictions] = Role::ALL.map(QueueName::of);
        Self { kind, features, labels, predictions }
    }

    /// Checks what was asked for.
    ///
    /// # Errors
    /// A name that cannot be one, or one that serves twice.
    pub fn new(options: &QueueOptions) -> Result<Self, String> {
        let default = |role: Role| match (options.exercise, role) {
            (Exercise::V2, Role::Features) => "features",
            (Exercise::V2, Role::Prediction) => "y_pred",
            _ => role.name(),
        };
        let name = |role, flag: &str, given: &Option<String>| {
            QueueName::parse(given.as_deref().unwrap_or_else(|| default(role)))
                .map_err(|why| format!("{flag}: {why}"))
        };
        let queues = Self {
            kind: options.queue_kind,
            features: name(Role::Features, "--features-queue", &options.features_queue)?,
            labels: name(Role::Label, "--labels-queue", &options.labels_queue)?,
            predictions: name(Role::Prediction, "--predictions-queue", &options.predictions_queue)?,
        };
        let mut all: Vec<QueueName> = Role::ALL
            .into_iter()
            .flat_map(|role| [queues.name(role).clone(), queues.name(role).with("dead")])
            .collect();
        all.push(queues.lock());
        all.extend(SideQueue::ALL.map(|side| queues.side(side)));
        all.push(queues.control());
        all.sort();
        match all.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!(
                "two queues cannot both be called {}: give --features-queue, --labels-queue and --predictions-queue different names",
                pair[0]
            )),
            None => Ok(queues),
        }
    }

    /// How a queue is made that is missing.
    #[must_use]
    pub fn kind(&self) -> QueueKind {
        self.kind
    }

    /// What the queue of a role is called, which is also its routing key.
    #[must_use]
    pub fn name(&self, role: Role) -> &QueueName {
        match role {
            Role::Features => &self.features,
            Role::Label => &self.labels,
            Role::Prediction => &self.predictions,
        }
    }

    /// The queue of a role, as its consumer takes from it.
    #[must_use]
    pub fn subscription(&self, role: Role) -> Subscription {
        Subscription {
            role,
            queue: self.name(role).clone(),
            key: self.name(role).clone(),
            arguments: Arguments::of(self.kind),
            dead_arguments: Some(Arguments::of_dead(self.kind)),
        }
    }

    /// The rows of features as a challenger of this name takes them: by way of a queue of its own, which it makes.
    #[must_use]
    pub fn challenger(&self, name: &Name) -> Subscription {
        let queue = self.features.with(&format!("challenger.{name}"));
        self.subscription(Role::Features).by_way_of(queue, Arguments::of_challenger(self.kind))
    }

    /// What a side queue is called, which is also its routing key.
    #[must_use]
    pub fn side(&self, queue: SideQueue) -> QueueName {
        self.name(queue.beside()).with(queue.suffix())
    }

    /// The routing key of control: what `metric` tells every `model`. Each of them has a queue of its own behind it.
    #[must_use]
    pub fn control(&self) -> QueueName {
        self.features.with("control")
    }

    /// Whether a queue of this name is one of ours, or one of those that belong to them.
    #[must_use]
    pub fn own(&self, queue: &str) -> bool {
        Role::ALL.into_iter().any(|role| {
            let rest = queue.strip_prefix(self.name(role).as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }

    /// The queue that one `metric` alone can hold: whoever has it records this stream.
    #[must_use]
    pub fn lock(&self) -> QueueName {
        self.predictions.with("metric")
    }
}

/// Who consumes the queue of a role, and so declares it.
#[must_use]
pub fn owner(role: Role) -> &'static str {
    match role {
        Role::Features => "model",
        Role::Label | Role::Prediction => "metric",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_printable_short_and_not_the_brokers_own() {
        for good in ["Features", "y_true", "a", "team:ml.rows-2", &"x".repeat(200)] {
            assert_eq!(QueueName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "amq.gen", "a b", "é", "a/b", "a\nb", &"x".repeat(201)] {
            assert!(QueueName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_exercise_names_the_queues_and_flags_go_before_it() {
        let options = QueueOptions { exercise: Exercise::V2, ..QueueOptions::default() };
        let queues = Queues::new(&options).unwrap();
        assert_eq!(Role::ALL.map(|role| queues.name(role).to_string()), ["features", "y_true", "y_pred"]);
        assert_eq!(queues.lock().as_str(), "y_pred.metric");
        assert_eq!(queues.side(SideQueue::Cards).as_str(), "y_pred.cards");
        let options = QueueOptions { labels_queue: Some("truth".to_owned()), ..options };
        let queues = Queues::new(&options).unwrap();
        assert_eq!(queues.subscription(Role::Label).dead().as_str(), "truth.dead");
        assert_eq!(Queues::new(&QueueOptions::default()).unwrap(), Queues::default());
    }

    #[test]
    fn a_queue_of_ours_is_known_by_its_name() {
        let queues = Queues::default();
        for (queue, is_ours) in [
            ("Features", true),
            ("y_true", true),
            ("y_predict", true),
            ("y_true.dead", true),
            ("y_predict.metric", true),
            ("Features.ask", true),
            ("Features.control.m", true),
            ("y_true2", false),
            ("replies.y_true", false),
            ("amq.rabbitmq.reply-to.g1h2AA", false),
            ("amq.gen-JzTY20BRgKO", false),
            ("", false),
        ] {
            assert_eq!(queues.own(queue), is_ours, "{queue}");
        }
    }

    #[test]
    fn a_challenger_s_queue_is_bounded_in_every_kind_and_has_no_dead_letters() {
        for kind in [QueueKind::Quorum, QueueKind::Classic, QueueKind::Durable, QueueKind::Transient] {
            let subscription = Queues::of_kind(kind).challenger(&Name::parse("rival").unwrap());
            let Subscription { queue, key, arguments, dead_arguments, .. } = &subscription;
            assert_eq!((queue.as_str(), key.as_str()), ("Features.challenger.rival", "Features"));
            assert!(arguments.drops_its_oldest() && dead_arguments.is_none(), "{kind}");
            assert_eq!(arguments.max_length(), Some(100_000), "{kind}");
            assert!(arguments.list.contains(&("x-max-length-bytes", Argument::Int(64 << 20))), "{kind}");
        }
    }

    #[test]
    fn a_name_serves_once() {
        for (labels, predictions) in [
            ("a", "a"),
            ("a", "a.dead"),
            ("b.metric", "b"),
            ("b.cards", "b"),
            ("Features.ask", "b"),
            ("a", "Features.control"),
        ] {
            let options = QueueOptions {
                labels_queue: Some(labels.to_owned()),
                predictions_queue: Some(predictions.to_owned()),
                ..QueueOptions::default()
            };
            assert!(Queues::new(&options).unwrap_err().contains("two queues"), "{labels} {predictions}");
        }
    }

    #[test]
    fn python_s_declarations_are_among_the_kinds() {
        assert_eq!(Arguments::of(QueueKind::Transient), Arguments { durable: false, list: Vec::new() });
        assert_eq!(Arguments::of(QueueKind::Durable), Arguments { durable: true, list: Vec::new() });
    }
}
