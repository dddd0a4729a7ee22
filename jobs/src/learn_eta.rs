//! Learns from time to time how long parcels take, and takes up what other instances have learnt.
//!
//! Whose turn it is stands in the store: of all instances one learns, and it is not the queue's to remember.

use std::{sync::Arc, time::Duration};

use doorstep_engine::eta::Forecasts;
use tokio_util::sync::CancellationToken;

/// How often is looked whether there is something to do.
const LOOK_EVERY: Duration = Duration::from_mins(5);

/// Looks at once, and then until `stop`.
pub(crate) async fn repeat(forecasts: Arc<Forecasts>, stop: CancellationToken) {
    let mut timer = tokio::time::interval(LOOK_EVERY);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = timer.tick() => {}
        }
        run(&forecasts).await;
    }
}

/// Only takes up what other instances have learnt, until `stop`: for those that run no jobs but tell customers days.
pub async fn follow(forecasts: Arc<Forecasts>, stop: CancellationToken) {
    let mut timer = tokio::time::interval(LOOK_EVERY);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = timer.tick() => take_up(&forecasts).await,
        }
    }
}

/// Looks once.
pub async fn run(forecasts: &Forecasts) {
    match forecasts.learn_if_due().await {
        Ok(Some(deliveries)) => {
            metrics::counter!("doorstep_eta_learned_total").increment(1);
            tracing::info!(deliveries, "learnt how long parcels take");
        }
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "how long parcels take is learnt later"),
    }
    take_up(forecasts).await;
}

async fn take_up(forecasts: &Forecasts) {
    if let Err(error) = forecasts.refresh().await {
        tracing::warn!(%error, "forecasts of other instances are taken up later");
    }
}
