//! A body that came by HTTP, as a message: what reads those of the queues reads it too.

use shared::message::Incoming;

/// JSON that was posted, and what was said beside it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Posted<'a> {
    pub(super) body: &'a [u8],
    pub(super) content_type: Option<&'a str>,
    /// The id that the address has.
    pub(super) id: Option<&'a str>,
}

impl<'a> Posted<'a> {
    /// JSON, and nothing beside it.
    pub(super) fn json(body: &'a [u8]) -> Self {
        Self { body, content_type: None, id: None }
    }
}

impl Incoming for Posted<'_> {
    fn body(&self) -> &[u8] {
        self.body
    }
    fn message_id(&self) -> Option<&str> {
        self.id
    }
    fn correlation_id(&self) -> Option<&str> {
        None
    }
    fn reply_to(&self) -> Option<&str> {
        None
    }
    fn content_type(&self) -> Option<&str> {
        self.content_type
    }
    fn content_encoding(&self) -> Option<&str> {
        None
    }
    fn int_header(&self, _: &str) -> Option<i64> {
        None
    }
    fn text_header(&self, _: &str) -> Option<&str> {
        None
    }
    fn list_header(&self, _: &str) -> Option<Vec<&str>> {
        None
    }
    fn bytes_header(&self, _: &str) -> Option<&[u8]> {
        None
    }
}
