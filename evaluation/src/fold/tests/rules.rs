//! Alert rules that are looked at while events come in.

use super::*;

/// How the rules stand, in the order in which they were given.
fn states(report: &Report) -> Vec<&'static str> {
    report.alerts.iter().map(|alert| alert.state.word()).collect()
}

#[test]
fn rules_fire_and_end_by_what_came() {
    let rules = [
        "mae{window=100} > 0.7",
        "mae.low{window=100} > 5",
        "rmse{window=version} > 0.01 for 1",
        "bias{window=1m} > 100",
        "wape{model=other} > 0",
        "drift{feature=b} > 0 for 1",
        "changed > 0 for 1",
        "coverage < 0.9",
    ];
    let mut stream = Stream::with_rules(basis(), 9, &rules);
    stream.add(29, 0.0, 1.0);
    // With fewer than 30 labels there is no value, and before 500 rows nothing is known of drift.
    assert_eq!(states(&stream.report())[..2], ["unknown"; 2]);
    assert_eq!(states(&stream.report())[5], "unknown");
    stream.add(1000, 0.0, 1.0);
    let fine = ["inactive", "inactive", "firing", "inactive", "unknown", "inactive", "inactive", "inactive"];
    assert_eq!(states(&stream.report()), fine);
    stream.add(300, 0.5, 2.0);
    let report = stream.report();
    assert_eq!(states(&report)[0], "firing");
    assert_eq!(states(&report)[5..7], ["firing", "firing"]);
    let since = report.alerts[0].since.unwrap().0 / STEP;
    assert!((1030..1330).contains(&since), "{since}");
    let said =
        &report.notices.iter().find(|notice| notice.text.starts_with("mae{window=100} > 0.7")).unwrap();
    assert!(said.text.contains(" fires: it is "), "{said:?}");
    stream.add(300, 0.0, 1.0);
    let report = stream.report();
    assert_eq!(states(&report)[0], "inactive");
    assert!(report.notices[0].at >= report.notices[1].at, "{:?}", report.notices);
    assert!(
        report.notices.iter().any(|notice| notice.text.contains("has ended after")),
        "{:?}",
        report.notices
    );
}

#[test]
fn rules_of_lags_see_labels_that_wait_and_silence() {
    let rules = [
        "waiting > 500 for 1",
        "since_label > 10m for 1",
        "lag_p90 > 1m for 1",
        "coverage{age=1m} < 0.6 for 1",
    ];
    let mut stream = Stream::with_rules(basis(), 10, &rules);
    stream.add(600, 0.0, 1.0);
    assert_eq!(states(&stream.report()), ["inactive"; 4]);
    for number in 601..=1300 {
        stream.evaluation.predicted(3, &prediction(number, 0.5, number * STEP));
        stream.evaluation.committed(number, number * STEP);
    }
    let report = stream.evaluation.report(1300 * STEP, all);
    // Nine tenths of the labels are not known to come at all.
    assert_eq!(states(&report), ["firing", "firing", "unknown", "firing"], "{report:?}");
    // Nothing came since, and the report itself looks.
    let mut silent = Stream::with_rules(basis(), 11, &["since_label > 1h for 1"]);
    silent.add(100, 0.0, 1.0);
    // Less than a minute after the last look, there is something new to be asked for.
    let mut asked = Stream::with_rules(basis(), 16, &["waiting > 5 for 1"]);
    for number in 1..=9 {
        asked.evaluation.predicted(3, &prediction(number, 0.5, number * STEP));
        asked.evaluation.committed(number, number * STEP);
    }
    assert_eq!(states(&asked.evaluation.report(10 * STEP, all)), ["firing"]);
    assert_eq!(states(&silent.report()), ["inactive"]);
    assert_eq!(states(&silent.evaluation.report(100 * STEP + 3_700_000, all)), ["firing"]);
}

#[test]
fn a_rule_looks_at_the_version_that_serves_and_goes_on_past_a_swap() {
    let mut evaluation = Evaluation::new(SETTINGS, vec!["mae{window=100} > 1".parse().unwrap()]);
    for (number, error) in [(0, 0.5), (1, 2.0)] {
        evaluation.know(
            number,
            Identity::serving(Some("m".into()), Some(number.to_string())),
            Basis::default(),
        );
        for at in 1..=200 {
            let time = (i64::try_from(number).unwrap() * 1000 + at) * STEP;
            let id = time;
            evaluation.predicted(number, &prediction(id, error, time));
            evaluation.scored(number, &row(id, 0.0, error + at as f64 / 1e6, time, time));
            evaluation.committed(id, time);
        }
        let wanted = if number == 0 { "inactive" } else { "firing" };
        assert_eq!(states(&evaluation.report(2_000_000, all)), [wanted], "version {number}");
    }
}

/// Nothing comes, so nothing is committed: whoever asks looks for all the minutes in which nobody could.
#[test]
fn silence_is_looked_at_minute_by_minute_by_whoever_asks() {
    let rules = ["since_label > 10m", "since_label > 10m for 30m", "mae{window=100} > 0.1 for 3"];
    let mut stream = Stream::with_rules(basis(), 11, &rules);
    stream.add(120, 0.0, 1.0);
    let last = stream.rows * STEP;
    let after = |minutes: i64| stream.evaluation.report(last + minutes * 60_000, all);
    assert_eq!(states(&after(10))[..2], ["inactive"; 2]);
    assert_eq!(states(&after(12))[..2], ["pending"; 2]);
    assert_eq!(states(&after(14))[..2], ["firing", "pending"]);
    assert_eq!(states(&after(45))[..2], ["firing"; 2]);
    // Asked a hundred times or once, it fires since the same moment, and that is said once.
    let (early, late) = (after(20), after(20_000));
    assert_eq!(early.alerts[0].since, late.alerts[0].since);
    for rule in &rules[..2] {
        let of_rule = |notice: &&crate::report::NoticeReport| notice.rule.parse::<Rule>() == rule.parse();
        let said: Vec<_> = late.notices.iter().filter(of_rule).collect();
        assert!(said.len() == 1 && said[0].text.contains(" fires: it is "), "{rule}: {:?}", late.notices);
        assert_eq!(said[0].state, crate::alert::State::Firing);
    }
    // What does not change by silence is as it was.
    assert_eq!(early.alerts[2], late.alerts[2]);
}
