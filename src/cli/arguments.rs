//! The arguments of the command line. Each flag can also be set by an environment variable.

use crate::config::{QuickOptions, WATCH_DEFAULT};
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

/// Runs PHP with background workers that publish live state to every request.
#[derive(Debug, Parser)]
#[command(name = "igor", disable_version_flag = true, arg_required_else_help = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve what a Caddyfile describes
    Run(RunArguments),
    /// Serve a directory without a configuration file
    PhpServer(PhpServerArguments),
    /// Take php-fpm's place behind nginx, Apache or Caddy
    Fpm(FpmArguments),
    /// Check a Caddyfile and say what is wrong with it
    Validate(ValidateArguments),
    /// Show the workers of a running server, and why one does not come up
    Workers(WorkersArguments),
    /// Show the status page of a running server in the browser
    Open(RemoteArguments),
    /// Restart the workers of a running server
    Restart(RemoteArguments),
    /// Let a running server read its configuration again
    Reload(RemoteArguments),
    /// Stop a running server
    Stop(RemoteArguments),
    /// Serve in the background; returns when the server answers
    Start(RunArguments),
    /// Serve the files of a directory
    FileServer(FileServerArguments),
    /// Pass every request on to another server
    ReverseProxy(ReverseProxyArguments),
    /// Answer every request with a fixed text
    Respond(RespondArguments),
    /// Bring a Caddyfile into its usual form
    Fmt(FormatArguments),
    /// Show as JSON what igor has read of a Caddyfile; the form is its own, not Caddy's
    Adapt(AdaptArguments),
    /// Hash a password for `basic_auth`
    HashPassword(HashPasswordArguments),
    /// Show the variables of the environment
    Environ(EnvironArguments),
    /// Show what igor is built of
    BuildInfo,
    /// Show every directive, block by block
    ListModules,
    /// Make this machine trust igor's own certificate authority, which signs for localhost and for `tls internal`
    Trust(TrustArguments),
    /// Take that back
    Untrust,
    /// Print what a shell needs to complete igor's commands and flags
    Completion(CompletionArguments),
    /// Print the man page of igor, or write the pages of all commands
    Manpage(ManpageArguments),
    /// Show the versions of igor and of the PHP in it
    Version,
    /// Run PHP's own command line, of the PHP that igor was built with; all arguments are PHP's
    #[command(name = "php-cli", disable_help_flag = true)]
    PhpCli(PhpCliArguments),
}

#[derive(Debug, Args)]
pub(super) struct CompletionArguments {
    /// bash, elvish, fish, powershell or zsh
    #[arg(value_name = "SHELL")]
    pub(super) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(super) struct ManpageArguments {
    /// The directory for a page of each command, which is made; without it one page goes to the standard output
    #[arg(long, short = 'o', value_name = "DIR")]
    pub(super) directory: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct FileServerArguments {
    /// The directory
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    pub(super) root: PathBuf,
    /// The address to listen on
    #[arg(long, short, value_name = "ADDR", default_value = ":80")]
    pub(super) listen: String,
    /// Answer this host only
    #[arg(long, short, value_name = "HOST")]
    pub(super) domain: Option<String>,
    /// Log each request
    #[arg(long)]
    pub(super) access_log: bool,
}

#[derive(Debug, Args)]
pub(super) struct ReverseProxyArguments {
    /// The address to listen on; a host without a scheme means HTTPS, as in a Caddyfile
    #[arg(long, short, value_name = "ADDR", default_value = "localhost")]
    pub(super) from: String,
    /// An upstream; several share the requests
    #[arg(long, short, value_name = "ADDR", required = true)]
    pub(super) to: Vec<String>,
    /// Send the upstream its own address as the host
    #[arg(long, short)]
    pub(super) change_host_header: bool,
    /// Use a certificate of igor's own authority
    #[arg(long, short)]
    pub(super) internal_certs: bool,
    /// Accept any certificate of the upstream
    #[arg(long)]
    pub(super) insecure: bool,
    /// Log each request
    #[arg(long)]
    pub(super) access_log: bool,
}

#[derive(Debug, Args)]
pub(super) struct RespondArguments {
    /// The address to listen on
    #[arg(long, short, value_name = "ADDR", default_value = ":80")]
    pub(super) listen: String,
    /// The status
    #[arg(long, short)]
    pub(super) status: Option<u16>,
    /// The text
    #[arg(default_value = "", value_name = "TEXT")]
    pub(super) body: String,
}

#[derive(Debug, Args)]
pub(super) struct FormatArguments {
    /// The file; `-` is the standard input
    #[arg(default_value = "Caddyfile", value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Change the file, instead of printing what it would be
    #[arg(long, short = 'w')]
    pub(super) overwrite: bool,
}

#[derive(Debug, Args)]
pub(super) struct AdaptArguments {
    /// The configuration file
    #[arg(long, short, value_name = "FILE", env = "IGOR_CONFIG", default_value = "Caddyfile")]
    pub(super) config: PathBuf,
    /// Accepted for Caddy's sake: only `caddyfile`
    #[arg(long, short, value_name = "NAME")]
    pub(super) adapter: Option<String>,
    /// On many lines
    #[arg(long, short)]
    pub(super) pretty: bool,
}

#[derive(Debug, Args)]
pub(super) struct HashPasswordArguments {
    /// The password; without it a line is read from the standard input
    #[arg(long, short, value_name = "TEXT")]
    pub(super) plaintext: Option<String>,
    /// The algorithm: `bcrypt` or `argon2id`
    #[arg(long, short, default_value = "bcrypt")]
    pub(super) algorithm: String,
    /// How much work a hash of bcrypt is: each step doubles it
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(4..=16))]
    pub(super) cost: u32,
}

#[derive(Debug, Args)]
pub(super) struct EnvironArguments {
    /// A file with more of them; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(super) envfile: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// The configuration file [default: ./Caddyfile]
    #[arg(long, short, value_name = "FILE", env = "IGOR_CONFIG")]
    pub(super) config: Option<PathBuf>,
    /// Serve this directory when there is no Caddyfile
    #[arg(long, value_name = "DIR", env = "IGOR_ROOT")]
    pub(super) root: Option<PathBuf>,
    /// Accepted for Caddy's sake: only `caddyfile`
    #[arg(long, short, value_name = "NAME")]
    pub(super) adapter: Option<String>,
    /// Reload when a file of the configuration changes
    #[arg(long, short)]
    pub(super) watch: bool,
    /// Print the environment first
    #[arg(long, short)]
    pub(super) environ: bool,
    /// A file of variables that the configuration and PHP see; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(super) envfile: Vec<PathBuf>,
    /// Write the number of the process into this file
    #[arg(long, value_name = "FILE")]
    pub(super) pidfile: Option<PathBuf>,
    /// Accepted for Caddy's sake: igor saves no configuration
    #[arg(long, short)]
    pub(super) resume: bool,
}

#[derive(Debug, Args)]
pub(super) struct ValidateArguments {
    /// The configuration file
    #[arg(long, short, value_name = "FILE", env = "IGOR_CONFIG", default_value = "Caddyfile")]
    pub(super) config: PathBuf,
    /// Accepted for Caddy's sake: only `caddyfile`
    #[arg(long, short, value_name = "NAME")]
    pub(super) adapter: Option<String>,
    /// A file of variables that the configuration sees; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(super) envfile: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct TrustArguments {
    /// The configuration file, for its `storage` [default: ./Caddyfile, if there is one]
    #[arg(long, short, value_name = "FILE", env = "IGOR_CONFIG")]
    pub(super) config: Option<PathBuf>,
}

/// What the command line says after `php-cli`. Only for the help: PHP is given what stood there, byte for byte.
#[derive(Debug, Args)]
pub(super) struct PhpCliArguments {
    /// The arguments of php
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    _arguments: Vec<OsString>,
}

/// Which running server is meant.
#[derive(Debug, Args)]
pub(super) struct RemoteArguments {
    /// Where its admin interface listens, such as localhost:2019 or unix//run/igor.sock [default: what the Caddyfile says]
    #[arg(long, short, value_name = "ADDR", env = "IGOR_ADMIN")]
    pub(super) address: Option<String>,
    /// The configuration file; `reload` sends it to the server [default: ./Caddyfile, for the address alone]
    #[arg(long, short, value_name = "FILE", env = "IGOR_CONFIG")]
    pub(super) config: Option<PathBuf>,
    /// Accepted for Caddy's sake: only `caddyfile`
    #[arg(long, value_name = "NAME")]
    pub(super) adapter: Option<String>,
    /// Accepted for Caddy's sake: a reload always takes place
    #[arg(long, short)]
    _force: bool,
}

#[derive(Debug, Args)]
pub(super) struct WorkersArguments {
    #[command(flatten)]
    pub(super) remote: RemoteArguments,
    /// Look again every second, until it is interrupted
    #[arg(long, short)]
    pub(super) watch: bool,
    /// Print what the server answers, as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct PhpServerArguments {
    /// The document root
    #[arg(long, short, value_name = "DIR", env = "IGOR_ROOT", default_value = ".")]
    root: PathBuf,
    /// An address to listen on, such as :8080 or 127.0.0.1:8080; may be repeated
    #[arg(long, short, value_name = "ADDR", env = "IGOR_LISTEN", value_delimiter = ' ')]
    listen: Vec<String>,
    /// A script that takes requests with frankenphp_handle_request(), and how many threads run it; may be repeated
    #[arg(long, short, value_name = "FILE[,N]", value_parser = worker)]
    worker: Vec<(PathBuf, Option<usize>)>,
    /// A script that runs beside the requests and publishes with frankenphp_set_vars(); N threads start with the server,
    /// none on first demand; may be repeated
    #[arg(long, short, value_name = "NAME=FILE[,N]", value_parser = background)]
    background: Vec<(String, PathBuf, Option<usize>)>,
    /// Answer this host alone, by HTTPS on port 443, or on the port of --listen
    #[arg(long, short, value_name = "HOST")]
    domain: Option<String>,
    /// Restart the workers when a file of this pattern changes; without a pattern, a file of PHP, Twig, YAML or the
    /// environment in or below the working directory; may be repeated
    #[arg(long, value_name = "PATTERN", num_args = 0..=1, default_missing_value = WATCH_DEFAULT)]
    watch: Vec<String>,
    /// Run a Mercure hub; the environment has the keys, MERCURE_PUBLISHER_JWT_KEY and MERCURE_SUBSCRIBER_JWT_KEY, and
    /// perhaps their algorithms, MERCURE_PUBLISHER_JWT_ALG and MERCURE_SUBSCRIBER_JWT_ALG
    #[arg(long, short)]
    mercure: bool,
    /// Log each request
    #[arg(long, short)]
    pub(super) access_log: bool,
    /// Log at the level `debug`
    #[arg(long, short = 'v')]
    pub(super) debug: bool,
    /// Send responses without compression, which is otherwise by zstd, br or gzip
    #[arg(long)]
    no_compress: bool,
}

#[derive(Debug, Args)]
pub(super) struct FpmArguments {
    /// An address to listen on, such as 127.0.0.1:9000 or unix:/run/igor.sock, with |MODE for its permissions (0660); may be
    /// repeated
    #[arg(
        long,
        short,
        value_name = "ADDR",
        env = "IGOR_LISTEN",
        value_delimiter = ' ',
        default_value = "127.0.0.1:9000"
    )]
    listen: Vec<String>,
    /// Print the Caddyfile that does what this pool file of php-fpm says, and start nothing
    #[arg(long, value_name = "POOL")]
    pub(super) import: Option<PathBuf>,
    /// A script that takes requests with frankenphp_handle_request(), and how many threads run it; may be repeated
    #[arg(long, short, value_name = "FILE[,N]", value_parser = worker)]
    worker: Vec<(PathBuf, Option<usize>)>,
    /// A script that runs beside the requests and publishes with frankenphp_set_vars(); N threads start with the server,
    /// none on first demand; may be repeated
    #[arg(long, short, value_name = "NAME=FILE[,N]", value_parser = background)]
    background: Vec<(String, PathBuf, Option<usize>)>,
    /// A php.ini setting for all scripts, as php-fpm's php_value; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = ini_setting)]
    php_value: Vec<(String, String)>,
    /// The same, and scripts cannot change it
    #[arg(long, value_name = "NAME=VALUE", value_parser = ini_setting)]
    php_admin_value: Vec<(String, String)>,
    /// The path of the status page, as php-fpm's pm.status_path
    #[arg(long, value_name = "PATH")]
    status_path: Option<String>,
    /// The path of a page that says pong, as php-fpm's ping.path
    #[arg(long, value_name = "PATH")]
    ping_path: Option<String>,
    /// Logs a backtrace of each request that takes longer than this, such as 5s
    #[arg(long, value_name = "DURATION")]
    request_slowlog_timeout: Option<String>,
    /// Ends each request that takes longer than this, such as 60s
    #[arg(long, value_name = "DURATION")]
    request_terminate_timeout: Option<String>,
    /// The suffix of the files that may run, as php-fpm's security.limit_extensions; may be repeated [default: .php]
    #[arg(long, value_name = "SUFFIX")]
    limit_extensions: Vec<String>,
}

impl FpmArguments {
    /// The flags as directives of a block of PHP.
    fn directives(&self) -> Vec<Vec<String>> {
        let settings = |name: &'static str, settings: &[(String, String)]| -> Vec<Vec<String>> {
            settings.iter().map(|(key, value)| vec![name.to_owned(), key.clone(), value.clone()]).collect()
        };
        let one = |name: &str, value: &Option<String>| value.clone().map(|value| vec![name.to_owned(), value]);
        let mut directives = settings("php_value", &self.php_value);
        directives.extend(settings("php_admin_value", &self.php_admin_value));
        directives.extend(one("status_path", &self.status_path));
        directives.extend(one("ping_path", &self.ping_path));
        directives.extend(one("request_slowlog_timeout", &self.request_slowlog_timeout));
        directives.extend(one("request_terminate_timeout", &self.request_terminate_timeout));
        if !self.limit_extensions.is_empty() {
            directives.push([vec!["split_path".to_owned()], self.limit_extensions.clone()].concat());
        }
        directives
    }
}

impl From<FpmArguments> for QuickOptions {
    fn from(arguments: FpmArguments) -> Self {
        let directives = arguments.directives();
        let FpmArguments { listen, worker, background, .. } = arguments;
        // php-fpm and nginx write a socket as its path, with `unix:` in front or without.
        let path = |address: &str| match address.strip_prefix("unix:") {
            Some(path) => Some(path.to_owned()),
            None => address.starts_with('/').then(|| address.to_owned()),
        };
        let sockets = listen.iter().filter_map(|address| path(address)).collect();
        let listen = listen.iter().filter(|address| path(address).is_none());
        let listen = listen.map(|address| format!("fastcgi://{address}")).collect();
        Self { listen, sockets, workers: worker, background, directives, ..Self::default() }
    }
}

impl From<PhpServerArguments> for QuickOptions {
    fn from(arguments: PhpServerArguments) -> Self {
        let PhpServerArguments { root, listen, worker, background, domain, watch, mercure, no_compress, .. } =
            arguments;
        let compress = !no_compress;
        Self { root, listen, workers: worker, background, domain, watch, mercure, compress, ..Self::default() }
    }
}

fn ini_setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn worker(text: &str) -> Result<(PathBuf, Option<usize>), String> {
    let (file, number) = match text.rsplit_once(',') {
        Some((file, number)) => (file, Some(threads(number)?)),
        None => (text, None),
    };
    if file.is_empty() {
        return Err("the file is missing; write FILE or FILE,N".into());
    }
    Ok((file.into(), number))
}

fn background(text: &str) -> Result<(String, PathBuf, Option<usize>), String> {
    let (name, rest) = text.split_once('=').ok_or("write NAME=FILE or NAME=FILE,N")?;
    let (file, number) = worker(rest)?;
    Ok((name.to_owned(), file, number))
}

fn threads(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("`{text}` is no number of threads; write FILE,N"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn workers_are_cut_at_the_last_comma() {
        assert_eq!(worker("a,b.php,4"), Ok(("a,b.php".into(), Some(4))));
        assert_eq!(worker("w.php"), Ok(("w.php".into(), None)));
        assert!(worker("w.php,four").is_err());
        assert_eq!(background("n=w.php,1"), Ok(("n".into(), "w.php".into(), Some(1))));
        assert!(background("w.php").is_err());
    }
}
