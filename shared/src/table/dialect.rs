//! How a table is written.

use std::fmt;
use std::str::FromStr;

use clap::{Args, ValueEnum};

/// How a table is written, where that is not to be found by looking.
#[derive(Args, Debug, Clone, PartialEq, Eq, Default)]
pub struct Dialect {
    /// Separator between cells: comma, semicolon, tab, pipe, space, or one character. [default: detected]
    #[arg(long, value_name = "CHARACTER")]
    pub separator: Option<Separator>,

    /// Decimal mark of numbers, `.` or `,`. [default: detected]
    #[arg(long, value_enum, value_name = "MARK")]
    pub decimal: Option<Decimal>,
}

/// The character between cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Separator(u8);

impl Separator {
    /// A comma, as in a plain CSV.
    pub const COMMA: Self = Self(b',');
    /// Those that are looked for; the first goes before the others.
    pub(super) const USUAL: [Self; 4] = [Self::COMMA, Self(b';'), Self(b'\t'), Self(b'|')];

    pub(super) fn byte(self) -> u8 {
        self.0
    }

    /// As `--separator` wants it.
    pub(super) fn flag(self) -> String {
        match self.0 {
            b',' => "comma".to_owned(),
            b';' => "semicolon".to_owned(),
            b'\t' => "tab".to_owned(),
            b'|' => "pipe".to_owned(),
            b' ' => "space".to_owned(),
            other => char::from(other).to_string(),
        }
    }
}

impl fmt::Display for Separator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            b',' | b';' | b'\t' | b'|' | b' ' => write!(f, "{}s", self.flag()),
            other => write!(f, "{:?}", char::from(other)),
        }
    }
}

impl FromStr for Separator {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.as_bytes()) {
            ("comma", _) => Ok(Self::COMMA),
            ("semicolon", _) => Ok(Self(b';')),
            ("tab" | "\\t", _) => Ok(Self(b'\t')),
            ("pipe", _) => Ok(Self(b'|')),
            ("space", _) => Ok(Self(b' ')),
            // What numbers, quotes and lines are made of can stand between none.
            (_, [byte])
                if byte.is_ascii() && !byte.is_ascii_alphanumeric() && !b"\"\r\n.-+\0".contains(byte) =>
            {
                Ok(Self(*byte))
            }
            _ => Err("expected comma, semicolon, tab, pipe, space, or one character such as ;".to_owned()),
        }
    }
}

/// The mark before a number's decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Decimal {
    /// A point.
    #[value(name = ".", alias = "point")]
    Point,
    /// A comma.
    #[value(name = ",", alias = "comma")]
    Comma,
}

impl Decimal {
    pub(super) fn mark(self) -> char {
        match self {
            Self::Point => '.',
            Self::Comma => ',',
        }
    }

    pub(super) fn other(self) -> Self {
        match self {
            Self::Point => Self::Comma,
            Self::Comma => Self::Point,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_separator_is_named_or_given() {
        for (text, byte) in
            [("tab", b'\t'), ("\\t", b'\t'), ("\t", b'\t'), (";", b';'), ("semicolon", b';'), ("^", b'^')]
        {
            assert_eq!(text.parse::<Separator>().map(Separator::byte), Ok(byte));
        }
        for bad in ["", "x", "1", ".", "\"", ";;", "\n", "§"] {
            assert!(bad.parse::<Separator>().is_err(), "{bad:?}");
        }
    }
}
