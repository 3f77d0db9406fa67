//! Who gets a connection, and how long a client may leave one full.

use std::future::Future;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum_server::accept::Accept;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

use super::listen::Limits;
use super::metrics::Metrics;

/// Takes connections, TLS included.
#[derive(Clone)]
pub(super) struct Gate {
    tls: RustlsAcceptor,
    places: Arc<Semaphore>,
    idle: Duration,
    metrics: Arc<Metrics>,
}

impl Gate {
    pub(super) fn new(tls: RustlsConfig, limits: Limits, metrics: Arc<Metrics>) -> Self {
        let tls = RustlsAcceptor::new(tls).handshake_timeout(limits.headers);
        Self { tls, places: Arc::new(Semaphore::new(limits.connections)), idle: limits.idle, metrics }
    }
}

impl<S: Send + 'static> Accept<TcpStream, S> for Gate
where
    RustlsAcceptor: Accept<TcpStream, S, Future: Send, Stream: Send, Service: Send>,
{
    type Stream = Connection<<RustlsAcceptor as Accept<TcpStream, S>>::Stream>;
    type Service = <RustlsAcceptor as Accept<TcpStream, S>>::Service;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            self.metrics.turned_away();
            return Box::pin(async { Err(io::Error::from(ErrorKind::ConnectionRefused)) });
        };
        // An answer's last piece must not wait for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        let accepted = self.tls.accept(stream, service);
        let idle = self.idle;
        Box::pin(async move {
            let (stream, service) = accepted.await?;
            Ok((Connection { stream, idle, stalled: None, _place: place }, service))
        })
    }
}

/// A connection that ends when its client takes nothing for too long.
pub(super) struct Connection<S> {
    stream: S,
    idle: Duration,
    /// The end of a client's patience, while a write waits.
    stalled: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
}

impl<S: AsyncWrite + Unpin> Connection<S> {
    fn write<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(done) = write(Pin::new(&mut self.stream), cx) {
            self.stalled = None;
            return Poll::Ready(done);
        }
        let idle = self.idle;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(idle)));
        ready!(stalled.as_mut().poll(cx));
        stalled.as_mut().reset(Instant::now() + idle);
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.write(cx, |stream, cx| stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(cx, |stream, cx| stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write(cx, |stream, cx| stream.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write(cx, |stream, cx| stream.poll_shutdown(cx))
    }
}
