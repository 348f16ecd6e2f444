#!/usr/bin/env bash
# Builds every target with the stable toolchain and without cargo-fuzz: coverage, but no sanitizer.
# The fuzzers are then in target/x86_64-unknown-linux-gnu/release.
set -euo pipefail
cd "$(dirname "$0")"
host=$(rustc -vV | sed -n 's/^host: //p')
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
 -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=16"
RUSTFLAGS=$(tr -s '\n ' '  ' <<<"$RUSTFLAGS")
exec cargo build --release --target "$host" "$@"
