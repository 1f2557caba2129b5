//! Deleting letters: those that were counted and no others.

use std::io::{self, BufRead as _, Read as _};

use anyhow::{Context as _, bail};
use serde_json::json;
use shared::clock::Timestamp;

use super::facts::Facts;
use super::look::nothing_if;
use super::options::Purge;
use super::queue::DeadQueue;
use super::tally::counted;
use super::{End, endpoint, opened, print};

pub(super) async fn run(purge: Purge) -> anyhow::Result<End> {
    let endpoint = endpoint(purge.amqp)?;
    let (room, queue, waiting) = opened(&endpoint, &purge.queue).await?;
    let wanted = purge.selection.wanted(Timestamp::now());
    let mut reading = room.read(&queue.name, waiting.min(purge.selection.reach.first)).await?;
    let (mut tags, mut others) = (Vec::new(), 0_u64);
    while let Some(taken) = reading.next().await? {
        if wanted.is(&Facts::of(&taken.letter, queue.role)) {
            tags.push(taken.tag);
        } else {
            others += 1;
        }
    }
    let count = tags.len() as u64;
    if count > 0 {
        if !purge.yes {
            eprintln!("{} of {} will be deleted for good; left there: {others}", counted(count), queue.name);
            eprint!("to delete them, type the queue's name: ");
            let typed = typed().context("cannot read what is typed")?;
            if !is_confirmed(&typed, &queue) {
                // Whoever tries again at once is to find them.
                reading.finish().await?;
                room.close().await;
                bail!(
                    "nothing is deleted: expected {} to be typed, or --yes; `pipeline dead export` saves letters first",
                    queue.name
                );
            }
        }
        reading.acknowledge(&tags).await?;
    }
    reading.finish().await?;
    room.close().await;
    if count > 0 || purge.json {
        let text = format!("deleted {} of {}; left there: {others}\n", counted(count), queue.name);
        print(purge.json, &text, &json!({"queue": queue.name.as_str(), "deleted": count, "stay": others}));
    }
    Ok(nothing_if(count == 0, &queue))
}

/// The first line of the standard input, or nothing where that has ended.
fn typed() -> io::Result<String> {
    const LONGEST: u64 = 1024;
    let mut line = String::new();
    io::stdin().lock().take(LONGEST).read_line(&mut line)?;
    Ok(line)
}

/// Whether what was typed is the name of this very queue.
fn is_confirmed(typed: &str, queue: &DeadQueue) -> bool {
    typed.trim() == queue.name.as_str()
}

#[cfg(test)]
mod tests {
    use shared::transport::Queues;

    use super::*;

    #[test]
    fn only_the_whole_name_confirms() {
        let queue = DeadQueue::parse("Features", &Queues::default()).unwrap();
        for (typed, is) in [
            ("Features.dead\n", true),
            ("  Features.dead\r\n", true),
            ("Features\n", false),
            ("features.dead\n", false),
            ("y\n", false),
            ("yes\n", false),
            ("", false),
        ] {
            assert_eq!(is_confirmed(typed, &queue), is, "{typed:?}");
        }
    }
}
