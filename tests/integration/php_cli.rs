//! `igor php-cli`: PHP's own command line, with programs that people run by it.

use crate::common::{igor, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Where Debian's packages of PHP libraries lie.
const LIBRARIES: &str = "/usr/share/php";

fn php_cli(arguments: &[&str]) -> Command {
    let mut command = igor();
    command.env_remove("IGOR_PHP_CLI").arg("php-cli").args(arguments);
    command
}

/// Runs it and returns what it printed.
///
/// # Panics
/// When its exit status is not 0.
fn succeeds(command: &mut Command) -> String {
    let output = command.output().expect("the program starts");
    let text = text(&output);
    assert!(output.status.success(), "{command:?}: {}\n{text}", output.status);
    text
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn needs(path: &str, package: &str) {
    assert!(Path::new(path).exists(), "{path} is missing; install the Debian package {package} (make test-packages)");
}

/// B44: the background functions do not exist, and PHP is the command line's.
#[test]
fn the_stock_command_line() {
    let code = "var_dump(PHP_SAPI, array_filter(get_defined_functions()['internal'],
        fn (string $name) => str_starts_with($name, 'frankenphp_')), extension_loaded('igor'));";
    let printed = succeeds(&mut php_cli(&["-n", "-r", code]));
    assert_eq!(printed, "string(3) \"cli\"\narray(0) {\n}\nbool(false)\n");
}

#[test]
fn arguments_are_handed_on_as_they_are() {
    let code = "echo json_encode(array_slice($argv, 1));";
    let printed = succeeds(&mut php_cli(&["-n", "-r", code, "--", "--help", "-d", "--", "", "a b", "--version"]));
    assert_eq!(printed, r#"["--help","-d","--","","a b","--version"]"#);
    assert!(succeeds(&mut php_cli(&["--version"])).contains("(cli)"));
    assert!(succeeds(&mut php_cli(&["-h"])).starts_with("Usage: php"));
}

#[test]
fn the_exit_status_and_the_signals_are_the_scripts() {
    let status = |code: &str| php_cli(&["-n", "-r", code]).status().expect("the program starts");
    assert_eq!(status("exit(7);").code(), Some(7));
    assert_eq!(status("posix_kill(getmypid(), SIGKILL);").signal(), Some(9));

    let code = "pcntl_async_signals(true);
        pcntl_signal(SIGTERM, function () { echo 'caught'; exit(3); });
        echo getmypid(), \"\\n\"; while (true) usleep(1000);";
    let mut child = php_cli(&["-n", "-r", code]).stdout(Stdio::piped()).spawn().expect("the program starts");
    let id = child.id();
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    output.read_line(&mut line).expect("a line can be read");
    assert_eq!(line.trim(), id.to_string(), "the process is the same");
    kill_process(Pid::from_child(&child), Signal::TERM).expect("the process runs");
    wait_until("the end of the script", || child.try_wait().expect("a child can be waited for").is_some());
    assert_eq!(child.wait().expect("a child can be waited for").code(), Some(3));
    line.clear();
    output.read_line(&mut line).expect("a line can be read");
    assert_eq!(line, "caught");
}

#[test]
fn a_php_that_is_not_there() {
    let output = php_cli(&["-v"]).env("IGOR_PHP_CLI", "/no/such/php").output().expect("the program starts");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output),
        "igor: starting PHP's command line: IGOR_PHP_CLI names /no/such/php, which is not there\n"
    );
    let echoed = php_cli(&["a", "--help"]).env("IGOR_PHP_CLI", "echo").output().expect("the program starts");
    assert_eq!(text(&echoed), "a --help\n");
}

/// Debian's Composer installs a package from a folder beside it, and its autoloader finds the class.
#[test]
fn composer() {
    needs("/usr/bin/composer", "composer");
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).expect("files can be written");
    fs::create_dir_all(dir.path().join("lib/src")).expect("folders can be made");
    write(
        "lib/composer.json",
        r#"{"name": "demo/lib", "version": "1.0.0", "autoload": {"psr-4": {"Demo\\": "src/"}}}"#,
    );
    write("lib/src/Greeter.php", "<?php\nnamespace Demo;\nclass Greeter { public const WORD = 'hello'; }\n");
    write(
        "composer.json",
        r#"{"repositories": [{"type": "path", "url": "lib"}, {"packagist.org": false}], "require": {"demo/lib": "*"}}"#,
    );
    // Older releases of Composer, met by a newer PHP, fail to show the first deprecation in a class of their own.
    write(
        "prepend.php",
        "<?php\nrequire_once '/usr/share/php/Composer/Pcre/autoload.php';\nclass_exists(Composer\\Pcre\\Preg::class);\n",
    );
    let prepend = format!("auto_prepend_file={}", dir.path().join("prepend.php").display());
    let printed = succeeds(
        php_cli(&["-d", &prepend, "-d", "error_reporting=0", "/usr/bin/composer", "install", "--no-interaction"])
            .current_dir(dir.path())
            .env("COMPOSER_HOME", dir.path().join("home"))
            .env("COMPOSER_ALLOW_SUPERUSER", "1")
            .env("COMPOSER_DISABLE_NETWORK", "1"),
    );
    assert!(printed.contains("Installing demo/lib (1.0.0)"), "{printed}");
    write("use.php", "<?php\nrequire 'vendor/autoload.php';\necho Demo\\Greeter::WORD;\n");
    assert_eq!(succeeds(php_cli(&["-n", "use.php"]).current_dir(dir.path())), "hello");
}

/// Debian's PHPUnit runs a test case; a failing one is its exit status.
#[test]
fn phpunit() {
    needs("/usr/bin/phpunit", "phpunit");
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let case = "<?php
        final class OneTest extends PHPUnit\\Framework\\TestCase {
            public function testTheFunctionsAreAbsent(): void { $this->assertFalse(function_exists('frankenphp_get_vars')); }
            public function testTheSapi(): void { $this->assertSame('SAPI', PHP_SAPI); }
        }";
    let include = format!("include_path={LIBRARIES}");
    let run = |sapi: &str| {
        let file = dir.path().join("OneTest.php");
        fs::write(&file, case.replace("SAPI'", &format!("{sapi}'"))).expect("files can be written");
        // Deprecations of an older PHPUnit under a newer PHP are not what is tested.
        let arguments = ["-d", &include, "-d", "error_reporting=8191", "/usr/bin/phpunit", "--no-configuration"];
        php_cli(&arguments).arg(file).current_dir(dir.path()).output().expect("the program starts")
    };
    let passed = run("cli");
    assert!(passed.status.success() && text(&passed).contains("OK (2 tests, 2 assertions)"), "{}", text(&passed));
    let failed = run("frankenphp");
    assert!(failed.status.code() == Some(1) && text(&failed).contains("Failures: 1"), "{}", text(&failed));
}

/// A console application on Debian's symfony/console.
#[test]
fn a_symfony_console_application() {
    let autoload = format!("{LIBRARIES}/Symfony/Component/Console/autoload.php");
    needs(&autoload, "php-symfony-console");
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    let console = format!(
        "#!/usr/bin/env php
<?php
require '{autoload}';
$application = new Symfony\\Component\\Console\\Application('demo', '1.2');
$application->register('greet')
    ->addArgument('name')
    ->addOption('loud')
    ->setCode(function ($input, $output): int {{
        $text = 'hello ' . $input->getArgument('name');
        $output->writeln($input->getOption('loud') ? strtoupper($text) : $text);
        return $input->getOption('loud') ? 5 : 0;
    }});
$application->run();
"
    );
    fs::write(dir.path().join("console"), console).expect("files can be written");
    let run = |arguments: &[&str]| {
        let mut command = php_cli(&["-d", "error_reporting=8191", "console", "--no-ansi"]);
        command.args(arguments).current_dir(dir.path()).output().expect("the program starts")
    };
    assert!(text(&run(&["--version"])).contains("demo 1.2"), "{}", text(&run(&["--version"])));
    assert_eq!(text(&run(&["greet", "you"])), "hello you\n");
    let loud = run(&["greet", "you", "--loud"]);
    assert_eq!((loud.status.code(), text(&loud).as_str()), (Some(5), "HELLO YOU\n"));
}
