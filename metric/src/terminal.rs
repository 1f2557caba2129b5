//! `metric watch`: how the model is, in a terminal, as long as somebody looks.

use std::io::{self, IsTerminal as _, Write as _};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use shared::printable::{lines, printable};
use ureq::Agent;

/// How often it is asked and drawn.
const PACE: Duration = Duration::from_secs(1);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer, in bytes.
const LONGEST: u64 = 64 << 10;
/// Where to draw from: the upper left corner, with nothing below.
const FROM_THE_TOP: &str = "\x1b[H\x1b[J";

/// Shows how the model is that a running metric records, redrawn every second: 80 columns and 24 lines are enough. Without a
/// terminal, a line is printed whenever the verdict changes. Ctrl+C ends it.
#[derive(Args, Debug)]
pub(crate) struct Watch {
    /// Where that metric's page is.
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:5000")]
    url: String,

    /// Ask once, print all of it, and end.
    #[arg(long)]
    once: bool,
}

impl Watch {
    /// Goes on until it is ended, or the output is closed.
    ///
    /// # Errors
    /// An address that cannot be asked; with `--once`, that nobody answers.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let url = format!("{}/?as=watch", self.url.trim_end_matches('/'));
        let agent: Agent =
            Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false).build().into();
        let mut out = io::stdout();
        let is_drawn = out.is_terminal();
        if self.once {
            out.write_all(ask(&agent, &url)?.as_bytes())?;
            return Ok(());
        }
        let mut said = String::new();
        loop {
            let text = ask(&agent, &url)
                .unwrap_or_else(|why| format!("{}; trying again\n", printable(&format!("{why:#}"))));
            let first = text.lines().next().unwrap_or_default();
            let written = if is_drawn {
                write!(out, "{FROM_THE_TOP}{text}")
            } else if word(first) != word(&said) {
                said = first.to_owned();
                writeln!(out, "{first}")
            } else {
                Ok(())
            };
            // Whoever read it has gone.
            if written.and_then(|()| out.flush()).is_err() {
                return Ok(());
            }
            thread::sleep(PACE);
        }
    }
}

/// The verdict's word: times in the sentence change all the time.
fn word(line: &str) -> &str {
    line.split(':').next().unwrap_or_default()
}

fn ask(agent: &Agent, url: &str) -> anyhow::Result<String> {
    let cannot = || format!("cannot ask {}", printable(url));
    let mut answer = agent.get(url).header("accept", "text/plain").call().with_context(cannot)?;
    let status = answer.status();
    let text = answer.body_mut().with_config().limit(LONGEST).read_to_string().with_context(cannot)?;
    let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    anyhow::ensure!(
        status.is_success() && kind.starts_with("text/plain"),
        "{} answers {status}: {}",
        printable(url),
        shared::printable::within(&text, 300)
    );
    Ok(lines(&text))
}
