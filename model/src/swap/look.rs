//! A look at the model file: whether there is something new, whether it is whole, and what comes of its content.

use std::fs;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};

use crate::content::{Content, Digest, ModelStamp, Unread};
use crate::load::{Loaded, Loader};
use crate::refusal::{Refusal, reason};
use crate::watch::Wake;

/// What is known of the file.
#[derive(Debug, Clone, Default)]
pub(super) struct LastLook {
    /// Its state at the last look.
    pub(super) last: Option<State>,
    /// The other file with its weights, where it had one when it was read last.
    pub(super) weights: Option<PathBuf>,
    pub(super) judged: Option<Judged>,
}

/// What was said of the file last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judged {
    pub(super) state: State,
    /// Of the content that was judged, where it could be read.
    pub(super) digest: Option<Digest>,
    /// Whether the content was still the same one at a later look. Two writes of the same length within a tick of the file
    /// system's clock leave the same state behind.
    pub(super) confirmed: bool,
}

/// A state that a path can be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Absent(io::ErrorKind),
    There(ModelStamp),
}

/// What a look at the file came to.
#[derive(Debug)]
pub(super) enum Found {
    /// Nothing new, or nothing finished.
    Nothing,
    /// There is no file any more, or none yet.
    Gone,
    /// A new state of the file, checked, with its content where that is a model.
    Judged(Box<Result<Loaded, Refusal>>, Option<Box<Content>>),
}

impl LastLook {
    /// The next look says of the file what it says of a new one.
    pub(super) fn forget(&mut self) {
        self.judged = None;
    }

    /// Looks at the file, and judges its content when that is new and whole. Whole it is when the kernel said that its
    /// writer has finished, and otherwise when nothing has changed since the last look: of two files, the kernel tells of
    /// one alone.
    pub(super) fn look(self, path: &Path, loader: &Loader, wake: Wake) -> (Self, Found) {
        let state = match fs::metadata(path) {
            Ok(metadata) => State::There(ModelStamp::of(&metadata, self.weights.as_deref())),
            Err(why) => State::Absent(why.kind()),
        };
        let whole = (wake == Wake::Finished && self.weights.is_none()) || self.last == Some(state);
        let (judged, seen) = (self.judged, Self { last: Some(state), ..self });
        let known = judged.filter(|judged| judged.state == state);
        if !whole || (wake == Wake::Clock && known.is_some_and(|judged| judged.confirmed)) {
            return (seen, Found::Nothing);
        }
        let again = wake == Wake::Clock && known.is_some();
        let with = |weights, state, digest, confirmed| Self {
            judged: Some(Judged { state, digest, confirmed }),
            weights,
            ..seen.clone()
        };
        if state == State::Absent(io::ErrorKind::NotFound) {
            return (
                with(None, state, None, again),
                if known.is_some() { Found::Nothing } else { Found::Gone },
            );
        }
        let refuse = |(reason, why)| Refusal { path: path.to_owned(), reason, why };
        match Content::read(path) {
            // Its writer will finish, or stop changing it.
            Err(Unread { failure: (reason::CHANGING, _), .. }) => (seen, Found::Nothing),
            Err(Unread { stamp, failure }) => {
                // What was opened may have come after what was looked at.
                let opened = stamp.map_or(state, |model| State::There(model.into()));
                let said = judged.is_some_and(|judged| judged.state == opened);
                let look = if said { Found::Nothing } else { Found::refused(refuse(failure)) };
                // Tried again at each look, silently: what cannot be read now may be readable soon.
                (with(None, opened, None, false), look)
            }
            Ok(content) => {
                let opened = State::There(content.stamp);
                if judged.is_some_and(|judged| judged.digest == Some(content.digest)) {
                    return (with(content.weights, opened, Some(content.digest), again), Found::Nothing);
                }
                let parse = || loader.parse(&content.bytes, content.format);
                // A file that finds a defect of ours is refused like any other, once.
                let parsed = panic::catch_unwind(AssertUnwindSafe(parse)).unwrap_or_else(|_| {
                    let why = "this program panics on it, which is a bug: please report it";
                    Err((reason::INTERNAL, why.to_owned()))
                });
                // Where the machine may be to blame, the next writer's end is another try; the clock is none, for a trial
                // is long.
                let passing = parsed.as_ref().is_err_and(|(reason, _)| reason::may_pass(reason));
                let digest = (!passing).then_some(content.digest);
                let last_look = with(content.weights.clone(), opened, digest, passing);
                let found = match parsed {
                    Ok(loaded) => Found::Judged(Box::new(Ok(loaded)), Some(Box::new(content))),
                    Err(failure) => Found::refused(refuse(failure)),
                };
                (last_look, found)
            }
        }
    }
}

impl Found {
    fn refused(refusal: Refusal) -> Self {
        Self::Judged(Box::new(Err(refusal)), None)
    }

    pub(super) fn loaded(&self) -> Option<&Loaded> {
        match self {
            Self::Judged(judged, _) => judged.as_ref().as_ref().ok(),
            Self::Nothing | Self::Gone => None,
        }
    }
}
