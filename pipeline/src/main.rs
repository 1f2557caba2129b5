//! The program `pipeline`. Everything is in the library.
//!
//! Started under the name of a service, it is that service: so the container image holds one program with four
//! names.

use std::env;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let name = env::args_os().next().unwrap_or_default();
    match Path::new(&name).file_name().and_then(|name| name.to_str()) {
        Some("features") => features::cli::main(),
        Some("model") => model::cli::main(),
        Some("metric") => metric::cli::main(),
        _ => pipeline::cli::main(),
    }
}
