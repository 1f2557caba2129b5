//! A cursor on the stream. No length that the file declares is believed before that many bytes are seen to be there.

use super::error::PickleError;

/// What of the stream is still to be read.
pub(super) struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The offset of the next byte.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// How long the whole stream is.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The next bytes.
    pub(super) fn take(&mut self, count: u64) -> Result<&'a [u8], PickleError> {
        let rest = self.rest();
        let taken = usize::try_from(count).ok().and_then(|count| rest.get(..count)).ok_or_else(|| {
            let why = format!("it announces {count} bytes, but {} are left", rest.len());
            PickleError::malformed(self.at, why)
        })?;
        self.at += taken.len();
        Ok(taken)
    }

    /// A number of fixed size, as its bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let (array, _) = self
            .rest()
            .split_first_chunk::<N>()
            .ok_or_else(|| PickleError::malformed(self.bytes.len(), "it ends in the middle"))?;
        self.at += N;
        Ok(*array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, PickleError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn u32(&mut self) -> Result<u32, PickleError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, PickleError> {
        self.array().map(u64::from_le_bytes)
    }

    /// The next bytes, as text.
    pub(super) fn text(&mut self, count: u64) -> Result<&'a str, PickleError> {
        let at = self.at;
        utf8(at, self.take(count)?)
    }

    /// Text up to the end of the line, and the end of the line.
    pub(super) fn line(&mut self) -> Result<&'a str, PickleError> {
        let (at, rest) = (self.at, self.rest());
        let end = rest.iter().position(|byte| *byte == b'\n');
        let line = end
            .and_then(|end| rest.get(..end))
            .ok_or_else(|| PickleError::malformed(self.bytes.len(), "it ends in the middle of a name"))?;
        self.at += line.len() + 1;
        utf8(at, line)
    }

    /// Where the next so many bytes end, which must be there.
    pub(super) fn end_of(&self, count: u64) -> Result<usize, PickleError> {
        let mut ahead = Input { bytes: self.bytes, at: self.at };
        ahead.take(count)?;
        Ok(ahead.at)
    }

    /// Checks that nothing is left.
    pub(super) fn finish(&self) -> Result<(), PickleError> {
        match self.rest().len() {
            0 => Ok(()),
            left => Err(PickleError::malformed(self.at, format!("{left} bytes follow the end of the model"))),
        }
    }
}

fn utf8(at: usize, bytes: &[u8]) -> Result<&str, PickleError> {
    str::from_utf8(bytes).map_err(|_| PickleError::malformed(at, "a text is not UTF-8"))
}
