//! Keeps the model that serves: looks after its file, and swaps when a new one has passed every check.
//!
//! Everything happens on the side. Whoever predicts takes the model that serves once a batch; a file that is refused
//! changes nothing for them.

use std::fs;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use shared::card::Card;
use shared::clock::Timestamp;
use shared::message::Name;
use shared::metrics::Counter;
use tokio::sync::watch;
use tokio::task;
use tracing::{debug, info, warn};

use crate::announce::Announcements;
use crate::card;
use crate::content::{Content, Digest, ModelStamp, Unread};
use crate::load::{self, About, Loaded, Loader};
use crate::predictor::Predictor;
use crate::refusal::{Refusal, reason};
use crate::watch::{Wake, Watch};

static SWAPS: Counter<1> = Counter::new(
    "pipeline_model_swaps_total",
    "Model files that took the place of the one that served.",
    ["model"],
);
static REFUSED: Counter<2> = Counter::new(
    "pipeline_model_refused_total",
    "Model files that failed a check, so that nothing changed.",
    ["model", "reason"],
);

/// The model that serves, as soon as there is one.
pub type Serving = watch::Receiver<Option<Arc<Predictor>>>;

/// Looks after a model file.
#[derive(Debug)]
pub struct ModelKeeper {
    path: PathBuf,
    name: Name,
    loader: Loader,
    serving: watch::Sender<Option<Arc<Predictor>>>,
    last_look: LastLook,
    announcements: Announcements,
}

/// What is known of the file.
#[derive(Debug, Clone, Default)]
struct LastLook {
    /// Its state at the last look.
    last: Option<State>,
    /// The other file with its weights, where it had one when it was read last.
    weights: Option<PathBuf>,
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
    There(ModelStamp),
}

/// What a look at the file came to.
#[derive(Debug)]
enum Found {
    /// Nothing new, or nothing finished.
    Nothing,
    /// There is no file any more, or none yet.
    Gone,
    /// A new state of the file, checked.
    Judged(Box<Result<Loaded, Refusal>>),
}

impl ModelKeeper {
    /// Looks after this file. The name is for people.
    #[must_use]
    pub fn new(path: &Path, name: &Name, loader: Loader) -> (Self, Serving) {
        let (serving, receiver) = watch::channel(None);
        SWAPS.add([name.as_str()], 0);
        reason::ALL.iter().for_each(|reason| REFUSED.add([name.as_str(), reason], 0));
        (
            Self {
                path: path.to_owned(),
                name: name.clone(),
                loader,
                serving,
                last_look: LastLook::default(),
                announcements: Announcements::default(),
            },
            receiver,
        )
    }

    /// The cards of what serves and of what is refused from now on.
    #[must_use]
    pub fn announcements(&self) -> Announcements {
        self.announcements.clone()
    }

    /// Looks for ever.
    pub async fn keep(mut self) {
        let mut watch = Watch::new(&self.path);
        // What is there at the start was hardly put there this moment; if it was, the next look says better.
        let mut wake = Wake::Finished;
        loop {
            let (path, loader, last_look) = (self.path.clone(), self.loader.clone(), self.last_look.clone());
            let name = self.name.clone();
            let looked = task::spawn_blocking(move || {
                let (last_look, found) = last_look.look(&path, &loader, wake);
                // Here, since a large file has a card that takes a while.
                let card = found.loaded().map(|loaded| card::of_model(&name, &path, loaded));
                (last_look, found, card)
            });
            match looked.await {
                Ok((last_look, look, card)) => {
                    self.last_look = last_look;
                    self.act(look, card);
                }
                // The model that serves is not concerned.
                Err(why) => warn!("cannot look at {}: {why}", self.path.display()),
            }
            wake = watch.wake().await;
        }
    }

    fn act(&mut self, look: Found, card: Option<Card>) {
        match look {
            Found::Nothing => {}
            Found::Gone => warn!("there is no model at {}; {}", self.path.display(), self.meanwhile()),
            Found::Judged(judged) => match judged.and_then(|loaded| self.admit(loaded, card)) {
                Ok(()) => {}
                Err(refusal) => {
                    self.count_refusal(refusal.reason);
                    warn!(model.refused = refusal.reason, "{refusal}; {}", self.meanwhile());
                    let serving = self.serving.borrow().clone();
                    let serving = serving.as_ref().map(|serving| serving.version());
                    let card = card::of_refusal(&self.name, &refusal, serving, Timestamp::now());
                    self.announcements.add(card);
                }
            },
        }
    }

    /// Has a model that passed its checks serve, unless it wants other rows than the one that serves.
    fn admit(&mut self, loaded: Loaded, card: Option<Card>) -> Result<(), Refusal> {
        let Loaded { predictor: next, about } = loaded;
        let (path, name) = (self.path.display(), &self.name);
        let before = self.serving.borrow().clone();
        let Some(before) = before else {
            info!(model.version = %next.version(), "serving {path}: {name}@{}, {}", next.version(), next.inputs());
            self.say_lack(&about);
            self.serve(next, card);
            return Ok(());
        };
        if next.version() == before.version() {
            debug!("{path} has the content of {name}@{}, which is already serving", next.version());
            return Ok(());
        }
        load::fits(&self.path, next.inputs(), before.inputs())?;
        let next = next.named_as(&before);
        if let Some(rows) = next.inputs().narrower(before.inputs()) {
            warn!("{path} now serves and refuses some rows that the model before predicted: {rows}");
        }
        if before.inputs().knows_ranges() && !next.inputs().knows_ranges() {
            warn!("{path} does not say its trained range: no row counts as out of range from now on");
        }
        info!(model.version = %next.version(), "swapped {path}: {name}@{} now serves, replacing {name}@{}", next.version(), before.version());
        self.say_lack(&about);
        self.serve(next, card);
        SWAPS.add([self.name.as_str()], 1);
        Ok(())
    }

    fn serve(&self, next: Predictor, card: Option<Card>) {
        card.into_iter().for_each(|card| self.announcements.add(card));
        self.serving.send_replace(Some(Arc::new(next)));
    }

    fn say_lack(&self, about: &About) {
        if let Some(lacks) = about.lacks() {
            info!("{} serves, but {lacks}", self.path.display());
        }
    }

    fn count_refusal(&self, reason: &'static str) {
        REFUSED.add([self.name.as_str(), reason], 1);
    }

    fn meanwhile(&self) -> String {
        match &*self.serving.borrow() {
            Some(serving) => format!("{}@{} keeps serving", self.name, serving.version()),
            None => "waiting for a model, taking no rows until then".to_owned(),
        }
    }
}

impl LastLook {
    /// Looks at the file, and judges its content when that is new and whole. Whole it is when the kernel said that its
    /// writer has finished, and otherwise when nothing has changed since the last look: of two files, the kernel tells of
    /// one alone.
    fn look(self, path: &Path, loader: &Loader, wake: Wake) -> (Self, Found) {
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
                let look = if said { Found::Nothing } else { Found::judged(Err(refuse(failure))) };
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
                (with(content.weights, opened, digest, passing), Found::judged(parsed.map_err(refuse)))
            }
        }
    }
}

impl Found {
    fn judged(result: Result<Loaded, Refusal>) -> Self {
        Self::Judged(Box::new(result))
    }

    fn loaded(&self) -> Option<&Loaded> {
        match self {
            Self::Judged(judged) => judged.as_ref().as_ref().ok(),
            Self::Nothing | Self::Gone => None,
        }
    }
}

#[cfg(test)]
mod tests;
