//! `igor version`.

use super::installation;
use super::output::print;
use crate::php::{Engine, EngineOptions, floor_above};

/// A warning about this release, as the end of its line.
fn floor(version: &str) -> String {
    floor_above(version).map_or(String::new(), |floor| {
        format!(": UNSAFE, older than {}; public since {}: {}", floor.version, floor.since, floor.reason)
    })
}

fn on(value: bool) -> &'static str {
    if value { "on" } else { "off" }
}

/// Starts the engine, because only the engine knows whether opcache runs.
pub(super) fn print_versions() -> Result<(), String> {
    let engine =
        Engine::start(&EngineOptions { threads: 1, ..EngineOptions::default() }).map_err(|error| error.to_string())?;
    let info = engine.info();
    let text = [
        format!("igor {}", env!("CARGO_PKG_VERSION")),
        format!(
            "PHP {} (ZTS{}){}",
            info.php_version,
            if info.debug { ", debug" } else { "" },
            floor(&info.php_version)
        ),
        format!("php.ini: {}", info.loaded_ini.as_deref().unwrap_or("none")),
        format!("opcache: {}, JIT: {}", on(info.opcache_enabled), on(info.jit_enabled)),
        format!("PHP prefix: {}", installation::php_folder().display()),
        format!("build: {}\n", if cfg!(debug_assertions) { "debug" } else { "release" }),
    ];
    print(&text.join("\n")).map(drop)
}
