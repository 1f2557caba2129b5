//! Publishing and consuming as fast as the client library can, with every delivery safe.

use anyhow::{Context as _, bail, ensure};
use futures_util::{FutureExt as _, StreamExt as _};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions};
use lapin::types::{AMQPValue, ByteArray, FieldTable, LongString};
use lapin::{BasicProperties, Channel, Confirmation, Connection, Consumer};

/// How many messages are published and not confirmed at the most: three batches of 256, as in the pipeline.
pub(crate) const WINDOW: usize = 768;

/// Publishes one message by way of an exchange to a queue. Done when it is confirmed. Nothing is sent before the first poll.
pub(crate) async fn publish(
    channel: &Channel,
    (exchange, queue): (&'static str, &'static str),
    body: &[u8],
    properties: BasicProperties,
) -> anyhow::Result<()> {
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let sent = channel.basic_publish(exchange.into(), queue.into(), options, body, properties).await?;
    match sent.await? {
        Confirmation::Ack(None) => Ok(()),
        other => bail!("a message to {queue} was not taken: {other:?}"),
    }
}

/// Properties like the pipeline's; those of predictions that were made from these features.
pub(crate) fn properties(id: Option<&str>, app: &str, features: Option<&[u8]>) -> BasicProperties {
    const AT_MS: i64 = 1_795_194_245_123;
    let mut headers = FieldTable::default();
    headers.insert("published_at_ms".into(), AMQPValue::LongLongInt(AT_MS));
    if let Some(features) = features {
        for (name, text) in [("model", "model"), ("model_version", "3fa9c1d2e4b5")] {
            headers.insert(name.into(), AMQPValue::LongString(LongString::from(text)));
        }
        headers.insert("features_published_at_ms".into(), AMQPValue::LongLongInt(AT_MS));
        headers.insert("features".into(), AMQPValue::ByteArray(ByteArray::from(features)));
    }
    let properties = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_delivery_mode(2)
        .with_timestamp(AT_MS.unsigned_abs() / 1000)
        .with_app_id(app.into())
        .with_headers(headers);
    match id {
        Some(id) => properties.with_message_id(id.into()),
        None => properties,
    }
}

/// Subscribes to a queue.
pub(crate) async fn consume(
    connection: &Connection,
    queue: &'static str,
    prefetch: u16,
) -> anyhow::Result<Consumer> {
    let channel = connection.create_channel().await?;
    channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    Ok(channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await?)
}

/// Waits for a delivery and takes what else is there.
pub(crate) async fn take(consumer: &mut Consumer, limit: usize) -> anyhow::Result<Vec<Delivery>> {
    let mut taken = Vec::new();
    let mut next = Some(consumer.next().await);
    while let Some(delivery) = next {
        taken.push(delivery.context("the subscription ended")??);
        next = if taken.len() < limit { consumer.next().now_or_never() } else { None };
    }
    Ok(taken)
}

/// Acknowledges everything up to this delivery.
pub(crate) async fn ack(last: &Delivery) -> anyhow::Result<()> {
    let sent = last.acker.ack(BasicAckOptions { multiple: true }).await?;
    ensure!(sent, "an acknowledgement was not sent");
    Ok(())
}
