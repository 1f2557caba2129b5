//! What a process says: lines for people on a terminal, JSON otherwise.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write};
use std::sync::LazyLock;

use clap::{Args, ValueEnum};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing_subscriber::EnvFilter;

/// Flags of the log.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Log")]
pub struct TelemetryOptions {
    /// Form of the log lines.
    #[arg(long, value_enum, default_value_t = LogFormat::Auto)]
    log_format: LogFormat,

    /// What is logged: a level, or levels by module, such as `info,metric=debug`.
    #[arg(long, value_name = "FILTER", default_value = "info")]
    log: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    Text,
    Json,
}

/// The target of all spans: what a connection or a batch is, by which the JSON log can be filtered. A connection's is at
/// level info, a batch's at level debug.
pub const SPANS: &str = "spans";

/// Starts the log on standard output. A second call changes nothing.
pub fn init(options: &TelemetryOptions) {
    let terminal = io::stdout().is_terminal();
    let json = match options.log_format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    // The client library logs whole messages and every failure that we report ourselves. Spans are for programs: people
    // read in each line's words whom it is about.
    let always = if json { "lapin=off".to_owned() } else { format!("lapin=off,{SPANS}=off") };
    let quiet = |filter: &str| EnvFilter::try_new(format!("{always},{filter}"));
    let filter = quiet(&options.log).unwrap_or_else(|why| {
        eprintln!("the log filter {:?} cannot be read ({why}); logging at level info", options.log);
        EnvFilter::new(format!("{always},info"))
    });
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Lines::default);
    _ = if json {
        // One object to filter by: the innermost span.
        builder.json().flatten_event(true).with_span_list(false).try_init()
    } else {
        builder.with_ansi(terminal).compact().try_init()
    };
}

/// The progress bars of this process. Log lines are written above them.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// A progress bar on standard error, or none where that is not a terminal.
#[must_use]
pub fn progress(total: u64, unit: &str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
    }
    let template = format!("{{wide_bar}} {{pos}} of {{len}} {unit}, {{per_sec}}, {{eta}} left");
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    BARS.add(ProgressBar::new(total).with_style(style))
}

/// A progress bar of bytes on standard error, or one without an end where their number is not known; none where that is
/// not a terminal.
#[must_use]
pub fn progress_of_bytes(total: Option<u64>) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
    }
    let (bar, template) = match total {
        Some(total) => {
            (ProgressBar::new(total), "{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left")
        }
        None => (ProgressBar::no_length(), "{spinner} {bytes}, {bytes_per_sec}"),
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    BARS.add(bar.with_style(style))
}

/// Collects one event's text and writes it in one piece.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let line = one_line(&self.0);
        // A reader that went away, such as `head`, is no reason to stop the pipeline.
        BARS.suspend(|| _ = io::stdout().lock().write_all(&line));
    }
}

/// One event as one line, whatever is in it: nothing that came from outside looks like an event of its own.
fn one_line(event: &[u8]) -> Cow<'_, [u8]> {
    let text = event.strip_suffix(b"\n").unwrap_or(event);
    if !text.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return event.into();
    }
    let mut line = Vec::with_capacity(event.len() + 8);
    for byte in text {
        match byte {
            b'\n' => line.extend(br"\n"),
            b'\r' => line.extend(br"\r"),
            other => line.push(*other),
        }
    }
    line.push(b'\n');
    line.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line() {
        for (event, line) in [
            ("INFO metric: recording\n", "INFO metric: recording\n"),
            (
                "WARN a key `x\n2026-11-25 ERROR metric: lost`\n",
                "WARN a key `x\\n2026-11-25 ERROR metric: lost`\n",
            ),
            ("WARN x\r\n\n", "WARN x\\r\\n\n"),
            ("", ""),
        ] {
            assert_eq!(one_line(event.as_bytes()), line.as_bytes(), "{event:?}");
        }
    }
}
