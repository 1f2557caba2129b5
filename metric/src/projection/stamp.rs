//! Which file it is, and whether anybody has touched it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

/// Which file it is and what was done to it last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileStamp {
    device: u64,
    inode: u64,
    pub(super) size: u64,
    modified: (i64, i64),
}

impl From<&Metadata> for FileStamp {
    fn from(file: &Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
            size: file.size(),
            modified: (file.mtime(), file.mtime_nsec()),
        }
    }
}

impl FileStamp {
    /// The same file with this length, in bytes.
    pub(super) fn with_size(self, size: u64) -> Self {
        Self { size, ..self }
    }

    /// Size and time of a file that nobody should touch while metric is stopped. A copy of the folder has them too.
    pub(super) fn fingerprint(self) -> String {
        format!("{} {}.{:09}", self.size, self.modified.0, self.modified.1)
    }
}
