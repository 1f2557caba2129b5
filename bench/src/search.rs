//! `search`: how long the page takes to find any of many rows by its id, and how soon a start on so many is ready.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use metric::store::schema;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use shared::message::RowId;

use crate::figures::load;
use crate::processes::{PATIENCE, Process, free_address, get, scratch};
use crate::records::Records;

/// How often the records are looked at while they are filled.
const STEP: Duration = Duration::from_millis(100);

/// Measures and prints.
pub(crate) fn run(rows: u64, searches: usize) -> anyhow::Result<()> {
    println!("{rows} rows; the load averages were {} at the start", load());
    let folder = scratch()?;
    let logs = folder.path().join("logs");
    let (count, logs_text) = (rows.to_string(), logs.to_string_lossy());
    let start = Instant::now();
    let fill = ["--interval", "0s", "--order", "loop", "--count", &count, "--logs", &logs_text];
    let mut pipeline =
        Process::start("pipeline", folder.path(), &[&fill[..], &["--page-addr", "off"]].concat())?;
    Records::new(&logs).wait(rows, STEP)?;
    pipeline.end()?;
    println!("made by the pipeline in {:.0} s, with ten features each", start.elapsed().as_secs_f64());
    let ids = ids(&logs, searches)?;
    Command::new("sync").status()?;
    for (memory, is_cold) in [("not in the system's memory", true), ("in the system's memory", false)] {
        if is_cold {
            forget(&logs.join("metric.db"))?;
        }
        let page = free_address()?;
        let page_text = page.to_string();
        let serve =
            ["--interval", "1h", "--label-delay", "1h", "--logs", &logs_text, "--page-addr", &page_text];
        let mut pipeline = Process::start_with_admin("pipeline", folder.path(), &serve)?;
        pipeline.ready()?;
        let ready = pipeline.started().elapsed().as_secs_f64();
        // Until what was evaluated before is read, it says that it catches up.
        while !get(page, "/").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200")) {
            ensure!(pipeline.started().elapsed() < PATIENCE, "the page does not come: {}", pipeline.said());
            std::thread::sleep(Duration::from_millis(5));
        }
        let shown = pipeline.started().elapsed().as_secs_f64();
        println!("{memory}: ready {ready:.2} s after its start, the page {shown:.2} s");
        if is_cold {
            forget(&logs.join("metric.db"))?;
        }
        let mut times: Vec<Duration> =
            ids.iter().map(|id| search(page, id)).collect::<anyhow::Result<_>>()?;
        let first = times.first().copied().unwrap_or_default();
        times.sort_unstable();
        let at = |percent: usize| {
            times.get(times.len() * percent / 100).or(times.last()).copied().unwrap_or_default()
        };
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        println!(
            "{memory}: {} searches, first {:.1} ms, p50 {:.1}, p99 {:.1}, max {:.1}",
            times.len(),
            ms(first),
            ms(at(50)),
            ms(at(99)),
            ms(at(100))
        );
    }
    Ok(())
}

/// Ids of so many recorded rows, at random.
fn ids(logs: &Path, count: usize) -> anyhow::Result<Vec<RowId>> {
    let records = schema::open_to_read(logs)?;
    let one = |query: &str, id: [u8; 16]| -> rusqlite::Result<[u8; 16]> {
        records.query_row(query, [id], |row| row.get(0))
    };
    let from = "SELECT id FROM known WHERE id >= ?1 ORDER BY id LIMIT 1";
    let first = u128::from_be_bytes(one(from, [0; 16])?);
    let last =
        u128::from_be_bytes(one("SELECT id FROM known WHERE id <= ?1 ORDER BY id DESC LIMIT 1", [255; 16])?);
    let mut dice = StdRng::seed_from_u64(9);
    let each = (0..count).map(|_| one(from, dice.random_range(first..=last).to_be_bytes()));
    Ok(each.map(|id| id.map(RowId::from_uuid)).collect::<rusqlite::Result<_>>()?)
}

/// Has the system forget what it holds of a file, so that it is read from the disk.
fn forget(file: &Path) -> anyhow::Result<()> {
    let input = format!("if={}", file.display());
    let status = Command::new("dd").args([&input, "iflag=nocache", "count=0", "status=none"]).status();
    ensure!(status.context("dd is missing")?.success(), "the system keeps {} in memory", file.display());
    Ok(())
}

/// From the connection to the last byte of the page, which must show the row with what it was predicted from.
fn search(page: SocketAddr, id: &RowId) -> anyhow::Result<Duration> {
    let start = Instant::now();
    let answer = get(page, &format!("/rows?id={id}"))?;
    let time = start.elapsed();
    ensure!(
        answer.contains("What it was") && answer.contains("Its label came"),
        "{id} is not found: {answer}"
    );
    Ok(time)
}
