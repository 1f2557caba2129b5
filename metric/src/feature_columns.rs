//! The columns of features in exported rows. Pure.

use std::fmt::Write as _;

/// What the features are called, in their order.
#[derive(Debug, Default)]
pub(crate) struct FeatureColumns {
    /// Names as cells of a table.
    cells: Vec<String>,
    /// Names as keys of a JSON object, with their quotes.
    keys: Vec<String>,
}

impl FeatureColumns {
    /// So many, called by their place: `feature_1` and so on.
    pub(crate) fn numbered(count: usize) -> Self {
        let cells: Vec<String> = (1..=count).map(|place| format!("feature_{place}")).collect();
        let keys = cells.iter().map(|name| format!("\"{name}\"")).collect();
        Self { cells, keys }
    }

    /// Adds the names to the first line of a table.
    pub(crate) fn push_header(&self, line: &mut String) {
        self.cells.iter().for_each(|name| line.extend([",", name]));
    }

    /// Adds a row's features to its line in a table. What it has none of is empty.
    pub(crate) fn push_cells(&self, line: &mut String, features: &[f64]) {
        for place in 0..self.cells.len() {
            line.push(',');
            if let Some(number) = features.get(place) {
                // Writing to a String cannot fail.
                _ = write!(line, "{number}");
            }
        }
    }

    /// Adds a row's features to its JSON object, which has a member and no end yet. What it has none of is null, and so is what
    /// JSON has no number for.
    pub(crate) fn push_members(&self, object: &mut String, features: &[f64]) {
        for (place, key) in self.keys.iter().enumerate() {
            let number = features.get(place).filter(|number| number.is_finite());
            let number =
                number.map_or_else(|| "null".to_owned(), |number| serde_json::json!(number).to_string());
            object.extend([",", key, ":", &number]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_has_a_cell_for_each_name() {
        let columns = FeatureColumns::numbered(3);
        let mut header = "id".to_owned();
        columns.push_header(&mut header);
        assert_eq!(header, "id,feature_1,feature_2,feature_3");
        for (features, cells, members) in [
            (
                &[0.1 + 0.2, -0.0, 1e-7][..],
                "0.30000000000000004,-0,0.0000001",
                "0.30000000000000004,-0.0,1e-7",
            ),
            (&[1.0], "1,,", "1.0,null,null"),
            (&[], ",,", "null,null,null"),
            (&[f64::NAN, f64::INFINITY, 2.0, 3.0], "NaN,inf,2", "null,null,2.0"),
        ] {
            let (mut line, mut object) = ("a".to_owned(), "{\"id\":\"a\"".to_owned());
            columns.push_cells(&mut line, features);
            columns.push_members(&mut object, features);
            assert_eq!(line, format!("a,{cells}"));
            let members: Vec<&str> = members.split(',').collect();
            let want = format!(
                "{{\"id\":\"a\",\"feature_1\":{},\"feature_2\":{},\"feature_3\":{}}}",
                members[0], members[1], members[2]
            );
            assert_eq!(object + "}", want);
        }
        let mut line = "a".to_owned();
        FeatureColumns::default().push_cells(&mut line, &[1.0]);
        assert_eq!(line, "a");
    }
}
