//! `igor-php-cgi`: runs a script by CGI/1.1 (RFC 3875), like php-cgi. Pure, except
//! that it checks whether files exist. The settings `cgi.*`, `doc_root` and `user_dir` have no effect: they protect a
//! program that web servers call, and this one is for tests.

use super::{Invocation, Source, absolute, c_string};
use crate::exchange::{CommandLine, Interface, Pairs, RequestHead};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

pub(super) const USAGE: &str = "\
Usage: igor-php-cgi [options] [-f] FILE [--] [arguments]
       igor-php-cgi [options]   (the request is in the environment, or the script is read from the standard input)

  -n              read no php.ini
  -c PATH         read php.ini from this file or folder
  -d NAME=VALUE   set a php.ini setting; igor.config=FILE names a Caddyfile whose background workers run beside the script
  -f FILE         run this file; implies -q
  -q              print no response head
  -C              do not change to the script's folder
  -v, -m, -i      show the version, the modules, phpinfo()
  -h              show this
  --threads N     run the script on N threads at once, print the output once, and fail when the threads do not end alike;
                  also the environment variable IGOR_PHP_THREADS
";

/// If the environment has one of these, a web server has started the program.
const SERVER_VARIABLES: [&str; 4] = ["SERVER_SOFTWARE", "SERVER_NAME", "GATEWAY_INTERFACE", "REQUEST_METHOD"];

/// The response if there is no script to run.
const NOT_FOUND_CODE: &str = r#"http_response_code(404); echo "No input file specified.\n"; exit(255);"#;
const DENIED_CODE: &str = r#"http_response_code(403); echo "Access denied.\n"; exit(255);"#;

/// The environment of the process.
pub(super) struct Environment(Vec<(OsString, OsString)>);

impl Environment {
    pub(super) fn of_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.iter().find_map(|(known, value)| (known == name).then_some(value.as_os_str()))
    }

    fn text(&self, name: &str) -> &OsStr {
        self.get(name).unwrap_or_default()
    }

    fn is_of_server(&self) -> bool {
        SERVER_VARIABLES.iter().any(|name| self.get(name).is_some())
    }
}

/// Whether the arguments may come from a client and must not be read as options: a web server passes a query without
/// `=` as arguments.
pub(super) fn has_options_of_a_client(environment: &Environment) -> bool {
    let Some(query) = environment.get("QUERY_STRING") else { return false };
    let query = query.as_bytes();
    !query.contains(&b'=') && percent_decoded(query).into_iter().find(|&byte| byte > b' ') == Some(b'-')
}

fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(code) if *byte == b'%' => {
                decoded.push(code);
                rest = &after[2..];
            }
            _ => {
                decoded.push(if *byte == b'+' { b' ' } else { *byte });
                rest = after;
            }
        }
    }
    decoded
}

/// Builds the request from the environment and the command line.
///
/// # Errors
/// A NUL in the command line.
pub(super) fn head(invocation: &Invocation, environment: &Environment) -> Result<RequestHead, String> {
    let located = Located::find(environment);
    let reads_stdin = located.is_none() && !environment.is_of_server() && invocation.source == Source::StandardInput;
    let mut head = match located {
        Some(located) => request(located, environment)?,
        None => RequestHead { server_vars: self_only(), ..RequestHead::default() },
    };
    head.protocol = 1000;
    head.headers = headers(environment);
    let mut command = CommandLine {
        interface: Interface::Cgi { quiet: invocation.quiet, stays: invocation.stays },
        ..CommandLine::default()
    };
    if environment.is_of_server() {
        // A program that a web server started takes only the options for php.ini.
        command.interface = Interface::Cgi { quiet: false, stays: false };
    } else {
        from_command_line(invocation, &mut head, &mut command)?;
    }
    if command.code.is_none() && !reads_stdin {
        command.code = unopened(Path::new(OsStr::from_bytes(head.script.as_bytes()))).map(c_string).transpose()?;
    }
    head.command = Some(command);
    Ok(head)
}

/// The command line wins over the environment.
fn from_command_line(invocation: &Invocation, head: &mut RequestHead, command: &mut CommandLine) -> Result<(), String> {
    match &invocation.source {
        Source::File(file) => {
            head.script = c_string(absolute(Path::new(file)))?;
            let arguments = invocation.arguments.iter().map(OsString::as_os_str);
            command.arguments =
                std::iter::once(file.as_os_str()).chain(arguments).map(c_string).collect::<Result<_, _>>()?;
        }
        Source::Code(code) => command.code = Some(c_string(code)?),
        Source::StandardInput => {}
    }
    if head.query.is_empty() {
        let arguments: Vec<&[u8]> = invocation.arguments.iter().map(|argument| argument.as_bytes()).collect();
        head.query = c_string(OsString::from_vec(arguments.join(&b"&"[..])))?;
    }
    Ok(())
}

/// Code that answers instead of a script that cannot be opened.
fn unopened(script: &Path) -> Option<&'static str> {
    match std::fs::File::open(script) {
        Ok(file) if file.metadata().is_ok_and(|metadata| !metadata.is_dir()) => None,
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Some(DENIED_CODE),
        _ => Some(NOT_FOUND_CODE),
    }
}

/// The script that the environment names, and the variables that PHP derives again from its place.
struct Located {
    /// Empty: the environment names no script that may run.
    script: PathBuf,
    /// `SCRIPT_NAME`, without what follows the script in the URL.
    name: OsString,
    path_info: OsString,
    changed: Vec<(&'static str, OsString)>,
}

impl Located {
    /// `None`: the environment names no script.
    fn find(environment: &Environment) -> Option<Self> {
        let named = environment.get("SCRIPT_FILENAME").or_else(|| environment.get("PATH_TRANSLATED"))?;
        let mut located = Self {
            script: PathBuf::new(),
            name: environment.text("SCRIPT_NAME").to_owned(),
            path_info: environment.text("PATH_INFO").to_owned(),
            changed: Vec::new(),
        };
        let path = Path::new(named);
        if path.components().any(|part| part == std::path::Component::ParentDir) {
            return Some(located);
        }
        if path.exists() && !named.as_bytes().ends_with(b"/") {
            located.script = absolute(path);
        } else if let Some(script) = path.ancestors().skip(1).find(|ancestor| ancestor.is_file()) {
            located.cut(script, named);
        }
        Some(located)
    }

    /// Some servers pass `/info.php/more` unsplit: the part that is a file is the script, the rest is the path info.
    fn cut(&mut self, script: &Path, named: &OsStr) {
        let rest = named.as_bytes().len() - script.as_os_str().len();
        self.script = absolute(script);
        self.changed.push(("ORIG_SCRIPT_FILENAME", named.to_owned()));
        self.changed.push(("SCRIPT_FILENAME", script.as_os_str().to_owned()));
        let info = self.path_info.as_bytes().to_vec();
        if info.len() > rest {
            let (name, info) = info.split_at(info.len() - rest);
            let name = OsStr::from_bytes(name).to_owned();
            self.changed
                .push(("ORIG_PATH_INFO", std::mem::replace(&mut self.path_info, OsStr::from_bytes(info).into())));
            self.changed.push(("PATH_INFO", self.path_info.clone()));
            self.changed.push(("ORIG_SCRIPT_NAME", std::mem::replace(&mut self.name, name)));
            self.changed.push(("SCRIPT_NAME", self.name.clone()));
        }
    }
}

fn self_only() -> Pairs {
    let mut vars = Pairs::default();
    vars.push(b"PHP_SELF", b"");
    vars
}

fn server_vars(changed: &[(&str, OsString)], own_name: &[u8]) -> Pairs {
    let mut server_vars = Pairs::default();
    changed.iter().for_each(|(name, value)| server_vars.push(name.as_bytes(), value.as_bytes()));
    server_vars.push(b"PHP_SELF", own_name);
    server_vars
}

fn request(located: Located, environment: &Environment) -> Result<RequestHead, String> {
    let own_name = [located.name.as_bytes(), located.path_info.as_bytes()].concat();
    Ok(RequestHead {
        script: c_string(&located.script)?,
        method: c_string(environment.text("REQUEST_METHOD"))?,
        // The path as the client sent it: Phar::webPhar() finds its file by it under every SAPI except PHP's own.
        uri: c_string(OsStr::from_bytes(&own_name))?,
        query: c_string(environment.text("QUERY_STRING"))?,
        content_type: Some(c_string(environment.text("CONTENT_TYPE"))?),
        content_length: leading_number(environment.text("CONTENT_LENGTH").as_bytes()),
        cookie: environment.get("HTTP_COOKIE").map(c_string).transpose()?,
        authorization: environment.get("HTTP_AUTHORIZATION").map(c_string).transpose()?,
        server_vars: server_vars(&located.changed, &own_name),
        ..RequestHead::default()
    })
}

/// Parsed like C's `atoi()`: digits up to the first other byte, 0 without any.
fn leading_number(text: &[u8]) -> i64 {
    let digits = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    std::str::from_utf8(&text[..digits]).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// What `getallheaders()` returns: `HTTP_ACCEPT_LANGUAGE` is `Accept-Language` again.
fn headers(environment: &Environment) -> Pairs {
    let mut headers = Pairs::default();
    for (name, value) in &environment.0 {
        let name = match name.as_bytes() {
            b"CONTENT_TYPE" => b"CONTENT_TYPE",
            b"CONTENT_LENGTH" => &b"CONTENT_LENGTH"[..],
            name => match name.strip_prefix(b"HTTP_") {
                Some(name) => name,
                None => continue,
            },
        };
        let words = name.split(|&byte| byte == b'_').map(|word| match word {
            [first, rest @ ..] => [&[*first], rest.to_ascii_lowercase().as_slice()].concat(),
            [] => Vec::new(),
        });
        headers.push(&words.collect::<Vec<_>>().join(&b"-"[..]), value.as_bytes());
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        Environment(variables.iter().map(|&(name, value)| (name.into(), value.into())).collect())
    }

    fn read(arguments: &[&str], variables: &[(&str, &str)]) -> RequestHead {
        let invocation = Invocation::read(arguments.iter().map(OsString::from)).unwrap();
        head(&invocation, &environment(variables)).unwrap()
    }

    /// Creates a folder with the script `info.php`; returns both paths.
    fn script() -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("info.php");
        std::fs::write(&script, "<?php").unwrap();
        let path = script.to_str().unwrap().to_owned();
        (folder, path)
    }

    fn var<'h>(head: &'h RequestHead, name: &str) -> &'h str {
        std::str::from_utf8(head.server_vars.get(name.as_bytes()).unwrap_or_default()).unwrap()
    }

    #[test]
    fn a_request_in_the_environment() {
        let (_folder, script) = script();
        let head = read(
            &["-C", "-q", "-f", "other.php"],
            &[
                ("REQUEST_METHOD", "POST"),
                ("SCRIPT_FILENAME", &script),
                ("SCRIPT_NAME", "/info.php"),
                ("PATH_INFO", "/more"),
                ("QUERY_STRING", "a=1"),
                ("CONTENT_TYPE", "text/plain"),
                ("CONTENT_LENGTH", "12 bytes"),
                ("HTTP_COOKIE", "c=2"),
                ("HTTP_ACCEPT_LANGUAGE", "de"),
            ],
        );
        assert_eq!(head.script.to_str(), Ok(script.as_str()));
        assert_eq!((head.method.as_c_str(), head.query.as_c_str()), (c"POST", c"a=1"));
        assert_eq!((head.content_type.as_deref(), head.content_length), (Some(c"text/plain"), 12));
        assert_eq!(head.cookie.as_deref(), Some(c"c=2"));
        assert_eq!(head.headers.get(b"Accept-Language"), Some(&b"de"[..]));
        assert_eq!(head.headers.get(b"Content-Type"), Some(&b"text/plain"[..]));
        assert_eq!(var(&head, "PHP_SELF"), "/info.php/more");
        assert_eq!(head.uri.as_c_str(), c"/info.php/more");
        let command = head.command.unwrap();
        assert_eq!(command.interface, Interface::Cgi { quiet: false, stays: false });
        assert_eq!((command.code, command.arguments.len()), (None, 0));
    }

    #[test]
    fn what_follows_the_script_is_path_info() {
        let (_folder, script) = script();
        let filename = format!("{script}/more/of%20it");
        let variables =
            [("REQUEST_METHOD", "GET"), ("SCRIPT_FILENAME", &filename), ("PATH_INFO", "/x/info.php/more/of%20it")];
        let head = read(&[], &variables);
        assert_eq!(head.script.to_str(), Ok(script.as_str()));
        assert_eq!(var(&head, "SCRIPT_FILENAME"), script);
        assert_eq!(var(&head, "ORIG_SCRIPT_FILENAME"), filename);
        assert_eq!(var(&head, "PATH_INFO"), "/more/of%20it");
        assert_eq!(var(&head, "SCRIPT_NAME"), "/x/info.php");
        assert_eq!(var(&head, "PHP_SELF"), "/x/info.php/more/of%20it");
        assert_eq!(head.command.unwrap().code, None);
    }

    #[test]
    fn without_a_script_the_answer_is_404() {
        let (folder, script) = script();
        let upwards = format!("{}/../{}", folder.path().display(), "info.php");
        let folder = folder.path().to_str().unwrap();
        for name in ["", "/no/such/file.php", folder, &upwards] {
            let head = read(&[], &[("REQUEST_METHOD", "GET"), ("SCRIPT_FILENAME", name)]);
            assert!(
                head.command.unwrap().code.is_some_and(|code| code.as_bytes().starts_with(b"http_response_code(404)"))
            );
        }
        assert!(read(&["-f", &script], &[("REQUEST_METHOD", "GET")]).command.unwrap().code.is_some());
        assert!(read(&["no_such.php"], &[]).command.unwrap().code.is_some());
        assert!(read(&[], &[]).command.unwrap().code.is_none(), "the script is on the standard input");
    }

    #[test]
    fn a_script_on_the_command_line() {
        let (_folder, script) = script();
        let head = read(&["-q", "-C", &script, "a=1", "b=2"], &[("QUERY_STRING", "ignored=1")]);
        assert_eq!((head.script.to_str(), head.query.as_c_str()), (Ok(script.as_str()), c"a=1&b=2"));
        let command = head.command.unwrap();
        assert_eq!(command.interface, Interface::Cgi { quiet: true, stays: true });
        assert_eq!((command.arguments.len(), command.code), (3, None));
    }

    #[test]
    fn a_query_is_not_taken_for_options() {
        let cases =
            [("-s", true), ("+-s", true), ("%2dd+x", true), ("-d+a=b", false), ("a", false), ("", false), ("%", false)];
        for (query, expected) in cases {
            assert_eq!(has_options_of_a_client(&environment(&[("QUERY_STRING", query)])), expected, "{query}");
        }
        assert!(!has_options_of_a_client(&environment(&[])));
    }
}
