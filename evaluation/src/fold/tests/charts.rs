//! What charts show is what the rest of the report says.

use super::*;
use crate::report::{BinReport, PaneReport, RowReport};

fn sum(bins: &[BinReport]) -> (f64, f64) {
    bins.iter().fold((0.0, 0.0), |(now, then), bin| (now + bin.share, then + bin.reference_share.unwrap()))
}

#[test]
fn charts_add_up_to_what_is_said_in_figures() {
    let mut stream = Stream::new(basis(), 3);
    stream.add(1000, 0.0, 1.0);
    stream.add(600, 0.0, 1.8);
    let report = stream.report();
    let version = only(&report);
    let charts = version.charts.as_ref().unwrap();

    let labelled: u64 = version.timeline.iter().map(|pane| pane.labelled).sum();
    let absolute: f64 = version.timeline.iter().map(|pane| pane.mae.unwrap() * pane.labelled as f64).sum();
    assert_eq!((labelled, version.timeline_pane), (1600, 30_000));
    assert!((absolute / 1600.0 - version.scores.since_first.mae.unwrap().value).abs() < 1e-12);
    assert!(version.timeline.iter().all(|pane| pane.mature));

    // An alarm is a point at the limit.
    let alarms = charts.evidence.iter().filter(|point| point.alarm);
    let limit = version.change.worse.limit_log10;
    assert!(alarms.clone().all(|point| (point.log10 - limit).abs() < 1e-12));
    assert!((1..=version.change.worse.alarms).contains(&(alarms.count() as u64)));
    assert_eq!(charts.evidence.last().map(|point| (point.label, point.at.0)), Some((1600, 1600 * STEP)));

    assert_eq!((charts.last.len(), charts.furthest.len(), charts.errors.len()), (300, 10, 20));
    let size = |row: &RowReport| (row.y_pred - row.y_true).abs();
    assert!(charts.furthest.is_sorted_by(|one, next| size(one) >= size(next)));
    assert!((size(&charts.furthest[0]) - version.scores.last_rows.max.unwrap()).abs() < 1e-12);
    assert!(charts.last.iter().all(|row| size(row) <= size(&charts.furthest[0])));
    assert_eq!(charts.last.last().and_then(|row| row.prediction), Some(1600));

    let spreads: Vec<&[BinReport]> = version
        .drift
        .features
        .iter()
        .chain(&version.drift.prediction)
        .map(|spread| &spread.bins[..])
        .collect();
    assert_eq!(spreads.len(), 4);
    for bins in spreads.into_iter().chain([&charts.errors[..]]) {
        let (now, then) = sum(bins);
        assert!((now - 1.0).abs() < 1e-9 && (then - 1.0).abs() < 1e-9, "{bins:?}");
        assert!(bins[0].from.is_none() && bins[bins.len() - 1].to.is_none());
        assert!(bins.windows(2).all(|pair| pair[0].to == pair[1].from));
    }
}

#[test]
fn labels_that_are_still_to_come_make_a_pane_immature() {
    let mut evaluation = Evaluation::new(SETTINGS, Vec::new());
    evaluation.know(0, Identity::serving(Some("m".into()), None), Basis::default());
    // Each label 100 s late.
    for number in 1..=300 {
        let at = number * STEP;
        evaluation.predicted(0, &prediction(number, 1.0, at));
        if number > 100 {
            evaluation.labelled(0.0, at);
            evaluation.scored(0, &row(number - 100, 0.0, 1.0, at - 100 * STEP, at));
        }
        evaluation.committed(number, at);
    }
    let report = evaluation.report(300 * STEP, all);
    let version = only(&report);
    let (mature, others): (Vec<&PaneReport>, Vec<_>) = version.timeline.iter().partition(|pane| pane.mature);
    assert!(mature.iter().all(|pane| pane.labelled == pane.predicted && pane.from.0 < 200 * STEP));
    assert!(others.iter().all(|pane| pane.labelled < pane.predicted && pane.from.0 > 180 * STEP));
    assert!(!mature.is_empty() && !others.is_empty());
    let lag = &version.charts.as_ref().unwrap().lag;
    assert!(lag.is_sorted_by(|one, next| one.ms <= next.ms && one.share <= next.share), "{lag:?}");
    // Those that serve no more are told of in figures.
    evaluation.know(1, Identity::serving(Some("m".into()), Some("v2".into())), Basis::default());
    evaluation.predicted(1, &prediction(301, 1.0, 301 * STEP));
    let report = evaluation.report(301 * STEP, all);
    assert_eq!(
        report.versions.iter().map(|version| version.charts.is_some()).collect::<Vec<_>>(),
        [false, true]
    );
}
