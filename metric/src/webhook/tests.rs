//! What is posted, what an answer means, and what happens while nobody answers.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc as std_mpsc;

use super::*;

/// Answers connection after connection: with this, or never where there is nothing to say. Hands on the body of each.
pub(crate) fn receiver(answers: Vec<Option<&'static str>>) -> (SocketAddr, std_mpsc::Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, bodies) = std_mpsc::channel();
    std::thread::spawn(move || {
        // Kept: a connection that is dropped is an answer too.
        let mut hung = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut head, mut body) = (Vec::new(), Vec::new());
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap().to_lowercase();
            assert!(head.starts_with("post /hook http/1.1\r\n"), "{head}");
            assert!(head.contains("content-type: application/json\r\n"), "{head}");
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
            body.resize(length.unwrap().parse().unwrap(), 0);
            stream.read_exact(&mut body).unwrap();
            sender.send(serde_json::from_slice(&body).unwrap()).unwrap();
            match answer {
                Some(answer) => {
                    write!(
                        stream,
                        "HTTP/1.1 {answer}\r\nConnection: close\r\nContent-Length: 9\r\n\r\n<no way>\n"
                    )
                    .unwrap();
                }
                None => hung.push(stream),
            }
        }
    });
    (address, bodies)
}

pub(crate) fn url(address: SocketAddr) -> WebhookUrl {
    format!("http://{address}/hook").parse().unwrap()
}

#[test]
fn only_what_can_be_posted_to_is_a_url_and_it_shows_no_secret() {
    let shown = |text: &str| text.parse::<WebhookUrl>().map(|url| url.to_string());
    assert_eq!(shown("http://alerts:8080/hook/s3cret?token=x").unwrap(), "http://alerts:8080");
    assert_eq!(shown("http://user:s3cret@alerts/").unwrap(), "http://alerts");
    for bad in ["", "alerts", "/hook", "ftp://alerts/", "alerts:8080", "http:///x"] {
        let why = shown(bad).unwrap_err();
        assert!(why.contains("expected a URL such as http://"), "{bad}: {why}");
    }
    let tls = shown("https://alerts/hook");
    if cfg!(feature = "tls") {
        assert_eq!(tls.unwrap(), "https://alerts");
    } else {
        assert!(tls.unwrap_err().contains("--features tls"));
    }
}

/// The form of Alertmanager's own messages, version 4, of which a recorded one has these keys.
#[test]
fn an_alert_has_the_form_of_alertmanagers() {
    let firing = Alert::firing("mae > 60", 1_764_201_600_123, Some("it is 63".to_owned())).to_json();
    let keys = |value: &Value| {
        let mut keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys.join(" ")
    };
    assert_eq!(
        keys(&firing),
        "alerts commonAnnotations commonLabels externalURL groupKey groupLabels receiver status truncatedAlerts version"
    );
    let alert = &firing["alerts"][0];
    assert_eq!(keys(alert), "annotations endsAt fingerprint generatorURL labels startsAt status");
    assert_eq!(
        (&firing["version"], &firing["status"], &alert["status"]),
        (&json!("4"), &json!("firing"), &json!("firing"))
    );
    assert_eq!(alert["startsAt"], "2025-11-27T00:00:00.123Z");
    assert_eq!(alert["endsAt"], "0001-01-01T00:00:00Z");
    assert_eq!(alert["labels"], json!({ "alertname": "pipeline", "rule": "mae > 60" }));
    assert_eq!(alert["annotations"]["summary"], "it is 63");
    let resolved = Alert::resolved("mae > 60", 1_764_201_600_123, 1_764_201_601_000, None).to_json();
    let ended = &resolved["alerts"][0];
    assert_eq!(
        (&resolved["status"], &ended["endsAt"]),
        (&json!("resolved"), &json!("2025-11-27T00:00:01.000Z"))
    );
    // Both are of the same alert.
    assert_eq!((&ended["startsAt"], &ended["fingerprint"]), (&alert["startsAt"], &alert["fingerprint"]));
    let other = Alert::firing("mae > 61", 1_764_201_600_123, None).to_json();
    assert!(other["alerts"][0]["fingerprint"] != alert["fingerprint"]);
}

#[test]
fn what_an_answer_means() {
    let body = Alert::firing("mae > 60", 0, None).to_json();
    for (answer, taken, may_pass, said) in [
        ("200 OK", true, false, ""),
        ("204 No Content", true, false, ""),
        ("500 Internal Server Error", false, true, "it answered 500 Internal Server Error: <no way>"),
        ("429 Too Many Requests", false, true, "it answered 429 Too Many Requests: <no way>"),
        ("400 Bad Request", false, false, "it answered 400 Bad Request: <no way>"),
        ("302 Found", false, false, "it answered 302 Found: <no way>"),
    ] {
        let (address, bodies) = receiver(vec![Some(answer)]);
        match post(&url(address), &body) {
            Ok(()) => assert!(taken, "{answer}"),
            Err(why) => {
                assert_eq!((taken, why.may_pass, why.text.as_str()), (false, may_pass, said), "{answer}")
            }
        }
        assert_eq!(bodies.recv().unwrap(), body);
    }
    // Nobody is there.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let why = post(&url(address), &body).unwrap_err();
    assert!(why.may_pass && why.text.contains("refused"), "{}", why.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_pass_is_tried_again_and_all_come_in_order_each_once() {
    let answers = [Some("503 Service Unavailable"), Some("200 OK"), Some("400 Bad Request"), Some("200 OK")];
    let (address, bodies) = receiver(answers.into());
    let webhook = Webhook::start(url(address));
    let rules = ["a > 1", "b > 1", "c > 1"];
    rules.iter().for_each(|rule| webhook.send(Alert::firing(rule, 0, None)));
    let told = spawn_blocking(move || {
        let body = || bodies.recv_timeout(Duration::from_secs(60)).unwrap();
        [(); 4].map(|()| body()["groupLabels"]["rule"].as_str().unwrap().to_owned())
    });
    assert_eq!(told.await.unwrap(), ["a > 1", "a > 1", "b > 1", "c > 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_one_hangs_the_latest_of_each_rule_waits_and_no_more_than_there_is_room_for() {
    let (address, bodies) = receiver(vec![None]);
    let webhook = Webhook::start(url(address));
    webhook.send(Alert::firing("first > 1", 0, None));
    // It is at the first one, for as long as it has patience.
    spawn_blocking(move || bodies.recv_timeout(Duration::from_secs(60)).unwrap()).await.unwrap();
    let rules: Vec<String> = (0..WAITING + 3).map(|number| format!("mae > {number}")).collect();
    rules.iter().for_each(|rule| webhook.send(Alert::firing(rule, 0, None)));
    webhook.send(Alert::resolved(&rules[7], 0, 1, None));
    let waiting: Vec<String> = webhook.queue.lock().iter().map(|(alert, _)| alert.state()).collect();
    let mut expected: Vec<String> = rules[3..].iter().map(|rule| format!("{rule} fires")).collect();
    expected.remove(4);
    expected.push(format!("{} has ended", rules[7]));
    assert_eq!(waiting, expected);
}
