//! The door as its clients see it: exchanges that they were recorded with, and all that can be wrong.

mod invoked;
mod served;
mod taken;

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use shared::clock::Timestamp;
use shared::http::Listener;
use shared::message::{Name, Prediction, Role};
use shared::readiness::Readiness;
use shared::stop::Stop;
use shared::transport::{Consumer, Transport};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::door::Door;
use super::recorder::Recorder;
use super::*;
use crate::inputs::Inputs;
use crate::linear::Linear;
use crate::predictor::{Engine, Predictor};

/// age + bmi + bp
fn sums(named: bool) -> Predictor {
    let linear = Linear::new(None, &[1.0, 1.0, 1.0], 0.0).unwrap();
    let inputs = match named {
        true => Inputs::named(["age", "bmi", "bp"].map(str::to_owned).to_vec()),
        false => Inputs::unnamed(3),
    };
    Predictor::new(Engine::Linear(linear), inputs, Name::parse("2fdce8b5c0ab").unwrap())
}

fn options() -> AnswerOptions {
    AnswerOptions {
        model_name: Name::parse("model").unwrap(),
        strict: false,
        no_features: false,
        predictions_key: "body".parse().unwrap(),
        role: Default::default(),
    }
}

/// A port on the queues of this process, and what they are.
struct World {
    address: SocketAddr,
    transport: Transport,
    model: watch::Sender<Option<Arc<Predictor>>>,
    _server: Server,
}

/// An answer: its status, its head in lower case, and its body.
struct Said {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl World {
    async fn new(predictor: Option<Predictor>, records: bool, tokens: Option<Tokens>) -> Self {
        let transport = Transport::in_memory();
        let (model, serving) = watch::channel(predictor.map(Arc::new));
        let shadows = Shadows::new(watch::channel(None).1, &options());
        let door = Door::new("model", records, options(), (serving, shadows));
        let publisher = transport.publisher("model", &Stop::default(), &Readiness::default());
        door.record(Recorder::start(publisher));
        let listener = Listener::bind("test", ([127, 0, 0, 1], 0).into(), LIMITS).await.unwrap();
        let address = listener.address().unwrap();
        let routes = for_this_machine(routes::routes(door, tokens));
        Self { address, transport, model, _server: listener.serve(routes).unwrap() }
    }

    async fn sums() -> Self {
        Self::new(Some(sums(true)), true, None).await
    }

    /// `head` are more lines of the request's head.
    async fn ask(&self, method: &str, path: &str, head: &str, body: &[u8]) -> Said {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let host =
            if head.contains("host: ") { String::new() } else { format!("host: {}\r\n", self.address) };
        let length = if head.contains("chunked") {
            String::new()
        } else {
            format!("content-length: {}\r\n", body.len())
        };
        let request = format!("{method} {path} HTTP/1.1\r\n{host}connection: close\r\n{length}{head}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        // Whoever is refused early may close before all is sent.
        _ = stream.write_all(body).await;
        let mut answer = Vec::new();
        _ = stream.read_to_end(&mut answer).await;
        let end = answer.windows(4).position(|part| part == b"\r\n\r\n").unwrap_or_else(|| {
            panic!("{method} {path} is answered with {:?}", String::from_utf8_lossy(&answer))
        });
        let head = String::from_utf8(answer[..end].to_vec()).unwrap().to_ascii_lowercase();
        Said { status: head[9..12].parse().unwrap(), head, body: answer[end + 4..].to_vec() }
    }

    async fn post(&self, path: &str, kind: &str, body: &str) -> Said {
        let head = if kind.is_empty() { String::new() } else { format!("content-type: {kind}\r\n") };
        self.ask("POST", path, &head, body.as_bytes()).await
    }

    fn consumer(&self, role: Role) -> Consumer {
        let subscription = self.transport.subscription(role);
        self.transport.consumer("test", subscription, 10_000, &Stop::default(), &Readiness::default())
    }

    /// The ids and values of the predictions that have been published, by their ids.
    async fn predictions(&self, count: usize) -> Vec<(String, f64)> {
        let mut consumer = self.consumer(Role::Prediction);
        let mut all = Vec::new();
        while all.len() < count {
            let batch =
                tokio::time::timeout(Duration::from_secs(10), consumer.take(256)).await.unwrap().unwrap();
            for delivery in &batch.deliveries {
                for item in Prediction::decode(delivery).unwrap().items {
                    let prediction = item.unwrap();
                    assert_eq!(prediction.model_version.unwrap().as_str(), "2fdce8b5c0ab");
                    assert!(prediction.vector.is_some_and(|vector| vector.len() == 3));
                    all.push((prediction.key.id().unwrap().to_string(), prediction.value));
                }
            }
            batch.ack().await;
        }
        all
    }
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|why| panic!("{why}: {}", String::from_utf8_lossy(&self.body)))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

fn fixture(name: &str) -> Vec<Value> {
    let path = format!("{}/tests/fixtures/http/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The bytes that a text in base64 stands for.
fn base64(text: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let bytes: Vec<u8> = text.bytes().filter(|c| *c != b'=').map(value).collect();
    let mut all = Vec::new();
    for four in bytes.chunks(4) {
        let number = four.iter().fold(0_u32, |number, six| (number << 6) | u32::from(*six));
        let number = number << (6 * (4 - four.len()));
        all.extend_from_slice(&number.to_be_bytes()[1..four.len()]);
    }
    all
}

#[test]
fn others_reach_a_port_only_with_tokens_or_where_that_is_wanted() {
    let listens = |address: &str, tokens, open| may_listen(address.parse().unwrap(), tokens, open).is_ok();
    for (address, tokens, open, wanted) in [
        ("127.0.0.1:8080", false, false, true),
        ("[::1]:8080", false, false, true),
        ("0.0.0.0:8080", false, false, false),
        ("192.168.1.2:8080", false, false, false),
        ("0.0.0.0:8080", true, false, true),
        ("0.0.0.0:8080", false, true, true),
    ] {
        assert_eq!(listens(address, tokens, open), wanted, "{address} {tokens} {open}");
    }
}
