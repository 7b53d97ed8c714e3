//! The command line of `igor-php` and `igor-php-cgi`, which is PHP's own (pure).

use crate::limits::SCRIPT_THREADS_MAX;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// The setting (`-d`) that names a Caddyfile whose background workers run beside the script.
const CONFIG_SETTING: &[u8] = b"igor.config";

/// The option, and its environment variable, that run one script on several threads.
const THREADS_OPTION: &[u8] = b"--threads";
pub(super) const THREADS_VARIABLE: &str = "IGOR_PHP_THREADS";

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

const VERSION_CODE: &str = r#"echo 'PHP ', PHP_VERSION, ' (', PHP_SAPI, ') (', PHP_ZTS ? 'ZTS' : 'NTS', PHP_DEBUG ? ' DEBUG' : '', ")\nZend Engine v", zend_version(), "\n";"#;

const MODULES_CODE: &str = r#"foreach (['PHP' => false, 'Zend' => true] as $kind => $zend) {
    $names = get_loaded_extensions($zend);
    natcasesort($names);
    echo "[$kind Modules]\n", implode("\n", $names), "\n\n";
}"#;

const INFO_CODE: &str = "phpinfo();";

/// What should be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    File(OsString),
    Code(OsString),
    StandardInput,
}

/// A parsed command line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Invocation {
    pub(super) source: Source,
    /// What follows `$argv[0]`.
    pub(super) arguments: Vec<OsString>,
    pub(super) ini_lines: Vec<OsString>,
    pub(super) ini_path: Option<PathBuf>,
    pub(super) ignore_ini: bool,
    pub(super) config: Option<PathBuf>,
    pub(super) help: bool,
    /// No response head (`igor-php-cgi` only).
    pub(super) quiet: bool,
    /// The working directory stays (`igor-php-cgi` only; `igor-php` never changes it).
    pub(super) stays: bool,
    /// The number of threads that run the script, if the command line has it.
    pub(super) threads: Option<usize>,
}

impl Invocation {
    /// Reads the arguments after the program's name as PHP does: one-letter options may be combined, and a value may
    /// follow without a space.
    pub(super) fn read(arguments: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut arguments = arguments;
        let mut invocation = Self {
            source: Source::StandardInput,
            arguments: Vec::new(),
            ini_lines: Vec::new(),
            ini_path: None,
            ignore_ini: false,
            config: None,
            help: false,
            quiet: false,
            stays: false,
            threads: None,
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

    /// The first argument that is not an option: the script, unless an option named it.
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
        if name == THREADS_OPTION {
            let value = match attached {
                [] => rest.next().ok_or("the option --threads needs a number")?,
                attached => OsString::from_vec(attached.to_vec()),
            };
            self.threads = Some(threads(&value).ok_or_else(|| wrong_threads("--threads", &value))?);
            return Ok(());
        }
        match LONG_NAMES.iter().find(|(known, _)| *known == name) {
            Some((_, letter)) => self.options(&[&[*letter], attached].concat(), rest),
            None => Err(format!("there is no option {}; -h lists the options", option.display())),
        }
    }

    /// One argument of letters after `-`. The value of a letter that takes one is the rest of the argument, else the next one.
    fn options(&mut self, letters: &[u8], rest: &mut impl Iterator<Item = OsString>) -> Result<(), String> {
        for (position, letter) in letters.iter().enumerate() {
            if b"cdfr".contains(letter) {
                self.option(*letter, value_of(*letter, &letters[position + 1..], rest)?);
                return Ok(());
            }
            match letter {
                b'n' => self.ignore_ini = true,
                b'q' => self.quiet = true,
                b'C' => self.stays = true,
                b'h' => self.help = true,
                b'v' => self.show(VERSION_CODE),
                b'm' => self.show(MODULES_CODE),
                b'i' => self.source = Source::Code(INFO_CODE.into()),
                _ => return Err(format!("there is no option -{}; -h lists the options", char::from(*letter))),
            }
        }
        Ok(())
    }

    /// Information about PHP itself has no response head.
    fn show(&mut self, code: &str) {
        self.source = Source::Code(code.into());
        self.quiet = true;
    }

    fn option(&mut self, letter: u8, value: OsString) {
        match letter {
            b'c' => self.ini_path = Some(value.into()),
            b'f' => {
                self.source = Source::File(value);
                self.quiet = true;
            }
            b'r' => self.source = Source::Code(value),
            _ => self.setting(&value),
        }
    }

    /// `-d NAME=VALUE`. A value that starts with a letter, a digit or a quote is used as in php.ini, others are quoted.
    fn setting(&mut self, setting: &OsStr) {
        let setting = setting.as_bytes();
        let (name, value) = match setting.iter().position(|&byte| byte == b'=') {
            Some(end) => (&setting[..end], &setting[end + 1..]),
            None => (setting, &b"1"[..]),
        };
        if name.trim_ascii() == CONFIG_SETTING {
            let file = value.trim_ascii();
            let file = file.strip_prefix(b"\"").and_then(|file| file.strip_suffix(b"\"")).unwrap_or(file);
            self.config = (!file.is_empty()).then(|| OsStr::from_bytes(file).into());
        }
        let as_it_is = value.first().is_none_or(|first| first.is_ascii_alphanumeric() || b"\"'".contains(first));
        let quote = if as_it_is { &b""[..] } else { b"\"" };
        self.ini_lines.push(OsString::from_vec([name, b"=", quote, value, quote].concat()));
    }
}

impl Invocation {
    /// The number of threads that run the script: by the command line, else the environment variable, else one.
    ///
    /// # Errors
    /// The variable holds no such number.
    pub(super) fn thread_count(&self, variable: Option<&OsStr>) -> Result<usize, String> {
        match (self.threads, variable) {
            (Some(threads), _) => Ok(threads),
            (None, Some(value)) if !value.is_empty() => {
                threads(value).ok_or_else(|| wrong_threads(THREADS_VARIABLE, value))
            }
            (None, _) => Ok(1),
        }
    }
}

fn threads(value: &OsStr) -> Option<usize> {
    value.to_str()?.parse().ok().filter(|threads| (1..=SCRIPT_THREADS_MAX).contains(threads))
}

fn wrong_threads(place: &str, value: &OsStr) -> String {
    format!("{place}: {} is no number of threads from 1 to {SCRIPT_THREADS_MAX}", value.display())
}

/// The value of an option of one letter: what is `attached` to it, else the next argument.
fn value_of(letter: u8, attached: &[u8], rest: &mut impl Iterator<Item = OsString>) -> Result<OsString, String> {
    if attached.is_empty() {
        return rest.next().ok_or_else(|| format!("the option -{} needs a value", char::from(letter)));
    }
    Ok(OsString::from_vec(attached.to_vec()))
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
    fn the_configuration_is_a_setting_too() {
        let invocation = read(&["-d", "igor.config=a b/Caddyfile", "-d", "x", "t.php"]).unwrap();
        assert_eq!(invocation.config, Some("a b/Caddyfile".into()));
        assert_eq!(invocation.ini_lines, ["igor.config=a b/Caddyfile", "x=1"]);
        assert_eq!(read(&["-d", "igor.config=f", "-d", "igor.config="]).unwrap().config, None);
    }

    #[test]
    fn unknown_options_and_missing_values_are_refused() {
        assert_eq!(read(&["-z"]).unwrap_err(), "there is no option -z; -h lists the options");
        assert_eq!(read(&["--ini"]).unwrap_err(), "there is no option --ini; -h lists the options");
        assert_eq!(read(&["-d"]).unwrap_err(), "the option -d needs a value");
    }

    #[test]
    fn options_of_php_cgi() {
        let flags = |arguments: &[&str]| {
            let invocation = read(arguments).unwrap();
            (invocation.quiet, invocation.stays)
        };
        assert_eq!(flags(&["t.php"]), (false, false));
        assert_eq!(flags(&["-C", "t.php"]), (false, true));
        assert_eq!(flags(&["-q", "t.php"]), (true, false));
        assert_eq!(flags(&["-f", "t.php"]), (true, false));
        assert_eq!(flags(&["-v"]), (true, false));
    }

    #[test]
    fn numbers_of_threads() {
        let count = |arguments: &[&str], variable: Option<&str>| {
            read(arguments).and_then(|invocation| invocation.thread_count(variable.map(OsStr::new)))
        };
        assert_eq!(count(&[], None), Ok(1));
        assert_eq!(count(&[], Some("")), Ok(1));
        assert_eq!(count(&[], Some("3")), Ok(3));
        assert_eq!(count(&["--threads", "2", "t.php"], Some("3")), Ok(2));
        assert_eq!(count(&["--threads=4"], Some("many")), Ok(4));
        assert_eq!(count(&["--threads"], None).unwrap_err(), "the option --threads needs a number");
        for wrong in ["0", "-1", "many", "257"] {
            let message = format!("--threads: {wrong} is no number of threads from 1 to 256");
            assert_eq!(count(&["--threads", wrong], None), Err(message));
            let message = format!("IGOR_PHP_THREADS: {wrong} is no number of threads from 1 to 256");
            assert_eq!(count(&[], Some(wrong)), Err(message));
        }
    }
}
