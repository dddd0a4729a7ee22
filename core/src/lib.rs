//! The words of Doorstep and its ports.
//!
//! Every other room speaks in these types; this room sees none of ours. A *port* is a trait at a real boundary: a
//! provider, a shop, a model, an index, the clock. What is ours (the store, the router) is concrete and lives in `engine`.
//!
//! | to learn about | read |
//! |---|---|
//! | what a customer writes and gets | [`message`], [`attachment`], [`channel`] |
//! | what a text means, and who phrases an answer | [`understanding`], [`nlu`], [`language_model`] |
//! | orders, parcels, what a shop tells us | [`order`], [`shipment`], [`event`], [`shop`] |
//! | catalog and knowledge | [`product`], [`search`] |
//! | what we tell a customer unasked | [`notification`] |
//! | where an address is by the clock | [`time_zone`] |
//! | in which colour | [`accent`] |

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod accent;
pub mod attachment;
pub mod channel;
pub mod customer;
pub mod event;
pub mod health;
pub mod id;
pub mod language;
pub mod language_model;
pub mod mask;
pub mod message;
pub mod money;
pub mod nlu;
pub mod notification;
pub mod order;
pub mod problem;
pub mod product;
pub mod search;
pub mod shipment;
pub mod shop;
pub mod time;
pub mod time_zone;
pub mod understanding;
pub mod webhook;

pub use health::Health;
pub use id::*;
pub use language::Language;
pub use money::Money;
pub use problem::{ConfigFiles, Problem};
pub use time::{Ambient, Clock, Entropy, Timestamp};
