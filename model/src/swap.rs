//! Keeps the model that serves: looks after its file, and swaps when a new one has passed every check.
//!
//! Everything happens on the side. Whoever predicts takes the model that serves once a batch; a file that is refused
//! changes nothing for them.

use std::fs;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use shared::message::Name;
use tokio::sync::watch;
use tokio::task;
use tracing::{debug, info, warn};

use crate::content::{Content, Digest, Identity, Unread};
use crate::load::{self, Loaded, Loader};
use crate::predictor::Predictor;
use crate::refusal::{Refusal, reason};
use crate::watch::{Wake, Watch};

/// The model that serves, as soon as there is one.
pub type Serving = watch::Receiver<Option<Arc<Predictor>>>;

/// Looks after a model file.
#[derive(Debug)]
pub struct Keeper {
    path: PathBuf,
    name: Name,
    loader: Loader,
    serving: watch::Sender<Option<Arc<Predictor>>>,
    sight: Sight,
}

/// What is known of the file.
#[derive(Debug, Clone, Copy, Default)]
struct Sight {
    /// Its state at the last look.
    last: Option<State>,
    judged: Option<Judged>,
}

/// What was said of the file last.
#[derive(Debug, Clone, Copy)]
struct Judged {
    state: State,
    /// Of the content that was judged, where it could be read.
    digest: Option<Digest>,
    /// Whether the content was still the same one at a later look. Two writes of the same length within a tick of the file
    /// system's clock leave the same state behind.
    confirmed: bool,
}

/// A state that a path can be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Absent(io::ErrorKind),
    There(Identity),
}

/// What a look at the file came to.
#[derive(Debug)]
enum Look {
    /// Nothing new, or nothing finished.
    Nothing,
    /// There is no file any more, or none yet.
    Gone,
    /// A new state of the file, checked.
    Judged(Box<Result<Loaded, Refusal>>),
}

impl Keeper {
    /// Looks after this file. The name is for people.
    #[must_use]
    pub fn new(path: &Path, name: &Name, loader: Loader) -> (Self, Serving) {
        let (serving, receiver) = watch::channel(None);
        for reason in [reason::MALFORMED, reason::UNREADABLE] {
            // So that a rate has something to rise from.
            metrics::counter!("pipeline_model_refused_total", "model" => name.to_string(), "reason" => reason).absolute(0);
        }
        (
            Self { path: path.to_owned(), name: name.clone(), loader, serving, sight: Sight::default() },
            receiver,
        )
    }

    /// Looks for ever.
    pub async fn keep(mut self) {
        let mut watch = Watch::new(&self.path);
        // What is there at the start was hardly put there this moment; if it was, the next look says better.
        let mut wake = Wake::Finished;
        loop {
            let (path, loader, sight) = (self.path.clone(), self.loader.clone(), self.sight);
            let looked = task::spawn_blocking(move || sight.look(&path, &loader, wake)).await;
            match looked {
                Ok((sight, look)) => {
                    self.sight = sight;
                    self.act(look);
                }
                // The model that serves is not concerned.
                Err(why) => warn!("cannot look at {}: {why}", self.path.display()),
            }
            wake = watch.wake().await;
        }
    }

    fn act(&mut self, look: Look) {
        match look {
            Look::Nothing => {}
            Look::Gone => warn!("there is no model at {}; {}", self.path.display(), self.meanwhile()),
            Look::Judged(judged) => match judged.and_then(|loaded| self.admit(loaded)) {
                Ok(()) => {}
                Err(refusal) => {
                    self.count_refusal(refusal.reason);
                    warn!(model.refused = refusal.reason, "{refusal}; {}", self.meanwhile());
                }
            },
        }
    }

    /// Has a model that passed its checks serve, unless it wants other rows than the one that serves.
    fn admit(&mut self, loaded: Loaded) -> Result<(), Refusal> {
        let next = loaded.predictor;
        let (path, name) = (self.path.display(), &self.name);
        let before = self.serving.borrow().clone();
        let Some(before) = before else {
            info!(model.version = %next.version(), "serving {path}: {name}@{}, {}", next.version(), next.inputs());
            self.serving.send_replace(Some(Arc::new(next)));
            return Ok(());
        };
        if next.version() == before.version() {
            debug!("{path} has the content of {name}@{}, which serves already", next.version());
            return Ok(());
        }
        load::fits(&self.path, next.inputs(), before.inputs())?;
        let next = next.named_as(&before);
        if before.inputs().knows_ranges() && !next.inputs().knows_ranges() {
            warn!("{path} does not say what it was trained on: from now on, no row is beyond its range");
        }
        info!(model.version = %next.version(), "swapped {path}: {name}@{} serves, after {name}@{}", next.version(), before.version());
        self.serving.send_replace(Some(Arc::new(next)));
        metrics::counter!("pipeline_model_swaps_total", "model" => self.name.to_string()).increment(1);
        Ok(())
    }

    fn count_refusal(&self, reason: &'static str) {
        metrics::counter!("pipeline_model_refused_total", "model" => self.name.to_string(), "reason" => reason).increment(1);
    }

    fn meanwhile(&self) -> String {
        match &*self.serving.borrow() {
            Some(serving) => format!("{}@{} goes on serving", self.name, serving.version()),
            None => "waiting for a model, and taking no rows until then".to_owned(),
        }
    }
}

impl Sight {
    /// Looks at the file, and judges its content when that is new and whole. Whole it is when the kernel said that its
    /// writer has finished, and otherwise when nothing has changed since the last look.
    fn look(self, path: &Path, loader: &Loader, wake: Wake) -> (Self, Look) {
        let state = match fs::metadata(path) {
            Ok(metadata) => State::There(Identity::from(&metadata)),
            Err(why) => State::Absent(why.kind()),
        };
        let seen = Self { last: Some(state), ..self };
        let whole = wake == Wake::Finished || self.last == Some(state);
        let known = self.judged.filter(|judged| judged.state == state);
        if !whole || (wake == Wake::Clock && known.is_some_and(|judged| judged.confirmed)) {
            return (seen, Look::Nothing);
        }
        let again = wake == Wake::Clock && known.is_some();
        let with =
            |state, digest, confirmed| Self { judged: Some(Judged { state, digest, confirmed }), ..seen };
        if state == State::Absent(io::ErrorKind::NotFound) {
            return (with(state, None, again), if known.is_some() { Look::Nothing } else { Look::Gone });
        }
        let refuse = |(reason, why)| Refusal { path: path.to_owned(), reason, why };
        match Content::read(path) {
            // Its writer will finish, or stop changing it.
            Err(Unread { failure: (reason::CHANGING, _), .. }) => (seen, Look::Nothing),
            Err(Unread { identity, failure }) => {
                // What was opened may have come after what was looked at.
                let opened = identity.map_or(state, State::There);
                let said = self.judged.is_some_and(|judged| judged.state == opened);
                let look = if said { Look::Nothing } else { Look::judged(Err(refuse(failure))) };
                // Tried again at each look, silently: what cannot be read now may be readable soon.
                (with(opened, None, false), look)
            }
            Ok(content) => {
                let opened = State::There(content.identity);
                if self.judged.is_some_and(|judged| judged.digest == Some(content.digest)) {
                    return (with(opened, Some(content.digest), again), Look::Nothing);
                }
                let parse = || loader.parse(&content.bytes, content.format);
                // A file that finds a defect of ours is refused like any other, once.
                let parsed = panic::catch_unwind(AssertUnwindSafe(parse)).unwrap_or_else(|_| {
                    let why = "this program panics on it, which is a defect of ours: please report it";
                    Err((reason::INTERNAL, why.to_owned()))
                });
                // Where the machine may be to blame, the next writer's end is another try; the clock is none, for a trial
                // is long.
                let passing = parsed.as_ref().is_err_and(|(reason, _)| reason::may_pass(reason));
                let digest = (!passing).then_some(content.digest);
                (with(opened, digest, passing), Look::judged(parsed.map_err(refuse)))
            }
        }
    }
}

impl Look {
    fn judged(result: Result<Loaded, Refusal>) -> Self {
        Self::Judged(Box::new(result))
    }
}

#[cfg(test)]
mod tests;
