//! A storm of messages, good, bad and odd ones, each with what must become of it, and the account of them.
//!
//! What must become of a message is known from how it was made, and by no code of ours that reads messages. Everything
//! here is taken by RabbitMQ. It refuses with 541: NaN and infinite numbers in headers, the types `U` and unknown ones,
//! a property block that is cut or goes on behind its end; with 406: an expiration that is no number, another one's
//! `user_id`, a `delivery_mode` that is neither 1 nor 2. So there is none of that.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::raw::{long, nested, short, table, value};

/// The queues by their usual names.
pub const FEATURES: &str = "Features";
pub const LABELS: &str = "y_true";
pub const PREDICTIONS: &str = "y_predict";
const QUEUES: [&str; 3] = [FEATURES, LABELS, PREDICTIONS];

/// The longest body that can be used, in bytes.
const MAX_BODY: usize = 1 << 20;
/// The longest property block that can be used, in bytes.
const MAX_BLOCK: usize = 64 << 10;
/// The deepest nesting of headers that can be used.
const DEEPEST: usize = 31;
/// By how much of its body a message is known.
const KEY: usize = 64;

/// Bits of the property flags.
const CONTENT_TYPE: u16 = 15;
const CONTENT_ENCODING: u16 = 14;
const HEADERS: u16 = 13;
const DELIVERY_MODE: u16 = 12;
const PRIORITY: u16 = 11;
const CORRELATION_ID: u16 = 10;
const REPLY_TO: u16 = 9;
const EXPIRATION: u16 = 8;
const MESSAGE_ID: u16 = 7;
const TIMESTAMP: u16 = 6;
const TYPE: u16 = 5;
const APP_ID: u16 = 3;
const CLUSTER_ID: u16 = 2;
/// Stands for no property, and brokers pass it on.
const NOTHING: u16 = 1;

/// What must become of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// Recorded, and one half of a complete row.
    Row,
    /// Recorded, with its id or as one without.
    Recorded,
    /// Recorded or a letter, and not both.
    Either,
    /// A letter.
    Letter,
}

/// What a test keeps of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    pub queue: &'static str,
    /// See [`key`]. No other message of the queue has it.
    pub key: Vec<u8>,
    /// What it is recorded by, if it is. None is recorded as `-`.
    pub id: Option<String>,
    pub fate: Fate,
}

/// A message to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The whole property block, flags first.
    pub properties: Vec<u8>,
    pub body: Vec<u8>,
    pub expected: Expected,
}

/// What a message is known by, also as a letter, which has the beginning of its body: that, or its id where the body is
/// empty.
pub fn key(message_id: Option<&str>, body: &[u8]) -> Vec<u8> {
    match body {
        [] => message_id.unwrap_or_default().as_bytes().to_vec(),
        _ => body[..body.len().min(KEY)].to_vec(),
    }
}

/// The generator. The same seed makes the same messages, each by itself.
#[derive(Debug, Clone, Copy)]
pub struct Storm {
    seed: u64,
    count: usize,
}

impl Storm {
    /// A third of `count` are halves of complete rows.
    pub fn new(seed: u64, count: usize) -> Self {
        Self { seed, count }
    }

    pub fn messages(self) -> impl Iterator<Item = Message> {
        (0..self.count).map(move |number| self.message(number))
    }

    pub fn expected(self) -> Vec<Expected> {
        self.messages().map(|message| message.expected).collect()
    }

    fn message(self, number: usize) -> Message {
        let seed = self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number as u64);
        let mut dice = StdRng::seed_from_u64(seed);
        let pairs = self.count / 6;
        match (number / 6 < pairs, number % 6) {
            (true, 0) => row(&mut dice, FEATURES, number, number / 6),
            // A label comes long before or after its features. 7919 is a prime, so each comes once.
            (true, 3) if !pairs.is_multiple_of(7919) => {
                row(&mut dice, LABELS, number, number / 6 * 7919 % pairs)
            }
            (true, 3) => row(&mut dice, LABELS, number, number / 6),
            _ => random(&mut dice, number),
        }
    }
}

/// A message while it is made: it becomes worse, and never better.
struct Draft {
    queue: &'static str,
    fields: BTreeMap<u16, Vec<u8>>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    body: Vec<u8>,
    id: Option<String>,
    fate: Fate,
}

impl Draft {
    fn text(&mut self, bit: u16, text: &[u8]) {
        self.fields.insert(bit, short(text));
    }

    fn header(&mut self, name: &[u8], value: Vec<u8>) {
        self.headers.push((name.to_vec(), value));
    }

    fn worsen(&mut self, fate: Fate) {
        self.fate = self.fate.max(fate);
    }

    fn finish(mut self) -> Message {
        if !self.headers.is_empty() {
            let fields: Vec<(&[u8], Vec<u8>)> =
                self.headers.iter().map(|(name, value)| (&name[..], value.clone())).collect();
            self.fields.insert(HEADERS, table(&fields));
        }
        let flags = self.fields.keys().fold(0_u16, |flags, bit| flags | 1 << bit);
        let mut properties = flags.to_be_bytes().to_vec();
        self.fields.values().rev().for_each(|field| properties.extend(field));
        if properties.len() > MAX_BLOCK || self.body.len() > MAX_BODY {
            self.worsen(Fate::Letter);
        }
        let key = key(self.id.as_deref(), &self.body);
        let expected = Expected { queue: self.queue, key, id: self.id, fate: self.fate };
        Message { properties, body: self.body, expected }
    }
}

/// One half of a complete row.
fn row(dice: &mut StdRng, queue: &'static str, number: usize, pair: usize) -> Message {
    let id = format!("row-{pair}");
    let mut draft = usable(dice, queue, number, Some(id));
    harmless(dice, &mut draft);
    draft.fate = Fate::Row;
    draft.finish()
}

/// Anything but a row's half.
fn random(dice: &mut StdRng, number: usize) -> Message {
    let queue = QUEUES[dice.random_range(0..3)];
    let mut draft = match dice.random_range(0..10) {
        0..=4 => {
            let id = match dice.random_range(0..10) {
                0..=4 => Some(format!("odd-{number}")),
                5 => Some(format!("odd:{number}/a@b")),
                6 => Some(number.to_string()),
                _ => None,
            };
            usable(dice, queue, number, id)
        }
        5 => dubious(dice, queue, number),
        _ => useless(dice, queue, number),
    };
    match dice.random_range(0..10) {
        0..=4 => harmless(dice, &mut draft),
        5 => strange(dice, &mut draft),
        6 | 7 => broken(dice, &mut draft),
        _ => {}
    }
    if !draft.body.is_empty() {
        lengthen(dice, &mut draft);
    }
    draft.finish()
}

/// What the features of the model are called.
const NAMES: [&str; 10] = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"];

/// Numbers that no other message has: ten for features.
fn numbers(dice: &mut StdRng, queue: &str, number: usize) -> String {
    let all = all_numbers(dice, queue, number);
    // As texts now and then, which mean the same.
    let spelt = |number: &String| if dice.random_bool(0.1) { format!("{number:?}") } else { number.clone() };
    let spelt: Vec<String> = all.iter().map(spelt).collect();
    if queue == FEATURES { format!("[{}]", spelt.join(",")) } else { spelt[0].clone() }
}

fn all_numbers(dice: &mut StdRng, queue: &str, number: usize) -> Vec<String> {
    if queue != FEATURES {
        return vec![format!("{number}.25")];
    }
    // The first one is below 0.1, as are the others: what the model knows.
    let rest = (0..9).map(|_| format!("{:.4}", dice.random_range(-0.1_f64..0.1)));
    [format!("0.0{number:06}1")].into_iter().chain(rest).collect()
}

/// The same by name, with another member beside them now and then.
fn named(dice: &mut StdRng, number: usize) -> String {
    let numbers = all_numbers(dice, FEATURES, number);
    let members: Vec<String> =
        NAMES.iter().zip(numbers).map(|(name, number)| format!("{name:?}:{number}")).collect();
    let more = if dice.random() { ",\"note\":[null]" } else { "" };
    members.join(",") + more
}

/// What can be used, with its id in one of the places for it, or without one.
fn usable(dice: &mut StdRng, queue: &'static str, number: usize, id: Option<String>) -> Draft {
    let numbers = numbers(dice, queue, number);
    let mut draft = Draft {
        queue,
        fields: BTreeMap::new(),
        headers: Vec::new(),
        body: numbers.clone().into_bytes(),
        id,
        fate: Fate::Recorded,
    };
    let by_name = queue == FEATURES && dice.random_bool(0.2);
    if by_name {
        draft.body = format!("{{{}}}", named(dice, number)).into_bytes();
    }
    if let Some(id) = draft.id.clone() {
        let raw = match id.parse::<usize>() {
            Ok(_) => format!("{id}{}", ["", ".0", "e0", ".00E+0"][dice.random_range(0..4)]),
            Err(_) => format!("\"{id}\""),
        };
        match dice.random_range(0..4) {
            0 if by_name => {
                draft.body = format!("{{\"id\": {raw},{}}}", named(dice, number)).into_bytes();
            }
            0 => {
                let key = ["body", "y_pred", "features", "\u{e9}"][dice.random_range(0..4)];
                draft.body = format!("{{\"id\": {raw}, \"{key}\": {numbers}}}").into_bytes();
            }
            1 => draft.text(CORRELATION_ID, id.as_bytes()),
            _ => draft.text(MESSAGE_ID, id.as_bytes()),
        }
    }
    draft
}

/// A body that may be used or not.
fn dubious(dice: &mut StdRng, queue: &'static str, number: usize) -> Draft {
    let id = format!("odd-{number}");
    let mut draft = usable(dice, queue, number, None);
    let numbers = numbers(dice, queue, number);
    draft.body = match dice.random_range(0..4) {
        // A mark at the beginning.
        0 => [b"\xef\xbb\xbf", numbers.as_bytes()].concat(),
        1 => format!("{{\"id\": \"{id}\", \"body\": {numbers}, \"more\": 1}}").into_bytes(),
        // Far from anything that a model was trained on, and from what a number can be.
        2 if queue == FEATURES => {
            format!("[1e{},{number},3,4,5,6,7,8,9,-1e308]", 20 + number % 280).into_bytes()
        }
        // The id of the body and another one, which is none.
        _ => {
            draft.text(MESSAGE_ID, b"no id at all");
            format!("{{\"id\": \"{id}\", \"body\": {numbers}}}").into_bytes()
        }
    };
    if draft.body.starts_with(b"{") {
        draft.id = Some(id);
    } else if dice.random() {
        draft.text(MESSAGE_ID, id.as_bytes());
        draft.id = Some(id);
    }
    draft.worsen(Fate::Either);
    draft
}

/// What cannot be used, for its body, its id or its type.
fn useless(dice: &mut StdRng, queue: &'static str, number: usize) -> Draft {
    let id = format!("bad-{number}");
    let mut draft = usable(dice, queue, number, None);
    draft.worsen(Fate::Letter);
    let own = dice.random::<bool>();
    let body: Vec<u8> = match dice.random_range(0..15) {
        0 => Vec::new(),
        1 => {
            let noise = (0..dice.random_range(1..300)).map(|_| dice.random::<u8>());
            format!("{number} ").into_bytes().into_iter().chain(b"\0".iter().copied()).chain(noise).collect()
        }
        2 => format!("{{\"id\": \"{id}\", \"body\": NaN}}").into_bytes(),
        3 => format!("{{\"id\": \"{id}\", \"body\": 1e999}}").into_bytes(),
        4 => format!("[[\"{number}\"]]").into_bytes(),
        5 => format!("[[{number}]]").into_bytes(),
        6 => format!("[{number},{}", "[".repeat(dice.random_range(1..20_000))).into_bytes(),
        7 => format!("{{\"id\": \"no {number}\", \"body\": {}}}", numbers(dice, queue, number)).into_bytes(),
        8 => {
            let ids: [&[u8]; 8] =
                [b"", b"-", b"no id", b"a,b", b"\"a\"", b"=a", &[b'x'; 129], "n\u{fc}ll".as_bytes()];
            draft.text(MESSAGE_ID, ids[dice.random_range(0..ids.len())]);
            draft.body.clone()
        }
        // Beyond what is scored, and no features either.
        9 => format!("{{\"id\": \"{id}\", \"body\": -1e{}}}", 16 + number % 290).into_bytes(),
        10 => {
            format!("{{\"ids\": [\"{id}\", 1], \"body\": [{}]}}", numbers(dice, queue, number)).into_bytes()
        }
        11 => format!("{{\"id\": \"{id}\", \"id\": 1, \"body\": {}}}", numbers(dice, queue, number))
            .into_bytes(),
        // A few of the features, and numbers under their id.
        12 => format!("{{\"age\": 0.{number}, \"sex\": 0.1, \"s6\": 0.1}}").into_bytes(),
        13 => format!("{{\"{id}\": {}}}", numbers(dice, queue, number)).into_bytes(),
        _ => {
            let kinds: [&[u8]; 4] =
                [b"application/xml", b"application/x-pickle", b"texts", b"application/jsonl"];
            draft.text(CONTENT_TYPE, kinds[dice.random_range(0..kinds.len())]);
            draft.body.clone()
        }
    };
    // Without a body it is known by its id only.
    if body.is_empty() || (own && !draft.fields.contains_key(&MESSAGE_ID)) {
        draft.text(MESSAGE_ID, id.as_bytes());
        draft.id = Some(id);
    }
    draft.body = body;
    draft
}

/// Properties that harm nothing.
fn harmless(dice: &mut StdRng, draft: &mut Draft) {
    if dice.random_bool(0.5) {
        let kinds: [&[u8]; 5] = [
            b"application/json",
            b"application/json; charset=utf-8",
            b"APPLICATION/JSON",
            b"text/plain",
            b"application/octet-stream",
        ];
        draft.fields.entry(CONTENT_TYPE).or_insert_with(|| short(kinds[dice.random_range(0..5)]));
    }
    if dice.random_bool(0.3) {
        draft.fields.insert(DELIVERY_MODE, vec![dice.random_range(1..=2)]);
    }
    if dice.random_bool(0.2) {
        draft.fields.insert(PRIORITY, vec![dice.random()]);
    }
    if dice.random_bool(0.2) {
        draft.fields.insert(TIMESTAMP, dice.random::<u64>().to_be_bytes().to_vec());
    }
    if dice.random_bool(0.1) {
        // A day.
        draft.text(EXPIRATION, b"86400000");
    }
    for bit in [REPLY_TO, TYPE, APP_ID, CLUSTER_ID] {
        if dice.random_bool(0.15) {
            let text = text(dice);
            // Who wants a reply to a row counts its questions there, and it is no id.
            if bit != REPLY_TO || draft.queue != FEATURES || !draft.fields.contains_key(&CORRELATION_ID) {
                draft.text(bit, text.as_bytes());
            }
        }
    }
    for field in 0..dice.random_range(0..6) {
        let depth = if dice.random_bool(0.2) { dice.random_range(0..DEEPEST) } else { 0 };
        let inner = any_value(dice);
        let value = chain(dice, depth, inner);
        // Now and then one name twice.
        draft.header(format!("h{}", field / dice.random_range(1..=2)).as_bytes(), value);
    }
    if dice.random_bool(0.01) {
        let length = dice.random_range(1..30_000);
        draft.header(b"long", value(b'S', &long(&vec![b'a'; length])));
    }
}

/// Properties that may matter or not.
fn strange(dice: &mut StdRng, draft: &mut Draft) {
    draft.worsen(Fate::Either);
    let number = value(b'l', &dice.random::<i64>().to_be_bytes());
    let text = value(b'S', &long(text(dice).as_bytes()));
    match dice.random_range(0..8) {
        0 => draft.text(CONTENT_ENCODING, b"gzip"),
        1 => _ = draft.fields.insert(NOTHING, Vec::new()),
        2 => draft.header(b"published_at_ms", number),
        3 => draft.header(b"features_published_at_ms", number),
        4 => draft.header(b"model", text),
        5 => draft.header(b"x-feature-names", text),
        // As if it had been delivered before.
        6 => draft.header(b"x-delivery-count", value(b'l', &dice.random_range(0..50_i64).to_be_bytes())),
        _ => _ = draft.fields.entry(CONTENT_TYPE).or_insert_with(|| short(b"")),
    }
}

/// Properties that cannot be read, or are too long.
fn broken(dice: &mut StdRng, draft: &mut Draft) {
    draft.worsen(Fate::Letter);
    let kind = if dice.random() { b'A' } else { b'F' };
    let flag = || value(b't', &[1]);
    match dice.random_range(0..20) {
        0..=6 => {
            let depth = dice.random_range(DEEPEST + 1..=40);
            // A value that is no array and no table, so that the depth is that of the chain.
            let value = chain(dice, depth, flag());
            draft.header(b"deep", value);
        }
        7 => draft.header(b"deep", nested(kind, 5_000)),
        8..=11 => {
            let bits = [CONTENT_ENCODING, REPLY_TO, TYPE, APP_ID, CLUSTER_ID];
            draft.text(bits[dice.random_range(0..bits.len())], b"caf\xe9");
        }
        12..=14 => draft.header(b"n\xffme", flag()),
        15..=18 => {
            let bad = value(b'F', &table(&[(b"\xc3", flag())]));
            let depth = dice.random_range(0..DEEPEST);
            let value = chain(dice, depth, bad);
            draft.header(b"name", value);
        }
        _ => {
            let length = dice.random_range(MAX_BLOCK + 1..100_000);
            draft.header(b"long", value(b'S', &long(&vec![b'a'; length])));
        }
    }
}

/// Blanks behind the body: what is JSON stays it, up to what is too long.
fn lengthen(dice: &mut StdRng, draft: &mut Draft) {
    let length = match dice.random_range(0..1_000) {
        0..=4 => dice.random_range(MAX_BODY + 1..2 * MAX_BODY),
        5..=9 => dice.random_range(64 << 10..MAX_BODY),
        10..=29 => dice.random_range(2_000..64 << 10),
        30..=199 => dice.random_range(0..2_000),
        _ => return,
    };
    if draft.body.len() < length {
        draft.body.resize(length, b' ');
    }
}

/// A value in so many arrays and tables.
fn chain(dice: &mut StdRng, depth: usize, innermost: Vec<u8>) -> Vec<u8> {
    (0..depth).fold(innermost, |inner, _| {
        if dice.random() { value(b'A', &long(&inner)) } else { value(b'F', &table(&[(b"n", inner)])) }
    })
}

/// A value of any type, an array or a table no deeper than one level.
fn any_value(dice: &mut StdRng) -> Vec<u8> {
    let kinds = b"tbBsuIilLfdDTSxVAF";
    match kinds[dice.random_range(0..kinds.len())] {
        kind @ (b't' | b'b' | b'B') => value(kind, &[dice.random()]),
        kind @ (b's' | b'u') => value(kind, &dice.random::<[u8; 2]>()),
        kind @ (b'I' | b'i') => value(kind, &dice.random::<[u8; 4]>()),
        kind @ (b'l' | b'L' | b'T') => value(kind, &dice.random::<[u8; 8]>()),
        b'D' => value(b'D', &dice.random::<[u8; 5]>()),
        b'f' => {
            let numbers = [0.0, -0.0, f32::MAX, f32::MIN_POSITIVE, dice.random()];
            value(b'f', &numbers[dice.random_range(0..numbers.len())].to_be_bytes())
        }
        b'd' => {
            let numbers = [0.0, -0.0, f64::MAX, f64::MIN_POSITIVE, dice.random()];
            value(b'd', &numbers[dice.random_range(0..numbers.len())].to_be_bytes())
        }
        // Long texts need not be UTF-8.
        kind @ (b'S' | b'x') => {
            let bytes: Vec<u8> = (0..dice.random_range(0..40)).map(|_| dice.random()).collect();
            value(kind, &long(&bytes))
        }
        b'A' => value(b'A', &long(&value(b't', &[1]).repeat(dice.random_range(0..5)))),
        b'F' => value(b'F', &table(&[(b"", value(b'V', &[])), (text(dice).as_bytes(), value(b't', &[0]))])),
        _ => value(b'V', &[]),
    }
}

/// A text of up to 200 bytes.
fn text(dice: &mut StdRng) -> String {
    let letters = ['a', 'Z', '0', ' ', ',', '"', '\n', '\0', '\u{e9}', '\u{20ac}', '\u{1f600}'];
    (0..dice.random_range(0..50)).map(|_| letters[dice.random_range(0..letters.len())]).collect()
}

/// What was found after a storm.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Found {
    /// How often a letter was found, by its queue (the message's, not the one of dead letters) and [`key`].
    pub letters: BTreeMap<(String, Vec<u8>), usize>,
    /// How often each id was recorded, those without one as `-`.
    pub labels: BTreeMap<String, usize>,
    pub predictions: BTreeMap<String, usize>,
    pub rows: BTreeMap<String, usize>,
}

/// Holds what was found to what was expected: each message once, in one place, where it must be. Returns what is wrong.
pub fn account(expected: &[Expected], found: &Found) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut letters = found.letters.clone();
    // Those that are no letters: labels, and features and predictions.
    let mut nameless = [0, 0];
    let mut recorded = [found.labels.clone(), found.predictions.clone()];
    let mut rows = BTreeSet::new();
    for Expected { queue, key, id, fate } in expected {
        let name = || format!("{:?} {id:?} {fate:?} in {queue}", String::from_utf8_lossy(key));
        let letter = letters.remove(&((*queue).to_owned(), key.clone())).unwrap_or(0);
        let kind = usize::from(*queue != LABELS);
        if letter > 1 || (letter == 1 && *fate < Fate::Either) || (letter == 0 && *fate == Fate::Letter) {
            wrong.push(format!("{letter} letters: {}", name()));
        }
        match id {
            // It must not be recorded, and where it is, nobody has sent it.
            _ if *fate == Fate::Letter => {}
            None => nameless[kind] += usize::from(letter == 0),
            Some(id) => {
                if *fate == Fate::Row {
                    rows.insert(id);
                }
                let times = recorded[kind].remove(id).unwrap_or(0);
                if times + letter != 1 {
                    wrong.push(format!("recorded {times} times, {letter} letters: {}", name()));
                }
            }
        }
    }
    for (kind, what) in ["labels", "predictions"].into_iter().enumerate() {
        let times = recorded[kind].remove("-").unwrap_or(0);
        if times != nameless[kind] {
            wrong.push(format!("{times} {what} without an id, expected {}", nameless[kind]));
        }
        wrong.extend(recorded[kind].keys().map(|id| format!("nobody sent {id}, which is among the {what}")));
    }
    wrong.extend(
        letters.keys().map(|(queue, key)| {
            format!("nobody sent the letter {:?} of {queue}", String::from_utf8_lossy(key))
        }),
    );
    for id in &rows {
        match found.rows.get(*id) {
            Some(1) => {}
            times => wrong.push(format!("row {id}: {times:?} times")),
        }
    }
    wrong.extend(found.rows.keys().filter(|id| !rows.contains(id)).map(|id| format!("{id} is no row")));
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: usize = 10_000;

    /// What is found where everything goes well. `letter` says whether a message that may be one is one.
    fn well(expected: &[Expected], letter: impl Fn(usize) -> bool) -> Found {
        let mut found = Found::default();
        for (number, Expected { queue, key, id, fate }) in expected.iter().enumerate() {
            if *fate == Fate::Letter || (*fate == Fate::Either && letter(number)) {
                *found.letters.entry(((*queue).to_owned(), key.clone())).or_default() += 1;
                continue;
            }
            let all = if *queue == LABELS { &mut found.labels } else { &mut found.predictions };
            *all.entry(id.clone().unwrap_or_else(|| "-".to_owned())).or_default() += 1;
            if *fate == Fate::Row && *queue == LABELS {
                found.rows.insert(id.clone().unwrap(), 1);
            }
        }
        found
    }

    #[test]
    fn a_storm_is_what_it_says() {
        for seed in [0, 1, 77] {
            let (mut bytes, mut keys, mut ids) = (0, BTreeSet::new(), BTreeMap::<_, Vec<_>>::new());
            let mut fates = BTreeMap::<_, usize>::new();
            let mut queues = BTreeMap::<_, usize>::new();
            for Message { properties, body, expected } in Storm::new(seed, COUNT).messages() {
                bytes += properties.len() + body.len();
                assert!(body.len() <= 2 * MAX_BODY && properties.len() < 131_000);
                assert!(keys.insert((expected.queue, expected.key.clone())), "twice: {expected:?}");
                if let Some(id) = expected.id {
                    assert!(id.len() <= 128);
                    ids.entry(id).or_default().push((expected.queue, expected.fate));
                }
                *fates.entry(expected.fate).or_default() += 1;
                *queues.entry(expected.queue).or_default() += 1;
            }
            assert!(bytes < 150_000_000, "{bytes} bytes");
            let pairs = COUNT / 6;
            assert_eq!(fates[&Fate::Row], 2 * pairs);
            assert!(
                [Fate::Recorded, Fate::Either, Fate::Letter].iter().all(|fate| fates[fate] > 500),
                "{fates:?}"
            );
            assert!(QUEUES.iter().all(|queue| queues[queue] > 2_000), "{queues:?}");
            for (id, places) in ids {
                let row = vec![(FEATURES, Fate::Row), (LABELS, Fate::Row)];
                let mut sorted = places.clone();
                sorted.sort_unstable();
                assert_eq!(if id.starts_with("row-") { row } else { vec![places[0]] }, sorted, "{id}");
            }
        }
    }

    #[test]
    fn a_seed_makes_the_same_storm() {
        let storm = Storm::new(7, 300);
        assert!(storm.messages().eq(storm.messages()));
        assert!(!storm.messages().eq(Storm::new(8, 300).messages()));
    }

    #[test]
    fn the_account_finds_what_is_lost_doubled_or_in_the_wrong_place() {
        let expected = Storm::new(3, 600).expected();
        for letter in [|_| true, |_| false, |number: usize| number.is_multiple_of(2)] {
            assert_eq!(account(&expected, &well(&expected, letter)), [""; 0]);
        }
        let found = well(&expected, |_| true);
        let of = |fate, named: bool| {
            expected.iter().find(|one| one.fate == fate && one.id.is_some() == named).unwrap().clone()
        };
        let letter = |one: &Expected| (one.queue.to_owned(), one.key.clone());
        let (bad, either, lone) = (of(Fate::Letter, true), of(Fate::Either, true), of(Fate::Recorded, true));
        let lone_id = lone.id.clone().unwrap();
        type Harm = Box<dyn Fn(&mut Found)>;
        let harms: [(&str, Harm); 10] = [
            ("a lost letter", {
                let key = letter(&bad);
                Box::new(move |found| assert!(found.letters.remove(&key).is_some()))
            }),
            ("a letter twice", {
                let key = letter(&bad);
                Box::new(move |found| *found.letters.get_mut(&key).unwrap() += 1)
            }),
            ("neither letter nor recorded", {
                let key = letter(&either);
                Box::new(move |found| assert!(found.letters.remove(&key).is_some()))
            }),
            ("both", {
                let id = either.id.clone().unwrap();
                let label = either.queue == LABELS;
                Box::new(move |found| {
                    let all = if label { &mut found.labels } else { &mut found.predictions };
                    all.insert(id.clone(), 1);
                })
            }),
            ("a good one as a letter", {
                let key = letter(&lone);
                Box::new(move |found| _ = found.letters.insert(key.clone(), 1))
            }),
            ("a good one lost", {
                Box::new(move |found| {
                    assert!(found.labels.remove(&lone_id).or(found.predictions.remove(&lone_id)).is_some());
                })
            }),
            ("one without an id lost", Box::new(|found| *found.labels.get_mut("-").unwrap() -= 1)),
            ("one without an id twice", Box::new(|found| *found.predictions.get_mut("-").unwrap() += 1)),
            ("a row missing", Box::new(|found| assert!(found.rows.remove("row-5").is_some()))),
            ("a stranger", Box::new(|found| _ = found.labels.insert("stranger".to_owned(), 1))),
        ];
        for (what, harm) in harms {
            let mut found = found.clone();
            harm(&mut found);
            assert!(!account(&expected, &found).is_empty(), "{what} goes unseen");
        }
    }
}
