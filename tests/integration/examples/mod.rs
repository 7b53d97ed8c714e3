//! The examples, each started as its README says and used as its README says.

mod first_page;
mod live_config;
mod recipes;
mod redis;
mod redis_sentinel;

use crate::common::{Response, Server, igor};
use serde_json::Value;
use std::io;
use std::path::Path;
use tempfile::TempDir;

/// A copy of an example, so that a test may edit its files.
fn copy_of(example: &str) -> TempDir {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(example);
    let copy = tempfile::tempdir().expect("a temporary folder can be made");
    copy_folder(&from, copy.path()).unwrap_or_else(|error| panic!("copying {}: {error}", from.display()));
    copy
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Serves a copy of an example on a free port.
fn serve(copy: TempDir, environment: &[(&str, &str)]) -> Server {
    let mut command = igor();
    command.arg("run").arg("--config").arg(copy.path().join("Caddyfile"));
    command.env("PORT", "0").envs(environment.iter().copied());
    Server::spawn(command, copy).wait_listening()
}

/// The JSON of an answer, which must be a 200.
fn json_of(response: &Response) -> Value {
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()
}
