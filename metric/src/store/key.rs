//! A row's id as the database keeps it: the 16 bytes of a UUID, else text.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use shared::message::RowId;

/// An id in a column.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Key {
    Uuid([u8; 16]),
    Text(RowId),
}

impl From<&RowId> for Key {
    fn from(id: &RowId) -> Self {
        id.to_uuid().map_or_else(|| Self::Text(id.clone()), Self::Uuid)
    }
}

impl From<Key> for RowId {
    fn from(key: Key) -> Self {
        match key {
            Key::Uuid(bytes) => Self::from_uuid(bytes),
            Key::Text(id) => id,
        }
    }
}

impl ToSql for Key {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Uuid(bytes) => ValueRef::Blob(bytes),
            Self::Text(id) => ValueRef::Text(id.as_str().as_bytes()),
        }))
    }
}

impl FromSql for Key {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Blob(bytes) => Ok(Self::Uuid(bytes.try_into().map_err(|_| FromSqlError::InvalidType)?)),
            ValueRef::Text(_) => {
                RowId::parse(value.as_str()?).map(Self::Text).map_err(|_| FromSqlError::InvalidType)
            }
            ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => Err(FromSqlError::InvalidType),
        }
    }
}
