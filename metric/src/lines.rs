//! The lines of the two files. Numbers are written in the shortest form that reads back to the same bits.

use std::fmt::{Display, Write as _};

use shared::clock::Timestamp;
use shared::message::{Label, Name, Prediction, Queue, RowId};

use crate::join::Scored;

/// The first line of `metric_log.csv`: the exercise's four columns, then ours.
pub const METRIC_HEADER: &str =
    "id,y_true,y_pred,absolute_error,model,model_version,predicted_at,labelled_at,label_lag_ms\n";

/// Adds a label's line of `labels_log.txt`: time, queue, id, value.
pub fn label(text: &mut String, at: Timestamp, label: &Label) {
    let id = or_dash(label.key.id());
    line(text, format_args!("{at} {} {id} {}\n", Queue::Label.name(), label.value));
}

/// Adds a prediction's line of `labels_log.txt`: time, queue, id, value, model@version.
pub fn prediction(text: &mut String, at: Timestamp, prediction: &Prediction) {
    let Prediction { value, model, model_version, .. } = prediction;
    let id = or_dash(prediction.key.id());
    let model = model_at_version(model.as_ref(), model_version.as_ref());
    line(text, format_args!("{at} {} {id} {value} {model}\n", Queue::Prediction.name()));
}

/// Adds a row of `metric_log.csv`. No cell can hold a comma, a quote or a formula: numbers, times and names of
/// letters, digits, `_`, `.` and `-` only.
pub fn scored(text: &mut String, row: &Scored) {
    let Scored { id, label, prediction } = row;
    let model = prediction.model.as_ref().map_or("", Name::as_str);
    let version = prediction.version.as_ref().map_or("", Name::as_str);
    line(
        text,
        format_args!(
            "{id},{},{},{},{model},{version},{},{},{}\n",
            label.value,
            prediction.value,
            row.absolute_error(),
            prediction.at,
            label.at,
            row.label_lag_ms()
        ),
    );
}

/// `model@version`, with a dash for what was not said.
#[must_use]
pub fn model_at_version(model: Option<&Name>, version: Option<&Name>) -> String {
    format!("{}@{}", model.map_or("-", Name::as_str), version.map_or("-", Name::as_str))
}

fn or_dash(id: Option<&RowId>) -> &str {
    id.map_or("-", RowId::as_str)
}

fn line(text: &mut String, line: impl Display) {
    // Writing to a String cannot fail.
    _ = write!(text, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::join::{LabelHalf, PredictionHalf};
    use shared::message::Key;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    #[test]
    fn lines_are_as_documented() {
        let at = Timestamp(1_795_194_245_123);
        let key = Key::Property(name("0193"));
        let mut text = String::new();
        label(&mut text, at, &Label { key: key.clone(), value: 151.0, published_at: None });
        let mut predicted = Prediction {
            key,
            value: 206.116_706_978_709_3,
            model: Some(name("model")),
            model_version: Some(name("3fa9c1d2e4b5")),
            published_at: None,
            features_published_at: None,
        };
        prediction(&mut text, at, &predicted);
        predicted = Prediction { key: Key::Anonymous, model: None, model_version: None, ..predicted };
        prediction(&mut text, at, &predicted);
        assert_eq!(
            text,
            "2026-11-20T17:04:05.123Z y_true 0193 151\n\
             2026-11-20T17:04:05.123Z y_predict 0193 206.1167069787093 model@3fa9c1d2e4b5\n\
             2026-11-20T17:04:05.123Z y_predict - 206.1167069787093 -@-\n"
        );
    }

    #[test]
    fn a_row_has_a_cell_for_each_column() {
        let row = Scored {
            id: name("0193"),
            label: LabelHalf { value: 0.1 + 0.2, at: Timestamp(1_000) },
            prediction: PredictionHalf {
                value: -1e-7,
                at: Timestamp(2_500),
                model: Some(name("model")),
                version: None,
            },
        };
        let mut text = String::new();
        scored(&mut text, &row);
        assert_eq!(
            text,
            "0193,0.30000000000000004,-0.0000001,0.30000010000000005,model,,1970-01-01T00:00:02.500Z,\
             1970-01-01T00:00:01.000Z,-1500\n"
        );
        assert_eq!(text.matches(',').count(), METRIC_HEADER.matches(',').count());
    }

    #[test]
    fn numbers_read_back_to_the_same_bits() {
        for value in [f64::MAX, 5e-324, -0.0, 1e21, 1.0 / 3.0, 9_007_199_254_740_993.0] {
            let mut text = String::new();
            label(&mut text, Timestamp(0), &Label { key: Key::Anonymous, value, published_at: None });
            let written = text.trim_end().rsplit(' ').next().unwrap();
            assert_eq!(written.parse::<f64>().unwrap().to_bits(), value.to_bits(), "{written}");
        }
    }
}
