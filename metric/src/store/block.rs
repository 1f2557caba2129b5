//! A block of the journal: the messages that one commit accepted, as bytes. Pure.
//!
//! A block is a version, and then for each message: a byte of flags, the id, the value, how long before its reception it was
//! published, and for a prediction the number of its model. Numbers without a fixed length are in groups of seven bits, the
//! lowest first. 28 to 30 bytes a message where ids are UUIDs.

use std::fmt;

use shared::clock::Timestamp;
use shared::message::{RowId, ShortId};

const VERSION: u8 = 1;

/// The bits of the flags: which kind of id follows, and what the message is.
const ID: u8 = 0b11;
const NO_ID: u8 = 0;
const UUID: u8 = 1;
const TEXT: u8 = 2;
const MET: u8 = 0b100;
const PREDICTION: u8 = 0b1000;

/// A message as the journal has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StoredEvent {
    /// Its row; none where it is anonymous.
    pub(super) id: Option<RowId>,
    /// 0: a label; else the number of the model that predicted.
    pub(super) source: i64,
    /// The label or the prediction.
    pub(super) value: f64,
    /// When it was published, or else received.
    pub(super) at: Timestamp,
    /// Whether it met its other half when it came.
    pub(super) met: bool,
}

/// What one commit accepted; what was packed from an older database may be a part of that, or several of one moment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Block {
    /// The number of its first message. The others follow without a gap.
    pub(super) first: i64,
    /// How many messages it has.
    pub(super) count: i64,
    /// When they were received.
    pub(super) received: Timestamp,
    /// Milliseconds that metric had worked on this database: never runs back.
    pub(super) age: i64,
    /// The number of the last row that was scored when it was committed.
    pub(super) last_scoring: i64,
    /// The least and the greatest time of prediction of the rows after the `last_scoring` of the block before, up to its own; none
    /// where there are none.
    pub(super) predicted: Option<(i64, i64)>,
    data: Vec<u8>,
}

/// The bytes of a block are not those that were written.
#[derive(Debug)]
pub(crate) struct Damage(String);

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Damage {}

impl From<Damage> for rusqlite::Error {
    fn from(damage: Damage) -> Self {
        Self::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, Box::new(damage))
    }
}

impl Damage {
    /// What is wrong in a few words.
    pub(super) fn of(what: &str) -> Self {
        Self(what.to_owned())
    }

    /// What is wrong in a few words, about messages from this number on.
    pub(super) fn new(first: i64, how: impl fmt::Display) -> Self {
        Self(format!("the journal's block that begins with message {first} {how}"))
    }
}

impl Block {
    /// A block without messages yet.
    pub(super) fn new(first: i64, received: Timestamp, age: i64) -> Self {
        let last_scoring = 0;
        Self { first, count: 0, received, age, last_scoring, predicted: None, data: vec![VERSION] }
    }

    /// A block as it was stored.
    ///
    /// # Errors
    /// It has another checksum, or a version that this program does not know.
    pub(super) fn stored(mut block: Self, data: Vec<u8>, checksum: u32) -> Result<Self, Damage> {
        block.data = data;
        let damage = |how: &dyn fmt::Display| Damage::new(block.first, how);
        if block.checksum() != checksum {
            return Err(damage(&"has another checksum than when it was written"));
        }
        match block.data.first() {
            Some(&VERSION) => Ok(block),
            version => Err(damage(&format_args!("has version {version:?}, which only a newer metric reads"))),
        }
    }

    /// The number of its last message, or the one before its first.
    pub(super) fn last(&self) -> i64 {
        self.first + self.count - 1
    }

    /// Its messages.
    pub(super) fn data(&self) -> &[u8] {
        &self.data
    }

    /// CRC-32 of all that it is.
    pub(super) fn checksum(&self) -> u32 {
        let Self { first, count, received, age, last_scoring, predicted, data } = self;
        let mut sum = crc32fast::Hasher::new();
        let (least, greatest) = predicted.unwrap_or((i64::MAX, i64::MIN));
        for number in [*first, *count, received.0, *age, *last_scoring, least, greatest] {
            sum.update(&number.to_le_bytes());
        }
        sum.update(data);
        sum.finalize()
    }

    /// Adds a message. `source` is 0 for a label, or the number of the model that predicted.
    pub(super) fn push(&mut self, id: Option<&RowId>, source: i64, value: f64, at: Timestamp, met: bool) {
        let id = id.map(RowId::short);
        let kind = match id {
            None => NO_ID,
            Some(ShortId::Uuid(_)) => UUID,
            Some(ShortId::Text(_)) => TEXT,
        };
        let data = &mut self.data;
        data.push(kind | if met { MET } else { 0 } | if source == 0 { 0 } else { PREDICTION });
        match id {
            None => {}
            Some(ShortId::Uuid(uuid)) => data.extend_from_slice(uuid),
            Some(ShortId::Text(text)) => {
                push_number(data, text.len() as u64);
                data.extend_from_slice(text.as_bytes());
            }
        }
        data.extend_from_slice(&value.to_le_bytes());
        push_signed(data, self.received.0.wrapping_sub(at.0));
        if source != 0 {
            push_signed(data, source);
        }
        self.count += 1;
    }

    /// Its messages, each with its number.
    ///
    /// # Errors
    /// Bytes that are no messages, where the block was not written by [`Block::push`].
    pub(super) fn events(&self) -> impl Iterator<Item = Result<(i64, StoredEvent), Damage>> {
        let mut rest = &self.data[1..];
        (self.first..=self.last()).map(move |seq| {
            let event = read_event(&mut rest, self.received);
            event.map(|event| (seq, event)).ok_or_else(|| Damage::new(self.first, "cannot be read"))
        })
    }
}

fn read_event(rest: &mut &[u8], received: Timestamp) -> Option<StoredEvent> {
    let flags = *rest.split_off_first()?;
    let id = match flags & ID {
        NO_ID => None,
        UUID => Some(RowId::from_uuid(*split_array(rest)?)),
        _ => {
            let length = usize::try_from(read_number(rest)?).ok()?;
            let text = str::from_utf8(rest.split_off(..length)?).ok()?;
            Some(RowId::recorded(text).ok()?)
        }
    };
    let value = f64::from_le_bytes(*split_array(rest)?);
    let at = Timestamp(received.0.wrapping_sub(read_signed(rest)?));
    let source = if flags & PREDICTION == 0 { 0 } else { read_signed(rest)? };
    Some(StoredEvent { id, source, value, at, met: flags & MET != 0 })
}

/// Takes as many bytes off the beginning.
pub(super) fn split_array<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (array, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(array)
}

/// Adds a number in groups of seven bits.
pub(super) fn push_number(data: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        data.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    data.push(number.to_le_bytes()[0]);
}

/// Reads what [`push_number`] has written.
pub(super) fn read_number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = *rest.split_off_first()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// Adds a number of either sign, small ones in few bytes.
pub(super) fn push_signed(data: &mut Vec<u8>, number: i64) {
    push_number(data, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

/// Reads what [`push_signed`] has written.
pub(super) fn read_signed(rest: &mut &[u8]) -> Option<i64> {
    let number = read_number(rest)?;
    Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block() -> (Block, Vec<StoredEvent>) {
        let id = |text: &str| Some(RowId::recorded(text).unwrap());
        let event = |id, source, value, at, met| StoredEvent { id, source, value, at: Timestamp(at), met };
        let events = vec![
            event(id("0193a0b2-7c1d-7e2f-8000-000000000000"), 0, 151.0, 1_795_194_245_120, false),
            event(id("0193a0b2-7c1d-7e2f-8000-000000000000"), 1, -0.0, 1_795_194_245_123, true),
            event(id("order:17"), 300, 206.116_706_978_709_3, i64::MIN, true),
            event(None, i64::MAX, f64::MIN_POSITIVE, i64::MAX, false),
            event(id(&"x".repeat(128)), 0, 5e-324, 0, false),
            event(id(".a"), 0, 1e15, -1, false),
        ];
        let mut block = Block::new(41, Timestamp(1_795_194_245_123), 77);
        for StoredEvent { id, source, value, at, met } in &events {
            block.push(id.as_ref(), *source, *value, *at, *met);
        }
        block.last_scoring = 9;
        block.predicted = Some((5, 6));
        (block, events)
    }

    #[test]
    fn what_is_written_is_read() {
        let (block, events) = block();
        assert_eq!((block.first, block.last()), (41, 46));
        let again = Block::stored(block.clone(), block.data().to_vec(), block.checksum()).unwrap();
        let read: Vec<(i64, StoredEvent)> = again.events().map(Result::unwrap).collect();
        assert_eq!(read.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), (41..=46).collect::<Vec<_>>());
        assert_eq!(read[1].1.value.to_bits(), (-0.0_f64).to_bits());
        assert_eq!(read.into_iter().map(|(_, event)| event).collect::<Vec<_>>(), events);
    }

    #[test]
    fn a_pair_takes_sixty_bytes_at_the_most() {
        let id = RowId::unique();
        let mut block = Block::new(1, Timestamp(1_795_194_245_123), 0);
        block.push(Some(&id), 0, 151.5, Timestamp(1_795_194_245_023), false);
        block.push(Some(&id), 1, 150.5, Timestamp(1_795_194_245_120), true);
        assert!(block.data().len() <= 60, "{}", block.data().len());
    }

    #[test]
    fn no_changed_bit_passes() {
        let (block, _) = block();
        let sum = block.checksum();
        for bit in 0..8 * block.data().len() {
            let mut data = block.data().to_vec();
            data[bit / 8] ^= 1 << (bit % 8);
            let why = Block::stored(block.clone(), data, sum).unwrap_err().to_string();
            assert!(why.contains("message 41 has another checksum"), "{why}");
        }
        let change: [fn(&mut Block); 8] = [
            |block| block.first ^= 1,
            |block| block.count ^= 1,
            |block| block.received.0 ^= 1 << 40,
            |block| block.age ^= 1 << 3,
            |block| block.last_scoring ^= 1,
            |block| block.predicted = None,
            |block| block.predicted = Some((4, 6)),
            |block| block.predicted = Some((5, 7)),
        ];
        for change in change {
            let mut changed = block.clone();
            change(&mut changed);
            assert!(Block::stored(changed, block.data().to_vec(), sum).is_err());
        }
    }

    #[test]
    fn numbers_of_every_size_come_back() {
        for number in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX] {
            let mut data = Vec::new();
            push_number(&mut data, number);
            assert_eq!(read_number(&mut &*data), Some(number));
            assert_eq!(read_number(&mut &data[..data.len() - 1]), None);
        }
        for number in [0, -1, 1, 63, -64, 64, i64::MAX, i64::MIN] {
            let mut data = Vec::new();
            push_signed(&mut data, number);
            assert_eq!(read_signed(&mut &*data), Some(number));
        }
        assert_eq!(read_number(&mut &[0xff; 11][..]), None);
    }
}
