//! The folder that remembers versions: their files, each under its version, and the record beside them. Several processes may share
//! it: whoever writes holds its lock.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use shared::clock::Timestamp;
use shared::message::Name;

use super::Unkept;
use super::record::{MOST_BYTES, Record, Served};
use crate::content::Format;
use crate::replace::replace;

/// The record.
const RECORD: &str = "versions.json";
/// Whoever holds a lock on it may write.
const LOCK: &str = "versions.lock";
/// Whoever writes holds the lock for the time of two small files and a model's.
const LOCK_PATIENCE: Duration = Duration::from_secs(3);
const LOCK_STEP: Duration = Duration::from_millis(20);
/// The most bytes of all files that are kept. The two that served last are kept in any case.
const MOST_KEPT: u64 = 1 << 30;

/// A folder that remembers versions.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at this path. It is made when something is to be written.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The file of a version that served. It may be gone.
    #[must_use]
    pub fn file_of(&self, served: &Served) -> PathBuf {
        self.0.join(served.file_name())
    }

    /// What is remembered; nothing, where there is no record yet.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn read(&self) -> Result<Record, String> {
        let path = self.0.join(RECORD);
        let told = |why: io::Error| format!("cannot read {}: {why}", path.display());
        let mut bytes = Vec::new();
        match File::open(&path) {
            Ok(file) => file.take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(told)?,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Record::default()),
            Err(why) => return Err(told(why)),
        };
        let odd = |why: &str| format!("{} is no record of versions: {why}; move it away", path.display());
        if bytes.len() > MOST_BYTES {
            return Err(odd(&format!("it has more than {MOST_BYTES} bytes")));
        }
        Record::read(&bytes).map_err(|why| odd(&why))
    }

    /// Remembers what is in this record and what was remembered before, and a file. Returns both records together.
    ///
    /// # Errors
    /// What cannot be read or written.
    pub fn sync(&self, ours: &Record, unkept: Option<&Unkept>) -> Result<Record, String> {
        // Whoever reads finds the old record or the new one, so only who has something to say takes the lock.
        let seen = self.read()?;
        if unkept.is_none() && seen.merged(ours) == seen {
            return Ok(seen);
        }
        self.change(unkept, |seen| seen.merged(ours))
    }

    /// A person accepts a version.
    ///
    /// # Errors
    /// What cannot be read or written.
    pub fn accept(&self, version: &Name, now: Timestamp) -> Result<Record, String> {
        self.change(None, |seen| {
            let mut record = seen.clone();
            record.accept(version, now);
            record
        })
    }

    fn change(
        &self,
        unkept: Option<&Unkept>,
        next: impl FnOnce(&Record) -> Record,
    ) -> Result<Record, String> {
        let told = |why: io::Error| format!("cannot write to {}: {why}", self.0.display());
        fs::create_dir_all(&self.0).map_err(told)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(self.0.join(LOCK));
        let lock = lock.map_err(told)?;
        self.hold(&lock)?;
        let seen = self.read()?;
        let next = next(&seen);
        if let Some(Unkept { file, bytes }) = unkept {
            let path = self.0.join(file);
            if fs::read(&path).ok().as_ref() != Some(bytes) {
                replace(&path, bytes).map_err(told)?;
            }
        }
        replace(&self.0.join(RECORD), &next.to_json()).map_err(told)?;
        // Where there was none, somebody may have moved it away to mend it: the files are those that it names.
        if seen != Record::default() {
            self.prune(&next);
        }
        Ok(next)
    }

    /// Waits for the lock, but not for ever: whoever waits here hears of no other file meanwhile.
    fn hold(&self, lock: &File) -> Result<(), String> {
        let path = self.0.join(LOCK);
        let end = Instant::now() + LOCK_PATIENCE;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) if Instant::now() < end => std::thread::sleep(LOCK_STEP),
                Err(TryLockError::WouldBlock) => {
                    return Err(format!("another process holds {} for {LOCK_PATIENCE:?}", path.display()));
                }
                Err(TryLockError::Error(why)) => {
                    return Err(format!("cannot lock {}: {why}", path.display()));
                }
            }
        }
    }

    /// Deletes files that are no longer kept, and what whoever died of writing has left. What is not ours is somebody's.
    fn prune(&self, record: &Record) {
        let mut bytes = 0;
        let kept: Vec<String> = (0..)
            .zip(record.served())
            .filter(|(place, served)| {
                bytes += fs::metadata(self.file_of(served)).map_or(0, |there| there.len());
                *place < 2 || bytes <= MOST_KEPT
            })
            .map(|(_, served)| served.file_name())
            .collect();
        let Ok(entries) = fs::read_dir(&self.0) else { return };
        for name in entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
            if is_ours(&name) && !kept.contains(&name) {
                // Where it stays, it is tried again when the next one comes.
                _ = fs::remove_file(self.0.join(name));
            }
        }
    }
}

/// Whether a file of this name is that of a version, or the beginning of one of ours. Versions have 12 hex digits.
fn is_ours(name: &str) -> bool {
    let Some((start, rest)) = name.split_once('.') else { return false };
    let is_version = start.len() == 12 && start.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_begun = rest.ends_with(".tmp") && (is_version || name.starts_with(RECORD));
    is_begun || (is_version && Format::of_extension(rest).is_some())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn version(number: u32) -> Name {
        Name::parse(&format!("{number:012x}")).unwrap()
    }

    fn files(folder: &Folder) -> Vec<String> {
        let entries = fs::read_dir(folder.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_files_of_the_last_five_are_kept_and_nobody_else_s_are_deleted() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::at(&place.path().join("of/versions"));
        assert_eq!(folder.read().unwrap(), Record::default());
        assert!(!folder.path().exists(), "whoever looks makes nothing");
        let mut record = Record::default();
        for number in 0..7 {
            let unkept = Unkept { file: format!("{}.json", version(number)), bytes: b"model".to_vec() };
            record.serves(&version(number), Format::Json, Timestamp(number.into()));
            record = folder.sync(&record, Some(&unkept)).unwrap();
            for (name, text) in [("notes.json", "mine"), (&*format!("{}.json.x.tmp", version(9)), "half")] {
                fs::write(folder.path().join(name), text).unwrap();
            }
        }
        let mut wanted: Vec<String> = (2..7).map(|number| format!("{}.json", version(number))).collect();
        wanted.extend(["notes.json", "versions.json", "versions.lock"].map(str::to_owned));
        // The last half was left after the last one was kept.
        wanted.insert(5, format!("{}.json.x.tmp", version(9)));
        wanted.sort();
        assert_eq!(files(&folder), wanted);
        assert_eq!(folder.read().unwrap(), record);
        assert_eq!(folder.sync(&record, None).unwrap(), record);
        record.accept(&version(6), Timestamp(1));
        folder.sync(&record, None).unwrap();
        wanted.retain(|name| !name.ends_with(".tmp"));
        assert_eq!(files(&folder), wanted);
    }

    #[test]
    fn a_damaged_file_is_written_anew_and_a_record_that_was_moved_away_costs_no_file() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::at(place.path());
        let mut record = Record::default();
        let keep = |record: &mut Record, number: u32| {
            let unkept = Unkept { file: format!("{}.json", version(number)), bytes: b"model".to_vec() };
            record.serves(&version(number), Format::Json, Timestamp(number.into()));
            *record = folder.sync(record, Some(&unkept)).unwrap();
        };
        keep(&mut record, 1);
        keep(&mut record, 2);
        let path = place.path().join(format!("{}.json", version(2)));
        fs::write(&path, b"m0del").unwrap();
        keep(&mut record, 2);
        assert_eq!(fs::read(&path).unwrap(), b"model");
        fs::rename(place.path().join(RECORD), place.path().join("aside")).unwrap();
        keep(&mut Record::default(), 3);
        assert_eq!(files(&folder).iter().filter(|name| name.len() == "123456789abc.json".len()).count(), 3);
    }

    #[test]
    fn whoever_holds_the_lock_for_ever_is_named() {
        let place = tempfile::tempdir().unwrap();
        let lock = File::create(place.path().join(LOCK)).unwrap();
        lock.lock().unwrap();
        let why = Folder::at(place.path()).accept(&version(1), Timestamp(1)).unwrap_err();
        assert!(why.starts_with("another process holds ") && why.ends_with("versions.lock for 3s"), "{why}");
        lock.unlock().unwrap();
        Folder::at(place.path()).accept(&version(1), Timestamp(1)).unwrap();
    }

    #[test]
    fn many_that_write_at_once_lose_nothing() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::at(place.path());
        std::thread::scope(|scope| {
            for number in 0..16 {
                let folder = &folder;
                scope.spawn(move || folder.accept(&version(number), Timestamp(1)).unwrap());
            }
        });
        let record = folder.read().unwrap();
        assert!((0..16).all(|number| record.is_accepted(&version(number))));
    }

    #[test]
    fn a_folder_that_cannot_be_written_or_read_is_told() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("file"), "").unwrap();
        let folder = Folder::at(&place.path().join("file"));
        let why = folder.accept(&version(1), Timestamp(1)).unwrap_err();
        assert!(why.starts_with("cannot ") && why.contains("/file"), "{why}");
        let folder = Folder::at(place.path());
        fs::write(place.path().join(RECORD), "{").unwrap();
        for why in [folder.read().unwrap_err(), folder.sync(&Record::default(), None).unwrap_err()] {
            assert!(why.contains("versions.json is no record of versions: EOF"), "{why}");
            assert!(why.ends_with("; move it away"), "{why}");
        }
        // Root may write all the same.
        fs::remove_file(place.path().join(RECORD)).unwrap();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o555)).unwrap();
        if File::create(place.path().join("probe")).is_err() {
            assert!(folder.accept(&version(1), Timestamp(1)).unwrap_err().contains("ermission denied"));
        }
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    }
}
