//! What is said of a version because of a swap: that it errs more than the one before, or that it serves again in place of one that did.

use super::Judgement;
use crate::identity::Identity;
use crate::number::{Decimals, count, duration};
use crate::pairs::Finding;
use crate::report::{ComparisonReport, State, VersionReport};

/// For so long, in milliseconds, a swap that was taken back is the first thing that is told.
const NEWS: i64 = 86_400_000;

/// What swaps say of this version, if they say anything that somebody has to do something about.
pub(super) fn judge(
    now: i64,
    version: &VersionReport,
    comparisons: &[ComparisonReport],
) -> Option<Judgement> {
    let is = |one: &Identity| one.name() == version.name();
    let worse = |of: &&ComparisonReport| of.is_swap && of.finding == Finding::Worse;
    let swaps = || comparisons.iter().filter(worse).filter_map(|of| Some((of, of.decided?)));
    let more = |difference: f64| Decimals::of(difference).plain(difference);
    if let Some((swap, decided)) = swaps().find(|(swap, _)| is(&swap.new)) {
        let sentence = format!(
            "{} errs {} more than the version before, {}, on the same {} rows.",
            version.name(),
            more(decided.difference),
            swap.old.name(),
            count(decided.rows)
        );
        let advice = "Put the file of the version before in its place again. With --rollback act, metric has \
                      every model do that by itself.";
        return Some(Judgement::of(State::Look, sentence, advice));
    }
    // It predicts again since the other one was found worse.
    let back = swaps().find(|(swap, decided)| {
        let again = version.last_predicted.is_some_and(|last| last > decided.at);
        is(&swap.old) && again && now.saturating_sub(decided.at.0) < NEWS
    });
    let (swap, decided) = back?;
    let sentence = format!(
        "The new version {} erred {} more than the one before on the same {} rows. The old one serves again, since about {} ago.",
        swap.new.name(),
        more(decided.difference),
        count(decided.rows),
        duration(now.saturating_sub(decided.at.0).max(0))
    );
    let advice = "Find out what is wrong with the new file before you put it there again:";
    let command = Some("model check new.json --serving data/model.json".to_owned());
    Some(Judgement { command, ..Judgement::of(State::RolledBack, sentence, advice) })
}
