//! `traces`: what it costs to tell a receiver of rows.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use anyhow::{Context as _, ensure};

use crate::figures::{load, median};
use crate::memory::measure;

/// How many of the rows are traced: none, the default, all.
const SHARES: [Option<&str>; 3] = [None, Some("0.01"), Some("1")];

/// Measures and prints.
pub(crate) fn run(rows: u64, rounds: usize) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no port for the receiver")?;
    let url = format!("http://{}", listener.local_addr()?);
    let bytes = Arc::new(AtomicU64::new(0));
    let taken = Arc::clone(&bytes);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let taken = Arc::clone(&taken);
            thread::spawn(move || while answer(&stream, &taken).is_ok() {});
        }
    });
    println!(
        "{rows} rows in memory, rows/s from the first row; the load averages were {} at the start",
        load()
    );
    println!("round |      off |  1 in 100 | of off |       all | of off | MB told");
    let mut ratios = [Vec::new(), Vec::new()];
    for round in 1..=rounds {
        let mut rates = Vec::new();
        let before = bytes.load(Ordering::Relaxed);
        for share in SHARES {
            let on = share.map(|share| ["--otlp-endpoint", &url, "--trace-share", share]);
            rates.push(measure(rows, on.as_ref().map_or(&[], |on| &on[..]))?.steady);
        }
        let told = bytes.load(Ordering::Relaxed) - before;
        ensure!(told > 0, "nothing was told: build pipeline with --features traces");
        let of_off = [rates[1] / rates[0], rates[2] / rates[0]];
        for (all, ratio) in ratios.iter_mut().zip(of_off) {
            all.push(ratio);
        }
        println!(
            "{round:>5} | {:>8.0} | {:>9.0} | {:>6.2} | {:>9.0} | {:>6.2} | {:>7.1}",
            rates[0],
            rates[1],
            of_off[0],
            rates[2],
            of_off[1],
            told as f64 / 1e6
        );
    }
    println!(
        "median|          |           | {:>6.2} |           | {:>6.2} |",
        median(&ratios[0]),
        median(&ratios[1])
    );
    Ok(())
}

/// Takes a request, and answers it.
fn answer(mut stream: &TcpStream, taken: &AtomicU64) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let read = std::io::copy(&mut reader.take(length), &mut std::io::sink())?;
    taken.fetch_add(read, Ordering::Relaxed);
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
}
