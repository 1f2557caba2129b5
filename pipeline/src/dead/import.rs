//! Putting exported letters back among the dead letters, once the whole file is known to be good.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use serde_json::json;
use shared::transport::stored::StoredLetter;
use shared::transport::{LetterRoom, Posted, QueueName};

use super::line::{self, LONGEST};
use super::options::Import;
use super::queue::DeadQueue;
use super::tally::counted;
use super::{End, endpoint, print};

/// How many letters, and bytes of their bodies, are published at a time.
const AT_ONCE: usize = 256;
const BYTES_AT_ONCE: usize = 1024 * 1024;
/// How many bad lines are named.
const MOST_NAMED: usize = 10;

pub(super) async fn run(import: Import) -> anyhow::Result<End> {
    let endpoint = endpoint(import.amqp)?;
    let read = |name: &str| DeadQueue::parse(name, endpoint.queues());
    let to = import.to.as_deref().map(read).transpose().map_err(|why| anyhow::anyhow!("--to: {why}"))?;
    let place = |name: Option<&str>| match &to {
        Some(queue) => Ok(queue.clone()),
        None => line::named(name, read),
    };
    let file = &import.file;
    let count = check(file, place)?;
    if count == 0 {
        eprintln!("{} has no letters", file.display());
        return Ok(End::NothingMatched);
    }
    let mut done = 0;
    if !import.dry_run {
        let room = LetterRoom::open(endpoint.clone()).await?;
        let mut batch = Vec::new();
        let mut bytes = 0;
        for line in lines(file)? {
            let (number, text) = line?;
            let (name, letter) = line::read(&text).map_err(|why| changed(file, number, &why))?;
            let queue = place(name.as_deref()).map_err(|why| changed(file, number, &why))?;
            bytes += letter.body.len();
            batch.push((queue.name, letter));
            if batch.len() >= AT_ONCE || bytes >= BYTES_AT_ONCE {
                post(&room, &mut batch, &mut done, count).await?;
                bytes = 0;
            }
        }
        post(&room, &mut batch, &mut done, count).await?;
        room.close().await;
    }
    let text = if import.dry_run {
        format!("{} in {}, all of them good; nothing was published\n", counted(count), file.display())
    } else {
        format!("imported {}\n", counted(done))
    };
    print(import.json, &text, &json!({"letters": count, "imported": done}));
    Ok(End::Done)
}

async fn post(
    room: &LetterRoom,
    batch: &mut Vec<(QueueName, StoredLetter)>,
    done: &mut u64,
    of: u64,
) -> anyhow::Result<()> {
    let parcels: Vec<_> = batch.iter().map(|(queue, letter)| (queue, letter)).collect();
    let posted = room.post(&parcels).await;
    *done += posted.iter().filter(|posted| **posted == Posted::Confirmed).count() as u64;
    if let Some(Posted::Not(why)) = posted.into_iter().find(|posted| *posted != Posted::Confirmed) {
        bail!(
            "imported {done} of {}, then one was not taken: {why}; imported again, equal letters of rows with an id are one",
            counted(of)
        );
    }
    batch.clear();
    Ok(())
}

/// Reads all of it, and says how many letters there are.
fn check(file: &Path, place: impl Fn(Option<&str>) -> Result<DeadQueue, String>) -> anyhow::Result<u64> {
    let (mut count, mut bad, mut named) = (0, 0, Vec::new());
    for line in lines(file)? {
        let (number, text) = line?;
        let tried = line::read(&text).and_then(|(name, _)| place(name.as_deref()));
        match tried {
            Ok(_) => count += 1,
            Err(why) => {
                bad += 1;
                if named.len() < MOST_NAMED {
                    named.push(format!("\n  line {number}: {why}"));
                }
            }
        }
    }
    ensure!(
        bad == 0,
        "nothing is imported: {bad} lines of {} are no letters{}",
        file.display(),
        named.concat()
    );
    Ok(count)
}

fn changed(file: &Path, number: u64, why: &str) -> anyhow::Error {
    anyhow::anyhow!("{} has changed while it was read; line {number}: {why}", file.display())
}

/// The lines that have something in them, each with its number.
fn lines(file: &Path) -> anyhow::Result<impl Iterator<Item = anyhow::Result<(u64, String)>>> {
    let opened = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let is_file = opened.metadata().is_ok_and(|metadata| metadata.is_file());
    ensure!(is_file, "cannot import {}: it is read twice, so it must be a file", file.display());
    let mut reader = BufReader::new(opened);
    let (shown, mut number) = (file.display().to_string(), 0);
    Ok(std::iter::from_fn(move || {
        loop {
            number += 1;
            match line_of(&mut reader) {
                Ok(None) => return None,
                Ok(Some(line)) if line.trim_ascii().is_empty() => {}
                Ok(Some(line)) => return Some(Ok((number, line))),
                Err(why) => return Some(Err(why.context(format!("cannot read {shown}, line {number}")))),
            }
        }
    }))
}

fn line_of(reader: &mut impl BufRead) -> anyhow::Result<Option<String>> {
    let mut line = Vec::new();
    let limit = LONGEST as u64 + 1;
    if reader.take(limit).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    ensure!(line.len() <= LONGEST, "it is longer than {LONGEST} bytes");
    Ok(Some(String::from_utf8(line).context("it is no UTF-8")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_bounded_and_numbered() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("letters.ndjson");
        let all = |text: &[u8]| -> Result<Vec<(u64, String)>, String> {
            std::fs::write(&file, text).unwrap();
            lines(&file).unwrap().collect::<anyhow::Result<_>>().map_err(|why| format!("{why:#}"))
        };
        let want = vec![(1, "a\n".to_owned()), (4, "b".to_owned())];
        assert_eq!(all(b"a\n\n \r\nb"), Ok(want));
        assert_eq!(all(b""), Ok(vec![]));
        assert!(
            all(b"a\n\xff")
                .unwrap_err()
                .ends_with("line 2: it is no UTF-8: invalid utf-8 sequence of 1 bytes from index 0")
        );
        assert!(
            all(&vec![b'x'; LONGEST + 1]).unwrap_err().ends_with("line 1: it is longer than 8388608 bytes")
        );
        let error = |path: &Path| format!("{:#}", lines(path).err().unwrap());
        assert!(error(folder.path()).ends_with("it is read twice, so it must be a file"));
        assert!(error(Path::new("/nowhere")).starts_with("cannot read /nowhere"));
    }

    #[test]
    fn every_bad_line_counts_and_the_first_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("letters.ndjson");
        let good = r#"{"queue": "Features.dead", "body": "1"}"#;
        let queues = shared::transport::Queues::default();
        let place = |name: Option<&str>| line::named(name, |name| DeadQueue::parse(name, &queues));
        std::fs::write(&file, format!("{good}\n{good}\n")).unwrap();
        assert_eq!(check(&file, place).unwrap(), 2);
        std::fs::write(&file, format!("{good}\n{}", "{}\n".repeat(12))).unwrap();
        let why = check(&file, place).unwrap_err().to_string();
        assert!(why.starts_with("nothing is imported: 12 lines of "), "{why}");
        assert!(why.contains("\n  line 2: it has no body") && why.contains("\n  line 11: "), "{why}");
        assert!(!why.contains("line 12"), "{why}");
    }
}
