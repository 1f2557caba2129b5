//! Which rows are listed, as it stands in an address.

use std::collections::HashMap;
use std::path::Path;

use evaluation::report::SliceReport;
use serde::Deserialize;
use shared::clock::Timestamp;
use shared::printable::within;

use super::list::encoded;
use super::stage::Stage;
use crate::bases::Bases;
use crate::join::ModelId;
use crate::page::words::number;
use crate::store::FoundRow;

/// The longest name of a feature that is asked for, in characters.
const LONGEST: usize = 60;

/// Which rows are listed.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Kind {
    #[default]
    All,
    Waiting,
    Expired,
    /// Those that are furthest off among the last labels.
    Furthest,
    /// Those with such a value of a feature.
    Slice(Slice),
}

/// A part of a feature's range.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Slice {
    pub(crate) feature: String,
    /// From this value on.
    pub(crate) from: Option<f64>,
    /// Below this value.
    pub(crate) to: Option<f64>,
}

/// What an address asks for.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Query {
    pub(crate) id: Option<String>,
    show: Option<String>,
    feature: Option<String>,
    from: Option<String>,
    to: Option<String>,
    before: Option<String>,
}

impl Query {
    /// Which rows: all, where it is none that there is.
    pub(crate) fn kind(&self) -> Kind {
        let limit = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<f64>().ok());
        match (self.show.as_deref(), &self.feature) {
            (Some("slice"), Some(feature)) => Kind::Slice(Slice {
                feature: within(feature, LONGEST),
                from: limit(&self.from),
                to: limit(&self.to),
            }),
            (Some(key), _) => Kind::CHOICES.into_iter().find(|kind| kind.key() == key).unwrap_or_default(),
            (None, _) => Kind::All,
        }
    }

    /// The number of the message before which the list begins.
    pub(crate) fn before(&self) -> Option<i64> {
        self.before.as_deref().and_then(|before| before.parse().ok())
    }
}

impl Kind {
    /// Those that one can always choose.
    pub(super) const CHOICES: [Self; 4] = [Self::All, Self::Waiting, Self::Expired, Self::Furthest];

    /// As people name it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Slice(slice) => slice.name(),
            Self::Furthest => "furthest off".to_owned(),
            other => other.key().to_owned(),
        }
    }

    fn key(&self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Waiting => "waiting",
            Self::Expired => "expired",
            Self::Furthest => "furthest",
            Self::Slice(_) => "slice",
        }
    }

    /// What asks for it, behind the question mark of an address.
    pub(crate) fn query(&self) -> String {
        let mut query = format!("show={}", self.key());
        if let Self::Slice(Slice { feature, from, to }) = self {
            query += &format!("&feature={}", encoded(feature));
            for (name, limit) in [("from", from), ("to", to)] {
                query += &limit.map(|limit| format!("&{name}={limit}")).unwrap_or_default();
            }
        }
        query
    }
}

impl Slice {
    pub(crate) fn of(slice: &SliceReport) -> Self {
        Self { feature: slice.feature.clone(), from: slice.from, to: slice.to }
    }

    /// `bmi 0.05 to 0.1`.
    pub(crate) fn name(&self) -> String {
        let range = match (self.from, self.to) {
            (Some(from), Some(to)) => format!("{} to {}", number(from), number(to)),
            (None, Some(to)) => format!("below {}", number(to)),
            (Some(from), None) => format!("from {} on", number(from)),
            (None, None) => "everywhere".to_owned(),
        };
        format!("{} {range}", self.feature)
    }

    fn has(&self, value: f64) -> bool {
        self.from.is_none_or(|from| value >= from) && self.to.is_none_or(|to| value < to)
    }
}

/// The place of a feature among those of each version of a report that has it, by the version's tag.
#[derive(Debug, Default)]
pub(super) struct Places(HashMap<String, usize>);

impl Places {
    pub(super) fn read(folder: &Path, models: &[ModelId], feature: &str) -> anyhow::Result<Self> {
        let mut bases = Bases::open(folder)?;
        let mut places = HashMap::new();
        for model in models {
            let basis = bases.of(model, Timestamp(i64::MAX))?;
            let place = basis.and_then(|basis| {
                basis.features.iter().position(|known| within(&known.name, LONGEST) == feature)
            });
            places.extend(place.map(|place| (model.tag(), place)));
        }
        Ok(Self(places))
    }

    fn value(&self, row: &FoundRow) -> Option<f64> {
        let mut values = row.predictions.iter().filter_map(|(prediction, _)| {
            prediction.vector.as_ref()?.get(*self.0.get(&prediction.model.tag())?).copied()
        });
        values.next()
    }
}

/// Whether a row is one of these, which are not all of those that come last.
pub(super) fn is_wanted(kind: &Kind, places: &Places, row: &FoundRow) -> bool {
    match kind {
        Kind::All | Kind::Expired | Kind::Furthest => true,
        Kind::Waiting => matches!(Stage::of(row), Stage::Waiting { .. } | Stage::LabelAlone),
        Kind::Slice(slice) => places.value(row).is_some_and(|value| slice.has(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Query {
        let uri: axum::http::Uri = format!("/rows?{query}").parse().unwrap();
        axum::extract::Query::<Query>::try_from_uri(&uri).unwrap().0
    }

    #[test]
    fn what_an_address_asks_for_leads_back_to_it() {
        for kind in Kind::CHOICES.into_iter().chain([
            Kind::Slice(Slice { feature: "bmi & <b>=1".to_owned(), from: Some(-0.1), to: Some(1e-7) }),
            Kind::Slice(Slice { feature: "s1".to_owned(), from: None, to: Some(3.0) }),
        ]) {
            assert_eq!(read(&kind.query()).kind(), kind, "{}", kind.query());
        }
        for odd in ["", "show=", "show=nothing", "show=slice", "feature=bmi", "show=slice&from=1"] {
            assert_eq!(read(odd).kind(), Kind::All, "{odd}");
        }
        let Kind::Slice(slice) = read("show=slice&feature=a%1Bb&from=x&to=NaN").kind() else { panic!() };
        assert!(!slice.feature.contains('\u{1b}') && slice.from.is_none());
        assert_eq!((read("before=7").before(), read("before=x").before()), (Some(7), None));
    }

    #[test]
    fn a_slice_has_its_lower_limit_and_not_its_upper_one() {
        let slice = |from, to| Slice { feature: "f".to_owned(), from, to };
        let within = slice(Some(1.0), Some(2.0));
        assert_eq!(
            [0.9, 1.0, 1.9, 2.0, f64::NAN].map(|value| within.has(value)),
            [false, true, true, false, false]
        );
        assert!(slice(None, Some(0.0)).has(-5.0) && slice(Some(0.0), None).has(5.0));
        assert_eq!(within.name(), "f 1.00 to 2.00");
        assert_eq!(slice(None, Some(2.0)).name(), "f below 2.00");
    }
}
