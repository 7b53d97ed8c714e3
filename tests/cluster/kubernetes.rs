//! The example for Kubernetes: its YAML is well-formed, its Caddyfile is valid, and its times fit together.

use crate::settings::validate;
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a stop needs beyond the grace period, in seconds: 5 for scripts that are interrupted, and 1 for the lease.
const BEYOND_THE_GRACE_PERIOD: u64 = 6;

/// The documents of a file, by their kind.
fn documents(path: &Path) -> Value {
    let program = "import json, sys, yaml\n\
                   print(json.dumps({each['kind']: each for each in yaml.safe_load_all(sys.stdin)}))";
    let mut command = Command::new("python3");
    let mut child =
        command.args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3");
    let text = fs::read(path).expect("the example");
    child.stdin.take().expect("it is a pipe").write_all(&text).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "it is YAML, and python3-yaml is installed: scripts/packages.sh install test");
    serde_json::from_slice(&output.stdout).expect("it is JSON")
}

/// The seconds behind a directive.
fn seconds(caddyfile: &str, directive: &str) -> u64 {
    let mut lines = caddyfile.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let value = lines.find_map(|words| (words.first() == Some(&directive)).then(|| words[1].to_owned()));
    value.and_then(|value| value.trim_end_matches('s').parse().ok()).unwrap_or_else(|| panic!("no {directive}"))
}

#[test]
fn the_example_for_kubernetes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/kubernetes/igor-cluster.yaml");
    let all = documents(&path);
    let caddyfile = all["ConfigMap"]["data"]["Caddyfile"].as_str().expect("a Caddyfile");
    let deployment = &all["Deployment"]["spec"];
    let pod = &deployment["template"]["spec"];
    let container = &pod["containers"][0];

    // What is mounted is what the Caddyfile names.
    let folder = tempfile::tempdir().expect("a folder");
    let at = |path: &str| folder.path().join(path.trim_start_matches('/'));
    let mounts: Vec<&str> = container["volumeMounts"]
        .as_array()
        .expect("mounts")
        .iter()
        .filter_map(|mount| mount["mountPath"].as_str())
        .collect();
    assert!(mounts.contains(&"/etc/igor-engine") && mounts.contains(&"/etc/igor/Caddyfile"), "{mounts:?}");
    for file in ["/etc/igor-engine/password", "/app/bin/rates.php", "/app/public/index.php"] {
        fs::create_dir_all(at(file).parent().expect("a folder")).expect("a folder");
        fs::write(at(file), "").expect("a file");
    }
    let here = caddyfile.replace("/etc/igor-engine/", &format!("{}/", at("/etc/igor-engine").display()));
    let here = here.replace("/app/", &format!("{}/", at("/app").display()));
    assert_eq!(here.matches(&*folder.path().to_string_lossy()).count(), 3, "{here}");
    let (before, after) = here.split_once("engine etcd").expect("an engine");
    let (_, block) = after.split_once('{').expect("a block");
    for text in [&here, &format!("{before}engine redis redis://igor@redis:6379 {{{block}")] {
        fs::write(folder.path().join("Caddyfile"), text).expect("a file");
        let (said, status) = validate(folder.path());
        assert_eq!(status, Some(0), "{said}\n{text}");
    }

    let pause =
        container["lifecycle"]["preStop"]["exec"]["command"][1].as_str().and_then(|text| text.parse::<u64>().ok());
    let stop = pause.expect("a pause") + seconds(caddyfile, "grace_period") + BEYOND_THE_GRACE_PERIOD;
    let limit = pod["terminationGracePeriodSeconds"].as_u64().expect("a limit");
    assert!(stop < limit, "{stop} s do not fit into {limit} s");
    assert!(seconds(caddyfile, "lease") >= 2);
    assert!(deployment["replicas"].as_u64() >= Some(2));
    assert_eq!(deployment["strategy"]["rollingUpdate"]["maxUnavailable"], 0);
    for (probe, path) in [("startupProbe", "/readyz"), ("readinessProbe", "/readyz"), ("livenessProbe", "/healthz")] {
        assert_eq!(container[probe]["httpGet"]["path"], path, "{probe}");
    }
    let label = &deployment["selector"]["matchLabels"];
    for (kind, place) in [("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector")] {
        assert_eq!(&all[kind]["spec"][place]["matchLabels"], label, "{kind}");
    }
    assert_eq!(&all["Service"]["spec"]["selector"], label);
}
