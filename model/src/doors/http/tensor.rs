//! A tensor of the Open Inference Protocol: numbers of one type in a shape, as JSON or as bytes. Pure.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;
use shared::message::{Rejection, read_json};
use shared::printable::quoted;

use super::problem::Problem;

/// An input as a request has it.
#[derive(Debug, Deserialize)]
pub(super) struct Input<'a> {
    name: String,
    shape: Vec<usize>,
    datatype: String,
    parameters: Option<Binary>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct Binary {
    binary_data_size: Option<usize>,
}

/// Numbers in a shape.
#[derive(Debug, PartialEq)]
pub(super) struct Tensor {
    pub(super) name: String,
    /// As many numbers as its product says.
    pub(super) shape: Vec<usize>,
    pub(super) numbers: Vec<f64>,
}

/// A type whose values are numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Datatype {
    Float(usize),
    Signed(usize),
    Unsigned(usize),
}

impl Input<'_> {
    /// Reads it. `binary` is what the request has behind its JSON; what is this input's of it is taken off.
    pub(super) fn read(self, binary: &mut &[u8]) -> Result<Tensor, Problem> {
        let Self { name, shape, datatype, parameters, data } = self;
        let shown = quoted(&name);
        let shape_is = |detail: String| Problem::bad(Rejection::SHAPE, format!("input {shown}: {detail}"));
        let Some(datatype) = Datatype::parse(&datatype) else {
            let wanted = "FP16, FP32, FP64, INT8 to INT64 or UINT8 to UINT64";
            return Err(shape_is(format!("the datatype is {}; expected {wanted}", quoted(&datatype))));
        };
        let count = shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
        let Some(count) = count.filter(|count| *count > 0) else {
            return Err(shape_is(format!("the shape {shape:?} has no numbers, or more than can be counted")));
        };
        let size = parameters.and_then(|parameters| parameters.binary_data_size);
        let numbers = match (data, size) {
            (Some(data), None) => {
                let mut numbers = Numbers(Vec::new());
                let mut json = serde_json::Deserializer::from_str(data.get());
                if let Err(why) = Flat(&mut numbers).deserialize(&mut json) {
                    // Tells apart what cannot be a number at all.
                    let why = read_json::<serde_json::Value>(data.get().as_bytes(), "numbers")
                        .err()
                        .unwrap_or_else(|| Rejection::new(Rejection::SHAPE, why));
                    return Err(Problem::bad(why.reason, format!("input {shown}: {}", why.detail)));
                }
                if numbers.0.len() != count {
                    return Err(shape_is(format!(
                        "{} numbers, and the shape {shape:?} has {count}",
                        numbers.0.len()
                    )));
                }
                numbers.0
            }
            (None, Some(size)) => {
                let width = datatype.width();
                if count.checked_mul(width) != Some(size) {
                    return Err(shape_is(format!(
                        "binary_data_size is {size}, and the shape {shape:?} of {datatype} is another size"
                    )));
                }
                let Some((own, rest)) = binary.split_at_checked(size) else {
                    return Err(shape_is(format!(
                        "{size} bytes of data, and only {} are left",
                        binary.len()
                    )));
                };
                *binary = rest;
                own.chunks_exact(width).map(|bytes| datatype.number(bytes)).collect()
            }
            (None, None) => return Err(shape_is("it has no data".to_owned())),
            (Some(_), Some(_)) => return Err(shape_is("it has both data and binary_data_size".to_owned())),
        };
        Ok(Tensor { name, shape, numbers })
    }
}

impl Datatype {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "FP16" => Self::Float(2),
            "FP32" => Self::Float(4),
            "FP64" => Self::Float(8),
            "INT8" => Self::Signed(1),
            "INT16" => Self::Signed(2),
            "INT32" => Self::Signed(4),
            "INT64" => Self::Signed(8),
            "UINT8" => Self::Unsigned(1),
            "UINT16" => Self::Unsigned(2),
            "UINT32" => Self::Unsigned(4),
            "UINT64" => Self::Unsigned(8),
            _ => return None,
        })
    }

    /// How many bytes a value has.
    fn width(self) -> usize {
        match self {
            Self::Float(width) | Self::Signed(width) | Self::Unsigned(width) => width,
        }
    }

    /// The number that these bytes are, of which there are as many as it is wide, the least first.
    #[expect(clippy::cast_precision_loss, reason = "as every number of a request is read")]
    fn number(self, bytes: &[u8]) -> f64 {
        let mut wide = [0; 8];
        wide.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        let unsigned = u64::from_le_bytes(wide);
        let [b0, b1, b2, b3, ..] = wide;
        match self {
            Self::Float(2) => half(u16::from_le_bytes([b0, b1])),
            Self::Float(4) => f64::from(f32::from_le_bytes([b0, b1, b2, b3])),
            Self::Float(_) => f64::from_bits(unsigned),
            Self::Unsigned(_) => unsigned as f64,
            Self::Signed(width) => {
                // Up to the highest bit and down again, so that the sign comes along.
                let unused = 64 - 8 * width;
                ((unsigned << unused).cast_signed() >> unused) as f64
            }
        }
    }
}

impl fmt::Display for Datatype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Float(_) => "FP",
            Self::Signed(_) => "INT",
            Self::Unsigned(_) => "UINT",
        };
        write!(f, "{name}{}", 8 * self.width())
    }
}

/// A number of 16 bits, as IEEE 754 has it.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from((bits >> 10) & 0x1f), f64::from(bits & 0x3ff) / 1024.0);
    sign * match exponent {
        0 => fraction * 2_f64.powi(-14),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => (1.0 + fraction) * 2_f64.powi(exponent - 15),
    }
}

struct Numbers(Vec<f64>);

/// Numbers, and arrays of them, one after the other.
struct Flat<'a>(&'a mut Numbers);

impl<'de> DeserializeSeed<'de> for Flat<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Flat<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or an array of numbers")
    }
    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.0.0.push(number);
        Ok(())
    }
    #[expect(clippy::cast_precision_loss, reason = "as every JSON number is read")]
    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.visit_f64(number as f64)
    }
    #[expect(clippy::cast_precision_loss, reason = "as every JSON number is read")]
    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.visit_f64(number as f64)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Flat(&mut *self.0))?.is_some() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str, mut binary: &[u8]) -> Result<(Tensor, usize), String> {
        let input: Input<'_> = serde_json::from_str(json).unwrap();
        let told = |why: Problem| format!("{}: {}", why.reason.unwrap_or_default(), why.error);
        let tensor = input.read(&mut binary).map_err(told)?;
        Ok((tensor, binary.len()))
    }

    #[test]
    fn json_is_flat_or_nested() {
        for data in ["[1,-2.5,3,4]", "[[1,-2.5],[3,4]]", "[[[1],[-2.5]],[[3],[4]]]"] {
            let json = format!(r#"{{"name":"x","shape":[2,2],"datatype":"FP32","data":{data},"more":1}}"#);
            let (tensor, left) = read(&json, b"ab").unwrap();
            let wanted = Tensor { name: "x".into(), shape: vec![2, 2], numbers: vec![1.0, -2.5, 3.0, 4.0] };
            assert_eq!((tensor, left), (wanted, 2), "{data}");
        }
    }

    #[test]
    fn bytes_are_numbers_of_every_type() {
        let cases: [(&str, &[u8], f64); 18] = [
            ("FP64", &(-0.1_f64).to_le_bytes(), -0.1),
            ("FP32", &1.5_f32.to_le_bytes(), 1.5),
            ("FP16", &[0x00, 0x3c], 1.0),
            ("FP16", &[0x00, 0xc0], -2.0),
            ("FP16", &[0xff, 0x7b], 65504.0),
            ("FP16", &[0x01, 0x00], 5.960_464_477_539_063e-8),
            ("FP16", &[0x00, 0x7c], f64::INFINITY),
            ("INT8", &[0xff], -1.0),
            ("INT8", &[0x7f], 127.0),
            ("INT16", &(-300_i16).to_le_bytes(), -300.0),
            ("INT32", &i32::MIN.to_le_bytes(), -2_147_483_648.0),
            ("INT64", &(-7_i64).to_le_bytes(), -7.0),
            ("UINT8", &[0xff], 255.0),
            ("UINT16", &u16::MAX.to_le_bytes(), 65535.0),
            ("UINT32", &u32::MAX.to_le_bytes(), 4_294_967_295.0),
            ("UINT64", &[0, 0, 0, 0, 0, 0, 0, 0x80], 9_223_372_036_854_775_808.0),
            ("FP32", &[0, 0, 0, 0x80], -0.0),
            ("FP32", &f32::NEG_INFINITY.to_le_bytes(), f64::NEG_INFINITY),
        ];
        for (datatype, bytes, wanted) in cases {
            let json = format!(
                r#"{{"name":"x","shape":[1],"datatype":"{datatype}","parameters":{{"binary_data_size":{}}}}}"#,
                bytes.len()
            );
            let (tensor, left) = read(&json, &[bytes, b"rest"].concat()).unwrap();
            assert_eq!((tensor.numbers[0].to_bits(), left), (wanted.to_bits(), 4), "{datatype} {bytes:?}");
        }
        assert!(half(0x7e00).is_nan());
    }

    #[test]
    fn what_is_wrong_is_named_before_anything_is_made_of_it() {
        let huge = format!("[{},{}]", usize::MAX, 2);
        for (rest, why) in [
            (
                r#""shape":[2],"datatype":"FP64","data":[1]"#,
                "bad_shape: input \"x\": 1 numbers, and the shape [2] has 2",
            ),
            (
                r#""shape":[1],"datatype":"BYTES","data":["a"]"#,
                "bad_shape: input \"x\": the datatype is \"BYTES\"; expected",
            ),
            (
                r#""shape":[1],"datatype":"BOOL","data":[true]"#,
                "bad_shape: input \"x\": the datatype is \"BOOL\"; expected",
            ),
            (r#""shape":[1],"datatype":"FP64","data":["a"]"#, "bad_shape: input \"x\": invalid type: string"),
            (r#""shape":[1],"datatype":"FP64","data":[null]"#, "bad_shape: input \"x\": invalid type: null"),
            (
                r#""shape":[1],"datatype":"FP64","data":[1e999]"#,
                "not_finite: input \"x\": number out of range",
            ),
            (
                r#""shape":[0,3],"datatype":"FP64","data":[]"#,
                "bad_shape: input \"x\": the shape [0, 3] has no numbers",
            ),
            (&format!(r#""shape":{huge},"datatype":"FP64","data":[]"#), "bad_shape: input \"x\": the shape"),
            (r#""shape":[1],"datatype":"FP64""#, "bad_shape: input \"x\": it has no data"),
            (r#""shape":[1],"datatype":"FP64","parameters":{}"#, "bad_shape: input \"x\": it has no data"),
            (
                r#""shape":[1],"datatype":"FP64","data":[1],"parameters":{"binary_data_size":8}"#,
                "bad_shape: input \"x\": it has both data and binary_data_size",
            ),
            (
                r#""shape":[2],"datatype":"FP64","parameters":{"binary_data_size":8}"#,
                "bad_shape: input \"x\": binary_data_size is 8, and the shape [2] of FP64 is another size",
            ),
            (
                r#""shape":[2],"datatype":"FP64","parameters":{"binary_data_size":16}"#,
                "bad_shape: input \"x\": 16 bytes of data, and only 8 are left",
            ),
            (
                &format!(
                    r#""shape":[{}],"datatype":"FP64","parameters":{{"binary_data_size":8}}"#,
                    usize::MAX
                ),
                "bad_shape: input \"x\": binary_data_size is 8",
            ),
        ] {
            let told = read(&format!(r#"{{"name":"x",{rest}}}"#), &[0; 8]).unwrap_err();
            assert!(told.starts_with(why), "{rest}: {told}");
        }
    }
}
