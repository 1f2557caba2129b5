//! The features' names as one text: the header `x-feature-names`.

use super::Row;

impl Row {
    /// The names as a header has them: with commas between, as a CSV file has them, or as a JSON array where that would
    /// not read back.
    #[must_use]
    pub fn names_header(names: &[String]) -> String {
        let plain = names.join(",");
        if Self::parse_names(&plain) == names {
            return plain;
        }
        serde_json::Value::from(names).to_string()
    }

    /// Reads such a text.
    #[must_use]
    pub fn parse_names(text: &str) -> Vec<String> {
        if let Ok(names) = serde_json::from_str(text) {
            return names;
        }
        text.split(',').map(|name| name.trim().to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for (names, text) in [
            (&["age", "bmi"][..], "age,bmi"),
            (&["bmi, kg", "age"], r#"["bmi, kg","age"]"#),
            (&[" age"], r#"[" age"]"#),
            (&["[\"a\"]"], r#"["[\"a\"]"]"#),
            (&["[a]"], "[a]"),
        ] {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(Row::names_header(&names), text);
            assert_eq!(Row::parse_names(text), names);
        }
        assert_eq!(Row::parse_names(" age , bmi "), ["age", "bmi"]);
    }
}
