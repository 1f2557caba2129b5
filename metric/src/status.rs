//! `metric status`: the account and the scores, for people and for programs. Works while metric runs.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use shared::transport::Queues;

use crate::account::{Account, Counts, ModelAccount};
use crate::hints::{self, Hint};
use crate::store::Reader;

/// Shows what became of everything that was received, and how good the models are.
#[derive(Args, Debug)]
pub(crate) struct Status {
    /// Folder of the records.
    #[arg(long, value_name = "FOLDER", default_value = "logs")]
    logs: PathBuf,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Status {
    /// Reads the account and returns it as text.
    pub(crate) fn run(&self) -> anyhow::Result<String> {
        let (account, advice) = read(&self.logs)?;
        Ok(if self.json {
            format!("{:#}\n", to_json(&account, &advice))
        } else {
            to_table(&account, &advice)
        })
    }
}

/// The account as JSON.
///
/// # Errors
/// Records that cannot be read.
pub(crate) fn json(folder: &Path) -> anyhow::Result<Value> {
    let (account, advice) = read(folder)?;
    Ok(to_json(&account, &advice))
}

fn read(folder: &Path) -> anyhow::Result<(Account, Advice)> {
    let reader = Reader::open(folder)?;
    let account = reader.account()?;
    let found = reader.findings()?.into_iter().map(Hint::from).map(|hint| match hint {
        Hint::LeftAlone { file, quiet_s, since } => {
            Hint::LeftAlone { file: folder.join(file).display().to_string(), quiet_s, since }
        }
        other => other,
    });
    let hints: Vec<Hint> = found.chain(hints::of(&account)).collect();
    let queues = reader.queues()?;
    Ok((account, Advice { hints, queues }))
}

/// What a person should know besides the numbers.
#[derive(Debug, Default)]
struct Advice {
    hints: Vec<Hint>,
    /// What the queues are called, where that is known.
    queues: Option<Queues>,
}

impl Advice {
    fn sentence(&self, hint: &Hint) -> String {
        hint.sentence(self.queues.as_ref())
    }
}

fn to_json(account: &Account, advice: &Advice) -> Value {
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
    let hint = |hint: &Hint| {
        let mut value = json!({ "name": hint.name(), "text": advice.sentence(hint) });
        if let Some(since) = hint.since() {
            value["since"] = since.to_string().into();
        }
        value
    };
    let hints: Vec<Value> = advice.hints.iter().map(hint).collect();
    json!({ "labels": labels, "predictions": predictions, "models": models, "hints": hints })
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

fn to_table(account: &Account, advice: &Advice) -> String {
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
    text += "received = scored + pending + expired; the other columns are counted separately\n";
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
    for hint in &advice.hints {
        text += &format!("\nhint: {}\n", advice.sentence(hint));
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
pub(crate) fn aligned(rows: &[Vec<String>]) -> String {
    columns(rows, |column| column > 0)
}

/// Cells in columns, some of which are to the right.
pub(crate) fn columns(rows: &[Vec<String>], is_right: impl Fn(usize) -> bool) -> String {
    let count = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count).map(width).collect();
    let cell = |(column, (cell, width)): (usize, (&String, &usize))| {
        if is_right(column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
    };
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).enumerate().map(cell).collect();
        cells.join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use evaluation::scores::Scores;
    use shared::clock::Timestamp;
    use shared::message::Name;
    use shared::transport::QueueOptions;

    use super::*;
    use crate::account::Rejected;
    use crate::arrival::{Arrival, ArrivalKind};
    use crate::join::ModelId;
    use crate::store::{CommitTime, Finding, Kind, Limits, Note, Store};

    fn account() -> Account {
        let mut account = Account::default();
        account.labels = Counts { received: 12, scored: 10, expired: 1, ..Counts::default() };
        let name = |text: &str| Some(Name::parse(text).unwrap());
        account.push(ModelAccount {
            model: Arc::new(ModelId { name: name("model"), version: name("0a1b"), ..ModelId::default() }),
            counts: Counts { received: 11, scored: 10, duplicates: 3, ..Counts::default() },
            scores: Scores::of([(1.0, 2.0), (3.0, 3.0)]),
        });
        account
    }

    #[test]
    fn the_table_lines_up() {
        assert_eq!(
            to_table(&account(), &Advice::default()),
            "              received  scored  pending  expired  late  duplicates  conflicts  anonymous  rejected\n\
             labels              12      10        1        1     0           0          0          0         0\n\
             predictions         11      10        1        0     0           3          0          0         0\n\
             \u{20} model@0a1b        11      10        1        0     0           3          0          0\n\
             received = scored + pending + expired; the other columns are counted separately\n\
             \n\
             model       rows     MAE    RMSE      R2\n\
             model@0a1b     2  0.5000  0.7071  0.5000\n"
        );
    }

    #[test]
    fn json_has_the_same_numbers() {
        let value = to_json(&account(), &Advice::default());
        assert_eq!(value["labels"]["pending"], 1);
        assert_eq!(value["models"][0]["version"], "0a1b");
        assert_eq!(value["models"][0]["mae"], 0.5);
        assert_eq!(value["predictions"]["duplicates"], 3);
        assert_eq!(value["hints"], json!([]));
    }

    #[test]
    fn what_can_never_be_joined_is_a_hint() {
        let mut account = Account::default();
        account.labels.anonymous = 40;
        let model = account.number(&ModelId::default());
        account.count(Some(model), |counts| counts.anonymous += 40);
        let advice = Advice { hints: hints::of(&account), queues: None };
        assert_eq!(to_json(&account, &advice)["hints"][0]["name"], "no_ids");
        let table = to_table(&account, &advice);
        assert!(table.contains("\n  unnamed model "), "{table}");
        assert!(table.contains("\nhint: 40 labels and 40 predictions came without an id"), "{table}");
    }

    #[test]
    fn what_metric_has_found_is_shown_with_the_queues_names_and_the_files_folder() {
        let folder = tempfile::tempdir().unwrap();
        let status = |json| Status { logs: folder.path().to_owned(), json }.run().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        let options = QueueOptions { labels_queue: Some("truth".to_owned()), ..QueueOptions::default() };
        let found = |kind, subject: &str| {
            let (since, seen) = (Timestamp(1000), Timestamp(2000));
            Note::Found(Finding { kind, subject: subject.to_owned(), count: 60, since, seen })
        };
        let queues = Note::Called(Queues::new(&options).unwrap());
        store
            .keep(&[queues, found(Kind::Unread, "Features"), found(Kind::LeftAlone, "metric_log.csv")])
            .unwrap();
        let label = Arrival { id: None, kind: ArrivalKind::Label, value: 1.0, published_at: None };
        let now = CommitTime { wall: Timestamp(0), age: 0 };
        store.record(&[label], Rejected::default(), now, &Limits::default()).unwrap();
        let table = status(false);
        let file = folder.path().join("metric_log.csv");
        for said in [
            &*format!("\nhint: another program also writes {}", file.display()),
            "\nhint: 60 rows wait in Features and nobody has consumed them since 1970-01-01T00:00:01.000Z",
            "\nhint: 1 labels came from truth, but no predictions from y_predict",
        ] {
            assert!(table.contains(said), "{said}: {table}");
        }
        let json: Value = serde_json::from_str(&status(true)).unwrap();
        let hints = json["hints"].as_array().unwrap();
        let names: Vec<&str> = hints.iter().map(|hint| hint["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["file_left_alone", "unread_rows", "only_labels"]);
        assert_eq!(hints[1]["since"], "1970-01-01T00:00:01.000Z");
        assert_eq!(hints[2].get("since"), None);
        store.keep(&[Note::Over(Kind::Unread, "Features".into())]).unwrap();
        assert!(!status(false).contains("Features"));
        store.keep(&[found(Kind::TextOff, "a.txt and b.csv")]).unwrap();
        let said = "\nhint: a.txt and b.csv are not written since 1970-01-01T00:00:01.000Z, because metric runs with --text off";
        assert!(status(false).contains(said), "{}", status(false));
        assert!(status(true).contains("\"text_off\""));
    }
}
