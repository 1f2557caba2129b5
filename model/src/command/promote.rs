//! `model promote`: puts a candidate's file in the place of the one that serves, and says what is known of it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use shared::printable::within;

use super::backtest::Report;
use crate::content::{Content, Format, Unread};
use crate::file::sha256;
use crate::load::{self, Loader};
use crate::predictor::Predictor;
use crate::refusal::{Refusal, reason};
use crate::replace::replace;

/// The largest file of evidence that is read, in bytes.
const MOST_BYTES: u64 = 4 * 1024 * 1024;
/// The longest sentence of it that is shown, in characters.
const LONGEST: usize = 1000;

/// What to put where.
#[derive(Args, Debug)]
pub struct PromoteOptions {
    /// The candidate.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The file that is served, whose place it takes.
    #[arg(long, value_name = "FILE", default_value = "data/model.json")]
    model: PathBuf,

    /// What `model backtest --json` said of the candidate.
    #[arg(long, value_name = "FILE")]
    evidence: Option<PathBuf>,
}

/// Checks the candidate as a swap does, and puts it there.
///
/// # Errors
/// Why it would be refused, evidence of another file, or a file that cannot be written.
pub fn promote(options: &PromoteOptions) -> anyhow::Result<String> {
    let PromoteOptions { file, model, evidence } = options;
    let refuse = |(reason, why)| Refusal { path: file.clone(), reason, why };
    let loader = Loader::of_this_program();
    let content = Content::read(file).map_err(|Unread { failure, .. }| refuse(failure))?;
    let next = loader.parse(&content.bytes, content.format).map_err(refuse)?.predictor;
    ensure!(
        Format::of(model) == Some(content.format),
        "{} is of another kind than {}, and its name says how a file is read; start the service with --model and the new file instead",
        file.display(),
        model.display()
    );
    let said = match evidence {
        Some(path) => of_candidate(path, &content.bytes)?,
        None => format!(
            "evidence: none. It is had by: metric export --features | model backtest {} --json > evidence.json, and shown with \
             --evidence evidence.json",
            file.display()
        ),
    };
    let before = serving(&loader, model)?;
    if let Some(before) = &before {
        load::fits(file, next.inputs(), before.inputs())?;
        if before.version() == next.version() {
            return Ok(format!("{} is version {} already\n{said}\n", model.display(), next.version()));
        }
    }
    replace(model, &content.bytes).with_context(|| format!("cannot write {}", model.display()))?;
    let instead = before.map_or_else(
        || ", where no file was".to_owned(),
        |before| format!(", in place of version {}", before.version()),
    );
    Ok(format!(
        "{} is now version {}, from {}{instead}\n{said}\n",
        model.display(),
        next.version(),
        file.display()
    ))
}

/// The model that serves, where there is a file of it.
fn serving(loader: &Loader, model: &Path) -> anyhow::Result<Option<Predictor>> {
    match loader.load(model) {
        Ok(loaded) => Ok(Some(loaded.predictor)),
        Err(Refusal { reason: reason::UNREADABLE, .. }) if is_absent(model) => Ok(None),
        Err(why) => bail!(
            "it is not known whether the new file fits the rows, because the one that is to go cannot be used: {why}; move that one \
             aside, and the new one takes its place"
        ),
    }
}

fn is_absent(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|why| why.kind() == io::ErrorKind::NotFound)
}

/// What the evidence says, which must be of this candidate.
fn of_candidate(path: &Path, candidate: &[u8]) -> anyhow::Result<String> {
    let name = path.display();
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MOST_BYTES + 1).read_to_string(&mut text))
        .with_context(|| format!("cannot read {name}"))?;
    ensure!(text.len() as u64 <= MOST_BYTES, "{name} is larger than what `model backtest --json` writes");
    let report: Report = serde_json::from_str(&text)
        .with_context(|| format!("{name} is not what `model backtest --json` writes"))?;
    ensure!(
        report.sha256 == sha256(candidate),
        "{name} is evidence of another file, version {}; nothing was changed. Run `model backtest` with the file that is to be promoted",
        within(&report.version, 12)
    );
    Ok(format!("evidence: {}", within(&report.verdict(), LONGEST)))
}

#[cfg(test)]
mod tests;
