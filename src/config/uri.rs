//! The parts of a URI as text (pure): percent-encoding and the values of a query.

/// Decodes a percent-encoding. Invalid sequences stay as they are, and bytes that are not UTF-8 are replaced.
#[must_use]
pub fn decoded(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digit = |offset: usize| bytes.get(at + offset).and_then(|byte| char::from(*byte).to_digit(16));
        match (bytes[at], digit(1), digit(2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, _, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// A text as a name or value of a query, as Go's `url.QueryEscape` writes it.
#[must_use]
pub fn encoded_query_value(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            byte if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The values of the parameter `key`, decoded, in their order.
pub(super) fn query_values<'q>(query: &'q str, key: &'q str) -> impl Iterator<Item = String> + 'q {
    pairs(query).filter(move |(name, _)| name == key).map(|(_, value)| value)
}

/// The parameters of a query, decoded.
pub fn pairs(query: &str) -> impl Iterator<Item = (String, String)> + '_ {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(&name.replace('+', " ")), decoded(&value.replace('+', " ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_query() {
        assert_eq!(decoded("/a%20b%2Fc%zz%"), "/a b/c%zz%");
        assert_eq!(encoded_query_value("a b/ä?"), "a+b%2F%C3%A4%3F");
        let values: Vec<String> = query_values("a=1&b=2&a=x+y%21&a&c", "a").collect();
        assert_eq!(values, ["1", "x y!", ""]);
    }
}
