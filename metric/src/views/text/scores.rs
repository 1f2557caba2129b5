//! How good a version is, as a table.

use evaluation::moments::Partial;
use evaluation::number::{Decimals, count, duration, percent, signed_percent};
use evaluation::report::{Report, VersionReport};
use evaluation::table::{Estimate, ScoreTable};

use super::indented;
use crate::status::aligned;

pub(super) fn scores(report: &Report, version: &VersionReport) -> String {
    let of = &version.scores;
    let tables = [&of.last_rows, &of.since_first, &of.period];
    let mut rows = vec![vec![
        String::new(),
        format!("last {} labels", count(of.last_rows.rows)),
        format!("all {} labels", count(of.since_first.rows)),
        format!("predicted in {}", duration(report.period)),
    ]];
    let mut row = |name: &str, cell: &dyn Fn(&ScoreTable) -> Option<String>| {
        let cells = tables.map(cell);
        if cells.iter().any(Option::is_some) {
            let cells = cells.map(|cell| cell.unwrap_or_else(|| "-".into()));
            rows.push([name.to_owned()].into_iter().chain(cells).collect());
        }
    };
    row("labels", &|table| Some(count(table.rows)));
    row("mean absolute error", &|table| table.mae.map(estimate));
    row("root mean squared error", &|table| table.rmse.map(estimate));
    row("bias (prediction - label)", &|table| table.bias.map(signed));
    row("R2", &|table| table.r2.map(|r2| with(Decimals::fixed(2), r2)));
    row("median error", &|table| table.median.map(|of| quantile(of, table.sketched)));
    row("90 of 100 errors below", &|table| table.p90.map(|of| quantile(of, table.sketched)));
    row("99 of 100 errors below", &|table| table.p99.map(|of| quantile(of, table.sketched)));
    row("largest error", &|table| table.max.map(|max| Decimals::of(max).plain(max)));
    row("WAPE", &|table| table.wape.map(percent));
    row("skill against the median", &|table| table.skill_to_constant.map(|of| skill(of, table.rows)));
    row("skill against the last label", &|table| table.skill_to_persistence.map(|of| skill(of, table.rows)));
    let mut text = indented(&aligned(&rows));
    text += "  Brackets are 95 % intervals; the one of all labels holds at every moment at once.\n";
    if let Some(mae) = version.holdout_mae {
        text += &format!("  On rows held out, the model file says {}.\n", Decimals::of(mae).plain(mae));
    }
    text
}

fn with(decimals: Decimals, Estimate { value, interval }: Estimate) -> String {
    let interval = interval.map(|interval| {
        let (low, high) = interval.ends();
        format!(" [{}]", decimals.interval(low, high))
    });
    decimals.plain(value) + &interval.unwrap_or_default()
}

pub(super) fn estimate(of: Estimate) -> String {
    with(of.decimals(), of)
}

fn signed(of: Estimate) -> String {
    let decimals = of.decimals();
    let interval = of.interval.map(|interval| {
        let (low, high) = interval.ends();
        format!(" [{}]", decimals.signed_interval(low, high))
    });
    decimals.signed(of.value) + &interval.unwrap_or_default()
}

fn quantile(of: Estimate, sketched: bool) -> String {
    estimate(of) + if sketched { " ±1 %" } else { "" }
}

fn skill(of: Partial, rows: u64) -> String {
    let rows = if of.rows < rows { format!(" of {} rows", count(of.rows)) } else { String::new() };
    signed_percent(of.value) + &rows
}

pub(super) fn dominated(version: &VersionReport) -> Vec<String> {
    let all = &version.scores.since_first;
    let (last, period) = (&version.scores.last_rows, &version.scores.period);
    let mut said = Vec::new();
    for (what, is_dominated, share, of) in [
        ("mean absolute error", all.dominated.absolute, "10 %", "all labels"),
        ("mean absolute error", last.dominated.absolute, "10 %", "the last labels"),
        ("mean absolute error", period.dominated.absolute, "10 %", "the rows of that time"),
        ("root mean squared error and R2", period.dominated.squared, "a quarter", "the rows of that time"),
        ("root mean squared error and R2", all.dominated.squared, "a quarter", "all labels"),
        ("root mean squared error and R2", last.dominated.squared, "a quarter", "the last labels"),
    ] {
        if is_dominated {
            said.push(format!(
                "The largest 1 % of the errors make more than {share} of the {what} of {of}: there is no interval for it."
            ));
        }
    }
    said
}
