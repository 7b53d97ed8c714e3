//! What connections to an engine need beside its address: a password, and how TLS is checked. The files are read for each
//! connection, so a new password or certificate needs no reload.

use super::engine::EngineError;
use crate::config::{Credentials, EngineSettings};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsConnector;

/// The password: of the file, if one is named, else of the address.
pub(super) fn password(settings: &EngineSettings, credentials: &Credentials) -> Result<Option<String>, EngineError> {
    let Some(path) = &settings.password_file else {
        return Ok(credentials.password.as_ref().map(|password| password.0.clone()));
    };
    of_line(path).map(Some)
}

/// What a file has in its only line.
pub(super) fn of_line(path: &Path) -> Result<String, EngineError> {
    let text = fs::read_to_string(path).map_err(|error| EngineError(format!("{}: {error}", path.display())))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// How a server is checked, and what this instance shows it.
pub(super) fn connector(settings: &EngineSettings) -> io::Result<TlsConnector> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(io::Error::other)?.with_root_certificates(roots(settings.authority.as_deref())?);
    let config = match &settings.certificate {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let private = PrivateKeyDer::from_pem_file(key).map_err(|error| of_file(key, error))?;
            builder.with_client_auth_cert(certificates(certificate)?, private).map_err(|error| of_file(key, error))?
        }
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

fn roots(authority: Option<&Path>) -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    match authority {
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| of_file(path, error))?;
            }
        }
    }
    Ok(roots)
}

fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    certificates.map_err(|error| of_file(path, error))
}

fn of_file(path: &Path, error: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {error}", path.display()))
}
