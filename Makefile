# The two commands that matter: `make serve` and `make test`. `make help` lists the rest.

PHP_VERSION ?= 8.4
PHP_BUILD ?= release
PORT ?= 8080
export PHP_VERSION PHP_BUILD PORT

# Each PHP has a target folder of its own, so that switching does not build everything anew; the default one is Cargo's.
ifeq ($(PHP_VERSION)-$(PHP_BUILD),8.4-release)
TARGET ?= target
else
TARGET ?= target/php-$(PHP_VERSION)-$(PHP_BUILD)
endif
export CARGO_TARGET_DIR := $(TARGET)

# `make php` has run by the time that this is expanded.
WITH_PHP = PHP_CONFIG="$$(scripts/php.sh print)" && export PHP_CONFIG && PHP="$$(dirname "$$PHP_CONFIG")/php" && export PHP &&
NEXTEST := $(shell command -v cargo-nextest 2>/dev/null)
RUN_TESTS = $(if $(NEXTEST),cargo nextest run --no-fail-fast,cargo test --no-fail-fast)

.PHONY: help php build serve test lint unit phpt test-packages bench bench-vars clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

php: ## Build PHP, once (or check the one in PHP_CONFIG)
	@scripts/php.sh install-packages build
	@scripts/php.sh build
	@scripts/cargo-env.sh

build: php ## Build target/release/igor
	$(WITH_PHP) cargo build --release

serve: build ## Serve the live-config demo on PORT (8080)
	exec $(TARGET)/release/igor run --config examples/live-config/Caddyfile

test: php test-packages lint unit phpt ## Format check, lints, unit, integration and .phpt tests

test-packages:
	@scripts/php.sh install-packages test

lint:
	cargo fmt --check
	$(WITH_PHP) cargo clippy --all-targets -- -D warnings
	cargo clippy --no-default-features --lib -- -D warnings

unit: ## Unit and integration tests
	$(WITH_PHP) $(RUN_TESTS)

phpt: php ## The .phpt suites, run by PHP's own run-tests.php
	$(WITH_PHP) cargo build
	$(WITH_PHP) scripts/phpt.sh $(TARGET)/debug/igor

bench: php ## Requests per second and the cost of a read, as ratios measured in one run
	$(WITH_PHP) cargo build --release --features bench --bins --example plain-hyper
	$(WITH_PHP) $$PHP benches/http.php $(TARGET)/release

bench-vars: php ## What snapshots cost, beside what the request would do without them
	$(WITH_PHP) cargo build --release --features bench --bins
	$(WITH_PHP) $$PHP benches/vars.php $(TARGET)/release

clean: ## Remove what cargo built (PHP stays in its cache)
	cargo clean
