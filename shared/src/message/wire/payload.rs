//! From a message to the JSON in it: what it says that its body is, how large it is, how it is compressed.

use std::borrow::Cow;
use std::io::Read as _;

use flate2::read::MultiGzDecoder;

use super::{Incoming, MAX_BODY};
use crate::message::Rejection;

/// How gzip begins, as no JSON does.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Reads the JSON of a message with `read`.
///
/// # Errors
/// Those of `read`, and what is wrong with the message before that.
pub(super) fn read<T>(
    message: &impl Incoming,
    read: impl FnOnce(&[u8]) -> Result<T, Rejection>,
) -> Result<T, Rejection> {
    if let Some(finding) = message.finding() {
        return Err(finding);
    }
    let body = message.body();
    if body.len() > MAX_BODY {
        let detail = format!("{} bytes, more than {MAX_BODY}", body.len());
        return Err(Rejection::new(Rejection::TOO_LARGE, detail));
    }
    if let Some(other) = message.content_type().filter(|text| !may_be_json(text)) {
        let detail = format!("{other:?}; expected application/json, a text type, or none");
        return Err(Rejection::new(Rejection::CONTENT_TYPE, detail));
    }
    let json = if body.starts_with(&GZIP) { Cow::Owned(expanded(body)?) } else { Cow::Borrowed(body) };
    read(&json).map_err(|why| match message.content_encoding() {
        Some(encoding) if why.reason == Rejection::NOT_JSON && is_coding(encoding) => {
            let detail =
                format!("neither JSON nor gzip, and content_encoding says {encoding:?}; only gzip is read");
            Rejection::new(Rejection::ENCODING, detail)
        }
        _ => why,
    })
}

/// Whether JSON may stand in a body of this type: none, JSON of any kind, text, or bytes, which is what some clients say of
/// everything.
fn may_be_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    // What nearly every message says, without a copy.
    if kind.is_empty() || kind.eq_ignore_ascii_case("application/json") {
        return true;
    }
    let kind = kind.to_ascii_lowercase();
    let (group, kind) = kind.split_once('/').unwrap_or(("", &kind));
    group == "text"
        || (group, kind) == ("application", "octet-stream")
        || kind == "json"
        || kind.ends_with("+json")
}

/// Whether it names more than the alphabet, which some clients put there.
fn is_coding(content_encoding: &str) -> bool {
    let plain = ["", "identity", "utf-8", "utf8"];
    !plain.iter().any(|plain| content_encoding.eq_ignore_ascii_case(plain))
}

fn expanded(gzip: &[u8]) -> Result<Vec<u8>, Rejection> {
    let mut bytes = Vec::new();
    let limit = MAX_BODY as u64 + 1;
    MultiGzDecoder::new(gzip)
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|why| Rejection::new(Rejection::ENCODING, format!("gzip that cannot be expanded: {why}")))?;
    if bytes.len() > MAX_BODY {
        let detail = format!("gzip of more than {MAX_BODY} bytes");
        return Err(Rejection::new(Rejection::TOO_LARGE, detail));
    }
    if bytes.starts_with(&GZIP) {
        return Err(Rejection::new(Rejection::ENCODING, "gzip in gzip; pack the body once"));
    }
    Ok(bytes)
}
