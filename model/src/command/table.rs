//! Columns of text for people.

/// Aligns rows of cells: the first column to the left, the others to the right, two spaces between.
pub(crate) fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell: &String| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let padded = if column == 0 {
                format!("{cell:<0$}", widths[0])
            } else {
                format!("  {cell:>0$}", widths[column])
            };
            line.push_str(&padded);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A number in six digits, for people.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 || !(1e-4..1e7).contains(&size) {
        return if value == 0.0 { "0".to_owned() } else { format!("{value:.4e}") };
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to 9, by the limits above"
    )]
    let decimals = (5.0 - size.log10().floor()).clamp(0.0, 9.0) as usize;
    let text = format!("{value:.decimals$}");
    if decimals == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_under_each_other() {
        let rows = [["", "MAE"], ["seen", "1.5"], ["x", "100.25"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(aligned(&rows), "         MAE\nseen     1.5\nx     100.25\n");
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (-0.25, "-0.25"),
            (541.258_717_403_220_2, "541.259"),
            (35_400.000_000_000_01, "35400"),
            (1_234_567.8, "1234568"),
            (0.000_353_99, "0.00035399"),
            (1.0 / 3e9, "3.3333e-10"),
            (1e9 / 3.0, "3.3333e8"),
            (1e300, "1.0000e300"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
