//! Patterns of paths, header values, hosts and addresses.

use std::net::IpAddr;

/// A pattern of request paths that ignores ASCII case.
///
/// A single `*` at the end (`/api/*`) or the start (`*.php`), or one at both ends (`*/secret/*`), stands for any text.
/// In all other patterns a `*` stands for any text without a slash.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathPattern(String);

impl PathPattern {
    /// The pattern of this text.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        Self(pattern.to_ascii_lowercase())
    }

    /// The pattern as text, in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a decoded and normalized path matches.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let (pattern, path) = (self.0.as_bytes(), path.as_bytes());
        match ends_of_wildcard(&self.0) {
            Some(ends) => ends.matches_ignoring_case(path),
            None => glob_matches(pattern, path),
        }
    }

    /// The text before the final `*`, or all of it.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.0.trim_end_matches('*')
    }
}

/// A pattern of header values: `*` at the start, the end, or both, stands for any text; `*` alone for any value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValuePattern(String);

impl ValuePattern {
    /// The pattern of this text.
    #[must_use]
    pub fn new(pattern: &str) -> Self {
        Self(pattern.to_owned())
    }

    /// Whether a value fits.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        match ends_of_wildcard(&self.0) {
            Some(ends) => ends.matches(value),
            None => self.0 == value,
        }
    }
}

/// A pattern with wildcards only at its ends.
enum WildcardEnds<'a> {
    Exact(&'a str),
    Prefix(&'a str),
    Suffix(&'a str),
    Inside(&'a str),
}

impl WildcardEnds<'_> {
    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exact(part) => text == *part,
            Self::Prefix(part) => text.starts_with(part),
            Self::Suffix(part) => text.ends_with(part),
            Self::Inside(part) => text.contains(part),
        }
    }

    /// The same, ignoring ASCII case; the part is in lower case.
    fn matches_ignoring_case(&self, text: &[u8]) -> bool {
        match self {
            Self::Exact(part) => text.eq_ignore_ascii_case(part.as_bytes()),
            Self::Prefix(part) => {
                text.get(..part.len()).is_some_and(|start| start.eq_ignore_ascii_case(part.as_bytes()))
            }
            Self::Suffix(part) => {
                let start = text.len().checked_sub(part.len());
                start.is_some_and(|start| text[start..].eq_ignore_ascii_case(part.as_bytes()))
            }
            Self::Inside("") => true,
            Self::Inside(part) => text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part.as_bytes())),
        }
    }
}

/// Reads a pattern with wildcards at its ends only; `None` when it has others.
fn ends_of_wildcard(pattern: &str) -> Option<WildcardEnds<'_>> {
    match pattern.bytes().filter(|byte| *byte == b'*').count() {
        0 => Some(WildcardEnds::Exact(pattern)),
        1 => pattern
            .strip_suffix('*')
            .map(WildcardEnds::Prefix)
            .or_else(|| pattern.strip_prefix('*').map(WildcardEnds::Suffix)),
        2 => pattern.strip_prefix('*')?.strip_suffix('*').map(WildcardEnds::Inside),
        _ => None,
    }
}

/// Matches a pattern in lower case, ignoring ASCII case; its `*` stands for any text without a slash.
///
/// Backtracking to the last `*` is enough. Text between two stars can only move within a part without slashes, so the
/// leftmost match leaves the most for the rest.
fn glob_matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at_pattern, mut at_text) = (0, 0);
    let mut last_star = None;
    while at_text < text.len() {
        if pattern.get(at_pattern) == Some(&b'*') {
            last_star = Some((at_pattern, at_text));
            at_pattern += 1;
        } else if pattern.get(at_pattern) == Some(&text[at_text].to_ascii_lowercase()) {
            at_pattern += 1;
            at_text += 1;
        } else if let Some((star, covered)) = last_star.filter(|(_, covered)| text[*covered] != b'/') {
            last_star = Some((star, covered + 1));
            at_pattern = star + 1;
            at_text = covered + 1;
        } else {
            return false;
        }
    }
    pattern[at_pattern..].iter().all(|byte| *byte == b'*')
}

/// Whether a host matches a pattern in lower case; a label `*` stands for exactly one label.
#[must_use]
pub fn host_matches(pattern: &str, host: &str) -> bool {
    let mut labels = host.split('.');
    for expected in pattern.split('.') {
        match labels.next() {
            Some(label) if expected == "*" => {
                if label.is_empty() {
                    return false;
                }
            }
            Some(label) if label.eq_ignore_ascii_case(expected) => {}
            _ => return false,
        }
    }
    labels.next().is_none()
}

/// A range of addresses: one address, or a network (`10.0.0.0/8`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpRange {
    network: IpAddr,
    bits: u8,
}

impl IpRange {
    /// The ranges of private networks and the loopback ranges: Caddy's `private_ranges`.
    pub const PRIVATE: [&'static str; 6] =
        ["192.168.0.0/16", "172.16.0.0/12", "10.0.0.0/8", "127.0.0.1/8", "fd00::/8", "::1"];

    /// Reads an address or a network. `None`: it is neither.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let network: IpAddr = address.split('%').next()?.parse().ok()?;
        let all = if network.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(all);
        (bits <= all).then_some(Self { network, bits })
    }

    /// Whether the address is in the range. An IPv4-mapped IPv6 address counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differing = u32::from(network) ^ u32::from(address);
                differing.leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differing = u128::from(network) ^ u128::from(address);
                differing.leading_zeros() >= u32::from(self.bits)
            }
            _ => false,
        }
    }
}
