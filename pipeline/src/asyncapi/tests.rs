//! The document against the queues as they are made, and against itself.

use std::collections::BTreeSet;

use shared::transport::QueueKind;
use shared::transport::administration::{Item, items};
use shared::transport::queues::Exercise;

use super::*;

/// Every reference in it, and whether it leads somewhere.
fn references(root: &Value, node: &Value, found: &mut Vec<String>) {
    match node {
        Value::Object(members) => {
            if let Some(path) = members.get("$ref").and_then(Value::as_str) {
                assert!(root.pointer(&path[1..]).is_some(), "{path} leads nowhere");
                found.push(path.to_owned());
            }
            members.values().for_each(|node| references(root, node, found));
        }
        Value::Array(items) => items.iter().for_each(|node| references(root, node, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere_and_everything_is_used() {
    let document = document(&Queues::default());
    let mut found = Vec::new();
    references(&document, &document, &mut found);
    for kind in ["messages", "schemas"] {
        for name in document["components"][kind].as_object().unwrap().keys() {
            let path = format!("#/components/{kind}/{name}");
            assert!(found.contains(&path), "{path} is for nothing");
        }
    }
    for name in document["channels"].as_object().unwrap().keys() {
        let path = format!("#/channels/{name}");
        assert!(found.contains(&path), "nobody sends to {name} or takes from it");
    }
}

#[test]
fn every_queue_of_ours_is_there_as_it_is_made_and_none_besides() {
    for kind in [QueueKind::Quorum, QueueKind::Classic, QueueKind::Durable, QueueKind::Transient] {
        let options = QueueOptions { queue_kind: kind, exercise: Exercise::V2, ..QueueOptions::default() };
        let queues = Queues::new(&options).unwrap();
        let document = document(&queues);
        let channels = document["channels"].as_object().unwrap();
        let queue = |channel: &Value| channel["bindings"]["amqp"]["queue"].clone();
        let described: BTreeSet<String> = channels
            .values()
            .filter_map(|channel| queue(channel)["name"].as_str().map(str::to_owned))
            .collect();
        let mut made = BTreeSet::new();
        for item in items(&queues) {
            let Item::Queue { name, arguments, .. } = item else { continue };
            let channel = channels.values().find(|channel| queue(channel)["name"] == name.as_str()).unwrap();
            assert_eq!(channel["address"], name.as_str());
            assert_eq!(queue(channel)["durable"], arguments.durable, "{name}");
            let list = channel["bindings"]["amqp"]["x-arguments"].as_object().unwrap();
            assert_eq!(list.len(), arguments.list.len(), "{name}");
            made.insert(name.as_str().to_owned());
        }
        made.insert("features.challenger.{name}".to_owned());
        assert_eq!(described, made);
        assert_eq!(channels["features"]["address"], "features");
        assert_eq!(channels["challenger"]["address"], "features.challenger.{name}");
    }
}

#[test]
fn names_that_cannot_be_are_refused() {
    let queues = QueueOptions { labels_queue: Some("Features".into()), ..QueueOptions::default() };
    assert_eq!(AsyncApi { queues }.run(), ExitCode::from(exit::FAILURE));
}
