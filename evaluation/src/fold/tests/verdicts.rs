//! The judgement, in words.

use rand::RngExt as _;

use super::*;

#[test]
fn what_is_not_judged_yet_is_said_in_words() {
    let mut evaluation = Evaluation::new(SETTINGS, Vec::new());
    assert_eq!(evaluation.report(0, all).verdict.sentence, "No row has been predicted yet.");
    evaluation.know(0, Identity::serving(Some("m".into()), None), Basis::default());
    evaluation.predicted(0, &Prediction { anonymous: true, ..prediction(1, 1.0, 0) });
    let verdict = evaluation.report(1000, all).verdict;
    assert_eq!(verdict.state, State::Nothing);
    assert!(verdict.sentence.contains("1 rows without an id"), "{verdict:?}");
    evaluation.predicted(0, &prediction(2, 1.0, 0));
    let verdict = evaluation.report(180_000, all).verdict;
    assert_eq!(verdict.state, State::Nothing);
    assert!(verdict.sentence.contains("no label has come; the oldest has waited 3 min"), "{verdict:?}");
    // Quick labels only: of 100 rows of the last minute, those 40 have labels that came at once.
    for number in 3..103 {
        evaluation.predicted(0, &prediction(number, 1.0, 180_000 + number * 100));
        if number % 5 < 2 {
            let at = 180_000 + number * 100;
            evaluation.scored(0, &row(number, 1.0, 1.0, at, at + 50));
        }
    }
    let verdict = evaluation.report(200_000, all).verdict;
    assert_eq!(verdict.state, State::Provisional, "{verdict:?}");
    assert!(verdict.sentence.contains("only labels that came within that time"), "{verdict:?}");
}

#[test]
fn labels_that_stop_are_noticed() {
    let mut stream = Stream::new(basis(), 6);
    stream.add(600, 0.0, 1.0);
    for number in 601..1300 {
        stream.evaluation.predicted(3, &prediction(number, 0.5, number * STEP));
    }
    let report = stream.evaluation.report(1300 * STEP, all);
    assert_eq!(only(&report).labels.longest_quiet, Some(STEP));
    assert_eq!(report.verdict.state, State::Look);
    assert!(report.verdict.sentence.contains("no label has come for 12 min"), "{:?}", report.verdict);
}

#[test]
fn labels_that_come_once_an_hour_have_not_stopped() {
    let mut stream = Stream::new(basis(), 8);
    for hour in 1..=3 {
        for number in hour * 1000..hour * 1000 + 720 {
            let (y_pred, at) = (0.1, number * 5000);
            stream.evaluation.predicted(3, &prediction(number, y_pred, at));
            if number % 2 == 0 && hour < 3 {
                let row = Row { received: (hour * 1000 + 720) * 5000, ..row(number, 0.0, y_pred, at, at) };
                stream.evaluation.scored(3, &row);
            }
        }
    }
    let report = stream.evaluation.report(3720 * 5000, all);
    assert_eq!(only(&report).labels.longest_quiet, Some(5_000_000));
    assert!(!report.verdict.sentence.contains("no label has come"), "{:?}", report.verdict);
}

#[test]
fn after_a_pause_labels_have_not_stopped() {
    let mut stream = Stream::new(basis(), 12);
    stream.add(600, 0.0, 1.0);
    let begin = 600 * STEP + 3_600_000;
    for number in 601..700 {
        stream.evaluation.predicted(3, &prediction(number, 0.5, begin + number));
    }
    let verdict = stream.evaluation.report(begin + 10_000, all).verdict;
    assert!(!verdict.sentence.contains("no label has come"), "{verdict:?}");
}

#[test]
fn whose_labels_never_come_is_not_provisional_for_ever_and_without_any_is_looked_at() {
    let settings = Settings { horizon: 60_000, ..SETTINGS };
    let mut evaluation = Evaluation::new(settings, Vec::new());
    evaluation.know(0, Identity::serving(Some("m".into()), None), basis());
    let mut state = |from: i64, to: i64, labelled: bool| {
        for number in from..to {
            let at = number * STEP;
            evaluation.predicted(0, &prediction(number, 1.0, at));
            if labelled && number % 5 > 0 {
                evaluation.scored(0, &row(number, 1.0 + at as f64 / 1e9, 1.0, at, at + 100));
            } else if number > 60 {
                evaluation.expired(0, number - 60, at - 60_000);
            }
        }
        evaluation.report(to * STEP, all).verdict
    };
    let verdict = state(1, 40, true);
    assert_eq!(verdict.state, State::Provisional, "{verdict:?}");
    let verdict = state(40, 300, true);
    assert_ne!(verdict.state, State::Provisional, "{verdict:?}");
    let mut evaluation = Evaluation::new(settings, Vec::new());
    evaluation.know(0, Identity::serving(Some("m".into()), None), basis());
    evaluation.predicted(0, &prediction(1, 1.0, 0));
    evaluation.expired(0, 1, 0);
    let verdict = evaluation.report(100_000, all).verdict;
    assert_eq!(verdict.state, State::Look);
    assert!(verdict.sentence.contains("1 rows have waited in vain"), "{verdict:?}");
}

#[test]
fn of_several_models_the_one_that_is_worst_off_is_told_of() {
    let mut stream = Stream::new(basis(), 13);
    stream.add(1000, 0.0, 1.0);
    stream.add(400, 0.0, 2.0);
    stream.evaluation.know(8, Identity::serving(Some("other".into()), None), basis());
    for number in 2001..2700 {
        let at = number * STEP;
        let error = stream.random.random_range(-1.0..1.0);
        stream.evaluation.predicted(8, &prediction(number, error, at));
        stream.evaluation.scored(8, &row(number, 0.0, error, at, at));
    }
    let report = stream.evaluation.report(2700 * STEP, all);
    assert_eq!(
        (report.verdict.state, report.verdict.version),
        (State::Look, Some(0)),
        "{:?}",
        report.verdict
    );
    let report = stream.evaluation.report(2700 * STEP, |model, _| model == Some("other"));
    assert_ne!(report.verdict.state, State::Look, "{:?}", report.verdict);
    // One that has not predicted for longer than the period serves no more.
    stream.evaluation.predicted(8, &prediction(9000, 0.0, 90_000 * STEP));
    let report = stream.evaluation.report(90_000 * STEP, all);
    assert_eq!(report.verdict.version, Some(1), "{:?}", report.verdict);
}

/// The four answers, in their order: each a word or number.
fn answers(report: &Report) -> [&str; 4] {
    let [good, trust, changed, better] = &report.answers[..] else { panic!("{:?}", report.answers) };
    [good, trust, changed, better].map(|of| of.answer.as_str())
}

#[test]
fn four_questions_are_answered_whatever_is_known() {
    let mut stream = Stream::new(basis(), 5);
    assert!(stream.report().answers.is_empty());
    stream.add(12, 0.0, 1.0);
    let report = stream.report();
    assert_eq!(answers(&report)[1..], ["Not yet", "Too early", "Only one so far"]);
    assert!(report.answers[0].reason.ends_with("all 12 labels so far; no interval before 30 labels"));
    stream.add(988, 0.0, 1.0);
    let report = stream.report();
    assert_eq!(answers(&report)[1..], ["Yes", "Nothing", "Only one so far"]);
    assert!(report.answers[0].reason.contains("the last 500 labels; 95 % sure: 0."), "{:?}", report.answers);
    assert_eq!(report.answers[2].reason, "neither the errors nor any of 3 features");
    stream.add(500, 0.289, 1.6);
    let report = stream.report();
    assert_eq!(answers(&report)[1..], ["Yes", "b, prediction, errors", "Only one so far"]);
    assert!(report.answers[2].reason.starts_with("since about "), "{:?}", report.answers);
    // What is to be done has its command: the rows since the first of it.
    let verdict = &report.verdict;
    assert!(verdict.advice.starts_with("b moved too: find out where it comes from now."), "{verdict:?}");
    let since = verdict
        .command
        .as_ref()
        .and_then(|command| command.strip_prefix("metric export --features --since "));
    let drift = &report.versions[0].drift.features[0];
    let first = drift.drifts_since.into_iter().chain(report.versions[0].change.worse.since).min().unwrap();
    assert_eq!(since, Some(first.to_string().as_str()));
}

#[test]
fn a_version_that_took_over_is_what_has_changed_for_a_day() {
    let mut stream = Stream::new(basis(), 12);
    stream.add(1000, 0.0, 1.0);
    let report = stream.report();
    let (now, first) = (report.at.0, report.versions[0].first_predicted.unwrap());
    let mut before = report.versions[0].clone();
    before.first_predicted = Some(Moment(first.0 - 1));
    let versions = [before, report.versions[0].clone()];
    let asked = |now, at| crate::answers::of(now, Some(at), &versions, &[])[2].clone();
    assert_eq!(asked(now, 1).answer, "The version");
    assert!(asked(now, 1).reason.ends_with("; else neither the errors nor any of 3 features"));
    assert_eq!(asked(now, 0).answer, "Nothing");
    assert_eq!(asked(first.0 + 86_400_000, 1).answer, "Nothing");
}

#[test]
fn a_version_stands_beside_the_one_before_it() {
    let mut evaluation = Evaluation::new(SETTINGS, Vec::new());
    for (version, error) in [(0, 4.0), (1, 1.0)] {
        evaluation.know(
            version,
            Identity::serving(Some("m".into()), Some(format!("v{version}"))),
            Basis::default(),
        );
        for number in 1..=40 {
            let number = version as i64 * 100 + number;
            let (at, error) = (number * STEP, error + (number % 3) as f64 / 10.0);
            evaluation.predicted(version, &prediction(number, error, at));
            evaluation.labelled(0.0, at);
            evaluation.scored(version, &row(number, 0.0, error, at, at));
            evaluation.committed(number, at);
        }
    }
    let report = evaluation.report(200 * STEP, all);
    assert_eq!(answers(&report)[3], "This one, it seems");
    assert_eq!(report.answers[3].reason, "its errors are 73 % smaller than those of m@v0, on other rows");
}
