//! Columns that no weight can be found for: ones that never change, and ones that others determine.

use anyhow::{bail, ensure};
use ndarray::{Array1, Array2};
use shared::printable::quoted;

use crate::encode;

/// How small a part of a column must be, of its own that others do not determine, to be taken for rounding. A larger part
/// leaves its weight six digits.
const ROUNDING: f64 = 1e-10;
/// How small a share of a sum a column must have to be left unnamed.
const UNNAMED: f64 = 1e-6;

/// Refuses features that are the same in every row.
///
/// # Errors
/// Names the first one.
pub fn refuse_constant(x: &Array2<f64>, names: &[String]) -> anyhow::Result<()> {
    for (column, name) in x.columns().into_iter().zip(names) {
        let first = column.first().copied().unwrap_or_default();
        // A spread below the numbers' own rounding is none.
        let largest = column.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        let spread = column.iter().fold(0.0_f64, |spread, value| spread.max((value - first).abs()));
        ensure!(
            spread > largest * f64::EPSILON * 4.0,
            "the feature {} is {first} in every training row; leave the column out with --drop",
            quoted(name)
        );
    }
    Ok(())
}

/// Refuses features that are sums of multiples of others, up to rounding. The columns' means are taken off before.
///
/// Each column is taken apart into what those before it determine and the rest (modified Gram-Schmidt, twice, which is
/// enough: Giraud et al., Computers and Mathematics with Applications 50, 2005).
///
/// # Errors
/// Names the first such feature and those that determine it.
pub fn refuse_collinear(x: &Array2<f64>, names: &[String]) -> anyhow::Result<()> {
    let mut directions: Vec<Array1<f64>> = Vec::new();
    // Which sum of the columns each direction is.
    let mut sums: Vec<Array1<f64>> = Vec::new();
    for (at, column) in x.columns().into_iter().enumerate() {
        let length = column.dot(&column).sqrt();
        let mut rest = &column / length;
        let mut sum = Array1::zeros(names.len());
        sum[at] = 1.0 / length;
        for _ in 0..2 {
            for (direction, other) in directions.iter().zip(&sums) {
                let part = direction.dot(&rest);
                rest.scaled_add(-part, direction);
                sum.scaled_add(-part, other);
            }
        }
        let left = rest.dot(&rest).sqrt();
        if left < ROUNDING {
            // Weighed by how long the columns are, so that their units do not matter.
            let lengths = x.columns().into_iter().map(|column| column.dot(&column).sqrt());
            let weighed: Vec<f64> =
                sum.iter().zip(lengths).map(|(part, length)| (part * length).abs()).collect();
            let named: Vec<String> = (0..at)
                .filter(|other| weighed[*other] > UNNAMED)
                .map(|other| quoted(&names[other]))
                .collect();
            let name = &names[at];
            bail!(
                "the feature {} is determined by {}; leave one of them out with --drop, or use --algorithm ridge",
                quoted(name),
                encode::listed(named.into_iter())
            );
        }
        directions.push(rest / left);
        sums.push(sum / left);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn centred(columns: &[&dyn Fn(f64) -> f64]) -> Array2<f64> {
        let mut x = Array2::from_shape_fn((40, columns.len()), |(row, column)| columns[column](row as f64));
        for mut column in x.columns_mut() {
            let mean = column.mean().unwrap();
            column -= mean;
        }
        x
    }

    fn refused(columns: &[&dyn Fn(f64) -> f64]) -> String {
        let names: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).into();
        refuse_collinear(&centred(columns), &names[..columns.len()])
            .err()
            .map_or(String::new(), |why| why.to_string())
    }

    #[test]
    fn a_column_that_others_determine_is_named_with_them() {
        let a = |i: f64| (i * 0.7).sin();
        let b = |i: f64| 1e9 + 1e6 * (i * 1.3).cos();
        let c = |i: f64| i;
        assert_eq!(refused(&[&a, &b, &c]), "");
        let twice = refused(&[&a, &b, &c, &|i| 2.0 * a(i) + 5.0]);
        assert!(
            twice.starts_with("the feature \"d\" is determined by \"a\"; leave one of them out"),
            "{twice}"
        );
        let sum = refused(&[&a, &b, &c, &|i| a(i) * 3.0 - 1e-7 * b(i)]);
        assert!(sum.starts_with("the feature \"d\" is determined by \"a\", \"b\";"), "{sum}");
        assert_eq!(refused(&[&a, &b, &c, &|i| 2.0 * a(i) + 1e-6 * (i * i).sin()]), "", "a part of its own");
    }

    #[test]
    fn a_column_that_only_rounding_changes_is_constant() {
        let names = ["a".to_owned()];
        let x = |values: [f64; 3]| Array2::from_shape_vec((3, 1), values.into()).unwrap();
        assert!(refuse_constant(&x([1e9, 1e9, 1e9 + 1e-7]), &names).is_err());
        assert!(refuse_constant(&x([1e9, 1e9, 1e9 + 1e-3]), &names).is_ok());
        assert!(refuse_constant(&x([0.0, -0.0, 0.0]), &names).is_err());
        assert!(refuse_constant(&x([0.0, 5e-324, 0.0]), &names).is_ok());
    }
}
