//! Connections to upstreams, for hyper's client.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::encryption::{Encryption, Socket};
use crate::config::UpstreamAddress;

/// Makes connections; the authority of a URI is the number of the upstream.
#[derive(Clone)]
pub(super) struct Connector {
    upstreams: Arc<[UpstreamAddress]>,
    timeout: Duration,
    encryption: Option<Encryption>,
}

impl Connector {
    pub(super) fn new(upstreams: Vec<UpstreamAddress>, timeout: Duration, encryption: Option<Encryption>) -> Self {
        Self { upstreams: upstreams.into(), timeout, encryption }
    }

    /// A connector that offers these protocols in its handshakes.
    pub(super) fn offering(&self, protocols: &[&[u8]]) -> Self {
        let encryption = self.encryption.as_ref().map(|encryption| encryption.offering(protocols));
        Self { encryption, ..self.clone() }
    }

    /// Connects to the upstream with this number.
    pub(super) async fn connect(&self, number: usize) -> io::Result<TokioIo<Stream>> {
        let address = self.upstreams.get(number).ok_or_else(|| io::Error::other("no such upstream"))?;
        let connecting = tokio::time::timeout(self.timeout, connect(address, self.encryption.as_ref()));
        let stream =
            connecting.await.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no connection in time"))??;
        Ok(TokioIo::new(stream))
    }
}

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Stream>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let number = uri.host().and_then(|host| host.strip_prefix('u')?.parse::<usize>().ok());
        let connector = self.clone();
        Box::pin(async move { connector.connect(number.unwrap_or(usize::MAX)).await })
    }
}

async fn connect(address: &UpstreamAddress, encryption: Option<&Encryption>) -> io::Result<Stream> {
    let plain: Box<dyn Socket> = match address {
        UpstreamAddress::Tcp { host, port } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            stream.set_nodelay(true)?;
            Box::new(stream)
        }
        UpstreamAddress::Unix(path) => Box::new(UnixStream::connect(path).await?),
    };
    let Some(encryption) = encryption.filter(|encryption| encryption.is_for(address)) else {
        return Ok(Stream { socket: plain, speaks_http2: false });
    };
    let encrypted = encryption.connect(plain, address).await?;
    let speaks_http2 = encrypted.get_ref().1.alpn_protocol() == Some(b"h2");
    Ok(Stream { socket: Box::new(encrypted), speaks_http2 })
}

/// A connection to an upstream.
pub(super) struct Stream {
    socket: Box<dyn Socket>,
    /// Whether the handshake has chosen HTTP/2.
    pub(super) speaks_http2: bool,
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
