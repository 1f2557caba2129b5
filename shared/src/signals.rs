//! The signals by which a process is asked to stop: SIGTERM, SIGINT (Ctrl-C) and SIGHUP (its terminal was closed).

use std::future::poll_fn;
use std::task::Poll;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens to them.
#[derive(Debug)]
pub(crate) struct Signals(Vec<Signal>);

impl Signals {
    /// Begins to listen. Under `nohup` a closed terminal is no reason to stop, and stays none.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let mut kinds = vec![SignalKind::terminate(), SignalKind::interrupt()];
        if !ignores_hangup() {
            kinds.push(SignalKind::hangup());
        }
        let listen = |kind: SignalKind| {
            signal(kind).with_context(|| format!("cannot listen to signal {}", kind.as_raw_value()))
        };
        Ok(Self(kinds.into_iter().map(listen).collect::<Result<_, _>>()?))
    }

    /// Resolves at the next one. Cancel safe.
    pub(crate) async fn next(&mut self) {
        poll_fn(|cx| {
            let came = self.0.iter_mut().any(|signal| signal.poll_recv(cx).is_ready());
            if came { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Whether whoever started this process had it ignore SIGHUP. Where the system does not say, it did not.
fn ignores_hangup() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignored(&status) & 1 != 0)
}

/// The signals that a process ignores, the first one in the lowest bit.
fn ignored(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored_is_read() {
        assert_eq!(ignored("Name:\tmodel\nSigBlk:\t00ff\nSigIgn:\t0000000000001001\nSigCgt:\t0\n"), 0x1001);
        assert_eq!(ignored("Name:\tmodel\n"), 0);
    }
}
