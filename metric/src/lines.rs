//! The lines of the two files. Numbers are written in the shortest form that reads back to the same bits, times as
//! they were recorded: the same event gives the same line, whenever it is written.

mod written;

use std::fmt::Write as _;

use shared::clock::Timestamp;
use shared::message::{Name, Role, RowId};

use crate::join::{ModelId, Scored};
use written::{Written, push};

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

/// Writes lines. Times cost much of one, and most are the one before, or have its second: so that is remembered. So are the
/// numbers of messages, which come again in the rows that they make complete.
#[derive(Debug, Default)]
pub struct LineWriter {
    received: Time,
    predicted: Time,
    labelled: Time,
    written: Written,
}

impl LineWriter {
    /// For the lines of about as many messages, and of the rows that are complete with them.
    #[must_use]
    pub fn for_messages(count: usize) -> Self {
        Self { written: Written::with_places_for(count), ..Self::default() }
    }

    /// Adds the line of `labels_log.txt`: time, queue, id, value, and for a prediction model@version.
    pub fn event(&mut self, text: &mut String, event: Event<'_>) {
        let Event { received, id, model, value } = event;
        self.received.push(text, received);
        let role = if model.is_some() { Role::Prediction } else { Role::Label };
        let mut room = [0; 36];
        text.extend([" ", role.name(), " ", id.map_or("-", |id| id.text(&mut room)), " "]);
        self.written.write(text, value);
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
        for number in [*y_true, *y_pred] {
            text.push(',');
            self.written.write_again(text, number);
        }
        text.push(',');
        push(text, row.absolute_error());
        for name in [&model.name, &model.version] {
            text.push(',');
            text.push_str(name.as_ref().map_or("", Name::as_str));
        }
        text.push(',');
        self.predicted.push(text, *predicted_at);
        text.push(',');
        self.labelled.push(text, *labelled_at);
        // Writing to a String cannot fail.
        _ = writeln!(text, ",{}", row.label_lag_ms());
    }
}

/// The text of the time that was written last.
#[derive(Debug, Default)]
struct Time {
    time: Option<Timestamp>,
    text: String,
}

impl Time {
    /// Adds a time, as `Display` shows it.
    fn push(&mut self, text: &mut String, time: Timestamp) {
        if self.time != Some(time) {
            self.make(time);
        }
        text.push_str(&self.text);
    }

    fn make(&mut self, time: Timestamp) {
        // What is beyond what can be shown is shown as the end of that.
        let second =
            |time: Timestamp| (time.0 >= 0 && time <= Timestamp::LAST).then(|| time.0.div_euclid(1000));
        let before = self.time.replace(time).and_then(second);
        if before.is_none() || before != second(time) {
            self.text.clear();
            // Writing to a String cannot fail.
            _ = write!(self.text, "{time}");
            return;
        }
        self.text.truncate("2026-11-20T17:04:05.".len());
        let millis = time.0.rem_euclid(1000);
        for digit in [millis / 100, millis / 10 % 10, millis % 10] {
            self.text.push(char::from(b'0' + u8::try_from(digit).unwrap_or(0)));
        }
        self.text.push('Z');
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
        let model =
            ModelId { name: Some(name("model")), version: Some(name("3fa9c1d2e4b5")), ..ModelId::default() };
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
            model: std::sync::Arc::new(ModelId {
                name: Some(name("model")),
                version: None,
                ..ModelId::default()
            }),
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
        let mut last = Time::default();
        for time in [
            0,
            999,
            999,
            1000,
            1_795_194_245_123,
            1_795_194_245_007,
            1_795_194_246_007,
            -1,
            -2,
            i64::MIN,
            5,
            i64::MAX,
            Timestamp::LAST.0,
            Timestamp::LAST.0 - 7,
            Timestamp::LAST.0 + 1,
        ] {
            let mut text = String::new();
            last.push(&mut text, Timestamp(time));
            assert_eq!(text, Timestamp(time).to_string());
        }
    }

    #[test]
    fn a_row_has_the_numbers_of_its_messages() {
        let id = RowId::parse("a").unwrap();
        let model = ModelId::default();
        let (y_true, y_pred) = (206.116_706_978_709_3, 1.0 / 3.0);
        let row = Scored {
            id: id.clone(),
            prediction: None,
            y_true,
            y_pred,
            model: std::sync::Arc::new(model.clone()),
            number: 0,
            predicted_at: AT,
            labelled_at: AT,
        };
        let alone = {
            let mut text = String::new();
            LineWriter::default().scored(&mut text, &row);
            text
        };
        let mut lines = LineWriter::for_messages(2);
        let (mut labels, mut text) = (String::new(), String::new());
        let label = Event { received: AT, id: Some(&id), model: None, value: y_true };
        lines.event(&mut labels, label);
        lines.event(&mut labels, Event { model: Some(&model), value: y_pred, ..label });
        lines.scored(&mut text, &row);
        assert_eq!(text, alone);
        // Numbers that came before: in lines of other messages, or never.
        text.clear();
        lines.scored(&mut text, &Scored { y_true: 0.1, y_pred: y_true, ..row.clone() });
        assert!(text.starts_with(&format!("a,0.1,{y_true},{},,,2026", y_true - 0.1)), "{text}");
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
