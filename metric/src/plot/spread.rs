//! Small pictures in tables: how a feature is spread, and values beside each other with their intervals.

use std::fmt::Write as _;

use evaluation::report::BinReport;
use maud::{Markup, html};

use super::scale::Scale;
use super::span::{Span, WIDE, px};

/// Of the bars, in pixels.
pub(super) const HEIGHT: f64 = 26.0;
/// Beside each bar, as a part of the width.
const GAP: f64 = 0.004;
/// Of a row of a table.
const ROW: f64 = 36.0;

/// Bars of equal width, one a bin, under the outline of the reference: two paths, because there may be a hundred of these.
pub(crate) fn spread(name: &str, bins: &[BinReport], drifts: bool) -> Markup {
    html! {
        svg class="spread" viewBox={ "0 0 " (WIDE) " " (HEIGHT) } preserveAspectRatio="none" width="100%" height=(HEIGHT) role="img" aria-label={ "how " (name) " is spread" } {
            (bars(bins, drifts, WIDE))
        }
    }
}

/// Its marks, in so many pixels.
pub(super) fn bars(bins: &[BinReport], drifts: bool, width: f64) -> Markup {
    let shares = bins.iter().flat_map(|bin| [Some(bin.share), bin.reference_share]).flatten();
    let y = Scale::new(0.0, shares.fold(0.0, f64::max));
    let wide = width / bins.len().max(1) as f64;
    let gap = width * GAP;
    let (mut bars, mut outline) = (String::new(), String::new());
    for (at, bin) in bins.iter().enumerate() {
        let (down, then) =
            (px(y.down(bin.share, HEIGHT)), px(y.down(bin.reference_share.unwrap_or(0.0), HEIGHT)));
        let (from, to) = (wide * at as f64, wide * (at + 1) as f64);
        // Writing to a string does not fail.
        _ = write!(bars, "M{} {HEIGHT}V{down}H{}V{HEIGHT}Z", px(from + gap), px(to - gap));
        _ = write!(outline, "{}{then}H{}", if at == 0 { "M0 " } else { "V" }, px(to));
    }
    html! {
        path class=(if drifts { "bar look" } else { "bar quiet" }) d=(bars) {}
        path class="outline" d=(outline) {}
    }
}

/// The numbers of that axis, beneath the rows.
pub(crate) fn dots_axis((low, high): (f64, f64)) -> Markup {
    let x = Scale::new(low, high);
    html! {
        svg class="dots" width="100%" height="20" aria-hidden="true" {
            @for tick in x.ticks() { text class="tick" x=(Span::Fluid.at(x.percent(tick))) y="14" text-anchor="middle" { (x.decimals().plain(tick)) } }
        }
    }
}

/// A value with its interval in a row of a table whose rows have the same axis from `low` to `high`.
pub(crate) fn dots(value: f64, ends: Option<(f64, f64)>, (low, high): (f64, f64), class: &str) -> Markup {
    let x = Scale::new(low, high);
    let y = px(ROW / 2.0);
    html! {
        svg class="dots" width="100%" height=(ROW) aria-hidden="true" {
            @for tick in x.ticks() {
                line class="grid" x1=(Span::Fluid.at(x.percent(tick))) x2=(Span::Fluid.at(x.percent(tick))) y1="0" y2=(ROW) {}
            }
            @if let Some((from, to)) = ends {
                line class={ "interval " (class) } x1=(Span::Fluid.at(x.percent(from))) x2=(Span::Fluid.at(x.percent(to))) y1=(y) y2=(y) {}
            }
            circle class={ (if ends.is_some() { "dot " } else { "hollow " }) (class) } cx=(Span::Fluid.at(x.percent(value))) cy=(y) r="4" {}
        }
    }
}
