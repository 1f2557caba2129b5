//! The numbers that Prometheus reads: one set a process, whatever services it runs.
//!
//! What is counted where it happens is a [`Counter`] or a [`Gauge`], each a static beside the code that counts. What some
//! state knows anyway is read from it when somebody asks, by a [`MetricSource`]. docs/operation.md lists all of them.
//!
//! Nothing here grows for ever: a family has a bounded number of series, and a label's value a bounded length.

mod counted;
mod process;
mod scrape;

use std::fmt;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text};
use prometheus_client::registry::Registry;

pub use counted::{Counter, Gauge};
pub use scrape::{Family, Scrape};

/// The content type of [`encode`].
pub const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// The value of every label of the series that has what is not shown by itself.
pub const OTHER: &str = "other";

/// Something whose numbers are read when somebody asks.
pub trait MetricSource: fmt::Debug + Send + Sync + 'static {
    /// Writes the numbers as they are now. No other source may write the same families.
    ///
    /// # Errors
    /// The scrape's.
    fn read(&self, scrape: &mut Scrape<'_>) -> fmt::Result;
}

static REGISTRY: LazyLock<Mutex<Registry>> = LazyLock::new(|| {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Registered(process::Process)));
    Mutex::new(registry)
});

/// Has a source read at each scrape from now on, until the process ends.
pub fn register(source: impl MetricSource) {
    registry().register_collector(Box::new(Registered(source)));
}

/// Everything that this process tells Prometheus now, in the text format 0.0.4.
#[must_use]
pub fn encode() -> String {
    text(&registry())
}

/// What one source says, registered or not, in the same format.
#[must_use]
pub fn text_of(source: impl MetricSource) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Registered(source)));
    text(&registry)
}

fn text(registry: &Registry) -> String {
    let mut text = String::new();
    if prometheus_text::encode(&mut text, registry).is_err() {
        tracing::error!("the metrics cannot be written; this scrape is empty");
        text.clear();
    }
    text
}

fn registry() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct Registered<S>(S);

impl<S: MetricSource> Collector for Registered<S> {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.read(&mut Scrape::new(encoder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Given;

    impl MetricSource for Given {
        fn read(&self, scrape: &mut Scrape<'_>) -> fmt::Result {
            const SEEN: Family<2> = Family::new("seen_total", "What was seen.", ["who", "what"]);
            const SCORE: Family<0> = Family::new("score", "A \\ score.\nOr two.", []);
            const NOTHING: Family<1> = Family::new("nothing", "Never there.", ["who"]);
            scrape.counters(&SEEN, [(["a", ""], 3), (["say \"b\\\"\n", "c"], 0)])?;
            scrape.gauges(&SCORE, [([], 0.1)])?;
            scrape.gauges(&NOTHING, [])
        }
    }

    #[test]
    fn the_text_is_prometheus_own() {
        assert_eq!(
            text_of(Given),
            "# HELP seen_total What was seen.\n\
             # TYPE seen_total counter\n\
             seen_total{who=\"a\",what=\"\"} 3\n\
             seen_total{who=\"say \\\"b\\\\\\\"\\n\",what=\"c\"} 0\n\
             # HELP score A \\\\ score.\\nOr two.\n\
             # TYPE score gauge\n\
             score 0.1\n"
        );
    }

    #[test]
    fn what_is_registered_is_in_the_scrape() {
        register(Given);
        let text = encode();
        assert!(text.contains("\nscore 0.1\n") && text.contains("pipeline_build_info{version=\""), "{text}");
    }
}
