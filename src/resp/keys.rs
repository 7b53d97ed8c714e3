//! Commands on keys, for values of any type.

use super::command::{Command, integer, lower, syntax};
use super::glob::fits;
use super::session::Session;
use crate::limits::RESP_SCAN_COUNT_MAX;
use crate::store::Expiry;
use crate::vars::Value;
use std::sync::Arc;
use std::time::Duration;

pub(super) static KEYS: &[Command] = &[
    Command { name: "del", words: -2, run: del },
    Command { name: "unlink", words: -2, run: del },
    Command { name: "exists", words: -2, run: exists },
    Command { name: "touch", words: -2, run: exists },
    Command { name: "type", words: 2, run: kind },
    Command { name: "expire", words: 3, run: |session, words| expire(session, words, 1000) },
    Command { name: "pexpire", words: 3, run: |session, words| expire(session, words, 1) },
    Command { name: "ttl", words: 2, run: |session, words| ttl(session, words, 1000) },
    Command { name: "pttl", words: 2, run: |session, words| ttl(session, words, 1) },
    Command { name: "persist", words: 2, run: persist },
    Command { name: "keys", words: 2, run: keys },
    Command { name: "scan", words: -2, run: scan },
    Command { name: "dbsize", words: 1, run: dbsize },
    Command { name: "flushdb", words: -1, run: flush },
    Command { name: "flushall", words: -1, run: flush },
];

fn count(session: &mut Session, words: &[&[u8]], is_counted: impl Fn(&Session, &[u8]) -> bool) -> Result<(), String> {
    let count = words[1..].iter().filter(|key| is_counted(session, key)).count();
    session.reply.integer(count as i64);
    Ok(())
}

fn del(session: &mut Session, words: &[&[u8]]) -> Result<(), String> {
    count(session, words, |session, key| session.store().remove(key).map(Value::retire).is_some())
}

fn exists(session: &mut Session, words: &[&[u8]]) -> Result<(), String> {
    count(session, words, |session, key| session.store().find(key).is_some())
}

fn kind(session: &mut Session, words: &[&[u8]]) -> Result<(), String> {
    let is_there = session.store().find(words[1]).is_some();
    session.reply.simple(if is_there { "string" } else { "none" });
    Ok(())
}

fn expire(session: &mut Session, words: &[&[u8]], unit_ms: i64) -> Result<(), String> {
    let number = integer(words[2])?;
    let is_there = match u64::try_from(number.saturating_mul(unit_ms)) {
        Ok(milliseconds) if milliseconds > 0 => {
            session.store().expire(words[1], Expiry::After(Duration::from_millis(milliseconds)))
        }
        // Its time is over.
        _ => session.store().remove(words[1]).is_some(),
    };
    session.reply.integer(i64::from(is_there));
    Ok(())
}

fn ttl(session: &mut Session, words: &[&[u8]], unit_ms: u128) -> Result<(), String> {
    let left = match session.store().find(words[1]) {
        None => -2,
        Some(found) => match found.left {
            None => -1,
            Some(left) => i64::try_from((left.as_millis() + unit_ms / 2) / unit_ms).unwrap_or(i64::MAX),
        },
    };
    session.reply.integer(left);
    Ok(())
}

fn persist(session: &mut Session, words: &[&[u8]]) -> Result<(), String> {
    let has_time = session.store().find(words[1]).is_some_and(|found| found.left.is_some());
    let is_changed = has_time && session.store().expire(words[1], Expiry::Never);
    session.reply.integer(i64::from(is_changed));
    Ok(())
}

fn list(session: &mut Session, keys: &[Arc<[u8]>]) {
    session.reply.array(keys.len());
    keys.iter().for_each(|key| session.reply.text(key));
}

fn keys(session: &mut Session, words: &[&[u8]]) -> Result<(), String> {
    let mut keys = session.store().keys();
    keys.retain(|key| fits(words[1], key));
    list(session, &keys);
    Ok(())
}

/// The cursor is the number of a shard: a key that exists during the whole scan is returned once.
fn scan(session: &mut Session, words: &[&[u8]]) -> Result<(), String> {
    let cursor =
        usize::try_from(integer(words[1]).map_err(|_| "ERR invalid cursor")?).map_err(|_| "ERR invalid cursor")?;
    let (mut pattern, mut wanted, mut is_of_type) = (None, 10, true);
    let mut rest = &words[2..];
    while let Some((option, values)) = rest.split_first() {
        let (value, after) = values.split_first().ok_or_else(syntax)?;
        match lower(option).as_str() {
            "match" => pattern = Some(*value),
            "count" => {
                let count = usize::try_from(integer(value)?).ok().filter(|count| *count > 0).ok_or_else(syntax)?;
                wanted = count.min(RESP_SCAN_COUNT_MAX);
            }
            "type" => is_of_type = lower(value) == "string",
            _ => return Err(syntax()),
        }
        rest = after;
    }
    let (next, mut keys) = session.store().scan(cursor, wanted);
    keys.retain(|key| is_of_type && pattern.is_none_or(|pattern| fits(pattern, key)));
    session.reply.array(2);
    session.reply.text(next.to_string().as_bytes());
    list(session, &keys);
    Ok(())
}

fn dbsize(session: &mut Session, _words: &[&[u8]]) -> Result<(), String> {
    let count = session.store().count();
    session.reply.integer(count as i64);
    Ok(())
}

fn flush(session: &mut Session, _words: &[&[u8]]) -> Result<(), String> {
    session.store().clear();
    session.reply.simple("OK");
    Ok(())
}
