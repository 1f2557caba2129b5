//! Which queues there are, how they are made, and who sends to them and takes from them.

use serde_json::{Map, Value, json};
use shared::message::{Name, Role};
use shared::transport::administration::{Item, items};
use shared::transport::queues::{Argument, Arguments, DEAD_EXCHANGE, EXCHANGE};
use shared::transport::{QueueName, Queues, SideQueue};

use super::reference;

/// The version of the binding of AMQP.
const BINDING: &str = "0.3.0";

/// What flows through one of the three queues.
struct Flow {
    role: Role,
    /// What its channel and its messages are called here.
    channel: &'static str,
    message: &'static str,
    send: Operation,
    receive: Operation,
    /// The name of the operation by which what cannot be used is sent on.
    dead_letter: &'static str,
}

/// The name of an operation, and which services do it.
struct Operation(&'static str, &'static [&'static str]);

/// Rows and labels also come over HTTP, by way of `model`.
const FLOWS: [Flow; 3] = [
    Flow {
        role: Role::Features,
        channel: "features",
        message: "row",
        send: Operation("publishRow", &["features", "model"]),
        receive: Operation("predict", &["model"]),
        dead_letter: "deadLetterRow",
    },
    Flow {
        role: Role::Label,
        channel: "labels",
        message: "label",
        send: Operation("publishLabel", &["features", "model"]),
        receive: Operation("recordLabel", &["metric"]),
        dead_letter: "deadLetterLabel",
    },
    Flow {
        role: Role::Prediction,
        channel: "predictions",
        message: "prediction",
        send: Operation("publishPrediction", &["model"]),
        receive: Operation("recordPrediction", &["metric"]),
        dead_letter: "deadLetterPrediction",
    },
];

/// All channels, by name. A queue that exists is used as it is: the arguments are those with which it is made.
pub(super) fn all(queues: &Queues) -> Value {
    let mut channels = Map::new();
    let made = items(queues);
    let mut add =
        |name: String, description: String, queue: &QueueName, messages: &[&str], key: Option<&QueueName>| {
            let arguments = made.iter().find_map(|item| match item {
                Item::Queue { name, arguments, .. } if name == queue => Some(arguments),
                _ => None,
            });
            let binding = arguments.map(|arguments| binding(queue.as_str(), arguments));
            channels.insert(name, channel(queue.as_str(), &description, messages, binding, key));
        };
    for Flow { role, channel: name, message, .. } in FLOWS {
        let of = queues.subscription(role);
        let description =
            format!("By the exchange {EXCHANGE} with the key {}, or straight to the queue.", of.key);
        add(name.to_owned(), description, &of.queue, &[message], Some(&of.key));
        let dead = of.dead();
        let description = format!(
            "What could not be used of {}, by the exchange {DEAD_EXCHANGE}. Consume it, or use `pipeline dead`.",
            of.queue
        );
        add(format!("{name}Dead"), description, &dead, &["letter"], Some(&of.queue));
    }
    let (asks, cards) = (queues.side(SideQueue::Asks), queues.side(SideQueue::Cards));
    add(
        "questions".to_owned(),
        "Answered, and not recorded. The oldest go.".to_owned(),
        &asks,
        &["question"],
        None,
    );
    add("cards".to_owned(), "The oldest go.".to_owned(), &cards, &["card"], None);

    let control = queues.control();
    let description = format!(
        "By the exchange {EXCHANGE}: each model has a queue of its own bound to this key, {control}.ID, which goes with its connection."
    );
    channels.insert("control".to_owned(), channel(control.as_str(), &description, &["control"], None, None));

    let challenger = |name: &str| Name::parse(name).ok().map(|name| queues.challenger(&name));
    if let Some(of) = challenger("name") {
        let address = of.queue.as_str().replace("challenger.name", "challenger.{name}");
        let description = "The rows once more, for a model that would like to serve. The oldest go, and the queue a week after its challenger.";
        let mut channel =
            channel(&address, description, &["row"], Some(binding(&address, &of.arguments)), None);
        channel["parameters"] = json!({ "name": { "description": "What the challenger is called." } });
        channels.insert("challenger".to_owned(), channel);
    }

    let mut replies = channel(
        "",
        "The queue that the property reply_to names, by the default exchange.",
        &["reply", "refusal"],
        None,
        None,
    );
    replies["address"] = Value::Null;
    channels.insert("replies".to_owned(), replies);
    Value::Object(channels)
}

fn channel(
    address: &str,
    description: &str,
    messages: &[&str],
    binding: Option<Value>,
    key: Option<&QueueName>,
) -> Value {
    let messages: Map<String, Value> =
        messages.iter().map(|name| ((*name).to_owned(), reference("messages", name))).collect();
    let mut channel = json!({ "address": address, "description": description, "messages": messages });
    if let Some(binding) = binding {
        channel["bindings"] = json!({ "amqp": binding });
    }
    if let Some(key) = key {
        channel["x-routing-key"] = key.as_str().into();
    }
    channel
}

/// A queue as AsyncAPI has it.
fn binding(queue: &str, how: &Arguments) -> Value {
    let value = |value: &Argument| match value {
        Argument::Int(int) => json!(int),
        Argument::Text(text) => json!(text),
    };
    let list: Map<String, Value> =
        how.list.iter().map(|(name, of)| ((*name).to_owned(), value(of))).collect();
    json!({
        "is": "queue",
        "queue": { "name": queue, "durable": how.durable, "exclusive": false, "autoDelete": false, "vhost": "/" },
        "x-arguments": list,
        "bindingVersion": BINDING,
    })
}

/// Who does what, by name. `send` and `receive` are the services', not their users'.
pub(super) fn operations() -> Value {
    let mut operations = Map::new();
    for Flow { channel, send, receive, dead_letter, .. } in FLOWS {
        let (Operation(send, senders), Operation(receive, receivers)) = (send, receive);
        operations.insert(send.to_owned(), sent(senders, channel));
        operations.insert(receive.to_owned(), received(receivers, channel));
        let mut letter = sent(receivers, &format!("{channel}Dead"));
        // It has the timestamp of its message, if that had one.
        letter["bindings"]["amqp"]["timestamp"] = false.into();
        operations.insert(dead_letter.to_owned(), letter);
    }
    let mut decide = sent(&["metric"], "control");
    // Nobody there is no error.
    decide["bindings"]["amqp"]["mandatory"] = false.into();
    for (name, operation) in [
        ("answer", received(&["model"], "questions")),
        ("predictBeside", received(&["model"], "challenger")),
        ("publishCard", sent(&["model"], "cards")),
        ("keepCard", received(&["metric"], "cards")),
        ("decide", decide),
        ("hearDecision", received(&["model"], "control")),
    ] {
        operations.insert(name.to_owned(), operation);
    }
    for asked in ["predict", "answer"] {
        operations[asked]["reply"] = json!({
            "address": { "location": "$message.header#/reply_to" },
            "channel": { "$ref": "#/channels/replies" },
            "messages": [{ "$ref": "#/channels/replies/messages/reply" }, { "$ref": "#/channels/replies/messages/refusal" }],
        });
    }
    Value::Object(operations)
}

fn sent(services: &[&str], channel: &str) -> Value {
    let amqp = json!({ "deliveryMode": 2, "mandatory": true, "timestamp": true, "bindingVersion": BINDING });
    operation("send", services, channel, &amqp)
}

fn received(services: &[&str], channel: &str) -> Value {
    operation("receive", services, channel, &json!({ "ack": true, "bindingVersion": BINDING }))
}

fn operation(action: &str, services: &[&str], channel: &str, amqp: &Value) -> Value {
    let tags: Vec<Value> = services.iter().map(|service| json!({ "name": service })).collect();
    json!({
        "action": action,
        "tags": tags,
        "channel": { "$ref": format!("#/channels/{channel}") },
        "bindings": { "amqp": amqp },
    })
}
