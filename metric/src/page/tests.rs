//! What the page says in each state, and what it never says.

use std::collections::BTreeSet;

use evaluation::report::{Report, State};

use super::model::model;
use super::now::{Wanted, now};
use super::words::Zone;
use crate::life::Life;
use crate::plot::Score;

fn page(report: &Report) -> String {
    now(report, None, Wanted::default())
}

/// What is seen, without the marks of HTML.
fn seen(html: &str) -> String {
    let mut text = String::new();
    let mut inside = true;
    for letter in html.chars() {
        match letter {
            '<' => inside = false,
            '>' => (inside, text) = (true, text + " "),
            letter if inside => text.push(letter),
            _ => {}
        }
    }
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&")
}

/// What holds in every state.
fn check(html: &str) {
    assert_eq!(html.matches("<h1").count(), 1);
    for never in
        ["style=", "NaN", "inf", "null", "None", "Some(", "javascript:", "onload", "http://", "https://"]
    {
        assert!(!html.contains(never), "{never} in {html}");
    }
    let ids: Vec<&str> = html.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{ids:?}");
    // What an answer leads to, and what names a part, is there.
    let mut pointers: Vec<&str> = Vec::new();
    for pointer in ["href=\"#", "aria-labelledby=\""] {
        pointers
            .extend(html.split(pointer).skip(1).flat_map(|rest| rest.split('"').next().unwrap().split(' ')));
    }
    assert!(pointers.iter().all(|pointer| ids.contains(pointer)), "{pointers:?} {ids:?}");
    for path in html.split(" d=\"").skip(1) {
        let points = path.split('"').next().unwrap().matches(['M', 'L', 'H', 'V']).count();
        assert!(points <= 400, "{points} points");
    }
}

#[test]
fn each_state_has_its_word_its_reason_and_what_to_do() {
    let nothing = Life::new(3).report();
    let mut life = Life::new(3);
    life.serve("model", "aaaabbbbcccc", true);
    life.live(100, (0.0, 1.0), None);
    let no_label = life.report();
    let mut life = Life::new(3);
    life.serve("model", "aaaabbbbcccc", true);
    life.live(14, (0.0, 1.0), Some(2));
    let few = life.report();
    life.live(1200, (0.0, 1.0), Some(2));
    let ok = life.report();
    let mut drift = Life::new(3);
    drift.serve("model", "aaaabbbbcccc", true);
    drift.live(1200, (0.0, 1.0), Some(2));
    drift.live(500, (0.3, 1.0), Some(2));
    let drift = drift.report();
    life.live(600, (0.0, 1.8), Some(2));
    let worse = life.report();
    let mut foreign = Life::new(0);
    foreign.serve("onnx", "1", false);
    foreign.live(1200, (0.0, 1.0), Some(2));
    let foreign = foreign.report();
    for (report, state, words) in [
        (&nothing, State::Nothing, vec!["Nothing yet", "No row has been predicted yet."]),
        (&no_label, State::Nothing, vec!["100 predictions", "no label", "100 waiting 100 %"]),
        (
            &few,
            State::Provisional,
            vec!["Provisional", "12 labels", "Error of each row", "interval needs 30"],
        ),
        (
            &ok,
            State::Ok,
            vec![
                "OK",
                "Nothing to do.",
                "Can I trust that? Yes",
                "What changed? Nothing",
                "MAE by time of prediction",
                "held out in training",
                "How late labels come",
                "Evidence that errors are larger than in training",
                "f1",
                "steady",
                "Only one so far",
                "Furthest off among the last 500 labels",
                "No alert fires.",
                "Every prediction with an id is in one of three places",
            ],
        ),
        (&drift, State::Look, vec!["Look", "f0 moved", "up by", "Drift alone is no harm"]),
        (
            &worse,
            State::Look,
            vec!["Look", "Errors have grown", "One alert fires.", "mae{window=500} > 0.8 for 3"],
        ),
        (&foreign, State::Ok, vec!["OK", "those of its first labels", "drift of features is not watched"]),
    ] {
        assert_eq!(report.verdict.state, state, "{:?}", report.verdict);
        let html = page(report);
        check(&html);
        let text = seen(&html);
        for words in words {
            assert!(text.contains(words), "{words} in {text}");
        }
        // The figures are those of the report.
        if let Some(version) = report.versions.first() {
            assert!(text.contains(&format!("{} labelled", evaluation::number::count(version.rows.labelled))));
            assert!(
                report.answers.iter().all(|answer| text.contains(&answer.answer)),
                "{:?}",
                report.answers
            );
        }
    }
}

#[test]
fn an_alert_that_has_ended_looks_otherwise_than_one_that_fires() {
    let mut life = Life::new(1);
    life.serve("m", "1", true);
    life.live(600, (0.0, 2.0), Some(2));
    let events = |life: &Life| page(&life.report()).split("id=\"events\"").nth(1).unwrap().to_owned();
    let fires = events(&life);
    assert!(fires.contains("symbol look") && !fires.contains("symbol over"), "{fires}");
    life.live(900, (0.0, 1.0), Some(2));
    let ended = events(&life);
    assert!(ended.contains("symbol over") && seen(&ended).contains("has ended after"), "{ended}");
}

#[test]
fn every_score_has_a_chart_on_the_clock_of_whoever_looks() {
    let mut life = Life::new(3);
    life.serve("model", "aaaabbbbcccc", true);
    life.live(400, (0.0, 1.0), Some(2));
    life.serve("model", "ddddeeeeffff", true);
    life.live(400, (0.0, 1.0), Some(2));
    let report = life.report();
    for score in Score::ALL {
        let html = now(&report, None, Wanted { score, zone: Zone::of_cookies("zone=330") });
        check(&html);
        assert!(html.contains(&format!("{} by time of prediction", score.name())));
        // 08:00 UTC is 13:30 there.
        assert!(html.contains("13:3") && !html.contains(">08:0"), "{score:?}");
        assert!(html.contains("local time (UTC+5:30)"));
        assert!(html.contains("ddddeeee") && html.contains("serves, after"));
        // The first version took over from nobody. Whoever has no pointer has the arrow keys, and a line to read.
        assert_eq!(html.matches("class=\"swap\"").count(), 1);
        assert!(
            html.contains("tabindex=\"0\"") && html.contains("<p class=\"readout\" aria-live=\"polite\">")
        );
    }
}

#[test]
fn a_hostile_name_is_text() {
    let mut life = Life::new(1);
    let hostile = "<script>alert(1)</script>\"'&";
    life.serve(hostile, hostile, false);
    life.live(600, (0.0, 1.0), Some(2));
    life.serve("model", "1", false);
    life.live(600, (0.0, 1.0), Some(2));
    let html = page(&life.report());
    check(&html);
    assert!(
        !html.contains("<script>alert") && html.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;"),
        "{html}"
    );
}

#[test]
fn the_largest_page_has_a_bound() {
    let mut life = Life::new(100);
    for version in 0..20 {
        life.serve("model", &format!("{version:012}"), true);
        life.live(620, (0.0, 1.0), Some(2));
    }
    let report = life.report();
    let html = page(&report);
    check(&html);
    assert_eq!(report.versions.len(), 20);
    assert!(html.len() < 150_000, "{} bytes", html.len());
}

#[test]
fn a_terminal_of_80_columns_and_24_lines_is_enough() {
    let mut life = Life::new(100);
    assert!(crate::views::watch(&life.report()).starts_with("Nothing yet: No row has been predicted yet.\n"));
    for version in 0..20 {
        life.serve(&"model".repeat(9), &format!("{version:012}"), true);
        life.live(620, (if version == 19 { 0.4 } else { 0.0 }, 1.8), Some(2));
    }
    let text = crate::views::watch(&life.report());
    assert!(text.lines().count() <= 24 && text.lines().all(|line| line.chars().count() <= 80), "{text}");
    for part in [
        "Look: ",
        "How good is it?",
        "What changed?",
        "MAE, each ",
        "█",
        "620 predicted",
        "moved: f0, up by",
        "serves, for",
        "served, last",
        "fires: mae",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn a_model_shows_its_card_beside_what_it_does_and_what_there_is_none_of() {
    let mut life = Life::new(3);
    let none = model(&life.report(), &serde_json::json!({ "models": [] }), None, None, Zone::default());
    check(&none);
    assert!(seen(&none).contains("No model has predicted anything yet."));
    life.serve("m", "1", true);
    life.live(600, (0.0, 1.0), Some(2));
    let card = serde_json::json!({
        "algorithm": "<b>ols</b>", "rows": 400, "features": ["f0", "f1", "f2"], "holdout": { "mae": 0.5 },
        "weights": { "coefficients": [1.0, -2.0, 0.5] },
        "golden": [{ "features": [0.1, 0.2, 0.3], "prediction": 0.4 }],
    });
    let models = serde_json::json!({ "models": [
        { "model": "m", "version": "1", "predictions": { "received": 600, "scored": 598 }, "card": card },
        { "model": "other", "version": null, "predictions": { "received": 1, "scored": 0 }, "card": null },
    ] });
    let report = life.report();
    let html = model(&report, &models, None, None, Zone::default());
    check(&html);
    let text = seen(&html);
    for part in
        ["m@1", "Made by <b>ols</b> of 400 rows", "In use it is", "f1", "−2.00", "Golden rows", "other@-"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!html.contains("<b>") && html.contains("./model?model=other%40-"));
    let other = crate::export::parse_model("other@-").ok();
    assert!(
        seen(&model(&report, &models, other.clone(), None, Zone::default()))
            .contains("It has not said how it was made")
    );
    let nobody = crate::export::parse_model("nobody@1").ok();
    assert!(
        seen(&model(&report, &models, nobody.clone(), None, Zone::default()))
            .contains("Nothing is known of nobody@1")
    );
    let beside = |one: &Option<_>| model(&report, &models, None, one.clone(), Zone::default());
    let both = beside(&other);
    check(&both);
    let text = seen(&both);
    for part in ["Beside another", "rows it was fitted to 400 –", "f1 −2.00 not used", "in use: labels 598 –"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(seen(&beside(&nobody)).contains("Beside another Nothing is known of nobody@1"));
}
