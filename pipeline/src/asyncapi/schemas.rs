//! What bodies look like, as JSON Schema.

use serde_json::{Value, json};
use shared::control::{DecisionState, MOST_DECISIONS};
use shared::message::{LARGEST_VALUE, MOST_ROWS, Name, Rejection, RowId};

use super::reference;

pub(super) fn schema(name: &str) -> Value {
    reference("schemas", name)
}

/// All of them, by name.
pub(super) fn all() -> Value {
    // Printable ASCII without space, quotes, comma and backslash.
    let id = format!(r"^[A-Za-z0-9_][!#-&(-+\--\[\]-_a-~]{{0,{}}}$", RowId::MAX_LEN - 1);
    let name = format!("^[A-Za-z0-9_][A-Za-z0-9_.-]{{0,{}}}$", Name::MAX_LEN - 1);
    let number_as_text = r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$";
    json!({
        "id": {
            "description": "The id of a row. A number is an id as decimal text: 5.0 and 5 are one.",
            "anyOf": [{ "type": "string", "pattern": id }, { "type": "string", "pattern": "^-?[0-9]+$" }, { "type": "number" }],
        },
        "name": { "type": "string", "pattern": name },
        "feature": {
            "description": "A number; one as text is one too, and true and false are 1 and 0.",
            "anyOf": [{ "type": "number" }, { "type": "string", "pattern": number_as_text }, { "type": "boolean" }],
        },
        "value": {
            "description": "A label or a prediction.",
            "anyOf": [
                { "type": "number", "minimum": -LARGEST_VALUE, "maximum": LARGEST_VALUE },
                { "type": "string", "pattern": number_as_text },
                { "type": "boolean" },
            ],
        },
        "features": { "type": "array", "minItems": 1, "items": schema("feature") },
        "featuresByName": {
            "description": "Every feature of the model, in any order; which these are, only the model knows. Other members are ignored, `id` is the row's id.",
            "type": "object", "minProperties": 1,
            "properties": { "id": schema("id") },
        },
        "row": { "anyOf": [schema("features"), schema("featuresByName")] },
        "rowWithId": with_id(&schema("row")),
        "rowsWithIds": with_ids(&schema("row")),
        "rows": together(&json!({ "allOf": [schema("row")], "not": { "type": "object", "required": ["id"] } })),
        "valueWithId": with_id(&schema("value")),
        "valuesWithIds": with_ids(&schema("value")),
        "values": together(&schema("value")),
        "reason": { "description": "Why a message cannot be used.", "enum": Rejection::ALL },
        "refusal": {
            "type": "object", "required": ["error", "reason"],
            "properties": {
                "error": { "description": "What is wrong, in words.", "type": "string" },
                "reason": schema("reason"),
                "id": { "type": "string" },
                "rows": { "description": "How many rows of the message cannot be predicted, of which this is the first.", "type": "integer", "minimum": 1 },
            },
        },
        "card": {
            "description": "What a model says of itself, or of a file that it refuses. Other members may be added.",
            "type": "object", "required": ["card", "kind"],
            "properties": {
                "card": { "const": 1 },
                "kind": { "enum": ["model", "refused"] },
                "model": { "type": ["string", "null"] },
                "version": { "type": "string" },
            },
        },
        "control": {
            "description": "What is decided of versions. Other members may be added.",
            "type": "object", "required": ["control", "decisions"],
            "properties": {
                "control": { "const": shared::control::FORM },
                "decisions": { "type": "array", "maxItems": MOST_DECISIONS, "items": {
                    "type": "object", "required": ["model", "version", "before", "state", "act", "rows"],
                    "properties": {
                        "model": schema("name"),
                        "version": schema("name"),
                        "before": schema("name"),
                        "state": { "enum": DecisionState::ALL.map(DecisionState::name) },
                        "act": { "description": "Whether a version that is worse gives its place back.", "type": "boolean" },
                        "rows": { "type": "integer", "minimum": 0 },
                        "difference": { "description": "By how much its absolute errors are larger, in the mean.", "type": "number" },
                    },
                }},
            },
        },
    })
}

/// `{"id": ID, KEY: ITEM}` with any KEY.
fn with_id(item: &Value) -> Value {
    json!({
        "description": "An id and one value, under any key.",
        "type": "object", "required": ["id"], "minProperties": 2, "maxProperties": 2,
        "properties": { "id": schema("id") },
        "additionalProperties": item,
    })
}

/// `{"ids": [...], KEY: [...]}` with any KEY.
fn with_ids(item: &Value) -> Value {
    json!({
        "description": "As many ids as values, these under any key.",
        "type": "object", "required": ["ids"], "minProperties": 2, "maxProperties": 2,
        "properties": { "ids": { "type": "array", "minItems": 1, "maxItems": MOST_ROWS, "items": schema("id") } },
        "additionalProperties": together(item),
    })
}

fn together(item: &Value) -> Value {
    json!({ "type": "array", "minItems": 1, "maxItems": MOST_ROWS, "items": item })
}
