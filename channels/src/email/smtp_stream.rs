//! Streams for SMTP that do not wait.
//!
//! lettre writes a mail and the dot that ends it one after the other. Without `TCP_NODELAY` (which its own connections leave
//! off) the kernel keeps the dot back until the server has acknowledged the mail, which servers put off for 40 ms.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream, rustls::pki_types::ServerName};

/// A connection to `host`.
pub(super) async fn plain(host: &str, port: u16) -> io::Result<Box<dyn AsyncTokioStream>> {
    Ok(Box::new(connect(host, port).await?))
}

/// A connection to `host` that is encrypted from its first byte.
pub(super) async fn encrypted(
    host: &str,
    port: u16,
    (connector, name): &(TlsConnector, ServerName<'static>),
) -> io::Result<Box<dyn AsyncTokioStream>> {
    let plain = connect(host, port).await?;
    let encrypted = connector.connect(name.clone(), plain).await?;
    Ok(Box::new(Encrypted(encrypted)))
}

async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// What lettre asks of a stream, for one that it does not know.
#[derive(Debug)]
struct Encrypted(TlsStream<TcpStream>);

impl AsyncTokioStream for Encrypted {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().0.peer_addr()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
