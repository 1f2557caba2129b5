//! A row's id as the database keeps it: the 16 bytes of a UUID, else text.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use shared::message::{RowId, ShortId};

/// An id in a column.
#[derive(Debug)]
pub(super) struct StoredId<T>(pub(super) T);

impl ToSql for StoredId<&RowId> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0.short() {
            ShortId::Uuid(bytes) => ValueRef::Blob(bytes),
            ShortId::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
    }
}

impl FromSql for StoredId<RowId> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Blob(bytes) => {
                let bytes = bytes.try_into().map_err(|_| FromSqlError::InvalidType)?;
                Ok(Self(RowId::from_uuid(bytes)))
            }
            ValueRef::Text(_) => {
                RowId::recorded(value.as_str()?).map(Self).map_err(|_| FromSqlError::InvalidType)
            }
            ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => Err(FromSqlError::InvalidType),
        }
    }
}
