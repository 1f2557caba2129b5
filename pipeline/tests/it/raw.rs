//! A publisher that writes AMQP 0-9-1 itself, so that it can send what no client library would.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader, BufWriter};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::timeout;

const FRAME_MAX: usize = 131_072;
const PATIENCE: Duration = Duration::from_secs(60);

/// One connection with one channel that waits for confirms.
pub struct Raw {
    writer: BufWriter<OwnedWriteHalf>,
    answers: mpsc::UnboundedReceiver<Answer>,
    published: u64,
    confirmed: u64,
}

/// What the broker says of what was published.
#[derive(Debug)]
enum Answer {
    Confirmed { up_to: u64 },
    Taken { tag: u64 },
    Closed { code: u16, text: String },
}

impl Raw {
    /// Connects to `amqp://user:password@host:port/vhost`.
    pub async fn connect(url: &str) -> Self {
        let rest = url.strip_prefix("amqp://").unwrap();
        let (who, place) = rest.rsplit_once('@').unwrap();
        let (address, vhost) = place.split_once('/').unwrap();
        let (user, password) = who.split_once(':').unwrap();
        let (reader, writer) = TcpStream::connect(address).await.unwrap().into_split();
        let (mut reader, mut writer) = (BufReader::new(reader), BufWriter::new(writer));
        writer.write_all(b"AMQP\0\0\x09\x01").await.unwrap();
        writer.flush().await.unwrap();
        expect(&mut reader, 10, 10).await;
        let response = format!("\0{user}\0{password}");
        let start_ok =
            [&table(&[])[..], &short(b"PLAIN"), &long(response.as_bytes()), &short(b"en_US")].concat();
        method(&mut writer, 0, 10, 11, &start_ok).await;
        expect(&mut reader, 10, 30).await;
        let frame_max = u32::try_from(FRAME_MAX).unwrap().to_be_bytes();
        method(&mut writer, 0, 10, 31, &[&[0, 10][..], &frame_max, &[0, 0]].concat()).await;
        method(&mut writer, 0, 10, 40, &[&short(vhost.as_bytes())[..], &[0, 0]].concat()).await;
        expect(&mut reader, 10, 41).await;
        method(&mut writer, 1, 20, 10, &[0]).await;
        expect(&mut reader, 20, 11).await;
        method(&mut writer, 1, 85, 10, &[0]).await;
        expect(&mut reader, 85, 11).await;
        let (sender, answers) = mpsc::unbounded_channel();
        tokio::spawn(listen(reader, sender));
        Self { writer, answers, published: 0, confirmed: 0 }
    }

    /// Publishes to a queue by its name. `properties` is the whole property block, flags first.
    pub async fn publish(&mut self, queue: &str, properties: &[u8], body: &[u8]) {
        let publish = [&[0, 0][..], &short(b""), &short(queue.as_bytes()), &[0]].concat();
        method(&mut self.writer, 1, 60, 40, &publish).await;
        let length = (body.len() as u64).to_be_bytes();
        frame(&mut self.writer, 2, 1, &[&[0, 60, 0, 0][..], &length, properties].concat()).await;
        for part in body.chunks(FRAME_MAX - 8) {
            frame(&mut self.writer, 3, 1, part).await;
        }
        self.published += 1;
    }

    /// Waits until the broker has everything.
    pub async fn confirmed(&mut self) {
        self.writer.flush().await.unwrap();
        while self.confirmed < self.published {
            match timeout(PATIENCE, self.answers.recv()).await.expect("no confirm") {
                Some(Answer::Confirmed { up_to }) => self.confirmed = up_to,
                Some(Answer::Taken { .. }) => {}
                Some(Answer::Closed { code, text }) => panic!("the broker refuses: {code} {text}"),
                None => panic!("the broker has gone after {} of {}", self.confirmed, self.published),
            }
        }
    }
}

impl Raw {
    /// Takes the next message of a queue and gives it back, as a consumer does that was cut off.
    pub async fn give_back(&mut self, queue: &str) {
        let get = [&[0, 0][..], &short(queue.as_bytes()), &[0]].concat();
        method(&mut self.writer, 1, 60, 70, &get).await;
        self.writer.flush().await.unwrap();
        loop {
            match timeout(PATIENCE, self.answers.recv()).await.expect("nothing comes") {
                Some(Answer::Taken { tag }) => {
                    method(&mut self.writer, 1, 60, 90, &[&tag.to_be_bytes()[..], &[1]].concat()).await;
                    return self.writer.flush().await.unwrap();
                }
                Some(Answer::Confirmed { up_to }) => self.confirmed = up_to,
                other => panic!("the broker refuses: {other:?}"),
            }
        }
    }
}

/// Reads what the broker says. Confirms of several come as one.
async fn listen(mut reader: BufReader<OwnedReadHalf>, answers: mpsc::UnboundedSender<Answer>) {
    while let Some((kind, payload)) = read_frame(&mut reader).await {
        if kind != 1 {
            continue;
        }
        let (class, id) = (payload[1], payload[3]);
        let answer = match (class, id) {
            (60, 80) => Answer::Confirmed { up_to: u64::from_be_bytes(payload[4..12].try_into().unwrap()) },
            (60, 71) => Answer::Taken { tag: u64::from_be_bytes(payload[4..12].try_into().unwrap()) },
            (10, 50) | (20, 40) => Answer::Closed {
                code: u16::from_be_bytes([payload[4], payload[5]]),
                text: String::from_utf8_lossy(&payload[7..7 + usize::from(payload[6])]).into_owned(),
            },
            _ => continue,
        };
        if answers.send(answer).is_err() {
            return;
        }
    }
}

async fn expect(reader: &mut BufReader<OwnedReadHalf>, class: u8, id: u8) {
    loop {
        let (kind, payload) = read_frame(reader).await.expect("the broker has gone");
        if kind == 1 {
            assert_eq!((payload[1], payload[3]), (class, id), "{}", String::from_utf8_lossy(&payload));
            return;
        }
    }
}

async fn read_frame(reader: &mut BufReader<OwnedReadHalf>) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 7];
    reader.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes(head[3..7].try_into().unwrap()) as usize;
    let mut payload = vec![0; length + 1];
    reader.read_exact(&mut payload).await.ok()?;
    assert_eq!(payload.pop(), Some(0xce), "the end of a frame");
    Some((head[0], payload))
}

async fn method(writer: &mut BufWriter<OwnedWriteHalf>, channel: u16, class: u8, id: u8, arguments: &[u8]) {
    frame(writer, 1, channel, &[&[0, class, 0, id][..], arguments].concat()).await;
    if class != 60 {
        writer.flush().await.unwrap();
    }
}

async fn frame(writer: &mut BufWriter<OwnedWriteHalf>, kind: u8, channel: u16, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&[kind][..], &channel.to_be_bytes(), &length].concat();
    writer.write_all(&head).await.unwrap();
    writer.write_all(payload).await.unwrap();
    writer.write_all(&[0xce]).await.unwrap();
}

/// A short text: up to 255 bytes.
pub fn short(text: &[u8]) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text].concat()
}

/// A long text, which is also a table's or an array's length and content.
pub fn long(content: &[u8]) -> Vec<u8> {
    [&u32::try_from(content.len()).unwrap().to_be_bytes(), content].concat()
}

/// A table of names and raw values, each value with its type first.
pub fn table(fields: &[(&[u8], Vec<u8>)]) -> Vec<u8> {
    let content: Vec<u8> =
        fields.iter().flat_map(|(name, value)| [short(name), value.clone()].concat()).collect();
    long(&content)
}

/// A value of a type.
pub fn value(kind: u8, content: &[u8]) -> Vec<u8> {
    [&[kind], content].concat()
}

/// `depth` arrays (`A`) or tables (`F`, with a field `n` each) one in the other, the innermost empty.
pub fn nested(kind: u8, depth: usize) -> Vec<u8> {
    let name: &[u8] = if kind == b'F' { b"\x01n" } else { b"" };
    let level = name.len() + 5;
    let mut all = Vec::with_capacity(depth * level);
    for inside in (0..depth).rev() {
        all.push(kind);
        all.extend(u32::try_from(inside * level).unwrap().to_be_bytes());
        if inside > 0 {
            all.extend(name);
        }
    }
    all
}

/// Properties as they stand in a header frame.
#[derive(Default, Clone)]
pub struct Properties {
    fields: Vec<(u16, Vec<u8>)>,
}

/// The properties that are short texts, with their bit in the flags.
pub const SHORT_TEXTS: [(&str, u16); 9] = [
    ("content_type", 15),
    ("content_encoding", 14),
    ("correlation_id", 10),
    ("reply_to", 9),
    ("expiration", 8),
    ("message_id", 7),
    ("type", 5),
    ("app_id", 3),
    ("cluster_id", 2),
];

impl Properties {
    /// Adds a short text by its name.
    pub fn text(mut self, name: &str, text: &[u8]) -> Self {
        let bit = SHORT_TEXTS.iter().find(|(known, _)| *known == name).unwrap().1;
        self.fields.push((bit, short(text)));
        self
    }

    /// Adds the headers: a table, its length first.
    pub fn headers(mut self, table: Vec<u8>) -> Self {
        self.fields.push((13, table));
        self
    }

    /// The block, flags first.
    pub fn block(mut self) -> Vec<u8> {
        self.fields.sort_by_key(|(bit, _)| std::cmp::Reverse(*bit));
        let flags = self.fields.iter().fold(0_u16, |flags, (bit, _)| flags | 1 << bit);
        let mut block = flags.to_be_bytes().to_vec();
        self.fields.iter().for_each(|(_, field)| block.extend(field));
        block
    }
}

#[test]
fn nested_values_are_as_long_as_they_say() {
    assert_eq!(nested(b'A', 1), b"A\0\0\0\0");
    assert_eq!(nested(b'A', 2), b"A\0\0\0\x05A\0\0\0\0");
    assert_eq!(nested(b'F', 2), b"F\0\0\0\x07\x01nF\0\0\0\0");
    assert_eq!(nested(b'F', 3), b"F\0\0\0\x0e\x01nF\0\0\0\x07\x01nF\0\0\0\0");
}
