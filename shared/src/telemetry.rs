//! What a process says: lines for people on a terminal, JSON otherwise.

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
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = Format::Auto)]
    log_format: Format,

    /// What is logged: a level, or levels by module, such as `info,metric=debug`.
    #[arg(long, env = "RUST_LOG", value_name = "FILTER", default_value = "info")]
    log: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Text on a terminal, JSON otherwise.
    Auto,
    Text,
    Json,
}

/// Starts the log on standard output. A second call changes nothing.
pub fn init(options: &TelemetryOptions) {
    // The client library logs whole messages and every failure that we report ourselves.
    let quiet = |filter: &str| EnvFilter::try_new(format!("lapin=off,{filter}"));
    let filter = quiet(&options.log).unwrap_or_else(|why| {
        eprintln!("the log filter {:?} cannot be read ({why}); logging at level info", options.log);
        EnvFilter::new("lapin=off,info")
    });
    let terminal = io::stdout().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Lines::default);
    _ = match (options.log_format, terminal) {
        (Format::Json, _) | (Format::Auto, false) => {
            builder.json().flatten_event(true).with_current_span(false).try_init()
        }
        (Format::Text, _) | (Format::Auto, true) => builder.with_ansi(terminal).compact().try_init(),
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
        // A reader that went away, such as `head`, is no reason to stop the pipeline.
        BARS.suspend(|| _ = io::stdout().lock().write_all(&self.0));
    }
}
