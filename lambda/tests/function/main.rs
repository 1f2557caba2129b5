//! The program as Lambda runs it: events in, answers out. What needs a broker is in `pipeline/tests/it`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(unreachable_pub, reason = "the modules of one test program")]

mod emf;
#[expect(dead_code, reason = "the tests with a broker use all of it that these do not")]
mod runtime_api;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use runtime_api::{Function, Told, event, is_documented, repository};

/// How long an event may take that waits for nobody.
const TIME: Duration = Duration::from_secs(30);

fn start(variables: &[(&str, &str)]) -> Function {
    let model = repository("data/model.json");
    let all = [&[("PIPELINE_MODEL", model.to_str().unwrap())], variables].concat();
    Function::start(Path::new(env!("CARGO_BIN_EXE_bootstrap")), &all)
}

/// Its code and its sentence.
fn failed(told: &Told) -> (String, String) {
    let Told::Error(error) = told else { panic!("{told:?}") };
    let text = |name: &str| error[name].as_str().unwrap().to_owned();
    (text("errorType"), text("errorMessage"))
}

/// `rabbitmq` needs a broker, and is held to its result with one.
#[test]
fn each_documented_event_has_the_result_that_is_documented_with_it() {
    let function = start(&[]);
    let names: BTreeSet<String> = fs::read_dir(repository("deploy/lambda/events"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".json").map(|name| name.trim_end_matches(".result").to_owned()))
        .collect();
    let (mut good, mut bad) = (0, 0);
    for name in names.iter().filter(|name| *name != "rabbitmq") {
        let told = function.invoke(&event(name), TIME);
        match &told {
            Told::Error(_) => bad += 1,
            Told::Answer(_) => good += 1,
        }
        is_documented(name, &told);
    }
    assert_eq!((good, bad), (7, 1), "{names:?}");
    let lines = function.metrics();
    assert_eq!(lines.len(), 8, "a line for each invocation: {}", function.log());
    for (line, name) in lines.iter().zip(names) {
        assert_eq!(emf::faults(line), [""; 0], "{name}: {line}");
        // What a row is called, and what is in it, is in no line.
        assert!(!line.to_string().contains("-0.044"), "{line}");
    }
    let sum = |name: &str| lines.iter().filter_map(|line| line[name].as_u64()).sum::<u64>();
    assert_eq!(
        ["Requests", "Rows", "Predictions", "Rejected", "Rejected_wrong_length", "Errors", "ColdStarts"]
            .map(sum),
        [8, 8, 6, 2, 2, 0, 1]
    );
}

#[test]
fn what_is_no_event_is_an_error_that_says_so_and_the_next_one_is_answered() {
    let function = start(&[]);
    let v1 = br#"{"requestContext": {"stage": "prod"}, "httpMethod": "POST", "body": "[1]"}"#;
    for (event, kind, part) in [
        (&b"{}"[..], "bad_shape", "expected an object with one of \"dataframe_split\""),
        (b"7", "bad_shape", "expected an object or an array of rows"),
        (b"[]", "bad_shape", "there are no rows"),
        (br#"{"Records": [{"eventSource": "aws:s3"}]}"#, "bad_shape", "expected an object with one of"),
        (br#"{"instances": [[1], [2]]}"#, "wrong_length", "row 1: 1 features, the model expects 10"),
        (v1, "unknown_event", "use an HTTP API with payload format 2.0"),
        (br#"{"requestContext": 7}"#, "unknown_event", "no request of a Function URL"),
        (br#"{"rmqMessagesByQueue": 7}"#, "unknown_event", "the messages of RabbitMQ cannot be read"),
        (br#"{"rmqMessagesByQueue": {"Features::/": []}}"#, "unknown_event", "set AMQP_URL"),
    ] {
        let (of, message) = failed(&function.invoke(event, TIME));
        assert!(of == kind && message.contains(part), "{}: {of}: {message}", String::from_utf8_lossy(event));
    }
    // Lambda itself lets no such event pass.
    let (_, message) = failed(&function.invoke(b"{\"instances\": [[1", TIME));
    assert!(message.contains("EOF while parsing"), "{message}");
    is_documented("direct", &function.invoke(&event("direct"), TIME));
}

#[test]
fn a_broker_that_is_away_fails_its_batch_within_the_time_and_nothing_else() {
    // A port where nobody accepts.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let free = silent.local_addr().unwrap();
    let function = start(&[("AMQP_URL", &format!("amqp://u:S3cret@{free}/"))]);
    let (kind, message) = failed(&function.invoke(&event("rabbitmq"), Duration::from_secs(3)));
    assert_eq!(kind, "not_confirmed");
    let begins = format!("RabbitMQ at amqp://{free}/ has not confirmed within ");
    assert!(message.starts_with(&begins) && message.contains("brings the whole batch again"), "{message}");
    is_documented("direct", &function.invoke(&event("direct"), TIME));
    let [failed, good] = &function.metrics()[..] else { panic!("{}", function.log()) };
    // Its rows come again, and are counted then.
    assert_eq!(["Errors", "Rows", "Rejected"].map(|name| &failed[name]), [&json!(1), &json!(0), &json!(0)]);
    assert_eq!((&failed["door"], &good["Errors"]), (&json!("queue"), &json!(0)));
    assert_eq!(emf::faults(failed), [""; 0]);
    assert!(!function.log().contains("S3cret"));
}

#[test]
fn messages_of_another_queue_are_left_there_with_the_way_out() {
    let function = start(&[("AMQP_URL", "amqp://127.0.0.1:1/%2f")]);
    for key in ["y_true::/", "Features::other"] {
        let event = json!({ "rmqMessagesByQueue": { key: [] } }).to_string();
        let (kind, message) = failed(&function.invoke(event.as_bytes(), TIME));
        assert_eq!(kind, "unknown_event");
        let says = format!("messages of \"{key}\" came, and the rows of this function are \"Features::/\"");
        assert!(message.starts_with(&says) && message.contains("PIPELINE_FEATURES_QUEUE"), "{message}");
    }
}

#[test]
fn a_function_that_cannot_start_says_why_to_whoever_invokes_it() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.json");
    fs::write(&broken, "{}").unwrap();
    for (name, value, parts) in [
        (
            "PIPELINE_MODEL",
            broken.to_str().unwrap(),
            ["broken.json cannot be used: ", "(malformed); package a model file that `model check` takes"],
        ),
        ("PIPELINE_MODEL", "", ["there is no model: put model.json into the package", "/opt/model.json"]),
        ("AMQP_URL", "http://broker", ["the address of RabbitMQ: ", "amqp://user:password@host"]),
    ] {
        let mut function = start(&[(name, value)]);
        let error: Value = function.of_start();
        assert_eq!(error["errorType"], "cannot_start");
        let message = error["errorMessage"].as_str().unwrap();
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
        assert_eq!(function.exit(), Some(1));
        assert!(function.log().contains(parts[0]), "{}", function.log());
    }
}

#[test]
fn the_options_of_answers_are_the_other_programs_variables() {
    let function = start(&[("PIPELINE_STRICT", "true"), ("PIPELINE_MODEL_NAME", "churn")]);
    let far = json!([[9, 9, 9, 9, 9, 9, 9, 9, 9, 9]]).to_string();
    let (kind, _) = failed(&function.invoke(far.as_bytes(), TIME));
    assert_eq!(kind, "out_of_range");
    let [line] = &function.metrics()[..] else { panic!("{}", function.log()) };
    assert_eq!((&line["model"], &line["Rejected_out_of_range"]), (&json!("churn"), &json!(1)));
}
