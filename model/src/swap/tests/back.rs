//! The version before beside the one that serves, and in its place again.

use shared::control::DecisionState;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::shadow::Shadow;
use crate::versions::{Folder as Kept, Record};

/// A keeper at work.
struct World {
    serving: Serving,
    shadow: watch::Receiver<Option<Arc<Shadow>>>,
    decisions: mpsc::Sender<Decision>,
    announcements: Announcements,
    keeping: JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.keeping.abort();
    }
}

impl Folder {
    fn kept(&self) -> Kept {
        Kept::at(&self.path("versions"))
    }

    fn start(&self, versions: Option<Kept>) -> World {
        let (keeper, serving) = self.keeper();
        let (keeper, shadow) = keeper.with_versions(Versions::new(versions)).with_shadow();
        let (decisions, announcements) = (keeper.decisions(), keeper.announcements());
        World { serving, shadow, decisions, announcements, keeping: tokio::spawn(keeper.keep()) }
    }
}

impl World {
    async fn serves(&mut self, bytes: &[u8]) {
        serves(&mut self.serving, bytes).await;
    }

    /// Waits until this version is the shadow of that one, or until there is none.
    async fn shadows(&mut self, wanted: Option<(&[u8], &[u8])>) {
        let wanted = wanted.map(|(before, serving)| (version(before), version(serving)));
        let is = |shadow: &Option<Arc<Shadow>>| {
            let now = shadow
                .as_ref()
                .map(|shadow| (shadow.predictor.version().to_string(), shadow.beside.to_string()));
            now == wanted
        };
        let waited = timeout(Duration::from_secs(30), self.shadow.wait_for(is)).await;
        assert!(waited.is_ok(), "{wanted:?} is not in the shadow");
    }

    /// Waits until its file is kept.
    async fn is_kept(&self, folder: &Folder, bytes: &[u8]) {
        remembers(folder, |record| {
            record.served().next().is_some_and(|last| last.version.as_str() == version(bytes))
        })
        .await;
    }

    async fn decide(&self, new: &[u8], before: &[u8], state: DecisionState, act: bool) {
        let [model, version, before] =
            ["model", &version(new), &version(before)].map(|name| Name::parse(name).unwrap());
        let decision = Decision { model, version, before, state, act, rows: 58, difference: Some(18.9) };
        self.decisions.send(decision).await.unwrap();
    }
}

/// Waits until the folder says so.
async fn remembers(folder: &Folder, is_so: impl Fn(&Record) -> bool) {
    let remembered = async {
        while !is_so(&folder.kept().read().unwrap()) {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(30), remembered).await.expect("it is not remembered");
}

#[tokio::test]
async fn the_version_before_goes_on_in_the_shadow_until_it_is_decided() {
    use DecisionState::{Cleared, Undecided, Watching, Worse};
    let folder = Folder::new();
    let models: Vec<Vec<u8>> = (0..6).map(|i| model(f64::from(i), 2)).collect();
    folder.rename_in(&models[0]);
    let mut world = folder.start(None);
    world.serves(&models[0]).await;
    for (number, state, act) in [(1, Cleared, true), (2, Undecided, false), (3, Worse, false)] {
        folder.rename_in(&models[number]);
        let (new, before) = (&*models[number], &*models[number - 1]);
        world.serves(new).await;
        world.shadows(Some((before, new))).await;
        // Neither of these speaks of it.
        world.decide(new, before, Watching, act).await;
        world.decide(before, new, state, act).await;
        world.decide(new, before, state, act).await;
        world.shadows(None).await;
        world.serves(new).await;
    }
    // A swap takes the shadow's place, too.
    for number in [4, 5] {
        folder.rename_in(&models[number]);
        world.shadows(Some((&models[number - 1], &models[number]))).await;
    }
}

#[tokio::test]
async fn a_version_that_is_worse_is_taken_back_and_not_taken_up_again_by_itself() {
    let folder = Folder::new();
    let [good, bad] = [1.0, 2.0].map(|intercept| model(intercept, 2));
    folder.rename_in(&good);
    let mut world = folder.start(None);
    world.serves(&good).await;
    folder.rename_in(&bad);
    world.shadows(Some((&good, &bad))).await;
    for _ in 0..2 {
        world.decide(&bad, &good, DecisionState::Worse, true).await;
        world.serves(&good).await;
    }
    world.shadows(None).await;
    let card = |world: &World| world.announcements.pending().last().unwrap().json.clone();
    let told: serde_json::Value = serde_json::from_str(&card(&world)).unwrap();
    assert_eq!((&told["version"], &told["taken_back"]), (&version(&good).into(), &version(&bad).into()));
}

#[tokio::test]
async fn a_file_that_was_taken_back_is_left_alone_however_it_comes() {
    let folder = Folder::new();
    let [good, bad, other] = [1.0, 2.0, 3.0].map(|intercept| model(intercept, 2));
    let (mut keeper, serving) = folder.keeper();
    let (name, now) = (|bytes: &[u8]| Name::parse(&version(bytes)).unwrap(), Timestamp::now());
    keeper.versions.record_mut().take_back(&name(&bad), now);
    for (bytes, serves, left) in
        [(&good, &good, None), (&bad, &good, Some(&bad)), (&other, &other, None), (&bad, &other, Some(&bad))]
    {
        folder.rename_in(bytes);
        keeper.look(Wake::Finished).await;
        assert_eq!(serving.borrow().as_ref().unwrap().version(), &name(serves));
        assert_eq!(keeper.left, left.map(|bytes| name(bytes)));
    }
    // Once it is accepted, the next look takes it up.
    keeper.notice_accepted();
    keeper.look(Wake::Clock).await;
    assert_eq!(serving.borrow().as_ref().unwrap().version(), &name(&other));
    keeper.versions.record_mut().accept(&name(&bad), now);
    keeper.notice_accepted();
    keeper.look(Wake::Clock).await;
    assert_eq!(serving.borrow().as_ref().unwrap().version(), &name(&bad));
}

#[tokio::test]
async fn what_was_taken_back_is_known_after_a_restart_until_a_person_accepts_it() {
    let folder = Folder::new();
    let [good, bad] = [1.0, 2.0].map(|intercept| model(intercept, 2));
    folder.rename_in(&good);
    let mut world = folder.start(Some(folder.kept()));
    world.serves(&good).await;
    folder.rename_in(&bad);
    world.shadows(Some((&good, &bad))).await;
    let bad_version = Name::parse(&version(&bad)).unwrap();
    remembers(&folder, |record| record.watched(&bad_version, Timestamp::now()).is_some()).await;
    drop(world);
    // The one before goes on after a restart.
    let mut world = folder.start(Some(folder.kept()));
    world.serves(&bad).await;
    world.shadows(Some((&good, &bad))).await;
    world.decide(&bad, &good, DecisionState::Worse, true).await;
    world.serves(&good).await;
    remembers(&folder, |record| record.is_taken_back(&bad_version)).await;
    drop(world);
    let mut world = folder.start(Some(folder.kept()));
    world.serves(&good).await;
    world.shadows(None).await;
    assert_eq!(fs::read(folder.path("model.json")).unwrap(), bad, "the file is left alone");
    folder.kept().accept(&bad_version, Timestamp::now()).unwrap();
    world.serves(&bad).await;
    world.shadows(Some((&good, &bad))).await;
    world.decide(&bad, &good, DecisionState::Worse, true).await;
    world.shadows(None).await;
    world.serves(&bad).await;
}

/// The file came while no model ran, as with a new container.
#[tokio::test]
async fn a_start_with_another_file_is_a_swap_where_versions_are_kept() {
    let folder = Folder::new();
    let models: Vec<Vec<u8>> = (0..3).map(|i| model(f64::from(i), 2)).collect();
    for (number, bytes) in models.iter().enumerate() {
        folder.rename_in(bytes);
        let mut world = folder.start(Some(folder.kept()));
        world.serves(bytes).await;
        world.shadows(number.checked_sub(1).map(|before| (&*models[before], &**bytes))).await;
        world.is_kept(&folder, bytes).await;
    }
    // One of other features has no rows in common.
    let wider = model(9.0, 3);
    folder.rename_in(&wider);
    let mut world = folder.start(Some(folder.kept()));
    world.serves(&wider).await;
    world.is_kept(&folder, &wider).await;
    world.shadows(None).await;
}

#[tokio::test]
async fn a_version_whose_former_one_is_not_kept_keeps_serving() {
    let folder = Folder::new();
    let [good, bad, next] = [1.0, 2.0, 3.0].map(|intercept| model(intercept, 2));
    folder.rename_in(&bad);
    let mut world = folder.start(None);
    world.serves(&bad).await;
    world.decide(&bad, &good, DecisionState::Worse, true).await;
    folder.rename_in(&next);
    // It was heard before, and changed nothing.
    world.shadows(Some((&bad, &next))).await;
}
