//! What Prometheus is told by the real programs: in its own form, as it is documented, and no more of it however many
//! versions are seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use shared::message::Role;

use crate::account::Books;
use crate::broker;
use crate::processes::{Process, Services, is_root, repository};
use crate::raw::{Properties, Raw, long, table, value};

/// What is said of a metric, apart from its values.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Family {
    kind: String,
    labels: String,
    help: String,
}

/// One scrape.
struct Scrape {
    text: String,
    families: BTreeMap<String, Family>,
    /// The series, with their labels, and their values.
    series: BTreeMap<String, f64>,
}

impl Scrape {
    async fn of(process: &Process) -> Self {
        let (status, text) = process.get("/metrics").await;
        assert_eq!(status, 200, "{text}");
        let (mut families, mut series) = (BTreeMap::<String, Family>::new(), BTreeMap::new());
        for line in text.lines() {
            if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
                let none = String::new();
                let family = Family { kind: none.clone(), labels: none, help: help.to_owned() };
                assert!(families.insert(name.to_owned(), family).is_none(), "{name} is there twice: {text}");
            } else if let Some((name, kind)) =
                line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
            {
                kind.clone_into(&mut families.get_mut(name).unwrap().kind);
            } else {
                let (labelled, value) = line.rsplit_once(' ').unwrap();
                let (name, labels) = labelled.split_once('{').unwrap_or((labelled, ""));
                let keys = labels.split("=\"").map(|part| part.rsplit(['"', ',']).next().unwrap());
                let keys: Vec<&str> = keys.filter(|key| !key.is_empty() && *key != "}").collect();
                families.get_mut(name).unwrap_or_else(|| panic!("{line} has no type")).labels =
                    keys.join(", ");
                let value = value.parse().unwrap();
                assert!(
                    series.insert(labelled.to_owned(), value).is_none(),
                    "{labelled} is there twice: {text}"
                );
            }
        }
        Self { text, families, series }
    }

    /// Has Prometheus' own tool look at it.
    fn is_clean(&self, of: &str) {
        let child = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut child) = child else {
            assert!(!is_root(), "promtool is missing: apt-get install --no-install-recommends prometheus");
            println!("left out: promtool is missing");
            return;
        };
        child.stdin.take().unwrap().write_all(self.text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(output.status.success() && said.trim().is_empty(), "{of}: {said}\n{}", self.text);
    }
}

/// The table of docs/operation.md: what is said of each metric, and which services export it.
fn documented() -> BTreeMap<String, (Family, BTreeSet<String>)> {
    let page = fs::read_to_string(repository("docs/operation.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `p")?.strip_suffix(" |"));
    let mut all = BTreeMap::new();
    for row in rows.filter(|row| row.starts_with("ipeline_") || row.starts_with("rocess_")) {
        let cells: Vec<&str> = row.split(" | ").collect();
        let [name, kind, labels, services, help] = cells[..] else { panic!("{row} has other columns") };
        let name = format!("p{}", name.strip_suffix('`').unwrap());
        let services = match services {
            "all" => "features, model, metric, pipeline",
            others => others,
        };
        let services = services.split(", ").map(str::to_owned).collect();
        let labels = labels.replace('`', "").trim().to_owned();
        let family = Family { kind: kind.to_owned(), labels, help: help.to_owned() };
        assert!(all.insert(name, (family, services)).is_none(), "{row} is there twice");
    }
    all
}

/// Writes rows into a pipe until the flag falls: good ones, one beyond what the model has seen, one that cannot be read.
fn feed(mut pipe: std::io::PipeWriter, goes_on: Arc<AtomicBool>) -> std::thread::JoinHandle<()> {
    let data = fs::read_to_string(repository("data/diabetes.csv")).unwrap();
    std::thread::spawn(move || {
        let (header, rows) = data.split_once('\n').unwrap();
        let beyond = format!("9{}", rows.lines().next().unwrap());
        pipe.write_all(format!("{header}\n{beyond}\n1,2,x\n").as_bytes()).unwrap();
        while goes_on.load(Ordering::Relaxed) {
            pipe.write_all(rows.as_bytes()).unwrap();
        }
    })
}

/// Under load, with something of everything: letters, rows beyond the range, lines that cannot be read.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_exported_is_clean_and_is_what_is_documented() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    // Port 9 takes nothing.
    let alerts = ["--alert", "mae > 1", "--alert-webhook", "http://127.0.0.1:9/"];
    let http = ["--http-addr", "127.0.0.1:0"];
    let file = services.books.path("model.json");
    let text = fs::read_to_string(repository("data/model.json")).unwrap();
    fs::write(&file, &text).unwrap();
    let swapped = ["--model", file.to_str().unwrap()];
    let (model, metric) = (services.model(&[&http[..], &swapped].concat()), services.metric(&alerts));
    model.ready().await;
    metric.ready().await;
    let challenger = services.model(&["--challenger", "rival"]);
    challenger.ready().await;
    let (features, pipe) =
        services.fed(&["--skip-bad", "--interval", "0s", "--label-delay", "uniform:0s..100ms"]);
    let goes_on = Arc::new(AtomicBool::new(true));
    let writer = feed(pipe, Arc::clone(&goes_on));
    let mut raw = Raw::connect(&broker.url).await;
    for role in Role::ALL {
        raw.publish(role.name(), &Properties::default().block(), b"no JSON").await;
    }
    raw.publish("Features.challenger.rival", &Properties::default().block(), b"no JSON").await;
    raw.confirmed().await;
    // The same in one process, in memory.
    let books = Books::new();
    let (logs, ledger) = (books.logs(), books.ledger());
    let ours = ["--logs", logs.to_str().unwrap(), "--ledger", ledger.to_str().unwrap(), "--data", "-"];
    let own = ["--skip-bad", "--interval", "0s"];
    let (pipeline, pipe) =
        Process::fed(&books, "pipeline", &[&ours[..], &own, &swapped, &alerts, &http].concat());
    let own_writer = feed(pipe, Arc::clone(&goes_on));

    challenger.counts("pipeline_challenger_refused_total", |count| count > 0.0).await;
    // Another version of the same model, so that the one before goes on beside it; what follows is of the one that serves then.
    pipeline.says("serving ").await;
    fs::write(&file, text + "\n").unwrap();
    for process in [&metric, &pipeline] {
        // The one that serves then against the one before; bounds are there from ten rows on.
        process.counts("pipeline_comparison_rows{model=\"model\"", |rows| rows >= 10.0).await;
    }
    for (process, name) in [
        (&features, "pipeline_skipped_lines_total"),
        (&model, "pipeline_out_of_range_total"),
        (&model, "pipeline_rejected_total"),
        (&metric, "pipeline_dead_letters_total"),
        (&metric, "pipeline_r2"),
        (&pipeline, "pipeline_skipped_lines_total"),
        (&pipeline, "pipeline_out_of_range_total"),
        (&pipeline, "pipeline_r2"),
        (&metric, "pipeline_label_lag_seconds"),
        (&metric, "pipeline_drift_psi"),
        (&metric, "pipeline_webhook_failures_total"),
        (&pipeline, "pipeline_label_lag_seconds"),
        (&pipeline, "pipeline_drift_psi"),
        (&pipeline, "pipeline_webhook_failures_total"),
    ] {
        process.counts(name, |count| count != 0.0).await;
    }
    let mut exported = BTreeMap::<String, (Family, BTreeSet<String>)>::new();
    for (process, service) in [
        (&features, "features"),
        (&model, "model"),
        (&challenger, "model"),
        (&metric, "metric"),
        (&pipeline, "pipeline"),
    ] {
        let scrape = Scrape::of(process).await;
        scrape.is_clean(service);
        for (name, family) in scrape.families {
            let (first, services) =
                exported.entry(name.clone()).or_insert_with(|| (family.clone(), BTreeSet::new()));
            assert_eq!(*first, family, "{name} is not the same in {service} and {services:?}");
            services.insert(service.to_owned());
        }
    }
    goes_on.store(false, Ordering::Relaxed);
    for writer in [writer, own_writer] {
        writer.join().unwrap();
    }
    let documented = documented();
    for (name, found) in &exported {
        let Some(wanted) = documented.get(name) else {
            panic!("docs/operation.md has no row for {name}: {found:?}");
        };
        assert_eq!(found, wanted, "{name} as it is exported, and as docs/operation.md has it");
    }
    for name in documented.keys() {
        assert!(exported.contains_key(name), "docs/operation.md has {name}, which nobody exports");
    }
    for mut process in [features, model, challenger, metric, pipeline] {
        process.kill().await;
    }
}

/// Predictions of rows with their labels, of one version or each of its own. A row's number is its label.
async fn publish(raw: &mut Raw, rows: std::ops::Range<usize>, version: impl Fn(usize) -> String) {
    for row in rows {
        let id = format!("row-{row}");
        let headers = [
            (&b"model"[..], value(b'S', &long(b"m"))),
            (b"model_version", value(b'S', &long(version(row).as_bytes()))),
        ];
        let label = Properties::default().text("message_id", id.as_bytes());
        let prediction = label.clone().headers(table(&headers));
        raw.publish("y_predict", &prediction.block(), format!("{}", row + row % 3).as_bytes()).await;
        raw.publish("y_true", &label.block(), format!("{row}").as_bytes()).await;
        if row % 500 == 499 {
            raw.confirmed().await;
        }
    }
    raw.confirmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_thousand_versions_leave_the_scrape_small_and_memory_flat() {
    const BEFORE: usize = 5_000;
    const VERSIONS: usize = 20_000;
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let mut metric = services.metric(&[]);
    metric.ready().await;
    let mut raw = Raw::connect(&broker.url).await;
    let scored = async |rows: usize| {
        // Both halves of a row are counted.
        metric.counts("pipeline_scored_total", |scored| scored == 2.0 * rows as f64).await;
    };
    publish(&mut raw, 0..BEFORE, |_| "first".to_owned()).await;
    scored(BEFORE).await;
    let one = Scrape::of(&metric).await;
    let last = BEFORE + VERSIONS;
    publish(&mut raw, BEFORE..last, |row| format!("{row:064}")).await;
    // The first one again: it is shown, with all that it ever did.
    publish(&mut raw, last..last + 1, |_| "first".to_owned()).await;
    scored(last + 1).await;

    // All but the latest twenty are let go, and the last row of all is taken in with its label.
    let is_evaluated = |report: &serde_json::Value| {
        let versions = report["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
        report["older_versions"] == VERSIONS + 1 - 20
            && versions.iter().any(|version| version["version"] == "first")
            && versions.iter().all(|version| version["rows"]["predicted"] == version["rows"]["labelled"])
    };
    metric.evaluated(is_evaluated).await;
    let many = Scrape::of(&metric).await;
    many.is_clean("metric");
    let resident = |scrape: &Scrape| scrape.series["process_resident_memory_bytes"];
    // What the evaluation saves meanwhile takes memory once; what scrapes take would be taken each time.
    let mut after = vec![resident(&many)];
    for _ in 0..3 {
        for _ in 0..200 {
            Scrape::of(&metric).await;
        }
        after.push(resident(&Scrape::of(&metric).await));
    }
    let growths = after.windows(2).map(|two| two[1] - two[0]);
    let least = growths.fold(f64::INFINITY, f64::min);
    println!(
        "{} series in {} bytes; resident {:.1} MB with one version, {:.1} MB with {VERSIONS} more, {:.1} MB after 600 scrapes",
        many.series.len(),
        many.text.len(),
        resident(&one) / 1e6,
        resident(&many) / 1e6,
        after[3] / 1e6,
    );
    assert!(many.text.len() < 200_000, "{} bytes", many.text.len());
    assert!(many.series.len() < 1500, "{} series", many.series.len());
    // What the account itself keeps of a version, what commits of that size take in memory for whoever follows, and what the
    // evaluation remembers of the latest rows and labels.
    assert!(resident(&many) - resident(&one) < 60e6, "{} to {}", resident(&one), resident(&many));
    assert!(least < 4e6 && after[3] - after[0] < 16e6, "{after:?}");
    agrees_with(&many, &services.status());

    // A new process goes on where that one was, to the last series.
    metric.stop().await;
    let mut metric = services.metric(&[]);
    metric.ready().await;
    metric.evaluated(is_evaluated).await;
    let of_records = |scrape: &Scrape| -> BTreeMap<String, f64> {
        // Whether a row is old enough to have its label is a matter of time.
        let all = ["service=", "reason=", "pipeline_build_info", "pipeline_label_", "pipeline_provisional"];
        let is_record =
            |name: &str| name.starts_with("pipeline_") && !all.iter().any(|other| name.contains(other));
        scrape
            .series
            .iter()
            .filter(|(name, _)| is_record(name))
            .map(|(name, value)| (name.clone(), *value))
            .collect()
    };
    assert_eq!(of_records(&Scrape::of(&metric).await), of_records(&many));
    metric.stop().await;
}

/// Holds the scores and counts of the models that are shown to what `metric status` says of them.
fn agrees_with(scrape: &Scrape, status: &serde_json::Value) {
    let models = status["models"].as_array().unwrap();
    let mut shown = 0;
    for model in models {
        let [name, version] = ["model", "version"].map(|part| model[part].as_str().unwrap_or_default());
        let tag = format!("model=\"{name}\",version=\"{version}\"");
        let Some(received) =
            scrape.series.get(&format!("pipeline_received_total{{queue=\"y_predict\",{tag}}}"))
        else {
            continue;
        };
        shown += 1;
        assert_eq!(Some(*received), model["received"].as_f64(), "{tag}");
        for score in ["mae", "rmse", "r2"] {
            let says = scrape.series.get(&format!("pipeline_{score}{{{tag}}}")).copied();
            assert_eq!(says, model[score].as_f64(), "{score} of {tag}");
        }
    }
    assert_eq!(shown, 20);
    let of_first = |score: &str| scrape.series[&format!("pipeline_{score}{{model=\"m\",version=\"first\"}}")];
    // The errors are 0, 1 and 2 in turn.
    assert!((of_first("mae") - 1.0).abs() < 1e-3 && (of_first("rmse") - (5.0_f64 / 3.0).sqrt()).abs() < 1e-3);
    let of = |labels: &str| scrape.series[&format!("pipeline_scored_total{{queue=\"y_predict\",{labels}}}")];
    assert_eq!(
        of("model=\"other\",version=\"other\"") + of("model=\"m\",version=\"first\""),
        25_001.0 - 19.0
    );
}
