//! numpy's dtypes and arrays: as much of them as it takes to get numbers and names out.

use super::value::{Arena, Handle, Node};

/// The type of an array's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dtype {
    kind: u8,
    /// Bytes an element.
    size: u64,
    big_endian: bool,
    /// Whether BUILD has said the byte order.
    pub(super) ready: bool,
}

/// An array's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Single,
    Vector(u64),
    Matrix(u64, u64),
    /// Of more dimensions, with so many elements. No weights have that.
    Deeper(u64),
}

/// An array whose data has the length that its shape says.
#[derive(Debug)]
pub(super) struct Array<'a> {
    pub(super) dtype: Dtype,
    pub(super) shape: Shape,
    pub(super) data: Data<'a>,
}

/// Where an array's elements are.
#[derive(Debug)]
pub(super) enum Data<'a> {
    /// In a bytes object.
    Bytes(Handle),
    /// In the stream, where joblib put them.
    Raw(&'a [u8]),
    /// In the arena.
    Objects(Vec<Handle>),
}

impl Dtype {
    /// Reads a code such as `f8`.
    pub(super) fn parse(code: &str) -> Option<Self> {
        let kind = *code.as_bytes().first()?;
        if !b"fiubcOSU".contains(&kind) {
            return None;
        }
        // Without a number, only Python objects make sense: they are pointers.
        let digits = code.get(1..).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))?;
        let units = if code == "O" { 8 } else { u64::from(digits.parse::<u32>().ok()?) };
        let size = if kind == b'U' { units * 4 } else { units };
        Some(Self { kind, size, big_endian: false, ready: false })
    }

    /// Reads what BUILD says of it: version, byte order, three fields of structured types, two sizes, flags.
    pub(super) fn state(self, arena: &Arena<'_>, state: &[Handle]) -> Option<Self> {
        let [version, order, subtype, names, fields, size, alignment, flags] = *state else { return None };
        let simple = [subtype, names, fields].iter().all(|handle| matches!(arena[*handle], Node::None));
        let is = |handle: Handle, wanted: i64| matches!(arena[handle], Node::Int(found) if found == wanted);
        // numpy believes what it is told of sizes and flags, to its ruin; here it must be what numpy writes.
        let known = match self.kind {
            b'S' | b'U' => true,
            b'O' => is(size, -1) && is(alignment, -1) && is(flags, 0x3f),
            _ => is(size, -1) && is(alignment, -1) && is(flags, 0),
        };
        if self.ready || !simple || !known || !is(version, 3) {
            return None;
        }
        let big_endian = match arena.text(order)? {
            "<" | "|" => false,
            ">" => true,
            _ => return None,
        };
        Some(Self { big_endian, ready: true, ..self })
    }

    /// As numpy writes it.
    pub(super) fn code(self) -> String {
        let units = if self.kind == b'U' { self.size / 4 } else { self.size };
        format!("{}{units}", char::from(self.kind))
    }

    pub(super) fn is_object(self) -> bool {
        self.kind == b'O'
    }

    /// How many bytes an array of it takes; none where that is no number.
    pub(super) fn bytes(self, shape: Shape) -> Option<u64> {
        shape.count()?.checked_mul(self.size)
    }

    /// Elements as doubles; none where they are something else than doubles or floats.
    pub(super) fn floats(self, bytes: &[u8]) -> Option<Vec<f64>> {
        let (doubles, singles) = (bytes.as_chunks::<8>().0.iter(), bytes.as_chunks::<4>().0.iter());
        Some(match (self.kind, self.size, self.big_endian) {
            (b'f', 8, false) => doubles.map(|element| f64::from_le_bytes(*element)).collect(),
            (b'f', 8, true) => doubles.map(|element| f64::from_be_bytes(*element)).collect(),
            (b'f', 4, false) => singles.map(|element| f32::from_le_bytes(*element).into()).collect(),
            (b'f', 4, true) => singles.map(|element| f32::from_be_bytes(*element).into()).collect(),
            _ => return None,
        })
    }

    /// A scalar of this type; none where its data has another length.
    pub(super) fn scalar<'a>(self, bytes: &[u8]) -> Option<Node<'a>> {
        if u64::try_from(bytes.len()) != Ok(self.size) {
            return None;
        }
        if let Some(&[number]) = self.floats(bytes).as_deref() {
            return Some(Node::Float(number));
        }
        let mut little_endian = [0; 8];
        Some(match (self.kind, little_endian.get_mut(..bytes.len())) {
            (b'b', Some([truth])) => {
                *truth = bytes[0];
                Node::Bool(*truth != 0)
            }
            (b'i' | b'u', Some(low)) => {
                low.copy_from_slice(bytes);
                if self.big_endian {
                    low.reverse();
                }
                let number = signed(low);
                if self.kind == b'u' && number < 0 { unsigned(low) } else { Node::Int(number) }
            }
            _ => Node::Ignored,
        })
    }
}

/// An integer in two's complement of up to eight bytes, the lowest first.
pub(super) fn signed(bytes: &[u8]) -> i64 {
    let negative = bytes.last().is_some_and(|byte| *byte & 0x80 != 0);
    let mut wide = [if negative { 0xff } else { 0 }; 8];
    wide.iter_mut().zip(bytes).for_each(|(wide, byte)| *wide = *byte);
    i64::from_le_bytes(wide)
}

fn unsigned<'a>(bytes: &[u8]) -> Node<'a> {
    let mut wide = [0; 8];
    wide.iter_mut().zip(bytes).for_each(|(wide, byte)| *wide = *byte);
    i64::try_from(u64::from_le_bytes(wide)).map_or(Node::Ignored, Node::Int)
}

impl Shape {
    /// Reads a tuple of sizes; none where it is something else or too large.
    pub(super) fn read(arena: &Arena<'_>, handle: Handle) -> Option<Self> {
        let Node::Tuple(sizes) = &arena[handle] else { return None };
        let size = |handle: Handle| match arena[handle] {
            Node::Int(size) => u64::try_from(size).ok(),
            _ => None,
        };
        match **sizes {
            [] => Some(Self::Single),
            [length] => Some(Self::Vector(size(length)?)),
            [rows, columns] => Some(Self::Matrix(size(rows)?, size(columns)?)),
            _ => sizes.iter().try_fold(1_u64, |count, one| count.checked_mul(size(*one)?)).map(Self::Deeper),
        }
    }

    /// How many elements; none where that is no number.
    pub(super) fn count(self) -> Option<u64> {
        match self {
            Self::Single => Some(1),
            Self::Vector(length) => Some(length),
            Self::Matrix(rows, columns) => rows.checked_mul(columns),
            Self::Deeper(count) => Some(count),
        }
    }
}
