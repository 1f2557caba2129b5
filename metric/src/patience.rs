//! What happens while nothing can be written: it is said once, and tried again.

use std::io;
use std::time::Duration;

use shared::readiness::Condition;
use shared::stop::Stop;
use tracing::{error, info};

use crate::write_error::{WriteError, is_full};

/// How long to wait before something that failed is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Waits while nothing can be written.
pub(crate) struct Patience {
    writable: Condition,
    stop: Stop,
    /// Whether it was said what is wrong.
    told: bool,
}

impl Patience {
    /// Begins while it is not known whether anything can be written.
    pub(crate) fn new(writable: Condition, stop: Stop) -> Self {
        Self { writable, stop, told: false }
    }

    /// Whether something is wrong now.
    pub(crate) fn is_told(&self) -> bool {
        self.told
    }

    /// Says once what is wrong and waits a while. Returns whether to try again.
    ///
    /// # Errors
    /// What does not pass.
    pub(crate) async fn wait(&mut self, why: WriteError) -> anyhow::Result<bool> {
        match why {
            WriteError::Fatal(why) => Err(why),
            WriteError::Passing(why) => {
                self.writable.set(false);
                if !std::mem::replace(&mut self.told, true) {
                    error!("{why:#}; nothing is taken from the queues until it can be written");
                }
                Ok(self.stop.sleep(AGAIN).await)
            }
        }
    }

    /// It can be written.
    pub(crate) fn over(&mut self) {
        self.writable.set(true);
        if std::mem::take(&mut self.told) {
            info!("records can be written again");
        }
    }
}

/// Whether space or a lock is missing, and not a right or a folder.
pub(crate) fn passes_by_itself(why: &anyhow::Error) -> bool {
    let why = why.downcast_ref::<io::Error>();
    why.is_none_or(is_full)
}
