//! The picture `error_distribution.png` beside the text files, as those who come from the exercise look for it: of the errors as they
//! are, drawn again while rows come. It is made from what is evaluated, so it holds no commit; where it cannot be written, nothing else
//! suffers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use evaluation::report::Report;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::evaluator::Evaluated;
use crate::picture::{self, Look, Picture};
use crate::raster;
use crate::replace::{Durable, replace};

/// The file's name in the folder.
const FILE: &str = "error_distribution.png";
/// That of the one which takes its place.
const NEXT: &str = "error_distribution.png.next";
/// How often it is drawn while rows come.
const PACE: Duration = Duration::from_secs(5);

/// Of which rows a picture is: the version, and how many labels it has.
type Shown = (String, u64);

/// Keeps the picture in a folder until nothing more is evaluated; then it is of all there is.
pub(crate) async fn keep(folder: PathBuf, evaluated: Evaluated) {
    let mut changes = evaluated.changes();
    changes.mark_changed();
    let mut end = evaluated.changes();
    let (mut shown, mut has_failed) = (None, false);
    while changes.changed().await.is_ok() {
        let report = changes.borrow_and_update().clone();
        let Some(report) = report else { continue };
        let news = of(&report);
        if news == shown {
            continue;
        }
        let place = folder.clone();
        let drawn = spawn_blocking(move || draw(&place, &report)).await;
        match drawn.map_err(anyhow::Error::from).and_then(|drawn| drawn) {
            Ok(()) if std::mem::take(&mut has_failed) => info!("{FILE} is drawn again"),
            Ok(()) => {}
            Err(why) if !has_failed => {
                warn!("{why:#}; recording goes on, and the picture is tried again");
                has_failed = true;
            }
            Err(_) => {}
        }
        // What has failed is tried again even where no more rows come.
        shown = if has_failed { None } else { news };
        tokio::select! {
            () = sleep(PACE) => {}
            _ = end.wait_for(|_| false) => {}
        }
    }
}

/// Of which rows a picture of this report would be; none where there is nothing to draw.
fn of(report: &Report) -> Option<Shown> {
    let version = report.versions.get(picture::version(report)?)?;
    Some((version.name(), version.rows.labelled)).filter(|(_, labelled)| *labelled > 0)
}

/// Draws the picture of a report, if there is something to draw.
fn draw(folder: &Path, report: &Report) -> anyhow::Result<()> {
    let Ok(svg) = Picture::ErrorDistribution.draw(report, Look::default()) else { return Ok(()) };
    let file = folder.join(FILE);
    raster::png(&svg)
        // Not synced: it is drawn anew at the next start, and a sync would keep those of the records waiting.
        .and_then(|bytes| Ok(replace(&file, &folder.join(NEXT), &bytes, Durable::No)?))
        .with_context(|| format!("{} cannot be drawn", file.display()))
}
