//! `model backtest`, held to what pandas finds in the same table: see `backtest.py`.

use std::fs;

use serde_json::Value;

use crate::backtest::{model, recorded};
use crate::processes::{Process, repository};

use super::{PATIENCE, interpreter, setup};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_backtest_finds_is_what_pandas_finds_in_the_same_table() {
    let (_broker, services) = setup().await;
    let (serving, table) = recorded(&services).await;
    let file = services.books.path("rows.csv");
    fs::write(&file, table).unwrap();
    let [rows, serving, new] = [file, serving, services.books.path("new.json")];
    let [rows, serving, new] = [&rows, &serving, &new].map(|path| path.to_str().unwrap());
    // Trained elsewhere, so that no row is left out.
    let data = repository("data/diabetes.csv");
    let (code, _, why) =
        model(&["train", "--data", data.to_str().unwrap(), "--algorithm", "ridge", "--model", new], "");
    assert_eq!(code, Some(0), "{why}");
    let (_, said, why) = model(&["backtest", new, rows, "--serving", serving, "--json"], "");
    let found: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{why}"));
    assert_eq!(found["rows"], crate::backtest::ROWS, "{found:#}");
    let report = services.books.path("report.json");
    fs::write(&report, said).unwrap();
    let mut command = tokio::process::Command::new(interpreter());
    command.arg(repository("pipeline/tests/python/backtest.py")).args([new, rows]).arg(report);
    let mut script = Process::spawn(&services.books, "backtest.py", command);
    assert_eq!(script.exit(PATIENCE).await, Some(0), "{}", script.log());
    println!("{}", script.log());
}
