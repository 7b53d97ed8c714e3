//! What a request can say about the encryption of its connection: the values of `{tls_version}` and the like.

use std::fmt::Write;
use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;
use rustls::{HandshakeKind, ServerConnection};
use x509_parser::der_parser::oid;
use x509_parser::prelude::{AttributeTypeAndValue, FromDer, GeneralName, X509Certificate, X509Name};

/// The encryption of one connection. The requests of the connection share it.
#[derive(Debug, Default)]
pub struct EncryptionFacts {
    version: &'static str,
    cipher_suite: String,
    protocol: String,
    server_name: String,
    is_resumed: bool,
    /// The certificate that the client has shown.
    certificate: Option<CertificateDer<'static>>,
    /// What the certificate says, by the names of placeholders: read when it is first asked for.
    of_certificate: OnceLock<Vec<(String, String)>>,
}

impl EncryptionFacts {
    /// The facts after a handshake.
    pub(super) fn of(connection: &ServerConnection) -> Self {
        let suite = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
        Self {
            version: match connection.protocol_version() {
                Some(rustls::ProtocolVersion::TLSv1_2) => "tls1.2",
                Some(rustls::ProtocolVersion::TLSv1_3) => "tls1.3",
                _ => "",
            },
            // The registry of IANA has no `13` in these names.
            cipher_suite: suite.unwrap_or_default().replacen("TLS13_", "TLS_", 1),
            protocol: String::from_utf8_lossy(connection.alpn_protocol().unwrap_or_default()).into_owned(),
            server_name: connection.server_name().unwrap_or_default().to_owned(),
            is_resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
            certificate: connection.peer_certificates().and_then(<[_]>::first).cloned(),
            of_certificate: OnceLock::new(),
        }
    }

    /// The same for HTTP/3, which shows neither the cipher suite nor certificates of clients.
    pub(crate) fn of_http3(server_name: Option<String>) -> Self {
        let (version, protocol) = ("tls1.3", "h3".to_owned());
        Self { version, protocol, server_name: server_name.unwrap_or_default(), ..Self::default() }
    }

    /// The value of a placeholder, by its long name without `http.request.tls.`.
    pub fn value(&self, name: &str) -> Option<&str> {
        match name {
            "version" => Some(self.version),
            "cipher_suite" => Some(&self.cipher_suite),
            "proto" => Some(&self.protocol),
            // Both sides name protocols, or there is none.
            "proto_mutual" => Some("true"),
            "server_name" => Some(&self.server_name),
            "resumed" => Some(if self.is_resumed { "true" } else { "false" }),
            _ => {
                let certificate = self.certificate.as_ref()?;
                let values = self.of_certificate.get_or_init(|| values(certificate));
                values.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
            }
        }
    }
}

fn values(certificate: &CertificateDer<'_>) -> Vec<(String, String)> {
    let mut values = Vec::new();
    let mut put = |name: &str, value: String| values.push((format!("client.{name}"), value));
    put("fingerprint", hex(digest(&SHA256, certificate).as_ref()));
    let base64 = STANDARD.encode(certificate);
    put("certificate_pem", pem(&base64));
    put("certificate_der_base64", base64);
    // It has passed the handshake; one that cannot be read has no more values.
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else { return values };
    put("subject", name_text(parsed.subject()));
    put("issuer", name_text(parsed.issuer()));
    put("serial", parsed.tbs_certificate.serial.to_string());
    let key = &parsed.public_key().subject_public_key.data;
    put("public_key", hex(key));
    put("public_key_sha256", hex(digest(&SHA256, key).as_ref()));
    for kind in ["dns_names", "emails", "ips", "uris"] {
        let names = alternative_names(&parsed, kind);
        for (number, name) in names.iter().enumerate() {
            put(&format!("san.{kind}.{number}"), name.clone());
        }
        put(&format!("san.{kind}"), format!("[{}]", names.join(" ")));
    }
    values
}

fn alternative_names(certificate: &X509Certificate<'_>, kind: &str) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let names = extension.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) if kind == "dns_names" => Some((*name).to_owned()),
        GeneralName::RFC822Name(name) if kind == "emails" => Some((*name).to_owned()),
        GeneralName::URI(uri) if kind == "uris" => Some((*uri).to_owned()),
        GeneralName::IPAddress(bytes) if kind == "ips" => super::files::ip_text(bytes),
        _ => None,
    });
    names.collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string never fails.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn pem(base64: &str) -> String {
    const LINE: usize = 64;
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    let mut rest = base64;
    while !rest.is_empty() {
        let (line, behind) = rest.split_at(rest.len().min(LINE));
        text.extend([line, "\n"]);
        rest = behind;
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

/// A distinguished name as RFC 2253 writes it: the last part first, between commas, so that it can be compared.
fn name_text(name: &X509Name<'_>) -> String {
    let parts = name.iter().map(|part| part.iter().map(attribute_text).collect::<Vec<_>>().join("+"));
    let mut parts: Vec<String> = parts.collect();
    parts.reverse();
    parts.join(",")
}

fn attribute_text(attribute: &AttributeTypeAndValue<'_>) -> String {
    let kinds = [
        (oid!(2.5.4.3), "CN"),
        (oid!(2.5.4.5), "SERIALNUMBER"),
        (oid!(2.5.4.6), "C"),
        (oid!(2.5.4.7), "L"),
        (oid!(2.5.4.8), "ST"),
        (oid!(2.5.4.9), "STREET"),
        (oid!(2.5.4.10), "O"),
        (oid!(2.5.4.11), "OU"),
        (oid!(2.5.4.17), "POSTALCODE"),
    ];
    match kinds.iter().find(|(kind, _)| kind == attribute.attr_type()) {
        Some((_, short)) => format!("{short}={}", escaped(attribute.as_str().unwrap_or_default())),
        None => format!("{}=#{}", attribute.attr_type(), hex(attribute.attr_value().data)),
    }
}

/// Without the escapes, a client could put a comma and a second name into its own.
fn escaped(value: &str) -> String {
    let mut text = String::new();
    for (at, letter) in value.char_indices() {
        let is_first = at == 0;
        let is_last = at + letter.len_utf8() == value.len();
        let is_special =
            ",+\"\\<>;".contains(letter) || (is_first && "# ".contains(letter)) || (is_last && letter == ' ');
        if is_special {
            text.push('\\');
        }
        text.push(letter);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_be_forged_by_its_parts() {
        assert_eq!(escaped("alice"), "alice");
        assert_eq!(escaped("alice,O=staff"), "alice\\,O=staff");
        assert_eq!(escaped(" a+\"b\\ "), "\\ a\\+\\\"b\\\\\\ ");
        assert_eq!(escaped("#1 x"), "\\#1 x");
    }

    #[test]
    fn lines_of_pem() {
        assert_eq!(pem("YWJj"), "-----BEGIN CERTIFICATE-----\nYWJj\n-----END CERTIFICATE-----\n");
        assert_eq!(pem(&"x".repeat(65)).lines().map(str::len).collect::<Vec<_>>(), [27, 64, 1, 25]);
    }
}
