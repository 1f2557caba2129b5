//! What the messages are: bodies and headers. AMQP's properties stand among the headers, for AsyncAPI has no other place for them.

use serde_json::{Map, Value, json};
use shared::message::header::{
    ATTEMPTS, DETAIL, FEATURE_NAMES, FEATURES, FEATURES_PUBLISHED_AT, HEADERS_DROPPED, LETTER_ID, MODEL,
    MODEL_ROLE, MODEL_VERSION, ORIGINAL_LENGTH, ORIGINAL_MESSAGE_ID, ORIGINAL_SHA256, PART, PUBLISHED_AT,
    REASON, REQUEUED, SERVICE, SHORTENED, TRACE_PARENT, TRACE_STATE,
};
use shared::message::{MAX_BODY, MOST_VECTORS, ModelRole};

use super::schemas::schema;

/// The form of a place in a trace, in the version that there is.
const TRACE: &str = "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$";

/// All of them, by name.
pub(super) fn all() -> Value {
    let id = "The id, where the body has none; of a message with several rows, nobody's.";
    let ours = [
        ("message_id", json!({ "description": id, "type": "string" })),
        (PUBLISHED_AT, milliseconds("When it was published.")),
        ("timestamp", json!({ "description": "The same in seconds.", "type": "integer" })),
        ("app_id", json!({ "description": "Who sends it.", "type": "string" })),
        (
            "content_type",
            json!({ "description": "JSON of any kind, text, bytes, or absent.", "type": "string" }),
        ),
    ];
    let asking = [
        (
            "reply_to",
            json!({ "description": "The asker's own queue, which gets a reply.", "type": "string" }),
        ),
        (
            "correlation_id",
            json!({ "description": "By what the asker knows the reply again.", "type": "string" }),
        ),
    ];
    let names = json!({ "description": "The names of the features, where the body has none: a list, or a JSON array as text." });
    let roles = ModelRole::ALL.map(ModelRole::name);
    let vectors = format!(
        "What the model weighed: f64, little-endian, row by row; bytes, {MOST_VECTORS} at the most. Not JSON."
    );
    let by = [
        (MODEL, schema("name")),
        (MODEL_VERSION, schema("name")),
        (MODEL_ROLE, json!({ "description": "Absent of the model that serves.", "enum": roles })),
        (FEATURES_PUBLISHED_AT, milliseconds("When the row was published.")),
    ];
    let trace = [
        (
            TRACE_PARENT,
            json!({ "description": "Where it is in a trace, by W3C Trace Context; handed on.", "type": "string", "pattern": TRACE }),
        ),
        (
            TRACE_STATE,
            json!({ "description": "What others have to say of that.", "type": "string", "maxLength": 512 }),
        ),
    ];
    let features = [(FEATURES, json!({ "description": vectors }))];
    let letter = [
        (REASON, schema("reason")),
        (DETAIL, json!({ "description": "What is wrong, in words.", "type": "string" })),
        (SERVICE, json!({ "description": "Who could not use it.", "type": "string" })),
        (ATTEMPTS, json!({ "description": "How often it was handed out.", "type": "integer", "minimum": 1 })),
        (
            LETTER_ID,
            json!({ "description": "The same for a second copy.", "type": "string", "pattern": "^[0-9a-f]{32}$" }),
        ),
        (
            PART,
            json!({ "description": "Which item of its message it is, such as `2 of 64`.", "type": "string" }),
        ),
        (ORIGINAL_MESSAGE_ID, json!({ "description": "What that message was called.", "type": "string" })),
        (
            SHORTENED,
            json!({ "description": "How much of the body is here, where that is not all.", "type": "string" }),
        ),
        (ORIGINAL_LENGTH, json!({ "description": "How many bytes it had.", "type": "integer" })),
        (ORIGINAL_SHA256, json!({ "type": "string" })),
        (HEADERS_DROPPED, json!({ "description": "How many headers are left out.", "type": "integer" })),
        (REQUEUED, json!({ "description": "How often it was put back into its queue.", "type": "integer" })),
    ];
    let row = any_of(&["features", "featuresByName", "rowWithId", "rowsWithIds", "rows"]);
    let value = any_of(&["value", "valueWithId", "valuesWithIds", "values"]);
    let all = |parts: &[&[(&'static str, Value)]]| headers(parts.concat(), &[]);
    let of_row = [(FEATURE_NAMES, names)];
    let asked = headers([&ours[..], &asking, &of_row, &trace].concat(), &["reply_to"]);
    let refused = headers([&ours[..], &asking[1..], &letter[..1], &trace].concat(), &[REASON]);
    let mut of_letter = headers(letter.to_vec(), &[]);
    of_letter["description"] =
        "Besides, the headers and properties that the message had. What RabbitMQ itself makes a letter, \
        such as one that has expired, has x-death instead."
            .into();
    let summary =
        format!("The message as it came, up to {MAX_BODY} bytes of it, or one item of it, with the reason.");
    let mut dead = message(&summary, json!({ "description": "Any bytes." }), of_letter);
    dead["contentType"] = "application/octet-stream".into();
    let question = "Rows that somebody wants to know the prediction of, and nothing else.";
    let predictions = "A prediction, or many, in the form of their rows.";
    let reply = "The prediction that was asked for, in the form of its row.";
    let refusal = "Why there is no prediction. The property `type` is `error`.";
    json!({
        "row": message("A row, or many.", row.clone(), all(&[&ours, &asking, &of_row, &trace])),
        "question": message(question, row, asked),
        "label": message("A label, or many.", value.clone(), all(&[&ours, &trace])),
        "prediction": message(predictions, value.clone(), all(&[&ours, &by, &features, &trace])),
        "reply": message(reply, value, all(&[&ours, &asking[1..], &by, &trace])),
        "refusal": message(refusal, schema("refusal"), refused),
        "letter": dead,
        "card": message("What a model is, or why a file was refused.", schema("card"), all(&[&ours[1..], &by[..2]])),
        "control": message("What is decided of versions.", schema("control"), all(&[&ours[1..]])),
    })
}

fn milliseconds(what: &str) -> Value {
    json!({ "description": format!("{what} In milliseconds since 1970."), "type": "integer" })
}

fn any_of(names: &[&str]) -> Value {
    let schemas: Vec<Value> = names.iter().map(|name| schema(name)).collect();
    json!({ "anyOf": schemas })
}

fn headers(list: Vec<(&str, Value)>, required: &[&str]) -> Value {
    let properties: Map<String, Value> = list.into_iter().map(|(name, of)| (name.to_owned(), of)).collect();
    let mut headers = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        headers["required"] = json!(required);
    }
    headers
}

fn message(summary: &str, payload: Value, headers: Value) -> Value {
    json!({ "summary": summary, "payload": payload, "headers": headers })
}
