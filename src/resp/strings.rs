//! Commands on the value of a key. Strings are strings in PHP; a number is shown as its text, an array as JSON.

use super::command::{Command, integer, lower, syntax};
use super::session::Session;
use crate::limits::STORE_KEY_BYTES_MAX;
use crate::store::{Condition, Expiry, Full, Number, NumberError};
use crate::vars::Value;
use std::str::from_utf8;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(super) static STRINGS: &[Command] = &[
    Command { name: "get", words: 2, run: get },
    Command { name: "set", words: -3, run: set },
    Command { name: "setnx", words: 3, run: setnx },
    Command { name: "setex", words: 4, run: |session, words| setex(session, words, 1000) },
    Command { name: "psetex", words: 4, run: |session, words| setex(session, words, 1) },
    Command { name: "getset", words: 3, run: getset },
    Command { name: "getdel", words: 2, run: getdel },
    Command { name: "mget", words: -2, run: mget },
    Command { name: "mset", words: -3, run: mset },
    Command { name: "strlen", words: 2, run: strlen },
    Command { name: "append", words: 3, run: append },
    Command { name: "incr", words: 2, run: |session, words| increment(session, words[1], Ok(1)) },
    Command { name: "decr", words: 2, run: |session, words| increment(session, words[1], Ok(-1)) },
    Command { name: "incrby", words: 3, run: |session, words| increment(session, words[1], integer(words[2])) },
    Command { name: "decrby", words: 3, run: decrby },
    Command { name: "incrbyfloat", words: 3, run: incrbyfloat },
];

pub(super) fn refused(full: Full) -> String {
    match full {
        Full::TooLarge(bytes, max) => format!("OOM {bytes} bytes are needed, and all of the store has {max}"),
        Full::Bytes(max) => format!("OOM the store is full ({max} bytes)"),
        Full::Keys(max) => format!("OOM the store is full ({max} elements)"),
    }
}

/// The text of a value for clients.
fn shown(value: &Value) -> Vec<u8> {
    value.text().map_or_else(|| value.json().into_bytes(), <[u8]>::to_vec)
}

fn reply(session: &mut Session, value: Option<&Value>) {
    match value {
        Some(Value::Int(number)) => session.reply.integer_text(*number),
        Some(value) => match value.text() {
            Some(text) => session.reply.text(text),
            None => session.reply.text(value.json().as_bytes()),
        },
        None => session.reply.none(),
    }
}

fn get(session: &mut Session, words: &[&[u8]]) -> Result<(), String> {
    let value = session.store().get(words[1]);
    reply(session, value.as_ref());
    Ok(())
}

fn check_key(key: &[u8]) -> Result<(), String> {
    if key.len() > STORE_KEY_BYTES_MAX {
        return Err(format!("ERR a key has at most {STORE_KEY_BYTES_MAX} bytes"));
    }
    Ok(())
}

fn put(
    session: &Session,
    key: &[u8],
    value: &[u8],
    expiry: Expiry,
    condition: Condition,
) -> Result<(bool, Option<Value>), String> {
    check_key(key)?;
    let stored = session.store().set(key, Value::of_text(value), expiry, condition).map_err(refused)?;
    Ok((stored.is_stored, stored.before))
}

/// The options after `SET key value`.
struct SetOptions {
    expiry: Expiry,
    condition: Condition,
    returns_before: bool,
}

fn set_options(mut words: &[&[u8]]) -> Result<SetOptions, String> {
    let mut options = SetOptions { expiry: Expiry::Never, condition: Condition::Always, returns_before: false };
    while let Some((option, rest)) = words.split_first() {
        words = rest;
        let option = lower(option);
        match option.as_str() {
            "nx" => options.condition = Condition::Absent,
            "xx" => options.condition = Condition::Present,
            "get" => options.returns_before = true,
            "keepttl" => options.expiry = Expiry::Kept,
            "ex" | "px" | "exat" | "pxat" => {
                let (number, rest) = words.split_first().ok_or_else(syntax)?;
                words = rest;
                options.expiry = expiry(integer(number)?, &option, "set")?;
            }
            _ => return Err(syntax()),
        }
    }
    Ok(options)
}

fn expiry(number: i64, unit: &str, command: &str) -> Result<Expiry, String> {
    let wrong = || format!("ERR invalid expire time in '{command}' command");
    let number = u64::try_from(number).ok().filter(|number| *number > 0).ok_or_else(wrong)?;
    let time = if unit.starts_with("px") { Duration::from_millis(number) } else { Duration::from_secs(number) };
    if unit.ends_with("at") {
        // The time has passed, so it expires at once.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        return Ok(Expiry::After(time.saturating_sub(now)));
    }
    Ok(Expiry::After(time))
}

fn set(session: &mut Session, words: &[&[u8]]) -> Result<(), String> {
    let options = set_options(&words[3..])?;
    let (is_stored, before) = put(session, words[1], words[2], options.expiry, options.condition)?;
    match (options.returns_before, is_stored) {
        (true, _) => reply(session, before.as_ref()),
        (false, true) => session.reply.simple("OK"),
        (false, false) => session.reply.none(),
    }
    Ok(())
}

fn setnx(session: &mut Session, words: &[&[u8]]) -> Result<(), String> {
    let (is_stored, _) = put(session, words[1], words[2], Expiry::Never, Condition::Absent)?;
    session.reply.integer(i64::from(is_stored));
    Ok(())
}

fn setex(session: &mut Session, words: &[&[u8]], milliseconds: i64) -> Result<(), String> {
    let unit = if milliseconds == 1 { "px" } else { "ex" };
    let expiry = expiry(integer(words[2])?, unit, "setex")?;
    put(session, words[1], words[3], expiry, Condition::Always)?;
    session.reply.simple("OK");
    Ok(())
}

fn getset(session: &mut Session, words: &[&[u8]]) -> Result<(), String> {
    let (_, before) = put(session, words[1], words[2], Expiry::Never, Condition::Always)?;
    reply(session, before.as_ref());
    Ok(())
}

fn getdel(session: &mut Session, words: &[&[u8]]) -> Result<(), String> {
    let value = session.store().remove(words[1]);
    reply(session, value.as_ref());
    Ok(())
}

fn mget(session: &mut Session, words: &[&[u8]]) -> Result<(), String> {
    session.reply.array(words.len() - 1);
    for value in session.store().get_many(&words[1..]) {
        reply(session, value.as_ref());
    }
    Ok(())
}

fn mset(session: &mut Session, words: &[&[u8]]) -> Result<(), String> {
    if words.len().is_multiple_of(2) {
        return Err("ERR wrong number of arguments for 'mset' command".to_owned());
    }
    let pairs = words[1..].chunks_exact(2);
    pairs.clone().try_for_each(|pair| check_key(pair[0]))?;
    let elements = pairs.map(|pair| (pair[0].to_vec(), Value::of_text(pair[1]))).collect();
    session.store().merge(elements).map_err(refused)?;
    session.reply.simple("OK");
    Ok(())
}

fn strlen(session: &mut Session, words: &[&[u8]]) -> Result<(), String> {
    let len = session.store().get(words[1]).map_or(0, |value| shown(&value).len());
    session.reply.integer(len as i64);
    Ok(())
}

/// Writes if the element has not changed since it was read.
fn append(session: &mut Session, words: &[&[u8]]) -> Result<(), String> {
    loop {
        let found = session.store().find(words[1]);
        let mut text = found.as_ref().map_or_else(Vec::new, |found| shown(&found.value));
        text.extend_from_slice(words[2]);
        let condition = found.map_or(Condition::Absent, |found| Condition::Unchanged(found.revision));
        if put(session, words[1], &text, Expiry::Kept, condition)?.0 {
            session.reply.integer(text.len() as i64);
            return Ok(());
        }
    }
}

fn not_added(error: NumberError, kind: &str) -> String {
    match error {
        NumberError::NotANumber => format!("ERR value is not {kind}"),
        NumberError::Overflow => "ERR increment or decrement would overflow".to_owned(),
    }
}

fn increment(session: &mut Session, key: &[u8], by: Result<i64, String>) -> Result<(), String> {
    check_key(key)?;
    let sum = session.store().increment_integer(key, by?).map_err(refused)?;
    session.reply.integer(sum.map_err(|error| not_added(error, "an integer or out of range"))?);
    Ok(())
}

fn decrby(session: &mut Session, words: &[&[u8]]) -> Result<(), String> {
    let by = integer(words[2])?.checked_neg().ok_or_else(|| "ERR decrement would overflow".to_owned());
    increment(session, words[1], by)
}

fn incrbyfloat(session: &mut Session, words: &[&[u8]]) -> Result<(), String> {
    let by: Option<f64> = from_utf8(words[2]).ok().and_then(|word| word.parse().ok());
    let by = by.filter(|by| by.is_finite()).ok_or_else(|| "ERR value is not a valid float".to_owned())?;
    check_key(words[1])?;
    let sum = session.store().increment(words[1], Number::Float(by), Expiry::Never).map_err(refused)?;
    match sum.map_err(|error| not_added(error, "a valid float"))? {
        Number::Int(sum) => session.reply.integer_text(sum),
        Number::Float(sum) => session.reply.text(sum.to_string().as_bytes()),
    }
    Ok(())
}
