//! The same on Linux, by descriptors and capabilities.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::{env, ffi::CStr};

use anyhow::{Context as _, bail};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::thread::{CapabilitySet, CapabilitySets};

/// Gives `folder` and the files in it to the owner of `path` and starts this program again as that owner, with the
/// same arguments. Where root owns `path` too, returns without any capability of root's. Returns at once where the program is
/// not run by root.
///
/// Call it before any thread is started. It takes the capabilities CHOWN, SETUID and SETGID, which are gone afterwards and
/// come back in no program that is started from here.
///
/// # Errors
/// A path that is not there, a folder that is reached by way of a link, a file with several names, or a missing capability.
pub fn work_as_owner_of(path: &Path, folder: &Path) -> anyhow::Result<()> {
    let myself = fs::metadata("/proc/self").context("cannot tell which user this is")?;
    if myself.uid() != 0 {
        return Ok(());
    }
    let owner = fs::metadata(path).with_context(|| format!("cannot tell who owns {}", path.display()))?;
    give(folder, &owner)
        .with_context(|| format!("cannot give {} to user {}", folder.display(), owner.uid()))?;
    rustix::thread::set_no_new_privs(true).context("cannot do without new privileges")?;
    if owner.uid() == 0 {
        let none = CapabilitySet::empty();
        let none = CapabilitySets { effective: none, permitted: none, inheritable: none };
        return rustix::thread::set_capabilities(None, none).context("cannot give up root's capabilities");
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
///
/// Whoever owns a folder on the way could have put a link there, and root would give away what it points to: so no link is
/// followed, and what was opened is what changes hands, whatever its path has become meanwhile.
fn give(folder: &Path, owner: &Metadata) -> anyhow::Result<()> {
    let folder = open(folder)?;
    match rustix::fs::openat(
        &folder,
        c".",
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    ) {
        Ok(readable) => {
            for entry in Dir::read_from(&readable)? {
                let entry = entry?;
                if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                    give_one(&folder, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW, owner)?;
                }
            }
        }
        // It is closed to all but its owner, and a root with so few capabilities is not excepted.
        Err(rustix::io::Errno::ACCESS) => {}
        Err(why) => return Err(why.into()),
    }
    give_one(&folder, c"", AtFlags::EMPTY_PATH, owner)
}

/// Opens a folder component by component, makes what is missing of it, and follows no link.
fn open(folder: &Path) -> anyhow::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let start = if folder.is_absolute() { c"/" } else { c"." };
    let mut there = rustix::fs::open(start, flags, Mode::empty())?;
    let mut so_far = std::path::PathBuf::new();
    for component in folder.components() {
        so_far.push(component);
        let name = match component {
            std::path::Component::RootDir | std::path::Component::CurDir => continue,
            component => component.as_os_str(),
        };
        let mut opened = rustix::fs::openat(&there, name, flags, Mode::empty());
        if matches!(opened, Err(rustix::io::Errno::NOENT)) {
            match rustix::fs::mkdirat(&there, name, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                Err(why) => return Err(why).with_context(|| format!("cannot make {}", so_far.display())),
            }
            opened = rustix::fs::openat(&there, name, flags, Mode::empty());
        }
        there = match opened {
            Ok(opened) => opened,
            Err(_) if is_link(&there, name) => {
                bail!(
                    "{} is a link, which root does not follow: name the folder by its real path",
                    so_far.display()
                )
            }
            Err(why) => return Err(why).with_context(|| format!("cannot open {}", so_far.display())),
        };
    }
    Ok(there)
}

fn is_link(folder: &OwnedFd, name: &std::ffi::OsStr) -> bool {
    let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
    stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
}

/// A link itself changes hands, never what it points to. A file that has another name may be anybody's.
fn give_one(folder: &OwnedFd, name: &CStr, flags: AtFlags, owner: &Metadata) -> anyhow::Result<()> {
    let Stat { st_uid, st_gid, st_mode, st_nlink, .. } = rustix::fs::statat(folder.as_fd(), name, flags)?;
    if (st_uid, st_gid) == (owner.uid(), owner.gid()) {
        return Ok(());
    }
    if FileType::from_raw_mode(st_mode) == FileType::RegularFile && st_nlink > 1 {
        let name = name.to_string_lossy();
        bail!(
            "the file {name:?} in it has another name elsewhere (a hard link), and may be somebody else's: take it away"
        );
    }
    let (uid, gid) = (rustix::fs::Uid::from_raw(owner.uid()), rustix::fs::Gid::from_raw(owner.gid()));
    Ok(rustix::fs::chownat(folder.as_fd(), name, Some(uid), Some(gid), flags).map_err(io::Error::from)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{lchown, symlink};

    use super::*;

    fn owner(path: &Path) -> (u32, u32) {
        let now = fs::symlink_metadata(path).unwrap();
        (now.uid(), now.gid())
    }

    /// A folder of somebody else's, where root runs the tests: nobody but root can give anything away.
    fn home() -> Option<tempfile::TempDir> {
        let home = tempfile::tempdir().unwrap();
        if owner(home.path()).0 != 0 {
            println!("left out: only root can give a folder away");
            return None;
        }
        lchown(home.path(), Some(1000), Some(1001)).unwrap();
        Some(home)
    }

    #[test]
    fn a_missing_folder_is_made() {
        let home = tempfile::tempdir().unwrap();
        let logs = home.path().join("a/./b/../logs");
        give(&logs, &fs::metadata(home.path()).unwrap()).unwrap();
        assert_eq!(owner(&home.path().join("a/logs")), owner(home.path()));
    }

    #[test]
    fn root_gives_a_folder_with_its_files_and_nothing_that_is_linked() {
        let Some(home) = home() else { return };
        let [logs, file, linked] = ["logs", "logs/file", "linked"].map(|name| home.path().join(name));
        fs::create_dir(&logs).unwrap();
        fs::write(&file, "").unwrap();
        fs::write(&linked, "").unwrap();
        symlink(&linked, logs.join("link")).unwrap();
        let before = owner(&linked);
        give(&logs, &fs::metadata(home.path()).unwrap()).unwrap();
        for given in [&logs, &file, &logs.join("link")] {
            assert_eq!(owner(given), (1000, 1001), "{}", given.display());
        }
        assert_eq!(owner(&linked), before);
    }

    #[test]
    fn root_follows_no_link_to_the_folder_or_on_the_way() {
        let Some(home) = home() else { return };
        let elsewhere = tempfile::tempdir().unwrap();
        let (folder, file) = (elsewhere.path().join("logs"), elsewhere.path().join("logs/shadow"));
        fs::create_dir(&folder).unwrap();
        fs::write(&file, "").unwrap();
        symlink(&folder, home.path().join("logs")).unwrap();
        symlink(elsewhere.path(), home.path().join("way")).unwrap();
        for (linked, link) in [("logs", "logs"), ("way/logs", "way"), ("way/new", "way")] {
            let why = give(&home.path().join(linked), &fs::metadata(home.path()).unwrap()).unwrap_err();
            let want = format!("{} is a link, which root does not follow", home.path().join(link).display());
            assert!(why.to_string().starts_with(&want), "{why:#}");
        }
        assert_eq!((owner(&folder).0, owner(&file).0), (0, 0));
        assert!(!elsewhere.path().join("new").exists());
    }

    #[test]
    fn root_gives_no_file_that_has_another_name() {
        let Some(home) = home() else { return };
        let (logs, elsewhere) = (home.path().join("logs"), home.path().join("elsewhere"));
        fs::create_dir(&logs).unwrap();
        fs::write(&elsewhere, "").unwrap();
        fs::hard_link(&elsewhere, logs.join("file")).unwrap();
        let why = give(&logs, &fs::metadata(home.path()).unwrap()).unwrap_err().to_string();
        assert!(why.contains("\"file\" in it has another name"), "{why}");
        assert_eq!(owner(&elsewhere).0, 0);
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
