//! Enforces the time limits of requests: `request_slowlog_timeout` and `request_terminate_timeout`.

use super::control::Control;
use crate::assemble::Live;
use crate::config::Site;
use crate::limits::{OVERDUE_LOOK_EVERY_MS, OVERDUE_LOOK_IDLE_MS};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Checks regularly until the server ends; rarely while no block has a limit.
pub(super) async fn watch(control: Control) {
    let mut known = Weak::new();
    let mut has_limits = false;
    loop {
        let every = if has_limits { OVERDUE_LOOK_EVERY_MS } else { OVERDUE_LOOK_IDLE_MS };
        tokio::time::sleep(Duration::from_millis(every)).await;
        let live = control.live();
        // The weak reference keeps the address from being used again.
        if known.as_ptr() != Arc::as_ptr(&live) {
            known = Arc::downgrade(&live);
            has_limits = limits_requests(&live);
        }
        if has_limits {
            live.threads.check_overdue();
        }
    }
}

fn limits_requests(live: &Live) -> bool {
    let mut blocks = live.config.sites.iter().flat_map(Site::php_servers);
    blocks.any(|block| {
        block.settings.request_slowlog_timeout.is_some() || block.settings.request_terminate_timeout.is_some()
    })
}
