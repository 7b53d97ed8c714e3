//! The policy `cookie`: a client keeps its upstream by a cookie, whose value is the HMAC of the upstream's address.

use http::{HeaderValue, header, request};
use ring::hmac;

use super::headers::Sender;
use crate::config::{CookiePolicy, UpstreamAddress};

/// The policy, with its key.
pub(super) struct Sticky {
    cookie: CookiePolicy,
    key: hmac::Key,
}

/// The cookie of one request.
pub(super) struct ClientCookie {
    /// Its value, decoded; empty: the client has none that could be one.
    value: Vec<u8>,
    /// Whether the client speaks HTTPS, with this server or with a trusted proxy.
    is_secure: bool,
}

impl Sticky {
    pub(super) fn new(cookie: &CookiePolicy) -> Self {
        Self { cookie: cookie.clone(), key: hmac::Key::new(hmac::HMAC_SHA256, cookie.secret.as_bytes()) }
    }

    /// The cookie that the client has sent.
    pub(super) fn of_request(&self, sender: &Sender, parts: &request::Parts) -> ClientCookie {
        let lines = parts.headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut cookies = lines.flat_map(|line| line.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
        let own = cookies.find(|(name, _)| *name == self.cookie.name);
        let proto = parts.headers.get("x-forwarded-proto");
        let is_secure = sender.connection.tls || sender.is_trusted && proto.is_some_and(|proto| proto == "https");
        ClientCookie { value: own.and_then(|(_, value)| from_hex(value)).unwrap_or_default(), is_secure }
    }

    /// Whether the cookie names this upstream. It takes the same time for each value, so no client finds one by trying.
    pub(super) fn names(&self, cookie: &ClientCookie, upstream: &UpstreamAddress) -> bool {
        hmac::verify(&self.key, upstream.to_string().as_bytes(), &cookie.value).is_ok()
    }

    /// The field `Set-Cookie` that names this upstream. `None`: the name cannot be in a field.
    pub(super) fn field(&self, cookie: &ClientCookie, upstream: &UpstreamAddress) -> Option<HeaderValue> {
        let tag = hmac::sign(&self.key, upstream.to_string().as_bytes());
        let value: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let age = self.cookie.max_age.map(|age| format!("; Max-Age={}", age.as_secs())).unwrap_or_default();
        // As in Caddy, pages of other sites may use an encrypted site in a frame.
        let of_scheme = if cookie.is_secure { "; Secure; SameSite=None" } else { "; SameSite=Lax" };
        HeaderValue::try_from(format!("{}={value}; Path=/{age}; HttpOnly{of_scheme}", self.cookie.name)).ok()
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || text.len() % 2 == 1 {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}
