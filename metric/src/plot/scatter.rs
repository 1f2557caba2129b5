//! Predictions over labels.

use evaluation::report::RowReport;
use maud::{Markup, html};

use super::figure::{Figure, below, ground, numbered, path, pc, px};
use super::scale::Scale;

const HEIGHT: f64 = 176.0;

/// A point for each row; on the dashed line a prediction is exact.
pub(crate) fn scatter(rows: &[RowReport]) -> Markup {
    let values = || rows.iter().flat_map(|row| [row.y_true, row.y_pred]).filter(|value| value.is_finite());
    let (Some(low), Some(high)) = (values().min_by(f64::total_cmp), values().max_by(f64::total_cmp)) else {
        return html! {};
    };
    let scale = Scale::new(low, high);
    let marks = html! {
        (numbered(scale, HEIGHT))
        (ground(HEIGHT))
        (below(HEIGHT, scale.ticks().into_iter().map(|tick| (scale.percent(tick), scale.decimals().plain(tick)))))
        (path("line reference", HEIGHT, [(0.0, HEIGHT), (1.0, 0.0)]))
        @for row in rows.iter().filter(|row| row.y_true.is_finite() && row.y_pred.is_finite()) {
            circle class="point" cx=(pc(scale.percent(row.y_true))) cy=(px(scale.down(row.y_pred, HEIGHT))) r="2" {}
        }
    };
    let figure = Figure {
        name: "scatter",
        title: "Prediction over label",
        says: &format!("the last {} labelled rows", rows.len()),
        height: HEIGHT,
        class: "left below above",
        readout: None,
    };
    figure.with(&marks)
}
