//! Tables of what is read, what is refused and why, and what is written.

use std::io::Write as _;

use super::*;
use crate::message::{BodyKey, Cell, LARGEST_VALUE};

#[derive(Default)]
struct Fake<'a> {
    body: Vec<u8>,
    message_id: Option<&'a str>,
    correlation_id: Option<&'a str>,
    reply_to: Option<&'a str>,
    content_type: Option<&'a str>,
    content_encoding: Option<&'a str>,
    model: Option<&'a str>,
    role: Option<&'a str>,
    names: Vec<&'a str>,
}

impl Incoming for Fake<'_> {
    fn body(&self) -> &[u8] {
        &self.body
    }
    fn message_id(&self) -> Option<&str> {
        self.message_id
    }
    fn correlation_id(&self) -> Option<&str> {
        self.correlation_id
    }
    fn reply_to(&self) -> Option<&str> {
        self.reply_to
    }
    fn content_type(&self) -> Option<&str> {
        self.content_type
    }
    fn content_encoding(&self) -> Option<&str> {
        self.content_encoding
    }
    fn int_header(&self, _: &str) -> Option<i64> {
        None
    }
    fn text_header(&self, name: &str) -> Option<&str> {
        match name {
            MODEL => self.model,
            MODEL_ROLE => self.role,
            _ => None,
        }
    }
    fn list_header(&self, name: &str) -> Option<Vec<&str>> {
        (name == FEATURE_NAMES && !self.names.is_empty()).then(|| self.names.clone())
    }
    fn bytes_header(&self, _: &str) -> Option<&[u8]> {
        None
    }
}

fn body(text: &str) -> Fake<'static> {
    Fake { body: text.into(), message_id: Some("r1"), ..Fake::default() }
}

/// A row whose model knows no names.
fn row(message: &Fake<'_>) -> Result<Row, Rejection> {
    Row::decode(message, None)?.only()
}

fn houses() -> Vec<String> {
    ["area", "rooms", "heating"].map(str::to_owned).to_vec()
}

/// A row of a model of houses.
fn house(text: &str) -> Result<Row, Rejection> {
    Row::decode(&body(text), Some(&houses()))?.only()
}

fn label(message: &impl Incoming) -> Result<Label, Rejection> {
    Label::decode(message)?.only()
}

fn prediction(message: &impl Incoming) -> Result<Prediction, Rejection> {
    Prediction::decode(message)?.only()
}

fn id(text: &str) -> RowId {
    RowId::parse(text).unwrap()
}

fn reason<T>(result: Result<T, Rejection>) -> &'static str {
    result.err().map_or("accepted", |rejection| rejection.reason)
}

#[test]
fn ids_stand_beside_the_body_or_in_it_or_nowhere() {
    let bare = row(&body("[1, 2.5, -3e-2]")).unwrap();
    assert_eq!(bare.features, Features::Vector(vec![1.0, 2.5, -0.03]));
    assert_eq!(bare.key, Key::Property(id("r1")));

    let anonymous = label(&Fake { body: b"151.0".into(), ..Fake::default() }).unwrap();
    assert_eq!(anonymous.key, Key::Anonymous);

    let correlated = Fake { body: b"7".into(), correlation_id: Some("c"), ..Fake::default() };
    assert_eq!(label(&correlated).unwrap().key, Key::Property(id("c")));

    // Whoever asks counts its questions there.
    for (message_id, reply_to, want) in [
        (None, "amq.gen-1", Key::Anonymous),
        (Some("r1"), "amq.gen-1", Key::Property(id("r1"))),
        (None, "", Key::Property(id("1"))),
    ] {
        let asks = |json: &str| Fake {
            body: json.into(),
            message_id,
            correlation_id: Some("1"),
            reply_to: Some(reply_to),
            ..Fake::default()
        };
        assert_eq!(row(&asks("[1, 2]")).unwrap().key, want, "{reply_to}");
        assert_eq!(row(&asks(r#"{"id": "w", "x": [1, 2]}"#)).unwrap().key.id(), Some(&id("w")));
        assert_eq!(row(&asks("[[1, 2]]")).unwrap().key, want, "{reply_to}");
        // A label asks for nothing: a reply_to that somebody left there takes no id away.
        let key = label(&asks("7")).unwrap().key;
        assert_eq!(key.id(), Some(&id(message_id.unwrap_or("1"))), "{reply_to}");
    }

    for (json, want) in [
        (r#""a-1""#, "a-1"),
        (r#""urn:a/b""#, "urn:a/b"),
        (r#""\u0061""#, "a"),
        ("1732190645.100", "1732190645.1"),
        ("5.0", "5"),
        ("5", "5"),
        (r#""5""#, "5"),
        (r#""5.0""#, "5.0"),
        ("3.9640798e7", "39640798"),
        ("12345678901234567890", "12345678901234567890"),
        ("-5", "-5"),
        ("-0", "0"),
    ] {
        let text = format!(r#" {{"body": 151, "id": {json}}}"#);
        let truth = label(&body(&text)).unwrap();
        assert_eq!((&*truth.key.id().unwrap().to_string(), truth.value), (want, 151.0), "{json}");
        let answer = Label { value: 2.5, ..truth }.encode("model", Timestamp(0));
        assert_eq!(answer.body, format!(r#"{{"id": {json}, "body": 2.5}}"#).into_bytes(), "as it was asked");
        assert_eq!(answer.message_id, None);
    }
}

#[test]
fn a_value_stands_under_whatever_key() {
    for key in ["body", "y_pred", "y_true", "prediction", "id ", "с", "\\\"", "\\u0062ody", ""] {
        let text = format!(r#"{{"id": "a", "{key}": 153.5}}"#);
        assert_eq!(prediction(&body(&text)).unwrap().value, 153.5, "{key}");
        let text = format!(r#"{{"{key}": [0.5, 2], "id": "a"}}"#);
        for names in [None, Some(&*houses())] {
            let row = Row::decode(&body(&text), names).unwrap().only().unwrap();
            assert_eq!(
                (row.key, row.features),
                (Key::wrapped(id("a")), Features::Vector(vec![0.5, 2.0])),
                "{key}"
            );
        }
    }
}

#[test]
fn an_answer_says_its_value_under_the_key_that_is_asked_for() {
    let key: BodyKey = "y_pred".parse().unwrap();
    for (question, want) in [
        (r#"{"id": 5.0, "body": [1]}"#, r#"{"id": 5.0, "y_pred": 2.5}"#),
        ("[1]", "2.5"),
        (r#"{"area": 50, "rooms": 3, "heating": "gas"}"#, "2.5"),
        (r#"{"area": 50, "rooms": 3, "heating": "gas", "id": "a"}"#, r#"{"id": "a", "y_pred": 2.5}"#),
    ] {
        let asked = house(question).unwrap().key;
        let (model, model_version, features_published_at) = (None, None, None);
        let key = asked.under(&key);
        let answer = Prediction {
            key,
            value: 2.5,
            model,
            model_version,
            role: ModelRole::Serving,
            published_at: None,
            features_published_at,
            vector: None,
        };
        let outgoing = answer.encode("model", Timestamp(0));
        assert_eq!(String::from_utf8(outgoing.body).unwrap(), want);
        assert_eq!(outgoing.message_id.as_deref(), (want == "2.5").then_some("r1"));
    }
}

#[test]
fn numbers_may_be_texts_and_truths() {
    for (text, want) in [
        ("151", 151.0),
        ("\"151.0\"", 151.0),
        ("\" -1e2 \"", -100.0),
        ("true", 1.0),
        ("false", 0.0),
        (r#"{"id": 1, "y_true": "0.1"}"#, 0.1),
        (r#"{"id": 1, "body": true}"#, 1.0),
        ("1e15", LARGEST_VALUE),
        ("\"-1e15\"", -LARGEST_VALUE),
    ] {
        assert_eq!(label(&body(text)).unwrap().value, want, "{text}");
        assert_eq!(prediction(&body(text)).unwrap().value, want, "{text}");
    }
    for text in [r#"["0.1", "2", true, 1e300]"#, r#"{"id": 1, "features": [0.1, "2", true, "1e300"]}"#] {
        let want = Features::Vector(vec![0.1, 2.0, 1.0, 1e300]);
        assert_eq!(row(&body(text)).unwrap().features, want, "features may be large: {text}");
    }
}

#[test]
fn an_object_is_by_name_where_it_has_every_feature_of_the_model() {
    let cells = |heating: Cell| {
        let cell = |name: &str, cell| (Box::from(name), cell);
        Features::Named(vec![
            cell("area", Cell::Number(50.0)),
            cell("rooms", Cell::Number(1.0)),
            cell("heating", heating),
        ])
    };
    let gas = || Cell::Text("gas".into());
    let beside = Key::Property(id("r1"));
    for (text, key, want) in [
        (r#"{"area": 50, "rooms": true, "heating": "gas"}"#, beside.clone(), gas()),
        // In any order, with others beside them, which are left out.
        (r#"{"heating": null, "city": ["x"], "rooms": 1, "area": 50.0}"#, beside.clone(), Cell::Missing),
        (
            r#"{"id": "a", "rooms": 1, "heating": "", "area": 50}"#,
            Key::wrapped(id("a")),
            Cell::Text("".into()),
        ),
        (
            r#"{"id": "a", "body": {"rooms": 1, "heating": "gas", "area": 50, "id": 7}}"#,
            Key::wrapped(id("a")),
            gas(),
        ),
        (r#"{"x": {"heating": "gas", "rooms": 1, "area": 50}, "id": "a"}"#, Key::wrapped(id("a")), gas()),
    ] {
        let row = house(text).unwrap();
        assert_eq!((row.key, row.features), (key, cells(want)), "{text}");
    }
    // A feature may be called as an id or a value is.
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let feature = Row::decode(&body(r#"{"id": 3, "area": 50}"#), Some(&names(&["id", "area"])))
        .unwrap()
        .only()
        .unwrap();
    assert_eq!(feature.key, beside);
    let value = Row::decode(&body(r#"{"id": 3, "body": [5, 6]}"#), Some(&names(&["body", "area"])))
        .unwrap()
        .only()
        .unwrap();
    assert_eq!(value.features, Features::Vector(vec![5.0, 6.0]));
    // Of a model without names, whatever there is.
    let any = row(&body(r#"{"id": 3, "body": {"b": null, "a": 1}}"#)).unwrap().features;
    assert_eq!(any, Features::Named(vec![("a".into(), Cell::Number(1.0)), ("b".into(), Cell::Missing)]));
}

#[test]
fn what_is_wrong_with_an_object_is_said() {
    for (text, want) in [
        (r#"{"area": 50, "heating": "gas"}"#, r#"wrong_names: the feature "rooms" is missing"#),
        (r#"{"id": 1, "area": 50}"#, r#"wrong_names: the feature "rooms" is missing"#),
        (r#"{"id": 1, "area": 50, "heating": "gas"}"#, r#"wrong_names: the feature "rooms" is missing"#),
        (r#"{"id": 1, "body": {"rooms": 1}}"#, r#"wrong_names: the feature "area" is missing"#),
        (
            r#"{"area": 50, "rooms": [3], "heating": "gas"}"#,
            "bad_shape: \"rooms\" is an array or an object; expected a number, a text or null",
        ),
        (
            r#"{"1734717251": [1, 2]}"#,
            "bad_shape: an object without an \"id\"; expected {\"id\": ID, KEY: VALUE} with any KEY, or an array of \
             numbers alone",
        ),
        (r#"{"id": 1}"#, "bad_shape: there is only an \"id\"; expected an array of numbers beside it"),
        (
            r#"{"id": 1, "body": [1], "more": 2}"#,
            "bad_shape: beside \"id\" there are \"body\" and \"more\"; expected one key with an array of numbers",
        ),
        (
            r#"{"area": 1e999, "rooms": 3, "heating": "gas"}"#,
            "not_finite: \"area\": number out of range at line 1 column 5",
        ),
        (
            r#"{"id": 1, "x": [1, [2]]}"#,
            "bad_shape: expected an array of numbers: invalid type: sequence, expected a number at line 1 column 5",
        ),
        (r#"{"id": 1, "x": [1, null]}"#, "bad_shape: feature 2 is nothing; expected a number"),
        (r#"{"id": 1, "x": ["3,5"]}"#, "bad_shape: feature 1 is \"3,5\"; expected a number"),
    ] {
        assert_eq!(house(text).unwrap_err().to_string(), want, "{text}");
    }
    let why = label(&body(r#"{"1734717251": 5}"#)).unwrap_err();
    assert!(why.detail.ends_with(r#"{"id": ID, KEY: VALUE} with any KEY, or a number alone"#), "{why}");
}

/// A model with categories is never said to want an array.
#[test]
fn a_row_by_name_is_asked_for_by_name() {
    for (text, want) in [
        ("5", "expected an object with the features by name"),
        (r#"["gas", 3, 50]"#, "expected an object with the features by name"),
        (r#"{"id": 1, "body": ["gas", 3]}"#, "expected an object with the features by name"),
        (r#"{"id": 1}"#, "there is only an \"id\"; expected an object with the features by name beside it"),
        (
            r#"{"x": 1}"#,
            "an object without an \"id\"; expected {\"id\": ID, KEY: VALUE} with any KEY, or an object with",
        ),
        (r#"{"area": 1, "rooms": 2}"#, "the feature \"heating\" is missing"),
    ] {
        let detail = Row::decode_by_name(&body(text), &houses()).unwrap_err().detail;
        assert!(detail.starts_with(want), "{text}: {detail}");
    }
}

#[test]
fn what_cannot_be_used_is_refused_with_its_reason() {
    let nested = "[".repeat(100_000);
    let closed = format!("{nested}{}", "]".repeat(100_000));
    let nested_unknown = format!("{{\"id\": 1, \"x\": {nested}");
    let nested_value = format!("{{\"id\": 1, \"x\": {closed}}}");
    let nested_id = format!("{{\"id\": {closed}, \"body\": 1}}");
    let long_id = format!("{{\"id\": \"{}\", \"body\": [1]}}", "x".repeat(129));
    let large = " ".repeat(MAX_BODY) + "[1]";
    for (text, want) in [
        ("", Rejection::NOT_JSON),
        ("[1, 2", Rejection::NOT_JSON),
        ("[1] 2", Rejection::NOT_JSON),
        ("{", Rejection::NOT_JSON),
        (r#"{"id": 1, "body": [1]} 2"#, Rejection::NOT_JSON),
        ("\u{feff}[1]", Rejection::NOT_JSON),
        ("[NaN]", Rejection::NOT_FINITE),
        ("[1, -Infinity]", Rejection::NOT_FINITE),
        ("[1e999]", Rejection::NOT_FINITE),
        ("[\"inf\"]", Rejection::NOT_FINITE),
        ("[\"1\", 1e999]", Rejection::NOT_FINITE),
        (r#"{"id": "NaN", "body": [Infinity]}"#, Rejection::NOT_FINITE),
        (r#"{"id": "NaN", "body": [nothing]}"#, Rejection::NOT_JSON),
        (r#"{"id": "a", "body": [1e999]}"#, Rejection::NOT_FINITE),
        ("[null]", Rejection::SHAPE),
        ("[\"\"]", Rejection::SHAPE),
        ("[\"gas\"]", Rejection::SHAPE),
        ("[[[1]]]", Rejection::SHAPE),
        ("[[1], [2]]", Rejection::SHAPE),
        ("\"[1, 2]\"", Rejection::SHAPE),
        ("1", Rejection::SHAPE),
        ("null", Rejection::SHAPE),
        ("{}", Rejection::SHAPE),
        (r#"{"body": [1]}"#, Rejection::SHAPE),
        (r#"{"id": 1, "body": 1}"#, Rejection::SHAPE),
        (r#"{"id": 1, "body": [1], "more": 2}"#, Rejection::SHAPE),
        (r#"{"id": 1, "id": 2, "body": [1]}"#, Rejection::SHAPE),
        (r#"{"id": 1, "body": [1], "\u0062ody": [1]}"#, Rejection::SHAPE),
        (r#"{"id": 1, "body": {"a": 1, "a": 1}}"#, Rejection::SHAPE),
        (r#"{"id": "a b", "body": [1]}"#, Rejection::ID),
        (r#"{"id": "-", "body": [1]}"#, Rejection::ID),
        (r#"{"id": "a\u0000", "body": [1]}"#, Rejection::ID),
        (r#"{"id": null, "body": [1]}"#, Rejection::ID),
        (r#"{"id": true, "body": [1]}"#, Rejection::ID),
        (r#"{"id": [1], "body": [1]}"#, Rejection::ID),
        (r#"{"id": 1e400, "body": [1]}"#, Rejection::ID),
        (&long_id, Rejection::ID),
        (&large, Rejection::TOO_LARGE),
        (&nested, Rejection::NOT_JSON),
        (&nested_unknown, Rejection::NOT_JSON),
        (&nested_value, Rejection::SHAPE),
    ] {
        assert_eq!(reason(row(&body(text))), want, "{}", &text[..text.len().min(60)]);
    }
    for (text, want) in [
        (&*nested_id, Rejection::ID),
        ("[[1]]", Rejection::SHAPE),
        ("{\"a\": 1}", Rejection::SHAPE),
        ("null", Rejection::SHAPE),
        ("\"gas\"", Rejection::SHAPE),
        ("\"nan\"", Rejection::NOT_FINITE),
        ("NaN", Rejection::NOT_FINITE),
        (r#"{"id": 1, "y": {"a": 1}}"#, Rejection::SHAPE),
        ("1.0000000000000002e15", Rejection::EXTREME),
        ("-1e16", Rejection::EXTREME),
        ("\"1e300\"", Rejection::EXTREME),
        (r#"{"id": 1, "y": 1e154}"#, Rejection::EXTREME),
    ] {
        assert_eq!(reason(label(&body(text))), want, "{}", &text[..text.len().min(60)]);
        assert_eq!(reason(prediction(&body(text))), want, "{}", &text[..text.len().min(60)]);
    }
    let why = label(&body("1e300")).unwrap_err().to_string();
    assert_eq!(why, "too_extreme: the label is 1e300; scored are numbers up to 1e15");
    let bad_id = Fake { body: b"[1]".into(), message_id: Some("a,b"), ..Fake::default() };
    assert_eq!(reason(row(&bad_id)), Rejection::ID);
    let bad_model = Fake { body: b"1".into(), model: Some("a,b"), ..Fake::default() };
    assert_eq!(reason(prediction(&bad_model)), Rejection::MODEL);
    let bad_role = Fake { role: Some("king"), ..body("1") };
    assert_eq!(reason(prediction(&bad_role)), Rejection::MODEL);
}

#[test]
fn json_text_bytes_or_no_content_type_is_read() {
    for (content_type, want) in [
        ("application/json", "accepted"),
        ("Application/JSON; charset=utf-8", "accepted"),
        ("application/vnd.shop+json", "accepted"),
        ("json", "accepted"),
        ("", "accepted"),
        ("text/plain", "accepted"),
        ("TEXT/plain;charset=UTF-8", "accepted"),
        ("application/octet-stream", "accepted"),
        ("application/x-python-pickle", Rejection::CONTENT_TYPE),
        ("application/jsonl", Rejection::CONTENT_TYPE),
        ("application/x-ndjson", Rejection::CONTENT_TYPE),
        ("application/xml", Rejection::CONTENT_TYPE),
        ("image/png", Rejection::CONTENT_TYPE),
        ("texts", Rejection::CONTENT_TYPE),
    ] {
        let message = Fake { body: b"[1]".into(), content_type: Some(content_type), ..Fake::default() };
        assert_eq!(reason(row(&message)), want, "{content_type}");
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(text).unwrap();
    writer.finish().unwrap()
}

#[test]
fn gzip_is_expanded_and_another_coding_is_named() {
    let packed = gzip(b"{\"id\": \"a\", \"body\": 151}");
    let full = gzip(&[&b" ".repeat(MAX_BODY - 1)[..], b"7"].concat());
    let bomb = gzip(&b" ".repeat(64 * MAX_BODY));
    assert!(bomb.len() < MAX_BODY);
    let cut = packed[..packed.len() - 9].to_vec();
    let mut damaged = packed.clone();
    damaged[14] ^= 1;
    let two = [gzip(b"15"), gzip(b"1")].concat();
    let no_gzip = b"\x78\x9c\x03\x00".to_vec();
    for (encoding, body, want) in [
        (Some("gzip"), packed.clone(), "accepted"),
        // By content, whatever the property says.
        (None, packed.clone(), "accepted"),
        (Some("x-gzip"), two, "accepted"),
        (Some("gzip"), b"151".to_vec(), "accepted"),
        (Some("utf-8"), b"151".to_vec(), "accepted"),
        (Some("gzip"), full, "accepted"),
        (Some("gzip"), bomb, Rejection::TOO_LARGE),
        (Some("gzip"), cut, Rejection::ENCODING),
        (Some("gzip"), damaged, Rejection::ENCODING),
        (Some("gzip"), gzip(&packed), Rejection::ENCODING),
        (None, gzip(&packed), Rejection::ENCODING),
        (Some("gzip"), gzip(b"[1]"), "accepted"),
        (Some("deflate"), no_gzip.clone(), Rejection::ENCODING),
        (Some("br"), no_gzip.clone(), Rejection::ENCODING),
        (Some("UTF-8"), no_gzip.clone(), Rejection::NOT_JSON),
        (None, no_gzip.clone(), Rejection::NOT_JSON),
    ] {
        let message = Fake { body, content_encoding: encoding, ..Fake::default() };
        assert_eq!(reason(label(&message)), want, "{encoding:?} {:?}", message.body.get(..20));
    }
    let twice = Fake { body: gzip(&packed), ..Fake::default() };
    let why = "bad_encoding: gzip in gzip; pack the body once";
    assert_eq!(label(&twice).unwrap_err().to_string(), why);
    let message = Fake { body: no_gzip, content_encoding: Some("deflate"), ..Fake::default() };
    let why = "bad_encoding: neither JSON nor gzip, and content_encoding says \"deflate\"; only gzip is read";
    assert_eq!(label(&message).unwrap_err().to_string(), why);
}

#[test]
fn a_detail_never_grows_with_its_message() {
    let message =
        Fake { body: b"[1]".into(), content_type: Some(&"a\u{1b}\n".repeat(9999)), ..Fake::default() };
    let detail = row(&message).unwrap_err().detail;
    assert_eq!(detail.chars().count(), 200);
    let key = Fake { body: b"{\"a\\n\": 1, \"a\\n\": 2}".into(), ..Fake::default() };
    for detail in [detail, label(&key).unwrap_err().detail] {
        assert!(!detail.chars().any(char::is_control), "{detail:?}");
    }
}

#[test]
fn what_is_written_reads_back_to_the_bit() {
    let now = Timestamp(1_795_194_245_123);
    for key in [
        Key::Property(RowId::unique()),
        Key::wrapped(RowId::unique()),
        Key::Body { id: id("1.1"), raw: Some("1.10".into()), under: BodyKey::default() },
        Key::Anonymous,
    ] {
        for features in [vec![0.1 + 0.2, -0.0, 5e-324, f64::MAX], vec![]] {
            let names = (features.len() > 1).then(|| "a,b,c,d".into());
            let row = Row {
                key: key.clone(),
                features: Features::Vector(features),
                names,
                published_at: Some(now),
            };
            let back = Row::decode(&row.encode("features", now), None).unwrap().only().unwrap();
            assert_eq!(back, row);
            // Equal numbers are equal bits, but for the sign of zero.
            assert_eq!(format!("{back:?}"), format!("{row:?}"));
        }
        let named = Features::Named(vec![
            ("area".into(), Cell::Number(0.1 + 0.2)),
            ("rooms".into(), Cell::Missing),
            ("heating".into(), Cell::Text("\"gas\", \u{e9}".into())),
        ]);
        let row = Row { key: key.clone(), features: named, names: None, published_at: Some(now) };
        assert_eq!(Row::decode(&row.encode("features", now), Some(&houses())).unwrap().only().unwrap(), row);
        let said = Prediction {
            key: key.clone(),
            value: 206.116_706_978_709_3,
            model: Some(Name::parse("model").unwrap()),
            model_version: Some(Name::parse("3fa9c1d2e4b5").unwrap()),
            role: ModelRole::Serving,
            published_at: Some(now),
            features_published_at: Some(Timestamp(7)),
            vector: Some(Box::new([0.1 + 0.2, -0.0])),
        };
        for role in ModelRole::ALL {
            let said = Prediction { role, ..said.clone() };
            assert_eq!(prediction(&said.encode("model", now)).unwrap(), said);
        }
        let truth = Label { key, value: 151.0, published_at: Some(now) };
        assert_eq!(label(&truth.encode("features", now)).unwrap(), truth);
    }
}

#[test]
fn names_may_come_as_a_list() {
    let message = Fake { names: vec!["age", "bmi, kg"], ..body("[1, 2]") };
    assert_eq!(Row::parse_names(&row(&message).unwrap().names.unwrap()), ["age", "bmi, kg"]);
    assert_eq!(row(&body("[1, 2]")).unwrap().names, None);
}

mod together;
