//! The directives, one file for each family. Each file holds the table of its block, and the code of its directives.

mod answers;
mod basic_auth;
mod bind;
mod changes;
mod client_auth;
mod cluster;
mod cluster_engine;
mod document_root;
mod draft;
mod encode;
mod expression;
mod fastcgi;
mod file_server;
mod frankenphp;
mod global;
mod header;
mod hot_reload;
mod https;
mod lb_policy;
mod log;
mod matchers;
mod mercure;
mod on_demand;
mod order;
mod php;
mod php_fastcgi;
mod proxy;
mod proxy_transport;
mod replies;
mod rewrite;
mod routes;
mod servers;
mod site;
mod store;
mod tls;
mod tracing;
mod vars;
mod worker;
mod worker_words;

pub(crate) use bind::unix_socket;
pub(crate) use document_root::{ROOT_HINT, check_root};
pub(crate) use global::apply_global;
pub(crate) use mercure::mercure;
pub(crate) use php::{PHP_SERVER, PhpDraft};
pub(crate) use site::{apply_site, is_global_option, is_site_directive};
pub(crate) use store::{check_cluster_stores, check_stores};
pub(crate) use worker::{WorkerDraft, check_scope};
pub(crate) use worker_words::worker_name;

use super::table::DirectiveDoc;

/// Every directive with its documentation.
pub(crate) fn docs() -> Vec<DirectiveDoc> {
    let mut docs = Vec::new();
    docs.extend(global::GLOBAL.docs());
    docs.extend(global::ADMIN.docs());
    docs.extend(https::ACME_EAB.docs());
    docs.extend(on_demand::ON_DEMAND_TLS.docs());
    docs.extend(frankenphp::FRANKENPHP.docs());
    docs.extend(vars::VARS.docs());
    docs.extend(store::STORE.docs());
    docs.extend(cluster::CLUSTER.docs());
    docs.extend(cluster_engine::ENGINE.docs());
    docs.extend(worker::WORKER.docs());
    docs.extend(encode::ENCODE.docs());
    docs.extend(tracing::TRACING.docs());
    docs.extend(log::docs());
    docs.extend(servers::SERVERS.docs());
    docs.extend(servers::TIMEOUTS.docs());
    docs.extend(servers::LISTENER_WRAPPERS.docs());
    docs.extend(servers::PROXY_PROTOCOL.docs());
    docs.extend(site::SITE.docs());
    docs.extend(routes::ROUTES.docs());
    docs.extend(mercure::MERCURE.docs());
    docs.extend(proxy::REVERSE_PROXY.docs());
    docs.extend(proxy_transport::TRANSPORT.docs());
    docs.extend(fastcgi::FASTCGI.docs());
    docs.extend(proxy::FORWARD_AUTH.docs());
    docs.extend(replies::INTERCEPT.docs());
    docs.extend(tls::TLS.docs());
    docs.extend(tls::ISSUER.docs());
    docs.extend(client_auth::CLIENT_AUTH.docs());
    docs.extend(php::PHP_SERVER.docs());
    docs.extend(answers::RESPOND.docs());
    docs.extend(basic_auth::REQUEST_BODY.docs());
    docs.extend(file_server::FILE_SERVER.docs());
    docs.extend(matchers::MATCHER.docs());
    docs
}
