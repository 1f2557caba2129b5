//! Which letters are wanted.

use shared::clock::Timestamp;

use super::facts::Facts;

/// What a letter must be, of what was asked for. Where nothing was, every letter is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Wanted {
    /// One of these reasons.
    pub(crate) reasons: Vec<String>,
    /// One of these ids.
    pub(crate) ids: Vec<String>,
    /// From before this time. A letter that has no time is not.
    pub(crate) before: Option<Timestamp>,
}

impl Wanted {
    pub(crate) fn is(&self, facts: &Facts) -> bool {
        let Self { reasons, ids, before } = self;
        (reasons.is_empty() || reasons.contains(&facts.reason))
            && (ids.is_empty() || ids.iter().any(|id| facts.ids.contains(id)))
            && before.is_none_or(|before| facts.at.is_some_and(|at| at < before))
    }
}

#[cfg(test)]
mod tests {
    use shared::message::Role;
    use shared::transport::stored::LetterValue;

    use super::*;
    use crate::dead::facts::REASON;
    use crate::dead::facts::tests::letter;

    #[test]
    fn a_letter_is_wanted_for_all_that_was_asked() {
        let mut one = letter(r#"{"ids": ["a", "b"], "x": 1}"#, &[(REASON, LetterValue::text("bad_shape"))]);
        one.properties.timestamp = Some(100);
        let facts = Facts::of(&one, Role::Features);
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let wanted = |reasons: &[&str], ids: &[&str], before: Option<i64>| Wanted {
            reasons: texts(reasons),
            ids: texts(ids),
            before: before.map(Timestamp),
        };
        for (wanted, is) in [
            (Wanted::default(), true),
            (wanted(&["not_json", "bad_shape"], &[], None), true),
            (wanted(&["not_json"], &[], None), false),
            (wanted(&[], &["b"], None), true),
            (wanted(&[], &["c"], None), false),
            (wanted(&["bad_shape"], &["c"], None), false),
            (wanted(&[], &[], Some(100_001)), true),
            (wanted(&[], &[], Some(100_000)), false),
        ] {
            assert_eq!(wanted.is(&facts), is, "{wanted:?}");
        }
        one.properties.timestamp = None;
        assert!(!wanted(&[], &[], Some(i64::MAX)).is(&Facts::of(&one, Role::Features)));
    }
}
