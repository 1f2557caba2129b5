//! Charts as files: what `metric plot` draws is what the API says, and `error_distribution.png` is never seen half-written.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::account::Books;
use crate::broker;
use crate::processes::{Process, Services, programs};

/// `metric plot` with these arguments, on these records.
fn plot(books: &Books, arguments: &[&str]) -> Output {
    let mut command = Command::new(programs().join("metric"));
    command.arg("plot").args(arguments).arg("--logs").arg(books.logs()).env_clear();
    command.output().unwrap()
}

/// What it says where it fails.
fn refused(books: &Books, arguments: &[&str]) -> String {
    let output = plot(books, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?}: {said}");
    said
}

/// A picture whole, with all of its pixels read: its width and height. Else what is wrong with it.
fn size(bytes: &[u8]) -> Result<(u32, u32), png::DecodingError> {
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info()?;
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels)?;
    reader.finish()?;
    let first = pixels[..4].to_vec();
    let drawn = pixels.chunks_exact(4).filter(|pixel| *pixel != first).count();
    assert!(drawn > 10_000, "{drawn} pixels are drawn");
    Ok((info.width, info.height))
}

/// The numbers of an attribute of all elements that begin so.
fn numbers(svg: &str, element: &str, attribute: &str) -> Vec<f64> {
    let of = |rest: &str| {
        let tag = rest.split('>').next().unwrap();
        let value = tag.split(&format!(" {attribute}=\"")).nth(1).unwrap_or_else(|| panic!("{tag}"));
        value.split('"').next().unwrap().parse().unwrap()
    };
    svg.split(element).skip(1).map(of).collect()
}

/// Whether numbers are as others, but for what each is multiplied by and added to, and for how they are rounded.
fn proportional(drawn: &[f64], told: &[f64]) {
    assert_eq!(drawn.len(), told.len());
    let ends = |of: &[f64]| {
        of.iter().fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(*value), high.max(*value)))
    };
    let ((low, high), (from, to)) = (ends(drawn), ends(told));
    for (drawn, told) in drawn.iter().zip(told) {
        let expected = low + (told - from) / (to - from) * (high - low);
        assert!((drawn - expected).abs() < 0.21, "{drawn} is not {expected}");
    }
}

fn told(charts: &Value, chart: &str, of: impl Fn(&Value) -> f64) -> Vec<f64> {
    charts[chart].as_array().unwrap_or_else(|| panic!("{charts}")).iter().map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_drawn_is_what_the_api_says() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let (metric, model) = (services.metric(&[]), services.model(&[]));
    metric.ready().await;
    model.ready().await;
    metric.counts("pipeline_cards_total", |cards| cards == 1.0).await;
    let books = &services.books;
    let early = refused(books, &["scores", "--out", "-"]);
    assert!(early.contains("metric failed: nothing is drawn: No row has been predicted yet."), "{early}");
    let rows = ["--interval", "0s", "--count", "1200", "--seed", "7", "--label-delay", "exponential:300ms"];
    let mut features = services.features(&rows);
    assert_eq!(features.exit(Duration::from_secs(60)).await, Some(0), "{}", features.log());
    books.settle_exactly().await;
    let report = metric.evaluated(|report| report["versions"][0]["rows"]["labelled"] == 1200).await;
    let (at, charts) = (report["at"].as_str().unwrap(), &report["versions"][0]["charts"]);

    // SVG on standard output and in a file: the same.
    let drawn = |kind: &str| {
        let output = plot(books, &[kind, "--at", at, "--out", "-"]);
        assert!(output.status.success(), "{kind}: {}", String::from_utf8_lossy(&output.stderr));
        let (svg, file) = (String::from_utf8(output.stdout).unwrap(), books.path(&format!("{kind}.svg")));
        let written = plot(books, &[kind, "--at", at, "--out", file.to_str().unwrap()]);
        assert!(written.status.success() && written.stdout.is_empty(), "{written:?}");
        assert_eq!(fs::read_to_string(&file).unwrap(), svg, "{kind}");
        svg
    };
    let number = |value: &Value, name: &str| value[name].as_f64().unwrap();
    for (kind, chart) in [("errors", "errors"), ("error-distribution", "absolute_errors")] {
        let svg = drawn(kind);
        let shares = told(charts, chart, |bin| number(bin, "share"));
        proportional(&numbers(&svg, "<rect class=\"bar\"", "height"), &shares);
        let begin = told(charts, chart, |bin| bin["from"].as_f64().unwrap_or(f64::NAN));
        // The first one of errors with their sign has no beginning.
        proportional(&numbers(&svg, "<rect class=\"bar\"", "x")[1..], &begin[1..]);
    }
    let svg = drawn("scatter");
    proportional(
        &numbers(&svg, "<circle class=\"point\"", "cx"),
        &told(charts, "last", |row| number(row, "y_true")),
    );
    let upside_down = numbers(&svg, "<circle class=\"point\"", "cy").iter().map(|y| -y).collect::<Vec<_>>();
    proportional(&upside_down, &told(charts, "last", |row| number(row, "y_pred")));
    let svg = drawn("evidence");
    let line = svg.split("<path class=\"line serving\" d=\"M").nth(1).unwrap().split('"').next().unwrap();
    let points: Vec<f64> =
        line.split('L').map(|point| -point.split(' ').nth(1).unwrap().parse::<f64>().unwrap()).collect();
    // Below 1 it is on the axis.
    proportional(&points, &told(charts, "evidence", |point| number(point, "log10").max(0.0)));
    for kind in ["scores", "lag", "drift"] {
        assert!(drawn(kind).ends_with("</svg>\n"));
    }

    // PNG, from the same records and of a copy.
    let file = books.path("scores.PNG");
    let output = plot(books, &["scores", "--score", "rmse", "--dark", "--out", file.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(size(&fs::read(&file).unwrap()).unwrap().0, 1600);

    // What cannot be, is said, and leaves nothing.
    let folder = books.path("folder.svg");
    fs::create_dir(&folder).unwrap();
    let nowhere = books.path("nowhere/a.svg");
    for (arguments, parts) in [
        (
            vec!["histogram", "--out", "-"],
            vec!["invalid value 'histogram' for '<KIND>'", "error-distribution"],
        ),
        (vec!["errors"], vec!["--out <FILE>"]),
        (vec!["errors", "--out", "a.gif"], vec!["cannot draw to a.gif: ", "must end in .svg or .png"]),
        (
            vec!["errors", "--out", nowhere.to_str().unwrap()],
            vec!["cannot write ", "a.svg: No such file or directory"],
        ),
        (
            vec!["errors", "--out", folder.to_str().unwrap()],
            vec!["cannot write ", "folder.svg: Is a directory"],
        ),
        (vec!["errors", "--out", "-", "--model", "other"], vec!["model other has predicted nothing"]),
    ] {
        let said = refused(books, &arguments);
        assert!(parts.iter().all(|part| said.contains(part)), "{arguments:?}: {said}");
    }
    let left: Vec<_> =
        fs::read_dir(folder.parent().unwrap()).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(left.iter().all(|path| path.extension().is_none_or(|ending| ending != "next")), "{left:?}");
}

/// Reads a picture again and again until so many different ones were seen, and holds each to be whole.
fn watch(file: &Path, wanted: usize, process: &Process) -> BTreeSet<Vec<u8>> {
    let mut seen = BTreeSet::new();
    let (start, mut reads) = (Instant::now(), 0_u64);
    while seen.len() < wanted {
        if let Ok(bytes) = fs::read(file) {
            reads += 1;
            if !seen.contains(&bytes) {
                let read = size(&bytes)
                    .unwrap_or_else(|why| panic!("{why} after {reads} reads, {} bytes", bytes.len()));
                assert_eq!(read.0, 1600);
                seen.insert(bytes);
            }
        }
        assert!(
            start.elapsed() < Duration::from_secs(90),
            "{} pictures in {reads} reads:\n{}",
            seen.len(),
            process.log()
        );
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn the_picture_of_errors_is_whole_whenever_it_is_read() {
    let books = Books::new();
    let (logs, ledger) = (books.logs(), books.ledger());
    let flags =
        ["--logs", logs.to_str().unwrap(), "--ledger", ledger.to_str().unwrap(), "--page-addr", "off"];
    let mut process = Process::start(&books, "pipeline", &[&flags[..], &["--interval", "5ms"]].concat());
    let file = logs.join("error_distribution.png");
    let seen = watch(&file, 3, &process);
    process.stop().await;
    // At the end it is of all there is, as a command draws it.
    let last = fs::read(&file).unwrap();
    let svg = plot(&books, &["error-distribution", "--out", "-"]);
    let svg = String::from_utf8(svg.stdout).unwrap();
    assert!(svg.contains(&format!("{} labelled", shown(books.rows()))), "{svg}");
    assert!(seen.len() == 3 && size(&last).is_ok());
    assert!(!logs.join("error_distribution.png.next").exists());

    // Somebody who does not want it has none, and who cannot have it is told so once and has the records.
    fs::remove_file(&file).unwrap();
    let mut process = Process::start(
        &books,
        "pipeline",
        &[&flags[..], &["--count", "300", "--interval", "0s", "--no-plot"]].concat(),
    );
    assert_eq!(process.exit(Duration::from_secs(60)).await, Some(0), "{}", process.log());
    assert!(!file.exists());
    fs::create_dir(&file).unwrap();
    let mut process =
        Process::start(&books, "pipeline", &[&flags[..], &["--count", "300", "--interval", "0s"]].concat());
    assert_eq!(process.exit(Duration::from_secs(60)).await, Some(0), "{}", process.log());
    let log = process.log();
    assert_eq!(log.matches("error_distribution.png cannot be drawn: Is a directory").count(), 1, "{log}");
    books.settle_exactly().await;
}

/// As people are shown a number: `1200`, and `12 000` with a narrow space.
fn shown(number: usize) -> String {
    let digits = number.to_string();
    match digits.split_at(digits.len().saturating_sub(3)) {
        (thousands, rest) if digits.len() > 4 => format!("{thousands}\u{202f}{rest}"),
        _ => digits,
    }
}
