//! Why a model predicts: because it serves, or to be compared with the one that does.

use super::{Name, Rejection};
use crate::printable::piece;

/// What a model's prediction of a row is for. One that serves is the answer of the pipeline; the others predict the same rows
/// beside it and are scored on the same labels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ModelRole {
    /// It serves.
    #[default]
    Serving,
    /// The version before the one that serves, to see whether the swap was a good one.
    Shadow,
    /// Another model that would like to serve.
    Challenger,
}

impl ModelRole {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Serving, Self::Shadow, Self::Challenger];

    /// What the header `model_role` and the API call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Shadow => "shadow",
            Self::Challenger => "challenger",
        }
    }

    /// Reads its name.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(name: &str) -> Result<Self, Rejection> {
        Self::ALL.into_iter().find(|role| role.name() == name).ok_or_else(|| {
            let detail = format!(
                "header model_role is {}; it is serving, shadow or challenger, or missing",
                piece(name)
            );
            Rejection::new(Rejection::MODEL, detail)
        })
    }

    /// The name under which the former version of a model predicts as its shadow. None where it would be too long for a name.
    #[must_use]
    pub fn shadow_of(model: &Name) -> Option<Name> {
        Name::parse(&format!("{model}.shadow")).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_have_names_and_others_are_refused() {
        for (name, role) in [
            ("serving", Some(ModelRole::Serving)),
            ("shadow", Some(ModelRole::Shadow)),
            ("challenger", Some(ModelRole::Challenger)),
            ("Shadow", None),
            ("", None),
            ("sha\u{1b}dow", None),
        ] {
            match (ModelRole::parse(name), role) {
                (Ok(read), Some(role)) => assert_eq!(read, role),
                (Err(why), None) => {
                    assert_eq!(why.reason, Rejection::MODEL);
                    assert!(!why.to_string().contains('\u{1b}'), "{why}");
                }
                (read, _) => panic!("{name}: {read:?}"),
            }
        }
    }

    #[test]
    fn a_shadow_has_a_name_of_its_own() {
        let shadow = |name: &str| ModelRole::shadow_of(&Name::parse(name).unwrap());
        assert_eq!(shadow("model").unwrap().as_str(), "model.shadow");
        assert_eq!(shadow(&"m".repeat(60)), None);
    }
}
