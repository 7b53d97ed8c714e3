//! `file_server precompressed`: serves compressed copies of files, to clients that accept them.

use std::path::{Path, PathBuf};

use http::{HeaderMap, HeaderValue, header};

use super::encode;
use crate::config::EncodeFormat;

/// The compressed copies of a file, in the formats that the client accepts.
pub(super) struct Siblings {
    /// The preferred one first.
    formats: Vec<EncodeFormat>,
}

impl Siblings {
    /// Looks for them. `is_there` decides which files can be sent.
    pub(super) fn find(formats: &[EncodeFormat], file: &Path, is_there: impl Fn(&Path) -> bool) -> Self {
        Self { formats: formats.iter().copied().filter(|format| is_there(&sibling(file, *format))).collect() }
    }

    /// The client's preferred format.
    pub(super) fn choose(&self, file: &Path, headers: &HeaderMap) -> Option<(PathBuf, EncodeFormat)> {
        encode::choose(&self.formats, headers).map(|format| (sibling(file, format), format))
    }

    /// Adds to a response that it depends on `Accept-Encoding`, and its format.
    pub(super) fn describe(
        &self,
        headers: &mut HeaderMap,
        format: Option<EncodeFormat>,
        media_type: Option<HeaderValue>,
    ) {
        if !self.formats.is_empty() {
            encode::vary(headers);
        }
        if let Some(format) = format.filter(|_| headers.contains_key(header::CONTENT_TYPE)) {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(format.name()));
            if let Some(media_type) = media_type {
                headers.insert(header::CONTENT_TYPE, media_type);
            }
        }
    }
}

/// The file with the suffix of a format.
fn sibling(file: &Path, format: EncodeFormat) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix(format));
    PathBuf::from(name)
}

fn suffix(format: EncodeFormat) -> &'static str {
    match format {
        EncodeFormat::Brotli(_) => ".br",
        EncodeFormat::Gzip(_) => ".gz",
        EncodeFormat::Zstd(_) => ".zst",
    }
}
