//! Where the broker is and who we are to it. Its password is in no log and no `Debug`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use clap::{Args, ValueEnum};
use lapin::tcp::OwnedTLSConfig;
use lapin::uri::{AMQPScheme, AMQPUri};

/// The default address: RabbitMQ's port on this machine.
const LOCAL: &str = "amqp://127.0.0.1:5672";

/// How to reach RabbitMQ.
#[derive(Args, Clone)]
#[command(next_help_heading = "RabbitMQ")]
pub struct AmqpOptions {
    /// Address: `amqp://[user[:password]@]host[:port][/vhost]`, or `amqps://` for TLS.
    /// [default: amqp://127.0.0.1:5672]
    #[arg(
        long,
        env = "AMQP_URL",
        hide_env_values = true,
        value_name = "URL",
        conflicts_with = "amqp_url_file"
    )]
    amqp_url: Option<String>,

    /// A file that holds the address. It is read again at each connect.
    #[arg(long, env = "AMQP_URL_FILE", value_name = "FILE")]
    amqp_url_file: Option<PathBuf>,

    /// User name, instead of the one in the address.
    #[arg(long, env = "AMQP_USER", value_name = "NAME")]
    amqp_user: Option<String>,

    /// Password, instead of the one in the address.
    #[arg(
        long,
        env = "AMQP_PASSWORD",
        hide_env_values = true,
        value_name = "TEXT",
        conflicts_with = "amqp_password_file"
    )]
    amqp_password: Option<String>,

    /// A file that holds the password. It is read again at each connect, so that it can be changed.
    #[arg(long, env = "AMQP_PASSWORD_FILE", value_name = "FILE")]
    amqp_password_file: Option<PathBuf>,

    /// Certificate authorities for amqps, as PEM. [default: the system's]
    #[arg(long, env = "AMQP_CA_FILE", value_name = "FILE")]
    amqp_ca_file: Option<PathBuf>,

    /// How the queues are declared; an existing queue must have been declared alike.
    #[arg(long, env = "QUEUE_KIND", value_enum, default_value_t = QueueKind::Quorum)]
    queue_kind: QueueKind,
}

/// How the queues are declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum QueueKind {
    /// Replicated and safe on disk before a confirm. For everything new.
    Quorum,
    /// Durable classic queues. They survive a restart of the broker, not a power cut.
    Classic,
    /// Gone when the broker restarts: what the Python exercise declares. RabbitMQ up to 4.2.
    Transient,
}

impl fmt::Display for QueueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quorum => "quorum",
            Self::Classic => "classic",
            Self::Transient => "transient",
        })
    }
}

/// A broker's address with everything needed to connect. Cheap to clone.
#[derive(Clone)]
pub struct Endpoint(Arc<AmqpOptions>);

/// What one connect uses.
pub(super) struct Target {
    pub(super) uri: AMQPUri,
    pub(super) tls: OwnedTLSConfig,
}

impl Endpoint {
    /// Checks the options, so that a mistake in them is told at once and not at the first connect.
    ///
    /// # Errors
    /// An address that is none, an unreadable file, or amqps in a build without TLS.
    pub fn new(options: AmqpOptions) -> anyhow::Result<Self> {
        let endpoint = Self(Arc::new(options));
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
            queue_kind,
        })
    }

    pub(super) fn queue_kind(&self) -> QueueKind {
        self.0.queue_kind
    }

    /// Reads the secrets' files anew and puts everything together.
    pub(super) fn target(&self) -> anyhow::Result<Target> {
        let options = &*self.0;
        let url = match (&options.amqp_url_file, &options.amqp_url) {
            (Some(file), _) => read_secret(file)?,
            (None, Some(url)) => url.clone(),
            (None, None) => LOCAL.to_owned(),
        };
        let mut uri: AMQPUri = match url.parse() {
            Ok(uri) => uri,
            // The text itself may hold a password, and stays out of the error.
            Err(why) => {
                bail!("the RabbitMQ address is not of the form amqp://user:password@host:port/vhost: {why}")
            }
        };
        if let Some(user) = &options.amqp_user {
            uri.authority.userinfo.username.clone_from(user);
        }
        match (&options.amqp_password_file, &options.amqp_password) {
            (Some(file), _) => uri.authority.userinfo.password = read_secret(file)?,
            (None, Some(password)) => uri.authority.userinfo.password.clone_from(password),
            (None, None) => {}
        }
        uri.query.heartbeat.get_or_insert(10);
        uri.query.connection_timeout.get_or_insert(5000);
        // What brokers propose. Named here, because the client otherwise learns it late and grows its buffers by
        // writing to all of their 8 MiB.
        uri.query.frame_max.get_or_insert(131_072);
        ensure!(
            uri.scheme == AMQPScheme::AMQP || cfg!(feature = "tls"),
            "this program is built without TLS; build it with `--features tls` to use amqps://"
        );
        let cert_chain =
            match &options.amqp_ca_file {
                Some(file) => Some(std::fs::read_to_string(file).with_context(|| {
                    format!("cannot read the certificate authorities in {}", file.display())
                })?),
                None => None,
            };
        Ok(Target { uri, tls: OwnedTLSConfig { identity: None, cert_chain } })
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
            Ok(Target { uri, .. }) => {
                let scheme = if uri.scheme == AMQPScheme::AMQPS { "amqps" } else { "amqp" };
                let vhost = if uri.vhost == "/" { "" } else { &uri.vhost };
                write!(f, "{scheme}://{}:{}/{vhost}", uri.authority.host, uri.authority.port)
            }
            Err(_) => f.write_str("RabbitMQ"),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self}, {})", self.0.queue_kind)
    }
}

impl fmt::Debug for AmqpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AmqpOptions").field("queue_kind", &self.queue_kind).finish_non_exhaustive()
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
        let mut options = (*Endpoint::from_url("amqp://u:x@h", QueueKind::Quorum).unwrap().0).clone();
        options.amqp_password_file = Some(file.path().to_owned());
        let endpoint = Endpoint::new(options).unwrap();
        assert_eq!(endpoint.target().unwrap().uri.authority.userinfo.password, "first");
        std::fs::write(file.path(), "second").unwrap();
        assert_eq!(endpoint.target().unwrap().uri.authority.userinfo.password, "second");
    }

    #[cfg(not(feature = "tls"))]
    #[test]
    fn amqps_without_tls_says_how_to_get_it() {
        let error = Endpoint::from_url("amqps://host", QueueKind::Quorum).unwrap_err().to_string();
        assert!(error.contains("--features tls"), "{error}");
    }
}
