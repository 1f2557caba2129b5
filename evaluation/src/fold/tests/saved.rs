//! What was saved goes on as if nothing had happened, and what is of no use is not read.

use super::*;
use crate::saved::{self, NotReadable};

/// One event of a record.
enum Event {
    Know(usize),
    Label(f64, i64),
    Predicted(usize, i64, f64, i64, Option<[f64; 3]>),
    Scored(usize, Row),
    Expired(usize, i64, i64),
    Committed(i64, i64),
    Forgotten(i64, i64),
}

fn tell(evaluation: &mut Evaluation, event: &Event) {
    match *event {
        Event::Know(version) => {
            // Every other one has a model file that says nothing.
            let basis = if version.is_multiple_of(2) { basis() } else { Basis::default() };
            evaluation.know(version, Identity::serving(Some("m".into()), Some(version.to_string())), basis);
        }
        Event::Label(value, at) => evaluation.labelled(value, at),
        Event::Predicted(version, number, value, at, vector) => {
            let vector = vector.as_ref().map(|vector| &vector[..]);
            let anonymous = number.rem_euclid(50) == 0;
            evaluation.predicted(version, &Prediction { vector, anonymous, ..prediction(number, value, at) });
        }
        Event::Scored(version, row) => evaluation.scored(version, &row),
        Event::Expired(version, number, at) => evaluation.expired(version, number, at),
        Event::Committed(number, at) => evaluation.committed(number, at),
        Event::Forgotten(first, last) => evaluation.forgotten(first, last),
    }
}

/// Rows of several versions, with labels that are late, in another order, or never come, and errors and features that change.
fn events(rows: i64, random: &mut StdRng) -> Vec<Event> {
    let mut events = Vec::new();
    let mut late: Vec<(i64, Event)> = Vec::new();
    for number in 1..=rows {
        let at = number * STEP;
        let version_of = |number: i64| usize::try_from((number - 1) * 8 / rows).unwrap();
        let version = version_of(number);
        if number == 1 || version != version_of(number - 1) {
            events.push(Event::Know(version));
        }
        let vector = [(); 3].map(|()| random.random::<f64>() + if number > rows / 2 { 0.4 } else { 0.0 });
        let y_pred = vector[0] + vector[1];
        events.push(Event::Predicted(version, number, y_pred, at, (number % 7 != 0).then_some(vector)));
        let lag = random.random_range(1..40 * STEP);
        let y_true = y_pred + random.random_range(-1.0..1.0) * if number > rows * 3 / 4 { 3.0 } else { 1.0 };
        if number % 50 != 0 && number % 9 != 0 {
            late.push((at + lag, Event::Scored(version, row(number, y_true, y_pred, at, at + lag))));
        } else if number % 9 == 0 {
            late.push((at + 40 * STEP, Event::Expired(version, number, at)));
        }
        late.sort_by_key(|(at, _)| *at);
        let due = late.iter().take_while(|(then, _)| *then <= at).count();
        for (then, event) in late.drain(..due) {
            if let Event::Scored(_, row) = &event {
                events.push(Event::Label(row.y_true, then));
            }
            events.push(event);
        }
        if number % 10 == 0 {
            events.push(Event::Committed(number / 10, at));
        }
        if number == rows / 5 {
            events.push(Event::Forgotten(number / 10 + 1, number / 10 + 1));
        }
    }
    events
}

fn new() -> Evaluation {
    let rules = [
        "mae{window=100} > 0.7 for 2",
        "since_label > 10",
        "drift > 0",
        "coverage{age=20s} < 0.95",
        "mae{window=24h} > 0.6",
    ];
    let settings = Settings { versions: 5, horizon: 60 * STEP, ..SETTINGS };
    Evaluation::new(settings, rules.iter().map(|rule| rule.parse().unwrap()).collect())
}

#[test]
fn a_stop_anywhere_changes_no_bit_of_what_is_said() {
    let mut random = StdRng::seed_from_u64(15);
    let events = events(6000, &mut random);
    let mut whole = new();
    let mut stopped = new();
    for (place, event) in events.iter().enumerate() {
        tell(&mut whole, event);
        tell(&mut stopped, event);
        if random.random_range(0..400) == 0 || place + 1 == events.len() {
            let bytes = saved::save(&stopped).unwrap();
            stopped = saved::load(&bytes).unwrap();
            assert!(saved::save(&whole).unwrap() == bytes, "after event {place}");
            let at = 6000 * STEP;
            let [one, other] =
                [&whole, &stopped].map(|of| serde_json::to_string(&of.report(at, all)).unwrap());
            assert_eq!(one, other, "after event {place}");
        }
    }
    let report = whole.report(6000 * STEP, all);
    // All of it has had something to do.
    assert_eq!((report.versions.len(), report.older_versions), (5, 3));
    assert!(report.gap.is_some() && !report.notices.is_empty(), "{:?}", report.notices);
    assert!(report.versions.iter().any(|version| version.change.worse.alarms > 0));
    assert!(report.versions.iter().any(|version| version.drift.features[0].drifts_since.is_some()));
    assert!(report.versions.iter().all(|version| version.rows.expired > 0 && version.rows.anonymous > 0));
}

#[test]
fn what_is_of_no_use_is_not_read() {
    let mut evaluation = new();
    events(300, &mut StdRng::seed_from_u64(1)).iter().for_each(|event| tell(&mut evaluation, event));
    let bytes = saved::save(&evaluation).unwrap();
    let why = |bytes: &[u8]| saved::load(bytes).unwrap_err();
    for length in [0, 7, 8, 11] {
        assert_eq!(why(&bytes[..length]), NotReadable::Foreign, "{length} bytes");
    }
    assert_eq!(why(b"SQLite format 3"), NotReadable::Foreign);
    for length in [12, 15, 16, 100, bytes.len() - 1] {
        assert_eq!(why(&bytes[..length]), NotReadable::Damaged, "{length} bytes");
    }
    for place in (12..bytes.len()).step_by(101) {
        let mut bytes = bytes.clone();
        bytes[place] ^= 4;
        assert_eq!(why(&bytes), NotReadable::Damaged, "byte {place}");
    }
    let mut other = bytes;
    other[8] += 1;
    assert!(matches!(why(&other), NotReadable::OtherLayout(_)));
}

/// Where this fails, the layout or the meaning of a state has changed: raise `LAYOUT` of `saved`, and put the new numbers here.
#[test]
fn another_layout_has_another_number() {
    let mut evaluation = new();
    events(120, &mut StdRng::seed_from_u64(1)).iter().for_each(|event| tell(&mut evaluation, event));
    let bytes = saved::save(&evaluation).unwrap();
    let hash = crc32fast::hash(&bytes[..bytes.len() - 4]);
    assert_eq!((bytes[8], bytes.len(), hash), (3, 26_691, 3_767_458_156));
}
