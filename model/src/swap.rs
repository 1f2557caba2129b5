//! Keeps the model that serves: looks after its file, and swaps when a new one has passed every check.
//!
//! Everything happens on the side. Whoever predicts takes the model that serves once a batch; a file that is refused
//! changes nothing for them.

mod back;
mod beside;
mod look;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use shared::card::Card;
use shared::clock::Timestamp;
use shared::control::Decision;
use shared::message::Name;
use shared::metrics::Counter;
use tokio::sync::{mpsc, watch};
use tokio::task;
use tracing::{debug, info, warn};

use crate::announce::Announcements;
use crate::card;
use crate::content::Content;
use crate::load::{self, About, Loaded, Loader};
use crate::predictor::Predictor;
use crate::refusal::{Refusal, reason};
use crate::versions::Versions;
use crate::watch::{Wake, Watch};

use back::TAKEN_BACK;
use beside::Beside;
use look::{Found, LastLook};

/// How many decisions wait for the keeper at the most. What finds no room is said again.
const DECISIONS: usize = 16;

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
    /// The card of the one that serves.
    card: Option<Card>,
    last_look: LastLook,
    announcements: Announcements,
    versions: Versions,
    beside: Beside,
    decisions: (mpsc::Sender<Decision>, mpsc::Receiver<Decision>),
    /// The version of the file, where it is left alone because it was taken back.
    left: Option<Name>,
    /// The version of which it was said that it cannot be taken back.
    told: Option<Name>,
}

/// A model that may predict, with its card.
#[derive(Debug, Clone)]
struct Standing {
    predictor: Arc<Predictor>,
    card: Option<Card>,
}

impl ModelKeeper {
    /// Looks after this file. The name is for people.
    #[must_use]
    pub fn new(path: &Path, name: &Name, loader: Loader) -> (Self, Serving) {
        let (serving, receiver) = watch::channel(None);
        SWAPS.add([name.as_str()], 0);
        TAKEN_BACK.add([name.as_str()], 0);
        reason::ALL.iter().for_each(|reason| REFUSED.add([name.as_str(), reason], 0));
        let keeper = Self {
            path: path.to_owned(),
            name: name.clone(),
            loader,
            serving,
            card: None,
            last_look: LastLook::default(),
            announcements: Announcements::default(),
            versions: Versions::default(),
            beside: Beside::off(),
            decisions: mpsc::channel(DECISIONS),
            left: None,
            told: None,
        };
        (keeper, receiver)
    }

    /// Remembers versions there.
    #[must_use]
    pub fn with_versions(self, versions: Versions) -> Self {
        Self { versions, ..self }
    }

    /// The cards of what serves and of what is refused from now on.
    #[must_use]
    pub fn announcements(&self) -> Announcements {
        self.announcements.clone()
    }

    /// Where it is told what is decided of versions.
    #[must_use]
    pub fn decisions(&self) -> mpsc::Sender<Decision> {
        self.decisions.0.clone()
    }

    /// Looks for ever.
    pub async fn keep(mut self) {
        self.versions.sync().await;
        let mut watch = Watch::new(&self.path);
        // What is there at the start was hardly put there this moment; if it was, the next look says better.
        let mut wake = Wake::Finished;
        loop {
            self.look(wake).await;
            self.versions.sync().await;
            self.notice_accepted();
            self.expire_shadow(Timestamp::now());
            wake = loop {
                tokio::select! {
                    wake = watch.wake() => break wake,
                    Some(decision) = self.decisions.1.recv() => {
                        // A person may have accepted the version this moment.
                        self.versions.sync().await;
                        self.decided(decision).await;
                        self.versions.sync().await;
                    }
                }
            };
        }
    }

    async fn look(&mut self, wake: Wake) {
        let (path, loader, last_look) = (self.path.clone(), self.loader.clone(), self.last_look.clone());
        let name = self.name.clone();
        let looked = task::spawn_blocking(move || {
            let (last_look, found) = last_look.look(&path, &loader, wake);
            // Here, since a large file has a card that takes a while.
            let card = found.loaded().map(|loaded| card::of_model(&name, &path, loaded));
            (last_look, found, card)
        });
        match looked.await {
            Ok((last_look, found, card)) => {
                self.last_look = last_look;
                self.act(found, card).await;
            }
            // The model that serves is not concerned.
            Err(why) => warn!("cannot look at {}: {why}", self.path.display()),
        }
    }

    async fn act(&mut self, found: Found, card: Option<Card>) {
        let (judged, content) = match found {
            Found::Nothing => return,
            Found::Gone => {
                return warn!("there is no model at {}; {}", self.path.display(), self.meanwhile());
            }
            Found::Judged(judged, content) => (*judged, content.map(|content| *content)),
        };
        let admitted = match judged {
            Ok(loaded) if self.versions.record().is_taken_back(loaded.predictor.version()) => {
                return self.leave(loaded, card, content).await;
            }
            Ok(loaded) => {
                if self.serving_version().is_none() {
                    self.recall_shadow(&loaded.predictor).await;
                }
                self.admit(loaded, card, content)
            }
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = admitted {
            self.count_refusal(refusal.reason);
            warn!(model.refused = refusal.reason, "{refusal}; {}", self.meanwhile());
            let serving = self.serving_version();
            let card = card::of_refusal(&self.name, &refusal, serving.as_ref(), Timestamp::now());
            self.announcements.add(card);
        }
    }

    /// Has a model that passed its checks serve, unless it wants other rows than the one that serves.
    fn admit(&mut self, loaded: Loaded, card: Option<Card>, content: Option<Content>) -> Result<(), Refusal> {
        let Loaded { predictor: next, about } = loaded;
        let (path, name) = (self.path.display().to_string(), self.name.clone());
        let before = self.serving.borrow().clone();
        let Some(before) = before else {
            info!(model.version = %next.version(), "serving {path}: {name}@{}, {}", next.version(), next.inputs());
            self.say_lack(&about);
            self.serve_content(next, card, content);
            return Ok(());
        };
        self.left = None;
        if next.version() == before.version() {
            debug!("{path} has the content of {name}@{}, which is already serving", next.version());
            return Ok(());
        }
        load::fits(&self.path, next.inputs(), before.inputs())?;
        let next = next.named_as(before.inputs());
        if let Some(rows) = next.inputs().narrower(before.inputs()) {
            warn!("{path} now serves and refuses some rows that the model before predicted: {rows}");
        }
        if before.inputs().knows_ranges() && !next.inputs().knows_ranges() {
            warn!("{path} does not say its trained range: no row counts as out of range from now on");
        }
        info!(model.version = %next.version(), "swapped {path}: {name}@{} now serves, replacing {name}@{}", next.version(), before.version());
        self.say_lack(&about);
        let before = Standing { predictor: before, card: self.card.take() };
        self.begin_shadow(before, next.version());
        self.serve_content(next, card, content);
        SWAPS.add([self.name.as_str()], 1);
        Ok(())
    }

    /// Has the file serve that was read.
    fn serve_content(&mut self, next: Predictor, card: Option<Card>, content: Option<Content>) {
        if let Some(content) = content {
            self.versions.serves(next.version(), content, Timestamp::now());
        }
        self.serve(Standing { predictor: Arc::new(next), card });
    }

    fn serve(&mut self, Standing { predictor, card }: Standing) {
        card.iter().for_each(|card| self.announcements.add(card.clone()));
        self.card = card;
        self.serving.send_replace(Some(predictor));
    }

    fn serving_version(&self) -> Option<Name> {
        self.serving.borrow().as_ref().map(|serving| serving.version().clone())
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

#[cfg(test)]
mod tests;
