//! `metric status`: the account and the scores, for people and for programs. Works while metric runs.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::account::{Account, Counts, ModelAccount};
use crate::store::Reader;

/// Shows what became of everything that was received, and how good the models are.
#[derive(Args, Debug)]
pub(crate) struct Status {
    /// The folder of the records.
    #[arg(long, env = "LOGS", value_name = "FOLDER", default_value = "logs")]
    logs: PathBuf,

    /// As JSON.
    #[arg(long)]
    json: bool,
}

impl Status {
    /// Reads the account and returns it as text.
    pub(crate) fn run(&self) -> anyhow::Result<String> {
        let account = Reader::open(&self.logs)?.account()?;
        Ok(if self.json { format!("{:#}\n", to_json(&account)) } else { to_table(&account) })
    }
}

fn to_json(account: &Account) -> Value {
    let mut labels = counts_to_json(&account.labels);
    labels["rejected"] = account.rejected.labels.into();
    let mut predictions = counts_to_json(&account.predictions());
    predictions["rejected"] = account.rejected.predictions.into();
    let model = |account: &ModelAccount| {
        let ModelAccount { model, counts, scores } = account;
        let mut value = counts_to_json(counts);
        let text = |name: &Option<shared::message::Name>| name.as_ref().map(|name| name.as_str().to_owned());
        value["model"] = text(&model.name).into();
        value["version"] = text(&model.version).into();
        // NaN, where nothing was scored, becomes null.
        value["mae"] = scores.mae().into();
        value["rmse"] = scores.rmse().into();
        value["r2"] = scores.r2().into();
        value
    };
    let models: Vec<Value> = account.models().iter().map(model).collect();
    json!({ "labels": labels, "predictions": predictions, "models": models })
}

fn counts_to_json(counts: &Counts) -> Value {
    json!({
        "received": counts.received,
        "scored": counts.scored,
        "pending": counts.pending(),
        "expired": counts.expired,
        "late": counts.late,
        "duplicates": counts.duplicates,
        "conflicts": counts.conflicts,
        "crowded": counts.crowded,
        "anonymous": counts.anonymous,
    })
}

fn to_table(account: &Account) -> String {
    let mut rows = vec![
        [
            "",
            "received",
            "scored",
            "pending",
            "expired",
            "late",
            "duplicates",
            "conflicts",
            "anonymous",
            "rejected",
        ]
        .map(str::to_owned)
        .to_vec(),
        counts_row("labels", &account.labels, &account.rejected.labels.to_string()),
        counts_row("predictions", &account.predictions(), &account.rejected.predictions.to_string()),
    ];
    for model in account.models() {
        rows.push(counts_row(&format!("  {}", model.model), &model.counts, ""));
    }
    let mut text = aligned(&rows);
    text += "received = scored + pending + expired; the others are counted beside\n";
    if account.models().iter().any(|model| model.counts.scored > 0) {
        text += "\n";
        let mut rows = vec![["model", "rows", "MAE", "RMSE", "R2"].map(str::to_owned).to_vec()];
        for ModelAccount { model, scores, .. } in account.models() {
            if scores.count() > 0 {
                let number = |value: f64| format!("{value:.4}");
                let r2 = scores.r2().map_or_else(|| "not defined yet".to_owned(), number);
                rows.push(vec![
                    model.to_string(),
                    scores.count().to_string(),
                    number(scores.mae()),
                    number(scores.rmse()),
                    r2,
                ]);
            }
        }
        text += &aligned(&rows);
    }
    text
}

fn counts_row(name: &str, counts: &Counts, rejected: &str) -> Vec<String> {
    let mut row = vec![name.to_owned()];
    let Counts { received, scored, expired, late, duplicates, conflicts, anonymous, .. } = counts;
    let numbers = [received, scored, &counts.pending(), expired, late, duplicates, conflicts, anonymous];
    row.extend(numbers.map(u64::to_string));
    row.push(rejected.to_owned());
    row
}

/// Cells in columns, the first one to the left and the others to the right.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            if line.is_empty() {
                line += &format!("{cell:<width$}");
            } else {
                line += &format!("  {cell:>width$}");
            }
        }
        text += line.trim_end();
        text += "\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use shared::message::Name;
    use shared::scores::Scores;

    use super::*;
    use crate::join::Model;

    fn account() -> Account {
        let mut account = Account::default();
        account.labels = Counts { received: 12, scored: 10, expired: 1, ..Counts::default() };
        let name = |text: &str| Some(Name::parse(text).unwrap());
        account.push(ModelAccount {
            model: Arc::new(Model { name: name("model"), version: name("0a1b") }),
            counts: Counts { received: 11, scored: 10, duplicates: 3, ..Counts::default() },
            scores: Scores::of([(1.0, 2.0), (3.0, 3.0)]),
        });
        account
    }

    #[test]
    fn the_table_lines_up() {
        assert_eq!(
            to_table(&account()),
            "              received  scored  pending  expired  late  duplicates  conflicts  anonymous  rejected\n\
             labels              12      10        1        1     0           0          0          0         0\n\
             predictions         11      10        1        0     0           3          0          0         0\n\
             \u{20} model@0a1b        11      10        1        0     0           3          0          0\n\
             received = scored + pending + expired; the others are counted beside\n\
             \n\
             model       rows     MAE    RMSE      R2\n\
             model@0a1b     2  0.5000  0.7071  0.5000\n"
        );
    }

    #[test]
    fn json_has_the_same_numbers() {
        let value = to_json(&account());
        assert_eq!(value["labels"]["pending"], 1);
        assert_eq!(value["models"][0]["version"], "0a1b");
        assert_eq!(value["models"][0]["mae"], 0.5);
        assert_eq!(value["predictions"]["duplicates"], 3);
    }
}
