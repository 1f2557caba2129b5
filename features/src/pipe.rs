//! The lines of a stream, as they come. A thread of its own waits for them, so that a silent stream costs nothing; what it has
//! read and nobody has taken is bounded, and beyond that the stream waits.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use anyhow::Context as _;
use shared::metrics::Counter;
use tokio::runtime::Handle;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tracing::warn;

use crate::entry::{Entry, Fault, Numbered};
use crate::input;
use crate::resume::Confirmed;
use crate::wishes::Wishes;

/// How many entries are held ahead at the most.
const AHEAD: usize = 256;
/// How many bytes they are at the most, about, or one entry.
const AHEAD_BYTES: u32 = 4 << 20;
/// How many bad lines are named; more are counted.
const NAMED: u64 = 20;

static SKIPPED: Counter<0> = Counter::new(
    "pipeline_skipped_lines_total",
    "Lines of a stream that could not be read and were left out.",
    [],
);

/// A stream that is being read.
pub(crate) struct Pipe {
    name: String,
    entries: mpsc::Receiver<Read>,
    /// One that has been waited for.
    ready: Option<Numbered>,
    left: Option<u64>,
    taken: Option<u64>,
    ended: bool,
    closed: bool,
    fault: Option<Fault>,
}

/// What the thread has read, and its share of the bytes.
type Read = Result<(Numbered, Option<OwnedSemaphorePermit>), Fault>;

/// What is to be read.
pub(crate) struct Plan {
    pub(crate) data: PathBuf,
    pub(crate) wishes: Wishes,
    pub(crate) skip_bad: bool,
    /// How many entries are wanted.
    pub(crate) count: Option<u64>,
}

impl Pipe {
    /// Starts to read; what was `confirmed` before is left out.
    pub(crate) fn start(plan: Plan, confirmed: Arc<Confirmed>) -> anyhow::Result<Self> {
        SKIPPED.add([], 0);
        let name = input::name(&plan.data);
        let (sender, entries) = mpsc::channel(AHEAD);
        let left = plan.count;
        let reader = Reader { name: name.clone(), runtime: Handle::current(), sender, confirmed };
        thread::Builder::new()
            .name("reader".to_owned())
            .spawn(move || reader.run(&plan))
            .context("cannot start the reader thread")?;
        Ok(Self {
            name,
            entries,
            ready: None,
            left,
            taken: None,
            ended: left == Some(0),
            closed: false,
            fault: None,
        })
    }

    /// The next entry that has come already.
    pub(crate) fn next(&mut self) -> Option<Entry> {
        self.look();
        let Numbered { line, entry } = self.ready.take()?;
        self.taken = Some(line);
        if let Some(left) = &mut self.left {
            *left -= 1;
            self.ended |= *left == 0;
        }
        Some(entry)
    }

    /// Takes what has come, if anything has.
    fn look(&mut self) {
        if self.ready.is_none() && !self.ended {
            match self.entries.try_recv() {
                Ok(read) => self.keep(Some(read)),
                Err(TryRecvError::Disconnected) => self.keep(None),
                Err(TryRecvError::Empty) => {}
            }
        }
    }

    fn keep(&mut self, read: Option<Read>) {
        match read {
            Some(Ok((numbered, _))) => self.ready = Some(numbered),
            Some(Err(fault)) => {
                self.fault = Some(fault);
                self.ended = true;
            }
            None => self.ended = true,
        }
    }

    /// Whether one has come.
    pub(crate) fn is_ready(&mut self) -> bool {
        self.look();
        self.ready.is_some()
    }

    /// Whether more may come, but nothing has.
    pub(crate) fn is_silent(&self) -> bool {
        self.ready.is_none() && !self.ended
    }

    /// Waits until one has come or the end is known. Cancel safe.
    pub(crate) async fn wait(&mut self) {
        let read = self.entries.recv().await;
        self.keep(read);
    }

    /// Reads no further. What has come can still be taken.
    pub(crate) fn close(&mut self) {
        self.closed |= !self.ended;
        self.entries.close();
    }

    /// Where it was closed before its end: for people.
    pub(crate) fn closed_at(&self) -> Option<String> {
        self.closed.then(|| match self.taken {
            Some(line) => format!("stopped after line {line} of {}", self.name),
            None => format!("stopped before the first line of {}", self.name),
        })
    }

    /// Why it ended early, if it did.
    pub(crate) fn fault(&mut self) -> Option<anyhow::Error> {
        let fault = self.fault.take()?;
        let is_line = matches!(fault, Fault::Line { .. });
        let why = fault.of(&self.name);
        Some(if is_line {
            anyhow::anyhow!(
                "{why}. Everything before it is confirmed. Fix the line and send the stream again, with --resume if you use --ledger (otherwise all of it is sent again); or skip such lines with --skip-bad"
            )
        } else {
            why
        })
    }
}

struct Reader {
    name: String,
    runtime: Handle,
    sender: mpsc::Sender<Read>,
    confirmed: Arc<Confirmed>,
}

impl Reader {
    fn run(self, plan: &Plan) {
        let entries = match input::open(&plan.data, &plan.wishes) {
            Ok(entries) => entries,
            Err(fault) => {
                self.send(Err(fault));
                return;
            }
        };
        let bytes = Arc::new(Semaphore::new(AHEAD_BYTES as usize));
        let mut skipped = 0;
        for read in entries {
            let read = match read {
                Err(Fault::Line { line, why }) if plan.skip_bad => {
                    skipped += 1;
                    self.skip(line, &why, skipped);
                    continue;
                }
                Ok(Numbered { line, entry }) => match self.confirmed.rest(entry) {
                    Some(entry) => {
                        let share = self.share(&bytes, &entry);
                        Ok((Numbered { line, entry }, share))
                    }
                    None => continue,
                },
                Err(fault) => Err(fault),
            };
            let is_last = read.is_err();
            if !self.send(read) || is_last {
                break;
            }
        }
        if skipped > 0 {
            warn!("{}: skipped {skipped} lines that could not be read", self.name);
        }
    }

    /// Waits until there is room for an entry.
    fn share(&self, bytes: &Arc<Semaphore>, entry: &Entry) -> Option<OwnedSemaphorePermit> {
        let size = u32::try_from(entry.size()).unwrap_or(AHEAD_BYTES).min(AHEAD_BYTES);
        self.runtime.block_on(Arc::clone(bytes).acquire_many_owned(size)).ok()
    }

    /// Returns whether anybody still listens.
    fn send(&self, read: Read) -> bool {
        self.sender.blocking_send(read).is_ok()
    }

    fn skip(&self, line: u64, why: &str, number: u64) {
        SKIPPED.add([], 1);
        if number <= NAMED {
            warn!("skipped {}, line {line}: {why}", self.name);
        }
        if number == NAMED {
            warn!("{}: further skipped lines are only counted", self.name);
        }
    }
}
