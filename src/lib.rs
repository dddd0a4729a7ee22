//! The front door: command line, configuration, HTTP, and the composition of all rooms.
//!
//! [`serve`] is what `doorstep serve` and the tests run: a configuration, a listener, and a token to stop it.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod ambient;
pub mod app;
mod approved;
pub mod assets;
mod bubbles;
pub mod catalog;
pub mod cli;
pub mod client;
pub mod commands;
pub mod config;
pub mod demo;
mod doubts;
pub mod feed;
pub mod http;
mod knowledge;
mod limit;
pub mod memory;
pub mod merchant;
mod nowhere;
pub mod observe;
mod opening;
mod overlay;
mod picture;
mod reload;
mod rendered;
pub mod turns;
mod unpack;

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::App;

/// Serves a started program, and has its channels receive unless it is a worker, until `stop`, then ends it: running
/// requests and jobs are finished, what waits stays in the store.
pub async fn serve(app: Arc<App>, listener: TcpListener, stop: CancellationToken) {
    let linked = app.stop.clone();
    tokio::spawn({
        let stop = stop.clone();
        async move {
            stop.cancelled().await;
            linked.cancel();
        }
    });
    app.listen_on_channels();
    http::serve(app.clone(), listener, stop).await;
    app.shut_down().await;
}
