//! Each number is the report's, no two series are the same, and there are not too many.

use std::collections::BTreeMap;

use evaluation::basis::{Basis, FeatureBasis};
use evaluation::fold::{Evaluation, Prediction, Row, Settings};
use evaluation::histogram::Histogram;
use evaluation::identity::Identity;

use super::*;

#[derive(Debug)]
struct Of(Report);

impl MetricSource for Of {
    fn read(&self, scrape: &mut Scrape<'_>) -> fmt::Result {
        write(&self.0, scrape)
    }
}

fn series(report: Report) -> (String, BTreeMap<String, f64>) {
    let text = metrics::text_of(Of(report));
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let all: Vec<(String, f64)> = lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        })
        .collect();
    let series: BTreeMap<String, f64> = all.iter().cloned().collect();
    assert_eq!(series.len(), all.len(), "two series have the same labels: {text}");
    (text, series)
}

/// Versions of a model with so many features, each with rows that are labelled.
fn report(versions: usize, features: usize, rows: i64) -> Report {
    let settings = Settings { window: 500, period: 86_400_000, horizon: 86_400_000, versions: 20 };
    let rules = ["mae{window=30} > 0.5 for 1".parse().unwrap(), "r2 < 0".parse().unwrap()];
    let mut evaluation = Evaluation::new(settings, rules.into());
    let histogram = || Some(Histogram { edges: (0..=10).map(f64::from).collect(), counts: vec![40; 10] });
    let mut number = 0;
    for version in 0..versions {
        let feature = |at: usize| FeatureBasis {
            // Two of them have the same name.
            name: format!("a feature with a name that is not short {}", at.max(1)),
            histogram: histogram(),
            commonest: None,
        };
        let basis = Basis { features: (0..features).map(feature).collect(), ..Basis::default() };
        evaluation.know(
            version,
            Identity::serving(Some("a-model".into()), Some(format!("{version:064}"))),
            basis,
        );
        let vector = vec![3.0; features];
        for _ in 0..rows {
            number += 1;
            let at = number * 1000;
            let prediction = Prediction {
                number,
                anonymous: false,
                value: 2.0,
                at,
                row_at: None,
                received: at,
                vector: Some(&vector),
            };
            evaluation.predicted(version, &prediction);
            let labelled_at = at + 500;
            let row = Row {
                prediction: Some(number),
                y_true: 1.0 + f64::from(u8::try_from(number % 3).unwrap()) / 4.0,
                y_pred: 2.0,
                predicted_at: at,
                labelled_at,
                received: labelled_at,
            };
            evaluation.scored(version, &row);
            evaluation.committed(number, labelled_at);
        }
    }
    evaluation.report(number * 1000 + 500, |_, _| true)
}

#[test]
fn every_number_is_the_reports() {
    let report = report(2, 3, 600);
    let (text, series) = series(report.clone());
    let of = |name: &str, labels: &str| {
        let labelled = format!("pipeline_{name}{{{labels}}}");
        *series.get(&labelled).unwrap_or_else(|| panic!("{labelled} is missing in {text}"))
    };
    for version in &report.versions {
        let [name, number] = tag(version);
        let tag = format!("model=\"{name}\",version=\"{number}\"");
        for (window, table) in [
            ("since_first", &version.scores.since_first),
            ("last_rows", &version.scores.last_rows),
            ("period", &version.scores.period),
        ] {
            let mae = table.mae.unwrap();
            let labels = format!("{tag},window=\"{window}\",score=\"mae\"");
            assert_eq!(of("score", &labels), mae.value);
            assert_eq!(of("score_low", &labels), mae.interval.unwrap().low.unwrap());
            assert_eq!(of("score_high", &labels), mae.interval.unwrap().high.unwrap());
            assert_eq!(of("score_rows", &format!("{tag},window=\"{window}\"")), table.rows as f64);
            let bias = format!("{tag},window=\"{window}\",score=\"bias\"");
            assert_eq!(of("score", &bias), table.bias.unwrap().value);
        }
        assert_eq!(of("serves", &tag), f64::from(u8::from(version.serves)));
        assert_eq!(of("label_coverage_ratio", &tag), version.labels.coverage.unwrap());
        let last = version.last_labelled.unwrap().0 as f64 / 1000.0;
        assert_eq!(of("last_label_timestamp_seconds", &tag), last);
        let worse = format!("{tag},direction=\"worse\"");
        assert_eq!(of("error_evidence_log10", &worse), version.change.worse.log10);
    }
    let serving = report.versions.iter().find(|version| version.serves).unwrap();
    let moved = &serving.drift.features[0];
    let [name, number] = tag(serving);
    let labels = format!("model=\"{name}\",version=\"{number}\",kind=\"feature\",feature=\"{}\"", moved.name);
    assert_eq!(of("drift_psi", &labels), moved.psi.unwrap());
    assert_eq!(of("drifting", &labels), 1.0);
    assert_eq!(of("alert", r#"rule="mae{window=30} > 0.5 for 1",state="firing""#), 1.0);
    assert_eq!(of("alert", r#"rule="mae{window=30} > 0.5 for 1",state="inactive""#), 0.0);
    let verdicts =
        ["nothing", "ok", "provisional", "look"].map(|state| of("verdict", &format!("state=\"{state}\"")));
    assert_eq!(verdicts, [0.0, 0.0, 0.0, 1.0]);
}

#[test]
fn nothing_that_is_known_is_no_number_and_the_scrape_stays_small() {
    // Before anything is known.
    let (_, empty) = series(report(1, 2, 0));
    assert!(empty.keys().all(|name| !name.starts_with("pipeline_score{")), "{empty:?}");
    assert_eq!(empty[r#"pipeline_verdict{state="nothing"}"#], 1.0);
    // As much as there can be.
    let (text, many) = series(report(25, 100, 60));
    assert!(many.values().all(|value| value.is_finite()));
    assert_eq!(many.keys().filter(|name| name.starts_with("pipeline_serves{")).count(), 20);
    assert_eq!(many.keys().filter(|name| name.starts_with("pipeline_drifting{")).count(), SPREADS);
    assert!(text.len() < 300_000, "{} bytes", text.len());
}
