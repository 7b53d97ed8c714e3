//! `igor-php`: the program under this name takes the arguments of PHP's own command line and runs one script as a classic
//! request of this SAPI. PHP's run-tests.php drives it, so that .phpt suites test this SAPI.

use super::EXIT_FAILURE;
use crate::config::{self, Config};
use crate::exchange::{CommandLine, Pairs, RequestHead};
use crate::php::EngineOptions;
use crate::server;
use std::ffi::{CString, NulError, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The name that makes the program PHP's command line.
const PROGRAM: &str = "igor-php";

/// The setting, given by `-d`, that names a Caddyfile whose background workers run beside the script.
const CONFIG_SETTING: &str = "igor.config";

/// What PHP's command line sets whatever php.ini says, and what makes errors visible. `-d` wins over it.
const SETTINGS: [(&str, &str); 7] = [
    ("display_errors", "1"),
    ("log_errors", "0"),
    ("implicit_flush", "1"),
    ("output_buffering", "0"),
    ("max_execution_time", "0"),
    ("max_input_time", "-1"),
    ("register_argc_argv", "1"),
];

/// PHP's long names of the options.
const LONG_NAMES: [(&[u8], u8); 10] = [
    (b"--php-ini", b'c'),
    (b"--define", b'd'),
    (b"--file", b'f'),
    (b"--run", b'r'),
    (b"--no-php-ini", b'n'),
    (b"--no-header", b'q'),
    (b"--version", b'v'),
    (b"--modules", b'm'),
    (b"--info", b'i'),
    (b"--help", b'h'),
];

/// What `$argv[0]` and `$_SERVER['SCRIPT_NAME']` are for code that is in no file; PHP's own words.
const NO_FILE: &str = "Standard input code";

const USAGE: &str = "\
Usage: igor-php [options] [-f] FILE [--] [arguments]
       igor-php [options] -r CODE [--] [arguments]
       igor-php [options] [-] [--] [arguments]   (the script is read from the standard input)

  -n              read no php.ini
  -c PATH         read php.ini from this file or folder
  -d NAME=VALUE   set a php.ini setting; igor.config=FILE names a Caddyfile whose background workers run beside the script
  -f FILE         run this file
  -r CODE         run this code, without <?php
  -q, -C          nothing: for compatibility
  -v, -m, -i      show the version, the modules, phpinfo()
  -h              show this
";

const VERSION_CODE: &str = r#"echo 'PHP ', PHP_VERSION, ' (', PHP_SAPI, ') (', PHP_ZTS ? 'ZTS' : 'NTS', PHP_DEBUG ? ' DEBUG' : '', ")\nZend Engine v", zend_version(), "\n";"#;

const MODULES_CODE: &str = r#"foreach (['PHP' => false, 'Zend' => true] as $kind => $zend) {
    $names = get_loaded_extensions($zend);
    natcasesort($names);
    echo "[$kind Modules]\n", implode("\n", $names), "\n\n";
}"#;

const INFO_CODE: &str = "phpinfo();";

/// What is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    File(OsString),
    Code(OsString),
    StandardInput,
}

/// A command line that has been read.
#[derive(Debug, PartialEq, Eq)]
struct Invocation {
    source: Source,
    /// What follows `$argv[0]`.
    arguments: Vec<OsString>,
    ini_lines: Vec<String>,
    ini_path: Option<PathBuf>,
    ignore_ini: bool,
    config: Option<PathBuf>,
    help: bool,
}

/// Whether the program was called as PHP's command line.
pub(super) fn is_wanted() -> bool {
    let name = std::env::args_os().next();
    name.is_some_and(|name| Path::new(&name).file_name() == Some(OsStr::new(PROGRAM)))
}

/// Runs what the command line names; the exit status is the script's.
pub(super) fn main() -> ExitCode {
    match Invocation::read(std::env::args_os().skip(1)).and_then(|invocation| invocation.run()) {
        // As everywhere, a process's status is a byte.
        Ok(status) => ExitCode::from(status as u8),
        Err(message) => {
            eprintln!("{PROGRAM}: {message}");
            ExitCode::from(EXIT_FAILURE)
        }
    }
}

impl Invocation {
    /// Reads the arguments after the program's name, in PHP's way: one-letter options may stand together, and the value of
    /// one may follow at once.
    fn read(arguments: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut arguments = arguments;
        let mut invocation = Self {
            source: Source::StandardInput,
            arguments: Vec::new(),
            ini_lines: Vec::new(),
            ini_path: None,
            ignore_ini: false,
            config: None,
            help: false,
        };
        while let Some(argument) = arguments.next() {
            match argument.as_bytes() {
                b"--" => {}
                [b'-', b'-', ..] => {
                    invocation.long_option(&argument, &mut arguments)?;
                    continue;
                }
                [b'-', letters @ ..] if !letters.is_empty() => {
                    invocation.options(letters, &mut arguments)?;
                    continue;
                }
                _ => invocation.file_or_argument(argument),
            }
            break;
        }
        invocation.arguments.extend(arguments);
        Ok(invocation)
    }

    /// The first argument that is no option: the script, unless an option named it.
    fn file_or_argument(&mut self, argument: OsString) {
        if self.source != Source::StandardInput {
            self.arguments.push(argument);
        } else if argument != "-" {
            self.source = Source::File(argument);
        }
    }

    /// `--NAME`, `--NAME=VALUE` or `--NAME VALUE`.
    fn long_option(&mut self, option: &OsStr, rest: &mut impl Iterator<Item = OsString>) -> Result<(), String> {
        let (name, attached) = match option.as_bytes().iter().position(|&byte| byte == b'=') {
            Some(end) => (&option.as_bytes()[..end], &option.as_bytes()[end + 1..]),
            None => (option.as_bytes(), &b""[..]),
        };
        match LONG_NAMES.iter().find(|(known, _)| *known == name) {
            Some((_, letter)) => self.options(&[&[*letter], attached].concat(), rest),
            None => Err(format!("there is no option {}; -h lists the options", option.display())),
        }
    }

    fn options(&mut self, letters: &[u8], rest: &mut impl Iterator<Item = OsString>) -> Result<(), String> {
        for (position, letter) in letters.iter().enumerate() {
            if b"cdfr".contains(letter) {
                let attached = &letters[position + 1..];
                let value = if attached.is_empty() {
                    rest.next().ok_or_else(|| format!("the option -{} needs a value", char::from(*letter)))?
                } else {
                    OsString::from_vec(attached.to_vec())
                };
                return self.option(*letter, value);
            }
            match letter {
                b'n' => self.ignore_ini = true,
                b'q' | b'C' => {}
                b'h' => self.help = true,
                b'v' => self.source = Source::Code(VERSION_CODE.into()),
                b'm' => self.source = Source::Code(MODULES_CODE.into()),
                b'i' => self.source = Source::Code(INFO_CODE.into()),
                _ => return Err(format!("there is no option -{}; -h lists the options", char::from(*letter))),
            }
        }
        Ok(())
    }

    fn option(&mut self, letter: u8, value: OsString) -> Result<(), String> {
        match letter {
            b'c' => self.ini_path = Some(value.into()),
            b'f' => self.source = Source::File(value),
            b'r' => self.source = Source::Code(value),
            _ => self.setting(&value)?,
        }
        Ok(())
    }

    /// `-d NAME=VALUE`. A value that begins with a letter, a digit or a quote is taken as php.ini would, others are quoted.
    fn setting(&mut self, setting: &OsStr) -> Result<(), String> {
        let Some(setting) = setting.to_str() else {
            return Err(format!("the setting {} is not valid UTF-8", setting.display()));
        };
        let (name, value) = setting.split_once('=').unwrap_or((setting, "1"));
        if name.trim() == CONFIG_SETTING {
            let file = value.trim().trim_matches(['"', '\'']);
            self.config = (!file.is_empty()).then(|| file.into());
            return Ok(());
        }
        let as_it_is =
            value.chars().next().is_none_or(|first| first.is_ascii_alphanumeric() || first == '"' || first == '\'');
        self.ini_lines.push(if as_it_is { format!("{name}={value}") } else { format!("{name}=\"{value}\"") });
        Ok(())
    }

    fn run(self) -> Result<i32, String> {
        if self.help {
            print!("{USAGE}");
            return Ok(0);
        }
        if let Source::File(file) = &self.source
            && !Path::new(file).exists()
        {
            return Err(format!("opening the script {}: there is no such file", file.display()));
        }
        let config = self.config.as_deref().map(load).transpose()?;
        let global = config.as_ref().map(|config| config.global.clone()).unwrap_or_default();
        server::init_script_logging(&global.log, global.debug).map_err(|error| error.to_string())?;
        let head = self.head().map_err(|error| format!("reading the command line: {error}"))?;
        let options = EngineOptions {
            ini: SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            ini_lines: self.ini_lines,
            ini_path: self.ini_path,
            ignore_ini: self.ignore_ini,
            text_info: true,
            ..EngineOptions::default()
        };
        server::run_script(config, options, head).map_err(|error| error.to_string())
    }

    /// The script as a request. Its `$_SERVER` is that of PHP's command line.
    fn head(&self) -> Result<RequestHead, NulError> {
        let (name, file, code) = match &self.source {
            Source::File(file) => (file.as_os_str(), absolute(Path::new(file)), None),
            Source::Code(code) => (OsStr::new(NO_FILE), PathBuf::new(), Some(code.as_bytes())),
            Source::StandardInput => (OsStr::new(NO_FILE), PathBuf::new(), None),
        };
        let mut server_vars = Pairs::default();
        for key in ["PHP_SELF", "SCRIPT_NAME", "SCRIPT_FILENAME", "PATH_TRANSLATED"] {
            server_vars.push(key.as_bytes(), name.as_bytes());
        }
        server_vars.push(b"DOCUMENT_ROOT", b"");
        let arguments = std::iter::once(name).chain(self.arguments.iter().map(OsString::as_os_str));
        Ok(RequestHead {
            script: CString::new(file.into_os_string().into_vec())?,
            method: c"GET".to_owned(),
            protocol: 1000,
            server_vars,
            command: Some(CommandLine {
                arguments: arguments.map(|argument| CString::new(argument.as_bytes())).collect::<Result<_, _>>()?,
                code: code.map(CString::new).transpose()?,
            }),
            ..RequestHead::default()
        })
    }
}

/// PHP opens no relative paths on its threads.
fn absolute(file: &Path) -> PathBuf {
    std::path::absolute(file).unwrap_or_else(|_| file.to_owned())
}

fn load(path: &Path) -> Result<Config, String> {
    config::load(path).map_err(|diagnostics| super::diagnosed(&diagnostics))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<Invocation, String> {
        Invocation::read(arguments.iter().map(OsString::from))
    }

    fn strings(arguments: &[OsString]) -> Vec<&str> {
        arguments.iter().map(|argument| argument.to_str().unwrap()).collect()
    }

    #[test]
    fn options_of_run_tests() {
        let read =
            read(&["-n", "-q", "-d", "a.b=1", "-dc=", "-d", "e=-1", "-d", "f=\"x y\"", "-f", "t.php", "--", "-x", "y"]);
        let invocation = read.unwrap();
        assert_eq!(invocation.source, Source::File("t.php".into()));
        assert_eq!(strings(&invocation.arguments), ["-x", "y"]);
        assert_eq!(invocation.ini_lines, ["a.b=1", "c=", "e=\"-1\"", "f=\"x y\""]);
        assert!(invocation.ignore_ini);
    }

    #[test]
    fn the_first_word_is_the_script_and_the_rest_is_its_own() {
        let invocation = read(&["-nq", "t.php", "-d", "x", "--"]).unwrap();
        assert_eq!(invocation.source, Source::File("t.php".into()));
        assert_eq!(strings(&invocation.arguments), ["-d", "x", "--"]);
        assert!(invocation.ini_lines.is_empty());

        let invocation = read(&["-r", "echo 1;", "a", "-b"]).unwrap();
        assert_eq!(invocation.source, Source::Code("echo 1;".into()));
        assert_eq!(strings(&invocation.arguments), ["a", "-b"]);

        assert_eq!(read(&["-", "a"]).unwrap().source, Source::StandardInput);
        assert_eq!(strings(&read(&["--", "a"]).unwrap().arguments), ["a"]);
    }

    #[test]
    fn long_names() {
        let invocation = read(&["--no-php-ini", "--define", "a=1", "--define=b=2", "--run", "echo 1;"]).unwrap();
        assert!(invocation.ignore_ini);
        assert_eq!(invocation.ini_lines, ["a=1", "b=2"]);
        assert_eq!(invocation.source, Source::Code("echo 1;".into()));
    }

    #[test]
    fn the_configuration_is_taken_out_of_the_settings() {
        let invocation = read(&["-d", "igor.config=a b/Caddyfile", "-d", "x", "t.php"]).unwrap();
        assert_eq!(invocation.config, Some("a b/Caddyfile".into()));
        assert_eq!(invocation.ini_lines, ["x=1"]);
        assert_eq!(read(&["-d", "igor.config=f", "-d", "igor.config="]).unwrap().config, None);
    }

    #[test]
    fn unknown_options_and_missing_values_are_refused() {
        assert_eq!(read(&["-z"]).unwrap_err(), "there is no option -z; -h lists the options");
        assert_eq!(read(&["--ini"]).unwrap_err(), "there is no option --ini; -h lists the options");
        assert_eq!(read(&["-d"]).unwrap_err(), "the option -d needs a value");
    }
}
