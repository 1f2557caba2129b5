//! The description of the API for programs: OpenAPI 3.1, whose schemas are made from the types that are answered.

use evaluation::report::{ComparisonReport, Report};
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::{Alerts, Judgement, Problem};
use crate::disk::Disk;

const MODEL: &str =
    "Only this model, NAME, or this version of it, NAME@VERSION; `-` is a model that did not give its name.";
/// What `parse_model` takes: each part begins with a letter, a digit or _, or is a dash alone.
const NAMED: &str = "^(-|[A-Za-z0-9_][A-Za-z0-9_.-]{0,63})(@(-|[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}))?$";
const EVALUATING: &str = "What was recorded earlier is still being evaluated; try again in a second.";

/// The description, of what is served under this path.
pub(super) fn openapi(base: &str) -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let settings = settings.with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut schemas = settings.into_generator();
    let verdict = schemas.subschema_for::<Judgement>();
    let report = schemas.subschema_for::<Report>();
    let alerts = schemas.subschema_for::<Alerts>();
    let comparisons = schemas.subschema_for::<Vec<ComparisonReport>>();
    let disk = schemas.subschema_for::<Disk>().to_value();
    let problem = schemas.subschema_for::<Problem>().to_value();

    let content = |schema: Value| json!({ "application/json": { "schema": schema } });
    let object = || json!({ "type": "object" });
    let answer =
        |description: &str, schema: Value| json!({ "description": description, "content": content(schema) });
    let problem = |description: &str| answer(description, problem.clone());
    let model = json!([{ "name": "model", "in": "query", "required": false, "description": MODEL, "schema": { "type": "string", "pattern": NAMED } }]);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "metric",
            "description": "How good the model is right now, whether that number can be trusted, and what has changed. Read-only.",
            "license": { "name": "MIT", "identifier": "MIT" },
            "version": env!("CARGO_PKG_VERSION"),
        },
        "servers": [{ "url": base }],
        "paths": {
            "/api/v1/verdict": { "get": {
                "operationId": "verdict",
                "summary": "Whether the model is well that serves, in a sentence, and what to do.",
                "responses": {
                    "200": answer("The verdict.", verdict.to_value()),
                    "503": problem(EVALUATING),
                },
            }},
            "/api/v1/report": { "get": {
                "operationId": "report",
                "summary": "How good the versions are, how late their labels, and what has changed: as `metric report --json`.",
                "parameters": model,
                "responses": {
                    "200": answer("The report.", report.to_value()),
                    "400": problem("The parameter is no name of a model."),
                    "404": problem("No such model has predicted anything that is kept."),
                    "503": problem(EVALUATING),
                },
            }},
            "/api/v1/alerts": { "get": {
                "operationId": "alerts",
                "summary": "How the alert rules stand, and what was said of them last.",
                "responses": {
                    "200": answer("The rules.", alerts.to_value()),
                    "503": problem(EVALUATING),
                },
            }},
            "/api/v1/comparisons": { "get": {
                "operationId": "comparisons",
                "summary": "Which of the versions that predicted the same rows errs less: as `metric compare --json`.",
                "parameters": model,
                "responses": {
                    "200": answer("The comparisons, those that went on last first.", comparisons.to_value()),
                    "400": problem("The parameter is no name of a model."),
                    "503": problem(EVALUATING),
                },
            }},
            "/api/v1/account": { "get": {
                "operationId": "account",
                "summary": "What became of everything that was received: as `metric status --json`.",
                "responses": {
                    "200": answer("The account.", object()),
                    "500": problem("The records cannot be read."),
                    "503": problem("Others are reading the records; try again in a second."),
                },
            }},
            "/api/v1/disk": { "get": {
                "operationId": "disk",
                "summary": "How long the disk of the records lasts at the rate of the last hour.",
                "responses": {
                    "200": answer("What is free, what the records take, and how fast they grow.", disk),
                    "503": problem("It was not looked at yet; try again in a second."),
                },
            }},
            "/api/v1/models": { "get": {
                "operationId": "models",
                "summary": "What the models say of themselves, with their whole cards: as `metric models --json`.",
                "parameters": model,
                "responses": {
                    "200": answer("The models.", object()),
                    "400": problem("The parameter is no name of a model."),
                    "500": problem("The records cannot be read."),
                    "503": problem("Others are reading the records; try again in a second."),
                },
            }},
            "/api/v1/openapi.json": { "get": {
                "operationId": "openapi",
                "summary": "This description.",
                "responses": { "200": answer("OpenAPI 3.1.", object()) },
            }},
        },
        "components": { "schemas": schemas.definitions() },
    })
}
