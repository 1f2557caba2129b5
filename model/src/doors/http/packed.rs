//! Bodies as they came and as they are: `Content-Encoding` is gzip, deflate or nothing. Pure.

use std::io::Read;

use axum::body::Bytes;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use shared::message::{MAX_BODY, Rejection};
use shared::printable::quoted;

use super::problem::Problem;

/// What a body is once it is unpacked, which is as bounded as it was before.
pub(super) fn unpacked(encoding: Option<&str>, body: Bytes) -> Result<Bytes, Problem> {
    let encoding = encoding.unwrap_or_default().trim().to_ascii_lowercase();
    match &*encoding {
        "" | "identity" => Ok(body),
        "gzip" | "x-gzip" => all_of(MultiGzDecoder::new(&*body)),
        "deflate" => all_of(ZlibDecoder::new(&*body)),
        other => {
            let detail = format!("the content encoding is {}; expected gzip, deflate or none", quoted(other));
            Err(Problem::bad(Rejection::ENCODING, detail))
        }
    }
}

fn all_of(packed: impl Read) -> Result<Bytes, Problem> {
    let mut bytes = Vec::new();
    packed
        .take(MAX_BODY as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|why| Problem::bad(Rejection::ENCODING, format!("the body cannot be unpacked: {why}")))?;
    if bytes.len() > MAX_BODY {
        return Err(Problem::long());
    }
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;

    #[test]
    fn a_body_is_unpacked_within_its_bound() {
        let gzip = |bytes: &[u8]| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        };
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(b"[1]").unwrap();
        let (small, zlib) = (gzip(b"[1]"), zlib.finish().unwrap());
        let (full, bomb) = (gzip(&vec![0; MAX_BODY]), gzip(&vec![0; MAX_BODY + 1]));
        for (encoding, body, wanted) in [
            (None, &b"[1]"[..], Ok(3)),
            (Some("identity"), b"[1]", Ok(3)),
            (Some("gzip"), &small, Ok(3)),
            (Some(" GZIP "), &small, Ok(3)),
            (Some("deflate"), &zlib, Ok(3)),
            (Some("gzip"), &full, Ok(MAX_BODY)),
            (Some("gzip"), &bomb, Err("too_large")),
            (Some("gzip"), b"[1]", Err("bad_encoding")),
            (Some("gzip"), &small[..small.len() - 4], Err("bad_encoding")),
            (Some("br"), b"[1]", Err("bad_encoding")),
        ] {
            let told = unpacked(encoding, Bytes::copy_from_slice(body));
            let told = told.map(|bytes| bytes.len()).map_err(|why| why.reason.unwrap());
            assert_eq!(told, wanted, "{encoding:?}");
        }
    }
}
