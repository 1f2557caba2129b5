//! `model train --data -`: a table from another program's pipe.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn train(table: &str, model: &Path) -> Output {
    let mut train = Command::new(env!("CARGO_BIN_EXE_model"))
        .args(["train", "--data", "-", "--target", "price", "--holdout", "0", "--model"])
        .arg(model)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    train.stdin.take().unwrap().write_all(table.as_bytes()).unwrap();
    train.wait_with_output().unwrap()
}

#[test]
fn a_table_from_a_pipe_is_trained_on_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model.json");
    let good = train("area;price\n1;3\n2;5\n3;7\n4;9\n", &model);
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    let file: serde_json::Value = serde_json::from_slice(&fs::read(&model).unwrap()).unwrap();
    assert_eq!(file["training"]["data"]["file"], "standard input");
    assert_eq!(file["training"]["data"]["rows"], 4);

    let bad = train("area;price\n1;3\nlarge;5\n", &model);
    let said = String::from_utf8(bad.stderr).unwrap();
    assert!(!bad.status.success() && said.contains("standard input, line 3, column area: "), "{said}");
    assert!(String::from_utf8(train("", &model).stderr).unwrap().contains("standard input: it is empty"));
}
