//! The runtime that the AMQP client runs on: tokio, with guarded connections.

use std::fmt;
use std::future::{self, Future};
use std::io::{self, Read, Write};
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use async_rs::Tokio;
use async_rs::traits::{Executor, Reactor, RuntimeKit};
use async_rs::util::Task;
use futures_io::{AsyncRead, AsyncWrite};
use futures_util::Stream;

use super::Guard;

/// Tokio, with `Guard<T>` as the type of a connection. The client takes that type from its runtime.
pub(in crate::transport) struct Kit<T> {
    tokio: Tokio,
    stream: PhantomData<fn() -> T>,
}

impl<T> Kit<T> {
    /// On the runtime that is current.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub(in crate::transport) fn current() -> Self {
        Self { tokio: Tokio::current(), stream: PhantomData }
    }
}

impl<T> Clone for Kit<T> {
    fn clone(&self) -> Self {
        Self { tokio: self.tokio.clone(), stream: PhantomData }
    }
}

impl<T> fmt::Debug for Kit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kit").field(&self.tokio).finish()
    }
}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> RuntimeKit for Kit<T> {}

impl<T> Executor for Kit<T> {
    type Task<R: Send + 'static> = <Tokio as Executor>::Task<R>;

    fn block_on<R, F: Future<Output = R>>(&self, future: F) -> R {
        self.tokio.block_on(future)
    }

    fn spawn<R: Send + 'static, F: Future<Output = R> + Send + 'static>(
        &self,
        future: F,
    ) -> Task<Self::Task<R>> {
        self.tokio.spawn(future)
    }

    fn spawn_blocking<R: Send + 'static, F: FnOnce() -> R + Send + 'static>(
        &self,
        work: F,
    ) -> Task<Self::Task<R>> {
        self.tokio.spawn_blocking(work)
    }
}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Reactor for Kit<T> {
    type TcpStream = Guard<T>;
    type Sleep = <Tokio as Reactor>::Sleep;

    // The trait's own bound cannot be named; these are what it consists of.
    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        self.tokio.register(socket)
    }

    fn sleep(&self, time: Duration) -> Self::Sleep {
        self.tokio.sleep(time)
    }

    fn interval(&self, time: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.tokio.interval(time)
    }

    /// Refuses: addresses are chosen and connected to by the link, which knows what to tell about them.
    fn tcp_connect_addr(
        &self,
        _: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        future::ready(Err(io::ErrorKind::Unsupported.into()))
    }
}
