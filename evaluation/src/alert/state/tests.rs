//! Alerts look by look, by hand, and how often they cry near the limit.

use super::*;
use crate::alert::Window;

const fn minutes(minutes: i64) -> i64 {
    minutes * 60_000
}

fn alert(rule: &str) -> Alert {
    Alert::new(rule.parse().unwrap())
}

/// A look a minute, each with something new; `-` has no value. What came of each: the state's first letter, in upper case where
/// something is said.
fn course(rule: &str, values: &str) -> String {
    let mut alert = alert(rule);
    let mut course = String::new();
    for (look, value) in values.split_whitespace().enumerate() {
        let (events, at) = (look as u64 * 50, minutes(look as i64));
        let said = alert.look(events, at, |_| value.parse().ok());
        let letter = &alert.state().word()[..1];
        course += &if said.is_some() { letter.to_uppercase() } else { letter.to_owned() };
        // It goes on where it was.
        alert = serde_json::from_str(&serde_json::to_string(&alert).unwrap()).unwrap();
    }
    course
}

#[test]
fn what_becomes_of_an_alert() {
    for (rule, values, want) in [
        // Three in a row, and a single one inside begins anew.
        ("mae > 60", "59 60 61 61 60 61 61 61", "iippippF"),
        ("mae >= 60", "59 60 60 60", "ippF"),
        ("r2 < 0.5", "0.5 0.4 0.4 0.4", "ippF"),
        ("r2 <= 0.5", "0.5 0.5 0.5", "ppF"),
        // Firing, it is held to 57; inside is three in a row.
        ("mae > 60", "61 61 61 58 57.1 57 57 57.1 57 57 57", "ppFfffffffI"),
        ("mae > 60 clear 60", "61 61 61 60 60 60", "ppFffI"),
        ("mae > 60 for 1 clear 60 keep 1", "61 60 61 60", "FIFI"),
        ("r2 < 0.5 for 1 keep 1", "0.49 0.52 0.53", "FfI"),
        ("bias < -10 for 1 keep 1", "-11 -9.6 -9.4", "FfI"),
        // After it ended it has to be beyond the limit again, not only beyond `clear`.
        ("mae > 60 for 1 keep 1", "61 56 58 61", "FIiF"),
        // A time: what was so at first is so now, that long after.
        ("mae > 60 for 2m keep 90s", "61 61 61 50 50 50", "ppFffI"),
        ("mae > 60 for 2m", "61 61 59 61 61 61", "ppippF"),
        // Without a value it is neither, and what was in a row is so no more.
        ("mae > 60", "- - 61 61 - 61 61 61", "uuppuppF"),
        ("mae > 60", "NaN 59 NaN", "uiu"),
        // Who fired before goes on, with the limit of those that fire, and says that it knows nothing once.
        ("mae > 60", "61 61 61 - - 58 50 50 50", "ppFUufffI"),
        ("mae > 60", "61 61 61 50 50 - 50 50 50", "ppFffUffI"),
        // Infinitely far off is beyond.
        ("mae > 60 for 1", "inf inf", "Ff"),
    ] {
        assert_eq!(course(rule, values), want, "{rule}: {values}");
    }
}

#[test]
fn a_look_without_anything_new_does_not_count() {
    let value = |_: &Quantity| Some(61.0);
    let mut counted = alert("mae{window=500} > 60");
    for (events, at, state, is_due) in [
        (10, 0, State::Pending, true),
        (10, 1, State::Pending, false),
        (49, minutes(999), State::Pending, false),
        (50, minutes(999), State::Pending, true),
        (50, minutes(1999), State::Pending, false),
        // Many at once are one look.
        (260, minutes(1999), State::Firing, true),
    ] {
        assert_eq!(counted.is_due(events, at), is_due, "{events} {at}");
        _ = counted.look(events, at, value);
        assert_eq!(counted.state(), state, "{events} {at}");
    }
    // What came before a restart and comes once more.
    assert!(!counted.is_due(100, minutes(2000)));

    for (rule, due) in [("mae{window=24h} > 60", false), ("waiting > 60", false), ("since_label > 10m", true)]
    {
        let mut timed = alert(rule);
        _ = timed.look(10, 0, value);
        assert!(!timed.is_due(11, minutes(1) - 1), "{rule}");
        assert!(timed.is_due(11, minutes(1)), "{rule}");
        assert_eq!(timed.is_due(10, minutes(1)), due, "{rule}");
        assert!(timed.is_due(11, -minutes(60)), "{rule}: the clock was set back");
    }
}

#[test]
fn the_value_is_asked_for_what_the_rule_says_and_only_where_it_counts() {
    let mut alert = alert("mae.low{window=24h,model=diabetes} > 60");
    let mut asked = 0;
    for at in [0, 1, minutes(1)] {
        _ = alert.look(at as u64, at, |quantity| {
            asked += 1;
            assert_eq!((quantity.metric, quantity.window()), (Metric::Mae, Some(Window::Time(86_400_000))));
            assert_eq!(
                (quantity.side, quantity.model.as_deref()),
                (crate::alert::Side::Low, Some("diabetes"))
            );
            None
        });
    }
    assert_eq!(asked, 2);
}

#[test]
fn what_is_said_has_the_value_and_since_when() {
    let mut alert = alert("mae{window=500} > 60 for 3");
    assert_eq!((alert.state(), alert.since_ms()), (State::Unknown, None));
    let mut said = Vec::new();
    for (look, value) in [63.0, 64.0, 63.24, 50.0, 50.0, 56.96].into_iter().enumerate() {
        said.extend(alert.look(50 * look as u64, minutes(10 * look as i64), |_| Some(value)));
    }
    let texts: Vec<String> = said.iter().map(Notice::text).collect();
    assert_eq!(
        texts,
        [
            "mae{window=500} > 60 fires: it is 63.2, and beyond the limit for 20 min",
            "mae{window=500} > 60 has ended after 30 min: it is 57.0"
        ]
    );
    assert_eq!((said[0].at_ms, said[0].since_ms), (minutes(20), 0));
    assert_eq!((said[1].at_ms, said[1].since_ms), (minutes(50), minutes(20)));
    assert_eq!((said[1].what, alert.since_ms()), (What::Ends { value: 56.96 }, None));

    let mut alert = super::tests::alert("since_label > 10m for 1");
    let fires = alert.look(0, 0, |_| Some(840.0)).unwrap();
    assert_eq!(fires.text(), "since_label > 10m fires: it is 14 min");
    let unknown = alert.look(0, minutes(90), |_| None).unwrap();
    assert_eq!(unknown.text(), "since_label > 10m fired for 1.5 h and is unknown now: it has no value");
    assert_eq!((alert.state(), alert.since_ms()), (State::Unknown, Some(0)));
}

#[test]
fn a_clock_that_is_set_back_neither_fires_early_nor_makes_it_wait() {
    let mut alert = alert("waiting > 60 for 10m");
    for (events, at, state) in
        [(1, 60, State::Pending), (2, 0, State::Pending), (3, 9, State::Pending), (4, 10, State::Firing)]
    {
        _ = alert.look(events, minutes(at), |_| Some(61.0));
        assert_eq!(alert.state(), state, "{at}");
    }
}

#[test]
fn infinity_and_the_ends_of_time_are_kept_like_anything_else() {
    let mut alert = alert("mae > 60 for 1h keep 1");
    for (events, at) in [(0, i64::MIN), (u64::MAX, i64::MAX)] {
        let Some(said) = alert.look(events, at, |_| Some(f64::INFINITY)) else { continue };
        assert_eq!(said.what, What::Fires { value: f64::MAX });
        let text = serde_json::to_string(&said).unwrap();
        assert_eq!(serde_json::from_str::<Notice>(&text).unwrap(), said);
        assert!(said.text().contains("1.7977e308") || said.text().contains("1.8e308"), "{}", said.text());
    }
    assert_eq!(alert.state(), State::Firing);
}

/// Uniform numbers: splitmix64 (Steele, Lea & Flood, OOPSLA 2014).
struct Uniform(u64);

impl Uniform {
    /// From 0 to 1, and not 0.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / 2.0_f64.powi(53) + 2.0_f64.powi(-54)
    }

    /// The absolute value of a normal number (Box & Muller, 1958).
    fn absolute_normal(&mut self) -> f64 {
        let radius = (-2.0 * self.next().ln()).sqrt();
        (radius * (2.0 * std::f64::consts::PI * self.next()).cos()).abs()
    }
}

/// How often a rule about the MAE of the last 500 fires per 100 000 labels with normal residuals, whose true MAE is this multiple
/// of the limit.
fn firings(rule: &str, level: f64, streams: u32) -> f64 {
    const LABELS: usize = 100_000;
    let limit = (2.0 / std::f64::consts::PI).sqrt() / level;
    let mut uniform = Uniform(1);
    let mut fired = 0;
    for _ in 0..streams {
        let mut alert = alert(&rule.replace("LIMIT", &limit.to_string()));
        let mut sums = vec![0.0];
        for label in 1..=LABELS {
            sums.push(sums[label - 1] + uniform.absolute_normal());
            let from = label.saturating_sub(500);
            let mae = || (sums[label] - sums[from]) / (label - from) as f64;
            let said = alert.look(label as u64, 0, |_| (label >= 30).then(mae));
            fired += u32::from(matches!(said, Some(Notice { what: What::Fires { .. }, .. })));
        }
    }
    f64::from(fired) / f64::from(streams)
}

#[test]
fn hysteresis_is_what_keeps_an_alert_from_crying_at_its_limit() {
    let bare = "mae > LIMIT for 1 clear LIMIT keep 1";
    let held = "mae > LIMIT clear LIMIT keep 1";
    let inside = "mae > LIMIT keep 1";
    let all = "mae > LIMIT";
    // Recorded from an independent simulation of 200 streams and more. The bounds are about three standard errors.
    for (level, rule, recorded, within) in [
        (0.95, bare, 43.0, 5.0),
        (0.95, held, 17.0, 4.0),
        (0.95, inside, 15.0, 4.0),
        (0.95, all, 15.0, 4.0),
        (1.0, bare, 141.0, 8.0),
        (1.0, held, 80.0, 6.0),
        (1.0, inside, 29.0, 5.0),
        (1.0, all, 16.0, 4.0),
        (1.05, bare, 55.0, 6.0),
        (1.05, all, 0.9, 0.7),
    ] {
        let fired = firings(rule, level, 20);
        assert!((fired - recorded).abs() < within, "{rule} at {level} of the limit: {fired}, not {recorded}");
    }
}
