//! `engine` of the `cluster` block. No message shows an address, which may hold a password.

use super::super::cluster::{Credentials, EngineAddress, EngineSettings, EtcdMember};
use super::super::context::Context;
use super::super::limits;
use super::super::secret::Password;
use super::super::syntax::{Node, Token, excerpt};
use super::super::table::{Directive, Table, Times};
use std::path::PathBuf;

/// The directives of the `engine` block.
pub(super) static ENGINE: Table<EngineSettings> = Table {
    block: "the `engine` block of a cluster",
    origin: "igor",
    directives: &[
        Directive {
            name: "password_file",
            usage: "password_file FILE",
            doc: "The file with the password of the engine; it is read for each connection.",
            times: Times::Once,
            apply: |engine, node, context| {
                engine.password_file = context.one(node).and_then(|word| file(word, context));
            },
        },
        Directive {
            name: "ca",
            usage: "ca FILE",
            doc: "The authorities that the engine's certificates are checked by, in the place of those of the system.",
            times: Times::Once,
            apply: |engine, node, context| engine.authority = context.one(node).and_then(|word| file(word, context)),
        },
        Directive {
            name: "certificate",
            usage: "certificate CERTIFICATE KEY",
            doc: "The certificate that this instance shows the engine, and its key.",
            times: Times::Once,
            apply: |engine, node, context| {
                let Some([certificate, key]) = context.args(node, 2, 2) else { return };
                engine.certificate = file(certificate, context).zip(file(key, context));
            },
        },
    ],
    ignored: &[],
    unsupported: &[],
};

fn file(word: &Token, context: &mut Context<'_>) -> Option<PathBuf> {
    let path = context.path(&word.text, &word.position);
    if path.is_file() {
        return Some(path);
    }
    context.error_with_hint(
        &word.position,
        format!("the file {} does not exist", path.display()),
        "name a file that this instance can read",
    );
    None
}

/// `engine redis|valkey|etcd URL… [{ … }]`.
pub(super) fn engine(node: &Node, context: &mut Context<'_>) -> Option<EngineSettings> {
    let words = context.count_args(node, node.args(), 1, usize::MAX)?;
    let (kind, urls) = words.split_first()?;
    let address = match kind.text.as_str() {
        "redis" | "valkey" => redis(kind, urls, context),
        "etcd" => etcd(kind, urls, context),
        other => {
            let message = match other {
                "nats" => "the engine `nats` is not built into this release".to_owned(),
                _ => format!("`{}` is no engine of a cluster", excerpt(other)),
            };
            let hint = "write `engine redis redis://HOST:PORT` or `engine etcd http://HOST:PORT…`; Valkey is known too";
            context.error_with_hint(&kind.position, message, hint);
            None
        }
    };
    let mut settings = EngineSettings::at(address?);
    ENGINE.apply(&mut settings, node.children(), context);
    Some(settings)
}

fn redis(kind: &Token, urls: &[Token], context: &mut Context<'_>) -> Option<EngineAddress> {
    let [word] = urls else {
        let hint = "write `engine redis redis://HOST:PORT`, with one address: a Redis Cluster is not supported";
        context.error_with_hint(&kind.position, "the engine needs exactly one address", hint);
        return None;
    };
    let (scheme, rest) = word.text.split_once("://").unwrap_or_default();
    if scheme == "redis+sentinel" {
        let found = sentinel(rest);
        if found.is_none() {
            let hint = "write `redis+sentinel://USER:PASSWORD@HOST:PORT,HOST:PORT/SERVICE/NUMBER`; user and number may be left out";
            context.error_with_hint(&word.position, "this is no address of Sentinels", hint);
        }
        return found;
    }
    let encrypted = match scheme {
        "redis" | "valkey" => Some("redis"),
        "rediss" | "valkeys" => Some("rediss"),
        _ => None,
    };
    let host = rest.rsplit('@').next().unwrap_or_default();
    match encrypted {
        Some(scheme) if !host.is_empty() && !host.starts_with(['/', ':']) => {
            Some(EngineAddress::Redis(Password(format!("{scheme}://{rest}"))))
        }
        _ => {
            let hint = "write `redis://HOST:PORT`, or `rediss://USER:PASSWORD@HOST:PORT/NUMBER`";
            context.error_with_hint(&word.position, "this is no address of a Redis server", hint);
            None
        }
    }
}

/// What follows the scheme: `[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]…]/SERVICE[/NUMBER]`.
fn sentinel(rest: &str) -> Option<EngineAddress> {
    let (credentials, rest) = credentials(rest);
    let mut words = rest.split('/');
    let hosts = words.next()?;
    let service = words.next().filter(|service| !service.is_empty())?.to_owned();
    let number = words.next().map_or(Some(0), |number| number.parse().ok())?;
    let sentinels = hosts.split(',').map(|host| match host.rsplit_once(':') {
        Some((host, port)) => Some((host.to_owned(), port.parse().ok()?)),
        None => Some((host.to_owned(), limits::SENTINEL_PORT)),
    });
    let sentinels: Vec<_> = sentinels.collect::<Option<_>>()?;
    let is_complete = words.next().is_none() && sentinels.iter().all(|(host, _)| !host.is_empty());
    is_complete.then_some(EngineAddress::Sentinel { sentinels, service, number, credentials })
}

/// The user before the last `@`, and what follows it.
fn credentials(rest: &str) -> (Credentials, &str) {
    let Some((user, rest)) = rest.rsplit_once('@') else { return (Credentials::default(), rest) };
    let (user, password) = user.split_once(':').map_or((user, None), |(user, password)| (user, Some(password)));
    let user = Some(user).filter(|user| !user.is_empty()).map(str::to_owned);
    (Credentials { user, password: password.map(|password| Password(password.to_owned())) }, rest)
}

fn etcd(kind: &Token, urls: &[Token], context: &mut Context<'_>) -> Option<EngineAddress> {
    let hint = "write `engine etcd http://HOST:2379…`, with the same user for all: `https://USER:PASSWORD@HOST:PORT`";
    if urls.is_empty() || urls.len() > limits::CLUSTER_ETCD_MEMBERS_MAX {
        let message = format!("an etcd has 1 to {} members", limits::CLUSTER_ETCD_MEMBERS_MAX);
        context.error_with_hint(&kind.position, message, hint);
        return None;
    }
    let mut members = Vec::new();
    let mut credentials = Credentials::default();
    for word in urls {
        let Some((member, user)) = member(&word.text) else {
            context.error_with_hint(&word.position, "this is no address of a member of etcd", hint);
            return None;
        };
        if user.user.is_some() && credentials.user.is_some() && user != credentials {
            context.error_with_hint(&word.position, "the addresses of etcd name two users", hint);
        }
        members.push(member);
        credentials = if user.user.is_some() { user } else { credentials };
    }
    Some(EngineAddress::Etcd { members, credentials })
}

/// `http[s]://[USER[:PASSWORD]@]HOST:PORT`.
fn member(url: &str) -> Option<(EtcdMember, Credentials)> {
    let (scheme, rest) = url.split_once("://")?;
    let tls = match scheme {
        "http" => false,
        "https" => true,
        _ => return None,
    };
    let (credentials, address) = credentials(rest);
    let (host, port) = address.trim_end_matches('/').rsplit_once(':')?;
    let is_host = !host.is_empty() && !host.contains(['/', '?', '#']) && (host.starts_with('[') || !host.contains(':'));
    let member = EtcdMember { tls, host: host.to_owned(), port: port.parse().ok()? };
    is_host.then_some((member, credentials))
}
