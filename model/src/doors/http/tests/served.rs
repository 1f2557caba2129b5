//! Predictions by the Open Inference Protocol, what becomes of them, and who is answered.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_the_protocol_get_what_they_were_recorded_with() {
    let world = World::new(Some(sums(true)), false, None).await;
    let exchanges = fixture("oip.ndjson");
    assert_eq!(exchanges.len(), 25);
    for exchange in exchanges {
        let text = |name: &str| exchange[name].as_str().unwrap_or_default();
        let body = match exchange["body_base64"].as_str() {
            Some(packed) => base64(packed),
            None => text("body").as_bytes().to_vec(),
        };
        let headers = exchange["headers"].as_object().unwrap();
        let head: String =
            headers.iter().map(|(name, value)| format!("{name}: {}\r\n", value.as_str().unwrap())).collect();
        let said = world.ask(text("method"), text("path"), &head, &body).await;
        let told = String::from_utf8_lossy(&said.body);
        assert_eq!(said.status, exchange["status"], "{exchange}: {told}");
        let (json, binary) = match said.header("inference-header-content-length") {
            Some(length) => {
                assert_eq!(said.header("content-type"), Some("application/octet-stream"));
                said.body.split_at(length.parse().unwrap())
            }
            None => {
                assert_eq!(said.header("content-type"), Some("application/json"));
                (&said.body[..], &[][..])
            }
        };
        assert_eq!(serde_json::from_slice::<Value>(json).unwrap(), exchange["answer"]["json"], "{exchange}");
        let wanted = exchange["answer"]["binary_base64"].as_str().map(base64).unwrap_or_default();
        assert_eq!(binary, wanted, "{exchange}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_tensor_is_said_in_the_protocol_s_form() {
    let world = World::new(Some(sums(true)), false, None).await;
    let one = |rest: &str| format!(r#"{{"inputs":[{{"name":"x",{rest}}}]}}"#);
    let by_name = |name: &str, rest: &str| {
        let column = |name: &str, rest: &str| format!(r#"{{"name":"{name}","datatype":"FP64",{rest}}}"#);
        let plain = r#""shape":[1],"data":[1]"#;
        format!(r#"{{"inputs":[{},{},{}]}}"#, column("age", plain), column("bmi", plain), column(name, rest))
    };
    for (body, status, reason, part) in [
        (
            one(r#""shape":[2,3],"datatype":"FP64","data":[1,2,3]"#),
            400,
            "bad_shape",
            "3 numbers, and the shape [2, 3] has 6",
        ),
        (
            one(r#""shape":[1,1,3],"datatype":"FP64","data":[1,2,3]"#),
            400,
            "bad_shape",
            "expected [rows, features] or [features]",
        ),
        (
            one(r#""shape":[4],"datatype":"FP64","data":[1,2,3,4]"#),
            400,
            "wrong_length",
            "rows of 4 values, model model@2fdce8b5c0ab wants 3",
        ),
        (
            one(r#""shape":[3],"datatype":"BYTES","data":["1","2","3"]"#),
            400,
            "bad_shape",
            "the datatype is \"BYTES\"",
        ),
        (by_name("weight", r#""shape":[1],"data":[1]"#), 400, "wrong_names", "the feature \"bp\" is missing"),
        (
            by_name("bp", r#""shape":[2],"data":[1,2]"#),
            400,
            "bad_shape",
            "input \"bp\" has 2 rows, and others have 1",
        ),
        (by_name("bp", r#""shape":[1,2],"data":[1,2]"#), 400, "bad_shape", "expected [rows, 1] or [rows]"),
        (by_name("age", r#""shape":[1],"data":[1]"#), 400, "bad_shape", "two columns are called \"age\""),
        (r#"{"inputs":[]}"#.to_owned(), 400, "bad_shape", "there are no inputs"),
        (r#"{"id":"r1"}"#.to_owned(), 400, "bad_shape", "missing field `inputs`"),
        ("[".repeat(100_000), 400, "bad_shape", "expected an inference request"),
        (
            one(&format!(
                r#""shape":[1],"datatype":"FP64","data":{}1{}"#,
                "[".repeat(1000),
                "]".repeat(1000)
            )),
            400,
            "not_json",
            "recursion limit",
        ),
        ("{".to_owned(), 400, "not_json", "EOF"),
        (
            one(&format!(r#""shape":[4097,3],"datatype":"FP64","data":[{}1]"#, "1,".repeat(12_290))),
            413,
            "too_large",
            "4097 rows in one request, more than 4096",
        ),
        (" ".repeat((1 << 20) + 1), 413, "too_large", "the body is longer than 1048576 bytes"),
    ] {
        let said = world.ask("POST", "/v2/models/model/infer", "", body.as_bytes()).await;
        let shown: String = body.chars().take(200).collect();
        let told = said.json();
        assert_eq!((said.status, said.header("x-reason")), (status, Some(reason)), "{shown}: {told}");
        assert!(told["error"].as_str().unwrap().contains(part), "{shown}: {told}");
    }
    // A body whose length is not announced is bounded too.
    let body = format!("{:x}\r\n{}\r\n0\r\n\r\n", (1 << 20) + 1, " ".repeat((1 << 20) + 1));
    let head = "transfer-encoding: chunked\r\n";
    let said = world.ask("POST", "/v2/models/model/infer", head, body.as_bytes()).await;
    assert_eq!((said.status, said.header("x-reason")), (413, Some("too_large")));
    let json =
        br#"{"inputs":[{"name":"x","shape":[3],"datatype":"FP64","parameters":{"binary_data_size":24}}]}"#;
    for (length, data, part) in [
        ("9999", 24, "the JSON is said to have 9999 bytes"),
        ("-1", 24, "expected a number of bytes"),
        ("JSON", 23, "24 bytes of data, and only 23 are left"),
        ("JSON", 25, "1 bytes of data are left over"),
    ] {
        let length = length.replace("JSON", &json.len().to_string());
        let head = format!("inference-header-content-length: {length}\r\n");
        let said =
            world.ask("POST", "/v2/models/model/infer", &head, &[&json[..], &vec![0; data]].concat()).await;
        let told = said.json();
        assert_eq!(said.status, 400, "{told}");
        assert!(told["error"].as_str().unwrap().contains(part), "{told}");
    }
    let nan = [&json[..], &1.0_f64.to_le_bytes(), &f64::NAN.to_le_bytes(), &1.0_f64.to_le_bytes()].concat();
    let head = format!("inference-header-content-length: {}\r\n", json.len());
    let said = world.ask("POST", "/v2/models/model/infer", &head, &nan).await;
    assert_eq!(said.json()["error"], "\"bmi\" is NaN");
    assert_eq!(said.header("x-reason"), Some("not_finite"));
}

#[tokio::test(flavor = "multi_thread")]
async fn predictions_are_published_under_the_id_of_their_request() {
    let world = World::sums().await;
    let infer = |id: &str, rows: usize| {
        let data = vec!["1,2,3"; rows].join(",");
        let id = if id.is_empty() { String::new() } else { format!(r#""id":"{id}","#) };
        format!(r#"{{{id}"inputs":[{{"name":"x","shape":[{rows},3],"datatype":"FP64","data":[{data}]}}]}}"#)
    };
    let said = world.post("/v2/models/model/infer", "", &infer("r1", 1)).await;
    assert_eq!((said.status, said.header("x-row-id"), &said.json()["id"]), (200, Some("r1"), &"r1".into()));
    let said = world.post("/v2/models/model/infer", "", &infer("r2", 2)).await;
    assert_eq!((said.status, said.header("x-row-id")), (200, Some("r2")));
    let said = world.post("/v2/models/model/infer", "", &infer("", 1)).await;
    let made = said.header("x-row-id").unwrap().to_owned();
    assert!(said.json().get("id").is_none() && made.len() == 36);
    let said = world.post("/invocations?id=i1", "", "[[1,2,3]]").await;
    assert_eq!((said.status, said.header("x-row-id")), (200, Some("i1")));
    let said = world.ask("POST", "/invocations", "x-amzn-sagemaker-inference-id: s1\r\n", b"[[1,2,3]]").await;
    assert_eq!((said.status, said.header("x-row-id")), (200, Some("s1")));
    let own = r#"{"instances": [{"id": 17, "age": 1, "bmi": 2, "bp": 3}]}"#;
    let said = world.post("/invocations", "application/json", own).await;
    assert_eq!((said.status, said.header("x-row-id")), (200, None));
    let mut wanted = ["r1", "r2.0", "r2.1", &made, "i1", "s1", "17"].map(|id| (id.to_owned(), 6.0)).to_vec();
    let mut found = world.predictions(7).await;
    wanted.sort_by(|one, other| one.0.cmp(&other.0));
    found.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(found, wanted);
    // What cannot be an id would be met by no label; a bad row takes its neighbours along.
    let said = world.post("/v2/models/model/infer", "", &infer("r 1", 1)).await;
    assert_eq!((said.status, said.header("x-reason")), (400, Some("bad_id")));
    let said = world.post("/invocations?id=bad", "", "[[1,2,3],[1]]").await;
    assert_eq!((said.status, said.header("x-reason")), (400, Some("wrong_length")));
    let said = world.post("/invocations?id=last", "", "[[1,2,3]]").await;
    assert_eq!(said.status, 200);
    assert_eq!(world.predictions(1).await, [("last".to_owned(), 6.0)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_model_it_is_alive_and_not_ready() {
    let world = World::new(None, false, None).await;
    for (path, status) in [
        ("/v2/health/live", 200),
        ("/v2/health/ready", 503),
        ("/ping", 503),
        ("/health", 503),
        ("/v2/models/model", 503),
        ("/v2/models/model/ready", 503),
        ("/version", 200),
        ("/nothing", 404),
        ("/invocations", 405),
    ] {
        assert_eq!(world.ask("GET", path, "", b"").await.status, status, "{path}");
    }
    let said = world.post("/invocations", "", "[[1,2,3]]").await;
    assert_eq!((said.status, said.header("retry-after")), (503, Some("1")));
    assert_eq!(said.json()["error_code"], "TEMPORARILY_UNAVAILABLE");
    world.model.send_replace(Some(Arc::new(sums(true))));
    let said = world.ask("GET", "/ping", "", b"").await;
    assert_eq!((said.status, &said.body[..]), (200, &b"\n"[..]));
    assert_eq!(world.post("/invocations", "", "[[1,2,3]]").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_tokens_only_health_is_told_to_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens");
    let token = "0123456789abcdef";
    fs::write(&path, token).unwrap();
    let world = World::new(Some(sums(true)), true, Some(Tokens::open(&path).unwrap())).await;
    for path in ["/v2/health/live", "/v2/health/ready", "/ping", "/health"] {
        assert_eq!(world.ask("GET", path, "", b"").await.status, 200, "{path}");
    }
    for path in ["/v2", "/v2/models/model", "/version", "/openapi.json"] {
        assert_eq!(world.ask("GET", path, "", b"").await.status, 401, "{path}");
    }
    for path in ["/v2/models/model/infer", "/invocations", "/api/v1/rows", "/api/v1/labels"] {
        let said = world.post(path, "", "[[1,2,3]]").await;
        assert_eq!(said.status, 401, "{path}");
        assert!(said.header("www-authenticate").unwrap().starts_with("bearer"), "{}", said.head);
    }
    let head = format!("authorization: Bearer {token}\r\norigin: https://shop.example\r\n");
    assert_eq!(world.ask("POST", "/invocations", &head, b"[[1,2,3]]").await.status, 200);
}

/// A page that somebody looks at may post to his own machine, and have its own name lead there.
#[tokio::test(flavor = "multi_thread")]
async fn pages_of_the_internet_are_not_answered_without_a_token() {
    let world = World::sums().await;
    for (head, status) in [
        ("", 202),
        ("origin: https://evil.example\r\n", 403),
        ("host: evil.example\r\n", 421),
        ("host: localhost\r\n", 202),
    ] {
        let said = world.ask("POST", "/api/v1/labels?id=a", head, b"1").await;
        assert_eq!(said.status, status, "{head}");
    }
}

/// Every address of the description is there, and every status that it is answered with is described.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_described_is_what_is_there() {
    let world = World::sums().await;
    let said = world.ask("GET", "/openapi.json", "", b"").await;
    let description = said.json();
    assert_eq!((said.status, &description["openapi"]), (200, &"3.1.0".into()));
    let paths = description["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 16);
    for (path, methods) in paths {
        let (method, operation) = methods.as_object().unwrap().iter().next().unwrap();
        let address = path.replace("{model}", "model").replace("{version}", "2fdce8b5c0ab");
        let bodies: &[&str] =
            if method == "post" { &["", "[[1,2,3]]", r#"{"id":"a","y":1}"#] } else { &[""] };
        for body in bodies {
            let said = world.ask(&method.to_ascii_uppercase(), &address, "", body.as_bytes()).await;
            let described = operation["responses"].get(said.status.to_string());
            assert!(described.is_some(), "{method} {path} with {body:?} is answered with {}", said.status);
            assert!(![404, 405].contains(&said.status), "{method} {path}");
        }
    }
    let mut text = description.to_string();
    for name in description["components"]["schemas"].as_object().unwrap().keys() {
        text = text.replace(&format!("#/components/schemas/{name}\""), "");
    }
    assert!(!text.contains("#/components/schemas/"), "a schema that is not there: {text}");
}
