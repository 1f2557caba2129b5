//! Messages that a client library cannot read, or that cost too much to read: each is a dead letter with its reason, or
//! recorded like any other, and nothing else is harmed.

use std::collections::BTreeMap;

use shared::message::Role;

use crate::broker::{self, Broker, Letter, dead_name};
use crate::processes::{Process, Services, asked};
use crate::raw::{Properties, Raw, SHORT_TEXTS, long, nested, table, value};

/// The most bytes that a property block can have: the rest of a content header is 12, and the frame that it stands in has
/// 131 072 with its own 8.
const LARGEST_BLOCK: usize = 131_072 - 8 - 12;

/// What must become of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Letter(&'static str),
    Recorded,
}

struct Hostile {
    name: String,
    block: Vec<u8>,
    /// None where the body is one that can be used.
    body: Option<Vec<u8>>,
    wanted: Wanted,
}

fn hostile(name: &str, properties: Properties, body: Option<Vec<u8>>, wanted: Wanted) -> Hostile {
    let properties = properties.text("message_id", name.as_bytes());
    Hostile { name: name.to_owned(), block: properties.block(), body, wanted }
}

/// Headers with one field.
fn header(name: &[u8], value: Vec<u8>) -> Properties {
    Properties::default().headers(table(&[(name, value)]))
}

/// Headers that fill a property block of this size, with an id of `name`.
fn filled(name: &str, size: usize) -> Properties {
    let rest = 2 + 1 + name.len() + 4 + 2 + 5;
    header(b"x", value(b'S', &long(&vec![b'a'; size - rest])))
}

fn messages() -> Vec<Hostile> {
    const BAD: Wanted = Wanted::Letter("bad_properties");
    const LARGE: Wanted = Wanted::Letter("too_large");
    let blank = |length: usize| Some(vec![b' '; length]);
    let mut all = Vec::new();
    for (depth, wanted) in [(31, Wanted::Recorded), (32, BAD), (33, BAD), (3_000, BAD), (25_000, LARGE)] {
        all.push(hostile(&format!("arrays-{depth}"), header(b"x", nested(b'A', depth)), None, wanted));
    }
    for (depth, wanted) in [(3_000, BAD), (18_000, LARGE)] {
        all.push(hostile(&format!("tables-{depth}"), header(b"x", nested(b'F', depth)), None, wanted));
    }
    for (property, _) in SHORT_TEXTS {
        match property {
            // The broker wants a number there.
            "expiration" => {}
            "message_id" => {
                let block = Properties::default().text(property, b"message_id\xff").block();
                all.push(Hostile { name: "message_id?".to_owned(), block, body: None, wanted: BAD });
            }
            _ => {
                let properties = Properties::default().text(property, b"caf\xe9");
                all.push(hostile(property, properties, None, BAD));
            }
        }
    }
    all.push(hostile("name", header(b"caf\xe9", value(b't', &[1])), None, BAD));
    let deep = table(&[(b"caf\xe9", value(b't', &[1]))]);
    all.push(hostile("deep-name", header(b"x", value(b'F', &deep)), None, BAD));
    for (size, wanted) in [
        (16_000, Wanted::Recorded),
        (64 * 1024, Wanted::Recorded),
        (64 * 1024 + 1, LARGE),
        (LARGEST_BLOCK, LARGE),
    ] {
        let name = format!("headers-{size}");
        all.push(hostile(&name, filled(&name, size), None, wanted));
    }
    let many: Vec<Vec<u8>> = (0..17_000).map(|number| format!("{number:05}").into_bytes()).collect();
    let fields: Vec<(&[u8], Vec<u8>)> = many.iter().map(|name| (&name[..], vec![b'V'])).collect();
    all.push(hostile("headers-by-the-thousand", Properties::default().headers(table(&fields)), None, LARGE));
    all.push(hostile("types", Properties::default().headers(table(&every_type())), None, Wanted::Recorded));
    for (length, wanted) in [
        (0, Wanted::Letter("not_json")),
        (1 << 20, Wanted::Letter("not_json")),
        ((1 << 20) + 1, LARGE),
        (8 << 20, LARGE),
        (16 << 20, LARGE),
    ] {
        all.push(hostile(&format!("body-{length}"), Properties::default(), blank(length), wanted));
    }
    all
}

/// A field of each type that a header can have, some of them odd: a text that is not UTF-8, one name twice. NaN and
/// infinity are refused by the brokers.
fn every_type() -> Vec<(&'static [u8], Vec<u8>)> {
    vec![
        (b"t", value(b't', &[1])),
        (b"b", value(b'b', &[255])),
        (b"B", value(b'B', &[255])),
        (b"s", value(b's', &[0, 1])),
        (b"u", value(b'u', &[255, 255])),
        (b"I", value(b'I', &[0, 0, 0, 1])),
        (b"i", value(b'i', &[255; 4])),
        (b"l", value(b'l', &[255; 8])),
        (b"f", value(b'f', &1.5_f32.to_be_bytes())),
        (b"d", value(b'd', &1.5_f64.to_be_bytes())),
        (b"D", value(b'D', &[2, 0, 0, 0, 1])),
        (b"S", value(b'S', &long(b"caf\xe9"))),
        (b"A", value(b'A', &long(&value(b't', &[1])))),
        (b"T", value(b'T', &[255; 8])),
        (b"F", value(b'F', &table(&[(b"n", value(b't', &[0]))]))),
        (b"V", value(b'V', &[])),
        (b"x", value(b'x', &long(&[0, 255]))),
        (b"twice", value(b't', &[0])),
        (b"twice", value(b't', &[1])),
    ]
}

/// What a service of this role can use.
pub fn good_body(role: Role) -> Vec<u8> {
    if role == Role::Features { b"[1,2,3,4,5,6,7,8,9,10]".to_vec() } else { b"151".to_vec() }
}

fn id(name: &str) -> Vec<u8> {
    Properties::default().text("message_id", name.as_bytes()).block()
}

/// `model` and `metric`, ready.
pub async fn ready(services: &Services) -> (Process, Process) {
    let (model, metric) = (services.model(&[]), services.metric(&[]));
    model.ready().await;
    metric.ready().await;
    (model, metric)
}

/// A row that will be complete: its features for `model`, its label, and a prediction of nobody's.
pub async fn good_row(raw: &mut Raw, name: &str) {
    for role in Role::ALL {
        raw.publish(role.name(), &id(name), &good_body(role)).await;
    }
}

/// Holds the records to these rows: each with the label, the model's prediction and the one of nobody, once.
async fn recorded(services: &Services, broker: &Broker, names: &[String]) {
    services.books.wait_for_rows(2 * names.len()).await;
    broker.emptied().await;
    let recorded = services.books.recorded();
    for name in names {
        assert_eq!(recorded.labels.get(name), Some(&1), "label of {name}");
        assert_eq!(recorded.predictions.get(name), Some(&2), "predictions of {name}");
    }
    assert_eq!(services.books.rows(), 2 * names.len());
}

/// Holds each role's dead letters to these names and reasons, each once.
async fn buried(broker: &Broker, wanted: &BTreeMap<String, &'static str>) -> Vec<Letter> {
    let mut all = Vec::new();
    for role in Role::ALL {
        broker.has_ready_dead(dead_name(role), u32::try_from(wanted.len()).unwrap()).await;
        let letters = broker.drain(dead_name(role)).await;
        let mut found = BTreeMap::new();
        for letter in &letters {
            let name = letter.message_id().unwrap_or("-").to_owned();
            assert_eq!(found.insert(name.clone(), letter.header("x-reason")), None, "{name} twice");
        }
        let wanted: BTreeMap<String, String> =
            wanted.iter().map(|(name, reason)| (name.clone(), (*reason).to_owned())).collect();
        assert_eq!(found, wanted, "in {}", dead_name(role));
        all.extend(letters);
    }
    all
}

/// Nothing was reconnected, nothing started anew, and memory stayed below this many MiB.
pub async fn unharmed(processes: [&Process; 2], most_mib: u64) {
    for process in processes {
        assert_eq!(process.counter("pipeline_reconnects_total", "").await, 0.0, "{}", process.log());
        let peak = process.peak() / 1024;
        println!("{} MiB at the most", peak);
        assert!(peak < most_mib, "{peak} MiB at the most, expected fewer than {most_mib}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_messages_harm_only_themselves() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let processes = ready(&services).await;
    attack(&broker, &services, processes).await;
}

/// Sends every hostile message to every queue, a good row after each, and holds `model` and `metric` to what must become of
/// them.
pub async fn attack(broker: &Broker, services: &Services, (mut model, mut metric): (Process, Process)) {
    let mut raw = Raw::connect(&broker.url).await;
    let mut good = Vec::new();
    let mut letters = BTreeMap::new();
    for Hostile { name, block, body, wanted } in messages() {
        for role in Role::ALL {
            let body = body.clone().unwrap_or_else(|| good_body(role));
            raw.publish(role.name(), &block, &body).await;
        }
        raw.confirmed().await;
        match wanted {
            Wanted::Letter(reason) => _ = letters.insert(name.clone(), reason),
            Wanted::Recorded => good.push(name.clone()),
        }
        let neighbour = format!("after-{}", name.trim_end_matches('?'));
        good_row(&mut raw, &neighbour).await;
        good.push(neighbour);
    }
    raw.confirmed().await;
    recorded(services, broker, &good).await;
    let found = buried(broker, &letters).await;
    for letter in found {
        let name = letter.message_id().unwrap_or_default().to_owned();
        if let Some(length) = name.strip_prefix("body-").filter(|length| length.len() > 6) {
            let length: usize = length.parse().unwrap();
            let kept = if length > 1 << 20 { 64 * 1024 } else { length };
            assert_eq!(letter.body.len(), kept, "{name}");
            if kept < length {
                assert_eq!(letter.header("x-original-length"), length.to_string());
                assert_eq!(letter.header("x-original-sha256").len(), 64, "{name}");
                assert!(letter.header("x-shortened").contains(&format!("of {length} bytes")), "{name}");
            }
        } else if letter.header("x-reason") != "not_json" {
            assert!(letter.header("x-original-properties").starts_with("Some(ByteArray"), "{name}");
        }
        assert!(!letter.header("x-detail").is_empty(), "{name}");
    }
    unharmed([&model, &metric], 64).await;
    model.stop().await;
    metric.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_header_comes_back_larger_and_is_a_letter_all_the_same() {
    let broker = broker::turn().await;
    broker.declare(shared::transport::QueueKind::Quorum).await;
    let mut raw = Raw::connect(&broker.url).await;
    let largest = hostile("largest", filled("largest", LARGEST_BLOCK), None, Wanted::Letter("too_large"));
    for role in Role::ALL {
        raw.publish(role.name(), &largest.block, &good_body(role)).await;
    }
    raw.confirmed().await;
    // The queue counts what came back in a header of its own, and the frame grows beyond what was agreed.
    for role in Role::ALL {
        raw.give_back(role.name()).await;
    }
    let services = Services::new(&broker.url);
    let (model, metric) = ready(&services).await;
    good_row(&mut raw, "good").await;
    raw.confirmed().await;
    recorded(&services, &broker, &["good".to_owned()]).await;
    buried(&broker, &BTreeMap::from([("largest".to_owned(), "too_large")])).await;
    unharmed([&model, &metric], 64).await;
}

/// Large bodies, more than fit into memory: 40 of 8 MiB and 200 of 1 MiB, or as many as `LARGE_BODIES` times that says.
#[tokio::test(flavor = "multi_thread")]
async fn large_bodies_do_not_fill_memory() {
    let times = asked("LARGE_BODIES").unwrap_or(1);
    let broker = broker::turn().await;
    broker.declare(shared::transport::QueueKind::Quorum).await;
    for (count, length, most_mib) in [(40 * times, 8 << 20, 64), (200 * times, 1 << 20, 128)] {
        let mut raw = Raw::connect(&broker.url).await;
        let body = vec![b' '; length];
        // There before anybody consumes, so that all of it could come at once.
        for number in 0..count {
            raw.publish("Features", &id(&format!("large-{number}")), &body).await;
            if number % 8 == 7 {
                raw.confirmed().await;
            }
        }
        let services = Services::new(&broker.url);
        let (mut model, mut metric) = ready(&services).await;
        good_row(&mut raw, "good").await;
        raw.confirmed().await;
        recorded(&services, &broker, &["good".to_owned()]).await;
        broker.has_ready_dead("Features.dead", u32::try_from(count).unwrap()).await;
        unharmed([&model, &metric], most_mib).await;
        model.stop().await;
        metric.stop().await;
        let (connection, channel) = broker.channel().await;
        channel.queue_purge("Features.dead".into(), Default::default()).await.unwrap();
        connection.close(200, "purged".into()).await.unwrap();
    }
}
