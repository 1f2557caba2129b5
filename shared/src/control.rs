//! What `metric` decides of versions, and tells every `model`: JSON with the routing key of control. Pure.
//!
//! It repeats what stands, so whoever missed one hears the next. Whoever hears one twice has nothing more to do.

use serde::{Deserialize, Serialize};

use crate::message::Name;
use crate::printable::{quoted, within};

/// The form that this program writes and reads: the member `control`.
pub const FORM: u64 = 1;
/// The most bytes of a message.
pub const MOST_BYTES: usize = 64 << 10;
/// The most decisions in a message.
pub const MOST_DECISIONS: usize = 100;

/// What stands, of every model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Control {
    /// One for each version that is or was compared with the one before it.
    pub decisions: Vec<Decision>,
}

/// What is decided of a version that took the place of another.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The model's name, as its predictions have it.
    pub model: Name,
    /// The new version.
    pub version: Name,
    /// The version before it.
    pub before: Name,
    /// What is known of the two.
    pub state: DecisionState,
    /// Whether the version before is to serve again, where the new one is worse. Otherwise a person decides.
    pub act: bool,
    /// How many rows with a label both have predicted.
    pub rows: u64,
    /// By how much the new one's absolute errors are larger, in the mean, where there is such a row.
    pub difference: Option<f64>,
}

/// What is known of a version and the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecisionState {
    /// Nothing yet: both go on predicting.
    Watching,
    /// The new one is worse.
    Worse,
    /// The new one is not worse by as much as matters.
    Cleared,
    /// It was watched for long enough, and is neither.
    Undecided,
}

impl DecisionState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Watching, Self::Worse, Self::Cleared, Self::Undecided];

    /// What it is called on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Watching => "watching",
            Self::Worse => "worse",
            Self::Cleared => "cleared",
            Self::Undecided => "undecided",
        }
    }
}

/// Its form, which says what else is there.
#[derive(Deserialize)]
struct Form {
    control: u64,
}

/// The message as it is written.
#[derive(Serialize, Deserialize)]
struct Written<T> {
    control: u64,
    decisions: Vec<T>,
}

/// A decision as it is written.
#[derive(Serialize, Deserialize)]
struct WrittenDecision {
    model: String,
    version: String,
    before: String,
    state: String,
    act: bool,
    rows: u64,
    #[serde(default)]
    difference: Option<f64>,
}

impl Control {
    /// The message, with the first [`MOST_DECISIONS`] of the decisions. Put first what matters most.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let decisions = self.decisions.iter().take(MOST_DECISIONS).map(|decision| WrittenDecision {
            model: decision.model.to_string(),
            version: decision.version.to_string(),
            before: decision.before.to_string(),
            state: decision.state.name().to_owned(),
            act: decision.act,
            rows: decision.rows,
            difference: decision.difference.filter(|difference| difference.is_finite()),
        });
        let written = Written { control: FORM, decisions: decisions.collect() };
        // Texts and numbers: none of it can fail.
        serde_json::to_vec(&written).unwrap_or_default()
    }

    /// Reads a message.
    ///
    /// # Errors
    /// Why it is none, for people.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > MOST_BYTES {
            return Err(format!("it has {} bytes; expected at most {MOST_BYTES}", bytes.len()));
        }
        let said = |why: serde_json::Error| format!("it is no decision: {}", within(&why.to_string(), 200));
        let Form { control } = serde_json::from_slice(bytes).map_err(said)?;
        if control != FORM {
            return Err(format!("it has form {control}; this program reads form {FORM}"));
        }
        let written: Written<WrittenDecision> = serde_json::from_slice(bytes).map_err(said)?;
        if written.decisions.len() > MOST_DECISIONS {
            return Err(format!(
                "it has {} decisions; expected at most {MOST_DECISIONS}",
                written.decisions.len()
            ));
        }
        let decisions = written.decisions.into_iter().map(Decision::of).collect::<Result<_, _>>()?;
        Ok(Self { decisions })
    }
}

impl Decision {
    fn of(written: WrittenDecision) -> Result<Self, String> {
        let WrittenDecision { model, version, before, state, act, rows, difference } = written;
        let name = |what, text: &str| Name::parse(text).map_err(|why| format!("its {what}: {why}"));
        let known = DecisionState::ALL.into_iter().find(|known| known.name() == state);
        if version == before {
            return Err(format!("its version before, {}, is the version itself", quoted(&before)));
        }
        Ok(Self {
            model: name("model's name", &model)?,
            version: name("version", &version)?,
            before: name("version before", &before)?,
            state: known.ok_or_else(|| {
                let all = DecisionState::ALL.map(DecisionState::name).join(", ");
                format!("its state is {}; expected one of {all}", quoted(&state))
            })?,
            act,
            rows,
            difference,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(version: &str, state: DecisionState, difference: Option<f64>) -> Decision {
        let [model, version, before] = ["model", version, "old"].map(|name| Name::parse(name).unwrap());
        Decision { model, version, before, state, act: true, rows: 58, difference }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let decisions = DecisionState::ALL.map(|state| decision("new", state, Some(0.1 + 0.2))).to_vec();
        let control = Control { decisions };
        assert_eq!(Control::read(&control.to_json()).unwrap(), control);
        // What is no number is none.
        let odd = Control { decisions: vec![decision("v", DecisionState::Watching, Some(f64::NAN))] };
        let none = Control { decisions: vec![decision("v", DecisionState::Watching, None)] };
        assert_eq!(Control::read(&odd.to_json()).unwrap(), none);
        assert_eq!(Control::read(&Control::default().to_json()).unwrap(), Control::default());
    }

    #[test]
    fn the_wire_has_the_words_of_the_documents() {
        let text = r#"{"control":1,"decisions":[{"model":"model","version":"new","before":"old","state":"worse","act":true,"rows":58,"difference":18.9}]}"#;
        let control = Control { decisions: vec![decision("new", DecisionState::Worse, Some(18.9))] };
        assert_eq!(String::from_utf8(control.to_json()).unwrap(), text);
        assert_eq!(Control::read(text.as_bytes()).unwrap(), control);
    }

    #[test]
    fn the_largest_that_is_written_can_be_read() {
        let longest = Name::parse(&"x".repeat(Name::MAX_LEN)).unwrap();
        let decision = Decision {
            model: longest.clone(),
            version: longest,
            before: Name::parse(&"y".repeat(Name::MAX_LEN)).unwrap(),
            state: DecisionState::Undecided,
            act: false,
            rows: u64::MAX,
            difference: Some(f64::MIN_POSITIVE * 1.1),
        };
        let json = Control { decisions: vec![decision; MOST_DECISIONS + 7] }.to_json();
        assert_eq!(Control::read(&json).unwrap().decisions.len(), MOST_DECISIONS);
    }

    #[test]
    fn what_is_no_decision_is_told_in_a_line() {
        let one = |model: &str, state: &str| {
            format!(
                r#"{{"control":1,"decisions":[{{"model":"{model}","version":"v","before":"b","state":"{state}","act":true,"rows":1}}]}}"#
            )
        };
        let many = format!(
            r#"{{"control":1,"decisions":[{}]}}"#,
            vec![
                r#"{"model":"m","version":"v","before":"b","state":"worse","act":true,"rows":1}"#;
                MOST_DECISIONS + 1
            ]
            .join(",")
        );
        for (text, want) in [
            ("", "it is no decision: EOF"),
            (&"[".repeat(50_000), "it is no decision: "),
            (r#"{"control":2,"more":"of it"}"#, "it has form 2; this program reads form 1"),
            (r#"{"control":1}"#, "missing field `decisions`"),
            (&one("a b", "worse"), "its model's name: it has the character ' '"),
            (
                &one("m", "bad\\n"),
                "its state is \"bad\\n\"; expected one of watching, worse, cleared, undecided",
            ),
            (
                &one("m", "worse").replace(r#""before":"b""#, r#""before":"v""#),
                "its version before, \"v\", is the version itself",
            ),
            (&many, "it has 101 decisions; expected at most 100"),
            (&" ".repeat(MOST_BYTES + 1), "it has 65537 bytes; expected at most 65536"),
        ] {
            let why = Control::read(text.as_bytes()).unwrap_err();
            assert!(why.contains(want) && !why.contains('\n'), "{why}");
        }
        assert!(Control::read(one("m", "worse").as_bytes()).is_ok());
    }
}
