//! `lb_policy` of `reverse_proxy`.

use super::super::context::Context;
use super::super::diagnostic::Position;
use super::super::proxy::{CookiePolicy, LoadPolicy, ProxySettings};
use super::super::syntax::{Node, Token, excerpt};
use super::super::table::unknown;
use super::super::values;
use super::matchers::field_name;

const POLICIES: [&str; 12] = [
    "random",
    "random_choose",
    "first",
    "round_robin",
    "weighted_round_robin",
    "least_conn",
    "ip_hash",
    "client_ip_hash",
    "uri_hash",
    "header",
    "query",
    "cookie",
];

/// `lb_policy POLICY [ARGUMENT…] [{ … }]`.
pub(super) fn lb_policy(settings: &mut ProxySettings, node: &Node, context: &mut Context<'_>) {
    let Some(mut policy) = policy(node.args(), node, context) else { return };
    for child in node.children() {
        match (child.name(), child.args(), &mut policy) {
            ("fallback", words, of) if of.has_fallback() => settings.fallback = fallback(words, child, context),
            ("max_age", [age], LoadPolicy::Cookie(cookie)) => {
                cookie.max_age = values::duration(age, context).filter(|age| !age.is_zero());
            }
            _ => {
                let message = format!("`{}` is not a setting of this policy", excerpt(child.name()));
                let hint = "`header`, `query` and `cookie` have `fallback POLICY`, and `cookie` has `max_age DURATION`";
                context.error_with_hint(&child.position, message, hint);
            }
        }
    }
    settings.policy = policy;
}

/// The policy for requests that the other one does not decide about.
fn fallback(words: &[Token], node: &Node, context: &mut Context<'_>) -> LoadPolicy {
    context.no_block(node);
    match policy(words, node, context) {
        Some(policy) if policy.has_fallback() => {
            let message = "a policy that needs a fallback itself cannot be one";
            context.error_with_hint(&node.position, message, "write for example `fallback first`");
            LoadPolicy::Random
        }
        Some(policy) => policy,
        None => LoadPolicy::Random,
    }
}

fn policy(words: &[Token], node: &Node, context: &mut Context<'_>) -> Option<LoadPolicy> {
    let (name, args) = context.count_args(node, words, 1, usize::MAX)?.split_first()?;
    Some(match (name.text.as_str(), args) {
        ("random", []) => LoadPolicy::Random,
        ("random_choose", []) => LoadPolicy::RandomChoose(2),
        ("random_choose", [count]) => LoadPolicy::RandomChoose(values::count(count, 2, 1_000, context)?),
        ("first", []) => LoadPolicy::First,
        ("round_robin", []) => LoadPolicy::RoundRobin,
        ("weighted_round_robin", [_, ..]) => LoadPolicy::WeightedRoundRobin(
            args.iter().map(|weight| values::count(weight, 0, 1_000, context)).collect::<Option<_>>()?,
        ),
        ("least_conn", []) => LoadPolicy::LeastConnections,
        ("ip_hash", []) => LoadPolicy::IpHash,
        ("client_ip_hash", []) => LoadPolicy::ClientIpHash,
        ("uri_hash", []) => LoadPolicy::UriHash,
        ("header", [field]) => LoadPolicy::Header(field_name(field, &field.text, context)?),
        ("query", [key]) => LoadPolicy::Query(key.text.clone()),
        ("cookie", []) => cookie(None, None, context)?,
        ("cookie", [name]) => cookie(Some(name), None, context)?,
        ("cookie", [name, secret]) => cookie(Some(name), Some(secret), context)?,
        (known, _) if POLICIES.contains(&known) => {
            let message = format!("the policy `{known}` has another number of arguments");
            context.usage_error(&name.position, message);
            return None;
        }
        _ => {
            unknown(name, "policy", &POLICIES, context);
            return None;
        }
    })
}

/// As in Caddy, the cookie is `lb` and has no secret, unless they are named.
fn cookie(name: Option<&Token>, secret: Option<&Token>, context: &mut Context<'_>) -> Option<LoadPolicy> {
    let name = match name {
        // The letters of a cookie's name are those of a field's, but their case counts.
        Some(word) => field_name(word, &word.text, context).map(|_| word.text.clone())?,
        None => "lb".to_owned(),
    };
    let secret = secret.map(|word| word.text.clone()).unwrap_or_default();
    Some(LoadPolicy::Cookie(CookiePolicy { name, secret, max_age: None }))
}

/// There is a weight for each upstream, and one that is not 0.
pub(super) fn check_weights(settings: &ProxySettings, position: &Position, context: &mut Context<'_>) {
    for policy in [&settings.policy, &settings.fallback] {
        let LoadPolicy::WeightedRoundRobin(weights) = policy else { continue };
        let upstreams = settings.upstreams.len();
        if weights.len() != upstreams {
            let message = format!("`weighted_round_robin` has {} weights for {upstreams} upstreams", weights.len());
            context.usage_error(position, message);
        } else if weights.iter().all(|weight| *weight == 0) {
            context.error(position, "all weights of `weighted_round_robin` are 0, so no upstream gets a request");
        }
    }
}
