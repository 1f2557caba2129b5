//! Where the trace of a row begins, and which one its label belongs to, however much later that comes.

use std::collections::{HashMap, VecDeque};

use shared::message::RowId;
use shared::trace::{Context, Kind, Span, Step, is_on};

/// How many traced rows are remembered, the last ones. The label of an earlier one is in no trace.
const MOST: usize = 10_000;

/// The traces of rows whose labels are still to come.
#[derive(Debug, Default)]
pub(crate) struct Traces {
    of_rows: HashMap<RowId, Traced>,
    /// Which came when, also those whose label is gone.
    order: VecDeque<(RowId, u64)>,
    /// How many have come.
    count: u64,
}

/// A row that is traced.
#[derive(Debug)]
struct Traced {
    /// Where its trace begins.
    span: Span,
    /// Which of all it is.
    number: u64,
}

impl Traces {
    /// Begins the trace of rows that go in one message. None where nobody is told of any.
    pub(crate) fn of_rows<'a>(
        &mut self,
        app: &'static str,
        ids: impl Iterator<Item = &'a RowId>,
    ) -> Option<Context> {
        if !is_on() {
            return None;
        }
        let span = create(app, "create row", None, &[]);
        if span.is_told() {
            let ids: Vec<&RowId> = ids.collect();
            match ids[..] {
                [id] => span.know("messaging.message.id", id.to_string()),
                _ => span.know("pipeline.rows", ids.len()),
            }
            ids.into_iter().for_each(|id| self.remember(id, &span));
        }
        span.end();
        span.context()
    }

    fn remember(&mut self, id: &RowId, span: &Span) {
        self.count += 1;
        let number = self.count;
        self.of_rows.insert(id.clone(), Traced { span: span.clone(), number });
        self.order.push_back((id.clone(), number));
        if self.order.len() > MOST
            && let Some((earliest, number)) = self.order.pop_front()
            // It may have come again since.
            && self.of_rows.get(&earliest).is_some_and(|row| row.number == number)
        {
            self.of_rows.remove(&earliest);
        }
    }

    /// What labels belong to that go in one message: the trace of their row, or of the first row of theirs that has one, with
    /// links to those of the others. A label begins no trace.
    pub(crate) fn of_labels<'a>(
        &mut self,
        app: &'static str,
        ids: impl Iterator<Item = &'a RowId>,
    ) -> Option<Context> {
        if !is_on() {
            return None;
        }
        let mut rows: Vec<Span> = ids.filter_map(|id| self.of_rows.remove(id)).map(|row| row.span).collect();
        if rows.len() < 2 {
            return Some(rows.pop().and_then(|row| row.context()).unwrap_or_else(Context::untraced));
        }
        let others = rows.split_off(1);
        let first = rows.pop().and_then(|row| row.context());
        let span = create(app, "create labels", first.as_ref(), &others);
        span.end();
        span.context()
    }
}

fn create(service: &'static str, name: &str, parent: Option<&Context>, links: &[Span]) -> Span {
    Span::begin(Step { service, name, kind: Kind::Internal, parent, links })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rows_are_remembered_and_no_more() {
        let mut traces = Traces::default();
        let id = |number: usize| RowId::parse(&number.to_string()).unwrap();
        for number in 0..MOST + 5 {
            traces.remember(&id(number), &Span::default());
        }
        assert_eq!((traces.of_rows.len(), traces.order.len()), (MOST, MOST));
        assert!(!traces.of_rows.contains_key(&id(4)) && traces.of_rows.contains_key(&id(5)));
        // One whose label is gone and that comes again counts from then on.
        traces.of_rows.remove(&id(5)).unwrap();
        for again in 0..MOST - 1 {
            traces.remember(&id(if again == 0 { 5 } else { MOST + 5 + again }), &Span::default());
        }
        assert!(traces.of_rows.contains_key(&id(5)) && traces.order.len() == MOST);
    }
}
