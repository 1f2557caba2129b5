//! Ways to ask a model that are not the queue of features: each turns its form into rows and answers into its form. What is right
//! or wrong with a row is said behind all of them, in `answer`.

pub(crate) mod ask;
pub(crate) mod http;
