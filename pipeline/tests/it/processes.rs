//! The real programs as processes.

use std::fs::{self, File};
use std::io::PipeWriter;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use tokio::process::{Child, Command as AsyncCommand};

use crate::account::{Books, TEXTS, wait_for};

/// A running program. It is killed when the test ends.
pub struct Process {
    name: String,
    child: Mutex<Child>,
    log: PathBuf,
}

/// The folder of the programs, built from the sources as they are now.
pub fn programs() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let pipeline = Path::new(env!("CARGO_BIN_EXE_pipeline"));
        let mut build = Command::new(env!("CARGO"));
        // With a test beside them, they have their libraries with the features that the tests have them with: nothing is built
        // twice.
        build.args(["build", "--quiet", "--workspace", "--bins", "--test", "it"]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success(), "the programs do not build");
        pipeline.parent().unwrap().to_owned()
    })
}

/// What the environment asks of a test instead of what it does otherwise: more of it, usually.
pub fn asked(name: &str) -> Option<usize> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text}: expected a number")))
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Whether processes can be traced here. Where they cannot, the test has nothing to do; it is an error for root,
/// who can install strace, and for whoever asked for the long form.
pub fn can_trace(long: bool) -> bool {
    let tried = Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    let can = tried.is_ok_and(|output| output.status.success());
    assert!(can || !(long || is_root()), "strace is missing or may not trace: apt-get install strace");
    if !can {
        println!("left out: strace is missing or may not trace");
    }
    can
}

/// A file of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// What is answered to a request, head and body.
async fn fetch(address: &str, path: &str) -> std::io::Result<String> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

impl Process {
    /// Starts `features`, `model`, `metric` or `pipeline`. Its log goes into the books' folder.
    pub fn start(books: &Books, name: &str, arguments: &[&str]) -> Self {
        let mut command = AsyncCommand::new(programs().join(name));
        command.args(arguments).current_dir(repository("."));
        Self::spawn(books, name, command)
    }

    /// The same, fed by what is written to a pipe.
    pub fn fed(books: &Books, name: &str, arguments: &[&str]) -> (Self, PipeWriter) {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut command = AsyncCommand::new(programs().join(name));
        command.args(arguments).current_dir(repository("."));
        (Self::spawn_reading(books, name, command, reader.into()), writer)
    }

    /// The same under strace, which writes to the books' `strace`. The process is the program, not strace.
    pub fn traced(books: &Books, name: &str, trace: &[&str], arguments: &[&str]) -> Self {
        let mut command = AsyncCommand::new("strace");
        command.args(["-D", "-f", "-y", "-s", "0", "-o"]).arg(books.path("strace")).args(trace);
        command.arg(programs().join(name)).args(arguments).current_dir(repository("."));
        Self::spawn(books, name, command)
    }

    pub fn spawn(books: &Books, name: &str, command: AsyncCommand) -> Self {
        Self::spawn_reading(books, name, command, Stdio::null())
    }

    /// The same, with something to read.
    pub fn spawn_reading(books: &Books, name: &str, mut command: AsyncCommand, input: Stdio) -> Self {
        static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let log = books.path(&format!("{number}-{name}.log"));
        let output = File::create(&log).unwrap();
        // What the environment of the test says is not meant for the programs.
        command.env_clear().envs(
            std::env::vars()
                .filter(|(name, _)| ["PATH", "HOME", "ORT_DYLIB_PATH", "SCHEMAS"].contains(&name.as_str())),
        );
        command.stdin(input);
        command.stderr(output.try_clone().unwrap()).stdout(output).kill_on_drop(true);
        let child = command.spawn().unwrap_or_else(|why| panic!("cannot start {name}: {why}"));
        Self { name: name.to_owned(), child: Mutex::new(child), log }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Waits for a text in its log.
    pub async fn says(&self, text: &str) {
        let Self { name, .. } = self;
        wait_for(&format!("{name} to say {text:?}"), || self.log().contains(text), || self.log()).await;
    }

    /// How much memory it holds, in KiB.
    pub fn resident(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// How much memory it held at the most, in KiB.
    pub fn peak(&self) -> u64 {
        self.memory("VmHWM:")
    }

    /// How much processor time it has taken, in seconds.
    pub fn cpu(&self) -> f64 {
        let id = self.id();
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        // User and system, in hundredths.
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
    }

    /// How many files and sockets it has open.
    pub fn descriptors(&self) -> usize {
        self.open_files().count()
    }

    /// How many sockets it has open.
    pub fn sockets(&self) -> usize {
        let is_socket = |target: &PathBuf| target.to_string_lossy().starts_with("socket:");
        self.open_files().filter(is_socket).count()
    }

    fn open_files(&self) -> impl Iterator<Item = PathBuf> {
        let id = self.id();
        // What was closed in between counts no more.
        fs::read_dir(format!("/proc/{id}/fd"))
            .unwrap()
            .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
    }

    fn memory(&self, which: &str) -> u64 {
        let id = self.id();
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(which)).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub fn id(&self) -> u32 {
        let id = self.child.lock().unwrap().id();
        id.unwrap_or_else(|| panic!("{} has ended:\n{}", self.name, self.log()))
    }

    /// Sends a signal by its name.
    pub fn signal(&self, signal: &str) {
        let id = self.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
    }

    /// Waits for its end and returns its exit code.
    pub async fn exit(&mut self, within: Duration) -> Option<i32> {
        match tokio::time::timeout(within, self.child.get_mut().unwrap().wait()).await {
            Ok(status) => status.unwrap().code(),
            Err(_) => panic!("{} did not end within {within:?}:\n{}", self.name, self.log()),
        }
    }

    /// Its exit code, where it has ended; none inside where a signal has ended it.
    pub fn has_ended(&mut self) -> Option<Option<i32>> {
        self.child.get_mut().unwrap().try_wait().unwrap().map(|status| status.code())
    }

    /// Waits for it to fail, holds it to exit code 1, and returns what it says last.
    pub async fn fails(&mut self) -> String {
        let code = self.exit(Duration::from_secs(30)).await;
        let log = self.log();
        assert_eq!(code, Some(1), "{}:\n{log}", self.name);
        let last: serde_json::Value = serde_json::from_str(log.lines().last().unwrap_or_default()).unwrap();
        let message = last["message"].as_str().unwrap_or_default();
        assert!(message.starts_with(&format!("{} failed: ", self.name)), "{log}");
        message.to_owned()
    }

    /// Asks it to stop, and holds it to exit code 0 within 8 s.
    pub async fn stop(&mut self) {
        let start = Instant::now();
        self.signal("TERM");
        let code = self.exit(Duration::from_secs(8)).await;
        assert_eq!(code, Some(0), "{} after {:?}:\n{}", self.name, start.elapsed(), self.log());
    }

    /// Kills it with SIGKILL and waits for its end.
    pub async fn kill(&mut self) {
        self.child.get_mut().unwrap().kill().await.unwrap();
    }

    /// The address of its admin endpoint.
    pub async fn admin(&self) -> String {
        self.says("on http://").await;
        let log = self.log();
        let rest = log.split("on http://").nth(1).unwrap();
        rest.chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)).collect()
    }

    /// The status and body of its admin endpoint.
    pub async fn get(&self, path: &str) -> (u16, String) {
        let address = self.admin().await;
        let answer = match fetch(&address, path).await {
            Ok(answer) => answer,
            Err(why) => panic!(
                "{} does not answer GET {path} at {address}: {why}; {}. Its log:\n{}",
                self.name,
                self.whereabouts().await,
                self.log()
            ),
        };
        let parsed = answer.split_once("\r\n\r\n").and_then(|(head, body)| {
            let status = head.split(' ').nth(1)?.parse().ok()?;
            Some((status, body.to_owned()))
        });
        parsed.unwrap_or_else(|| panic!("{} answers GET {path} with {answer:?}", self.name))
    }

    /// What its page answers as JSON, with the status.
    pub async fn page(&self, path: &str) -> (u16, serde_json::Value) {
        let (status, body) = self.page_text(path).await;
        (status, serde_json::from_str(&body).unwrap_or_else(|why| panic!("{why}: {body}")))
    }

    /// Where its page is.
    pub async fn page_address(&self) -> String {
        self.says("for programs http://").await;
        let log = self.log();
        let rest = log.rsplit("for programs http://").next().unwrap();
        rest.chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)).collect()
    }

    /// The same as text.
    pub async fn page_text(&self, path: &str) -> (u16, String) {
        let (address, log) = (self.page_address().await, self.log());
        let answer =
            fetch(&address, path).await.unwrap_or_else(|why| panic!("{path} of {address}: {why}\n{log}"));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    /// Waits until its page has evaluated all that is committed, and returns the report.
    pub async fn evaluated(&self, is_wanted: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        let start = Instant::now();
        loop {
            let (_, report) = self.page("/api/v1/report").await;
            if is_wanted(&report) {
                return report;
            }
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "the report stays {report:#}:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Whether it runs or how it ended, for people. Its port closes a little before it ends.
    async fn whereabouts(&self) -> String {
        for _ in 0..100 {
            if let Some(status) = self.child.lock().unwrap().try_wait().unwrap() {
                return format!("the process has ended, {status}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        "the process still runs".to_owned()
    }

    /// The sum of a counter of its metrics over all labels that contain `label`.
    pub async fn counter(&self, name: &str, label: &str) -> f64 {
        let (_, text) = self.get("/metrics").await;
        let lines = text.lines().filter(|line| line.starts_with(name) && line.contains(label));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum::<f64>() + 0.0
    }

    /// Waits until the sum of a counter or gauge over all its labels is one that is wanted.
    pub async fn counts(&self, name: &str, is_wanted: impl Fn(f64) -> bool) {
        let start = Instant::now();
        loop {
            let now = self.counter(name, "").await;
            if is_wanted(now) {
                return;
            }
            assert!(start.elapsed() < Duration::from_secs(90), "{name} stays {now}:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until it is ready.
    pub async fn ready(&self) {
        self.answers_ready_with(200).await;
    }

    /// Waits until it has noticed that it is not ready.
    pub async fn not_ready(&self) {
        self.answers_ready_with(503).await;
    }

    async fn answers_ready_with(&self, wanted: u16) {
        let start = Instant::now();
        loop {
            let (status, body) = self.get("/ready").await;
            if status == wanted {
                return;
            }
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "{} still answers {status}: {body}\n{}",
                self.name,
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The three services on a broker.
pub struct Services {
    pub url: String,
    pub books: Books,
}

impl Services {
    pub fn new(url: &str) -> Self {
        Self { url: url.to_owned(), books: Books::new() }
    }

    pub fn features(&self, arguments: &[&str]) -> Process {
        let ledger = self.books.ledger();
        let ours = ["--amqp-url", &self.url, "--ledger", ledger.to_str().unwrap()];
        Process::start(&self.books, "features", &[&ours, arguments].concat())
    }

    /// `features`, fed by what is written to a pipe.
    pub fn fed(&self, arguments: &[&str]) -> (Process, PipeWriter) {
        let ledger = self.books.ledger();
        let ours = ["--amqp-url", &self.url, "--ledger", ledger.to_str().unwrap(), "--data", "-"];
        Process::fed(&self.books, "features", &[&ours, arguments].concat())
    }

    pub fn model(&self, arguments: &[&str]) -> Process {
        Process::start(&self.books, "model", &[&["--amqp-url", &self.url], arguments].concat())
    }

    pub fn metric(&self, arguments: &[&str]) -> Process {
        let logs = self.books.logs();
        let ours = ["--amqp-url", &self.url, "--logs", logs.to_str().unwrap()];
        Process::start(&self.books, "metric", &[&ours, arguments].concat())
    }

    /// `metric` under strace.
    pub fn metric_traced(&self, trace: &[&str]) -> Process {
        self.metric_traced_with(trace, &[])
    }

    /// The same with these arguments.
    pub fn metric_traced_with(&self, trace: &[&str], arguments: &[&str]) -> Process {
        let logs = self.books.logs();
        let ours = ["--amqp-url", &self.url, "--logs", logs.to_str().unwrap()];
        Process::traced(&self.books, "metric", trace, &[&ours, arguments].concat())
    }

    /// What `metric status --json` says of the records.
    pub fn status(&self) -> serde_json::Value {
        let said = self.metric_command(&["status", "--json"]);
        serde_json::from_str(&said).unwrap_or_else(|why| panic!("{why}: {said}"))
    }

    /// What `metric models --json` says of the records.
    pub fn models(&self) -> serde_json::Value {
        let said = self.metric_command(&["models", "--json"]);
        serde_json::from_str(&said).unwrap_or_else(|why| panic!("{why}: {said}"))
    }

    /// What `metric report` says of the records, with these flags.
    pub fn report(&self, flags: &[&str]) -> String {
        self.metric_command(&[&["report"], flags].concat())
    }

    /// The text of a hint of `metric status`, where it gives it.
    pub fn hint(&self, name: &str) -> Option<String> {
        let status = self.status();
        let hint = status["hints"].as_array()?.iter().find(|hint| hint["name"] == name)?;
        Some(hint["text"].as_str().unwrap_or_default().to_owned())
    }

    /// `metric rebuild` of files that are gone. It must write what was in them.
    pub fn rebuild_writes_the_same(&self) {
        let before = self.books.texts();
        for name in TEXTS {
            fs::remove_file(self.books.logs().join(name)).unwrap();
        }
        self.metric_command(&["rebuild"]);
        for ((name, before), after) in TEXTS.into_iter().zip(before).zip(self.books.texts()) {
            let first = before.iter().zip(&after).take_while(|(a, b)| a == b).count();
            let (had, has) = (before.len(), after.len());
            assert!(before == after, "{name}: {had} bytes were {has} rebuilt, other ones from {first} on");
        }
    }

    /// Runs a command of `metric` on the records and returns its output.
    pub fn metric_command(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(programs().join("metric"));
        command.args(arguments).arg("--logs").arg(self.books.logs()).env_clear();
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "metric {arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_a_process_that_has_ended_is_told_how_and_shown_its_log() {
    let books = Books::new();
    let logs = books.logs();
    let arguments = ["--interval", "1h", "--logs", logs.to_str().unwrap(), "--admin-addr", "127.0.0.1:0"];
    let process = Process::start(&books, "pipeline", &arguments);
    process.ready().await;
    process.signal("KILL");
    let asked = tokio::spawn(async move { while process.get("/ready").await.0 > 0 {} });
    let said = *asked.await.unwrap_err().into_panic().downcast::<String>().unwrap();
    for part in ["pipeline does not answer GET /ready at 127.0.0.1:", "has ended, signal: 9", "on http://"] {
        assert!(said.contains(part), "{part:?} is missing: {said}");
    }
}
