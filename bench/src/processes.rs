//! Starts the release binaries as processes and stops them.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use tempfile::TempDir;

/// How long a process may take to be ready, and to end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// An answer comes sooner, or not at all.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// A folder for logs and records beside the binaries: on the disk, where the system's own may be in memory.
pub(crate) fn scratch() -> anyhow::Result<TempDir> {
    let folder = binaries()?;
    tempfile::Builder::new()
        .prefix("bench-")
        .tempdir_in(&folder)
        .with_context(|| format!("cannot make a folder in {}", folder.display()))
}

fn binaries() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe().context("this program's own place is unknown")?;
    Ok(this.parent().context("this program lies nowhere")?.to_owned())
}

/// One of ours, running. Dropped, it is told to stop and waited for.
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
    started: Instant,
    /// Processor time when it was looked at last, in seconds.
    spent: f64,
    admin: Option<SocketAddr>,
}

impl Process {
    /// Starts a binary that lies beside this one, without its users' environment. What it says goes to a log in
    /// `scratch`.
    pub(crate) fn start(name: &'static str, scratch: &Path, args: &[&str]) -> anyhow::Result<Self> {
        Self::spawn(name, scratch, args, None)
    }

    /// The same, with an admin endpoint that [`Process::ready`] can ask.
    pub(crate) fn start_with_admin(
        name: &'static str,
        scratch: &Path,
        args: &[&str],
    ) -> anyhow::Result<Self> {
        Self::spawn(name, scratch, args, Some(free_address()?))
    }

    fn spawn(
        name: &'static str,
        scratch: &Path,
        args: &[&str],
        admin: Option<SocketAddr>,
    ) -> anyhow::Result<Self> {
        let binary = binaries()?.join(name);
        ensure!(
            binary.exists(),
            "{} is missing; build it: cargo build --release --workspace",
            binary.display()
        );
        ensure!(
            Path::new("data/diabetes.csv").exists(),
            "run this in the workspace's folder, where data/ is"
        );
        let log = scratch.join(format!("{name}.log"));
        let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let admin_addr = admin.map_or_else(|| "off".to_owned(), |address| address.to_string());
        let started = Instant::now();
        let child = Command::new(&binary)
            .args(args)
            .args(["--log", "warn", "--admin-addr", &admin_addr])
            .env_clear()
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        Ok(Self { name, child, log, started, spent: 0.0, admin })
    }

    /// The moment just before it was started.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// Waits until it says that it is ready.
    pub(crate) fn ready(&mut self) -> anyhow::Result<()> {
        let address = self.admin.context("it has no admin endpoint")?;
        let end = Instant::now() + PATIENCE;
        while !is_ready(address) {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended with {status}: {}", self.name, self.said());
            }
            ensure!(Instant::now() < end, "{} is not ready: {}", self.name, self.said());
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> anyhow::Result<bool> {
        self.processor_seconds();
        Ok(self.child.try_wait()?.is_some())
    }

    /// Waits until it has ended by itself; that must be without an error.
    pub(crate) fn end(&mut self) -> anyhow::Result<()> {
        match self.wait()? {
            Some(status) if status.success() => Ok(()),
            Some(status) => bail!("{} ended with {status}: {}", self.name, self.said()),
            None => bail!("{} does not end: {}", self.name, self.said()),
        }
    }

    /// Processor time that it has taken so far, also where it has ended, in seconds.
    pub(crate) fn processor_seconds(&mut self) -> f64 {
        // Of a process that was waited for, the system tells nothing any more.
        if let Ok(spent) = processor_seconds(self.child.id()) {
            self.spent = spent;
        }
        self.spent
    }

    /// Memory in RAM that it holds now, in MB of 10^6 bytes.
    pub(crate) fn resident_megabytes(&self) -> anyhow::Result<f64> {
        resident_megabytes(self.child.id())
    }

    /// The most memory in RAM that it has held, in MB of 10^6 bytes.
    pub(crate) fn peak_megabytes(&self) -> anyhow::Result<f64> {
        megabytes(self.child.id(), "VmHWM:")
    }

    /// How many file descriptors it has open.
    pub(crate) fn descriptors(&self) -> anyhow::Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.child.id()))?.count())
    }

    /// Sends it a signal, such as `STOP`.
    pub(crate) fn signal(&self, name: &str) -> anyhow::Result<()> {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status()?;
        ensure!(status.success(), "{} gets no {name}: {}", self.name, self.said());
        Ok(())
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Its log so far.
    pub(crate) fn said(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        if log.is_empty() { "it said nothing".to_owned() } else { log }
    }

    fn wait(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        let end = Instant::now() + PATIENCE;
        loop {
            self.processor_seconds();
            match self.child.try_wait()? {
                None if Instant::now() < end => std::thread::sleep(Duration::from_millis(5)),
                status => return Ok(status),
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // The standard library can only kill; a service that is killed leaves its deliveries to the next run.
        _ = Command::new("kill").arg(self.child.id().to_string()).status();
        if !matches!(self.wait(), Ok(Some(_))) {
            _ = self.child.kill();
            _ = self.child.wait();
        }
    }
}

/// `metric` with its records in `logs`, and `model`, both ready.
pub(crate) fn consumers(url: &str, scratch: &Path, logs: &Path) -> anyhow::Result<[Process; 2]> {
    let metric = metric(url, scratch, logs)?;
    let [model] = models(url, scratch, 1)?.try_into().map_err(|_| anyhow::anyhow!("one was started"))?;
    Ok([metric, model])
}

/// `metric` with its records in `logs`, ready.
pub(crate) fn metric(url: &str, scratch: &Path, logs: &Path) -> anyhow::Result<Process> {
    let records = ["--amqp-url", url, "--logs", &logs.to_string_lossy()];
    let mut metric = Process::start_with_admin("metric", scratch, &records)?;
    metric.ready()?;
    Ok(metric)
}

/// So many `model`, all ready.
pub(crate) fn models(url: &str, scratch: &Path, count: usize) -> anyhow::Result<Vec<Process>> {
    let start = |number: usize| {
        let own = scratch.join(format!("model-{number}"));
        fs::create_dir_all(&own)?;
        Process::start_with_admin("model", &own, &["--amqp-url", url])
    };
    let mut all = (0..count).map(start).collect::<anyhow::Result<Vec<_>>>()?;
    all.iter_mut().try_for_each(Process::ready)?;
    Ok(all)
}

/// VmRSS of a process.
pub(crate) fn resident_megabytes(process: u32) -> anyhow::Result<f64> {
    megabytes(process, "VmRSS:")
}

fn megabytes(process: u32, what: &str) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kibibytes: f64 = kibibytes.with_context(|| format!("the system does not tell {what}"))?.parse()?;
    Ok(kibibytes * 1024.0 / 1e6)
}

/// The time that processors have spent on a process, its own and the system's for it, in seconds.
pub(crate) fn processor_seconds(process: u32) -> anyhow::Result<f64> {
    /// Linux tells programs of hundredths of a second, whatever it counts in.
    const TICKS: f64 = 100.0;
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // Behind the name, which may have anything in it but this.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let field =
        |number: usize| fields.split_whitespace().nth(number).context("the system does not tell the time");
    let (user, system): (f64, f64) = (field(11)?.parse()?, field(12)?.parse()?);
    Ok((user + system) / TICKS)
}

/// A port that was free a moment ago.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// What is answered there, with its head.
pub(crate) fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWERS_WITHIN)?;
    stream.set_read_timeout(Some(ANSWERS_WITHIN))?;
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/html\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn is_ready(address: SocketAddr) -> bool {
    get(address, "/ready").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}
