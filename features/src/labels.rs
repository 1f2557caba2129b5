//! Labels alone: for rows that went out before, hours or days ago.

use anyhow::bail;

use crate::entry::Entry;
use crate::input;
use crate::options::LabelsOptions;
use crate::table::UniqueIds;

/// All labels of a table, before any is published.
///
/// # Errors
/// The first line that has no good label or id, or an id that stands twice.
pub(crate) fn entries(options: &LabelsOptions) -> anyhow::Result<Vec<Entry>> {
    let name = input::name(&options.data);
    let mut seen = UniqueIds::default();
    let mut entries = Vec::new();
    let read = input::open(&options.data, &options.wishes()).map_err(|fault| fault.of(&name))?;
    for read in read {
        let read = read.map_err(|fault| fault.of(&name))?;
        if let Some(id) = &read.entry.id {
            seen.add(id, read.line, &options.data)?;
        }
        entries.push(read.entry);
    }
    if entries.is_empty() {
        bail!("{name}: no rows below the header");
    }
    Ok(entries)
}
