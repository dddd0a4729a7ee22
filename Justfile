# `just` lists these; `just ci` is what the gate runs.

default:
    @just --list

# Everything the gate checks, with real services.
ci:
    .ci/run

# The tests that need nothing installed.
test:
    cargo test --workspace

# The demo: prints one address.
demo:
    cargo run -- demo

# Start PostgreSQL and the browser driver for the tests; then: eval "$(scripts/services env)"
services:
    scripts/services start

# Every figure of the performance bounds, with ratios (release build).
bench:
    cargo build --release
    cargo run --release -p doorstep-bench

# The tables of docs/search.md, from the Icecat catalog below $DOORSTEP_SHARED or ../shared (release build, minutes).
search-tables:
    cargo build --release
    scripts/search-tables

# Train the shipped model again.
train:
    training/run.sh
