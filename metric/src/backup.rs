//! `metric backup`: a copy of the database, while metric runs.

use std::path::PathBuf;

use clap::Args;

use crate::store::schema;

/// Copies metric.db as it is now into a file, while metric runs. What it still has of both text files can be written again
/// from it.
#[derive(Args, Debug)]
pub(crate) struct Backup {
    /// The file to be made; one that is there is not overwritten.
    #[arg(value_name = "FILE")]
    to: PathBuf,

    /// Folder of the records.
    #[arg(long, value_name = "FOLDER", default_value = "logs")]
    logs: PathBuf,
}

impl Backup {
    /// Copies it, and returns what was done.
    pub(crate) fn run(&self) -> anyhow::Result<String> {
        let bytes = schema::copy(&self.logs, &self.to)?;
        Ok(format!(
            "{}: {bytes} bytes. To go back to it, stop metric, put it into an empty folder as metric.db, and start metric with --logs on that folder\n",
            self.to.display()
        ))
    }
}
