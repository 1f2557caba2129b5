//! Lets a program that a container starts as root work as the person whose folder it was given, so that what it
//! writes there is theirs. An image without a shell has no other way to do that.

use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt as _, lchown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::{env, io};

use anyhow::Context as _;

/// Gives `folder` and the files in it to the owner of `path` and starts this program again as that owner, with the
/// same arguments. Returns where there is nothing to change: root owns `path` too, or the program is not run by root.
///
/// Call it before any thread is started. It takes the capabilities CHOWN, SETUID and SETGID, which the program has no
/// longer when it works as somebody else than root.
///
/// # Errors
/// A path that is not there, or a missing capability.
pub fn work_as_owner_of(path: &Path, folder: &Path) -> anyhow::Result<()> {
    let myself = fs::metadata("/proc/self").context("cannot tell which user this is")?;
    if myself.uid() != 0 {
        return Ok(());
    }
    let owner = fs::metadata(path).with_context(|| format!("cannot tell who owns {}", path.display()))?;
    give(folder, &owner)
        .with_context(|| format!("cannot give {} to user {}", folder.display(), owner.uid()))?;
    if owner.uid() == 0 {
        return Ok(());
    }
    let program = env::current_exe().context("cannot tell which program this is")?;
    let mut arguments = env::args_os();
    let why = Command::new(program)
        // Under the name that it was called by: the program may have several, and do what its name says.
        .arg0(arguments.next().unwrap_or_default())
        .args(arguments)
        // The group first, and no others: that is what the standard library does for a user other than root.
        .gid(owner.gid())
        .uid(owner.uid())
        .exec();
    Err(why).with_context(|| format!("cannot go on as user {}", owner.uid()))
}

/// Makes `owner` the owner of a folder, made if it is missing, and of what is directly in it.
fn give(folder: &Path, owner: &Metadata) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    match fs::read_dir(folder) {
        Ok(entries) => entries.into_iter().try_for_each(|entry| give_one(&entry?.path(), owner))?,
        // It is closed to all but its owner, and a root with so few capabilities is not excepted.
        Err(why) if why.kind() == io::ErrorKind::PermissionDenied => {}
        Err(why) => return Err(why),
    }
    give_one(folder, owner)
}

/// A link itself changes hands, never what it points to.
fn give_one(path: &Path, owner: &Metadata) -> io::Result<()> {
    let now = fs::symlink_metadata(path)?;
    if (now.uid(), now.gid()) == (owner.uid(), owner.gid()) {
        return Ok(());
    }
    lchown(path, Some(owner.uid()), Some(owner.gid()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn owner(path: &Path) -> (u32, u32) {
        let now = fs::symlink_metadata(path).unwrap();
        (now.uid(), now.gid())
    }

    #[test]
    fn a_missing_folder_is_made() {
        let home = tempfile::tempdir().unwrap();
        let logs = home.path().join("a/logs");
        give(&logs, &fs::metadata(home.path()).unwrap()).unwrap();
        assert_eq!(owner(&logs), owner(home.path()));
    }

    #[test]
    fn root_gives_a_folder_with_its_files_and_nothing_that_is_linked() {
        let home = tempfile::tempdir().unwrap();
        let [logs, file, linked] = ["logs", "logs/file", "linked"].map(|name| home.path().join(name));
        fs::create_dir(&logs).unwrap();
        fs::write(&file, "").unwrap();
        fs::write(&linked, "").unwrap();
        symlink(&linked, logs.join("link")).unwrap();
        let before = owner(&linked);
        if before.0 != 0 {
            return; // Nobody but root can give anything away.
        }
        lchown(home.path(), Some(1000), Some(1001)).unwrap();
        give(&logs, &fs::metadata(home.path()).unwrap()).unwrap();
        for given in [&logs, &file, &logs.join("link")] {
            assert_eq!(owner(given), (1000, 1001), "{}", given.display());
        }
        assert_eq!(owner(&linked), before);
    }

    #[test]
    fn a_path_that_is_not_there_is_named() {
        let home = tempfile::tempdir().unwrap();
        let result = work_as_owner_of(&home.path().join("nothing"), home.path());
        match (owner(home.path()).0, result) {
            (0, Err(why)) => assert!(why.to_string().contains("nothing"), "{why}"),
            (0, Ok(())) => panic!("a missing path was taken"),
            (_, result) => result.unwrap(),
        }
    }
}
