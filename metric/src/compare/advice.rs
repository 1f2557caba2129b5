//! Two versions that predicted different rows: what can be said of them all the same, as advice.

use std::path::Path;

use evaluation::before_after::{Advice, BeforeAfter, FEWEST_NEW, FEWEST_OLD};
use evaluation::number::{Decimals, count, duration};
use evaluation::pairs::Finding;
use evaluation::report::{LagQuantile, Moment, VersionReport};

use crate::join::ModelId;
use crate::store::{Reader, Selection};

/// How many rows are read at once.
const PAGE: usize = 10_000;

/// What is said of two versions; the one that predicted first is the old one.
///
/// # Errors
/// One that has predicted nothing, or records that cannot be read.
pub(super) fn text(
    folder: &Path,
    versions: &[VersionReport],
    wanted: [&ModelId; 2],
    at: Moment,
) -> anyhow::Result<String> {
    let mut both = Vec::new();
    for id in wanted {
        let of_it = versions.iter().filter(|version| id.includes(&id_of(version)));
        let version = of_it.max_by_key(|version| version.last_predicted);
        both.push(version.ok_or_else(|| {
            anyhow::anyhow!("model {id} has predicted nothing; `metric status` shows all that have")
        })?);
    }
    both.sort_by_key(|version| version.first_predicted);
    let [old, new] = both[..] else { unreachable!("two were asked for") };
    let heading = format!("{} and {} have not predicted the same rows", new.name(), old.name());
    let Some(LagQuantile { ms, more: false }) = old.labels.lag_p90 else {
        return Ok(format!(
            "{heading}, and how late the labels of the second one come is not known well enough to say more.\n"
        ));
    };
    #[expect(clippy::cast_possible_truncation, reason = "a cast of a large float saturates")]
    let advice = read(folder, [old, new], ms.ceil() as i64, at)?;
    Ok(format!("{heading}, so this is advice: another time may have had other rows.\n{}", said(&advice)))
}

fn id_of(version: &VersionReport) -> ModelId {
    ModelId::recorded(version.model.as_deref(), version.version.as_deref())
}

fn read(folder: &Path, [old, new]: [&VersionReport; 2], maturity: i64, at: Moment) -> anyhow::Result<Advice> {
    let reader = Reader::open(folder)?;
    let mut all = BeforeAfter::new(maturity, at.0);
    for (version, is_new) in [(old, false), (new, true)] {
        let selection = Selection { since: None, model: Some(id_of(version)), until: None };
        let mut after = 0;
        while let Some((last, rows)) = reader.scored(after, PAGE, &selection)? {
            after = last;
            for row in &rows {
                let (predicted, labelled, error) =
                    (row.predicted_at.0, row.labelled_at.0, row.absolute_error());
                if is_new {
                    all.new_row(predicted, labelled, error);
                } else if new.first_predicted.is_none_or(|first| predicted < first.0) {
                    all.old_row(predicted, labelled, error);
                }
            }
        }
    }
    Ok(all.advice())
}

fn said(advice: &Advice) -> String {
    let plain = |mae: Option<f64>| mae.map_or_else(|| "-".to_owned(), |mae| Decimals::of(mae).plain(mae));
    let finding = match advice.finding {
        Finding::Better => "The first one seems better.",
        Finding::Worse => "The first one seems worse.",
        Finding::NotWorse | Finding::Undecided => "They cannot be told apart.",
    };
    let few = if advice.rows_old < FEWEST_OLD as u64 || advice.rows_new < FEWEST_NEW {
        format!(
            " It takes {} rows of the first one, and {} of the second before that began.",
            count(FEWEST_NEW),
            count(FEWEST_OLD as u64)
        )
    } else {
        String::new()
    };
    format!(
        "The first one's mean absolute error is {} over {} rows, the second one's before that was {} over {}; \
         only labels that came within {} count, and rows that are as old.\n{finding}{few}\n",
        plain(advice.mae_new),
        count(advice.rows_new),
        plain(advice.mae_old),
        count(advice.rows_old),
        duration(advice.maturity)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_says_what_it_is_of() {
        let advice = Advice {
            rows_new: 1200,
            rows_old: 10_000,
            mae_new: Some(51.25),
            mae_old: Some(42.9),
            maturity: 90_000,
            finding: Finding::Worse,
        };
        assert_eq!(
            said(&advice),
            "The first one's mean absolute error is 51.2 over 1200 rows, the second one's before that was 42.9 over 10\u{202f}000; \
             only labels that came within 1.5 min count, and rows that are as old.\nThe first one seems worse.\n"
        );
        let few = said(&Advice { rows_old: 10, mae_new: None, finding: Finding::Undecided, ..advice });
        assert!(
            few.contains("error is - over") && few.contains("They cannot be told apart. It takes 50 rows"),
            "{few}"
        );
    }
}
