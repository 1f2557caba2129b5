//! Rows made by a formula, whose scores the tests know.

/// A hundred pairs of a label and a prediction: (-20, -23.25), (17, 19.75), (54, 55.5) and so on.
pub(crate) fn rows() -> impl Iterator<Item = (f64, f64)> + Clone {
    (0..100_i32).map(|row| {
        let y_true = f64::from((37 * row) % 101 - 20);
        (y_true, y_true + f64::from((53 * row) % 29 - 13) / 4.0)
    })
}
