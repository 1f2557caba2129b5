//! What a model wants of a row: how many numbers, of which features, and between which limits it has seen them.

use std::fmt;

use shared::message::{Rejection, Row};

/// The features of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Inputs {
    count: usize,
    names: Option<Vec<String>>,
    /// The names as our own `features` sends them, so that a row of its is checked by one comparison.
    header: Option<Box<str>>,
    /// The smallest and the largest number that training saw of each feature.
    ranges: Option<Vec<(f64, f64)>>,
}

impl Inputs {
    /// So many features of unknown names.
    #[must_use]
    pub fn unnamed(count: usize) -> Self {
        Self { count, names: None, header: None, ranges: None }
    }

    /// Features of these names.
    #[must_use]
    pub fn named(names: Vec<String>) -> Self {
        let header = Some(Row::names_header(&names).into());
        Self { count: names.len(), names: Some(names), header, ranges: None }
    }

    /// The same where training saw each feature between these limits.
    #[must_use]
    pub fn within(self, ranges: Option<Vec<(f64, f64)>>) -> Self {
        Self { ranges, ..self }
    }

    /// How many.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The names in the order in which a row has them, where the model knows them.
    #[must_use]
    pub fn names(&self) -> Option<&[String]> {
        self.names.as_deref()
    }

    /// What a person calls a feature: its name, or its place.
    #[must_use]
    pub fn name(&self, column: usize) -> String {
        match &self.names {
            Some(names) => names[column].clone(),
            None => format!("x{column}"),
        }
    }

    /// Whether the model may be given the rows of another one: as many features, of the same names where both know
    /// them.
    #[must_use]
    pub fn fits(&self, other: &Self) -> bool {
        self.difference(other).is_none()
    }

    /// The first place where this model wants another feature than the other one, in words that end before the other's name.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<String> {
        if self.count != other.count {
            return Some(format!("it wants {} features, where {} are wanted by", self.count, other.count));
        }
        difference(self.names.as_ref()?, other.names.as_ref()?).map(|why| format!("its {why} wanted by"))
    }

    /// The same, and where this model knows no names, with those of the other, whose rows it will get.
    #[must_use]
    pub fn named_as(self, other: &Self) -> Self {
        if self.names.is_some() {
            return self;
        }
        Self { names: other.names.clone(), header: other.header.clone(), ..self }
    }

    /// Whether it is known what training has seen of each feature.
    #[must_use]
    pub fn knows_ranges(&self) -> bool {
        self.ranges.is_some()
    }

    /// Holds a row to the features' count, and to their names where its producer sent some.
    ///
    /// # Errors
    /// The reason why the row cannot be predicted.
    pub fn check(&self, row: &Row) -> Result<(), Rejection> {
        let (got, want) = (row.features.len(), self.count);
        if got != want {
            let detail = format!("{got} features, where the model has {want}");
            return Err(Rejection::new(Rejection::LENGTH, detail));
        }
        let (Some(sent), Some(names)) = (&row.names, &self.names) else { return Ok(()) };
        if self.header.as_deref() == Some(sent) {
            return Ok(());
        }
        let sent = Row::parse_names(sent);
        if sent == *names {
            return Ok(());
        }
        let why = difference(&sent, names).map_or(String::new(), |why| format!("{why} the model's"));
        Err(Rejection::new(Rejection::NAMES, why))
    }

    /// The features of a checked row that are smaller or larger than training has seen them.
    pub fn outside(&self, row: &[f64]) -> impl Iterator<Item = Outside> {
        let seen = self.ranges.iter().flatten().zip(row).enumerate();
        let beyond = seen.filter(|(_, ((least, most), value))| !(*least..=*most).contains(*value));
        beyond.map(|(column, (range, value))| Outside {
            name: self.name(column),
            value: *value,
            range: *range,
        })
    }
}

/// A number beyond what training has seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Outside {
    /// The feature's name.
    pub name: String,
    value: f64,
    range: (f64, f64),
}

impl fmt::Display for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, range: (least, most) } = self;
        write!(f, "{name} is {value}, and the model was trained on {least} to {most}")
    }
}

/// The first place where two lists of names differ.
fn difference(ours: &[String], theirs: &[String]) -> Option<String> {
    let place = (0..ours.len().max(theirs.len())).find(|place| ours.get(*place) != theirs.get(*place))?;
    let say = |names: &[String]| names.get(place).map_or("nothing".to_owned(), |name| format!("{name:?}"));
    Some(format!("feature {} is {}, where {} is", place + 1, say(ours), say(theirs)))
}

impl fmt::Display for Inputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.names {
            None => write!(f, "{} features", self.count),
            Some(names) if names.len() <= 12 => write!(f, "{} features ({})", self.count, names.join(", ")),
            Some(names) => write!(f, "{} features ({}, ...)", self.count, names[..10].join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::message::Key;

    use super::*;

    fn named() -> Inputs {
        Inputs::named(vec!["age".to_owned(), "bmi, kg".to_owned()])
    }

    fn row(features: &[f64], names: Option<&str>) -> Row {
        let names = names.map(Into::into);
        Row { key: Key::Anonymous, features: features.to_vec(), names, published_at: None }
    }

    #[test]
    fn a_row_is_held_to_count_and_names() {
        let two = [1.0, 2.0];
        let fits = |inputs: &Inputs, names| inputs.check(&row(&two, names)).is_ok();
        assert!(fits(&named(), None));
        assert!(fits(&named(), Some(r#"["age","bmi, kg"]"#)));
        assert!(fits(&named(), Some(r#" [ "age", "bmi, kg" ]"#)));
        assert!(fits(&Inputs::unnamed(2), Some("anything,goes")));
        for (names, want) in [
            ("age", "wrong_names: feature 2 is nothing, where \"bmi, kg\" is the model's"),
            (r#"["bmi, kg","age"]"#, "wrong_names: feature 1 is \"bmi, kg\", where \"age\" is the model's"),
            (r#"["age","bmi, kg","sex"]"#, "wrong_names: feature 3 is \"sex\", where nothing is the model's"),
            ("age,bmi", "wrong_names: feature 2 is \"bmi\", where \"bmi, kg\" is the model's"),
        ] {
            assert_eq!(named().check(&row(&two, Some(names))).unwrap_err().to_string(), want);
        }
        let error = named().check(&row(&[1.0], None)).unwrap_err().to_string();
        assert_eq!(error, "wrong_length: 1 features, where the model has 2");
    }

    #[test]
    fn what_training_has_not_seen_is_named() {
        let inputs = named().within(Some(vec![(0.0, 1.0), (-2.0, 2.0)]));
        let outside =
            |row: &[f64]| inputs.outside(row).map(|outside| outside.to_string()).collect::<Vec<_>>();
        assert!(outside(&[0.0, 2.0]).is_empty());
        let wanted = [
            "age is 2, and the model was trained on 0 to 1",
            "bmi, kg is -2.5, and the model was trained on -2 to 2",
        ];
        assert_eq!(outside(&[2.0, -2.5]), wanted);
        assert_eq!(named().outside(&[1e300, 0.0]).count(), 0);
    }

    #[test]
    fn models_that_swap_have_the_same_features() {
        let other = Inputs::named(vec!["bmi, kg".to_owned(), "age".to_owned()]);
        assert!(named().fits(&named()) && named().fits(&Inputs::unnamed(2)));
        assert!(!named().fits(&other) && !named().fits(&Inputs::unnamed(3)));
        // By way of a model without names, they have no others.
        let between = Inputs::unnamed(2).named_as(&named());
        assert!(between.names() == named().names() && !other.fits(&between));
    }
}
