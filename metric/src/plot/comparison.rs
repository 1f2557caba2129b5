//! Two versions, label by label: the mean difference of their errors, and its bounds.

use evaluation::number::{Decimals, count};
use evaluation::pairs::{Finding, Step};
use evaluation::report::ComparisonReport;
use maud::html;

use super::figure::{Figure, below, ends, grid, ground};
use super::room::Room;
use super::scale::Scale;
use super::span::{Span, px};

const HEIGHT: f64 = 168.0;
const ROOM: Room = Room("left right below");
/// How many places across are named.
const NAMED: u64 = 4;

/// A line within its bounds, and the line of no difference.
///
/// # Errors
/// Why there is nothing to draw.
pub(crate) fn comparison(of: &ComparisonReport, span: Span) -> Result<Figure, String> {
    let (new, old) = (of.new.name(), of.old.name());
    let (Some(first), Some(last)) = (of.steps.first(), of.steps.last()) else {
        return Err(format!(
            "{new} and {old} are drawn from ten rows on that both predicted and that have their label."
        ));
    };
    let span = span.inside(ROOM);
    // The first bounds are wide and say nothing: what is drawn goes as far as those of half of the rows.
    let from = &of.steps[of.steps.len() / 2..];
    let reach = from.iter().map(|step| step.difference.abs() + step.half).fold(f64::MIN_POSITIVE, f64::max);
    let y = Scale::new(-reach * 1.05, reach * 1.05);
    let x = Scale::new(0.0, last.rows as f64);
    let place =
        |step: &Step, value: f64| (x.place(step.rows as f64), y.down(value.clamp(-reach, reach), HEIGHT));
    let low = of.steps.iter().map(|step| place(step, step.difference - step.half));
    let high = of.steps.iter().rev().map(|step| place(step, step.difference + step.half));
    let line = of.steps.iter().map(|step| place(step, step.difference));
    let (zero, decimals) = (y.down(0.0, HEIGHT), Decimals::of(last.half));
    let class = match of.finding {
        Finding::Worse => "bad",
        Finding::Better | Finding::NotWorse | Finding::Undecided => "serving",
    };
    let texts = vec![
        (y.down(last.difference, HEIGHT), class, decimals.signed(last.difference)),
        (0.0, "reference", "errs more ↑".to_owned()),
        (HEIGHT, "reference", "errs less ↓".to_owned()),
    ];
    let named = (1..=NAMED).map(|part| last.rows * part / NAMED).filter(|rows| *rows > 0);
    let marks = html! {
        (grid(y, HEIGHT, span, |tick| y.decimals().signed(tick)))
        (ground(HEIGHT, span))
        (below(HEIGHT, span, named.map(|rows| (x.percent(rows as f64), count(rows)))))
        (span.path(match class { "bad" => "area bad", _ => "area serving" }, HEIGHT, low.chain(high)))
        line class="axis" x1="0" x2=(span.at(100.0)) y1=(px(zero)) y2=(px(zero)) {}
        (span.path(match class { "bad" => "line bad", _ => "line serving" }, HEIGHT, line))
        (ends(HEIGHT, span, texts))
    };
    let bounds = decimals.signed_interval(last.difference - last.half, last.difference + last.half);
    Ok(Figure {
        name: "comparison",
        title: format!("{new} against {old}, label by label"),
        hint: "mean difference of |error| on the rows that both predicted; band: bounds that hold at every look, decided once they leave 0".into(),
        says: format!("from {} rows on; after {}: {} ({bounds})", count(first.rows), count(last.rows), decimals.signed(last.difference)),
        height: HEIGHT,
        room: ROOM,
        axes: ["labels of rows that both predicted", "difference of |error|"],
        is_pointed_at: false,
        marks,
    })
}
