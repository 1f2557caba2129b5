//! The program `pipeline` as a user starts it.

use std::fs;
use std::time::Duration;

use crate::account::Books;
use crate::broker;
use crate::processes::Process;

fn pipeline(books: &Books, arguments: &[&str]) -> Process {
    let (logs, ledger) = (books.logs(), books.ledger());
    let ours = ["--logs", logs.to_str().unwrap(), "--ledger", ledger.to_str().unwrap()];
    Process::start(books, "pipeline", &[&ours, arguments].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_to_its_end_without_a_broker() {
    let books = Books::new();
    let mut process =
        pipeline(&books, &["--interval", "0s", "--count", "5000", "--label-delay", "uniform:0s..1s"]);
    assert_eq!(process.exit(Duration::from_secs(60)).await, Some(0), "{}", process.log());
    assert_eq!(books.rows(), 5000);
    books.settle_exactly().await;
    let log = process.log();
    assert!(log.contains("y_true") && log.contains("MAE") && log.contains("R2"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_ends_it_with_every_published_row_recorded() {
    let books = Books::new();
    let mut process = pipeline(&books, &["--interval", "0s"]);
    books.wait_for_rows(2000).await;
    process.signal("INT");
    assert_eq!(process.exit(Duration::from_secs(8)).await, Some(0), "{}", process.log());
    books.settle_exactly().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_the_same_on_rabbitmq() {
    let broker = broker::turn().await;
    let books = Books::new();
    let url = &broker.url;
    for rows in [&["--count", "3000"][..], &["--order", "once", "--count", "9999"]] {
        let arguments = ["--transport", "amqp", "--amqp-url", url, "--interval", "0s"];
        let mut process = pipeline(&books, &[&arguments[..], rows].concat());
        assert_eq!(process.exit(Duration::from_secs(60)).await, Some(0), "{}", process.log());
    }
    books.settle_exactly().await;
    assert_eq!(books.rows(), 3000 + 442);
}

#[tokio::test(flavor = "multi_thread")]
async fn trains_a_model_for_a_table_of_ones_own() {
    let books = Books::new();
    let table = books.path("houses.csv");
    let rows: String = (0..50).map(|i| format!("{i},{},{}\n", (i * 7) % 11, 3 * i + 5)).collect();
    fs::write(&table, format!("rooms,age,price\n{rows}")).unwrap();
    let data =
        ["--data", table.to_str().unwrap(), "--target", "price", "--order", "once", "--interval", "0s"];
    let mut process = pipeline(&books, &data);
    assert_eq!(process.exit(Duration::from_secs(60)).await, Some(0), "{}", process.log());
    let log = process.log();
    // The price is a sum of the others, so its errors are none: rows, MAE, RMSE, R2.
    let held_out = log.lines().find(|line| line.contains("rows held out")).unwrap_or_default();
    assert!(log.contains("training one from") && held_out.contains("10  0.0000  0.0000  1.0000"), "{log}");
    assert_eq!(books.rows(), 50);
    assert!(books.path("houses.model.json").is_file());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_cell_is_named_and_nothing_is_published() {
    let books = Books::new();
    let table = books.path("t.csv");
    fs::write(&table, "a,target\n1,2\n2,oops\n").unwrap();
    for program in ["features", "pipeline"] {
        let ledger = books.ledger();
        let arguments = ["--data", table.to_str().unwrap(), "--ledger", ledger.to_str().unwrap()];
        let mut process = Process::start(&books, program, &arguments);
        assert_eq!(process.exit(Duration::from_secs(10)).await, Some(1));
        let log = process.log();
        assert!(log.contains("t.csv, line 3, column target: \\\"oops\\\" is not a number"), "{log}");
        assert!(!ledger.exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_for_other_columns_is_refused() {
    let books = Books::new();
    let table = books.path("t.csv");
    fs::write(&table, "a,target\n1,2\n2,3\n").unwrap();
    let model = crate::processes::repository("data/model.json");
    let arguments = ["--data", table.to_str().unwrap(), "--model", model.to_str().unwrap()];
    let mut process = pipeline(&books, &arguments);
    assert_eq!(process.exit(Duration::from_secs(10)).await, Some(1));
    assert!(process.log().contains("it expects 10 features (age, sex"), "{}", process.log());
}

/// A model that was trained for one column of labels is not scored against another.
#[tokio::test(flavor = "multi_thread")]
async fn a_model_for_another_label_is_refused() {
    let books = Books::new();
    let table = books.path("t.csv");
    let rows: String = (0..20).map(|i| format!("{i},{},{}\n", 2 * i, 1000 - i)).collect();
    fs::write(&table, format!("a,y1,y2\n{rows}")).unwrap();
    let run = |target: &str, other: &str| {
        let data = ["--data", table.to_str().unwrap(), "--target", target, "--drop", other];
        pipeline(&books, &[&data[..], &["--order", "once", "--interval", "0s"]].concat())
    };
    let mut process = run("y1", "y2");
    assert_eq!(process.exit(Duration::from_secs(60)).await, Some(0), "{}", process.log());
    let mut process = run("y2", "y1");
    assert_eq!(process.exit(Duration::from_secs(10)).await, Some(1), "{}", process.log());
    let log = process.log();
    assert!(log.contains("t.model.json does not fit") && log.contains("the table's label is"), "{log}");
    assert_eq!(books.rows(), 20);
}

/// Texts and missing cells: a row stays raw on its way, and the model that was trained for the table encodes and fills it.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_with_texts_and_missing_cells_is_trained_and_served() {
    let books = Books::new();
    let table = books.path("houses.csv");
    let rows: String = (0..60)
        .map(|i| {
            let (heating, worth) = [("gas", 100), ("oil", 300), ("wood", 50)][i % 3];
            let rooms = if i % 10 == 3 { String::new() } else { (1 + i * 5 % 6).to_string() };
            format!("{i},{heating},{rooms},{}\n", 3 * i + worth)
        })
        .collect();
    fs::write(&table, format!("area,heating,rooms,price\n{rows}")).unwrap();
    let data =
        ["--data", table.to_str().unwrap(), "--target", "price", "--one-hot", "heating", "--missing", "mean"];
    let mut process = pipeline(&books, &[&data[..], &["--order", "once", "--interval", "0s"]].concat());
    assert_eq!(process.exit(Duration::from_secs(60)).await, Some(0), "{}", process.log());
    books.settle_exactly().await;
    let log = process.log();
    assert!(
        log.contains("one-hot: heating (3 categories") && log.contains("missing cells with their"),
        "{log}"
    );
    // Rooms do not matter to the price, so its errors are none.
    let held_out = log.lines().find(|line| line.contains("rows held out")).unwrap_or_default();
    assert!(held_out.contains("12  0.0000  0.0000  1.0000"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn metric_files_of_the_exercise_are_put_aside() {
    let books = Books::new();
    fs::create_dir(books.logs()).unwrap();
    let theirs = "id,y_true,y_pred,absolute_error\n1,2,3,1\n";
    fs::write(books.logs().join("metric_log.csv"), theirs).unwrap();
    let mut process = pipeline(&books, &["--interval", "0s", "--count", "20"]);
    assert_eq!(process.exit(Duration::from_secs(30)).await, Some(0), "{}", process.log());
    books.settle_exactly().await;
    let mut names = fs::read_dir(books.logs()).unwrap().map(|entry| entry.unwrap().path());
    let aside = names.find(|path| path.to_string_lossy().contains("metric_log.csv.foreign-")).unwrap();
    assert_eq!(fs::read_to_string(aside).unwrap(), theirs);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_ends_it_and_nothing_is_touched() {
    let books = Books::new();
    fs::create_dir(books.logs()).unwrap();
    let damaged = "not a database, and longer than the header of one".repeat(20);
    fs::write(books.logs().join("metric.db"), &damaged).unwrap();
    // The next row is an hour away: the failure must end the source too.
    let mut process = pipeline(&books, &["--interval", "1h"]);
    assert_eq!(process.exit(Duration::from_secs(10)).await, Some(1));
    assert!(process.log().contains("metric.db is damaged"), "{}", process.log());
    assert_eq!(fs::read_to_string(books.logs().join("metric.db")).unwrap(), damaged);
}
