//! A row's id in a column: the 16 bytes of a UUID, or text, or nothing.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use shared::message::RowId;

/// An id on its way into the database.
pub(super) enum IdRef<'a> {
    None,
    Uuid([u8; 16]),
    Text(&'a str),
}

/// An id on its way out.
pub(super) struct Id(pub(super) Option<RowId>);

impl<'a> IdRef<'a> {
    pub(super) fn new(id: Option<&'a RowId>) -> Self {
        match id.map(|id| (id, id.to_uuid())) {
            None => Self::None,
            Some((_, Some(bytes))) => Self::Uuid(bytes),
            Some((id, None)) => Self::Text(id.as_str()),
        }
    }
}

impl ToSql for IdRef<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::None => ValueRef::Null,
            Self::Uuid(bytes) => ValueRef::Blob(bytes),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
        }))
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
