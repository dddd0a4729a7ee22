//! A client for HTTP/1.1 over one kept connection that does next to nothing, so that it stays out of the figures:
//! requests are ready-made bytes, answers are read into one buffer.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::Outcome;

const HEAD_END: &[u8] = b"\r\n\r\n";

/// A kept connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(4096),
        })
    }

    /// Sends a request and reads its answer, which must say its length.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Outcome<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let body = loop {
            let head_end = self.buffer.windows(4).position(|bytes| bytes == HEAD_END);
            if let Some(head_end) = head_end {
                break head_end + HEAD_END.len();
            }
            self.read_more().await?;
        };
        let (status, length) = read_head(&self.buffer[..body])?;
        while self.buffer.len() < body + length {
            self.read_more().await?;
        }
        Ok(Answer {
            status,
            body: &self.buffer[body..body + length],
        })
    }

    async fn read_more(&mut self) -> Outcome<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err("the server closed the connection instead of answering".into()),
            _ => Ok(()),
        }
    }
}

/// Status and length of the body.
fn read_head(head: &[u8]) -> Outcome<(u16, usize)> {
    let head = std::str::from_utf8(head)?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or("the answer has no status")?;
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, length)| length.trim().parse().ok())
        .ok_or_else(|| format!("the answer (status {status}) has no Content-Length"))?;
    Ok((status, length))
}

/// Asks once; the body as text.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Outcome<(u16, String)> {
    let mut connection = Connection::open(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let answer = connection.exchange(request.as_bytes()).await?;
    Ok((answer.status, String::from_utf8(answer.body.to_vec())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_status_and_length() {
        let head = b"HTTP/1.1 401 Unauthorized\r\nServer: x\r\ncontent-Length: 12\r\n\r\n";
        assert_eq!(read_head(head).unwrap(), (401, 12));
    }

    #[test]
    fn an_answer_without_length_is_refused() {
        assert!(read_head(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
