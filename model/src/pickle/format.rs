//! From a file to the stream of a pickle: tells the formats apart and inflates zlib, within a limit.

use std::borrow::Cow;

use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_zlib_with_limit};

use super::error::PickleError;

/// The longest stream that is read, in bytes. A small file can inflate to a thousand times its size.
const MAX_STREAM: usize = 64 * 1024 * 1024;

/// How other formats begin.
const OTHERS: [(&[u8], &str); 8] = [
    (b"\x1f\x8b", "compressed with gzip"),
    (b"BZh", "compressed with bz2"),
    (b"\xfd7zXZ", "compressed with xz"),
    (b"\x5d\x00", "compressed with lzma"),
    (b"\x04\x22\x4d\x18", "compressed with lz4"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
    (b"ZF", "compressed by joblib 0.9 or older (\"ZF\")"),
    (b"PK\x03\x04", "a zip archive, as skops and PyTorch write,"),
];
/// What a file of protocol 0 or 1 can begin with; they have no header.
const OLD_STARTS: &[u8] = b"(]})lcdtiINFSVLKJMGUTX";

/// The stream of opcodes in a file, of protocol 2 or later.
pub(super) fn stream(bytes: &[u8]) -> Result<Cow<'_, [u8]>, PickleError> {
    // 0x78 is zlib with the usual window, and no opcode.
    let stream =
        if bytes.first() == Some(&0x78) { Cow::Owned(inflate(bytes)?) } else { Cow::Borrowed(bytes) };
    check_start(&stream)?;
    Ok(stream)
}

fn inflate(bytes: &[u8]) -> Result<Vec<u8>, PickleError> {
    decompress_to_vec_zlib_with_limit(bytes, MAX_STREAM).map_err(|why| match why.status {
        TINFLStatus::HasMoreOutput => {
            PickleError::TooLarge { what: "bytes when decompressed", limit: MAX_STREAM }
        }
        TINFLStatus::FailedCannotMakeProgress | TINFLStatus::NeedsMoreInput => {
            PickleError::malformed(bytes.len(), "the compressed data is incomplete")
        }
        _ => PickleError::malformed(0, "it begins like zlib data but cannot be decompressed"),
    })
}

fn check_start(stream: &[u8]) -> Result<(), PickleError> {
    match stream {
        [] => return Err(PickleError::malformed(0, "it is empty")),
        [0x80, ..] => return Ok(()),
        _ => {}
    }
    if let Some(&(_, what)) = OTHERS.iter().find(|(start, _)| stream.starts_with(start)) {
        return Err(PickleError::UnsupportedFormat { what });
    }
    if OLD_STARTS.contains(&stream[0]) && stream.ends_with(b".") {
        return Err(PickleError::UnsupportedFormat { what: "a pickle of protocol 0 or 1" });
    }
    Err(PickleError::malformed(0, format!("it begins with {:#04x}, but pickles begin with 0x80", stream[0])))
}
