//! Versions that predicted the same rows: which one errs less.

use evaluation::identity::ModelRole;
use evaluation::number::{Decimals, count, signed_percent};
use evaluation::pairs::Finding;
use evaluation::report::ComparisonReport;
use maud::{Markup, html};

use super::chart;
use crate::plot::{Span, comparison, dots, dots_axis};
use crate::views;

/// So many are shown, those that went on last.
const SHOWN: usize = 10;

/// What the last comparison says.
pub(super) fn said(of: &ComparisonReport) -> Markup {
    let (new, old) = (of.new.name(), of.old.name());
    let rows = count(of.rows);
    let by =
        of.difference.map(|difference| Decimals::of(difference).plain(difference.abs())).unwrap_or_default();
    html! {
        p {
            @match of.finding {
                Finding::Better => { strong { code { (new) } } ", by " (by) " on " (rows) " rows that both have predicted." }
                Finding::Worse => { strong { code { (old) } } ", by " (by) " on " (rows) " rows that both have predicted." }
                Finding::NotWorse => { "There is no difference that matters between " code { (new) } " and " code { (old) } ", by " (rows) " rows that both have predicted." }
                Finding::Undecided => { "Not decided yet: " code { (new) } " and " code { (old) } " have " (rows) " labelled rows that both have predicted." }
            }
        }
        p class="hint" { "Both saw the same rows and the same labels. Of 20 pairs of equal versions, one at the most is ever called worse, however often this is looked at." }
    }
}

/// A line for each comparison, on a common axis, and how the last one went.
pub(super) fn comparisons(all: &[ComparisonReport]) -> Markup {
    let shown = &all[..all.len().min(SHOWN)];
    let axis = signed_axis(shown);
    html! {
        div class="figure" {
            h3 { "Difference in MAE on the same rows" }
            p class="hint" { "below 0 the upper one errs less · bar: bounds that hold at every look" }
            div class="scroll" tabindex="0" role="region" aria-label="Difference in MAE on the same rows" {
                table {
                    thead { tr { th scope="col" { "Version" } th scope="col" class="number" { "Rows" } th scope="col" class="number" { "Difference" } td {} th scope="col" { "State" } } }
                    tbody {
                        @for of in shown {
                            tr {
                                th scope="row" { code { (of.new.name()) } br; span class="hint" { "against " (of.old.name()) } }
                                td class="number" { (count(of.rows)) }
                                td class="figure-cell" {
                                    (views::difference(of).0)
                                    @if let Some(share) = of.share { br; span class="hint" { (signed_percent(share)) } }
                                }
                                td class="plot-cell" {
                                    @if let Some(difference) = of.difference {
                                        (dots(within(difference, axis), bounds(of, axis), axis, class(of)))
                                    }
                                }
                                td class="state" {
                                    (views::finding(of))
                                    @if let Some(more) = of.labels_to_go { br; span class="hint" { "~ " (count(more)) " labels to go" } }
                                }
                            }
                        }
                    }
                    tfoot { tr { td colspan="3" {} td class="plot-cell" { (dots_axis(axis)) } td {} } }
                }
            }
        }
        @if let Some(last) = shown.first() { div class="figure" { (chart(comparison(last, Span::Fluid))) } }
    }
}

/// From below 0 to as far above it: where all differences are, and most of their bounds.
fn signed_axis(shown: &[ComparisonReport]) -> (f64, f64) {
    let sizes = shown.iter().filter_map(|of| of.difference).map(f64::abs);
    let widths = shown.iter().filter_map(|of| {
        let (low, high) = of.interval?.ends();
        Some((high - low) / 2.0)
    });
    let narrowest = widths.fold(f64::INFINITY, f64::min);
    let reach = sizes.fold(if narrowest.is_finite() { narrowest } else { 0.0 }, f64::max);
    let reach = if reach > 0.0 { reach * 1.6 } else { 1.0 };
    (-reach, reach)
}

fn within(value: f64, (low, high): (f64, f64)) -> f64 {
    value.clamp(low, high)
}

fn bounds(of: &ComparisonReport, axis: (f64, f64)) -> Option<(f64, f64)> {
    let (low, high) = of.interval?.ends();
    Some((within(low, axis), within(high, axis)))
}

/// Blue where the new one serves, the colour of others for a challenger, red where it is worse.
fn class(of: &ComparisonReport) -> &'static str {
    match (of.finding, of.new.role) {
        (Finding::Worse, _) => "bad",
        (_, ModelRole::Serving) => "serving",
        _ => "other",
    }
}
