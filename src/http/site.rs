//! A site: its hosts, and the routes of its requests.

use std::sync::Arc;
use std::time::Duration;

use super::access_log::AccessLog;
use super::settings::Handler;
use super::tree::Routes;
use crate::config::TrustedProxies;

/// One site: what answers for some hosts.
#[derive(Clone)]
pub struct SiteSettings {
    /// The site in the logs.
    pub label: String,
    /// Host names without port, in lower case; a label `*` matches any one label. Empty: every host that no other site
    /// names.
    pub hosts: Vec<String>,
    /// What answers; see [`crate::config::Site::routes`].
    pub routes: Arc<Routes<Handler>>,
    /// What answers a request that has failed; see [`crate::config::Site::error_routes`].
    pub error_routes: Arc<Routes<Handler>>,
    /// The proxies that are trusted to report the client's address.
    pub trusted_proxies: Arc<TrustedProxies>,
    /// How long the body of a request may take altogether; `None`: as long as its client keeps the usual pace.
    pub body_read_max: Option<Duration>,
    /// Where the record of each request goes.
    pub access_log: AccessLog,
}
