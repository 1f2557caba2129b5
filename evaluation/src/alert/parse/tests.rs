//! Rules as they are read, written, and refused.

use super::*;

#[test]
fn a_rule_is_written_so_that_it_is_read_as_the_same() {
    for (text, written) in [
        ("mae{window=500} > 60 for 3", "mae{window=500} > 60 for 3"),
        ("  mae>60  ", "mae > 60"),
        ("mae.low{window=24h}>=60.5 keep 10m for 2", "mae.low{window=1d} >= 60.5 for 2 keep 10m"),
        ("r2{ window = version , model = m } < .5 clear 0.6", "r2{window=version,model=m} < 0.5 clear 0.6"),
        ("bias.high <= -10 clear -9", "bias.high <= -10 clear -9"),
        ("bias < −1e-7", "bias < -1e-7"),
        ("rmse > 1e300", "rmse > 1e300"),
        ("coverage{age=2h} < 0.9 for 90s", "coverage{age=2h} < 0.9 for 1m30s"),
        ("lag_p90 > 2h clear 90m", "lag_p90 > 2h clear 1h30m"),
        ("since_label > 600", "since_label > 10m"),
        ("since_label > 0.0005", "since_label > 0.0005"),
        ("since_label > 1.5", "since_label > 1s500ms"),
        ("since_label > 1.0005", "since_label > 1.0005"),
        (r#"drift{feature="blood, \"s5\" {x}"} > 0"#, r#"drift{feature="blood, \"s5\" {x}"} > 0"#),
        (r#"drift{feature="größe"} > 0"#, "drift{feature=größe} > 0"),
        (r#"mae{version=model@2fdce8b5c0ab} > 1"#, "mae{version=model@2fdce8b5c0ab} > 1"),
        ("waiting > 100000", "waiting > 100000"),
        ("changed > 0 for 1 keep 1", "changed > 0 for 1 keep 1"),
    ] {
        let rule = rule(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!(rule.to_string(), written);
        assert_eq!(super::rule(written).as_ref(), Ok(&rule), "{text}");
        let json = serde_json::to_string(&rule).unwrap();
        assert_eq!(serde_json::from_str::<Rule>(&json).unwrap(), rule);
    }
}

#[test]
fn every_metric_is_read_and_has_only_keys_that_suit_it() {
    for (name, metric) in Metric::ALL {
        let quantity = rule(&format!("{name} > 1")).unwrap().quantity;
        assert_eq!((quantity.metric, metric.name()), (metric, name));
        assert_eq!(rule(&format!("{name}.low > 1")).is_ok(), metric.is_score(), "{name}");
        for (key, value) in
            [("window", "100"), ("age", "1h"), ("feature", "x"), ("model", "x"), ("version", "x")]
        {
            let is_read = rule(&format!("{name}{{{key}={value}}} > 1")).is_ok();
            assert_eq!(is_read, metric.keys().contains(&key), "{name} {key}");
        }
    }
}

#[test]
fn what_a_rule_does_not_say_is_as_usual() {
    for (text, hold, clear, keep, events) in [
        ("mae > 60", Hold::Looks(3), 57.0, Hold::Looks(3), Some(50)),
        ("bias > -10", Hold::Looks(3), -10.5, Hold::Looks(3), Some(50)),
        ("bias < -10", Hold::Looks(3), -9.5, Hold::Looks(3), Some(50)),
        ("r2{window=30} < 0.4", Hold::Looks(3), 0.42, Hold::Looks(3), Some(3)),
        ("changed > 0 keep 5", Hold::Looks(3), 0.0, Hold::Looks(5), None),
        ("mae{window=24h} > 60 for 10m clear 60", Hold::Time(600_000), 60.0, Hold::Looks(3), None),
        ("mae{window=version} > 60", Hold::Looks(3), 57.0, Hold::Looks(3), None),
    ] {
        let rule = rule(text).unwrap();
        assert_eq!((rule.hold(), rule.keep(), rule.events_a_look()), (hold, keep, events), "{text}");
        assert!((rule.clear() - clear).abs() < 1e-12, "{text}: {}", rule.clear());
    }
}

#[test]
fn a_mistake_is_named_with_its_place_and_what_is_possible() {
    for (text, at, why) in [
        (
            "",
            1,
            "it ends here; expected one of mae, rmse, bias, r2, p50, p90, p99, wape, skill, coverage, lag_p90, waiting, since_label, drift, changed and worse",
        ),
        ("mea > 60", 1, "\"mea\" is not it; expected one of mae,"),
        ("{window=500} > 60", 1, "\"{\" is not it; expected one of mae,"),
        ("MAE > 60", 1, "\"MAE\" is not it"),
        ("mae.lower > 60", 1, "unknown ending \"lower\" of mae; expected .low or .high"),
        (
            "coverage.low < 0.9",
            1,
            "coverage has no interval, so neither .low nor .high; those have mae, rmse, bias, r2, p50, p90, p99, wape and skill",
        ),
        ("mae{windw=500} > 60", 5, "\"windw\" is not it; expected a key of mae: window, model and version"),
        ("mae{feature=x} > 60", 5, "\"feature\" is not it; expected a key of mae: window, model and version"),
        ("mae{} > 60", 5, "\"}\" is not it; expected a key of mae"),
        ("mae{window} > 60", 11, "\"}\" is not it; expected = after window"),
        ("mae{window=} > 60", 12, "expected a value of window"),
        (
            "mae{window=10} > 60",
            12,
            "\"10\" is not it; expected how many labels (30 to 100000), a duration such as 24h, or `version`",
        ),
        ("mae{window=99999999999} > 60", 12, "\"99999999999\" is not it; expected how many labels"),
        ("mae{window=1.5h} > 60", 12, "\"1.5h\" is not it; expected how many labels"),
        ("mae{window=500,window=600} > 60", 16, "window stands there twice"),
        ("mae{window=500 > 60", 16, "\">\" is not it; expected , or }"),
        ("mae{window=500", 15, "it ends here; expected , or }"),
        ("mae{model=\"x} > 60", 11, "expected a \" that ends this text"),
        ("mae{model=\"x\\", 11, "expected a \" that ends this text"),
        ("coverage{age=soon} < 0.9", 14, "\"soon\" is not it; expected a duration such as"),
        ("mae 60", 5, "\"60\" is not it; expected >, >=, < or <="),
        ("mae = 60", 5, "\"=\" is not it; expected >, >=, < or <="),
        ("mae => 60", 5, "\"=\" is not it; expected >, >=, < or <="),
        ("mae >", 6, "it ends here; expected a number"),
        ("mae > sixty", 7, "\"sixty\" is not it; expected a number"),
        ("mae > NaN", 7, "\"NaN\" is not it; expected a number"),
        ("mae > 1e999", 7, "\"1e999\" is not it; expected a number"),
        ("mae > 10m", 7, "\"10m\" is not it; expected a number"),
        ("coverage < 90%", 12, "\"90%\" is not it; expected a share such as 0.9 instead of a percentage"),
        ("since_label > soon", 15, "\"soon\" is not it; expected seconds, or a duration such as 10m"),
        ("mae > 60 für 3", 10, "\"für\" is not it; expected the end, or `for 3`"),
        ("größe > 60", 1, "\"größe\" is not it"),
        (
            "mae > 60 for",
            13,
            "it ends here; expected after `for` how many looks in a row, from 1, or a duration",
        ),
        ("mae > 60 for 0", 14, "\"0\" is not it; expected after `for`"),
        ("mae > 60 for 2.5", 14, "\"2.5\" is not it; expected after `for`"),
        ("mae > 60 keep -1", 15, "\"-1\" is not it; expected after `keep`"),
        ("mae > 60 for 3 for 4", 16, "`for` stands there twice"),
        (
            "mae > 60 clear 61",
            16,
            "an alert with > ends below its `clear`: expected 60 at the most, which is the limit",
        ),
        (
            "r2 < 0.5 clear 0.4",
            16,
            "an alert with < ends above its `clear`: expected 0.5 at the least, which is the limit",
        ),
        ("mae > 60 and r2 < 1", 10, "\"and\" is not it; expected the end"),
    ] {
        let error = rule(text).unwrap_err();
        assert!(error.at == at && error.why.starts_with(why), "{text}\n{error}");
    }
    let long = rule(&format!("mae{{model={}}} > 1", "x".repeat(257))).unwrap_err();
    assert_eq!(long.to_string(), "at character 11: expected 256 characters at the most, not 257");
    assert!(rule(&"\u{1b}x".repeat(5000)).unwrap_err().to_string().len() < 400);
}

#[test]
fn no_text_makes_it_panic() {
    let pieces = [
        "mae", ".low", "{", "}", "window", "=", "500", ",", "\"", "\\", ">", "=", " ", "for", "ä", "1h", "-",
        "%",
    ];
    let mut state = 1_u64;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..state % 12 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text += pieces[(state >> 33) as usize % pieces.len()];
        }
        state = state.wrapping_add(0x9e37_79b9);
        if let Ok(rule) = rule(&text) {
            assert_eq!(super::rule(&rule.to_string()), Ok(rule), "{text}");
        }
    }
}
