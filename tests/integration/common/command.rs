//! The two programs that run one PHP script: the stock `php` of the same build, and the program as `igor-php`.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The stock `php` of the build that the program is linked to. It reads no php.ini.
pub(crate) fn stock_php() -> Command {
    let beside_config = || PathBuf::from(std::env::var_os("PHP_CONFIG")?).parent().map(|folder| folder.join("php"));
    let php = std::env::var_os("PHP").map(PathBuf::from).or_else(beside_config);
    let mut command =
        Command::new(php.expect("PHP names the php of the build; `make test` and .cargo/config.toml set it"));
    command.arg("-n");
    command
}

/// The program as PHP's command line. It reads no php.ini.
pub(crate) fn igor_php() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_igor"));
    command.arg0("igor-php").arg("-n");
    command
}

/// Runs a command that must end with status 0, and returns what it printed.
pub(crate) fn output_of(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("starting {command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} ended with {}:\n{text}{errors}", output.status);
    text
}

/// Compiles an extension of PHP from a source file of this folder.
pub(crate) fn compile_module(source: &str, name: &str, folder: &Path) {
    let config = Path::new(stock_php().get_program()).with_file_name("php-config");
    let includes = output_of(Command::new(config).arg("--includes"));
    let source = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/common")).join(source);
    let mut command = Command::new("cc");
    command.args(["-shared", "-fPIC", "-o"]).arg(folder.join(format!("{name}.so")));
    command.arg(format!("-DMODULE={name}")).args(includes.split_whitespace()).arg(source);
    output_of(&mut command);
}
