//! The flags of `pipeline dead`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use shared::clock::Timestamp;
use shared::transport::AmqpOptions;

use super::wanted::Wanted;

/// Which letters are meant.
#[derive(Args, Debug, Clone)]
pub(crate) struct Selection {
    /// Only letters with this reason, as `list` names it; several are separated by commas.
    #[arg(long, value_name = "REASON", value_delimiter = ',')]
    reason: Vec<String>,

    /// Only letters of the row with this id; may be given several times.
    #[arg(long, value_name = "ID")]
    id: Vec<String>,

    /// Only letters whose message is older than this, by its own word; not those that have no time.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,

    #[command(flatten)]
    pub(crate) reach: Reach,
}

/// How far a queue is looked through.
#[derive(Args, Debug, Clone, Copy)]
pub(crate) struct Reach {
    /// How many letters of a queue are looked at, from the oldest on, up to 5000000. Meanwhile nobody else gets them.
    #[arg(long, value_name = "COUNT", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=5_000_000))]
    pub(crate) first: u32,
}

impl Selection {
    /// What that comes to, at this time.
    pub(crate) fn wanted(&self, now: Timestamp) -> Wanted {
        let before = |age: Duration| {
            Timestamp(now.0.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX)))
        };
        Wanted { reasons: self.reason.clone(), ids: self.id.clone(), before: self.older_than.map(before) }
    }
}

/// Counts the dead letters by queue, reason and service.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// The queue, or its dead letters: `Features` or `Features.dead`. [default: all three]
    #[arg(value_name = "QUEUE")]
    pub(crate) queue: Option<String>,

    #[command(flatten)]
    pub(crate) reach: Reach,

    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) amqp: AmqpOptions,
}

/// Shows letters: why they are there, properties, headers, and the beginning of the body. Removes nothing.
#[derive(Args, Debug)]
pub(crate) struct Show {
    /// The queue, or its dead letters: `Features` or `Features.dead`.
    #[arg(value_name = "QUEUE")]
    pub(crate) queue: String,

    #[command(flatten)]
    pub(crate) selection: Selection,

    /// How many are shown.
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    pub(crate) limit: u64,

    /// Print JSON, a line each, with the whole body.
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) amqp: AmqpOptions,
}

/// Sends letters back to the queue that they came from, each as the message that it was. A letter is removed when its message
/// is safe there.
#[derive(Args, Debug)]
pub(crate) struct Requeue {
    /// The queue, or its dead letters: `Features` or `Features.dead`.
    #[arg(value_name = "QUEUE")]
    pub(crate) queue: String,

    #[command(flatten)]
    pub(crate) selection: Selection,

    /// How many are sent back at the most. [default: all]
    #[arg(long, value_name = "COUNT")]
    pub(crate) limit: Option<u64>,

    /// How many a second.
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) rate: u32,

    /// Say what would be done, and do nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) amqp: AmqpOptions,
}

/// Writes letters to standard output, as JSON, a line each, for `import`. Removes nothing.
#[derive(Args, Debug)]
pub(crate) struct Export {
    /// The queue, or its dead letters: `Features` or `Features.dead`.
    #[arg(value_name = "QUEUE")]
    pub(crate) queue: String,

    #[command(flatten)]
    pub(crate) selection: Selection,

    #[command(flatten)]
    pub(crate) amqp: AmqpOptions,
}

/// Puts exported letters back among the dead letters. The whole file is checked before anything is published.
#[derive(Args, Debug)]
pub(crate) struct Import {
    /// A file that `export` has written.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// Put all letters among the dead letters of this queue. [default: where each was]
    #[arg(long, value_name = "QUEUE")]
    pub(crate) to: Option<String>,

    /// Check the file, and publish nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) amqp: AmqpOptions,
}

/// Deletes letters, after saying how many, when the queue's name is typed.
#[derive(Args, Debug)]
pub(crate) struct Purge {
    /// The queue, or its dead letters: `Features` or `Features.dead`.
    #[arg(value_name = "QUEUE")]
    pub(crate) queue: String,

    #[command(flatten)]
    pub(crate) selection: Selection,

    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,

    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) amqp: AmqpOptions,
}
