//! `igor trust` and `igor untrust`: add the internal certificate authority to the trust store of this machine, or remove
//! it.

use super::arguments::TrustArguments;
use super::output::print;
use crate::config;
use crate::tls::{InternalAuthority, Storage};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folders where systems keep locally trusted authorities, and the commands that update their trust stores.
const STORES: [(&str, &[&str]); 3] = [
    // Debian, Ubuntu, Alpine.
    ("/usr/local/share/ca-certificates", &["update-ca-certificates"]),
    // Fedora and its relatives.
    ("/etc/pki/ca-trust/source/anchors", &["update-ca-trust", "extract"]),
    // Arch.
    ("/etc/ca-certificates/trust-source/anchors", &["trust", "extract-compat"]),
];

const FILE: &str = "igor-local-authority.crt";

/// `igor trust`: makes the system trust the authority, which is created if there is none.
pub(super) fn trust(arguments: &TrustArguments) -> Result<(), String> {
    let storage = storage(arguments)?;
    let authority = InternalAuthority::open(&storage).map_err(|error| error.to_string())?;
    let (folder, update) = system_store()?;
    let file = folder.join(FILE);
    fs::write(&file, authority.root_pem()).map_err(|error| denied(&file, &error))?;
    run(update)?;
    // A server with another HOME or `storage` has another authority.
    let root = InternalAuthority::root_file(&storage);
    print(&format!("{}: the system trusts igor's own certificate authority {}\n", file.display(), root.display()))
        .map(drop)
}

/// `igor untrust`: takes it back. The authority itself stays.
pub(super) fn untrust() -> Result<(), String> {
    let (folder, update) = system_store()?;
    let file = folder.join(FILE);
    if !file.exists() {
        return print("the system does not trust igor's own certificate authority\n").map(drop);
    }
    fs::remove_file(&file).map_err(|error| denied(&file, &error))?;
    run(update)?;
    print(&format!("{}: removed; the system no longer trusts igor's own certificate authority\n", file.display()))
        .map(drop)
}

/// The storage of the configuration, if there is one.
fn storage(arguments: &TrustArguments) -> Result<Storage, String> {
    let file = arguments.config.clone().or_else(|| Some(PathBuf::from("Caddyfile")).filter(|file| file.exists()));
    let configured = match file {
        Some(file) => config::load(&file).map_err(|errors| super::diagnosed(&errors))?.global.https.storage,
        None => None,
    };
    Ok(Storage::new(configured.unwrap_or_else(Storage::default_root)))
}

fn system_store() -> Result<(&'static Path, &'static [&'static str]), String> {
    let found = STORES.iter().map(|(folder, update)| (Path::new(*folder), *update)).find(|(folder, _)| folder.is_dir());
    found.ok_or_else(|| "this system keeps its certificate authorities in no folder that igor knows".to_owned())
}

fn denied(file: &Path, error: &std::io::Error) -> String {
    let way_out =
        if error.kind() == std::io::ErrorKind::PermissionDenied { "; run it as root, with the same HOME" } else { "" };
    format!("changing {}: {error}{way_out}", file.display())
}

fn run(command: &[&str]) -> Result<(), String> {
    let [program, arguments @ ..] = command else { return Ok(()) };
    let output = Command::new(program).args(arguments).output().map_err(|error| {
        format!("running `{program}`: {error}; the package ca-certificates has it, then run this command again")
    })?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("`{program}` failed: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
