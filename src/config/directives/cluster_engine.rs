//! `engine` of the `cluster` block. No message shows an address, which may hold a password.

use super::super::cluster::{Credentials, EngineAddress, EngineHost, EngineSettings};
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
            name: "credentials",
            usage: "credentials FILE",
            doc: "The file with the token and the key of a user of NATS (`.creds`); it is read for each connection.",
            times: Times::Once,
            apply: |engine, node, context| {
                engine.credentials_file = context.one(node).and_then(|word| file(word, context));
                if !matches!(engine.address, EngineAddress::Nats { .. }) {
                    let hint = "name the user in the address, and use `password_file`";
                    context.error_with_hint(&node.position, "`credentials` is for the engine `nats` alone", hint);
                }
            },
        },
        Directive {
            name: "sentinel_password_file",
            usage: "sentinel_password_file FILE [USER]",
            doc: "The file with the password of the Sentinels themselves, and their user; it is read for each connection.",
            times: Times::Once,
            apply: |engine, node, context| {
                let Some(words) = context.count_args(node, node.args(), 1, 2) else { return };
                let user = words.get(1).map(|user| user.text.clone());
                engine.sentinel_password = file(&words[0], context).map(|path| (path, user));
                if !matches!(engine.address, EngineAddress::Sentinel { .. }) {
                    let hint = "name Sentinels in the address: `redis+sentinel://HOST/SERVICE`";
                    context.error_with_hint(&node.position, "`sentinel_password_file` is for Sentinels alone", hint);
                }
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

/// `engine redis|valkey|etcd|nats URL… [{ … }]`.
pub(super) fn engine(node: &Node, context: &mut Context<'_>) -> Option<EngineSettings> {
    let words = context.count_args(node, node.args(), 1, usize::MAX)?;
    let (kind, urls) = words.split_first()?;
    let address = match kind.text.as_str() {
        "redis" | "valkey" => redis(kind, urls, context),
        "etcd" => etcd(kind, urls, context),
        "nats" => nats(kind, urls, context),
        other => {
            let message = format!("`{}` is no engine of a cluster", excerpt(other));
            let hint =
                "write `engine redis redis://HOST:PORT`, `engine etcd http://HOST:PORT…` or `engine nats nats://HOST…`";
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
    if let "redis+sentinel" | "rediss+sentinel" = scheme {
        let found = sentinel(rest, scheme == "rediss+sentinel");
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
fn sentinel(rest: &str, tls: bool) -> Option<EngineAddress> {
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
    is_complete.then_some(EngineAddress::Sentinel { tls, sentinels, service, number, credentials })
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
    let scheme = Schemes { plain: "http", tls: "https", port: None };
    let (members, credentials) = hosts(urls, &scheme, ["a member of etcd", "etcd"], hint, context)?;
    Some(EngineAddress::Etcd { members, credentials })
}

fn nats(kind: &Token, urls: &[Token], context: &mut Context<'_>) -> Option<EngineAddress> {
    let hint = "write `engine nats nats://HOST:4222…`, with the same user for all: `tls://USER:PASSWORD@HOST` or `tls://TOKEN@HOST`";
    if urls.is_empty() || urls.len() > limits::CLUSTER_NATS_SERVERS_MAX {
        let message = format!("a NATS has 1 to {} servers", limits::CLUSTER_NATS_SERVERS_MAX);
        context.error_with_hint(&kind.position, message, hint);
        return None;
    }
    let scheme = Schemes { plain: "nats", tls: "tls", port: Some(limits::NATS_PORT) };
    let (servers, credentials) = hosts(urls, &scheme, ["a server of NATS", "NATS"], hint, context)?;
    Some(EngineAddress::Nats { servers, credentials })
}

/// How addresses of an engine begin, and the port of those without one.
struct Schemes {
    plain: &'static str,
    tls: &'static str,
    port: Option<u16>,
}

/// All addresses, which have one user. `names` are of one server and of all, for messages.
fn hosts(
    urls: &[Token],
    schemes: &Schemes,
    names: [&str; 2],
    hint: &str,
    context: &mut Context<'_>,
) -> Option<(Vec<EngineHost>, Credentials)> {
    let [one, all] = names;
    let mut found = Vec::new();
    let mut credentials = Credentials::default();
    for word in urls {
        let Some((host, user)) = host(&word.text, schemes) else {
            context.error_with_hint(&word.position, format!("this is no address of {one}"), hint);
            return None;
        };
        if user.user.is_some() && credentials.user.is_some() && user != credentials {
            context.error_with_hint(&word.position, format!("the addresses of {all} name two users"), hint);
        }
        found.push(host);
        credentials = if user.user.is_some() { user } else { credentials };
    }
    Some((found, credentials))
}

/// `SCHEME://[USER[:PASSWORD]@]HOST[:PORT]`.
fn host(url: &str, schemes: &Schemes) -> Option<(EngineHost, Credentials)> {
    let (scheme, rest) = url.split_once("://")?;
    let tls = scheme == schemes.tls;
    if !tls && scheme != schemes.plain {
        return None;
    }
    let (credentials, address) = credentials(rest);
    let address = address.trim_end_matches('/');
    let has_port = address.rfind(':') > address.rfind(']');
    let (host, port) = match address.rsplit_once(':').filter(|_| has_port) {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (address, schemes.port?),
    };
    let is_host = !host.is_empty() && !host.contains(['/', '?', '#']) && (host.starts_with('[') || !host.contains(':'));
    is_host.then_some((EngineHost { tls, host: host.to_owned(), port }, credentials))
}
