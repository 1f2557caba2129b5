//! What is remembered of versions, beyond this process where there is a folder for it: the files that served last, which of them
//! were taken back or accepted, and which one is watched beside the one before it.
//!
//! - `record` is what is remembered, and how two that remember become one; it is pure.
//! - `folder` keeps it in a folder, which several processes may share.
//!
//! What serves never waits for the folder. Where it cannot be written, that is said once, and it is tried again at each look.

mod folder;
mod record;

use std::sync::Arc;

use shared::clock::Timestamp;
use shared::message::Name;
use tokio::task;
use tracing::{info, warn};

use crate::content::Content;

pub use folder::Folder;
pub use record::{Record, Served, WATCHED_FOR, Watched};

/// What this process remembers of versions.
#[derive(Debug, Default)]
pub struct Versions {
    folder: Option<Arc<Folder>>,
    record: Record,
    /// The file that serves, until it is in the folder.
    unkept: Option<Arc<Unkept>>,
    /// Why the folder could not be used, until it can.
    trouble: Option<String>,
}

/// A file that is to be kept.
#[derive(Debug)]
pub struct Unkept {
    /// Its name in the folder.
    file: String,
    bytes: Vec<u8>,
}

impl Versions {
    /// Remembers in this folder, or else as long as the process lives.
    #[must_use]
    pub fn new(folder: Option<Folder>) -> Self {
        Self { folder: folder.map(Arc::new), ..Self::default() }
    }

    /// What is remembered.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The same, to be changed. [`Versions::sync`] brings it into the folder.
    pub fn record_mut(&mut self) -> &mut Record {
        &mut self.record
    }

    /// Where it is remembered.
    #[must_use]
    pub fn folder(&self) -> Option<&Arc<Folder>> {
        self.folder.as_ref()
    }

    /// A version begins to serve. Its content is kept, where there is a folder.
    pub fn serves(&mut self, version: &Name, content: Content, at: Timestamp) {
        let Content { bytes, format, .. } = content;
        self.record.serves(version, format, at);
        if self.folder.is_some() {
            let file = Served { version: version.clone(), format, at }.file_name();
            self.unkept = Some(Arc::new(Unkept { file, bytes }));
        }
    }

    /// Brings what this process and the folder remember together. Says once why that cannot be.
    pub async fn sync(&mut self) {
        let Some(folder) = self.folder.clone() else { return };
        let (ours, unkept) = (self.record.clone(), self.unkept.clone());
        let synced = task::spawn_blocking(move || folder.sync(&ours, unkept.as_deref()));
        let synced = synced.await.unwrap_or_else(|why| Err(why.to_string()));
        match synced {
            Ok(record) => {
                self.record = record;
                self.unkept = None;
                if self.trouble.take().is_some() {
                    info!("versions are kept again");
                }
            }
            Err(why) => {
                if self.trouble.is_none() {
                    warn!(
                        "cannot keep versions: {why}. Rows go on; but a restart does not know which version served before, \
                         nor which were taken back. It is tried again"
                    );
                }
                self.trouble = Some(why);
            }
        }
    }
}
