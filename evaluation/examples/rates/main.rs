//! The rates at which this crate is wrong, cries and finds, beside those that were published when its rules were chosen.
//!
//! Each row says what was published, what comes out here and its standard error, and how many standard errors of both lie between
//! the two beyond rounding: more than 3 fail. Seeds are fixed, so the same comes out each time, on any number of cores.
//! How many runs the published numbers are of is said of some. For the others it is the fewest that their digits, or what is said
//! of all, allow.
//!
//! `cargo run --release -p evaluation --example rates -- [SHARE [PART]]`; SHARE is how many of the runs are made, 1 if
//! not said, and PART is windows, sequences, drifts, changes or pairs, all of them if not said.

#![expect(clippy::unwrap_used, reason = "a simulation that cannot go on fails by panicking")]

mod changes;
mod comparison;
mod drifts;
mod errors;
#[path = "../../src/noise.rs"]
mod noise;
mod pairs;
mod runs;
mod sequences;
mod windows;

use std::process::ExitCode;

use comparison::Comparisons;
use runs::Runs;

/// Makes the runs of a part and compares them.
type Compare = fn(&Runs, &mut Comparisons);

fn main() -> ExitCode {
    let asked = std::env::args().nth(1).unwrap_or_else(|| "1".into());
    let Some(share) = asked.parse().ok().filter(|share| (f64::MIN_POSITIVE..=100.0).contains(share)) else {
        eprintln!("the share of the runs is {asked}: expected a number above 0, such as 0.1");
        return ExitCode::from(2);
    };
    let runs = Runs::of(share);
    let mut all = Comparisons::default();
    let parts: [(&str, Compare); 5] = [
        ("windows", windows::compare),
        ("sequences", sequences::compare),
        ("drifts", drifts::compare),
        ("changes", changes::compare),
        ("pairs", pairs::compare),
    ];
    let wanted = std::env::args().nth(2);
    if let Some(part) = wanted.as_ref().filter(|wanted| parts.iter().all(|(name, _)| name != wanted)) {
        eprintln!("there is no part {part}: expected {}", parts.map(|(name, _)| name).join(", "));
        return ExitCode::from(2);
    }
    for (_, compare) in parts.iter().filter(|(name, _)| wanted.as_ref().is_none_or(|wanted| wanted == name)) {
        compare(&runs, &mut all);
    }
    if all.end() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
