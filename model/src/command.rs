//! What the commands of `model` do, besides serving and training.

pub mod accept;
pub mod backtest;
pub mod check;
pub mod convert;
pub mod inspect;
pub mod predict;
pub mod promote;
pub(crate) mod table;
