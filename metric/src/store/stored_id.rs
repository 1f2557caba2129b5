//! A row's id as the database keeps it: the 16 bytes of a UUID, else text.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use shared::message::RowId;

/// An id in a column.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum StoredId {
    Uuid([u8; 16]),
    Text(RowId),
}

impl From<&RowId> for StoredId {
    fn from(id: &RowId) -> Self {
        id.to_uuid().map_or_else(|| Self::Text(id.clone()), Self::Uuid)
    }
}

impl From<StoredId> for RowId {
    fn from(key: StoredId) -> Self {
        match key {
            StoredId::Uuid(bytes) => Self::from_uuid(bytes),
            StoredId::Text(id) => id,
        }
    }
}

impl ToSql for StoredId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Uuid(bytes) => ValueRef::Blob(bytes),
            Self::Text(id) => ValueRef::Text(id.as_str().as_bytes()),
        }))
    }
}

impl FromSql for StoredId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Blob(bytes) => Ok(Self::Uuid(bytes.try_into().map_err(|_| FromSqlError::InvalidType)?)),
            ValueRef::Text(_) => {
                RowId::recorded(value.as_str()?).map(Self::Text).map_err(|_| FromSqlError::InvalidType)
            }
            ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => Err(FromSqlError::InvalidType),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_was_recorded() {
        // The last two only version 0.1.0 could record.
        for (text, is_text) in [
            ("0193a0b2-7c1d-7e2f-8000-000000000000", false),
            ("urn:a/b@c", true),
            ("-5", true),
            ("-", true),
            (".a", true),
        ] {
            let id = RowId::recorded(text).unwrap();
            let key = StoredId::from(&id);
            let ToSqlOutput::Borrowed(value) = key.to_sql().unwrap() else { panic!("{text} is copied") };
            assert_eq!(matches!(value, ValueRef::Text(_)), is_text, "{text}");
            assert_eq!(RowId::from(StoredId::column_result(value).unwrap()), id);
        }
        assert!(StoredId::column_result(ValueRef::Text(b"a,b")).is_err());
    }
}
