#!/usr/bin/env bash
# Points plain `cargo` and editors to the PHP to use, by an untracked .cargo/config.toml. `make` does not need it: it sets
# the same variables itself, and variables of the environment win over this file.
set -euo pipefail

cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
config=$(scripts/php.sh print)
mkdir -p .cargo
printf '[env]\nPHP_CONFIG = "%s"\nPHP = "%s/php"\n' "$config" "$(dirname -- "$config")" >.cargo/config.toml
