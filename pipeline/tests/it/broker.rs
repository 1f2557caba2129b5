//! The RabbitMQ that the tests use, and what they do to it.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use lapin::options::{BasicGetOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use shared::message::Role;
use shared::transport::{Endpoint, QueueKind, Queues, SideQueue, administration};
use tokio::sync::{
    Mutex, MutexGuard, OnceCell, RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore, SemaphorePermit,
};

use crate::erlang::with_vhost;

/// RabbitMQ forgets a quorum queue when it is killed within about a second of the queue's first declaration
/// (rabbitmq-server#15725). What is tested here is our promise, so kills keep this distance.
pub const QUEUE_SETTLES: Duration = Duration::from_secs(2);

/// How many tests share the broker at a time, each with a vhost of its own, where `TESTS_AT_ONCE` does not say.
const AT_ONCE: usize = 8;

/// A vhost of a broker, or a whole broker, for one test at a time, with none of our queues and exchanges in it.
pub struct Broker {
    /// Its address with user and vhost.
    pub url: String,
    folder: Option<PathBuf>,
    /// Where the vhost goes back to.
    vhosts: Option<&'static Vhosts>,
    _turn: Turn,
}

/// Whoever has it may go on.
struct Turn {
    _broker: Whole,
    _others: Others,
}

enum Whole {
    Shared { _permit: SemaphorePermit<'static> },
    Alone { _guard: MutexGuard<'static, ()> },
}

/// Who else may run meanwhile. What the program promises within a time it is only held to while no other test takes the
/// processors.
enum Others {
    Beside { _guard: RwLockReadGuard<'static, ()> },
    None { _guard: RwLockWriteGuard<'static, ()> },
}

static OTHERS: RwLock<()> = RwLock::const_new(());

impl Others {
    async fn beside() -> Self {
        Self::Beside { _guard: OTHERS.read().await }
    }

    async fn none() -> Self {
        Self::None { _guard: OTHERS.write().await }
    }
}

/// The addresses of the vhosts that no test has at the moment, the one that was given back last at the end: a program that was
/// killed at the end of its test may still hold on to it.
struct Vhosts {
    free: std::sync::Mutex<VecDeque<String>>,
    permits: Semaphore,
}

impl Vhosts {
    /// Makes them. A broker that is not ours has one, the one that we were given.
    fn make() -> Self {
        let folder = std::env::var_os("TEST_BROKER").map(PathBuf::from);
        if let Some(folder) = &folder {
            // It may be left dead or starved by a run that was cut off.
            script("start", folder, &[]);
        }
        let ours = folder.as_ref().map(|folder| address_in(folder));
        let asked = std::env::var("AMQP_URL").ok();
        let free = match (folder, ours, asked) {
            (Some(folder), Some(ours), asked) if asked.as_ref().is_none_or(|asked| *asked == ours) => {
                let at_once = crate::processes::asked("TESTS_AT_ONCE").unwrap_or(AT_ONCE);
                let names: Vec<String> = (1..=at_once).map(|number| format!("test-{number}")).collect();
                let vhosts: Vec<String> = names.iter().map(|name| with_vhost(name)).collect();
                eval(&folder, &vhosts);
                let (server, _) = ours.rsplit_once('/').unwrap();
                names.iter().map(|name| format!("{server}/{name}")).collect::<VecDeque<_>>()
            }
            (.., Some(asked)) => {
                let vhost = asked.rsplit('/').next().unwrap_or_default();
                let said = "the tests empty the vhost of AMQP_URL, so its name must contain `test`";
                assert!(vhost.contains("test"), "{said}");
                VecDeque::from([asked])
            }
            _ => panic!("TEST_BROKER is not set: run scripts/test, which starts a RabbitMQ"),
        };
        Self { permits: Semaphore::new(free.len()), free: std::sync::Mutex::new(free) }
    }
}

/// What `scripts/broker` says of where a broker is.
fn address_in(folder: &Path) -> String {
    let text = std::fs::read_to_string(folder.join("env")).unwrap();
    text.trim().trim_start_matches("AMQP_URL=").to_owned()
}

/// A vhost of the broker that tests share. What harms a broker takes [`private`].
pub async fn turn() -> Broker {
    vhost(Others::beside()).await
}

/// The same while no other test with a broker runs.
pub async fn turn_in_quiet() -> Broker {
    vhost(Others::none()).await
}

async fn vhost(others: impl Future<Output = Others>) -> Broker {
    static SHARED: OnceCell<Vhosts> = OnceCell::const_new();
    let vhosts = SHARED.get_or_init(async || tokio::task::spawn_blocking(Vhosts::make).await.unwrap()).await;
    let permit = vhosts.permits.acquire().await.unwrap();
    let turn = Turn { _broker: Whole::Shared { _permit: permit }, _others: others.await };
    let url = vhosts.free.lock().unwrap().pop_front().unwrap();
    let broker = Broker { url, folder: None, vhosts: Some(vhosts), _turn: turn };
    broker.empty().await;
    broker
}

/// A second broker, which may be killed, paused and starved. It is inside the folder of the first, and goes with it.
pub async fn private() -> Broker {
    second(Others::beside()).await
}

/// The same while no other test with a broker runs.
pub async fn private_in_quiet() -> Broker {
    second(Others::none()).await
}

async fn second(others: impl Future<Output = Others>) -> Broker {
    static ALONE: Mutex<()> = Mutex::const_new(());
    let guard = ALONE.lock().await;
    let turn = Turn { _broker: Whole::Alone { _guard: guard }, _others: others.await };
    let folder = PathBuf::from(variable("TEST_BROKER")).join("private");
    // It may be left dead or starved by a test that failed.
    script("start", &folder, &[]);
    let url = address_in(&folder);
    let broker = Broker { url, folder: Some(folder), vhosts: None, _turn: turn };
    broker.empty().await;
    broker
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(vhosts) = self.vhosts {
            vhosts.free.lock().unwrap().push_back(std::mem::take(&mut self.url));
        }
    }
}

/// The queue of a role's dead letters, where nothing is named otherwise.
pub fn dead_name(role: Role) -> &'static str {
    static NAMES: LazyLock<[String; 3]> =
        LazyLock::new(|| Role::ALL.map(|role| Queues::default().subscription(role).dead().to_string()));
    let index = Role::ALL.iter().position(|other| *other == role).unwrap();
    &NAMES[index]
}

fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run scripts/test, which starts a RabbitMQ"))
}

fn script(command: &str, folder: &Path, arguments: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/broker");
    let output = Command::new(script).arg(command).arg(folder).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "scripts/broker {command} {arguments:?}: {said}");
}

fn eval(folder: &Path, expressions: &[String]) {
    script("ctl", folder, &["-q", "eval", &format!("{}.", expressions.join(", "))]);
}

impl Broker {
    /// Runs `scripts/broker COMMAND` on this broker.
    pub fn script(&self, command: &str) {
        script(command, self.folder.as_ref().unwrap(), &[]);
    }

    /// Runs `rabbitmqctl ARGUMENTS` on this broker.
    pub fn ctl(&self, arguments: &[&str]) {
        script("ctl", self.folder.as_ref().unwrap(), arguments);
    }

    /// Runs expressions in the language of the broker, all in one call of its tool, which takes seconds for each.
    pub fn eval(&self, expressions: &[String]) {
        eval(self.folder.as_ref().unwrap(), expressions);
    }

    /// `host:port`.
    pub fn address(&self) -> String {
        let rest = self.url.split('@').next_back().unwrap();
        rest.split('/').next().unwrap().to_owned()
    }

    /// The same broker by way of another `host:port`.
    pub fn url_via(&self, address: &str) -> String {
        self.url.replace(&self.address(), address)
    }

    /// A connection and a channel of the test's own.
    pub async fn channel(&self) -> (Connection, Channel) {
        let connection = Connection::connect(&self.url, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        (connection, channel)
    }

    /// Deletes our queues and exchanges.
    async fn empty(&self) {
        let (connection, channel) = self.channel().await;
        for role in Role::ALL {
            for name in [role.name(), dead_name(role)] {
                channel.queue_delete(name.into(), Default::default()).await.unwrap();
            }
        }
        for side in SideQueue::ALL {
            let name = Queues::default().side(side).to_string();
            channel.queue_delete(name.into(), Default::default()).await.unwrap();
        }
        for exchange in ["pipeline", "pipeline.dead"] {
            channel.exchange_delete(exchange.into(), Default::default()).await.unwrap();
        }
        connection.close(200, "emptied".into()).await.unwrap();
    }

    /// Makes our queues and exchanges, as an administrator does.
    pub async fn declare(&self, kind: QueueKind) {
        administration::declare(&Endpoint::from_url(&self.url, kind).unwrap()).await.unwrap();
    }

    /// Deletes a queue.
    pub async fn delete(&self, queue: &str) {
        let (connection, channel) = self.channel().await;
        channel.queue_delete(queue.into(), Default::default()).await.unwrap();
        connection.close(200, "deleted".into()).await.unwrap();
    }

    /// Takes a queue from our exchange.
    pub async fn unbind(&self, queue: &str) {
        let (connection, channel) = self.channel().await;
        let nothing = FieldTable::default();
        channel.queue_unbind(queue.into(), "pipeline".into(), queue.into(), nothing).await.unwrap();
        connection.close(200, "unbound".into()).await.unwrap();
    }

    /// Publishes as an outside producer does: to the default exchange, with these properties.
    pub async fn publish(&self, channel: &Channel, queue: Role, body: &[u8], properties: BasicProperties) {
        let options = BasicPublishOptions::default();
        channel.basic_publish("".into(), queue.name().into(), options, body, properties).await.unwrap();
    }

    /// Waits until our three queues have nothing that is ready for a consumer.
    pub async fn emptied(&self) {
        for queue in Role::ALL {
            self.has_ready(queue, 0).await;
        }
    }

    /// Waits until a queue has this many messages that are ready for a consumer.
    pub async fn has_ready(&self, queue: Role, count: u32) {
        self.comes_to(queue.name(), &format!("{count}"), |ready| ready == count).await;
    }

    /// The same of a queue of dead letters.
    pub async fn has_ready_dead(&self, queue: &str, count: u32) {
        self.comes_to(queue, &format!("{count}"), |ready| ready == count).await;
    }

    /// Waits until a queue has some message that is ready for a consumer.
    pub async fn has_any(&self, queue: Role) {
        self.comes_to(queue.name(), "some", |ready| ready > 0).await;
    }

    /// How many messages of a queue are ready for a consumer.
    pub async fn ready(&self, queue: &str) -> usize {
        let (connection, channel) = self.channel().await;
        let options = QueueDeclareOptions { passive: true, ..Default::default() };
        let state = channel.queue_declare(queue.into(), options, FieldTable::default()).await;
        let ready = state.unwrap().message_count();
        connection.close(200, "looked".into()).await.unwrap();
        ready as usize
    }

    pub async fn comes_to(&self, queue: &str, wanted: &str, is_wanted: impl Fn(u32) -> bool) {
        let start = std::time::Instant::now();
        loop {
            let ready = u32::try_from(self.ready(queue).await).unwrap();
            if is_wanted(ready) {
                break;
            }
            let patience = Duration::from_secs(60);
            assert!(start.elapsed() < patience, "{queue} has {ready} messages, not {wanted}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Takes everything out of a queue.
    pub async fn drain(&self, queue: &'static str) -> Vec<Letter> {
        let (connection, channel) = self.channel().await;
        let mut letters = Vec::new();
        let options = BasicGetOptions { no_ack: true };
        while let Some(message) = channel.basic_get(queue.into(), options).await.unwrap() {
            letters.push(Letter { body: message.delivery.data, properties: message.delivery.properties });
        }
        connection.close(200, "drained".into()).await.unwrap();
        letters
    }
}

/// A message that a test took out of a queue itself.
pub struct Letter {
    pub body: Vec<u8>,
    pub properties: BasicProperties,
}

impl Letter {
    /// Whether it has a header.
    pub fn has(&self, name: &str) -> bool {
        self.properties.headers().as_ref().is_some_and(|headers| headers.inner().contains_key(name))
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> String {
        match self.properties.headers().as_ref().and_then(|headers| headers.inner().get(name)) {
            Some(AMQPValue::LongString(text)) => text.to_string(),
            Some(AMQPValue::LongLongInt(int)) => int.to_string(),
            other => format!("{other:?}"),
        }
    }

    pub fn message_id(&self) -> Option<&str> {
        self.properties.message_id().as_ref().map(lapin::types::ShortString::as_str)
    }
}
