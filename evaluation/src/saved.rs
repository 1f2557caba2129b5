//! An evaluation as bytes, to go on from where it was. Numbers keep their bits: what goes on says what the one would have said
//! that never stopped.

use std::fmt;

use crate::fold::Evaluation;

/// How the bytes begin.
const MAGIC: &[u8; 8] = b"EVALSAVE";
/// Which layout they have, and which meaning. Raise it whenever either changes: what has another one is not read.
const LAYOUT: u32 = 3;
const HEAD: usize = MAGIC.len() + 4;
const CHECKSUM: usize = 4;

/// Why bytes are of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotReadable {
    /// They are something else, or cut short.
    Foreign,
    /// They are of another version of this program.
    OtherLayout(u32),
    /// Some have changed since they were made.
    Damaged,
}

impl fmt::Display for NotReadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign => f.write_str("it is not the state of an evaluation"),
            Self::OtherLayout(layout) => {
                write!(f, "it has layout {layout}, and this version of the program reads layout {LAYOUT}")
            }
            Self::Damaged => f.write_str("it is damaged"),
        }
    }
}

impl std::error::Error for NotReadable {}

/// The bytes of an evaluation. `None` where it cannot be said in bytes, which does not happen to what this crate makes.
#[must_use]
pub fn save(evaluation: &Evaluation) -> Option<Vec<u8>> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(LAYOUT.to_le_bytes());
    let mut bytes = postcard::to_extend(evaluation, bytes).ok()?;
    bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
    Some(bytes)
}

/// The evaluation that was saved as these bytes.
///
/// # Errors
/// Bytes that are something else, of another version, or damaged.
pub fn load(bytes: &[u8]) -> Result<Evaluation, NotReadable> {
    let rest = bytes.strip_prefix(MAGIC).ok_or(NotReadable::Foreign)?;
    let (layout, _) = rest.split_first_chunk().ok_or(NotReadable::Foreign)?;
    let layout = u32::from_le_bytes(*layout);
    if layout != LAYOUT {
        return Err(NotReadable::OtherLayout(layout));
    }
    let (checked, checksum) = bytes.split_last_chunk::<CHECKSUM>().ok_or(NotReadable::Damaged)?;
    if crc32fast::hash(checked) != u32::from_le_bytes(*checksum) {
        return Err(NotReadable::Damaged);
    }
    postcard::from_bytes(checked.get(HEAD..).unwrap_or_default()).map_err(|_| NotReadable::Damaged)
}
