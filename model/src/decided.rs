//! What `metric` decides of versions, on its way to whoever keeps the model that serves, and what follows from it.

use shared::control::{Control, Decision, DecisionState};
use shared::message::Name;
use shared::transport::SideReceiver;
use tokio::sync::mpsc;
use tracing::{debug, warn};

/// Hears for ever, or until the receiver cannot take.
pub(crate) async fn hear(mut control: SideReceiver, model: Name, keeper: mpsc::Sender<Decision>) {
    let mut told = false;
    loop {
        let delivery = match control.take().await {
            Ok(delivery) => delivery,
            // Whoever takes rows says why.
            Err(why) => return debug!("no more decisions are heard: {why}"),
        };
        let read = match delivery.finding() {
            Some(rejection) => Err(rejection.detail),
            None => Control::read(delivery.body()),
        };
        delivery.ack().await;
        match read {
            Ok(Control { decisions }) => {
                told = false;
                for decision in decisions.into_iter().filter(|decision| decision.model == model) {
                    // What finds no room is said again in some seconds.
                    _ = keeper.try_send(decision);
                }
            }
            Err(why) if !std::mem::replace(&mut told, true) => {
                warn!("ignored what was said of versions by way of control: {why}");
            }
            Err(_) => {}
        }
    }
}

/// What follows from a decision for a model that serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consequence {
    /// It is of another version, or nothing is decided yet.
    Nothing,
    /// The version before need not predict any more.
    EndShadow,
    /// The version before is to serve again.
    TakeBack,
}

impl Consequence {
    /// Of this decision, where this version serves and that one is in its shadow. What a person has accepted is not taken back.
    pub(crate) fn of(decision: &Decision, serving: &Name, shadow: Option<&Name>, is_accepted: bool) -> Self {
        if decision.version != *serving {
            return Self::Nothing;
        }
        match decision.state {
            DecisionState::Watching => Self::Nothing,
            DecisionState::Worse if decision.act && !is_accepted => Self::TakeBack,
            // What was decided when it took the place of another one says nothing of this one.
            _ if shadow != Some(&decision.before) => Self::Nothing,
            DecisionState::Worse | DecisionState::Cleared | DecisionState::Undecided => Self::EndShadow,
        }
    }
}

/// Why the version before need not predict any more, for people.
pub(crate) fn reason(Decision { state, act, rows, version, .. }: &Decision) -> String {
    match state {
        DecisionState::Worse if *act => {
            format!("{version} is worse over {rows} rows with a label, and was accepted by a person")
        }
        DecisionState::Worse => {
            format!("{version} is worse over {rows} rows with a label; a person decides what follows")
        }
        DecisionState::Cleared => format!("{version} is not worse over {rows} rows with a label"),
        DecisionState::Watching | DecisionState::Undecided => {
            format!("{rows} rows with a label do not tell which of the two is better")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_decided_of_the_version_that_serves_has_consequences() {
        let name = |text: &str| Name::parse(text).unwrap();
        let (new, other) = (name("new"), name("other"));
        use Consequence::{EndShadow, Nothing, TakeBack};
        use DecisionState::{Cleared, Undecided, Watching, Worse};
        let old = name("old");
        for (state, act, serving, shadow, is_accepted, want) in [
            (Worse, true, &new, Some(&old), false, TakeBack),
            (Worse, true, &new, None, false, TakeBack),
            (Worse, true, &new, Some(&old), true, EndShadow),
            (Worse, true, &other, Some(&old), false, Nothing),
            (Worse, false, &new, Some(&old), false, EndShadow),
            (Worse, false, &new, Some(&other), false, Nothing),
            (Cleared, true, &new, Some(&old), false, EndShadow),
            (Cleared, true, &new, Some(&other), false, Nothing),
            (Cleared, true, &new, None, false, Nothing),
            (Undecided, false, &new, Some(&old), false, EndShadow),
            (Undecided, false, &new, Some(&other), false, Nothing),
            (Cleared, false, &other, Some(&old), false, Nothing),
            (Watching, true, &new, Some(&old), false, Nothing),
        ] {
            let (model, version, before) = (name("model"), new.clone(), old.clone());
            let decision = Decision { model, version, before, state, act, rows: 58, difference: Some(1.0) };
            let case = format!("{state:?} {act} {serving} {shadow:?} {is_accepted}");
            assert_eq!(Consequence::of(&decision, serving, shadow, is_accepted), want, "{case}");
        }
    }
}
