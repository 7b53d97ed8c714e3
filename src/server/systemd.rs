//! Reports the state of the server to systemd, or to any other program that set `NOTIFY_SOCKET`. Otherwise it does nothing.

use sd_notify::NotifyState;
use std::time::Duration;

/// The server serves; again after a reload. A unit of `Type=notify` has started only now.
pub(super) fn ready() {
    send(&[NotifyState::Ready]);
}

/// A reload starts. systemd needs the time, to distinguish it from an earlier one.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!("reading the monotonic clock: {error}"),
    }
}

/// The server stops.
pub(super) fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// Reports twice per watchdog interval that the async side is alive, until the process ends; returns at once without a
/// watchdog (`WatchdogSec=`).
pub(super) async fn keep_alive() {
    let Some(interval) = sd_notify::watchdog_enabled().filter(|interval| *interval > Duration::ZERO) else { return };
    let mut ticks = tokio::time::interval(interval / 2);
    loop {
        ticks.tick().await;
        send(&[NotifyState::Watchdog]);
    }
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("telling the service manager (NOTIFY_SOCKET): {error}");
    }
}
