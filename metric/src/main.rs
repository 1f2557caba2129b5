//! The program `metric`. Everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    metric::cli::main()
}
