//! Messages that cannot be used: each lands in its dead-letter queue once, with its reason, and nothing else
//! is harmed.

use lapin::BasicProperties;
use shared::message::Role;

use crate::account::wait_for;
use crate::broker;
use crate::processes::Services;

/// A body, its properties, and the reason it is refused for; `anonymous` is no refusal.
fn poisons(queue: Role) -> Vec<(Vec<u8>, BasicProperties, &'static str)> {
    let with_id = || BasicProperties::default().with_message_id("poison".into());
    let json = || with_id().with_content_type("application/json".into());
    let vector = queue == Role::Features;
    let wrap = |number: &str| if vector { format!("[{number}]") } else { number.to_owned() }.into_bytes();
    let good = if vector { b"[1,2,3,4,5,6,7,8,9,10]".to_vec() } else { b"151".to_vec() };
    vec![
        (b"{not json".to_vec(), json(), "not_json"),
        (
            if vector { b"[1,2,3]".to_vec() } else { b"[[1]]".to_vec() },
            json(),
            if vector { "wrong_length" } else { "bad_shape" },
        ),
        (wrap("NaN"), json(), "not_finite"),
        (wrap("1e999"), json(), "not_finite"),
        ("[".repeat(100_000).into_bytes(), json(), "not_json"),
        (vec![b' '; 2 * 1024 * 1024], json(), "too_large"),
        (good.clone(), json().with_message_id("not, an id\n".into()), "bad_id"),
        (good.clone(), with_id().with_content_type("application/x-pickle".into()), "bad_content_type"),
        (b"\x78\x9c\x03\x00".to_vec(), json().with_content_encoding("deflate".into()), "bad_encoding"),
        (b"\x1f\x8b\x08\x00".to_vec(), json().with_content_encoding("gzip".into()), "bad_encoding"),
        (b"{\"ids\": [1, 2], \"body\": [1]}".to_vec(), json(), "bad_shape"),
        (b"{\"poison\": 5}".to_vec(), json(), "bad_shape"),
        (
            if vector { b"{\"age\": 1, \"sex\": 2}".to_vec() } else { b"{\"id\": 1, \"y\": -1e16}".to_vec() },
            json(),
            if vector { "wrong_names" } else { "too_extreme" },
        ),
        (good, BasicProperties::default(), "anonymous"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_harms_only_itself() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let (mut model, mut metric) = (services.model(&[]), services.metric(&[]));
    model.ready().await;
    metric.ready().await;
    let mut features = services.features(&["--interval", "2ms", "--count", "1000"]);
    let (connection, channel) = broker.channel().await;
    for queue in Role::ALL {
        for (body, properties, _) in poisons(queue) {
            broker.publish(&channel, queue, &body, properties).await;
        }
    }
    // What the broker would act upon must not go with the letter.
    let acted_upon = BasicProperties::default().with_user_id("test".into()).with_expiration("60000".into());
    broker.publish(&channel, Role::Label, b"{acted upon", acted_upon).await;
    assert_eq!(features.exit(std::time::Duration::from_secs(60)).await, Some(0));
    // The three anonymous ones leave four lines of their own: a row's prediction, a label, a prediction, each
    // without an id.
    let anonymous = || services.books.recorded();
    let there = || anonymous().predictions.get("-") == Some(&2) && anonymous().labels.get("-") == Some(&1);
    wait_for("the anonymous ones", there, || format!("{:?}", anonymous().predictions.get("-"))).await;
    let (rows, _) = services.books.confirmed();
    services.books.wait_for_rows(rows.len()).await;
    let mut recorded = services.books.recorded();
    recorded.labels.remove("-");
    recorded.predictions.remove("-");
    recorded.assert_each_once();
    assert_eq!(recorded.rows.len(), 1000);
    model.stop().await;
    metric.stop().await;

    for queue in Role::ALL {
        let wanted = poisons(queue).into_iter().filter(|(_, _, reason)| *reason != "anonymous");
        let mut letters = broker.drain(broker::dead_name(queue)).await;
        for (body, properties, reason) in wanted {
            // Of a body that is too large, a letter has the beginning and says how long it was.
            let kept = if reason == "too_large" { &body[..64 * 1024] } else { &body[..] };
            let found =
                letters.iter().position(|letter| letter.header("x-reason") == reason && letter.body == kept);
            let letter = letters
                .remove(found.unwrap_or_else(|| panic!("{reason} is not in {}", broker::dead_name(queue))));
            assert_eq!(letter.message_id(), properties.message_id().as_ref().map(|id| id.as_str()));
            let service = if queue == Role::Features { "model" } else { "metric" };
            assert_eq!(
                (letter.header("x-service").as_str(), letter.header("x-attempts").as_str()),
                (service, "1")
            );
            assert!(!letter.header("x-detail").is_empty());
            if reason == "too_large" {
                assert_eq!(letter.header("x-original-length"), body.len().to_string());
            }
        }
        if queue == Role::Label {
            let found = letters.iter().position(|letter| letter.body == b"{acted upon").unwrap();
            let letter = letters.remove(found);
            assert!(letter.properties.user_id().is_none() && letter.properties.expiration().is_none());
            assert_eq!(letter.header("x-original-user-id"), "test");
            assert_eq!(letter.header("x-original-expiration"), "60000");
        }
        let rest: Vec<_> = letters.iter().map(|letter| letter.header("x-reason")).collect();
        assert!(rest.is_empty(), "more than once in {}: {rest:?}", broker::dead_name(queue));
        assert!(broker.drain(queue.name()).await.is_empty(), "{} is drained", queue.name());
    }
    connection.close(200, "done".into()).await.unwrap();
}
