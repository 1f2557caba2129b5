//! The three services in one process, and the commands of an administrator.

pub mod asyncapi;
pub mod cli;
pub mod dead;
pub mod topology;

use std::future::Future;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use features::FeaturesOptions;
use metric::MetricOptions;
use model::encode::Encoding;
use model::inputs::Inputs;
use model::load::Loader;
use model::train::{self, TrainOptions};
use model::{AnswerOptions, Doors, HttpOptions, ServeOptions, VersionOptions};
use shared::clock::Clock;
use shared::service::Context;
use shared::stop::Stop;
use shared::table::Table;
use shared::transport::Error;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::info;

/// Everything that the three services take.
#[derive(Args, Debug, Clone)]
pub struct PipelineOptions {
    #[command(flatten)]
    features: FeaturesOptions,

    /// The model file. If it is missing, a model is trained from the data.
    /// [default: model.json beside data/diabetes.csv, NAME.model.json beside another NAME.csv]
    #[arg(long, value_name = "FILE", help_heading = "Model")]
    model: Option<PathBuf>,

    #[command(flatten)]
    answers: AnswerOptions,

    #[command(flatten)]
    versions: VersionOptions,

    #[command(flatten)]
    http: HttpOptions,

    #[command(flatten)]
    metric: MetricOptions,
}

impl PipelineOptions {
    /// What matters of them, for the first line of the log.
    #[must_use]
    pub fn settings(&self) -> String {
        let Self { features, model, answers, versions: _, http: _, metric } = self;
        let model = model.clone().unwrap_or_else(|| default_model(&features.data));
        let (rows, answers, records) = (features.settings(), answers.settings(), metric.settings());
        format!("{rows}; model file {}{answers}; {records}", model.display())
    }
}

/// Runs the three services until all rows are recorded, where there is an end of them, or a stop is requested.
/// Rows that are under way then are finished first, where the transport can tell.
///
/// # Errors
/// The first service's that fails, or a model that does not fit the data.
pub async fn run(context: Context, options: PipelineOptions) -> anyhow::Result<()> {
    let PipelineOptions { features, model, answers, versions, http, metric } = options;
    let model = if features.is_stream() {
        model_for_stream(&features, model)?
    } else {
        let model = model.unwrap_or_else(|| default_model(&features.data));
        prepare_model(&features, &model)?;
        model
    };
    let serve = ServeOptions { model, answers, versions, challenger: None, http };
    let doors = Doors { close: context.stop.child(), ..Doors::default() };

    let rows = watch::Sender::new(0);
    let mut recorded = rows.subscribe();
    // The source stops first, so that the other two can finish what it has published.
    let source_stop = context.stop.child();
    let rest_stop = context.stop.child();
    let with = |stop: &Stop| Context { stop: stop.clone(), ..context.clone() };
    let mut rest = JoinSet::new();
    rest.spawn(named("model", model::run_with(with(&rest_stop), serve, doors.clone())));
    rest.spawn(named("metric", metric::run(with(&rest_stop), metric, Clock::System, rows)));
    let source = named("features", features::run(with(&source_stop), features));
    let mut source = tokio::spawn(source);

    let published = tokio::select! {
        () = context.stop.requested() => {
            source_stop.request();
            source.await?
        }
        ended = &mut source => ended?,
        Some(ended) = rest.join_next() => {
            context.stop.give_up();
            _ = source.await;
            ended?.map(|()| 0)
        }
    };
    // Nothing more comes by HTTP either, so that there is an end of it.
    doors.close.request();
    tokio::select! {
        () = doors.closed.requested() => {}
        () = context.stop.overdue() => {}
    }
    let drains = context.transport.can_drain();
    // On a broker, rows that others left in the queues count too.
    let enough = published.as_ref().ok().filter(|_| !drains).copied();
    // What came before a bad line is recorded where nobody else has it.
    let finished = if published.is_ok() || drains {
        tokio::select! {
            () = context.transport.drained() => Ok(()),
            _ = recorded.wait_for(|rows| enough.is_some_and(|enough| *rows >= enough)) => Ok(()),
            () = context.stop.requested(), if !drains => Ok(()),
            () = context.stop.overdue() => Ok(()),
            Some(ended) = rest.join_next() => ended?,
        }
    } else {
        Ok(())
    };
    let mut result = first_failure(published.map(drop), finished);
    rest_stop.request();
    while let Some(ended) = rest.join_next().await {
        result = first_failure(result, ended?);
    }
    result
}

/// The first failure that is more than having been stopped before the end.
fn first_failure(one: anyhow::Result<()>, other: anyhow::Result<()>) -> anyhow::Result<()> {
    match (one, other) {
        (Err(why), Err(other)) if why.downcast_ref::<Error>().is_some_and(Error::is_stopped) => Err(other),
        (Err(why), _) | (Ok(()), Err(why)) => Err(why),
        (Ok(()), Ok(())) => Ok(()),
    }
}

async fn named<T>(name: &'static str, service: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    service.await.with_context(|| format!("{name} failed"))
}

/// `data/model.json`, which is there from the start, belongs to `data/diabetes.csv` alone.
fn default_model(data: &Path) -> PathBuf {
    if data.file_name().is_some_and(|name| name == "diabetes.csv") {
        return data.with_file_name("model.json");
    }
    data.with_extension("model.json")
}

/// The model for rows of a stream, which can train none.
fn model_for_stream(features: &FeaturesOptions, model: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    match model {
        Some(model) if model.exists() => Ok(model),
        Some(model) => bail!(
            "there is no model at {}, and a stream cannot train one; train it from a table: model train --data TABLE.csv --model {}",
            model.display(),
            model.display()
        ),
        None => bail!(
            "--data {} is a stream, which cannot train a model; name a model file with --model",
            features.data.display()
        ),
    }
}

/// Trains a model where there is none, and checks that one which is there was made for these columns.
fn prepare_model(features: &FeaturesOptions, model: &Path) -> anyhow::Result<()> {
    let data = &features.data;
    if !model.exists() {
        info!("no model at {}: training one from {}", model.display(), data.display());
        let plain = TrainOptions::plain(data, features.columns.clone(), model);
        let options = TrainOptions { dialect: features.dialect().clone(), ..plain };
        let trained = train::train(&options)?;
        for line in train::report(&trained, model).lines() {
            info!("{line}");
        }
        return Ok(());
    }
    let table = Table::read(data, features.dialect(), &features.columns, features.labels())?;
    let loaded = Loader::of_this_program().load(model)?;
    fits(loaded.predictor.inputs(), &table).map_err(|why| {
        let (model, data) = (model.display(), data.display());
        anyhow!("{model} does not fit {data}: {why}; to train a new model, name another file with --model")
    })
}

/// Whether a model predicts the label of a table from its features.
fn fits(wants: &Inputs, table: &Table) -> Result<(), String> {
    if let (Some(label), None) = (wants.target(), &table.target)
        && table.features.iter().any(|name| name == label)
    {
        return Err(format!(
            "it predicts {label:?}, which is a feature of the table as long as --target does not name it; say so with --target {label}"
        ));
    }
    let has = Inputs::named(table.features.clone());
    if wants.count() != has.count() || wants.names().is_some_and(|names| names != table.features) {
        return Err(format!("it expects {wants}, the table has {has}"));
    }
    if let (Some(predicts), Some(label)) = (wants.target(), table.target.as_deref())
        && predicts != label
    {
        return Err(format!("it predicts {predicts:?}, the table's label is {label:?}"));
    }
    let categories = wants.encoding().map(Encoding::categories).unwrap_or_default();
    for (place, name) in table.features.iter().enumerate() {
        match (categories.contains_key(name), table.one_hot.contains(&place)) {
            (true, false) => {
                return Err(format!("{name:?} is a category in the model; add --one-hot {name}"));
            }
            (false, true) => {
                return Err(format!("{name:?} is a number in the model, but --one-hot makes it a category"));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use shared::table::{Columns, Dialect, Labels};

    use super::*;

    #[test]
    fn a_model_fits_a_table_of_its_features_kinds_and_label() {
        let table = |text: &str, columns: &Columns| {
            Table::parse(text.as_bytes(), "t.csv", &Dialect::default(), columns, Labels::Required).unwrap()
        };
        let plain = Columns { drop: vec!["z".to_owned()], ..Columns::target("y") };
        let plain = table("a,b,y,z\n1,2,3,4\n", &plain);
        let one_hot = Columns { one_hot: vec!["b".to_owned()], ..Columns::target("y") };
        let coded = table("a,b,y\n1,2,3\n", &one_hot);
        let any = Columns::default();
        let unnamed =
            Table::parse(&b"a,b,y\n1,2,3\n"[..], "t.csv", &Dialect::default(), &any, Labels::IfThere)
                .unwrap();
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let numbers = Inputs::named(names(&["a", "b"]));
        let categories = [("b".to_owned(), names(&["1", "2"]))].into();
        let coding =
            Inputs::encoded(Encoding::new(&names(&["a", "b"]), &BTreeMap::new(), &categories).unwrap());
        for (wants, table, want) in [
            (numbers.clone().of_target("y"), &plain, None),
            (numbers.clone(), &plain, None),
            (Inputs::unnamed(2), &plain, None),
            (coding.clone(), &coded, None),
            (numbers.clone().of_target("z"), &plain, Some("it predicts \"z\", the table's label is \"y\"")),
            (Inputs::unnamed(3), &plain, Some("it expects 3 features, the table has 2 features (a, b)")),
            (
                Inputs::named(names(&["b", "a"])),
                &plain,
                Some("it expects 2 features (b, a), the table has 2 features (a, b)"),
            ),
            (
                numbers.clone().of_target("y"),
                &unnamed,
                Some(
                    "it predicts \"y\", which is a feature of the table as long as --target does not name it; say so with \
                     --target y",
                ),
            ),
            (coding, &plain, Some("\"b\" is a category in the model; add --one-hot b")),
            (numbers, &coded, Some("\"b\" is a number in the model, but --one-hot makes it a category")),
        ] {
            assert_eq!(fits(&wants, table).err().as_deref(), want);
        }
    }

    #[test]
    fn each_table_has_its_own_model_file() {
        assert_eq!(default_model(Path::new("data/diabetes.csv")), Path::new("data/model.json"));
        assert_eq!(default_model(Path::new("my/houses.csv")), Path::new("my/houses.model.json"));
    }
}
