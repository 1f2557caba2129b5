//! Many rows, labels and predictions in one message.

use super::*;
use crate::message::{HeaderValue, MOST_ROWS, MOST_VECTORS, Role};

/// Each item as its id and its value, or the reason why not.
fn show<T>(bundle: Result<Bundle<T>, Rejection>, value: impl Fn(&T) -> (Option<&RowId>, String)) -> String {
    let bundle = match bundle {
        Ok(bundle) => bundle,
        Err(why) => return format!("all {}", why.reason),
    };
    let item = |item: &Result<T, Rejection>| match item {
        Ok(item) => {
            let (id, value) = value(item);
            format!("{}={value}", id.map_or("-".to_owned(), ToString::to_string))
        }
        Err(why) => why.reason.to_owned(),
    };
    let items: Vec<String> = bundle.items.iter().map(item).collect();
    if bundle.together { items.join(" ") } else { format!("one {}", items.join(" ")) }
}

fn shown_rows(text: &str, names: Option<&[String]>) -> String {
    show(Row::decode(&body(text), names), |row| (row.key.id(), serde_json::to_string(&row.features).unwrap()))
}

fn shown_labels(text: &str) -> String {
    show(Label::decode(&body(text)), |label| (label.key.id(), label.value.to_string()))
}

#[test]
fn rows_travel_together_with_their_ids_or_without() {
    for (text, want) in [
        (r#"{"ids": ["a", "b"], "body": [[1, 2], [3, 4]]}"#, "a=[1.0,2.0] b=[3.0,4.0]"),
        (r#" {"x":[[1],[3]] ,"ids":[5.0,"\u0062"]}"#, "5=[1.0] b=[3.0]"),
        ("[[1, 2], [3]]", "-=[1.0,2.0] -=[3.0]"),
        // One in an array has the id beside it, as one alone.
        (" [ [1, 2] ]", "r1=[1.0,2.0]"),
        ("[1, 2]", "one r1=[1.0,2.0]"),
        (r#"{"ids": ["a"], "body": [[1]]}"#, "a=[1.0]"),
        // A bad one only fails by itself.
        (r#"{"ids": ["a", "-", "c"], "body": [[1], [2], ["x"]]}"#, "a=[1.0] bad_id bad_shape"),
        (r#"{"ids": ["a", "b"], "body": [[1], [NaN, "NaN\"NaN"]]}"#, "a=[1.0] not_finite"),
        (
            r#"[[1], 2, [-Infinity], [1e999], ["0.5", true]]"#,
            "-=[1.0] bad_shape not_finite not_finite -=[0.5,1.0]",
        ),
        (r#"[{"a": 1}, {"id": 7, "a": 1}, [2]]"#, "bad_shape bad_shape -=[2.0]"),
        (r#"{"ids": ["a"], "body": [{"a": 1}]}"#, r#"a={"a":1.0}"#),
        // What is wrong with all of it.
        (r#"{"ids": ["a", "b"], "body": [[1]]}"#, "all bad_shape"),
        (r#"{"ids": [], "body": []}"#, "all bad_shape"),
        (r#"{"ids": ["a"]}"#, "all bad_shape"),
        (r#"{"ids": ["a"], "body": [[1]], "more": [[2]]}"#, "all bad_shape"),
        (r#"{"ids": ["a"], "id": "b"}"#, "all bad_shape"),
        (r#"{"ids": ["a"], "id": ["b"]}"#, "all bad_shape"),
        (r#"{"ids": ["a"], "body": 5}"#, "all bad_shape"),
        (r#"{"ids": ["a"], "ids": ["b"], "body": [[1]]}"#, "all bad_shape"),
        (r#"{"ids": ["a"], "body": [[1]"#, "all not_json"),
        ("[[1], [2]", "all not_json"),
    ] {
        assert_eq!(shown_rows(text, None), want, "{text}");
    }
}

#[test]
fn rows_by_name_travel_together() {
    let names = ["a".to_owned(), "b".to_owned()];
    for (text, want) in [
        (
            r#"{"ids": [1, 2, 3], "rows": [{"b": 2, "a": 1, "c": 9}, {"a": 1}, [5, 6]]}"#,
            r#"1={"a":1.0,"b":2.0} wrong_names 3=[5.0,6.0]"#,
        ),
        (r#"[{"a": 1, "b": null}, {"b": "x", "a": 2}]"#, r#"-={"a":1.0,"b":null} -={"a":2.0,"b":"x"}"#),
    ] {
        assert_eq!(shown_rows(text, Some(&names)), want, "{text}");
    }
    // A feature may be called ids.
    let names = ["ids".to_owned(), "a".to_owned()];
    assert_eq!(shown_rows(r#"{"ids": 5, "a": 1}"#, Some(&names)), r#"one r1={"ids":5.0,"a":1.0}"#);
    // A model of texts has no use for arrays of numbers, and says so of each.
    let bundle =
        Row::decode_by_name(&body(r#"{"ids": [1, 2], "body": [["x"], {"ids": "x", "a": 1}]}"#), &names)
            .unwrap();
    let why = bundle.items[0].as_ref().unwrap_err().to_string();
    assert_eq!(why, "bad_shape: expected an object with the features by name");
    assert!(bundle.items[1].is_ok());
}

#[test]
fn labels_and_predictions_travel_together() {
    for (text, want) in [
        (r#"{"ids": ["a", 17], "body": [1.5, "2"]}"#, "a=1.5 17=2"),
        (r#"{"ids": ["a", 17], "y_true": [1.5, 2]}"#, "a=1.5 17=2"),
        ("[1, 2.5]", "-=1 -=2.5"),
        ("[7]", "r1=7"),
        ("7", "one r1=7"),
        (r#"{"ids": ["a", "b", "c"], "body": [1e300, NaN, [1]]}"#, "too_extreme not_finite bad_shape"),
        (r#"{"ids": ["a"], "body": 7}"#, "all bad_shape"),
        ("[]", "all bad_shape"),
    ] {
        assert_eq!(shown_labels(text), want, "{text}");
    }
}

#[test]
fn the_rows_of_a_message_are_bounded() {
    let text = |count: usize| format!("[{}]", vec!["1"; count].join(","));
    assert_eq!(Label::decode(&body(&text(MOST_ROWS))).unwrap().items.len(), MOST_ROWS);
    assert_eq!(shown_labels(&text(MOST_ROWS + 1)), "all too_large");
}

#[test]
fn what_travels_together_reads_back_to_the_bit() {
    let now = Timestamp(1_795_194_245_123);
    let under: BodyKey = "y_pred".parse().unwrap();
    let spelt = |raw: &str, plain: &str| Key::Body {
        id: id(plain),
        raw: Some(raw.into()),
        under: BodyKey::default(),
    };
    for (keys, want) in [
        (vec![Key::wrapped(id("a")), spelt("5.0", "5")], r#"{"ids": ["a", 5.0], "y_pred": [0.5,-0.0]}"#),
        (vec![Key::wrapped(id("a"))], r#"{"ids": ["a"], "y_pred": [0.5]}"#),
        (vec![Key::Anonymous, Key::Anonymous], "[0.5,-0.0]"),
        (vec![Key::Property(id("a"))], "[0.5]"),
    ] {
        let one = |(key, value): (Key, f64)| Prediction {
            key: key.under(&under),
            value,
            model: Name::parse("m").ok(),
            model_version: None,
            role: ModelRole::Serving,
            published_at: Some(now),
            features_published_at: Some(Timestamp(7)),
            vector: Some(Box::new([value, 0.1 + 0.2])),
        };
        let said: Vec<Prediction> = keys.into_iter().zip([0.5, -0.0]).map(one).collect();
        let [outgoing] = &Prediction::encode_together(&said, "model", now)[..] else { panic!("one message") };
        assert_eq!(String::from_utf8_lossy(&outgoing.body), want);
        let read = Prediction::decode(outgoing).unwrap();
        assert!(read.together);
        let usual = |said: &Prediction| Prediction {
            key: said.key.clone().under(&BodyKey::default()),
            ..said.clone()
        };
        let back: Vec<Prediction> = read.items.into_iter().map(Result::unwrap).collect();
        assert_eq!(format!("{back:?}"), format!("{:?}", said.iter().map(usual).collect::<Vec<_>>()));
    }
    let row = |key, value| Row {
        key,
        features: Features::Vector(vec![value]),
        names: Some("x".into()),
        published_at: Some(now),
    };
    let rows = [row(Key::wrapped(id("a")), 0.1), row(Key::wrapped(id("b")), -0.0)];
    let read = Row::decode(&Row::encode_together(&rows, "features", now), None).unwrap();
    assert_eq!(read.items.into_iter().map(Result::unwrap).collect::<Vec<_>>(), rows);
    let label = |key| Label { key, value: 0.1, published_at: Some(now) };
    let labels = [label(Key::wrapped(id("a"))), label(Key::wrapped(id("b")))];
    let read = Label::decode(&Label::encode_together(&labels, "features", now)).unwrap();
    assert_eq!(read.items.into_iter().map(Result::unwrap).collect::<Vec<_>>(), labels);
}

fn predictions(count: usize, width: usize) -> Vec<Prediction> {
    let one = |at: usize| Prediction {
        key: Key::wrapped(id(&format!("r{at}"))),
        value: at as f64,
        model: None,
        model_version: None,
        role: ModelRole::Serving,
        published_at: None,
        features_published_at: None,
        vector: Some(vec![at as f64; width].into()),
    };
    (0..count).map(one).collect()
}

#[test]
fn vectors_go_along_as_far_as_they_fit() {
    let fits = MOST_VECTORS / 8;
    for (count, width, want) in
        [(3, 10, vec![3]), (10, fits / 4, vec![4, 4, 2]), (2, fits, vec![1, 1]), (3, fits + 1, vec![3])]
    {
        let said = predictions(count, width);
        let messages = Prediction::encode_together(&said, "model", Timestamp(0));
        let read: Vec<Bundle<Prediction>> =
            messages.iter().map(|message| Prediction::decode(message).unwrap()).collect();
        assert_eq!(
            read.iter().map(|bundle| bundle.items.len()).collect::<Vec<_>>(),
            want,
            "{count} of {width}"
        );
        let vectors = read.into_iter().flat_map(|bundle| bundle.items).map(|item| item.unwrap().vector);
        let expected = said.into_iter().map(|said| said.vector.filter(|_| width <= fits));
        assert!(vectors.eq(expected), "{count} of {width}");
    }
    let alone = predictions(1, fits + 1)[0].encode("model", Timestamp(0));
    assert_eq!(alone.bytes_header(FEATURES), None);
}

/// A header that cannot be theirs costs no prediction.
#[test]
fn a_header_of_another_length_is_none() {
    let mut message = Prediction::encode_together(&predictions(3, 2), "model", Timestamp(0)).remove(0);
    for length in [0, 1, 47, 49, 56] {
        message.headers.retain(|(name, _)| *name != FEATURES);
        message.headers.push((FEATURES, HeaderValue::Bytes(vec![0; length])));
        let read = Prediction::decode(&message).unwrap();
        assert!(read.items.iter().all(|item| item.as_ref().unwrap().vector.is_none()), "{length}");
    }
}

#[test]
fn one_of_many_is_a_message_that_can_be_sent_again() {
    for (role, text, index, want) in [
        (
            Role::Features,
            r#"{"ids": ["a", 5.0], "x y": [[1], [ 2,null ]]}"#,
            1,
            r#"{"id": 5.0, "x y": [ 2,null ]}"#,
        ),
        (Role::Features, r#"[[1], {"a": "b"}]"#, 1, r#"{"a": "b"}"#),
        (Role::Features, "[[1], [NaN]]", 1, r#"["NaN"]"#),
        (Role::Label, r#"{"ids": ["a", "b"], "body": [1, "x"]}"#, 0, r#"{"id": "a", "body": 1}"#),
        (Role::Label, r#"[1, "x"]"#, 1, r#""x""#),
    ] {
        let [alone] = &role.alone(&body(text), &[index])[..] else { panic!("{text}") };
        assert_eq!(
            (&*String::from_utf8_lossy(&alone.body), alone.index, alone.of),
            (want, index, 2),
            "{text}"
        );
    }
    // A message of one is that already.
    for one in ["5", r#"["x"]"#, r#"{"ids": ["a"], "body": ["x"]}"#] {
        assert_eq!(Role::Label.alone(&body(one), &[0]), [], "{one}");
    }
    // It takes along what it was predicted from, and nothing of its neighbours.
    let message = Prediction::encode_together(&predictions(3, 2), "model", Timestamp(0)).remove(0);
    let part = message.part(Role::Prediction.alone(&message, &[2]).remove(0));
    let read = Prediction::decode(&part).unwrap().only().unwrap();
    assert_eq!((read.value, read.vector.unwrap()), (2.0, vec![2.0; 2].into()));
    assert_eq!(part.text_header("x-part"), Some("3 of 3"));
}
