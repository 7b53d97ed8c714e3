//! Finds the command of a request; holds the commands about the connection.

use super::command::{Command, integer, lower, syntax};
use super::session::{Events, Kept, Session, Turn};
use crate::limits::{RESP_CHANNELS_MAX, RESP_TRANSACTION_BYTES_MAX};
use std::sync::PoisonError;

/// The version of Redis that has these commands; clients choose their commands by it.
pub(super) const REDIS_VERSION: &str = "7.0.0";

/// Commands of the connection. A negative number of words is a minimum.
static CONNECTION: &[Command] = &[
    Command { name: "ping", words: -1, run: ping },
    Command { name: "echo", words: 2, run: echo },
    Command { name: "hello", words: -1, run: hello },
    Command { name: "auth", words: -2, run: auth },
    Command { name: "select", words: 2, run: select },
    Command { name: "quit", words: -1, run: quit },
    Command { name: "reset", words: 1, run: reset },
    Command { name: "client", words: -2, run: client },
    Command { name: "command", words: -1, run: command },
    Command { name: "config", words: -2, run: config },
    Command { name: "info", words: -1, run: info },
    Command { name: "multi", words: 1, run: multi },
    Command { name: "exec", words: 1, run: exec },
    Command { name: "discard", words: 1, run: discard },
    Command { name: "watch", words: -2, run: watch },
    Command { name: "unwatch", words: 1, run: unwatch },
    Command { name: "subscribe", words: -2, run: |session, words| subscribe(session, words, false) },
    Command { name: "psubscribe", words: -2, run: |session, words| subscribe(session, words, true) },
    Command { name: "unsubscribe", words: -1, run: |session, words| unsubscribe(session, words, false) },
    Command { name: "punsubscribe", words: -1, run: |session, words| unsubscribe(session, words, true) },
];

/// The frequent ones first: a search compares only names of the same length, so it needs no more than that.
fn all() -> impl Iterator<Item = &'static Command> {
    super::strings::STRINGS.iter().chain(super::keys::KEYS).chain(CONNECTION)
}

fn find(name: &[u8]) -> Option<&'static Command> {
    all().find(|command| command.name.as_bytes().eq_ignore_ascii_case(name))
}

/// The commands of a client without the password.
const UNTRUSTED: [&str; 4] = ["auth", "hello", "quit", "reset"];

/// The commands that run at once between `MULTI` and `EXEC`.
const UNQUEUED: [&str; 7] = ["multi", "exec", "discard", "watch", "quit", "reset", "hello"];

impl Session {
    /// Executes a request, or keeps it for the client's transaction.
    pub(super) fn execute(&mut self, words: &[&[u8]], turn: &mut Turn<'_>) {
        let Some(name) = words.first() else { return };
        let checked = find(name).ok_or_else(|| unknown(name)).and_then(|command| check(command, words.len()));
        let command = match checked {
            Ok(command) if !self.is_trusted && !UNTRUSTED.contains(&command.name) => {
                self.reply.error("NOAUTH Authentication required.");
                return;
            }
            Ok(command) => command,
            Err(error) => {
                if let Some(transaction) = &mut self.transaction {
                    *transaction = Err(());
                }
                self.reply.error(&error);
                return;
            }
        };
        if self.transaction.is_some() && !UNQUEUED.contains(&command.name) {
            self.keep(words);
            return;
        }
        if command.name == "exec" {
            // It takes the turn for itself alone.
            turn.end();
        } else {
            turn.share();
        }
        let result = (command.run)(self, words);
        self.fail(result);
    }

    fn fail(&mut self, result: Result<(), String>) {
        if let Err(error) = result {
            self.reply.error(&error);
        }
    }

    fn keep(&mut self, words: &[&[u8]]) {
        if let Some(Ok(kept)) = &mut self.transaction {
            let bytes: usize = kept.iter().flatten().map(|word| word.len() + size_of::<Vec<u8>>()).sum();
            if bytes > RESP_TRANSACTION_BYTES_MAX {
                self.transaction = Some(Err(()));
                self.reply.error("ERR the transaction is too large");
                return;
            }
            kept.push(words.iter().map(|word| word.to_vec()).collect());
        }
        self.reply.simple("QUEUED");
    }
}

fn unknown(name: &[u8]) -> String {
    let shown = String::from_utf8_lossy(&name[..name.len().min(64)]).into_owned();
    format!("ERR unknown command '{shown}'; a store has the commands that docs/stores.md lists")
}

fn check(command: &'static Command, count: usize) -> Result<&'static Command, String> {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let fits = if command.words < 0 { count >= -command.words } else { count == command.words };
    if fits { Ok(command) } else { Err(format!("ERR wrong number of arguments for '{}' command", command.name)) }
}

fn ping(session: &mut Session, words: &[&[u8]]) -> Result<(), String> {
    let is_listening = !session.channels.is_empty() || !session.patterns.is_empty();
    match words.get(1) {
        message if is_listening && !session.reply.is_resp3 => {
            session.reply.array(2);
            session.reply.text(b"pong");
            session.reply.text(message.copied().unwrap_or_default());
        }
        Some(message) => session.reply.text(message),
        None => session.reply.simple("PONG"),
    }
    Ok(())
}

fn echo(session: &mut Session, words: &[&[u8]]) -> Result<(), String> {
    session.reply.text(words[1]);
    Ok(())
}

fn trust(session: &mut Session, user: &[u8], password: &[u8]) -> Result<(), String> {
    let Some(expected) = &session.served.password else {
        return Err("ERR Client sent AUTH, but no password is set for this store.".to_owned());
    };
    if user == b"default" && is_same(expected.as_bytes(), password) {
        session.is_trusted = true;
        return Ok(());
    }
    Err("WRONGPASS invalid username-password pair or user is disabled.".to_owned())
}

/// A wrong password takes as long as the right one of its length.
fn is_same(expected: &[u8], given: &[u8]) -> bool {
    expected.len() == given.len()
        && expected.iter().zip(given).fold(0, |differs, (left, right)| differs | (left ^ right)) == 0
}

fn auth(session: &mut Session, words: &[&[u8]]) -> Result<(), String> {
    match words {
        [_, password] => trust(session, b"default", password)?,
        [_, user, password] => trust(session, user, password)?,
        _ => return Err(syntax()),
    }
    session.reply.simple("OK");
    Ok(())
}

fn hello(session: &mut Session, words: &[&[u8]]) -> Result<(), String> {
    let version = match words.get(1) {
        None => None,
        Some(&b"2") => Some(false),
        Some(&b"3") => Some(true),
        Some(_) => return Err("NOPROTO unsupported protocol version".to_owned()),
    };
    let mut rest = words.get(2..).unwrap_or_default();
    while let Some((option, values)) = rest.split_first() {
        match (lower(option).as_str(), values) {
            ("auth", [user, password, after @ ..]) => {
                trust(session, user, password)?;
                rest = after;
            }
            ("setname", [name, after @ ..]) => {
                session.name = name[..name.len().min(255)].to_vec();
                rest = after;
            }
            _ => return Err(syntax()),
        }
    }
    if !session.is_trusted {
        return Err("NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH \
                    <user> <pass> option can be used to authenticate the client and select the RESP protocol version at \
                    the same time"
            .to_owned());
    }
    session.reply.is_resp3 = version.unwrap_or(session.reply.is_resp3);
    let proto = if session.reply.is_resp3 { 3 } else { 2 };
    session.reply.map(6);
    for (name, value) in [("server", "redis"), ("version", REDIS_VERSION), ("mode", "standalone"), ("role", "master")] {
        session.reply.text(name.as_bytes());
        session.reply.text(value.as_bytes());
    }
    session.reply.text(b"proto");
    session.reply.integer(proto);
    session.reply.text(b"modules");
    session.reply.array(0);
    Ok(())
}

fn select(session: &mut Session, words: &[&[u8]]) -> Result<(), String> {
    if integer(words[1])? != 0 {
        return Err("ERR DB index is out of range: a store is database 0".to_owned());
    }
    session.reply.simple("OK");
    Ok(())
}

fn quit(session: &mut Session, _words: &[&[u8]]) -> Result<(), String> {
    session.is_ending = true;
    session.reply.simple("OK");
    Ok(())
}

fn reset(session: &mut Session, _words: &[&[u8]]) -> Result<(), String> {
    let served = session.served.clone();
    let bytes = std::mem::take(&mut session.reply.bytes);
    *session = Session::new(served);
    session.reply.bytes = bytes;
    session.reply.simple("RESET");
    Ok(())
}

fn client(session: &mut Session, words: &[&[u8]]) -> Result<(), String> {
    match (lower(words[1]).as_str(), words) {
        ("setname", [_, _, name]) => {
            session.name = name[..name.len().min(255)].to_vec();
            session.reply.simple("OK");
        }
        ("getname", [_, _]) => {
            let name = std::mem::take(&mut session.name);
            session.reply.optional(Some(&name[..]).filter(|name| !name.is_empty()));
            session.name = name;
        }
        ("id", [_, _]) => session.reply.integer(1),
        ("setinfo", _) | ("no-evict", _) | ("no-touch", _) => session.reply.simple("OK"),
        _ => return Err("ERR a store knows CLIENT SETNAME, GETNAME, ID and SETINFO".to_owned()),
    }
    Ok(())
}

fn command(session: &mut Session, words: &[&[u8]]) -> Result<(), String> {
    match words.get(1).map(|word| lower(word)).as_deref() {
        Some("count") => session.reply.integer(all().count() as i64),
        None => {
            session.reply.array(all().count());
            for command in all() {
                session.reply.array(6);
                session.reply.text(command.name.as_bytes());
                session.reply.integer(command.words);
                session.reply.array(0);
                [0, 0, 0].iter().for_each(|number| session.reply.integer(*number));
            }
        }
        Some(_) => session.reply.array(0),
    }
    Ok(())
}

fn config(session: &mut Session, words: &[&[u8]]) -> Result<(), String> {
    if lower(words[1]) != "get" || words.len() < 3 {
        return Err("ERR a store is configured in the Caddyfile; only CONFIG GET is known".to_owned());
    }
    let max = session.store().counts().bytes_max.to_string();
    let known = [("maxmemory", max.as_str()), ("databases", "1"), ("save", ""), ("appendonly", "no")];
    let asked =
        |name: &str| words[2..].iter().any(|pattern| super::glob::fits(lower(pattern).as_bytes(), name.as_bytes()));
    let found: Vec<_> = known.iter().filter(|(name, _)| asked(name)).collect();
    session.reply.map(found.len());
    for (name, value) in found {
        session.reply.text(name.as_bytes());
        session.reply.text(value.as_bytes());
    }
    Ok(())
}

fn info(session: &mut Session, _words: &[&[u8]]) -> Result<(), String> {
    let counts = session.store().counts();
    let text = format!(
        "# Server\r\nredis_version:{REDIS_VERSION}\r\nredis_mode:standalone\r\nigor_version:{}\r\nigor_store:{}\r\n\r\n\
         # Memory\r\nused_memory:{}\r\nmaxmemory:{}\r\n\r\n# Stats\r\nkeyspace_hits:{}\r\nkeyspace_misses:{}\r\n\
         expired_keys:{}\r\nevicted_keys:{}\r\n\r\n# Replication\r\nrole:master\r\n\r\n# Keyspace\r\ndb0:keys={},expires=0\r\n",
        env!("CARGO_PKG_VERSION"),
        session.store().name(),
        counts.bytes,
        counts.bytes_max,
        counts.hits,
        counts.misses,
        counts.expired,
        counts.evicted,
        counts.keys,
    );
    session.reply.text(text.as_bytes());
    Ok(())
}

// ---- Transactions ----

fn multi(session: &mut Session, _words: &[&[u8]]) -> Result<(), String> {
    if session.transaction.is_some() {
        return Err("ERR MULTI calls can not be nested".to_owned());
    }
    session.transaction = Some(Ok(Vec::new()));
    session.reply.simple("OK");
    Ok(())
}

fn discard(session: &mut Session, _words: &[&[u8]]) -> Result<(), String> {
    session.watched.clear();
    session.transaction.take().ok_or("ERR DISCARD without MULTI")?.ok();
    session.reply.simple("OK");
    Ok(())
}

/// No command of another client runs meanwhile. PHP scripts are not blocked.
fn exec(session: &mut Session, _words: &[&[u8]]) -> Result<(), String> {
    let transaction = session.transaction.take().ok_or("ERR EXEC without MULTI")?;
    let watched = std::mem::take(&mut session.watched);
    let Ok(kept) = transaction else {
        return Err("EXECABORT Transaction discarded because of previous errors.".to_owned());
    };
    let served = session.served.clone();
    let _turn = served.turn.write().unwrap_or_else(PoisonError::into_inner);
    if watched.iter().any(|(key, revision)| session.store().find(key).map(|found| found.revision) != *revision) {
        session.reply.no_array();
        return Ok(());
    }
    session.reply.array(kept.len());
    kept.iter().for_each(|kept| run_kept(session, kept));
    Ok(())
}

fn run_kept(session: &mut Session, kept: &Kept) {
    let words: Vec<&[u8]> = kept.iter().map(Vec::as_slice).collect();
    let result = words.first().and_then(|name| find(name)).map_or(Ok(()), |command| (command.run)(session, &words));
    session.fail(result);
}

fn watch(session: &mut Session, words: &[&[u8]]) -> Result<(), String> {
    if session.transaction.is_some() {
        return Err("ERR WATCH inside MULTI is not allowed".to_owned());
    }
    if session.watched.len() + words.len() > RESP_CHANNELS_MAX {
        return Err("ERR too many keys are watched".to_owned());
    }
    for key in &words[1..] {
        let revision = session.store().find(key).map(|found| found.revision);
        session.watched.push((key.to_vec(), revision));
    }
    session.reply.simple("OK");
    Ok(())
}

fn unwatch(session: &mut Session, _words: &[&[u8]]) -> Result<(), String> {
    session.watched.clear();
    session.reply.simple("OK");
    Ok(())
}

// ---- Events ----

fn subscribe(session: &mut Session, words: &[&[u8]], by_pattern: bool) -> Result<(), String> {
    if session.channels.len() + session.patterns.len() + words.len() > RESP_CHANNELS_MAX {
        return Err("ERR too many channels".to_owned());
    }
    if session.events.is_none() {
        let events = Events::of(session.store()).ok_or("ERR too many clients listen to this store")?;
        session.events = Some(events);
    }
    for name in &words[1..] {
        let channels = if by_pattern { &mut session.patterns } else { &mut session.channels };
        channels.insert(name.to_vec());
        confirm(session, if by_pattern { "psubscribe" } else { "subscribe" }, Some(name));
    }
    Ok(())
}

fn unsubscribe(session: &mut Session, words: &[&[u8]], by_pattern: bool) -> Result<(), String> {
    let kind = if by_pattern { "punsubscribe" } else { "unsubscribe" };
    let channels = if by_pattern { &mut session.patterns } else { &mut session.channels };
    let names: Vec<Vec<u8>> = if words.len() > 1 {
        words[1..].iter().map(|name| name.to_vec()).collect()
    } else {
        channels.iter().cloned().collect()
    };
    for name in &names {
        let channels = if by_pattern { &mut session.patterns } else { &mut session.channels };
        channels.remove(name);
        confirm(session, kind, Some(name));
    }
    if names.is_empty() {
        confirm(session, kind, None);
    }
    if session.channels.is_empty() && session.patterns.is_empty() {
        session.events = None;
    }
    Ok(())
}

fn confirm(session: &mut Session, kind: &str, name: Option<&[u8]>) {
    let count = session.channels.len() + session.patterns.len();
    session.reply.push(3);
    session.reply.text(kind.as_bytes());
    session.reply.optional(name);
    session.reply.integer(count as i64);
}
