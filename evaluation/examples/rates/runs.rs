//! Many runs of the same, each with its own dice, on all cores.

use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use rand::SeedableRng as _;
use rand::rngs::StdRng;

/// How many runs are made of those that are wanted.
pub(crate) struct Runs {
    share: f64,
}

impl Runs {
    pub(crate) fn of(share: f64) -> Self {
        Self { share }
    }

    /// What comes out of so many runs, in their order. The seed is that of all of them.
    pub(crate) fn make<T: Send>(
        &self,
        seed: u64,
        wanted: u32,
        run: impl Fn(&mut StdRng) -> T + Sync,
    ) -> Vec<T> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a cast of a float saturates"
        )]
        let wanted = (f64::from(wanted) * self.share).ceil().max(1.0) as u64;
        let (next, results) = (AtomicU64::new(0), Mutex::new(Vec::new()));
        thread::scope(|scope| {
            for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= wanted {
                            return;
                        }
                        let result = run(&mut StdRng::seed_from_u64(seed << 32 | number));
                        results.lock().unwrap().push((number, result));
                    }
                });
            }
        });
        let mut results = results.into_inner().unwrap();
        results.sort_unstable_by_key(|(number, _)| *number);
        results.into_iter().map(|(_, result)| result).collect()
    }
}
