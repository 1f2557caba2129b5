//! What the guard of one connection tells the rest of the program, beside the wire.

#![cfg_attr(not(fuzzing), expect(unreachable_pub, reason = "the fuzz targets reach it"))]

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::time::Instant;

use super::frame::{Broken, Desk};

/// Which rule a delivery broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingKind {
    /// The client could not have read its properties.
    BadProperties,
    /// Its properties or its body are larger than what is handed on.
    TooLarge,
}

/// What the guard changed in a delivery, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule; when properties and body both broke one, the properties' unless they were only too large.
    pub kind: FindingKind,
    /// What was wrong, for people: printable, short.
    pub detail: String,
    /// The property block as it came, when another one was handed on.
    pub properties: Option<Raw>,
    /// The body as it came, when only its beginning was handed on.
    pub body: Option<Shortened>,
}

/// A property block as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw {
    /// Its first bytes, at most 16 KiB.
    pub bytes: Vec<u8>,
    /// How many bytes it had.
    pub length: usize,
    /// SHA-256 of all of them, in lower-case hex.
    pub sha256: String,
}

/// A body of which only the beginning was handed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortened {
    /// How many bytes it had, as its header announced.
    pub length: u64,
    /// SHA-256 of all of them, in lower-case hex. None when the rest was too slow to wait for.
    pub sha256: Option<String>,
}

/// What there is to know about a delivery besides itself. Usually nothing.
#[derive(Debug, Default)]
pub(in crate::transport) struct Note {
    /// Its share of the byte budget. Keep it as long as the delivery's content is kept.
    pub(in crate::transport) charge: Option<Charge>,
    /// What the guard changed in it.
    pub(in crate::transport) finding: Option<Box<Finding>>,
}

/// A share of a connection's byte budget. Gives it back when dropped.
pub(in crate::transport) struct Charge {
    bytes: u64,
    account: Arc<Account>,
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.account.held.fetch_sub(self.bytes, Ordering::SeqCst);
        self.account.reader.wake();
    }
}

impl fmt::Debug for Charge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Charge").field(&self.bytes).finish()
    }
}

/// Apart from the watch, because its notes hold charges.
#[derive(Debug)]
struct Account {
    budget: u64,
    held: AtomicU64,
    reader: AtomicWaker,
}

/// What is known about one connection. The guard writes it, everybody else reads.
#[derive(Debug)]
pub(in crate::transport) struct Watch {
    account: Arc<Account>,
    read: AtomicU64,
    written: AtomicU64,
    noted: AtomicUsize,
    notes: Mutex<HashMap<(u16, u64), Note>>,
    choked: Mutex<Option<Instant>>,
    given_up: AtomicBool,
    broken: OnceLock<Broken>,
}

impl Watch {
    /// A connection that may hold `budget` bytes of deliveries.
    pub(in crate::transport) fn new(budget: u64) -> Arc<Self> {
        let account = Account { budget, held: AtomicU64::new(0), reader: AtomicWaker::new() };
        Arc::new(Self {
            account: Arc::new(account),
            read: AtomicU64::new(0),
            written: AtomicU64::new(0),
            noted: AtomicUsize::new(0),
            notes: Mutex::default(),
            choked: Mutex::default(),
            given_up: AtomicBool::new(false),
            broken: OnceLock::new(),
        })
    }

    /// Ends the stream for its reader, who otherwise waits as long as the other side is silent.
    pub(in crate::transport) fn give_up(&self) {
        self.given_up.store(true, Ordering::SeqCst);
        self.wake();
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::SeqCst)
    }

    /// How many bytes came from the broker.
    pub(in crate::transport) fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// How many bytes the socket has taken for the broker.
    pub(in crate::transport) fn bytes_written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// How many bytes of the budget are taken.
    pub(in crate::transport) fn held(&self) -> u64 {
        self.account.held.load(Ordering::SeqCst)
    }

    /// How long the spent budget has kept the guard from reading what comes; none when everything is read. It
    /// begins again when four of the largest bodies were read since. The broker closes a connection when it
    /// cannot send a message within 30 s.
    pub(in crate::transport) fn choked(&self) -> Option<Duration> {
        lock(&self.choked).map(|since| since.elapsed())
    }

    /// What the broker sent that no connection survives.
    pub(in crate::transport) fn broken(&self) -> Option<Broken> {
        self.broken.get().cloned()
    }

    /// Takes the note of a delivery out. To be called once for each delivery, also for one that is dropped.
    pub(in crate::transport) fn take_note(&self, channel: u16, tag: u64) -> Note {
        if self.noted.load(Ordering::Acquire) == 0 {
            return Note::default();
        }
        let mut notes = lock(&self.notes);
        let note = notes.remove(&(channel, tag)).unwrap_or_default();
        self.noted.store(notes.len(), Ordering::Release);
        note
    }

    pub(super) fn count_read(&self, bytes: usize) {
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn count_written(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn set_choked(&self, since: Option<Instant>) {
        *lock(&self.choked) = since;
    }

    pub(super) fn set_broken(&self, broken: Broken) {
        _ = self.broken.set(broken);
    }

    /// Stores who is woken when bytes of the budget come back. Look at [`Desk::room`] again afterwards.
    pub(super) fn wake_on_room(&self, reader: &Waker) {
        self.account.reader.register(reader);
    }

    /// Wakes the reader although no bytes came back.
    pub(super) fn wake(&self) {
        self.account.reader.wake();
    }

    /// Forgets who is to be woken.
    pub(super) fn forget_reader(&self) {
        drop(self.account.reader.take());
    }
}

impl Desk for Watch {
    fn room(&self) -> bool {
        self.held() <= self.account.budget
    }

    fn note(&self, channel: u16, tag: u64, charge: Option<u64>, finding: Option<Box<Finding>>) {
        let charge = charge.map(|bytes| {
            self.account.held.fetch_add(bytes, Ordering::SeqCst);
            Charge { bytes, account: Arc::clone(&self.account) }
        });
        let mut notes = lock(&self.notes);
        notes.insert((channel, tag), Note { charge, finding });
        self.noted.store(notes.len(), Ordering::Release);
    }

    fn opened(&self, channel: u16) {
        if self.noted.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut notes = lock(&self.notes);
        notes.retain(|(noted, _), _| *noted != channel);
        self.noted.store(notes.len(), Ordering::Release);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::task::Wake;

    use super::*;

    struct Flag(AtomicBool);

    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    fn finding() -> Option<Box<Finding>> {
        let kind = FindingKind::TooLarge;
        Some(Box::new(Finding { kind, detail: "long".to_owned(), properties: None, body: None }))
    }

    #[test]
    fn a_note_is_taken_once_by_its_channel_and_tag() {
        let watch = Watch::new(100);
        assert!(watch.take_note(1, 1).finding.is_none());
        watch.note(1, 1, Some(60), finding());
        watch.note(2, 1, Some(30), None);
        assert_eq!(watch.held(), 90);
        assert!(watch.take_note(1, 2).finding.is_none());
        let note = watch.take_note(1, 1);
        assert_eq!(note.finding, finding());
        assert_eq!(watch.held(), 90, "a taken note still holds its bytes");
        drop(note);
        assert_eq!(watch.held(), 30);
        assert!(watch.take_note(1, 1).finding.is_none());
        drop(watch.take_note(2, 1));
        assert_eq!(watch.held(), 0);
        assert_eq!(watch.noted.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_channel_that_opens_again_has_no_old_notes() {
        let watch = Watch::new(100);
        watch.note(1, 1, Some(60), finding());
        watch.note(2, 1, Some(50), finding());
        assert!(!watch.room());
        watch.opened(1);
        assert_eq!(watch.held(), 50);
        assert!(watch.take_note(1, 1).finding.is_none());
        assert!(watch.take_note(2, 1).finding.is_some());
    }

    #[test]
    fn bytes_that_come_back_wake_the_reader() {
        let watch = Watch::new(10);
        watch.note(1, 1, Some(11), None);
        assert!(!watch.room());
        let flag = Arc::new(Flag(AtomicBool::new(false)));
        watch.wake_on_room(&Waker::from(Arc::clone(&flag)));
        let note = watch.take_note(1, 1);
        assert!(!flag.0.load(Ordering::SeqCst));
        drop(note);
        assert!(flag.0.load(Ordering::SeqCst) && watch.room());
    }

    #[test]
    fn notes_that_nobody_took_do_not_keep_the_watch() {
        let watch = Watch::new(10);
        watch.note(1, 1, Some(11), finding());
        let account = Arc::downgrade(&watch.account);
        drop(watch);
        assert!(account.upgrade().is_none());
    }
}
