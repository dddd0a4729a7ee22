//! What the tests share.

pub(crate) mod browser;
pub(crate) mod chat;
pub(crate) mod database;
pub(crate) mod hooks;
pub(crate) mod language_model;
pub(crate) mod merchant;
pub(crate) mod server;
pub(crate) mod skip;
pub(crate) mod wait;
pub(crate) mod webdriver;
pub(crate) mod workload;
