//! HTTP/3, by quinn and h3: experimental.
//!
//! A listener with encrypted sites and `protocols h3` has a UDP socket beside its TCP socket, with the same address. Only
//! this folder knows of QUIC: a request becomes the same as on the other versions, and ends in the same exchange.
//!
//! Clients learn of it by `Alt-Svc` in responses over TCP, which appears once the socket is open. A socket that cannot be
//! opened is an error in the log, and the site is served without HTTP/3: no client depends on it.

mod body;
mod connection;
mod frames;
mod transport;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, EndpointConfig, IdleTimeout, ServerConfig, TokioRuntime, TransportConfig, VarInt};
use tokio::sync::{Semaphore, watch};

use self::connection::Connection;
use super::connection::ConnectionInfo;
use super::phase::{ListenerSettings, Phase};
use super::service::HttpService;
use crate::{limits, sockets};

/// The value of `Alt-Svc`; `None`: HTTP/3 is not spoken now.
pub(super) type Advertised = Option<HeaderValue>;

/// The task of a listener's UDP socket.
pub(super) struct Http3 {
    /// Of the TCP socket.
    pub(super) address: SocketAddr,
    pub(super) settings: watch::Receiver<ListenerSettings>,
    pub(super) services: watch::Receiver<HttpService>,
    pub(super) phases: watch::Receiver<Phase>,
    /// Those of all connections of the listener.
    pub(super) places: Arc<Semaphore>,
    pub(super) advertised: watch::Sender<Advertised>,
}

impl Http3 {
    /// Ends when the listener stops. The connections go on in tasks of their own.
    pub(super) async fn run(mut self) {
        let mut endpoint: Option<Endpoint> = None;
        let unproven = Arc::new(Semaphore::new(limits::HTTP3_HANDSHAKES_UNPROVEN_MAX));
        let mut phases = self.phases.clone();
        loop {
            let settings = self.settings.borrow_and_update().clone();
            self.adjust(&mut endpoint, &settings);
            let is_changed = loop {
                tokio::select! {
                    biased;
                    // Also if the `RunningListener` was dropped.
                    _ = phases.wait_for(|phase| *phase != Phase::Serving) => break false,
                    changed = self.settings.changed() => break changed.is_ok(),
                    incoming = next(endpoint.as_ref()) => match incoming {
                        Some(incoming) => self.begin(incoming, &settings, &unproven),
                        None => endpoint = None,
                    },
                }
            };
            if !is_changed {
                break;
            }
        }
        if let Some(endpoint) = endpoint {
            // Refuses new connections.
            endpoint.set_server_config(None);
        }
    }

    /// Opens the socket, changes the settings of new connections, or refuses them.
    fn adjust(&self, endpoint: &mut Option<Endpoint>, settings: &ListenerSettings) {
        let config = match server_config(settings) {
            Ok(config) => config,
            Err(reason) => {
                tracing::error!(address = %self.address, "HTTP/3 is not spoken here: {reason}");
                None
            }
        };
        let is_wanted = config.is_some();
        match endpoint {
            Some(open) => open.set_server_config(config),
            None if is_wanted => match open(self.address, config) {
                Ok(open) => {
                    tracing::info!(address = %self.address, "listening for HTTP/3, which is experimental");
                    *endpoint = Some(open);
                }
                Err(error) => tracing::error!(
                    address = %self.address,
                    "opening the UDP socket of HTTP/3: {error}; clients use HTTP/2, and a reload tries again"
                ),
            },
            None => {}
        }
        let value = format!("h3=\":{}\"; ma={}", self.address.port(), limits::HTTP3_ADVERTISED_SECONDS);
        let is_open = is_wanted && endpoint.is_some();
        self.advertised.send_replace(HeaderValue::try_from(value).ok().filter(|_| is_open));
    }

    /// Serves a connection if there is room.
    fn begin(&self, incoming: quinn::Incoming, settings: &ListenerSettings, unproven: &Arc<Semaphore>) {
        let guard = Arc::clone(unproven).try_acquire_owned().ok();
        // Costs a forger's victim nothing, and this server no memory.
        if guard.is_none() && incoming.may_retry() {
            let _ = incoming.retry();
            return;
        }
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            incoming.refuse();
            return;
        };
        let ip = incoming.local_ip().unwrap_or(self.address.ip());
        let local = SocketAddr::new(ip.to_canonical(), self.address.port());
        let connection = Connection {
            info: ConnectionInfo { remote: incoming.remote_address(), local, tls: true },
            incoming,
            settings: settings.clone(),
            services: self.services.clone(),
            phases: self.phases.clone(),
            unproven: guard,
        };
        tokio::spawn(async move {
            connection.serve().await;
            drop(place);
        });
    }
}

/// The next connection; never, without a socket.
async fn next(endpoint: Option<&Endpoint>) -> Option<quinn::Incoming> {
    match endpoint {
        Some(endpoint) => endpoint.accept().await,
        None => std::future::pending().await,
    }
}

fn open(address: SocketAddr, config: Option<ServerConfig>) -> std::io::Result<Endpoint> {
    let socket = sockets::udp(address)?;
    Endpoint::new(EndpointConfig::default(), config, socket, Arc::new(TokioRuntime))
}

/// The settings of new connections; `None`: HTTP/3 is not wanted.
fn server_config(settings: &ListenerSettings) -> Result<Option<ServerConfig>, String> {
    let Some(tls) = settings.tls.as_ref().filter(|_| settings.h3) else { return Ok(None) };
    if settings.proxy_protocol.is_some() {
        return Err("the PROXY protocol, which `listener_wrappers` asks for, is for TCP".to_owned());
    }
    let crypto = QuicServerConfig::try_from(tls.http3()?).map_err(|error| error.to_string())?;
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config
        .max_incoming(limits::HTTP3_HANDSHAKES_WAITING_MAX)
        .incoming_buffer_size(limits::HTTP3_HANDSHAKE_BYTES_MAX)
        .incoming_buffer_size_total(limits::HTTP3_HANDSHAKES_BYTES_MAX)
        .transport_config(Arc::new(transport_config()));
    Ok(Some(config))
}

fn transport_config() -> TransportConfig {
    let mut config = TransportConfig::default();
    // A client that has gone without a word. Whether a connection rests is for `stall` to judge, as with HTTP/2.
    let gone = VarInt::from_u32(limits::HTTP3_GONE_MS);
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(limits::HTTP2_STREAMS_MAX))
        .max_concurrent_uni_streams(VarInt::from_u32(limits::HTTP3_CONTROL_STREAMS_MAX))
        .stream_receive_window(VarInt::from_u32(limits::HTTP2_STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(limits::HTTP2_CONNECTION_WINDOW_BYTES))
        .send_window(limits::HTTP3_SEND_BUFFER_BYTES_MAX)
        .max_idle_timeout(Some(IdleTimeout::from(gone)))
        .keep_alive_interval(Some(Duration::from_millis(u64::from(limits::HTTP3_GONE_MS) / 3)))
        .datagram_receive_buffer_size(None);
    config
}
