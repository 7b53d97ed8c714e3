//! The parameters of a handshake: versions, cipher suites, curves and resumption.

use rustls::crypto::{CryptoProvider, SupportedKxGroup, ring};
use rustls::{ServerConfig, SupportedCipherSuite, SupportedProtocolVersion, version};

use crate::config::{TlsSettings, TlsVersion, TlsVersionMax};
use crate::limits;

/// Resumption without memory for each client; one key for each site, so that no site takes another's tickets.
pub(super) fn resumption(config: &mut ServerConfig) -> Result<(), String> {
    config.ticketer = ring::Ticketer::new().map_err(|error| format!("making the key of session tickets: {error}"))?;
    config.session_storage = rustls::server::ServerSessionMemoryCache::new(limits::TLS_SESSIONS_MAX);
    config.send_tls13_tickets = limits::TLS_TICKETS_PER_HANDSHAKE;
    Ok(())
}

static TLS12: [&SupportedProtocolVersion; 1] = [&version::TLS12];
static TLS13: [&SupportedProtocolVersion; 1] = [&version::TLS13];
static BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];

/// The versions of TLS that a site speaks.
pub(super) fn versions(settings: &TlsSettings) -> Result<&'static [&'static SupportedProtocolVersion], String> {
    match (settings.version_min, settings.version_max) {
        (TlsVersion::Tls12, TlsVersionMax::Tls12) => Ok(&TLS12),
        (TlsVersion::Tls12, TlsVersionMax::Tls13) => Ok(&BOTH),
        (TlsVersion::Tls13, TlsVersionMax::Tls13) => Ok(&TLS13),
        (TlsVersion::Tls13, TlsVersionMax::Tls12) => Err("`protocols tls1.3 tls1.2` leaves no version".into()),
    }
}

/// The cryptography of a site.
pub(super) fn provider(settings: &TlsSettings) -> Result<CryptoProvider, String> {
    let mut provider = ring::default_provider();
    if !settings.ciphers.is_empty() {
        // The cipher suites of TLS 1.3 cannot be chosen, as in Go.
        let is_13 = |suite: &SupportedCipherSuite| suite.tls13().is_some();
        let mut suites: Vec<_> = provider.cipher_suites.iter().copied().filter(is_13).collect();
        for name in &settings.ciphers {
            suites.push(*cipher(&provider, name).ok_or_else(|| {
                format!("`{name}` is no cipher suite that igor has; it has {}", listed(&cipher_names()))
            })?);
        }
        provider.cipher_suites = suites;
    }
    if !settings.curves.is_empty() {
        let groups: Result<Vec<_>, String> = settings.curves.iter().map(|name| group(name)).collect();
        provider.kx_groups = groups?;
    }
    Ok(provider)
}

fn iana_name(suite: &SupportedCipherSuite) -> String {
    format!("{:?}", suite.suite()).replace("TLS13_", "TLS_")
}

fn cipher<'p>(provider: &'p CryptoProvider, name: &str) -> Option<&'p SupportedCipherSuite> {
    provider.cipher_suites.iter().find(|suite| iana_name(suite).eq_ignore_ascii_case(name))
}

/// The names of the cipher suites that `ciphers` can choose.
pub fn cipher_names() -> Vec<String> {
    let suites = ring::default_provider().cipher_suites;
    suites.iter().filter(|suite| suite.tls13().is_none()).map(iana_name).collect()
}

fn group(name: &str) -> Result<&'static dyn SupportedKxGroup, String> {
    match name.to_ascii_lowercase().as_str() {
        "x25519" => Ok(ring::kx_group::X25519),
        "secp256r1" => Ok(ring::kx_group::SECP256R1),
        "secp384r1" => Ok(ring::kx_group::SECP384R1),
        _ => Err(format!("`{name}` is no curve that igor has; it has `x25519`, `secp256r1` and `secp384r1`")),
    }
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
