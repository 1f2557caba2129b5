//! `metric models`: what the models that predicted say of themselves, beside what became of their predictions.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use shared::message::Name;
use shared::printable::{piece, within};

use crate::account::{Account, Counts};
use crate::export::parse_model;
use crate::join::ModelId;
use crate::status::aligned;
use crate::store::{KeptCard, Reader};

/// The longest text of a card's own in the table, in characters.
const LONGEST: usize = 40;
/// The longest reason of a refusal, in characters.
const LONGEST_WHY: usize = 1000;

/// Shows the models: how they were made, how good they were on rows held out, and what became of their predictions; and the model
/// files that were refused.
#[derive(Args, Debug)]
pub(crate) struct Models {
    /// Only this model, or this version of it; `-` is a model that did not give its name.
    #[arg(value_name = "NAME[@VERSION]", value_parser = parse_model, allow_hyphen_values = true)]
    model: Option<ModelId>,

    /// Folder of the records.
    #[arg(long, value_name = "FOLDER", default_value = "logs")]
    logs: PathBuf,

    /// Print JSON, with the whole cards.
    #[arg(long)]
    json: bool,
}

/// A version with what is known of it.
type Version = (ModelId, Known);

/// What is known of the models, or of those that are wanted, as JSON.
///
/// # Errors
/// Records that cannot be read.
pub(crate) fn json(folder: &Path, wanted: Option<&ModelId>) -> anyhow::Result<Value> {
    let (models, refused) = read(folder, wanted)?;
    Ok(to_json(&models, &refused))
}

/// The models that are wanted, and the files of theirs that were refused.
fn read(folder: &Path, wanted: Option<&ModelId>) -> anyhow::Result<(Vec<Version>, Vec<KeptCard>)> {
    let reader = Reader::open(folder)?;
    let (cards, refused) = reader.cards()?;
    let is_wanted = |id: &ModelId| wanted.is_none_or(|wanted| wanted.includes(id));
    let models = all(cards, &reader.account()?).into_iter().filter(|(id, _)| is_wanted(id)).collect();
    let of_model = |card: &KeptCard| {
        wanted.is_none_or(|wanted| wanted.name.as_ref().map(Name::as_str) == Some(&*card.model))
    };
    Ok((models, refused.into_iter().filter(of_model).collect()))
}

/// A version of a model, as far as it is known.
#[derive(Debug, Default)]
struct Known {
    card: Option<KeptCard>,
    counts: Option<Counts>,
}

impl Models {
    /// Reads the records and returns it as text.
    pub(crate) fn run(&self) -> anyhow::Result<String> {
        let (models, refused) = read(&self.logs, self.model.as_ref())?;
        if let (Some(model), true) = (&self.model, models.is_empty()) {
            anyhow::bail!("no model {model} is known; `metric models` shows all that are");
        }
        Ok(if self.json {
            format!("{:#}\n", to_json(&models, &refused))
        } else {
            to_table(&models, &refused)
        })
    }
}

/// The versions that have a card, in the order in which they were heard of, and those that only have predictions.
fn all(cards: Vec<KeptCard>, account: &Account) -> Vec<(ModelId, Known)> {
    let mut models: Vec<(ModelId, Known)> = Vec::new();
    let mut places = BTreeMap::new();
    for card in cards {
        let id = card.model_id();
        places.insert(id.tag(), models.len());
        models.push((id, Known { card: Some(card), counts: None }));
    }
    for model in account.models() {
        let id = &*model.model;
        let place = *places.entry(id.tag()).or_insert_with(|| {
            models.push((id.clone(), Known::default()));
            models.len() - 1
        });
        models[place].1.counts = Some(model.counts);
    }
    models
}

fn content(card: &KeptCard) -> Value {
    serde_json::from_str(&card.json).unwrap_or_default()
}

fn to_json(models: &[(ModelId, Known)], refused: &[KeptCard]) -> Value {
    let model = |(id, Known { card, counts }): &(ModelId, Known)| {
        let counts = counts.unwrap_or_default();
        json!({
            "model": id.name.as_ref().map(Name::as_str),
            "version": id.version.as_ref().map(Name::as_str),
            "first_seen": card.as_ref().map(|card| card.first_seen.to_string()),
            "last_seen": card.as_ref().map(|card| card.last_seen.to_string()),
            "published_at": card.as_ref().and_then(|card| card.published_at).map(|at| at.to_string()),
            "predictions": { "received": counts.received, "scored": counts.scored },
            "card": card.as_ref().map(content),
        })
    };
    let refusal = |card: &KeptCard| {
        json!({
            "model": card.model,
            "first_seen": card.first_seen.to_string(),
            "last_seen": card.last_seen.to_string(),
            "card": content(card),
        })
    };
    json!({
        "models": models.iter().map(model).collect::<Vec<_>>(),
        "refused": refused.iter().map(refusal).collect::<Vec<_>>(),
    })
}

fn to_table(models: &[(ModelId, Known)], refused: &[KeptCard]) -> String {
    let mut rows = vec![
        ["model", "made by", "rows", "MAE", "RMSE", "R2", "first seen", "last seen", "predictions", "scored"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for (id, Known { card, counts }) in models {
        let counts = counts.unwrap_or_default();
        let mut row = vec![id.to_string()];
        match card {
            Some(card) => {
                let says = content(card);
                row.extend([made_by(&says), whole(&says["rows"])]);
                row.extend(["mae", "rmse", "r2"].map(|score| number(&says["holdout"][score])));
                row.extend([card.first_seen.to_string(), card.last_seen.to_string()]);
            }
            None => row.extend(["no card", "-", "-", "-", "-", "-", "-"].map(str::to_owned)),
        }
        row.extend([counts.received.to_string(), counts.scored.to_string()]);
        rows.push(row);
    }
    let mut text = if models.is_empty() {
        "no model is known: none has sent its card or a prediction yet\n".to_owned()
    } else {
        aligned(&rows) + "rows, MAE, RMSE and R2 are of training, and of rows held out of it\n"
    };
    for card in refused {
        let says = content(card);
        let said = |member: &str, longest| within(says[member].as_str().unwrap_or("-"), longest);
        let meanwhile = match says["serving"].as_str() {
            Some(version) => format!("{}@{} kept serving", card.model, within(version, LONGEST)),
            None => "no model served".to_owned(),
        };
        text += &format!(
            "\nrefused {}: {} cannot be used: {} ({}); {meanwhile}\n",
            said("at", LONGEST),
            piece(says["file"].as_str().unwrap_or("a file")),
            said("why", LONGEST_WHY),
            said("reason", LONGEST)
        );
    }
    text
}

/// The algorithm, or as much as a foreign file says.
fn made_by(says: &Value) -> String {
    let known = [&says["algorithm"], &says["made_by"]["producer"], &says["format"]];
    within(known.into_iter().find_map(Value::as_str).unwrap_or("-"), LONGEST)
}

fn whole(value: &Value) -> String {
    value.as_u64().map_or_else(|| "-".to_owned(), |number| number.to_string())
}

fn number(value: &Value) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), |number| format!("{number:.4}"))
}

#[cfg(test)]
mod tests {
    use shared::card::Card;
    use shared::clock::Timestamp;

    use super::*;
    use crate::account::Rejected;
    use crate::arrival::{Arrival, ArrivalKind};
    use crate::store::{CommitTime, Limits, ReceivedCard, Store};

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        let name = |text: &str| Name::parse(text).ok();
        let predicted = ["0a1b", "2c3d"].map(|version| Arrival {
            id: shared::message::RowId::parse(version).ok(),
            kind: ArrivalKind::Prediction(
                ModelId { name: name("m"), version: name(version), ..ModelId::default() }.into(),
            ),
            value: 1.0,
            published_at: None,
        });
        let label =
            Arrival { id: predicted[0].id.clone(), kind: ArrivalKind::Label, value: 3.0, published_at: None };
        let now = CommitTime { wall: Timestamp(0), age: 0 };
        let [first, second] = predicted;
        store.record(&[first, second, label], Rejected::default(), now, &Limits::default()).unwrap();
        let cards = [
            r#"{"card":1,"kind":"model","model":"m","version":"0a1b","format":"json","algorithm":"ridge\u001b","rows":354,
                "holdout":{"rows":88,"mae":42.79412,"rmse":53.8,"r2":null}}"#,
            r#"{"card":1,"kind":"model","model":"other","version":"9f","format":"onnx","made_by":{"producer":"skl2onnx"}}"#,
            r#"{"card":1,"kind":"refused","model":"m","at":"2026-11-20T17:04:05.123Z","file":"m.json","reason":"malformed",
                "why":"it is \u001bnot a model file","serving":"0a1b"}"#,
        ];
        let cards = cards.map(|json| ReceivedCard {
            card: Card::read(json.as_bytes()).unwrap(),
            published_at: Some(Timestamp(5)),
        });
        store.keep_cards(&cards, Timestamp(1000)).unwrap();
        folder
    }

    fn models(folder: &tempfile::TempDir, model: Option<&str>, json: bool) -> anyhow::Result<String> {
        let model = model.map(|model| parse_model(model).unwrap());
        Models { model, logs: folder.path().to_owned(), json }.run()
    }

    #[test]
    fn the_table_has_cards_and_versions_without_one_and_refused_files() {
        assert_eq!(
            models(&folder(), None, false).unwrap(),
            "model         made by  rows      MAE     RMSE  R2                first seen                 last seen  predictions  scored\n\
             m@0a1b    ridge\\u{1b}   354  42.7941  53.8000   -  1970-01-01T00:00:01.000Z  1970-01-01T00:00:01.000Z            1       1\n\
             other@9f     skl2onnx     -        -        -   -  1970-01-01T00:00:01.000Z  1970-01-01T00:00:01.000Z            0       0\n\
             m@2c3d        no card     -        -        -   -                         -                         -            1       0\n\
             rows, MAE, RMSE and R2 are of training, and of rows held out of it\n\
             \n\
             refused 2026-11-20T17:04:05.123Z: m.json cannot be used: it is \\u{1b}not a model file (malformed); m@0a1b kept serving\n"
        );
        let empty = tempfile::tempdir().unwrap();
        Store::open(empty.path()).unwrap();
        assert!(models(&empty, None, false).unwrap().starts_with("no model is known"));
    }

    #[test]
    fn json_has_the_whole_cards() {
        let value: Value = serde_json::from_str(&models(&folder(), None, true).unwrap()).unwrap();
        let [first, second, third] = &value["models"].as_array().unwrap()[..] else { panic!("{value}") };
        assert_eq!(first["card"]["holdout"]["mae"], 42.79412);
        assert_eq!(
            (&first["predictions"]["scored"], &first["published_at"]),
            (&json!(1), &json!("1970-01-01T00:00:00.005Z"))
        );
        assert_eq!((&second["model"], &second["predictions"]["received"]), (&json!("other"), &json!(0)));
        assert_eq!((&third["version"], &third["card"]), (&json!("2c3d"), &Value::Null));
        assert_eq!(value["refused"][0]["card"]["reason"], "malformed");
    }

    #[test]
    fn one_model_or_one_version_can_be_asked_for() {
        let folder = folder();
        let count = |model| {
            let value: Value = serde_json::from_str(&models(&folder, Some(model), true).unwrap()).unwrap();
            (value["models"].as_array().unwrap().len(), value["refused"].as_array().unwrap().len())
        };
        assert_eq!((count("m"), count("m@0a1b"), count("other")), ((2, 1), (1, 1), (1, 0)));
        let why = models(&folder, Some("m@ffff"), false).unwrap_err().to_string();
        assert_eq!(why, "no model m@ffff is known; `metric models` shows all that are");
    }
}
