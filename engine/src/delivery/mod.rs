//! That a message leaves once: claim, send, settle.
//!
//! A delivery is claimed before it is sent and settled after. A crash in between leaves a claim whose worker is silent;
//! the sweep ([`Store::release_claims`]) sends again where the channel makes that harmless, and else calls the outcome
//! ambiguous, to be settled by the provider's receipt or a person (G2).

use std::{collections::HashMap, sync::Arc, time::Duration};

use doorstep_core::{
    ChannelName, DeliveryId, Timestamp,
    channel::{Channel, SendError, SendRates},
};

mod pace;
pub use pace::Limit;

use crate::store::{ClaimedDelivery, Settlement, Store, StoreError};

/// How deliveries are attempted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryConfig {
    /// How often at most.
    pub max_attempts: u32,
    /// How long after the message was made at most: news of yesterday is none.
    pub max_age: Duration,
    /// How long one attempt may take before its outcome counts as unknown.
    pub timeout: Duration,
    /// The pause after the first attempt; each further one is twice as long.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Default for DeliveryConfig {
    fn default() -> Self {
        Self {
            max_attempts: 100,
            max_age: Duration::from_hours(24),
            timeout: Duration::from_secs(30),
            first_pause: Duration::from_secs(2),
            longest_pause: Duration::from_mins(15),
        }
    }
}

/// Sends what is due.
pub struct Delivery {
    store: Store,
    channels: HashMap<ChannelName, Arc<dyn Channel>>,
    config: DeliveryConfig,
    /// Whether any channel has limits to keep to.
    paced: bool,
}

impl Delivery {
    /// Over the store and the channels that we send on.
    pub fn new(
        store: Store,
        channels: impl IntoIterator<Item = Arc<dyn Channel>>,
        config: DeliveryConfig,
    ) -> Self {
        let channels: HashMap<_, _> = channels
            .into_iter()
            .map(|channel| (channel.name().clone(), channel))
            .collect();
        let unlimited = SendRates::default();
        let mut rates = channels
            .values()
            .map(|channel| channel.capabilities().rates);
        Self {
            paced: rates.any(|rates| rates != unlimited),
            store,
            channels,
            config,
        }
    }

    /// The channels that we send on: all but those whose messages are fetched.
    pub fn channels(&self) -> Vec<ChannelName> {
        self.channels
            .values()
            .filter(|channel| !channel.capabilities().mailbox)
            .map(|channel| channel.name().clone())
            .collect()
    }

    /// The channels on which sending twice has one effect.
    pub fn idempotent_channels(&self) -> Vec<ChannelName> {
        self.channels
            .values()
            .filter(|channel| channel.capabilities().idempotent)
            .map(|channel| channel.name().clone())
            .collect()
    }

    /// Makes the attempt that follows `made` earlier ones, unless another worker has it or it was made. `None` then;
    /// else what came of it.
    ///
    /// # Errors
    /// The store did not answer; what the claim left is found by the sweep.
    pub async fn attempt(
        &self,
        delivery: DeliveryId,
        made: i32,
    ) -> Result<Option<Settlement>, StoreError> {
        self.wait_for_its_place(delivery, made).await?;
        let Some(claimed) = self.store.claim_delivery(delivery, made).await? else {
            return Ok(None);
        };
        let settlement = self.send(&claimed).await;
        self.tell(&claimed, &settlement);
        let counted = self.store.settle_delivery(&claimed, &settlement).await?;
        Ok(counted.then_some(settlement))
    }

    /// Keeps to the provider's limits. Before the claim, so that whoever dies while waiting leaves nothing uncertain.
    async fn wait_for_its_place(&self, delivery: DeliveryId, made: i32) -> Result<(), StoreError> {
        if !self.paced {
            return Ok(());
        }
        let Some((address, news)) = self.store.find_waiting_delivery(delivery, made).await? else {
            return Ok(());
        };
        let Some(channel) = self.channels.get(&address.channel) else {
            return Ok(());
        };
        let limits = pace::limits(&channel.capabilities().rates, &address, news);
        let wait = self.store.take_places(limits).await?;
        if !wait.is_zero() {
            metrics::histogram!("doorstep_delivery_paced_seconds", "channel" => address.channel.to_string())
                .record(wait.as_secs_f64());
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    async fn send(&self, claimed: &ClaimedDelivery) -> Settlement {
        if let Some(reason) = &claimed.closed {
            return Settlement::Failed {
                reason: format!("the address is closed: {reason}"),
            };
        }
        let Some(channel) = self.channels.get(&claimed.address.channel) else {
            return Settlement::Failed {
                reason: format!("no channel `{}` is configured", claimed.address.channel),
            };
        };
        let sending = channel.send(&claimed.address, &claimed.message);
        let outcome = match tokio::time::timeout(self.config.timeout, sending).await {
            Ok(outcome) => outcome,
            Err(_) => Err(SendError::Ambiguous {
                reason: format!("no answer within {} s", self.config.timeout.as_secs()),
            }),
        };
        match outcome {
            Ok(receipt) => Settlement::Sent {
                provider_id: receipt.provider_id,
            },
            Err(SendError::Fail { reason }) => Settlement::Failed { reason },
            Err(SendError::Gone { reason }) => Settlement::Gone { reason },
            Err(SendError::Retry { after, reason }) => self.retry(claimed, after, reason),
            Err(SendError::Ambiguous { reason }) if channel.capabilities().idempotent => {
                match self.retry(claimed, None, reason) {
                    // The last attempt may have arrived.
                    Settlement::Failed { reason } => Settlement::Ambiguous { reason },
                    settlement => settlement,
                }
            }
            Err(SendError::Ambiguous { reason }) => Settlement::Ambiguous { reason },
        }
    }

    fn retry(
        &self,
        claimed: &ClaimedDelivery,
        after: Option<Duration>,
        reason: String,
    ) -> Settlement {
        let made = u32::try_from(claimed.attempt).unwrap_or(u32::MAX);
        if made >= self.config.max_attempts {
            return Settlement::Failed {
                reason: format!("given up after {made} attempts: {reason}"),
            };
        }
        let at = self.store.ambient().now() + after.unwrap_or_else(|| self.pause(made));
        if at > claimed.created_at + self.config.max_age {
            return Settlement::Failed {
                reason: format!("given up as too old: {reason}"),
            };
        }
        Settlement::Retry { at, reason }
    }

    /// Twice as long after each attempt, ± a quarter, so that what failed together is not tried together.
    fn pause(&self, made: u32) -> Duration {
        let doubled = self
            .config
            .first_pause
            .saturating_mul(1 << made.saturating_sub(1).min(20));
        let mut random = [0; 2];
        self.store.ambient().entropy.fill(&mut random);
        let share = f64::from(u16::from_be_bytes(random)) / f64::from(u16::MAX);
        doubled
            .min(self.config.longest_pause)
            .mul_f64(0.75 + share / 2.0)
    }

    fn tell(&self, claimed: &ClaimedDelivery, settlement: &Settlement) {
        let channel = claimed.address.channel.to_string();
        let outcome = settlement.as_str();
        metrics::counter!("doorstep_deliveries_total", "channel" => channel, "outcome" => outcome)
            .increment(1);
        if let Some(waited) = waited(claimed, self.store.ambient().now()) {
            metrics::histogram!("doorstep_delivery_seconds", "channel" => claimed.address.channel.to_string())
                .record(waited.as_secs_f64());
        }
        match settlement {
            Settlement::Sent { .. } => {
                tracing::info!(delivery.id = %claimed.id, channel = %claimed.address.channel, "sent");
            }
            Settlement::Retry { reason, .. }
            | Settlement::Failed { reason }
            | Settlement::Gone { reason }
            | Settlement::Ambiguous { reason } => {
                tracing::warn!(delivery.id = %claimed.id, channel = %claimed.address.channel, outcome, reason);
            }
        }
    }
}

fn waited(claimed: &ClaimedDelivery, now: Timestamp) -> Option<Duration> {
    (now - claimed.created_at).to_std().ok()
}

#[cfg(test)]
mod fallback_tests;
#[cfg(test)]
mod tests;
