//! What the commands of `model` do, besides serving and training.

pub mod check;
pub mod convert;
pub mod inspect;
pub mod predict;
pub(crate) mod table;
