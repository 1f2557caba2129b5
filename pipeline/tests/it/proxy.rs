//! A TCP proxy before the broker that cuts, refuses and stalls connections on order.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the proxy does now. A change ends the connections that were there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Passes everything on.
    Pass,
    /// Accepts and closes at once.
    Refuse,
}

/// The proxy. It ends when it is dropped.
pub struct Proxy {
    pub address: SocketAddr,
    mode: watch::Sender<(Mode, u64)>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    pub async fn before(broker: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mode, orders) = watch::channel((Mode::Pass, 0));
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let mut orders = orders.clone();
                if orders.borrow_and_update().0 == Mode::Pass {
                    tokio::spawn(pass(client, broker.clone(), orders));
                }
            }
        });
        Self { address, mode, task }
    }

    /// Cuts every connection. New ones pass.
    pub fn cut(&self) {
        self.mode.send_modify(|mode| *mode = (Mode::Pass, mode.1 + 1));
    }

    /// Cuts every connection, and every new one right after it was accepted, until [`Proxy::cut`].
    pub fn refuse(&self) {
        self.mode.send_modify(|mode| *mode = (Mode::Refuse, mode.1 + 1));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(mut client: TcpStream, broker: String, mut orders: watch::Receiver<(Mode, u64)>) {
    let Ok(mut server) = TcpStream::connect(broker).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = orders.changed() => {}
    }
}
