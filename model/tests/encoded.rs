//! A table with texts and missing cells, from `model train` to the answers on the queues.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod questions;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use model::AnswerOptions;
use model::load::Loader;
use model::serve::{Answers, step};
use model::train::{TrainOptions, report, train};
use shared::clock::Timestamp;
use shared::message::Name;
use shared::table::{Columns, Missing};

/// Prices of area + 10 * rooms + 100 with gas, or 300 with oil; one row has no rooms, and no influence.
fn table() -> String {
    let mut text = "area,heating,rooms,price\n".to_owned();
    for i in 0..60 {
        let (area, rooms) = (20 + i * 7 % 90, 1 + i * 5 % 6);
        let (heating, worth) = [("district", 0), ("gas", 100), ("oil", 300)][i % 3];
        writeln!(text, "{area},{heating},{rooms},{}", area + 10 * rooms + worth).unwrap();
    }
    text
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn options(&self, table: &str, missing: Missing) -> TrainOptions {
        fs::write(self.path("houses.csv"), table).unwrap();
        let columns = Columns { missing, one_hot: vec!["heating".to_owned()], ..Columns::target("price") };
        TrainOptions::plain(&self.path("houses.csv"), columns, &self.path("model.json"))
    }

    /// The answers to bodies.
    async fn ask(&self, bodies: &[&str]) -> Answers {
        let predictor = Loader::default().load(&self.path("model.json")).unwrap().predictor;
        let batch = questions::batch(bodies).await;
        let options = AnswerOptions {
            model_name: Name::parse("m").unwrap(),
            strict: true,
            no_features: false,
            predictions_key: "y_pred".parse().unwrap(),
            role: Default::default(),
        };
        step(&predictor, &options, &batch.deliveries, Timestamp(0))
    }
}

#[tokio::test]
async fn rows_by_name_with_texts_and_nulls_are_answered() {
    let folder = Folder(tempfile::tempdir().unwrap());
    let missing = "50,gas,,153.5\n".repeat(2);
    let options = folder.options(&format!("{}{missing}", table()), Missing::Mean);
    let trained = train(&TrainOptions { holdout: 0.0, ..options.clone() }).unwrap();
    let fill = trained.model.fills["rooms"];
    assert_eq!((fill, trained.model.fills["area"]), (3.5, 3790.0 / 62.0));
    assert_eq!(trained.model.categories["heating"], ["district", "gas", "oil"]);
    let said = report(&trained, &options.model);
    assert!(said.contains("filled missing cells with their column's mean: 2 of rooms with 3.5\n"), "{said}");
    assert!(said.contains("one-hot: heating (3 categories, measured from \"district\")\n"), "{said}");

    let bodies = [
        r#"{"rooms": 2, "heating": "oil", "area": 40}"#,
        r#"{"area": 40, "heating": "district", "rooms": null}"#,
        r#"{"area": 40, "heating": "wood", "rooms": 2}"#,
        r#"{"area": 40, "heating": null, "rooms": 2}"#,
        "[40, 1, 2]",
        r#"[40, "gas", 2]"#,
        r#"{"area": 4000, "heating": "gas", "rooms": 2}"#,
    ];
    let answers = folder.ask(&bodies).await;
    let predicted =
        |at: usize| -> f64 { std::str::from_utf8(&answers.predictions[at].body).unwrap().parse().unwrap() };
    assert_eq!(answers.predictions.len(), 2);
    // The two rows that were filled are off by 18.5, so the weights are near.
    for (at, want) in [(0, 360.0), (1, 75.0)] {
        assert!((predicted(at) - want).abs() < 5.0, "{}", predicted(at));
    }
    let letters: Vec<String> =
        answers.rejected.iter().map(|(at, letters)| format!("{at} {}", letters[0].rejection())).collect();
    let want = [
        "2 unknown_category: heating is \"wood\", which is not a trained category; the categories are \"district\", \"gas\", \
         \"oil\"",
        "3 missing_value: heating is missing; expected one of the model's categories",
        "4 bad_shape: the model's feature \"heating\" is a category; send the features by name",
        "5 bad_shape: expected an object with the features by name",
        "6 out_of_range: area is 4000, outside the trained range 20 to 107",
    ];
    assert_eq!(letters, want);
}

#[tokio::test]
async fn rows_that_were_left_out_leave_no_fill() {
    let folder = Folder(tempfile::tempdir().unwrap());
    let trained = train(&folder.options(&format!("{},gas,3,1\n", table()), Missing::Drop)).unwrap();
    assert!(trained.model.fills.is_empty());
    assert_eq!(trained.model.training.data.unwrap().rows, Some(60));
    let answers = folder
        .ask(&[
            r#"{"area": 40, "heating": "gas", "rooms": 2}"#,
            r#"{"area": null, "heating": "gas", "rooms": 2}"#,
        ])
        .await;
    let prediction: f64 = std::str::from_utf8(&answers.predictions[0].body).unwrap().parse().unwrap();
    assert!((prediction - 160.0).abs() < 1e-9, "{prediction}");
    let letter = answers.rejected[0].1[0].rejection().to_string();
    assert!(
        letter.starts_with("missing_value: area is missing, and the model has no fill value for it; "),
        "{letter}"
    );
}

/// The errors out of fold are in the file, and those of a model that is exact are rounding.
#[test]
fn training_keeps_what_later_rows_are_judged_by() {
    let folder = Folder(tempfile::tempdir().unwrap());
    let model = train(&folder.options(&table(), Missing::Fail)).unwrap().model;
    let reference = model.reference.unwrap();
    let residual = reference.residual.unwrap();
    assert_eq!((residual.rows, residual.folds), (48, 5));
    assert!(residual.absolute_error.range().unwrap().1 < 1e-9);
    // Area, gas, oil, rooms.
    let commonest = reference.commonest.unwrap();
    assert_eq!(commonest.len(), 4);
    assert!(commonest[1] > 0.5 && commonest[0] < 0.2, "{commonest:?}");
    let few = train(
        &folder.options("area,heating,price\n1,a,1\n2,b,4\n3,a,3\n4,b,6\n5,a,5.5\n6,b,8\n", Missing::Fail),
    );
    assert_eq!(few.unwrap().model.reference.unwrap().residual, None);
}

#[test]
fn what_cannot_be_fitted_is_said_and_nothing_is_written() {
    let folder = Folder(tempfile::tempdir().unwrap());
    for (table, want) in [
        (
            "area,heating,price\n1,gas,1\n2,gas,3\n3,gas,2\n4,gas,5\n",
            "\"heating\" is \"gas\" in every training row",
        ),
        ("area,heating,price\n1,gas,1\n2,oil,1e16\n", "line 3, column price: the label is 1e16; scored are"),
    ] {
        let options = TrainOptions { holdout: 0.0, ..folder.options(table, Missing::Fail) };
        let why = format!("{:#}", train(&options).unwrap_err());
        assert!(why.contains(want), "{why}");
        assert!(!folder.path("model.json").exists());
    }
}
