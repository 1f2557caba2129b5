//! An ONNX model whose weights are in a file beside it, as PyTorch exports them: made one before anybody else reads it.
//!
//! ONNX Runtime is never told of a second file. It gets a model that has its weights inside.

use shared::printable::quoted;

use super::message::{Field, Fields, Value, put};

/// Fields of ONNX's messages, by their numbers in `onnx.proto`.
mod field {
    pub(super) const MODEL_GRAPH: u64 = 7;
    pub(super) const GRAPH_INITIALIZER: u64 = 5;
    pub(super) const TENSOR_RAW_DATA: u64 = 9;
    pub(super) const TENSOR_EXTERNAL_DATA: u64 = 13;
    pub(super) const TENSOR_DATA_LOCATION: u64 = 14;
    pub(super) const ENTRY_KEY: u64 = 1;
    pub(super) const ENTRY_VALUE: u64 = 2;
}

/// The longest name of a file that a system takes, in bytes.
const LONGEST_NAME: usize = 255;

/// The file that a model says its weights are in; none where they are all inside, or where the bytes are no ONNX.
///
/// # Errors
/// More than one file, or one that is not simply beside the model.
pub(crate) fn named(model: &[u8]) -> Result<Option<String>, String> {
    let mut found: Option<String> = None;
    for tensor in tensors(model).unwrap_or_default() {
        let Some(External { location, .. }) = External::of(tensor) else { continue };
        if found.as_ref().is_some_and(|found| *found != location) {
            return Err("its weights are in more than one other file (external data)".to_owned());
        }
        let plain = !location.contains(['/', '\\', '\0']) && !matches!(&*location, "" | "." | "..");
        if !plain || location.len() > LONGEST_NAME {
            return Err(format!(
                "its weights are in {} (external data), but only a file next to it is read",
                quoted(&location)
            ));
        }
        found = Some(location);
    }
    Ok(found)
}

/// The model with the weights of that file inside. `data` is the whole file.
///
/// # Errors
/// Weights beyond the end of the file.
pub(crate) fn embedded(model: &[u8], data: &[u8]) -> Result<Vec<u8>, String> {
    rewritten(model, field::MODEL_GRAPH, |graph| {
        rewritten(graph, field::GRAPH_INITIALIZER, |tensor| match External::of(tensor) {
            None => Ok(tensor.to_owned()),
            Some(external) => external.inside(tensor, data),
        })
    })
}

/// Where a tensor's numbers are in the other file.
struct External {
    location: String,
    offset: Option<u64>,
    length: Option<u64>,
}

impl External {
    fn of(tensor: &[u8]) -> Option<Self> {
        let mut external = Self { location: String::new(), offset: None, length: None };
        let mut outside = false;
        for field in Fields::of(tensor) {
            let Field { number, value, .. } = field?;
            match (number, value) {
                (field::TENSOR_DATA_LOCATION, Value::Number(place)) => outside = place == 1,
                (field::TENSOR_EXTERNAL_DATA, Value::Bytes(entry)) => {
                    let text = |wanted| {
                        let bytes = Fields::of(entry).flatten().find_map(|field| match field {
                            Field { number, value: Value::Bytes(bytes), .. } if number == wanted => {
                                Some(bytes)
                            }
                            _ => None,
                        });
                        String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
                    };
                    let value = text(field::ENTRY_VALUE);
                    match &*text(field::ENTRY_KEY) {
                        "location" => external.location = value,
                        "offset" => external.offset = value.parse().ok(),
                        "length" => external.length = value.parse().ok(),
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        outside.then_some(external)
    }

    fn inside(&self, tensor: &[u8], data: &[u8]) -> Result<Vec<u8>, String> {
        let part = || {
            let offset = usize::try_from(self.offset.unwrap_or(0)).ok()?;
            let end = match self.length {
                Some(length) => offset.checked_add(usize::try_from(length).ok()?)?,
                None => data.len(),
            };
            data.get(offset..end)
        };
        let part = part().ok_or_else(|| {
            format!(
                "its weights would lie beyond the {} bytes of {}: copy both files again",
                data.len(),
                self.location
            )
        })?;
        let mut whole = Vec::new();
        for Field { number, span, .. } in Fields::of(tensor).flatten() {
            let replaced = [field::TENSOR_RAW_DATA, field::TENSOR_EXTERNAL_DATA, field::TENSOR_DATA_LOCATION]
                .contains(&number);
            if !replaced {
                whole.extend_from_slice(&tensor[span]);
            }
        }
        put(&mut whole, field::TENSOR_RAW_DATA, part);
        Ok(whole)
    }
}

/// The tensors that a model's graph begins with; none where the bytes are no such model.
fn tensors(model: &[u8]) -> Option<Vec<&[u8]>> {
    let mut tensors = Vec::new();
    for graph in parts(model, field::MODEL_GRAPH)? {
        tensors.extend(parts(graph, field::GRAPH_INITIALIZER)?);
    }
    Some(tensors)
}

/// The contents of every field of this number; none where the bytes are no message.
fn parts(message: &[u8], wanted: u64) -> Option<Vec<&[u8]>> {
    let mut found = Vec::new();
    for field in Fields::of(message) {
        match field? {
            Field { number, value: Value::Bytes(bytes), .. } if number == wanted => found.push(bytes),
            _ => {}
        }
    }
    Some(found)
}

/// A message with every field of this number made anew.
fn rewritten(
    message: &[u8],
    wanted: u64,
    anew: impl Fn(&[u8]) -> Result<Vec<u8>, String>,
) -> Result<Vec<u8>, String> {
    let mut whole = Vec::with_capacity(message.len());
    for Field { number, value, span } in Fields::of(message).flatten() {
        match value {
            Value::Bytes(bytes) if number == wanted => put(&mut whole, wanted, &anew(bytes)?),
            _ => whole.extend_from_slice(&message[span]),
        }
    }
    Ok(whole)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn message(fields: &[(u64, &[u8])]) -> Vec<u8> {
        let mut message = Vec::new();
        fields.iter().for_each(|(number, bytes)| put(&mut message, *number, bytes));
        message
    }

    /// A model of two tensors: one inside, one in a file of this name.
    pub(crate) fn model(location: &str, offset: &str, length: &str) -> Vec<u8> {
        let entry = |key: &str, value: &str| message(&[(1, key.as_bytes()), (2, value.as_bytes())]);
        let entries = [entry("location", location), entry("offset", offset), entry("length", length)];
        let mut outside = message(&[(8, b"w"), (13, &entries[0]), (13, &entries[1]), (13, &entries[2])]);
        outside.extend([14 << 3, 1]);
        let graph = message(&[(2, b"model"), (5, &message(&[(8, b"v"), (9, b"inside")])), (5, &outside)]);
        message(&[(2, b"maker"), (7, &graph)])
    }

    #[test]
    fn weights_of_another_file_are_put_inside() {
        let model = model("model.onnx.data", "2", "4");
        assert_eq!(named(&model), Ok(Some("model.onnx.data".to_owned())));
        let whole = embedded(&model, b"__12345").unwrap();
        let graph = message(&[
            (2, b"model"),
            (5, &message(&[(8, b"v"), (9, b"inside")])),
            (5, &message(&[(8, b"w"), (9, b"1234")])),
        ]);
        assert_eq!(whole, message(&[(2, b"maker"), (7, &graph)]));
        assert_eq!(named(&whole), Ok(None));
        assert_eq!(embedded(&whole, b"").unwrap(), whole);
        // A long field, and a length of two bytes.
        assert_eq!(
            embedded(&super::tests::model("d", "0", "200"), &[7; 200]).unwrap().len(),
            whole.len() + 200 - 4 + 3
        );
    }

    #[test]
    fn only_a_plain_name_is_taken() {
        for location in ["../w", "/etc/passwd", "a/b", "..", ".", "", "a\\b", "a\0b"] {
            let said = named(&model(location, "0", "1")).unwrap_err();
            assert!(said.contains("external data"), "{said}");
        }
        assert!(named(&model(&"x".repeat(256), "0", "1")).is_err());
        let escaped = named(&model("\u{1b}[2J/", "0", "1")).unwrap_err();
        assert!(escaped.contains("\\u{1b}[2J/"), "{escaped}");
    }

    #[test]
    fn what_is_beyond_the_file_or_no_message_is_refused() {
        for (offset, length) in
            [("0", "9"), ("9", "0"), ("4", "5"), ("18446744073709551615", "1"), ("1", "18446744073709551615")]
        {
            assert!(embedded(&model("w", offset, length), b"12345678").is_err(), "{offset} {length}");
        }
        let model = model("w", "0", "4");
        for end in 0..model.len() {
            // Whatever they are, they end.
            _ = named(&model[..end]);
            _ = embedded(&model[..end], b"1234");
        }
        assert_eq!(named(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), Ok(None));
        assert_eq!(named(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), Ok(None));
        assert_eq!(named(b""), Ok(None));
    }
}
