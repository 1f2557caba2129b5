//! The walk against the client's own parser.

use lapin::protocol::basic::parse_properties;

use super::*;

/// Numbers that are the same in each run (splitmix64).
pub(in super::super) struct Random(pub(in super::super) u64);

impl Random {
    pub(in super::super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % end as u64).unwrap()
    }

    pub(in super::super) fn octet(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }
}

fn text(text: &[u8]) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text].concat()
}

fn long(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

fn value(kind: u8, bytes: &[u8]) -> Vec<u8> {
    [&[kind], bytes].concat()
}

fn header(name: &[u8], value: &[u8]) -> Vec<u8> {
    [&text(name), value].concat()
}

fn flag(name: &str) -> u16 {
    let position = PROPERTIES.iter().position(|(known, _)| *known == name).unwrap();
    1 << (15 - position)
}

/// A block with the properties in the order of the specification.
pub(in super::super) fn block(properties: &[(&str, &[u8])]) -> Vec<u8> {
    let flags = properties.iter().fold(0, |flags, (name, _)| flags | flag(name));
    let values = properties.iter().flat_map(|(_, bytes)| bytes.to_vec());
    u16::to_be_bytes(flags).into_iter().chain(values).collect()
}

fn with_headers(table: &[u8]) -> Vec<u8> {
    block(&[("headers", &long(table)), ("delivery_mode", &[2]), ("message_id", &text(b"id"))])
}

/// Arrays or tables in each other.
fn nest(kind: u8, levels: usize) -> Vec<u8> {
    let mut inner = value(kind, &long(b""));
    for _ in 1..levels {
        if kind == b'F' {
            inner = header(b"n", &inner);
        }
        inner = value(kind, &long(&inner));
    }
    inner
}

pub(in super::super) fn nested(levels: usize) -> Vec<u8> {
    with_headers(&header(b"x", &nest(b'A', levels)))
}

/// One value of each type.
fn every_type() -> Vec<u8> {
    let fixed: [(u8, usize); 14] = [
        (b't', 1),
        (b'b', 1),
        (b'B', 1),
        (b's', 2),
        (b'U', 2),
        (b'u', 2),
        (b'I', 4),
        (b'i', 4),
        (b'L', 8),
        (b'l', 8),
        (b'D', 5),
        (b'T', 8),
        (b'V', 0),
        (b'f', 4),
    ];
    let mut table = Vec::new();
    for (kind, length) in fixed {
        table.extend(header(&[kind], &value(kind, &[0xff; 8][..length])));
    }
    table.extend(header(b"d", &value(b'd', &f64::NAN.to_be_bytes())));
    for (kind, bytes) in [(b'S', &b"\xff\xfe"[..]), (b'x', b"\0\xff"), (b'A', b"Vt\x01"), (b'F', b"\x01nV")] {
        table.extend(header(&[kind], &value(kind, &long(bytes))));
    }
    table
}

/// A block that has everything.
pub(in super::super) fn full() -> Vec<u8> {
    let mut all = Vec::new();
    for (name, shape) in &PROPERTIES {
        let bytes = match shape {
            Shape::Text => text(format!("{name} \u{e4}").as_bytes()),
            Shape::Headers => long(&every_type()),
            Shape::Octet => vec![2],
            Shape::Time => vec![0; 8],
        };
        all.push((*name, bytes));
    }
    block(&all.iter().map(|(name, bytes)| (*name, &**bytes)).collect::<Vec<_>>())
}

pub(in super::super) fn is_read(block: &[u8]) -> bool {
    parse_properties(block).is_ok_and(|(rest, _)| rest.is_empty())
}

#[test]
fn what_the_client_reads_passes() {
    for good in [
        block(&[]),
        full(),
        with_headers(b""),
        with_headers(&every_type()),
        with_headers(&[header(b"a", b"V"), header(b"a", b"t\x01"), header(b"", b"V")].concat()),
        block(&[("content_type", &text(&[b'x'; 255]))]),
        with_headers(&header(b"x", &nest(b'A', 31))),
        with_headers(&header(b"x", &nest(b'F', 31))),
        with_headers(&header(b"x", &value(b'A', &long(&nest(b'A', 30).repeat(3))))),
    ] {
        assert!(check(&good, DEEPEST).is_ok(), "{:?}", check(&good, DEEPEST));
        assert!(is_read(&good));
    }
}

#[test]
fn what_it_cannot_read_is_found_and_repaired() {
    let id = |bytes: &[u8]| block(&[("delivery_mode", &[2]), ("message_id", bytes)]);
    let deep = |kind, levels| with_headers(&header(b"x", &nest(kind, levels)));
    let good = block(&[("delivery_mode", &[2]), ("message_id", &text(b"id"))]);
    let mode = block(&[("delivery_mode", &[2])]);
    let in_array = |bytes: &[u8]| with_headers(&header(b"x", &value(b'A', &long(bytes))));
    let cut = "the headers end inside a value";
    let too_deep = "the headers are nested deeper than 31 levels";
    let name = "the name of a header is not UTF-8";
    let cases = [
        (deep(b'A', 32), too_deep, good.clone()),
        (deep(b'F', 32), too_deep, good.clone()),
        (deep(b'A', 18_000), too_deep, good.clone()),
        (deep(b'F', 9_000), too_deep, good.clone()),
        (with_headers(&header(b"\xff", b"V")), name, good.clone()),
        (with_headers(&header(b"x", &value(b'F', &long(&header(b"a\xc3", b"V"))))), name, good.clone()),
        (with_headers(&header(b"x", b"z")), "a header has a value of the unknown type 'z'", good.clone()),
        (in_array(b"\x07"), "a header has a value of the unknown type '\\u{7}'", good.clone()),
        (with_headers(b"\x05x"), cut, good.clone()),
        (with_headers(b"\x01x"), cut, good.clone()),
        (in_array(b"I\0\0\0"), cut, good.clone()),
        (in_array(b"S\0\0\0\x01"), cut, good.clone()),
        (in_array(b"A\0\0\0\x01"), cut, good.clone()),
        (in_array(b"F\xff\xff\xff\xff"), cut, good.clone()),
        (id(&text(b"a\xffb\xe2\x82")), "message_id is not UTF-8", id(&text(b"a?b??"))),
        (id(b"\x03ab"), "the properties end inside message_id", mode.clone()),
        (id(b""), "the properties end inside message_id", mode.clone()),
        (block(&[("headers", b"\0\0\0")]), "the properties end inside headers", block(&[])),
        (block(&[("headers", b"\0\0\0\x05abcd")]), "the properties end inside headers", block(&[])),
        (block(&[("delivery_mode", b"")]), "the properties end inside delivery_mode", block(&[])),
        (block(&[("timestamp", &[0; 7])]), "the properties end inside timestamp", block(&[])),
        ([&*good, b"abc"].concat(), "3 bytes are left over behind the properties", good.clone()),
        (vec![], "the properties end inside their flags", block(&[])),
        (vec![0xff], "the properties end inside their flags", block(&[])),
        (vec![0, 1, 0, 0], "the properties have flags that AMQP 0-9-1 does not know", block(&[])),
        (vec![0, 2], "the properties have flags that AMQP 0-9-1 does not know", block(&[])),
    ];
    for (bad, detail, repaired) in cases {
        assert_eq!(check(&bad, DEEPEST).unwrap_err(), detail);
        assert_eq!(repair(&bad), repaired, "{detail}");
        assert!(is_read(&repaired) && check(&repaired, DEEPEST).is_ok(), "{detail}");
    }
}

#[test]
fn a_text_that_is_not_utf8_is_found_and_mended_in_each_place() {
    for (name, shape) in &PROPERTIES {
        let Shape::Text = shape else { continue };
        let bad = block(&[(name, &text(b"\x80 \xf0\x9f\x98\x80\xf0\x9f"))]);
        assert_eq!(check(&bad, DEEPEST).unwrap_err(), format!("{name} is not UTF-8"));
        assert_eq!(repair(&bad), block(&[(name, &text(b"? \xf0\x9f\x98\x80??"))]));
    }
}

#[test]
fn what_takes_much_memory_weighs_much() {
    let voids = with_headers(&header(b"x", &value(b'A', &long(&[b'V'; 1000]))));
    assert!(check(&voids, DEEPEST).unwrap() > 60_000);
    let tables = with_headers(&header(b"x", &value(b'A', &long(&value(b'F', &long(b"\x01nV")).repeat(100)))));
    assert!(check(&tables, DEEPEST).unwrap() > 60_000);
    assert_eq!(check(&block(&[]), DEEPEST), Ok(0));
}

/// A block with some bytes changed, put in, taken out, or lengths made large.
pub(in super::super) fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(2) {
        let at = random.below(bytes.len() + 1);
        match random.below(9) {
            0 => bytes.insert(at, random.octet()),
            1 => bytes.truncate(at.max(bytes.len() / 2)),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            3 if at < bytes.len() => bytes[at] = *b"AFSVxd\x00\xff".get(random.below(8)).unwrap(),
            _ if at < bytes.len() => bytes[at] = random.octet(),
            _ => {}
        }
    }
}

#[test]
fn on_mutated_blocks_it_says_what_the_client_would() {
    let mut random = Random(1);
    let seeds = [full(), nested(31), nested(32), with_headers(&every_type()), block(&[])];
    let (mut passed, mut repaired) = (0, 0);
    for _ in 0..20_000 {
        let mut bytes = seeds[random.below(seeds.len())].clone();
        mutate(&mut random, &mut bytes);
        match check(&bytes, DEEPEST) {
            Ok(_) => {
                assert!(is_read(&bytes), "{bytes:?}");
                passed += 1;
            }
            Err(detail) => {
                let stricter = detail.contains("nested") || detail.contains("flags");
                assert!(stricter || !is_read(&bytes), "{detail}: {bytes:?}");
                assert!(detail.len() <= 80 && detail.chars().all(|letter| !letter.is_control()), "{detail}");
                let block = repair(&bytes);
                assert!(is_read(&block) && check(&block, DEEPEST).is_ok(), "{bytes:?}");
                assert!(block.len() <= bytes.len().max(2));
                repaired += 1;
            }
        }
    }
    assert!(passed > 1_000 && repaired > 2_000, "{passed} {repaired}");
}
