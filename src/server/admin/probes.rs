//! The probes of orchestrators and operators: liveness, readiness and versions.

use super::look;
use super::view::{NotReadyView, PhpView, ReadyView, StatusView, UnsafeView, Workers};
use crate::assemble;
use crate::php::{floor_above, running_release};
use std::time::SystemTime;

/// States of a background worker that is not up. One that is `running` has its handle and may never publish, like a consumer
/// of a queue, so it counts as up; `require` waits for its first snapshot all the same.
const NOT_READY: [&str; 3] = ["starting", "given up", "stopping"];

/// The state of a worker of a cluster while its instance has never reached the engine. It does not depend on what the engine does
/// later: an outage must not make all instances unready.
const NOT_REACHED: &str = "the cluster's engine has not answered";

/// The workers that are not ready, of all scopes or of one. Workers that start on first demand are ignored.
pub(super) fn ready(threads: &assemble::Threads, scope: Option<&str>) -> ReadyView {
    let not_ready = missing(look::workers(threads), scope);
    ReadyView { ready: not_ready.is_empty(), not_ready }
}

fn missing(workers: Workers, scope: Option<&str>) -> Vec<NotReadyView> {
    let background = workers.background.into_iter().filter_map(|worker| {
        let state = match &worker.cluster {
            Some(cluster) if !cluster.reached => NOT_REACHED.to_owned(),
            _ => Some(worker.state).filter(|state| NOT_READY.contains(&state.as_str()))?,
        };
        Some(NotReadyView { scope: worker.scope, worker: worker.name, state })
    });
    let http = workers.http.into_iter().filter(|worker| worker.ready == 0).map(|worker| {
        let state = if worker.threads == 0 { "given up" } else { "starting" };
        NotReadyView { scope: worker.scope, worker: worker.name, state: state.to_owned() }
    });
    background.chain(http).filter(|missing| scope.is_none_or(|scope| missing.scope == scope)).collect()
}

/// What the server is.
pub(super) fn status(started: SystemTime) -> StatusView {
    let version = running_release();
    let floor = floor_above(version);
    StatusView {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        php: PhpView {
            version: version.to_owned(),
            r#unsafe: floor.map(|floor| UnsafeView {
                safe_from: floor.version.to_owned(),
                public_since: floor.since.to_owned(),
                reason: floor.reason.to_owned(),
            }),
        },
        pid: std::process::id(),
        uptime_seconds: started.elapsed().map_or(0.0, |uptime| uptime.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::missing;
    use crate::server::admin::view::{BackgroundView, HttpView, Workers};

    fn background(scope: &str, name: &str, state: &str) -> BackgroundView {
        BackgroundView { scope: scope.to_owned(), name: name.to_owned(), state: state.to_owned(), ..Default::default() }
    }

    #[test]
    fn what_has_not_started_is_missing_and_what_is_idle_is_not() {
        let workers = || Workers {
            background: vec![
                background("a", "flags", "ready"),
                background("a", "rates", "given up"),
                background("b", "asked-for-later", "idle"),
                background("b", "news", "starting"),
            ],
            http: vec![HttpView { scope: "b".to_owned(), name: "app".to_owned(), threads: 2, ..Default::default() }],
        };
        let names = |scope| missing(workers(), scope).into_iter().map(|missing| missing.worker).collect::<Vec<_>>();
        assert_eq!(names(None), ["rates", "news", "app"]);
        assert_eq!(names(Some("a")), ["rates"]);
        assert_eq!(names(Some("b")), ["news", "app"]);
        assert!(names(Some("c")).is_empty());
    }
}
