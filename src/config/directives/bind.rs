//! `bind` and `default_bind`: where sites listen.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use super::super::context::Context;
use super::super::findings::join;
use super::super::limits::SOCKET_MODE_DEFAULT;
use super::super::listener::Bind;
use super::super::syntax::{Node, Token, excerpt};

/// Reads the words after the directive; at least one.
pub(super) fn binds(node: &Node, context: &mut Context<'_>) -> Vec<Bind> {
    let words = context.args(node, 1, usize::MAX).unwrap_or_default();
    words.iter().filter_map(|word| bind(word, context)).collect()
}

/// Reads an IP (perhaps with its network, `tcp/`), `localhost`, `unix//PATH[|MODE]` or `fd/NAME`.
fn bind(word: &Token, context: &mut Context<'_>) -> Option<Bind> {
    if let Some(socket) = word.text.strip_prefix("unix/") {
        return unix_socket(word, socket, context);
    }
    if let Some(name) = word.text.strip_prefix("fd/").filter(|name| !name.is_empty()) {
        return Some(Bind::Inherited(name.to_owned()));
    }
    let (network, host) = word.text.split_once('/').unwrap_or(("tcp", &word.text));
    let ip = match host {
        "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        host => host.trim_matches(['[', ']']).parse::<IpAddr>().ok(),
    };
    let fits = |ip: &IpAddr| match network {
        "tcp" => true,
        "tcp4" => ip.is_ipv4(),
        "tcp6" => ip.is_ipv6(),
        _ => false,
    };
    let ip = ip.filter(fits).map(Bind::Ip);
    if ip.is_none() {
        let message = format!("`{}` is no IP address, no `unix//PATH` and no `fd/NAME`", excerpt(&word.text));
        context.usage_error(&word.position, message);
    }
    ip
}

/// `PATH|MODE`, as in Caddy: a path that begins with a slash is absolute, any other starts from the working directory.
pub(crate) fn unix_socket(word: &Token, text: &str, context: &mut Context<'_>) -> Option<Bind> {
    let (path, mode) = match text.split_once('|') {
        None => (text, Some(SOCKET_MODE_DEFAULT)),
        Some((path, digits)) => (path, u32::from_str_radix(digits, 8).ok()),
    };
    let Some(mode) = mode.filter(|mode| *mode <= 0o777 && mode & 0o200 != 0) else {
        let message = format!("`{}` has no permissions of a socket that igor itself may use", excerpt(text));
        context.error_with_hint(
            &word.position,
            message,
            "write them in octal, such as `|0660`; the owner must be able to write",
        );
        return None;
    };
    if path.is_empty() {
        context.error_with_hint(
            &word.position,
            "the socket has no path",
            "write for example `unix//run/igor/site.sock`",
        );
        return None;
    }
    Some(Bind::Unix { path: join(context.working_dir, Path::new(path)), mode })
}
