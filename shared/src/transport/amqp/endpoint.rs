//! Where the broker is and who we are to it. Its password is in no log and no `Debug`.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::{Context as _, ensure};
use clap::Args;

use super::address::{Address, Host};
use super::refusal::{self, Operation, Refusal, Who};
use super::tls::Authorities;
use super::topology::Answer;
use crate::transport::Error;
use crate::transport::queues::{QueueKind, QueueOptions, Queues};
use crate::transport::traced::Place;

/// The default address: RabbitMQ's port on this machine.
const LOCAL: &str = "amqp://127.0.0.1:5672";

/// How to reach RabbitMQ.
#[derive(Args, Clone)]
#[command(next_help_heading = "RabbitMQ")]
pub struct AmqpOptions {
    /// Address: `amqp://[user[:password]@]host[:port][/vhost]`, or `amqps://` for TLS. Several, separated by commas, are tried in
    /// turn. [default: amqp://127.0.0.1:5672]
    #[arg(long, hide_env_values = true, value_name = "URL", conflicts_with = "amqp_url_file")]
    amqp_url: Option<String>,

    /// File with the address; it is read again for each connection.
    #[arg(long, value_name = "FILE")]
    amqp_url_file: Option<PathBuf>,

    /// User name; overrides the one in the address.
    #[arg(long, value_name = "NAME")]
    amqp_user: Option<String>,

    /// Password; overrides the one in the address.
    #[arg(long, hide_env_values = true, value_name = "TEXT", conflicts_with = "amqp_password_file")]
    amqp_password: Option<String>,

    /// File with the password; it is read again for each connection, so it can be rotated.
    #[arg(long, value_name = "FILE")]
    amqp_password_file: Option<PathBuf>,

    /// Certificate authorities for amqps, as PEM: these and no others may have signed the broker's certificate.
    /// [default: the system's]
    #[arg(long, value_name = "FILE")]
    amqp_ca_file: Option<PathBuf>,

    /// What the queues are called.
    #[command(flatten)]
    queues: QueueOptions,
}

impl AmqpOptions {
    /// Whether they name a broker, which otherwise is the one on this machine.
    #[must_use]
    pub fn name_a_broker(&self) -> bool {
        self.amqp_url.is_some() || self.amqp_url_file.is_some()
    }
}

/// A broker's address with everything needed to connect. Cheap to clone.
#[derive(Clone)]
pub struct Endpoint(Arc<Inner>);

struct Inner {
    options: AmqpOptions,
    queues: Queues,
    /// What was said already of the broker, which need not be said at each connect.
    said: Mutex<HashSet<String>>,
    /// Where it is, for who is told of traces.
    place: OnceLock<Place>,
}

/// What one connect uses.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) address: Address,
    pub(super) authorities: Authorities,
}

impl Endpoint {
    /// Checks the options, so that a mistake in them is told at once and not at the first connect.
    ///
    /// # Errors
    /// An address that is none, a queue's name that cannot be one, an unreadable file, or amqps in a build without TLS.
    pub fn new(options: AmqpOptions) -> anyhow::Result<Self> {
        let queues = Queues::new(&options.queues).map_err(|why| Error::Incompatible(why.into()))?;
        let endpoint =
            Self(Arc::new(Inner { options, queues, said: Mutex::default(), place: OnceLock::new() }));
        endpoint.target()?;
        Ok(endpoint)
    }

    /// An endpoint by its address alone, for tests and tools.
    ///
    /// # Errors
    /// An address that is none.
    pub fn from_url(url: &str, queue_kind: QueueKind) -> anyhow::Result<Self> {
        Self::new(AmqpOptions {
            amqp_url: Some(url.to_owned()),
            amqp_url_file: None,
            amqp_user: None,
            amqp_password: None,
            amqp_password_file: None,
            amqp_ca_file: None,
            queues: QueueOptions { queue_kind, ..QueueOptions::default() },
        })
    }

    /// What the queues are called.
    #[must_use]
    pub fn queues(&self) -> &Queues {
        &self.0.queues
    }

    /// The vhost.
    ///
    /// # Errors
    /// A file that cannot be read any more.
    pub fn vhost(&self) -> anyhow::Result<String> {
        Ok(self.target()?.address.vhost)
    }

    /// Where it is, of several addresses the first.
    pub(in crate::transport) fn place(&self) -> Place {
        let first = || {
            let hosts = self.target().map(|target| target.address.hosts).unwrap_or_default();
            Place::RabbitMq(hosts.first().map(|Host { name, port }| (name.as_str().into(), *port)))
        };
        self.0.place.get_or_init(first).clone()
    }

    /// Reads the secrets' files anew and puts everything together.
    pub(super) fn target(&self) -> anyhow::Result<Target> {
        let options = &self.0.options;
        let url = match (&options.amqp_url_file, &options.amqp_url) {
            (Some(file), _) => read_secret(file)?,
            (None, Some(url)) => url.clone(),
            (None, None) => LOCAL.to_owned(),
        };
        let mut address = Address::parse(&url)?;
        if let Some(user) = &options.amqp_user {
            address.user.clone_from(user);
        }
        match (&options.amqp_password_file, &options.amqp_password) {
            (Some(file), _) => address.password = read_secret(file)?,
            (None, Some(password)) => address.password.clone_from(password),
            (None, None) => {}
        }
        ensure!(
            !address.tls || cfg!(feature = "tls"),
            "this program is built without TLS; build it with `--features tls` to use amqps://"
        );
        let authorities = match &options.amqp_ca_file {
            Some(file) => std::fs::read_to_string(file)
                .map_err(Into::into)
                .and_then(Authorities::parse)
                .with_context(|| format!("cannot read the certificate authorities in {}", file.display()))?,
            None => Authorities::default(),
        };
        Ok(Target { address, authorities })
    }

    /// What a refusal by the broker means.
    pub(super) fn refused(&self, operation: &Operation<'_>, answer: &Answer) -> Refusal {
        let (user, vhost) =
            self.target().map(|target| (target.address.user, target.address.vhost)).unwrap_or_default();
        let who = Who { user: &user, vhost: &vhost };
        refusal::read(operation, &refusal::Answer { code: answer.code, text: &answer.text }, &who)
    }

    /// Says something the first time that it is known.
    pub(super) fn once(&self, what: &str, say: impl FnOnce()) {
        let mut said = self.0.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.insert(what.to_owned()) {
            drop(said);
            say();
        }
    }

    /// From now on it is to be said again.
    pub(super) fn unsaid(&self, what: &str) -> bool {
        self.0.said.lock().unwrap_or_else(PoisonError::into_inner).remove(what)
    }
}

fn read_secret(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the secret in {}", file.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// `amqp://host:port/vhost`, without user and password.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.target() {
            Ok(target) => target.address.fmt(f),
            Err(_) => f.write_str("RabbitMQ"),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self}, {})", self.queues().kind())
    }
}

impl fmt::Debug for AmqpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AmqpOptions").field("queues", &self.queues).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_shows_without_its_password() {
        for (url, shown) in [
            ("amqp://user:secret@broker:5673/vhost", "amqp://broker:5673/vhost"),
            ("amqp://user:secret@broker", "amqp://broker:5672/"),
            ("amqp://127.0.0.1:5672/%2f", "amqp://127.0.0.1:5672/"),
            ("amqp://user:secret@[2001:db8::5]:31554/test", "amqp://[2001:db8::5]:31554/test"),
        ] {
            let endpoint = Endpoint::from_url(url, QueueKind::Quorum).unwrap();
            assert_eq!(endpoint.to_string(), shown);
            assert!(!format!("{endpoint:?}").contains("secret"));
        }
    }

    #[test]
    fn a_bad_address_is_told_without_its_password() {
        for url in ["http://user:secret@host", "broker:5672", "amqp://user:secret@host:port", ""] {
            let error = format!("{:#}", Endpoint::from_url(url, QueueKind::Quorum).unwrap_err());
            assert!(!error.contains("secret"), "{error}");
            assert!(error.contains("amqp://user:password@host:port/vhost"), "{error}");
        }
    }

    #[test]
    fn a_password_file_is_read_at_each_connect() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "first\n").unwrap();
        let mut options = Endpoint::from_url("amqp://u:x@h", QueueKind::Quorum).unwrap().0.options.clone();
        options.amqp_password_file = Some(file.path().to_owned());
        let endpoint = Endpoint::new(options).unwrap();
        assert_eq!(endpoint.target().unwrap().address.password, "first");
        std::fs::write(file.path(), "second").unwrap();
        assert_eq!(endpoint.target().unwrap().address.password, "second");
    }

    #[test]
    fn a_queue_that_cannot_be_is_refused_for_good() {
        let mut options = Endpoint::from_url("amqp://h", QueueKind::Quorum).unwrap().0.options.clone();
        options.queues.labels_queue = Some("amq.labels".to_owned());
        let error = Endpoint::new(options).unwrap_err();
        assert!(matches!(error.downcast_ref::<Error>(), Some(Error::Incompatible(_))), "{error}");
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn amqps_without_tls_says_how_to_get_it() {
        let error = Endpoint::from_url("amqps://host", QueueKind::Quorum).unwrap_err().to_string();
        assert!(error.contains("--features tls"), "{error}");
    }
}
