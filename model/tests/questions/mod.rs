//! Rows as `model` takes them off its queue.

use shared::message::{Outgoing, Role};
use shared::readiness::Readiness;
use shared::stop::Stop;
use shared::transport::{Batch, Transport};

/// A batch of these bodies, each with the id `beside` in its properties.
pub(crate) async fn batch(bodies: &[&str]) -> Batch {
    let (transport, stop, readiness) = (Transport::in_memory(), Stop::default(), Readiness::default());
    let question = |body: &&str| Outgoing {
        role: Role::Features,
        message_id: Some("beside".into()),
        content_type: None,
        app: "test",
        timestamp: 0,
        headers: Vec::new(),
        body: body.as_bytes().to_vec(),
        asking: None,
        trace: None,
    };
    let publisher = transport.publisher("test", &stop, &readiness);
    publisher.publish(bodies.iter().map(question).collect()).await.unwrap();
    let rows = transport.subscription(Role::Features);
    transport.consumer("test", rows, 100, &stop, &readiness).take(100).await.unwrap()
}
