//! How `scripts/php.sh` gets and builds PHP: from working and failing local origins, with releases that build in an
//! instant. Nothing here reaches the network.

mod machine;
mod origin;

use crate::common::{free_address, wait_for, wait_until};
use machine::{ARCHIVE, Machine, Ran, SECURITY};
use origin::Answer;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long a call may take where servers hang: two archives, their index and PHP's site, a second each, and much for a
/// loaded machine.
const BOUND: Duration = Duration::from_secs(45);

fn sources_of(machine: &Machine, version: &str) -> String {
    machine.path(&format!("cache/src/php-{version}")).display().to_string()
}

#[test]
fn debians_index_comes_first() {
    let machine = Machine::new();
    machine.serve_archives(&["8.4.2", "8.4.4"]);
    machine.origin.set(&Machine::pool(ARCHIVE, "8.4.4"), Answer::Whole(machine.bytes_of("8.4.4")));
    machine.origin.set("/php/php-8.4.3.tar.xz", Answer::Whole(machine.bytes_of("8.4.3")));
    let ran = machine.run(&["source"], &[]).succeeded(&["debian php8.4_8.4.4-1.dsc sha256 "]);
    assert_eq!(ran.stdout, sources_of(&machine, "8.4.4"), "not listed, but signed: {}", ran.stderr);
    assert_eq!(machine.origin.asked_for("/php/"), 0);
}

/// Seen on a fresh machine: the index lists versions whose files the archive does not have.
#[test]
fn the_index_lists_what_the_archive_does_not_have() {
    let machine = Machine::new();
    machine.serve_archives(&["8.4.3", "8.4.4"]);
    machine.origin.set(&Machine::pool(SECURITY, "8.4.2"), Answer::Whole(machine.bytes_of("8.4.2")));
    let ran = machine.run(&["source"], &[]).succeeded(&[
        "PHP 8.4.4-1 from Debian's index: 404",
        "PHP 8.4.3-1 from Debian's index: 404",
        "PHP 8.4.3 from the pool of Debian-Security: 404",
        "pool of Debian-Security php8.4_8.4.2.orig.tar.xz",
    ]);
    assert_eq!(ran.stdout, sources_of(&machine, "8.4.2"));
}

/// An unsafe release is the last choice, also when an earlier origin has it.
#[test]
fn a_safe_release_of_a_later_origin_wins() {
    let machine = Machine::new();
    machine.serve_archives(&[]);
    machine.origin.set(&Machine::pool(ARCHIVE, "8.4.1"), Answer::Whole(machine.bytes_of("8.4.1")));
    let ran = machine.run(&["source"], &[("PHP_VERSION", "8.4.1")]).succeeded(&[]);
    assert_eq!(ran.stdout, sources_of(&machine, "8.4.1"));
    fs::remove_dir_all(machine.path("cache")).expect("the cache is there");
    machine.origin.set("/php/php-8.4.2.tar.xz", Answer::Whole(machine.bytes_of("8.4.2")));
    let ran = machine.run(&["source"], &[]).succeeded(&["PHP 8.4.3 from http://127.0.0.1"]);
    assert_eq!(ran.stdout, sources_of(&machine, "8.4.2"));
}

#[test]
fn all_are_missing() {
    let machine = Machine::new();
    machine.serve_archives(&["8.4.3"]);
    machine.run(&["source"], &[]).failed(&[
        "what was tried:",
        "PHP 8.4.3-1 from Debian's index: 404",
        "PHP 8.4.1 from the pool of Debian: 404",
        "404",
        "no origin has it; put one of the listed tarballs (8.4.3 8.4.2 8.4.1) into a folder",
        "IGOR_PHP_SOURCES",
        "PHP_TARBALL",
    ]);
    let log = fs::read_to_string(machine.path("cache/log/source-8.4.log")).expect("the log is kept");
    for part in ["Debian's index of trixie", "pool of Debian-Security", "PHP 8.4.1 from http://127.0.0.1", "404"] {
        assert!(log.contains(part), "{part} in {log}");
    }
    assert_eq!(machine.in_sources(), [""; 0]);
}

#[test]
fn truncated_and_wrong_files_are_refused() {
    let machine = Machine::new();
    machine.serve_archives(&[]);
    machine.origin.set(&Machine::pool(SECURITY, "8.4.3"), Answer::Half(machine.bytes_of("8.4.3")));
    machine.origin.set(&Machine::pool(ARCHIVE, "8.4.3"), Answer::Whole(machine.bytes_of("8.4.1")));
    machine.origin.set("/php/php-8.4.3.tar.xz", Answer::Half(machine.bytes_of("8.4.3")));
    machine.origin.set("/php/php-8.4.2.tar.xz", Answer::Whole(b"<!DOCTYPE html><html></html>".into()));
    let ran = machine.run(&["source"], &[]).failed(&[
        "PHP 8.4.3 from the pool of Debian-Security: ",
        "PHP 8.4.3 from the pool of Debian: Hash Sum mismatch",
        "refused, its hash is",
        "it is an HTML page",
    ]);
    assert!(!ran.stderr.contains("source of PHP 8.4.3:"), "{}", ran.stderr);
    assert_eq!(machine.in_sources(), [""; 0]);
    machine.origin.set("/php/php-8.4.2.tar.xz", Answer::Whole(machine.bytes_of("8.4.2")));
    let ran = machine.run(&["source"], &[]).succeeded(&["Hash Sum mismatch"]);
    assert_eq!(ran.stdout, sources_of(&machine, "8.4.2"));
}

#[test]
fn hanging_servers_are_given_up() {
    let machine = Machine::new();
    machine.serve_archives(&["8.4.3"]);
    for suite in ["debian/dists/trixie", "debian-security/dists/trixie-security"] {
        machine.origin.set(&format!("/{suite}/InRelease"), Answer::Hang);
    }
    for archive in [ARCHIVE, SECURITY] {
        for version in ["8.4.1", "8.4.2", "8.4.3"] {
            machine.origin.set(&Machine::pool(archive, version), Answer::Hang);
            machine.origin.set(&format!("/php/php-{version}.tar.xz"), Answer::Hang);
        }
    }
    let ran = machine.run(&["source"], &[]).failed(&["Debian's index of trixie: ", "from the pool of Debian: "]);
    assert!(ran.took < BOUND, "took {:?}:\n{}", ran.took, ran.stderr);
    for version in ["8.4.1", "8.4.2"] {
        let asked = machine.origin.asked_for(&format!("_{version}.orig"));
        assert_eq!(asked, 0, "an archive that hangs is not asked for a second release: {}", ran.stderr);
    }
    assert_eq!(machine.origin.asked_for("/php/"), 1, "{}", ran.stderr);
}

#[test]
fn no_network_at_all() {
    let machine = Machine::new();
    let address = format!("http://{}/php", free_address());
    machine
        .run(&["source"], &[("PHP_MIRROR", &address)])
        .failed(&["Debian's index: apt knows no archive of Debian", "PHP 8.4.3 from http://127.0.0.1"]);
    let offline = machine.offline(&["8.4.1", "8.4.2", "8.4.4"]);
    let folder = offline.to_str().expect("the path is text");
    let ran = machine.run(&["source"], &[("PHP_MIRROR", &address), ("IGOR_PHP_SOURCES", folder)]).succeeded(&[folder]);
    assert_eq!(ran.stdout, sources_of(&machine, "8.4.2"), "the newest that is listed");
    assert_eq!(machine.origin.asked_for(""), 0);
}

#[test]
fn a_wrong_file_in_the_folder_is_refused() {
    let machine = Machine::new();
    let folder = machine.offline(&["8.4.1"]);
    fs::write(folder.join("php-8.4.3.tar.xz"), "<html>not found</html>").expect("files can be written");
    let ran = machine.run(&["source"], &[("IGOR_PHP_SOURCES", folder.to_str().expect("text"))]).succeeded(&[
        "PHP 8.4.3 from ",
        "refused, its hash is",
        "it is an HTML page",
    ]);
    assert_eq!(ran.stdout, sources_of(&machine, "8.4.1"));
}

#[test]
fn bad_input() {
    let machine = Machine::new();
    let empty = machine.path("empty");
    fs::create_dir(&empty).expect("folders can be made");
    let page = machine.path("php-8.4.9.tar.xz");
    fs::write(&page, "<!doctype html><title>404</title>").expect("files can be written");
    let torn = machine.path("php-8.4.8.tar.xz");
    fs::write(&torn, &machine.bytes_of("8.4.3")[..200]).expect("files can be written");
    let text = |path: &std::path::Path| path.to_str().expect("the path is text").to_owned();
    for (name, value, parts) in [
        ("PHP_VERSION", "9.9".to_owned(), &["9.9 is not a supported version; use 8.2 to 8.6"][..]),
        ("PHP_VERSION", "8.4.77".to_owned(), &["8.4.77: it is not listed", "8.4.3 8.4.2 8.4.1", "PHP_TARBALL="]),
        ("IGOR_PHP_SOURCES", text(&empty), &["reading IGOR_PHP_SOURCES: ", "holds no release tarball", "or unset it"]),
        ("IGOR_PHP_SOURCES", text(&machine.path("nowhere")), &["reading IGOR_PHP_SOURCES: ", "is no folder"]),
        ("PHP_TARBALL", text(&page), &["no whole tarball (it is an HTML page)", "download it again"]),
        ("PHP_TARBALL", text(&torn), &["no whole tarball", "download it again"]),
        ("PHP_TARBALL", text(&machine.path("gone.tar.xz")), &["is no file"]),
        ("PHP_STALL_SECONDS", "soon".to_owned(), &["reading PHP_STALL_SECONDS: soon"]),
        ("PHP_BUILD", "fast".to_owned(), &["there is no kind of build named fast; use release, pgo, debug or asan"]),
        ("PHP_UPDATE", "yes".to_owned(), &["reading PHP_UPDATE: yes is neither 1 nor 0"]),
    ] {
        machine.run(&["source"], &[(name, &value)]).failed(parts);
        assert_eq!(machine.in_sources(), [""; 0], "{name}={value}");
    }
}

#[test]
fn two_builds_at_once() {
    let machine = Machine::new();
    machine.origin.set("/php/php-8.4.3.tar.xz", Answer::Whole(machine.bytes_of("8.4.3")));
    let builds =
        [(); 2].map(|()| machine.script(&["build"]).stderr(Stdio::piped()).spawn().expect("the script starts"));
    for build in builds {
        let output = build.wait_with_output().expect("the script ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(machine.origin.asked_for("/php/"), 1, "one of them waits for the other's download");
    let compiled = fs::read_to_string(machine.path("compiled")).expect("it was compiled");
    assert_eq!(compiled.lines().count(), 8, "and for its build");
    let printed = machine.run(&["print"], &[]).succeeded(&[]).stdout;
    assert!(printed.starts_with(machine.path("cache/php/8.4.3-release-").to_str().expect("text")), "{printed}");
}

/// A build that was interrupted continues, and the next says what the last one took.
#[test]
fn an_interrupted_build_goes_on() {
    let machine = Machine::new();
    let folder = machine.offline(&["8.4.2"]);
    let folder = folder.to_str().expect("the path is text");
    fs::write(machine.path("hold"), "").expect("files can be written");
    let mut build = machine
        .script(&["build"])
        .env("IGOR_PHP_SOURCES", folder)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the script starts");
    wait_until("the fourth file", || machine.path("held").exists());
    assert!(Command::new("kill").arg(build.id().to_string()).status().expect("kill is there").success());
    let status = wait_for("the end of the build", || build.try_wait().expect("it is a child"));
    assert_eq!(status.code(), Some(143));
    fs::remove_file(machine.path("hold")).expect("it is there");
    machine.run(&["build"], &[("IGOR_PHP_SOURCES", folder)]).succeeded(&["continuing the build", "is ready after"]);
    let compiled = fs::read_to_string(machine.path("compiled")).expect("it was compiled");
    assert_eq!(compiled.lines().collect::<Vec<_>>(), ["1.o", "2.o", "3.o", "4.o", "5.o", "6.o", "7.o", "8.o"]);
}

/// With a profile every file is compiled twice: to count, and with the counts. Without counts there is no build.
#[test]
fn a_build_with_a_profile() {
    let machine = Machine::new();
    let folder = machine.offline(&["8.4.3"]);
    let folder = folder.to_str().expect("the path is text");
    let build = || machine.run(&["build"], &[("PHP_BUILD", "pgo"), ("IGOR_PHP_SOURCES", folder)]);
    fs::write(machine.path("untrained"), "").expect("files can be written");
    build().failed(&["the training has counted nothing in Zend/.libs/zend_execute"]);
    fs::remove_file(machine.path("untrained")).expect("it is there");
    build().succeeded(&["continuing the build", "PHP 8.4.3 (pgo) is ready after"]);
    let compiled = fs::read_to_string(machine.path("compiled")).expect("it was compiled");
    let files = |flag: &'static str| (1..=8).map(move |number| format!("{number}.o {flag}"));
    let expected: Vec<_> = files("-fprofile-generate").chain(files("-fprofile-use")).collect();
    assert_eq!(compiled.lines().collect::<Vec<_>>(), expected);
    let trained = fs::read_to_string(machine.path("trained")).expect("it was trained");
    let pages =
        fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/lib/training")).expect("the pages are there");
    let pages: BTreeSet<_> =
        pages.map(|page| page.expect("it is there").file_name().into_string().expect("text")).collect();
    let expected = pages.iter().map(String::as_str).filter(|page| page.ends_with(".php"));
    assert_eq!(trained.lines().collect::<BTreeSet<_>>(), expected.collect());
    let printed = machine.run(&["print"], &[("PHP_BUILD", "pgo")]).succeeded(&[]).stdout;
    assert!(printed.starts_with(machine.path("cache/php/8.4.3-pgo-").to_str().expect("text")), "{printed}");
}

/// The peer of the benchmarks is built once for a PHP. A crate that does not compile is an error with its log.
#[test]
fn the_server_pasir() {
    let machine = Machine::new();
    let folder = machine.offline(&["8.4.3"]);
    machine.run(&["build"], &[("IGOR_PHP_SOURCES", folder.to_str().expect("the path is text"))]).succeeded(&[]);
    let cargo = "#!/bin/sh\n[ -e \"$HOME/whole\" ] || { echo 'error: no such function'; exit 101; }\n\
        echo \"$PHP_CONFIG $*\" >>\"$HOME/installed\"\nfor root; do :; done\nmkdir -p \"$root/bin\"\n\
        printf '#!/bin/sh\\n' >\"$root/bin/pasir\"\nchmod +x \"$root/bin/pasir\"\n";
    fs::create_dir(machine.path("bin")).expect("folders can be made");
    fs::write(machine.path("bin/cargo"), cargo).expect("files can be written");
    fs::set_permissions(machine.path("bin/cargo"), fs::Permissions::from_mode(0o755)).expect("the file is ours");
    let path = format!("{}:{}", machine.path("bin").display(), std::env::var("PATH").expect("tests run with a PATH"));
    let pasir = || machine.run(&["pasir"], &[("PATH", &path)]);
    pasir().failed(&["error: no such function", "building pasir 0.5.4 (log: "]);
    fs::write(machine.path("whole"), "").expect("files can be written");
    let first = pasir().succeeded(&["pasir 0.5.4 is ready after"]);
    assert!(
        first.stdout.starts_with(machine.path("cache/pasir/pasir-0.5.4-").to_str().expect("text")),
        "{}",
        first.stdout
    );
    assert_eq!(pasir().succeeded(&[]).stdout, first.stdout);
    let installed = fs::read_to_string(machine.path("installed")).expect("cargo was asked");
    let config = machine.run(&["print"], &[]).succeeded(&[]).stdout;
    assert_eq!(installed.lines().count(), 1, "{installed}");
    assert!(installed.starts_with(&format!("{config} install pasir --version 0.5.4 --locked ")), "{installed}");
}

/// An old PHP is named in one line, and PHP_UPDATE replaces it by the newest available one.
#[test]
fn an_old_php_is_named_and_updated() {
    let machine = Machine::new();
    let build = |variables: &[(&str, &str)]| -> Ran {
        let offline = machine.path("offline");
        let folder = offline.to_str().expect("the path is text");
        machine.run(&["build"], &[&[("IGOR_PHP_SOURCES", folder)], variables].concat())
    };
    machine.offline(&["8.4.1"]);
    let unsafe_line =
        "warning: PHP 8.4.1 is older than 8.4.2, and public since 2026-11-19 is: a known flaw; make php PHP_UPDATE=1";
    build(&[]).succeeded(&["is ready after", unsafe_line]);
    let again = build(&[]).succeeded(&[unsafe_line]);
    assert_eq!(again.stderr.lines().count(), 1, "{}", again.stderr);
    build(&[("PHP_UPDATE", "1")]).succeeded(&["no release newer than PHP 8.4.1 can be had now", "warning: PHP 8.4.1"]);

    machine.offline(&["8.4.2"]);
    let updated = build(&[("PHP_UPDATE", "1")]).succeeded(&[
        "PHP 8.4.2 (release) is ready after",
        "last time on this machine",
        "PHP 8.4.2 is older than 8.4.3, the newest that is known here",
    ]);
    assert!(!updated.stderr.contains("warning"), "{}", updated.stderr);
    machine.offline(&["8.4.3"]);
    build(&[("PHP_UPDATE", "1")]).succeeded(&["PHP 8.4.3 (release) is ready after"]);
    let quiet = build(&[]).succeeded(&[]);
    assert_eq!(quiet.stderr, "", "the newest is used without a word");
}

/// On other systems the packages are named in the words of their package manager.
#[test]
fn packages_of_other_systems() {
    let machine = Machine::new();
    for (system, command) in [
        ("fedora", "dnf install"),
        ("arch", "pacman -S"),
        ("alpine", "apk add"),
        ("macos", "brew install"),
        ("plan9", "docs/php-builds.md"),
    ] {
        machine.run(&["install-packages"], &[("IGOR_SYSTEM", system)]).succeeded(&[command, "not checked"]);
    }
}
