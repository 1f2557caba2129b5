//! The flags of the HTTP door.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use shared::admin::Listen;

/// Who is answered over HTTP, and where.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "HTTP")]
pub struct HttpOptions {
    /// Where predictions are asked for over HTTP, and rows and labels are taken: an address with a port, such as
    /// 127.0.0.1:8080, or `off`.
    #[arg(long, value_name = "ADDR", default_value_t = Listen::Off)]
    pub http_addr: Listen,

    /// File with tokens, one a line: only whoever shows one is answered. It may change while the service runs.
    #[arg(long, value_name = "FILE")]
    pub http_token_file: Option<PathBuf>,

    /// Answer everybody who can connect, also from other machines, without tokens.
    #[arg(long)]
    pub http_open: bool,

    /// Publish the predictions that are made over HTTP, so that labels can meet them.
    #[arg(long, value_enum, value_name = "WHETHER", default_value_t)]
    pub http_record: HttpRecord,
}

/// Whether predictions that are made over HTTP are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum HttpRecord {
    /// They are, and an answer waits until the broker has confirmed it.
    #[default]
    On,
    /// They leave no trace.
    Off,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self { http_addr: Listen::Off, http_token_file: None, http_open: false, http_record: HttpRecord::On }
    }
}
