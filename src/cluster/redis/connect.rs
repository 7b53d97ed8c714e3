//! The way to the server: its address, or the Sentinels that know it.

use crate::cluster::engine::EngineError;
use crate::cluster::secrets;
use crate::config::{Credentials, EngineAddress, EngineSettings};
use redis::aio::{AsyncPushSender, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, IntoConnectionInfo, ProtocolVersion,
    RedisConnectionInfo, RedisError, TlsCertificates,
};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// A failure, without addresses and credentials.
#[derive(Debug)]
pub(super) struct Failure(pub(super) EngineError);

impl From<RedisError> for Failure {
    /// Without the address, which may hold a password.
    fn from(error: RedisError) -> Self {
        let detail = error.detail().unwrap_or_default();
        Self(EngineError(if error.is_io_error() { error.to_string() } else { format!("{:?}: {detail}", error.kind()) }))
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Self(error)
    }
}

/// How connections are made.
pub(super) struct Way {
    settings: EngineSettings,
    /// The Sentinel to ask.
    sentinel: usize,
    /// The third has messages beside the answers.
    protocol: ProtocolVersion,
}

impl Way {
    pub(super) fn new(settings: &EngineSettings) -> Self {
        Self { settings: settings.clone(), sentinel: 0, protocol: ProtocolVersion::RESP2 }
    }

    /// For connections on which the server also sends news.
    pub(super) fn with_news(settings: &EngineSettings) -> Self {
        Self { protocol: ProtocolVersion::RESP3, ..Self::new(settings) }
    }

    /// Uses other settings for the next connections.
    pub(super) fn configure(&mut self, settings: &EngineSettings) {
        self.settings = settings.clone();
    }

    /// A connection, each step of which ends within `bound`.
    pub(super) async fn connect(&mut self, bound: Duration) -> Result<MultiplexedConnection, Failure> {
        let client = self.client(bound).await?;
        Ok(client.get_multiplexed_async_connection_with_config(&bounded(bound)).await?)
    }

    /// The same, on which `hear` is called with each message, in the order of the answers.
    pub(super) async fn connect_hearing(
        &mut self,
        bound: Duration,
        hear: impl AsyncPushSender,
    ) -> Result<MultiplexedConnection, Failure> {
        let client = self.client(bound).await?;
        let config = bounded(bound).set_push_sender(hear);
        Ok(client.get_multiplexed_async_connection_with_config(&config).await?)
    }

    /// A client of the server, or of the primary.
    pub(super) async fn client(&mut self, bound: Duration) -> Result<Client, Failure> {
        match self.settings.address.clone() {
            EngineAddress::Sentinel { tls, sentinels, service, number, credentials } => {
                let address = self.primary(&sentinels, tls, &service, bound).await?;
                let server = self.known_as(RedisConnectionInfo::default().set_db(number), &credentials)?;
                self.open(address, tls, server)
            }
            EngineAddress::Redis(url) => {
                let info = url.0.as_str().into_connection_info()?;
                let server = self.known_as(info.redis_settings().clone(), &Credentials::default())?;
                let info = info.set_redis_settings(server);
                match info.addr() {
                    ConnectionAddr::TcpTls { .. } => Ok(Client::build_with_tls(info, self.certificates()?)?),
                    _ => Ok(Client::open(info)?),
                }
            }
            EngineAddress::Etcd { .. } | EngineAddress::Nats { .. } => {
                Err(EngineError("this is no Redis".to_owned()).into())
            }
        }
    }

    /// The address of the primary, as the first Sentinel that answers knows it. All are asked within the bound.
    async fn primary(
        &mut self,
        sentinels: &[(String, u16)],
        tls: bool,
        service: &str,
        bound: Duration,
    ) -> Result<(String, u16), Failure> {
        let mut failed = None;
        for _ in sentinels {
            let address = sentinels[self.sentinel % sentinels.len()].clone();
            // The next connection asks the next one, whether this one fails or knows an old primary.
            self.sentinel = self.sentinel.wrapping_add(1);
            let sentinel = self.open(address, tls, self.known_to_sentinels()?)?;
            // One part is left for the server itself.
            match primary_of(&sentinel, service, bound / (sentinels.len() as u32 + 1)).await {
                Ok(primary) => return Ok(primary),
                Err(failure) => failed = Some(failure),
            }
        }
        Err(failed.unwrap_or_else(|| EngineError("no Sentinel is named".to_owned()).into()))
    }

    /// A client of the server at this address.
    fn open(&self, (host, port): (String, u16), tls: bool, user: RedisConnectionInfo) -> Result<Client, Failure> {
        if !tls {
            return Ok(Client::open(ConnectionAddr::Tcp(host, port).into_connection_info()?.set_redis_settings(user))?);
        }
        let address = ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None };
        Ok(Client::build_with_tls(address.into_connection_info()?.set_redis_settings(user), self.certificates()?)?)
    }

    /// User and password of the Sentinels themselves.
    fn known_to_sentinels(&self) -> Result<RedisConnectionInfo, Failure> {
        let server = RedisConnectionInfo::default();
        let Some((path, user)) = &self.settings.sentinel_password else { return Ok(server) };
        let server = server.set_password(secrets::of_line(path)?);
        Ok(if let Some(user) = user { server.set_username(user) } else { server })
    }

    /// Adds user and password.
    fn known_as(&self, mut server: RedisConnectionInfo, user: &Credentials) -> Result<RedisConnectionInfo, Failure> {
        server = server.set_protocol(self.protocol);
        if let Some(user) = &user.user {
            server = server.set_username(user);
        }
        if let Some(password) = secrets::password(&self.settings, user)? {
            server = server.set_password(password);
        }
        Ok(server)
    }

    fn certificates(&self) -> Result<TlsCertificates, Failure> {
        let client_tls = match &self.settings.certificate {
            None => None,
            Some((certificate, key)) => {
                Some(ClientTlsConfig { client_cert: file(certificate)?, client_key: file(key)? })
            }
        };
        Ok(TlsCertificates { client_tls, root_cert: self.settings.authority.as_deref().map(file).transpose()? })
    }
}

fn bounded(bound: Duration) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new().set_connection_timeout(Some(bound)).set_response_timeout(Some(bound))
}

fn file(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure(EngineError(format!("{}: {error}", path.display()))))
}

/// The address of the primary, as this Sentinel knows it. One that was replaced ends its connections itself.
async fn primary_of(sentinel: &Client, service: &str, bound: Duration) -> Result<(String, u16), Failure> {
    let mut connection = sentinel.get_multiplexed_async_connection_with_config(&bounded(bound)).await?;
    let mut question = redis::cmd("SENTINEL");
    question.arg("get-master-addr-by-name").arg(service);
    let found: Option<(String, u16)> = question.query_async(&mut connection).await?;
    found.ok_or_else(|| EngineError(format!("Sentinel knows no service `{service}`")).into())
}
