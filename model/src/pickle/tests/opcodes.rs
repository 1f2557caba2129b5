//! What the machine makes of opcodes and of numpy's calls, and where it says that a file is damaged.

use super::super::machine;
use super::super::numpy::Shape;
use super::super::value::{Arena, Handle, Node};
use super::{array_of, dtype, global, pickle, read, refused, text};

/// Writes a value out. Only for values that do not hold themselves.
fn show(arena: &Arena<'_>, handle: Handle) -> String {
    let all = |items: &[Handle]| items.iter().map(|item| show(arena, *item)).collect::<Vec<_>>().join(" ");
    match &arena[handle] {
        Node::Tuple(items) => format!("({})", all(items)),
        Node::List(items) => format!("[{}]", all(items)),
        Node::Dict(entries) => {
            let entry =
                |(key, value): &(Handle, Handle)| format!("{}:{}", show(arena, *key), show(arena, *value));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(" "))
        }
        Node::Int(number) => number.to_string(),
        Node::Float(number) => format!("{number:?}"),
        Node::Text(text) => format!("{text:?}"),
        Node::Bytes(bytes) => format!("b\"{}\"", bytes.escape_ascii()),
        other => format!("{other:?}"),
    }
}

#[test]
fn opcodes_make_values() {
    for (body, want) in [
        (&b"N"[..], "None"),
        (b"\x88\x89\x86", "(Bool(true) Bool(false))"),
        (b"K\xff", "255"),
        (b"M\xff\xff", "65535"),
        (b"J\xfe\xff\xff\xff", "-2"),
        (b"\x8a\x00", "0"),
        (b"\x8a\x01\xff", "-1"),
        (b"\x8a\x03\x00\x00\x80", "-8388608"),
        (b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f", "9223372036854775807"),
        (b"\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01", "Ignored"),
        (b"\x8b\x02\x00\x00\x00\x00\x01", "256"),
        (b"G\x3f\xb9\x99\x99\x99\x99\x99\x9a", "0.1"),
        (b"\x8c\x02\xc3\xa9", "\"é\""),
        (b"\x8d\x01\x00\x00\x00\x00\x00\x00\x00a", "\"a\""),
        (b"C\x02\x00a", "b\"\\x00a\""),
        (b"\x96\x01\x00\x00\x00\x00\x00\x00\x00a", "b\"a\""),
        (b")", "()"),
        (b"K\x01K\x02K\x03\x87", "(1 2 3)"),
        (b"(K\x01(K\x02tt", "(1 (2))"),
        (b"]K\x01a(K\x02K\x03e", "[1 2 3]"),
        (b"}K\x01K\x02s(K\x03Nu", "{1:2 3:None}"),
        (b"NK\x010", "None"),
        (b"N(K\x01K\x021", "None"),
        (b"N(0", "None"),
        (b"\x95\x02\x00\x00\x00\x00\x00\x00\x00K\x01", "1"),
        // A list under two names is one list.
        (b"]q\x05h\x05\x86(h\x05K\x07a0t0h\x05", "[7]"),
        (b"]\x94(h\x00K\x01at", "([1])"),
        (b"]\x94h\x00\x86h\x00K\x01a0", "([1] [1])"),
        (b"K\x01\x94K\x02\x94K\x03r\x00\x00\x00\x00h\x00h\x01\x86", "(3 2)"),
        (b"c_codecs\nencode\nX\x03\x00\x00\x00a\xc3\xbf\x8c\x06latin1\x86R", "b\"a\\xff\""),
    ] {
        let bytes = pickle(body);
        let (arena, root) = machine::load(&bytes).unwrap_or_else(|why| panic!("{body:x?}: {why}"));
        assert_eq!(show(&arena, root), want);
    }
}

#[test]
fn a_list_may_hold_itself() {
    let bytes = pickle(b"]\x94h\x00a");
    let (arena, root) = machine::load(&bytes).unwrap();
    assert!(matches!(&arena[root], Node::List(items) if *items == [root]));
}

#[test]
fn damage_is_told_with_its_place() {
    for (body, want) in [
        (&b""[..], "byte 2: a value is taken from an empty stack"),
        (b"0", "empty stack"),
        (b"N(\x85", "empty stack"),
        (b"\x86", "empty stack"),
        (b"t", "there is no mark"),
        (b"1", "there is no mark"),
        (b"Na", "empty stack"),
        (b"NNa", "byte 4: the target of an append is not a list"),
        (b"NNNs", "is not a dict"),
        (b"}(Nu", "a key has no value"),
        (b"h\x00", "nothing was noted under 0"),
        (b"q\x00", "empty stack"),
        (b"\x94", "empty stack"),
        (b"NN\x93", "a name is not text"),
        (b"NNR", "wrong type"),
        (b"NN\x81", "an object is made"),
        (b"NNb", "a state is set"),
        (b"\x8c\x01\xff", "not UTF-8"),
        (b"\x8c\x03\xed\xa0\x80", "not UTF-8"),
        (b"c", "ends in the middle of a name"),
        (b"\xff", "0xff is not an opcode"),
        (b"K", "byte 4: it ends in the middle"),
        (b"\x95\x0a\x00\x00\x00\x00\x00\x00\x00\x95\x00\x00\x00\x00\x00\x00\x00\x00N", "inside another one"),
        (b"\x95\x02\x00\x00\x00\x00\x00\x00\x00NJ\x00\x00\x00\x00", "after the end of its frame"),
        (b"\x95\x09\x00\x00\x00\x00\x00\x00\x00N", "it announces 9 bytes, but 2 are left"),
        (b"\x95\x04\x00\x00\x00\x00\x00\x00\x00N.N", "ends inside a frame"),
        (b"J\x00", "byte 5: it ends in the middle"),
        (b"c_codecs\nencode\n\x8c\x03\xe2\x82\xac\x8c\x06latin1\x86R", "not in Latin-1"),
        (b"c_codecs\nencode\n\x8c\x01a\x8c\x05utf-8\x86R", "not encoded as Latin-1"),
    ] {
        let error = read(&pickle(body)).unwrap_err();
        assert_eq!(error.reason(), "malformed", "{body:x?}: {error}");
        assert!(error.to_string().contains(want), "{body:x?}: {error}");
    }
}

#[test]
fn numpy_scalars_become_numbers() {
    for (code, order, data, want) in [
        ("f8", "<", &0.1_f64.to_le_bytes()[..], "0.1"),
        ("f8", ">", &0.1_f64.to_be_bytes(), "0.1"),
        ("f4", "<", &0.5_f32.to_le_bytes(), "0.5"),
        ("f4", ">", &0.5_f32.to_be_bytes(), "0.5"),
        ("i8", "<", &(-3_i64).to_le_bytes(), "-3"),
        ("i4", ">", &(-3_i32).to_be_bytes(), "-3"),
        ("i1", "|", b"\x80", "-128"),
        ("u1", "|", b"\x80", "128"),
        ("u2", ">", b"\xff\x00", "65280"),
        ("u8", "<", &u64::MAX.to_le_bytes(), "Ignored"),
        ("b1", "|", b"\x01", "Bool(true)"),
        ("U1", "<", b"a\0\0\0", "Ignored"),
        ("f2", "<", b"\0\0", "Ignored"),
        ("c16", "<", &[0; 16], "Ignored"),
    ] {
        let data = [&[b'C', u8::try_from(data.len()).unwrap()], data].concat();
        let start = global("numpy.core.multiarray.scalar");
        let bytes = pickle(&[&start[..], &dtype(code, order), &data, b"\x86R"].concat());
        let (arena, root) = machine::load(&bytes).unwrap();
        assert_eq!(show(&arena, root), want, "{code}");
    }
}

#[test]
fn arrays_have_as_much_data_as_their_shape_says() {
    for (shape, length, want) in [
        (&b")"[..], 8, Some(Shape::Single)),
        (b"K\x02\x85", 16, Some(Shape::Vector(2))),
        (b"K\x01K\x02\x86", 16, Some(Shape::Matrix(1, 2))),
        (b"K\x02\x85", 15, None),
        (b"K\x02\x85", 24, None),
        (b"J\xff\xff\xff\xff\x85", 8, None),
        (b"K\x01K\x02K\x01\x87", 16, Some(Shape::Deeper(2))),
        (b"K\x01K\x02K\x01\x87", 8, None),
        (b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x87", 8, None),
        (b"N\x85", 8, None),
        (b"N", 8, None),
    ] {
        let bytes = pickle(&array_of("f8", "<", shape, &vec![0; length]));
        let found = machine::load(&bytes).ok().map(|(arena, root)| match &arena[root] {
            Node::Array(array) => array.shape,
            other => panic!("{other:?}"),
        });
        assert_eq!(found, want, "{shape:x?}");
    }
    for code in ["", "8", "f", "f-8", "f+8", "f8 ", "x8", "f99999999999", "é8"] {
        refused(&dtype(code, "<"), "malformed", "Dtype is called");
    }
    let shared = [&global("numpy.dtype"), &text("f8")[..], b"\x89\x89\x87R"].concat();
    refused(&shared, "malformed", "Dtype is called");
    refused(&dtype("f8", "="), "malformed", "a state is set");
    // numpy would change the arrays that already are of the type.
    let twice =
        [&dtype("f8", "<")[..], b"(K\x03", &text(">"), b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"];
    refused(&twice.concat(), "malformed", "a state is set");
}

#[test]
fn formats_that_are_not_read_are_named() {
    for (bytes, reason, want) in [
        (&b""[..], "malformed", "it is empty"),
        (b"\x08\x0aonnx", "malformed", "it begins with 0x08"),
        (b"{\"kind\": 1}", "malformed", "it begins with 0x7b"),
        (b"\x80", "malformed", "ends in the middle"),
        (b"\x80\x01N.", "unsupported_format", "protocol 0 or 1"),
        (b"\x80\x06N.", "unsupported_format", "after 5"),
        (b"(lp0\n.", "unsupported_format", "protocol 0 or 1"),
        (b"\x1f\x8b\x08\x00", "unsupported_format", "gzip"),
        (b"BZh91AY", "unsupported_format", "bz2"),
        (b"\xfd7zXZ\x00", "unsupported_format", "xz"),
        (b"]\x00\x00\x80", "unsupported_format", "lzma"),
        (b"\x04\x22\x4d\x18", "unsupported_format", "lz4"),
        (b"ZF0x10               x\x9c", "unsupported_format", "ZF"),
        (b"PK\x03\x04", "unsupported_format", "zip"),
        (b"x\x9c\x01", "malformed", "the compressed data is incomplete"),
        (b"x\x9c\xff\xff", "malformed", "cannot be decompressed"),
    ] {
        let error = read(bytes).unwrap_err();
        assert_eq!(error.reason(), reason, "{error}");
        assert!(error.to_string().contains(want), "{error}");
    }
}
