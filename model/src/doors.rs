//! Ways to ask a model that are not the queue of features: what comes in by them leaves no trace in the records.

pub(crate) mod ask;
