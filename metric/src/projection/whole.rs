//! A text file written as a whole, and the one that is in its place put aside.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use shared::clock::Timestamp;

use super::CHUNK;
use crate::store::{Log, LogLine, Store};
use crate::write_error::WriteError;

/// Renames a file to a name that says when that was. Returns the name.
pub(crate) fn rename_aside(path: &Path) -> io::Result<PathBuf> {
    let stamp = Timestamp::now().to_string().replace([':', '-'], "");
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let free = (0..).map(|number| match number {
        0 => path.with_file_name(format!("{name}.foreign-{stamp}")),
        number => path.with_file_name(format!("{name}.foreign-{stamp}-{number}")),
    });
    for aside in free {
        if !aside.try_exists()? {
            fs::rename(path, &aside)?;
            return Ok(aside);
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Writes a file of the lines from entry `first` on, up to the first one that is not `wanted`, and syncs it. Returns its
/// length and its last entry.
pub(crate) fn write_whole(
    path: &Path,
    log: Log,
    first: i64,
    store: &mut Store,
    mut wanted: impl FnMut(&LogLine<'_>) -> bool,
) -> Result<(u64, i64), WriteError> {
    let trouble = |why| WriteError::with_file(why, format!("cannot write {}", path.display()));
    let mut file = BufWriter::with_capacity(CHUNK, File::create(path).map_err(trouble)?);
    let (mut length, mut last) = (log.header().len() as u64, first - 1);
    file.write_all(log.header().as_bytes()).map_err(trouble)?;
    store.lines(log, last, |line| {
        if !wanted(&line) {
            return Ok(false);
        }
        file.write_all(line.text.as_bytes()).map_err(trouble)?;
        length += line.text.len() as u64;
        last = line.entry;
        Ok(true)
    })?;
    let synced = file.into_inner().map_err(io::IntoInnerError::into_error).and_then(|file| file.sync_all());
    synced.map_err(trouble)?;
    Ok((length, last))
}
