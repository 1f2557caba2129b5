//! The side of Lambda that a function sees: it hands out events, takes answers, and is told of errors.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use shared::clock::Timestamp;

/// How long an answer is waited for beyond the time that the function has.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a function said of an event, or of its start.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    Answer(Value),
    Error(Value),
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(u64, Vec<u8>, i64)>,
    count: u64,
    told: BTreeMap<u64, Told>,
    of_start: Option<Value>,
    is_over: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }
}

/// A function as a process, with its events.
pub struct Function {
    shared: Arc<Shared>,
    child: Child,
    folder: tempfile::TempDir,
}

impl Function {
    /// Starts a program as Lambda does, with these variables.
    pub fn start(program: &Path, variables: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared::default());
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let serving = Arc::clone(&serving);
                // What ends a connection is the end of one of the two.
                thread::spawn(move || _ = serve(&stream, &serving));
            }
        });
        let folder = tempfile::tempdir().unwrap();
        let output = File::create(folder.path().join("log")).unwrap();
        let child = Command::new(program)
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "model")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .envs(variables.iter().copied())
            .stderr(output.try_clone().unwrap())
            .stdout(output)
            .spawn()
            .unwrap();
        Self { shared, child, folder }
    }

    /// Has it answer an event, for which it has this time.
    pub fn invoke(&self, event: &[u8], within: Duration) -> Told {
        let deadline = Timestamp::now().0 + i64::try_from(within.as_millis()).unwrap();
        let mut id = 0;
        self.shared.change(|state| {
            state.count += 1;
            id = state.count;
            state.waiting.push_back((id, event.to_vec(), deadline));
        });
        self.wait(within, |state| state.told.remove(&id))
    }

    /// What it says where it cannot start.
    pub fn of_start(&self) -> Value {
        self.wait(Duration::ZERO, |state| state.of_start.take())
    }

    fn wait<T>(&self, within: Duration, mut what: impl FnMut(&mut State) -> Option<T>) -> T {
        let state = self.shared.lock();
        let mut found = None;
        let (state, waited) = self
            .shared
            .changed
            .wait_timeout_while(state, within + PATIENCE, |state| {
                found = what(state);
                found.is_none()
            })
            .unwrap();
        drop(state);
        found.unwrap_or_else(|| panic!("no answer ({waited:?}):\n{}", self.log()))
    }

    /// Waits for its end.
    pub fn exit(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// The lines for CloudWatch.
    pub fn metrics(&self) -> Vec<Value> {
        let log = self.log();
        log.lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|line| line.get("_aws").is_some())
            .collect()
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.shared.change(|state| state.is_over = true);
        // It may have ended by itself.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Answers requests of one connection until it ends.
fn serve(stream: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (path, body) = request(&mut reader)?;
        let path = path.strip_prefix("/2018-06-01/runtime/").unwrap_or(&path);
        let said = || serde_json::from_slice::<Value>(&body).unwrap_or(Value::Null);
        if path == "invocation/next" {
            let Some((id, event, deadline)) = next(shared) else { return Ok(()) };
            let head = format!(
                "Lambda-Runtime-Aws-Request-Id: request-{id}\r\nLambda-Runtime-Deadline-Ms: {deadline}\r\n\
                 Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:eu-central-1:111122223333:function:model\r\n"
            );
            respond(stream, "200 OK", &head, &event)?;
            continue;
        }
        if path == "init/error" {
            shared.change(|state| state.of_start = Some(said()));
        } else if let Some((id, what)) =
            path.strip_prefix("invocation/request-").and_then(|rest| rest.split_once('/'))
        {
            let id = id.parse().unwrap();
            let told = if what == "error" { Told::Error(said()) } else { Told::Answer(said()) };
            shared.change(|state| _ = state.told.insert(id, told));
        }
        respond(stream, "202 Accepted", "", b"")?;
    }
}

/// Waits for an event.
fn next(shared: &Shared) -> Option<(u64, Vec<u8>, i64)> {
    let mut found = None;
    let state = shared.lock();
    let waited = shared.changed.wait_while(state, |state| {
        found = state.waiting.pop_front();
        found.is_none() && !state.is_over
    });
    drop(waited.unwrap());
    found
}

fn respond(mut stream: &TcpStream, status: &str, head: &str, body: &[u8]) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 {status}\r\n{head}Content-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat())
}

/// A request's path and body.
fn request(reader: &mut BufReader<&TcpStream>) -> std::io::Result<(String, Vec<u8>)> {
    let mut line = || {
        let mut line = String::new();
        match reader.read_line(&mut line)? {
            0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ => Ok::<_, std::io::Error>(line.trim_end().to_owned()),
        }
    };
    let path = line()?.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut length = 0;
    loop {
        let header = line()?.to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        assert!(!header.starts_with("transfer-encoding"), "expected a body of known length: {header}");
        if let Some(text) = header.strip_prefix("content-length:") {
            length = text.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((path, body))
}

/// A file of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A documented event, and the result that is documented with it.
pub fn documented(name: &str) -> (Vec<u8>, Value) {
    let file = |end: &str| repository(&format!("deploy/lambda/events/{name}{end}"));
    let read = |path: PathBuf| fs::read(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    let result = serde_json::from_slice(&read(file(".result.json"))).unwrap();
    (read(file(".json")), result)
}

/// Holds what was told of a documented event to the result that is documented; with UPDATE=1, writes that anew.
pub fn is_documented(name: &str, told: &Told) {
    let told = match told {
        Told::Answer(answer) => answer,
        Told::Error(error) => error,
    };
    if std::env::var_os("UPDATE").is_some_and(|update| !update.is_empty()) {
        let text = serde_json::to_string_pretty(told).unwrap() + "\n";
        fs::write(repository(&format!("deploy/lambda/events/{name}.result.json")), text).unwrap();
        return;
    }
    let (_, wanted) = documented(name);
    assert_eq!(told, &wanted, "deploy/lambda/events/{name}.result.json; UPDATE=1 writes it anew");
}

/// The bytes of a documented event.
pub fn event(name: &str) -> Vec<u8> {
    fs::read(repository(&format!("deploy/lambda/events/{name}.json"))).unwrap()
}
