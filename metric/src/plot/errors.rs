//! How errors are spread.

use evaluation::number::{Decimals, percent};
use evaluation::report::BinReport;
use maud::{Markup, html};

use super::figure::{Figure, below, grid, ground, path, pc, px};
use super::scale::Scale;

const HEIGHT: f64 = 176.0;

/// Bars, in the share of the rows, under the outline of what they are compared with.
pub(crate) fn errors(bins: &[BinReport]) -> Markup {
    let limits: Vec<f64> = bins.iter().filter_map(|bin| bin.to).collect();
    let [first, .., last] = limits[..] else { return html! {} };
    // The outer bins have no end: they are drawn as wide as the others.
    let width = (last - first) / (limits.len() - 1) as f64;
    let x = Scale::new(first - width, last + width);
    let shares = bins.iter().flat_map(|bin| [Some(bin.share), bin.reference_share]).flatten();
    let y = Scale::new(0.0, shares.fold(0.0, f64::max) * 1.1);
    let from = |bin: &BinReport| bin.from.unwrap_or(first - width);
    let to = |bin: &BinReport| bin.to.unwrap_or(last + width);
    let outline = bins.iter().filter_map(|bin| Some((bin, bin.reference_share?)));
    let corners: Vec<(f64, f64)> = outline
        .flat_map(|(bin, share)| [from(bin), to(bin)].map(|edge| (x.place(edge), y.down(share, HEIGHT))))
        .collect();
    let write = |value: f64| Decimals::of(value).signed(value);
    let marks = html! {
        (grid(y, HEIGHT, |tick| format!("{} %", Scale::new(0.0, y.high() * 100.0).decimals().plain(tick * 100.0))))
        @for bin in bins {
            @let down = y.down(bin.share, HEIGHT);
            rect class="bar" x=(pc(x.percent(from(bin)))) width=(pc(x.percent(to(bin)) - x.percent(from(bin)))) y=(px(down)) height=(px(HEIGHT - down)) {
                title { (range(bin, write)) ": " (percent(bin.share)) @if let Some(share) = bin.reference_share { ", before " (percent(share)) } }
            }
        }
        @if !corners.is_empty() { (path("outline", HEIGHT, corners)) }
        (ground(HEIGHT))
        (below(HEIGHT, x.ticks().into_iter().map(|tick| (x.percent(tick), x.decimals().signed(tick)))))
        text class="note" x="0" y="-8" { "← too low" }
        text class="note" x="100%" y="-8" text-anchor="end" { "too high →" }
    };
    let largest = bins.iter().max_by(|one, other| one.share.total_cmp(&other.share));
    let says = largest.map(|bin| format!("most of them {}: {}", range(bin, write), percent(bin.share)));
    let figure = Figure {
        name: "errors",
        title: "Prediction minus label",
        says: &says.unwrap_or_default(),
        height: HEIGHT,
        class: "left below above",
        readout: None,
    };
    figure.with(&marks)
}

/// Where a bin begins and ends.
fn range(bin: &BinReport, write: impl Fn(f64) -> String) -> String {
    match (bin.from, bin.to) {
        (Some(from), Some(to)) => format!("{} to {}", write(from), write(to)),
        (None, Some(to)) => format!("below {}", write(to)),
        (Some(from), None) => format!("from {} on", write(from)),
        (None, None) => "all".to_owned(),
    }
}
