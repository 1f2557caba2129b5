//! The queues of the bare loop, declared as the pipeline declares its own but under names of their own.

use anyhow::{Context as _, ensure};
use lapin::options::{
    ConfirmSelectOptions, ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{Channel, Connection, ConnectionProperties, ExchangeKind};

/// The exchange through which the bare loop publishes; routing keys are the queues' names.
pub(crate) const EXCHANGE: &str = "bench";
const DEAD: &str = "bench.dead";

/// The rows.
pub(crate) const FEATURES: &str = "bench.Features";
/// The labels.
pub(crate) const LABEL: &str = "bench.y_true";
/// The predictions.
pub(crate) const PREDICTION: &str = "bench.y_predict";

const ALL: [&str; 3] = [FEATURES, LABEL, PREDICTION];

/// The pipeline's queues.
const OURS: [&str; 3] = ["Features", "y_true", "y_predict"];

/// Opens a connection.
pub(crate) async fn connect(url: &str) -> anyhow::Result<Connection> {
    Connection::connect(url, ConnectionProperties::default()).await.context("cannot connect to RabbitMQ")
}

/// Opens a channel that waits for confirms.
pub(crate) async fn confirming(connection: &Connection) -> anyhow::Result<Channel> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(channel)
}

/// Makes the queues of the bare loop, empty.
pub(crate) async fn make(connection: &Connection) -> anyhow::Result<()> {
    remove(connection).await?;
    let channel = connection.create_channel().await?;
    for exchange in [EXCHANGE, DEAD] {
        let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
        let none = FieldTable::default();
        channel.exchange_declare(exchange.into(), ExchangeKind::Direct, options, none).await?;
    }
    for (queue, exchange) in ALL.map(|queue| (queue, EXCHANGE)).into_iter().chain([(DEAD, DEAD)]) {
        let options = QueueDeclareOptions { durable: true, ..Default::default() };
        channel.queue_declare(queue.into(), options, arguments(queue != DEAD)).await?;
        let (bind, none) = (QueueBindOptions::default(), FieldTable::default());
        channel.queue_bind(queue.into(), exchange.into(), queue.into(), bind, none).await?;
    }
    channel.close(200, "made".into()).await?;
    Ok(())
}

/// Deletes them.
pub(crate) async fn remove(connection: &Connection) -> anyhow::Result<()> {
    let channel = connection.create_channel().await?;
    for queue in ALL.into_iter().chain([DEAD]) {
        channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await?;
    }
    for exchange in [EXCHANGE, DEAD] {
        channel.exchange_delete(exchange.into(), ExchangeDeleteOptions::default()).await?;
    }
    channel.close(200, "removed".into()).await?;
    Ok(())
}

/// Does something with the queues of the bare loop, which are there only meanwhile, while those of the pipeline are empty.
pub(crate) fn with_bare<T>(url: &str, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let connection = connect(url).await?;
        expect_ours_empty(&connection).await?;
        make(&connection).await?;
        let done = work.await;
        remove(&connection).await?;
        connection.close(200, "measured".into()).await?;
        done
    })
}

/// As [`expect_ours_empty`], by a connection of its own, for whoever needs none after it.
pub(crate) fn begin_empty(url: &str) -> anyhow::Result<()> {
    tokio::runtime::Runtime::new()?.block_on(async {
        let connection = connect(url).await?;
        expect_ours_empty(&connection).await?;
        connection.close(200, "looked".into()).await?;
        Ok(())
    })
}

/// Checks that the pipeline's queues are empty: what lies there would be counted as this run's.
pub(crate) async fn expect_ours_empty(connection: &Connection) -> anyhow::Result<()> {
    for queue in OURS {
        // The channel ends where the queue is missing, which is as good as empty.
        let channel = connection.create_channel().await?;
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        if let Ok(found) = channel.queue_declare(queue.into(), options, FieldTable::default()).await {
            let count = found.message_count();
            ensure!(count == 0, "{queue} holds {count} messages; take a vhost that is for tests and empty");
            channel.close(200, "seen".into()).await?;
        }
    }
    Ok(())
}

/// The same as in the pipeline's `shared/src/transport/amqp/topology.rs`.
fn arguments(dead_letters: bool) -> FieldTable {
    let text = |value: &str| AMQPValue::LongString(LongString::from(value));
    let mut table = FieldTable::default();
    table.insert("x-queue-type".into(), text("quorum"));
    table.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(1_000_000));
    table.insert("x-overflow".into(), text("reject-publish"));
    table.insert("x-max-length".into(), AMQPValue::LongLongInt(5_000_000));
    if dead_letters {
        table.insert("x-dead-letter-exchange".into(), text(DEAD));
        table.insert("x-dead-letter-strategy".into(), text("at-least-once"));
    }
    table
}
