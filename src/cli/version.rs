//! `igor version`.

use crate::php::{Engine, EngineOptions};

/// Starts the engine, for only it knows whether opcache runs.
pub(super) fn print() -> Result<(), String> {
    let engine =
        Engine::start(&EngineOptions { threads: 1, ..EngineOptions::default() }).map_err(|error| error.to_string())?;
    let info = engine.info();
    let on = |value: bool| if value { "on" } else { "off" };
    println!("igor {}", env!("CARGO_PKG_VERSION"));
    println!("PHP {} (ZTS{})", info.php_version, if info.debug { ", debug" } else { "" });
    println!("php.ini: {}", info.loaded_ini.as_deref().unwrap_or("none"));
    println!("opcache: {}, JIT: {}", on(info.opcache_enabled), on(info.jit_enabled));
    println!("PHP prefix: {}", env!("IGOR_PHP_PREFIX"));
    println!("build: {}", if cfg!(debug_assertions) { "debug" } else { "release" });
    Ok(())
}
