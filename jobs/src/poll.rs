//! Asks carriers for parcels, from time to time.
//!
//! Each source has a task of its own, so that a slow or dead one holds up no other. Whose turn it is and what is due stand in
//! the store: of all instances one asks a source, and it is not the queue's to remember.

use std::{sync::Arc, time::Duration};

use doorstep_engine::poll::{Polled, Poller};
use tokio_util::sync::CancellationToken;

/// Looks every `every` whether parcels are due, at once for the first time, until `stop`.
pub(crate) async fn repeat(poller: Arc<Poller>, every: Duration, stop: CancellationToken) {
    if let Err(error) = poller.begin().await {
        tracing::warn!(source = %poller.source(), %error, "the last run's turn is waited for");
    }
    let mut timer = tokio::time::interval(every);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(timer.tick()).await.is_some() {
        run(&poller, &stop).await;
    }
}

/// Asks for what is due.
pub async fn run(poller: &Poller, stop: &CancellationToken) {
    let source = poller.source();
    let polled = match poller.poll(stop).await {
        Ok(polled) => polled,
        Err(error) => {
            tracing::error!(%source, %error, "parcels are asked for again later");
            return;
        }
    };
    if let Some((until, reason)) = &polled.held {
        tracing::warn!(%source, %until, reason, "a carrier does not answer and is left alone for a while");
    }
    if polled != Polled::default() {
        let Polled {
            known,
            unknown,
            refused,
            news,
            ..
        } = polled;
        tracing::info!(%source, known, unknown, refused, news, "asked for parcels");
    }
}
