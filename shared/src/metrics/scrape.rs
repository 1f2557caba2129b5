//! One answer to Prometheus while it is written.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// What all series of a metric have in common.
#[derive(Debug, Clone, Copy)]
pub struct Family<const N: usize> {
    name: &'static str,
    help: &'static str,
    labels: [&'static str; N],
}

impl<const N: usize> Family<N> {
    /// A name by Prometheus' conventions (counters end in `_total`, others in their unit, if they have one), a sentence
    /// for people, and the labels' names.
    #[must_use]
    pub const fn new(name: &'static str, help: &'static str, labels: [&'static str; N]) -> Self {
        Self { name, help, labels }
    }
}

/// Takes in families, each once. One without series is left out.
#[derive(Debug)]
pub struct Scrape<'a>(DescriptorEncoder<'a>);

impl<'a> Scrape<'a> {
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }
}

impl Scrape<'_> {
    /// Writes counters, each with the values of its labels, no two of which are the same.
    ///
    /// # Errors
    /// The answer takes no more; never for reasons of the family.
    pub fn counters<'v, const N: usize>(
        &mut self,
        family: &Family<N>,
        series: impl IntoIterator<Item = ([&'v str; N], u64)>,
    ) -> fmt::Result {
        self.counters_of(family, series)
    }

    /// The same of any number that only rises.
    pub(super) fn counters_of<'v, V: EncodeCounterValue, const N: usize>(
        &mut self,
        family: &Family<N>,
        series: impl IntoIterator<Item = ([&'v str; N], V)>,
    ) -> fmt::Result {
        let mut series = series.into_iter().peekable();
        if series.peek().is_none() {
            return Ok(());
        }
        // The encoder puts it back.
        let name = family.name.strip_suffix("_total").unwrap_or(family.name);
        let mut metric = self.0.encode_descriptor(name, family.help, None, MetricType::Counter)?;
        for (values, count) in series {
            let labels = labels(family, values);
            metric.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&count, None)?;
        }
        Ok(())
    }

    /// Writes gauges, as [`Scrape::counters`].
    ///
    /// # Errors
    /// The same.
    pub fn gauges<'v, const N: usize>(
        &mut self,
        family: &Family<N>,
        series: impl IntoIterator<Item = ([&'v str; N], f64)>,
    ) -> fmt::Result {
        let mut series = series.into_iter().peekable();
        if series.peek().is_none() {
            return Ok(());
        }
        let mut metric = self.0.encode_descriptor(family.name, family.help, None, MetricType::Gauge)?;
        for (values, value) in series {
            let labels = labels(family, values);
            metric.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }
}

fn labels<'v, const N: usize>(family: &Family<N>, values: [&'v str; N]) -> [(&'static str, &'v str); N] {
    std::array::from_fn(|place| (family.labels[place], values[place]))
}
