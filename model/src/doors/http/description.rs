//! The description of the port for programs: OpenAPI 3.1.

use serde_json::{Value, json};

/// What of a row is said, in a response.
const ROW_ID: &str = "The id of the row, by which its label can meet it; of several rows, what stands before `.0`, `.1` and so on. \
                      Where predictions are not recorded, it is missing.";
/// Why a row is refused.
const REASON: &str = "The code of what is wrong, the same as in the dead letters of the queues.";

/// The description.
pub(super) fn openapi() -> Value {
    let schema = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let content = |name: &str| json!({ "application/json": { "schema": schema(name) } });
    let answer =
        |description: &str, name: &str| json!({ "description": description, "content": content(name) });
    let plain = |description: &str| json!({ "description": description, "content": { "text/plain": { "schema": { "type": "string" } } } });
    let body = |content: Value| json!({ "required": true, "content": content });
    let problems = |name: &str, mut of: Value| {
        for (status, description) in [
            ("400", "Something is wrong with the request; nothing of it is recorded."),
            ("413", "More than 1 MiB, also once it is unpacked, or too many rows."),
            (
                "503",
                "There is no model yet, the broker is away, or too much is under way. The same may be sent again.",
            ),
        ] {
            if of.get(status).is_none() {
                of[status] = answer(description, name);
            }
        }
        of["400"]["headers"] =
            json!({ "x-reason": { "description": REASON, "schema": { "type": "string" } } });
        of["503"]["headers"] =
            json!({ "Retry-After": { "description": "In seconds.", "schema": { "type": "integer" } } });
        of["401"] = answer("No token was shown, or none that is known.", "Problem");
        of
    };
    let row_id = json!({ "x-row-id": { "description": ROW_ID, "schema": { "type": "string" } } });
    let parameter = |name: &str, place: &str, description: &str| json!({ "name": name, "in": place, "required": place == "path", "description": description, "schema": { "type": "string" } });
    let model = || parameter("model", "path", "The model's name, as `--model-name` has it.");
    let version = || parameter("version", "path", "The version that serves; there is no other one.");
    let id = |description: &str| parameter("id", "query", description);
    let of_model = |operation: &str, summary: &str, description: &str, answered: &str, parameters: Value| {
        json!({ "get": {
            "operationId": operation, "summary": summary, "parameters": parameters,
            "responses": {
                "200": answer(description, answered),
                "401": answer("No token was shown, or none that is known.", "Problem"),
                "404": answer("Another model, or another version.", "Problem"),
                "503": answer("There is no model yet.", "Problem"),
            },
        }})
    };
    let infer = |operation: &str, mut parameters: Vec<Value>| {
        let length =
            "How many bytes of the body are JSON; behind them is the data of inputs with `binary_data_size`.";
        parameters.push(parameter("Inference-Header-Content-Length", "header", length));
        let tensors = json!({ "type": "string", "contentMediaType": "application/octet-stream" });
        let mut inferred = answer("A prediction for each row.", "Inferred");
        inferred["content"]["application/octet-stream"] = json!({ "schema": tensors });
        inferred["headers"] = row_id.clone();
        let mut responses = problems("Problem", json!({ "200": inferred }));
        responses["404"] = answer("Another model, or another version.", "Problem");
        json!({ "post": {
            "operationId": operation, "summary": "Predicts rows, by the Open Inference Protocol.",
            "parameters": parameters,
            "requestBody": body(json!({ "application/json": { "schema": schema("Inference") }, "application/octet-stream": { "schema": tensors } })),
            "responses": responses,
        }})
    };
    let taken = |operation: &str, summary: &str, one: &str| {
        let responses = problems(
            "Problem",
            json!({ "202": answer("The broker has confirmed them. What else was sent is listed.", "Taken"),
                    "400": answer("Nothing of it can be used.", "TakenOrProblem"),
                    "415": answer("Another content type.", "Problem") }),
        );
        json!({ "post": {
            "operationId": operation, "summary": summary,
            "parameters": [id("The id of the row, where it is not in the body.")],
            "requestBody": body(json!({
                "application/json": { "schema": schema(one) },
                "application/x-ndjson": { "schema": { "type": "string", "description": "One a line, 10 000 lines at the most." } },
            })),
            "responses": responses,
        }})
    };
    let mut predicted = json!({
        "description": "A prediction for each row; for a bare array of rows a bare array.",
        "content": {
            "application/json": { "schema": schema("Predicted") },
            "text/csv": { "schema": { "type": "string" } },
        },
    });
    predicted["headers"] = row_id.clone();
    let mut invoked = problems("Invocation", json!({ "200": predicted }));
    invoked["415"] = answer("Another content type.", "Invocation");
    let ready =
        || json!({ "200": answer("It would answer.", "Ready"), "503": answer("It would not.", "Ready") });
    let ping = || json!({ "200": plain("It would answer."), "503": plain("It would not.") });
    let open = || json!([]);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "model",
            "description": "Asks the model that serves, and sends rows and labels to its queues.",
            "license": { "name": "MIT", "identifier": "MIT" },
            "version": env!("CARGO_PKG_VERSION"),
        },
        "servers": [{ "url": "/" }],
        "security": [{}, { "token": [] }],
        "paths": {
            "/v2": { "get": { "operationId": "server", "summary": "What answers here.", "responses": { "200": answer("Its name, version and extensions.", "Anything"), "401": answer("No token was shown, or none that is known.", "Problem") } } },
            "/v2/health/live": { "get": { "operationId": "live", "summary": "Whether the process runs.", "security": open(), "responses": { "200": answer("It does.", "Anything") } } },
            "/v2/health/ready": { "get": { "operationId": "ready", "summary": "Whether a prediction would be answered now.", "security": open(), "responses": ready() } },
            "/v2/models/{model}": of_model("metadata", "What the model takes and gives.", "Its inputs and outputs.", "Anything", json!([model()])),
            "/v2/models/{model}/ready": of_model("modelReady", "Whether the model would answer now.", "It would, or not.", "Anything", json!([model()])),
            "/v2/models/{model}/infer": infer("infer", vec![model()]),
            "/v2/models/{model}/versions/{version}": of_model("versionMetadata", "What the version takes and gives.", "Its inputs and outputs.", "Anything", json!([model(), version()])),
            "/v2/models/{model}/versions/{version}/ready": of_model("versionReady", "Whether the version would answer now.", "It would, or not.", "Anything", json!([model(), version()])),
            "/v2/models/{model}/versions/{version}/infer": infer("inferVersion", vec![model(), version()]),
            "/invocations": { "post": {
                "operationId": "invoke", "summary": "Predicts rows, as MLflow and SageMaker have it.",
                "parameters": [id("The id of the row; of several rows, what stands before `.0`, `.1` and so on.")],
                "requestBody": body(json!({ "application/json": { "schema": schema("Invoke") }, "text/csv": { "schema": { "type": "string" } } })),
                "responses": invoked,
            }},
            "/ping": { "get": { "operationId": "ping", "summary": "Whether a prediction would be answered now.", "security": open(), "responses": ping() } },
            "/health": { "get": { "operationId": "health", "summary": "As /ping.", "security": open(), "responses": ping() } },
            "/version": { "get": { "operationId": "version", "summary": "The version of the program.", "responses": { "200": plain("The version."), "401": answer("No token was shown, or none that is known.", "Problem") } } },
            "/api/v1/rows": taken("rows", "Sends rows to be predicted and recorded: answered when the broker has confirmed them, and idempotent by id.", "Row"),
            "/api/v1/labels": taken("labels", "Sends the labels of rows: answered when the broker has confirmed them, and idempotent by id.", "Label"),
            "/openapi.json": { "get": { "operationId": "openapi", "summary": "This description.", "responses": { "200": answer("OpenAPI 3.1.", "Anything"), "401": answer("No token was shown, or none that is known.", "Problem") } } },
        },
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer", "description": "A line of the file that `--http-token-file` names." } },
            "schemas": schemas(),
        },
    })
}

fn schemas() -> Value {
    let numbers = || json!({ "type": "array", "items": { "type": "number" } });
    let text = || json!({ "type": "string" });
    let rejected = json!({
        "type": "object", "required": ["line", "reason", "detail"],
        "properties": { "line": { "type": "integer", "minimum": 1 }, "id": text(), "reason": text(), "detail": text() },
    });
    let taken = json!({
        "type": "object", "required": ["accepted", "ids", "rejected"],
        "properties": {
            "accepted": { "type": "integer", "minimum": 0 },
            "ids": { "type": "array", "items": text(), "description": "Of those that were accepted, in their order." },
            "rejected": { "type": "array", "items": rejected },
        },
    });
    let problem = json!({ "type": "object", "required": ["error"], "properties": { "error": text() } });
    let parameters = || json!({ "type": "object" });
    json!({
        "Anything": { "type": "object" },
        "Problem": problem,
        "Ready": { "type": "object", "required": ["ready"], "properties": { "ready": { "type": "boolean" } } },
        "Inference": {
            "type": "object", "required": ["inputs"],
            "properties": {
                "id": { "type": "string", "description": "The id of the row; of several rows, what stands before `.0`, `.1` and so on." },
                "inputs": { "type": "array", "minItems": 1, "items": {
                    "type": "object", "required": ["name", "shape", "datatype"],
                    "properties": {
                        "name": text(),
                        "shape": { "type": "array", "items": { "type": "integer", "minimum": 1 } },
                        "datatype": { "enum": ["FP16", "FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"] },
                        "data": { "type": "array", "description": "Numbers, flat or nested." },
                        "parameters": parameters(),
                    },
                }},
                "outputs": { "type": "array", "items": { "type": "object", "required": ["name"], "properties": { "name": { "const": "predict" }, "parameters": parameters() } } },
                "parameters": parameters(),
            },
        },
        "Inferred": {
            "type": "object", "required": ["model_name", "model_version", "outputs"],
            "properties": { "model_name": text(), "model_version": text(), "id": text(), "outputs": { "type": "array", "items": {
                "type": "object", "required": ["name", "datatype", "shape"],
                "properties": { "name": { "const": "predict" }, "datatype": { "const": "FP64" }, "shape": { "type": "array", "items": { "type": "integer" } }, "data": numbers(), "parameters": parameters() },
            }}},
        },
        "Invoke": {
            "anyOf": [
                { "type": "object", "required": ["dataframe_split"] },
                { "type": "object", "required": ["dataframe_records"] },
                { "type": "object", "required": ["instances"] },
                { "type": "object", "required": ["inputs"] },
                { "type": "array", "minItems": 1 },
            ],
        },
        "Predicted": { "anyOf": [
            { "type": "object", "required": ["predictions"], "properties": { "predictions": numbers() } },
            numbers(),
        ]},
        "Invocation": {
            "type": "object", "required": ["error_code", "message"],
            "properties": { "error_code": text(), "message": text() },
        },
        "Row": { "anyOf": [
            { "type": "object", "description": "An id and a value, or features by name with or without an id." },
            { "type": "array", "minItems": 1, "description": "Numbers in the model's order, or several rows." },
        ]},
        "Label": { "anyOf": [
            { "type": "object", "required": ["id"], "description": "An id and a value under any other key." },
            { "type": "object", "required": ["ids"] },
            { "type": "number", "description": "With the id in the address." },
        ]},
        "Taken": taken,
        "TakenOrProblem": { "anyOf": [{ "$ref": "#/components/schemas/Taken" }, { "$ref": "#/components/schemas/Problem" }] },
    })
}
