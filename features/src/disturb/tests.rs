//! What becomes of rows, by hand.

use super::*;

fn disturbance(drift: &[&str], shift: Option<&str>, missing: Option<&str>) -> Disturbance {
    Disturbance {
        drift: drift.iter().map(|drift| drift.parse().unwrap()).collect(),
        label_shift: shift.map(|shift| shift.parse().unwrap()),
        label_missing: missing.map(|share| share.parse().unwrap()),
    }
}

fn header() -> Header<'static> {
    Header { features: vec!["age", "heating", "bmi"], texts: vec!["heating"], label: ("price", true) }
}

fn vector(values: &[f64], label: Option<f64>) -> Entry {
    Entry { features: Some(Features::Vector(values.to_vec())), label, ..Entry::default() }
}

fn named(cells: &[(&str, Cell)]) -> Entry {
    let cells = cells.iter().map(|(name, cell)| ((*name).into(), cell.clone())).collect();
    Entry { features: Some(Features::Named(cells)), ..Entry::default() }
}

#[test]
fn changes_are_read_and_written() {
    for (text, want) in [
        ("bmi:+0.05@500", Ok("bmi:+0.05@500")),
        ("bmi:-3@0", Ok("bmi:-3@0")),
        ("bmi:*-1.5e2@7", Ok("bmi:*-150@7")),
        ("bmi:=0@18446744073709551615", Ok("bmi:=0@18446744073709551615")),
        ("a:b@c:=1@2", Ok("a:b@c:=1@2")),
        ("bmi", Err("expected COLUMN:CHANGE@ROW, such as bmi:+0.05@500")),
        ("bmi:+0.05", Err("expected CHANGE@ROW, such as *1.3@2000: from which row on?")),
        ("bmi:0.05@1", Err("expected a change such as +0.05, -3, *1.3 or =0, not \"0.05\"")),
        ("bmi:@1", Err("expected a change such as +0.05, -3, *1.3 or =0, not \"\"")),
        ("bmi:×2@1", Err("expected a change such as +0.05, -3, *1.3 or =0, not \"×2\"")),
        ("bmi:+@1", Err("\"\" is not a number")),
        ("bmi:*two@1", Err("\"two\" is not a number")),
        ("bmi:+inf@1", Err("\"inf\" is not a number")),
        ("bmi:+NaN@1", Err("\"NaN\" is not a number")),
        ("bmi:+1@-1", Err("\"-1\" is not the number of a row")),
        ("bmi:+1@", Err("\"\" is not the number of a row")),
    ] {
        let read: Result<Drift, String> = text.parse();
        assert_eq!(read.map(|drift| drift.to_string()), want.map(str::to_owned).map_err(str::to_owned));
    }
    for (text, want) in [("5%", 0.05), ("5 %", 0.05), ("0.05", 0.05), ("0", 0.0), ("100%", 1.0), ("1", 1.0)] {
        assert_eq!(text.parse(), Ok(Share(want)), "{text}");
    }
    for bad in ["", "%", "5", "101%", "-1%", "NaN", "few"] {
        let why = bad.parse::<Share>().unwrap_err();
        assert!(why.starts_with("expected a share from 0% to 100%"), "{why}");
    }
}

#[test]
fn a_row_changes_from_its_number_on() {
    let drifts = ["bmi:+0.5@2", "bmi:*2@3", "age:=7@1"];
    let disturber = disturbance(&drifts, Some("*1.5@2"), None).of_table(&header(), 1).unwrap();
    for (row, want, label) in [
        (0, [1.0, 2.0, 3.0], 10.0),
        (1, [7.0, 2.0, 3.0], 10.0),
        (2, [7.0, 2.0, 3.5], 15.0),
        // One after the other, as they were given.
        (3, [7.0, 2.0, 7.0], 15.0),
        (u64::MAX, [7.0, 2.0, 7.0], 15.0),
    ] {
        let disturbed = disturber.disturb(row, vector(&[1.0, 2.0, 3.0], Some(10.0)));
        assert_eq!(disturbed, Ok(vector(&want, Some(label))), "{row}");
    }
    // A label alone, and a row alone.
    let alone = Entry { label: Some(-2.0), ..Entry::default() };
    assert_eq!(disturber.disturb(2, alone).unwrap().label, Some(-3.0));
    assert_eq!(disturber.disturb(2, vector(&[0.0; 3], None)), Ok(vector(&[7.0, 0.0, 0.5], None)));
}

#[test]
fn by_name_what_is_missing_stays_so_and_a_text_is_refused() {
    let disturber = disturbance(&["bmi:-1@0"], None, None).by_name(1);
    let text = Cell::Text("high".into());
    for (cells, want) in [
        (
            vec![("bmi", Cell::Number(3.0)), ("x", text.clone())],
            Ok(vec![("bmi", Cell::Number(2.0)), ("x", text.clone())]),
        ),
        (vec![("bmi", Cell::Missing)], Ok(vec![("bmi", Cell::Missing)])),
        (vec![("age", Cell::Number(3.0))], Ok(vec![("age", Cell::Number(3.0))])),
        (
            vec![("bmi", text)],
            Err("\"bmi\" is a text, but --drift names it: only numbers can drift".to_owned()),
        ),
    ] {
        assert_eq!(disturber.disturb(0, named(&cells)), want.map(|cells| named(&cells)));
    }
}

#[test]
fn numbers_stay_such_as_can_be_sent_and_scored() {
    let disturber = disturbance(&["age:*1e300@0", "bmi:-1e308@0"], Some("*1e300@0"), None)
        .of_table(&header(), 1)
        .unwrap();
    let disturbed = disturber.disturb(0, vector(&[-1e300, 0.0, -1.5e308], Some(-1e10))).unwrap();
    assert_eq!(disturbed, vector(&[-f64::MAX, 0.0, -f64::MAX], Some(-1e15)));
    assert!(crate::entry::label(disturbed.label.unwrap()).is_ok());
}

#[test]
fn labels_are_kept_back_by_seed_and_row_alone() {
    let missing = |share: &str, seed: u64| -> Vec<u64> {
        let disturber = disturbance(&[], Some("+1@0"), Some(share)).of_table(&header(), seed).unwrap();
        // Backwards: no row depends on those before it.
        let disturbed =
            (0..4000).rev().map(|row| (row, disturber.disturb(row, vector(&[1.0; 3], Some(2.0))).unwrap()));
        let missing = disturbed.filter_map(|(row, entry)| {
            assert_eq!(entry.label, (!entry.withheld).then_some(3.0));
            entry.withheld.then_some(row)
        });
        missing.collect()
    };
    let twentieth = missing("5%", 1);
    // 200 of them, and four standard deviations.
    assert!((145..=255).contains(&twentieth.len()), "{}", twentieth.len());
    assert_eq!(twentieth, missing("0.05", 1));
    let both = missing("5%", 2).iter().filter(|row| twentieth.contains(row)).count();
    assert!(both < 30, "{both} of both seeds");
    // More are missing beside those that are anyway.
    assert!(twentieth.iter().all(|row| missing("10%", 1).contains(row)));
    assert_eq!((missing("0%", 1).len(), missing("100%", 1).len()), (0, 4000));
    // What has no label has none that is kept back.
    let all = disturbance(&[], None, Some("100%")).by_name(1);
    assert!(!all.disturb(0, vector(&[1.0], None)).unwrap().withheld);
}

#[test]
fn what_cannot_be_disturbed_is_named_before_anything_is_sent() {
    for (what, want) in [
        (
            disturbance(&["bmj:+1@0"], None, None),
            "--drift names \"bmj\", which is no feature; those are age, heating, bmi",
        ),
        (
            disturbance(&["price:+1@0"], None, None),
            "--drift names the label \"price\": to disturb labels, use --label-shift",
        ),
        (
            disturbance(&["age:+1@0", "heating:+1@0"], None, None),
            "--drift names \"heating\", which has texts: only numbers can drift",
        ),
    ] {
        assert_eq!(what.of_table(&header(), 1).unwrap_err(), want);
    }
    let unlabelled = || Header { label: ("price", false), ..header() };
    for (what, flag) in [
        (disturbance(&[], Some("+1@0"), None), "--label-shift"),
        (disturbance(&[], None, Some("5%")), "--label-missing"),
    ] {
        let want = format!("{flag} needs labels, but there is no column \"price\"");
        assert_eq!(what.of_table(&unlabelled(), 1).unwrap_err(), want);
        assert_eq!(
            what.check(false).unwrap_err().to_string(),
            format!("{flag} needs labels: leave out --no-labels")
        );
        assert!(what.check(true).is_ok());
    }
    assert!(disturbance(&["bmi:+1@0"], None, None).of_table(&unlabelled(), 1).is_ok());
    assert!(disturbance(&["bmi:+1@0"], None, None).check(false).is_ok());
}

#[test]
fn a_stream_counts_the_rows_that_can_be_read_and_ends_where_the_first_has_no_such_column() {
    let numbered = |line, cells: &[(&str, Cell)]| Ok(Numbered { line, entry: named(cells) });
    let bmi = |line| numbered(line, &[("bmi", Cell::Number(1.0))]);
    let bad = || Err(Fault::Line { line: 3, why: "bad".into() });
    let run = |drift: &str, entries: Vec<Result<Numbered, Fault>>| -> Vec<String> {
        let disturber = disturbance(&[drift], None, None).by_name(1);
        let show = |read: Result<Numbered, Fault>| match read {
            Ok(Numbered { line, entry }) => {
                format!("{line} {}", serde_json::to_string(&entry.features.unwrap()).unwrap())
            }
            Err(fault) => fault.of("t").to_string(),
        };
        Disturbed::new(entries.into_iter(), "t", disturber).map(show).collect()
    };
    assert_eq!(
        run("bmi:+1@1", vec![bmi(2), bad(), bmi(4)]),
        [r#"2 {"bmi":1.0}"#, "t, line 3: bad", r#"4 {"bmi":2.0}"#]
    );
    assert_eq!(
        run("bmj:+1@1", vec![bmi(2)]),
        ["t, line 2: --drift names \"bmj\", which is no feature; those are bmi"]
    );
    let text = numbered(3, &[("bmi", Cell::Text("x".into()))]);
    assert_eq!(
        run("bmi:+1@1", vec![bmi(2), text])[1],
        "t, line 3: \"bmi\" is a text, but --drift names it: only numbers can drift"
    );
}

#[test]
fn people_are_told() {
    let what = disturbance(&["bmi:+0.05@500"], Some("*1.3@2000"), Some("5%"));
    let want =
        "disturbed on purpose (bmi:+0.05@500, labels *1.3@2000, a share of 0.05 of the labels missing)";
    assert_eq!((what.settings(), what.is_none()), (want.to_owned(), false));
    assert!(Disturbance::default().is_none());
}
