//! The machine on whole connections, fed in pieces of every size.

use std::cell::{Cell, RefCell};

use super::super::properties::tests::{Random, block, full, mutate, nested};
use super::*;

/// Bytes that belong together.
type Parts<'a> = &'a [&'a [u8]];
type Noted = (u16, u64, Option<u64>, Option<Finding>);

/// Writes down what it is told.
#[derive(Default)]
struct Book {
    full: Cell<bool>,
    notes: RefCell<Vec<Noted>>,
    opened: RefCell<Vec<u16>>,
}

impl Desk for Book {
    fn room(&self) -> bool {
        !self.full.get()
    }
    fn note(&self, channel: u16, tag: u64, charge: Option<u64>, finding: Option<Box<Finding>>) {
        self.notes.borrow_mut().push((channel, tag, charge, finding.map(|finding| *finding)));
    }
    fn opened(&self, channel: u16) {
        self.opened.borrow_mut().push(channel);
    }
}

const NOW: Duration = Duration::from_secs(100);
const LATER: Duration = Duration::from_secs(105);

pub(in super::super) fn small() -> Limits {
    Limits {
        frame_max: 64,
        slack: 400,
        properties: 400,
        body: 100,
        kept: 60,
        raw: 16,
        uncharged: 40,
        ..Limits::default()
    }
}

fn wide() -> Limits {
    Limits { frame_max: 4096, ..small() }
}

pub(in super::super) fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_frame(&mut out, kind, channel, &[payload]);
    out
}

fn method(channel: u16, class: u8, method: u8, arguments: &[&[u8]]) -> Vec<u8> {
    frame(METHOD, channel, &[&[0, class, 0, method], &*arguments.concat()].concat())
}

pub(in super::super) fn deliver(channel: u16, tag: u64) -> Vec<u8> {
    method(channel, 60, 60, &[b"\x01c", &tag.to_be_bytes(), b"\0\x01e\x01k"])
}

pub(in super::super) fn header(channel: u16, length: u64, block: &[u8]) -> Vec<u8> {
    frame(HEADER, channel, &[&[0, 60, 0, 0], &length.to_be_bytes()[..], block].concat())
}

pub(in super::super) fn body(channel: u16, bytes: &[u8]) -> Vec<u8> {
    frame(BODY, channel, bytes)
}

fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// Feeds bytes in pieces; returns what is handed on, and what there is to do when all is seen.
fn feed(
    machine: &mut Machine,
    book: &Book,
    now: Duration,
    bytes: &[u8],
    mut piece: impl FnMut() -> usize,
) -> (Vec<u8>, Result<Step, Broken>) {
    let mut out = Vec::new();
    let (mut seen, mut done) = (0, 0);
    loop {
        match machine.next(&bytes[done..seen], now, book) {
            Ok(Step::Hand { pass, skip, add }) => {
                out.extend_from_slice(&bytes[done..seen][..pass]);
                out.extend(add);
                done += pass + skip;
            }
            Ok(Step::More) if seen < bytes.len() => seen = bytes.len().min(seen + piece().max(1)),
            end => return (out, end),
        }
    }
}

/// What comes out of a new machine in one piece and byte by byte, which must be alike.
fn run(limits: &Limits, bytes: &[u8]) -> (Vec<u8>, Vec<Noted>, Result<Step, Broken>) {
    let [whole, single] = [bytes.len(), 1].map(|piece| {
        let book = Book::default();
        let (out, end) = feed(&mut Machine::new(limits.clone()), &book, NOW, bytes, || piece);
        (out, book.notes.into_inner(), end)
    });
    assert_eq!(whole, single);
    whole
}

#[test]
fn what_is_good_passes_as_it_is() {
    let start = method(0, 10, 10, &[&[0, 9], b"anything \xff"]);
    let heartbeat = frame(HEARTBEAT, 0, b"");
    let message =
        [deliver(1, 7), header(1, 6, &full()), body(1, b"abc"), body(1, b""), body(1, b"def")].concat();
    let empty = [deliver(2, 8), header(2, 0, &block(&[]))].concat();
    let returned =
        [method(1, 60, 50, &[&[1, 56], b"\x02no\0\x01k"]), header(1, 1, &block(&[])), body(1, b"a")].concat();
    let got = [method(1, 60, 71, &[&[0; 9], b"\0\x01k", &[0; 4]]), header(1, 0, &block(&[]))].concat();
    let all = [start, heartbeat, message.clone(), empty, returned, got, message].concat();
    let limits = Limits { uncharged: 1 << 20, properties: 1000, ..wide() };
    assert_eq!(run(&limits, &all), (all, vec![], Ok(Step::More)));
}

#[test]
fn contents_of_several_channels_come_in_turn() {
    let limits = wide();
    let long = vec![b'x'; 200];
    let (in_turn, notes, end) = run(
        &limits,
        &[
            deliver(1, 1),
            deliver(2, 1),
            header(2, 200, &block(&[])),
            header(1, 2, &block(&[])),
            body(2, &long[..100]),
            body(1, b"a"),
            frame(HEARTBEAT, 0, b""),
            body(2, &long[100..]),
            body(1, b"b"),
        ]
        .concat(),
    );
    let expected = [
        deliver(1, 1),
        deliver(2, 1),
        header(1, 2, &block(&[])),
        body(1, b"a"),
        frame(HEARTBEAT, 0, b""),
        header(2, 60, &block(&[])),
        body(2, &long[..60]),
        body(1, b"b"),
    ];
    assert_eq!(in_turn, expected.concat());
    assert_eq!(end, Ok(Step::More));
    let [(2, 1, Some(62), Some(finding))] = &*notes else { panic!("{notes:?}") };
    assert_eq!(finding.body, Some(Shortened { length: 200, sha256: Some(sha256(&long)) }));
    assert_eq!(
        (finding.kind, &*finding.detail),
        (FindingKind::TooLarge, "the body has 200 bytes, more than 100")
    );
    assert_eq!(finding.properties, None);
}

#[test]
fn texts_of_methods_are_mended_in_place() {
    let tag = &[0, 0, 0, 0, 0, 0, 0, 9, 0][..];
    let cases: [(u8, u8, Parts<'_>, Parts<'_>); 9] = [
        (60, 60, &[b"\x02c\xff", tag, b"\x01\xfe\x02\xc3x"], &[b"\x02c?", tag, b"\x01?\x02?x"]),
        (60, 71, &[tag, b"\x01\xff\x01\xff\0\0\0\xff"], &[tag, b"\x01?\x01?\0\0\0\xff"]),
        (60, 50, &[b"\xff\xff\x01\xff\x01\xff\x01\xff"], &[b"\xff\xff\x01?\x01?\x01?"]),
        (60, 30, &[b"\x01\xff\xff"], &[b"\x01?\xff"]),
        (60, 21, &[b"\x01\xff"], &[b"\x01?"]),
        (50, 11, &[b"\x01\xff\xff\xff\xff\xff\0\0\0\0"], &[b"\x01?\xff\xff\xff\xff\0\0\0\0"]),
        (20, 40, &[b"\xff\xff\x03a\xe2\x82\xff\xff\xff\xff"], &[b"\xff\xff\x03a??\xff\xff\xff\xff"]),
        (10, 50, &[b"\xff\xff\x01\xff\xff\xff\xff\xff"], &[b"\xff\xff\x01?\xff\xff\xff\xff"]),
        (10, 60, &[b"\x01\xff"], &[b"\x01?"]),
    ];
    for (class, id, bad, mended) in cases {
        let (out, notes, end) = run(&wide(), &method(3, class, id, bad));
        assert_eq!(out, method(3, class, id, mended), "{class},{id}");
        assert_eq!((notes.len(), end), (0, Ok(Step::More)));
        let cut = frame(METHOD, 3, &method(3, class, id, bad)[7..][..5]);
        let text = "a method that is cut on channel 3".to_owned();
        assert_eq!(run(&wide(), &cut).2, Err(Broken::Frame(text)), "{class},{id}");
    }
    let other = method(3, 90, 60, &[b"\x01\xff"]);
    assert_eq!(run(&wide(), &other).0, other);
}

#[test]
fn bad_properties_are_replaced_and_noted() {
    let good = block(&[("delivery_mode", &[2]), ("message_id", b"\x02id")]);
    let bad = nested(40);
    let raw = Raw { bytes: bad[..16].to_vec(), length: bad.len(), sha256: sha256(&bad) };
    let (out, notes, _) = run(&wide(), &[deliver(1, 4), header(1, 3, &bad), body(1, b"abc")].concat());
    assert_eq!(out, [deliver(1, 4), header(1, 3, &good), body(1, b"abc")].concat());
    let finding = Finding {
        kind: FindingKind::BadProperties,
        detail: "the headers are nested deeper than 31 levels".to_owned(),
        properties: Some(raw),
        body: None,
    };
    assert_eq!(notes, [(1, 4, None, Some(finding))]);

    let limits = Limits { properties: bad.len() - 1, ..wide() };
    let (out, notes, _) = run(&limits, &[deliver(1, 4), header(1, 0, &bad)].concat());
    assert_eq!(out, [deliver(1, 4), header(1, 0, &good)].concat());
    let [(1, 4, None, Some(finding))] = &*notes else { panic!("{notes:?}") };
    let detail = format!("the properties have {} bytes, more than {}", bad.len(), bad.len() - 1);
    assert_eq!((finding.kind, &finding.detail), (FindingKind::TooLarge, &detail));
}

#[test]
fn properties_that_make_the_frame_too_long_for_the_client_are_replaced() {
    let most = small().frame_max - FRAME_OVERHEAD - HEADER_START;
    for (length, findings) in [(most, 0), (most + 1, 1)] {
        // Flags, the length of the headers, and a name, kind and length before the bytes.
        let bytes = vec![b'x'; length - 2 - 4 - 7];
        let long = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
        let headers = block(&[("headers", &long(&[b"\x01nx", &*long(&bytes)].concat()))]);
        assert_eq!(headers.len(), length);
        let limits = Limits { uncharged: 4096, ..small() };
        let (out, notes, _) = run(&limits, &[deliver(1, 4), header(1, 0, &headers)].concat());
        assert_eq!(notes.len(), findings);
        assert!(out.len() - deliver(1, 4).len() <= small().frame_max);
    }
}

#[test]
fn both_findings_come_in_one_note() {
    let long = vec![b'x'; 101];
    let (_, notes, _) = run(&wide(), &[deliver(1, 4), header(1, 101, &nested(32)), body(1, &long)].concat());
    let [(1, 4, Some(_), Some(finding))] = &*notes else { panic!("{notes:?}") };
    assert_eq!(finding.kind, FindingKind::BadProperties);
    let both = "the headers are nested deeper than 31 levels; the body has 101 bytes, more than 100";
    assert_eq!(finding.detail, both);
    assert!(finding.properties.is_some() && finding.body.is_some());
}

#[test]
fn a_large_body_is_cut_into_frames_that_fit() {
    let long: Vec<u8> = (0..101).collect();
    let at_limit =
        [deliver(1, 1), header(1, 100, &block(&[])), body(1, &long[..50]), body(1, &long[50..100])].concat();
    let limits = Limits { uncharged: 100 + 2, ..small() };
    assert_eq!(run(&limits, &at_limit), (at_limit, vec![], Ok(Step::More)));
    let over =
        [deliver(1, 1), header(1, 101, &block(&[])), body(1, &long[..50]), body(1, &long[50..])].concat();
    let (out, _, _) = run(&limits, &over);
    let short = [deliver(1, 1), header(1, 60, &block(&[])), body(1, &long[..56]), body(1, &long[56..60])];
    assert_eq!(out, short.concat());
}

#[test]
fn a_slow_body_is_waited_for_for_5_s() {
    let book = Book::default();
    let mut machine = Machine::new(wide());
    let long = vec![b'x'; 500];
    let start = [deliver(1, 1), header(1, 500, &block(&[])), body(1, &long[..20])].concat();
    assert_eq!(feed(&mut machine, &book, NOW, &start, || 1000), (deliver(1, 1), Ok(Step::More)));
    assert_eq!(machine.deadline(), Some(LATER));
    assert_eq!(machine.next(&[], LATER - Duration::from_nanos(1), &book), Ok(Step::More));
    let handed_on = [header(1, 20, &block(&[])), body(1, &long[..20])].concat();
    book.full.set(true);
    assert_eq!(machine.next(&[], LATER, &book), Ok(Step::More), "not while there is no room");
    book.full.set(false);
    assert_eq!(machine.next(&[], LATER, &book), Ok(Step::Hand { pass: 0, skip: 0, add: handed_on }));
    let notes = book.notes.take();
    let [(1, 1, None, Some(finding))] = &*notes else { panic!("{notes:?}") };
    assert_eq!(finding.body, Some(Shortened { length: 500, sha256: None }));
    assert!(finding.detail.ends_with("; the rest was too slow to wait for"));
    assert_eq!(machine.deadline(), None);
    // The rest is swallowed, then the channel goes on.
    let next = [deliver(1, 2), header(1, 0, &block(&[]))].concat();
    let rest =
        [body(1, &long[20..400]), frame(HEARTBEAT, 0, b""), body(1, &long[400..]), next.clone()].concat();
    let out = [frame(HEARTBEAT, 0, b""), next].concat();
    assert_eq!(feed(&mut machine, &book, LATER, &rest, || 7), (out, Ok(Step::More)));
    assert!(book.notes.take().is_empty());
}

#[test]
fn a_body_of_which_nothing_came_is_empty() {
    let book = Book::default();
    let mut machine = Machine::new(wide());
    _ = feed(&mut machine, &book, NOW, &[deliver(1, 1), header(1, 500, &block(&[]))].concat(), || 1000);
    let add = header(1, 0, &block(&[]));
    assert_eq!(machine.next(&[], LATER, &book), Ok(Step::Hand { pass: 0, skip: 0, add }));
}

#[test]
fn without_room_deliveries_are_held() {
    let book = Book::default();
    let mut machine = Machine::new(wide());
    let good = [deliver(1, 1), header(1, 1, &block(&[])), body(1, b"a")].concat();
    book.full.set(true);
    let held = feed(&mut machine, &book, NOW, &good, || 1000);
    assert_eq!(held, (deliver(1, 1), Ok(Step::Hold)));
    let rest = &good[held.0.len()..];
    assert_eq!(machine.next(rest, NOW, &book), Ok(Step::Hold));
    // A returned letter is nobody's to give back, so it is not held.
    let returned = [method(2, 60, 50, &[&[1, 56], b"\0\0\0"]), header(2, 0, &block(&[]))].concat();
    assert_eq!(feed(&mut machine, &book, NOW, &returned, || 1000), (returned, Ok(Step::More)));
    book.full.set(false);
    assert_eq!(feed(&mut machine, &book, NOW, rest, || 1000), (rest.to_vec(), Ok(Step::More)));
    // A large body is held at its last frame, once.
    let long = vec![b'x'; 150];
    let start = [deliver(1, 2), header(1, 150, &block(&[])), body(1, &long[..100])].concat();
    _ = feed(&mut machine, &book, NOW, &start, || 1000);
    book.full.set(true);
    let last = body(1, &long[100..]);
    assert_eq!(machine.next(&last, NOW, &book), Ok(Step::Hold));
    assert_eq!(machine.next(&last, NOW, &book), Ok(Step::Hold));
    book.full.set(false);
    let (out, _) = feed(&mut machine, &book, NOW, &last, || 1000);
    assert_eq!(out, [header(1, 60, &block(&[])), body(1, &long[..60])].concat());
    let hash = book.notes.take().remove(0).3.unwrap().body.unwrap().sha256.unwrap();
    assert_eq!(hash, sha256(&long));
}

#[test]
fn only_deliveries_are_charged_and_noted() {
    let content = [header(1, 39, &block(&[])), body(1, &[b'x'; 39])].concat();
    let bad = [header(1, 101, &nested(32)), body(1, &[b'x'; 101])].concat();
    let deliver = deliver(1, 5);
    let returned = method(1, 60, 50, &[&[1, 56], b"\0\0\0"]);
    let got = method(1, 60, 71, &[&[0; 9], b"\0\0", &[0; 4]]);
    assert_eq!(run(&wide(), &[&*deliver, &content].concat()).1, [(1, 5, Some(41), None)]);
    assert_eq!(run(&Limits { uncharged: 41, ..wide() }, &[&*deliver, &content].concat()).1, []);
    let plain = run(&wide(), &[&*deliver, &bad].concat()).0.split_off(deliver.len());
    for start in [returned, got] {
        assert_eq!(run(&wide(), &[&*start, &content].concat()).1, []);
        let (out, notes, _) = run(&wide(), &[&*start, &bad].concat());
        assert_eq!((out, notes), ([start, plain.clone()].concat(), vec![]));
    }
    let voids = block(&[("headers", b"\0\0\0\x0b\x01nA\0\0\0\x04VVVV")]);
    let (_, notes, _) = run(&wide(), &[deliver, header(1, 0, &voids)].concat());
    let [(1, 5, Some(charge), None)] = *notes else { panic!("{notes:?}") };
    assert!(charge > 4 * 32, "values take more memory than their bytes: {charge}");
}

#[test]
fn a_channel_that_opens_is_told() {
    let book = Book::default();
    _ = feed(&mut Machine::new(wide()), &book, NOW, &method(9, 20, 11, &[&[0; 4]]), || 1000);
    assert_eq!(*book.opened.borrow(), [9]);
}

#[test]
fn what_is_no_amqp_breaks_the_connection() {
    let text = |text: &str| Broken::Frame(text.to_owned());
    let good = deliver(1, 1);
    let mut bad_end = frame(HEARTBEAT, 0, b"");
    *bad_end.last_mut().unwrap() = 0xcd;
    let long = [1, 0, 1, 0, 0, 1, 201];
    let empty = header(1, 0, &block(&[]));
    let cases: [(Parts<'_>, &[u8], Broken); 16] = [
        (&[], b"AMQP\0\0\x09\x01", Broken::ProtocolHeader([0, 0, 9, 1])),
        (&[], b"AMQX\0\0\x09\x01", text("a frame of the unknown kind 65")),
        (&[], b"\x15\x03", Broken::Tls),
        (&[&good], b"AMQP\0\0\x09\x01", text("a frame of the unknown kind 65")),
        (&[&good], b"\x15\x03", text("a frame of the unknown kind 21")),
        (&[&good], b"HTTP/1.1", text("a frame of the unknown kind 72")),
        (&[&good], &bad_end, text("a frame that ends with 0xcd")),
        (&[&good], &long, text("a frame of 465 bytes")),
        (&[&good], &good, text("a method inside a content on channel 1")),
        (&[&good], &body(1, b""), text("a body without its content header on channel 1")),
        (&[&good], &frame(HEADER, 1, &[0; 11]), text("a content header that is cut on channel 1")),
        (&[&good], &frame(HEADER, 1, &[0; 14]), text("a content header of class 0 on channel 1")),
        (&[&good, &empty], &empty, text("a content header without its method on channel 1")),
        (&[&good, &empty], &body(1, b""), text("a body without its content header on channel 1")),
        (&[], &frame(METHOD, 1, &[0; 3]), text("a method that is cut on channel 1")),
        (
            &[&good, &header(1, 3, &block(&[]))],
            &body(1, b"abcd"),
            text("more of a body than it announced on channel 1"),
        ),
    ];
    for (before, bad, broken) in cases {
        let before = before.concat();
        let (out, _, end) = run(&small(), &[&before, bad, b"more"].concat());
        assert_eq!((out, end), (before, Err(broken)));
    }
    let many: Vec<u8> = (1..=65).flat_map(|channel| deliver(channel, 1)).collect();
    assert_eq!(run(&small(), &many).2, Err(text("contents on more than 64 channels")));
    let mut machine = Machine::new(small());
    assert_eq!(machine.next(b"\x15", NOW, &Book::default()), Err(Broken::Tls));
    assert_eq!(machine.next(&good, NOW, &Book::default()), Err(Broken::Tls), "it stays broken");
    assert_eq!(
        Broken::ProtocolHeader([0, 0, 9, 1]).to_string(),
        "the broker answers with the protocol header AMQP 0 0 9 1"
    );
}

/// Whether the client could read each frame, and every body has the length that its header says.
fn assert_readable(limits: &Limits, mut out: &[u8]) {
    let machine = Machine { begun: true, ..Machine::new(limits.clone()) };
    while let Some(frame) = machine.frame(out).expect("frames") {
        if frame.kind == HEADER {
            assert!(super::super::properties::tests::is_read(&frame.payload[HEADER_START..]));
            assert!(u64::from_be_bytes(frame.payload[4..12].try_into().unwrap()) <= limits.body);
        }
        out = &out[frame.whole.len()..];
    }
    assert!(out.is_empty(), "only whole frames are handed on");
}

#[test]
fn on_mutated_streams_pieces_make_no_difference() {
    let mut random = Random(2);
    let long = [b'x'; 150];
    let (mut ended, mut broke) = (0, 0);
    for _ in 0..5_000 {
        let mut frames = Vec::new();
        for _ in 0..=random.below(4) {
            let channel = u16::try_from(random.below(3)).unwrap();
            let mut properties = [full(), nested(31), nested(33), block(&[])][random.below(4)].clone();
            if random.below(2) == 0 {
                mutate(&mut random, &mut properties);
            }
            let length = [0, 3, 100, 101, 150][random.below(5)];
            frames.push(deliver(channel, random.below(9) as u64));
            frames.push(header(channel, length as u64, &properties));
            long[..length].chunks(50).for_each(|chunk| frames.push(body(channel, chunk)));
        }
        let mut bytes = frames.concat();
        if random.below(2) == 0 {
            mutate(&mut random, &mut bytes);
        }
        let limits = Limits { slack: 2000, properties: 2000, ..wide() };
        let results = [usize::MAX, 1, 0].map(|piece| {
            let book = Book::default();
            let mut machine = Machine::new(limits.clone());
            let piece = || if piece == 0 { 1 + random.below(40) } else { piece };
            let (out, end) = feed(&mut machine, &book, NOW, &bytes, piece);
            assert!(machine.allocated() < 3 * (limits.kept + limits.frame_max + limits.slack + limits.raw));
            (out, end, book.notes.into_inner())
        });
        assert!(results[0] == results[1] && results[0] == results[2], "{bytes:?}");
        assert_readable(&limits, &results[0].0);
        match results[0].1 {
            Ok(_) => ended += 1,
            Err(_) => broke += 1,
        }
    }
    assert!(ended > 1_000 && broke > 500, "{ended} {broke}");
}
