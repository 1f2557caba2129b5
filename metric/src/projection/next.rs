//! Whether a file goes on as it should.

use std::io::{self, Read};

/// How many zeros are read at once.
const ZEROS: u64 = 64 * 1024;

/// How a file goes on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// With what is wanted.
    Same,
    /// It ends here.
    End,
    /// It ends within what is wanted, or with the zeros that some file systems leave after a power cut.
    Torn,
    /// With something else.
    Other,
}

/// Reads as many bytes as are wanted, and says what they are.
pub(super) fn next_is(file: &mut impl Read, wanted: &[u8]) -> io::Result<Next> {
    let mut there = Vec::with_capacity(wanted.len());
    file.take(wanted.len() as u64).read_to_end(&mut there)?;
    if there == wanted {
        return Ok(Next::Same);
    }
    if there.is_empty() {
        return Ok(Next::End);
    }
    let same = there.iter().zip(wanted).take_while(|(there, wanted)| there == wanted).count();
    let mut rest = there[same..].to_vec();
    while rest.iter().all(|byte| *byte == 0) {
        rest.clear();
        if file.take(ZEROS).read_to_end(&mut rest)? == 0 {
            return Ok(Next::Torn);
        }
    }
    Ok(Next::Other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_end_is_told_from_another_text() {
        for (there, wanted, next) in [
            ("line\nmore", "line\n", Next::Same),
            ("", "line\n", Next::End),
            ("lin", "line\n", Next::Torn),
            ("lin\0\0\0\0\0\0\0\0", "line\n", Next::Torn),
            ("\0\0\0\0\0\0\0\0\0", "line\n", Next::Torn),
            ("lone\n", "line\n", Next::Other),
            ("l", "x\n", Next::Other),
            ("lin\0\0\0\0\0x\0", "line\n", Next::Other),
        ] {
            assert_eq!(next_is(&mut there.as_bytes(), wanted.as_bytes()).unwrap(), next, "{there:?}");
        }
    }
}
