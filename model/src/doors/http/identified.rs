//! Which row is which, where a request has one id for all of them. Pure.

use shared::message::{Key, Rejection, Row, RowId};

use super::problem::Problem;

/// Gives an id to the rows that have none. One row has that of the request, and of several each has it with its place behind a
/// dot: `r1.0`, `r1.1`. Where the request has none, one is made. Returns it too, where a row has it.
pub(super) fn identified(
    mut rows: Vec<Row>,
    request: Option<&str>,
) -> Result<(Vec<Row>, Option<RowId>), Problem> {
    if rows.iter().all(|row| row.key.id().is_some()) {
        return Ok((rows, None));
    }
    let parse = |text: &str| {
        let refused =
            |why| Problem::bad(Rejection::ID, format!("the request's id cannot be that of a row: {why}"));
        RowId::parse(text).map_err(refused)
    };
    let base = request.map_or_else(|| Ok(RowId::unique()), parse)?;
    let several = rows.len() > 1;
    for (place, row) in rows.iter_mut().enumerate().filter(|(_, row)| row.key.id().is_none()) {
        row.key = Key::Property(if several { parse(&format!("{base}.{place}"))? } else { base.clone() });
    }
    Ok((rows, Some(base)))
}

#[cfg(test)]
mod tests {
    use shared::message::Features;

    use super::*;
    use crate::doors::http::frame::without_id;

    #[test]
    fn rows_are_called_as_their_request_is() {
        let row = || without_id(Features::Vector(vec![1.0]));
        let own = Row { key: Key::wrapped(RowId::parse("own").unwrap()), ..row() };
        let ids = |rows, request| {
            identified(rows, request).map(|(rows, base)| {
                let ids: Vec<String> = rows.iter().map(|row| row.key.id().unwrap().to_string()).collect();
                (ids.join(" "), base.map(|base| base.to_string()))
            })
        };
        let base = Some("r1".to_owned());
        assert_eq!(ids(vec![row()], Some("r1")).unwrap(), ("r1".to_owned(), base.clone()));
        assert_eq!(ids(vec![row(), row()], Some("r1")).unwrap(), ("r1.0 r1.1".to_owned(), base.clone()));
        assert_eq!(ids(vec![own.clone(), row()], Some("r1")).unwrap(), ("own r1.1".to_owned(), base));
        assert_eq!(ids(vec![own], Some("r1")).unwrap(), ("own".to_owned(), None));
        let (made, base) = ids(vec![row()], None).unwrap();
        assert!(made.len() == 36 && base == Some(made));
        let (long, nearly) = ("x".repeat(129), "x".repeat(127));
        for bad in ["r 1", "", "a,b", &long] {
            assert_eq!(ids(vec![row()], Some(bad)).unwrap_err().reason, Some("bad_id"), "{bad:?}");
        }
        assert_eq!(ids(vec![row(), row()], Some(&nearly)).unwrap_err().reason, Some("bad_id"));
    }
}
