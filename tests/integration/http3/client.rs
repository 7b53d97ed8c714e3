//! An HTTP/3 client, of the crates h3 and quinn.

use super::super::common::{DEADLINE, Server};
use bytes::{Buf, Bytes};
use h3::client::{RequestStream, SendRequest};
use h3::error::{Code, StreamError};
use http::{HeaderMap, Request, Response, StatusCode};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Endpoint};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// An answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) head: HeaderMap,
    pub(super) body: Vec<u8>,
    /// Whether the server has ended it, and not broken it off.
    pub(super) is_whole: bool,
}

impl Answer {
    /// A field of the head, which must be there.
    pub(super) fn field(&self, name: &str) -> &str {
        self.head[name].to_str().expect("a text")
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a text")
    }
}

/// A connection to the host `a.example`, whose certificate is of the internal authority.
pub(super) struct Client {
    runtime: Runtime,
    endpoint: Endpoint,
    pub(super) connection: quinn::Connection,
    requests: SendRequest<h3_quinn::OpenStreams, Bytes>,
}

/// A request whose body is sent piece by piece.
pub(super) struct Exchange<'c> {
    client: &'c Client,
    stream: RequestStream<h3_quinn::BidiStream<Bytes>, Bytes>,
    is_wanted: bool,
}

/// What the client trusts, and that it would send early data.
fn tls(server: &Server) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_file(server.path("data/pki/authorities/local/root.crt"));
    roots.add(root.expect("the root")).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h3".to_vec()];
    config.enable_early_data = true;
    ClientConfig::new(Arc::new(QuicClientConfig::try_from(config).expect("a configuration for QUIC")))
}

impl Client {
    /// Connects when the server listens for HTTP/3.
    pub(super) fn connect(server: &Server) -> Self {
        server.wait_log(&["listening for HTTP/3"]);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (endpoint, connection, requests) = runtime.block_on(async {
            let mut endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).expect("a socket");
            endpoint.set_default_client_config(tls(server));
            let connecting = endpoint.connect(server.address(), "a.example").expect("an address");
            let connection = within(connecting).await.expect("a handshake");
            let (mut driver, requests) =
                h3::client::new(h3_quinn::Connection::new(connection.clone())).await.expect("HTTP/3");
            tokio::spawn(async move { std::future::poll_fn(|context| driver.poll_close(context)).await });
            (endpoint, connection, requests)
        });
        Self { runtime, endpoint, connection, requests }
    }

    /// Whether a second connection may send a request in its first packet.
    pub(super) fn has_early_data(&self, server: &Server) -> bool {
        self.runtime.block_on(async {
            let connecting = self.endpoint.connect(server.address(), "a.example").expect("an address");
            connecting.into_0rtt().is_ok()
        })
    }

    /// Sends the head of a request.
    pub(super) fn begin(&self, request: Request<()>) -> Exchange<'_> {
        let mut requests = self.requests.clone();
        let stream = self.runtime.block_on(within(requests.send_request(request))).expect("the request is sent");
        Exchange { client: self, stream, is_wanted: true }
    }

    pub(super) fn get(&self, path: &str) -> Answer {
        self.send(request("GET", path), b"")
    }

    pub(super) fn send(&self, request: Request<()>, body: &[u8]) -> Answer {
        let mut exchange = self.begin(request);
        for piece in body.chunks(16 << 10) {
            exchange.write(piece);
        }
        exchange.end()
    }

    /// Writes the bytes on a stream of both directions, without h3. Returns the code with which the server stops it.
    pub(super) fn attack(&self, pieces: impl Iterator<Item = Vec<u8>>) -> Option<u64> {
        self.runtime.block_on(async {
            let (mut stream, _receiver) = within(self.connection.open_bi()).await.expect("a stream");
            for piece in pieces {
                match within(stream.write_all(&piece)).await {
                    Ok(()) => {}
                    Err(quinn::WriteError::Stopped(code)) => return Some(code.into_inner()),
                    Err(error) => panic!("{error}"),
                }
            }
            None
        })
    }

    /// Sends the bytes on such a stream, and returns the answer.
    pub(super) fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        self.runtime.block_on(async {
            let (mut stream, mut receiver) = within(self.connection.open_bi()).await.expect("a stream");
            within(stream.write_all(bytes)).await.expect("the server reads");
            stream.finish().expect("the stream is open");
            within(receiver.read_to_end(1 << 20)).await.expect("an answer")
        })
    }

    /// Sends a stream that ends when another request has been answered, and returns whether its answer is whole.
    pub(super) fn raw_and_late_end(&self, bytes: &[u8]) -> bool {
        let (mut stream, mut receiver) = self.runtime.block_on(async {
            let (mut stream, receiver) = within(self.connection.open_bi()).await.expect("a stream");
            within(stream.write_all(bytes)).await.expect("the server reads");
            (stream, receiver)
        });
        self.get("/page.php");
        let _ = stream.finish();
        let answer = self.runtime.block_on(within(receiver.read_to_end(1 << 20)));
        answer.is_ok_and(|answer| !answer.is_empty())
    }

    /// From now on it neither sends nor receives: its socket cannot reach the server.
    pub(super) fn vanish(&self) {
        let socket = std::net::UdpSocket::bind((std::net::Ipv6Addr::LOCALHOST, 0)).expect("a socket");
        let _entered = self.runtime.enter();
        self.endpoint.rebind(socket).expect("another socket");
    }

    /// Sends a request with a part of a body, and cancels it in both directions.
    pub(super) fn begin_and_cancel(&self, path: &str) {
        let mut requests = self.requests.clone();
        self.runtime.block_on(async {
            // It fails when the server ends the connection.
            if let Ok(mut stream) = within(requests.send_request(request("POST", path))).await {
                let _ = within(stream.send_data(Bytes::from_static(b"part"))).await;
                stream.stop_sending(Code::H3_REQUEST_CANCELLED);
                stream.stop_stream(Code::H3_REQUEST_CANCELLED);
            }
        });
    }

    /// Waits until the server ends the connection, and returns its code.
    pub(super) fn end_code(&self) -> u64 {
        match self.runtime.block_on(within(self.connection.closed())) {
            quinn::ConnectionError::ApplicationClosed(close) => close.error_code.into_inner(),
            other => panic!("{other}"),
        }
    }
}

impl Drop for Client {
    /// Says goodbye: the server would wait for the word that its last answers have arrived.
    fn drop(&mut self) {
        self.connection.close(0x100_u32.into(), b"");
        self.runtime.block_on(self.endpoint.wait_idle());
    }
}

/// A request for `a.example`.
pub(super) fn request(method: &str, path: &str) -> Request<()> {
    let uri = format!("https://a.example{path}");
    Request::builder().method(method).uri(uri).body(()).expect("a request")
}

async fn within<T>(doing: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, doing).await.expect("the server is in time")
}

impl Exchange<'_> {
    /// Sends a piece of the body, unless the server has said that it does not want the rest.
    pub(super) fn write(&mut self, piece: &[u8]) {
        if self.is_wanted {
            let data = Bytes::copy_from_slice(piece);
            self.is_wanted = self.client.runtime.block_on(within(self.stream.send_data(data))).is_ok();
        }
    }

    /// Ends the request.
    pub(super) fn finish(&mut self) {
        self.client.runtime.block_on(within(self.stream.finish())).expect("the request is sent");
    }

    pub(super) fn status(&mut self) -> StatusCode {
        self.head().status()
    }

    /// The next head of an answer, which may be informational.
    pub(super) fn head(&mut self) -> Response<()> {
        self.client.runtime.block_on(within(self.stream.recv_response())).expect("an answer")
    }

    /// The next bytes of the answer.
    pub(super) fn read(&mut self) -> Vec<u8> {
        let data = self.client.runtime.block_on(within(self.stream.recv_data())).expect("an answer");
        data.map_or_else(Vec::new, |mut data| data.copy_to_bytes(data.remaining()).to_vec())
    }

    /// Ends the request, and reads the rest of an answer whose head was read.
    pub(super) fn rest(mut self) -> (Vec<u8>, bool) {
        let client = self.client;
        client.runtime.block_on(async {
            if self.is_wanted {
                let _ = within(self.stream.finish()).await;
            }
            let mut body = Vec::new();
            loop {
                match within(self.stream.recv_data()).await {
                    Ok(Some(data)) => body.extend_from_slice(data.chunk()),
                    Ok(None) => return (body, true),
                    Err(_) => return (body, false),
                }
            }
        })
    }

    /// Ends the request, and reads the answer.
    pub(super) fn end(self) -> Answer {
        self.answer().unwrap_or_else(|error| panic!("an answer: {error}"))
    }

    /// Like [`end`](Self::end); `None`: the server has refused the request without an answer.
    pub(super) fn try_end(self) -> Option<Answer> {
        self.answer().ok()
    }

    fn answer(mut self) -> Result<Answer, StreamError> {
        let client = self.client;
        let head = client.runtime.block_on(async {
            if self.is_wanted {
                let _ = within(self.stream.finish()).await;
            }
            within(self.stream.recv_response()).await
        })?;
        let (body, is_whole) = self.rest();
        Ok(Answer { status: head.status(), head: head.headers().clone(), body, is_whole })
    }

    /// Cancels the request, as a browser does when its page is closed.
    pub(super) fn cancel(mut self) {
        let _entered = self.client.runtime.enter();
        self.stream.stop_sending(Code::H3_REQUEST_CANCELLED);
    }
}
