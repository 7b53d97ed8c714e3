//! Tests of the configuration, by topic: syntax, workers, sites, values, messages.

mod diagnostics;
mod docs;
#[cfg(feature = "http")]
mod editors;
mod imports;
mod matching;
mod model;
mod placeholders;
mod properties;
mod quick;
mod syntax;
mod values;
mod workers;

use std::path::PathBuf;

use super::{Config, Diagnostic, parse};

/// A directory with a few scripts, as the base of a Caddyfile.
struct Fixture {
    directory: tempfile::TempDir,
}

/// The scripts that every fixture has.
const SCRIPTS: [&str; 6] =
    ["worker.php", "other.php", "bin/console.php", "bin/feed.php", "public/index.php", "public/api.php"];

impl Fixture {
    fn new() -> Self {
        let fixture = Self { directory: tempfile::tempdir().expect("a temporary directory") };
        SCRIPTS.iter().for_each(|script| fixture.write(script, "<?php\n"));
        fixture
    }

    /// The directory, without symbolic links, as messages show it.
    fn path(&self, relative: &str) -> PathBuf {
        self.directory.path().join(relative)
    }

    fn write(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    }

    /// Reads `text` as the Caddyfile of the directory, in an environment with few variables.
    fn parse(&self, text: &str) -> Result<Config, Vec<Diagnostic>> {
        let environment = |name: &str| match name {
            "SITE" => Some(":8080".to_owned()),
            "HOME" => Some("/home/igor".to_owned()),
            "CODE" => Some(r#"x" || "a" == "a"#.to_owned()),
            "NOTHING" => Some(String::new()),
            "BLOCK" => Some("header A 1\nheader B 2".to_owned()),
            _ => None,
        };
        parse(text, &self.path("Caddyfile"), &environment)
    }

    /// The configuration, which must be right.
    fn config(&self, text: &str) -> Config {
        match self.parse(text) {
            Ok(config) => config,
            Err(errors) => panic!("{text}\nis refused:\n{}", self.shown(&errors)),
        }
    }

    /// The messages about a configuration, which must be wrong.
    fn errors(&self, text: &str) -> String {
        match self.parse(text) {
            Ok(_) => panic!("{text}\nis accepted"),
            Err(errors) => self.shown(&errors),
        }
    }

    /// Messages without the name of the temporary directory.
    fn shown(&self, diagnostics: &[Diagnostic]) -> String {
        let directory = self.directory.path().to_str().expect("a path in UTF-8");
        let lines: Vec<String> = diagnostics.iter().map(Diagnostic::to_string).collect();
        let here = std::env::current_dir().expect("a working directory");
        let here = here.to_str().expect("a path in UTF-8");
        let shown = lines.join("\n").replace(&format!("{directory}/"), "").replace(directory, "DIRECTORY");
        shown.replace(here, "WORKING_DIRECTORY")
    }
}

/// The body of the only `respond` of the only site, for a test of how its text was read.
fn respond_body(config: &Config) -> String {
    let [site] = config.sites.as_slice() else { panic!("not one site") };
    match &site.routes.first().expect("a route").handler {
        super::Handler::Respond(respond) => respond.body.as_literal().expect("no placeholders").to_owned(),
        other => panic!("not a respond: {other:?}"),
    }
}
