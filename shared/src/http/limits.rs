//! What a listener takes, and how many connections the process can afford.

use std::fs;
use std::time::Duration;

/// The bounds of one listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many connections are open at once, the one included that is just being accepted. At most a quarter of the
    /// files that the process may open: the rest is for its work.
    pub connections: usize,
    /// How many new connections are taken in a second, a quarter of them at once. Others wait in the system's queue, which
    /// turns away whoever comes when it is full: this bounds what a storm of connections costs, and wants to be above
    /// what can be expected.
    pub new_per_second: u32,
    /// The longest head of a request, its first line included, in bytes.
    pub header_bytes: usize,
    /// How long the head of a request may take: from the start of a connection, or from the head's first byte.
    pub header: Duration,
    /// The longest body of a request, in bytes.
    pub body_bytes: usize,
    /// How long a request may take from its head until its answer begins; its body arrives meanwhile.
    pub request: Duration,
    /// How long the client may take to read an answer. An answer whose length is not known at its beginning is a
    /// stream: it may stay open for ever, and this is how long its client may leave it unread.
    pub answer: Duration,
    /// How long a connection may stay unused after an answer.
    pub idle: Duration,
}

impl Limits {
    /// How many connections there are room for where the process may open so many files, `None` being no bound.
    pub(super) fn connections_of(&self, files: Option<u64>) -> usize {
        let share = files.map_or(usize::MAX, |files| usize::try_from(files / 4).unwrap_or(usize::MAX));
        self.connections.min(share).max(2)
    }
}

/// How many files this process may open, where the system tells.
pub(super) fn files() -> Option<u64> {
    soft_limit(&fs::read_to_string("/proc/self/limits").ok()?)
}

/// The soft limit of open files in the text of `/proc/self/limits`.
fn soft_limit(text: &str) -> Option<u64> {
    let numbers = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    numbers.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin;

    #[test]
    fn a_quarter_of_the_files_at_most() {
        let of = |files| admin::LIMITS.connections_of(files);
        assert_eq!(of(None), 256);
        assert_eq!(of(Some(1_000_000)), 256);
        assert_eq!(of(Some(1024)), 256);
        assert_eq!(of(Some(64)), 16);
        assert_eq!(of(Some(3)), 2);
    }

    #[test]
    fn the_soft_limit_is_read_from_what_the_system_says() {
        let text = |files| {
            format!(
                "Limit                     Soft Limit           Hard Limit           Units     \n\
                 Max processes             127346               127346               processes \n\
                 Max open files            {files}              524288               files     \n"
            )
        };
        assert_eq!(soft_limit(&text("64")), Some(64));
        assert_eq!(soft_limit(&text("unlimited")), None);
        assert_eq!(soft_limit(""), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_says_it() {
        assert!(files().is_some_and(|files| files > 0));
    }
}
