//! The program `bench`: measures the release binaries that lie beside it.
//!
//! `broker` compares them with [`bare`], the same messages moved by the client library alone; `latency` asks how long a row takes,
//! `challengers` what bad neighbours cost, `backlog` how soon rows are done that waited, `steady` whether a service grows, `peers` what
//! others do. `memory`, `record`,
//! `durable`, `evaluation`, `late`, `search`, `models`, `http`, `traces` and `start` need no broker. README.md has the figures.

mod backlog;
mod bare;
mod broker;
mod challengers;
mod durable;
mod evaluation;
mod figures;
mod flow;
mod http;
mod inserts;
mod late;
mod latency;
mod memory;
mod models;
mod peers;
mod processes;
mod queues;
mod record;
mod records;
mod search;
mod start;
mod steady;
mod traces;

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};
use shared::printable::lines;

/// Measures the pipeline. Build the binaries first: `cargo build --release --workspace`. Run it in the
/// workspace's folder, where `data/` is.
#[derive(Parser, Debug)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Rows per second through RabbitMQ: the bare loop, three processes, one process.
    Broker {
        #[command(flatten)]
        amqp: Amqp,
        /// Rows in each run.
        #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(2..))]
        rows: u64,
        /// How often each is measured.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// What is measured, in this order. [default: all]
        #[arg(long, value_enum, value_delimiter = ',')]
        only: Vec<broker::Subject>,
        /// How many rows travel in one message.
        #[arg(long, value_delimiter = ',', default_value = "1", value_parser = clap::value_parser!(u16).range(1..=512))]
        rows_per_message: Vec<u16>,
        /// How many services share the rows, such as model=1,2,4.
        #[arg(long, value_name = "SERVICE=COUNTS", default_value = "model=1")]
        scale: Scale,
        /// The broker's process on this machine, whose processor time is counted too.
        #[arg(long, value_name = "PID")]
        broker_pid: Option<u32>,
    },
    /// Rows per second of three services in Python, on pika as in the exercise and on FastStream, beside ours.
    Peers {
        #[command(flatten)]
        amqp: Amqp,
        /// A Python that has what bench/peers/requirements.txt names.
        #[arg(long, value_name = "FILE", default_value = "target/bench-python/bin/python")]
        python: PathBuf,
        /// Rows in each run.
        #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(2..))]
        rows: u64,
        /// How often each is measured.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
    },
    /// Rows that came while no model ran, and how fast they are done when one does; the memory of each service.
    Backlog {
        #[command(flatten)]
        amqp: Amqp,
        /// Rows in each run.
        #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(2..))]
        rows: u64,
        /// How often it is measured.
        #[arg(long, default_value_t = 1)]
        rounds: usize,
        /// How many rows travel in one message.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=512))]
        rows_per_message: u16,
    },
    /// Whether memory and open files of each service stay as they are at one rate for long.
    Steady {
        #[command(flatten)]
        amqp: Amqp,
        /// Rows per second.
        #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u64).range(1..))]
        rate: u64,
        /// For how long, in seconds.
        #[arg(long, default_value_t = 1800, value_parser = clap::value_parser!(u64).range(60..))]
        seconds: u64,
        /// How many rows travel in one message.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=512))]
        rows_per_message: u16,
    },
    /// Time from a row's publish to the line that says that it is recorded, over RabbitMQ, at several rates.
    Latency {
        #[command(flatten)]
        amqp: Amqp,
        /// Rows per second.
        #[arg(long, value_delimiter = ',', default_value = "1,100,1000,5000", value_parser = clap::value_parser!(u32).range(1..))]
        rates: Vec<u32>,
        /// For how long each is measured, in seconds.
        #[arg(long, default_value_t = 10)]
        seconds: u32,
    },
    /// What challengers that are stopped, slow, crashing or make no sense cost the main path, over RabbitMQ.
    Challengers {
        #[command(flatten)]
        amqp: Amqp,
        /// For how long each is measured, in seconds.
        #[arg(long, default_value_t = 45, value_parser = clap::value_parser!(u64).range(1..))]
        seconds: u64,
        /// How often each is measured.
        #[arg(long, default_value_t = 1)]
        rounds: usize,
        /// What is measured, in this order. [default: all]
        #[arg(long, value_enum, value_delimiter = ',')]
        only: Vec<challengers::Beside>,
    },
    /// Rows per second through the in-memory transport.
    Memory {
        /// Rows in each run.
        #[arg(long, default_value_t = 500_000, value_parser = clap::value_parser!(u64).range(2..))]
        rows: u64,
        /// How often it is measured.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
    },
    /// Rows per second through the in-memory transport with and without a receiver of traces.
    Traces {
        /// Rows in each run.
        #[arg(long, default_value_t = 300_000, value_parser = clap::value_parser!(u64).range(2..))]
        rows: u64,
        /// How often each is measured.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
    },
    /// Rows per second that `metric` alone records from messages in memory, beside a loop that only inserts into SQLite.
    Durable {
        /// Rows in each run.
        #[arg(long, default_value_t = 200_000)]
        rows: u64,
        /// How often each is measured.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
    },
    /// What the evaluation costs `metric` while it records, and how soon a start has what was evaluated before.
    Evaluation {
        /// Rows in each run.
        #[arg(long, default_value_t = 200_000)]
        rows: u64,
        /// How often each is measured.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
    },
    /// Processor time of a row in the records alone, in one thread, beside that of a loop that only inserts into SQLite.
    Record {
        /// Rows in each run.
        #[arg(long, default_value_t = 200_000)]
        rows: usize,
        /// How often each is measured.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// How many messages are committed at once.
        #[arg(long, value_delimiter = ',', default_value = "1024,4096,16384")]
        groups: Vec<usize>,
        /// What the ids are.
        #[arg(long, value_enum, value_delimiter = ',', default_value = "uuid,text,shuffled")]
        ids: Vec<record::Ids>,
    },
    /// Labels per second that meet predictions of a table that is nearly empty, and of a large one; memory and restart.
    Late {
        /// Predictions that wait.
        #[arg(long, default_value_t = 1_000_000)]
        pending: u64,
        /// Rows that are scored already.
        #[arg(long, default_value_t = 0)]
        scored: u64,
        /// Labels in each round, of which there are six.
        #[arg(long, default_value_t = 50_000)]
        labels: u64,
    },
    /// The part of `late` that measures memory, in a process of its own.
    #[command(hide = true)]
    Join { folder: PathBuf },
    /// Time in which the page finds any of many rows by its id.
    Search {
        /// Rows that the pipeline records first: 10 million take 6 GB of disk.
        #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
        rows: u64,
        /// How many are searched, at random.
        #[arg(long, default_value_t = 500)]
        searches: usize,
    },
    /// Time per row of each kind of model, beside the Python library that it came from.
    Models {
        /// A folder that scripts/foreign-models.py has filled.
        #[arg(long, env = "FOREIGN_MODELS", value_name = "FOLDER", default_value = "target/foreign-models")]
        folder: PathBuf,
        /// A Python that has what model/tests/python/requirements.txt names.
        #[arg(
            long,
            env = "TEST_PYTHON",
            value_name = "FILE",
            default_value = "target/test-python/bin/python"
        )]
        python: PathBuf,
    },
    /// Requests per second of single rows over HTTP, beside FastAPI with scikit-learn.
    Http {
        /// A Python that has what bench/peers/requirements.txt names.
        #[arg(long, value_name = "FILE", default_value = "target/bench-python/bin/python")]
        python: PathBuf,
        /// How many connections ask at once, each for one row after the other.
        #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=200))]
        connections: u16,
        /// For how long each is measured, in seconds.
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..))]
        seconds: u64,
        /// How often each is measured.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
    },
    /// Time from the start of `pipeline` to the first recorded row; with a broker also memory at rest.
    Start {
        /// How often it is measured.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// A RabbitMQ with an empty vhost for tests; without one, memory is not measured.
        #[arg(long, env = "AMQP_URL", hide_env_values = true, value_name = "URL")]
        amqp_url: Option<String>,
    },
}

#[derive(Args, Debug)]
struct Amqp {
    /// A RabbitMQ with an empty vhost for tests: the pipeline's own queues are used, and others named bench.*.
    #[arg(long, env = "AMQP_URL", hide_env_values = true, value_name = "URL")]
    amqp_url: String,
}

/// How many of a service share the rows, each in turn.
#[derive(Debug, Clone)]
struct Scale {
    models: Vec<usize>,
}

impl FromStr for Scale {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = "expected model= and counts from 1 to 16, such as model=1,2,4";
        let counts = text.strip_prefix("model=").ok_or(expected)?.split(',');
        let count = |count: &str| count.parse().ok().filter(|count| (1..=16).contains(count)).ok_or(expected);
        Ok(Self { models: counts.map(count).collect::<Result<_, _>>()? })
    }
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench failed: {}", lines(&format!("{why:#}")));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Broker { amqp, rows, rounds, only, rows_per_message, scale, broker_pid } => {
            broker::run(&broker::Wishes {
                url: &amqp.amqp_url,
                broker: broker_pid,
                rows,
                rounds,
                only: &only,
                rows_per_message: &rows_per_message,
                models: &scale.models,
            })
        }
        Command::Peers { amqp, python, rows, rounds } => peers::run(&amqp.amqp_url, &python, rows, rounds),
        Command::Backlog { amqp, rows, rounds, rows_per_message } => {
            backlog::run(&amqp.amqp_url, rows, rounds, rows_per_message)
        }
        Command::Steady { amqp, rate, seconds, rows_per_message } => {
            steady::run(&amqp.amqp_url, rate, seconds, rows_per_message)
        }
        Command::Latency { amqp, rates, seconds } => latency::run(&amqp.amqp_url, &rates, seconds),
        Command::Challengers { amqp, seconds, rounds, only } => {
            challengers::run(&amqp.amqp_url, seconds, rounds, &only)
        }
        Command::Memory { rows, rounds } => memory::run(rows, rounds),
        Command::Traces { rows, rounds } => traces::run(rows, rounds),
        Command::Durable { rows, rounds } => durable::run(rows, rounds),
        Command::Evaluation { rows, rounds } => evaluation::run(rows, rounds),
        Command::Record { rows, rounds, groups, ids } => record::run(rows, rounds, &groups, &ids),
        Command::Late { pending, scored, labels } => late::run(pending, scored, labels),
        Command::Search { rows, searches } => search::run(rows, searches),
        Command::Join { folder } => late::join(&folder),
        Command::Models { folder, python } => models::run(&folder, &python),
        Command::Http { python, connections, seconds, rounds } => {
            http::run(&python, connections.into(), seconds, rounds)
        }
        Command::Start { rounds, amqp_url } => start::run(rounds, amqp_url.as_deref()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn flags_are_consistent() {
        super::Cli::command().debug_assert();
    }
}
