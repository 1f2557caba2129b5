//! Rows and labels: on their way to the queues, or refused with the reason.

use shared::message::{Label, MAX_BODY, Row};

use super::*;
use crate::doors::http::intake::{self, MOST_LINES, Taken};
use crate::doors::http::posted::Posted;
use crate::doors::http::problem::Problem;

const NDJSON: &str = "application/x-ndjson";

/// The bodies and ids of what would be published, and what is refused of it.
fn told(taken: Result<Taken, Problem>) -> Result<(Vec<String>, Value), (u16, &'static str)> {
    let taken = taken.map_err(|why| (why.status.as_u16(), why.reason.unwrap()))?;
    let bodies = taken.messages.iter().map(|message| {
        let id = message.message_id.as_deref().unwrap_or("-");
        format!("{id} {}", String::from_utf8_lossy(&message.body))
    });
    assert_eq!(taken.ids.len(), taken.messages.len());
    Ok((bodies.collect(), serde_json::to_value(&taken.rejected).unwrap()))
}

fn posted<'a>(kind: &'a str, id: Option<&'a str>, body: &'a str) -> Posted<'a> {
    Posted { body: body.as_bytes(), content_type: Some(kind), id }
}

#[test]
fn a_row_is_taken_in_every_form_that_a_message_has() {
    let rows = |posted| told(intake::rows(&sums(true), &options(), posted, "model", Timestamp(0)));
    for (id, body, wanted) in [
        (None, r#"{"id":"row-17","features":[1,2,3]}"#, r#"- {"id": "row-17", "body": [1.0,2.0,3.0]}"#),
        (
            None,
            r#"{"id":17,"age":1,"bmi":2,"bp":3}"#,
            r#"- {"id": 17, "body": {"age":1.0,"bmi":2.0,"bp":3.0}}"#,
        ),
        (Some("row-17"), "[1,2,3]", "row-17 [1.0,2.0,3.0]"),
        (Some("row-17"), r#"{"age":1,"bmi":2,"bp":3}"#, r#"row-17 {"age":1.0,"bmi":2.0,"bp":3.0}"#),
    ] {
        let (bodies, rejected) = rows(posted("application/json", id, body)).unwrap();
        assert_eq!((&*bodies[0], bodies.len(), &rejected), (wanted, 1, &serde_json::json!([])), "{body}");
    }
    let (bodies, _) = rows(posted("", None, "[1,2,3]")).unwrap();
    assert!(bodies[0].len() == 36 + " [1.0,2.0,3.0]".len(), "an id is made: {bodies:?}");
    let (bodies, rejected) = rows(posted("", None, r#"{"ids":["a","b"],"x":[[1,2,3],[1]]}"#)).unwrap();
    assert_eq!(bodies, [r#"- {"id": "a", "body": [1.0,2.0,3.0]}"#]);
    let length = "1 features, the model expects 3";
    assert_eq!(
        rejected,
        serde_json::json!([{ "line": 2, "id": "b", "reason": "wrong_length", "detail": length }])
    );
    for (kind, id, body, wanted) in [
        ("image/png", None, "[1,2,3]", (415, "bad_content_type")),
        (NDJSON, Some("a"), "[1,2,3]", (400, "bad_id")),
        (NDJSON, None, "\n \n", (400, "bad_shape")),
    ] {
        assert_eq!(rows(posted(kind, id, body)), Err(wanted), "{kind} {body}");
    }
    for (body, reason) in [
        ("[1,2]", "wrong_length"),
        ("nothing", "not_json"),
        (r#"{"age":1}"#, "wrong_names"),
        ("[1,2,NaN]", "not_finite"),
    ] {
        let (bodies, rejected) = rows(posted("", Some("a"), body)).unwrap();
        assert_eq!((bodies.len(), &rejected[0]["reason"]), (0, &reason.into()), "{body}");
    }
}

#[test]
fn each_line_is_taken_or_refused_by_itself_and_their_number_is_bounded() {
    fn labels(posted: Posted<'_>) -> Result<(Vec<String>, Value), (u16, &'static str)> {
        told(intake::labels(posted, "model", Timestamp(0)))
    }
    let lines =
        "{\"id\":\"a\",\"y_true\":151}\r\n\n{\"id\":\"b\",\"y_true\":NaN}\n151\n{\"id\":7,\"y\":\"2\"}";
    let (bodies, rejected) = labels(posted(NDJSON, None, lines)).unwrap();
    assert_eq!(bodies, [r#"- {"id": "a", "body": 151.0}"#, r#"- {"id": 7, "body": 2.0}"#]);
    let told: Vec<(u64, &str)> = rejected
        .as_array()
        .unwrap()
        .iter()
        .map(|rejected| (rejected["line"].as_u64().unwrap(), rejected["reason"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [(3, "not_finite"), (4, "bad_id")]);
    let (bodies, _) = labels(posted("", Some("a"), "151")).unwrap();
    assert_eq!(bodies, ["a 151.0"]);
    let most = "{\"id\":1,\"y\":1}\n".repeat(MOST_LINES);
    assert_eq!(labels(posted(NDJSON, None, &most)).unwrap().0.len(), MOST_LINES);
    assert_eq!(labels(posted(NDJSON, None, &(most + "1"))), Err((413, "too_large")));
    assert_eq!(labels(posted("", Some("a"), "1e16")).unwrap().1[0]["reason"], "too_extreme");
}

/// Written anew, a whole number has a fraction: a message that nobody could read is refused before it is one.
#[test]
fn a_row_that_would_be_too_long_once_it_is_written_is_refused() {
    let width = MAX_BODY / 2 - 100;
    let linear = Linear::new(None, &vec![1.0; width], 0.0).unwrap();
    let wide = Predictor::new(Engine::Linear(linear), Inputs::unnamed(width), Name::parse("v").unwrap());
    let body = format!("[{}1]", "1,".repeat(width - 1));
    let (bodies, rejected) =
        told(intake::rows(&wide, &options(), posted("", Some("a"), &body), "model", Timestamp(0))).unwrap();
    assert_eq!((bodies.len(), &rejected[0]["reason"]), (0, &"too_large".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_accepted_is_in_its_queue() {
    let world = World::sums().await;
    let said = world.post("/api/v1/rows", "application/json", r#"{"id":"row-17","features":[1,2,3]}"#).await;
    let accepted = |ids: &[&str]| serde_json::json!({ "accepted": ids.len(), "ids": ids, "rejected": [] });
    assert_eq!((said.status, said.json()), (202, accepted(&["row-17"])));
    let lines = "{\"id\":\"row-17\",\"y_true\":5}\n{\"id\":\"row-18\",\"y_true\":6}\n";
    let said = world.post("/api/v1/labels", NDJSON, lines).await;
    assert_eq!((said.status, said.json()), (202, accepted(&["row-17", "row-18"])));
    let mut rows = world.consumer(Role::Features);
    let batch = rows.take(10).await.unwrap();
    let row = Row::decode(&batch.deliveries[0], None).unwrap().only().unwrap();
    assert_eq!((row.key.id().unwrap().to_string(), batch.deliveries.len()), ("row-17".to_owned(), 1));
    let mut labels = world.consumer(Role::Label);
    let batch = labels.take(10).await.unwrap();
    let values: Vec<f64> =
        batch.deliveries.iter().map(|label| Label::decode(label).unwrap().only().unwrap().value).collect();
    assert_eq!(values, [5.0, 6.0]);
    let said = world.post("/api/v1/rows", "application/json", "[1,2]").await;
    assert_eq!((said.status, said.json()["accepted"].as_u64()), (400, Some(0)));
    assert_eq!(said.json()["rejected"][0]["reason"], "wrong_length");
}

/// Nobody takes labels: their queue is full, then the room for what is under way, and whoever comes is told to come again.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_way_is_told_at_once_and_what_is_on_it_arrives() {
    let world = Arc::new(World::sums().await);
    let lines = Arc::new("{\"id\":1,\"y\":1}\n".repeat(MOST_LINES));
    let post = |world: &Arc<World>| {
        let (world, lines) = (Arc::clone(world), Arc::clone(&lines));
        async move { world.post("/api/v1/labels", NDJSON, &lines).await }
    };
    let mut first = tokio::spawn(post(&world));
    let mut consumer = world.consumer(Role::Label);
    // When the first label is there, the room of all of them is taken.
    let batch = consumer.take(1).await.unwrap();
    let mut taken = batch.deliveries.len();
    batch.ack().await;
    let refused = post(&world).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert!(refused.json()["error"].as_str().unwrap().starts_with("too much is under way"));
    let mut status = None;
    while taken < MOST_LINES || status.is_none() {
        tokio::select! {
            said = &mut first, if status.is_none() => status = Some(said.unwrap().status),
            batch = consumer.take(1000), if taken < MOST_LINES => {
                let batch = batch.unwrap();
                taken += batch.deliveries.len();
                batch.ack().await;
            }
        }
    }
    assert_eq!((status, taken), (Some(202), MOST_LINES));
}
