//! The property block of a message, walked without recursion: whether the client can read it, and a block
//! that it can read when not.

#![cfg_attr(not(fuzzing), expect(unreachable_pub, reason = "the fuzz targets reach it"))]

/// The deepest nesting of arrays and tables inside the headers.
pub const DEEPEST: usize = 31;

/// What the client needs in memory for a value, besides its bytes: its slot in an array that grows by
/// doubling.
const VALUE: usize = 64;
/// The same for an array: the first slots.
const ARRAY: usize = 128;
/// The same for a table inside the headers: the first node of its tree.
const TABLE: usize = 640;

enum Shape {
    Text,
    Headers,
    Octet,
    Time,
}

/// The properties in the order of their flags, from bit 15 down.
const PROPERTIES: [(&str, Shape); 14] = [
    ("content_type", Shape::Text),
    ("content_encoding", Shape::Text),
    ("headers", Shape::Headers),
    ("delivery_mode", Shape::Octet),
    ("priority", Shape::Octet),
    ("correlation_id", Shape::Text),
    ("reply_to", Shape::Text),
    ("expiration", Shape::Text),
    ("message_id", Shape::Text),
    ("timestamp", Shape::Time),
    ("type", Shape::Text),
    ("user_id", Shape::Text),
    ("app_id", Shape::Text),
    ("cluster_id", Shape::Text),
];
/// The two bits that stand for no property; the last one says that more flags follow.
const STRANGE: u16 = 0b11;

/// Whether the client can read the block (flags and properties), with at most `depth` arrays and tables in
/// each other and never more than [`DEEPEST`]. Returns an estimate of the bytes that it takes in memory
/// besides its own.
///
/// # Errors
///
/// What is wrong with it, for people: printable, at most 80 characters.
pub fn check(block: &[u8], depth: usize) -> Result<usize, String> {
    let mut block = Cursor(block);
    let flags = block.short().ok_or("the properties end inside their flags")?;
    if flags & STRANGE != 0 {
        return Err("the properties have flags that AMQP 0-9-1 does not know".to_owned());
    }
    let mut memory = 0;
    for (name, shape) in present(flags) {
        let cut = || format!("the properties end inside {name}");
        match shape {
            Shape::Text => {
                let text = block.text().ok_or_else(cut)?;
                std::str::from_utf8(text).map_err(|_| format!("{name} is not UTF-8"))?;
            }
            Shape::Headers => memory += check_headers(block.long().ok_or_else(cut)?, depth)?,
            Shape::Octet => _ = block.take(1).ok_or_else(cut)?,
            Shape::Time => _ = block.take(8).ok_or_else(cut)?,
        }
    }
    match block.0.len() {
        0 => Ok(memory),
        left => Err(format!("{left} bytes are left over behind the properties")),
    }
}

/// A block that the client can read: what is well formed, in texts `?` for each byte that is not UTF-8, no
/// headers. It is cut where the block was.
pub fn repair(block: &[u8]) -> Vec<u8> {
    let mut block = Cursor(block);
    let flags = block.short().unwrap_or(0);
    let mut kept = 0;
    let mut repaired = vec![0, 0];
    for (position, (_, shape)) in PROPERTIES.iter().enumerate() {
        let flag = 1 << (15 - position);
        if flags & flag == 0 {
            continue;
        }
        let value = match shape {
            Shape::Text => block.text().inspect(|text| {
                repaired.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
            }),
            Shape::Headers => match block.long() {
                Some(_) => continue,
                None => None,
            },
            Shape::Octet => block.take(1),
            Shape::Time => block.take(8),
        };
        let Some(value) = value else { break };
        let start = repaired.len();
        repaired.extend_from_slice(value);
        if let Shape::Text = shape {
            mend(&mut repaired[start..]);
        }
        kept |= flag;
    }
    repaired[..2].copy_from_slice(&u16::to_be_bytes(kept));
    repaired
}

/// Puts `?` in the place of each byte that is not UTF-8. Says whether there was one.
pub(super) fn mend(text: &mut [u8]) -> bool {
    let mut mended = false;
    let mut start = 0;
    while let Err(error) = std::str::from_utf8(&text[start..]) {
        let bad = start + error.valid_up_to();
        let end = error.error_len().map_or(text.len(), |length| bad + length);
        text[bad..end].fill(b'?');
        mended = true;
        start = end;
    }
    mended
}

fn present(flags: u16) -> impl Iterator<Item = &'static (&'static str, Shape)> {
    let here = move |(position, _): &(usize, _)| flags & (1 << (15 - position)) != 0;
    PROPERTIES.iter().enumerate().filter(here).map(|(_, property)| property)
}

fn check_headers(table: &[u8], depth: usize) -> Result<usize, String> {
    let cut = || "the headers end inside a value".to_owned();
    let depth = depth.min(DEEPEST);
    // What is left of each array or table that is open, and whether its values have names.
    let mut open: [(&[u8], bool); DEEPEST + 1] = [(&[], false); DEEPEST + 1];
    open[0] = (table, true);
    let mut level = 0;
    let mut memory = 0;
    loop {
        let (rest, named) = open[level];
        if rest.is_empty() {
            if level == 0 {
                return Ok(memory);
            }
            level -= 1;
            continue;
        }
        let mut rest = Cursor(rest);
        if named {
            let name = rest.text().ok_or_else(cut)?;
            std::str::from_utf8(name).map_err(|_| "the name of a header is not UTF-8".to_owned())?;
        }
        let kind = rest.octet().ok_or_else(cut)?;
        // As the client reads them: `s` is a number, as in RabbitMQ, and not the specification's short text.
        let value = match kind {
            b'V' => Some(&[][..]),
            b't' | b'b' | b'B' => rest.take(1),
            b's' | b'U' | b'u' => rest.take(2),
            b'I' | b'i' | b'f' => rest.take(4),
            b'D' => rest.take(5),
            b'L' | b'l' | b'd' | b'T' => rest.take(8),
            b'S' | b'x' | b'A' | b'F' => rest.long(),
            _ => {
                let kind = char::from(kind).escape_default();
                return Err(format!("a header has a value of the unknown type '{kind}'"));
            }
        };
        let value = value.ok_or_else(cut)?;
        memory += VALUE;
        open[level].0 = rest.0;
        if let b'A' | b'F' = kind {
            if level == depth {
                return Err(format!("the headers are nested deeper than {depth} levels"));
            }
            level += 1;
            open[level] = (value, kind == b'F');
            memory += if kind == b'F' { TABLE } else { ARRAY };
        }
    }
}

/// Takes values off the front of bytes. Nothing is taken of a value that is cut.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn octet(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn short(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// A text with its length in one byte.
    fn text(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(*self.0.first()?);
        let text = self.0.get(1..=length)?;
        self.0 = &self.0[1 + length..];
        Some(text)
    }

    /// Anything with its length in four bytes.
    fn long(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (taken, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
pub(super) mod tests;
