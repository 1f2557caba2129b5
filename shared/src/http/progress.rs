//! What a connection waits for, since when, and until when. Pure: events and times come in.
//!
//! hyper's own timer knows the head only, and takes the pause between two requests for a slow head; so there is one
//! deadline for each stage here, and hyper's is off.

use std::time::Duration;

use tokio::time::Instant;

use super::limits::Limits;

/// How long a client may take to read a refusal and to stop sending.
const CLOSING: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The head of a request is arriving, or the connection is new.
    Head,
    /// The request has been read, but for its body, and is being answered.
    Request,
    /// An answer of known length is being sent.
    Answer,
    /// An answer of unknown length is being sent.
    Stream,
    /// Answered; nothing of a next request has come.
    Idle,
    /// The last word was said; what the client still sends is thrown away.
    Closing,
}

/// Where a connection stands.
#[derive(Debug)]
pub(super) struct Progress {
    stage: Stage,
    since: Instant,
    /// Since when nothing can go on before the client does something.
    awaited: Option<Instant>,
    /// Whether anything has come in this stage.
    received: bool,
    /// Whether some of the request's body has not been read.
    unread: bool,
    /// Whether the answer's last byte was handed over.
    ended: bool,
}

impl Progress {
    /// A new connection.
    pub(super) fn new(now: Instant) -> Self {
        let stage = Stage::Head;
        Self { stage, since: now, awaited: Some(now), received: false, unread: false, ended: false }
    }

    fn enter(&mut self, stage: Stage, awaited: bool, now: Instant) {
        *self = Self {
            stage,
            since: now,
            awaited: awaited.then_some(now),
            ended: false,
            received: false,
            ..*self
        };
    }

    /// Bytes have come.
    pub(super) fn read(&mut self, now: Instant) {
        if self.stage == Stage::Idle {
            self.enter(Stage::Head, true, now);
        }
        self.received = true;
    }

    /// A request's head is complete.
    pub(super) fn asked(&mut self, has_body: bool, now: Instant) {
        self.enter(Stage::Request, false, now);
        self.unread = has_body;
    }

    /// Whoever answers wants more of the body than has come.
    pub(super) fn body_awaited(&mut self, now: Instant) {
        if self.stage == Stage::Request {
            self.awaited.get_or_insert(now);
        }
    }

    /// More of the body has come, and perhaps its end.
    pub(super) fn body_read(&mut self, is_end: bool) {
        self.unread &= !is_end;
        if self.stage == Stage::Request {
            self.awaited = None;
        }
    }

    /// There is an answer.
    pub(super) fn answered(&mut self, is_stream: bool, now: Instant) {
        self.enter(if is_stream { Stage::Stream } else { Stage::Answer }, false, now);
    }

    /// The client does not take what is written.
    pub(super) fn blocked(&mut self, now: Instant) {
        self.awaited.get_or_insert(now);
    }

    /// The client has taken something.
    pub(super) fn wrote(&mut self) {
        if matches!(self.stage, Stage::Answer | Stage::Stream) {
            self.awaited = None;
        }
    }

    /// The answer has nothing more to send.
    pub(super) fn ended(&mut self) {
        self.ended = true;
    }

    /// All that was written so far has left.
    pub(super) fn flushed(&mut self, now: Instant) {
        if self.ended && matches!(self.stage, Stage::Answer | Stage::Stream) {
            self.enter(Stage::Idle, true, now);
        }
    }

    /// The last word was said.
    pub(super) fn closing(&mut self, now: Instant) {
        self.enter(Stage::Closing, true, now);
    }

    /// When this stage is over, if ever by the clock. A request that takes too long is answered and not cut off, so it
    /// is timed where it is answered.
    pub(super) fn deadline(&self, limits: &Limits) -> Option<Instant> {
        match self.stage {
            Stage::Head => Some(self.since + limits.header),
            Stage::Request => None,
            Stage::Answer => Some(self.since + limits.answer),
            Stage::Stream => self.awaited.map(|since| since + limits.answer),
            Stage::Idle => Some(self.since + limits.idle),
            Stage::Closing => Some(self.since + CLOSING),
        }
    }

    /// Since when the client keeps us waiting, if it is its turn.
    pub(super) fn awaited(&self) -> Option<Instant> {
        self.awaited
    }

    /// Whether a request has begun to arrive and is not complete.
    pub(super) fn is_within_head(&self) -> bool {
        self.stage == Stage::Head && self.received
    }

    /// Whether the client may still be sending what nobody reads.
    pub(super) fn is_unread(&self) -> bool {
        self.unread
    }

    /// Whether an answer is on its way.
    pub(super) fn is_answering(&self) -> bool {
        matches!(self.stage, Stage::Answer | Stage::Stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn limits() -> Limits {
        Limits { header: 5 * S, request: 10 * S, answer: 20 * S, idle: 60 * S, ..crate::admin::LIMITS }
    }

    /// What is done to a connection, a second after what was before.
    fn after(events: &[fn(&mut Progress, Instant)]) -> (Progress, Instant) {
        let start = Instant::now();
        let mut progress = Progress::new(start);
        for (second, event) in (1..).zip(events) {
            event(&mut progress, start + second * S);
        }
        (progress, start)
    }

    const READ: fn(&mut Progress, Instant) = Progress::read;
    const ASKED: fn(&mut Progress, Instant) = |progress, now| progress.asked(false, now);
    const POSTED: fn(&mut Progress, Instant) = |progress, now| progress.asked(true, now);
    const AWAITED: fn(&mut Progress, Instant) = Progress::body_awaited;
    const PART: fn(&mut Progress, Instant) = |progress, _| progress.body_read(false);
    const WHOLE: fn(&mut Progress, Instant) = |progress, _| progress.body_read(true);
    const ANSWERED: fn(&mut Progress, Instant) = |progress, now| progress.answered(false, now);
    const STREAMS: fn(&mut Progress, Instant) = |progress, now| progress.answered(true, now);
    const BLOCKED: fn(&mut Progress, Instant) = Progress::blocked;
    const WROTE: fn(&mut Progress, Instant) = |progress, _| progress.wrote();
    const ENDED: fn(&mut Progress, Instant) = |progress, _| progress.ended();
    const FLUSHED: fn(&mut Progress, Instant) = Progress::flushed;

    /// When a connection is over, and since when it is the client's turn, in seconds from its start.
    #[test]
    fn each_stage_has_its_end() {
        type Row = (&'static [fn(&mut Progress, Instant)], Option<u64>, Option<u64>);
        let table: &[Row] = &[
            (&[], Some(5), Some(0)),
            // A slow head has no more time for each byte.
            (&[READ, READ, READ], Some(5), Some(0)),
            (&[READ, ASKED], None, None),
            (&[READ, POSTED, AWAITED, AWAITED], None, Some(3)),
            (&[READ, POSTED, AWAITED, PART], None, None),
            (&[READ, POSTED, AWAITED, PART, AWAITED], None, Some(5)),
            (&[READ, ASKED, ANSWERED], Some(23), None),
            (&[READ, ASKED, ANSWERED, BLOCKED, BLOCKED], Some(23), Some(4)),
            // Whoever reads by drops has the same time.
            (&[READ, ASKED, ANSWERED, BLOCKED, WROTE], Some(23), None),
            (&[READ, ASKED, ANSWERED, FLUSHED], Some(23), None),
            (&[READ, ASKED, ANSWERED, ENDED], Some(23), None),
            (&[READ, ASKED, ANSWERED, ENDED, FLUSHED], Some(65), Some(5)),
            (&[READ, ASKED, ANSWERED, ENDED, FLUSHED, READ], Some(11), Some(6)),
            (&[READ, ASKED, ANSWERED, ENDED, FLUSHED, READ, ASKED, ANSWERED, FLUSHED], Some(28), None),
            // A stream has no end while it is read.
            (&[READ, ASKED, STREAMS], None, None),
            (&[READ, ASKED, STREAMS, BLOCKED, BLOCKED], Some(24), Some(4)),
            (&[READ, ASKED, STREAMS, BLOCKED, WROTE, FLUSHED], None, None),
            (&[READ, ASKED, STREAMS, ENDED, FLUSHED], Some(65), Some(5)),
            (&[READ, Progress::closing], Some(3), Some(2)),
        ];
        for (number, (events, deadline, awaited)) in table.iter().enumerate() {
            let (progress, start) = after(events);
            let seconds = |at: Option<Instant>| at.map(|at| (at - start).as_secs());
            assert_eq!(seconds(progress.deadline(&limits())), *deadline, "deadline of {number}");
            assert_eq!(seconds(progress.awaited()), *awaited, "client's turn of {number}");
        }
    }

    #[test]
    fn it_knows_what_the_client_still_sends() {
        assert!(!after(&[]).0.is_within_head());
        assert!(after(&[READ]).0.is_within_head());
        assert!(!after(&[READ, ASKED]).0.is_within_head());
        // Bytes of the request before are none of this one.
        assert!(!after(&[READ, ASKED, ANSWERED, ENDED, FLUSHED]).0.is_within_head());
        assert!(after(&[READ, ASKED, ANSWERED, ENDED, FLUSHED, READ]).0.is_within_head());

        assert!(!after(&[READ, ASKED, ANSWERED]).0.is_unread());
        assert!(after(&[READ, POSTED, PART, ANSWERED]).0.is_unread());
        assert!(!after(&[READ, POSTED, WHOLE, ANSWERED]).0.is_unread());
    }
}
