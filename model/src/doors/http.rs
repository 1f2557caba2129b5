//! The port by which a model is asked over HTTP, and by which rows and labels come from applications that do not speak AMQP.
//!
//! - `oip` (with `tensor`) and `invocations` turn requests into rows and predictions into answers; `intake` turns rows and labels
//!   into messages. `frame` are rows that came as a table, `posted` is a body as a message, `packed` unpacks it, `identified` says
//!   which row is which, `problem` why there is no answer, `invocation` answers a request that did not come by the port. All of
//!   these are pure.
//! - `door` is what stands behind the port: the model that serves, and the way to the queues that a `recorder` is.
//! - `routes` are its addresses, `traced` is a request in its trace, `description` says them to programs, `options` are its flags.

mod description;
mod door;
mod frame;
mod identified;
mod intake;
mod invocation;
mod invocations;
mod oip;
mod options;
mod packed;
mod posted;
mod problem;
mod recorder;
mod routes;
mod tensor;
#[cfg(test)]
mod tests;
mod traced;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use shared::admin::Listen;
use shared::http::{Limits, Listener, Server, Tokens, for_this_machine};
use shared::stop::Stop;
use shared::transport::Publisher;
use tracing::{info, warn};

use crate::options::AnswerOptions;
use crate::shadow::Shadows;
use crate::swap::Serving;

use door::Door;
pub use invocation::{Invocation, Invoked, NotInvoked, invoke};
pub use options::{HttpOptions, HttpRecord};
use recorder::Recorder;

/// What the port takes. An answer waits for its confirms, which takes up to 10 s.
const LIMITS: Limits = Limits {
    connections: 256,
    new_per_second: 2000,
    header_bytes: 16 << 10,
    header: Duration::from_secs(5),
    // The routes read no more than a message has: clients show what is wrong only where it is said in their form.
    body_bytes: 1 << 30,
    request: Duration::from_secs(20),
    answer: Duration::from_secs(30),
    idle: Duration::from_secs(60),
};

/// How long answers that have begun may take at the end.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// When the doors beside the queues are to be closed, and whether they are: then nothing new comes by them, and what came is in
/// its queue.
#[derive(Debug, Clone, Default)]
pub struct Doors {
    /// Asks for it.
    pub close: Stop,
    /// Is requested once it is done.
    pub closed: Stop,
}

/// The port, open or not.
pub(crate) struct Port(Option<(Server, Door)>);

impl Port {
    /// Opens it, where it is to be. It says that it is not ready until there is a model.
    pub(crate) async fn open(
        app: &'static str,
        options: &HttpOptions,
        answers: &AnswerOptions,
        (serving, shadows): (Serving, Shadows),
    ) -> anyhow::Result<Self> {
        let Listen::On(address) = options.http_addr else { return Ok(Self(None)) };
        let tokens =
            options.http_token_file.as_ref().map(Tokens::open).transpose().map_err(|why| anyhow!(why))?;
        may_listen(address, tokens.is_some(), options.http_open).map_err(|why| anyhow!(why))?;
        let listener = Listener::bind("the HTTP port", address, LIMITS).await.with_context(|| {
            format!("predictions cannot be asked for on {address}; choose another address with --http-addr, or `off`")
        })?;
        let address = listener.address().context("the HTTP port has no address")?;
        if tokens.is_none() && !address.ip().is_loopback() {
            warn!("whoever can connect to {address} is answered, and may send rows and labels (--http-open)");
        }
        let name = &answers.model_name;
        info!(
            "predictions are asked for at http://{address}/v2/models/{name}/infer and /invocations; all is described at /openapi.json"
        );
        let door = Door::new(app, options.http_record == HttpRecord::On, answers.clone(), (serving, shadows));
        let is_guarded = tokens.is_some();
        let routes = routes::routes(door.clone(), tokens);
        let routes =
            if address.ip().is_loopback() && !is_guarded { for_this_machine(routes) } else { routes };
        let server = listener.serve(routes).context("the HTTP port cannot start")?;
        Ok(Self(Some((server, door))))
    }

    /// Has what comes by it published from now on.
    pub(crate) fn records_with(&self, publisher: &Publisher) {
        if let Self(Some((_, door))) = self {
            door.record(Recorder::start(publisher.clone()));
        }
    }

    /// Lets nobody in any more, and returns when what came is safe, or given up.
    pub(crate) async fn close(self) {
        if let Self(Some((server, door))) = self {
            server.stop(LAST_ANSWERS).await;
            door.finish().await;
        }
    }
}

/// Whether a port may be opened at this address: others reach it only with tokens, or where that is wanted.
fn may_listen(address: SocketAddr, has_tokens: bool, open: bool) -> Result<(), String> {
    if address.ip().is_loopback() || has_tokens || open {
        return Ok(());
    }
    Err(format!(
        "--http-addr {address} can be reached from elsewhere, and nobody would be asked for a token: name a file of tokens with \
         --http-token-file, listen on 127.0.0.1, or say --http-open"
    ))
}
