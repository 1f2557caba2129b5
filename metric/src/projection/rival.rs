//! Another program that writes into a file of ours, such as an old metric.py: each of its lines would make one more copy
//! of the whole file. Pure.

/// How many copies may be put aside within [`WINDOW_MS`] without waiting.
const COPIES: usize = 2;
const WINDOW_MS: i64 = 60 * 60 * 1000;
/// For how long the file must be left alone after that. Doubled each time, so that copies become rare.
const QUIET_MS: i64 = 60 * 1000;

/// What is known of the other program. `I` says how the file was seen.
#[derive(Debug)]
pub(super) struct Rival<I> {
    copies: Vec<i64>,
    quiet_ms: i64,
    /// How the file is since when, while nothing is written to it.
    waiting: Option<(I, i64)>,
}

impl<I> Default for Rival<I> {
    fn default() -> Self {
        Self { copies: Vec::new(), quiet_ms: QUIET_MS, waiting: None }
    }
}

impl<I: PartialEq> Rival<I> {
    /// Whether the file is to be left as it is: `seen` now, or gone.
    pub(super) fn goes_on(&mut self, seen: Option<I>, now_ms: i64) -> bool {
        let Some((last, since)) = &self.waiting else { return false };
        match seen {
            // Who deletes the file means to have a new one.
            None => self.waiting = None,
            Some(seen) if seen != *last => self.waiting = Some((seen, now_ms)),
            Some(_) => return now_ms - since < self.quiet_ms,
        }
        self.waiting.is_some()
    }

    /// A file with foreign lines was found, as it is `seen`. Returns none where it may be put aside, or else for how long
    /// it must be left alone before that, in milliseconds.
    pub(super) fn found(&mut self, seen: I, now_ms: i64) -> Option<i64> {
        self.copies.retain(|copy| now_ms - copy < WINDOW_MS);
        let waited = self.waiting.take().is_some();
        if !waited && self.copies.len() >= COPIES {
            self.waiting = Some((seen, now_ms));
            return Some(self.quiet_ms);
        }
        if waited {
            self.quiet_ms = self.quiet_ms.saturating_mul(2);
        }
        self.copies.push(now_ms);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1000;

    #[test]
    fn two_edits_are_put_aside_and_then_the_file_must_be_quiet() {
        let mut rival = Rival::default();
        assert_eq!(rival.found(1, 0), None);
        assert_eq!(rival.found(2, SECOND), None);
        assert_eq!(rival.found(3, 2 * SECOND), Some(60 * SECOND));
        // It is written to again and again.
        for second in 3..100 {
            assert!(rival.goes_on(Some(second), second * SECOND));
        }
        assert!(rival.goes_on(Some(99), 158 * SECOND));
        assert!(!rival.goes_on(Some(99), 159 * SECOND));
        assert_eq!(rival.found(99, 159 * SECOND), None);
        // The next time it must be quiet for twice as long.
        assert!(!rival.goes_on(Some(100), 160 * SECOND));
        assert_eq!(rival.found(100, 160 * SECOND), Some(120 * SECOND));
    }

    #[test]
    fn a_day_of_a_slow_writer_makes_few_copies() {
        let (mut rival, mut copies) = (Rival::default(), 0);
        // A line of another program every five minutes, looked at every ten seconds.
        let mut ours = 0;
        for now in (0..24 * 360).map(|look| look * 10 * SECOND) {
            let seen = now / (300 * SECOND);
            if seen != ours && !rival.goes_on(Some(seen), now) && rival.found(seen, now).is_none() {
                (copies, ours) = (copies + 1, seen);
            }
        }
        assert!((3..=8).contains(&copies), "{copies}");
    }

    #[test]
    fn edits_that_are_rare_and_files_that_are_taken_away_need_no_waiting() {
        let mut rival = Rival::default();
        for hour in 0..10 {
            assert_eq!(rival.found(hour, hour * WINDOW_MS), None);
        }
        let mut rival = Rival::default();
        for (seen, waits) in [(1, false), (2, false), (3, true)] {
            assert_eq!(rival.found(seen, seen).is_some(), waits);
        }
        assert!(!rival.goes_on(None, 4));
        assert!(!rival.goes_on(Some(3), 5));
    }
}
