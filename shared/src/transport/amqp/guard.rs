//! Stands between the socket and the AMQP client, and makes safe what the broker sends: some of it would end
//! the client's thread or fill the memory.

pub(in crate::transport) mod frame;
pub(in crate::transport) mod properties;
pub(in crate::transport) mod runtime;
pub(in crate::transport) mod watch;

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use frame::{Broken, Desk as _, Limits, Machine, Step};
use watch::Watch;

/// A sign of life.
const HEARTBEAT: [u8; 8] = [8, 0, 0, 0, 0, 0, 0, 0xce];
/// How many bytes are read at once, as long as frames are not larger.
const READ: usize = 64 << 10;
/// How often one call reads without handing anything on. The client writes between calls.
const READS: usize = 16;

/// A connection to the broker, from which only what the client can read is read.
pub(in crate::transport) struct Guard<S> {
    stream: S,
    watch: Arc<Watch>,
    machine: Machine,
    came: Buffer,
    /// What the machine decided and is not done yet: bytes that pass, bytes to drop behind them, bytes
    /// instead.
    pass: usize,
    skip: usize,
    add: Vec<u8>,
    added: usize,
    started: Instant,
    handed_on: Instant,
    /// Whether bytes came of which nothing is handed on yet.
    owing: bool,
    /// Whether the next frame waits for the byte budget.
    holding: bool,
    /// Since when the budget slows the reading, and how much was read by then.
    choked: Option<(Instant, u64)>,
    alarm: Alarm,
}

impl<S> Guard<S> {
    /// Guards `stream`, above TLS, from its first byte.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime. It may be read anywhere.
    pub(in crate::transport) fn new(stream: S, watch: Arc<Watch>, limits: Limits) -> Self {
        let machine = Machine::new(limits);
        let now = Instant::now();
        Self {
            stream,
            came: Buffer::new(machine.largest_frame()),
            machine,
            pass: 0,
            skip: 0,
            add: Vec::new(),
            added: 0,
            started: now,
            handed_on: now,
            owing: false,
            holding: false,
            choked: None,
            alarm: Alarm { runtime: Handle::current(), set: None, watch: Arc::clone(&watch) },
            watch,
        }
    }

    /// Copies what is decided into `out`. Returns 0 when there is nothing.
    fn hand_on(&mut self, out: &mut [u8]) -> usize {
        let length = if self.pass > 0 {
            let length = self.pass.min(out.len());
            out[..length].copy_from_slice(&self.came.filled()[..length]);
            self.came.consume(length);
            self.pass -= length;
            length
        } else {
            self.came.consume(std::mem::take(&mut self.skip));
            let length = (self.add.len() - self.added).min(out.len());
            out[..length].copy_from_slice(&self.add[self.added..][..length]);
            self.added += length;
            length
        };
        if length > 0 {
            self.handed_on = Instant::now();
            self.owing = false;
        }
        length
    }

    fn put(&mut self, add: Vec<u8>) {
        self.add = add;
        self.added = 0;
    }

    /// Notes since when the broker cannot send as it wants. It times each message by itself, so a few that
    /// pass once in a while do not help: several of the largest must.
    fn choke(&mut self, now: Instant) {
        let read = self.watch.bytes_read();
        let enough = self.machine.limits().body.saturating_mul(4);
        if self.choked.is_none_or(|(_, by_then)| read - by_then >= enough) {
            self.choked = Some((now, read));
            self.watch.set_choked(Some(now));
        }
    }

    fn unchoke(&mut self) {
        if self.choked.take().is_some() {
            self.watch.set_choked(None);
        }
    }

    fn fail(&self, broken: Broken) -> io::Error {
        self.watch.set_broken(broken.clone());
        io::Error::new(io::ErrorKind::InvalidData, broken)
    }

    /// When the client needs a sign of life. Only as long as the broker gives one: a dead one must be found.
    fn quiet_until(&self) -> Option<Instant> {
        (self.owing || self.holding).then(|| self.handed_on + self.machine.limits().quiet)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guard<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if out.is_empty() {
            return Poll::Ready(Ok(0));
        }
        // Stored before the look, so that whoever gives up in between wakes this reader.
        this.watch.wake_on_room(cx.waker());
        if this.watch.is_given_up() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let mut reads = 0;
        loop {
            let length = this.hand_on(out);
            if length > 0 {
                return Poll::Ready(Ok(length));
            }
            let now = Instant::now();
            let step = this.machine.next(this.came.filled(), now - this.started, &*this.watch);
            let step = step.map_err(|broken| this.fail(broken))?;
            this.holding = step == Step::Hold;
            match step {
                Step::Hand { pass, skip, add } => {
                    (this.pass, this.skip) = (pass, skip);
                    this.put(add);
                    continue;
                }
                Step::Hold => this.choke(now),
                Step::More => {
                    if reads == READS {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    reads += 1;
                    if let Poll::Ready(length) = Pin::new(&mut this.stream).poll_read(cx, this.came.space()) {
                        let length = length?;
                        if length == 0 {
                            return Poll::Ready(Ok(0));
                        }
                        this.came.fill(length);
                        this.watch.count_read(length);
                        this.owing = true;
                        continue;
                    }
                    // Everything that the broker could send is read.
                    this.unchoke();
                    this.came.shrink();
                }
            }
            let quiet_until = this.quiet_until();
            if quiet_until.is_some_and(|until| now >= until) {
                this.put(HEARTBEAT.to_vec());
                continue;
            }
            let deadline = this.machine.deadline().map(|deadline| this.started + deadline);
            let overdue = deadline.is_some_and(|deadline| deadline <= now);
            let next = [quiet_until, deadline.filter(|_| !overdue)].into_iter().flatten().min();
            if next.is_some() || this.holding || overdue {
                // Room that came before the waker was there wakes nobody.
                if (this.holding || overdue) && this.watch.room() {
                    continue;
                }
            }
            if let Some(next) = next {
                this.alarm.set(next, now);
            }
            return Poll::Pending;
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let length = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.watch.count_written(length);
        Poll::Ready(Ok(length))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bytes))?;
        self.watch.count_written(length);
        Poll::Ready(Ok(length))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

impl<S> Drop for Guard<S> {
    fn drop(&mut self) {
        self.unchoke();
        self.watch.forget_reader();
    }
}

impl<S> fmt::Debug for Guard<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

/// Bytes that came and are not handed on yet. Grows with what comes, up to the largest frame.
struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    most: usize,
}

impl Buffer {
    fn new(most: usize) -> Self {
        Self { bytes: vec![0; READ.min(most)], start: 0, end: 0, most }
    }

    fn filled(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Where to read to. Never empty as long as a whole frame does not wait.
    fn space(&mut self) -> &mut [u8] {
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.bytes.len() {
            self.bytes.resize((self.end * 2).min(self.most), 0);
        }
        &mut self.bytes[self.end..]
    }

    fn fill(&mut self, length: usize) {
        self.end += length;
    }

    fn consume(&mut self, length: usize) {
        self.start += length;
    }

    /// Gives the room of a large frame back.
    fn shrink(&mut self) {
        if self.start == self.end && self.bytes.len() > READ {
            *self = Self::new(self.most);
        }
    }
}

/// Wakes the reader at a time. A task of the runtime, because the client reads on a thread of its own, which
/// may outlive the runtime: there a timer panics.
struct Alarm {
    runtime: Handle,
    set: Option<(Instant, JoinHandle<()>)>,
    watch: Arc<Watch>,
}

impl Alarm {
    /// One that rings earlier stays: the reader finds nothing to do and sets the next.
    fn set(&mut self, at: Instant, now: Instant) {
        if self.set.as_ref().is_some_and(|(set, _)| *set <= at && *set > now) {
            return;
        }
        self.stop();
        let watch = Arc::clone(&self.watch);
        let ring = async move {
            sleep_until(at).await;
            watch.wake();
        };
        self.set = Some((at, self.runtime.spawn(ring)));
    }

    fn stop(&mut self) {
        if let Some((_, task)) = self.set.take() {
            task.abort();
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests;
