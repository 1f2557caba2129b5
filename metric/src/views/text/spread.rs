//! How features are spread, and where errors are larger, as tables.

use evaluation::number::{Decimals, count, duration, percent};
use evaluation::report::{Moment, ReferenceKind, SliceReport, SpreadReport, VersionReport};

use super::indented;
use crate::status::{aligned, columns};

/// So many features are shown, those that have moved most. JSON has all of them.
const FEATURES: usize = 10;

pub(super) fn drift(now: Moment, version: &VersionReport) -> String {
    let spreads = version.drift.features.iter().take(FEATURES).chain(&version.drift.prediction);
    let mut rows: Vec<Vec<String>> = vec![
        ["", "PSI", "noise up to", "shift", "out of range", "compared with", ""].map(str::to_owned).into(),
    ];
    for spread in spreads {
        rows.push(spread_row(now, spread));
    }
    let mut text = indented(&columns(&rows, |column| (1..6).contains(&column)));
    let more = version.drift.features.len().saturating_sub(FEATURES);
    if more > 0 {
        text += &format!("  {more} more features have moved less.\n");
    }
    text
}

fn spread_row(now: Moment, spread: &SpreadReport) -> Vec<String> {
    let compared = match spread.reference {
        ReferenceKind::ModelFile => "model file",
        ReferenceKind::FirstRows => "first rows",
    };
    let words = match (spread.rows_wanted, spread.drifts_since, spread.stuck_since) {
        (Some(wanted), ..) => format!("{} of {} rows", count(spread.rows), count(wanted)),
        (None, Some(since), _) => {
            format!(
                "DRIFTS, for {}: {}",
                duration(now.0 - since.0),
                spread.words.as_deref().unwrap_or_default()
            )
        }
        (None, None, Some(since)) => format!(
            "STUCK, for {}: one value in {} of the rows",
            duration(now.0 - since.0),
            percent(spread.commonest.unwrap_or(0.0))
        ),
        _ => "as before, within noise".to_owned(),
    };
    let psi = |of: Option<f64>| of.map_or_else(|| "-".to_owned(), |psi| Decimals::fixed(2).plain(psi));
    vec![
        spread.name.clone(),
        psi(spread.psi),
        psi(spread.psi_noise),
        spread.shift_sd.map_or_else(|| "-".to_owned(), |sd| format!("{} sd", Decimals::fixed(1).signed(sd))),
        spread.out_of_range.map_or_else(|| "-".to_owned(), percent),
        compared.to_owned(),
        words,
    ]
}

pub(super) fn slices(worst: &[SliceReport]) -> String {
    let mut rows: Vec<Vec<String>> = vec![
        ["rows where", "rows", "mean absolute error", "elsewhere", "bias", "by chance"]
            .map(str::to_owned)
            .into(),
    ];
    for slice in worst {
        let plain = |number: f64| Decimals::of(number).plain(number);
        let range = match (slice.from, slice.to) {
            (Some(from), Some(to)) => format!("{} <= {} < {}", plain(from), slice.feature, plain(to)),
            (Some(from), None) => format!("{} >= {}", slice.feature, plain(from)),
            (None, Some(to)) => format!("{} < {}", slice.feature, plain(to)),
            (None, None) => format!("{} is not known", slice.feature),
        };
        rows.push(vec![
            range,
            count(slice.rows),
            plain(slice.mae),
            plain(slice.mae_of_the_rest),
            Decimals::of(slice.bias).signed(slice.bias),
            percent(slice.chance),
        ]);
    }
    indented(&aligned(&rows))
}
