//! How good is it?

use evaluation::confidence::Interval;
use evaluation::number::{Decimals, count, percent};
use evaluation::report::{PaneReport, Report, VersionReport};
use evaluation::table::Estimate;
use maud::{Markup, html};

use super::{Wanted, axis, chart, section as part_of_page};
use crate::page::words::Zone;
use crate::plot::{Score, Span, dots, dots_axis, is_by_row, scores};

pub(super) fn section(report: &Report, at: usize, version: &VersionReport, wanted: Wanted) -> Markup {
    let evidence = html! {
        (over_time(report, at, version, wanted))
        @if version.scores.since_first.rows > 0 { (beside(version)) }
    };
    part_of_page("good", "How good is it?", &words(version), &evidence)
}

fn words(version: &VersionReport) -> Markup {
    let table = &version.scores.last_rows;
    let Some(mae) = table.mae else { return html! { p { "Not known yet." } } };
    let (value, _) = mae.written();
    let skill = table.skill_to_constant.map(|skill| skill.value).filter(|skill| skill.is_finite());
    html! {
        p {
            "On average a prediction is " strong { (value) } " off"
            @if let Some(held) = version.holdout_mae.filter(|held| *held > 0.0) {
                @let ratio = mae.value / held - 1.0;
                ", " (percent(ratio.abs())) (if ratio >= 0.0 { " more" } else { " less" }) " than on the rows held out in training"
            }
            @if let Some(skill) = skill {
                ", " (percent(skill.abs())) (if skill >= 0.0 { " less" } else { " more" }) " than if the middle label of training were always guessed"
            }
            "."
        }
        @if let Some(bias) = table.bias {
            p class="hint" { (bias_in_words(&bias)) }
        }
        @if table.dominated.absolute {
            p class="hint" { "One row in a hundred is more than a tenth of all errors, so the mean says little: look at the median." }
        }
    }
}

/// Whether predictions are too high or too low, beyond what chance explains.
fn bias_in_words(bias: &Estimate) -> String {
    let ends = bias.interval.as_ref().map(Interval::ends);
    let size = Decimals::of(bias.value).plain(bias.value.abs());
    match ends {
        Some((low, _)) if low > 0.0 => format!("Predictions are too high, by {size} on average."),
        Some((_, high)) if high < 0.0 => format!("Predictions are too low, by {size} on average."),
        Some(_) => "Predictions are too high as often as too low, as far as can be seen.".to_owned(),
        None => String::new(),
    }
}

fn over_time(report: &Report, at: usize, version: &VersionReport, wanted: Wanted) -> Markup {
    let Wanted { score, zone } = wanted;
    let figure = scores(report, at, score, zone, Span::Fluid);
    if is_by_row(report, version) {
        return html! { div class="figure" { (chart(figure)) } };
    }
    html! {
        div class="figure" {
            @match figure {
                Err(why) => p class="muted" { (why) },
                Ok(figure) => {
                    div class="head" {
                        h3 { (figure.title) }
                        nav class="switch" aria-label="Score" {
                            @for other in Score::ALL {
                                a href={ "./?score=" (other.key()) "#good" } aria-current=[(other == score).then_some("true")] { (other.name()) }
                            }
                        }
                    }
                    p class="hint" { (figure.hint) }
                    (figure)
                    (numbers(version, score, zone))
                }
            }
        }
    }
}

/// The numbers of the chart, for whoever wants to read or to copy them.
fn numbers(version: &VersionReport, score: Score, zone: Zone) -> Markup {
    let row = |pane: &PaneReport| {
        html! {
            tr {
                th scope="row" { (zone.range(pane.from, version.timeline_pane)) }
                td class="number" { (score.of(pane).map_or_else(|| "–".to_owned(), |value| score.write(value))) }
                td class="number" { (count(pane.labelled)) }
                td class="number" { (count(pane.predicted)) }
            }
        }
    };
    html! {
        details {
            summary { "Numbers of this chart" }
            div class="scroll" {
                table {
                    thead { tr { th scope="col" { "Predicted" } th scope="col" class="number" { (score.name()) } th scope="col" class="number" { "Labelled" } th scope="col" class="number" { "Rows" } } }
                    tbody { @for pane in version.timeline.iter().rev() { (row(pane)) } }
                }
            }
        }
    }
}

fn beside(version: &VersionReport) -> Markup {
    let scores = &version.scores;
    let mut rows: Vec<(String, Estimate, &str)> = Vec::new();
    if let Some(mae) = scores.last_rows.mae.filter(|_| scores.last_rows.rows < scores.since_first.rows) {
        rows.push((format!("last {} labels", count(scores.last_rows.rows)), mae, "serving"));
    }
    if let Some(mae) = scores.since_first.mae {
        rows.push((format!("all {} labels", count(scores.since_first.rows)), mae, "serving"));
    }
    if let Some(value) = version.holdout_mae {
        rows.push(("held out in training".to_owned(), Estimate { value, interval: None }, "reference"));
    }
    let axis = axis(rows.iter().map(|(_, of, _)| *of));
    html! {
        div class="figure" {
            h3 { "MAE beside what it should be compared with" }
            p class="hint" { "in the unit of the label; bar: 95 % interval" }
            div class="scroll" {
                table {
                    tbody {
                        @for (name, of, class) in &rows {
                            @let (value, range) = of.written();
                            tr {
                                th scope="row" { (name) }
                                td class="figure-cell" { (value) }
                                td class="muted" { (range.unwrap_or_default()) }
                                td class="plot-cell" { (dots(of.value, of.closed_ends(), axis, class)) }
                            }
                        }
                    }
                    tfoot { tr { td colspan="3" {} td class="plot-cell" { (dots_axis(axis)) } } }
                }
            }
            (all_scores(version))
        }
    }
}

/// Every score of the last rows and of all.
fn all_scores(version: &VersionReport) -> Markup {
    let (last, all) = (&version.scores.last_rows, &version.scores.since_first);
    let score = |of: Option<Estimate>| {
        of.map_or_else(
            || "–".to_owned(),
            |of| {
                let (value, range) = of.written();
                range.map(|range| format!("{value} ({range})")).unwrap_or(value)
            },
        )
    };
    let share = |of: Option<f64>| of.map_or_else(|| "–".to_owned(), percent);
    let rows = [
        ("mean absolute error (MAE)", score(last.mae), score(all.mae)),
        ("root mean squared error (RMSE)", score(last.rmse), score(all.rmse)),
        ("bias: prediction minus label", score(last.bias), score(all.bias)),
        ("R²", score(last.r2), score(all.r2)),
        ("median error", score(last.median), score(all.median)),
        ("9 of 10 errors are below", score(last.p90), score(all.p90)),
        ("99 of 100 errors are below", score(last.p99), score(all.p99)),
        ("errors, as a share of the labels (WAPE)", share(last.wape), share(all.wape)),
    ];
    html! {
        details {
            summary { "All scores" }
            div class="scroll" {
                table {
                    thead { tr { th scope="col" { "Score" } th scope="col" class="number" { "last " (count(last.rows)) " labels" } th scope="col" class="number" { "all " (count(all.rows)) " labels" } } }
                    tbody { @for (name, last, all) in &rows { tr { th scope="row" { (name) } td class="number" { (last) } td class="number" { (all) } } } }
                }
            }
        }
    }
}
