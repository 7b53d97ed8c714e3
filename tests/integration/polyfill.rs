//! The package `polyfill/`: the functions of background workers where Igor is absent.

use crate::common::{igor_php, output_of, stock_php};
use std::path::{Path, PathBuf};
use std::process::Command;

fn package() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("polyfill")
}

/// Composer as its package of the distribution brings it, which asks no one and takes nothing from the network.
fn composer(home: &Path) -> Command {
    let mut command = Command::new("composer");
    command.args(["--no-interaction", "--no-ansi"]).env("COMPOSER_HOME", home.join("composer-home"));
    command.env("COMPOSER_ALLOW_SUPERUSER", "1").env("COMPOSER_DISABLE_NETWORK", "1");
    command
}

#[test]
fn the_packages_own_tests_pass_in_the_stock_php() {
    let output = output_of(stock_php().arg(package().join("tests/run.php")));
    assert!(output.ends_with(" checks passed\n"), "{output}");
}

/// B14, B25, B40: what is wrong anywhere is refused alike with and without Igor.
#[test]
fn wrong_calls_fail_as_they_do_under_igor() {
    let calls = package().join("tests/calls.php");
    let (without, with) = (output_of(stock_php().arg(&calls)), output_of(igor_php().arg(&calls)));
    assert!(with.lines().count() > 50, "{with}");
    for (without, with) in without.lines().zip(with.lines()) {
        assert_eq!(without, with);
    }
    assert_eq!(without.lines().count(), with.lines().count());
}

/// A program that takes the package from Composer calls the functions in both; under Igor they are the server's own.
#[test]
fn composer_loads_it_and_it_does_nothing_under_igor() {
    let project = tempfile::tempdir().expect("a temporary folder can be made");
    let manifest = serde_json::json!({
        "repositories": [
            {"packagist.org": false},
            {"type": "path", "url": package(), "options": {"symlink": false, "versions": {"igor-sapi/polyfill": "1.0.0"}}},
        ],
        "require": {"igor-sapi/polyfill": "^1.0"},
    });
    std::fs::write(project.path().join("composer.json"), manifest.to_string()).expect("files can be written");
    std::fs::write(
        project.path().join("app.php"),
        r#"<?php
        require __DIR__ . '/vendor/autoload.php';
        $names = array_filter(get_defined_functions()['user'], fn ($name) => str_starts_with($name, 'frankenphp_'));
        try {
            $vars = frankenphp_get_vars('flags');
        } catch (RuntimeException $error) {
            $vars = $error->getMessage();
        }
        $classes = array_filter(get_declared_classes(), fn ($name) => str_starts_with($name, 'Igor\\'));
        echo json_encode([count($names), array_values($classes), $vars]);"#,
    )
    .expect("files can be written");
    output_of(composer(project.path()).args(["validate", "--strict", "--no-check-lock"]).current_dir(package()));
    output_of(composer(project.path()).arg("install").current_dir(project.path()));

    let run = |mut php: Command| {
        let text = output_of(php.arg(project.path().join("app.php")).env("IGOR_VARS_FLAGS", r#"{"on":true}"#));
        serde_json::from_str::<serde_json::Value>(&text).expect("the script answers in JSON")
    };
    let used = ["Igor\\Polyfill\\Arguments", "Igor\\Polyfill\\Vars"];
    assert_eq!(run(stock_php()), serde_json::json!([5, used, {"on": true}]));
    let under_igor = run(igor_php());
    assert_eq!((&under_igor[0], &under_igor[1]), (&0.into(), &serde_json::json!([])), "{under_igor}");
    assert!(under_igor[2].as_str().is_some_and(|message| message.contains("is not declared")), "{under_igor}");
}
