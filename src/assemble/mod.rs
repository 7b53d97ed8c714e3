//! Builds threads, sites and logs from a checked configuration: PHP threads, sites, logs.
//!
//! `plan` decides which threads there are. `threads` starts them and transfers them in a reload, `leaving` ends them.
//! `sites` builds the request handlers, `encryption` the protocol of each socket, `logging` the logs. `opcache`
//! carries out restarts of opcache.

mod addresses;
mod cluster;
pub(crate) mod encryption;
mod hubs;
mod leaving;
pub(crate) mod logging;
pub(crate) mod opcache;
mod plan;
mod pool;
mod redirects;
pub(crate) mod sites;
mod threads;

pub(crate) use cluster::{add_cluster_stores, set_cluster};
pub(crate) use hubs::{check_histories, check_hubs, close_other_hubs, publish_for, succeed_hubs};
pub(crate) use leaving::Leaving;
pub(crate) use plan::{declared_scopes, declared_stores, engine_options, thread_options};
pub(crate) use threads::Threads;

use crate::config::Config;
use crate::php::{Engine, Floor, floor_above};
use std::sync::Arc;

/// The running configuration and its threads.
pub(crate) struct Live {
    /// What the admin interface shows, and what the next reload is compared with.
    pub(crate) config: Config,
    pub(crate) threads: Arc<Threads>,
}

/// Logs which PHP runs, and warns when it is unsafe and when opcache does not run.
pub(crate) fn log_engine(engine: &Engine) {
    let info = engine.info();
    tracing::info!(
        php = info.php_version,
        ini = info.loaded_ini.as_deref().unwrap_or("none"),
        opcache = info.opcache_enabled,
        jit = info.jit_enabled,
        "PHP started"
    );
    if let Some(floor) = floor_above(&info.php_version) {
        warn_of_unsafe_php(&info.php_version, &floor);
    }
    if info.opcache_enabled && !info.opcache_guarded {
        tracing::warn!(
            "opcache's locks cannot be seen, so a restart of opcache (opcache_reset(), a full cache) wipes memory under \
             running scripts and may end the process; load it from PHP's own extension folder (zend_extension=opcache)"
        );
    }
    if !info.opcache_enabled {
        warn_of_missing_opcache(info.opcache_loaded);
    }
}

fn warn_of_unsafe_php(version: &str, floor: &Floor) {
    tracing::warn!(
        php = version,
        floor = floor.version,
        since = floor.since,
        reason = floor.reason,
        "this PHP is unsafe: its flaws are public and fixed in a newer release of its series; install one and start igor \
         again (where igor was built with make: make php PHP_UPDATE=1)"
    );
}

fn warn_of_missing_opcache(loaded: bool) {
    let why = if loaded {
        "it is loaded but off: set opcache.enable=1 in php.ini"
    } else {
        "it is not loaded: add zend_extension=opcache to php.ini"
    };
    tracing::warn!("opcache does not run, so every request compiles its scripts again; {why}");
}
