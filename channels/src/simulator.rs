//! Providers played on loopback, good enough to develop against: `doorstep simulate`, the tests and the demo use the same.
//!
//! A simulator speaks the provider's own protocol on 127.0.0.1, so that a channel is only pointed at another address. Its
//! fidelity rests on the provider's documents, which the module doc of each names. It has the customers' side too: what
//! they write, press and see; and it can be made to fail as providers do ([`Faults`]), repeatably by a seed.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use doorstep_core::{Ambient, message::Address};

/// A provider played on loopback. It stops when dropped.
#[async_trait]
pub trait Simulator: Send + Sync {
    /// Which provider: `telegram`.
    fn provider(&self) -> &'static str;

    /// The address at which the channel reaches a customer of the simulator, in whatever form the channel uses.
    fn address_of(&self, customer: &str) -> Address;

    /// A customer (any name; made at first sight) does something. Returns once the provider has it; the channel hears
    /// of it on its own road (webhook, poll, gateway, mailbox).
    ///
    /// # Errors
    /// What this provider's customers cannot do, or what does not exist (a button that was never shown).
    async fn act(&self, customer: &str, act: Act) -> Result<(), SimulatorError>;

    /// What the customer's device shows of our messages, oldest first.
    fn shown(&self, customer: &str) -> Vec<Shown>;

    /// Fails from now on as told; replaces what was told before.
    fn inject(&self, faults: Faults);

    /// What was counted since the start.
    fn counts(&self) -> Counts;

    /// Waits until something changed in what customers see or what was counted since `seen` changes; returns how many
    /// changes there were. Tests wait by it instead of sleeping.
    async fn changed(&self, seen: u64) -> u64;
}

/// What a customer does.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// Writes.
    Write(String),
    /// Changes the message written last.
    Edit(String),
    /// Presses a button that is shown, by its label.
    Press(String),
    /// Sends a file, perhaps with words.
    Send {
        /// File name.
        name: String,
        /// What the device says it is: `image/jpeg`.
        media_type: String,
        /// Its bytes.
        bytes: Bytes,
        /// The words.
        caption: Option<String>,
    },
    /// Opens the conversation by a deep link that carries this token.
    Follow(String),
    /// Does something of a kind that the channel does not know: a poll, a game, a gift.
    DoSomethingElse,
    /// Blocks the shop.
    Block,
    /// Unblocks the shop.
    Unblock,
}

/// A message as the customer sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// The provider's identifier.
    pub id: String,
    /// Text without markup; of cards, all that is written on them.
    pub text: String,
    /// Labels of its buttons, in order.
    pub buttons: Vec<String>,
    /// Addresses or names of its pictures.
    pub images: Vec<String>,
}

/// How the provider fails. Shares are of all sends, from 0 to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    /// Sends answered with "too many requests" and a time to wait.
    pub rate_limited: f64,
    /// How long that is.
    pub retry_after: Duration,
    /// Sends answered with a server error; nothing is shown.
    pub server_error: f64,
    /// Sends that are accepted and shown, and whose answer never comes.
    pub lost_answer: f64,
    /// What customers do that is told twice.
    pub duplicate: f64,
    /// What customers do that is told after what they did next.
    pub reordered: f64,
    /// The token is no longer valid.
    pub revoked: bool,
    /// Media cannot be read.
    pub media_away: bool,
    /// Chance's seed.
    pub seed: u64,
}

impl Default for Faults {
    /// None.
    fn default() -> Self {
        Self {
            rate_limited: 0.0,
            retry_after: Duration::from_secs(1),
            server_error: 0.0,
            lost_answer: 0.0,
            duplicate: 0.0,
            reordered: 0.0,
            revoked: false,
            media_away: false,
            seed: 1,
        }
    }
}

/// What a simulator counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages shown to customers.
    pub shown: u64,
    /// Sends answered with "too many requests".
    pub rate_limited: u64,
    /// Sends answered with a server error.
    pub server_errors: u64,
    /// Sends shown whose answer never came.
    pub lost_answers: u64,
    /// What customers did that was told twice.
    pub duplicates: u64,
    /// Typing and read marks.
    pub marks: u64,
}

/// Chance for faults: SplitMix64, the same in every run with the same seed.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// Begins at a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Whether something of this share happens now.
    pub fn happens(&mut self, share: f64) -> bool {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        // 53 bits: as many as a float between 0 and 1 holds.
        ((mixed >> 11) as f64 / (1u64 << 53) as f64) < share
    }
}

/// What a simulator cannot do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SimulatorError {
    /// Customers of this provider cannot do that.
    #[error("customers of {provider} cannot {what}")]
    NotThere {
        /// The provider.
        provider: &'static str,
        /// What was asked.
        what: String,
    },
    /// There is no such simulator.
    #[error(
        "there is no simulator of `{provider}`; there are telegram, whatsapp, discord and email"
    )]
    Unknown {
        /// What was asked for.
        provider: String,
    },
    /// It could not listen, or could not reach the channel.
    #[error("the simulator failed: {reason}")]
    Failed {
        /// Why.
        reason: String,
    },
}

/// How a simulator is started by name.
pub struct Start {
    /// Where its API listens; port 0 for any. Loopback only.
    pub listen: SocketAddr,
    /// Where it sends webhooks, if it sends any.
    pub webhook: String,
    /// Where it keeps files that the channel reads (a maildir).
    pub folder: PathBuf,
    /// Clock and randomness.
    pub ambient: Ambient,
}

/// A simulator that runs.
pub struct Started {
    /// It.
    pub simulator: Arc<dyn Simulator>,
    /// The settings that point a channel at it: keys as in the configuration, with their values.
    pub settings: Vec<(String, String)>,
}

/// Starts the simulator of a provider.
///
/// # Errors
/// There is none of that name, or it cannot listen.
pub async fn start(provider: &str, how: Start) -> Result<Started, SimulatorError> {
    let (simulator, settings): (Arc<dyn Simulator>, Vec<(&str, String)>) = match provider {
        #[cfg(feature = "discord")]
        "discord" => crate::discord::simulator::by_name(how).await?,
        #[cfg(feature = "email")]
        "email" => crate::email::simulator::by_name(how).await?,
        #[cfg(feature = "telegram")]
        "telegram" => crate::telegram::simulator::by_name(how).await?,
        #[cfg(feature = "whatsapp")]
        "whatsapp" => crate::whatsapp::simulator::by_name(how).await?,
        other => {
            return Err(SimulatorError::Unknown {
                provider: other.to_owned(),
            });
        }
    };
    let section = |(key, value): (&str, String)| (format!("channels.{provider}.{key}"), value);
    Ok(Started {
        simulator,
        settings: settings.into_iter().map(section).collect(),
    })
}
