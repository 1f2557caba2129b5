//! Asks a running service over its admin endpoint.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;

use super::Listen;

/// Asks the running service whether it is ready: exit code 0 or 1. For images that have no shell and no curl.
#[derive(Args, Debug)]
pub struct Healthcheck {
    /// The service's admin endpoint.
    #[arg(long)]
    admin_addr: Listen,
}

impl Healthcheck {
    /// Asks, and says on standard error what is missing.
    #[must_use]
    pub fn run(&self) -> ExitCode {
        match ask(self.admin_addr, "/ready") {
            Ok(()) => ExitCode::SUCCESS,
            Err(why) => {
                eprintln!("{why:#}");
                ExitCode::FAILURE
            }
        }
    }
}

pub(super) fn ask(listen: Listen, path: &str) -> anyhow::Result<()> {
    const PATIENCE: Duration = Duration::from_secs(2);
    let Listen::On(mut address) = listen else { anyhow::bail!("the admin endpoint is off") };
    ensure!(address.port() != 0, "give the service's own address with --admin-addr or PIPELINE_ADMIN_ADDR");
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)
        .with_context(|| format!("nothing answers on {address}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).with_context(|| format!("no answer from {address}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).unwrap_or("none");
    ensure!(status == "200", "{}", body.trim());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_healthcheck_needs_to_know_where() {
        assert!(ask(Listen::Off, "/ready").is_err());
        assert!(ask(Listen::default(), "/ready").unwrap_err().to_string().contains("PIPELINE_ADMIN_ADDR"));
    }
}
