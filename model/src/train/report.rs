//! What a person wants to know after training.

use std::fmt::Write as _;
use std::path::Path;

use shared::printable::piece;

use super::Trained;
use crate::command::table::{self, number};
use crate::file::{Holdout, ModelFile, Origin, Training};
use crate::standard::is_standard;

/// How many versions that predicted recorded rows are named.
const NAMED: usize = 5;

/// A table of the scores, and of the penalties that were tried, for people.
#[must_use]
pub fn report(trained: &Trained, path: &Path) -> String {
    let Trained { model, seen, unfitted, notes } = trained;
    let Training { algorithm, parameters, data, rows, cross_validation, .. } = &model.training;
    let parameters: String =
        parameters.iter().map(|(name, value)| format!(", {name} {}", number(*value))).collect();
    let scaled = if model.scaling.is_some() { ", standardised features" } else { "" };
    let origin = data.as_ref().and_then(|data| data.origin.as_ref());
    let data = data.as_ref().map_or("a table", |data| &data.file);
    let mut text: String = notes.iter().map(|note| format!("{data}: {note}\n")).collect();
    text += &origin.map_or(String::new(), |origin| format!("{data}: {}\n", recorded(origin)));
    text += &format!(
        "{algorithm}{parameters}{scaled}: {} features, label {}, trained on {} rows of {data}\n",
        model.features.len(),
        piece(&model.target),
        rows.unwrap_or_default(),
    );
    let mut scores = vec![vec!["".into(), "rows".into(), "MAE".into(), "RMSE".into(), "R2".into()]];
    let mut line = |what: &str, of: &Holdout| scores.push([vec![what.to_owned()], cells(of)].concat());
    line("rows it was fitted to", seen);
    if let Some(validation) = cross_validation
        && let Some(best) =
            validation.candidates.iter().min_by(|a, b| a.scores.rmse.total_cmp(&b.scores.rmse))
    {
        line(&format!("cross-validated, {} parts", validation.folds), &best.scores);
    }
    if let Some(holdout) = &model.holdout {
        line("rows held out", holdout);
    }
    text += &table::aligned(&scores);
    if model.holdout.is_none() {
        text += "no rows were held out, so the error on unseen rows is unknown\n";
    }
    text += &penalties(model);
    for (penalty, why) in unfitted {
        text += &format!("penalty {} was left out: {why}\n", number(*penalty));
    }
    if is_standard(path) { text } else { text + &format!("wrote {}\n", path.display()) }
}

/// Which recorded rows a model was trained from.
pub(crate) fn recorded(origin: &Origin) -> String {
    let Origin { predicted_from, predicted_to, held_out_from, predicted_by, encoded_as, half_life_s } =
        origin;
    let part = |part: &Option<String>| part.as_deref().map_or("-".to_owned(), piece);
    let by = predicted_by.iter().take(NAMED);
    let by = by.map(|by| format!("{}@{} ({})", part(&by.model), part(&by.version), by.rows));
    let more = if predicted_by.len() > NAMED { ", ..." } else { "" };
    let mut text = format!(
        "rows predicted from {} to {} by {}{more}, encoded as {} does",
        piece(predicted_from),
        piece(predicted_to),
        by.collect::<Vec<_>>().join(", "),
        piece(encoded_as)
    );
    if let Some(from) = held_out_from {
        text += &format!("; held out from {} on", piece(from));
    }
    if let Some(seconds) = half_life_s {
        text += &format!("; weights halve in {} s of age", number(*seconds));
    }
    text
}

/// The penalties that were tried, where there were several.
pub(crate) fn penalties(model: &ModelFile) -> String {
    let Some(validation) = &model.training.cross_validation else { return String::new() };
    let mut rows =
        vec![vec!["penalty".into(), "rows".into(), "MAE".into(), "RMSE".into(), "R2".into(), "".into()]];
    for candidate in &validation.candidates {
        let Some(penalty) = candidate.penalty else { continue };
        let chosen = model.training.parameters.get("penalty") == Some(&penalty);
        let mark = if chosen { "chosen" } else { "" };
        rows.push([vec![number(penalty)], cells(&candidate.scores), vec![mark.to_owned()]].concat());
    }
    let mut text = String::new();
    if rows.len() > 2 {
        _ = writeln!(text, "penalties tried, in {} parts:", validation.folds);
        text += &table::aligned(&rows);
    }
    text
}

/// The cells of scores: rows, MAE, RMSE, R2.
pub(crate) fn cells(scores: &Holdout) -> Vec<String> {
    let r2 = scores.r2.map_or("-".to_owned(), |r2| format!("{r2:.4}"));
    vec![scores.rows.to_string(), format!("{:.4}", scores.mae), format!("{:.4}", scores.rmse), r2]
}
