//! `format filter`: changes an access record (pure).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use regex::Regex;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::config::{LogFilter, LogFilterOp, LogValueOp};

/// The filters of a log, compiled.
pub(super) struct Filters(Vec<Filter>);

struct Filter {
    /// The names of the fields on the way to the value.
    path: Vec<String>,
    op: Op,
}

enum Op {
    Delete,
    Rename(String),
    /// Sets the field.
    Append(String),
    /// Replaces each text.
    Change(Box<dyn Fn(&str) -> String + Send + Sync>),
}

impl Filters {
    pub(super) fn new(filters: &[LogFilter]) -> Self {
        Self(filters.iter().map(|filter| Filter { path: filter.path.clone(), op: Op::new(&filter.op) }).collect())
    }

    pub(super) fn apply(&self, record: &mut Map<String, Value>) {
        self.0.iter().for_each(|filter| filter.apply(record));
    }
}

impl Filter {
    fn apply(&self, record: &mut Map<String, Value>) {
        let Some((last, way)) = self.path.split_last() else { return };
        let Some(parent) = object_at(record, way) else { return };
        if let Op::Append(value) = &self.op {
            parent.insert(last.clone(), value.clone().into());
            return;
        }
        let Some(key) = key(parent, last) else { return };
        match &self.op {
            Op::Append(_) => {}
            Op::Delete => drop(parent.shift_remove(&key)),
            Op::Rename(name) => {
                if let Some(value) = parent.shift_remove(&key) {
                    parent.insert(name.clone(), value);
                }
            }
            Op::Change(change) => {
                if let Some(value) = parent.get_mut(&key) {
                    change_texts(value, change);
                }
            }
        }
    }
}

/// The key as it is spelled in the record: names of header fields ignore case.
fn key(object: &Map<String, Value>, name: &str) -> Option<String> {
    if object.contains_key(name) {
        return Some(name.to_owned());
    }
    object.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned()
}

/// The object that a path of fields leads to.
fn object_at<'a>(record: &'a mut Map<String, Value>, path: &[String]) -> Option<&'a mut Map<String, Value>> {
    path.iter().try_fold(record, |parent, name| {
        let key = key(parent, name)?;
        parent.get_mut(&key)?.as_object_mut()
    })
}

/// A field of a header is a list of texts. Another value is taken as JSON writes it.
fn change_texts(value: &mut Value, change: &(dyn Fn(&str) -> String + Send + Sync)) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|value| change_texts(value, change)),
        Value::String(text) => *text = change(text),
        Value::Object(_) => *value = Value::String(change("")),
        other => *other = Value::String(change(&other.to_string())),
    }
}

impl Op {
    fn new(op: &LogFilterOp) -> Self {
        match op.clone() {
            LogFilterOp::Delete => Self::Delete,
            LogFilterOp::Rename(name) => Self::Rename(name),
            LogFilterOp::Append(value) => Self::Append(value),
            LogFilterOp::Replace(with) => Self::Change(Box::new(move |_| with.clone())),
            LogFilterOp::Hash => Self::Change(Box::new(hash)),
            LogFilterOp::IpMask { ipv4, ipv6 } => Self::Change(Box::new(move |text| mask_list(text, ipv4, ipv6))),
            LogFilterOp::Query(ops) => Self::Change(Box::new(move |uri| change_query(uri, &ops))),
            LogFilterOp::Cookie(ops) => Self::Change(Box::new(move |cookies| change_cookies(cookies, &ops))),
            LogFilterOp::Regexp { pattern, with } => match Regex::new(&pattern) {
                Ok(regex) => Self::Change(Box::new(move |text| regex.replace_all(text, with.as_str()).into_owned())),
                // The configuration has already compiled it once. If that fails now, the whole text is hidden, so that
                // nothing is shown by mistake.
                Err(_) => Self::Delete,
            },
        }
    }
}

/// The first four bytes of the SHA-256, as Caddy writes it.
fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// Addresses, with a comma between them, as `X-Forwarded-For` has them.
fn mask_list(text: &str, ipv4: u8, ipv6: u8) -> String {
    text.split(',').map(|address| mask(address.trim(), ipv4, ipv6)).collect::<Vec<_>>().join(", ")
}

/// A text that is no address stays as it is.
fn mask(address: &str, ipv4: u8, ipv6: u8) -> String {
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => mask_v4(ip, ipv4).to_string(),
        Ok(IpAddr::V6(ip)) => mask_v6(ip, ipv6).to_string(),
        Err(_) => address.to_owned(),
    }
}

/// Keeps the first `bits` of the address.
fn mask_v4(ip: Ipv4Addr, bits: u8) -> Ipv4Addr {
    let kept = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
    Ipv4Addr::from_bits(ip.to_bits() & kept)
}

/// Keeps the first `bits` of the address.
fn mask_v6(ip: Ipv6Addr, bits: u8) -> Ipv6Addr {
    let kept = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
    Ipv6Addr::from_bits(ip.to_bits() & kept)
}

/// `None`: an operation deletes the value.
fn changed(name: &str, value: &str, ops: &[(String, LogValueOp)]) -> Option<String> {
    let mut value = value.to_owned();
    for (_, op) in ops.iter().filter(|(wanted, _)| wanted == name) {
        match op {
            LogValueOp::Delete => return None,
            LogValueOp::Replace(with) => value.clone_from(with),
            LogValueOp::Hash => value = hash(&value),
        }
    }
    Some(value)
}

/// Names are compared decoded.
fn change_query(uri: &str, ops: &[(String, LogValueOp)]) -> String {
    let Some((path, query)) = uri.split_once('?') else { return uri.to_owned() };
    let pairs: Vec<String> = query
        .split('&')
        .filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decoded = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
            if !ops.iter().any(|(wanted, _)| *wanted == decoded) {
                return Some(pair.to_owned());
            }
            changed(&decoded, value, ops).map(|value| format!("{name}={value}"))
        })
        .collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

fn change_cookies(cookies: &str, ops: &[(String, LogValueOp)]) -> String {
    let kept = cookies.split(';').map(str::trim).filter_map(|cookie| changed_cookie(cookie, ops));
    kept.collect::<Vec<_>>().join("; ")
}

/// `None`: the cookie is deleted.
fn changed_cookie(cookie: &str, ops: &[(String, LogValueOp)]) -> Option<String> {
    match cookie.split_once('=') {
        Some((name, value)) => changed(name, value, ops).map(|value| format!("{name}={value}")),
        None => Some(cookie.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn filtered(path: &[&str], op: LogFilterOp) -> Value {
        let Value::Object(mut record) = json!({
            "request": {
                "remote_ip": "192.168.77.5",
                "uri": "/a?b=1&token=s&token=t",
                "headers": { "Cookie": ["a=1; session=s"], "X-Forwarded-For": ["10.1.2.3, 2001:db8:1:2::3"] },
            },
            "status": 200,
        }) else {
            unreachable!()
        };
        let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
        Filters::new(&[LogFilter { path, op }]).apply(&mut record);
        Value::Object(record)
    }

    #[test]
    fn filters() {
        let record = filtered(&["request", "headers", "cookie"], LogFilterOp::Delete);
        assert!(record["request"]["headers"].get("Cookie").is_none());
        let record = filtered(&["status"], LogFilterOp::Rename("code".into()));
        assert_eq!((record.get("status"), &record["code"]), (None, &json!(200)));
        let record = filtered(&["status"], LogFilterOp::Replace("x".into()));
        assert_eq!(record["status"], "x");
        let record = filtered(&["request", "remote_ip"], LogFilterOp::IpMask { ipv4: 16, ipv6: 32 });
        assert_eq!(record["request"]["remote_ip"], "192.168.0.0");
        let record = filtered(&["request", "headers", "X-Forwarded-For"], LogFilterOp::IpMask { ipv4: 8, ipv6: 32 });
        assert_eq!(record["request"]["headers"]["X-Forwarded-For"], json!(["10.0.0.0, 2001:db8::"]));
        let record = filtered(&["request", "remote_ip"], LogFilterOp::IpMask { ipv4: 0, ipv6: 0 });
        assert_eq!(record["request"]["remote_ip"], "0.0.0.0");
        let ops = vec![("token".to_owned(), LogValueOp::Replace("R".into())), ("b".to_owned(), LogValueOp::Delete)];
        let record = filtered(&["request", "uri"], LogFilterOp::Query(ops));
        assert_eq!(record["request"]["uri"], "/a?token=R&token=R");
        let ops = vec![("session".to_owned(), LogValueOp::Hash)];
        let record = filtered(&["request", "headers", "Cookie"], LogFilterOp::Cookie(ops));
        // printf s | sha256sum
        assert_eq!(record["request"]["headers"]["Cookie"], json!(["a=1; session=043a7187"]));
        let regexp = LogFilterOp::Regexp { pattern: "token=[^&]*".into(), with: "T".into() };
        let record = filtered(&["request", "uri"], regexp);
        assert_eq!(record["request"]["uri"], "/a?b=1&T&T");
        let record = filtered(&["instance"], LogFilterOp::Append("one".into()));
        assert_eq!(record["instance"], "one");
        let untouched = filtered(&["request", "absent", "field"], LogFilterOp::Delete);
        assert_eq!(untouched, filtered(&["nothing"], LogFilterOp::Hash));
    }
}
