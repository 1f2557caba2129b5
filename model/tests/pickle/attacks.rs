//! Files that want to run a command or to use up the machine. A command would leave a file; none does.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use model::pickle::{self, PickleError};

fn short(text: &str) -> Vec<u8> {
    [&[0x8c, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

fn stack_global(module: &str, name: &str) -> Vec<u8> {
    [short(module), short(name), vec![0x93]].concat()
}

fn pickle(parts: &[&[u8]]) -> Vec<u8> {
    [b"\x80\x04", parts.concat().as_slice(), b"."].concat()
}

/// Reads it in time and returns why it is refused.
fn refused(bytes: &[u8]) -> PickleError {
    let start = Instant::now();
    let error = pickle::read(bytes).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(20), "{error} after {:?}", start.elapsed());
    assert!(!error.to_string().contains(['\n', '\u{1b}']), "{error}");
    error
}

fn touch(folder: &Path) -> (PathBuf, Vec<u8>) {
    let file = folder.join("it_ran");
    let command = short(&format!("touch {}", file.display()));
    (file, command)
}

#[test]
fn a_command_is_named_and_never_run() {
    let folder = tempfile::tempdir().unwrap();
    let (file, command) = touch(folder.path());
    let ridge = stack_global("sklearn.linear_model._ridge", "Ridge");
    let call = [b"(", &command[..], b"tR"].concat();
    let python = short("__import__('os').system('touch it_ran')");
    for (bytes, name) in [
        (pickle(&[b"cposix\nsystem\n", &call]), "posix.system"),
        (pickle(&[b"cos\nsystem\n", &call]), "os.system"),
        (pickle(&[&stack_global("posix", "system"), &call]), "posix.system"),
        (pickle(&[&stack_global("nt", "system"), &call]), "nt.system"),
        (pickle(&[b"(", &command, b"iposix\nsystem\n"]), "posix.system"),
        (pickle(&[b"(", &stack_global("posix", "system"), &command, b"o"]), "posix.system"),
        (pickle(&[&stack_global("subprocess", "Popen"), &call]), "subprocess.Popen"),
        (pickle(&[&stack_global("builtins", "eval"), &python, b"\x85R"]), "builtins.eval"),
        (pickle(&[b"c__builtin__\nexec\n", &python, b"\x85R"]), "__builtin__.exec"),
        (pickle(&[&stack_global("builtins", "getattr"), &python, b"\x85R"]), "builtins.getattr"),
        (pickle(&[&stack_global("builtins", "object.__subclasses__"), b")R"]), "object.__subclasses__"),
        (pickle(&[&stack_global("numpy", "ndarray.__class__"), b")R"]), "numpy.ndarray.__class__"),
        (pickle(&[&stack_global("numpy", "dtype.__init__.__globals__")]), "dtype.__init__.__globals__"),
        (pickle(&[&stack_global("numpy.ndarray", "__class__"), b")R"]), "numpy.ndarray.__class__"),
        (pickle(&[&stack_global("numpy", "load"), &call]), "numpy.load"),
        (pickle(&[&stack_global("joblib.numpy_pickle", "load"), &call]), "joblib.numpy_pickle.load"),
        (pickle(&[&stack_global("_codecs", "lookup"), &call]), "_codecs.lookup"),
        (pickle(&[&stack_global("sklearn.utils", "os.system"), &call]), "sklearn.utils.os.system"),
        (pickle(&[&stack_global("sklearn.linear_model._ridge.Ridge", "fit")]), "Ridge.fit"),
        // Inside the state of a model, in a list, a dict, a key.
        (pickle(&[&ridge, b")\x81}", &short("coef_"), b"cposix\nsystem\n", &call, b"sb"]), "posix.system"),
        (pickle(&[&ridge, b")\x81}", &short("coef_"), b"]cposix\nsystem\n", &call, b"asb"]), "posix.system"),
        (pickle(&[&ridge, b")\x81}cposix\nsystem\n", &call, b"Nsb"]), "posix.system"),
        // As the state, or what the state is for.
        (pickle(&[&ridge, b")\x81cposix\nsystem\n", &call, b"b"]), "posix.system"),
        (pickle(&[b"cposix\nsystem\n}b"]), "posix.system"),
        // Thrown away, or after the model.
        (pickle(&[b"cposix\nsystem\n", &call, b"0", &ridge, b")\x81"]), "posix.system"),
        // Names that are nearly right.
        (pickle(&[&stack_global("NumPy", "ndarray")]), "NumPy.ndarray"),
        (pickle(&[&stack_global("numpy\0", "ndarray")]), "numpy\\0.ndarray"),
        (pickle(&[&stack_global("numpy", "")]), "numpy."),
        (pickle(&[&stack_global("", "numpy.ndarray")]), ".numpy.ndarray"),
        (pickle(&[b"c\x1b[2J\r\nx\n"]), "\\u{1b}[2J\\r.x"),
    ] {
        let error = refused(&bytes);
        assert_eq!(error.reason(), "refused_global", "{name}: {error}");
        let message = error.to_string();
        assert!(message.starts_with("it refers to ") && message.contains(name), "{name}: {message}");
        assert!(message.contains("nothing was executed"), "{message}");
    }
    assert!(!file.exists() && !Path::new("it_ran").exists());
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn a_long_name_is_cut() {
    let long = format!("c{}\n{}\n", "a".repeat(1_000_000), "\u{202e}".repeat(1000));
    let PickleError::RefusedGlobal { name, .. } = refused(&pickle(&[long.as_bytes()])) else { panic!() };
    assert!(name.starts_with("aaaa") && name.ends_with("...") && name.len() == 200, "{name}");
}

#[test]
fn what_is_on_the_list_cannot_be_called_otherwise() {
    let listed = [
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "scalar"),
        ("numpy._core.numeric", "_frombuffer"),
        ("_codecs", "encode"),
        ("copyreg", "_reconstructor"),
        ("builtins", "object"),
        ("joblib.numpy_pickle", "NumpyArrayWrapper"),
        ("sklearn.linear_model._ridge", "Ridge"),
        ("sklearn.pipeline", "Pipeline"),
    ];
    // With arguments that fit nothing, in every way to call.
    let texts = [short("a"), short("b"), short("c"), short("d")].concat();
    for (module, name) in listed {
        let global = stack_global(module, name);
        for call in [
            &b")R"[..],
            b"(NNN}tR",
            b"NR",
            b"N\x81",
            b"N\x85\x81",
            b"}b",
            b"(N}tb",
            &[b"(", &texts[..], b"tR"].concat(),
            &[b"(", &texts[..3], b"tR"].concat(),
            &[b"(", &texts[..6], b"tR"].concat(),
        ] {
            let error = refused(&pickle(&[&global, call]));
            assert_eq!(error.reason(), "malformed", "{module}.{name} {call:x?}: {error}");
        }
    }
}

#[test]
fn opcodes_that_call_or_look_outside_are_refused_by_name() {
    for (bytes, name) in [
        (&b"(inumpy\nndarray\n."[..], "INST"),
        (b"(cnumpy\nndarray\no.", "OBJ"),
        (b"\x82\x01.", "EXT1"),
        (b"\x83\x01\x00.", "EXT2"),
        (b"\x84\x01\x00\x00\x00.", "EXT4"),
        (b"Pwhere\n.", "PERSID"),
        (b"NQ.", "BINPERSID"),
        (b"\x97.", "NEXT_BUFFER"),
        (b"\x98.", "READONLY_BUFFER"),
        (b"cnumpy\nndarray\n)}\x92.", "NEWOBJ_EX"),
        (b"\x99.", "0x99 is not an opcode"),
    ] {
        let error = refused(&[b"\x80\x04", bytes].concat());
        assert_eq!(error.reason(), "malformed");
        assert!(error.to_string().contains(name), "{name}: {error}");
    }
}

#[test]
fn declared_sizes_are_not_believed() {
    const GIB: u64 = 1 << 30;
    let long = |opcode: u8, length: u64| [&[opcode][..], &length.to_le_bytes(), b"abc"].concat();
    let int = |opcode: u8, length: u32| [&[opcode][..], &length.to_le_bytes(), b"abc"].concat();
    for part in [
        long(0x8e, GIB),
        long(0x8e, u64::MAX),
        long(0x96, GIB),
        long(0x96, 1 << 63),
        long(0x8d, u64::MAX),
        long(0x8d, GIB),
        long(0x95, GIB),
        long(0x95, u64::MAX),
        int(b'B', 1 << 30),
        int(b'X', u32::MAX),
        int(0x8b, 1 << 30),
        int(0x8b, u32::MAX),
        int(b'j', u32::MAX),
        vec![b'h', 255],
        vec![b'C', 255, 0],
        vec![0x8a, 255, 0],
        vec![0x8c, 255, 0],
    ] {
        let error = refused(&pickle(&[&part]));
        assert_eq!(error.reason(), "malformed", "{part:x?}: {error}");
    }
    // An index far out is only an entry in a map.
    let error = refused(&pickle(&[b"Nr\xff\xff\xff\xff0j\xff\xff\xff\xff"]));
    assert!(error.to_string().contains("it holds None"), "{error}");
}

/// A dtype, memoised by nobody.
fn dtype(code: &str) -> Vec<u8> {
    let made = [&stack_global("numpy", "dtype"), &short(code)[..], b"\x89\x88\x87R"].concat();
    let flags = if code == "O8" { 0x3f } else { 0 };
    [&made[..], b"(K\x03", &short("<"), b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK", &[flags], b"tb"].concat()
}

#[test]
fn arrays_of_joblib_are_not_larger_than_the_file() {
    let wrapper = stack_global("joblib.numpy_pickle", "NumpyArrayWrapper");
    let huge = b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f";
    let shapes: [&[u8]; 6] = [
        b"J\x00\x00\x00\x40\x85",
        b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85",
        &[&huge[..], huge, b"\x86"].concat(),
        b"J\x00\x00\x00\x40J\x00\x00\x00\x40\x86",
        b"J\xff\xff\xff\xff\x85",
        b"K\x02K\x02K\x02\x87",
    ];
    for shape in shapes {
        for code in ["f8", "O8", "f0", "U999999999"] {
            let state = [
                b"}(",
                &short("subclass")[..],
                &stack_global("numpy", "ndarray"),
                &short("shape"),
                shape,
                &short("order"),
                &short("C"),
                &short("dtype"),
                &dtype(code),
                b"u",
            ]
            .concat();
            let error = refused(&pickle(&[&wrapper, b")\x81", &state, b"b"]));
            // Of elements without a size there can be any number, and they are no weights.
            let nothing = code == "f0" && error.to_string().contains("it holds an array");
            assert!(nothing || error.reason() == "malformed", "{code} {shape:x?}: {error}");
        }
    }
}

#[test]
fn work_is_bounded_by_the_file() {
    // Each would take time or memory far beyond its own size: in squares, or by depth.
    let encode = stack_global("_codecs", "encode");
    let text = "x".repeat(1_000_000);
    let text = [b"X", &1_000_000_u32.to_le_bytes()[..], text.as_bytes()].concat();
    let encoded = [&encode[..], b"q\x00", &text, &short("latin1"), b"\x86q\x01"].concat();
    let again = b"h\x00h\x01R0".repeat(100_000);
    let wide = [&b"](q\x01"[..], &b"N".repeat(400_000), b"e"].concat();
    let list = [&b"]q\x00("[..], &b"h\x00".repeat(900_000), b"e"].concat();
    let grown = [&b"]q\x00]q\x01("[..], &b"N".repeat(500_000), b"e"].concat();
    let states = [&b"}q\x00("[..], &b"NN".repeat(200_000), b"u"].concat();
    let ridge = [&stack_global("sklearn.linear_model._ridge", "Ridge")[..], b"q\x01"].concat();
    let array = [&stack_global("numpy._core.multiarray", "_reconstruct")[..], b"q\x02"].concat();
    for (bytes, reason) in [
        (pickle(&[&encoded, &again]), "malformed"),
        (pickle(&[&b"(".repeat(1_100_000)]), "too_large"),
        (pickle(&[&b"N".repeat(1_100_000)]), "too_large"),
        (pickle(&[&b"]".repeat(900_000), &b"a".repeat(899_999)]), "unsupported_model"),
        (pickle(&[b"N", &b"\x85".repeat(900_000)]), "unsupported_model"),
        (pickle(&[&b"Nq\x00h\x000".repeat(900_000)]), "unsupported_model"),
        (pickle(&[b"Nq\x00", &b"h\x00".repeat(1_100_000)]), "too_large"),
        (pickle(&[&list]), "unsupported_model"),
        (pickle(&[&wide]), "malformed"),
        (pickle(&[&grown, &b"q\x02".repeat(4_100_000)]), "too_large"),
        (pickle(&[&states, &ridge, &b"h\x01)\x81h\x00b0".repeat(100_000)]), "too_large"),
        (pickle(&[&states, &array, &b"h\x02)R".repeat(100_000)]), "malformed"),
        (pickle(&[&b"]q\x00h\x00a".repeat(300_000)]), "unsupported_model"),
    ] {
        let error = refused(&bytes);
        assert_eq!(error.reason(), reason, "{error}");
    }
}

#[test]
fn what_inflates_is_limited() {
    let bomb = miniz_oxide::deflate::compress_to_vec_zlib(&vec![0x80; 80 * 1024 * 1024], 6);
    assert!(bomb.len() < 200_000);
    assert_eq!(refused(&bomb).reason(), "too_large");
    let small = miniz_oxide::deflate::compress_to_vec_zlib(b"\x80\x04N.", 6);
    assert!(refused(&small).to_string().contains("it holds None"));
    let twice = miniz_oxide::deflate::compress_to_vec_zlib(&small, 6);
    assert_eq!(refused(&twice).reason(), "malformed");
    assert_eq!(refused(b"\x78").reason(), "malformed");
    assert_eq!(refused(b"xyz").reason(), "malformed");
}
