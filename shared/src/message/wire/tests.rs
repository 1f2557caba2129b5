//! Tables of what is read, what is refused and why, and what is written.

use super::*;

#[derive(Default)]
struct Fake<'a> {
    body: Vec<u8>,
    message_id: Option<&'a str>,
    correlation_id: Option<&'a str>,
    content_type: Option<&'a str>,
    model: Option<&'a str>,
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
    fn content_type(&self) -> Option<&str> {
        self.content_type
    }
    fn int_header(&self, _: &str) -> Option<i64> {
        None
    }
    fn text_header(&self, name: &str) -> Option<&str> {
        self.model.filter(|_| name == MODEL)
    }
    fn list_header(&self, name: &str) -> Option<Vec<&str>> {
        (name == FEATURE_NAMES && !self.names.is_empty()).then(|| self.names.clone())
    }
}

fn body(text: &str) -> Fake<'static> {
    Fake { body: text.into(), message_id: Some("r1"), ..Fake::default() }
}

fn reason<T>(result: Result<T, Rejection>) -> &'static str {
    result.err().map_or("accepted", |rejection| rejection.reason)
}

#[test]
fn three_shapes_are_read() {
    let bare = Row::decode(&body("[1, 2.5, -3e-2]")).unwrap();
    assert_eq!(bare.features, [1.0, 2.5, -0.03]);
    assert_eq!(bare.key, Key::Property(Name::parse("r1").unwrap()));

    let wrapped = Row::decode(&body(r#"{"id": 1732190645.100, "body": [1]}"#)).unwrap();
    assert_eq!(wrapped.key.id().unwrap().as_str(), "1732190645.100", "a number's text is the id");
    let named = Label::decode(&body(r#" {"body": 151, "id": "a-1"}"#)).unwrap();
    assert_eq!((named.key.id().unwrap().as_str(), named.value), ("a-1", 151.0));

    let anonymous = Label::decode(&Fake { body: b"151.0".into(), ..Fake::default() }).unwrap();
    assert_eq!(anonymous.key, Key::Anonymous);

    let correlated = Fake { body: b"7".into(), correlation_id: Some("c"), ..Fake::default() };
    assert_eq!(Label::decode(&correlated).unwrap().key.id().unwrap().as_str(), "c");
}

#[test]
fn what_cannot_be_used_is_refused_with_its_reason() {
    let nested = "[".repeat(100_000);
    let nested_unknown = format!("{{\"id\": 1, \"x\": {nested}");
    let nested_id = format!("{{\"id\": {nested}{}, \"body\": 1}}", "]".repeat(100_000));
    let long_id = format!("{{\"id\": \"{}\", \"body\": [1]}}", "x".repeat(65));
    let large = " ".repeat(MAX_BODY) + "[1]";
    for (text, want) in [
        ("", Rejection::NOT_JSON),
        ("[1, 2", Rejection::NOT_JSON),
        ("[1] 2", Rejection::NOT_JSON),
        ("\u{feff}[1]", Rejection::NOT_JSON),
        ("[NaN]", Rejection::NOT_FINITE),
        ("[1, -Infinity]", Rejection::NOT_FINITE),
        ("[1e999]", Rejection::NOT_FINITE),
        (r#"{"id": "NaN", "body": [Infinity]}"#, Rejection::NOT_FINITE),
        (r#"{"id": "NaN", "body": [nothing]}"#, Rejection::NOT_JSON),
        ("[null]", Rejection::SHAPE),
        ("[\"1\"]", Rejection::SHAPE),
        ("[[1]]", Rejection::SHAPE),
        ("1", Rejection::SHAPE),
        ("null", Rejection::SHAPE),
        (r#"{"body": [1]}"#, Rejection::SHAPE),
        (r#"{"id": 1, "body": [1], "more": 2}"#, Rejection::SHAPE),
        (r#"{"id": 1, "id": 2, "body": [1]}"#, Rejection::SHAPE),
        (r#"{"id": "a b", "body": [1]}"#, Rejection::ID),
        (r#"{"id": "a\u0000", "body": [1]}"#, Rejection::ID),
        (r#"{"id": null, "body": [1]}"#, Rejection::ID),
        (r#"{"id": [1], "body": [1]}"#, Rejection::ID),
        (&long_id, Rejection::ID),
        (&large, Rejection::TOO_LARGE),
        (&nested, Rejection::SHAPE),
        (&nested_unknown, Rejection::SHAPE),
    ] {
        assert_eq!(reason(Row::decode(&body(text))), want, "{}", &text[..text.len().min(60)]);
    }
    assert_eq!(reason(Label::decode(&body(&nested_id))), Rejection::ID);
    assert_eq!(reason(Label::decode(&body("[1]"))), Rejection::SHAPE);
    let bad_id = Fake { body: b"[1]".into(), message_id: Some("a,b"), ..Fake::default() };
    assert_eq!(reason(Row::decode(&bad_id)), Rejection::ID);
    let bad_model = Fake { body: b"1".into(), model: Some("a,b"), ..Fake::default() };
    assert_eq!(reason(Prediction::decode(&bad_model)), Rejection::MODEL);
}

#[test]
fn json_or_no_content_type_is_read() {
    for (content_type, want) in [
        ("application/json", "accepted"),
        ("Application/JSON; charset=utf-8", "accepted"),
        ("", "accepted"),
        ("text/plain", Rejection::CONTENT_TYPE),
        ("application/x-python-pickle", Rejection::CONTENT_TYPE),
    ] {
        let message = Fake { body: b"[1]".into(), content_type: Some(content_type), ..Fake::default() };
        assert_eq!(reason(Row::decode(&message)), want, "{content_type}");
    }
}

#[test]
fn a_detail_never_grows_with_its_message() {
    let message = Fake { body: b"[1]".into(), content_type: Some(&"é".repeat(9999)), ..Fake::default() };
    let detail = Row::decode(&message).unwrap_err().detail;
    assert_eq!(detail.chars().count(), 200);
}

#[test]
fn what_is_written_reads_back_to_the_bit() {
    let now = Timestamp(1_795_194_245_123);
    for key in [
        Key::Property(RowId::unique()),
        Key::wrapped(RowId::unique()),
        Key::Body { id: Name::parse("1.10").unwrap(), raw: "1.10".into() },
        Key::Anonymous,
    ] {
        for features in [vec![0.1 + 0.2, -0.0, 5e-324, f64::MAX], vec![]] {
            let names = (features.len() > 1).then(|| "a,b,c,d".into());
            let row = Row { key: key.clone(), features, names, published_at: Some(now) };
            let back = Row::decode(&row.encode("features", now)).unwrap();
            assert_eq!(back, row);
            assert!(back.features.iter().zip(&row.features).all(|(a, b)| a.to_bits() == b.to_bits()));
        }
        let prediction = Prediction {
            key: key.clone(),
            value: 206.116_706_978_709_3,
            model: Some(Name::parse("model").unwrap()),
            model_version: Some(Name::parse("3fa9c1d2e4b5").unwrap()),
            published_at: Some(now),
            features_published_at: Some(Timestamp(7)),
        };
        assert_eq!(Prediction::decode(&prediction.encode("model", now)).unwrap(), prediction);
        let label = Label { key, value: 151.0, published_at: Some(now) };
        assert_eq!(Label::decode(&label.encode("features", now)).unwrap(), label);
    }
}

#[test]
fn names_may_come_as_a_list() {
    let message = Fake { names: vec!["age", "bmi, kg"], ..body("[1, 2]") };
    assert_eq!(Row::parse_names(&Row::decode(&message).unwrap().names.unwrap()), ["age", "bmi, kg"]);
    assert_eq!(Row::decode(&body("[1, 2]")).unwrap().names, None);
}

#[test]
fn an_id_in_the_body_keeps_its_spelling() {
    let row = Row::decode(&body(r#"{"id": 1732190645.100, "body": [1]}"#)).unwrap();
    let answer = Label { key: row.key, value: 2.5, published_at: None };
    let outgoing = answer.encode("model", Timestamp(0));
    assert_eq!(outgoing.body, br#"{"id": 1732190645.100, "body": 2.5}"#);
    assert_eq!(outgoing.message_id, None);
}
