//! Bytes in, UTF-8 out, as they arrive: gzip and encodings are found by their content.

use std::io::{self, Chain, Cursor, Read};

use flate2::read::MultiGzDecoder;

use super::content::{self, START};

/// How many bytes are asked for at once. What arrives is handed on, however little it is.
const CHUNK: usize = 64 * 1024;

/// How characters are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// So far all are ASCII: the first that is not decides between UTF-8 and Windows-1252.
    Ascii,
    Utf8,
    /// Also what is called Latin-1, but for characters that no text has.
    Windows1252,
    Utf16 {
        big: bool,
    },
}

/// Why there is no more text.
#[derive(Debug)]
pub(super) enum Fault {
    Unreadable(io::Error),
    /// What is wrong, and the way out.
    Wrong(String),
}

enum Input<R> {
    Plain(R),
    Gzip(Box<MultiGzDecoder<Chain<Cursor<Vec<u8>>, R>>>),
    /// Only while it is opened.
    None,
}

/// A stream of text.
pub(super) struct Text<R> {
    input: Input<R>,
    encoding: Encoding,
    /// Bytes that are not decoded yet: at first the file's beginning, later at most a part of a character.
    raw: Vec<u8>,
    ended: bool,
    fault: Option<Fault>,
}

impl<R: Read> Text<R> {
    /// Reads as much as tells what it is: a line, or 64 bytes.
    pub(super) fn open(input: R) -> Result<Self, Fault> {
        let (input, encoding, ended) = (Input::Plain(input), Encoding::Ascii, false);
        let mut text = Self { input, encoding, raw: Vec::new(), ended, fault: None };
        text.start()?;
        if text.raw.starts_with(&[0x1f, 0x8b]) {
            if let Input::Plain(input) = std::mem::replace(&mut text.input, Input::None) {
                let packed = Cursor::new(std::mem::take(&mut text.raw)).chain(input);
                text.input = Input::Gzip(Box::new(MultiGzDecoder::new(packed)));
                text.ended = false;
            }
            text.start()?;
        }
        text.encoding = match &text.raw[..] {
            [0xef, 0xbb, 0xbf, ..] => text.skip(3, Encoding::Utf8),
            [0xff, 0xfe, ..] => text.skip(2, Encoding::Utf16 { big: false }),
            [0xfe, 0xff, ..] => text.skip(2, Encoding::Utf16 { big: true }),
            // Without a mark: the first two characters are ASCII.
            [first, 0, second, 0, ..] if *first != 0 && *second != 0 => Encoding::Utf16 { big: false },
            [0, first, 0, second, ..] if *first != 0 && *second != 0 => Encoding::Utf16 { big: true },
            start => match content::refusal(start) {
                Some(why) => return Err(Fault::Wrong(why)),
                None => Encoding::Ascii,
            },
        };
        Ok(text)
    }

    pub(super) fn encoding(&self) -> Encoding {
        self.encoding
    }

    pub(super) fn is_gzip(&self) -> bool {
        matches!(self.input, Input::Gzip(_))
    }

    /// Appends what arrives next, a character at least; false at the end.
    pub(super) fn more(&mut self, text: &mut Vec<u8>) -> Result<bool, Fault> {
        let before = text.len();
        loop {
            if let Some(fault) = self.fault.take() {
                return Err(fault);
            }
            self.decode(text);
            if text.len() > before {
                return Ok(true);
            }
            if self.ended {
                return if self.fault.is_some() { continue } else { Ok(false) };
            }
            self.fill()?;
        }
    }

    fn start(&mut self) -> Result<(), Fault> {
        let enough = |raw: &[u8]| {
            raw.len() >= START || (raw.len() >= 4 && raw.contains(&b'\n') && !raw.starts_with(b"PK"))
        };
        while !self.ended && !enough(&self.raw) {
            self.fill()?;
        }
        Ok(())
    }

    fn skip(&mut self, mark: usize, encoding: Encoding) -> Encoding {
        self.raw.drain(..mark);
        encoding
    }

    fn fill(&mut self) -> Result<(), Fault> {
        let have = self.raw.len();
        self.raw.resize(have + CHUNK, 0);
        let (result, packed) = loop {
            let space = &mut self.raw[have..];
            let (result, packed) = match &mut self.input {
                Input::Plain(input) => (input.read(space), false),
                Input::Gzip(input) => (input.read(space), true),
                Input::None => (Ok(0), false),
            };
            match result {
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                other => break (other, packed),
            }
        };
        let got = *result.as_ref().unwrap_or(&0);
        self.raw.truncate(have + got);
        match result {
            Ok(got) => self.ended = got == 0,
            Err(why) => {
                return Err(match why.kind() {
                    io::ErrorKind::UnexpectedEof if packed => Fault::Wrong(
                        "the gzip data ends early: the file is incomplete; download or compress it again"
                            .to_owned(),
                    ),
                    io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput if packed => Fault::Wrong(
                        "the gzip data is damaged here; download or compress it again".to_owned(),
                    ),
                    _ => Fault::Unreadable(why),
                });
            }
        }
        Ok(())
    }

    /// Moves whole characters from `raw` to `text`.
    fn decode(&mut self, text: &mut Vec<u8>) {
        if self.encoding == Encoding::Ascii {
            let ascii = self.raw.iter().position(|byte| !byte.is_ascii()).unwrap_or(self.raw.len());
            text.extend(self.raw.drain(..ascii));
            let first = &self.raw[..self.raw.len().min(4)];
            self.encoding = match std::str::from_utf8(first) {
                Ok("") => return,
                Ok(_) => Encoding::Utf8,
                Err(why) if why.valid_up_to() > 0 => Encoding::Utf8,
                Err(why) if why.error_len().is_none() && !self.ended => return,
                Err(_) => Encoding::Windows1252,
            };
        }
        match self.encoding {
            Encoding::Ascii => {}
            Encoding::Utf8 => self.decode_utf8(text),
            Encoding::Windows1252 => {
                let decoded: String = self.raw.drain(..).map(windows_1252).collect();
                text.extend_from_slice(decoded.as_bytes());
            }
            Encoding::Utf16 { big } => self.decode_utf16(big, text),
        }
    }

    fn decode_utf8(&mut self, text: &mut Vec<u8>) {
        let (valid, wrong) = match std::str::from_utf8(&self.raw) {
            Ok(_) => (self.raw.len(), false),
            Err(why) => (why.valid_up_to(), why.error_len().is_some() || self.ended),
        };
        text.extend(self.raw.drain(..valid));
        if wrong {
            self.end("this is not UTF-8, although everything before it is; save the table as UTF-8");
        }
    }

    fn decode_utf16(&mut self, big: bool, text: &mut Vec<u8>) {
        let unit = |pair: &[u8]| match (pair, big) {
            ([high, low], true) | ([low, high], false) => u16::from_be_bytes([*high, *low]),
            _ => 0,
        };
        let mut units: Vec<u16> = self.raw.chunks_exact(2).map(unit).collect();
        // Half a character waits for its other half.
        if !self.ended && units.last().is_some_and(|last| (0xd800..0xdc00).contains(last)) {
            units.pop();
        }
        let mut whole = 0;
        for character in char::decode_utf16(units.iter().copied()) {
            let Ok(character) = character else {
                self.end("this is not UTF-16, although everything before it is; save the table as UTF-8");
                return;
            };
            whole += character.len_utf16();
            text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
        self.raw.drain(..whole * 2);
        if self.ended && !self.raw.is_empty() {
            self.end("it ends in half a character (UTF-16): the file is incomplete");
        }
    }

    fn end(&mut self, why: &str) {
        self.fault = Some(Fault::Wrong(why.to_owned()));
        self.raw.clear();
        self.ended = true;
    }
}

fn windows_1252(byte: u8) -> char {
    /// 0x80 to 0x9f; the five that stand for nothing are left as they are, as browsers do.
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}',
        '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => HIGH[usize::from(byte - 0x80)],
        other => char::from(other),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// The text, or what was read of it and why there is no more. Bytes come `step` at a time.
    fn read(bytes: &[u8], step: usize) -> (String, Option<String>, Option<Encoding>) {
        struct Drip<'a>(&'a [u8], usize);
        impl Read for Drip<'_> {
            fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
                let some = self.1.min(space.len());
                self.0.read(&mut space[..some])
            }
        }
        let say = |fault| match fault {
            Fault::Unreadable(why) => why.to_string(),
            Fault::Wrong(why) => why,
        };
        let mut text = match Text::open(Drip(bytes, step)) {
            Ok(text) => text,
            Err(fault) => return (String::new(), Some(say(fault)), None),
        };
        let mut out = Vec::new();
        let why = loop {
            match text.more(&mut out) {
                Ok(true) => {}
                Ok(false) => break None,
                Err(fault) => break Some(say(fault)),
            }
        };
        (String::from_utf8(out).unwrap(), why, Some(text.encoding()))
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(bytes).unwrap();
        packed.finish().unwrap()
    }

    #[test]
    fn every_encoding_gives_the_same_text_however_it_arrives() {
        let text = "größe,€\r\n1,2 𝄞\r\n";
        let units = |to: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(to).collect::<Vec<u8>>();
        let marked = |mark: &[u8], bytes: Vec<u8>| [mark, &bytes].concat();
        let both = [gzip(&text.as_bytes()[..5]), gzip(&text.as_bytes()[5..])].concat();
        for (bytes, want) in [
            (text.as_bytes().to_vec(), Encoding::Utf8),
            (marked(b"\xef\xbb\xbf", text.as_bytes().to_vec()), Encoding::Utf8),
            (marked(b"\xff\xfe", units(u16::to_le_bytes)), Encoding::Utf16 { big: false }),
            (marked(b"\xfe\xff", units(u16::to_be_bytes)), Encoding::Utf16 { big: true }),
            (units(u16::to_le_bytes), Encoding::Utf16 { big: false }),
            (units(u16::to_be_bytes), Encoding::Utf16 { big: true }),
            (both, Encoding::Utf8),
        ] {
            for step in [1, 3, 1000] {
                assert_eq!(read(&bytes, step), (text.to_owned(), None, Some(want)), "{step} bytes at a time");
            }
        }
        for step in [1, 1000] {
            let windows = read(b"gr\xf6\xdfe,\x80\n", step);
            assert_eq!(windows, ("größe,€\n".to_owned(), None, Some(Encoding::Windows1252)));
            // What looks like the beginning of a character of UTF-8 ends the file.
            assert_eq!(read(b"a,b\xc3", step).0, "a,bÃ");
        }
    }

    #[test]
    fn what_is_broken_is_read_up_to_there() {
        let packed = gzip(&b"a,b\n1,2\n".repeat(1000));
        let (text, why, _) = read(&packed[..packed.len() - 9], 1000);
        assert!(text.starts_with("a,b\n1,2\n") && why.unwrap().starts_with("the gzip data ends early"));
        let (text, why, _) = read("a,ö\n1,\u{2} \n".as_bytes(), 1000);
        assert_eq!((&*text, why), ("a,ö\n1,\u{2} \n", None));
        let (text, why, _) = read(b"a,\xc3\xb6\n1,\xf6\n2,3\n", 1000);
        assert_eq!(text, "a,ö\n1,");
        assert!(why.unwrap().starts_with("this is not UTF-8"));
        let (text, why, _) = read(b"\xff\xfea\0,\0b\0\n", 1000);
        assert_eq!((&*text, &why.unwrap()[..27]), ("a,b", "it ends in half a character"));
    }
}
