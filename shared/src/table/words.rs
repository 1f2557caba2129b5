//! Names and cells of tables in messages.

pub(super) use crate::printable::{names, piece as name, quoted};

/// A name as it is given to a flag in a shell.
pub(super) fn argument(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | ',');
    if !text.is_empty() && text.chars().all(plain) { name(text) } else { quoted(text) }
}
