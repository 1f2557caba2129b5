//! Predictions in the forms of MLflow and of SageMaker.

use super::*;

/// MLflow refuses more than is needed: names that it does not have, rows without names where it has some, and arrays alone, which
/// SageMaker's containers take. What it predicts is predicted here too, and what is wrong is wrong here.
#[tokio::test(flavor = "multi_thread")]
async fn requests_to_mlflow_are_answered_as_it_answers_them_and_more_of_them() {
    let worlds =
        [World::new(Some(sums(false)), false, None).await, World::new(Some(sums(true)), false, None).await];
    let exchanges = fixture("invocations.ndjson");
    assert_eq!(exchanges.len(), 38);
    for exchange in exchanges {
        let signature = exchange["signature"].as_bool().unwrap();
        let body = exchange["body"].as_str().unwrap();
        let kind = exchange["content_type"].as_str().unwrap_or_default();
        let said = worlds[usize::from(signature)].post("/invocations", kind, body).await;
        let told = String::from_utf8_lossy(&said.body);
        let nameless = !signature && (body.contains("dataframe_records") || body.contains("{\"age\""));
        // By column, without names of the model's there is no order but theirs.
        let wrong = ["{\"foo\"", "{\"x\"", "[[1]]", "[[1, 2]]"].iter().any(|part| body.contains(part));
        let wanted = match exchange["status"].as_u64().unwrap() {
            _ if nameless && !body.contains("\"inputs\"") => 400,
            200 => 200,
            415 => 415,
            _ if wrong => 400,
            _ => 200,
        };
        assert_eq!(u64::from(said.status), wanted, "{exchange}: {told}");
        if said.status != 200 {
            let json = said.json();
            assert!(json["error_code"].is_string() && json["message"].is_string(), "{told}");
            assert!(said.header("x-reason").is_some(), "{}", said.head);
            continue;
        }
        let json = said.json();
        let values = if body.starts_with('[') { &json } else { &json["predictions"] };
        let values: Vec<f64> =
            values.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
        assert!(values == [-0.25, 6.0] || values == [-0.25], "{exchange}: {told}");
        if let Some(theirs) = exchange["answer"]["predictions"].as_array() {
            assert_eq!(values.len(), theirs.len());
            let near = |(one, other): (&f64, &Value)| (one - other.as_f64().unwrap()).abs() < 1e-12;
            assert!(values.iter().zip(theirs).all(near), "{exchange}: {told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_sagemaker_and_others_send_besides_is_answered_in_its_form() {
    let world = World::new(Some(sums(true)), false, None).await;
    for (kind, accepts, body, wanted) in [
        ("application/json", "", "[0.5, 1.25, -2]", "[-0.25]"),
        ("", "", r#"[{"bp": -2, "age": 0.5, "bmi": "1.25", "more": "x"}]"#, "[-0.25]"),
        ("text/csv", "text/csv", "0.5,1.25,-2\n1,2,3\n", "-0.25\n6\n"),
        ("text/csv", "", "\u{feff}bp,more,age,bmi\r\n-2,x,0.5,1.25\r\n", r#"{"predictions":[-0.25]}"#),
        ("application/json", "text/csv;q=1", r#"{"instances": [[1, 2, 3]]}"#, "6\n"),
        (
            "application/json",
            "",
            r#"{"inputs": {"bp": [3], "bmi": [2], "age": [1]}, "params": null}"#,
            r#"{"predictions":[6.0]}"#,
        ),
        (
            "application/json",
            "",
            r#"{"dataframe_split": {"data": [[1, "2", 3]]}}"#,
            r#"{"predictions":[6.0]}"#,
        ),
    ] {
        let head = format!("content-type: {kind}\r\naccept: {accepts}\r\n");
        let said = world.ask("POST", "/invocations", &head, body.as_bytes()).await;
        assert_eq!((said.status, &*String::from_utf8_lossy(&said.body)), (200, wanted), "{body}");
    }
    for (kind, body, reason, part) in [
        (
            "application/json",
            r#"{"instances": [[1, 2, 3], [1, 2]]}"#,
            "wrong_length",
            "row 2: 2 features, the model expects 3",
        ),
        ("application/json", r#"{"instances": [[1, 2, 1e999]]}"#, "not_finite", "number out of range"),
        ("application/json", r#"{"instances": [[1, 2, NaN]]}"#, "not_finite", ""),
        (
            "application/json",
            r#"{"instances": [{"age": 1, "bmi": 2}]}"#,
            "wrong_names",
            "the feature \"bp\" is missing",
        ),
        (
            "application/json",
            r#"{"instances": [], "inputs": []}"#,
            "bad_shape",
            "expected an object with one of",
        ),
        ("application/json", r#"{"instances": []}"#, "bad_shape", "there are no rows"),
        (
            "application/json",
            r#"{"inputs": {"age": [1], "bmi": [2, 3], "bp": [1]}}"#,
            "bad_shape",
            "\"bmi\" has 2 values, and others have 1",
        ),
        (
            "application/json",
            r#"{"dataframe_split": {"columns": ["age", "bmi", "bp"], "data": [[1, 2, null]]}}"#,
            "missing_value",
            "bp is missing",
        ),
        (
            "application/json",
            r#"{"dataframe_split": {"columns": ["age", "bmi", "bp"], "data": [[1, 2, "x"]]}}"#,
            "bad_shape",
            "expected a number",
        ),
        ("application/json", "", "not_json", "EOF"),
        ("text/csv", "age,bmi\n1,2\n", "wrong_names", "the feature \"bp\" is missing"),
        ("text/csv", "1,2,3\n1,2\n", "wrong_length", "row 2: 2 features"),
        (
            "application/x-www-form-urlencoded",
            "[[1,2,3]]",
            "bad_content_type",
            "expected application/json or text/csv",
        ),
        ("application/x-npy", "x", "bad_content_type", "expected application/json or text/csv"),
    ] {
        let said = world.post("/invocations", kind, body).await;
        let told = said.json();
        assert!(said.status == 400 || (said.status == 415 && reason == "bad_content_type"), "{body}: {told}");
        assert_eq!(said.header("x-reason"), Some(reason), "{body}: {told}");
        assert!(told["message"].as_str().unwrap().contains(part), "{body}: {told}");
    }
}
