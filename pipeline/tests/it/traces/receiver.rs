//! A receiver of traces, as a collector is one: OTLP over HTTP, in JSON.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

/// A step as it was told.
#[derive(Debug, Clone)]
pub struct Told {
    /// What is known of the process.
    pub process: BTreeMap<String, String>,
    /// Which part of it: the name of the scope.
    pub scope: String,
    pub name: String,
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub kind: u64,
    pub attributes: BTreeMap<String, String>,
    /// The traces of the steps that it is linked to.
    pub links: Vec<String>,
    /// The status: 0 where nothing is said, 2 an error.
    pub status: u64,
}

impl Told {
    pub fn service(&self) -> &str {
        &self.process["service.name"]
    }
}

/// Takes traces until the test ends.
pub struct Receiver {
    pub url: String,
    all: Arc<Mutex<Vec<Told>>>,
}

impl Receiver {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let all = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&all);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let body = take(&stream);
                // Whoever is answered may end.
                taken.lock().unwrap().extend(read(&body));
                answer(&stream);
            }
        });
        Self { url, all }
    }

    pub fn told(&self) -> Vec<Told> {
        self.all.lock().unwrap().clone()
    }
}

/// Takes one request.
fn take(stream: &TcpStream) -> Value {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length, mut is_json) = (String::new(), 0, false);
    reader.read_line(&mut first).unwrap();
    assert!(first.starts_with("POST /v1/traces HTTP/1.1"), "{first}");
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        is_json |= line == "content-type: application/json";
    }
    assert!(is_json);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    serde_json::from_slice(&body).unwrap()
}

fn answer(mut stream: &TcpStream) {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
    stream.write_all(head.as_bytes()).unwrap();
}

fn each<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value[name].as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn attributes(of: &Value) -> BTreeMap<String, String> {
    let value = |value: &Value| match (value["stringValue"].as_str(), &value["intValue"]) {
        (Some(text), _) => text.to_owned(),
        // In JSON, 64 bits are text.
        (None, int) => int.as_str().map_or_else(|| int.to_string(), str::to_owned),
    };
    let mut all = BTreeMap::new();
    for pair in each(of, "attributes") {
        let before = all.insert(text(&pair["key"]), value(&pair["value"]));
        assert_eq!(before, None, "{pair} is told twice");
    }
    all
}

fn read(body: &Value) -> Vec<Told> {
    let mut all = Vec::new();
    for resource in each(body, "resourceSpans") {
        let process = attributes(&resource["resource"]);
        for scope in each(resource, "scopeSpans") {
            for span in each(scope, "spans") {
                all.push(Told {
                    process: process.clone(),
                    scope: text(&scope["scope"]["name"]),
                    name: text(&span["name"]),
                    trace: text(&span["traceId"]),
                    id: text(&span["spanId"]),
                    parent: text(&span["parentSpanId"]),
                    kind: span["kind"].as_u64().unwrap(),
                    attributes: attributes(span),
                    links: each(span, "links").map(|link| text(&link["traceId"])).collect(),
                    status: span["status"]["code"].as_u64().unwrap_or(0),
                });
            }
        }
    }
    all
}
