//! The version before, which goes on predicting the same rows beside the one that serves, until it is known which of the two is
//! better.

use std::sync::Arc;

use shared::clock::Timestamp;
use shared::message::{ModelRole, Name};
use tokio::sync::watch;
use tracing::{info, warn};

use super::{ModelKeeper, Standing};
use crate::predictor::Predictor;
use crate::shadow::Shadow;

/// What the keeper knows of the shadow.
#[derive(Debug)]
pub(super) struct Beside {
    /// The name that it predicts under; none where it is not wanted.
    name: Option<Name>,
    sender: watch::Sender<Option<Arc<Shadow>>>,
    /// The version before, with its card.
    standing: Option<Standing>,
}

impl Beside {
    pub(super) fn off() -> Self {
        Self { name: None, sender: watch::Sender::new(None), standing: None }
    }

    /// The version before, while it predicts.
    pub(super) fn version(&self) -> Option<&Name> {
        self.standing.as_ref().map(|standing| standing.predictor.version())
    }

    /// The version before, where it is this one.
    pub(super) fn standing(&self, version: &Name) -> Option<&Standing> {
        self.standing.as_ref().filter(|standing| standing.predictor.version() == version)
    }
}

impl ModelKeeper {
    /// Has the version before go on predicting after a swap, and tells who.
    #[must_use]
    pub fn with_shadow(mut self) -> (Self, watch::Receiver<Option<Arc<Shadow>>>) {
        self.beside.name = ModelRole::shadow_of(&self.name);
        if self.beside.name.is_none() {
            warn!(
                "after a swap, the version before does not go on predicting: the name {} is too long to have .shadow behind it; \
                 shorten --model-name, or say --shadow off",
                self.name
            );
        }
        let receiver = self.beside.sender.subscribe();
        (self, receiver)
    }

    /// The version before goes on beside the one that begins to serve. To be called first, so that no row is predicted by the one
    /// alone.
    pub(super) fn begin_shadow(&mut self, before: Standing, serving: &Name) {
        self.end_shadow("another version serves");
        let Some(name) = self.beside.name.clone() else { return };
        let version = before.predictor.version();
        let now = Timestamp::now();
        if self.versions.record().watched(serving, now).is_none_or(|watched| watched.before != *version) {
            self.versions.record_mut().watch(serving, version, now);
        }
        info!(
            "{name}@{version} goes on predicting the same rows, beside {}@{serving}, until metric knows which of the two is better, \
             for 7 days at the most",
            self.name
        );
        let shadow = Shadow { predictor: Arc::clone(&before.predictor), beside: serving.clone() };
        self.beside.sender.send_replace(Some(Arc::new(shadow)));
        self.beside.standing = Some(before);
    }

    /// The version before predicts no more. Says so where it did.
    pub(super) fn end_shadow(&mut self, why: &str) {
        self.beside.sender.send_replace(None);
        if let (Some(Standing { predictor, .. }), Some(name)) =
            (self.beside.standing.take(), &self.beside.name)
        {
            info!("{name}@{} predicts no more: {why}", predictor.version());
        }
    }

    /// As [`ModelKeeper::end_shadow`], also after a restart.
    pub(super) fn end_watch(&mut self, why: &str) {
        if let Some((serving, before)) = self.serving_version().zip(self.beside.version().cloned()) {
            self.versions.record_mut().end_watch(&serving, &before);
        }
        self.end_shadow(why);
    }

    /// Ends it where its time is over.
    pub(super) fn expire_shadow(&mut self, now: Timestamp) {
        let Some(serving) = self.serving_version() else { return };
        let record = self.versions.record();
        if self.beside.standing.is_none() || record.watched(&serving, now).is_some() {
            return;
        }
        // At its beginning, it had its time before it.
        if record.watched(&serving, Timestamp(0)).is_some() {
            self.end_watch("its 7 days are over");
        } else {
            self.end_shadow(
                "another process with these versions has heard that it is decided, or serves another version by now",
            );
        }
    }

    /// What begins to serve at a start took the place of the one that served before, or is still watched beside it: that one goes
    /// on, where it is kept.
    pub(super) async fn recall_shadow(&mut self, next: &Predictor) {
        if self.beside.name.is_none() {
            return;
        }
        let record = self.versions.record();
        let before = match record.served().next().map(|served| &served.version) {
            Some(last) if last == next.version() => {
                record.watched(last, Timestamp::now()).map(|watched| watched.before.clone())
            }
            last => last.cloned(),
        };
        let Some(before) = before else { return };
        match self.load_kept(&before, next.inputs()).await {
            Ok(before) => self.begin_shadow(before, next.version()),
            Err(why) => info!("the version before does not go on predicting: {why}"),
        }
    }
}
