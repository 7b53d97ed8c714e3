//! The flags and small commands of Caddy and FrankenPHP that images, service units and frameworks use.

use super::arguments::{HashPasswordArguments, RespondArguments, ReverseProxyArguments, RunArguments};
use super::installation;
use super::output::{complain, print};
use crate::config;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, IsTerminal, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The version of FrankenPHP that is reported to frameworks that ask: the oldest with everything that igor offers of
/// it.
const FRANKENPHP_VERSION: &str = "1.9.0";

/// How long `igor start` waits for the server that it has started.
const START_SECONDS_MAX: u64 = 120;

/// This variable marks a process that has already read its `--envfile`.
const ENVFILE_READ: &str = "IGOR_ENVFILE_READ";

/// `igor build-info`, in the form of Go's programs: Laravel Octane searches it for the line of FrankenPHP.
pub(super) fn build_info() -> Result<(), String> {
    let text = format!(
        "path\tigor\nmod\tigor\tv{}\ndep\tgithub.com/dunglas/frankenphp\tv{FRANKENPHP_VERSION}\nbuild\t-php={}\n",
        env!("CARGO_PKG_VERSION"),
        installation::php_folder().display()
    );
    print(&text).map(drop)
}

/// `igor list-modules`: the directives, block by block.
pub(super) fn list_modules() -> Result<(), String> {
    let mut blocks: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for directive in config::directive_docs() {
        blocks.entry(directive.block).or_default().push(directive.name);
    }
    let text: String =
        blocks.into_iter().map(|(block, names)| format!("{block}\n  {}\n", names.join("\n  "))).collect();
    print(&text).map(drop)
}

/// `igor environ`, and `run --environ`.
pub(super) fn environ() -> Result<(), String> {
    let mut variables: Vec<String> = std::env::vars_os()
        .map(|(name, value)| format!("{}={}\n", name.to_string_lossy(), value.to_string_lossy()))
        .collect();
    variables.sort();
    print(&variables.concat()).map(drop)
}

/// `igor hash-password`
pub(super) fn hash_password(arguments: &HashPasswordArguments) -> Result<(), String> {
    if !matches!(arguments.algorithm.as_str(), "bcrypt" | "argon2id") {
        return Err(format!("`{}` is no algorithm that igor knows; use bcrypt or argon2id", arguments.algorithm));
    }
    let password = arguments.plaintext.clone().map_or_else(read_password, Ok)?;
    if password.is_empty() {
        return Err("the password is empty".to_owned());
    }
    let hash = match arguments.algorithm.as_str() {
        "argon2id" => argon2id(password.as_bytes())?,
        _ => bcrypt::hash(password, arguments.cost).map_err(|error| failed(&error))?,
    };
    print(&format!("{hash}\n")).map(drop)
}

/// Asks a person; a pipe needs no question.
fn prompt() {
    if io::stdin().is_terminal() {
        let _ = write!(io::stderr(), "Password: ");
    }
}

/// The first line of the standard input, without its end.
fn read_password() -> Result<String, String> {
    prompt();
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(|error| format!("reading the password: {error}"))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Hashes a password at the costs that OWASP advises: 46 MiB, one pass, one lane.
fn argon2id(password: &[u8]) -> Result<String, String> {
    use argon2::password_hash::SaltString;
    use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};

    let mut salt = [0; 16];
    let mut random = fs::File::open("/dev/urandom").map_err(|error| failed(&error))?;
    io::Read::read_exact(&mut random, &mut salt).map_err(|error| failed(&error))?;
    let salt = SaltString::encode_b64(&salt).map_err(|error| failed(&error))?;
    let params = Params::new(46 * 1024, 1, 1, None).map_err(|error| failed(&error))?;
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    hasher.hash_password(password, &salt).map(|hash| hash.to_string()).map_err(|error| failed(&error))
}

fn failed(error: &dyn std::fmt::Display) -> String {
    format!("hashing the password: {error}")
}

/// The Caddyfile of `igor respond`.
pub(super) fn respond(arguments: &RespondArguments) -> String {
    let status = arguments.status.unwrap_or(200);
    format!("http://{} {{\n\trespond {} {status}\n}}\n", arguments.listen, quoted(&arguments.body))
}

/// The Caddyfile of `igor file-server`.
pub(super) fn file_server(root: &Path, listen: &str, access_log: bool) -> String {
    let log = if access_log { "\tlog\n" } else { "" };
    format!("http://{listen} {{\n{log}\troot * {}\n\tfile_server\n}}\n", quoted(&root.to_string_lossy()))
}

/// The Caddyfile of `igor reverse-proxy`.
pub(super) fn reverse_proxy(arguments: &ReverseProxyArguments) -> String {
    let when = |is_set: bool, lines: &'static str| if is_set { lines } else { "" };
    let upstreams: Vec<String> = arguments.to.iter().map(|upstream| quoted(upstream)).collect();
    format!(
        "{} {{\n{}{}\treverse_proxy {} {{\n{}{}\t}}\n}}\n",
        arguments.from,
        when(arguments.access_log, "\tlog\n"),
        when(arguments.internal_certs, "\ttls internal\n"),
        upstreams.join(" "),
        when(arguments.change_host_header, "\t\theader_up Host {upstream_hostport}\n"),
        when(arguments.insecure, "\t\ttransport http {\n\t\t\ttls_insecure_skip_verify\n\t\t}\n"),
    )
}

/// This text as a word of a Caddyfile.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Carries out the flags of `run` that come before reading the configuration.
///
/// # Errors A flag cannot be carried out.
pub(super) fn prepare(arguments: &RunArguments) -> Result<(), String> {
    check_adapter(arguments.adapter.as_deref())?;
    if let Some(error) = read_envfiles(&arguments.envfile) {
        return Err(error);
    }
    if arguments.environ {
        environ()?;
    }
    if arguments.resume {
        complain("igor: --resume has no effect: igor saves no configuration, it reads the Caddyfile\n");
    }
    if let Some(path) = &arguments.pidfile {
        fs::write(path, format!("{}\n", std::process::id()))
            .map_err(|error| format!("writing the pid file {}: {error}", path.display()))?;
    }
    Ok(())
}

/// Refuses configurations that are not Caddyfiles.
pub(super) fn check_adapter(adapter: Option<&str>) -> Result<(), String> {
    match adapter {
        None | Some("" | "caddyfile") => Ok(()),
        Some(other) => Err(format!("`--adapter {other}`: igor reads Caddyfiles only; leave the flag out")),
    }
}

/// Starts the program again with the variables of the files: the environment of a running process cannot be changed without
/// a race. `None`: there are no files, or they were read. Otherwise what went wrong.
pub(super) fn read_envfiles(files: &[PathBuf]) -> Option<String> {
    if files.is_empty() || std::env::var_os(ENVFILE_READ).is_some() {
        return None;
    }
    let (mut variables, program) = match variables_of_files(files).and_then(|found| Ok((found, own_program()?))) {
        Ok(found) => found,
        Err(error) => return Some(error),
    };
    // As in Caddy, variables that are already set win.
    variables.retain(|(name, _)| std::env::var_os(name).is_none());
    let mut again = Command::new(program);
    again.args(std::env::args_os().skip(1)).envs(variables).env(ENVFILE_READ, "1");
    Some(format!("starting with the variables of --envfile: {}", again.exec()))
}

/// The path of the running program.
fn own_program() -> Result<PathBuf, String> {
    std::env::current_exe().map_err(|error| format!("finding the program: {error}"))
}

/// The variables of all files, in the order of the files: of two with the same name, the last one counts.
fn variables_of_files(files: &[PathBuf]) -> Result<Vec<(String, String)>, String> {
    let mut variables = Vec::new();
    for file in files {
        let text = fs::read_to_string(file)
            .map_err(|error| format!("reading the file of variables {}: {error}", file.display()))?;
        let found = variables_of(&text).map_err(|line| format!("{}:{line}: a line is `NAME=VALUE`", file.display()))?;
        variables.extend(found);
    }
    Ok(variables)
}

/// The variables of an environment file: `NAME=VALUE` lines, `#` comments, quotes around values.
///
/// # Errors The number of the first invalid line.
fn variables_of(text: &str) -> Result<Vec<(String, String)>, usize> {
    let mut variables = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=').ok_or(number + 1)?;
        let name = name.trim();
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(number + 1);
        }
        variables.push((name.to_owned(), unquoted(value.trim()).to_owned()));
    }
    Ok(variables)
}

/// A value without its quotes, or, if it has none, without the comment after it.
fn unquoted(value: &str) -> &str {
    let inner = ['"', '\'', '`'].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    inner.unwrap_or_else(|| value.split_once(" #").map_or(value, |(value, _)| value.trim_end()))
}

/// The arguments of this process, for `run` instead of `start`.
fn flags_for_run() -> Vec<OsString> {
    let mut flags: Vec<_> = std::env::args_os().skip(1).collect();
    if let Some(command) = flags.iter_mut().find(|flag| *flag == "start") {
        *command = "run".into();
    }
    flags
}

/// `igor start`: `run` in the background. Returns when the server answers.
pub(super) fn start(arguments: &RunArguments) -> Result<(), String> {
    let mut server = Command::new(own_program()?)
        .args(flags_for_run())
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("starting the server: {error}"))?;
    let deadline = Instant::now() + Duration::from_secs(START_SECONDS_MAX);
    while Instant::now() < deadline {
        if let Some(status) = server.try_wait().map_err(|error| format!("waiting for the server: {error}"))? {
            return Err(format!("the server has ended: {status}"));
        }
        if super::remote::is_served_by(arguments.config.as_deref(), server.id()) {
            return print(&format!("igor runs in the background, pid {}\n", server.id())).map(drop);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Err(format!("the server does not answer within {START_SECONDS_MAX} s; it runs on with pid {}", server.id()))
}

/// Commands of Caddy and FrankenPHP that igor replaces by another way.
pub(super) fn elsewhere(command: &str) -> Option<&'static str> {
    Some(match command {
        "upgrade" | "add-package" | "remove-package" => {
            "igor is upgraded as it was installed; it has no modules to add"
        }
        "storage" => "igor keeps certificates as files; copy their folder",
        "extension-init" => "igor has no modules in Go; a Rust program embeds it as a library",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_variables() {
        let text = "# a comment\nA=1\n\nexport B=\"two words\"\nC='x' \nD=a=b # why\nE=\n";
        let expected = [("A", "1"), ("B", "two words"), ("C", "x"), ("D", "a=b"), ("E", "")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(variables_of(text), Ok(expected.to_vec()));
        assert_eq!(variables_of("A=1\nno value\n"), Err(2));
        assert_eq!(variables_of("=1\n"), Err(1));
    }

    #[test]
    fn a_proxy_without_a_file() {
        let arguments = |all: bool| ReverseProxyArguments {
            from: "shop.example".to_owned(),
            to: vec!["app:3000-3001".to_owned(), "unix//run/app.sock".to_owned()],
            change_host_header: all,
            internal_certs: all,
            insecure: all,
            access_log: all,
        };
        for all in [false, true] {
            let text = reverse_proxy(&arguments(all));
            let config = config::parse(&text, Path::new("Caddyfile"), &|_| None).expect("a configuration");
            let site = &config.sites[0];
            assert_eq!((site.addresses[0].https, site.access_logs.len()), (true, usize::from(all)), "{text}");
            let config::Handler::ReverseProxy(proxy) = &site.routes[0].handler else { panic!("no proxy: {text}") };
            assert_eq!(proxy.settings.upstreams.len(), 3);
            assert_eq!(proxy.settings.tls.as_ref().is_some_and(|tls| tls.insecure), all);
            assert_eq!(proxy.request_headers.ops.len(), usize::from(all));
        }
    }

    #[test]
    fn commands_become_caddyfiles() {
        let text = file_server(Path::new("/srv/a \"b\""), ":8080", true);
        assert_eq!(text, "http://:8080 {\n\tlog\n\troot * \"/srv/a \\\"b\\\"\"\n\tfile_server\n}\n");
    }
}
