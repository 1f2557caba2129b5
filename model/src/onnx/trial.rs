//! An ONNX file is first tried in a process of its own.
//!
//! ONNX Runtime was not made for files that mean harm, or that were damaged in a way that still reads: of such files, some
//! overflow its stack, some never come to an end, and some want all the memory there is, and none of that can be stopped
//! from within. A process can: what it takes along is only itself.

use std::io::{self, Read as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::{OnnxError, Session};

/// The hidden command of the program `model` that is the process.
pub(crate) const COMMAND: &str = "try-onnx";
/// How long a trial may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How much memory it may hold, in MiB, and so many times the file besides.
const MEMORY: u64 = 1024;
/// See [`MEMORY`].
const MEMORY_PER_BYTE: u64 = 16;
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// The stack that the file is loaded and run on: half of what it gets when it serves.
const STACK: usize = 1024 * 1024;

/// Tries a file by `program`, which is the program `model`, under whatever name.
///
/// # Errors
/// What the trial said, or how it ended.
pub(crate) fn by(program: &Path, bytes: &[u8]) -> Result<(), OnnxError> {
    let cannot = |why: io::Error| {
        OnnxError::Untried(format!("it cannot be tried by {}: {why}; try again", program.display()))
    };
    let mut child = Command::new(program)
        .arg0("model")
        .arg(COMMAND)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // Debian's build of the library has a lot to say of itself.
        .stderr(Stdio::null())
        .spawn()
        .map_err(cannot)?;
    let (Some(mut input), Some(mut output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(cannot(io::Error::other("it has no pipes")));
    };
    thread::scope(|scope| {
        // Whoever ends early reads no more of it.
        scope.spawn(move || _ = input.write_all(bytes));
        let said = scope.spawn(move || {
            let mut said = String::new();
            _ = output.read_to_string(&mut said);
            said
        });
        let ended = watch(&mut child, MEMORY * 1024 * 1024 + MEMORY_PER_BYTE * bytes.len() as u64);
        if !matches!(ended, Ok(Ok(_))) {
            _ = child.kill();
            _ = child.wait();
        }
        let said = said.join().unwrap_or_default();
        let status = ended?.map_err(cannot)?;
        match (status.success(), status.signal(), said.trim()) {
            (true, ..) => Ok(()),
            (false, Some(signal), _) => {
                Err(OnnxError::Harmful(format!("ONNX Runtime dies from signal {signal} on it")))
            }
            (false, None, "") => {
                Err(OnnxError::Harmful("ONNX Runtime dies on it without a message".to_owned()))
            }
            (false, None, said) => Err(OnnxError::from_trial(said)),
        }
    })
}

/// Waits for the end of the trial, within its limits.
fn watch(child: &mut Child, memory: u64) -> Result<io::Result<std::process::ExitStatus>, OnnxError> {
    let start = Instant::now();
    loop {
        match child.try_wait() {
            Ok(None) => {}
            Ok(Some(status)) => return Ok(Ok(status)),
            Err(why) => return Ok(Err(why)),
        }
        if start.elapsed() > PATIENCE {
            let why = format!("ONNX Runtime is still at it after {} s", PATIENCE.as_secs());
            return Err(OnnxError::Harmful(why));
        }
        if resident(child.id()).is_some_and(|bytes| bytes > memory) {
            let why = format!("ONNX Runtime needs more than {} MiB of memory for it", memory / 1024 / 1024);
            return Err(OnnxError::Harmful(why));
        }
        thread::sleep(LOOK);
    }
}

/// How much memory a process holds, where the system says.
fn resident(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

/// The process: takes a file from standard input, loads it and has it predict. Says on standard output what is wrong.
#[must_use]
pub(crate) fn main() -> ExitCode {
    // Whoever watches may be killed meanwhile.
    thread::spawn(|| {
        thread::sleep(PATIENCE + Duration::from_secs(5));
        std::process::exit(1);
    });
    let mut bytes = Vec::new();
    let read = io::stdin().lock().read_to_end(&mut bytes);
    let loaded = read.map_err(|why| OnnxError::Unusable(why.to_string())).and_then(|_| {
        let load = move || Session::load(&bytes).map(drop);
        match thread::Builder::new().stack_size(STACK).spawn(load).map(thread::JoinHandle::join) {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(_)) => Err(OnnxError::Unusable("it makes this program panic".to_owned())),
            Err(why) => Err(OnnxError::Unusable(why.to_string())),
        }
    });
    match loaded {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            println!("{}", why.for_trial());
            ExitCode::FAILURE
        }
    }
}
