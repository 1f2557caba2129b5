//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use axum::Router;
use axum::body::HttpBody as _;
use axum::http::header::CONTENT_LENGTH;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1::{Builder, Parts};
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::limits::Limits;
use super::refusal::Refusal;
use super::watched::{Arriving, Leaving, Seat, Socket};

/// hyper's least.
const LEAST_BUFFER: usize = 8192;

/// How much of what a refused client still sends is read before its connection is cut off.
const CLOSING_BYTES: u64 = 4 << 20;

/// How a connection's requests ended.
enum End {
    Whole,
    /// With what hyper or the client did not like.
    Broken,
    /// The clock was faster.
    Late,
}

/// Serves one connection until it ends, is late, or has nothing to finish after a stop.
pub(super) async fn serve(
    stream: TcpStream,
    routes: Router,
    limits: Limits,
    seat: Seat,
    stop: CancellationToken,
) {
    // An answer is written whole: waiting for more would only delay it.
    _ = stream.set_nodelay(true);
    let answer = {
        let (seat, routes) = (seat.clone(), TowerToHyperService::new(routes));
        service_fn(move |request| {
            let (seat, routes) = (seat.clone(), routes.clone());
            // hyper gives its socket back only where the future may be moved.
            Box::pin(answer(request, routes, limits, seat))
        })
    };
    let socket = TokioIo::new(Socket { stream, seat: seat.clone() });
    let mut connection = Builder::new()
        .header_read_timeout(None)
        .max_header_size(limits.header_bytes)
        .max_buf_size(limits.header_bytes.max(LEAST_BUFFER))
        .serve_connection(socket, answer);
    let mut clock = pin!(sleep_until(Instant::now() + limits.header));
    let mut stopped = pin!(stop.cancelled());
    let mut is_stopping = false;
    let end = poll_fn(|cx| {
        if !is_stopping && stopped.as_mut().poll(cx).is_ready() {
            is_stopping = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        if let Poll::Ready(result) = connection.poll_without_shutdown(cx) {
            return Poll::Ready(if result.is_ok() { End::Whole } else { End::Broken });
        }
        let Some(deadline) = seat.with(|progress| progress.deadline(&limits)) else { return Poll::Pending };
        if clock.deadline() != deadline {
            clock.as_mut().reset(deadline);
        }
        clock.as_mut().poll(cx).map(|()| End::Late)
    })
    .await;
    let Parts { io, .. } = connection.into_parts();
    close(io.into_inner().stream, end, limits, &seat).await;
}

/// Answers one request within its time.
async fn answer(
    request: Request<Incoming>,
    routes: TowerToHyperService<Router>,
    limits: Limits,
    seat: Seat,
) -> Result<Response<Leaving>, Infallible> {
    let has_body = !request.body().is_end_stream();
    seat.with(|progress| progress.asked(has_body, Instant::now()));
    let announced =
        request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let response = if announced.is_some_and(|bytes: usize| bytes > limits.body_bytes) {
        Refusal::LongBody(limits.body_bytes).response()
    } else {
        let request = request.map(|body| Arriving { body, seat: seat.clone() });
        match timeout(limits.request, routes.call(request)).await {
            Ok(Ok(response)) => response,
            Err(_) if seat.with(|progress| progress.awaited().is_some()) => {
                Refusal::SlowBody(limits.request).response()
            }
            Err(_) => Refusal::NoAnswer(limits.request).response(),
        }
    };
    let is_stream = response.body().size_hint().exact().is_none();
    seat.with(|progress| progress.answered(is_stream, Instant::now()));
    Ok(response.map(|body| Leaving { body, seat }))
}

/// Says the last word, and closes so that the client can read it: a socket that is closed with bytes unread takes back
/// what was said.
async fn close(mut stream: TcpStream, end: End, limits: Limits, seat: &Seat) {
    match end {
        End::Whole if !seat.with(|progress| progress.is_unread()) => return,
        End::Late if seat.with(|progress| progress.is_within_head()) => {
            // What was never written to has room for it.
            _ = stream.try_write(&Refusal::SlowHead(limits.header).bytes());
        }
        End::Late => {
            if seat.with(|progress| progress.is_answering()) {
                // The system would keep trying to send the rest.
                _ = stream.set_zero_linger();
            }
            return;
        }
        End::Whole | End::Broken => {}
    }
    seat.with(|progress| progress.closing(Instant::now()));
    let Some(deadline) = seat.with(|progress| progress.deadline(&limits)) else { return };
    let drain = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(CLOSING_BYTES), &mut tokio::io::sink()).await
    };
    _ = tokio::time::timeout_at(deadline, drain).await;
}
