//! The card of a model: everything that its file says of it, or why a file was refused, for whoever keeps records of
//! predictions. Pure.
//!
//! A card has at most 1 MiB. What does not fit is left out, section by section in a fixed order, and named in `left_out`.

use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};
use shared::card::{About as Of, Card, FORM, MODEL, MOST_BYTES, REFUSED};
use shared::clock::Timestamp;
use shared::message::Name;
use shared::printable::within;

use crate::file::{Histogram, ModelFile};
use crate::load::{About, Loaded};
use crate::predictor::Predictor;
use crate::refusal::Refusal;

/// The longest text of the file's own that is never left out, in characters.
const LONGEST: usize = 200;

/// The sections in the order in which they are left out: what another one can be made of goes first, what people ask for last.
const FIRST_OUT: [&str; 11] = [
    "golden",
    "reference",
    "weights",
    "categories",
    "fills",
    "ranges",
    "columns",
    "training",
    "made_by",
    "features",
    "target",
];

/// The card of a model that serves.
#[must_use]
pub fn of_model(name: &Name, path: &Path, Loaded { predictor, about }: &Loaded) -> Card {
    let mut head = json!({
        "card": FORM,
        "kind": MODEL,
        "model": name.as_str(),
        "version": predictor.version().as_str(),
        "file": file_name(path),
        "feature_count": predictor.inputs().count(),
    });
    let mut sections = Sections::default();
    match about {
        About::File(model) => ours(model, &mut head, &mut sections),
        About::Pickle(read) => {
            head["format"] = "pickle".into();
            head["algorithm"] = within(&read.class, LONGEST).into();
            sections.add(
                "made_by",
                &json!({
                    "library": "scikit-learn",
                    "version": read.library_version,
                    "class": read.class,
                    "parameters": read.parameters,
                }),
            );
            sections.add(
                "weights",
                &json!({
                    "intercept": read.intercept,
                    "coefficients": read.coefficients,
                    "scaling": read.scaling,
                }),
            );
        }
        About::Onnx(about) => {
            head["format"] = "onnx".into();
            sections.add(
                "made_by",
                &json!({
                    "producer": about.producer,
                    "description": about.description,
                    "precision": about.precision,
                }),
            );
        }
    }
    names(predictor, &mut sections);
    let json = sections.beside(&head, MOST_BYTES);
    Card { model: name.clone(), about: Of::Model(predictor.version().clone()), json: json.into() }
}

/// The same card of a version that serves again, since this one was taken back.
#[must_use]
pub fn with_taken_back(card: Card, version: &Name) -> Card {
    // Its own text, since nothing of it is to be written anew. A card is an object, and never empty.
    let Some(rest) = card.json.strip_prefix('{') else { return card };
    let json = format!("{{\"taken_back\":\"{version}\",{rest}");
    if json.len() > MOST_BYTES { card } else { Card { json: json.into(), ..card } }
}

/// The card of a file that was refused, while this version goes on serving, if any does.
#[must_use]
pub fn of_refusal(name: &Name, refusal: &Refusal, serving: Option<&Name>, at: Timestamp) -> Card {
    let json = json!({
        "card": FORM,
        "kind": REFUSED,
        "model": name.as_str(),
        "file": file_name(&refusal.path),
        "at": at.to_string(),
        "reason": refusal.reason,
        "why": refusal.words(),
        "serving": serving.map(Name::as_str),
    });
    Card { model: name.clone(), about: Of::Refused(at), json: json.to_string().into() }
}

/// Without folders: who reads a card need not know where the file is.
fn file_name(path: &Path) -> String {
    within(&path.file_name().unwrap_or_default().to_string_lossy(), LONGEST)
}

fn ours(model: &ModelFile, head: &mut Value, sections: &mut Sections) {
    let training = &model.training;
    head["format"] = "json".into();
    head["algorithm"] = within(&training.algorithm, LONGEST).into();
    head["rows"] = training.rows.into();
    head["made_at"] = within(&training.made_at, LONGEST).into();
    head["holdout"] = json!(model.holdout);
    sections.add("training", training);
    sections.add(
        "weights",
        &json!({
            "intercept": model.intercept,
            "coefficients": model.coefficients,
            "scaling": model.scaling,
        }),
    );
    sections.add("fills", &model.fills);
    sections.add("categories", &model.categories);
    if let Some(reference) = &model.reference {
        let ranges: Vec<_> = reference.features.iter().map(Histogram::range).collect();
        sections.add("ranges", &ranges);
        sections.add("reference", reference);
    }
    sections.add("golden", &model.golden);
}

/// What the features, the encoded columns and the label are called, where that is known.
fn names(predictor: &Predictor, sections: &mut Sections) {
    let inputs = predictor.inputs();
    if let Some(target) = inputs.target() {
        sections.add("target", target);
    }
    if let Some(encoding) = inputs.encoding() {
        sections.add("features", encoding.features());
        if encoding.columns() != encoding.features() {
            sections.add("columns", encoding.columns());
        }
    }
}

/// The parts of a card that may be left out: name and JSON.
#[derive(Default)]
struct Sections(Vec<(&'static str, String)>);

impl Sections {
    fn add(&mut self, name: &'static str, value: &(impl Serialize + ?Sized)) {
        debug_assert!(FIRST_OUT.contains(&name), "{name} could never be left out");
        // Maps with names as keys, lists and numbers: none of it can fail.
        if let Ok(json) = serde_json::to_string(value) {
            self.0.push((name, json));
        }
    }

    /// The whole card, of these bytes at the most.
    fn beside(mut self, head: &Value, most: usize) -> String {
        let mut left_out: Vec<&str> = Vec::new();
        let mut next = FIRST_OUT.iter();
        loop {
            let length = self.0.iter().map(|(name, json)| name.len() + json.len() + 4).sum::<usize>();
            let mut head = head.clone();
            head["left_out"] = json!(left_out);
            let mut text = head.to_string();
            if text.len() + length <= most || self.0.is_empty() {
                text.pop();
                text.reserve(length);
                for (name, json) in &self.0 {
                    text += &format!(",\"{name}\":{json}");
                }
                return text + "}";
            }
            let Some(name) = next.next() else {
                self.0.clear();
                continue;
            };
            let before = self.0.len();
            self.0.retain(|(section, _)| section != name);
            if self.0.len() < before {
                left_out.push(name);
            }
        }
    }
}

#[cfg(test)]
mod tests;
