//! A dead letter that fits: what of a message goes into it.
//!
//! Every letter has the reason, and what the broker may take of the message itself: the whole body up to 1 MiB and 16 KiB
//! of its headers; where that is refused, 64 KiB of the body; and at the last no body at all. What is left out is said in
//! the headers, with the length and the SHA-256 of what there was.

use std::sync::Arc;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, ByteArray, FieldTable, LongString, ShortString};
use sha2::{Digest as _, Sha256};

use super::content::{Content, Parcel};
use super::guard::watch::{Finding, FindingKind, Shortened};
use crate::message::{Incoming as _, MOST_VECTORS, header};
use crate::transport::queues::DEAD_EXCHANGE;
use crate::transport::{DeadLetter, shown_id};

/// The most bytes of foreign headers that a letter has.
const FOREIGN_HEADERS: usize = 16 * 1024;
/// What a value's type and length take on the wire, in bytes.
const LENGTH: usize = 5;
/// The most bytes of a body in each form.
const WHOLE_BODY: usize = 1024 * 1024;
const STRIPPED_BODY: usize = 64 * 1024;

/// How much of the message a letter has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Form {
    /// Body and headers.
    Whole,
    /// The beginning of the body, and no headers but ours.
    Stripped,
    /// No body: reason, ids, length and hash.
    Bare,
}

impl Form {
    /// The next smaller one.
    pub(super) fn smaller(self) -> Option<Self> {
        match self {
            Self::Whole => Some(Self::Stripped),
            Self::Stripped => Some(Self::Bare),
            Self::Bare => None,
        }
    }

    /// How many bytes of a body of `length` go into it.
    pub(super) fn body_len(self, length: usize) -> usize {
        match self {
            Self::Whole => length.min(WHOLE_BODY),
            Self::Stripped => length.min(STRIPPED_BODY),
            Self::Bare => 0,
        }
    }
}

impl DeadLetter {
    pub(super) fn content(&self) -> &Content {
        let crate::transport::Content::Amqp(content) = &self.content else {
            unreachable!("a delivery is dead-lettered on the transport that brought it")
        };
        content
    }

    /// How many bytes of body a letter of this form has.
    pub(super) fn body_len(&self, form: Form) -> usize {
        form.body_len(self.content().body.len())
    }

    /// Lets go of body and headers. What is left makes a bare letter.
    pub(super) fn forget_content(&mut self) {
        let content = self.content();
        let nothing =
            || Finding { kind: FindingKind::TooLarge, detail: String::new(), properties: None, body: None };
        let mut finding = content.finding.clone().unwrap_or_else(|| Box::new(nothing()));
        finding.body.get_or_insert_with(|| shortened(content));
        let forgotten = content.forgotten(without_headers(content), finding);
        self.content = crate::transport::Content::Amqp(Arc::new(forgotten));
    }

    /// The letter as it is published.
    pub(super) fn parcel<'a>(&'a self, form: Form) -> Parcel<'a> {
        let content = self.content();
        Parcel {
            exchange: DEAD_EXCHANGE,
            routing_key: self.subscription.queue.as_str(),
            body: &content.body[..self.body_len(form)],
            properties: self.properties(form),
            mandatory: true,
        }
    }

    /// The message's own properties with the reason in the headers. The letter outlives a restart of the broker even
    /// where the message would not have.
    ///
    /// What the broker would act upon is only told in headers: a user that is not us (refused with the channel), an
    /// expiration (the letter would delete itself), and further receivers.
    fn properties(&self, form: Form) -> BasicProperties {
        let content = self.content();
        let original = &*content.properties;
        let mut headers = FieldTable::default();
        if form == Form::Whole {
            copy_headers(content, &mut headers);
        } else if let Some(all) = original.headers().as_ref().filter(|all| !all.inner().is_empty()) {
            let dropped = i64::try_from(all.inner().len()).unwrap_or(i64::MAX);
            headers.insert(header::HEADERS_DROPPED.into(), AMQPValue::LongLongInt(dropped));
        }
        let mut text = |name: &'static str, value: &str| {
            headers.insert(name.into(), AMQPValue::LongString(LongString::from(value)));
        };
        if let Some(user) = original.user_id() {
            text(header::ORIGINAL_USER_ID, user.as_str());
        }
        if let Some(expiration) = original.expiration() {
            text(header::ORIGINAL_EXPIRATION, expiration.as_str());
        }
        text(header::REASON, self.rejection.reason);
        text(header::DETAIL, &self.rejection.detail);
        text(header::SERVICE, self.service);
        text(header::LETTER_ID, &self.id());
        if let Some(part) = &content.part {
            text(header::PART, &part.number);
        }
        if let Some(id) = original.message_id().as_ref().filter(|_| content.is_of_many()) {
            text(header::ORIGINAL_MESSAGE_ID, id.as_str());
        }
        let whole = content.finding.as_ref().and_then(|finding| finding.body.clone());
        let cut = self.body_len(form) < content.body.len();
        if let Some(Shortened { length, sha256 }) = whole.or_else(|| cut.then(|| shortened(content))) {
            if let Some(sha256) = &sha256 {
                text(header::ORIGINAL_SHA256, sha256);
            }
            let kept = self.body_len(form);
            let said = if kept == 0 {
                format!("the body of {length} bytes is left out")
            } else {
                format!("the first {kept} of {length} bytes")
            };
            text(header::SHORTENED, &said);
            let length = i64::try_from(length).unwrap_or(i64::MAX);
            headers.insert(header::ORIGINAL_LENGTH.into(), AMQPValue::LongLongInt(length));
        }
        if let Some(raw) = content.finding.as_ref().and_then(|finding| finding.properties.as_ref()) {
            let length = i64::try_from(raw.length).unwrap_or(i64::MAX);
            headers.insert(header::ORIGINAL_PROPERTIES_LENGTH.into(), AMQPValue::LongLongInt(length));
            let sha256 = LongString::from(raw.sha256.as_str());
            headers.insert(header::ORIGINAL_PROPERTIES_SHA256.into(), AMQPValue::LongString(sha256));
            if form == Form::Whole {
                let bytes = AMQPValue::ByteArray(ByteArray::from(raw.bytes.clone()));
                headers.insert(header::ORIGINAL_PROPERTIES.into(), bytes);
            }
        }
        let attempts = i64::try_from(content.deliveries_before).unwrap_or(i64::MAX).saturating_add(1);
        headers.insert(header::ATTEMPTS.into(), AMQPValue::LongLongInt(attempts));
        without_headers(content).with_headers(headers).with_delivery_mode(2)
    }

    /// The same for each letter of the same message, so that a second copy can be told: queue, id and body, hashed.
    fn id(&self) -> String {
        let content = self.content();
        let mut hash = Sha256::new();
        hash.update(self.subscription.queue.as_str());
        hash.update([0]);
        hash.update(content.message_id().unwrap_or_default());
        hash.update([0]);
        if let Some(part) = &content.part {
            hash.update(&part.number);
        }
        match content.finding.as_ref().and_then(|finding| finding.body.as_ref()?.sha256.as_deref()) {
            Some(sha256) => hash.update(sha256),
            None => hash.update(hex(&Sha256::digest(&content.body))),
        }
        hex(&hash.finalize()[..16])
    }

    /// Queue, id, length and hash, for the log.
    pub(super) fn summary(&self) -> String {
        let content = self.content();
        let id = shown_id(content);
        let Shortened { length, sha256 } = content
            .finding
            .as_ref()
            .and_then(|finding| finding.body.clone())
            .unwrap_or_else(|| shortened(content));
        let sha256 = sha256.unwrap_or_else(|| "unknown".to_owned());
        format!("{} ({id}, {length} bytes, SHA-256 {sha256})", self.subscription.queue)
    }
}

fn shortened(content: &Content) -> Shortened {
    Shortened { length: content.body.len() as u64, sha256: Some(hex(&Sha256::digest(&content.body))) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Copies headers in their order as long as they fit, and says how many did not. What a prediction was made from counts as
/// ours.
fn copy_headers(content: &Content, headers: &mut FieldTable) {
    let mut room = FOREIGN_HEADERS;
    let mut dropped = 0;
    for (name, value) in content.properties.headers().iter().flat_map(|headers| headers.inner()) {
        if name.as_str() == header::FEATURES && size(value) <= MOST_VECTORS + LENGTH {
            let own = match &content.part {
                Some(part) => part.vector.as_ref(),
                None => Some(value),
            };
            if let Some(own) = own {
                headers.insert(name.clone(), own.clone());
            }
            continue;
        }
        let size = 1 + name.as_str().len() + size(value);
        if size > room {
            dropped += 1;
            continue;
        }
        room -= size;
        let name: ShortString = match name.as_str() {
            "CC" => header::ORIGINAL_CC.into(),
            "BCC" => header::ORIGINAL_BCC.into(),
            _ => name.clone(),
        };
        headers.insert(name, value.clone());
    }
    if dropped > 0 {
        headers.insert(header::HEADERS_DROPPED.into(), AMQPValue::LongLongInt(dropped));
    }
}

/// How many bytes a value takes on the wire, its type included. What came through the guard is nested 31 deep at most.
fn size(value: &AMQPValue) -> usize {
    1 + match value {
        AMQPValue::Boolean(_) | AMQPValue::ShortShortInt(_) | AMQPValue::ShortShortUInt(_) => 1,
        AMQPValue::ShortInt(_) | AMQPValue::ShortUInt(_) => 2,
        AMQPValue::LongInt(_) | AMQPValue::LongUInt(_) | AMQPValue::Float(_) => 4,
        AMQPValue::DecimalValue(_) => 5,
        AMQPValue::LongLongInt(_) | AMQPValue::Double(_) | AMQPValue::Timestamp(_) => 8,
        AMQPValue::ShortString(text) => 1 + text.as_str().len(),
        AMQPValue::LongString(text) => 4 + text.as_bytes().len(),
        AMQPValue::ByteArray(bytes) => 4 + bytes.as_slice().len(),
        AMQPValue::FieldArray(items) => 4 + items.as_slice().iter().map(size).sum::<usize>(),
        AMQPValue::FieldTable(table) => {
            4 + table.inner().iter().map(|(name, value)| 1 + name.as_str().len() + size(value)).sum::<usize>()
        }
        AMQPValue::Void => 0,
    }
}

/// Every property that a letter may keep. The ids of a message with several items would be taken for those of the one, where the
/// letter is sent again.
fn without_headers(content: &Content) -> BasicProperties {
    let original = &*content.properties;
    let mut keep = BasicProperties::default();
    if let Some(value) = original.content_type() {
        keep = keep.with_content_type(value.clone());
    }
    if let Some(value) = original.content_encoding() {
        keep = keep.with_content_encoding(value.clone());
    }
    if let Some(value) = original.message_id().as_ref().filter(|_| !content.is_of_many()) {
        keep = keep.with_message_id(value.clone());
    }
    if let Some(value) = original.correlation_id().as_ref().filter(|_| !content.is_of_many()) {
        keep = keep.with_correlation_id(value.clone());
    }
    if let Some(value) = original.reply_to() {
        keep = keep.with_reply_to(value.clone());
    }
    if let Some(value) = original.app_id() {
        keep = keep.with_app_id(value.clone());
    }
    if let Some(value) = original.kind() {
        keep = keep.with_type(value.clone());
    }
    if let Some(value) = original.cluster_id() {
        keep = keep.with_cluster_id(value.clone());
    }
    if let Some(value) = original.priority() {
        keep = keep.with_priority(*value);
    }
    if let Some(value) = original.timestamp() {
        keep = keep.with_timestamp(*value);
    }
    keep
}
