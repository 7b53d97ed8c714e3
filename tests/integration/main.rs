//! Tests through the front door: the built program, a socket, the log. One module for each topic that users know.
//!
//! Each test starts its own server on a free port, so all tests may run at the same time. The doc comment
//! of a test names the lines of the behaviour contract that it proves (`B12`).

// With a sanitized PHP this program also needs the sanitizer's runtime as its first library; our library brings it.
use igor_php as _;

mod common;

mod admin;
mod archetypes;
mod background;
mod chaos;
mod claims;
mod classic;
mod cli;
mod consistency;
mod encode;
mod engine;
mod environment;
mod examples;
mod fastcgi;
#[cfg(feature = "faults")]
mod faults;
mod fpm;
mod fuzz_connections;
mod hard_cases;
mod hot_reload;
mod http2;
mod http3;
mod http_rules;
mod http_worker;
mod interleavings;
mod layers;
mod leak_probe;
mod leftovers;
mod listening;
mod manual;
mod many;
mod mercure;
mod mercure_history;
mod mercure_keys;
mod mercure_subscriptions;
mod mercure_version_1;
mod moving_in;
mod names;
mod on_demand;
mod opcache;
mod php_builds;
mod php_cli;
mod php_ini;
mod places;
mod polyfill;
mod processes;
mod proxy;
mod reload;
mod remote;
mod remote_php;
mod request_body;
mod reset_table;
mod server_variables;
mod shortage;
mod shutdown;
mod signals;
mod slow_clients;
mod smuggling;
mod status_page;
mod stores;
mod supervision;
mod syscalls;
mod tasks;
mod thread_life;
mod timeouts;
mod tls;
mod traces;
mod two_requests;
mod vars;
