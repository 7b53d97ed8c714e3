//! The `encode` directive: which responses are compressed, and how.

use super::matcher::ValuePattern;
use super::response_matcher::{FieldCondition, ResponseMatcher};

/// The `encode` directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encode {
    /// The formats, the preferred one first: it decides between those that a client likes equally.
    pub formats: Vec<EncodeFormat>,
    /// Responses that are known to be shorter, in bytes, are not compressed.
    pub minimum_length: u64,
    /// The responses that are worth compressing.
    pub matcher: ResponseMatcher,
}

/// A compression format with its level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodeFormat {
    /// `gzip`, level 1 (fast) to 9 (small).
    Gzip(u32),
    /// `br`, quality 0 (fast) to 11 (small).
    Brotli(u32),
    /// `zstd`, level 1 (fast) to 19 (small).
    Zstd(i32),
}

impl EncodeFormat {
    /// The default levels. At these levels a byte of output costs about the same in each format. At
    /// higher ones, compressing a page takes longer than sending the saved bytes.
    pub const GZIP: Self = Self::Gzip(5);
    /// See [`EncodeFormat::GZIP`].
    pub const BROTLI: Self = Self::Brotli(4);
    /// See [`EncodeFormat::GZIP`].
    pub const ZSTD: Self = Self::Zstd(3);

    /// The name in `Accept-Encoding`, `Content-Encoding` and the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip(_) => "gzip",
            Self::Brotli(_) => "br",
            Self::Zstd(_) => "zstd",
        }
    }
}

impl Default for Encode {
    fn default() -> Self {
        Self {
            formats: vec![EncodeFormat::ZSTD, EncodeFormat::GZIP],
            minimum_length: MINIMUM_LENGTH_DEFAULT,
            matcher: compressible(),
        }
    }
}

/// Caddy's default: below it the head outweighs what compression saves.
const MINIMUM_LENGTH_DEFAULT: u64 = 512;

/// The media types that Caddy compresses when no `match` says otherwise: text, and formats that are text inside.
const COMPRESSIBLE: [&str; 36] = [
    "application/atom+xml*",
    "application/eot*",
    "application/font*",
    "application/geo+json*",
    "application/graphql+json*",
    "application/javascript*",
    "application/json*",
    "application/ld+json*",
    "application/manifest+json*",
    "application/opentype*",
    "application/otf*",
    "application/problem+json*",
    "application/rss+xml*",
    "application/truetype*",
    "application/ttf*",
    "application/vnd.api+json*",
    "application/vnd.ms-fontobject*",
    "application/wasm*",
    "application/x-httpd-cgi*",
    "application/x-javascript*",
    "application/x-opentype*",
    "application/x-otf*",
    "application/x-perl*",
    "application/x-protobuf*",
    "application/x-ttf*",
    "application/xhtml+xml*",
    "application/xml*",
    "font/*",
    "image/svg+xml*",
    "image/vnd.microsoft.icon*",
    "image/x-icon*",
    "multipart/bag*",
    "multipart/mixed*",
    "text/*",
    "application/hal+json*",
    "application/x-ndjson*",
];

fn compressible() -> ResponseMatcher {
    let values = COMPRESSIBLE.iter().map(|pattern| ValuePattern::new(pattern)).collect();
    ResponseMatcher {
        statuses: Vec::new(),
        fields: vec![FieldCondition::Has { field: "content-type".to_owned(), values }],
    }
}
