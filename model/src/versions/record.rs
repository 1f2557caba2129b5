//! What is remembered of versions. Pure: times are parameters.
//!
//! Several processes may remember in one folder. So what each of them says has a time, and of two that differ the later one holds.

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;
use shared::message::Name;
use shared::printable::within;

use crate::content::Format;

/// The form that this program writes and reads: the member `versions`.
const FORM: u64 = 1;
/// The most bytes of a record.
pub(super) const MOST_BYTES: usize = 64 << 10;
/// How many files are kept.
const KEPT: usize = 5;
/// How many versions are known that were taken back or accepted. The oldest are forgotten first.
const MOST_VERDICTS: usize = 100;
/// How long a version is watched beside the one before it, at the most: seven days, in milliseconds.
pub const WATCHED_FOR: i64 = 7 * 24 * 3600 * 1000;

/// What is remembered.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record {
    /// The versions that served last, the latest at the end.
    served: Vec<Served>,
    /// What was said of versions, the latest at the end.
    verdicts: Vec<Verdict>,
    watched: Option<Watched>,
}

/// A version that served.
#[derive(Debug, Clone, PartialEq)]
pub struct Served {
    /// The version.
    pub version: Name,
    /// The format of its file.
    pub format: Format,
    /// When it began to serve last.
    pub at: Timestamp,
}

/// What was said of a version.
#[derive(Debug, Clone, PartialEq)]
struct Verdict {
    version: Name,
    accepted: bool,
    at: Timestamp,
}

/// A version that is watched beside the one before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Watched {
    /// The version that serves.
    pub version: Name,
    /// The one before it, which goes on predicting in the shadow.
    pub before: Name,
    /// Since when.
    pub since: Timestamp,
    /// Whether that is over.
    pub ended: bool,
}

impl Record {
    /// A version begins to serve.
    pub fn serves(&mut self, version: &Name, format: Format, at: Timestamp) {
        let at = self.served.last().map_or(at, |last| at.max(last.at));
        self.served.retain(|served| served.version != *version);
        self.served.push(Served { version: version.clone(), format, at });
        self.bound();
    }

    /// A version that is known serves again.
    pub fn serves_again(&mut self, version: &Name, at: Timestamp) {
        let known = self.served.iter().find(|served| served.version == *version);
        if let Some(format) = known.map(|served| served.format) {
            self.serves(version, format, at);
        }
    }

    /// The versions that served, the latest first.
    pub fn served(&self) -> impl Iterator<Item = &Served> {
        self.served.iter().rev()
    }

    /// A version is not to be taken up again by itself.
    pub fn take_back(&mut self, version: &Name, at: Timestamp) {
        self.say(version, false, at);
    }

    /// A person accepts a version, whatever was or will be decided of it.
    pub fn accept(&mut self, version: &Name, at: Timestamp) {
        self.say(version, true, at);
    }

    /// Whether it is not to be taken up by itself.
    #[must_use]
    pub fn is_taken_back(&self, version: &Name) -> bool {
        self.verdict(version).is_some_and(|verdict| !verdict.accepted)
    }

    /// Whether a person has accepted it.
    #[must_use]
    pub fn is_accepted(&self, version: &Name) -> bool {
        self.verdict(version).is_some_and(|verdict| verdict.accepted)
    }

    /// A version is watched beside the one before it from now on.
    pub fn watch(&mut self, version: &Name, before: &Name, since: Timestamp) {
        let (version, before) = (version.clone(), before.clone());
        self.watched = Some(Watched { version, before, since, ended: false });
    }

    /// A version is not watched beside this other one any more. Where others are watched by now, that goes on.
    pub fn end_watch(&mut self, version: &Name, before: &Name) {
        let these = |watched: &&mut Watched| (&watched.version, &watched.before) == (version, before);
        if let Some(watched) = self.watched.as_mut().filter(these) {
            watched.ended = true;
        }
    }

    /// What is watched while this version serves, if anything is.
    #[must_use]
    pub fn watched(&self, serving: &Name, now: Timestamp) -> Option<&Watched> {
        let over = |since: Timestamp| now.0.saturating_sub(since.0) >= WATCHED_FOR;
        self.watched
            .as_ref()
            .filter(|watched| !watched.ended && watched.version == *serving && !over(watched.since))
    }

    fn say(&mut self, version: &Name, accepted: bool, at: Timestamp) {
        // What is said later holds, also where a clock was set back meanwhile.
        let at = self.verdict(version).map_or(at, |before| at.max(Timestamp(before.at.0.saturating_add(1))));
        self.verdicts.push(Verdict { version: version.clone(), accepted, at });
        self.bound();
    }

    fn verdict(&self, version: &Name) -> Option<&Verdict> {
        self.verdicts.iter().rev().find(|verdict| verdict.version == *version)
    }

    /// What both remember together.
    #[must_use]
    pub fn merged(&self, other: &Self) -> Self {
        let both = |ours: &[Served], theirs: &[Served]| [ours, theirs].concat();
        let watched = match (&self.watched, &other.watched) {
            (Some(one), Some(two)) if (&one.version, &one.before) == (&two.version, &two.before) => {
                // Where one of them began anew, what had ended before does not end that.
                let later = if one.since >= two.since { one } else { two };
                let ended = if one.since == two.since { one.ended || two.ended } else { later.ended };
                Some(Watched { ended, ..later.clone() })
            }
            (Some(one), Some(two)) => Some(if one.since >= two.since { one } else { two }.clone()),
            (one, two) => one.as_ref().or(two.as_ref()).cloned(),
        };
        let mut all = Self {
            served: both(&self.served, &other.served),
            verdicts: [&*self.verdicts, &*other.verdicts].concat(),
            watched,
        };
        all.bound();
        all
    }

    /// Keeps the latest of each version, and of these the latest.
    fn bound(&mut self) {
        self.served.sort_by(|one, two| (one.at, &one.version).cmp(&(two.at, &two.version)));
        let mut latest = Vec::with_capacity(KEPT);
        for served in self.served.drain(..).rev() {
            if latest.len() < KEPT && latest.iter().all(|kept: &Served| kept.version != served.version) {
                latest.push(served);
            }
        }
        latest.reverse();
        self.served = latest;
        self.verdicts.sort_by(|one, two| {
            (one.at, &one.version, one.accepted).cmp(&(two.at, &two.version, two.accepted))
        });
        let mut latest: Vec<Verdict> = Vec::new();
        for verdict in self.verdicts.drain(..).rev() {
            if latest.len() < MOST_VERDICTS && latest.iter().all(|kept| kept.version != verdict.version) {
                latest.push(verdict);
            }
        }
        latest.reverse();
        self.verdicts = latest;
    }
}

/// The record as it is written.
#[derive(Serialize, Deserialize)]
struct Written {
    versions: u64,
    served: Vec<WrittenServed>,
    verdicts: Vec<WrittenVerdict>,
    watched: Option<WrittenWatched>,
}

#[derive(Serialize, Deserialize)]
struct WrittenServed {
    file: String,
    at: String,
}

#[derive(Serialize, Deserialize)]
struct WrittenVerdict {
    version: String,
    verdict: Said,
    at: String,
}

#[derive(Serialize, Deserialize, PartialEq, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Said {
    TakenBack,
    Accepted,
}

#[derive(Serialize, Deserialize)]
struct WrittenWatched {
    version: String,
    before: String,
    since: String,
    ended: bool,
}

impl Record {
    /// As it is kept in a file.
    pub(super) fn to_json(&self) -> Vec<u8> {
        let said = |accepted| if accepted { Said::Accepted } else { Said::TakenBack };
        let written = Written {
            versions: FORM,
            served: self
                .served
                .iter()
                .map(|served| WrittenServed { file: served.file_name(), at: served.at.to_string() })
                .collect(),
            verdicts: self
                .verdicts
                .iter()
                .map(|verdict| WrittenVerdict {
                    version: verdict.version.to_string(),
                    verdict: said(verdict.accepted),
                    at: verdict.at.to_string(),
                })
                .collect(),
            watched: self.watched.as_ref().map(|watched| WrittenWatched {
                version: watched.version.to_string(),
                before: watched.before.to_string(),
                since: watched.since.to_string(),
                ended: watched.ended,
            }),
        };
        // Texts and numbers: none of it can fail.
        let mut json = serde_json::to_vec_pretty(&written).unwrap_or_default();
        json.push(b'\n');
        json
    }

    /// Reads what was kept in a file.
    ///
    /// # Errors
    /// Why it is no record.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let written: Written = serde_json::from_slice(bytes).map_err(|why| within(&why.to_string(), 200))?;
        if written.versions != FORM {
            return Err(format!("it has form {}; this program reads form {FORM}", written.versions));
        }
        let time = |text: &str| Timestamp::parse(text).ok_or_else(|| "it has a time that is none".to_owned());
        let name =
            |text: &str| Name::parse(text).map_err(|why| format!("it has a version that is none: {why}"));
        let mut record = Self {
            served: written
                .served
                .iter()
                .map(|served| Served::of(&served.file, time(&served.at)?))
                .collect::<Result<_, String>>()?,
            verdicts: written
                .verdicts
                .iter()
                .map(|said| {
                    let accepted = said.verdict == Said::Accepted;
                    Ok(Verdict { version: name(&said.version)?, accepted, at: time(&said.at)? })
                })
                .collect::<Result<_, String>>()?,
            watched: written
                .watched
                .map(|watched| {
                    let (version, before) = (name(&watched.version)?, name(&watched.before)?);
                    Ok::<_, String>(Watched {
                        version,
                        before,
                        since: time(&watched.since)?,
                        ended: watched.ended,
                    })
                })
                .transpose()?,
        };
        record.bound();
        Ok(record)
    }
}

impl Served {
    /// The name of its file in the folder.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!("{}.{}", self.version, self.format.extension())
    }

    fn of(file: &str, at: Timestamp) -> Result<Self, String> {
        let none = || "it names a file that is no model's".to_owned();
        let (version, extension) = file.rsplit_once('.').ok_or_else(none)?;
        let version = Name::parse(version).map_err(|_| none())?;
        let format = Format::of_extension(extension).ok_or_else(none)?;
        Ok(Self { version, format, at })
    }
}

#[cfg(test)]
mod tests;
