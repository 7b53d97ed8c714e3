//! A connection from a web server. It carries any number of requests, one after the other.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::ext::ReasonPhrase;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{mpsc, watch};

use super::record::{self, EndStatus, NotFastCgi, Record};
use super::request::{Described, NotRun, describe};
use crate::http::body::ResponseBody;
use crate::http::current::CurrentService;
use crate::http::field_name::append_canonical;
use crate::http::interim::InterimSlot;
use crate::http::pages::FastCgiSite;
use crate::http::params::Front;
use crate::http::phase::Phase;
use crate::http::plain::plain;
use crate::http::service::HttpService;
use crate::limits;

/// Why a connection ends other than by the web server between two requests.
#[derive(Debug, thiserror::Error)]
pub(in crate::http) enum Broken {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    NotFastCgi(#[from] NotFastCgi),
    #[error("the parameters of a request are larger than {} bytes, or cut off", limits::FASTCGI_PARAMS_BYTES_MAX)]
    Params,
    #[error("the web server was too slow")]
    TooSlow,
    #[error("the connection ended in the middle of a request")]
    Ended,
}

/// Serves the requests of a connection.
pub(in crate::http) async fn serve<S>(
    stream: S,
    front: Option<IpAddr>,
    services: watch::Receiver<HttpService>,
    mut phases: watch::Receiver<Phase>,
) -> Result<(), Broken>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (reader, mut writer) = tokio::io::split(stream);
    let mut records = Records { reader, buffer: BytesMut::new() };
    let mut current = CurrentService::new(services);
    loop {
        let begun = tokio::select! {
            begun = next_request(&mut records, &mut writer, front) => begun?,
            _ = phases.wait_for(|phase| *phase != Phase::Serving) => return Ok(()),
        };
        let Some(begun) = begun else { return Ok(()) };
        let service = current.get();
        serve_request(&mut records, &mut writer, &begun, &service).await?;
        if !begun.keeps_connection {
            tokio::select! {
                () = linger(&mut records.reader, &mut writer) => {}
                _ = phases.wait_for(|phase| *phase == Phase::Closed) => {}
            }
            return Ok(());
        }
    }
}

/// Lets the web server close the connection first, as php-fpm does. Apache sends the end of a body that does not exist when
/// the response may be complete already. If the connection were closed then, Apache would answer with 503.
async fn linger<R, W>(reader: &mut R, writer: &mut W)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let drain = async {
        let mut rest = [0; 512];
        let _ = writer.shutdown().await;
        while matches!(reader.read(&mut rest).await, Ok(1..)) {}
    };
    // After that time its error is its own.
    let _ = tokio::time::timeout(Duration::from_secs(limits::FASTCGI_LINGER_SECONDS_MAX), drain).await;
}

/// A request whose parameters follow.
struct Begun {
    id: u16,
    keeps_connection: bool,
    /// The address of the web server; `None` at a Unix socket.
    front: Option<IpAddr>,
}

/// Waits for the start of a request; `None`: the web server has closed the connection.
async fn next_request<R, W>(
    records: &mut Records<R>,
    writer: &mut W,
    front: Option<IpAddr>,
) -> Result<Option<Begun>, Broken>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    while let Some(Record { kind, id, content }) = records.next().await? {
        if kind != record::BEGIN_REQUEST || id == 0 {
            // Records of the previous request are skipped.
            if id == 0 {
                answer_management(writer, kind, &content).await?;
            }
            continue;
        }
        let [role_high, role_low, flags, ..] = content.as_slice() else { return Err(Broken::Params) };
        if u16::from_be_bytes([*role_high, *role_low]) == record::RESPONDER {
            const KEEP_CONNECTION: u8 = 1;
            return Ok(Some(Begun { id, keeps_connection: flags & KEEP_CONNECTION != 0, front }));
        }
        end(writer, id, EndStatus::UnknownRole).await?;
    }
    Ok(None)
}

async fn answer_management<W: AsyncWrite + Unpin>(writer: &mut W, kind: u8, content: &[u8]) -> Result<(), Broken> {
    let mut answer = Vec::new();
    if kind == record::GET_VALUES {
        let most = limits::CONNECTIONS_MAX.to_string();
        let mut values = Vec::new();
        for (name, _) in record::pairs(content).unwrap_or_default() {
            match name {
                b"FCGI_MAX_CONNS" | b"FCGI_MAX_REQS" => record::put_pair(&mut values, name, most.as_bytes()),
                b"FCGI_MPXS_CONNS" => record::put_pair(&mut values, name, b"0"),
                _ => {}
            }
        }
        record::put_one(&mut answer, record::GET_VALUES_RESULT, 0, &values);
    } else {
        record::put_one(&mut answer, record::UNKNOWN_TYPE, 0, &[kind, 0, 0, 0, 0, 0, 0, 0]);
    }
    write(writer, &answer).await
}

/// Reads the parameters, and runs the request while its body arrives.
async fn serve_request<R, W>(
    records: &mut Records<R>,
    writer: &mut W,
    begun: &Begun,
    service: &HttpService,
) -> Result<(), Broken>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let limit = Duration::from_secs(limits::REQUEST_HEAD_SECONDS_MAX);
    let reading = tokio::time::timeout(limit, params(records, writer, begun.id)).await;
    let Some(params) = reading.map_err(|_| Broken::TooSlow)?? else {
        return end(writer, begun.id, EndStatus::Complete).await;
    };
    let params = record::pairs(&params).ok_or(Broken::Params)?;
    let Some(site) = service.fastcgi() else { return end(writer, begun.id, EndStatus::UnknownRole).await };
    let _counted = site.count();
    let mut described = describe(&params, site.php());
    if let Ok(described) = &mut described {
        described.parts.extensions.insert(Front(begun.front));
    }
    let (body_end, body) = channel(described.as_ref().map_or(0, |described| described.body_bytes));
    let half_closed = Arc::new(InterimSlot::default());
    half_closed.hold_end();
    let (refuse, refused) = mpsc::channel(limits::FASTCGI_REFUSALS_WAITING_MAX);
    let answering = async {
        let response = answer(service, site, described, body, &half_closed).await;
        send(&mut *writer, begun.id, response, refused).await
    };
    let outcome = {
        let mut answering = std::pin::pin!(answering);
        tokio::select! {
            sent = answering.as_mut() => Some(sent),
            // Dropping the response informs PHP that the client has disconnected.
            left = pump(records, begun.id, body_end, refuse, &half_closed) => match left {
                Left::Aborted => None,
                Left::Broken(error) => return Err(error),
            },
        }
    };
    match outcome {
        Some(sent) => sent,
        None => end(writer, begun.id, EndStatus::Complete).await,
    }
}

/// The stream of parameters; `None` when the web server aborts the request.
async fn params<R, W>(records: &mut Records<R>, writer: &mut W, id: u16) -> Result<Option<Vec<u8>>, Broken>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut params = Vec::new();
    loop {
        let Some(Record { kind, id: of, content }) = records.next().await? else { return Err(Broken::Ended) };
        match kind {
            record::PARAMS if of == id && content.is_empty() => return Ok(Some(params)),
            record::PARAMS if of == id => {
                if params.len() + content.len() > limits::FASTCGI_PARAMS_BYTES_MAX {
                    return Err(Broken::Params);
                }
                params.extend_from_slice(&content);
            }
            record::ABORT_REQUEST if of == id => return Ok(None),
            record::BEGIN_REQUEST if of != id => end(writer, of, EndStatus::CannotMultiplex).await?,
            _ => {}
        }
    }
}

/// Runs the request.
async fn answer(
    service: &HttpService,
    site: &FastCgiSite,
    described: Result<Described, NotRun>,
    body: StdinBody,
    half_closed: &Arc<InterimSlot>,
) -> Response<ResponseBody> {
    // These are php-fpm's words, which people search for.
    let refusal = |reason| match reason {
        NotRun::Malformed => plain(StatusCode::BAD_REQUEST, "this request cannot be read\n"),
        NotRun::NoScript => plain(StatusCode::NOT_FOUND, "File not found.\n"),
        NotRun::Denied => plain(StatusCode::FORBIDDEN, "Access denied.\n"),
    };
    match described {
        Err(reason) => refusal(reason),
        Ok(Described { parts, connection, host, script, .. }) => {
            let script = match site.page(&parts) {
                Some(page) => Err(page),
                None => script.map_err(refusal),
            };
            service.handle_script(connection, &host, parts, script, body, half_closed).await
        }
    }
}

/// Sends a response as records, and refuses the requests that came meanwhile.
async fn send<W: AsyncWrite + Unpin>(
    writer: &mut W,
    id: u16,
    response: Response<ResponseBody>,
    mut refused: mpsc::Receiver<u16>,
) -> Result<(), Broken> {
    let (parts, mut body) = response.into_parts();
    let mut head = format!("Status: {}", parts.status.as_u16()).into_bytes();
    let own_reason = parts.extensions.get::<ReasonPhrase>().map(ReasonPhrase::as_bytes);
    let reason = own_reason.or_else(|| parts.status.canonical_reason().map(str::as_bytes));
    if let Some(reason) = reason.filter(|reason| !reason.is_empty()) {
        head.push(b' ');
        head.extend_from_slice(reason);
    }
    head.extend_from_slice(b"\r\n");
    for (name, value) in &parts.headers {
        append_canonical(&mut head, name);
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    let mut waiting = Vec::new();
    record::put(&mut waiting, record::STDOUT, id, &head);
    // A complete page leaves with its head in one write; a streamed page is not delayed.
    let is_whole = body.size_hint().exact().is_some();
    loop {
        match body.frame().await {
            Some(Ok(frame)) => {
                record::put(&mut waiting, record::STDOUT, id, frame.data_ref().map_or(&[][..], |bytes| bytes));
                if !is_whole || waiting.len() >= limits::RESPONSE_CHUNK_BYTES_MAX {
                    write(writer, &waiting).await?;
                    waiting.clear();
                }
            }
            None => break,
            // The web server must notice the missing bytes, and the protocol has no message for that.
            Some(Err(error)) => return Err(Broken::Io(io::Error::other(error))),
        }
    }
    while let Ok(other) = refused.try_recv() {
        record::put_end(&mut waiting, other, EndStatus::CannotMultiplex);
    }
    record::put_one(&mut waiting, record::STDOUT, id, &[]);
    record::put_end(&mut waiting, id, EndStatus::Complete);
    write(writer, &waiting).await
}

async fn end<W: AsyncWrite + Unpin>(writer: &mut W, id: u16, status: EndStatus) -> Result<(), Broken> {
    let mut bytes = Vec::new();
    record::put_end(&mut bytes, id, status);
    write(writer, &bytes).await
}

async fn write<W: AsyncWrite + Unpin>(writer: &mut W, bytes: &[u8]) -> Result<(), Broken> {
    let limit = Duration::from_secs(limits::RESPONSE_WRITE_IDLE_SECONDS_MAX);
    tokio::time::timeout(limit, writer.write_all(bytes)).await.map_err(|_| Broken::TooSlow)?.map_err(Broken::Io)
}

/// Reads records. A cancelled read loses no bytes.
struct Records<R> {
    reader: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Records<R> {
    /// The next record; `None` when the web server has closed the connection.
    async fn next(&mut self) -> Result<Option<Record>, Broken> {
        loop {
            if let Some(record) = record::take(&mut self.buffer)? {
                return Ok(Some(record));
            }
            if self.reader.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(Broken::Ended) };
            }
        }
    }
}

/// How a request ended before its response.
enum Left {
    Aborted,
    Broken(Broken),
}

/// Passes the body to the request, and keeps reading to notice an abort by the web server. A client that closes only its
/// sending side gets its response, as from php-fpm; one that is gone looks the same until something is sent to it.
async fn pump<R: AsyncRead + Unpin>(
    records: &mut Records<R>,
    id: u16,
    body: mpsc::Sender<Piece>,
    refuse: mpsc::Sender<u16>,
    half_closed: &InterimSlot,
) -> Left {
    let mut body = Some(body);
    loop {
        let record = match records.next().await {
            Ok(Some(record)) => record,
            Ok(None) => {
                half_closed.hides_end();
                drop(body);
                // The waiter in the queue may have looked before, in this poll of the task.
                tokio::task::yield_now().await;
                return std::future::pending().await;
            }
            Err(error) => return Left::Broken(error),
        };
        match record.kind {
            record::ABORT_REQUEST if record.id == id => return Left::Aborted,
            // The answer to it comes with the response, whose records must stay whole.
            record::BEGIN_REQUEST if record.id != id && record.id != 0 => {
                let _ = refuse.try_send(record.id);
            }
            record::STDIN if record.id == id => {
                let Some(open) = &body else { continue };
                let is_end = record.content.is_empty();
                let piece = if is_end { Piece::End } else { Piece::Data(Bytes::from(record.content)) };
                // There is no reader once the script has read enough.
                if open.send(piece).await.is_err() || is_end {
                    body = None;
                }
            }
            _ => {}
        }
    }
}

/// A message from the connection to the script that reads the body.
enum Piece {
    Data(Bytes),
    End,
}

fn channel(announced: u64) -> (mpsc::Sender<Piece>, StdinBody) {
    let (sender, pieces) = mpsc::channel(limits::FASTCGI_BODY_RECORDS_WAITING_MAX);
    (sender, StdinBody { pieces, remaining: announced, is_ended: announced == 0 })
}

/// The body of a FastCGI request, of the length in `CONTENT_LENGTH`. Excess bytes are dropped, as by php-fpm.
struct StdinBody {
    pieces: mpsc::Receiver<Piece>,
    remaining: u64,
    is_ended: bool,
}

impl Body for StdinBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.is_ended || self.remaining == 0 {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(self.pieces.poll_recv(context)) {
            Some(Piece::Data(mut bytes)) => {
                bytes.truncate(usize::try_from(self.remaining).unwrap_or(usize::MAX));
                self.remaining -= bytes.len() as u64;
                Some(Ok(Frame::data(bytes)))
            }
            // The body is shorter than announced: a script must not process an incomplete form.
            Some(Piece::End) | None => {
                self.is_ended = true;
                Some(Err(io::Error::from(io::ErrorKind::UnexpectedEof)))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.is_ended || self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
