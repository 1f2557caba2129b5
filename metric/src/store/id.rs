//! A row's id in a column: the 16 bytes of a UUID, or text, or nothing.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, Value, ValueRef};
use shared::message::RowId;

/// An id on its way into the database.
pub(super) struct IdRef<'a>(pub(super) Option<&'a RowId>);

/// An id on its way out.
pub(super) struct Id(pub(super) Option<RowId>);

impl ToSql for IdRef<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            None => ToSqlOutput::Borrowed(ValueRef::Null),
            Some(id) => match id.to_uuid() {
                Some(bytes) => ToSqlOutput::Owned(Value::Blob(bytes.to_vec())),
                None => ToSqlOutput::Borrowed(ValueRef::Text(id.as_str().as_bytes())),
            },
        })
    }
}

impl FromSql for Id {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Null => Ok(Self(None)),
            ValueRef::Blob(bytes) => {
                let bytes = bytes.try_into().map_err(|_| FromSqlError::InvalidType)?;
                Ok(Self(Some(RowId::from_uuid(bytes))))
            }
            ValueRef::Text(_) => {
                let id = RowId::parse(value.as_str()?).map_err(|_| FromSqlError::InvalidType)?;
                Ok(Self(Some(id)))
            }
            ValueRef::Integer(_) | ValueRef::Real(_) => Err(FromSqlError::InvalidType),
        }
    }
}
