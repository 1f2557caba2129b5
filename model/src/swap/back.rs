//! The way back: a version that is worse gives its place to the one before, and is not taken up again by itself.

use std::sync::Arc;

use evaluation::number::Decimals;
use shared::card::Card;
use shared::clock::Timestamp;
use shared::control::Decision;
use shared::message::Name;
use shared::metrics::Counter;
use tokio::task;
use tracing::{debug, info, warn};

use super::{ModelKeeper, Standing};
use crate::card;
use crate::content::Content;
use crate::decided::{Consequence, reason};
use crate::inputs::Inputs;
use crate::load::{self, Loaded};
use crate::refusal::Refusal;

pub(super) static TAKEN_BACK: Counter<1> = Counter::new(
    "pipeline_model_taken_back_total",
    "Versions that were worse than the one before, which serves again.",
    ["model"],
);

impl ModelKeeper {
    /// Does what follows from a decision.
    pub(super) async fn decided(&mut self, decision: Decision) {
        let Some(serving) = self.serving_version() else { return };
        let is_accepted = self.versions.record().is_accepted(&serving);
        match Consequence::of(&decision, &serving, self.beside.version(), is_accepted) {
            Consequence::Nothing => {}
            Consequence::EndShadow => self.end_watch(&reason(&decision)),
            Consequence::TakeBack => self.take_back(&decision).await,
        }
    }

    /// Has the version before serve again.
    async fn take_back(&mut self, decision: &Decision) {
        let Decision { version, before, rows, difference, .. } = decision;
        let Some(serving) = self.serving.borrow().clone() else { return };
        let standing = match self.beside.standing(before) {
            Some(standing) => Ok(standing.clone()),
            None if self.versions.record().is_taken_back(before) => {
                Err(format!("{before} was taken back too"))
            }
            None => self.load_kept(before, serving.inputs()).await,
        };
        let name = self.name.clone();
        let Standing { predictor, card } = match standing {
            Ok(standing) => standing,
            Err(why) => {
                if self.told.replace(version.clone()).as_ref() != Some(version) {
                    warn!(
                        "{name}@{version} is worse than {name}@{before} over {rows} rows with a label, and keeps serving: {why}. Put \
                         the file of {before} back to {}",
                        self.path.display()
                    );
                }
                return;
            }
        };
        let record = self.versions.record_mut();
        record.take_back(version, Timestamp::now());
        record.end_watch(version, before);
        self.end_shadow(&format!("it serves again instead of {version}"));
        let by = difference.map_or(String::new(), |by| {
            format!("; in the mean its errors are larger by {}", Decimals::of(by).plain(by))
        });
        warn!(
            model.version = %before,
            "took back {name}@{version}, which is worse over {rows} rows with a label{by}: {name}@{before} serves again. {} is left \
             as it is, and {}",
            self.path.display(),
            self.way_to_accept(version)
        );
        let card = card.map(|card| card::with_taken_back(card, version));
        self.serve(Standing { predictor, card });
        self.versions.record_mut().serves_again(before, Timestamp::now());
        self.left = Some(version.clone());
        TAKEN_BACK.add([name.as_str()], 1);
    }

    /// Leaves a file alone whose version was taken back. At a start, the version that served last and was not serves instead.
    pub(super) async fn leave(&mut self, loaded: Loaded, card: Option<Card>, content: Option<Content>) {
        let version = loaded.predictor.version().clone();
        let (path, name) = (self.path.display().to_string(), self.name.clone());
        let said = format!("{path} has {name}@{version}, which was taken back because it was worse");
        let accept = self.way_to_accept(&version);
        self.left = Some(version.clone());
        if let Some(serving) = self.serving_version() {
            return warn!("{said}: {accept}. {name}@{serving} keeps serving");
        }
        let record = self.versions.record();
        let others: Vec<Name> = record
            .served()
            .map(|served| served.version.clone())
            .filter(|other| !record.is_taken_back(other))
            .collect();
        for other in others {
            let standing = match self.load_kept(&other, loaded.predictor.inputs()).await {
                Ok(standing) => standing,
                Err(why) => {
                    info!("{name}@{other} does not serve instead: {why}");
                    continue;
                }
            };
            warn!(
                model.version = %other,
                "{said}: {accept}. Serving {name}@{other} instead, {}",
                standing.predictor.inputs()
            );
            self.serve(standing);
            self.versions.record_mut().serves_again(&other, Timestamp::now());
            return;
        }
        self.left = None;
        warn!("{said}; it serves all the same, for no other version is kept that could");
        // There is none before it, so nothing refuses it.
        if let Err(why) = self.admit(loaded, card, content) {
            debug!("{why}");
        }
    }

    /// Takes the file up that was left alone, where a person has accepted it since.
    pub(super) fn notice_accepted(&mut self) {
        let accepted = |version: &Name| self.versions.record().is_accepted(version);
        if let Some(version) = self.left.take_if(|version| accepted(version)) {
            info!("{}@{version} is accepted", self.name);
            self.last_look.forget();
        }
    }

    /// A version that is kept, ready to predict the rows that this one gets.
    ///
    /// # Errors
    /// Why there is none, for people.
    pub(super) async fn load_kept(&self, version: &Name, inputs: &Inputs) -> Result<Standing, String> {
        let Some(folder) = self.versions.folder() else {
            return Err(format!("{version} is not kept, for there is no --versions"));
        };
        let served = self.versions.record().served().find(|served| served.version == *version);
        let Some(served) = served else {
            return Err(format!("{version} is not kept in {}", folder.path().display()));
        };
        let path = folder.file_of(served);
        let shown = path.display().to_string();
        let (loader, name, file, inputs) =
            (self.loader.clone(), self.name.clone(), self.path.clone(), inputs.clone());
        let loaded = task::spawn_blocking(move || {
            let loaded = loader.load(&path)?;
            load::fits(&path, loaded.predictor.inputs(), &inputs)?;
            let card = card::of_model(&name, &file, &loaded);
            let predictor = Arc::new(loaded.predictor.named_as(&inputs));
            Ok::<_, Refusal>(Standing { predictor, card: Some(card) })
        });
        match loaded.await {
            Ok(Ok(standing)) if standing.predictor.version() == version => Ok(standing),
            Ok(Ok(_)) => Err(format!("{shown}, where it is kept, has another content")),
            Ok(Err(refusal)) => Err(format!("it is kept, but {refusal}")),
            Err(why) => Err(format!("{shown} cannot be loaded: {why}")),
        }
    }

    /// What a person can do about a version that was taken back.
    fn way_to_accept(&self, version: &Name) -> String {
        match self.versions.folder() {
            Some(folder) => format!(
                "it is not taken up again by itself; to have it serve all the same: model accept {version} --versions {}",
                folder.path().display()
            ),
            None => "it is not taken up again while this process runs, for there is no --versions that would know it longer"
                .to_owned(),
        }
    }
}
