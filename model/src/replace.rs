//! A file that takes another one's place whole, and is there after a power cut: whoever reads finds the old one or the new one.

use std::fs::{self, File, Metadata};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;

use shared::message::RowId;

/// Writes a file beside and renames it in. It is as readable as the old one, for whoever serves it may be somebody else than who
/// writes it. Where that fails, nothing is left of it.
///
/// # Errors
/// What the file system says.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    // Others may write the same one, on other machines too.
    name.push(format!(".{}.tmp", RowId::unique()));
    let temporary = path.with_file_name(name);
    let before = fs::metadata(path).ok().filter(Metadata::is_file);
    let written =
        write_durably(&temporary, bytes, before.as_ref()).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        _ = fs::remove_file(&temporary);
    }
    written?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn write_durably(path: &Path, bytes: &[u8], before: Option<&Metadata>) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    if let Some(before) = before {
        let ours = file.metadata()?;
        if (ours.uid(), ours.gid()) != (before.uid(), before.gid()) {
            // Only root may give a file away. Whoever else may write in this folder has a file of theirs.
            _ = chown(path, Some(before.uid()), Some(before.gid()));
        }
        file.set_permissions(before.permissions())?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_new_file_is_as_readable_as_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.json");
        for mode in [0o600, 0o644, 0o664] {
            fs::write(&path, "old").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let before = fs::metadata(&path).unwrap();
            replace(&path, b"new").unwrap();
            let after = fs::metadata(&path).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"new");
            assert_eq!(after.permissions().mode() & 0o777, mode);
            assert_ne!(before.ino(), after.ino(), "a reader of the old file still has it");
        }
    }

    #[test]
    fn what_cannot_be_put_there_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir(&path).unwrap();
        assert!(replace(&path, b"new").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
