//! Connections with customers, shops and proxies. Whoever dawdles over a request holds a connection for a while, and not for
//! ever: its head must arrive in time, then its body. A WebSocket is no request any more once it is open.

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    BoxError, Router,
    body::{Body, Bytes, HttpBody},
    extract::ConnectInfo,
    response::Response,
    serve::Listener,
};
use http::Request;
use hyper::{
    body::{Frame, Incoming, SizeHint},
    server::conn::http1,
    service::{HttpService, service_fn},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::Sleep;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower_service::Service;

/// Answers with `router` until `stop`; returns when the requests that ran then are answered. A request's head, and then its
/// body, have `patience` to arrive; so long an unused connection stays open too.
pub(super) async fn serve(
    mut listener: impl Listener<Addr = SocketAddr>,
    router: Router,
    patience: Duration,
    stop: CancellationToken,
) {
    let connections = TaskTracker::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(patience);
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let service = answering(router.clone(), peer, patience);
        let connection = http.serve_connection(TokioIo::new(stream), service);
        let (mut connection, stop) = (Box::pin(connection.with_upgrades()), stop.clone());
        connections.spawn(async move {
            let ended = tokio::select! {
                ended = &mut connection => ended,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                note_broken(peer, &error);
            }
        });
    }
    // Whoever comes now is refused instead of kept waiting.
    drop(listener);
    connections.close();
    connections.wait().await;
}

fn note_broken(peer: SocketAddr, error: &hyper::Error) {
    if error.is_timeout() {
        count_late("head");
    }
    tracing::debug!(%peer, %error, "a connection broke off");
}

/// What answers the requests of one connection.
fn answering(
    router: Router,
    peer: SocketAddr,
    patience: Duration,
) -> impl HttpService<
    Incoming,
    ResBody = Body,
    Error = Infallible,
    Future = impl Future<Output = Result<Response, Infallible>> + Send,
> {
    service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        let request = request.map(|body| match body.is_end_stream() {
            true => Body::empty(),
            false => Body::new(Punctual::new(body, patience)),
        });
        router.clone().call(request)
    })
}

/// A body that must have arrived when its time is up.
struct Punctual {
    body: Incoming,
    deadline: Pin<Box<Sleep>>,
}

/// A body took too long to arrive.
#[derive(Debug, thiserror::Error)]
#[error("the body did not arrive in time")]
struct Late;

impl Punctual {
    fn new(body: Incoming, patience: Duration) -> Self {
        let deadline = Box::pin(tokio::time::sleep(patience));
        Self { body, deadline }
    }
}

impl HttpBody for Punctual {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(BoxError::from)));
        }
        std::task::ready!(self.deadline.as_mut().poll(context));
        count_late("body");
        Poll::Ready(Some(Err(Late.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn count_late(part: &'static str) {
    metrics::counter!("doorstep_http_late_total", "part" => part).increment(1);
}
