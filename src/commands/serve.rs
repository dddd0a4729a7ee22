//! `doorstep serve` and `doorstep demo`

use std::net::SocketAddr;

use serde_json::json;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use super::{Failure, config_of_demo, load_config, print};
use crate::{
    ambient,
    app::App,
    cli::{Cli, Demo, Role, Serve},
    config::{Config, LogFormat},
};

pub(super) async fn serve(cli: &Cli, arguments: &Serve) -> Result<(), Failure> {
    let config = load_config(cli)?;
    crate::observe::start_logging(&config.log);
    let (listener, config) = listen(config).await?;
    let app = App::start(config, ambient::system(), arguments.role, false).await?;
    tracing::info!(address = %app.config.http.listen, backend = ?doorstep_core::nlu::Nlu::backend(&app.nlu), "ready");
    crate::serve(app, listener, stop_on_signal()?).await;
    Ok(())
}

pub(super) async fn demo(cli: &Cli, arguments: &Demo) -> Result<(), Failure> {
    let (mut config, _folder) = config_of_demo(cli)?;
    config.http.listen = SocketAddr::from(([127, 0, 0, 1], arguments.port));
    if config.log.format == LogFormat::Auto {
        config.log.filter = "warn".to_owned();
    }
    crate::observe::start_logging(&config.log);
    let (listener, config) = listen(config).await?;
    let address = config.http.listen;
    let app = App::start(config, ambient::system(), Role::All, true).await?;
    let url = format!("http://{address}/");
    match cli.json {
        true => print(json!({ "url": url }))?,
        false => print(format!(
            "Doorstep's demo shop is open at {url} (Ctrl-C closes it; nothing is kept)"
        ))?,
    }
    crate::serve(app, listener, stop_on_signal()?).await;
    Ok(())
}

/// Takes the port first, so that a taken one is told before anything is opened; port 0 becomes the real one.
async fn listen(mut config: Config) -> Result<(TcpListener, Config), Failure> {
    let wanted = config.http.listen;
    let listener = TcpListener::bind(wanted).await.map_err(|error| {
        Failure::Finding(format!(
            "cannot listen on {wanted}: {error}; stop what uses the port, or choose another with --port or http.listen"
        ))
    })?;
    config.http.listen = listener.local_addr().map_err(Failure::finding)?;
    Ok((listener, config))
}

/// A token that SIGINT and SIGTERM cancel.
fn stop_on_signal() -> Result<CancellationToken, Failure> {
    let stop = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::finding)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::finding)?;
    let stopped = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping: finishing what runs");
        stopped.cancel();
    });
    Ok(stop)
}
