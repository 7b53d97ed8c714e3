//! What a read costs while the engine is away, beside one of a worker that belongs to no cluster: both in one request, by
//! the quickest of many rounds, so other programs on the machine hardly count.

use crate::engines::Engine;
use crate::instance::{Instance, get, read};
use crate::proxy::{Proxy, Weather};
use crate::until;
use std::fs;

/// Publishes once.
const ONCE: &str = "<?php\nfrankenphp_set_vars(['at' => 1, 'process' => getmypid(), 'values' => range(1, 100)]);\nfgets(frankenphp_get_worker_handle());\n";

const COST: &str = r#"<?php
frankenphp_require_background_worker('local', 30.0);
$best = ['local' => PHP_INT_MAX, 'rates' => PHP_INT_MAX];
for ($round = 0; $round < 60; $round++) {
    foreach (['local', 'rates'] as $name) {
        $begin = hrtime(true);
        for ($read = 0; $read < 10_000; $read++) {
            frankenphp_get_vars($name);
        }
        $best[$name] = min($best[$name], hrtime(true) - $begin);
    }
}
echo $best['local'], ' ', $best['rates'];
"#;

/// The ratio of both.
fn ratio(instance: &Instance) -> f64 {
    let page = get(instance.address, "/cost.php").expect("a page");
    let times: Vec<f64> = page.split(' ').map(|time| time.parse().unwrap_or_else(|_| panic!("{page}"))).collect();
    times[1] / times[0]
}

#[test]
fn a_read_costs_the_same_while_the_engine_is_away() {
    let mut engine = Engine::nats();
    let network = Proxy::start(engine.addresses()[0]);
    // A second worker, behind the end of the first one's block.
    let local = "}\n worker rates.php {\n background\n name local\n";
    let instance = Instance::with(&engine.at(&[network.address]), ONCE, "", local, "");
    fs::write(instance.folder.path().join("cost.php"), COST).expect("a file");
    until("a snapshot", || read(instance.address).ok());
    let mut ratios = vec![("with the engine", ratio(&instance))];
    network.set(Weather::Cut);
    until("notice", || instance.log().contains("the cluster's engine is not usable").then_some(()));
    ratios.push(("cut off", ratio(&instance)));
    network.set(Weather::Fine);
    engine.kill();
    until("the end of its term", || instance.log().contains("leads the cluster worker no more").then_some(()));
    ratios.push(("without the engine", ratio(&instance)));
    println!("{ratios:.2?}");
    for (when, ratio) in ratios {
        assert!((0.5..1.5).contains(&ratio), "{when}: {ratio}");
    }
}
