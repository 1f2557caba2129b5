//! Pickles assembled by hand, from the opcodes up.

mod models;
mod opcodes;

use super::{PickledLinear, read};

fn text(text: &str) -> Vec<u8> {
    [&b"X"[..], &u32::try_from(text.len()).unwrap().to_le_bytes(), text.as_bytes()].concat()
}

fn global(dotted: &str) -> Vec<u8> {
    let (module, name) = dotted.rsplit_once('.').unwrap();
    format!("c{module}\n{name}\n").into_bytes()
}

fn pickle(body: &[u8]) -> Vec<u8> {
    [b"\x80\x04", body, b"."].concat()
}

fn dtype(code: &str, order: &str) -> Vec<u8> {
    let made = [&global("numpy.dtype"), &text(code)[..], b"\x89\x88\x87R"].concat();
    let flags = if code == "O8" { 0x3f } else { 0 };
    [&made[..], b"(K\x03", &text(order), b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK", &[flags], b"tb"].concat()
}

/// An array of any type, of the shape that these opcodes make.
fn array_of(code: &str, order: &str, shape: &[u8], data: &[u8]) -> Vec<u8> {
    let data = [&[b'C', u8::try_from(data.len()).unwrap()], data].concat();
    let start = global("numpy._core.numeric._frombuffer");
    [&start[..], b"(", &data, &dtype(code, order), shape, &text("C"), b"tR"].concat()
}

/// A vector of doubles.
fn array(numbers: &[f64]) -> Vec<u8> {
    let data: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    array_of("f8", "<", &[b'K', u8::try_from(numbers.len()).unwrap(), 0x85], &data)
}

fn float(number: f64) -> Vec<u8> {
    [&b"G"[..], &number.to_be_bytes()].concat()
}

/// A vector of Python objects.
fn objects(items: &[Vec<u8>]) -> Vec<u8> {
    let blank = [&global("numpy._core.multiarray._reconstruct"), &global("numpy.ndarray")[..]].concat();
    let length = u8::try_from(items.len()).unwrap();
    let state = [b"(K\x01K", &[length][..], b"\x85", &dtype("O8", "|"), b"\x89](", &items.concat(), b"etb"];
    [&blank[..], b"K\x00\x85C\x01b\x87R", &state.concat()].concat()
}

type Attributes<'a> = &'a [(&'a str, Vec<u8>)];

fn object(class: &str, attributes: Attributes<'_>) -> Vec<u8> {
    let entries: Vec<u8> =
        attributes.iter().flat_map(|(name, value)| [text(name), value.clone()].concat()).collect();
    [&global(class)[..], b")\x81}(", &entries, b"ub"].concat()
}

const RIDGE: &str = "sklearn.linear_model._ridge.Ridge";
const SCALER: &str = "sklearn.preprocessing._data.StandardScaler";

/// A fitted Ridge of two features, with some attributes set otherwise.
fn ridge(changes: Attributes<'_>) -> Vec<u8> {
    let fitted = [("coef_", array(&[1.5, -2.0])), ("intercept_", float(0.25))];
    object(RIDGE, &[&fitted, changes].concat())
}

fn scaler(changes: Attributes<'_>) -> Vec<u8> {
    let fitted = [
        ("with_mean", b"\x88".to_vec()),
        ("with_std", b"\x88".to_vec()),
        ("mean_", array(&[1.0, 2.0])),
        ("scale_", array(&[0.5, 4.0])),
    ];
    object(SCALER, &[&fitted, changes].concat())
}

fn pipeline(steps: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let pairs: Vec<u8> =
        steps.iter().flat_map(|(name, step)| [&text(name)[..], step, b"\x86"].concat()).collect();
    object("sklearn.pipeline.Pipeline", &[("steps", [b"](", &pairs[..], b"e"].concat())])
}

fn good(body: &[u8]) -> PickledLinear {
    read(&pickle(body)).unwrap()
}

fn refused(body: &[u8], reason: &str, want: &str) {
    let error = read(&pickle(body)).unwrap_err();
    assert_eq!(error.reason(), reason, "{error}");
    assert!(error.to_string().contains(want), "{error}, not {want}");
}
