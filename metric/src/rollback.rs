//! What is decided of versions that took the place of others, told to every `model`. It is repeated: a model that has just started, or
//! was cut off, hears it too, and whoever hears it twice has nothing more to do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use evaluation::number::{Decimals, count};
use evaluation::pairs::Finding;
use evaluation::report::{ComparisonReport, Moment, Report};
use shared::control::{Control, Decision, DecisionState};
use shared::message::Name;
use shared::transport::{Publisher, Sent};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::APP;
use crate::evaluator::Evaluated;

/// How often what stands is told again.
const AGAIN: Duration = Duration::from_secs(10);

/// For so long a decision is acted on, in milliseconds: a day, as long as the verdict speaks of it.
const ACTED_ON: i64 = 86_400_000;

/// What follows from a version that errs more than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Rollback {
    /// Nothing: the two are compared, and no model is told of it.
    Off,
    /// It is said, and a person decides. The models are told when the comparison is over.
    #[default]
    Advise,
    /// Every model is told to serve the version before again.
    Act,
}

/// A swap: model, new version and the one before.
type Swap = (Name, Name, Name);

/// What stands, of each swap: what was decided first, the last one first.
pub(crate) fn standing(report: &Report, rollback: Rollback) -> Control {
    if rollback == Rollback::Off {
        return Control::default();
    }
    let mut decisions: Vec<Decision> = report
        .comparisons
        .iter()
        .filter(|comparison| comparison.is_swap)
        .filter_map(|comparison| decision(comparison, acts(comparison, report.at, rollback)))
        .collect();
    decisions.sort_by_key(|decision| decision.state != DecisionState::Worse);
    Control { decisions }
}

/// Whether every model is to go back. Not by what was decided long ago: whoever lets the models act from today on may have kept a
/// version on purpose, and a model that was told remembers it.
fn acts(comparison: &ComparisonReport, now: Moment, rollback: Rollback) -> bool {
    let is_late = |decided: Moment| now.0.saturating_sub(decided.0) >= ACTED_ON;
    rollback == Rollback::Act && !comparison.decided.is_some_and(|decided| is_late(decided.at))
}

fn decision(comparison: &ComparisonReport, act: bool) -> Option<Decision> {
    let name = |text: &Option<String>| Name::recorded(text.as_deref()?).ok();
    let state = match (comparison.decided, comparison.finding) {
        (None, _) => DecisionState::Watching,
        (_, Finding::Worse) => DecisionState::Worse,
        (_, Finding::Better | Finding::NotWorse) => DecisionState::Cleared,
        (_, Finding::Undecided) => DecisionState::Undecided,
    };
    Some(Decision {
        model: name(&comparison.new.model)?,
        version: name(&comparison.new.version)?,
        before: name(&comparison.old.version)?,
        state,
        act,
        rows: comparison.decided.map_or(comparison.rows, |decided| decided.rows),
        difference: comparison.decided.map_or(comparison.difference, |decided| Some(decided.difference)),
    })
}

/// The line of a decision, and whether somebody has to do something.
fn line(decision: &Decision) -> (String, bool) {
    let Decision { model, version, before, state, act, rows, difference } = decision;
    let more = difference.map(|difference| Decimals::of(difference).plain(difference)).unwrap_or_default();
    let rows = count(*rows);
    match state {
        DecisionState::Watching => {
            (format!("{model}@{version} is compared with {before}, which it took the place of"), false)
        }
        DecisionState::Worse if *act => (
            format!(
                "{model}@{version} errs {more} more than {before} on the same {rows} rows: every model is told to serve {before} again"
            ),
            true,
        ),
        DecisionState::Worse => (
            format!(
                "{model}@{version} errs {more} more than {before} on the same {rows} rows: put the file of {before} in its place again"
            ),
            true,
        ),
        DecisionState::Cleared => (
            format!("{model}@{version} is not worse than {before}, by {rows} rows that both predicted"),
            false,
        ),
        DecisionState::Undecided => (
            format!(
                "{model}@{version} and {before} could not be told apart by {rows} rows that both predicted"
            ),
            false,
        ),
    }
}

/// Says and tells what stands, until nothing more is evaluated. `cards` hears of each card: a model may have started.
pub(crate) async fn tell(publisher: Publisher, evaluated: Evaluated, rollback: Rollback, cards: Arc<Notify>) {
    let mut changes = evaluated.changes();
    changes.mark_changed();
    let mut again = interval(AGAIN);
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut known: BTreeMap<Swap, DecisionState> = BTreeMap::new();
    let mut is_unheard = false;
    loop {
        let is_change = tokio::select! {
            changed = changes.changed() => match changed {
                Ok(()) => true,
                Err(_) => return,
            },
            _ = again.tick() => false,
            () = cards.notified() => false,
        };
        let report = changes.borrow_and_update().clone();
        let Some(report) = report else { continue };
        let control = standing(&report, rollback);
        let news = note(&control, &mut known);
        for decision in &news {
            match line(decision) {
                (line, true) => warn!("{line}"),
                (line, false) => info!("{line}"),
            }
        }
        if control.decisions.is_empty() || (is_change && news.is_empty()) {
            continue;
        }
        match publisher.send_control(APP, &control).await {
            Ok(Sent::Confirmed) => is_unheard = false,
            Ok(Sent::Not { why, .. }) => {
                if !std::mem::replace(&mut is_unheard, true) {
                    warn!("the models cannot be told what is decided of versions: {why}; it is tried again");
                }
            }
            Err(_) => return,
        }
    }
}

/// Remembers how swaps stand, and returns those that stand otherwise than before.
fn note<'a>(control: &'a Control, known: &mut BTreeMap<Swap, DecisionState>) -> Vec<&'a Decision> {
    let swap = |of: &Decision| (of.model.clone(), of.version.clone(), of.before.clone());
    let news = control.decisions.iter().filter(|of| known.get(&swap(of)) != Some(&of.state)).collect();
    *known = control.decisions.iter().map(|of| (swap(of), of.state)).collect();
    news
}

#[cfg(test)]
mod tests {
    use evaluation::identity::{Identity, ModelRole};
    use evaluation::report::{DecisionReport, Moment};

    use super::*;

    fn comparison(new: &str, finding: Finding, decided: bool) -> ComparisonReport {
        let candidate = |model: &str, version: &str, role| Identity {
            model: Some(model.into()),
            version: Some(version.into()),
            role,
        };
        ComparisonReport {
            new: candidate("m", new, ModelRole::Serving),
            old: candidate("m.shadow", "old", ModelRole::Shadow),
            is_swap: true,
            rows: 70,
            predicted: 90,
            mae_new: Some(3.0),
            mae_old: Some(2.0),
            difference: Some(1.0),
            share: Some(0.5),
            interval: None,
            finding,
            decided: decided.then_some(DecisionReport { at: Moment(5), rows: 58, difference: 18.94 }),
            labels_to_go: None,
            first: Moment(0),
            last: Moment(9),
            steps: Vec::new(),
        }
    }

    fn report(comparisons: Vec<ComparisonReport>) -> Report {
        let settings = evaluation::fold::Settings { window: 10, period: 1000, horizon: 1000, versions: 5 };
        let report = evaluation::fold::Evaluation::new(settings, Vec::new()).report(0, |_, _| true);
        Report { comparisons, ..report }
    }

    #[test]
    fn what_stands_follows_from_the_comparison() {
        for (finding, decided, state, words) in [
            (Finding::Worse, false, DecisionState::Watching, "is compared with"),
            (Finding::Worse, true, DecisionState::Worse, "errs 18.9 more than old on the same 58 rows"),
            (Finding::NotWorse, true, DecisionState::Cleared, "not worse than old, by 58 rows"),
            (Finding::Better, true, DecisionState::Cleared, "not worse than old"),
            (Finding::Undecided, true, DecisionState::Undecided, "could not be told apart"),
        ] {
            let report = report(vec![comparison("new", finding, decided)]);
            for (rollback, act) in [(Rollback::Advise, false), (Rollback::Act, true)] {
                let control = standing(&report, rollback);
                let [decision] = &control.decisions[..] else { panic!("{control:?}") };
                assert_eq!((decision.state, decision.act), (state, act));
                assert_eq!(
                    (decision.model.as_str(), decision.version.as_str(), decision.before.as_str()),
                    ("m", "new", "old")
                );
                let (line, is_grave) = line(decision);
                assert!(line.contains(words), "{line}");
                assert_eq!(is_grave, state == DecisionState::Worse);
                assert_eq!(line.contains("told to serve old again"), is_grave && act, "{line}");
            }
            assert!(standing(&report, Rollback::Off).decisions.is_empty());
        }
        let mut other = comparison("new", Finding::Worse, false);
        other.is_swap = false;
        assert!(standing(&report(vec![other]), Rollback::Act).decisions.is_empty());
    }

    #[test]
    fn what_was_decided_long_ago_is_not_acted_on() {
        for (age, act) in [(0, true), (ACTED_ON - 1, true), (ACTED_ON, false), (9 * ACTED_ON, false)] {
            let report =
                Report { at: Moment(5 + age), ..report(vec![comparison("new", Finding::Worse, true)]) };
            let control = standing(&report, Rollback::Act);
            assert_eq!(
                (control.decisions[0].state, control.decisions[0].act),
                (DecisionState::Worse, act),
                "{age}"
            );
        }
        let report =
            Report { at: Moment(9 * ACTED_ON), ..report(vec![comparison("new", Finding::Undecided, false)]) };
        assert!(standing(&report, Rollback::Act).decisions[0].act, "it is watched still");
    }

    #[test]
    fn what_is_worse_comes_first_and_news_are_said_once() {
        let watched = comparison("b", Finding::Undecided, false);
        let first = standing(&report(vec![watched.clone()]), Rollback::Act);
        let then = standing(&report(vec![watched, comparison("a", Finding::Worse, true)]), Rollback::Act);
        assert_eq!(then.decisions[0].version.as_str(), "a");
        let mut known = BTreeMap::new();
        let mut news = |control: &Control| {
            note(control, &mut known).iter().map(|of| of.version.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(news(&first), ["b"]);
        assert!(news(&first).is_empty());
        assert_eq!(news(&then), ["a"]);
        assert!(news(&then).is_empty());
    }
}
