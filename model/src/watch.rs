//! When to look at the model file: when the system says that it was written or renamed, and every half second.
//!
//! The kernel tells at once, and tells that a writer has finished. But it does not tell of everything (a swapped symbolic
//! link further up, some bind mounts and network folders, a folder that was replaced), and not on every system. So the
//! clock is what a swap relies on, and the kernel what makes it quick.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often to look without being told.
const POLL: Duration = Duration::from_millis(500);

/// Wakes whoever looks after a file.
#[derive(Debug)]
pub(crate) struct Watch {
    clock: Interval,
    kernel: kernel::Events,
}

/// Why to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    /// A writer has closed the file, or it was renamed to its name: it is whole.
    Finished,
    /// Time has passed. Whoever writes may be in the middle of it.
    Clock,
}

impl Watch {
    pub(crate) fn new(path: &Path) -> Self {
        let mut clock = interval(POLL);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { clock, kernel: kernel::Events::of(path) }
    }

    /// Waits for the next reason to look. Cancel safe.
    pub(crate) async fn wake(&mut self) -> Wake {
        tokio::select! {
            () = self.kernel.finished() => Wake::Finished,
            _ = self.clock.tick() => {
                self.kernel.renew().await;
                Wake::Clock
            }
        }
    }
}

/// The folder and the name of a path.
fn split(path: &Path) -> (PathBuf, std::ffi::OsString) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    (folder.to_owned(), path.file_name().unwrap_or_default().to_owned())
}

#[cfg(target_os = "linux")]
mod kernel {
    //! Linux' inotify on the folder: on the file itself, it would lose it at the first rename.

    use std::ffi::OsString;
    use std::path::{Path, PathBuf};

    use futures_util::StreamExt as _;
    use inotify::{EventStream, Inotify, WatchMask};

    /// Room for some events with the longest names.
    const BUFFER: usize = 4096;

    pub(super) struct Events {
        folder: PathBuf,
        name: OsString,
        stream: Option<EventStream<Vec<u8>>>,
    }

    impl Events {
        pub(super) fn of(path: &Path) -> Self {
            let (folder, name) = super::split(path);
            // Where the system gives no more watches, the clock has to do.
            let stream = Inotify::init().and_then(|inotify| inotify.into_event_stream(vec![0; BUFFER])).ok();
            Self { folder, name, stream }
        }

        /// Watches the folder that has its name now: it may have been made or replaced. Watching the same one twice
        /// changes nothing.
        pub(super) async fn renew(&mut self) {
            let Some(stream) = &self.stream else { return };
            let (mut watches, folder) = (stream.watches(), self.folder.clone());
            // A folder of the network may not answer.
            let add = move || watches.add(folder, WatchMask::CLOSE_WRITE | WatchMask::MOVED_TO);
            _ = tokio::task::spawn_blocking(add).await;
        }

        pub(super) async fn finished(&mut self) {
            while let Some(stream) = &mut self.stream {
                match stream.next().await {
                    Some(Ok(event)) if event.name.as_ref() == Some(&self.name) => return,
                    // Another file of the folder; or more events than there was room for, after which the clock looks.
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => self.stream = None,
                }
            }
            std::future::pending().await
        }
    }

    impl std::fmt::Debug for Events {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.debug_struct("Events").field("folder", &self.folder).finish_non_exhaustive()
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    //! Elsewhere only the clock says when to look.

    use std::path::Path;

    #[derive(Debug)]
    pub(super) struct Events;

    impl Events {
        pub(super) fn of(path: &Path) -> Self {
            _ = super::split(path);
            Self
        }

        pub(super) async fn renew(&mut self) {}

        pub(super) async fn finished(&mut self) {
            std::future::pending().await
        }
    }
}
