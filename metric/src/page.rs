//! The port for people and programs that want to know how good the model is.

mod assets;
mod attempt;
mod layout;
mod model;
mod now;
mod packed;
mod rendered;
mod routes;
mod rows;
mod symbol;
#[cfg(test)]
mod tests;
pub(crate) mod words;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use shared::admin::Listen;
use shared::http::{Limits, Listener, Server, Tokens, for_this_machine};
use tracing::info;

use crate::api::{self, Source};
use crate::page_options::PageOptions;

pub(crate) use layout::word;
pub(crate) use rendered::Rendered;
pub(crate) use routes::{Form, form, now_page, routes};

/// Where it listens, unless somebody says otherwise.
const USUAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5000);

pub(crate) const LIMITS: Limits = Limits {
    connections: 256,
    new_per_second: 1000,
    header_bytes: 16 << 10,
    header: Duration::from_secs(5),
    body_bytes: 1 << 10,
    request: Duration::from_secs(30),
    answer: Duration::from_secs(30),
    idle: Duration::from_secs(60),
};

/// Serves the API, at the usual place where nothing else is asked for: where that is taken, at a free port. None where it is to be
/// off.
///
/// # Errors
/// An address that was asked for and cannot be had.
pub(crate) async fn serve(options: PageOptions, source: Source) -> anyhow::Result<Option<Server>> {
    let PageOptions { page_addr: listen, page_base_path: base, page_token_file } = options;
    let tokens = page_token_file.map(Tokens::open).transpose().map_err(anyhow::Error::msg)?;
    let bind = |address| Listener::bind("the page", address, LIMITS);
    let listener = match listen {
        Some(Listen::Off) => return Ok(None),
        Some(Listen::On(address)) => bind(address).await.with_context(|| {
            format!("the page cannot listen on {address}; choose another with --page-addr, or `off`")
        })?,
        None => match bind(USUAL).await {
            Ok(listener) => listener,
            Err(why) => {
                info!(
                    "{USUAL} cannot be had for the page ({why}), so it takes a free port; --page-addr chooses one"
                );
                let free = SocketAddr::new(USUAL.ip(), 0);
                bind(free).await.context("the page finds no free port; --page-addr off goes without it")?
            }
        },
    };
    let address = listener.address().context("the page has no address")?;
    let whole = format!("http://{address}{}", base.as_str());
    info!("how good the model is: {whole}, for programs {whole}/api/v1/report");
    let routes = api::routes(source, &base);
    let routes = match tokens {
        // A page of the internet has no token to show.
        Some(tokens) => tokens.guard_for_browsers(routes),
        None if address.ip().is_loopback() => for_this_machine(routes),
        None => routes,
    };
    Ok(Some(listener.serve(routes).context("the page cannot start")?))
}
