//! Rules that say when somebody should look, and what becomes of them look by look.
//!
//! [`Rule`] is what is asked, `mae{window=500} > 60 for 3`; [`Alert`] is how it stands. Where a value comes from is the caller's
//! affair. States and words are those of Prometheus, `clear` is the recovery threshold of Grafana and `keep` is `keep_firing_for`.

mod duration;
mod notice;
mod parse;
mod quantity;
mod rule;
mod state;

pub use notice::{Notice, What};
pub use parse::RuleError;
pub use quantity::{Metric, Quantity, Side, Window};
pub use rule::{Comparison, Hold, Rule};
pub use state::{Alert, State};
