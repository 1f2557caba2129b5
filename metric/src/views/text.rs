//! A report for people, at a terminal.

use evaluation::confidence::Interval;
use evaluation::moments::Partial;
use evaluation::number::{Decimals, count, duration, percent, signed_percent};
use evaluation::report::{
    AlertReport, ChangeReport, Evidence, LabelReport, LagQuantile, Moment, ReferenceKind, Report,
    SliceReport, SpreadReport, State, VersionReport,
};
use evaluation::table::{Estimate, ScoreTable};

use crate::status::aligned;

/// So many features are shown, those that have moved most. JSON has all of them.
const FEATURES: usize = 10;
/// So many versions that do not serve are shown, the latest ones.
const VERSIONS: usize = 10;

/// So many of the last notices are shown.
const NOTICES: usize = 5;
/// Shorter lags are not told apart, in milliseconds.
const FINEST_LAG: i64 = 100;

/// The verdict, then the version that it speaks of, then the others in a line each.
pub(crate) fn text(report: &Report) -> String {
    let verdict = &report.verdict;
    let word = match verdict.state {
        State::Nothing => "Nothing yet",
        State::Ok => "OK",
        State::Provisional => "Provisional",
        State::Look => "Look",
    };
    let mut text = format!("{word}: {}\n{}\n", verdict.sentence, verdict.advice);
    if let Some(gap) = report.gap {
        text += &format!(
            "\nCommits {} to {} are forgotten (see --retain): this is of what came later.\n",
            gap.first, gap.last
        );
    }
    if !report.alerts.is_empty() {
        text += &format!("\nAlerts\n{}", alerts_of(report));
    }
    let told = verdict.version.and_then(|at| report.versions.get(at));
    if let Some(version) = told {
        text += &one(report, version);
    }
    let others: Vec<&VersionReport> = report
        .versions
        .iter()
        .enumerate()
        .rev()
        .filter(|(at, _)| Some(*at) != verdict.version)
        .map(|(_, version)| version)
        .collect();
    if !others.is_empty() {
        text += &format!("\nOther versions\n{}", other_versions(report, &others));
    }
    text
}

fn alerts_of(report: &Report) -> String {
    let row = |alert: &AlertReport| {
        let since = alert
            .since
            .map_or_else(String::new, |since| format!("since {since} ({})", ago(report.at, since)));
        vec![alert.state.word().to_owned(), alert.rule.clone(), since]
    };
    let rows: Vec<Vec<String>> = report.alerts.iter().map(row).collect();
    let mut text = indented(&left(&rows));
    for notice in report.notices.iter().take(NOTICES) {
        text += &format!("  {}: {}\n", notice.at, notice.text);
    }
    text
}

fn one(report: &Report, version: &VersionReport) -> String {
    let since = version
        .first_predicted
        .map_or_else(String::new, |first| format!(", predicts since {first} ({})", ago(report.at, first)));
    let mut text = format!("\n{}{since}\n", name(version));
    text += &format!("\nHow good is it\n{}", scores(report, version));
    for warning in dominated(version) {
        text += &format!("  {warning}\n");
    }
    text += &format!("\nCan I trust that\n{}", labels(version));
    text += &format!("\nHas it changed\n{}", change(report.at, &version.change));
    text += &drift(report.at, version);
    if !version.worst_slices.is_empty() {
        text +=
            &format!("\nWhere is it worse than elsewhere, beyond noise\n{}", slices(&version.worst_slices));
    }
    if !version.missing.is_empty() {
        text += "\nNot known\n";
        version.missing.iter().for_each(|what| text += &format!("  {what}\n"));
    }
    text
}

fn name(version: &VersionReport) -> String {
    match (&version.model, &version.version) {
        (Some(model), Some(version)) => format!("{model}@{version}"),
        (Some(model), None) => model.clone(),
        (None, Some(version)) => format!("unnamed model, version {version}"),
        (None, None) => "unnamed model".into(),
    }
}

fn ago(now: Moment, at: Moment) -> String {
    format!("{} ago", duration(now.0.saturating_sub(at.0).max(0)))
}

/// Two spaces before each line.
fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

fn scores(report: &Report, version: &VersionReport) -> String {
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
    let interval =
        interval.map(|interval| format!(" [{}]", decimals.interval(low(interval), high(interval))));
    decimals.plain(value) + &interval.unwrap_or_default()
}

fn low(interval: Interval) -> f64 {
    interval.low.unwrap_or(f64::NEG_INFINITY)
}

fn high(interval: Interval) -> f64 {
    interval.high.unwrap_or(f64::INFINITY)
}

fn decimals(Estimate { value, interval }: Estimate) -> Decimals {
    interval.map_or_else(
        || Decimals::of(value),
        |interval| Decimals::of_interval(value, low(interval), high(interval)),
    )
}

fn estimate(of: Estimate) -> String {
    with(decimals(of), of)
}

fn signed(of: Estimate) -> String {
    let decimals = decimals(of);
    let interval = of.interval.map(|ends| format!(" [{}]", decimals.signed_interval(low(ends), high(ends))));
    decimals.signed(of.value) + &interval.unwrap_or_default()
}

fn quantile(of: Estimate, sketched: bool) -> String {
    estimate(of) + if sketched { " ±1 %" } else { "" }
}

fn skill(of: Partial, rows: u64) -> String {
    let rows = if of.rows < rows { format!(" of {} rows", count(of.rows)) } else { String::new() };
    signed_percent(of.value) + &rows
}

fn dominated(version: &VersionReport) -> Vec<String> {
    let all = &version.scores.since_first;
    let (last, period) = (&version.scores.last_rows, &version.scores.period);
    let mut said = Vec::new();
    for (what, absolute, share, of) in [
        ("mean absolute error", all.dominated.absolute, "10 %", "all labels"),
        ("mean absolute error", last.dominated.absolute, "10 %", "the last labels"),
        ("mean absolute error", period.dominated.absolute, "10 %", "the rows of that time"),
        ("root mean squared error and R2", period.dominated.squared, "a quarter", "the rows of that time"),
        ("root mean squared error and R2", all.dominated.squared, "a quarter", "all labels"),
        ("root mean squared error and R2", last.dominated.squared, "a quarter", "the last labels"),
    ] {
        if absolute {
            said.push(format!(
                "The largest 1 % of the errors make more than {share} of the {what} of {of}: there is no interval for it."
            ));
        }
    }
    said
}

fn labels(version: &VersionReport) -> String {
    let (rows, labels) = (&version.rows, &version.labels);
    let share = |part: u64| percent(part as f64 / rows.predicted.max(1) as f64);
    let mut text = format!(
        "  Of {} rows, {} are labelled ({}), {} wait, {} expired.\n",
        count(rows.predicted),
        count(rows.labelled),
        share(rows.labelled),
        count(rows.waiting),
        count(rows.expired)
    );
    if rows.anonymous > 0 {
        text += &format!("  {} more rows have no id: no label can meet them.\n", count(rows.anonymous));
    }
    let LabelReport { lag_p50, lag_p90, coverage, weighted_mae, weighted_rows, .. } = labels;
    if let (Some(half), Some(most)) = (lag_p50, lag_p90) {
        text +=
            &format!("  Half of the labels come within {}, nine tenths within {}.\n", lag(half), lag(most));
    }
    if let Some(coverage) = coverage {
        text += &format!("  Of the rows that are older than that, {} are labelled.\n", percent(*coverage));
    }
    if rows.waiting > 0 {
        if let (Some(mae), Some(effective)) = (weighted_mae, weighted_rows) {
            text += &format!(
                "  With slow labels counted for those that wait, the mean absolute error is {} (as good as {} rows).\n",
                Decimals::of(*mae).plain(*mae),
                Decimals::of(*effective).plain(effective.round())
            );
        }
        if let (Some(least), Some(most)) = (labels.mae_at_least, labels.mae_at_most) {
            text += &format!(
                "  If the waiting rows have no error it is {}, if each is as bad as the worst 1 % so far {}.\n",
                Decimals::of(least).plain(least),
                Decimals::of(most).plain(most)
            );
        }
    }
    if labels.provisional {
        text += "  The version is young against its lags: only quick labels can be known yet.\n";
    }
    text
}

fn lag(of: &LagQuantile) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "a cast of a large float saturates")]
    let time = duration((of.ms.round() as i64).max(FINEST_LAG));
    if of.more { format!("more than {time}") } else { time }
}

fn change(now: Moment, change: &ChangeReport) -> String {
    let reference = match change.reference {
        ReferenceKind::ModelFile => "errors on rows that the fit had not seen",
        ReferenceKind::FirstRows => "first errors",
    };
    if let Some(wanted) = change.labels_wanted {
        return format!(
            "  Errors will be compared with the {reference}: {} more labels are needed.\n",
            count(wanted)
        );
    }
    let line = |what: &str, of: &Evidence| {
        let evidence = format!("evidence 10^{:.1} of 10^{:.1}", of.log10, of.limit_log10);
        match (of.since, of.holds) {
            (Some(since), true) => {
                format!("  {what}: yes, since about {since} ({}); {}.\n", ago(now, since), alarms(of))
            }
            (Some(_), false) => format!("  {what}: not now ({evidence}); {}.\n", alarms(of)),
            (None, _) => format!("  {what}: no ({evidence}).\n"),
        }
    };
    format!(
        "{}{}{}  Compared with the {reference}.\n",
        line("Errors are larger", &change.worse),
        line("Predictions are higher against the labels", &change.higher),
        line("Predictions are lower against the labels", &change.lower),
    )
}

fn alarms(of: &Evidence) -> String {
    let last = of.last_alarm.map(|at| format!(", the last one at {at}")).unwrap_or_default();
    match of.alarms {
        1 => format!("1 alarm{last}"),
        alarms => format!("{} alarms{last}", count(alarms)),
    }
}

fn drift(now: Moment, version: &VersionReport) -> String {
    let spreads = version.drift.features.iter().take(FEATURES).chain(&version.drift.prediction);
    let mut rows: Vec<Vec<String>> = vec![
        ["", "PSI", "noise up to", "shift", "out of range", "compared with", ""].map(str::to_owned).into(),
    ];
    for spread in spreads {
        rows.push(spread_row(now, spread));
    }
    let mut text = indented(&aligned_left(&rows));
    let more = version.drift.features.len().saturating_sub(FEATURES);
    if more > 0 {
        text += &format!("  {more} more features have moved less.\n");
    }
    text
}

fn spread_row(now: Moment, spread: &SpreadReport) -> Vec<String> {
    let compared = match spread.reference {
        ReferenceKind::ModelFile => "model file",
        ReferenceKind::FirstRows => "first rows",
    };
    let words = match (spread.rows_wanted, spread.drifts_since, spread.stuck_since) {
        (Some(wanted), ..) => format!("{} of {} rows", count(spread.rows), count(wanted)),
        (None, Some(since), _) => {
            format!(
                "DRIFTS, for {}: {}",
                duration(now.0 - since.0),
                spread.words.as_deref().unwrap_or_default()
            )
        }
        (None, None, Some(since)) => format!(
            "STUCK, for {}: one value in {} of the rows",
            duration(now.0 - since.0),
            percent(spread.commonest.unwrap_or(0.0))
        ),
        _ => "as before, within noise".to_owned(),
    };
    let psi = |of: Option<f64>| of.map_or_else(|| "-".to_owned(), |psi| Decimals::fixed(2).plain(psi));
    vec![
        spread.name.clone(),
        psi(spread.psi),
        psi(spread.psi_noise),
        spread.shift_sd.map_or_else(|| "-".to_owned(), |sd| format!("{} sd", Decimals::fixed(1).signed(sd))),
        spread.out_of_range.map_or_else(|| "-".to_owned(), percent),
        compared.to_owned(),
        words,
    ]
}

/// Cells in columns, all to the left.
fn left(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let padded = |row: &Vec<String>| {
        let cells = row.iter().enumerate().map(|(column, cell)| format!("{cell:<0$}", width(column)));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(padded).collect()
}

/// Like [`aligned`], with the last column to the left.
fn aligned_left(rows: &[Vec<String>]) -> String {
    let last = |row: &Vec<String>| row.last().map_or(0, |cell| cell.chars().count());
    let width = rows.iter().map(last).max().unwrap_or(0);
    let padded: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let mut row = row.clone();
            if let Some(cell) = row.last_mut() {
                *cell = format!("{cell:<width$}");
            }
            row
        })
        .collect();
    aligned(&padded)
}

fn slices(worst: &[SliceReport]) -> String {
    let mut rows: Vec<Vec<String>> = vec![
        ["rows where", "rows", "mean absolute error", "elsewhere", "bias", "by chance"]
            .map(str::to_owned)
            .into(),
    ];
    for slice in worst {
        let plain = |number: f64| Decimals::of(number).plain(number);
        let range = match (slice.from, slice.to) {
            (Some(from), Some(to)) => format!("{} <= {} < {}", plain(from), slice.feature, plain(to)),
            (Some(from), None) => format!("{} >= {}", slice.feature, plain(from)),
            (None, Some(to)) => format!("{} < {}", slice.feature, plain(to)),
            (None, None) => format!("{} is not known", slice.feature),
        };
        rows.push(vec![
            range,
            count(slice.rows),
            plain(slice.mae),
            plain(slice.mae_of_the_rest),
            Decimals::of(slice.bias).signed(slice.bias),
            percent(slice.chance),
        ]);
    }
    indented(&aligned(&rows))
}

fn other_versions(report: &Report, others: &[&VersionReport]) -> String {
    let mut rows: Vec<Vec<String>> = vec![
        ["", "predicted", "labelled", "mean absolute error", "last predicted", ""].map(str::to_owned).into(),
    ];
    for version in others.iter().take(VERSIONS) {
        rows.push(vec![
            name(version),
            count(version.rows.predicted),
            count(version.rows.labelled),
            version.scores.since_first.mae.map_or_else(|| "-".to_owned(), estimate),
            version.last_predicted.map_or_else(|| "-".to_owned(), |last| ago(report.at, last)),
            if version.serves { "the last of its model" } else { "" }.to_owned(),
        ]);
    }
    let mut text = indented(&aligned(&rows));
    if let more @ 1.. = others.len().saturating_sub(VERSIONS) {
        text += &format!("  and {more} more\n");
    }
    text
}
