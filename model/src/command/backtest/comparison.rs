//! Candidate and served model on the same rows: over all of them, and by slices of each feature. Pure, and in bounded memory.

use evaluation::histogram::Histogram;
use evaluation::pairs::Pairs;

/// How many rows decide where the slices of a feature begin and end.
const FIRST_ROWS: usize = 10_000;
/// How many features have slices.
const FEATURES: usize = 100;

/// Pairs of predictions, in the order of their labels.
#[derive(Debug)]
pub(super) struct Comparison {
    pub(super) all: Pairs,
    /// The first rows, until they have decided.
    first: Vec<Row>,
    names: Vec<String>,
    pub(super) features: Vec<Feature>,
}

/// A row, as far as it matters here.
#[derive(Debug)]
struct Row {
    features: Vec<f64>,
    label: f64,
    new: f64,
    old: f64,
}

/// The slices of a feature.
#[derive(Debug)]
pub(super) struct Feature {
    pub(super) name: String,
    /// The limits between slices, ascending; each begins one.
    limits: Vec<f64>,
    slices: Vec<Pairs>,
}

/// The rows of one slice.
pub(super) struct Slice<'a> {
    /// From which number on; none for the first slice.
    pub(super) from: Option<f64>,
    /// Before which number; none for the last slice.
    pub(super) to: Option<f64>,
    pub(super) pairs: &'a Pairs,
}

impl Comparison {
    /// Of rows with these columns.
    pub(super) fn new(columns: &[String]) -> Self {
        let names = columns.iter().take(FEATURES).cloned().collect();
        Self { all: Pairs::default(), first: Vec::new(), names, features: Vec::new() }
    }

    /// Takes in what both say of the next row.
    pub(super) fn add(&mut self, features: &[f64], label: f64, new: f64, old: f64) {
        self.all.predicted(new, old);
        self.all.labelled(label, new, old);
        let features = &features[..features.len().min(self.names.len())];
        if !self.features.is_empty() {
            self.slice(features, label, new, old);
            return;
        }
        self.first.push(Row { features: features.to_vec(), label, new, old });
        if self.first.len() >= FIRST_ROWS {
            self.decide();
        }
    }

    /// Has the first rows decide, however few they are.
    pub(super) fn decide(&mut self) {
        let first = std::mem::take(&mut self.first);
        if first.is_empty() {
            return;
        }
        for (at, name) in self.names.iter().enumerate() {
            let numbers = first.iter().filter_map(|row| row.features.get(at).copied());
            let Histogram { edges, .. } = Histogram::of(numbers);
            let limits: Vec<f64> =
                edges.get(1..edges.len().saturating_sub(1)).map_or(Vec::new(), <[f64]>::to_vec);
            let slices = vec![Pairs::default(); limits.len() + 1];
            self.features.push(Feature { name: name.clone(), limits, slices });
        }
        for Row { features, label, new, old } in first {
            self.slice(&features, label, new, old);
        }
    }

    fn slice(&mut self, features: &[f64], label: f64, new: f64, old: f64) {
        for (feature, number) in self.features.iter_mut().zip(features) {
            let at = feature.limits.partition_point(|limit| limit <= number);
            feature.slices[at].predicted(new, old);
            feature.slices[at].labelled(label, new, old);
        }
    }

    /// How many slices there are, of features that have more than one.
    pub(super) fn slices(&self) -> usize {
        self.features.iter().map(|feature| feature.slices().count()).sum()
    }
}

impl Feature {
    /// Its slices; none where all rows are in one.
    pub(super) fn slices(&self) -> impl Iterator<Item = Slice<'_>> {
        let several = self.slices.len() > 1;
        let slice = |(at, pairs): (usize, _)| Slice {
            from: at.checked_sub(1).map(|before| self.limits[before]),
            to: self.limits.get(at).copied(),
            pairs,
        };
        self.slices.iter().enumerate().filter(move |_| several).map(slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison(rows: usize) -> Comparison {
        let mut comparison = Comparison::new(&["a", "same"].map(str::to_owned));
        for i in 0..rows {
            let number = (i * 7 % rows) as f64;
            // What is new is better below the middle, and worse above.
            let new = if number < rows as f64 / 2.0 { 1.0 } else { 4.0 };
            comparison.add(&[number, 5.0], 0.0, new, 2.0);
        }
        comparison.decide();
        comparison
    }

    #[test]
    fn each_row_is_in_one_slice_of_each_feature() {
        for rows in [100, FIRST_ROWS, FIRST_ROWS + 100] {
            let comparison = comparison(rows);
            assert_eq!(comparison.all.rows(), rows as u64);
            let [a, same] = &comparison.features[..] else { panic!("{:?}", comparison.features) };
            let slices: Vec<Slice<'_>> = a.slices().collect();
            assert_eq!(slices.len(), 10);
            assert_eq!(slices.iter().map(|slice| slice.pairs.rows()).sum::<u64>(), rows as u64);
            assert!(slices.windows(2).all(|two| two[0].to == two[1].from && two[0].to.is_some()));
            assert_eq!((slices[0].from, slices[9].to), (None, None));
            assert_eq!((slices[0].pairs.difference(), slices[9].pairs.difference()), (Some(-1.0), Some(2.0)));
            assert_eq!((same.slices().count(), comparison.slices()), (0, 10));
        }
    }

    #[test]
    fn memory_does_not_grow_with_the_rows() {
        let comparison = comparison(3 * FIRST_ROWS);
        assert_eq!(comparison.first.capacity(), 0);
        let columns: Vec<String> = (0..1000).map(|column| format!("x{column}")).collect();
        let mut wide = Comparison::new(&columns);
        wide.add(&vec![1.0; 1000], 0.0, 1.0, 2.0);
        assert_eq!(wide.first[0].features.len(), FEATURES);
    }
}
