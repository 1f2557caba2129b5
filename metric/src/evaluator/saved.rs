//! The state of the evaluation in the records' folder, so that a start goes on from there. It can be deleted at any time: then all
//! that is recorded is evaluated anew, as far as `--retain` has kept it.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context as _;
use evaluation::fold::Evaluation;
use evaluation::saved;
use tracing::info;

use crate::committed::Interest;
use crate::follow::Next;
use crate::replace::{Durable, replace};
use crate::store::History;

/// The file's name in the folder.
pub(crate) const FILE: &str = "metric.evaluation";
/// That of the one which takes its place.
const NEXT: &str = "metric.evaluation.next";
/// No state is larger: each of its parts is bounded.
const LARGEST: u64 = 1 << 30;

/// The state that was saved last, where there is one that can be read and is of the records in this folder.
///
/// # Errors
/// A file or a database that cannot be read.
pub(crate) fn read(folder: &Path) -> anyhow::Result<Option<Evaluation>> {
    let path = folder.join(FILE);
    let shown = path.display();
    let bytes = match fs::metadata(&path) {
        Ok(file) if file.len() > LARGEST => {
            info!("{shown} is left out: it is too large for the state of an evaluation");
            return Ok(None);
        }
        Ok(_) => fs::read(&path).with_context(|| format!("cannot read {shown}"))?,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(why) => return Err(why).with_context(|| format!("cannot read {shown}")),
    };
    let evaluation = match saved::load(&bytes) {
        Ok(evaluation) => evaluation,
        Err(why) => {
            info!("{shown} is left out, and all that is recorded is evaluated anew: {why}");
            return Ok(None);
        }
    };
    if !is_of(&evaluation, &mut History::open(folder)?)? {
        info!("{shown} is left out, and all that is recorded is evaluated anew: it is of other records");
        return Ok(None);
    }
    Ok(Some(evaluation))
}

/// Whether the last commit that an evaluation knows is one of these records, or was and is forgotten.
fn is_of(evaluation: &Evaluation, history: &mut History) -> anyhow::Result<bool> {
    let commit = evaluation.commit();
    if commit == 0 {
        return Ok(true);
    }
    Ok(match history.read(commit, Interest::Rows)?.first() {
        None => false,
        Some(Next::Commit(first)) => {
            first.number == commit && evaluation.committed_at().is_none_or(|at| at == first.received.0)
        }
        Some(Next::Gap { last, .. }) => *last >= commit,
    })
}

/// Saves a state, whole or not at all.
///
/// # Errors
/// A file that cannot be written.
pub(crate) fn write(folder: &Path, evaluation: &Evaluation) -> anyhow::Result<()> {
    let written = saved::save(evaluation)
        .context("it cannot be said in bytes")
        .and_then(|bytes| Ok(replace(&folder.join(FILE), &folder.join(NEXT), &bytes, Durable::Yes)?));
    written.with_context(|| {
        format!("the state of the evaluation cannot be saved to {}", folder.join(FILE).display())
    })
}

#[cfg(test)]
mod tests {
    use evaluation::basis::Basis;
    use evaluation::fold::Settings;
    use evaluation::identity::Identity;
    use shared::clock::Timestamp;

    use super::*;
    use crate::account::Rejected;
    use crate::arrival::{Arrival, ArrivalKind};
    use crate::store::{CommitTime, Limits, Store};

    fn at_commit(number: i64, at: i64) -> Evaluation {
        let settings = Settings { window: 100, period: 1000, horizon: 1000, versions: 3 };
        let mut evaluation = Evaluation::new(settings, Vec::new());
        evaluation.know(0, Identity::serving(Some("m".into()), None), Basis::default());
        evaluation.committed(number, at);
        evaluation
    }

    #[test]
    fn what_is_saved_is_read_again_where_it_is_of_these_records() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let mut store = Store::open(folder).unwrap();
        assert!(read(folder).unwrap().is_none());
        // Before the first commit there is nothing that it could be of.
        let label = Arrival { id: None, kind: ArrivalKind::Label, value: 1.0, published_at: None };
        let now = CommitTime { wall: Timestamp(7_000), age: 0 };
        store.record(&[label], Rejected::default(), now, &Limits::default()).unwrap();
        let last = store.commits().last();
        for (number, at, is_of) in
            [(0, 1, true), (last, 7_000, true), (last, 7_001, false), (last + 1, 7_000, false)]
        {
            write(folder, &at_commit(number, at)).unwrap();
            let found = read(folder).unwrap();
            assert_eq!(found.map(|of| of.commit()), is_of.then_some(number), "commit {number} at {at}");
        }
    }

    #[test]
    fn what_is_damaged_is_left_out_and_what_cannot_be_written_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        Store::open(folder).unwrap();
        write(folder, &at_commit(0, 1)).unwrap();
        assert!(!folder.join(NEXT).exists());
        let mut bytes = fs::read(folder.join(FILE)).unwrap();
        let last = bytes.len() - 9;
        bytes[last] ^= 1;
        fs::write(folder.join(FILE), &bytes).unwrap();
        assert!(read(folder).unwrap().is_none());
        fs::remove_file(folder.join(FILE)).unwrap();
        fs::create_dir(folder.join(FILE)).unwrap();
        let why = format!("{:#}", write(folder, &at_commit(0, 1)).unwrap_err());
        assert!(why.contains("metric.evaluation: "), "{why}");
        assert!(!folder.join(NEXT).exists());
    }
}
