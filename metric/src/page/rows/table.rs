//! The rows that a list shows, as CSV. Pure.

use std::fmt::Write as _;

use shared::clock::Timestamp;
use shared::message::Name;

use super::stage::Stage;
use crate::feature_columns::FeatureColumns;
use crate::store::{FoundPrediction, FoundRow};

const HEADER: &str = "id,state,model,model_version,predicted_at,y_pred,labelled_at,y_true,error";

/// A line for each prediction of each row, and one for a label without any. No cell can hold a comma, a quote, a blank or a
/// formula: there are only numbers, times, ids and names (see `RowId` and `Name`).
pub(super) fn csv<'a>(rows: impl Iterator<Item = &'a FoundRow> + Clone) -> String {
    let vectors = rows.clone().flat_map(|row| &row.predictions).filter_map(|(of, _)| of.vector.as_ref());
    let columns = FeatureColumns::numbered(vectors.map(|vector| vector.len()).max().unwrap_or(0));
    let mut text = HEADER.to_owned();
    columns.push_header(&mut text);
    text.push('\n');
    for row in rows {
        if row.predictions.is_empty() {
            line(&mut text, row, None, &columns);
        }
        for prediction in &row.predictions {
            line(&mut text, row, Some(prediction), &columns);
        }
    }
    text
}

fn line(
    text: &mut String,
    row: &FoundRow,
    prediction: Option<&(FoundPrediction, bool)>,
    columns: &FeatureColumns,
) {
    let stage = Stage::between(prediction, row.label);
    let label = row.label.filter(|_| !matches!(stage, Stage::Late));
    let prediction = prediction.map(|(prediction, _)| prediction);
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    let name = |name: Option<&Name>| name.map_or_else(String::new, |name| name.as_str().to_owned());
    let model = prediction.map(|prediction| &prediction.model);
    // Writing to a String cannot fail.
    _ = write!(
        text,
        "{},{},{},{},{},{},{},{},{}",
        row.id,
        stage.key(),
        name(model.and_then(|model| model.name.as_ref())),
        name(model.and_then(|model| model.version.as_ref())),
        time(prediction.map(|of| of.at)),
        number(prediction.map(|of| of.value)),
        time(label.map(|label| label.at)),
        number(label.map(|label| label.value)),
        number(prediction.zip(label).map(|(prediction, label)| prediction.value - label.value)),
    );
    columns.push_cells(text, prediction.and_then(|of| of.vector.as_deref()).unwrap_or_default());
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use shared::message::RowId;

    use super::*;
    use crate::join::ModelId;
    use crate::store::FoundLabel;

    #[test]
    fn each_prediction_has_a_line_with_what_it_was_made_from() {
        let prediction = |version: &str, value: f64, expired: Option<i64>, vector: &[f64]| FoundPrediction {
            number: 1,
            model: Arc::new(ModelId {
                name: Name::parse("m").ok(),
                version: Name::parse(version).ok(),
                ..ModelId::default()
            }),
            value,
            at: Timestamp(1_795_194_245_123),
            received: None,
            expired: expired.map(Timestamp),
            vector: (!vector.is_empty()).then(|| vector.into()),
        };
        let label =
            |value| FoundLabel { value, at: Timestamp(1_795_194_246_000), received: None, expired: None };
        let row = |id: &str, predictions: Vec<(FoundPrediction, bool)>, label| FoundRow {
            id: RowId::parse(id).unwrap(),
            predictions,
            label,
        };
        let rows = [
            row(
                "a",
                vec![
                    (prediction("1", 3.5, None, &[1.0, -0.5]), true),
                    (prediction("2", 2.0, None, &[]), true),
                ],
                Some(label(3.0)),
            ),
            row("b", vec![(prediction("1", 3.5, Some(9), &[1.0]), false)], Some(label(1.0))),
            row("c", vec![(prediction("1", 3.5, None, &[]), false)], None),
            row("d", Vec::new(), Some(label(1.0))),
        ];
        let predicted = "2026-11-20T17:04:05.123Z";
        let labelled = "2026-11-20T17:04:06.000Z";
        assert_eq!(
            csv(rows.iter()),
            format!(
                "{HEADER},feature_1,feature_2\n\
                 a,scored,m,1,{predicted},3.5,{labelled},3,0.5,1,-0.5\n\
                 a,scored,m,2,{predicted},2,{labelled},3,-1,,\n\
                 b,late,m,1,{predicted},3.5,,,,1,\n\
                 c,waiting,m,1,{predicted},3.5,,,,,\n\
                 d,label_waiting,,,,,{labelled},1,,,\n"
            )
        );
        assert_eq!(csv([].iter()), format!("{HEADER}\n"));
    }
}
