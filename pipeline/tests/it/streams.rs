//! Rows and labels by pipe, under ids of their own: killed, resumed, silent, bad, and with labels that come later.

use std::collections::BTreeMap;
use std::fs;
use std::io::{PipeWriter, Write as _};
use std::thread;
use std::time::Duration;

use metric::store::Reader;
use shared::clock::{Hand, Timestamp};

use crate::account::{Books, wait_for};
use crate::broker;
use crate::by_hand::Metric;
use crate::processes::{Process, Services, asked, repository};

const HEADER: &str = "order,age,sex,bmi,bp,s1,s2,s3,s4,s5,s6\n";

fn id(row: usize) -> String {
    format!("order:{row}/{}", row % 7)
}

fn label(row: usize) -> usize {
    25 + row * 37 % 320
}

/// The row as a table has it, with or without its label.
fn line(row: usize) -> String {
    let cells: String = (0..10).map(|column| format!(",{}", (row * 7 + column * 13) % 100)).collect();
    format!("{}{cells}\n", id(row))
}

/// Writes the whole stream, or what of it is wanted before the reader is gone.
fn write(mut pipe: PipeWriter, rows: usize) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        _ = pipe.write_all(HEADER.as_bytes());
        for part in 0..rows.div_ceil(1000) {
            let lines: String = (part * 1000..rows.min((part + 1) * 1000)).map(line).collect();
            if pipe.write_all(lines.as_bytes()).is_err() {
                return;
            }
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_is_killed_three_times_is_resumed_and_its_labels_come_an_hour_later() {
    let rows = asked("FEED_ROWS").unwrap_or(20_000);
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let hand = Hand::at(Timestamp(1_795_194_245_123));
    let metric = Metric::start(&services, &hand);
    let mut model = services.model(&[]);
    model.ready().await;
    let received = || {
        let account = Reader::open(&services.books.logs()).and_then(|reader| reader.account()).ok();
        account.map_or(0, |account| account.predictions().received)
    };

    let flags = ["--id", "order", "--resume"];
    let written = || fs::metadata(services.books.ledger()).map_or(0, |file| file.len());
    let whole: u64 = (0..rows).map(|row| ("Features,\n".len() + id(row).len()) as u64).sum();
    for killed in 1..=3 {
        let (mut feed, pipe) = services.fed(&flags);
        let writer = write(pipe, rows);
        wait_for("a part of the stream", || written() > whole * killed / 4, || feed.log()).await;
        feed.kill().await;
        writer.join().unwrap();
        assert!(written() < whole, "it was through before it was killed for the {killed}. time");
    }
    let (mut feed, pipe) = services.fed(&flags);
    let writer = write(pipe, rows);
    assert_eq!(feed.exit(Duration::from_secs(60)).await, Some(0), "{}", feed.log());
    writer.join().unwrap();
    assert!(feed.log().contains("publishing rows without labels"), "{}", feed.log());
    let (confirmed, _) = services.books.confirmed();
    assert_eq!(confirmed.len(), rows);
    wait_for("all predictions", || received() == rows as u64, || format!("there are {}", received())).await;

    hand.advance(3_600_000);
    let table = services.books.path("labels.csv");
    let labels: String = (0..rows).rev().map(|row| format!("billed,{},{}\n", id(row), label(row))).collect();
    fs::write(&table, format!("state,order,price\n{labels}")).unwrap();
    let ledger = services.books.ledger();
    let arguments = ["labels", "--data", table.to_str().unwrap(), "--id", "order", "--target", "price"];
    let ours = ["--amqp-url", &services.url, "--ledger", ledger.to_str().unwrap()];
    let mut feed = Process::start(&services.books, "features", &[&arguments[..], &ours].concat());
    assert_eq!(feed.exit(Duration::from_secs(60)).await, Some(0), "{}", feed.log());
    let scored = || {
        let account = Reader::open(&services.books.logs()).and_then(|reader| reader.account()).ok();
        account.map_or(0, |account| account.labels.scored)
    };
    wait_for("all labels", || scored() == rows as u64, || format!("{} are scored", scored())).await;
    metric.stop().await;
    model.stop().await;
    services.books.settle_exactly().await;

    let text = String::from_utf8(services.books.text("metric_log.csv")).unwrap();
    let scored: BTreeMap<&str, &str> = text.lines().skip(1).filter_map(|line| line.split_once(',')).collect();
    assert_eq!(scored.len(), rows);
    for row in 0..rows {
        let cells = scored.get(&*id(row)).unwrap_or_else(|| panic!("{} is not scored", id(row)));
        assert!(cells.starts_with(&format!("{},", label(row))), "{}: {cells}", id(row));
    }
    let account = Reader::open(&services.books.logs()).and_then(|reader| reader.account()).unwrap();
    assert_eq!((account.labels.scored, account.predictions().scored), (rows as u64, rows as u64));
    assert_eq!(account.labels.duplicates, 0);
    println!("held: {rows} rows, {} sent twice by the kills", account.predictions().duplicates);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_goes_out_when_it_has_come_and_a_silent_pipe_costs_nothing() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let mut model = services.model(&[]);
    let mut metric = services.metric(&[]);
    model.ready().await;
    metric.ready().await;
    let json = |row: usize| {
        format!(
            "{{\"order\": \"{}\", \"price\": {}, \"age\": 1, \"sex\": 0, \"bmi\": 1, \"bp\": 1, \"s1\": 1, \"s2\": 1, \"s3\": 1, \"s4\": 1, \"s5\": 1, \"s6\": {row}}}\n",
            id(row),
            label(row)
        )
    };
    let table = |row: usize| format!("{},{}\n", line(row).trim_end(), label(row));
    let flags = ["--id", "order", "--target", "price"];
    let (mut by_json, mut json_pipe) = services.fed(&flags);
    let (mut by_table, mut table_pipe) = services.fed(&flags);
    table_pipe.write_all(HEADER.replace('\n', ",price\n").as_bytes()).unwrap();
    let confirmed = || services.books.confirmed().1.len();
    for row in 0..3 {
        json_pipe.write_all(json(2 * row).as_bytes()).unwrap();
        table_pipe.write_all(table(2 * row + 1).as_bytes()).unwrap();
        wait_for("the line", || confirmed() == 2 * (row + 1), || by_json.log() + &by_table.log()).await;
    }
    // Half a line is none yet.
    json_pipe.write_all(b"{\"order\": \"half").unwrap();
    let cpu = || by_json.cpu() + by_table.cpu();
    let before = cpu();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let spent = cpu() - before;
    assert!(spent <= 0.04, "two silent pipes took {spent} s of processor time in 3 s");

    by_json.stop().await;
    assert!(by_json.log().contains("stopped after line 3 of standard input"), "{}", by_json.log());
    drop(table_pipe);
    assert_eq!(by_table.exit(Duration::from_secs(8)).await, Some(0), "{}", by_table.log());
    services.books.settle_exactly().await;
    assert_eq!(services.books.rows(), 6);
    model.stop().await;
    metric.stop().await;
}

fn pipeline(books: &Books, arguments: &[&str]) -> (Process, PipeWriter) {
    let (logs, ledger, model) = (books.logs(), books.ledger(), repository("data/model.json"));
    let ours = ["--logs", logs.to_str().unwrap(), "--ledger", ledger.to_str().unwrap(), "--data", "-"];
    let own = ["--model", model.to_str().unwrap(), "--id", "order", "--target", "price"];
    Process::fed(books, "pipeline", &[&ours, &own, arguments].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_line_ends_a_stream_with_all_before_it_recorded_and_once_mended_it_goes_on() {
    let books = Books::new();
    let stream = |third: &str| {
        let header = HEADER.replace('\n', ",price\n");
        let rows: String = (0..40).map(|row| format!("{},{}\n", line(row).trim_end(), label(row))).collect();
        (header + &rows).replacen(&id(2), third, 1)
    };
    for (third, code) in [("order 2", 1), (&id(2), 0), (&id(2), 0)] {
        let (mut process, mut pipe) = pipeline(&books, &["--resume", "--label-delay", "uniform:0s..100ms"]);
        pipe.write_all(stream(third).as_bytes()).unwrap();
        drop(pipe);
        assert_eq!(process.exit(Duration::from_secs(30)).await, Some(code), "{}", process.log());
        if code == 1 {
            let want = "standard input, line 4: \\\"order 2\\\" is not a valid id: it has the character ' '";
            assert!(process.log().contains(want), "{}", process.log());
            assert_eq!(books.rows(), 2);
        }
        books.settle_exactly().await;
    }
    assert_eq!(books.rows(), 40);

    // The same with such lines left out.
    let books = Books::new();
    let (mut process, mut pipe) = pipeline(&books, &["--skip-bad"]);
    pipe.write_all(stream("order 2").as_bytes()).unwrap();
    drop(pipe);
    assert_eq!(process.exit(Duration::from_secs(30)).await, Some(0), "{}", process.log());
    assert!(process.log().contains("skipped 1 lines"), "{}", process.log());
    books.settle_exactly().await;
    assert_eq!(books.rows(), 39);

    // A number that can be read in two ways is no bad line: those after it would be read as if there was no doubt.
    let books = Books::new();
    let (mut process, mut pipe) = pipeline(&books, &["--skip-bad"]);
    let (cell, doubtful) = (format!("{};21;", id(3)), format!("{};1.234;", id(3)));
    let text = stream(&id(2)).replace(',', ";");
    assert!(text.contains(&cell));
    pipe.write_all(text.replace(&cell, &doubtful).as_bytes()).unwrap();
    drop(pipe);
    assert_eq!(process.exit(Duration::from_secs(30)).await, Some(1), "{}", process.log());
    let want = "standard input, line 5, column age: \\\"1.234\\\" can be read in two ways";
    assert!(process.log().contains(want) && process.log().contains("--decimal ,"), "{}", process.log());
    books.settle_exactly().await;
    assert_eq!(books.rows(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_said_before_anything_is_published() {
    let books = Books::new();
    let table = books.path("t.csv");
    fs::write(&table, "order,a,price\nx,1,2\ny,3,4\nx,5,6\n").unwrap();
    let alone = books.path("alone.csv");
    fs::write(&alone, "order,price\nx,2\n").unwrap();
    let [table, alone] = [&table, &alone].map(|path| path.to_str().unwrap());
    for (program, arguments, want) in [
        ("pipeline", &["--data", "-"][..], "--data - is a stream, which cannot train a model; name"),
        ("features", &["--data", "-", "--order", "loop"], "--order looped is for tables"),
        ("features", &["--data", "-", "--resume"], "--resume needs row ids"),
        ("features", &["--data", "-", "--resume", "--id", "order"], "add --ledger FILE"),
        ("features", &["--data", table, "--target", "prise"], "or send rows without labels with --no-labels"),
        (
            "features",
            &["--data", table, "--id", "order", "--target", "price", "--order", "once"],
            "t.csv, lines 2 and 4: both have the id \\\"x\\\"",
        ),
        (
            "features",
            &["labels", "--data", table, "--id", "order", "--target", "price"],
            "t.csv, lines 2 and 4: both have the id \\\"x\\\"",
        ),
        (
            "features",
            &["--data", alone, "--id", "order", "--target", "price"],
            "to send labels alone, use `features labels --id order --target price` and the same --data",
        ),
        ("features", &["labels", "--data", table, "--id", "id"], "no column \\\"id\\\" for --id"),
    ] {
        let mut process = Process::start(&books, program, arguments);
        assert_eq!(process.exit(Duration::from_secs(10)).await, Some(1), "{arguments:?}");
        assert!(process.log().contains(want), "{arguments:?}: {}", process.log());
    }
    let mut process = Process::start(&books, "features", &["--interval", "500000000000years"]);
    assert_eq!(process.exit(Duration::from_secs(10)).await, Some(2));
    assert!(process.log().contains("is longer than a year"), "{}", process.log());
}
