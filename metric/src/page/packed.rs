//! Pages packed with gzip for whoever takes that: a quarter of the bytes.

use std::io::Write as _;

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_ENCODING;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Whether the browser takes gzip.
pub(super) fn is_taken(headers: &HeaderMap) -> bool {
    let takes = |coding: &str| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|weight| weight.trim().parse() == Ok(0.0));
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    };
    headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(takes))
}

/// The packed text; none where it cannot be packed, which does not happen in memory.
pub(super) fn pack(text: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 4), Compression::fast());
    encoder.write_all(text).ok()?;
    encoder.finish().ok()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn only_whoever_takes_gzip_gets_it() {
        for (accepts, taken) in [
            (&["gzip, deflate, br"][..], true),
            (&["br", "GZIP;q=0.5"], true),
            (&["gzip;q=0"], false),
            (&["gzip; q=0.0, br"], false),
            (&["br"], false),
            (&["identity;gzip"], false),
            (&[], false),
        ] {
            let mut headers = HeaderMap::new();
            accepts.iter().for_each(|value| _ = headers.append(ACCEPT_ENCODING, value.parse().unwrap()));
            assert_eq!(is_taken(&headers), taken, "{accepts:?}");
        }
    }

    #[test]
    fn what_is_packed_is_smaller_and_the_same() {
        let text = "<p>how good is it</p>".repeat(1000);
        let packed = pack(text.as_bytes()).unwrap();
        let mut again = String::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut again).unwrap();
        assert!(again == text && packed.len() * 4 < text.len());
    }
}
