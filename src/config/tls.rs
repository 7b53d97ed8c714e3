//! The settings of encryption: the `tls` directive of a site, and those of the process.

use std::path::PathBuf;
use std::time::Duration;

use super::limits;

/// How the HTTPS addresses of one site are encrypted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// Where the certificates come from.
    pub certificates: CertificateSource,
    /// The oldest version that is accepted.
    pub version_min: TlsVersion,
    /// The newest version that is accepted.
    pub version_max: TlsVersionMax,
    /// The cipher suites of TLS 1.2 by their IANA names, in order of preference. Empty: the library's choice.
    pub ciphers: Vec<String>,
    /// The key exchange groups, in order of preference. Empty: the library's choice.
    pub curves: Vec<String>,
    /// The application protocols that are offered. Empty: those that the listener speaks.
    pub alpn: Vec<String>,
    /// Whether clients show certificates.
    pub client_auth: Option<ClientAuth>,
    /// Whether certificates are obtained when a client first names a host.
    pub on_demand: bool,
}

impl TlsSettings {
    /// Whether they say how connections are encrypted, not only who signs the certificates. Caddy then encrypts even an
    /// address without a host.
    pub(super) fn concern_connections(&self) -> bool {
        let certificates = CertificateSource::Automatic(Vec::new());
        matches!(self.certificates, CertificateSource::Files(_))
            || Self { certificates: certificates.clone(), ..self.clone() } != Self { certificates, ..Self::default() }
    }
}

/// Where the certificates of a site come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateSource {
    /// From an ACME certificate authority, or from the internal one if no public one would sign: `localhost`, IP
    /// addresses, and names that no public DNS has. If one of several authorities fails, the next is tried.
    Automatic(Vec<AcmeSettings>),
    /// `tls internal`: from igor's own authority.
    Internal,
    /// The certificates that other sites load for the same names (`auto_https off` and `disable_certs`).
    Others,
    /// `tls CERTIFICATE KEY`: from PEM files, which are read again when they change.
    Files(Vec<CertificateFiles>),
}

impl Default for CertificateSource {
    fn default() -> Self {
        Self::Automatic(Vec::new())
    }
}

/// A certificate chain and its private key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertificateFiles {
    /// The certificate, followed by those of the authorities between it and the root.
    pub certificate: PathBuf,
    /// The private key. May be the same file.
    pub key: PathBuf,
}

/// The oldest version of TLS that is accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// RFC 5246.
    #[default]
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// The newest version of TLS that is accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TlsVersionMax {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    #[default]
    Tls13,
}

/// The certificates that clients show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAuth {
    /// Who must show one, and whether it is verified.
    pub mode: ClientAuthMode,
    /// The authorities that must have signed a verified certificate. Empty: it must be one of the leaves.
    pub authorities: Vec<TrustedCertificates>,
    /// The only certificates that are accepted, in any mode. Empty: all are.
    pub leaves: Vec<TrustedCertificates>,
}

/// Which clients must show a certificate, and whether it is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuthMode {
    /// None must, and any certificate is accepted.
    Request,
    /// All must, and any certificate is accepted.
    Require,
    /// None must, and it is verified.
    VerifyIfGiven,
    /// All must, and it is verified.
    RequireAndVerify,
}

impl ClientAuthMode {
    /// Whether a client without a certificate is refused.
    pub fn requires(self) -> bool {
        matches!(self, Self::Require | Self::RequireAndVerify)
    }

    /// Whether certificates are verified.
    pub fn verifies(self) -> bool {
        matches!(self, Self::VerifyIfGiven | Self::RequireAndVerify)
    }
}

/// Certificates in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustedCertificates {
    /// A PEM file.
    File(PathBuf),
    /// One certificate as DER in base64.
    Inline(String),
}

/// An ACME certificate authority, and the account for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AcmeSettings {
    /// The address of its directory; empty while the configuration is read, for the global one.
    pub directory: String,
    /// A PEM file with the certificates that verify the authority's own server. `None`: the
    /// system's.
    pub trusted_root: Option<PathBuf>,
    /// The mail address of the account.
    pub email: Option<String>,
    /// An account that the authority has assigned (external account binding): its id, and its key in base64url.
    pub external_account: Option<ExternalAccount>,
    /// Whether the challenge over plain HTTP may be used.
    pub http_challenge: bool,
    /// Whether the challenge inside TLS may be used.
    pub tls_alpn_challenge: bool,
}

/// External account binding (RFC 8555, 7.3.4).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ExternalAccount {
    /// The key's identifier.
    pub key_id: String,
    /// The key, in base64url. A secret.
    pub mac_key: String,
}

impl std::fmt::Debug for ExternalAccount {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ExternalAccount").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// The global options of HTTPS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpsSettings {
    /// `http_port`: the default port of plain HTTP.
    pub http_port: u16,
    /// `https_port`: the default port of HTTPS.
    pub https_port: u16,
    /// `auto_https`.
    pub auto: AutoHttps,
    /// `local_certs`: every name gets a certificate of the internal authority.
    pub local_certs: bool,
    /// `storage file_system`: where certificates and keys are kept. `None`: the user's folder for data.
    pub storage: Option<PathBuf>,
    /// The global certificate source, for sites without their own settings.
    pub acme: AcmeSettings,
    /// `default_sni`: the assumed name if a client names none.
    pub default_sni: Option<String>,
    /// `on_demand_tls`: what bounds the sites with `tls { on_demand }`.
    pub on_demand: OnDemandSettings,
}

/// Which certificates may be obtained during a handshake, and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnDemandSettings {
    /// The address that knows which hosts may have a certificate. `None`: all hosts of the sites may.
    pub ask: Option<String>,
    /// New certificates in each interval.
    pub burst: usize,
    /// The interval of `burst`.
    pub interval: Duration,
}

impl Default for OnDemandSettings {
    fn default() -> Self {
        Self {
            ask: None,
            burst: limits::ON_DEMAND_BURST_DEFAULT,
            interval: Duration::from_secs(limits::ON_DEMAND_INTERVAL_SECONDS_DEFAULT),
        }
    }
}

impl Default for HttpsSettings {
    fn default() -> Self {
        Self {
            http_port: limits::HTTP_PORT_DEFAULT,
            https_port: limits::HTTPS_PORT_DEFAULT,
            auto: AutoHttps::default(),
            local_certs: false,
            storage: None,
            acme: AcmeSettings::default(),
            default_sni: None,
            on_demand: OnDemandSettings::default(),
        }
    }
}

/// The automatic parts of HTTPS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AutoHttps {
    /// A host or IP without a scheme means HTTPS.
    pub addresses: bool,
    /// Plain HTTP is redirected to HTTPS.
    pub redirects: bool,
    /// Certificates are obtained.
    pub certificates: bool,
    /// They are obtained even for names that a certificate file covers.
    pub ignore_loaded: bool,
}

impl Default for AutoHttps {
    fn default() -> Self {
        Self { addresses: true, redirects: true, certificates: true, ignore_loaded: false }
    }
}

/// The directory of Let's Encrypt, the default authority.
pub const ACME_DIRECTORY_DEFAULT: &str = "https://acme-v02.api.letsencrypt.org/directory";

impl Default for AcmeSettings {
    fn default() -> Self {
        Self {
            directory: String::new(),
            trusted_root: None,
            email: None,
            external_account: None,
            http_challenge: true,
            tls_alpn_challenge: true,
        }
    }
}

/// Completes the certificate settings of a site with the global options.
pub(super) fn complete(settings: &mut TlsSettings, https: &HttpsSettings) {
    let CertificateSource::Automatic(issuers) = &mut settings.certificates else { return };
    if !https.auto.addresses || !https.auto.certificates {
        // The site's own settings win.
        if issuers.is_empty() {
            settings.certificates = CertificateSource::Others;
            return;
        }
    } else if https.local_certs && issuers.is_empty() {
        settings.certificates = CertificateSource::Internal;
        return;
    }
    if issuers.is_empty() {
        issuers.push(AcmeSettings::default());
    }
    for issuer in issuers {
        if issuer.directory.is_empty() {
            issuer.directory.clone_from(&https.acme.directory);
            issuer.external_account = issuer.external_account.take().or_else(|| https.acme.external_account.clone());
        }
        if issuer.directory.is_empty() {
            ACME_DIRECTORY_DEFAULT.clone_into(&mut issuer.directory);
        }
        issuer.trusted_root = issuer.trusted_root.take().or_else(|| https.acme.trusted_root.clone());
        issuer.email = issuer.email.take().or_else(|| https.acme.email.clone());
    }
}
