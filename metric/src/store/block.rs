//! A block of the journal: the messages that one commit accepted, as bytes. Pure.
//!
//! A block is a version, the number of its commit, and then for each message: a byte of flags, the id, the value, how long
//! before its reception it was published, and for a prediction the number of its model and, where that is known, how long
//! before it its row was published. Numbers without a fixed length are in groups of seven bits, the lowest first. 28 to 31
//! bytes a message where ids are UUIDs. Version 1 has neither the commit's number nor the row's time.

use std::fmt;

use shared::clock::Timestamp;
use shared::message::{RowId, ShortId};

use super::varint::{push_number, push_signed, read_number, read_signed, split_array};

/// Without the number of its commit.
const UNNUMBERED: u8 = 1;
const NUMBERED: u8 = 2;

/// The bits of the flags: which kind of id follows, and what the message is.
const ID: u8 = 0b11;
const NO_ID: u8 = 0;
const UUID: u8 = 1;
const TEXT: u8 = 2;
const MET: u8 = 0b100;
const PREDICTION: u8 = 0b1000;
const ROW_TIME: u8 = 0b1_0000;

/// A message as the journal has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StoredEvent<Id = RowId> {
    /// Its row; none where it is anonymous.
    pub(super) id: Option<Id>,
    /// 0: a label; else the number of the model that predicted.
    pub(super) source: i64,
    /// The label or the prediction.
    pub(super) value: f64,
    /// When it was published, or else received.
    pub(super) at: Timestamp,
    /// Whether it met its other half when it came.
    pub(super) met: bool,
    /// When the row of a prediction was published, if that is known.
    pub(super) features_published_at: Option<Timestamp>,
}

/// What one commit accepted; what was packed from an older database may be a part of that, or several of one moment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Block {
    /// The number of its commit; none where an older program has written it.
    pub(super) number: Option<i64>,
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
    /// Where its messages begin in that.
    begin: usize,
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
    /// A block without messages yet. Without the number of its commit it is one of version 1.
    pub(super) fn new(number: Option<i64>, first: i64, received: Timestamp, age: i64) -> Self {
        let mut data = vec![number.map_or(UNNUMBERED, |_| NUMBERED)];
        if let Some(number) = number {
            push_signed(&mut data, number);
        }
        let begin = data.len();
        Self { number, first, count: 0, received, age, last_scoring: 0, predicted: None, data, begin }
    }

    /// Makes room for as many messages as they usually are.
    pub(super) fn reserve(&mut self, messages: usize) {
        self.data.reserve(32 * messages);
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
        let (version, mut rest) = block.data.split_first().ok_or_else(|| damage(&"is empty"))?;
        let number = match *version {
            UNNUMBERED => None,
            NUMBERED => Some(read_signed(&mut rest).ok_or_else(|| damage(&"cannot be read"))?),
            newer => {
                return Err(damage(&format_args!("has version {newer}, which only a newer metric reads")));
            }
        };
        block.begin = block.data.len() - rest.len();
        block.number = number;
        Ok(block)
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
        let Self { first, count, received, age, last_scoring, predicted, data, .. } = self;
        let mut sum = crc32fast::Hasher::new();
        let (least, greatest) = predicted.unwrap_or((i64::MAX, i64::MIN));
        for number in [*first, *count, received.0, *age, *last_scoring, least, greatest] {
            sum.update(&number.to_le_bytes());
        }
        sum.update(data);
        sum.finalize()
    }

    /// Adds a message.
    pub(super) fn push(&mut self, event: &StoredEvent<&RowId>) {
        let StoredEvent { id, source, value, at, met, features_published_at } = event;
        let id = id.map(RowId::short);
        let kind = match id {
            None => NO_ID,
            Some(ShortId::Uuid(_)) => UUID,
            Some(ShortId::Text(_)) => TEXT,
        };
        // A label is not made from a row.
        let row_time = features_published_at.filter(|_| *source != 0);
        let flag = |flag: u8, is: bool| if is { flag } else { 0 };
        let data = &mut self.data;
        data.push(
            kind | flag(MET, *met) | flag(PREDICTION, *source != 0) | flag(ROW_TIME, row_time.is_some()),
        );
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
        if *source != 0 {
            push_signed(data, *source);
        }
        if let Some(row_time) = row_time {
            push_signed(data, at.0.wrapping_sub(row_time.0));
        }
        self.count += 1;
    }

    /// Its messages, each with its number.
    ///
    /// # Errors
    /// Bytes that are no messages, where the block was not written by [`Block::push`].
    pub(super) fn events(&self) -> impl Iterator<Item = Result<(i64, StoredEvent), Damage>> {
        let mut rest = &self.data[self.begin..];
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
    let features_published_at = match flags & ROW_TIME {
        0 => None,
        _ => Some(Timestamp(at.0.wrapping_sub(read_signed(rest)?))),
    };
    Some(StoredEvent { id, source, value, at, met: flags & MET != 0, features_published_at })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(number: Option<i64>) -> (Block, Vec<StoredEvent>) {
        let id = |text: &str| Some(RowId::recorded(text).unwrap());
        let event = |id, source, value, at, met| StoredEvent {
            id,
            source,
            value,
            at: Timestamp(at),
            met,
            features_published_at: None,
        };
        let mut events = vec![
            event(id("0193a0b2-7c1d-7e2f-8000-000000000000"), 0, 151.0, 1_795_194_245_120, false),
            event(id("0193a0b2-7c1d-7e2f-8000-000000000000"), 1, -0.0, 1_795_194_245_123, true),
            event(id("order:17"), 300, 206.116_706_978_709_3, i64::MIN, true),
            event(None, i64::MAX, f64::MIN_POSITIVE, i64::MAX, false),
            event(id(&"x".repeat(128)), 0, 5e-324, 0, false),
            event(id(".a"), 0, 1e15, -1, false),
        ];
        if number.is_some() {
            for (event, row) in events[1..].iter_mut().zip([1_795_194_245_001, i64::MAX]) {
                event.features_published_at = Some(Timestamp(row));
            }
        }
        let mut block = Block::new(number, 41, Timestamp(1_795_194_245_123), 77);
        events.iter().for_each(|event| block.push(&borrowed(event)));
        block.last_scoring = 9;
        block.predicted = Some((5, 6));
        (block, events)
    }

    fn borrowed(event: &StoredEvent) -> StoredEvent<&RowId> {
        let StoredEvent { ref id, source, value, at, met, features_published_at } = *event;
        StoredEvent { id: id.as_ref(), source, value, at, met, features_published_at }
    }

    #[test]
    fn what_is_written_is_read() {
        for number in [None, Some(1), Some(i64::MAX)] {
            let (block, events) = block(number);
            assert_eq!((block.first, block.last()), (41, 46));
            let empty = Block { data: Vec::new(), number: None, begin: 0, ..block.clone() };
            let again = Block::stored(empty, block.data().to_vec(), block.checksum()).unwrap();
            assert_eq!(again, block);
            let read: Vec<(i64, StoredEvent)> = again.events().map(Result::unwrap).collect();
            assert_eq!(read.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), (41..=46).collect::<Vec<_>>());
            assert_eq!(read[1].1.value.to_bits(), (-0.0_f64).to_bits());
            assert_eq!(read.into_iter().map(|(_, event)| event).collect::<Vec<_>>(), events);
        }
    }

    #[test]
    fn a_label_has_no_row_time() {
        let mut block = Block::new(Some(1), 1, Timestamp(0), 0);
        let at = Timestamp(0);
        let row_time = Some(Timestamp(5));
        let label =
            StoredEvent { id: None, source: 0, value: 1.0, at, met: false, features_published_at: row_time };
        block.push(&label);
        let (_, read) = block.events().next().unwrap().unwrap();
        assert_eq!(read.features_published_at, None);
    }

    #[test]
    fn a_pair_takes_sixty_two_bytes_at_the_most() {
        let id = RowId::unique();
        let mut block = Block::new(Some(1_000_000), 1, Timestamp(1_795_194_245_123), 0);
        let begin = block.data().len();
        let event = |source, at, row_time: Option<i64>| StoredEvent {
            id: Some(&id),
            source,
            value: 151.5,
            at: Timestamp(at),
            met: source != 0,
            features_published_at: row_time.map(Timestamp),
        };
        block.push(&event(0, 1_795_194_245_023, None));
        block.push(&event(1, 1_795_194_245_120, Some(1_795_194_245_020)));
        assert!(block.data().len() <= begin + 62, "{}", block.data().len());
        assert!(begin <= 4, "{begin}");
    }

    #[test]
    fn no_changed_bit_passes() {
        for number in [None, Some(300)] {
            let (block, _) = block(number);
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
    }

    #[test]
    fn what_a_newer_program_has_written_is_named() {
        for (data, want) in [(vec![3, 0], "has version 3"), (vec![], "is empty"), (vec![2], "cannot be read")]
        {
            let block = Block { data, ..Block::new(None, 41, Timestamp(0), 0) };
            let (data, sum) = (block.data.clone(), block.checksum());
            let why = Block::stored(block, data, sum).unwrap_err().to_string();
            assert!(why.contains(want), "{why}");
        }
    }
}
