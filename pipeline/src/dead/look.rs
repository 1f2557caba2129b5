//! Looking, which removes nothing: `list`, `show`, `export`.

use std::io::{self, Write as _};

use anyhow::Context as _;
use serde_json::{Value, json};
use shared::clock::Timestamp;
use shared::transport::LetterRoom;

use super::copies::{Sameness, Seen};
use super::facts::Facts;
use super::line::written;
use super::options::{Export, List, Show};
use super::queue::DeadQueue;
use super::shown::shown;
use super::tally::{Tally, counted};
use super::{End, endpoint, opened, print};

pub(super) async fn list(list: List) -> anyhow::Result<End> {
    let endpoint = endpoint(list.amqp)?;
    let queues = match &list.queue {
        Some(queue) => vec![DeadQueue::parse(queue, endpoint.queues()).map_err(anyhow::Error::msg)?],
        None => DeadQueue::all(endpoint.queues()),
    };
    let room = LetterRoom::open(endpoint).await?;
    let (mut text, mut all, mut found) = (String::new(), Vec::new(), false);
    for queue in queues {
        let name = queue.name.as_str();
        let Some(waiting) = room.ready(&queue.name).await? else {
            text += &format!("{name}: there is no such queue\n");
            all.push(json!({"queue": name, "waiting": Value::Null}));
            continue;
        };
        let mut reading = room.read(&queue.name, waiting.min(list.reach.first)).await?;
        let mut tally = Tally::default();
        while let Some(taken) = reading.next().await? {
            tally.add(&taken.letter, &Facts::of(&taken.letter, queue.role));
        }
        reading.finish().await?;
        text += &tally.told(name, waiting);
        all.push(tally.json(name, waiting));
        found |= !tally.is_empty();
    }
    room.close().await;
    print(list.json, &text, &json!({ "queues": all }));
    Ok(if found { End::Done } else { End::NothingMatched })
}

pub(super) async fn show(show: Show) -> anyhow::Result<End> {
    let endpoint = endpoint(show.amqp)?;
    let (room, queue, waiting) = opened(&endpoint, &show.queue).await?;
    let wanted = show.selection.wanted(Timestamp::now());
    let mut reading = room.read(&queue.name, waiting.min(show.selection.reach.first)).await?;
    let mut count = 0;
    while count < show.limit
        && let Some(taken) = reading.next().await?
    {
        let facts = Facts::of(&taken.letter, queue.role);
        if wanted.is(&facts) {
            if show.json {
                println!("{}", written(&taken.letter, &facts, &queue));
            } else {
                print!("{}", shown(&taken.letter, &facts));
            }
            count += 1;
        }
    }
    reading.finish().await?;
    room.close().await;
    Ok(nothing_if(count == 0, &queue))
}

pub(super) async fn export(export: Export) -> anyhow::Result<End> {
    let endpoint = endpoint(export.amqp)?;
    let (room, queue, waiting) = opened(&endpoint, &export.queue).await?;
    let wanted = export.selection.wanted(Timestamp::now());
    let mut reading = room.read(&queue.name, waiting.min(export.selection.reach.first)).await?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let (mut count, mut copies, mut seen) = (0, 0, Seen::default());
    while let Some(taken) = reading.next().await? {
        let facts = Facts::of(&taken.letter, queue.role);
        if !wanted.is(&facts) {
            continue;
        }
        if seen.again(Sameness::of(&taken.letter, &facts)) {
            copies += 1;
            continue;
        }
        writeln!(out, "{}", written(&taken.letter, &facts, &queue)).context("cannot write the export")?;
        count += 1;
    }
    out.flush().context("cannot write the export")?;
    reading.finish().await?;
    room.close().await;
    let copies = if copies > 0 { format!(", without {copies} copies of them") } else { String::new() };
    eprintln!("exported {} of {}{copies}; they are still there", counted(count), queue.name);
    Ok(nothing_if(count == 0, &queue))
}

/// Says so where nothing matched.
pub(super) fn nothing_if(nothing: bool, queue: &DeadQueue) -> End {
    if nothing {
        eprintln!("no letter of {} matches", queue.name);
        End::NothingMatched
    } else {
        End::Done
    }
}
