use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Request;
use http_body_util::{BodyExt, Empty, Full};
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::*;
use crate::config::{CookiePolicy, HealthCheck, LoadPolicy};
use crate::http::connection::ConnectionInfo;

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(30), future).await.expect("it ends within its deadline")
    })
}

/// An upstream that reads a head on each connection, and leaves the rest to `act`.
async fn upstream<F>(act: impl Fn(TcpStream, String) -> F + Send + 'static) -> UpstreamAddress
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address: SocketAddr = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => head.push(byte),
                    Err(_) => break,
                }
            }
            tokio::spawn(act(stream, String::from_utf8_lossy(&head).into_owned()));
        }
    });
    UpstreamAddress::Tcp { host: "127.0.0.1".to_owned(), port: address.port() }
}

async fn answering(text: &'static str) -> UpstreamAddress {
    upstream(move |mut stream, _| async move {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}", text.len());
        let _ = stream.write_all(answer.as_bytes()).await;
    })
    .await
}

/// An upstream that speaks h2c, and says what it was asked. It counts its connections, and ends one after `/bye`.
async fn speaking_http2(connections: Arc<AtomicUsize>) -> UpstreamAddress {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            connections.fetch_add(1, Ordering::AcqRel);
            let says = service_fn(|request: Request<Incoming>| async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await?;
                let trailer = body.trailers().and_then(|trailers| trailers.get("x-sum").cloned());
                let text = format!("{} {:?} {}", parts.uri, parts.headers, String::from_utf8_lossy(&body.to_bytes()));
                let mut trailers = http::HeaderMap::new();
                trailers.extend(trailer.map(|sum| (http::HeaderName::from_static("x-sum"), sum)));
                let body = Full::new(Bytes::from(text)).with_trailers(async move { Some(Ok(trailers)) });
                Ok::<_, hyper::Error>(Response::new(body))
            });
            let ends = Arc::new(tokio::sync::Notify::new());
            let bye = Arc::clone(&ends);
            let service = service_fn(move |request: Request<Incoming>| {
                if request.uri().path() == "/bye" {
                    bye.notify_one();
                }
                says.call(request)
            });
            let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service);
            tokio::spawn(async move {
                let mut connection = std::pin::pin!(connection);
                tokio::select! {
                    _ = &mut connection => return,
                    () = ends.notified() => connection.as_mut().graceful_shutdown(),
                }
                drop(connection.await);
            });
        }
    });
    UpstreamAddress::Tcp { host: "127.0.0.1".to_owned(), port }
}

#[test]
fn h2c_requests_share_a_connection() {
    run(async {
        let connections = Arc::<AtomicUsize>::default();
        let upstream = speaking_http2(Arc::clone(&connections)).await;
        let proxy =
            Proxy::new(ProxySettings { versions: UpstreamVersions::H2c, ..ProxySettings::new(vec![upstream.clone()]) });
        let first = text(send(&proxy).await.expect("an answer")).await;
        assert!(first.starts_with("http://a.test/a?b=1 ") && !first.contains("\"host\""), "{first}");
        let ask = |proxy: Proxy| tokio::spawn(async move { text(send(&proxy).await.expect("an answer")).await });
        let others: Vec<_> = (0..20).map(|_| ask(proxy.clone())).collect();
        for other in others {
            assert_eq!(other.await.expect("no panic"), first);
        }
        assert_eq!(connections.load(Ordering::Acquire), 1);

        // Bodies and trailers pass in both directions; an upgrade that HTTP/2 does not have is left out.
        let trailers = http::HeaderMap::from_iter([("x-sum".parse().expect("a name"), HeaderValue::from_static("6"))]);
        let body = Full::new(Bytes::from_static(b"123")).with_trailers(async move { Some(Ok(trailers)) });
        let request = Request::post("/").header("connection", "upgrade").header("upgrade", "websocket");
        let parts = request.body(()).expect("a request").into_parts().0;
        let sent = proxy.send(&sender(), parts, Box::pin(body), |_, _| ()).await.expect("an answer");
        assert_eq!(sent.version(), Version::HTTP_11);
        let body = sent.into_body().collect().await.expect("a whole body");
        assert_eq!(body.trailers().and_then(|trailers| trailers.get("x-sum")), Some(&HeaderValue::from_static("6")));
        let text_of = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        assert!(text_of.starts_with(&format!("http://{upstream}/ ")) && text_of.ends_with("123"), "{text_of}");
        assert!(!text_of.contains("upgrade"), "{text_of}");

        // A connection that the upstream has ended is replaced.
        let parts = Request::get("/bye").body(()).expect("a request").into_parts().0;
        let sent = proxy.send(&sender(), parts, Empty::<Bytes>::new(), |_, _| ()).await.expect("an answer");
        text(sent).await;
        // Its last words may still be on their way.
        while connections.load(Ordering::Acquire) == 1 {
            assert_eq!(text(send(&proxy).await.expect("an answer")).await, first);
        }
        assert_eq!(connections.load(Ordering::Acquire), 2);
    });
}

/// An encrypted upstream with these protocols, which says by which one it was asked, and counts its connections.
async fn encrypted(protocols: &[&str], connections: Arc<AtomicUsize>) -> UpstreamAddress {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.expect("versions").with_no_client_auth();
    let mut config = builder.with_single_cert(vec![made.cert.der().clone()], key).expect("a configuration");
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            connections.fetch_add(1, Ordering::AcqRel);
            let says = service_fn(|request: Request<Incoming>| async move {
                let host = request.headers().get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
                let text = format!("{:?} {} {host}", request.version(), request.uri());
                Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from(text))))
            });
            let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let stream = TokioIo::new(stream);
            tokio::spawn(async move {
                use hyper::server::conn::{http1, http2};
                if is_http2 {
                    drop(http2::Builder::new(TokioExecutor::new()).serve_connection(stream, says).await);
                } else {
                    drop(http1::Builder::new().serve_connection(stream, says).await);
                }
            });
        }
    });
    UpstreamAddress::Tcp { host: "localhost".to_owned(), port }
}

#[test]
fn the_handshake_decides_between_http2_and_http1() {
    use UpstreamVersions::{Http1, Http2, Usual};
    const BY_HTTP1: Option<&str> = Some("HTTP/1.1 /a?b=1 a.test");
    const BY_HTTP2: Option<&str> = Some("HTTP/2.0 https://a.test/a?b=1 ");
    run(async {
        for (versions, offered, expected) in [
            (Usual, &["h2", "http/1.1"][..], BY_HTTP2),
            (Usual, &["http/1.1"], BY_HTTP1),
            (Usual, &[], BY_HTTP1),
            (Http1, &["h2", "http/1.1"], BY_HTTP1),
            (Http2, &["h2"], BY_HTTP2),
            (Http2, &["http/1.1"], None),
        ] {
            let connections = Arc::<AtomicUsize>::default();
            let upstream = encrypted(offered, Arc::clone(&connections)).await;
            let tls = Some(crate::config::UpstreamTls { insecure: true, ..Default::default() });
            let proxy = Proxy::new(ProxySettings { tls, versions, ..ProxySettings::new(vec![upstream]) });
            for _ in 0..3 {
                let answer = match send(&proxy).await {
                    Ok(answer) => Some(text(answer).await),
                    Err(error) => {
                        assert_eq!(error.status(), StatusCode::BAD_GATEWAY);
                        None
                    }
                };
                assert_eq!(answer.as_deref(), expected, "{versions:?} {offered:?}");
            }
            if expected == BY_HTTP2 {
                assert_eq!(connections.load(Ordering::Acquire), 1, "{versions:?}: they share a connection");
            }
        }
    });
}

#[test]
fn an_h2c_upstream_that_fails_has_its_status() {
    run(async {
        let h2c = |address| ProxySettings { versions: UpstreamVersions::H2c, ..ProxySettings::new(vec![address]) };
        let refused = send(&Proxy::new(h2c(refusing().await))).await;
        assert_eq!(refused.err().map(|error| error.status()), Some(StatusCode::BAD_GATEWAY));
        // It answers by HTTP/1.1.
        let other = send(&Proxy::new(h2c(answering("text").await))).await;
        assert_eq!(other.err().map(|error| error.status()), Some(StatusCode::BAD_GATEWAY));
        let hanging = upstream(|stream, _| async move {
            std::future::pending::<()>().await;
            drop(stream);
        })
        .await;
        let limit = Some(Duration::from_millis(50));
        let hangs = send(&Proxy::new(ProxySettings { response_timeout: limit, ..h2c(hanging) })).await;
        assert_eq!(hangs.err().map(|error| error.status()), Some(StatusCode::GATEWAY_TIMEOUT));
    });
}

#[test]
fn h2c_upstreams_are_checked_by_h2c() {
    run(async {
        let good = speaking_http2(Arc::default()).await;
        let bad = answering("HTTP/1.1").await;
        let health = HealthCheck {
            uri: "/health".to_owned(),
            port: None,
            interval: Duration::from_millis(5),
            timeout: Duration::from_secs(5),
            status: None,
        };
        let settings = ProxySettings {
            versions: UpstreamVersions::H2c,
            health: Some(health),
            ..ProxySettings::new(vec![bad, good])
        };
        let proxy = Proxy::new(ProxySettings { policy: LoadPolicy::First, ..settings });
        // Until the first check has ended, both count as healthy.
        while send(&proxy).await.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for _ in 0..20 {
            assert!(text(send(&proxy).await.expect("an answer")).await.starts_with("http://a.test/"));
        }
    });
}

/// It is bound and does not listen: no other program gets the port while the test runs.
async fn refusing() -> UpstreamAddress {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
    let port = socket.local_addr().expect("an address").port();
    std::mem::forget(socket);
    UpstreamAddress::Tcp { host: "127.0.0.1".to_owned(), port }
}

fn sender() -> Sender {
    let connection = ConnectionInfo::default();
    Sender {
        connection,
        client_ip: connection.remote.ip(),
        is_trusted: false,
        body_bytes_max: u64::MAX,
        body_read_max: None,
    }
}

async fn send(proxy: &Proxy) -> Result<Response<ResponseBody>, ProxyError> {
    let parts = Request::get("/a?b=1").header("host", "a.test").body(()).expect("a request").into_parts().0;
    proxy.send(&sender(), parts, Empty::<Bytes>::new(), |_, _| ()).await
}

async fn text(response: Response<ResponseBody>) -> String {
    let bytes = response.into_body().collect().await.expect("a whole body").to_bytes();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn a_request_and_its_answer_go_through() {
    run(async {
        let echo = upstream(|mut stream, head| async move {
            let mut body = vec![0; 4];
            stream.read_exact(&mut body).await.expect("the body");
            let answer = format!("{head}{}", String::from_utf8_lossy(&body));
            let head =
                format!("HTTP/1.1 201 Created\r\nContent-Length: {}\r\nX-A: 1\r\nKeep-Alive: 5\r\n\r\n", answer.len());
            stream.write_all(format!("{head}{answer}").as_bytes()).await.expect("it is taken");
        })
        .await;
        let proxy = Proxy::new(ProxySettings::new(vec![echo.clone()]));
        let request = Request::post("/a?b=1").header("host", "a.test").header("content-length", "4");
        let parts = request.body(()).expect("a request").into_parts().0;
        let prepare = |parts: &mut request::Parts, upstream: &UpstreamAddress| {
            parts.headers.insert("x-upstream", upstream.to_string().parse().expect("a value"));
        };
        let body = Full::new(Bytes::from_static(b"body"));
        let sent = proxy.send(&sender(), parts, body, prepare).await.expect("an answer");
        assert_eq!(sent.status(), StatusCode::CREATED);
        assert!(sent.headers().contains_key("x-a") && !sent.headers().contains_key("keep-alive"));
        let text = text(sent).await;
        assert!(text.starts_with("POST /a?b=1 HTTP/1.1\r\n") && text.ends_with("\r\n\r\nbody"), "{text}");
        assert!(text.contains("host: a.test\r\n") && text.contains(&format!("x-upstream: {echo}\r\n")), "{text}");
    });
}

#[test]
fn an_upstream_that_fails_has_its_status() {
    run(async {
        let refused = Proxy::new(ProxySettings::new(vec![refusing().await]));
        assert_eq!(send(&refused).await.err().map(|error| error.status()), Some(StatusCode::BAD_GATEWAY));
        let resetting = upstream(|stream, _| async move { drop(stream) }).await;
        let reset = Proxy::new(ProxySettings::new(vec![resetting]));
        assert_eq!(send(&reset).await.err().map(|error| error.status()), Some(StatusCode::BAD_GATEWAY));
        let hanging = upstream(|stream, _| async move {
            std::future::pending::<()>().await;
            drop(stream);
        })
        .await;
        let limit = Some(Duration::from_millis(50));
        let hangs = Proxy::new(ProxySettings { response_timeout: limit, ..ProxySettings::new(vec![hanging]) });
        assert_eq!(send(&hangs).await.err().map(|error| error.status()), Some(StatusCode::GATEWAY_TIMEOUT));
    });
}

#[test]
fn half_an_answer_is_no_whole_one() {
    run(async {
        for ends in [true, false] {
            let half = upstream(move |mut stream, _| async move {
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").await.expect("it is taken");
                if !ends {
                    std::future::pending::<()>().await;
                }
            })
            .await;
            let read_timeout = Some(Duration::from_millis(50));
            let proxy = Proxy::new(ProxySettings { read_timeout, ..ProxySettings::new(vec![half]) });
            let sent = send(&proxy).await.expect("a head");
            assert_eq!(sent.headers()["content-length"], "100");
            assert!(sent.into_body().collect().await.is_err(), "it ended well");
        }
    });
}

#[test]
fn a_failed_upstream_is_left_out_for_a_while() {
    run(async {
        let (bad, good) = (refusing().await, answering("good").await);
        let proxy = Proxy::new(ProxySettings {
            policy: LoadPolicy::First,
            fail_duration: Duration::from_secs(60),
            try_duration: Duration::from_secs(5),
            try_interval: Duration::from_millis(1),
            ..ProxySettings::new(vec![bad, good])
        });
        for _ in 0..3 {
            let sent = send(&proxy).await.expect("an answer");
            assert_eq!(text(sent).await, "good");
        }
        let (one, only_bad) = (refusing().await, Duration::from_secs(60));
        let proxy = Proxy::new(ProxySettings { fail_duration: only_bad, ..ProxySettings::new(vec![one]) });
        assert_eq!(send(&proxy).await.err().map(|error| error.status()), Some(StatusCode::BAD_GATEWAY));
        assert_eq!(send(&proxy).await.err().map(|error| error.status()), Some(StatusCode::SERVICE_UNAVAILABLE));
    });
}

async fn send_with(proxy: &Proxy, sender: &Sender, fields: &[(&str, &str)]) -> (String, Option<String>) {
    let request = fields.iter().fold(Request::get("/"), |request, (name, value)| request.header(*name, *value));
    let parts = request.body(()).expect("a request").into_parts().0;
    let mut sent = proxy.send(sender, parts, Empty::<Bytes>::new(), |_, _| ()).await.expect("an answer");
    let cookie = sent.extensions_mut().remove::<SetCookie>().map(|SetCookie(value)| value);
    (text(sent).await, cookie.map(|value| value.to_str().expect("text").to_owned()))
}

#[test]
fn a_cookie_keeps_the_upstream_of_a_client() {
    run(async {
        let upstreams = vec![answering("a").await, answering("b").await];
        let cookie = |secret: &str, max_age| CookiePolicy { name: "lb".to_owned(), secret: secret.to_owned(), max_age };
        let settings = |cookie| ProxySettings {
            policy: LoadPolicy::Cookie(cookie),
            fallback: LoadPolicy::RoundRobin,
            ..ProxySettings::new(upstreams.clone())
        };
        let proxy = Proxy::new(settings(cookie("secret", None)));
        let mut values = Vec::new();
        for expected in ["a", "b"] {
            let (answer, field) = send_with(&proxy, &sender(), &[]).await;
            assert_eq!(answer, expected, "clients without the cookie take turns");
            let field = field.expect("a new client gets the cookie");
            let (value, attributes) = field.strip_prefix("lb=").and_then(|field| field.split_once(';')).expect("lb");
            assert_eq!((value.len(), attributes), (64, " Path=/; HttpOnly; SameSite=Lax"));
            values.push(value.to_owned());
        }
        for (value, upstream) in values.iter().zip(["a", "b"]).cycle().take(6) {
            let line = format!("other=1; lb={value}");
            assert_eq!(send_with(&proxy, &sender(), &[("cookie", &line)]).await, (upstream.to_owned(), None));
        }
        // The value of another secret, and none at all, name no upstream.
        let other = Proxy::new(settings(cookie("other", Some(Duration::from_secs(3600)))));
        for line in [format!("lb={}", values[0]), "lb=xyz".to_owned(), "lb=é".to_owned()] {
            let (_, field) = send_with(&other, &sender(), &[("cookie", &line)]).await;
            let field = field.expect("a client with a wrong cookie gets a right one");
            assert!(field.contains("; Max-Age=3600;") && !field.contains(&values[0]), "{field}");
        }
        let (_, field) = send_with(&proxy, &sender(), &[("x-forwarded-proto", "https")]).await;
        assert!(field.is_some_and(|field| field.ends_with("SameSite=Lax")), "anyone can send that field");
        let trusted = Sender { is_trusted: true, ..sender() };
        let (_, field) = send_with(&proxy, &trusted, &[("x-forwarded-proto", "https")]).await;
        assert!(field.is_some_and(|field| field.ends_with("; HttpOnly; Secure; SameSite=None")));
        assert!(!format!("{:?}", settings(cookie("secret", None))).contains("secret"));
    });
}

#[test]
fn policies_share_out() {
    run(async {
        let upstreams = vec![answering("a").await, answering("b").await];
        let proxy =
            Proxy::new(ProxySettings { policy: LoadPolicy::RoundRobin, ..ProxySettings::new(upstreams.clone()) });
        let mut seen = String::new();
        for _ in 0..4 {
            seen.push_str(&text(send(&proxy).await.expect("an answer")).await);
        }
        assert!(seen == "abab" || seen == "baba", "{seen}");
        for policy in [LoadPolicy::UriHash, LoadPolicy::IpHash, LoadPolicy::Header("host".to_owned())] {
            let proxy = Proxy::new(ProxySettings { policy, ..ProxySettings::new(upstreams.clone()) });
            let first = text(send(&proxy).await.expect("an answer")).await;
            for _ in 0..4 {
                assert_eq!(text(send(&proxy).await.expect("an answer")).await, first);
            }
        }
        let weighted = LoadPolicy::WeightedRoundRobin(vec![3, 1]);
        let proxy = Proxy::new(ProxySettings { policy: weighted, ..ProxySettings::new(upstreams.clone()) });
        let mut seen = String::new();
        for _ in 0..8 {
            seen.push_str(&text(send(&proxy).await.expect("an answer")).await);
        }
        assert_eq!(seen, "aaabaaab");
        // Without the field or the parameter, the fallback decides.
        for policy in [LoadPolicy::Header("x-none".to_owned()), LoadPolicy::Query("none".to_owned())] {
            let fallback = LoadPolicy::First;
            let proxy = Proxy::new(ProxySettings { policy, fallback, ..ProxySettings::new(upstreams.clone()) });
            for _ in 0..4 {
                assert_eq!(text(send(&proxy).await.expect("an answer")).await, "a");
            }
        }
        let busy = Proxy::new(ProxySettings { max_requests: 1, ..ProxySettings::new(vec![upstreams[0].clone()]) });
        let held = send(&busy).await.expect("an answer");
        assert!(matches!(send(&busy).await.err(), Some(ProxyError::NoneAvailable)));
        drop(held);
        assert!(send(&busy).await.is_ok());
    });
}
