//! The program `bootstrap`, which AWS Lambda starts. Everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    lambda::main()
}
