//! One client.

use super::parse::{Bounds, request};
use super::session::{Served, Session, Turn};
use crate::limits::{
    RESP_ARGUMENT_BYTES_UNTRUSTED_MAX, RESP_ARGUMENTS_MAX, RESP_ARGUMENTS_UNTRUSTED_MAX, RESP_READ_BYTES,
    RESP_REPLY_BYTES,
};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Serves a client until it disconnects or sends something that is not a request.
pub(super) async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, served: Arc<Served>) -> io::Result<()> {
    let mut session = Session::new(served);
    let mut buffer = Vec::new();
    loop {
        let is_in_order = answer(&mut session, &mut buffer, &mut stream).await?;
        send(&mut session, &mut stream).await?;
        if !is_in_order || session.is_ending {
            return stream.shutdown().await;
        }
        // Half of it, because the start of an incomplete request stays in the buffer, which must not grow for that.
        if buffer.capacity() - buffer.len() < RESP_READ_BYTES / 2 {
            buffer.reserve(RESP_READ_BYTES);
        }
        let Session { events, .. } = &mut session;
        let event = async {
            match events {
                Some(events) => events.receiver.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            read = stream.read_buf(&mut buffer) => if read? == 0 { return Ok(()) },
            event = event => match event {
                Some((event, key)) if !session.events.as_ref().is_some_and(super::session::Events::is_lost) => {
                    session.hear(event, &key);
                }
                _ => return Ok(()),
            }
        }
    }
}

/// Sends the replies. One large reply must not keep its memory for the whole connection.
async fn send(session: &mut Session, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    stream.write_all(&session.reply.bytes).await?;
    session.reply.bytes.clear();
    session.reply.bytes.shrink_to(RESP_REPLY_BYTES);
    Ok(())
}

/// Answers the requests in the buffer, and removes them. `false`: its content is not a request.
async fn answer(
    session: &mut Session,
    buffer: &mut Vec<u8>,
    stream: &mut (impl AsyncWrite + Unpin),
) -> io::Result<bool> {
    let mut at = 0;
    let is_in_order = loop {
        let (len, end) = execute_all(session, &buffer[at..]);
        at += len;
        match end {
            End::Incomplete => break true,
            End::Invalid => break false,
            End::ManyReplies => send(session, stream).await?,
        }
    };
    buffer.drain(..at);
    // As in `send()`.
    if buffer.is_empty() && buffer.capacity() > RESP_REPLY_BYTES {
        *buffer = Vec::new();
    }
    Ok(is_in_order)
}

/// Why no further request of a buffer was executed.
enum End {
    /// There is none, or only its start.
    Incomplete,
    /// It is not a request.
    Invalid,
    /// The replies to those before it have to be sent first.
    ManyReplies,
}

/// Executes the requests of a buffer, and returns how many bytes they took.
fn execute_all(session: &mut Session, buffer: &[u8]) -> (usize, End) {
    let served = session.served.clone();
    let mut turn = Turn::new(&served);
    let mut arguments = Vec::new();
    let mut at = 0;
    while !session.is_ending {
        match request(&buffer[at..], bounds(session), &mut arguments) {
            Ok(None) => break,
            Ok(Some(len)) => {
                session.execute(&arguments, &mut turn);
                at += len;
            }
            Err(error) => {
                session.reply.error(error);
                return (at, End::Invalid);
            }
        }
        if session.reply.bytes.len() > RESP_REPLY_BYTES {
            return (at, End::ManyReplies);
        }
    }
    (at, End::Incomplete)
}

fn bounds(session: &Session) -> Bounds {
    if session.is_trusted {
        Bounds { arguments_max: RESP_ARGUMENTS_MAX, argument_bytes_max: session.store().bytes_max() }
    } else {
        Bounds { arguments_max: RESP_ARGUMENTS_UNTRUSTED_MAX, argument_bytes_max: RESP_ARGUMENT_BYTES_UNTRUSTED_MAX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Eviction, Store, StoreConfig};
    use std::pin::Pin;
    use std::sync::RwLock;
    use std::task::{Context, Poll, ready};
    use tokio::io::ReadBuf;

    /// A client that has sent all its requests already; counts the reads and writes of the server, each a system call.
    #[derive(Default)]
    struct Client {
        requests: Vec<u8>,
        at: usize,
        replies: Vec<u8>,
        reads: usize,
        writes: usize,
    }

    impl AsyncRead for &mut Client {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _context: &mut Context<'_>,
            to: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let len = to.remaining().min(self.requests.len() - self.at);
            to.put_slice(&self.requests[self.at..self.at + len]);
            self.at += len;
            self.reads += 1;
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for &mut Client {
        fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.writes += 1;
            let len = ready!(Pin::new(&mut self.replies).poll_write(context, bytes))?;
            Poll::Ready(Ok(len))
        }

        fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn serve_all(requests: Vec<u8>) -> Client {
        let config = StoreConfig { bytes_max: 64 << 20, keys_max: 100_000, eviction: Eviction::None };
        let served = Served { store: Store::new("test", None, config), password: None, turn: RwLock::new(()) };
        let mut client = Client { requests, ..Client::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(serve(&mut client, Arc::new(served))).expect("the client makes no error");
        client
    }

    /// One read of 64 bytes and one write for each request made a pipeline of 16 take three times as long as in Redis.
    #[test]
    fn requests_that_arrive_together_are_one_read_and_one_write() {
        let request = |number: usize| format!("*3\r\n$3\r\nSET\r\n$6\r\nk{number:05}\r\n$5\r\nvalue\r\n");
        let client = serve_all((0..16).map(request).collect::<String>().into_bytes());
        // The second read finds the end.
        assert_eq!((client.reads, client.writes), (2, 1));
        assert_eq!(client.replies, b"+OK\r\n".repeat(16));

        let many = (0..10_000).map(request).collect::<String>().into_bytes();
        let reads_max = many.len() / (RESP_READ_BYTES / 2) + 2;
        let client = serve_all(many);
        assert!(client.reads <= reads_max && client.writes <= reads_max, "{} {}", client.reads, client.writes);
        assert_eq!(client.replies, b"+OK\r\n".repeat(10_000));
    }

    #[test]
    fn a_large_request_and_a_large_reply_arrive_whole() {
        let value = "x".repeat(3 << 20);
        let set = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n{value}\r\n", value.len());
        let get = "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n".repeat(3);
        let client = serve_all(format!("{set}{get}*1\r\n$4\r\nPING\r\n").into_bytes());
        let reply = format!("${}\r\n{value}\r\n", value.len());
        assert!(client.replies == format!("+OK\r\n{}+PONG\r\n", reply.repeat(3)).into_bytes());
    }
}
