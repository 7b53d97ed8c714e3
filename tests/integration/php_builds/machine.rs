//! A machine without any PHP: a cache, a list of releases and a Debian archive with its signature, all of the test's own.

use super::origin::{Answer, Origin};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The path of the archive, and that of its security archive.
pub(super) const ARCHIVE: &str = "debian";
pub(super) const SECURITY: &str = "debian-security";

/// The result of one call of the script.
pub(super) struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Ran {
    fn of(output: &Output, started: Instant) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).trim().to_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            took: started.elapsed(),
        }
    }

    /// # Panics
    /// When it failed or did not say all of `parts`.
    pub(super) fn succeeded(self, parts: &[&str]) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self.says(parts)
    }

    /// # Panics
    /// When it did not fail, or not with all of `parts`.
    pub(super) fn failed(self, parts: &[&str]) -> Self {
        assert_eq!(self.code, Some(1), "{}{}", self.stdout, self.stderr);
        let last = self.stderr.lines().last().unwrap_or_default();
        assert!(last.starts_with("error: "), "{}", self.stderr);
        self.says(parts)
    }

    fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            assert!(self.stderr.contains(part), "no {part:?} in:\n{}", self.stderr);
        }
        self
    }
}

pub(super) struct Machine {
    pub folder: TempDir,
    pub origin: Origin,
}

impl Machine {
    /// Its list has PHP 8.4.1 to 8.4.3, with 8.4.2 as the floor; no origin has any of them yet. 8.4.4 is not listed.
    pub(super) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("igor-php-builds-").tempdir().expect("a folder can be made");
        let machine = Self { folder, origin: Origin::start() };
        let mut list = "floor 8.4 8.4.2 2026-11-19 a known flaw\n".to_owned();
        for version in ["8.4.1", "8.4.2", "8.4.3", "8.4.4"] {
            machine.make_tarball(version);
            if version != "8.4.4" {
                list += &format!("release {version} {} built\n", sha256(&machine.tarball(version)));
            }
        }
        fs::write(machine.path("releases.txt"), list).expect("files can be written");
        machine
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn tarball(&self, version: &str) -> PathBuf {
        self.path(&format!("tarballs/php-{version}.tar.xz"))
    }

    pub(super) fn bytes_of(&self, version: &str) -> Vec<u8> {
        fs::read(self.tarball(version)).expect("the tarball was made")
    }

    fn make_tarball(&self, version: &str) {
        let name = format!("php-{version}");
        let source = self.path("sources").join(&name);
        fs::create_dir_all(source.join("main")).expect("folders can be made");
        fs::create_dir_all(self.path("tarballs")).expect("folders can be made");
        let configure = include_str!("configure").replace("VERSION", version);
        fs::write(source.join("configure"), configure).expect("files can be written");
        fs::write(source.join("main/php_version.h"), format!("#define PHP_VERSION \"{version}\"\n"))
            .expect("files can be written");
        check(Command::new("chmod").arg("+x").arg(source.join("configure")));
        check(Command::new("tar").arg("-cJf").arg(self.tarball(version)).arg("-C").arg(self.path("sources")).arg(name));
    }

    /// A folder with copies of these releases.
    pub(super) fn offline(&self, versions: &[&str]) -> PathBuf {
        let folder = self.path("offline");
        fs::create_dir_all(&folder).expect("folders can be made");
        for version in versions {
            fs::copy(self.tarball(version), folder.join(format!("php-{version}.tar.xz"))).expect("files can be copied");
        }
        folder
    }

    /// The path of a release in the pool of an archive.
    pub(super) fn pool(archive: &str, version: &str) -> String {
        let part = if archive == ARCHIVE { "main" } else { "updates/main" };
        format!("/{archive}/pool/{part}/p/php8.4/php8.4_{version}.orig.tar.xz")
    }

    /// The script, on a machine that knows the archives at this address, whose site is the origin as well.
    pub(super) fn script(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/php.sh"));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").expect("tests run with a PATH"))
            .env("HOME", self.folder.path())
            .env("APT_CONFIG", self.path("apt.conf"))
            .env("IGOR_CACHE", self.path("cache"))
            .env("IGOR_PHP_RELEASES", self.path("releases.txt"))
            .env("IGOR_DEBIAN_KEYRING", self.path("key.gpg"))
            .env("PHP_MIRROR", self.origin.address("php"))
            .env("PHP_STALL_SECONDS", "1")
            .env("PHP_JOBS", "1")
            .stdin(Stdio::null());
        // Without the archives that the test makes, apt knows none.
        if !self.path("apt.conf").exists() {
            self.write_apt_configuration("");
        }
        command
    }

    pub(super) fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        let started = Instant::now();
        let output = self.script(arguments).envs(variables.iter().copied()).output().expect("bash is there");
        Ran::of(&output, started)
    }

    fn write_apt_configuration(&self, sources: &str) {
        let root = self.path("apt");
        fs::create_dir_all(root.join("lists/partial")).expect("folders can be made");
        fs::create_dir_all(root.join("archives/partial")).expect("folders can be made");
        fs::write(root.join("own.list"), sources).expect("files can be written");
        let root = root.display();
        let text = format!(
            "Dir::Etc::sourcelist \"{root}/own.list\";\nDir::Etc::sourceparts \"-\";\nDir::State::lists \"{root}/lists\";\n\
             Dir::Cache \"{root}\";\nAPT::Sandbox::User \"root\";\nAcquire::http::Proxy \"DIRECT\";\n"
        );
        fs::write(self.path("apt.conf"), text).expect("files can be written");
    }

    /// Serves both archives, signed; the index of the first lists these versions. apt knows them from then on.
    pub(super) fn serve_archives(&self, versions: &[&str]) {
        let gpg = |arguments: &[&str]| {
            let home = self.path("gnupg");
            fs::create_dir_all(&home).expect("folders can be made");
            check(Command::new("chmod").arg("700").arg(&home));
            let mut command = Command::new("gpg");
            command.args(["--batch", "--quiet", "--homedir"]).arg(home).args(["--passphrase", ""]).args(arguments);
            command.current_dir(self.folder.path());
            check(&mut command);
        };
        gpg(&["--quick-generate-key", "archive@example.org", "ed25519", "sign", "never"]);
        gpg(&["--output", "key.gpg", "--export"]);
        for (archive, label, suite) in [(ARCHIVE, "Debian", "trixie"), (SECURITY, "Debian-Security", "trixie-security")]
        {
            let versions = if archive == ARCHIVE { versions } else { &[] };
            let index: String = versions.iter().map(|version| self.serve_package(version)).collect();
            // apt forgets an index in which nothing is.
            let packages = b"Package: none\nVersion: 1\nArchitecture: all\nFilename: none.deb\nSize: 1\n\n";
            let release = format!(
                "Origin: Debian\nLabel: {label}\nSuite: {suite}\nCodename: {suite}\nArchitectures: amd64 arm64\n\
                 Components: main\nDate: Sat, 28 Nov 2026 10:00:00 UTC\nSHA256:\n{}{}{}",
                listed("main/source/Sources", index.as_bytes()),
                listed("main/binary-amd64/Packages", packages),
                listed("main/binary-arm64/Packages", packages),
            );
            fs::write(self.path("Release"), release).expect("files can be written");
            gpg(&["--yes", "--output", "InRelease", "--clear-sign", "Release"]);
            let signed = fs::read(self.path("InRelease")).expect("gpg has written it");
            let dists = format!("/{archive}/dists/{suite}");
            self.origin.set(&format!("{dists}/InRelease"), Answer::Whole(signed));
            self.origin.set(&format!("{dists}/main/source/Sources"), Answer::Whole(index.into_bytes()));
            for processor in ["amd64", "arm64"] {
                self.origin.set(&format!("{dists}/main/binary-{processor}/Packages"), Answer::Whole(packages.to_vec()));
            }
        }
        check(Command::new("gpgconf").arg("--homedir").arg(self.path("gnupg")).args(["--kill", "all"]));
        let key = self.path("key.gpg");
        let line = |folder: &str, suite: &str| {
            format!("deb [signed-by={}] {} {suite} main\n", key.display(), self.origin.address(folder))
        };
        self.write_apt_configuration(&(line(ARCHIVE, "trixie") + &line(SECURITY, "trixie-security")));
        check(Command::new("apt-get").arg("update").env("APT_CONFIG", self.path("apt.conf")));
        self.origin.forget();
    }

    /// Serves the description of a source package, but not its tarball. Returns its paragraph in the index.
    fn serve_package(&self, version: &str) -> String {
        let tarball = self.bytes_of(version);
        let name = format!("php8.4_{version}.orig.tar.xz");
        let entry = format!(" {} {} {name}\n", sha256(&self.tarball(version)), tarball.len());
        let description =
            format!("Format: 3.0 (quilt)\nSource: php8.4\nVersion: {version}-1\nChecksums-Sha256:\n{entry}");
        let path = self.path("dsc");
        fs::write(&path, &description).expect("files can be written");
        let described = format!(" {} {} php8.4_{version}-1.dsc\n", sha256(&path), description.len());
        let folder = "pool/main/p/php8.4";
        self.origin.set(&format!("/{ARCHIVE}/{folder}/php8.4_{version}-1.dsc"), Answer::Whole(description.into()));
        format!(
            "Package: php8.4\nBinary: php8.4\nVersion: {version}-1\nArchitecture: any\nFormat: 3.0 (quilt)\n\
             Directory: {folder}\nChecksums-Sha256:\n{described}{entry}\n"
        )
    }

    /// The unpacked sources, and whatever else is in their folder.
    pub(super) fn in_sources(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path("cache/src")) else { return Vec::new() };
        let mut names: Vec<_> =
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

fn listed(name: &str, content: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().expect("files can be made");
    fs::write(file.path(), content).expect("files can be written");
    format!(" {} {} {name}\n", sha256(file.path()), content.len())
}

fn sha256(file: &Path) -> String {
    let output = Command::new("sha256sum").arg(file).output().expect("sha256sum is there");
    String::from_utf8_lossy(&output.stdout).split(' ').next().unwrap_or_default().to_owned()
}

fn check(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("starting {command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
