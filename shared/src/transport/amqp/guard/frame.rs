//! What comes from the broker, frame by frame: says which bytes the client may have as they are and which it
//! gets instead. No socket, no clock.

#![cfg_attr(not(fuzzing), expect(unreachable_pub, reason = "the fuzz targets reach it"))]

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::properties;
use super::watch::{Finding, FindingKind, Raw, Shortened};

/// A frame's octets besides its payload: kind, channel, length, and the end octet.
pub(super) const FRAME_OVERHEAD: usize = 8;
/// Ends each frame.
const FRAME_END: u8 = 0xce;
/// A content header's octets before its property block: class, weight, body size.
const HEADER_START: usize = 12;
/// The first octet of a TLS alert.
const TLS_ALERT: u8 = 0x15;

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const HEARTBEAT: u8 = 8;

/// What the guard bounds, in bytes unless it says otherwise.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The largest frame that the client takes, as negotiated: 4096 or more.
    pub frame_max: usize,
    /// How much larger a frame of the broker may be. A quorum queue adds headers to a message that it
    /// delivers again.
    pub slack: usize,
    /// The largest property block that is handed on as it is.
    pub properties: usize,
    /// How many levels of arrays and tables headers may have.
    pub depth: usize,
    /// The largest body that is handed on whole.
    pub body: u64,
    /// How much of a larger body is handed on.
    pub kept: usize,
    /// How much of a property block that is not handed on goes into the finding.
    pub raw: usize,
    /// How long the end of a larger body is waited for, from its header.
    pub patience: Duration,
    /// How long the client may be without bytes while the guard works: it gives a connection up after two
    /// heartbeats.
    pub quiet: Duration,
    /// A delivery that takes more is charged to the byte budget. Smaller ones are bounded by the prefetch.
    pub uncharged: u64,
    /// How many channels may be in the middle of a content.
    pub contents: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_max: 131_072,
            slack: 64 << 10,
            properties: 64 << 10,
            depth: properties::DEEPEST,
            body: 1 << 20,
            kept: 64 << 10,
            raw: 16 << 10,
            patience: Duration::from_secs(5),
            quiet: Duration::from_secs(2),
            uncharged: 4 << 10,
            contents: 64,
        }
    }
}

/// What the broker sent that the connection cannot go on after.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It names another protocol version instead of beginning: what follows the four letters AMQP.
    #[error("the broker answers with the protocol header AMQP {} {} {} {}", .0[0], .0[1], .0[2], .0[3])]
    ProtocolHeader([u8; 4]),
    /// It answers with a TLS alert.
    #[error("the broker answers with a TLS alert")]
    Tls,
    /// Not AMQP 0-9-1, in words for people.
    #[error("the broker sent {0}")]
    Frame(String),
}

/// What to do with the bytes that came.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Hand on the first `pass` bytes, drop the next `skip` bytes, hand on `add`. All are whole frames. Then
    /// ask again.
    Hand {
        /// How many bytes are good as they are.
        pass: usize,
        /// How many bytes are replaced.
        skip: usize,
        /// What replaces them.
        add: Vec<u8>,
    },
    /// Nothing before the byte budget has room.
    Hold,
    /// Nothing before more bytes came.
    More,
}

/// Takes what the machine has to say about deliveries.
pub trait Desk {
    /// Whether another delivery may be handed on.
    fn room(&self) -> bool;
    /// A delivery that is charged or not as it was, just before its header is handed on.
    fn note(&self, channel: u16, tag: u64, charge: Option<u64>, finding: Option<Box<Finding>>);
    /// A channel opened: its delivery tags begin again.
    fn opened(&self, channel: u16);
}

/// Reads the frames of one connection.
#[derive(Debug)]
pub struct Machine {
    limits: Limits,
    begun: bool,
    /// The channels that are in the middle of a content. Few, so they are searched one by one.
    contents: Vec<OpenContent>,
    broken: Option<Broken>,
}

#[derive(Debug)]
struct OpenContent {
    channel: u16,
    /// For deliveries only: nobody takes the note of anything else.
    tag: Option<u64>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Header,
    /// The bytes of the body that are to come, and whether they are dropped.
    Body {
        left: u64,
        dropped: bool,
    },
    Shortening(Box<Shortening>),
}

/// A body that is too large, while its header is kept back.
#[derive(Debug)]
struct Shortening {
    since: Duration,
    start: [u8; HEADER_START],
    properties: Vec<u8>,
    memory: usize,
    finding: Option<Finding>,
    kept: Vec<u8>,
    hash: Sha256,
    length: u64,
    left: u64,
}

struct Frame<'a> {
    kind: u8,
    channel: u16,
    payload: &'a [u8],
    whole: &'a [u8],
}

enum Deed {
    Pass,
    Swap(Vec<u8>),
    Hold,
}

impl Machine {
    /// At the beginning of a connection.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, begun: false, contents: Vec::new(), broken: None }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The most bytes that have to be seen at once.
    pub(super) fn largest_frame(&self) -> usize {
        self.limits.frame_max.saturating_add(self.limits.slack)
    }

    /// Looks at what came and is not handed on yet, from its first byte. `now` is measured from any fixed
    /// moment.
    ///
    /// # Errors
    ///
    /// The connection cannot go on; then each further call fails alike.
    pub fn next(&mut self, input: &[u8], now: Duration, desk: &impl Desk) -> Result<Step, Broken> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        if let Some(add) = self.overdue(now, desk) {
            return Ok(Step::Hand { pass: 0, skip: 0, add });
        }
        let mut pass = 0;
        loop {
            let done = match self.frame(&input[pass..]) {
                Ok(Some(frame)) => {
                    self.begun = true;
                    let length = frame.whole.len();
                    match self.judge(&frame, now, desk) {
                        Ok(Deed::Pass) => {
                            pass += length;
                            continue;
                        }
                        Ok(Deed::Swap(add)) => return Ok(Step::Hand { pass, skip: length, add }),
                        Ok(Deed::Hold) => Ok(Step::Hold),
                        Err(broken) => Err(broken),
                    }
                }
                Ok(None) => Ok(Step::More),
                Err(broken) => Err(broken),
            };
            self.broken = done.as_ref().err().cloned();
            // What is good before it goes first; the next call comes to it again.
            return if pass > 0 { Ok(Step::Hand { pass, skip: 0, add: Vec::new() }) } else { done };
        }
    }

    /// When a body that is too large is waited for no longer.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let shortening = self.contents.iter().filter_map(|content| match &content.stage {
            Stage::Shortening(shortening) => Some(shortening.since + self.limits.patience),
            _ => None,
        });
        shortening.min()
    }

    /// How many bytes are allocated for bodies and properties.
    #[cfg(any(test, fuzzing))]
    pub fn allocated(&self) -> usize {
        let kept = self.contents.iter().map(|content| match &content.stage {
            Stage::Shortening(shortening) => {
                let finding = shortening.finding.as_ref().and_then(|finding| finding.properties.as_ref());
                let raw = finding.map_or(0, |raw| raw.bytes.capacity());
                shortening.kept.capacity() + shortening.properties.capacity() + raw
            }
            _ => 0,
        });
        kept.sum()
    }

    /// The first frame of `input`, when all of it came.
    fn frame<'a>(&self, input: &'a [u8]) -> Result<Option<Frame<'a>>, Broken> {
        let Some(&kind) = input.first() else { return Ok(None) };
        if !self.begun && kind == TLS_ALERT {
            return Err(Broken::Tls);
        }
        if !self.begun && kind == b'A' {
            let Some((answer, _)) = input.split_first_chunk::<8>() else { return Ok(None) };
            if let [b'A', b'M', b'Q', b'P', version @ ..] = *answer {
                return Err(Broken::ProtocolHeader(version));
            }
        }
        if !matches!(kind, METHOD | HEADER | BODY | HEARTBEAT) {
            return Err(Broken::Frame(format!("a frame of the unknown kind {kind}")));
        }
        let Some((&[_, c1, c0, s3, s2, s1, s0], _)) = input.split_first_chunk::<7>() else { return Ok(None) };
        let channel = u16::from_be_bytes([c1, c0]);
        let payload = u32::from_be_bytes([s3, s2, s1, s0]);
        let length = usize::try_from(payload).unwrap_or(usize::MAX).saturating_add(FRAME_OVERHEAD);
        if length > self.largest_frame() {
            return Err(Broken::Frame(format!("a frame of {length} bytes")));
        }
        let Some(whole) = input.get(..length) else { return Ok(None) };
        match whole[length - 1] {
            FRAME_END => Ok(Some(Frame { kind, channel, payload: &whole[7..length - 1], whole })),
            end => Err(Broken::Frame(format!("a frame that ends with {end:#04x}"))),
        }
    }

    fn judge(&mut self, frame: &Frame<'_>, now: Duration, desk: &impl Desk) -> Result<Deed, Broken> {
        match frame.kind {
            METHOD => self.method(frame, desk),
            HEADER => self.header(frame, now, desk),
            BODY => self.body(frame, desk),
            _ => Ok(Deed::Pass),
        }
    }

    fn position(&self, channel: u16) -> Option<usize> {
        self.contents.iter().position(|content| content.channel == channel)
    }

    fn method(&mut self, frame: &Frame<'_>, desk: &impl Desk) -> Result<Deed, Broken> {
        let channel = frame.channel;
        if self.position(channel).is_some() {
            return Err(Broken::Frame(format!("a method inside a content on channel {channel}")));
        }
        let cut = || Broken::Frame(format!("a method that is cut on channel {channel}"));
        let (&[_, class, _, method], _) = frame.payload.split_first_chunk::<4>().ok_or_else(cut)?;
        // Ids of 256 and more are nobody's: they pass like any that is not listed.
        if frame.payload[0] != 0 || frame.payload[2] != 0 {
            return Ok(Deed::Pass);
        }
        // How many bytes come before the first text, how many texts, how many bytes behind the first one.
        let (before, texts, between) = match (class, method) {
            (20, 11) => {
                desk.opened(channel);
                return Ok(Deed::Pass);
            }
            // channel.close, connection.close: a code before their text.
            (20, 40) | (10, 50) => (2, 1, 0),
            // connection.blocked, queue.declare-ok, basic.consume-ok, basic.cancel.
            (10, 60) | (50, 11) | (60, 21) | (60, 30) => (0, 1, 0),
            // basic.return: a code, its text, exchange, key.
            (60, 50) => (2, 3, 0),
            // basic.deliver: the consumer's tag, the delivery's and whether it is again, exchange, key.
            (60, 60) => (0, 3, 9),
            // basic.get-ok: the same without a consumer.
            (60, 71) => (9, 2, 0),
            _ => return Ok(Deed::Pass),
        };
        let mut mended = None;
        let mut tag = None;
        let mut at = 4 + before;
        for text in 0..texts {
            let start = at + 1;
            let length = *frame.payload.get(at).ok_or_else(cut)?;
            at = start + usize::from(length);
            if std::str::from_utf8(frame.payload.get(start..at).ok_or_else(cut)?).is_err() {
                let whole = mended.get_or_insert_with(|| frame.whole.to_vec());
                properties::mend(&mut whole[7 + start..7 + at]);
            }
            if text == 0 && between > 0 {
                let (bytes, _) = frame.payload[at..].split_first_chunk::<8>().ok_or_else(cut)?;
                tag = Some(u64::from_be_bytes(*bytes));
                at += between;
            }
        }
        if class == 60 && matches!(method, 50 | 60 | 71) {
            if self.contents.len() >= self.limits.contents {
                return Err(Broken::Frame(format!(
                    "contents on more than {} channels",
                    self.limits.contents
                )));
            }
            self.contents.push(OpenContent { channel, tag, stage: Stage::Header });
        }
        Ok(mended.map_or(Deed::Pass, Deed::Swap))
    }

    fn header(&mut self, frame: &Frame<'_>, now: Duration, desk: &impl Desk) -> Result<Deed, Broken> {
        let channel = frame.channel;
        let position = self.position(channel);
        let Some(position) =
            position.filter(|position| matches!(self.contents[*position].stage, Stage::Header))
        else {
            return Err(Broken::Frame(format!("a content header without its method on channel {channel}")));
        };
        let Some((start, block)) = frame.payload.split_first_chunk::<HEADER_START>() else {
            return Err(Broken::Frame(format!("a content header that is cut on channel {channel}")));
        };
        let &[c1, c0, _, _, size @ ..] = start;
        let class = u16::from_be_bytes([c1, c0]);
        if class != 60 {
            return Err(Broken::Frame(format!("a content header of class {class} on channel {channel}")));
        }
        let length = u64::from_be_bytes(size);
        let tag = self.contents[position].tag;
        if tag.is_some() && !desk.room() {
            return Ok(Deed::Hold);
        }
        let (finding, repaired, memory) = match self.check(block) {
            Ok(memory) => (None, None, memory),
            Err((kind, detail)) => {
                let raw = Raw {
                    bytes: block[..block.len().min(self.limits.raw)].to_vec(),
                    length: block.len(),
                    sha256: format!("{:x}", Sha256::digest(block)),
                };
                let finding = Finding { kind, detail, properties: Some(raw), body: None };
                (Some(finding), Some(properties::repair(block)), 0)
            }
        };
        if length > self.limits.body {
            let shortening = Shortening {
                since: now,
                start: *start,
                properties: repaired.unwrap_or_else(|| block.to_vec()),
                memory,
                finding,
                kept: Vec::new(),
                hash: Sha256::new(),
                length,
                left: length,
            };
            self.contents[position].stage = Stage::Shortening(Box::new(shortening));
            return Ok(Deed::Swap(Vec::new()));
        }
        let block = repaired.as_deref().unwrap_or(block);
        self.note(desk, channel, tag, length + (block.len() + memory) as u64, finding);
        if length == 0 {
            self.contents.swap_remove(position);
        } else {
            self.contents[position].stage = Stage::Body { left: length, dropped: false };
        }
        Ok(repaired.map_or(Deed::Pass, |block| {
            let mut frame = Vec::with_capacity(FRAME_OVERHEAD + HEADER_START + block.len());
            put_frame(&mut frame, HEADER, channel, &[start, &block]);
            Deed::Swap(frame)
        }))
    }

    /// Whether the client gets a property block as it is; then what it takes in memory.
    fn check(&self, block: &[u8]) -> Result<usize, (FindingKind, String)> {
        let frame = self.limits.frame_max.saturating_sub(FRAME_OVERHEAD + HEADER_START);
        let most = self.limits.properties.min(frame);
        if block.len() > most {
            let detail = format!("the properties have {} bytes, more than {most}", block.len());
            return Err((FindingKind::TooLarge, detail));
        }
        properties::check(block, self.limits.depth).map_err(|detail| (FindingKind::BadProperties, detail))
    }

    fn body(&mut self, frame: &Frame<'_>, desk: &impl Desk) -> Result<Deed, Broken> {
        let channel = frame.channel;
        let stray = || Broken::Frame(format!("a body without its content header on channel {channel}"));
        let position = self.position(channel).ok_or_else(stray)?;
        let content = &mut self.contents[position];
        let payload = frame.payload;
        let length = payload.len() as u64;
        let left = match &content.stage {
            Stage::Header => return Err(stray()),
            Stage::Body { left, .. } => *left,
            Stage::Shortening(shortening) => shortening.left,
        };
        let Some(rest) = left.checked_sub(length) else {
            return Err(Broken::Frame(format!("more of a body than it announced on channel {channel}")));
        };
        match &mut content.stage {
            Stage::Header => {}
            Stage::Body { left, dropped } => {
                let dropped = *dropped;
                *left = rest;
                if rest == 0 {
                    self.contents.swap_remove(position);
                }
                return Ok(if dropped { Deed::Swap(Vec::new()) } else { Deed::Pass });
            }
            Stage::Shortening(shortening) => {
                if rest == 0 && content.tag.is_some() && !desk.room() {
                    return Ok(Deed::Hold);
                }
                shortening.left = rest;
                shortening.hash.update(payload);
                let kept = payload.len().min(self.limits.kept - shortening.kept.len());
                shortening.kept.extend_from_slice(&payload[..kept]);
            }
        }
        if rest > 0 {
            return Ok(Deed::Swap(Vec::new()));
        }
        let content = self.contents.swap_remove(position);
        Ok(Deed::Swap(self.shortened(content, desk)))
    }

    /// Ends the wait for a body that takes too long: what came of it, as frames. The rest is dropped when it
    /// comes.
    fn overdue(&mut self, now: Duration, desk: &impl Desk) -> Option<Vec<u8>> {
        let patience = self.limits.patience;
        let overdue = |content: &OpenContent| match &content.stage {
            Stage::Shortening(shortening) => {
                now >= shortening.since + patience && (content.tag.is_none() || desk.room())
            }
            _ => false,
        };
        let content = self.contents.iter_mut().find(|content| overdue(content))?;
        let left = match &content.stage {
            Stage::Shortening(shortening) => shortening.left,
            _ => 0,
        };
        let rest =
            OpenContent { channel: content.channel, tag: None, stage: Stage::Body { left, dropped: true } };
        let content = std::mem::replace(content, rest);
        Some(self.shortened(content, desk))
    }

    /// The frames of a content of which only the beginning is handed on.
    fn shortened(&self, content: OpenContent, desk: &impl Desk) -> Vec<u8> {
        let OpenContent { channel, tag, stage: Stage::Shortening(shortening) } = content else {
            return Vec::new();
        };
        let Shortening { mut start, properties, memory, finding, kept, hash, length, left, .. } = *shortening;
        let complete = left == 0;
        let mut detail = format!("the body has {length} bytes, more than {}", self.limits.body);
        if !complete {
            detail.push_str("; the rest was too slow to wait for");
        }
        let mut finding = match finding {
            Some(finding) => Finding { detail: format!("{}; {detail}", finding.detail), ..finding },
            None => Finding { kind: FindingKind::TooLarge, detail, properties: None, body: None },
        };
        let sha256 = complete.then(|| format!("{:x}", hash.finalize()));
        finding.body = Some(Shortened { length, sha256 });
        let weight = (kept.len() + properties.len() + memory) as u64;
        self.note(desk, channel, tag, weight, Some(finding));

        start[4..].copy_from_slice(&(kept.len() as u64).to_be_bytes());
        let most = self.limits.frame_max.saturating_sub(FRAME_OVERHEAD).max(1);
        let frames = 1 + kept.len().div_ceil(most);
        let mut add =
            Vec::with_capacity(HEADER_START + properties.len() + kept.len() + frames * FRAME_OVERHEAD);
        put_frame(&mut add, HEADER, channel, &[&start, &properties]);
        for chunk in kept.chunks(most) {
            put_frame(&mut add, BODY, channel, &[chunk]);
        }
        add
    }

    fn note(&self, desk: &impl Desk, channel: u16, tag: Option<u64>, weight: u64, finding: Option<Finding>) {
        let Some(tag) = tag else { return };
        let charge = (weight > self.limits.uncharged).then_some(weight);
        if charge.is_some() || finding.is_some() {
            desk.note(channel, tag, charge, finding.map(Box::new));
        }
    }
}

fn put_frame(out: &mut Vec<u8>, kind: u8, channel: u16, payload: &[&[u8]]) {
    let length: usize = payload.iter().map(|part| part.len()).sum();
    out.push(kind);
    out.extend_from_slice(&channel.to_be_bytes());
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    payload.iter().for_each(|part| out.extend_from_slice(part));
    out.push(FRAME_END);
}

#[cfg(test)]
pub(super) mod tests;
