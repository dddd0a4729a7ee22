//! Everything through the front door: the tests speak HTTP and WebSocket with the program as its users do, and look into
//! database and outbox only to prove what happened exactly once, or not at all.
//!
//! Services: `scripts/services start; eval "$(scripts/services env)"`. What a service is missing for is skipped visibly;
//! with `DOORSTEP_TEST_STRICT=1`, as in CI, it fails.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod accessibility;
mod answers;
mod apart;
mod bad_input;
mod browser;
mod channels;
mod check;
mod classify;
mod conversations;
mod crash;
mod demo;
mod eta;
mod eval;
mod eval_answers;
mod eval_search;
mod files;
mod handoffs;
mod import;
mod injection;
mod instances;
mod intents;
mod merchant;
mod origins;
mod pages;
mod phrasing;
mod platforms;
mod polling;
mod readiness;
mod real_shop;
mod rules;
mod say;
mod search;
mod secrets;
mod sentences;
mod settings;
mod shopping;
mod silence;
mod strangers;
mod support;
mod surface;
mod templates;
mod time_zones;
mod webhooks;
mod week;
