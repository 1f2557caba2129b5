//! What is remembered over swaps, restarts and several processes, and what cannot be read.

use super::*;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn served(record: &Record) -> String {
    record.served().map(|served| served.version.to_string()).collect::<Vec<_>>().join(" ")
}

/// With these versions served one after the other.
fn record(versions: &str) -> Record {
    let mut record = Record::default();
    for (at, version) in (0..).zip(versions.split_whitespace()) {
        record.serves(&name(version), Format::Json, Timestamp(at));
    }
    record
}

#[test]
fn the_last_five_that_served_are_known_each_once() {
    for (versions, want) in [
        ("", ""),
        ("a b", "b a"),
        ("a b a", "a b"),
        ("a b c d e f g", "g f e d c"),
        ("a b c d e a f", "f a e d c"),
    ] {
        assert_eq!(served(&record(versions)), want, "{versions}");
    }
    // A clock that was set back changes nothing.
    let mut record = record("a b c");
    record.serves(&name("d"), Format::Onnx, Timestamp(-9));
    assert_eq!(served(&record), "d c b a");
}

#[test]
fn what_was_said_last_of_a_version_holds() {
    let v = name("v");
    let mut record = Record::default();
    assert!(!record.is_taken_back(&v) && !record.is_accepted(&v));
    record.take_back(&v, Timestamp(5));
    assert!(record.is_taken_back(&v) && !record.is_accepted(&v));
    record.accept(&v, Timestamp(-3));
    assert!(!record.is_taken_back(&v) && record.is_accepted(&v), "the clock was set back");
    for number in 0..2 * MOST_VERDICTS {
        record.take_back(&name(&format!("n{number}")), Timestamp(10));
    }
    assert_eq!(record.verdicts.len(), MOST_VERDICTS);
}

#[test]
fn a_watch_ends_with_its_week_its_version_or_a_word() {
    let (new, old) = (name("new"), name("old"));
    let mut record = Record::default();
    assert!(record.watched(&new, Timestamp(0)).is_none());
    record.watch(&new, &old, Timestamp(7));
    for (serving, now, goes_on) in [
        (&new, 7, true),
        (&new, 6 + WATCHED_FOR, true),
        (&new, 7 + WATCHED_FOR, false),
        (&old, 8, false),
        // A clock that was set back.
        (&new, -5, true),
    ] {
        assert_eq!(record.watched(serving, Timestamp(now)).is_some(), goes_on, "{serving} {now}");
    }
    // What others hear of an earlier swap ends nothing.
    for (version, before) in [(&old, &new), (&new, &new), (&old, &old)] {
        record.end_watch(version, before);
        assert!(record.watched(&new, Timestamp(8)).is_some(), "{version} {before}");
    }
    record.end_watch(&new, &old);
    assert!(record.watched(&new, Timestamp(8)).is_none());
}

#[test]
fn two_that_remember_know_together_what_each_knows_in_either_order() {
    let (v, w, x) = (name("v"), name("w"), name("x"));
    let (mut one, mut two) = (record("a b v"), record("a b c"));
    one.serves(&v, Format::Json, Timestamp(9));
    two.serves(&w, Format::Json, Timestamp(8));
    one.take_back(&v, Timestamp(10));
    two.take_back(&v, Timestamp(5));
    two.accept(&v, Timestamp(11));
    two.take_back(&x, Timestamp(3));
    one.watch(&v, &w, Timestamp(9));
    two.watch(&w, &x, Timestamp(8));
    for both in [one.merged(&two), two.merged(&one)] {
        assert_eq!(served(&both), "v w c b a");
        assert!(both.is_accepted(&v) && both.is_taken_back(&x));
        assert_eq!(both.watched(&v, Timestamp(9)).map(|watched| &watched.before), Some(&w));
        assert_eq!((both.merged(&one), both.merged(&two)), (both.clone(), both.clone()));
    }
    // What one of them ended has ended; what began again since goes on.
    let mut ended = one.clone();
    ended.end_watch(&v, &w);
    assert!(ended.merged(&one).watched(&v, Timestamp(9)).is_none());
    assert!(one.merged(&ended).watched(&v, Timestamp(9)).is_none());
    one.watch(&v, &w, Timestamp(10));
    assert!(one.merged(&ended).watched(&v, Timestamp(11)).is_some());
    assert!(ended.merged(&one).watched(&v, Timestamp(11)).is_some());
}

#[test]
fn what_is_written_is_read_again_and_fits_its_bound() {
    let mut full = record("a b c d e");
    full.serves(&name("f"), Format::Onnx, Timestamp(6));
    full.watch(&name("f"), &name("e"), Timestamp(6));
    let long = |number: usize| name(&format!("{number:0>64}"));
    for number in 0..MOST_VERDICTS {
        full.take_back(&long(number), Timestamp(7));
    }
    full.accept(&long(3), Timestamp(8));
    for record in [Record::default(), full] {
        let json = record.to_json();
        assert!(json.len() < MOST_BYTES, "{}", json.len());
        assert_eq!(Record::read(&json).unwrap(), record);
    }
}

#[test]
fn what_is_no_record_is_told() {
    let with = |served: &str| format!(r#"{{"versions":1,"served":[{served}],"verdicts":[]}}"#);
    for (text, want) in [
        ("", "EOF"),
        ("{}", "missing field"),
        (r#"{"versions":2,"served":[],"verdicts":[]}"#, "it has form 2; this program reads form 1"),
        (&with(r#"{"file":"../a.json","at":"2026-11-21T17:04:05Z"}"#), "a file that is no model's"),
        (&with(r#"{"file":"a.txt","at":"2026-11-21T17:04:05Z"}"#), "a file that is no model's"),
        (&with(r#"{"file":"a.json","at":"today"}"#), "a time that is none"),
    ] {
        let why = Record::read(text.as_bytes()).unwrap_err();
        assert!(why.contains(want), "{why}");
    }
    assert!(Record::read(with("").as_bytes()).is_ok());
}
