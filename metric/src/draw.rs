//! `metric plot`: a chart of the page as a file, from the records, while metric runs and when it does not.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::{Args, ValueEnum};
use shared::clock::Timestamp;

use crate::picture::{Look, Picture};
use crate::plot::{Score, Theme};
use crate::raster;
use crate::replace::{Durable, replace};
use crate::report::ReportScope;

/// Draws a chart of the page into a file, which browsers and viewers of pictures show. What is not asked for is as the metric has it
/// that recorded last.
#[derive(Args, Debug)]
pub(crate) struct Plot {
    /// What is drawn.
    #[arg(value_name = "KIND", value_enum)]
    kind: Picture,

    /// The file to be written, whole or not at all: NAME.svg or NAME.png. `-` is SVG on standard output.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Which score is drawn by `scores`.
    #[arg(long, value_name = "SCORE", value_enum, default_value_t)]
    score: Score,

    /// Light on dark.
    #[arg(long)]
    dark: bool,

    #[command(flatten)]
    scope: ReportScope,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Output,
    Svg,
    Png,
}

impl Format {
    /// By the name of the file.
    fn of(file: &Path) -> anyhow::Result<Self> {
        if file.as_os_str() == "-" {
            return Ok(Self::Output);
        }
        let ending = file.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
        match ending.as_deref() {
            Some("svg") => Ok(Self::Svg),
            Some("png") => Ok(Self::Png),
            _ => bail!(
                "cannot draw to {}: the name of a picture must end in .svg or .png; `-` is SVG on standard output",
                file.display()
            ),
        }
    }
}

impl Plot {
    /// Draws it; returns what is to be printed.
    pub(crate) fn run(&self) -> anyhow::Result<String> {
        // Before all of the records are read.
        let format = Format::of(&self.out)?;
        ensure!(
            format != Format::Png || raster::IS_BUILT,
            "cannot draw to {}: {}",
            self.out.display(),
            raster::HOW
        );
        let report = self.scope.report(Timestamp::now())?;
        let look = Look { score: self.score, theme: if self.dark { Theme::Dark } else { Theme::Light } };
        let svg = self.kind.draw(&report, look).map_err(|why| anyhow::anyhow!("nothing is drawn: {why}"))?;
        let bytes = match format {
            Format::Output => return Ok(svg),
            Format::Svg => svg.into_bytes(),
            Format::Png => raster::png(&svg)?,
        };
        // Two that draw into the same file at once do not write into each other's.
        let mut next = self.out.clone().into_os_string();
        next.push(format!(".{}.next", std::process::id()));
        replace(&self.out, Path::new(&next), &bytes, Durable::Yes)
            .with_context(|| format!("cannot write {}", self.out.display()))?;
        Ok(String::new())
    }
}

impl ValueEnum for Score {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.key()))
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}
