//! A site: its hosts, and the routes of its requests.

use std::sync::Arc;
use std::time::Duration;

use super::access_log::AccessLog;
use super::settings::Handler;
use super::tree::Routes;
use crate::config::TrustedProxies;

/// A site: the handler of some hosts.
#[derive(Clone)]
pub struct SiteSettings {
    /// The site in the logs.
    pub label: String,
    /// Host names without port, in lower case; a label `*` matches any one label. Empty: every host that no other site
    /// names.
    pub hosts: Vec<String>,
    /// What answers; see [`crate::config::Site::routes`].
    pub routes: Arc<Routes<Handler>>,
    /// The routes for a failed request; see [`crate::config::Site::error_routes`].
    pub error_routes: Arc<Routes<Handler>>,
    /// The proxies that are trusted to report the client's address.
    pub trusted_proxies: Arc<TrustedProxies>,
    /// The time limit for the whole body of a request; `None`: no limit while the client keeps the default pace.
    pub body_read_max: Option<Duration>,
    /// The destination of its access records.
    pub access_log: AccessLog,
}
