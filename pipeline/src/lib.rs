//! The three services in one process, and the commands of an administrator.

pub mod topology;

use std::future::Future;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::Args;
use features::FeaturesOptions;
use metric::MetricOptions;
use model::inputs::Inputs;
use model::load::Loader;
use model::train::{self, TrainOptions};
use model::{AnswerOptions, ServeOptions};
use shared::clock::Clock;
use shared::dataset::Dataset;
use shared::service::Context;
use shared::stop::Stop;
use shared::transport::Error;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::info;

/// Everything that the three services take.
#[derive(Args, Debug, Clone)]
pub struct PipelineOptions {
    #[command(flatten)]
    features: FeaturesOptions,

    /// The model file. Where there is none, one is trained from the data.
    /// [default: model.json beside data/diabetes.csv, NAME.model.json beside another NAME.csv]
    #[arg(long, env = "MODEL", value_name = "FILE", help_heading = "Model")]
    model: Option<PathBuf>,

    #[command(flatten)]
    answers: AnswerOptions,

    #[command(flatten)]
    metric: MetricOptions,
}

/// Runs the three services until all rows are recorded, where there is an end of them, or a stop is requested.
/// Rows that are under way then are finished first, where the transport can tell.
///
/// # Errors
/// The first service's that fails, or a model that does not fit the data.
pub async fn run(context: Context, options: PipelineOptions) -> anyhow::Result<()> {
    let PipelineOptions { features, model, answers, metric } = options;
    let model = model.unwrap_or_else(|| default_model(&features.data));
    prepare_model(&features, &model)?;
    let serve = ServeOptions { model, answers };

    let rows = watch::Sender::new(0);
    let mut recorded = rows.subscribe();
    // The source stops first, so that the other two can finish what it has published.
    let source_stop = context.stop.child();
    let rest_stop = context.stop.child();
    let with = |stop: &Stop| Context { stop: stop.clone(), ..context.clone() };
    let mut rest = JoinSet::new();
    rest.spawn(named("model", model::run(with(&rest_stop), serve)));
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
    let mut result = match published {
        Err(why) => Err(why),
        Ok(published) => tokio::select! {
            () = context.transport.drained() => Ok(()),
            // On a broker, rows that others left in the queues count too.
            _ = recorded.wait_for(|rows| *rows >= published) => Ok(()),
            () = context.stop.requested(), if !context.transport.can_drain() => Ok(()),
            () = context.stop.overdue() => Ok(()),
            Some(ended) = rest.join_next() => ended?,
        },
    };
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

/// Trains a model where there is none, and checks that one which is there was made for these columns.
fn prepare_model(features: &FeaturesOptions, model: &Path) -> anyhow::Result<()> {
    let data = &features.data;
    if !model.exists() {
        info!("no model at {}: training one from {}", model.display(), data.display());
        let options = TrainOptions::plain(data, features.columns.clone(), model);
        let trained = train::train(&options)?;
        for line in train::report(&trained, model).lines() {
            info!("{line}");
        }
        return Ok(());
    }
    let columns = Inputs::named(Dataset::read(data, &features.columns)?.features);
    let loaded = Loader::of_this_program().load(model)?;
    let wants = loaded.predictor.inputs();
    ensure!(
        wants.fits(&columns),
        "{} wants {wants}, but {} has {columns}; name another file with --model, and one is trained",
        model.display(),
        data.display(),
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_table_has_its_own_model_file() {
        assert_eq!(default_model(Path::new("data/diabetes.csv")), Path::new("data/model.json"));
        assert_eq!(default_model(Path::new("my/houses.csv")), Path::new("my/houses.model.json"));
    }
}
