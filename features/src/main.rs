//! The program `features`. Everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    features::cli::main()
}
