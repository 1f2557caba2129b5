//! Where is it wrong?

use evaluation::number::count;
use evaluation::report::{RowReport, SliceReport, VersionReport};
use evaluation::table::Estimate;
use maud::{Markup, html};

use super::{chart, section as part_of_page};
use crate::page::rows::{Kind, Slice};
use crate::page::words::{Zone, number, signed};
use crate::plot::{Span, errors, scatter};

/// So many of those that are furthest off are shown; the others are folded.
const SHOWN: usize = 5;

pub(super) fn section(version: &VersionReport, zone: Zone) -> Markup {
    let Some(charts) = version.charts.as_ref().filter(|charts| !charts.last.is_empty()) else {
        return html! {};
    };
    let table = &version.scores.last_rows;
    let value = |of: Option<Estimate>| of.map(|of| of.written().0);
    let words = html! {
        @if let (Some(half), Some(most)) = (value(table.median), value(table.p90)) {
            p { "Half of the rows are within ±" (half) ", 9 of 10 within ±" (most) "." }
        }
        p class="hint" { "High labels are predicted too low and low ones too high: every model that is unsure leans to the middle." }
        @if version.worst_slices.is_empty() && version.missing.is_empty() {
            p class="hint" { "No part of a feature's range is worse than the rest beyond noise." }
        }
    };
    let (first, rest) = charts.furthest.split_at(charts.furthest.len().min(SHOWN));
    let evidence = html! {
        div class="figure pair" {
            div { (chart(errors(version, Span::Fluid))) }
            div { (chart(scatter(version, Span::Fluid))) }
        }
        @if !version.worst_slices.is_empty() { (slices(&version.worst_slices)) }
        div class="figure" {
            h3 { "Furthest off among the last " (count(table.rows)) " labels" }
            (rows(first, zone))
            @if !rest.is_empty() { details { summary { (rest.len()) " more" } (rows(rest, zone)) } }
            p class="hint" { a href="./rows?show=furthest#list" { "What they were" } }
        }
    };
    part_of_page("wrong", "Where is it wrong?", &words, &evidence)
}

fn rows(rows: &[RowReport], zone: Zone) -> Markup {
    html! {
        div class="scroll" {
            table {
                thead { tr { th scope="col" { "Predicted at" } th scope="col" class="number" { "Label" } th scope="col" class="number" { "Prediction" } th scope="col" class="number" { "Error" } } }
                tbody {
                    @for row in rows {
                        @let error = row.y_pred - row.y_true;
                        tr {
                            td { (zone.time(row.predicted_at)) }
                            td class="number" { (number(row.y_true)) }
                            td class="number" { (number(row.y_pred)) }
                            td class="number" { strong { (signed(error)) } }
                        }
                    }
                }
            }
        }
    }
}

fn slices(slices: &[SliceReport]) -> Markup {
    html! {
        div class="figure" {
            h3 { "Worse than elsewhere, beyond noise" }
            div class="scroll" {
                table {
                    thead { tr { th scope="col" { "Where" } th scope="col" class="number" { "Rows" } th scope="col" class="number" { "MAE" } th scope="col" class="number" { "elsewhere" } th scope="col" class="number" { "Bias" } } }
                    tbody {
                        @for slice in slices {
                            tr {
                                @let of = Slice::of(slice);
                                th scope="row" { a href={ "./rows?" (Kind::Slice(of.clone()).query()) "#list" } { (of.name()) } }
                                td class="number" { (count(slice.rows)) }
                                td class="number" { strong { (number(slice.mae)) } }
                                td class="number muted" { (number(slice.mae_of_the_rest)) }
                                td class="number" { (signed(slice.bias)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
