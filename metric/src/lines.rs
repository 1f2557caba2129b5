//! The lines of the two files. Numbers are written in the shortest form that reads back to the same bits, times as
//! they were recorded: the same event gives the same line, whenever it is written.

use std::fmt::{Display, Write as _};

use shared::clock::Timestamp;
use shared::message::{Name, Role, RowId};

use crate::join::{ModelId, Scored};

/// The first line of `metric_log.csv`: the exercise's four columns, then ours.
pub const METRIC_HEADER: &str =
    "id,y_true,y_pred,absolute_error,model,model_version,predicted_at,labelled_at,label_lag_ms\n";

/// A label or a prediction as it was taken in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event<'a> {
    /// When it was received.
    pub received: Timestamp,
    /// Its row, if it said.
    pub id: Option<&'a RowId>,
    /// Who predicted; none where it is a label.
    pub model: Option<&'a ModelId>,
    /// The label or the prediction.
    pub value: f64,
}

/// Writes lines. Times cost the most of one, and most have the second of the one before: so that is remembered.
#[derive(Debug, Default)]
pub struct LineWriter {
    received: Second,
    predicted: Second,
    labelled: Second,
}

impl LineWriter {
    /// Adds the line of `labels_log.txt`: time, queue, id, value, and for a prediction model@version.
    pub fn event(&mut self, text: &mut String, event: Event<'_>) {
        let Event { received, id, model, value } = event;
        self.received.push(text, received);
        let role = if model.is_some() { Role::Prediction } else { Role::Label };
        let mut room = [0; 36];
        text.extend([" ", role.name(), " ", id.map_or("-", |id| id.text(&mut room)), " "]);
        push(text, value);
        if let Some(model) = model {
            text.push(' ');
            model.push_tag(text);
        }
        text.push('\n');
    }

    /// Adds a row of `metric_log.csv`. No cell can hold a comma, a quote, a blank or a formula: there are only numbers, times,
    /// ids and names (see [`RowId`] and [`Name`]).
    pub fn scored(&mut self, text: &mut String, row: &Scored) {
        let Scored { id, y_true, y_pred, model, predicted_at, labelled_at, .. } = row;
        text.push_str(id.text(&mut [0; 36]));
        for number in [*y_true, *y_pred, row.absolute_error()] {
            text.push(',');
            push(text, number);
        }
        for name in [&model.name, &model.version] {
            text.push(',');
            text.push_str(name.as_ref().map_or("", Name::as_str));
        }
        text.push(',');
        self.predicted.push(text, *predicted_at);
        text.push(',');
        self.labelled.push(text, *labelled_at);
        text.push(',');
        push(text, row.label_lag_ms());
        text.push('\n');
    }
}

fn push(text: &mut String, number: impl Display) {
    // Writing to a String cannot fail.
    _ = write!(text, "{number}");
}

/// The text of a time up to its seconds.
#[derive(Debug, Default)]
struct Second {
    second: i64,
    text: String,
}

impl Second {
    /// Adds a time, as `Display` shows it.
    fn push(&mut self, text: &mut String, time: Timestamp) {
        let (second, millis) = (time.0.div_euclid(1000), time.0.rem_euclid(1000));
        // What is beyond what can be shown is shown as the end of that.
        if time.0 < 0 || time > Timestamp::LAST {
            return push(text, time);
        }
        if self.text.is_empty() || self.second != second {
            self.second = second;
            self.text.clear();
            push(&mut self.text, Timestamp(second * 1000));
            self.text.truncate("2026-11-20T17:04:05.".len());
        }
        text.push_str(&self.text);
        for digit in [millis / 100, millis / 10 % 10, millis % 10] {
            text.push(char::from(b'0' + u8::try_from(digit).unwrap_or(0)));
        }
        text.push('Z');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    const AT: Timestamp = Timestamp(1_795_194_245_123);

    #[test]
    fn lines_are_as_documented() {
        let id = RowId::parse("order:17").unwrap();
        let label = Event { received: AT, id: Some(&id), model: None, value: 151.0 };
        let model = ModelId { name: Some(name("model")), version: Some(name("3fa9c1d2e4b5")) };
        let predicted = Event { model: Some(&model), value: 206.116_706_978_709_3, ..label };
        let mut text = String::new();
        let mut lines = LineWriter::default();
        lines.event(&mut text, label);
        lines.event(&mut text, predicted);
        lines.event(&mut text, Event { id: None, model: Some(&ModelId::default()), ..predicted });
        assert_eq!(
            text,
            "2026-11-20T17:04:05.123Z y_true order:17 151\n\
             2026-11-20T17:04:05.123Z y_predict order:17 206.1167069787093 model@3fa9c1d2e4b5\n\
             2026-11-20T17:04:05.123Z y_predict - 206.1167069787093 -@-\n"
        );
    }

    #[test]
    fn a_row_has_a_cell_for_each_column() {
        let row = Scored {
            id: RowId::parse("urn:a/b@c;d=-2").unwrap(),
            prediction: None,
            y_true: 0.1 + 0.2,
            y_pred: -1e-7,
            model: std::sync::Arc::new(ModelId { name: Some(name("model")), version: None }),
            number: 0,
            predicted_at: Timestamp(2_500),
            labelled_at: Timestamp(1_000),
        };
        let mut text = String::new();
        LineWriter::default().scored(&mut text, &row);
        assert_eq!(
            text,
            "urn:a/b@c;d=-2,0.30000000000000004,-0.0000001,0.30000010000000005,model,,1970-01-01T00:00:02.500Z,\
             1970-01-01T00:00:01.000Z,-1500\n"
        );
        assert_eq!(text.matches(',').count(), METRIC_HEADER.matches(',').count());
    }

    #[test]
    fn times_are_shown_as_everywhere() {
        let mut second = Second::default();
        for time in
            [0, 999, 1000, 1_795_194_245_123, 1_795_194_245_007, -1, i64::MIN, i64::MAX, Timestamp::LAST.0]
        {
            let mut text = String::new();
            second.push(&mut text, Timestamp(time));
            assert_eq!(text, Timestamp(time).to_string());
        }
    }

    #[test]
    fn numbers_read_back_to_the_same_bits() {
        for value in [f64::MAX, 5e-324, -0.0, 1e21, 1.0 / 3.0, 9_007_199_254_740_993.0] {
            let mut text = String::new();
            LineWriter::default().event(&mut text, Event { received: AT, id: None, model: None, value });
            let written = text.trim_end().rsplit(' ').next().unwrap();
            assert_eq!(written.parse::<f64>().unwrap().to_bits(), value.to_bits(), "{written}");
        }
    }
}
