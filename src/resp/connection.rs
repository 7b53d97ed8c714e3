//! One client.

use super::parse::{Bounds, request};
use super::session::{Served, Session};
use crate::limits::{
    RESP_ARGUMENT_BYTES_UNTRUSTED_MAX, RESP_ARGUMENTS_MAX, RESP_ARGUMENTS_UNTRUSTED_MAX, RESP_REPLY_BYTES,
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
        stream.write_all(&session.reply.bytes).await?;
        session.reply.bytes.clear();
        if !is_in_order || session.is_ending {
            return stream.shutdown().await;
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

/// Answers the requests in the buffer, and removes them. `false`: its content is not a request.
async fn answer(
    session: &mut Session,
    buffer: &mut Vec<u8>,
    stream: &mut (impl AsyncWrite + Unpin),
) -> io::Result<bool> {
    let mut at = 0;
    let mut is_in_order = true;
    while !session.is_ending {
        match request(&buffer[at..], bounds(session)) {
            Ok(None) => break,
            Ok(Some((arguments, len))) => {
                session.execute(&arguments);
                at += len;
            }
            Err(error) => {
                session.reply.error(error);
                is_in_order = false;
                break;
            }
        }
        if session.reply.bytes.len() > RESP_REPLY_BYTES {
            stream.write_all(&session.reply.bytes).await?;
            session.reply.bytes.clear();
        }
    }
    buffer.drain(..at);
    // One large request must not keep its memory for the whole connection.
    if buffer.is_empty() && buffer.capacity() > RESP_REPLY_BYTES {
        *buffer = Vec::new();
    }
    Ok(is_in_order)
}

fn bounds(session: &Session) -> Bounds {
    if session.is_trusted {
        Bounds { arguments_max: RESP_ARGUMENTS_MAX, argument_bytes_max: session.store().counts().bytes_max }
    } else {
        Bounds { arguments_max: RESP_ARGUMENTS_UNTRUSTED_MAX, argument_bytes_max: RESP_ARGUMENT_BYTES_UNTRUSTED_MAX }
    }
}
