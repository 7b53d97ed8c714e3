//! Chooses the format for a client (pure): RFC 9110, 12.5.3.

use http::header::{self, HeaderMap};

use crate::config::EncodeFormat;

/// The quality 1, in thousandths.
const FULL: u16 = 1000;

/// The client's preferred format; among equals the first. `None`: it accepts none of them, or prefers the plain
/// response.
pub(in super::super) fn choose(formats: &[EncodeFormat], headers: &HeaderMap) -> Option<EncodeFormat> {
    let accepted = Accepted::read(headers);
    let mut best: Option<(u16, EncodeFormat)> = None;
    for &format in formats {
        let quality = accepted.quality(format.name());
        if quality > best.map_or(0, |(quality, _)| quality) {
            best = Some((quality, format));
        }
    }
    best.filter(|(quality, _)| *quality >= accepted.identity).map(|(_, format)| format)
}

/// The client's preferences of codings.
struct Accepted<'h> {
    /// The codings that the client names, and how much it wants each: 0 to 1000.
    named: Vec<(&'h str, u16)>,
    /// How much it wants the codings that it does not name (`*`).
    others: u16,
    /// How much it wants the response as it is.
    identity: u16,
}

impl<'h> Accepted<'h> {
    /// Several fields of the header count as one list.
    fn read(headers: &'h HeaderMap) -> Self {
        let mut accepted = Self { named: Vec::new(), others: 0, identity: 0 };
        let values = headers.get_all(header::ACCEPT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
        for item in values.flat_map(|list| list.split(',')) {
            let (coding, parameters) = item.split_once(';').unwrap_or((item, ""));
            let quality = quality(parameters);
            match coding.trim() {
                "" => {}
                "*" => accepted.others = quality,
                coding if coding.eq_ignore_ascii_case("identity") => accepted.identity = quality,
                coding => accepted.named.push((coding, quality)),
            }
        }
        accepted
    }

    /// In thousandths; 0: the client refuses the coding.
    fn quality(&self, name: &str) -> u16 {
        let is_it = |coding: &str| coding.eq_ignore_ascii_case(name) || (name == "gzip" && coding == "x-gzip");
        self.named.iter().find(|(coding, _)| is_it(coding)).map_or(self.others, |(_, quality)| *quality)
    }
}

/// The quality in thousandths. An invalid weight counts as 0: the client gets a coding that it surely understands.
fn quality(parameters: &str) -> u16 {
    let value = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim())
    });
    match value {
        None => FULL,
        Some(value) => match value.parse::<f32>() {
            Ok(quality) if (0.0..=1.0).contains(&quality) => (quality * f32::from(FULL)) as u16,
            _ => 0,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn the_client_decides_and_then_the_configuration() {
        let formats = [EncodeFormat::ZSTD, EncodeFormat::BROTLI, EncodeFormat::GZIP];
        for (accept, expected) in [
            ("", None),
            ("gzip", Some("gzip")),
            ("x-gzip", Some("gzip")),
            ("GZIP", Some("gzip")),
            ("gzip, deflate, br, zstd", Some("zstd")),
            ("gzip, deflate, br", Some("br")),
            ("gzip;q=1.0, br;q=0.5", Some("gzip")),
            ("gzip;q=0", None),
            ("*", Some("zstd")),
            ("*;q=0.1, gzip", Some("gzip")),
            ("zstd;q=0, *", Some("br")),
            ("identity", None),
            ("identity;q=0.5, gzip", Some("gzip")),
            ("identity, gzip;q=0.5", None),
            ("gzip;q=nonsense", None),
            ("gzip;q=1.5", None),
            ("gzip; Q=0.5; q=0", Some("gzip")),
            ("deflate, compress", None),
            (",;q=1,", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(accept));
            assert_eq!(choose(&formats, &headers).map(EncodeFormat::name), expected, "{accept}");
        }
        assert_eq!(choose(&formats, &HeaderMap::new()), None);
    }
}
