//! `metric compare`: which of the versions that predicted the same rows errs less. Works while metric runs, and on a copied folder.

mod advice;

use clap::Args;
use evaluation::identity::Identity;
use evaluation::report::ComparisonReport;
use shared::clock::Timestamp;
use shared::message::Name;

use crate::export::parse_model;
use crate::join::ModelId;
use crate::report::ReportScope;
use crate::views;

/// Compares versions that predicted the same rows: a version and the one before it, which goes on in the shadow; challengers; and
/// models beside each other.
#[derive(Args, Debug)]
pub(crate) struct Compare {
    /// Only comparisons of this model, or of this version of it.
    #[arg(value_name = "NAME[@VERSION]", value_parser = parse_model, allow_hyphen_values = true)]
    one: Option<ModelId>,

    /// Only those of the first one with this one.
    #[arg(value_name = "OTHER[@VERSION]", value_parser = parse_model, allow_hyphen_values = true)]
    other: Option<ModelId>,

    #[command(flatten)]
    scope: ReportScope,

    /// Print JSON.
    #[arg(long, help_heading = "Options")]
    json: bool,
}

impl Compare {
    /// Reads the records and returns the comparisons as text.
    pub(crate) fn run(&self) -> anyhow::Result<String> {
        let report = self.scope.report(Timestamp::now())?;
        let wanted: Vec<&ModelId> = self.one.iter().chain(&self.other).collect();
        let comparisons: Vec<ComparisonReport> =
            report.comparisons.iter().filter(|of| is_wanted(of, &wanted)).cloned().collect();
        if self.json {
            return Ok(serde_json::to_string_pretty(&comparisons)? + "\n");
        }
        if let (true, [one, other]) = (comparisons.is_empty(), &wanted[..]) {
            return advice::text(self.scope.folder(), &report.versions, [one, other], report.at);
        }
        if comparisons.is_empty() {
            let of = match &wanted[..] {
                [] => "no two versions have".to_owned(),
                [one, ..] => format!("no other version has, with {one},"),
            };
            return Ok(format!(
                "{of} predicted the same rows: swap the model file while model runs with --shadow on, or start a challenger\n"
            ));
        }
        Ok(views::comparisons(&comparisons))
    }
}

/// Whether a comparison is of all of these. A shadow has the name of its model, and its own.
pub(crate) fn is_wanted(of: &ComparisonReport, wanted: &[&ModelId]) -> bool {
    let is = |candidate: &Identity, wanted: &ModelId| {
        let name = wanted.name.as_ref().map(Name::as_str);
        let version = wanted.version.as_ref().map(Name::as_str);
        let has_name = candidate.model.as_deref() == name || candidate.serving_model() == name;
        has_name && (version.is_none() || candidate.version.as_deref() == version)
    };
    match wanted {
        [] => true,
        [one] => is(&of.new, one) || is(&of.old, one),
        [one, other, ..] => {
            (is(&of.new, one) && is(&of.old, other)) || (is(&of.new, other) && is(&of.old, one))
        }
    }
}
